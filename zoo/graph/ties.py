"""What a copy would share with its original: variables and layers that it reaches and that are not its own."""

from __future__ import annotations

import collections
import functools
import inspect
import itertools
import types
import weakref
from collections.abc import Iterator
from typing import Any

import keras

from zoo.graph.code import (
    Alone,
    class_attributes_in_use,
    functions_in_use,
    taken_from_outside,
    used_of_holder,
)
from zoo.graph.configuration import given_attributes, is_stock
from zoo.graph.held import FRAMEWORKS, SIMPLE, compiled_from, inside, is_of_python, is_variable, module_of
from zoo.graph.internals import attributes, flatten_layers, is_bookkeeping, plain_model_attributes
from zoo.graph.reading import Graph, graphs
from zoo.graph.twins import keys_of


def refuse_tied(found: list[Graph], new: keras.Model) -> None:
    """Refuse what leads from the new model to layers and variables of the original, which is `found`."""
    told = belongings(found)
    seen: Seen = {}
    for node in (node for graph in graphs(new) for node in graph.nodes):
        operation = node.operation
        given = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
        leads = [reached_by(value, seen) for value in given if not isinstance(value, keras.KerasTensor)]
        if not isinstance(operation, keras.Model):
            leads.append(reached(operation, seen))
        for thing in itertools.chain.from_iterable(leads):
            if id(thing) in told:
                raise ValueError(
                    f"layer {operation.name!r} ({type(operation).__name__}) reaches {told[id(thing)]} of the model by "
                    f"a function or an object that it holds, and its copy would go on to read that of the original. "
                    f"Pass the variable as an argument of the call, such as keras.ops.matmul(x, layer.kernel), or "
                    f"make the layer that reads it a part of it."
                )


def belongings(found: list[Graph]) -> dict[int, str]:
    """`id` of each layer and variable in `found` -> what it is, in words; stock layers without variables are left out.

    Those have no code of somebody's own either: a copy and its original may have one of them together.
    """
    told: dict[int, str] = {}
    for graph in found:
        for operation in [graph.model, *(node.operation for node in graph.nodes)]:
            if not isinstance(operation, keras.layers.Layer):
                continue
            for layer in flatten_layers(operation):
                if layer.variables or not is_stock(layer):
                    told.setdefault(id(layer), f"the layer {layer.name!r}")
            for variable in operation.variables:
                told.update(dict.fromkeys(keys_of(variable), f"the variable {variable.path!r}"))
    return told


# What was searched, by `id`: kept alive, so that nothing else gets its `id`.
Seen = dict[tuple[int, int], Any]
_AT_ITS_CALL = 2


def reached(operation: Any, seen: Seen | None = None) -> Iterator[Any]:
    """The layers and variables to which what `operation` holds leads, and the code of its class and of the layers in it.

    The layers in it are not among them. Of an object that a function encloses, those parts are searched which the
    function reads by name: of the others nobody can say whether it uses them.

    Args:
        operation: A layer, or an operation of a graph.
        seen: What other searches have met, which is left out here; it grows.
    """
    seen = {} if seen is None else seen
    if (id(operation), _AT_ITS_CALL) in seen:
        return
    seen[id(operation), _AT_ITS_CALL] = operation
    layers = flatten_layers(operation) if isinstance(operation, keras.layers.Layer) else [operation]
    own = set(map(id, layers))
    for layer in layers:
        for part, deep in _parts_of_layer(layer):
            yield from _reached(part, own, seen, deep=deep)


def reached_by(argument: Any, seen: Seen | None = None) -> Iterator[Any]:
    """`reached` of what a call is given, such as the functions of `keras.ops.cond`."""
    yield from _reached(argument, set(), {} if seen is None else seen, deep=True)


def _reached(value: Any, own: set[int], seen: Seen, *, deep: bool) -> Iterator[Any]:
    stack = [(value, deep)]
    while stack:
        value, deep = stack.pop()
        if type(value) in SIMPLE or id(value) in own:
            continue
        if isinstance(value, Alone):
            if id(value.layer) not in own:
                yield value.layer
            continue
        is_layer = isinstance(value, keras.layers.Layer)
        deep = deep or is_layer
        if (key := _key(value, deep)) in seen:
            continue
        seen[key] = value
        if is_layer or is_variable(value):
            yield value
        stack += [(part, deep and still) for part, still in reversed(_parts(value, deep))]


def _key(value: Any, deep: bool) -> tuple[int, int]:
    # Each look at a method makes a new object.
    return (id(value.__self__), id(value.__func__)) if inspect.ismethod(value) else (id(value), deep)


def _parts(value: Any, deep: bool) -> list[tuple[Any, bool]]:
    """What `value` leads to, each with whether objects of somebody's own are searched there."""
    if isinstance(value, keras.layers.Layer):
        return [*((inner, True) for inner in flatten_layers(value)), *_parts_of_layer(value)]
    if isinstance(value, (functools.partial, functools.partialmethod)):
        return [(part, True) for part in (value.func, *value.args, *value.keywords.values())]
    if inspect.ismethod(value):
        return _parts_of_method(value, deep)
    if (compiled := compiled_from(value)) is not None:
        return [(compiled, False)]
    held = [(part, True) for part in _contained(value)]
    if module_of(value) in (*FRAMEWORKS, "zoo") or is_of_python(value):
        return held
    if inspect.isfunction(value):
        return [(part, False) for part in taken_from_outside(value)]
    if deep and (inner := inside(value)) is not None:
        held += [*((part, True) for part in inner.values()), *_parts_of_class(type(value))]
    return held


def _parts_of_layer(layer: Any) -> list[tuple[Any, bool]]:
    """What `layer` was given and keeps, but for the layers in it, and what the code of its class leads to."""
    names = given_attributes(layer)
    if isinstance(layer, keras.Model):
        names -= plain_model_attributes()
    held = attributes(layer)
    parts = [(held[name], True) for name in sorted(names) if not is_bookkeeping(name)]
    return parts if is_stock(layer) else [*parts, *_parts_of_class(type(layer))]


def _parts_of_class(kind: type) -> list[tuple[Any, bool]]:
    functions = functions_in_use(kind)
    held = class_attributes_in_use(kind, functions)
    return [*((function, False) for function in functions), *((value, True) for value in held)]


def _parts_of_method(method: types.MethodType, deep: bool) -> list[tuple[Any, bool]]:
    holder, function = method.__self__, method.__func__
    if not inspect.isfunction(function) or module_of(function) in (*FRAMEWORKS, "zoo"):
        return [(holder, True), (function, False)]
    if isinstance(holder, keras.layers.Layer):
        return [(Alone(holder), True), *((part, True) for part in used_of_holder(method)), (function, False)]
    return [*((part, True) for part in used_of_holder(method)), (function, False)]


def _contained(value: Any) -> list[Any]:
    """What a container of Python's, or of a class made from one, holds."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, types.MappingProxyType):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset, collections.deque)):
        return list(value)
    if isinstance(value, collections.ChainMap):
        return list(value.maps)
    if isinstance(
        value,
        (*(collections.UserDict, collections.UserList), *(weakref.WeakValueDictionary, weakref.WeakSet)),
    ):
        return [getattr(value, "data", None)]
    return [value()] if isinstance(value, weakref.ref) else []
