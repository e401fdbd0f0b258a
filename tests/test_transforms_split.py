"""Splitting and fusing: the same functions in the same order, to the bit, and back again."""

import keras
import pytest
from keras import layers
from transform_nets import (
    batch,
    branching,
    configuration,
    gradients,
    outputs,
    randomised,
    same,
)

from zoo.activations import sites
from zoo.transforms import fuse_activations, split_activations


def built_in(model):
    return [site.name for site in sites(model) if site.built_in]


def everything():
    """One layer of each kind that takes an activation, each with another one."""
    x = keras.Input((12, 12, 4))
    y = layers.Conv2D(4, 3, groups=2, strides=2, activation="relu", name="grouped")(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation="gelu", name="depthwise")(y)
    y = layers.SeparableConv2D(6, 3, dilation_rate=2, padding="same", activation="silu", name="separable")(y)
    y = layers.Conv2DTranspose(4, 3, strides=2, activation=layers.LeakyReLU(0.1, name="up_act"), name="up")(y)
    y = layers.Reshape((-1, 4), name="rows")(y)
    y = layers.Conv1D(4, 3, padding="causal", activation="tanh", name="line")(y)
    y = layers.EinsumDense("abc,cd->abd", (None, 5), activation="elu", name="einsum")(y)
    return keras.Model(x, layers.Dense(3, activation="softmax", name="top")(y), name="everything")


@pytest.mark.parametrize("make", [everything, branching])
def test_outputs_and_gradients_are_equal_to_the_bit_and_fusing_restores_the_model(make):
    model = randomised(make())
    x = batch(model)
    split = split_activations(model)
    assert not built_in(split)
    assert same(outputs(model, x), outputs(split, x))
    assert same(gradients(model, x), gradients(split, x))
    assert configuration(fuse_activations(split)) == configuration(model)
    assert same(outputs(model, x), outputs(fuse_activations(split), x))


def test_splitting_restores_a_fused_model():
    model = randomised(everything())
    split = split_activations(model)
    assert configuration(split_activations(fuse_activations(split))) == configuration(split)


def test_a_sequential_model_stays_one():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu", name="fc")])
    split = split_activations(model)
    assert isinstance(split, keras.Sequential)
    assert [layer.name for layer in split.layers] == ["fc", "fc_act"]
    assert configuration(fuse_activations(split)) == configuration(model)


def test_the_split_model_saves_and_loads(tmp_path):
    model = randomised(everything())
    split = split_activations(model)
    split.save(tmp_path / "split.keras")
    assert same(
        outputs(model, batch(model)), outputs(keras.models.load_model(tmp_path / "split.keras"), batch(model))
    )


def test_the_argument_is_left_untouched():
    model = randomised(branching())
    before = configuration(model), [len(layer._inbound_nodes) for layer in model.layers]
    weights = model.get_weights()
    split_activations(model)
    fuse_activations(model)
    assert (configuration(model), [len(layer._inbound_nodes) for layer in model.layers]) == before
    assert same(weights, model.get_weights())


def test_slopes_of_a_built_in_prelu_move_with_it():
    x = keras.Input((6, 6, 2))
    model = keras.Model(x, layers.Conv2D(3, 3, activation=layers.PReLU(name="slopes"), name="conv")(x))
    model(batch(model))
    randomised(model)
    split = split_activations(model)
    assert [layer.name for layer in split.layers[1:]] == ["conv", "conv_act"]
    assert same(outputs(model, batch(model)), outputs(split, batch(model)))


def test_half_precision_splits_to_the_bit():
    x = keras.Input((6, 6, 2))
    y = layers.Conv2D(3, 3, activation="gelu", dtype="mixed_float16", name="conv")(x)
    model = randomised(keras.Model(x, y))
    split = split_activations(model)
    assert split.get_layer("conv_act").compute_dtype == "float16"
    assert same(outputs(model, batch(model)), outputs(split, batch(model)))


def head(*tail, **options):
    """A linear convolution named `conv`, then `tail`."""
    x = keras.Input((6, 6, 2))
    y = layers.Conv2D(3, 3, name="conv", **options)(x)
    for layer in tail:
        y = layer(y)
    return x, y


def unfusable():
    x, y = head()
    yield "two readers", keras.Model(x, layers.Add()([layers.ReLU()(y), y]))
    x, y = head()
    yield "also an output", keras.Model(x, [layers.ReLU()(y), y])
    yield "BatchNormalization between", keras.Model(*head(layers.BatchNormalization(), layers.ReLU()))
    yield "has an activation", keras.Model(*head(layers.ReLU(), activation="tanh"))
    yield "weights of its own", keras.Model(*head(layers.PReLU()))
    yield "softmax over another axis", keras.Model(*head(layers.Softmax(axis=1)))
    yield "another dtype", keras.Model(*head(layers.Softmax(dtype="float32"), dtype="mixed_float16"))
    yield "regularised before", keras.Model(*head(layers.ReLU(), activity_regularizer="l2"))
    yield "regularised after", keras.Model(*head(layers.Activation("relu", activity_regularizer="l2")))
    x, y = head()
    shared = layers.ReLU(name="shared")
    yield (
        "the activation is also called elsewhere",
        keras.Model(x, layers.Concatenate()([shared(y), shared(x[:, 2:, 2:])])),
    )
    x, y = head()
    inner = keras.Model(x, y, name="inner")
    outer = keras.Input((6, 6, 2))
    yield "the convolution is the output of a nested model", keras.Model(outer, layers.ReLU()(inner(outer)))


UNFUSABLE = dict(unfusable())


@pytest.mark.parametrize("case", UNFUSABLE)
def test_what_cannot_be_fused_stays(case):
    model = randomised(UNFUSABLE[case])
    fused = fuse_activations(model)
    assert configuration(fused) == configuration(model)
    assert same(outputs(model, batch(model)), outputs(fused, batch(model)))


FUSABLE = {
    "relu": lambda: layers.ReLU(),
    "relu6": lambda: layers.ReLU(max_value=6.0),
    "all arguments": lambda: layers.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2),
    "leaky": lambda: layers.LeakyReLU(0.05),
    "elu": lambda: layers.ELU(0.7),
    "softmax": lambda: layers.Softmax(),
    "mish": lambda: layers.Activation("mish"),
    "relu layer inside Activation": lambda: layers.Activation(layers.ReLU(max_value=0.5)),
}


@pytest.mark.parametrize("case", FUSABLE)
def test_every_kind_of_activation_layer_is_fused_with_its_arguments(case, tmp_path):
    model = randomised(keras.Model(*head(FUSABLE[case]())))
    fused = fuse_activations(model)
    assert [layer.name for layer in fused.layers[1:]] == ["conv"]
    assert same(outputs(model, batch(model)), outputs(fused, batch(model)))
    assert same(gradients(model, batch(model)), gradients(fused, batch(model)))
    fused.save(tmp_path / "fused.keras")
    loaded = keras.models.load_model(tmp_path / "fused.keras")
    assert same(outputs(model, batch(model)), outputs(loaded, batch(model)))


def test_shared_layers_are_split_and_fused_at_every_call():
    x = keras.Input((4,))
    shared = layers.Dense(4, activation="relu", name="shared")
    model = randomised(keras.Model(x, shared(shared(x))))
    split = split_activations(model)
    assert [layer.name for layer in split.layers[1:]] == ["shared", "shared_act"]
    assert same(outputs(model, batch(model)), outputs(split, batch(model)))
    assert configuration(fuse_activations(split)) == configuration(model)


def test_splitting_refuses_a_taken_name_and_a_regulariser_by_name():
    x = keras.Input((4,))
    y = layers.Dense(3, activation="relu", name="a")(x)
    with pytest.raises(ValueError, match=r"'a_act'.*Rename"):
        split_activations(keras.Model(x, layers.Dropout(0.1, name="a_act")(y)))
    z = layers.Dense(3, activation="relu", activity_regularizer="l1", name="watched")(x)
    with pytest.raises(ValueError, match=r"'watched'.*activity_regularizer"):
        split_activations(keras.Model(x, z))


def test_linear_is_no_activation():
    x = keras.Input((4,))
    y = layers.Activation("linear", name="nothing")(layers.Dense(3, activation="linear", name="fc")(x))
    model = keras.Model(x, y)
    assert sites(model) == []
    assert (
        configuration(split_activations(model))
        == configuration(model)
        == configuration(fuse_activations(model))
    )
