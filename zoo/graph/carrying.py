"""What an attribute of a copy is to hold: a copy of what its original holds, its own, or nothing that can be had."""

from __future__ import annotations

import copy
import enum
import functools
import inspect
import numbers
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from zoo.graph.held import (
    COPIED_ELSEWHERE,
    FRAMEWORKS,
    array_of,
    equal,
    inside,
    is_array,
    is_function,
    is_raw_variable,
    is_term,
    keys,
    module_of,
)

_OF_A_PARTIAL = ("func", "args", "keywords")
# What cannot change, so that two may hold it.
_UNCHANGING: tuple[type, ...] = (
    *(bool, int, float, complex, str, bytes, type(None), np.generic, numbers.Number, enum.Enum),
    *(type, types.ModuleType, range, slice),
)


class NotCarried(Exception):
    """What a layer holds cannot be given to its copy; the message says why."""


class Unlike(NotCarried):
    """The copy holds something of another kind there, or nothing yet."""


@dataclass(frozen=True, eq=False)
class Between:
    """The layer or model from which something is carried, and the copy to which.

    Attributes:
        old: The original.
        new: The copy.
        begun: `id`s of the functions that were carried, which may call themselves.
    """

    old: Any
    new: Any
    begun: set[int] = field(default_factory=set, repr=False)


def carried(value: Any, other: Any, between: Between) -> Any:
    """What a copy is to hold where its original holds `value`; `other`, which it holds now, where that is as good.

    Args:
        value: What an attribute of the original holds.
        other: What that of the copy holds.
        between: The original and the copy.

    Raises:
        NotCarried: they differ, and `value` cannot be copied.
    """
    leaves, others = keras.tree.flatten(value), keras.tree.flatten(other)
    if value is other and not any(map(is_raw_variable, leaves)):
        return other
    alike = len(leaves) == len(others) and keys(value) == keys(other)
    if not alike:
        others = [None] * len(leaves)
    found = [_carried_leaf(x, y, between) for x, y in zip(leaves, others, strict=True)]
    if alike and all(x is y for x, y in zip(found, others, strict=True)):
        return other
    return keras.tree.pack_sequence_as(value, found)


def _carried_leaf(value: Any, other: Any, between: Between) -> Any:
    if is_raw_variable(value):
        return _assigned(value, other)
    if value is other or isinstance(value, _UNCHANGING):
        return other if equal(value, other) else value
    if is_array(value) and not isinstance(value, keras.Variable):
        # A tensor of a graph that was traced and is gone has no values.
        symbolic = isinstance(value, keras.KerasTensor) or array_of(value) is None
        return other if symbolic or equal(value, other) else duplicate(value)
    if isinstance(value, (set, frozenset)):
        return other if equal(value, other) else _copied(value, other)
    if is_term(value):
        return other if equal(value, other) else value
    if isinstance(value, functools.partial) or is_function(value, between.old):
        return _carried_function(value, other, between)
    if _is_copied_elsewhere(value, between.old):
        if type(value) is not type(other):
            raise Unlike(
                f"it is of the type {type(value).__name__}, which is not copied from one layer to another."
            )
        return other
    return other if equal(value, other) else _copied(value, other)


def _assigned(value: Any, other: Any) -> Any:
    """`other`, a variable of the backend, set to what `value` is."""
    if value is other:
        raise NotCarried("it is a variable of the backend, and the copy would write to the same one.")
    if not is_raw_variable(other) or (value.shape, value.dtype) != (other.shape, other.dtype):
        raise NotCarried(
            "it is a variable of the backend, and the copy has none of that shape to be set to it."
        )
    other.assign(value)
    return other


def _is_copied_elsewhere(value: Any, layer: Any) -> bool:
    if isinstance(value, COPIED_ELSEWHERE) or (inspect.ismethod(value) and value.__self__ is layer):
        return True
    return module_of(value) in FRAMEWORKS


def _carried_function(value: Any, other: Any, between: Between) -> Any:
    """The function `value` for the copy; one that the class made keeps what it encloses, but for what is carried."""
    if isinstance(value, functools.partial) and type(value) is type(other):
        held = [_carried_inside(getattr(value, of), getattr(other, of), between) for of in _OF_A_PARTIAL]
        same = all(x is getattr(other, of) for x, of in zip(held, _OF_A_PARTIAL, strict=True))
        return other if same else type(value)(held[0], *held[1], **held[2])
    if not (inspect.isfunction(value) and inspect.isfunction(other) and value.__code__ is other.__code__):
        return other if equal(value, other) else value
    if value is other or id(value) in between.begun:  # it calls itself
        return other
    between.begun.add(id(value))
    for a, b in zip(value.__closure__ or (), other.__closure__ or (), strict=True):
        # A cell that is not filled yet has no contents.
        if a is not b and not _is_empty(a) and not _is_empty(b):
            b.cell_contents = _carried_inside(a.cell_contents, b.cell_contents, between)
    for of in ("__defaults__", "__kwdefaults__"):
        setattr(other, of, _carried_inside(getattr(value, of), getattr(other, of), between))
    return other


def _is_empty(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - there is no other way to ask
    except ValueError:
        return True
    return False


def _carried_inside(value: Any, other: Any, between: Between) -> Any:
    """`carried` of what a function holds: where that of the original holds its layer, that of the copy has its own."""
    if isinstance(value, keras.layers.Layer) and type(value) is type(other):
        return other
    if inspect.ismethod(value) and inspect.ismethod(other) and value.__func__ is other.__func__:
        return other if value.__self__ is between.old else value
    return carried(value, other, between)


def _copied(value: Any, other: Any) -> Any:
    """A copy of an object of somebody's own, or of Python, all the way down."""
    for part in _all_inside(value, set()):
        if isinstance(part, COPIED_ELSEWHERE) or is_raw_variable(part):
            raise NotCarried(f"it holds a {type(part).__name__}, which stays with the original.")
    try:
        return duplicate(value)
    except Exception as error:
        if type(value) is not type(other):
            raise Unlike(f"a {type(value).__name__} cannot be copied.") from error
        raise NotCarried(f"a {type(value).__name__} cannot be copied: {error}") from error


def _all_inside(value: Any, seen: set[int]) -> Iterator[Any]:
    for leaf in keras.tree.flatten(value):
        if id(leaf) not in seen:
            seen.add(id(leaf))
            yield leaf
            if isinstance(leaf, (set, frozenset)):
                yield from _all_inside(list(leaf), seen)
            if (held := inside(leaf)) is not None:
                yield from _all_inside(list(held.values()), seen)


def duplicate(value: Any) -> Any:
    """What a copy is given in the place of `value`, so that neither changes with the other."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if keras.ops.is_tensor(value):
        return keras.ops.copy(value)
    if isinstance(value, (set, frozenset)):
        return type(value)(value) if type(value) in (set, frozenset) else set(value)
    return copy.deepcopy(value)
