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
    SETTINGS,
    array_of,
    compiled_from,
    equal,
    inside,
    is_array,
    is_function,
    is_of_python,
    is_raw_variable,
    is_term,
    is_variable,
    keys,
    module_of,
)
from zoo.graph.internals import children_paired, flatten_layers
from zoo.graph.reasons import reason

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
    """The layer or model from which something is carried, and the copy to which: one for all its attributes.

    What two attributes of the original hold together, two of the copy hold together.

    Attributes:
        old: The original.
        new: The copy.
        made: `id` of a function that was carried, which may call itself -> what it is in the copy.
        cells: `id` of a cell that functions enclose -> that of the copy.
    """

    old: Any
    new: Any
    made: dict[int, Any] = field(default_factory=dict, repr=False)
    cells: dict[int, types.CellType] = field(default_factory=dict, repr=False)

    @functools.cached_property
    def own(self) -> dict[int, Any]:
        """`id` of the original and of each layer inside it -> that of the copy, None where it is not made yet."""
        found: dict[int, Any] = {id(layer): None for layer in flatten_layers(self.old)}
        stack = [(self.old, self.new)]
        while stack:
            a, b = stack.pop()
            found[id(a)] = b
            stack += [(x, y) for x, y in _inner(a, b) if type(x) is type(y) and found[id(x)] is None]
        return found

    @functools.cached_property
    def memo(self) -> dict[int, Any]:
        """What `copy.deepcopy` is not to copy again: the layers and variables that the copy has, and what it copied."""
        found = {key: layer for key, layer in self.own.items() if layer is not None}
        old, new = self.old.variables, self.new.variables
        if [v.shape for v in old] == [v.shape for v in new]:
            found |= {id(a): b for a, b in zip(old, new, strict=True)}
        return found


def _inner(old: Any, new: Any) -> Iterator[tuple[Any, Any]]:
    """The layers that one holds, with those of the other: in a model by name, for some may be replaced there."""
    if isinstance(old, keras.Model):
        by_name = {layer.name: layer for layer in new.layers}
        return ((layer, by_name[layer.name]) for layer in old.layers if layer.name in by_name)
    return children_paired(old, new)


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
        if any(map(_is_symbolic, leaves)):  # a list of what calls were given, say
            return other
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
    if isinstance(value, SETTINGS):
        # What differs from the layer's own policy was set on purpose; the copy may have another of its own.
        chosen = isinstance(value, keras.DTypePolicy) and value != getattr(between.old, "dtype_policy", value)
        return value if other is None or chosen else other
    if isinstance(value, keras.KerasTensor):
        return other
    if is_array(value) and not isinstance(value, keras.Variable):
        return other if _is_symbolic(value) or equal(value, other) else duplicate(value)
    if isinstance(value, (set, frozenset)):
        return other if equal(value, other) else _copied(value, other, between)
    if is_term(value):
        return carried_term(value, other)
    if isinstance(value, functools.partial) or is_function(value, between.old):
        return _carried_function(value, other, between)
    if _is_copied_elsewhere(value, between.old):
        if type(value) is not type(other):
            raise Unlike(
                f"it is of the type {type(value).__name__}, which is not copied from one layer to another."
            )
        if module_of(value) not in ("keras", "zoo") and not isinstance(value, COPIED_ELSEWHERE):
            _take_state(value, other)
        return other
    return other if equal(value, other) else _copied(value, other, between)


def carried_term(value: Any, other: Any) -> Any:
    """The regularizer, constraint or loss of a copy whose original has `value`: its own where that does the same.

    A variable of its own is set to what that of the original is; a term without such, or of another class, is shared.
    """
    if type(value) is type(other) and not equal(value, other):
        for name, variable in vars(value).items():
            mine = vars(other).get(name)
            if is_variable(variable) and is_variable(mine) and variable.shape == mine.shape:
                mine.assign(variable)
    return other if equal(value, other) else value


def _is_symbolic(value: Any) -> bool:
    """Whether `value` is a tensor without values: of a model, or of a graph that was traced and is gone."""
    if isinstance(value, keras.KerasTensor):
        return True
    return is_array(value) and not isinstance(value, keras.Variable) and array_of(value) is None


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


def _take_state(value: Any, other: Any) -> None:
    """Set what an object of the backend keeps, such as a table or the state of a generator, to what that of the original has."""
    if hasattr(value, "export") and hasattr(value, "insert") and hasattr(value, "remove"):
        other.remove(other.export()[0])
        other.insert(*value.export())
    elif hasattr(value, "reset") and is_raw_variable(getattr(value, "state", None)):
        other.reset(value.state)
    elif hasattr(value, "get_state") and hasattr(value, "set_state"):
        other.set_state(value.get_state())
    elif isinstance(held := getattr(value, "variables", None), (list, tuple)) and all(
        map(is_raw_variable, held)
    ):
        if [v.shape for v in held] != [v.shape for v in other.variables]:
            raise NotCarried(
                f"it is a {type(value).__name__} with variables that those of the copy cannot be set to."
            )
        for a, b in zip(held, other.variables, strict=True):
            _assigned(a, b)


def _carried_function(value: Any, other: Any, between: Between) -> Any:
    """The function `value` for the copy; what the copy made itself stays where it does the same."""
    if inspect.ismethod(value) and inspect.ismethod(other) and value.__func__ is other.__func__:
        if type(value.__self__) is type(other.__self__):
            held = _carried_inside(value.__self__, other.__self__, between)
            return other if held is other.__self__ else types.MethodType(value.__func__, held)
    if isinstance(value, functools.partial) and type(value) is type(other):
        parts = [_carried_inside(getattr(value, of), getattr(other, of), between) for of in _OF_A_PARTIAL]
        same = all(x is getattr(other, of) for x, of in zip(parts, _OF_A_PARTIAL, strict=True))
        return other if same else type(value)(parts[0], *parts[1], **parts[2])
    if value is other:
        return other
    if (mine := compiled_from(other)) is not None and (python := compiled_from(value)) is not None:
        function = _carried_inside(python, mine, between)
        if function is mine:
            return other
        if function is not python:
            raise NotCarried("it is a compiled function, and that of the copy is another.")
        return value
    if not (inspect.isfunction(value) and inspect.isfunction(other) and value.__code__ is other.__code__):
        return other if equal(value, other) else value
    if id(value) not in between.made:
        between.made[id(value)] = _function_like(value, between.cells)  # it may call itself
        between.made[id(value)] = _filled(between.made[id(value)], value, other, between)
    return between.made[id(value)]


def _function_like(value: types.FunctionType, cells: dict[int, types.CellType]) -> types.FunctionType:
    """A function with the code of `value` whose cells are those of the copy, empty where nothing was carried to them."""
    closure = tuple(cells.setdefault(id(cell), types.CellType()) for cell in value.__closure__ or ())
    new = types.FunctionType(value.__code__, value.__globals__, value.__name__, closure=closure)
    new.__qualname__, new.__doc__ = value.__qualname__, value.__doc__
    return new


def _filled(new: Any, value: Any, other: Any, between: Between) -> Any:
    """`new` with what `value` holds, carried over; `other` where it holds the same, which is never written to.

    It may be the copy's own, and as well one of a module that others call.
    """
    same = vars(value).keys() == vars(other).keys()
    for name, held in vars(value).items():
        has = vars(other).get(name)
        vars(new)[name] = _carried_inside(held, has, between)
        same = same and vars(new)[name] is has
    cells = zip(new.__closure__ or (), value.__closure__ or (), other.__closure__ or (), strict=True)
    for cell, a, b in cells:
        if _is_empty(a):
            continue
        has = None if _is_empty(b) else b.cell_contents
        cell.cell_contents = a.cell_contents if a is b else _carried_inside(a.cell_contents, has, between)
        same = same and cell.cell_contents is has
    for of in ("__defaults__", "__kwdefaults__"):
        setattr(new, of, _carried_inside(getattr(value, of), getattr(other, of), between))
        same = same and getattr(new, of) is getattr(other, of)
    return other if same else new


def _is_empty(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - there is no other way to ask
    except ValueError:
        return True
    return False


def _carried_inside(value: Any, other: Any, between: Between) -> Any:
    """`carried` of what a function holds: where that of the original holds its layer, that of the copy has its own.

    A layer of nobody's is what it is, as a function is that was given.
    """
    if not isinstance(value, keras.layers.Layer):
        return carried(value, other, between)
    if id(value) not in between.own:
        return value
    own = between.own[id(value)]
    if own is None and type(other) is not type(value):
        raise Unlike(f"it holds the {type(value).__name__} {value.name!r}, which the copy has not made.")
    return other if own is None else own


def _copied(value: Any, other: Any, between: Between) -> Any:
    """A copy of an object of somebody's own, or of Python, all the way down, which holds what the copy has already."""
    counterparts = _counterparts(value, other)
    for part in all_inside(value):
        if isinstance(part, types.ModuleType):
            between.memo[id(part)] = part
        elif id(part) in between.memo:
            continue
        elif is_raw_variable(part):
            between.memo[id(part)] = _assigned(part, counterparts.get(id(part)))
        elif isinstance(part, COPIED_ELSEWHERE):
            raise NotCarried(f"it holds a {type(part).__name__}, which stays with the original.")
    try:
        return duplicate(value, between.memo)
    except Exception as error:
        if type(value) is not type(other):
            raise Unlike(f"a {type(value).__name__} cannot be copied.") from error
        raise NotCarried(f"a {type(value).__name__} cannot be copied: {reason(error)}") from error


def _counterparts(value: Any, other: Any) -> dict[int, Any]:
    """`id` of whatever `value` holds -> what `other` holds in its place; nothing where they hold different kinds."""
    first, second = list(all_inside(value)), list(all_inside(other))
    if list(map(type, first)) != list(map(type, second)):
        return {}
    return {id(a): b for a, b in zip(first, second, strict=True)}


def all_inside(value: Any) -> Iterator[Any]:
    """Whatever `value` holds; of objects of Python's own, such as loggers, not what they lead to."""
    seen: set[int] = set()
    stack = [value]
    while stack:
        for leaf in keras.tree.flatten(stack.pop()):
            if id(leaf) in seen:
                continue
            seen.add(id(leaf))
            yield leaf
            if isinstance(leaf, COPIED_ELSEWHERE):
                continue
            if isinstance(leaf, (set, frozenset)):
                stack.append(list(leaf))
            elif isinstance(leaf, functools.partial):
                stack.append([leaf.func, leaf.args, leaf.keywords])
            elif inspect.ismethod(leaf):
                stack.append(leaf.__self__)
            elif not is_of_python(leaf):
                stack.append(list((inside(leaf) or {}).values()))


def duplicate(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """What a copy is given in the place of `value`, so that neither changes with the other.

    Args:
        value: What the original has.
        memo: That of `copy.deepcopy`: what it has copied already.
    """
    if isinstance(value, np.ndarray):
        return value.copy()
    if keras.ops.is_tensor(value):
        return keras.ops.copy(value)
    if isinstance(value, (set, frozenset)):
        return type(value)(value) if type(value) in (set, frozenset) else set(value)
    return copy.deepcopy(value, memo)
