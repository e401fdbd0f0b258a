"""`family`, its `stages` and `stem`, and what a family beyond plain and residual nets fixes: most of what others may choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.placement import FAMILIES as BEYOND
from zoo.spec.words import FAMILIES
from zoo.values import is_one_of, require_integer, require_one_of

if TYPE_CHECKING:
    from zoo.spec.model import ModelSpec

# The forms of `stages`, as the families beyond plain and residual nets say theirs, and the stems.
_STAGES = {"mlp": ((None,),), "convnet": ((None,),)} | {
    name: family.stages for name, family in BEYOND.items()
}
_STEMS = {"plain": ("cifar",), "resnet": ("cifar", "imagenet")}


def refuse_unknown_family(spec: ModelSpec) -> None:
    """A family that is not there."""
    require_one_of("family", spec.family, FAMILIES)


def refuse_stages_and_stem(spec: ModelSpec) -> None:
    """Stages that are no numbers of units, or that the skeleton of the family has no place for; a stem that it has not."""
    if not isinstance(spec.stages, tuple):
        raise TypeError(f"stages must be a tuple such as (3, 3, 3), received {spec.stages!r}.")
    if not spec.stages:
        raise ValueError("stages must have at least one entry, received ().")
    for units in spec.stages:
        require_integer(f"every entry of stages={spec.stages!r}", units, 1)
    forms = _STAGES.get(spec.family, ())
    if forms and not any(_fits(spec.stages, form) for form in forms):
        raise ValueError(
            f"stages={spec.stages!r} has no place in a net of family {spec.family!r}, whose stages are "
            f"{' or '.join(map(_written, forms))}."
        )
    stems = _STEMS.get(spec.family, (None,))
    if not is_one_of(spec.stem, stems):
        raise ValueError(
            f"stem={spec.stem!r} is none of those that {spec.name}, of family {spec.family!r}, has: "
            f"{', '.join(map(repr, stems))}."
        )


def _fits(stages: tuple[int, ...], form: tuple[int | None, ...]) -> bool:
    return len(stages) == len(form) and all(f in (None, n) for n, f in zip(stages, form, strict=True))


def _written(form: tuple[int | None, ...]) -> str:
    """A form as a tuple is written, with a letter for a number that is free."""
    entries = ["n" if fixed is None else str(fixed) for fixed in form]
    return f"({', '.join(entries)}{',' * (len(form) == 1)})"


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
