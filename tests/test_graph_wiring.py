"""The graph of a model is the chain of calls that was seen to agree, or it is not."""

import keras
import numpy as np
import pytest
from keras import layers
from surgery_nets import array, images, nested, towers

from zoo.graph import read
from zoo.graph.wiring import Mark, Wiring
from zoo.graph.writing import Writer
from zoo.surgery import cut, flatten


class Scaled(layers.Layer):
    def call(self, x, by):
        return x * by


DENSE, SUM, SCALE, SCALED = layers.Dense(3), layers.Subtract(), layers.Rescaling(1.0), Scaled()


def model_of(compute):
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    return keras.Model([a, b], compute(a, b))


def noted(model):
    """The wiring of `model` itself, and the marks it starts from and ends in."""
    graph, wiring = read(model), Wiring()
    marks = {id(tensor): Mark() for tensor in graph.starts}
    for node in graph.nodes:
        results = [Mark() for _ in node.outputs]
        wiring.note(node.operation, *node.arguments.fill_in(marks), results)
        marks.update((id(tensor), mark) for tensor, mark in zip(node.outputs, results, strict=True))
    ends = [marks[id(tensor)] for tensor in model.outputs]
    return wiring, [marks[id(tensor)] for tensor in graph.starts], ends


def right(a, b):
    return [SUM([DENSE(a), b + 1.0]), SCALE(b)]


CHANGED = {
    "inputs the other way round": lambda a, b: right(b, a),
    "outputs the other way round": lambda a, b: right(a, b)[::-1],
    "the two that are subtracted": lambda a, b: [SUM([b + 1.0, DENSE(a)]), SCALE(b)],
    "a layer more": lambda a, b: [SUM([DENSE(a), SCALE(b + 1.0)]), SCALE(b)],
    "another layer": lambda a, b: [SUM([layers.Dense(3)(a), b + 1.0]), SCALE(b)],
}


def test_a_model_follows_its_own_calls():
    model = model_of(right)
    wiring, starts, ends = noted(model)
    assert wiring.is_followed_by(model, starts, ends)


@pytest.mark.parametrize("change", CHANGED)
def test_other_calls_are_told_apart(change):
    wiring, starts, ends = noted(model_of(right))
    assert not wiring.is_followed_by(model_of(CHANGED[change]), starts, ends)


@pytest.mark.parametrize("value", [2.0, np.ones(3, "float32")])
def test_arguments_that_are_no_tensors_count(value):
    wiring, starts, ends = noted(model_of(lambda a, b: [SCALED(a, by=1.0), b]))
    assert wiring.is_followed_by(model_of(lambda a, b: [SCALED(a, by=1.0), b]), starts, ends)
    assert not wiring.is_followed_by(model_of(lambda a, b: [SCALED(a, by=value), b]), starts, ends)


@pytest.fixture
def calls_of_models(monkeypatch):
    """Names of the models that are called on data."""
    found, call = [], keras.Model.__call__

    def counted(model, *args, **kwargs):
        if not any(isinstance(leaf, keras.KerasTensor) for leaf in keras.tree.flatten((args, kwargs))):
            found.append(model.name)
        return call(model, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "__call__", counted)
    return found


def test_what_makes_the_calls_that_agreed_is_not_called_again(calls_of_models):
    flatten(nested())
    flatten(towers())
    cut(flatten(nested()).model, outputs="conv")
    assert calls_of_models == []


def test_a_model_that_is_put_together_wrongly_is_refused(monkeypatch):
    """Every layer of it agrees; the one output in the place of another is found by calling it as a whole."""
    model, write = nested(), Writer.model

    def miswritten(writer, old, part=None):
        new = write(writer, old, part)
        return new if old is not model else keras.Model(new.inputs, layers.Rescaling(2.0)(new.output))

    assert array(flatten(model).model(images())).shape == array(model(images())).shape
    monkeypatch.setattr(Writer, "model", miswritten)
    with pytest.raises(ValueError, match="together they differ by"):
        flatten(model)
