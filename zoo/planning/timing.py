"""What a latency is to a plan: a function of a model, which may time several in turn."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from zoo.latency import Stopwatch

Latency = Callable[[keras.Model], float]


def latencies(latency: Latency, models: list[keras.Model]) -> list[float]:
    """The latencies of several models, in turn where `latency` can do that."""
    if isinstance(latency, Stopwatch):
        return latency.in_turn(models)
    return [latency_of(latency, model) for model in models]


def latency_of(latency: Latency, model: keras.Model) -> float:
    """The latency of one model.

    Raises:
        ValueError: It is no positive finite number.
    """
    value: Any = latency(model)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(
            f"latency must return a positive finite number, such as the milliseconds of a batch; for {model.name!r} it "
            f"returned {value!r}."
        )
    return number
