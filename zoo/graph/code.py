"""What Python code leads to: the functions that a class computes with, the names that a function takes from outside."""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Iterator
from typing import Any

from zoo.graph.configuration import is_of_keras

_USE = ("build", "call", "__call__")


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
                names += _names(function.__code__)  # methods that it calls, among others
    return found


def stored(function: Any) -> set[str]:
    """The names of the attributes that `function` sets."""
    return {i.argval for i in dis.get_instructions(function) if i.opname == "STORE_ATTR"}


def taken_from_outside(function: types.FunctionType) -> Iterator[Any]:
    """What `function` encloses, has as defaults, and takes from its module."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for name in globals_of(function.__code__) & function.__globals__.keys():
        yield function.__globals__[name]


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in _inner(code):
        yield from _names(inner)


def globals_of(code: types.CodeType) -> set[str]:
    """The names that `code`, or a function inside it, takes from its module."""
    found = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return found.union(*map(globals_of, _inner(code)))


def _inner(code: types.CodeType) -> list[types.CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
