"""What freezing does, and what Keras' own flags do to batch normalisation: the facts of docs/use/freezing.md."""

import keras
import numpy as np
import pytest
from keras import layers
from probed_nets import Residual
from transform_nets import batch, outputs, randomised, same

import zoo


def array(variable):
    return np.array(keras.ops.convert_to_numpy(variable.value))


def two_stages():
    x = keras.Input((6,), name="x")
    y = layers.BatchNormalization(name="a_norm")(layers.Dense(5, name="a")(x))
    side = layers.Dense(4, name="side")(x)
    y = layers.BatchNormalization(name="b_norm")(layers.Dense(4, name="b")(layers.ReLU(name="a_act")(y)))
    y = layers.Dense(1, name="top")(layers.Add(name="sum")([y, side]))
    return randomised(keras.Model(x, y, name="two"))


def trained(model):
    return sorted({v.path.split("/")[-2] for v in model.trainable_variables})


def moved(model, x, y):
    """Names of the layers of which any variable moves in a step."""
    model.compile(keras.optimizers.SGD(0.01), "mse")
    owners = [layer for layer in model._flatten_layers() if layer.variables and not list(layer._layers)]
    before = [[array(v) for v in layer.variables] for layer in owners]
    model.fit(x, y, verbose=0)
    return sorted(
        layer.name
        for layer, old in zip(owners, before, strict=True)
        if not same(old, [array(v) for v in layer.variables])
    )


def test_frozen_is_what_the_layer_is_computed_from():
    model = two_stages()
    assert trained(zoo.freeze(model, until="a_act")) == ["b", "side", "top"]
    assert trained(zoo.freeze(model, until="a_act", norms="follow")) == ["b", "b_norm", "side", "top"]
    assert trained(zoo.freeze(model, until="sum")) == ["top"]
    assert trained(zoo.freeze(model)) == []


@pytest.mark.parametrize("norms", ["inference", "follow"])
def test_what_is_frozen_does_not_move_and_the_rest_does(norms):
    model = two_stages()
    x, y = batch(model, size=16), np.ones((16, 1))
    frozen = zoo.freeze(model, until="a_act", norms=norms)
    expected = ["b", "side", "top"] if norms == "inference" else ["b", "b_norm", "side", "top"]
    assert same(model.get_weights(), frozen.get_weights())
    assert same(outputs(model, x), outputs(frozen, x))
    same_in_training = same(outputs(frozen, x, training=True), outputs(frozen, x))
    assert same_in_training == (norms == "inference")
    assert moved(frozen, x, y) == expected
    assert all(layer.trainable for layer in model.layers)


def test_nested_models():
    base = two_stages()
    x = keras.Input((6,))
    first = layers.Dense(6, name="first")(x)
    model = randomised(keras.Model(x, layers.Dense(1, name="last")(base(first))))
    assert trained(zoo.freeze(model, until="two/a_act")) == ["b", "last", "side", "top"]
    assert trained(zoo.freeze(model, until="two")) == ["last"]
    data = batch(model, size=16)
    frozen = zoo.freeze(model, until="two/a_act")
    assert moved(frozen, data, np.ones((16, 1))) == ["b", "last", "side", "top"]


def test_normalisation_inside_layers_is_frozen_too():
    x = keras.Input((6, 6, 4))
    model = keras.Model(x, layers.Dense(1, name="top")(layers.Flatten()(Residual(name="res")(x))))
    assert moved(zoo.freeze(model, until="res"), batch(model, size=4), np.ones((4, 1))) == ["top"]
    x = keras.Input((3, 4))
    y = layers.Dense(3, name="a")(x)
    y = layers.TimeDistributed(layers.BatchNormalization(name="inner"), name="td")(y)
    model = keras.Model(x, layers.Dense(1, name="top")(y))
    data, targets = batch(model, size=4), np.ones((4, 3, 1))
    assert moved(zoo.freeze(model, until="a"), data, targets) == ["top"]
    assert moved(zoo.freeze(model, until="a", norms="follow"), data, targets) == ["inner", "top"]


def test_wrong_arguments():
    model = two_stages()
    with pytest.raises(ValueError, match=r"until='b_nrm' is no layer of the model; did you mean 'b_norm'"):
        zoo.freeze(model, until="b_nrm")
    with pytest.raises(ValueError, match="norms must be one of 'inference', 'follow', received 'train'"):
        zoo.freeze(model, norms="train")


def backbone():
    parts = [layers.Dense(3, name="fc"), layers.BatchNormalization(name="norm")]
    return keras.Sequential([keras.Input((4,)), *parts], name="backbone")


def with_head(base, **options):
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(1, name="head")(base(x, **options)))


X = np.random.default_rng(0).normal(5, 2, (64, 4)).astype("float32")
Y = np.zeros((64, 1))


def test_the_flag_stops_weights_and_statistics_of_normalisation():
    base = backbone()
    base.trainable = False
    model = with_head(base)
    assert same(outputs(model, X, training=True), outputs(model, X))
    assert moved(model, X, Y) == ["head"]


def test_the_flag_of_the_norm_alone_stops_the_norm_alone():
    base = backbone()
    base.get_layer("norm").trainable = False
    assert moved(with_head(base), X, Y) == ["fc", "head"]


def test_calling_the_base_in_inference_does_not_hold_in_fit():
    assert moved(with_head(backbone(), training=False), X, Y) == ["fc", "head", "norm"]


@pytest.mark.tensorflow  # whose compiled step keeps what was trainable
def test_a_flag_set_after_compile_waits_for_the_next_compile():
    base = backbone()
    model = with_head(base)
    model.compile(keras.optimizers.SGD(0.01), "mse")
    model.fit(X, Y, verbose=0)
    base.trainable = False
    before = array(base.get_layer("norm").moving_mean)
    model.fit(X, Y, verbose=0)
    assert not np.array_equal(before, array(base.get_layer("norm").moving_mean))
    assert moved(model, X, Y) == ["head"]  # compiles


@pytest.mark.tensorflow  # elsewhere Keras sets those of the layers each time
def test_setting_the_flag_of_a_model_sets_those_of_its_layers_where_it_changes():
    base = backbone()
    norm = base.get_layer("norm")
    norm.trainable = False
    base.trainable = True  # as it was
    assert not norm.trainable
    base.trainable = False
    base.trainable = True
    assert norm.trainable


def test_frozen_dropout_still_drops():
    model = keras.Sequential([keras.Input((50,)), layers.Dropout(0.5)])
    model.trainable = False
    assert (outputs(model, np.ones((1, 50), "float32"), training=True)[0] == 0).any()


@pytest.mark.parametrize("until", [3, ["norm"], layers.Dense(2)])
def test_until_that_is_no_name_is_named(until):
    with pytest.raises(TypeError, match="until must be the name of a layer or None, received"):
        zoo.freeze(backbone(), until)


def two_towers_of_one_base():
    base = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="fc")], name="base")
    ends = []
    x = keras.Input((4,))
    for name in ("tower1", "tower2"):
        inner = keras.Input((4,))
        tower = keras.Model(inner, layers.Dense(4, name=f"{name}_top")(base(inner)), name=name)
        ends.append(tower(x))
    return keras.Model(x, layers.Add(name="sum")(ends))


def test_a_model_in_two_models_is_frozen_through_either():
    model = two_towers_of_one_base()
    assert trained(zoo.freeze(model, until="tower2")) == ["tower1_top"]
    assert trained(zoo.freeze(model, until="tower1")) == ["tower2_top"]
    for tower in ("tower1", "tower2"):
        assert trained(zoo.freeze(model, until=f"{tower}/base/fc")) == ["tower1_top", "tower2_top"]
    with pytest.raises(ValueError, match="until='tower2/base/fcc' is no layer"):
        zoo.freeze(model, until="tower2/base/fcc")


def rolled():
    return zoo.build("resnet14", input_shape=(8, 8, 3), width=4, classes=3, rolled=True)


def test_the_normalisation_of_rolled_units_is_not_passed_over():
    model = rolled()
    runs = [layer.name for layer in model.layers if hasattr(layer, "stacks")]
    with pytest.raises(ValueError, match=rf"^{runs[0]} is a rolled run .* zoo\.transforms\.unroll\(model\)"):
        zoo.freeze(model, until="stem_conv")
    assert not zoo.freeze(model).trainable_variables
    assert "stem_conv" not in trained(zoo.freeze(model, until="stem_conv", norms="follow"))
    for name in runs:
        model.get_layer(name).trainable = False
    assert not set(runs) & set(trained(zoo.freeze(model, until="stem_conv")))
