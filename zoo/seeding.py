"""Initialisers of one seed for many layers: each starts from values of its own, and all again from the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import keras


def in_turn(
    initializer: keras.initializers.Initializer, step: int = 1
) -> Callable[[], keras.initializers.Initializer]:
    """What makes a new initialiser a call: the first with the seed given, the next with that plus `step`, and so on.

    Args:
        initializer: One that draws or that does not. Where it has no seed, each clone draws one.
        step: Between the seeds.
    """
    seed = initializer.get_config().get("seed")
    if isinstance(seed, dict):  # a keras.random.SeedGenerator, which each clone would start again
        seed = seed["config"]["seed"]
    if not isinstance(seed, int):
        return initializer.clone
    seeds: Iterator[int] = count(seed, step)
    return lambda: initializer.from_config({**initializer.get_config(), "seed": next(seeds)})
