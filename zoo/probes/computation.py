"""Compute a model call by call, as the model itself would, and leave it as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.graph import Graph, flatten_layers, is_stock, plain_attributes, read
from zoo.graph.internals import as_taken, hears_of_training, is_bookkeeping, standardised

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
    model. What layers of somebody's own keep as Python attributes is as before afterwards.

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
    with _attributes_kept(model):
        return _walk(model, given, training, before, measure)


@contextlib.contextmanager
def _attributes_kept(model: keras.Model) -> Iterator[None]:
    """Give layers of somebody's own the attributes back that their `call` sets or fills, in the end."""
    own = [layer for layer in flatten_layers(model) if not is_stock(layer)]
    held = [(layer, _settings(layer)) for layer in own]
    filled = [(value, value.copy()) for _, values in held for value in values.values() if _is_filled(value)]
    try:
        yield
    finally:
        for layer, values in held:
            _put_back(layer, values)
        for value, content in filled:
            _refill(value, content)


def _settings(layer: Any) -> dict[str, Any]:
    """The attributes that a class of somebody's own added to its layers."""
    plain = plain_attributes()
    return {k: v for k, v in vars(layer).items() if k not in plain and not is_bookkeeping(k)}


def _put_back(layer: Any, values: dict[str, Any]) -> None:
    # Past Keras' own __setattr__, which would track what is set.
    now = _settings(layer)
    for name in now.keys() - values.keys():
        object.__delattr__(layer, name)
    for name, value in values.items():
        if now.get(name, values) is not value:
            object.__setattr__(layer, name, value)


def _is_filled(value: Any) -> bool:
    """Whether a value is something that a call may put more into, of plain things alone."""
    inside = value.values() if isinstance(value, dict) else value
    return isinstance(value, (list, dict, set)) and all(isinstance(v, (int, float, str)) for v in inside)


def _refill(value: Any, content: Any) -> None:
    value.clear()
    if isinstance(value, list):
        value.extend(content)
    else:
        value.update(content)


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
