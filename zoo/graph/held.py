"""What the attributes of a layer hold: numbers, arrays, functions, objects of somebody's own; looked at and compared."""

from __future__ import annotations

import argparse
import collections
import copy
import enum
import functools
import inspect
import random
import sys
import types
import weakref
from typing import Any

import keras
import numpy as np

# What most attributes hold.
SIMPLE = frozenset({bool, int, float, complex, str, bytes, type(None)})
_NO_ARRAYS = (list, tuple, dict, keras.InputSpec)
_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic, np.ndarray)
# What holds more than its attributes.
_CONTAINERS = (dict, list, tuple, set, frozenset, bytearray, collections.deque)
# What says what it does by what it holds, a variable at times.
_TERMS = (keras.regularizers.Regularizer, keras.constraints.Constraint, keras.losses.Loss)
# What Keras or the backend copies in a way of its own, or makes again.
COPIED_ELSEWHERE: tuple[type, ...] = (
    *(keras.layers.Layer, keras.Metric, keras.optimizers.Optimizer, keras.random.SeedGenerator),
    *(keras.Variable, keras.KerasTensor, keras.callbacks.Callback, weakref.ref),
)
FRAMEWORKS = ("keras", "tensorflow", "jax", "jaxlib", "torch")
# Policies of types and specs of inputs: a layer and its copy make theirs.
SETTINGS = (keras.DTypePolicy, keras.InputSpec)
# Those classes of Python whose objects hold what somebody puts into them.
_BAGS = (
    *(types.SimpleNamespace, argparse.Namespace),
    *(collections.UserDict, collections.UserList, collections.ChainMap),
)


def is_function(value: Any, layer: Any) -> bool:
    """Whether `value` is a function that came from outside `layer`."""
    if isinstance(value, (type, keras.layers.Layer)) or hasattr(value, "get_config"):
        return False
    if inspect.ismethod(value) and value.__self__ is layer:
        return False
    if inspect.isroutine(value) or isinstance(value, functools.partial) or _is_callable_object(value):
        return True
    # What `jax.custom_jvp` makes is no routine.
    return module_of(value) in FRAMEWORKS and compiled_from(value) is not None


def _is_callable_object(value: Any) -> bool:
    """Whether `value` is an object of somebody's own that can be called, and holds nothing that trains."""
    if not callable(value) or not hasattr(value, "__dict__") or module_of(value) in FRAMEWORKS:
        return False
    return all(isinstance(leaf, _PLAIN) or is_array(leaf) for leaf in keras.tree.flatten(dict(vars(value))))


def contents(value: Any) -> Any:
    """What a set or an object of somebody's own holds, such as a dataclass of options; None of all else."""
    if isinstance(value, (set, frozenset)):
        return list(value)
    return None if callable(value) else inside(value)


def inside(value: Any) -> dict[str, Any] | None:
    """The attributes of an object of somebody's own, by name, those in slots included; None of all else."""
    if isinstance(value, (type, types.ModuleType, *_PLAIN, enum.Enum)) or inspect.isroutine(value):
        return None
    if module_of(value) in FRAMEWORKS:
        return None
    if (state := _state_of_generator(value)) is not None:
        return {"state": state}
    slots = [name for cls in type(value).__mro__ for name in _slots(cls) if hasattr(value, name)]
    if not hasattr(value, "__dict__") and not slots:
        return None
    return {name: getattr(value, name) for name in slots} | dict(getattr(value, "__dict__", {}))


def _slots(cls: type) -> list[str]:
    """The names under which `cls` keeps things in slots; a class of Python keeps its own to itself."""
    slots = vars(cls).get("__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    mangled = [
        f"_{cls.__name__.lstrip('_')}{n}" if n.startswith("__") and n[-2:] != "__" else n for n in names
    ]
    return [name for name in mangled if name not in ("__dict__", "__weakref__")]


def _state_of_generator(value: Any) -> Any:
    """The state of a generator of random numbers, of NumPy or of Python."""
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if isinstance(value, np.random.RandomState):
        return value.get_state(legacy=False)
    return value.getstate() if isinstance(value, random.Random) else None


def equal(a: Any, b: Any) -> bool:
    """Whether two attributes hold the same: arrays to the bit, functions by identity, objects by what they hold.

    Two layers, variables or random generators of one class count as the same, as each has its own, and their values
    are carried over elsewhere; but for a variable that a regularizer, constraint or loss holds, which nobody carries.
    """
    # Each pair once, whichever ways lead to it; kept alive, so that no other object gets its `id`.
    seen: dict[tuple[int, int], tuple[Any, Any]] = {}
    stack = [(a, b)]
    while stack:
        x, y = stack.pop()
        first, second = keras.tree.flatten(x), keras.tree.flatten(y)
        if len(first) != len(second) or keys(x) != keys(y):
            return False
        for p, q in zip(first, second, strict=True):
            if p is q or (id(p), id(q)) in seen:
                continue
            seen[id(p), id(q)] = p, q
            alike, parts = _compared(p, q)
            if not alike:
                return False
            stack += parts
    return True


def _compared(x: Any, y: Any) -> tuple[bool, list[tuple[Any, Any]]]:
    """Whether two things may hold the same, and what of them is still to be compared."""
    if isinstance(x, COPIED_ELSEWHERE) and type(x) is type(y):  # in what the class made: the copy has its own
        return True, []
    if is_array(x) and is_array(y):
        p, q = array_of(x), array_of(y)
        return p is not None and q is not None and p.dtype == q.dtype and np.array_equal(p, q), []
    if type(x) is not type(y):
        return False, []
    if is_term(x):
        try:
            described = [(x.get_config(), y.get_config())]
        except Exception:  # what says nothing of itself is like nothing else
            return False, []
        if not isinstance(x, _TERMS):
            return True, described
        first, second = (keras.tree.map_structure(_value_of, dict(vars(z))) for z in (x, y))
        return True, [*described, (first, second)]
    if isinstance(x, functools.partial):
        first, second = ([z.func, list(z.args), z.keywords] for z in (x, y))
        return True, [(first, second)]
    if module_of(x) in FRAMEWORKS and not inspect.isroutine(x) and not isinstance(x, _CONTAINERS):
        return True, []
    held = inside(x)
    parts = [] if held is None else [(held, inside(y))]
    if held is not None and not isinstance(x, _CONTAINERS):
        return True, parts
    if type(x).__eq__ is object.__eq__:  # a lock, a file: nothing says that they differ
        return not callable(x) and not _can_be_copied(x), parts
    try:
        return bool(x == y), parts
    except Exception:  # somebody's own may compare to an array
        return False, parts


def _value_of(value: Any) -> Any:
    return array_of(value) if isinstance(value, keras.Variable) else value


def is_term(value: Any) -> bool:
    """Whether `value` says by its configuration what it does: a schedule, a regularizer."""
    if isinstance(value, _TERMS):
        return True
    described = module_of(value) in FRAMEWORKS and hasattr(value, "get_config")
    return described and not isinstance(value, (type, *SETTINGS, *COPIED_ELSEWHERE))


def compiled_from(value: Any) -> Any:
    """The function of Python that `tf.function` or `jax.jit`, say, made `value` of; None of all else."""
    if inspect.isfunction(value) or isinstance(value, type) or not callable(value):
        return None
    return getattr(value, "__wrapped__", None)


def module_of(value: Any) -> str:
    """The package that a function, or the class of any other `value`, comes from."""
    return str(getattr(value if inspect.isroutine(value) else type(value), "__module__", "")).split(".")[0]


def is_of_python(value: Any) -> bool:
    """Whether `value` is an object of Python's own library that leads far away, such as a logger or a module."""
    return module_of(value) in sys.stdlib_module_names and not isinstance(value, _BAGS)


def _can_be_copied(value: Any) -> bool:
    try:
        copy.deepcopy(value)
    except Exception:
        return False
    return True


def keys(value: Any) -> Any:
    """The keys of the dicts in `value`, which a flat list of it leaves out."""
    if isinstance(value, dict):
        return {key: keys(item) for key, item in value.items()}
    return [keys(item) for item in value] if isinstance(value, (list, tuple)) else None


def is_raw_variable(value: Any) -> bool:
    """Whether `value` is a variable of TensorFlow that no `keras.Variable` is round; JAX has none."""
    if (
        type(value) in SIMPLE
        or isinstance(value, (*_NO_ARRAYS, np.ndarray, keras.Variable))
        or callable(value)
    ):
        return False
    return hasattr(value, "assign") and keras.ops.is_tensor(value)


def is_variable(value: Any) -> bool:
    """Whether `value` is a variable, of Keras or of the backend."""
    return isinstance(value, keras.Variable) or is_raw_variable(value)


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
        return _data_of_key(value)


def _data_of_key(value: Any) -> np.ndarray | None:
    """The numbers of a key of `jax.random.key`, which is an array and takes part in no arithmetic."""
    if module_of(value) not in ("jax", "jaxlib"):
        return None
    try:
        return np.asarray(sys.modules["jax"].random.key_data(value))
    except Exception:  # what is traced
        return None
