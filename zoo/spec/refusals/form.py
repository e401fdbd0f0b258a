"""`form`: what stands between a convolution and its activation cannot be built in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.placement import NORM_BETWEEN, PLAIN
from zoo.spec.words import FORMS
from zoo.values import require_one_of

if TYPE_CHECKING:
    from zoo.spec.model import ModelSpec
    from zoo.spec.unit import UnitSpec


def refuse_unknown_form(spec: ModelSpec | UnitSpec) -> None:
    """What is no form."""
    require_one_of("form", spec.form, FORMS)


def refuse_form_that_cannot_be_built(spec: ModelSpec | UnitSpec) -> None:
    """`"builtin"` where something stands between; with the orderings that would do."""
    obstacle = spec.placement.obstacle
    if spec.form == "separate" or obstacle is None:
        return
    instead = ["form='separate'"]
    if not spec.is_residual and obstacle == NORM_BETWEEN:
        # The same operations in an order that can be built in.
        instead += [
            f"ordering={name!r}" for name, row in PLAIN.items() if row.normalises and row.obstacle is None
        ]
    raise ValueError(
        f"form='builtin' cannot put {obstacle} (ordering={spec.ordering!r}); use {' or '.join(instead)}."
    )
