"""Models in models, laid flat."""

import keras
import numpy as np
import pytest
from keras import layers
from surgery_nets import array, backbone, chain, draw, images, names, nested, same_weights, towers, vectors

from zoo.graph import inbound_nodes
from zoo.surgery import flatten
from zoo.transforms import fold_batchnorm


@pytest.mark.parametrize("training", [None, False, True])
def test_outputs_gradients_and_statistics_are_equal_to_the_bit(training):
    model = nested(training)
    flat, report = flatten(model)
    assert report.removed == ("base",) and report.moved["base/conv"] == "conv"
    assert names(flat) == ["scale", "conv", "norm", "act", "conv2", "add", "pool", "gap", "head"]
    for mode in (None, False, True):
        np.testing.assert_array_equal(
            array(flat(images(), training=mode)), array(model(images(), training=mode))
        )
    for net in (model, flat):
        net.compile("sgd", "mse")
        net.fit(images(), vectors(3)[:2], shuffle=False, verbose=0)
    for new, old in zip(flat.weights, model.weights, strict=True):
        np.testing.assert_array_equal(array(new), array(old), err_msg=old.path)


def test_grad_cam_on_a_nested_backbone():
    """The case of tensorflow#44462: a model from an inner layer to the outer score."""
    model = nested()
    inner = model.get_layer("base").get_layer("conv2").output
    with pytest.raises(ValueError, match="not connected"):
        keras.Model(model.input, [inner, model.output])
    flat = flatten(model).model
    both = keras.Model(flat.input, [flat.get_layer("conv2").output, flat.output])
    maps, scores = both(images())
    assert maps.shape == (2, 8, 8, 4)
    np.testing.assert_array_equal(array(scores), array(model(images())))


def test_a_sequential_model_with_a_nested_one():
    model = draw(keras.Sequential([keras.Input((8, 8, 3)), backbone(), layers.Flatten(), layers.Dense(2)]))
    flat = flatten(model).model
    assert not isinstance(flat, keras.Sequential) and "conv" in names(flat)
    np.testing.assert_array_equal(array(flat(images())), array(model(images())))


def test_nothing_nested():
    new, report = flatten(chain())
    assert isinstance(new, keras.Sequential) and report == type(report)()


def test_a_model_called_twice_becomes_layers_called_twice():
    model = towers()
    flat = flatten(model).model
    data = {"a": vectors(4), "b": vectors(4, seed=1)}
    np.testing.assert_array_equal(array(flat(data)), array(model(data)))
    assert len(flat.weights) == 2 and len(inbound_nodes(flat.get_layer("fc"))) == 2


def test_names_that_meet_get_those_of_their_models():
    x = keras.Input((8, 8, 3), name="image")
    y = layers.Conv2D(3, 1, name="conv")(x)
    model = draw(keras.Model(x, layers.Add(name="sum")([backbone("left")(y), backbone("right")(y)])))
    flat, report = flatten(model)
    assert report.moved["left/conv"] == "left_conv" and report.moved["right/add"] == "right_add"
    assert same_weights(flat, model, "conv")
    assert same_weights(flat, model.get_layer("right"), "right_conv2", "conv2")
    np.testing.assert_array_equal(array(flat(images())), array(model(images())))


def test_models_in_models_and_inputs_by_name():
    p, q = keras.Input((4,), name="z"), keras.Input((4,), name="a")
    inner = keras.Model([p, q], layers.Subtract(name="minus")([p, q]), name="inner")
    middle_in = keras.Input((4,))
    middle = keras.Model(middle_in, inner({"z": middle_in, "a": 2 * middle_in}), name="middle")
    x = keras.Input((4,))
    model = keras.Model(x, layers.ReLU(name="relu")(middle(x)))
    flat, report = flatten(model)
    assert report.moved["middle/inner/minus"] == "minus" and report.removed == ("middle", "middle/inner")
    np.testing.assert_array_equal(array(flat(vectors(4))), np.maximum(-vectors(4), 0))


def test_a_frozen_model_with_one_layer_trained():
    model = nested()
    model.get_layer("base").trainable = False
    model.get_layer("base").get_layer("conv2").trainable = True
    flat = flatten(model).model
    assert {layer.name for layer in flat.layers if layer.trainable_weights} == {"conv2", "head"}


def test_models_inside_wrappers_stay_and_are_named():
    frame = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="frame")
    x = keras.Input((5, 4))
    model = keras.Model(x, layers.TimeDistributed(frame, name="each")(x))
    new, report = flatten(model)
    assert report.kept == {"each": "TimeDistributed holds the model 'frame' and calls it itself"}
    data = np.ones((2, 5, 4), "float32")
    np.testing.assert_array_equal(array(new(data)), array(model(data)))


def test_a_mask_goes_through():
    ids = keras.Input((5,))
    tail = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3, name="lstm")], name="tail")
    tail.supports_masking = True
    model = keras.Model(ids, tail(layers.Embedding(6, 4, mask_zero=True)(ids)))
    data = np.array([[1, 2, 0, 0, 0], [1, 3, 1, 1, 0]])
    np.testing.assert_array_equal(array(flatten(model).model(data)), array(model(data)))


def test_other_transforms_reach_what_was_nested():
    folded = fold_batchnorm(flatten(nested()).model)
    assert folded.folded == ("norm",)


def test_no_calls_are_left_that_nobody_asked_for():
    kinds = [type(op).__name__ for op in flatten(nested()).model.operations]
    assert "ConvertToTensor" not in kinds


def test_a_call_of_its_own_is_refused():
    class Doubled(keras.Model):
        def __call__(self, *args, **kwargs):
            return 2 * super().__call__(*args, **kwargs)

    x = keras.Input((4,))
    inner = Doubled(x, layers.Dense(3)(x), name="inner")
    y = keras.Input((4,))
    with pytest.raises(TypeError, match="__call__"):
        flatten(keras.Model(y, inner(y)))


def test_what_leads_to_an_output_that_nothing_reads_is_said_to_be_gone():
    i = keras.Input((4,))
    read, unread = layers.Dense(3, name="read")(i), layers.Dense(2, name="unread")(i)
    inner = keras.Model(i, [read, unread], name="inner")
    x = keras.Input((4,))
    flat, report = flatten(keras.Model(x, layers.Dense(2, name="top")(inner(x)[0])))
    assert [layer.name for layer in flat.layers[1:]] == ["read", "top"]
    assert report.removed == ("inner", "inner/unread")
    assert report.moved == {"inner/read": "read"}
