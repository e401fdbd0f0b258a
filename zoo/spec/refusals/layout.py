"""`layout`: what the code bases that a layout stands for do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.placement import LAYOUT, VGG
from zoo.spec.words import LAYOUTS
from zoo.values import require_one_of
from zoo.wording import listed

if TYPE_CHECKING:
    from zoo.spec.model import ModelSpec
    from zoo.spec.unit import UnitSpec

# Read from nets of bottleneck units: `keras.applications` has no others, and of Keras' CIFAR-10 example it is version 2 (its
# version 1 has basic units, and activates after them).
_BOTTLENECK_ONLY = ("keras", "keras_cifar10")


def refuse_unknown_layout(spec: ModelSpec | UnitSpec) -> None:
    """What is no layout of plain and residual units."""
    require_one_of("layout", spec.layout, LAYOUTS)


def refuse_layout_of_a_chain(spec: ModelSpec) -> None:
    """Nets without shortcut: of a vgg, code bases differ; the others are ours."""
    layouts = tuple(VGG) if spec.family == "vgg" else ("he2016",)
    if spec.layout not in layouts:
        instead = [layout for layout in layouts if layout != "he2016" or len(layouts) == 1]
        raise ValueError(f"layout={spec.layout!r} has no {spec.name}; use layout={listed(instead, 'or')}.")
    orderings = VGG[spec.layout].orderings
    if orderings is not None and spec.ordering not in orderings:
        raise ValueError(
            f"layout={spec.layout!r} has no {spec.name} with ordering={spec.ordering!r}; use ordering="
            f"{listed(orderings, 'or')}, or another layout."
        )


def refuse_layout_of_a_residual_unit(unit: UnitSpec) -> None:
    """Shortcuts, orderings and blocks that the layout has not."""
    _refuse_other_shortcuts(unit)
    _refuse_other_orderings(unit)
    if unit.layout in _BOTTLENECK_ONLY and unit.block != "bottleneck":
        raise ValueError(
            f"layout={unit.layout!r} has bottleneck units only, received block={unit.block!r}; "
            "use block='bottleneck' or layout='he2016'."
        )


def refuse_layout_of_a_residual_net(spec: ModelSpec) -> None:
    """As of a unit; and stems and depths that the layout has not."""
    _refuse_other_shortcuts(spec)
    _refuse_other_orderings(spec)
    if spec.layout in _BOTTLENECK_ONLY and spec.block != "bottleneck":
        raise ValueError(
            f"layout={spec.layout!r} has bottleneck units only, and {spec.name} has basic ones; "
            "use layout='he2016' or, where the depth allows, block='bottleneck'."
        )
    if spec.layout == "keras_cifar10" and spec.stem != "cifar":
        raise ValueError(
            f"layout='keras_cifar10' is a CIFAR net, and {spec.name} has an ImageNet stem; use 'keras'."
        )
    if spec.layout == "keras" and spec.is_pre_activation and min(spec.stages) < 2:
        raise ValueError(
            f"layout='keras' puts the stride in the last unit of a stage and the projection in the first, so each "
            f"stage of {spec.name} needs two units; use a deeper net or layout='he2016'."
        )


def _refuse_other_shortcuts(spec: ModelSpec | UnitSpec) -> None:
    if spec.layout != "he2016" and spec.shortcut not in (None, "projection"):
        raise ValueError(
            f"layout={spec.layout!r} fixes shortcut='projection', received shortcut={spec.shortcut!r}; "
            "use layout='he2016' to vary the shortcut."
        )


def _refuse_other_orderings(spec: ModelSpec | UnitSpec) -> None:
    activating_after, before = LAYOUT[spec.layout]
    if before is not None or not spec.placement.is_pre_activation:
        return
    alike = [name for name, rows in LAYOUT.items() if rows[0] == activating_after and rows[1] is not None]
    raise ValueError(
        f"layout={spec.layout!r} has no net that activates before its convolutions, received ordering="
        f"{spec.ordering!r}; use layout={listed(alike, 'or')} or ordering='original'."
    )
