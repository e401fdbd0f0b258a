"""What a class of somebody's own keeps, and its configuration forgets."""

from __future__ import annotations

import dis
import functools
import inspect
from typing import Any

import keras
import numpy as np

from zoo.graph.configuration import is_of_keras, is_stock
from zoo.graph.held import array_of, can_be_carried, duplicate, equal, is_array
from zoo.graph.internals import attributes, children, flatten_layers, is_bookkeeping, plain_attributes


def take_attributes(old: Any, new: Any) -> None:
    """Carry over what a class of somebody's own keeps and its configuration forgets.

    Those are numbers, arrays, functions, and objects that hold nothing else.

    Args:
        old: A layer or model that was built.
        new: Its copy, built too: what differs now is what was set, or drawn, for `old` alone.

    Raises:
        TypeError: a model has a layer or metric, set beside its graph, that its copy would lack.
    """
    # The layers of a model are copies of their own, and not in the same places where some were replaced.
    pairs = (
        [(old, new)]
        if isinstance(old, keras.Model)
        else zip(flatten_layers(old), flatten_layers(new), strict=False)
    )
    for a, b in pairs:
        if type(a) is not type(b):
            continue
        if is_stock(a):
            _take_constants(a, b)
            continue
        held, others = attributes(a), attributes(b)
        for name in held.keys() - plain_attributes():
            if is_bookkeeping(name):
                continue
            value, other = held[name], others.get(name)
            if _is_missing(value, other, a):
                setattr(b, name, keras.tree.map_structure(duplicate, value))
            elif isinstance(a, keras.Model) and type(value) is not type(other):
                _take_parts(a, b, name, value)


def _is_missing(value: Any, other: Any, old: Any) -> bool:
    """Whether an attribute of `old` is another one in the copy, and can be given to it."""
    return value is not other and can_be_carried(value, other, old) and not equal(value, other)


def take_settings(old: Any, new: Any) -> None:
    """Carry over, before the copy is built, what neither its constructor nor its build nor its call sets."""
    if is_stock(old):
        return
    held, others = attributes(old), attributes(new)
    kind: Any = type(old)
    for name in held.keys() - plain_attributes() - _made_in_use(kind):
        if not is_bookkeeping(name) and _is_missing(held[name], others.get(name), old):
            setattr(new, name, keras.tree.map_structure(duplicate, held[name]))
    inner = children(old), children(new)
    if list(map(type, inner[0])) == list(map(type, inner[1])):
        for a, b in zip(*inner, strict=True):
            take_settings(a, b)


@functools.cache
def _made_in_use(kind: Any) -> frozenset[str]:
    """The attributes that a layer gets when it is built or called, or that code of Keras sets."""
    found: set[str] = set()
    methods: dict[str, list[Any]] = {}
    for cls in kind.__mro__:
        for name, function in vars(cls).items():
            function = getattr(function, "__wrapped__", function)
            if not inspect.isfunction(function):
                continue
            if is_of_keras(cls):
                found |= _stored(function)
            else:
                methods.setdefault(name, []).append(function)
    names, seen = ["build", "call", "__call__"], set[str]()
    while names:
        if (name := names.pop()) not in seen:
            seen.add(name)
            for function in methods.get(name, ()):
                found |= _stored(function)
                names += function.__code__.co_names  # methods that it calls, among others
    return frozenset(found)


def _stored(function: Any) -> set[str]:
    return {i.argval for i in dis.get_instructions(function) if i.opname == "STORE_ATTR"}


def _take_parts(old: keras.Model, new: keras.Model, name: str, value: Any) -> None:
    """Give `new` its own layers in the place of those of `old` that have a name there; refuse what it cannot have."""
    parts = [p for p in keras.tree.flatten(value) if isinstance(p, (keras.layers.Layer, keras.Metric))]
    # What a `compile` of one's own made comes with the next compile, and Keras' own attributes with Keras.
    compiles = type(old).compile is not keras.Model.compile and old.compiled
    if name.startswith("_") or compiles or not parts:
        return
    counterparts = {
        id(layer): new.get_layer(layer.name) for layer in old.layers if _has_layer(new, layer.name)
    }
    lost = [part for part in parts if id(part) not in counterparts]
    if lost:
        raise TypeError(
            f"model {old.name!r} is of the class {type(old).__name__} and keeps under {name!r} the "
            f"{type(lost[0]).__name__} {lost[0].name!r}, which is no part of its graph: the new model would lack it. Pass "
            f"keras.Model(model.inputs, model.outputs) for the graph alone."
        )
    setattr(new, name, keras.tree.map_structure(lambda part: counterparts.get(id(part), part), value))


def _has_layer(model: keras.Model, name: str) -> bool:
    return any(layer.name == name for layer in model.layers)


def _take_constants(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    """Carry over arrays of a stock layer: Normalization made its own of variables that were set since."""
    for name in vars(old).keys() - plain_attributes():
        value, other = vars(old)[name], vars(new).get(name)
        # A variable was taken over already.
        if isinstance(value, keras.Variable) or not (is_array(value) and is_array(other)):
            continue
        values, others = array_of(value), array_of(other)
        if values is None or others is None or values.shape != others.shape:
            continue
        if not np.array_equal(values.astype(others.dtype), others):
            is_tensor = keras.ops.is_tensor(other)
            values = values.astype(others.dtype)
            setattr(new, name, keras.ops.convert_to_tensor(values) if is_tensor else values)
