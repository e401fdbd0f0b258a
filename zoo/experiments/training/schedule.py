"""The learning rate at every step: one formula, for plain numbers and inside a backend's graph."""

import math
from typing import Any

from zoo.experiments.design.experiment import Recipe


def rate_at(step: Any, *, recipe: Recipe, rate: float, total: int, where: Any, cos: Any, minimum: Any) -> Any:
    """Learning rate of step `step` (the first is 0) of `total`, by the functions of the caller's numbers.

    Args:
        step: A number or a tensor, as a float.
        recipe: Gives schedule, milestones and warmup.
        rate: The peak.
        total: Steps of the run.
        where: `where(condition, then, otherwise)`.
        cos: Cosine.
        minimum: `minimum(a, b)`.
    """
    factor = minimum((step + 1.0) / recipe.warmup, 1.0) if recipe.warmup else 1.0
    if recipe.schedule == "cosine":
        factor = factor * (1.0 + cos(step * (math.pi / total))) / 2.0
    for milestone in recipe.milestones:
        factor = factor * where(step >= math.floor(milestone * total), 0.1, 1.0)
    return rate * factor


def rate_number(step: int, *, recipe: Recipe, rate: float, total: int) -> float:
    """The same, of a plain step.

    Example:
        >>> from zoo.experiments.training.schedule import rate_number
        >>> from zoo.experiments.design.experiment import Recipe
        >>> round(rate_number(50, recipe=Recipe(steps=100), rate=0.2, total=100), 6)
        0.1
    """
    return rate_at(
        float(step),
        recipe=recipe,
        rate=rate,
        total=total,
        where=lambda condition, then, otherwise: then if condition else otherwise,
        cos=math.cos,
        minimum=min,
    )
