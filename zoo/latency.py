"""How long a model takes to predict one batch here: the least of many calls, of several models in turn."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from zoo.batches import fixed_size
from zoo.graph import not_a_model, sample
from zoo.graph.internals import as_taken, standardised
from zoo.slimming.execution import without_gradients
from zoo.values import as_integer

WARM_UP = 2
# A model is timed for so long at least, and for so long at most.
SECONDS, MOST_SECONDS = 0.15, 1.0
# The least is believed once other calls came near it: on a busy machine a lucky one may be all alone.
CALLS, NEAR = 3, 1.05


def measured_latency(model: keras.Model, batch_size: int = 32) -> float:
    """The least time that `model` takes to predict one batch here, in milliseconds.

    Args:
        model: A built model of known sizes; its inputs are drawn.
        batch_size: Samples in the batch; of a model that takes a fixed number, that one.

    Raises:
        TypeError: `model` is no Keras model, or `batch_size` no integer.
        ValueError: a size of an input is not known, or `batch_size` is less than 1.
    """
    return Stopwatch(batch_size)(model)


class Stopwatch:
    """The least time that a model takes to predict one batch, in milliseconds.

    Args:
        batch_size: Samples in the batch; of a model that takes a fixed number, that one.

    Raises:
        TypeError: `batch_size` is no integer.
        ValueError: it is less than 1.
    """

    def __init__(self, batch_size: int):
        self.batch_size = as_integer("batch_size", batch_size)

    def __call__(self, model: keras.Model) -> float:
        """Time one model."""
        return self.in_turn([model])[0]

    def in_turn(self, models: Sequence[keras.Model]) -> list[float]:
        """Time several, a call each, round by round: what else the machine does falls on all of them alike.

        Every model is one compiled function, as `predict` makes of it, on the same threads. Rounds go on until the
        three fastest calls of each model lie within 5 % of each other, between 0.15 and 1 second for each model.

        Args:
            models: Built, of known sizes; their inputs are drawn.

        Returns:
            Milliseconds of each.

        Raises:
            TypeError: one of them is no Keras model.
            ValueError: a size of an input is not known.
        """
        runs = []
        for model in models:
            inputs, run = self._inputs(model), _predictor(model)
            for _ in range(WARM_UP):
                run(inputs)
            runs.append((run, inputs))
        fastest: list[list[float]] = [[] for _ in runs]
        began = time.perf_counter()
        while True:
            for (run, inputs), times in zip(runs, fastest, strict=True):
                start = time.perf_counter()
                run(inputs)
                times.append(time.perf_counter() - start)
                times.sort()
                del times[CALLS:]
            passed = (time.perf_counter() - began) / len(runs)
            settled = all(len(times) == CALLS and times[-1] <= NEAR * times[0] for times in fastest)
            if (settled and passed >= SECONDS) or (passed >= MOST_SECONDS and len(fastest[0]) == CALLS):
                return [1000.0 * times[0] for times in fastest]

    def _inputs(self, model: keras.Model) -> list[Any]:
        if not isinstance(model, keras.Model):
            raise TypeError(not_a_model(model))
        for tensor in keras.tree.flatten(model.inputs):
            if None in tensor.shape[1:]:
                raise ValueError(
                    f"latency cannot be measured: the input {tensor.name!r} of {model.name!r} has the shape "
                    f"{tensor.shape}. Fix its size in keras.Input, or pass latency=."
                )
        count = fixed_size(model) or self.batch_size
        drawn = keras.tree.map_structure(
            lambda array: np.resize(array, (count, *array.shape[1:])), next(sample(model))
        )
        return standardised(model, drawn)


def compiled(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What a model predicts as one function, compiled as the backend does it, without XLA on TensorFlow.

    Args:
        call: From inputs to outputs, such as `lambda x: model(x, training=False)`. It is traced at the first call; on Torch,
            which compiles nothing, it runs without gradients.

    Returns:
        A function of the inputs that waits for its result, on an accelerator too.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        # One function each: TensorFlow would warn of many traces of one.
        traced = tf.function(functools.partial(call), jit_compile=False)
        if not tf.config.list_physical_devices("GPU"):
            return traced
        return lambda inputs: _after(tf.test.experimental.sync_devices, traced(inputs))
    if backend == "jax":
        import jax

        run = jax.jit(call)
        return lambda inputs: jax.block_until_ready(run(inputs))
    run = without_gradients()(call)
    import torch

    if not torch.cuda.is_available():
        return run
    return lambda inputs: _after(torch.cuda.synchronize, run(inputs))


def _after(wait: Callable[[], Any], result: Any) -> Any:
    """`result`, once the accelerator has computed it: a call there returns when its work stands in a queue."""
    wait()
    return result


def _predictor(model: keras.Model) -> Callable[[list[Any]], Any]:
    def call(inputs: list[Any]) -> Any:
        return model(as_taken(model, inputs), training=False)

    return compiled(call)
