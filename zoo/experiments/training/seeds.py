"""Initial weights that depend on the seed alone, whatever other threads of the process are at.

Keras draws the seed of each initialiser and each dropout from Python's one generator, `random`. The threads of a
Dask worker draw from it, too, at moments of their own: between the seeding and the last layer of a model they shift
every draw that follows.
"""

import contextlib
import functools
import random
import threading
from collections.abc import Iterator

import keras

_DRAWN = (
    "randint",
    "seed",
    "getstate",
    "setstate",
)  # by Keras; and by `zoo.graph`, which gives back what it drew
_own = threading.local()


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Set all seeds as `keras.utils.set_random_seed` does; what this thread draws within is its own.

    Args:
        seed: The numbers drawn are those of `random.seed(seed)` in a process with one thread.
    """
    _give_threads_their_own()
    keras.utils.set_random_seed(seed)
    generators = _own.__dict__.setdefault("generators", [])
    generators.append(random.Random(seed))
    try:
        yield
    finally:
        state = generators.pop().getstate()
        random.setstate(state)  # as if the process had drawn them itself


@functools.cache
def _give_threads_their_own() -> None:
    """Make `random` ask first whether the thread has a generator of its own; for good, since threads overlap."""
    for name in _DRAWN:
        setattr(random, name, _asking(name, getattr(random, name)))


def _asking(name: str, shared):
    @functools.wraps(shared)
    def draw(*args, **kwargs):
        generators = getattr(_own, "generators", None)
        return (getattr(generators[-1], name) if generators else shared)(*args, **kwargs)

    return draw
