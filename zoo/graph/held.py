"""What the attributes of a layer hold: numbers, arrays, functions, objects of somebody's own; looked at, compared, copied."""

from __future__ import annotations

import copy
import enum
import functools
import inspect
from typing import Any

import keras
import numpy as np

# What most attributes hold.
SIMPLE = frozenset({bool, int, float, complex, str, bytes, type(None)})
_NO_ARRAYS = (list, tuple, dict, keras.InputSpec)
_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic, np.ndarray)
FRAMEWORKS = ("keras", "tensorflow", "jax", "jaxlib", "torch")


def is_function(value: Any, layer: Any) -> bool:
    """Whether `value` is a function that came from outside `layer`."""
    if isinstance(value, (type, keras.layers.Layer)) or hasattr(value, "get_config"):
        return False
    if inspect.ismethod(value) and value.__self__ is layer:
        return False
    return inspect.isroutine(value) or isinstance(value, functools.partial) or _is_callable_object(value)


def _is_callable_object(value: Any) -> bool:
    """Whether `value` is an object of somebody's own that can be called, and holds nothing that trains."""
    kind = type(value)
    if not callable(value) or not hasattr(value, "__dict__") or kind.__module__.split(".")[0] in FRAMEWORKS:
        return False
    return all(isinstance(leaf, _PLAIN) or is_array(leaf) for leaf in keras.tree.flatten(dict(vars(value))))


def can_be_carried(value: Any, other: Any, layer: Any, around: tuple[int, ...] = ()) -> bool:
    """Whether a copy may be given what an attribute of `layer` holds: plain values, arrays and functions, however deep."""
    leaves = keras.tree.flatten(value)
    others = keras.tree.flatten(other)
    for position, leaf in enumerate(leaves):
        if isinstance(leaf, (*_PLAIN, enum.Enum)):
            continue
        if isinstance(leaf, keras.Variable):
            return False
        if keras.ops.is_tensor(leaf):
            if isinstance(leaf, keras.KerasTensor) or array_of(leaf) is None:
                return False
        elif is_function(leaf, layer):
            made_by_class = getattr(leaf, "__code__", None)
            same = getattr(others[position], "__code__", 0) if position < len(others) else 0
            if made_by_class is not None and made_by_class is same:
                return False
        else:
            held = contents(leaf)
            if held is None or id(leaf) in around:
                return False
            if not can_be_carried(held, None, layer, (*around, id(leaf))):
                return False
    return True


def contents(value: Any) -> Any:
    """What a set or an object of somebody's own holds, such as a dataclass of options; None of all else."""
    if isinstance(value, (set, frozenset)):
        return list(value)
    if callable(value) or not hasattr(value, "__dict__"):
        return None
    return None if type(value).__module__.split(".")[0] in FRAMEWORKS else dict(vars(value))


def equal(a: Any, b: Any) -> bool:
    """Whether two attributes hold the same: arrays to the bit, functions by identity, objects by what they hold."""
    first, second = keras.tree.flatten(a), keras.tree.flatten(b)
    if len(first) != len(second) or _keys(a) != _keys(b):
        return False
    for x, y in zip(first, second, strict=True):
        if x is y:
            continue
        if is_array(x) and is_array(y):
            p, q = array_of(x), array_of(y)
            if p is None or q is None or p.dtype != q.dtype or not np.array_equal(p, q):
                return False
        elif type(x) is not type(y) or callable(x):
            return False
        elif not isinstance(x, (set, frozenset, enum.Enum)) and contents(x) is not None:
            if not equal(contents(x), contents(y)):
                return False
        elif x != y:
            return False
    return True


def _keys(value: Any) -> Any:
    """The keys of the dicts in `value`, which a flat list of it leaves out."""
    if isinstance(value, dict):
        return {key: _keys(item) for key, item in value.items()}
    return [_keys(item) for item in value] if isinstance(value, (list, tuple)) else None


def is_array(value: Any) -> bool:
    """Whether `value` is an array of NumPy or of the backend."""
    # To ask the backend takes a hundred times as long. No array can be called, as initializers and activations can.
    if type(value) in SIMPLE or isinstance(value, _NO_ARRAYS) or callable(value):
        return False
    return isinstance(value, np.ndarray) or keras.ops.is_tensor(value)


def array_of(value: Any) -> np.ndarray | None:
    """The array that `value` is, in NumPy, if it has one."""
    try:
        return np.asarray(keras.ops.convert_to_numpy(value))
    except Exception:  # a tensor of a graph that was traced and is gone has no values
        return None


def duplicate(value: Any) -> Any:
    """What a copy is given in the place of `value`, so that neither changes with the other."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if keras.ops.is_tensor(value):
        return keras.ops.copy(value)
    if isinstance(value, (set, frozenset)):
        return type(value)(value) if type(value) in (set, frozenset) else set(value)
    return value if contents(value) is None else copy.deepcopy(value)
