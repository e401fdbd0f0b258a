"""The variables of a new layer: what they begin with, and what they are set to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from zoo.graph.carrying import carried_term
from zoo.graph.configuration import is_stock
from zoo.graph.internals import flatten_layers, pairs
from zoo.graph.own_state import own_values, take_own_state

Fill = Callable[[keras.layers.Layer], None]


def copy_variables(source: keras.layers.Layer, *, drop: int = 0, **values: Any) -> Fill:
    """A fill that takes over the state of `source`: weights, moving statistics, seeds, tables, states of a loop.

    Args:
        source: A built layer.
        drop: Leave out this many of its last variables.
        **values: Arrays to which the variables of these names are set instead; the source may lack them.
    """
    return Take(source, drop, values)


def set_values(**values: Any) -> Fill:
    """A fill that assigns arrays to the variables of those names, such as `kernel` and `bias`."""
    return _Set(values)


@dataclass(frozen=True, eq=False)
class _Set:
    values: dict[str, Any]

    def __call__(self, layer: keras.layers.Layer) -> None:
        begun = _begun_with(layer)
        for name, value in self.values.items():
            variable = getattr(layer, name)
            if begun.get(id(variable)) is not value:
                variable.assign(value)

    def first_value(self, name: str) -> Any:
        """What the variable of that name is to be set to, if it is one."""
        return self.values.get(name)


def _adapt_kernel(old: Any, new: Any) -> None:
    """Give a layer inside another the low-rank or quantised kernel that its original got after it was made."""
    if type(old) is not type(new):
        return
    if (mode := getattr(old, "quantization_mode", None)) and getattr(new, "quantization_mode", mode) is None:
        new.quantize(mode, config=getattr(old, "quantization_config", None))
    if getattr(old, "lora_enabled", False) and not new.lora_enabled:
        new.enable_lora(old.lora_rank, lora_alpha=old.lora_alpha)


def take_variable_settings(old: Any, new: Any) -> None:
    """Give a variable what was set on the one that it stands for."""
    if new.trainable != old.trainable:
        new.trainable = old.trainable
    # A variable has those of the day it was made, whatever was set on the layer since.
    for what in ("regularizer", "constraint"):
        mine = getattr(new, what)
        if (own := carried_term(getattr(old, what), mine)) is not mine:
            setattr(new, what, own)


@dataclass(frozen=True, eq=False)
class Take:
    """See `copy_variables`."""

    source: keras.layers.Layer
    drop: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)

    def first_value(self, name: str) -> Any:
        """What the variable of that name is to be set to, or the one to take over, if there is either."""
        if name in self.values:
            return self.values[name]
        value = getattr(self.source, name, None)
        return value if isinstance(value, keras.Variable) else None

    def __call__(self, layer: keras.layers.Layer) -> None:
        """Set all that `layer` has to what the source has."""
        source = self.source
        pairs = list(zip(flatten_layers(source), flatten_layers(layer), strict=False))
        for old, new in pairs:
            # Keras builds an activation layer passed as an argument at the first call on data.
            if old.built and not new.built:
                new.build_from_config(old.get_build_config() or {})
            _adapt_kernel(old, new)
        if matches := self._variables_match(layer):
            begun = _begun_with(layer)
            for new, old in self.pairs(layer):
                if begun.get(id(new)) is not old:
                    new.assign(own_values(old))
                take_variable_settings(old, new)
            set_values(**self.values)(layer)
            for name in self.values:
                if isinstance(old := getattr(source, name, None), keras.Variable):
                    take_variable_settings(old, getattr(layer, name))
        elif not self._quantised():
            old, new = self._kept(), layer.variables
            raise ValueError(
                f"layer {source.name!r} ({type(source).__name__}) has variables "
                f"{[(v.name, tuple(v.shape)) for v in old]}, its copy has "
                f"{[(v.name, tuple(v.shape)) for v in new]}: its get_config does not describe it. "
                f"Complete get_config, or rebuild the layer."
            )
        for old, new in pairs:
            # What the layer itself would load has the arrays that others stand in the place of.
            if type(old) is type(new) and not (self.values and old is source):
                take_own_state(old, new, whole=not matches)

    def pairs(self, layer: keras.layers.Layer) -> Iterator[tuple[Any, Any]]:
        """The variables of the copy `layer`, each with the one it comes from."""
        return zip(
            self._others(layer, layer.variables), self._others(self.source, self._kept()), strict=False
        )

    def matching(self, layer: keras.layers.Layer) -> Iterator[tuple[Any, Any]]:
        """`pairs`, where they are in one order for sure; none where not."""
        return self.pairs(layer) if self._variables_match(layer) else iter(())

    def _variables_match(self, layer: keras.layers.Layer) -> bool:
        both = (self._others(self.source, self._kept()), self._others(layer, layer.variables))
        described = [[(tuple(v.shape), v.dtype) for v in variables] for variables in both]
        shapes = [[shape for shape, _ in variables] for variables in described]
        # A copy in another floating point takes the values; a quantised layer keeps its variables in two orders.
        return shapes[0] == shapes[1] and (not self._quantised() or described[0] == described[1])

    def _kept(self) -> list[Any]:
        return list(self.source.variables[: len(self.source.variables) - self.drop])

    def _others(self, layer: keras.layers.Layer, variables: list[Any]) -> list[Any]:
        """Those of the variables of `layer` that are set to no value of their own."""
        apart = {id(getattr(layer, name, None)) for name in self.values}
        return [variable for variable in variables if id(variable) not in apart]

    def _quantised(self) -> bool:
        return bool(getattr(self.source, "quantization_mode", None)) and not self.drop


class _Start(keras.initializers.Initializer):
    """Lets a variable begin with the value that it is to have: none is drawn, and none assigned later.

    Args:
        source: That value, as an array or the variable that has it.
        name: The attribute under which the layer will have the variable.
    """

    def __init__(self, source: Any, name: str):
        self.source = source
        self.name = name
        self.given: list[tuple[tuple[int, ...], Any]] = []

    def __call__(self, shape: Any, dtype: Any = None, **settings: Any) -> Any:
        """The value, or zeros where it does not fit: that is told, or seen to, when all variables are there."""
        if tuple(self.source.shape) != tuple(shape):
            return keras.ops.zeros(shape, dtype)
        self.given.append((tuple(shape), dtype))
        if isinstance(self.source, keras.Variable):
            return keras.ops.convert_to_tensor(own_values(self.source), dtype)
        # NumPy rounds twice as fast as TensorFlow does when it converts.
        values = self.source.astype(dtype) if dtype in ("float32", "float64") else self.source
        return keras.ops.convert_to_tensor(values, dtype)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """What a layer that clones its initializers hands to the layers inside: their variables are set later."""
        return keras.initializers.Zeros()


def draw_nothing(layer: Any, fill: Any = None) -> list[tuple[Any, str, Any]]:
    """Let the variables of a new layer begin with what `fill` will set them to, or with zeros.

    Drawing millions of values that are overwritten a moment later took as long as the rest. Somebody's own layer may
    draw what is no weight, and is left alone.

    Returns:
        Layer, attribute, initializer: what to put back when the variables are set.
    """
    if not isinstance(layer, keras.layers.Layer) or not is_stock(layer) or layer.built:
        return []
    first_value = getattr(fill, "first_value", lambda _: None)
    found = []
    for attribute, value in list(vars(layer).items()):
        if isinstance(value, keras.initializers.Initializer):
            name = attribute.removesuffix("_initializer")
            source = None if name == attribute else first_value(name)
            found.append((layer, attribute, value))
            setattr(layer, attribute, keras.initializers.Zeros() if source is None else _Start(source, name))
    return found


def take_initializers(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    """Put back the initializers inside a stock layer, to which `draw_nothing` let it hand on others than its own."""
    for a, b in pairs(old, new):
        if a is old or type(a) is not type(b) or not is_stock(a):
            continue
        for name, value in vars(a).items():
            if isinstance(value, keras.initializers.Initializer) and type(vars(b).get(name)) is not type(
                value
            ):
                setattr(b, name, value.clone())


def _begun_with(layer: keras.layers.Layer) -> dict[int, Any]:
    """`id` of each variable of `layer` that began with its value -> what it has it from."""
    found = {}
    for begin in vars(layer).values():
        if isinstance(begin, _Start) and len(begin.given) == 1:
            variable = getattr(layer, begin.name, None)
            if isinstance(variable, keras.Variable) and begin.given == [
                (tuple(variable.shape), variable.dtype)
            ]:
                found[id(variable)] = begin.source
    return found
