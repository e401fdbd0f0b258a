"""Initialisers of one seed for many layers: each starts from values of its own, and all again from the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import keras


def in_turn(
    initializer: keras.initializers.Initializer, step: int = 1, start: int = 0
) -> Callable[[], keras.initializers.Initializer]:
    """What makes a new initialiser a call: with the seed given plus `start` steps, then a step more a call.

    Args:
        initializer: One that draws or that does not. Where it has no seed, each clone draws one.
        step: Between the seeds.
        start: Steps from the seed given to the first. With 1, the one given can itself be used before them.
    """
    seed = initializer.get_config().get("seed")
    if isinstance(seed, dict):  # a keras.random.SeedGenerator, which each clone would start again
        seed = seed["config"]["seed"]
    if not isinstance(seed, int):
        return initializer.clone
    seeds: Iterator[int] = count(seed + start * step, step)
    return lambda: initializer.from_config({**initializer.get_config(), "seed": next(seeds)})
