"""Layers removed from nets put together by hand, and what is refused."""

import keras
import numpy as np
import pytest
from keras import layers
from surgery_nets import array, backbone, chain, images, names, nested, same_weights, shared, towers, vectors

from zoo.surgery import remove, replace


def test_readers_get_what_the_layer_read():
    model = backbone()
    new, report = remove(model, ["norm", "act"])
    assert report.removed == ("norm", "act")
    x = images()
    conv = model.get_layer("conv")(x)
    expected = model.get_layer("pool")(model.get_layer("conv2")(conv) + conv)
    np.testing.assert_allclose(array(new(x)), array(expected), rtol=1e-5, atol=1e-6)


def test_the_last_layer():
    model = chain()
    new = remove(model, "c").model
    expected = model.get_layer("b")(model.get_layer("a")(vectors(5)))
    assert isinstance(new, keras.Sequential) and names(new) == ["a", "b"]
    np.testing.assert_array_equal(array(new(vectors(5))), array(expected))


def test_a_class_means_layers_in_nested_models_too():
    model = nested()
    new, report = remove(model, layers.BatchNormalization)
    assert report.removed == ("base/norm",) and "norm" not in names(new.get_layer("base"))
    assert same_weights(new.get_layer("base"), model.get_layer("base"), "conv")


def test_one_call():
    model, x = shared(), vectors(4)
    new = remove(model, "fc:1").model(x)
    np.testing.assert_array_equal(array(new["first"]), x)
    np.testing.assert_array_equal(array(new["second"]), array(model.get_layer("fc")(np.maximum(x, 0))))


def test_shapes_that_change_are_reported():
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 1, name="conv")(layers.MaxPooling2D(2, name="pool")(x))
    model = keras.Model(x, layers.GlobalAveragePooling2D(name="gap")(y))
    report = remove(model, "pool").report
    assert report.shapes == {"conv": ((None, 4, 4, 4), (None, 8, 8, 4))}


def test_refused():
    with pytest.raises(ValueError, match="cannot remove 'add': it reads 2 tensors"):
        remove(backbone(), "add")
    with pytest.raises(ValueError, match="cannot remove 'image': it is an input"):
        remove(backbone(), "image")
    with pytest.raises(ValueError, match="'norm' no longer fits"):
        remove(backbone(), "conv")
    with pytest.raises(ValueError, match=r"layer 'b' no longer fits.*\(4, 4\).*\(5, 4\)"):
        remove(chain(), "a")
    with pytest.raises(ValueError, match="model 'chain' would have no layer left"):
        remove(chain(), ["a", "b", "c"])
    with pytest.raises(ValueError, match="model 'tower' would have no layer left"):
        remove(towers(), "tower/fc")
    with pytest.raises(ValueError, match="'base/act' is part of 'base'"):
        remove(nested(), ["base", "base/act"])


@pytest.mark.parametrize("kind", ["masking", "embedding"])
def test_a_layer_whose_mask_is_read_is_refused(kind):
    if kind == "masking":
        x = keras.Input((5, 3))
        y = layers.Masking(name="mask")(x)
    else:
        x = keras.Input((5,))
        y = layers.Embedding(6, 3, mask_zero=True, name="mask")(x)
    model = keras.Model(x, layers.LSTM(2, name="lstm")(layers.Dropout(0.1, name="drop")(y)))
    with pytest.raises(ValueError, match="'mask': it makes a mask, which 'lstm' reads"):
        replace(model, "mask", layers.Dense(3))
    assert names(remove(model, "drop").model)[0] == "mask"
