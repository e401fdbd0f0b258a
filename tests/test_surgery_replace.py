"""Layers replaced in nets put together by hand, and what is refused."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from surgery_nets import array, backbone, chain, draw, images, names, nested, same_weights, shared, vectors

from zoo.surgery import insert_after, replace


def test_the_head():
    model = nested()
    new, report = replace(model, "head", layers.Dense(7, name="flowers"))
    assert new.output_shape == (None, 7) and names(new)[-1] == "flowers"
    assert report.removed == ("head",) and report.added == {"flowers": "head"}
    assert same_weights(new.get_layer("base"), model.get_layer("base"), "conv2")


def test_every_match_keeps_its_name_and_has_weights_of_its_own():
    model = backbone()
    new, report = replace(model, "conv*", lambda old: layers.Conv2D(old.filters, 1, name="other"))
    assert report.removed == ("conv", "conv2") and new.get_layer("conv2").kernel_size == (1, 1)
    assert new.get_layer("conv").kernel is not new.get_layer("conv2").kernel


def test_by_an_equal_layer_with_its_weights_nothing_changes():
    model = backbone()
    new = replace(model, layers.Conv2D, lambda old: old).model
    np.testing.assert_array_equal(array(new(images())), array(model(images())))


def test_a_nested_model():
    model = nested()
    other = draw(keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 5, name="k5")], name="small"))
    new = replace(model, "base", other).model
    assert same_weights(new.get_layer("small"), other, "k5") and new.get_layer("small") is not other
    x = other(images() / 2)
    expected = model.get_layer("head")(ops.mean(x, axis=(1, 2)))
    np.testing.assert_allclose(array(new(images())), array(expected), rtol=1e-5, atol=1e-6)


def test_one_call_of_a_shared_layer():
    model, x = shared(), vectors(4)
    new = replace(model, "fc:2", layers.Dense(9, name="wide")).model
    assert new(x)["second"].shape == (3, 9) and same_weights(new, model, "fc")
    np.testing.assert_array_equal(array(new(x)["first"]), array(model(x)["first"]))


def test_all_calls_stay_shared():
    new = replace(shared(), "fc", layers.Dense(4, name="other", use_bias=False)).model
    assert len(new.weights) == 1


def test_a_layer_with_several_inputs():
    model = backbone()
    new = replace(model, "add", layers.Subtract(name="minus")).model
    act = keras.Model(model.input, model.get_layer("act").output)(images())
    expected = model.get_layer("pool")(model.get_layer("conv2")(act) - act)
    np.testing.assert_allclose(array(new(images())), array(expected), rtol=1e-5, atol=1e-6)


def test_refused():
    with pytest.raises(ValueError, match=r"layer 'c' no longer fits.*\(4, 3\).*\(9, 3\)"):
        replace(chain(), "b", layers.Dense(9))
    with pytest.raises(ValueError, match=r"Conv2D 'k' cannot stand in the place of 'b'"):
        replace(chain(), "b", layers.Conv2D(9, 3, name="k"))
    with pytest.raises(ValueError, match=r"ReLU 'r' .* 'add': it returns 2 tensors, not 1"):
        replace(backbone(), "add", layers.ReLU(name="r"))
    with pytest.raises(ValueError, match="would be called 'a_b', and the model already has"):
        model = keras.Sequential([keras.Input((4,)), *(layers.Dense(4, name=n) for n in ("a", "b", "a_b"))])
        insert_after(model, "a", layers.Dense(4, name="b"))
