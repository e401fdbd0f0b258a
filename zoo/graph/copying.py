"""A layer once more: its configuration, its variables, and what it keeps besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from zoo.graph.configuration import from_config, is_stock
from zoo.graph.forgotten import take_settings, take_terms
from zoo.graph.internals import flatten_layers, keep_remat, lambda_arguments, without_history
from zoo.graph.own_state import take_tables
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
    try:
        if isinstance(layer, keras.layers.Lambda):
            # Its configuration holds marshalled bytecode, which Keras refuses to read back.
            base = keras.layers.Layer.get_config(layer)
            new = type(layer)(*lambda_arguments(layer), **(base | overrides))
        else:
            new = from_config(layer, overrides)
    except Exception as error:
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}) cannot be copied from its configuration: "
            f"{reason(error)} "
            f"Give the class a get_config and a from_config that restore it, or use a stock layer."
        ) from error
    # Keras' own configuration of a class without get_config may leave the name out.
    if new.name != (name := overrides.get("name", layer.name)):
        new.name = name
    for old, copied in zip(flatten_layers(layer), flatten_layers(new), strict=False):
        if type(old) is type(copied):
            keep_remat(old, copied)
            take_terms(old, copied, overrides)
            if old is not layer and copied.name != old.name:  # nobody named it, so Keras counted
                copied.name = old.name
    if not is_stock(layer):
        # Neither a table inside a layer of one's own nor statistics that it was adapted to may be missing at a call, not
        # even on symbols.
        take_tables(layer, new)
        take_settings(layer, new)
    return new
