"""The options that single families have: refused elsewhere, and asked for a sensible value at home."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zoo.placement import ACT, NORM
from zoo.placement import FAMILIES as BEYOND
from zoo.spec.words import BLOCKS
from zoo.values import require_bool, require_integer, require_number, require_one_of, require_rate

if TYPE_CHECKING:
    from zoo.spec.model import ModelSpec

_OWNERS = {
    option: tuple(f for f in BEYOND if option in BEYOND[f].options)
    for row in BEYOND.values()
    for option in row.options
}
_SHARED = ("block", "dropout_rate")  # resnet has them too, and says itself when


def refuse_options_of_another_family(spec: ModelSpec) -> None:
    """An option that the family has not."""
    for option, owners in _OWNERS.items():
        value = getattr(spec, option)
        if (
            value is not None
            and spec.family not in owners
            and not (option in _SHARED and spec.family not in BEYOND)
        ):
            raise ValueError(
                f"{option}={value!r} is an option of {' and '.join(owners)}, and {spec.name} is of family {spec.family!r}."
            )


def refuse_values_of_own_options(spec: ModelSpec) -> None:
    """Each option that the family has, looked at by the function of its name."""
    for option in BEYOND[spec.family].options:
        if option in _LOOKS_AT:
            _LOOKS_AT[option](spec)


def _alpha(spec: ModelSpec) -> None:
    alpha: Any = spec.alpha
    require_number("alpha", alpha)
    if alpha <= 0:
        raise ValueError(f"alpha must be positive, received {alpha!r}.")
    named = re.fullmatch(r"mobilenetv2_([0-9]+(?:\.[0-9]+)?)", spec.name)
    if named and float(named[1]) != alpha:
        raise ValueError(
            f"alpha={alpha!r} contradicts the name {spec.name!r}; use the name 'mobilenetv2' with this alpha."
        )


def _dropout_rate(spec: ModelSpec) -> None:
    require_rate("dropout_rate", spec.dropout_rate)
    if spec.dropout_rate and spec.convolutions == 1:
        raise ValueError(
            f"dropout_rate={spec.dropout_rate!r} stands between the convolutions of a unit, and {spec.name} has convolutions=1; "
            "leave it out, or take more convolutions."
        )


def _places_of(argument: str, word: str) -> Callable[[ModelSpec], None]:
    """How many of the places of a block keep their activation, or their normalisation."""

    def look_at(spec: ModelSpec) -> None:
        value = getattr(spec, argument)
        require_integer(argument, value, 1)
        per_block = BEYOND[spec.family].per_block[word]
        if value not in per_block:
            raise ValueError(
                f"{argument} must be at most {max(per_block)}, received {value}: a block of {spec.name} has no more places "
                "for one."
            )

    return look_at


# The activations among the options are for Keras to know.
_LOOKS_AT: dict[str, Callable[[ModelSpec], None]] = {
    "alpha": _alpha,
    "activations_per_block": _places_of("activations_per_block", ACT),
    "norms_per_block": _places_of("norms_per_block", NORM),
    "block": lambda spec: require_one_of("block", spec.block, BLOCKS),
    "convolutions": lambda spec: require_integer("convolutions", spec.convolutions, 1),
    "dropout_rate": _dropout_rate,
    "merged": lambda spec: require_bool("merged", spec.merged),
}
