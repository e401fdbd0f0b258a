"""What a copy would share with its original: variables and layers that it reaches and that are not its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any

import keras

from zoo.graph.code import functions_in_use, taken_from_outside
from zoo.graph.configuration import given_attributes, is_stock
from zoo.graph.held import FRAMEWORKS, SIMPLE, inside, is_of_python, is_raw_variable, module_of
from zoo.graph.internals import attributes, flatten_layers, is_bookkeeping
from zoo.graph.reading import Graph, read


def owners(graph: Graph) -> dict[int, list[Any]]:
    """`id` of a variable -> the calls in `graph`, and in the models nested in it, of layers that have it."""
    found: dict[int, list[Any]] = {}
    for node in graph.nodes:
        if isinstance(node.operation, keras.Model):
            for key, nodes in owners(read(node.operation)).items():
                found.setdefault(key, []).extend(nodes)
        else:
            for variable in getattr(node.operation, "variables", ()):
                for key in _keys(variable):
                    found.setdefault(key, []).append(node)
    return found


def is_variable(value: Any) -> bool:
    """Whether `value` is a variable, of Keras or of the backend."""
    return isinstance(value, keras.Variable) or is_raw_variable(value)


def is_the_same(variable: Any, known: keras.Variable) -> bool:
    """Whether `variable` is `known`, or what it keeps its values in."""
    return id(variable) in _keys(known)


def belongings(found: list[Graph]) -> dict[int, str]:
    """`id` of each layer and variable in `found` -> what it is, in words; stock layers without variables are left out."""
    told: dict[int, str] = {}
    for graph in found:
        for operation in [graph.model, *(node.operation for node in graph.nodes)]:
            if not isinstance(operation, keras.layers.Layer):
                continue
            for layer in flatten_layers(operation):
                if layer.variables or not is_stock(layer):  # nothing else can two have together
                    told.setdefault(id(layer), f"the layer {layer.name!r}")
            for variable in operation.variables:
                told.update(dict.fromkeys(_keys(variable), f"the variable {variable.path!r}"))
    return told


def reached(operation: Any) -> Iterator[Any]:
    """The layers and variables to which the functions and objects in `operation`, and its code, lead.

    Its own are not among them. An object that a function encloses is not searched: of what it holds, nobody can say
    whether the function uses it.
    """
    layers = flatten_layers(operation) if isinstance(operation, keras.layers.Layer) else [operation]
    own = set(map(id, layers))
    seen: set[int] = set()
    for layer in layers:
        held = attributes(layer)
        for name in given_attributes(layer):
            if not is_bookkeeping(name):
                yield from _reached(held[name], own, seen, deep=True)
        if not is_stock(layer):
            for function in functions_in_use(type(layer)):
                yield from _reached(function, own, seen, deep=False)


def reached_by(argument: Any) -> Iterator[Any]:
    """`reached` of what a call is given, such as the functions of `keras.ops.cond`."""
    yield from _reached(argument, set(), set(), deep=True)


def _reached(value: Any, own: set[int], seen: set[int], *, deep: bool) -> Iterator[Any]:
    stack = [(value, deep)]
    while stack:
        value, deep = stack.pop()
        if type(value) in SIMPLE or id(value) in seen or id(value) in own:
            continue
        seen.add(id(value))
        if isinstance(value, keras.layers.Layer) or is_variable(value):
            yield value
        else:
            stack += [(part, deep and still) for part, still in _parts(value, deep)]


def _parts(value: Any, deep: bool) -> list[tuple[Any, bool]]:
    """What `value` leads to, each with whether objects of somebody's own are searched there."""
    if isinstance(value, functools.partial):
        return [(part, True) for part in (value.func, *value.args, *value.keywords.values())]
    if inspect.ismethod(value):
        return [(value.__self__, True), (value.__func__, False)]
    if isinstance(value, dict):
        return [(part, True) for part in value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [(part, True) for part in value]
    if (compiled := _compiled_from(value)) is not None:
        return [(compiled, False)]
    if module_of(value) in (*FRAMEWORKS, "zoo") or is_of_python(value):
        return []
    if inspect.isfunction(value):
        return [(part, False) for part in taken_from_outside(value)]
    held = inside(value) if deep else None
    return [] if held is None else [(part, True) for part in held.values()]


def _compiled_from(value: Any) -> Any:
    """The function of Python that `tf.function` or `jax.jit`, say, made `value` of; None of all else."""
    if inspect.isfunction(value) or isinstance(value, type) or not callable(value):
        return None
    return getattr(value, "__wrapped__", None)


def _keys(variable: keras.Variable) -> list[int]:
    # On TensorFlow a Keras variable keeps its values in one of the backend, which a model can be given as well.
    value = variable.value
    return [id(variable), id(value)] if is_raw_variable(value) else [id(variable)]
