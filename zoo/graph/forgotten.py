"""What a class of somebody's own keeps, and its configuration forgets."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any

import keras
import numpy as np

from zoo.graph.carrying import Between, NotCarried, Unlike, carried, carried_term
from zoo.graph.code import functions_in_use, functions_of, stored, words_in
from zoo.graph.configuration import is_of_keras, is_stock
from zoo.graph.held import SIMPLE, array_of, is_array, is_variable
from zoo.graph.internals import (
    attributes,
    children,
    flatten_layers,
    is_bookkeeping,
    is_built_otherwise,
    is_of_use,
    own_variables,
    plain_attributes,
    plain_model_attributes,
)
from zoo.graph.own_state import own_values
from zoo.graph.variables import take_variable_settings

# What they read is in every layer.
_BASES = keras.layers.Layer.__mro__


def take_attributes(
    old: Any, new: Any, *, reshaped: bool = False, copied: Callable[[Any], Any] | None = None
) -> None:
    """Carry over what a class of somebody's own keeps and its configuration forgets.

    Those are numbers, arrays, functions, and objects that hold nothing else.

    Args:
        old: A layer or model that was built.
        new: Its copy, built too: what differs now is what was set, or drawn, for `old` alone.
        reshaped: Whether the copy is called on another shape, so that what it made of it is not that of the original.
        copied: Copies a layer or metric that was set on a stock model beside its graph.

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
        if is_stock(a) and not (a is old and isinstance(a, keras.Model)):
            _take_constants(a, b)
            if not (reshaped and is_built_otherwise(a, b)):
                _take_numbers(a, b)
            continue
        weights = _take_own_weights(a, b) if isinstance(a, keras.Model) else {}
        kind: Any = type(a)
        remade = _made_for_a_shape(kind) if reshaped and is_built_otherwise(a, b) else ()
        between = Between(a, b)
        for name in _own_attributes(a):
            if not isinstance(a, keras.Model):
                if not (name in remade and _is_of_a_shape(between, name)):
                    _take(between, name)
            elif name not in plain_model_attributes() and not (is_stock(a) and is_of_use(name)):
                _take_of_model(between, name, weights, copied)


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


def _take_of_model(
    between: Between, name: str, weights: dict[int, Any], copied: Callable[[Any], Any] | None
) -> None:
    """Give the copy what the original keeps under `name`, or its own layers in the place of those kept there."""
    old, new = between.old, between.new
    value, other = attributes(old)[name], attributes(new).get(name)
    try:
        _set(between, name)
    except NotCarried as error:
        # No code of a stock model reads what was set on it: what cannot be copied is left out.
        if not isinstance(error, Unlike) and not is_stock(old) and not _made_by_compile(old, name):
            raise ValueError(
                f"model {old.name!r} ({type(old).__name__}) keeps under {name!r} what its copy would lack: {error} "
                f"Make it in the constructor, or pass keras.Model(model.inputs, model.outputs) for the graph alone."
            ) from error
        if type(value) is not type(other):
            _take_parts(old, new, name, value, weights, copied)


def _is_of_a_shape(between: Between, name: str) -> bool:
    """Whether the copy keeps something of its own there that may follow from its shape: no weight, nor an array as large."""
    if name not in attributes(between.new):
        return False
    leaves, others = (keras.tree.flatten(attributes(x)[name]) for x in (between.old, between.new))
    if any(map(is_variable, leaves)):
        return False
    arrays = len(leaves) == len(others) and all(is_array(x) for x in [*leaves, *others])
    return not arrays or any(a.shape != b.shape for a, b in zip(leaves, others, strict=True))


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


def take_flags(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    """Set, before a copy is called, what decides what a call is given and returns, and no configuration says."""
    flags = ["autocast", "supports_masking", "supports_jit"]
    if is_stock(old):
        flags += {"sparse"} & vars(old).keys() & vars(new).keys()
    for name in flags:
        if getattr(new, name) != getattr(old, name):
            setattr(new, name, getattr(old, name))


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


@functools.cache
def _made_for_a_shape(kind: Any) -> frozenset[str]:
    """The attributes that a layer gets when it is built or called, by code of its class or of the stock layer it extends."""
    found = (
        stored(f)
        for f in _functions(kind, _BASES)
        if not is_of_keras(f) or f.__name__.lstrip("_").startswith(("build", "call"))
    )
    return frozenset[str]().union(*found)


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


def _take_own_weights(old: keras.Model, new: keras.Model) -> dict[int, Any]:
    """Set the weights that a model has beside those of its layers; `id` of each -> that of the copy."""
    weights = own_variables(old)
    if is_stock(old):  # no constructor made them
        for v in weights:
            new.add_weight(v.shape, "zeros", v.dtype, trainable=v.trainable, name=v.name)
    others = own_variables(new)
    if [v.shape for v in weights] != [v.shape for v in others]:
        raise ValueError(
            f"model {old.name!r} ({type(old).__name__}) has the weights {[v.name for v in weights]} beside those of "
            f"its layers, and its copy {[v.name for v in others]}: make them in the constructor, whose only arguments are "
            f"inputs and outputs, or pass keras.Model(model.inputs, model.outputs) for the graph alone."
        )
    for a, b in zip(weights, others, strict=True):
        b.assign(own_values(a))
        take_variable_settings(a, b)
    return {id(a): b for a, b in zip(weights, others, strict=True)}


def _take_parts(
    old: keras.Model,
    new: keras.Model,
    name: str,
    value: Any,
    weights: dict[int, Any],
    copied: Callable[[Any], Any] | None,
) -> None:
    """Give `new` its own layers in the place of those of `old` that have a name there; refuse what it cannot have."""
    kinds = (keras.layers.Layer, keras.Metric, keras.Variable)
    parts = [p for p in keras.tree.flatten(value) if isinstance(p, kinds)]
    if _made_by_compile(old, name) or not parts:
        return
    counterparts = {
        id(layer): new.get_layer(layer.name) for layer in old.layers if _has_layer(new, layer.name)
    }
    counterparts |= weights
    if copied is not None and is_stock(old):
        called = [layer for layer in old.layers if not isinstance(layer, keras.layers.InputLayer)]
        graph = {id(part) for layer in called for part in flatten_layers(layer)}
        apart = [part for part in parts if id(part) not in counterparts]
        if all(isinstance(part, keras.Model) and _is_made_of(part, graph) for part in apart) and apart:
            return  # another view of the graph, which can be made of the copy as well
        for part in apart:
            if id(part) not in weights and not _is_tied(part, graph):
                try:
                    weights[id(part)] = copied(part)  # the same under every name
                except (AttributeError, TypeError, ValueError):  # Keras says it in all three
                    return  # no code of a stock model reads it
        counterparts |= weights
    lost = [part for part in parts if id(part) not in counterparts]
    if lost:
        raise TypeError(
            f"model {old.name!r} is of the class {type(old).__name__} and keeps under {name!r} the "
            f"{type(lost[0]).__name__} {lost[0].name!r}, which is no part of its graph: the new model would lack it. Pass "
            f"keras.Model(model.inputs, model.outputs) for the graph alone."
        )
    setattr(new, name, keras.tree.map_structure(lambda part: counterparts.get(id(part), part), value))


def _is_made_of(model: keras.Model, graph: Collection[int]) -> bool:
    return all(id(layer) in graph or not layer.variables for layer in model.layers)


def _is_tied(part: Any, graph: Collection[int]) -> bool:
    """Whether a layer holds one of the graph, to which a copy of it alone would not be tied."""
    return isinstance(part, keras.layers.Layer) and any(id(inner) in graph for inner in flatten_layers(part))


def _has_layer(model: keras.Model, name: str) -> bool:
    return any(layer.name == name for layer in model.layers)


def _take_numbers(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    """Carry over what a stock layer was given or what was set on it, and its configuration forgets, or that of a class round it."""
    for name in vars(old).keys() & vars(new).keys() - plain_attributes():
        value, other = vars(old)[name], vars(new)[name]
        if _is_numbers(value) and _is_numbers(other) and value != other and not is_bookkeeping(name):
            setattr(new, name, keras.tree.map_structure(lambda number: number, value))


def _is_numbers(value: Any) -> bool:
    """Whether `value` is a number or a word, or a tuple or list of such."""
    if isinstance(value, (tuple, list)):
        return all(type(leaf) in SIMPLE for leaf in keras.tree.flatten(value))
    return type(value) in SIMPLE


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
