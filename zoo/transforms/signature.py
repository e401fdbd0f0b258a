"""What a recorded call computes, as a value: equal values, equal functions of the weights."""

from __future__ import annotations

import enum
import functools
import types
from typing import Any

import keras
import numpy as np

from zoo.graph import contents, described, flatten_layers, is_function, is_stock, plain_attributes
from zoo.graph.configuration import comes_back
from zoo.graph.held import inside
from zoo.graph.internals import REMAT, is_bookkeeping, is_remat


def shape_of(tensor: Any) -> tuple[Any, ...]:
    """Shape and dtype of a tensor."""
    return tuple(tensor.shape), tensor.dtype


def signature(node: Any) -> tuple[Any, ...]:
    """Equal for two calls that compute the same of their inputs and weights.

    Names do not count, nor the initialisers of stock layers, whose weights are there already. Functions are
    compared by code and what they enclose, constants by their bytes.

    Args:
        node: Keras' record of the call.
    """
    operation = node.operation
    shapes = tuple(shape_of(tensor) for tensor in node.outputs)
    rest = _value(
        keras.tree.map_structure(
            lambda value: "tensor" if isinstance(value, keras.KerasTensor) else value,
            (node.arguments.args, node.arguments.kwargs),
        )
    )
    if not isinstance(operation, keras.layers.Layer):
        plain = {k: v for k, v in vars(operation).items() if not k.startswith("_") and k != "name"}
        return type(operation), _value(plain), rest, shapes
    try:
        config = described(operation)
    except Exception:  # a layer that cannot say what it is equals no other
        config = {"itself": id(operation)}
    dropped = ["name"]
    if is_stock(operation):
        dropped += [key for key in config if key.endswith("_initializer")]
    kept = {key: value for key, value in config.items() if key not in dropped}
    # A variable may have been given others than its layer was made with.
    training = tuple((v.trainable, _value(v.regularizer), _value(v.constraint)) for v in operation.variables)
    trains = operation.trainable, training
    return type(operation), _value(kept), _hidden(operation), trains, _remat(operation), rest, shapes


def _remat(layer: keras.layers.Layer) -> Any:
    """The remat scopes of a layer and of those in it, as values."""
    return tuple(_value(getattr(inner, REMAT)) for inner in flatten_layers(layer) if is_remat(inner))


def _hidden(layer: keras.layers.Layer) -> Any:
    """What a configuration does not tell apart: functions of one name, constants that were drawn or set."""
    found = []
    for place, inner in enumerate(flatten_layers(layer)):
        for name in sorted(vars(inner).keys() - (plain_attributes() - {"activity_regularizer"})):
            for leaf in keras.tree.flatten(vars(inner)[name]):
                is_constant = isinstance(leaf, np.ndarray) or (
                    keras.ops.is_tensor(leaf) and not isinstance(leaf, keras.Variable)
                )
                own = not is_stock(inner) and not is_bookkeeping(name) and _is_setting(leaf)
                # The initialisers of stock layers do not count.
                draws = is_stock(inner) and name.endswith("_initializer")
                untold = is_function(leaf, inner) or (not draws and not comes_back(leaf))
                if untold or is_constant or own:
                    found.append((place, name, _value(leaf)))
    return tuple(found)


def _is_setting(value: Any) -> bool:
    """Whether `value` is a number, a word or an object of these, which may say what a layer does in training alone."""
    plain = (bool, int, float, complex, str, bytes, type(None), enum.Enum)
    return isinstance(value, plain) or contents(value) is not None


def _value(thing: Any, seen: dict[int, tuple[int, Any]] | None = None) -> Any:
    """Something that equals its like by value, arrays and functions included.

    Functions and objects are numbered as they are met, and the number stands for those that are met again: in
    themselves, as a function that calls itself is, or in others.
    """
    seen = {} if seen is None else seen
    if id(thing) in seen:
        return "again", seen[id(thing)][0]
    if isinstance(thing, dict):
        return tuple((key, _value(thing[key], seen)) for key in sorted(thing, key=str))
    if isinstance(thing, (list, tuple)):
        return (type(thing).__name__, *(_value(item, seen) for item in thing))
    if isinstance(thing, np.ndarray) or (keras.ops.is_tensor(thing) and not _is_symbolic(thing)):
        array = np.asarray(keras.ops.convert_to_numpy(thing))
        return "array", array.shape, str(array.dtype), array.tobytes()
    if isinstance(thing, functools.partial):
        seen[id(thing)] = len(seen), thing
        return "partial", *(_value(part, seen) for part in (thing.func, thing.args, thing.keywords))
    if isinstance(thing, types.FunctionType):
        seen[id(thing)] = len(seen), thing
        enclosed = tuple(_in_cell(cell, seen) for cell in thing.__closure__ or ())
        defaults = _value((thing.__defaults__, thing.__kwdefaults__ or {}), seen)
        return "function", thing.__code__, id(thing.__globals__), defaults, enclosed
    if isinstance(thing, (str, bytes, int, float, complex, bool, type(None), type(...))):
        return type(thing).__name__, repr(thing)
    if hasattr(thing, "get_config") and not isinstance(thing, (type, keras.layers.Layer)):
        seen[id(thing)] = len(seen), thing
        return type(thing), _value(thing.get_config() if comes_back(thing) else inside(thing), seen)
    if isinstance(thing, slice):
        return "slice", _value((thing.start, thing.stop, thing.step), seen)
    if isinstance(thing, (set, frozenset)):
        return "set", frozenset(_value(item, dict(seen)) for item in thing)
    if not isinstance(thing, enum.Enum) and (held := contents(thing)) is not None:
        seen[id(thing)] = len(seen), thing
        return type(thing), _value(held, seen)
    return "itself", id(thing)


def _in_cell(cell: types.CellType, seen: dict[int, tuple[int, Any]]) -> Any:
    try:
        enclosed = cell.cell_contents
    except ValueError:  # nothing is in it yet
        return "nothing"
    return _value(enclosed, seen)


def _is_symbolic(value: Any) -> bool:
    if isinstance(value, (keras.KerasTensor, keras.Variable)):
        return True
    try:
        keras.ops.convert_to_numpy(value)
    except Exception:  # a tensor of a graph that was traced and is gone
        return True
    return False
