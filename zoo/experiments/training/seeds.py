"""Initial weights that depend on the seed alone, whatever other threads of the process are at.

Keras draws the seed of each initialiser and each dropout from Python's one generator, `random`. The threads of a
Dask worker draw from it, too, at moments of their own: between the seeding and the last layer of a model they shift
every draw that follows.
"""

import contextlib
import functools
import random
import threading
from collections.abc import Callable, Iterator

import keras

_DRAWN = (
    "randint",
    "seed",
    "getstate",
    "setstate",
)  # by Keras; and by `zoo.graph`, which gives back what it drew
_own = threading.local()


_within = 0  # threads at work inside `seeded`; while there are any, `random` asks whose turn it is
_lock = threading.Lock()
_shared: dict[str, Callable] = {}


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Set all seeds as `keras.utils.set_random_seed` does; what this thread draws within is its own.

    While a thread is within, four functions of `random` are replaced; the last one to leave gives them back.

    Args:
        seed: The numbers drawn are those of `random.seed(seed)` in a process with one thread.

    Example:
        >>> import random
        >>> from zoo.experiments.training.seeds import seeded
        >>> before = random.randint
        >>> with seeded(7):
        ...     drawn = random.randint(1, 100)
        >>> drawn == random.Random(7).randint(1, 100), random.randint is before
        (True, True)
    """
    _enter()
    try:
        keras.utils.set_random_seed(seed)
        generators = _own.__dict__.setdefault("generators", [])
        generators.append(random.Random(seed))
        try:
            yield
        finally:
            state = generators.pop().getstate()
            random.setstate(state)  # as if the process had drawn them itself
    finally:
        _leave()


def _enter() -> None:
    """Make `random` ask first whether the thread has a generator of its own."""
    global _within
    with _lock:
        if not _within:
            for name in _DRAWN:
                _shared[name] = getattr(random, name)
                setattr(random, name, _asking(name, _shared[name]))
        _within += 1


def _leave() -> None:
    """Give the functions back when nobody needs them any more."""
    global _within
    with _lock:
        _within -= 1
        if not _within:
            for name in _DRAWN:
                setattr(random, name, _shared.pop(name))


def _asking(name: str, shared: Callable) -> Callable:
    @functools.wraps(shared)
    def draw(*args, **kwargs):
        generators = getattr(_own, "generators", None)
        return (getattr(generators[-1], name) if generators else shared)(*args, **kwargs)

    return draw
