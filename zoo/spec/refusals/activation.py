"""`activation` of single stages, and `activated`: which places have one."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from zoo.options import Activated
from zoo.values import is_one_of, require_one_of

if TYPE_CHECKING:
    from zoo.spec.model import ModelSpec


def refuse_activation_of_no_place(spec: ModelSpec) -> None:
    """A mapping names places of the net, and a tuple has one entry for each of its stages."""
    given = spec.activation
    # A mapping with a class name is how Keras writes one activation down.
    if isinstance(given, dict) and "class_name" not in given:
        places = ("stem", *(f"stage{k}" for k in range(1, spec.stage_count + 1)), "head", "rest")
        for place in given:
            if not is_one_of(place, places):
                raise ValueError(
                    f"activation: {place!r} is no place of {spec.name}; expected {', '.join(map(repr, places))}."
                )
        if not given:
            raise ValueError("activation={} names no activation; pass None for none at all.")
    elif isinstance(given, tuple) and len(given) != spec.stage_count:
        raise ValueError(
            f"activation has {len(given)} entries, and {spec.name} has {spec.stage_count} stages; give one for each, "
            "or a mapping."
        )


def refuse_activated(spec: ModelSpec) -> None:
    """`"last"` in residual units, and what is no such word."""
    require_one_of("activated", spec.activated, get_args(Activated))
    if spec.activated == "last" and spec.is_residual:
        raise ValueError(
            "activated='last' is for plain families; a residual unit has its activations by its ordering."
        )
