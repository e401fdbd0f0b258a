"""What Python code leads to: the functions that a class computes with, the names that a function takes from outside."""

from __future__ import annotations

import dis
import functools
import importlib.util
import inspect
import itertools
import sys
import types
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from zoo.graph.configuration import is_of_keras
from zoo.graph.held import FRAMEWORKS, SIMPLE, inside, is_array, is_of_python, is_variable, module_of
from zoo.graph.internals import attributes

_USE = ("build", "call", "__call__")
_LOADS = ("LOAD_GLOBAL", "LOAD_DEREF", "LOAD_NAME")
# What no training changes of a variable.
_OF_A_VARIABLE = ("shape", "ndim", "dtype")
# What Keras says of a layer without its weights.
_OF_A_LAYER = ("get_config", "get_build_config", "count_params")
# What a property of numbers may call.
_ARITHMETIC = frozenset("abs bool float int len max min round str sum tuple math sqrt prod np".split())
UNKNOWN = object()


@dataclass(frozen=True)
class Alone:
    """A layer of which code reads one thing: what else is in it, the code does not use."""

    layer: keras.layers.Layer


def functions_in_use(kind: Any) -> list[Any]:
    """The functions of a class of somebody's own that run when a layer of it is built or called."""
    methods: dict[str, list[Any]] = {}
    for cls in kind.__mro__:
        if is_of_keras(cls):
            continue
        for name, value in vars(cls).items():
            methods.setdefault(name, []).extend(functions_of(value))
    found: list[Any] = []
    names, seen = list(_USE), set[str]()
    while names:
        if (name := names.pop()) not in seen:
            seen.add(name)
            for function in methods.get(name, ()):
                found.append(function)
                names += _called_by(function)
                if _chooses_by_name(function.__code__):
                    names += [name for name in methods if not name.startswith("__")]
    return found


def _chooses_by_name(code: types.CodeType) -> bool:
    """Whether a method takes an attribute of its layer by `getattr`, so that it may be any."""
    layer = code.co_varnames[:1]
    return any(
        step.argval == "getattr" and (after.argval,) == layer
        for step, after in itertools.pairwise(dis.get_instructions(code))
    )


def _called_by(function: types.FunctionType) -> set[str]:
    """The names in the code of a method, those of methods that it calls among them, but for what it reads of modules."""
    named = set(names_in(function.__code__))
    for name, value in _named(function):
        if isinstance(value, types.ModuleType):
            named -= _only_read_of(function.__code__, name)
    return named


def _only_read_of(code: types.CodeType, module: str) -> set[str]:
    """The names that stand in `code` after that of a module alone, such as `log` of `ops.log`."""
    total = Counter(_attributes_read(code))
    of_module = Counter(itertools.chain.from_iterable(_reads(code, module)))
    return {name for name, times in of_module.items() if total[name] == times}


def _attributes_read(code: types.CodeType) -> Iterator[str]:
    for step in dis.get_instructions(code):
        if (isinstance(step.argval, str) and "ATTR" in step.opname) or step.opname == "LOAD_METHOD":
            yield step.argval
    for inner in _inner(code):
        yield from _attributes_read(inner)


def functions_of(value: Any) -> Iterator[Any]:
    """The function that stands in a class as `value`: that of a decorator, and the one that it was put round."""
    seen: list[Any] = []
    while value is not None and not any(value is known for known in seen):
        seen.append(value)
        if inspect.isfunction(value):
            yield value
        if isinstance(value, property):
            value = value.fget
        elif isinstance(value, (functools.cached_property, functools.partialmethod)):
            value = value.func
        else:
            value = getattr(value, "__wrapped__", None)


def class_attributes_in_use(kind: Any, functions: list[Any]) -> list[Any]:
    """What stands in a class of somebody's own under a name that one of `functions`, which are of it, has."""
    named = frozenset[str]().union(*(names_in(function.__code__) for function in functions))
    found: dict[str, Any] = {}
    for cls in kind.__mro__:
        if not is_of_keras(cls):
            for name in sorted(named & vars(cls).keys()):
                found.setdefault(name, vars(cls)[name])
    return [value for value in found.values() if not inspect.isfunction(value)]


def stored(function: Any) -> set[str]:
    """The names of the attributes that `function` sets, or a function inside it."""
    return _stored(function.__code__)


def _stored(code: types.CodeType) -> set[str]:
    found = {i.argval for i in dis.get_instructions(code) if i.opname == "STORE_ATTR"}
    return found.union(*map(_stored, _inner(code)))


def taken_from_outside(function: types.FunctionType) -> Iterator[Any]:
    """What `function` encloses, has as defaults, and takes from its module.

    Of a layer, module, class or object of which it reads attributes alone, such as `nets.FC`, only those count. Plain
    numbers do not, such as `dense.units` and `dense.kernel.shape`: they are no part of a model.
    """
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for name, value in _named(function):
        # Of a name that is loaded in another way nobody can say what is read.
        for read in sorted(set(_reads(function.__code__, name))) or [()]:
            yield from _along(value, read)
    for code, name, value in _imported(function.__code__, function.__globals__):
        for read in sorted(set(_reads(code, name, local=True))):
            yield from _along(value, read)


def _imported(code: types.CodeType, names: dict[str, Any]) -> Iterator[tuple[types.CodeType, str, Any]]:
    """What each `import` inside a function gives: in which code, under which name, and what. None is run here."""
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    for place, step in enumerate(steps):
        if step.opname != "IMPORT_NAME":
            continue
        (level, wanted), after = (before.argval for before in steps[place - 2 : place]), steps[place + 1 :]
        path = _absolute(step.argval, level, names.get("__package__"))
        stored = (_first(one.argval) for one in after if one.opname.startswith("STORE_"))
        if wanted:
            yield from (
                (code, name, _of_module(path, one)) for one, name in zip(wanted, stored, strict=False)
            )
        else:
            # `import a.b` gives `a`, and `import a.b as c` gives `a.b`.
            given = path.split(".")[0] if after[0].opname.startswith("STORE_") else path
            yield code, next(stored), sys.modules.get(given)
    for inner in _inner(code):
        yield from _imported(inner, names)


def _absolute(path: str, level: int, package: str | None) -> str:
    return importlib.util.resolve_name("." * level + path, package) if level and package else path


def _of_module(path: str, name: str) -> Any:
    """What `from path import name` gives: a name of the module, or a module in it."""
    return inspect.getattr_static(sys.modules.get(path), name, sys.modules.get(f"{path}.{name}"))


def _first(name: Any) -> str:
    # Newer Pythons store one and load the other in one step.
    return name[0] if isinstance(name, tuple) else name


def _named(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not filled yet
            continue
    for name in sorted(globals_of(function.__code__) & function.__globals__.keys()):
        yield name, function.__globals__[name]


def used_of_holder(method: types.MethodType) -> Iterator[Any]:
    """What a method of somebody's own uses of the layer or object that it is a method of."""
    holder, code = method.__self__, method.__func__.__code__
    if code.co_argcount == 0 or "super" in code.co_names:
        yield holder
    else:
        for read in sorted(set(_reads(code, code.co_varnames[0], local=True))):
            yield from _along(holder, read)


def _reads(code: types.CodeType, name: str, *, local: bool = False) -> Iterator[tuple[str, ...]]:
    """Which attributes are read, one of the other, wherever `name` is loaded, in functions inside as well."""
    steps = list(dis.get_instructions(code))
    for place, step in enumerate(steps):
        if step.opname not in _LOADS and not (local and "LOAD_FAST" in step.opname):
            continue
        # Newer Pythons load two at a time, or store one and load the other.
        *others, last = step.argval if isinstance(step.argval, tuple) else [step.argval]
        if last == name:
            end = place + 1
            while end < len(steps) and steps[end].opname in ("LOAD_ATTR", "LOAD_METHOD"):
                end += 1
            yield tuple(after.argval for after in steps[place + 1 : end])
        if name in others and not step.opname.startswith("STORE"):
            yield ()
    for inner in _inner(code):
        yield from _reads(inner, name)


def _along(value: Any, read: Sequence[str]) -> Iterator[Any]:
    """What is used of `value` where its attributes `read` are read, one of the other."""
    passed = []
    for name in read:
        if isinstance(value, keras.layers.Layer) and name in _OF_A_LAYER and _is_of_keras(value, name):
            return
        if _has_a_shape(value):
            if name in _OF_A_VARIABLE:
                return
            break
        found = attribute(value, name)
        if found is UNKNOWN:
            break
        if _is_plain(found) or (isinstance(found, property) and _is_of_numbers(found.fget, value)):
            return
        if isinstance(value, keras.layers.Layer):
            passed.append(Alone(value))
        getter: Any = found.fget if isinstance(found, property) else None
        value = found if getter is None else types.MethodType(getter, value)
        if inspect.ismethod(value):
            break
    yield from passed
    yield value
    if callable(value) and not isinstance(value, keras.layers.Layer):
        call = attribute(value, "__call__")
        if inspect.ismethod(call):
            yield call


def attribute(value: Any, name: str) -> Any:
    """What `value` has under `name`, without running code of somebody's own: a property or method of theirs as it is.

    `UNKNOWN` where that cannot be said, or where it is a function of Keras or Python, which may use all of `value`.
    """
    if isinstance(value, (types.ModuleType, type)):
        module = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
        found = inspect.getattr_static(value, name, UNKNOWN) if _is_own(module) else UNKNOWN
        return UNKNOWN if isinstance(found, property) else found
    held = attributes(value) if isinstance(value, keras.layers.Layer) else _held_by(value)
    if held is None:
        return UNKNOWN
    home = next((cls for cls in type(value).__mro__ if name in vars(cls)), None)
    if home is not None and not _is_own(home.__module__):
        try:
            found = getattr(value, name)
        except Exception:  # not built yet
            return UNKNOWN
        return UNKNOWN if inspect.isroutine(found) else found
    there = None if home is None else vars(home)[name]
    if name in held and not isinstance(there, property):
        return held[name]
    return UNKNOWN if home is None else _in_a_class(there, value)


def _held_by(value: Any) -> dict[str, Any] | None:
    return None if module_of(value) == "zoo" or is_of_python(value) else inside(value)


def _in_a_class(there: Any, value: Any) -> Any:
    """What `value` has where its class, which is somebody's own, has `there`."""
    if isinstance(there, functools.cached_property):
        there = property(there.func)
    if isinstance(there, property):
        return there if inspect.isfunction(there.fget) else UNKNOWN
    if isinstance(there, (staticmethod, classmethod)):
        return there.__func__
    if inspect.isfunction(there):
        return types.MethodType(there, value)
    return UNKNOWN if hasattr(there, "__get__") else there


def _is_own(module: str) -> bool:
    """Whether a module is nobody's framework, and none of Python."""
    package = module.split(".")[0]
    return package not in (*FRAMEWORKS, "zoo", "numpy") and package not in sys.stdlib_module_names


def _is_of_keras(layer: keras.layers.Layer, name: str) -> bool:
    """Whether the method of that name is Keras' own."""
    return is_of_keras(next(cls for cls in type(layer).__mro__ if name in vars(cls)))


def _has_a_shape(value: Any) -> bool:
    return isinstance(value, keras.KerasTensor) or is_variable(value) or is_array(value)


def _is_plain(value: Any) -> bool:
    """Whether `value` is a number or a word, or a tuple of such."""
    return all(type(item) in SIMPLE for item in (value if isinstance(value, tuple) else [value]))


def _is_of_numbers(function: Any, holder: Any) -> bool:
    """Whether a property computes with plain numbers of `holder` alone."""
    code = function.__code__
    found = {name: attribute(holder, name) for name in names_in(code)}
    return not code.co_freevars and all(
        name in _ARITHMETIC if value is UNKNOWN else _is_plain(value) for name, value in found.items()
    )


def names_in(code: types.CodeType) -> Iterator[str]:
    """The names of attributes and globals in `code`, and in functions inside."""
    yield from code.co_names
    for inner in _inner(code):
        yield from names_in(inner)


def words_in(code: types.CodeType) -> Iterator[str]:
    """The names in `code` and in functions inside, and its strings, by which `getattr` may read."""
    yield from code.co_names
    yield from (constant for constant in code.co_consts if isinstance(constant, str))
    for inner in _inner(code):
        yield from words_in(inner)


def globals_of(code: types.CodeType) -> set[str]:
    """The names that `code`, or a function inside it, takes from its module."""
    found = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return found.union(*map(globals_of, _inner(code)))


def _inner(code: types.CodeType) -> list[types.CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
