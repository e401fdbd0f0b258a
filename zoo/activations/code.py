"""Whether the Python code of a layer can hide an activation.

The code of a `call` cannot be read as a graph. It can be read as a list of names: what names nothing but
arithmetic, shapes and the layer's own numbers and layers hides no activation. Everything else may.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from zoo.graph import attributes

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
        own = (c for c in type(layer).__mro__ if c.__module__.split(".")[0] != "keras")
        functions = [vars(cls)["call"] for cls in own if "call" in vars(cls)]
    for function in functions:
        function = getattr(function, "__wrapped__", function)
        if not isinstance(function, types.FunctionType):
            return True
        if {"+", "+=", "add", "Add", "add_n"} & set(_names(function.__code__, ("+", "+="))):
            return True
    return False


def _doubts(function: Any, layer: Any) -> list[str]:
    function = getattr(function, "__wrapped__", function)
    if not isinstance(function, types.FunctionType):
        return [getattr(function, "__name__", type(function).__name__)]
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    closed = [name for name, cell in cells if name != "__class__" and not _is_number(cell.cell_contents)]
    return closed + [name for name in _names(function.__code__) if not _is_known(name, layer)]


def _names(code: types.CodeType, operators: tuple[str, ...] = ("**", "**=")) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname == "COMPARE_OP" or (
            instruction.opname.startswith("BINARY") and instruction.argrepr in operators
        ):
            yield instruction.argrepr
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant, operators)


def _is_known(name: str, layer: Any) -> bool:
    if name in _HARMLESS:
        return True
    values = attributes(layer)
    return name in values and _is_number(values[name])


def _is_number(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_number, value))
    if isinstance(value, dict):
        return all(map(_is_number, value.values()))
    return isinstance(value, _NUMBERS) or keras.ops.is_tensor(value)
