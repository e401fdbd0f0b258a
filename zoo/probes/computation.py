"""Compute a model call by call, as the model itself would, and leave it as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.graph import Graph, read
from zoo.graph.internals import as_taken, hears_of_training, standardised

# Called with each layer or operation before it is called.
Before = Callable[[Any], None]
# Called with each tensor of a graph and its value.
Measure = Callable[[Any, Any], None]


def compute(
    model: keras.Model,
    inputs: list[Any],
    *,
    training: bool = False,
    before: Before | None = None,
    measure: Measure | None = None,
) -> list[Any]:
    """The outputs of `model`, as `model(inputs, training=training)` has them.

    A layer without a `training` argument is told all the same, as Keras tells it, so that what stands in it
    learns of it. A tensor is dropped after its last reader.

    Call it within `keras.StatelessScope()`: moving statistics, states and seeds move there and not in the
    model.

    Args:
        model: Its graph is walked, those of models nested in it too.
        inputs: Arrays or tensors, one for each of `model.inputs`.
        training: As in `model(x, training=...)`.
        before: Called with every layer and operation just before it is called.
        measure: Called with every tensor of the graphs and its value.

    Returns:
        The outputs, flat.
    """
    given = as_taken(model, inputs)
    return _walk(model, given, training, before, measure)


def _walk(
    model: keras.Model, inputs: Any, training: bool, before: Before | None, measure: Measure | None
) -> list[Any]:
    graph = read(model)
    symbols = keras.tree.flatten(model.inputs)
    # By Keras' own rule: a dict by name, whatever its order; the dtype and rank of each input.
    given = standardised(model, inputs)
    values = {id(symbol): value for symbol, value in zip(symbols, given, strict=True)}
    if measure is not None:
        for symbol in symbols:
            measure(symbol, values[id(symbol)])
    left = {tensor: len(nodes) for tensor, nodes in graph.consumers.items()}
    for node in graph.nodes:
        operation = node.operation
        args, kwargs = node.arguments.fill_in(values)
        if before is not None:
            before(operation)
        if isinstance(operation, keras.Model):
            given = args[0] if args else kwargs["inputs"]
            results = _walk(operation, given, training, before, measure)
        else:
            if hears_of_training(operation):
                kwargs = {**kwargs, "training": training}
            results = keras.tree.flatten(operation(*args, **kwargs))
        for tensor, value in zip(node.outputs, results, strict=True):
            values[id(tensor)] = value
            if measure is not None:
                measure(tensor, value)
        _drop(graph, node, left, values)
    return [values[id(tensor)] for tensor in keras.tree.flatten(model.outputs)]


def _drop(graph: Graph, node: Any, left: dict[int, int], values: dict[int, Any]) -> None:
    for tensor in node.input_tensors:
        left[id(tensor)] -= 1
        if not left[id(tensor)] and not graph.is_output(tensor):
            values.pop(id(tensor), None)


def as_array(tensor: Any) -> np.ndarray:
    """The values of `tensor` in float64."""
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")), "float64")


def by_channel(tensor: Any, axis: int) -> np.ndarray:
    """Values as float64, shape `(samples x pixels, channels)`."""
    array = as_array(tensor)
    if array.ndim < 2:
        return array.reshape(-1, 1)
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])
