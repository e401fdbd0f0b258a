"""What Python code leads to: the functions that a class computes with, the names that a function takes from outside."""

from __future__ import annotations

import dis
import inspect
import itertools
import types
from collections.abc import Iterator
from typing import Any

import keras

from zoo.graph.configuration import is_of_keras
from zoo.graph.held import SIMPLE

_USE = ("build", "call", "__call__")
_LOADS = ("LOAD_GLOBAL", "LOAD_DEREF", "LOAD_NAME")


def functions_in_use(kind: Any) -> list[Any]:
    """The functions of a class of somebody's own that run when a layer of it is built or called."""
    methods: dict[str, list[Any]] = {}
    for cls in kind.__mro__:
        if is_of_keras(cls):
            continue
        for name, function in vars(cls).items():
            function = getattr(function, "__wrapped__", function)
            function = function.fget if isinstance(function, property) else function
            if inspect.isfunction(function):
                methods.setdefault(name, []).append(function)
    found: list[Any] = []
    names, seen = list(_USE), set[str]()
    while names:
        if (name := names.pop()) not in seen:
            seen.add(name)
            for function in methods.get(name, ()):
                found.append(function)
                names += names_in(function.__code__)  # methods that it calls, among others
    return found


def stored(function: Any) -> set[str]:
    """The names of the attributes that `function` sets."""
    return {i.argval for i in dis.get_instructions(function) if i.opname == "STORE_ATTR"}


def taken_from_outside(function: types.FunctionType) -> Iterator[Any]:
    """What `function` encloses, has as defaults, and takes from its module.

    A layer of which it reads plain numbers alone, such as `dense.units`, is left out: numbers are no part of a model.
    """
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    code = function.__code__
    for name, value in _named(function):
        if not (isinstance(value, keras.layers.Layer) and _reads_numbers_alone(code, name, value)):
            yield value


def _named(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not filled yet
            continue
    for name in globals_of(function.__code__) & function.__globals__.keys():
        yield name, function.__globals__[name]


def _reads_numbers_alone(code: types.CodeType, name: str, layer: keras.layers.Layer) -> bool:
    after = list(_after_loads(code, name))
    return bool(after) and all(i.opname == "LOAD_ATTR" and _is_plain(layer, i.argval) for i in after)


def _after_loads(code: types.CodeType, name: str) -> Iterator[dis.Instruction]:
    """The instruction after each that loads what is called `name`, in functions inside as well."""
    for load, after in itertools.pairwise(dis.get_instructions(code)):
        if load.argval == name and load.opname in _LOADS:
            yield after
    for inner in _inner(code):
        yield from _after_loads(inner, name)


def _is_plain(layer: keras.layers.Layer, attribute: str) -> bool:
    """Whether the attribute is a number or a word, or a tuple of such."""
    try:
        value = getattr(layer, attribute)
    except Exception:  # a property of somebody's own
        return False
    return all(type(item) in SIMPLE for item in (value if isinstance(value, tuple) else [value]))


def names_in(code: types.CodeType) -> Iterator[str]:
    """The names of attributes and globals in `code`, and in functions inside."""
    yield from code.co_names
    for inner in _inner(code):
        yield from names_in(inner)


def globals_of(code: types.CodeType) -> set[str]:
    """The names that `code`, or a function inside it, takes from its module."""
    found = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return found.union(*map(globals_of, _inner(code)))


def _inner(code: types.CodeType) -> list[types.CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
