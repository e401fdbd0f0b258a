"""What of the process is lent while models are made, and given back: seeds, garbage collection, recursion."""

from __future__ import annotations

import contextlib
import gc
import random
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def seeds_untouched() -> Iterator[None]:
    """Give back what making layers draws from Python's generator: what follows must not depend on it."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """No search for garbage while thousands of objects are made that all stay: it took a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def room_for(depth: int) -> Iterator[None]:
    """Room for `keras.Model()`, which walks a finished graph recursively, one Python frame or so per layer."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(2 * depth + limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
