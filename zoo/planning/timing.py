"""What a latency is to a plan: a function of a model, which may time several in turn."""

from __future__ import annotations

from collections.abc import Callable

import keras

from zoo.latency import Stopwatch

Latency = Callable[[keras.Model], float]


def latencies(latency: Latency, models: list[keras.Model]) -> list[float]:
    """The latencies of several models, in turn where `latency` can do that."""
    if isinstance(latency, Stopwatch):
        return latency.in_turn(models)
    return [float(latency(model)) for model in models]
