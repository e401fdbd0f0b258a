"""`ordering`: the name of a row of the right kind, or for a unit without block a row of words of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.placement import PLAIN, RESIDUAL, V2, WORDS, Row
from zoo.spec.words import PLAIN_ORDERINGS, RESIDUAL_ORDERINGS
from zoo.values import is_one_of
from zoo.wording import listed, nearest

if TYPE_CHECKING:
    from zoo.spec.model import ModelSpec
    from zoo.spec.unit import UnitSpec


def refuse_ordering_of_a_unit(unit: UnitSpec) -> None:
    """A name of no row of this kind, with the nearest; a row that cannot be read."""
    if not isinstance(unit.ordering, str):
        raise TypeError(f"ordering must be a name or a row of words, received {unit.ordering!r}.")
    if unit.is_residual:
        if unit.ordering not in RESIDUAL:
            raise ValueError(
                f"ordering={unit.ordering!r} is not one of the residual orderings {listed(RESIDUAL, 'and')}"
                f".{_hint(unit.ordering)}"
            )
        return
    if unit.ordering in PLAIN:
        return
    words = unit.ordering.split()
    if len(words) == 1 and words[0] not in WORDS:
        raise ValueError(
            f"ordering={unit.ordering!r} is neither one of the plain orderings {listed(PLAIN, 'and')} nor a row of the "
            f"words {listed(WORDS, 'and')}, such as 'act conv norm'.{_hint(unit.ordering)}"
        )
    try:
        Row.of(unit.ordering)
    except ValueError as error:
        raise ValueError(f"ordering={unit.ordering!r}: {error}") from error


def refuse_ordering_of_a_net(spec: ModelSpec) -> None:
    """A name of no row of this kind, and one that contradicts the name of the net."""
    allowed = RESIDUAL_ORDERINGS if spec.is_residual else PLAIN_ORDERINGS
    if not is_one_of(spec.ordering, allowed):
        kind = "residual" if spec.is_residual else "plain"
        raise ValueError(
            f"ordering={spec.ordering!r} is not one of the {kind} orderings that {spec.name} has: "
            f"{', '.join(map(repr, allowed))}."
        )
    if spec.is_residual and spec.name.endswith("v2") and spec.ordering != V2:
        raise ValueError(
            f"ordering={spec.ordering!r} contradicts the name {spec.name!r}, in which v2 means {V2}; "
            f"use the name {spec.name.removesuffix('v2')!r} with this ordering."
        )


def _hint(ordering: str) -> str:
    """What a name that is no ordering of this kind may stand for."""
    for table, kind in (
        (PLAIN, "plain one, for zoo.conv_unit"),
        (RESIDUAL, "residual one, for zoo.residual_unit"),
    ):
        if ordering in table:
            return f" It is a {kind}."
    if " " in ordering.strip():
        return " A row of your own words is for zoo.conv_unit."
    near = nearest(ordering, (*PLAIN, *RESIDUAL), most=2)
    return f" Did you mean {listed(near, 'or')}?" if near else ""
