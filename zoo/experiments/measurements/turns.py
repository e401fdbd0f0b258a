"""Two models timed in turns: what a machine does to one of them it does to the other."""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from zoo import latency


def prediction(model: keras.Model) -> Callable[[Any], Any]:
    """The model's prediction as one compiled function."""
    return latency.compiled(lambda x: model(x, training=False))


def time_ratio(first: Callable, second: Callable, x: Any, rounds: int) -> float:
    """The median processor time of a call of `first` over that of `second`; each begins every other round.

    Processor time, so that other work on the machine does not count; and whoever goes second finds warmer caches.
    """
    spent: dict[Callable, list[float]] = {first: [], second: []}
    for turn in range(rounds):
        for predict, times in reversed(spent.items()) if turn % 2 else spent.items():
            begun = time.process_time()
            keras.ops.convert_to_numpy(predict(x))
            times.append(time.process_time() - begun)
    return float(np.median(spent[first]) / np.median(spent[second]))
