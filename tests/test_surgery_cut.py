"""Models cut from layer to layer."""

import re
from collections import OrderedDict

import keras
import numpy as np
import pytest
from keras import layers
from surgery_nets import array, backbone, chain, images, names, nested, shared, towers, vectors

from zoo.surgery import cut, flatten, replace


@pytest.mark.parametrize("place", ["scale", "base", "gap", "base/add", "base/norm"])
def test_both_halves_make_the_whole(place):
    model = nested()
    front, head = cut(model, outputs=place).model, cut(model, inputs=place).model
    np.testing.assert_array_equal(array(head(front(images()))), array(model(images())))


@pytest.mark.parametrize("place", ["a", "b"])
def test_of_a_sequential_model(place):
    model = chain()
    front, head = cut(model, outputs=place).model, cut(model, inputs=place).model
    np.testing.assert_array_equal(array(head(front(vectors(5)))), array(model(vectors(5))))
    assert head.input.name == place


def test_what_is_left_and_what_is_not():
    front, report = cut(nested(), outputs="base")
    assert report.removed == ("gap", "head") and front.output_shape == (None, 4, 4, 4)
    head, report = cut(nested(), inputs="base/add")
    assert names(head) == ["pool", "gap", "head"] and report.added == {"add": "base/add"}
    assert report.moved == {"base/pool": "pool"}
    assert report.removed[:4] == ("photo", "scale", "base/conv", "base/norm")


def test_a_cut_that_is_passed_by():
    with pytest.raises(ValueError, match=r"reads the input 'image', by a way that does not pass"):
        cut(backbone(), inputs="conv2")
    model = backbone()
    tail = cut(model, inputs=["conv2", "act"]).model
    maps = cut(model, outputs=["conv2", "act"]).model(images())
    np.testing.assert_array_equal(array(tail(maps)), array(model(images())))


def test_tensors_and_dicts():
    model = backbone()
    tensor = model.get_layer("conv2").input
    piece = cut(model, tensor, {"sum": "add", "pooled": model.get_layer("pool")}).model
    result = piece(keras.Model(model.input, tensor)(images()))
    np.testing.assert_array_equal(array(result["pooled"]), array(model(images())))
    assert set(result) == {"sum", "pooled"}


def test_calls_of_a_shared_layer():
    model, x = shared(), vectors(4)
    with pytest.raises(ValueError, match="inputs='fc' is called 2 times: say which, 'fc:1' to 'fc:2'"):
        cut(model, inputs="fc")
    middle = cut(model, "fc:1", "fc:2").model
    assert middle.input.name == "fc_input"
    np.testing.assert_array_equal(array(middle(model(x)["first"])), array(model(x)["second"]))


def test_inputs_that_are_not_needed_go():
    half, report = cut(towers(), outputs="tower:1")
    assert [tensor.name for tensor in keras.tree.flatten(half.inputs)] == ["a"]
    assert report.removed == ("b", "difference")


def test_inside_a_shared_model():
    with pytest.raises(ValueError, match=re.escape("'fc' is called 2 times, by way of a shared model")):
        cut(towers(), outputs="tower/fc")
    model = towers()
    both = cut(flatten(model).model, outputs=["fc:1", "fc:2"]).model
    data = {"a": vectors(4), "b": vectors(4, seed=1)}
    first, second = both(data)
    np.testing.assert_array_equal(array(first - second), array(model(data)))


def test_refused():
    with pytest.raises(ValueError, match="cut needs inputs, outputs or both"):
        cut(chain())
    with pytest.raises(ValueError, match="'b' is among the inputs and among the outputs"):
        cut(chain(), "b", "b")
    with pytest.raises(ValueError, match="the outputs do not need 'gap'"):
        cut(nested(), ["photo", "gap"], "scale")
    with pytest.raises(ValueError, match="is none of model 'chain'"):
        cut(chain(), outputs=backbone().output)


def test_a_cut_in_half_precision():
    x = keras.Input((4,))
    y = layers.Dense(4, dtype="mixed_float16", name="half")(x)
    model = keras.Model(x, layers.Dense(2, dtype="float32", name="end")(y))
    assert cut(model, inputs="half").model.input.dtype == "float16"


@pytest.mark.parametrize("empty", [[], {}])
def test_no_outputs_are_refused(empty):
    with pytest.raises(ValueError, match="outputs is empty"):
        cut(chain(), outputs=empty)


@keras.saving.register_keras_serializable(package="tests")
class TwoOfOne(layers.Layer):
    def call(self, x):
        return {"double": 2 * x, "more": [x + 1, x]}


@pytest.mark.parametrize(
    "last", [lambda: layers.LSTM(2, return_state=True, name="end"), lambda: TwoOfOne(name="end")]
)
def test_a_sequential_model_whose_last_layer_returns_several_tensors(last):
    model = keras.Sequential(
        [keras.Input((5, 3)), layers.Dense(3, name="c"), layers.Dense(3, name="d"), last()], name="several"
    )
    data = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    expected = model.layers[-1](data)
    received = cut(model, inputs="d").model(data)
    keras.tree.assert_same_structure(expected, received)
    for a, b in zip(keras.tree.flatten(expected), keras.tree.flatten(received), strict=True):
        np.testing.assert_allclose(array(b), array(a), atol=1e-6)
    x = keras.Input((5, 3))
    holder = keras.Model(x, model(x))
    flat = flatten(holder).model(data)
    for a, b in zip(keras.tree.flatten(model(data)), keras.tree.flatten(flat), strict=True):
        np.testing.assert_allclose(array(b), array(a), atol=1e-6)
    with pytest.raises(ValueError, match="it returns 1 tensors, not 3"):
        replace(model, "end", layers.Dense(2))


@pytest.mark.parametrize("kind", [dict, OrderedDict])
@pytest.mark.parametrize(
    ("place", "keys"), [("difference", ["left", "right"]), ("fc_right", ["right"]), ("fc_wide", ["wide"])]
)
def test_a_model_that_takes_a_dict_is_cut_to_one_that_takes_a_dict(place, keys, kind):
    sizes = {"right": 4, "left": 4, "wide": 6}
    inputs = {name: keras.Input((size,), name=name) for name, size in sizes.items()}
    parts = {name: layers.Dense(3, name=f"fc_{name}")(x) for name, x in inputs.items()}
    y = layers.Subtract(name="difference")([parts["right"], parts["left"]])
    model = keras.Model(kind(inputs), layers.Add()([y, parts["wide"]]))
    data = {name: vectors(size, seed=seed) for seed, (name, size) in enumerate(sizes.items())}
    front = cut(model, outputs=place).model
    assert sorted(front.input) == keys
    expected = {
        "difference": lambda: (
            model.get_layer("fc_right")(data["right"]) - model.get_layer("fc_left")(data["left"])
        ),
        "fc_right": lambda: model.get_layer("fc_right")(data["right"]),
        "fc_wide": lambda: model.get_layer("fc_wide")(data["wide"]),
    }[place]()
    np.testing.assert_array_equal(array(expected), array(front({key: data[key] for key in keys})))


def test_inputs_that_are_listed_stay_a_list_in_their_order():
    model = towers()
    assert [x.name for x in cut(model, inputs=["b", "a"], outputs=model.layers[-1].name).model.input] == [
        "b",
        "a",
    ]
