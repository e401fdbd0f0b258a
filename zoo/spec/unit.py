"""The placement of one unit as data: `UnitSpec`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo.options import Block, Form, Shortcut, UnitLayout, UnitNormalization
from zoo.placement import LAYOUT, PLAIN, RESIDUAL, Layout, Row
from zoo.spec.refusals.form import refuse_form_that_cannot_be_built, refuse_unknown_form
from zoo.spec.refusals.layout import refuse_layout_of_a_residual_unit, refuse_unknown_layout
from zoo.spec.refusals.normalization import refuse_normalization_of_a_unit
from zoo.spec.refusals.ordering import refuse_ordering_of_a_unit
from zoo.spec.refusals.residual import (
    refuse_options_of_residual_units,
    refuse_parameters_of_another_shortcut,
    refuse_unknown_block,
    refuse_unknown_shortcut,
)
from zoo.spec.words import SHORTCUT_PARAMETERS

if TYPE_CHECKING:
    from zoo.spec.model import ModelSpec


def parsed(spec: ModelSpec | UnitSpec) -> Any:  # which of the two, `is_residual` says, and no type can
    """The ordering as parsed operations: a `Row`, or the `ResidualOrdering` of a residual unit."""
    row: Any
    if spec.is_residual:
        row = RESIDUAL[spec.ordering]
    else:
        row = PLAIN[spec.ordering] if spec.ordering in PLAIN else Row.of(spec.ordering)
    return row if spec.normalization == "batch" else row.unnormalised()


@dataclass(frozen=True, kw_only=True)
class UnitSpec:
    """The placement of one unit: what `zoo.conv_unit` and `zoo.residual_unit` build, and every unit of a net.

    A spec that exists is buildable: everything impossible is refused when it is made.

    Attributes:
        ordering: A name, one of `PLAIN_ORDERINGS` or, with a `block`, of `RESIDUAL_ORDERINGS`; without a block also a row
            of words of one's own, such as `"act conv norm"`.
        form: `"separate"` activation layers or the `"builtin"` argument.
        activation: What `keras.activations.get` takes, or a layer, cloned for each site.
        layout: Whose unit it is where code bases differ, one of `LAYOUTS`.
        normalization: `"batch"`, or what takes its place: None, `"skipinit"` (the branch times a number that starts at 0,
            with a block), `"scaled_ws"` (standardised kernels, and activations times their gain) or `"nf_resnet"` (that,
            and pre-activation units scaled by their expected variance, as in NF-ResNets).
        block: `"basic"` or `"bottleneck"`, the branch of a residual unit; None: a unit without shortcut.
        shortcut: What sits on the shortcut, one of `SHORTCUTS`; None: a projection where shapes differ, else nothing.
        shortcut_scale: Factor on the shortcut under `shortcut="constant_scaling"`.
        branch_scale: Factor on the residual branch under `shortcut="constant_scaling"`.
        gate_bias: Initial bias of the gate under the two gating shortcuts.
        dropout_rate: Rate under `shortcut="dropout"`.

    Example:
        >>> from zoo.spec import UnitSpec
        >>> print(UnitSpec(ordering="full_pre_activation", block="basic").placement)
        norm act conv | norm act conv | add
    """

    ordering: str
    form: Form = "separate"
    activation: Any = "relu"
    layout: UnitLayout = "he2016"
    normalization: UnitNormalization = "batch"
    block: Block | None = None
    shortcut: Shortcut | None = None
    shortcut_scale: float | None = None
    branch_scale: float | None = None
    gate_bias: float | None = None
    dropout_rate: float | None = None

    def __post_init__(self):
        refuse_unknown_layout(self)
        refuse_unknown_block(self, None)
        refuse_ordering_of_a_unit(self)
        refuse_normalization_of_a_unit(self)
        refuse_unknown_form(self)
        refuse_form_that_cannot_be_built(self)
        if self.is_residual:
            refuse_unknown_shortcut(self, None)
            refuse_parameters_of_another_shortcut(self)
            refuse_layout_of_a_residual_unit(self)
        else:
            refuse_options_of_residual_units(self, "a unit without block")

    @property
    def is_residual(self) -> bool:
        """Whether the unit has a shortcut."""
        return self.block is not None

    @property
    def placement(self) -> Any:  # which of the two, `is_residual` says, and no type can
        """The ordering as parsed operations: a `Row`, or the `ResidualOrdering` of a residual unit."""
        return parsed(self)

    @property
    def conventions(self) -> Layout:
        """What the layout decides for units of this ordering."""
        decided = LAYOUT[self.layout][self.is_residual and self.placement.is_pre_activation]
        assert decided is not None, "a unit that its layout has not is refused when it is made"
        if self.normalization == "batch":
            return decided
        # No normalisation subtracts what a bias adds. The gain of an activation is right where the mean of its input is 0,
        # so in an NF-ResNet no activated stem may come through on the shortcuts.
        activates = decided.stem_activates and self.normalization != "nf_resnet"
        return replace(decided, bias="all", stem_activates=activates)

    def parameter(self, name: str) -> float:
        """A parameter of the shortcut: the value given, else the one that He et al. 2016 use."""
        given = getattr(self, name)
        return SHORTCUT_PARAMETERS[name][1] if given is None else given
