"""A layer once more: its configuration, its variables, and what it keeps besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from zoo.graph.carrying import all_inside
from zoo.graph.configuration import from_config, is_stock
from zoo.graph.forgotten import take_flags, take_settings, take_terms
from zoo.graph.held import is_raw_variable
from zoo.graph.internals import (
    attributes,
    flatten_layers,
    keep_remat,
    lambda_arguments,
    pairs,
    without_history,
)
from zoo.graph.own_state import take_tables
from zoo.graph.policies import keep_policy, made_like
from zoo.graph.reasons import reason
from zoo.graph.variables import Fill


@dataclass(frozen=True)
class Part:
    """A new layer and what fills its variables once they exist.

    Attributes:
        layer: An unbuilt layer, made for this one model.
        fill: Called with the built layer to set every variable of it; None leaves the initial values.
    """

    layer: keras.layers.Layer
    fill: Fill | None = None


def copy_layer(layer: Any, **overrides: Any) -> Any:
    """An unbuilt copy of `layer` with the same configuration and name, except for `overrides`.

    Functions that Keras cannot write into a configuration, such as a lambda passed as `activation=`, are passed
    on as they are, under whichever key and however deep the class keeps them.

    Args:
        layer: A layer, or a Keras operation such as the `Pad` that `keras.ops.pad` leaves in a graph.
        **overrides: Entries of the configuration to replace; None stands for None.

    Raises:
        ValueError: the layer has no usable `get_config`.
    """
    if not isinstance(layer, keras.layers.Layer):
        # Not all operations can be made from a configuration.
        new = without_history(layer)
        vars(new).update(overrides)
        return new
    with made_like(*([] if "dtype" in overrides else [(layer, None)])):
        new = _made(layer, overrides)
        _refuse_common(layer, new, overrides)
    # Keras' own configuration of a class without get_config may leave the name out.
    if new.name != (name := overrides.get("name", layer.name)):
        new.name = name
    for old, copied in pairs(layer, new):
        if type(old) is type(copied):
            keep_made(old, copied, named=old is layer)
            take_terms(old, copied, overrides)
            if not any(copied is given for given in overrides.values()):
                take_flags(old, copied)
                if "dtype" not in overrides:
                    keep_policy(old, copied)
    if not is_stock(layer):
        # Neither a table inside a layer of one's own nor statistics that it was adapted to may be missing at a call, not
        # even on symbols.
        take_tables(layer, new)
        take_settings(layer, new)
    return new


def keep_made(old: keras.layers.Layer, new: keras.layers.Layer, *, named: bool) -> None:
    """Give a layer, a copy of `old`, what it has of the place where it is made: its remat scope and, unless `named`, its name."""
    keep_remat(old, new)
    if not named and new.name != old.name:  # nobody named it, so Keras counted
        new.name = old.name


def _made(layer: keras.layers.Layer, overrides: dict[str, Any]) -> Any:
    """A new layer from the configuration of `layer`."""
    try:
        if isinstance(layer, keras.layers.Lambda):
            # Its configuration holds marshalled bytecode, which Keras refuses to read back.
            base = keras.layers.Layer.get_config(layer)
            return type(layer)(*lambda_arguments(layer), **(base | overrides))
        return from_config(layer, overrides)
    except Exception as error:
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}) cannot be copied from its configuration: "
            f"{reason(error)} "
            f"Give the class a get_config and a from_config that restore it, or use a stock layer."
        ) from error


def _refuse_common(layer: keras.layers.Layer, new: Any, overrides: dict[str, Any]) -> None:
    """Refuse a constructor that gives each layer the same variable or layer, into which the copy would write.

    That only a second one tells from what the constructor makes: such as the default of an argument.
    """
    if is_stock(layer) or not (made := _parts(new)):
        return
    given = _parts(layer).keys() | {id(value) for value in overrides.values()}
    for key, part in _parts(_made(layer, overrides)).items():
        if key in made and key not in given:
            name = getattr(part, "name", "")
            raise ValueError(
                f"layer {layer.name!r} ({type(layer).__name__}) would be copied into the {type(part).__name__} {name!r}, "
                f"which its constructor gives to every layer where get_config does not say otherwise: that would be "
                f"changed. Write what the layer was given into get_config, or make a new one in the constructor."
            )


def _parts(layer: keras.layers.Layer) -> dict[int, Any]:
    """The layers inside `layer`, and the variables that it has, by their `id`."""
    inner = flatten_layers(layer)
    held = [list(attributes(part).values()) for part in inner if not is_stock(part)]
    raw = [value for value in all_inside(held) if is_raw_variable(value)]
    return {id(part): part for part in [*inner[1:], *layer.variables, *raw]}
