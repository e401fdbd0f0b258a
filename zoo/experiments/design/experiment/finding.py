"""Arms found by what they are in the terms of the question."""

from collections.abc import Iterable, Mapping
from typing import Any

from zoo.experiments.design.experiment.arm import Arm


def select(arms: Iterable[Arm], factors: Mapping[str, Any]) -> list[Arm]:
    """The arms that have these factors, whatever else they have.

    Args:
        arms: Of an experiment.
        factors: Factor -> its value, or a tuple of values any of which will do. A number and the number's text are
            the same value.

    Raises:
        ValueError: No arm has such a factor, or none with such a value; names those that there are.

    Example:
        >>> from zoo.experiments.design.experiment import Arm, select
        >>> arms = [
        ...     Arm(label=f"{n} layers", factors={"layers": n}, trains=False)
        ...     for n in (1, 2, 3)
        ... ]
        >>> [arm.label for arm in select(arms, {"layers": ("1", 3)})]
        ['1 layers', '3 layers']
    """
    arms = list(arms)
    for factor, value in factors.items():
        known = list(dict.fromkeys(_said(arm.factors[factor]) for arm in arms if factor in arm.factors))
        if not known:
            there = sorted({name for arm in arms for name in arm.factors})
            raise ValueError(f"no arm has the factor {factor!r}; their factors are {there}")
        if missing := [one for one in _alternatives(value) if one not in known]:
            raise ValueError(f"no arm has {factor}={', '.join(missing)}; there are {', '.join(known)}")
    return [
        arm
        for arm in arms
        if all(
            name in arm.factors and _said(arm.factors[name]) in _alternatives(value)
            for name, value in factors.items()
        )
    ]


def label_of(arms: Iterable[Arm], **factors: Any) -> str:
    """The label of the one arm with these factors: what it is found by, so that no sentence is typed twice.

    Of several, it is the one that has these factors and no other.

    Args:
        arms: Of an experiment.
        **factors: As in `select`; a name with a blank by `**{"learning rate": 0.1}`.

    Raises:
        ValueError: No arm has them, or several have.
    """
    found = select(arms, factors)
    exact = [arm for arm in found if set(arm.factors) == set(factors)]
    if len(found) != 1 and len(exact) != 1:
        raise ValueError(f"expected one arm with {factors}; there are {[arm.label for arm in found]}")
    return (exact or found)[0].label


def _alternatives(value: Any) -> tuple[str, ...]:
    return tuple(map(_said, value)) if isinstance(value, tuple) else (_said(value),)


def _said(value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"{value:g}" if number else str(value)
