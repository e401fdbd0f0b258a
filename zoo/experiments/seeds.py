"""Initial weights that depend on the seed alone, whatever else the process is at.

Keras draws the seed of each initialiser and each dropout from Python's one generator, `random`. The threads of a
Dask worker draw from it, too, at moments of their own: between the seeding and the last layer of a model they shift
every draw that follows.
"""

import contextlib
import random
import threading
from collections.abc import Iterator

import keras

_DRAWN = ("randint", "getstate", "setstate")  # by Keras; and by `zoo.graph`, which gives back what it drew


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Set all seeds as `keras.utils.set_random_seed` does; what this thread draws within is its own.

    Args:
        seed: The numbers drawn are those of `random.seed(seed)` in a process with one thread.
    """
    keras.utils.set_random_seed(seed)
    own, here = random.Random(seed), threading.get_ident()
    shared = {name: getattr(random, name) for name in _DRAWN}

    def of_the_thread(name):
        def draw(*args):
            return (getattr(own, name) if threading.get_ident() == here else shared[name])(*args)

        return draw

    for name in _DRAWN:
        setattr(random, name, of_the_thread(name))
    try:
        yield
    finally:
        for name, function in shared.items():
            setattr(random, name, function)
        random.setstate(own.getstate())  # as if the process had drawn them itself
