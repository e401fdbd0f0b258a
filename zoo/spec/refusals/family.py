"""`family`, and what a family beyond plain and residual nets fixes: most of what the others may choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.placement import FAMILIES as BEYOND
from zoo.spec.words import FAMILIES
from zoo.values import is_one_of, require_one_of

if TYPE_CHECKING:
    from zoo.spec.model import ModelSpec


def refuse_unknown_family(spec: ModelSpec) -> None:
    """A family that is not there."""
    require_one_of("family", spec.family, FAMILIES)


def refuse_what_the_family_has_not(spec: ModelSpec) -> None:
    """Words that other families have; an option that this one lacks has the value it has where nobody chose."""
    family = BEYOND[spec.family]
    for argument, allowed in (
        ("ordering", family.orderings),
        ("layout", tuple(family.layouts)),
        ("form", family.forms),
        ("normalization", family.normalizations),
        ("activated", ("all",)),
        ("padding", ("same",)),
        ("rolled", (False,)),
        ("shortcut", (None,)),
        ("shortcut_scale", (None,)),
        ("branch_scale", (None,)),
        ("gate_bias", (None,)),
        ("downsampling", (None,)),
        ("pooling_order", (None,)),
    ):
        value = getattr(spec, argument)
        if not is_one_of(value, allowed):
            raise ValueError(
                f"{argument}={value!r} is none of those that {spec.name}, of family {spec.family!r}, has: "
                f"{', '.join(map(repr, allowed))}."
            )
    if spec.family == "densenet" and spec.layout == "keras" and len(spec.stages) != 4:
        raise ValueError(
            f"layout='keras' is the graph of keras.applications, which has no {spec.name}; use layout='cifar'."
        )
