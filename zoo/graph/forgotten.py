"""What a class of somebody's own keeps, and its configuration forgets."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Collection
from typing import Any

import keras
import numpy as np

from zoo.graph.carrying import Between, NotCarried, Unlike, carried, carried_term
from zoo.graph.code import functions_in_use, functions_of, stored, words_in
from zoo.graph.configuration import is_of_keras, is_stock
from zoo.graph.held import SIMPLE, array_of, is_array
from zoo.graph.internals import (
    attributes,
    children,
    flatten_layers,
    is_bookkeeping,
    own_variables,
    plain_attributes,
    plain_model_attributes,
)
from zoo.graph.own_state import own_values

# What they read is in every layer.
_BASES = keras.layers.Layer.__mro__


def take_attributes(old: Any, new: Any) -> None:
    """Carry over what a class of somebody's own keeps and its configuration forgets.

    Those are numbers, arrays, functions, and objects that hold nothing else.

    Args:
        old: A layer or model that was built.
        new: Its copy, built too: what differs now is what was set, or drawn, for `old` alone.

    Raises:
        TypeError: a model has a layer or metric, set beside its graph, that its copy would lack.
        ValueError: a layer keeps something that its copy would lack, and that cannot be copied.
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
        take_terms(a, b)
        if is_stock(a):
            _take_constants(a, b)
            if not is_stock(old):
                _take_numbers(a, b)
            continue
        if isinstance(a, keras.Model):
            _take_own_weights(a, b)
        between = Between(a, b)
        for name in _own_attributes(a):
            if not isinstance(a, keras.Model):
                _take(between, name)
            elif name not in plain_model_attributes():
                _take_of_model(between, name)


def _own_attributes(layer: Any) -> list[str]:
    """The names of what the class of a layer keeps, in the order in which they were set."""
    return [name for name in attributes(layer) if name not in plain_attributes() and not is_bookkeeping(name)]


def _take(between: Between, name: str) -> None:
    """Give the copy what the original keeps under `name`, or say why it cannot be given."""
    old = between.old
    kind: Any = type(old)
    value = attributes(old)[name]
    try:
        _set(between, name)
    except NotCarried as error:
        # What is made at the first call on data, the copy makes when it is called so.
        if (isinstance(error, Unlike) and name in _made_in_use(kind)) or _is_a_note(kind, name, value):
            return
        raise ValueError(
            f"layer {old.name!r} ({kind.__name__}) keeps under {name!r} what its copy would lack: {error} Let "
            f"get_config and the constructor of {kind.__name__} make it again, or keep it as a number, an array or a "
            f"weight."
        ) from error


def _take_of_model(between: Between, name: str) -> None:
    """Give the copy what the original keeps under `name`, or its own layers in the place of those kept there."""
    old, new = between.old, between.new
    value, other = attributes(old)[name], attributes(new).get(name)
    try:
        _set(between, name)
    except NotCarried as error:
        if not isinstance(error, Unlike) and not _made_by_compile(old, name):
            raise ValueError(
                f"model {old.name!r} ({type(old).__name__}) keeps under {name!r} what its copy would lack: {error} "
                f"Make it in the constructor, or pass keras.Model(model.inputs, model.outputs) for the graph alone."
            ) from error
        if type(value) is not type(other):
            _take_parts(old, new, name, value)


def _made_by_compile(model: keras.Model, name: str) -> bool:
    """Whether what `model` keeps under `name` may come with the next compile, or is Keras' own."""
    compiles = type(model).compile is not keras.Model.compile and model.compiled
    return compiles or name.startswith("_")


def _set(between: Between, name: str) -> None:
    held, others = attributes(between.old)[name], attributes(between.new)
    value = carried(held, others.get(name), between)
    # A model's own None, unlike a layer's, may be of Keras: what its last `fit` has put away.
    forgets = held is None and name not in others and not isinstance(between.old, keras.Model)
    if value is not others.get(name) or forgets:
        setattr(between.new, name, value)


def take_settings(old: Any, new: Any) -> None:
    """Carry over, before the copy is built, what neither its constructor nor its build nor its call sets."""
    if is_stock(old):
        return
    kind: Any = type(old)
    between = Between(old, new)
    for name in _own_attributes(old):
        if name not in _made_in_use(kind):
            # What cannot be given to the copy now, it may make when it is built.
            with contextlib.suppress(NotCarried):
                _set(between, name)
    inner = children(old), children(new)
    if list(map(type, inner[0])) == list(map(type, inner[1])):
        for a, b in zip(*inner, strict=True):
            take_settings(a, b)


def take_terms(old: keras.layers.Layer, new: keras.layers.Layer, apart: Collection[str] = ()) -> None:
    """Hand over regularizers and constraints that no configuration makes again, neither theirs nor the layer's.

    Args:
        old: A layer.
        new: One of the same class, from its configuration.
        apart: The entries of the configuration that are others on purpose.
    """
    for name, value in vars(old).items():
        if name.endswith(("regularizer", "constraint")) and name.lstrip("_") not in apart:
            other = vars(new).get(name)
            if (own := carried_term(value, other)) is not other:
                setattr(new, name, own)


@functools.cache
def _made_in_use(kind: Any) -> frozenset[str]:
    """The attributes that a layer gets when it is built or called, or that code of Keras sets."""
    return frozenset[str]().union(*map(stored, _functions(kind)))


def _is_a_note(kind: Any, name: str, value: Any) -> bool:
    """Whether something was only put down on a layer.

    Of layers and metrics, such as a teacher, no call reads it; of all else, such as a lock, no method at all.
    """
    parts = (keras.layers.Layer, keras.Metric)
    if name in _read_in_use(kind):
        return False
    return all(isinstance(x, parts) for x in keras.tree.flatten(value)) or name not in _read_at_all(kind)


@functools.cache
def _read_in_use(kind: Any) -> frozenset[str]:
    """The words in the code of a layer that is built or called, and in that of the stock layer that it extends."""
    return frozenset[str]().union(*(words_in(function.__code__) for function in _functions(kind, _BASES)))


@functools.cache
def _read_at_all(kind: Any) -> frozenset[str]:
    """The words in all methods of a layer."""
    own = (value for cls in kind.__mro__ if cls not in _BASES for value in vars(cls).values())
    found = [function for value in own for function in functions_of(value)]
    return frozenset[str]().union(*(words_in(f.__code__) for f in found))


def _functions(kind: Any, but_of: Collection[type] = ()) -> list[Any]:
    classes = (cls for cls in kind.__mro__ if is_of_keras(cls) and cls not in but_of)
    of_keras = (value for cls in classes for value in vars(cls).values())
    functions = [f for f in (getattr(v, "__wrapped__", v) for v in of_keras) if inspect.isfunction(f)]
    return functions + functions_in_use(kind)


def _take_own_weights(old: keras.Model, new: keras.Model) -> None:
    """Set the weights that a model has beside those of its layers."""
    weights, others = own_variables(old), own_variables(new)
    if [v.shape for v in weights] != [v.shape for v in others]:
        raise ValueError(
            f"model {old.name!r} ({type(old).__name__}) has the weights {[v.name for v in weights]} beside those of "
            f"its layers, and its copy {[v.name for v in others]}: make them in the constructor, whose only arguments are "
            f"inputs and outputs, or pass keras.Model(model.inputs, model.outputs) for the graph alone."
        )
    for a, b in zip(weights, others, strict=True):
        b.assign(own_values(a))
        b.trainable = a.trainable


def _take_parts(old: keras.Model, new: keras.Model, name: str, value: Any) -> None:
    """Give `new` its own layers in the place of those of `old` that have a name there; refuse what it cannot have."""
    parts = [p for p in keras.tree.flatten(value) if isinstance(p, (keras.layers.Layer, keras.Metric))]
    if _made_by_compile(old, name) or not parts:
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


def _take_numbers(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    """Carry over what was set on a stock layer inside one of somebody's own, whose configuration the class may forget."""
    for name in vars(old).keys() & vars(new).keys() - plain_attributes():
        value, other = vars(old)[name], vars(new)[name]
        if type(value) in SIMPLE and type(other) in SIMPLE and value != other and not is_bookkeeping(name):
            setattr(new, name, value)


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
