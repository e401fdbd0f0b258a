"""Whether the Python code of a layer can hide an activation.

The code of a `call` cannot be read as a graph. It can be read as a list of names: what names nothing but
arithmetic, shapes and the layer's own numbers and layers hides no activation. Everything else may.
"""

from __future__ import annotations

import builtins
import dis
import itertools
import re
import types
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from zoo.activations.sizes import called, is_of_sizes, locals_read, single, sizes, stored, within
from zoo.graph import attributes, flatten_layers
from zoo.graph.code import globals_of
from zoo.graph.internals import is_bare_addition

_HARMLESS = frozenset(
    "keras ops np numpy super call training mask add subtract multiply matmul dot einsum tensordot reshape "
    "transpose swapaxes moveaxis concatenate stack split unstack expand_dims squeeze broadcast_to tile repeat "
    "flip roll pad shape ndim dtype cast convert_to_tensor mean sum zeros ones zeros_like ones_like range len "
    "tuple list int float bool name names axis compute_dtype variable_dtype float32 layers random random_uniform "
    "normal dropout append items values keys enumerate zip isinstance ValueError TypeError value stop_gradient "
    "rms_normalization layer_normalization var std moments rsqrt sqrt identity copy add_loss assign".split()
)
_NUMBERS = (
    *(bool, int, float, complex, str, bytes, type(None), np.ndarray, np.generic, keras.Variable),
    *(keras.initializers.Initializer, keras.regularizers.Regularizer, keras.DTypePolicy),
    *(keras.random.SeedGenerator, keras.layers.Layer, keras.InputSpec),
)


# Where a function of a harmless name does what its name says.
_OF_THE_BACKEND = {"keras", "numpy", "builtins"}

# Operators that bend what they are applied to, whole quotients and remainders among them.
_BENDING = ("**", "**=", "//", "//=", "%", "%=")
# Linear in each factor, so not where one value is two of them.
_PRODUCTS = ("*", "*=", "@", "@=")
_PRODUCT_FUNCTIONS = frozenset("multiply matmul dot einsum tensordot".split())
_WHOLE_NUMBERS = re.compile(r"u?int\d+")
# What of a class has no part in what its layer computes.
_BESIDE_THE_CALL = {"__init__", "get_config", "from_config"}


def doubts(layer: Any) -> list[str] | None:
    """What in the code of `layer` may be an activation: names; an empty list if nothing; None if it is Keras'.

    Args:
        layer: A layer. Of a Lambda the function is read, of others each `call` up to the first of Keras' own.
    """
    if isinstance(layer, keras.layers.Lambda) and type(layer).call is keras.layers.Lambda.call:
        return _doubts(layer.function, layer)
    found, own = [], False
    for cls in type(layer).__mro__:
        if cls.__module__.split(".")[0] == "keras":
            break
        if "call" in vars(cls) or "__call__" in vars(cls):
            own = True
            for name in {"call", "__call__"} & set(vars(cls)):
                found += _doubts(vars(cls)[name], layer)
    return list(dict.fromkeys(found)) if own else None


def adds(layer: Any) -> bool:
    """Whether the code of `layer`, if it has code of its own, adds two things."""
    if isinstance(layer, keras.layers.Lambda) and type(layer).call is keras.layers.Lambda.call:
        functions = [layer.function]
    else:
        own = (cls for cls in type(layer).__mro__ if _is_own(cls))
        functions = [vars(cls)["call"] for cls in own if "call" in vars(cls)]
    for function in functions:
        function = getattr(function, "__wrapped__", function)
        if not isinstance(function, types.FunctionType):
            return True
        if {"+", "+=", "add", "Add", "add_n"} & set(_names(function.__code__, ("+", "+="))):
            return True
    return False


def is_addition(operation: Any) -> bool:
    """Whether `operation` adds up what it gets and does nothing else: the layer, `a + b`, a subclass without code."""
    # `a + b` leaves an operation in the graph, of the name of the layer.
    return is_bare_addition(operation) or (
        isinstance(operation, keras.layers.Add) and not _changes_what(operation, keras.layers.Add)
    )


def _changes_what(layer: Any, stock: type) -> bool:
    """Whether the class of `layer` has another version of a function of `stock` that takes part in its call."""
    own = (vars(cls).items() for cls in itertools.takewhile(_is_own, type(layer).__mro__))
    return any(
        callable(value) and hasattr(stock, name) and name not in _BESIDE_THE_CALL
        for functions in own
        for name, value in functions
    )


def adds_losses(layer: Any) -> bool:
    """Whether the code of `layer`, or of a layer in it, calls `add_loss`."""
    found = (_own_functions(inner) for inner in flatten_layers(layer))
    codes = (getattr(function, "__code__", None) for functions in found for function in functions)
    return any("add_loss" in _names(code) for code in codes if code is not None)


def _is_own(cls: type) -> bool:
    """Whether a class is somebody's own, and neither Keras' nor Python's."""
    return cls.__module__.split(".")[0] not in ("keras", "builtins")


def _own_functions(layer: Any) -> Iterator[Any]:
    """The functions that a class of somebody's own has, unwrapped."""
    for cls in type(layer).__mro__:
        if not _is_own(cls):
            return
        yield from (getattr(value, "__wrapped__", value) for value in vars(cls).values())


def doubts_of(function: Any) -> list[str]:
    """`doubts` of a function alone, which belongs to no layer."""
    return list(dict.fromkeys(_doubts(function, None)))


def _doubts(function: Any, layer: Any) -> list[str]:
    function = getattr(function, "__wrapped__", function)
    if not isinstance(function, types.FunctionType):
        return [getattr(function, "__name__", type(function).__name__)]
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    closed = [name for name, cell in cells if name != "__class__" and not _is_number_alone(cell)]
    loaded = globals_of(function.__code__)
    return closed + [
        name
        for name in _names(function.__code__)
        if not (_is_known_global(name, function) if name in loaded else _is_known(name, layer))
    ]


def _is_number_alone(cell: types.CellType) -> bool:
    """Whether what a function encloses is a number: a layer that it calls stands in no list of layers."""
    try:
        value = cell.cell_contents
    except ValueError:  # not filled yet
        return False
    return _is_number(value) and not any(isinstance(v, keras.layers.Layer) for v in keras.tree.flatten(value))


def _is_known_global(name: str, function: types.FunctionType) -> bool:
    """Whether a name of a module is a number, or a function that is harmless and not one's own of such a name."""
    value = function.__globals__.get(name, getattr(builtins, name, None))
    if isinstance(value, types.ModuleType):
        return name in _HARMLESS and value.__name__.split(".")[0] in _OF_THE_BACKEND
    if _is_number(value) and not isinstance(value, keras.layers.Layer):
        return value is not None or name in _HARMLESS
    origin = getattr(value, "__module__", None) or "builtins"
    return name in _HARMLESS and origin.split(".")[0] in _OF_THE_BACKEND


def _names(code: types.CodeType, operators: tuple[str, ...] = _BENDING) -> Iterator[str]:
    steps = single(list(dis.get_instructions(code)))
    known = sizes(code, steps)
    for step in steps:
        if step.opname == "COMPARE_OP":
            yield step.argrepr
        elif step.opname.startswith("BINARY") and step.argrepr in operators:
            parts = within(steps, step)
            if not parts or not is_of_sizes(parts, known):
                yield step.argrepr
    yield from _squares(steps, known)
    yield from _casts(steps)
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant, operators)


def _casts(steps: list[dis.Instruction]) -> Iterator[str]:
    """The casts to whole numbers, `ops.cast(z, "int32")`: the type may be one of several, or a variable's."""
    for step in steps:
        if called(steps, step) == "cast":
            parts = _outside_calls(within(steps, step))
            words = _words(parts) or _words_of_variables(steps, parts)
            whole = [word for word in words if _WHOLE_NUMBERS.fullmatch(word)]
            if whole:
                yield f"cast to {whole[0]}"


def _outside_calls(parts: list[dis.Instruction]) -> list[dis.Instruction]:
    """Those of the instructions of an expression that belong to no call in it: a type in there is that call's."""
    inner = {id(part) for call in parts if call.opname.startswith("CALL") for part in within(parts, call)}
    return [part for part in parts if id(part) not in inner]


def _words(parts: list[dis.Instruction]) -> list[str]:
    return [part.argval for part in parts if "CONST" in part.opname and isinstance(part.argval, str)]


def _words_of_variables(steps: list[dis.Instruction], parts: list[dis.Instruction]) -> list[str]:
    """The words that the variables read in `parts` are ever set to, such as `kind = "int32"`."""
    loads = [part for part in parts if part.opname.startswith("LOAD") and not isinstance(part.argval, tuple)]
    read = {name for part in parts for name in locals_read(part)}
    # What is loaded last is the type, which may come from a call: `kind = standardize_dtype("int32")`.
    last = set(locals_read(loads[-1])) if loads else set()
    found = (
        _words(value if name in last else _outside_calls(value))
        for name, value in stored(steps)
        if name in read
    )
    return [word for words in found for word in words]


def _squares(instructions: list[dis.Instruction], known: set[str]) -> Iterator[str]:
    """The products of a value with itself, `z * z` and `matmul(z, z)`, where it has a name."""
    steps = [step for step in _steps(instructions) if step[0] not in ("PRECALL", "PUSH_NULL")]
    for place in range(len(steps) - 2):
        (first, name), (second, other), (then, operator) = steps[place : place + 3]
        if first != "LOCAL" or second != "LOCAL" or name != other or name in known:
            continue
        if then.startswith("BINARY") and operator in _PRODUCTS:
            yield f"{name} {operator} {name}"
        elif then.startswith("CALL"):
            before = [step for step in steps[max(place - 2, 0) : place] if step[1] in _PRODUCT_FUNCTIONS]
            yield from (f"{function}({name}, {name})" for _, function in before)


def _steps(instructions: list[dis.Instruction]) -> Iterator[tuple[str, Any]]:
    """The instructions with what they are about; those that read a variable of the function as "LOCAL"."""
    for instruction in instructions:
        kind, about = instruction.opname, instruction.argval
        if read := locals_read(instruction):
            yield from (("LOCAL", name) for name in read)
        elif kind != "LOAD_FAST_AND_CLEAR":
            yield kind, about if kind.startswith("LOAD") else instruction.argrepr


def _is_known(name: str, layer: Any) -> bool:
    if name in _HARMLESS:
        return name in ("call", "__call__") or not _is_own_method(name, layer)
    values = {} if layer is None else attributes(layer)
    return name in values and _is_number(values[name])


def _is_own_method(name: str, layer: Any) -> bool:
    own = (cls for cls in type(layer).__mro__ if _is_own(cls))
    return any(callable(vars(cls)[name]) for cls in own if name in vars(cls))


def _is_number(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_number, value))
    if isinstance(value, dict):
        return all(map(_is_number, value.values()))
    return isinstance(value, _NUMBERS) or keras.ops.is_tensor(value)
