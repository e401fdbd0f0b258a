"""What transforms do not reach is named: by a warning, in `kept`, or by a refusal."""

import copy

import keras
import numpy as np
import pytest
from keras import layers, ops
from probed_nets import Residual, residual

from zoo.activations import UnseenWarning, families, is_linear, label, passes_values, sites, unseen
from zoo.probes import activation_stats
from zoo.transforms import fold_batchnorm, fuse_activations, split_activations, swap_activation

shapes_alone = pytest.mark.usefixtures("shapes_alone")

# A backend has its own ways of keeping layers inside layers.
pytestmark = pytest.mark.backend


def wrapped():
    parts = [
        layers.Conv2D(4, 3, name="conv"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(name="act"),
    ]
    frame = keras.Sequential([keras.Input((8, 8, 3)), *parts, layers.GlobalAveragePooling2D()], name="frame")
    x = keras.Input((5, 8, 8, 3))
    y = layers.LSTM(4, name="lstm")(layers.TimeDistributed(frame, name="td")(x))
    return keras.Model(x, layers.Dense(2, activation="relu", name="head")(y), name="video")


def test_the_places_inside_layers_are_listed():
    found = unseen(wrapped(), norms=True)
    assert found["td/frame/act"] == "relu inside 'td' (TimeDistributed)"
    assert found["td/frame/norm"] == "it stands inside 'td' (TimeDistributed), which is code and not a graph"
    assert found["lstm/forget_gate"] == "sigmoid inside 'lstm' (LSTM)"
    assert len(found) == 1 + 1 + 5


TRANSFORMS = {
    "split_activations": split_activations,
    "fuse_activations": fuse_activations,
    "swap_activation": lambda model: swap_activation(model, "relu", "gelu"),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_say_what_they_leave(name):
    with pytest.warns(UnseenWarning, match=f"{name} does not see all of 'video'.*'td/frame/act'") as said:
        TRANSFORMS[name](wrapped())
    assert said[0].filename == __file__


@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")
def test_a_swap_keeps_what_it_left_in_its_result():
    result = swap_activation(wrapped(), "relu", "gelu")
    assert result.unseen == unseen(wrapped())
    assert len(result) == 2 and result.sites == ("head",)  # still a pair
    alone = keras.Sequential([keras.Input((4,)), layers.Dense(2, activation="relu")])
    assert swap_activation(alone, "relu", "gelu").unseen == {}
    assert copy.copy(result).unseen == result.unseen


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("kind", ["layer", "recurrent", "attention"])
def test_transforms_refuse_where_they_see_nothing(name, kind):
    if kind == "layer":
        model = residual()
    else:
        x = keras.Input((5, 4))
        y = layers.GRU(3)(x) if kind == "recurrent" else layers.MultiHeadAttention(2, 3)(x, x)
        model = keras.Model(x, y)
    with pytest.raises(ValueError, match=f"{name} sees no activation in .* Not seen:"):
        TRANSFORMS[name](model)


@pytest.mark.parametrize("kind", ["wrapper", "layer", "wrapped alone"])
def test_fold_keeps_what_it_does_not_see_with_the_reason(kind):
    if kind == "wrapper":
        model, names = wrapped(), ["td/frame/norm"]
    elif kind == "layer":
        model, names = residual(), ["res/norm"]
    else:
        x = keras.Input((5, 4))
        norm = layers.BatchNormalization(name="norm")
        model, names = keras.Model(x, layers.TimeDistributed(norm, name="td")(x)), ["td/norm"]
    folded = fold_batchnorm(model)
    assert folded.folded == () and list(folded.kept) == names
    assert all("it stands inside" in reason for reason in folded.kept.values())


@pytest.mark.deep  # five nets of full size
@pytest.mark.tensorflow  # Keras has no NASNet on Torch; what is read is the graph, the same on every backend
@shapes_alone
def test_stock_models_hide_nothing():
    for name in ("EfficientNetB0", "MobileNetV3Small", "ConvNeXtTiny", "NASNetMobile", "InceptionV3"):
        make = getattr(keras.applications, name)
        assert unseen(make(weights=None, include_top=False), norms=True) == {}, name


class Half(layers.ReLU):
    def call(self, x):
        return super().call(x) / 2


class Square(layers.Activation):
    def call(self, x):
        return super().call(x) ** 2


class Cube(layers.Identity):
    def call(self, x):
        return x**3


def test_a_subclass_with_a_call_of_its_own_is_not_the_stock_layer():
    assert families(Half()) == set() and label(Half()) == "Half"
    assert not is_linear(Square("linear")) and not is_linear(Cube()) and not passes_values(Cube())
    assert families(layers.ReLU()) == {"relu"} and is_linear(layers.Activation("linear"))
    model = keras.Sequential([keras.Input((4,)), Square("linear", name="square"), Half(name="half")])
    assert [(site.name, label(site.function)) for site in sites(model)] == [
        ("square", "Square"),
        ("half", "Half"),
    ]


def relu(z):
    return 3 * z


def test_a_function_of_ones_own_is_nobody_elses():
    assert families(relu) == set() and label(relu) == "relu"
    assert families(keras.activations.relu) == families(ops.relu) == {"relu"}
    assert families(lambda z: z) == set()


@pytest.mark.tensorflow
def test_a_function_of_the_backend_is_the_stock_one():
    import tensorflow as tf

    assert families(tf.nn.relu) == {"relu"} and families(tf.nn.swish) == {"silu"}
    assert families(tf.nn.softmax) == {"softmax"} and families(tf.tanh) == {"tanh"}


def test_what_hands_values_on():
    x = keras.Input((4, 1))
    for operation in (
        lambda z: ops.squeeze(z, -1),
        lambda z: ops.reshape(z, (-1, 2, 2)),
        lambda z: ops.cast(z, "float64"),
        lambda z: z[:, :2],
        lambda z: ops.transpose(z, (0, 2, 1)),
    ):
        y = operation(x)
        assert passes_values(y._keras_history.operation), y
    for layer in (layers.Dropout(0.1), layers.Activation("linear", dtype="float32"), layers.Flatten()):
        assert passes_values(layer)
    for layer in (layers.ReLU(), layers.Rescaling(2.0), layers.Dense(1), layers.AveragePooling1D(2)):
        assert not passes_values(layer)
    assert not passes_values((x + 1.0)._keras_history.operation)


def test_a_residual_block_in_a_dict_or_list_of_layers():
    class Stage(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.blocks = [Residual(name="a"), Residual(name="b")]

        def build(self, shape):
            for block in self.blocks:
                block.build(shape)

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return x

    x = keras.Input((6, 6, 4))
    model = keras.Model(x, Stage(name="stage")(x))
    assert list(unseen(model, norms=True)) == [
        "stage/a/act",
        "stage/b/act",
        "stage/a/norm",
        "stage/b/norm",
    ]
    assert np.shape(model(np.zeros((1, 6, 6, 4)))) == (1, 6, 6, 4)


class Learned(layers.Activation):
    """x + sin(a x)^2 / a, with an a for each channel."""

    def __init__(self, a=1.0, **options):
        super().__init__("linear", **options)
        self.start = a

    def build(self, shape):
        self.a = self.add_weight(shape=shape[-1:], initializer=keras.initializers.Constant(self.start))

    def call(self, x):
        return x + ops.square(ops.sin(self.a * x)) / self.a

    def get_config(self):
        config = super().get_config()
        del config["activation"]
        return config | {"a": self.start}


class Outside(layers.Layer):
    def call(self, x):
        return ops.sin(x)


def test_a_subclass_of_an_activation_layer_is_a_site_whose_code_hides_nothing():
    for own in (Learned, Square, Half):
        x = keras.Input((4,))
        layer = own("tanh", name="own") if own is Square else own(name="own")
        model = keras.Model(x, layers.Dense(2, activation="relu", name="top")(layer(x)))
        assert unseen(model) == {}, own
        assert [site.name for site in sites(model)] == ["own", "top"], own
        assert [row["activation"] for row in activation_stats(model, np.ones((3, 4)))] == [
            own.__name__,
            "relu",
        ]


def test_another_layer_with_code_is_unseen_and_the_warning_says_what_is_seen():
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(2, activation="relu", name="top")(Outside(name="own")(x)))
    assert list(unseen(model)) == ["own"]
    with pytest.warns(UnseenWarning, match=r"inherits from keras\.layers\.Activation\.$"):
        activation_stats(model, np.ones((3, 4)))
    recurrent = keras.Sequential([keras.Input((5, 3)), layers.SimpleRNN(4), layers.ReLU()])
    with pytest.warns(UnseenWarning) as told:
        swap_activation(recurrent, "relu", "gelu")
    assert "inherits" not in str(told[0].message)


def test_an_activation_layer_that_holds_others_is_looked_into():
    class Normed(layers.Activation):
        def __init__(self, **options):
            super().__init__("relu", **options)
            self.norm = layers.BatchNormalization(name="norm")

        def build(self, shape):
            self.norm.build(shape)

        def call(self, x):
            return ops.sin(super().call(self.norm(x)))

    x = keras.Input((4,))
    model = keras.Model(x, Normed(name="own")(x))
    assert list(unseen(model, norms=True)) == ["own/norm"]


def test_a_site_is_shown_in_one_line():
    x = keras.Input((4,))
    y = layers.Dense(4, activation="relu", name="fc")(x)
    inner = keras.Model(x, Half(name="half")(y), name="inner")
    model = keras.Model(x, layers.ReLU(6, name="six")(inner(x)))
    assert [repr(site) for site in sites(model)] == [
        "<Site 'six': relu6, layer>",
        "<Site 'inner/fc': relu, argument>",
        "<Site 'inner/half': Half, layer>",
    ]
