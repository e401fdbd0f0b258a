"""Layers inserted into nets put together by hand, and what is refused."""

import keras
import numpy as np
import pytest
from keras import layers
from surgery_nets import (
    Net,
    Scale,
    array,
    backbone,
    chain,
    draw,
    images,
    names,
    nested,
    same_weights,
    shared,
    vectors,
)

from zoo.surgery import flatten, insert_after


def test_all_readers_and_the_output_get_the_new_value():
    model = backbone()
    new, report = insert_after(model, "act", layers.Rescaling(3.0, name="triple"))
    assert report.added == {"triple": "act"} and report.shapes == {}
    x = images()
    act = keras.Model(model.input, model.get_layer("act").output)(x) * 3
    expected = model.get_layer("pool")(model.get_layer("conv2")(act) + act)
    np.testing.assert_allclose(array(new(x)), array(expected), rtol=1e-5, atol=1e-6)
    assert same_weights(new, model, "conv2") and same_weights(new, model, "norm")


def test_after_an_output():
    model = backbone()
    new, _ = insert_after(model, "pool", layers.Rescaling(2.0))
    np.testing.assert_array_equal(array(new(images())), 2 * array(model(images())))


@pytest.mark.parametrize("kind", ["functional", "sequential", "nested"])
def test_after_an_input(kind):
    sequential = draw(keras.Sequential([keras.Input((8, 8, 3), name="image"), layers.Conv2D(2, 3)]))
    model = {"functional": backbone(), "sequential": sequential, "nested": nested()}[kind]
    new = insert_after(model, model.inputs[0].name, layers.Rescaling(0.5, name="half")).model
    np.testing.assert_allclose(array(new(images())), array(model(images() / 2)), rtol=1e-5, atol=1e-6)
    assert names(new)[0] == "half" and isinstance(new, type(model))


def test_a_clone_with_weights_of_its_own_at_every_place():
    model = backbone()
    norm = layers.BatchNormalization(name="bn")
    new, report = insert_after(model, ["conv", "conv2"], norm)
    assert report.added == {"conv_bn": "conv", "conv2_bn": "conv2"}
    first, second = new.get_layer("conv_bn"), new.get_layer("conv2_bn")
    assert first is not second and first.gamma is not second.gamma and not norm.built
    np.testing.assert_allclose(array(new(images())), array(model(images())), rtol=5e-3)


def test_a_built_layer_brings_its_weights():
    dense = layers.Dense(3, name="adapter")
    dense.build((None, 3))
    dense.set_weights([2 * np.eye(3), np.ones(3)])
    model = chain()
    new = insert_after(model, "c", dense).model
    x = vectors(5)
    np.testing.assert_allclose(array(new(x)), 2 * array(model(x)) + 1, rtol=1e-6)
    assert new.get_layer("adapter") is not dense
    unfit = layers.Dense(4, name="adapter")
    unfit.build((None, 3))
    with pytest.raises(ValueError, match=r"'adapter' comes with weights of the shapes .* at 'a' it needs"):
        insert_after(model, "a", unfit)


def test_a_sequential_model_stays_one():
    new = insert_after(chain(), layers.Dense, layers.ReLU(name="relu")).model
    assert isinstance(new, keras.Sequential)
    assert names(new) == ["a", "a_relu", "b", "b_relu", "c", "c_relu"]


def test_in_a_nested_model():
    model = nested()
    new, report = insert_after(model, "base/act", layers.Rescaling(0.0, name="zero"))
    assert report.added == {"base/zero": "base/act"}
    assert "zero" in names(new.get_layer("base"))
    flat = insert_after(flatten(model).model, "act", layers.Rescaling(0.0)).model
    np.testing.assert_array_equal(array(new(images())), array(flat(images())))
    # Its name alone is enough where no other layer has it.
    assert insert_after(model, "act", layers.ReLU(name="r")).report.added == {"base/r": "base/act"}


def test_after_all_calls_of_a_shared_layer_or_after_one():
    model, x = shared(), vectors(4)
    dense, act = model.get_layer("fc"), model.get_layer("act")
    both = insert_after(model, "fc", layers.Rescaling(2.0)).model(x)
    np.testing.assert_allclose(array(both["first"]), 2 * array(dense(x)), rtol=1e-6)
    np.testing.assert_allclose(array(both["second"]), 2 * array(dense(act(2 * dense(x)))), rtol=1e-5)
    one = insert_after(model, "fc:2", layers.Rescaling(2.0)).model(x)
    np.testing.assert_array_equal(array(one["first"]), array(dense(x)))
    np.testing.assert_allclose(array(one["second"]), 2 * array(dense(act(dense(x)))), rtol=1e-6)


def test_by_a_function_of_the_layer_there():
    def norm(layer):
        return layers.LayerNormalization(name=f"{layer.name}_ln")

    report = insert_after(chain(), "a", norm).report
    assert report.added == {"a_ln": "a"}


def test_the_dtype_policy_and_flags_stay():
    model = nested()
    model.get_layer("base").trainable = False
    model.get_layer("base").get_layer("conv2").trainable = True
    new = insert_after(model, "act", layers.BatchNormalization(name="bn")).model
    base = new.get_layer("base")
    flags = {layer.name: layer.trainable for layer in base.layers if layer.weights}
    assert flags == {"conv": False, "norm": False, "bn": True, "conv2": True}


def test_refused():
    model = backbone()
    with pytest.raises(ValueError, match=r"'conv2' no longer fits.*\(3, 3, 4, 4\).*\(3, 3, 2, 4\)"):
        insert_after(model, "act", layers.Conv2D(2, 1))
    with pytest.raises(ValueError, match="'add' no longer fits"):
        insert_after(model, "conv2", layers.MaxPooling2D(2))
    with pytest.raises(ValueError, match=r"LSTM 'd' cannot be inserted after 'pool'.*\(None, 4, 4, 4\)"):
        insert_after(model, "pool", layers.LSTM(3, name="d"))
    with pytest.raises(ValueError, match=r"LSTM 'd' cannot be inserted after 'b'"):
        insert_after(chain(), "b", layers.LSTM(3, name="d"))
    with pytest.raises(TypeError, match=r"received the class ReLU: call it, ReLU\(\)"):
        insert_after(model, "act", layers.ReLU)
    with pytest.raises(TypeError, match="has to return a layer; it returned None"):
        insert_after(model, "act", lambda layer: None)
    x = keras.Input((5, 3))
    several = keras.Model(x, layers.LSTM(4, return_state=True, name="lstm")(x))
    with pytest.raises(ValueError, match="'lstm': it has 3 outputs"):
        insert_after(several, "lstm", layers.ReLU())


@pytest.mark.parametrize("built", [False, True])
def test_a_class_of_its_own_keeps_what_was_set_on_it(built):
    def scale(name, factor):
        layer = Scale(name=name)
        layer.factor = factor
        return layer

    x = keras.Input((4,))
    model = Net(x, scale("last", 3.0)(scale("first", 2.0)(x)), name="net")
    middle = scale("middle", 5.0)
    if built:
        middle(np.ones((1, 4)))
    new = insert_after(model, "first", middle).model
    assert isinstance(new, Net)
    np.testing.assert_array_equal(array(new(np.ones((1, 4)))), np.full((1, 4), 30.0))


def test_a_function_of_tensors_is_no_function_of_layers():
    with pytest.raises(TypeError, match=r"called with the layer 'a', fails: .*keras\.layers\.Activation"):
        insert_after(chain(), "a", keras.ops.relu)


def seeds(model):
    """The state that each random layer of a model draws from, in order."""
    return [
        tuple(keras.ops.convert_to_numpy(layer.seed_generator.state).tolist())
        for layer in model._flatten_layers()
        if hasattr(layer, "seed_generator")
    ]


def three_activations():
    x = y = keras.Input((50,))
    for number in range(3):
        y = layers.ReLU(name=f"r{number}")(y)
    return keras.Model(x, y)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Dropout(0.5),
        lambda: layers.GaussianNoise(0.5),
        lambda: keras.Sequential([keras.Input((50,)), layers.Dropout(0.5)]),
        lambda: (lambda one: lambda old: one)(layers.AlphaDropout(0.5)),
    ],
    ids=["dropout", "noise", "model", "function"],
)
def test_random_layers_draw_their_own_at_each_place(layer):
    model = three_activations()
    given = layer()
    if isinstance(given, keras.Model):  # whose copies would have one name
        chosen = [insert_after(model, "r0", given).model]
        assert seeds(chosen[0]) == seeds(given)
        return
    drawn = seeds(insert_after(model, "r*", given).model)
    assert len(drawn) == len(set(drawn)) == 3
    if isinstance(given, keras.layers.Layer):
        assert drawn[0] == seeds(given)[0]
    assert seeds(insert_after(model, "r*", given).model) == drawn


def test_a_seed_that_is_given_is_that_of_every_place():
    assert seeds(insert_after(three_activations(), "r*", layers.Dropout(0.5, seed=3)).model) == [(3, 0)] * 3


def test_two_places_of_one_dropout_drop_others():
    model = insert_after(three_activations(), ["r0", "r1"], layers.Dropout(0.5)).model
    both = keras.ops.convert_to_numpy(model(np.ones((4, 50), "float32"), training=True))
    # Of one mask twice half would stay; of two, a quarter: 50 of 200, with a deviation of 6.
    assert 25 <= np.count_nonzero(both) <= 75
