"""What belongs to residual units: `shortcut` and its parameters, `block`, `rolled`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.spec.words import BLOCKS, ROLLED, SHORTCUT_PARAMETERS, SHORTCUTS
from zoo.values import require_number, require_one_of, require_rate

if TYPE_CHECKING:
    from zoo.spec.model import ModelSpec
    from zoo.spec.unit import UnitSpec


def refuse_options_of_residual_units(spec: ModelSpec | UnitSpec, who: str) -> None:
    """Where there is no residual unit."""
    for argument in ("shortcut", "block", *SHORTCUT_PARAMETERS):
        if getattr(spec, argument) is not None:
            raise ValueError(
                f"{argument}={getattr(spec, argument)!r} belongs to residual units, and {who} has none."
            )


def refuse_unknown_block(spec: ModelSpec | UnitSpec, *more: None) -> None:
    """What is no block; None, if given as one more, asks for a unit without shortcut."""
    require_one_of("block", spec.block, (*more, *BLOCKS))


def refuse_unknown_shortcut(spec: ModelSpec | UnitSpec, *more: None) -> None:
    """What is no shortcut; None, if given as one more, asks for a projection where shapes differ."""
    require_one_of("shortcut", spec.shortcut, (*more, *SHORTCUTS))


def refuse_parameters_of_another_shortcut(spec: ModelSpec | UnitSpec) -> None:
    """A parameter that the shortcut has not, or that is no number it can take."""
    for argument, (owners, _) in SHORTCUT_PARAMETERS.items():
        value = getattr(spec, argument)
        if value is None:
            continue
        if spec.shortcut not in owners:
            raise ValueError(
                f"{argument}={value!r} belongs to shortcut={' or '.join(map(repr, owners))}, "
                f"but shortcut={spec.shortcut!r}."
            )
        require_number(argument, value)
    if spec.dropout_rate is not None:
        require_rate("dropout_rate", spec.dropout_rate)


def refuse_unknown_rolled(spec: ModelSpec) -> None:
    """What is neither True, False nor `"remat"`."""
    require_one_of("rolled", spec.rolled, ROLLED)


def refuse_rolling_a_chain(spec: ModelSpec) -> None:
    """Rolling where there are no residual units."""
    if spec.rolled:
        raise ValueError(
            f"rolled={spec.rolled!r} rolls identical residual units, and {spec.name} has none; use a resnet."
        )
