"""`normalization`: what takes the place of batch normalisation, in plain and residual units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.placement import RESIDUAL
from zoo.spec.words import BRANCH_SCALING, NORMALIZATIONS
from zoo.values import require_one_of
from zoo.wording import listed

if TYPE_CHECKING:
    from zoo.spec.model import ModelSpec
    from zoo.spec.unit import UnitSpec

# The shortcuts that bring a variance known in advance.
_BRINGS_ITS_VARIANCE = (None, "identity_pad", "projection")


def refuse_normalization_of_a_net(spec: ModelSpec) -> None:
    """As of a unit; and of families whose ordering says what is normalised."""
    _refuse_unknown(spec)
    if spec.normalization != "batch" and spec.family not in ("plain", "resnet"):
        raise ValueError(
            f"normalization={spec.normalization!r} is an option of plain and resnet; what {spec.name} normalises, its "
            "ordering says."
        )
    _refuse_where_it_does_not_fit(spec, spec.name)


def refuse_normalization_of_a_unit(unit: UnitSpec) -> None:
    """What is none, and none where branch, layout or ordering need one."""
    _refuse_unknown(unit)
    _refuse_where_it_does_not_fit(unit, "a unit without block")


def _refuse_unknown(spec: ModelSpec | UnitSpec) -> None:
    require_one_of("normalization", spec.normalization, NORMALIZATIONS)


def _refuse_where_it_does_not_fit(spec: ModelSpec | UnitSpec, who: str) -> None:
    given = spec.normalization
    if given == "batch":
        return
    if given in BRANCH_SCALING and not spec.is_residual:
        raise ValueError(
            f"normalization={given!r} scales the branch of a residual unit, and {who} has none; use None or 'scaled_ws'."
        )
    if spec.layout != "he2016":
        raise ValueError(
            f"layout={spec.layout!r} fixes normalization='batch', received normalization={given!r}; use layout='he2016' "
            "to vary the normalisation."
        )
    if spec.is_residual and RESIDUAL[spec.ordering].after_addition.normalises:
        raise ValueError(
            f"ordering={spec.ordering!r} is about where the normalisation stands, and normalization={given!r} has none; "
            "use another ordering."
        )
    if given == "nf_resnet":
        _refuse_where_the_variance_is_not_known(spec)


def _refuse_where_the_variance_is_not_known(spec: ModelSpec | UnitSpec) -> None:
    """NF-ResNets know the variance of every unit's input in advance, because nothing but sums and projections is there."""
    ordering = RESIDUAL[spec.ordering]
    if not ordering.is_pre_activation or ordering.after_addition:
        fitting = [name for name, row in RESIDUAL.items() if row.is_pre_activation and not row.after_addition]
        raise ValueError(
            f"normalization='nf_resnet' expects a variance that grows from unit to unit by a known amount, and "
            f"ordering={spec.ordering!r} has an activation on the way; use ordering={listed(fitting, 'or')}."
        )
    if spec.shortcut not in _BRINGS_ITS_VARIANCE:
        raise ValueError(
            f"normalization='nf_resnet' does not know the variance that shortcut={spec.shortcut!r} brings; use shortcut="
            f"{listed(_BRINGS_ITS_VARIANCE, 'or')}."
        )
    rolled = getattr(spec, "rolled", False)  # a unit alone has no such option
    if rolled:
        raise ValueError(
            f"rolled={rolled!r} rolls identical units, and those of normalization='nf_resnet' differ: each divides by "
            "the standard deviation expected at its place; use rolled=False."
        )
