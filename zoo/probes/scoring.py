"""Loss and metric over the batches of a pass, as of one batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from zoo.batches import sample_count
from zoo.graph.reasons import reason
from zoo.probes.labels import read_labels
from zoo.probes.losses import BatchLoss


class Scoring:
    """Loss and metric for the targets that were given, which have to fit the output of the model.

    Args:
        model: With one output.
        y: Targets of all samples.
        samples: How many there are.
        loss: As `keras.losses.get` takes it, or None: the cross-entropy that the labels ask for.
        metric: As `keras.metrics.get` takes it, or "accuracy": that of the labels.
        outputs: Computes what the model gives for some samples, where the labels ask whether these are probabilities.

    Raises:
        ValueError: The targets are not as many as the samples, do not fit, or the metric is none or cannot be copied.
    """

    def __init__(
        self,
        model: keras.Model,
        y: Any,
        samples: int,
        loss: Any,
        metric: Any,
        outputs: Callable[[], np.ndarray],
    ):
        self.targets = np.asarray(y)
        if not self.targets.ndim or len(self.targets) != samples:
            raise ValueError(
                f"y must have one target for each of the {samples} samples of x; received shape {self.targets.shape}."
            )
        self.loss: Any = None if loss is None else BatchLoss(loss)
        named = isinstance(metric, str) and metric == "accuracy"
        self.metric: Any
        self.metric, self.name = (None, "accuracy") if named else _metric(metric)
        if self.loss is None or self.metric is None:
            labels = read_labels(model, self.targets, outputs, scored=self.loss is None)
            self.targets = labels.targets
            self.loss = self.loss or labels.loss
            self.metric = labels.right if self.metric is None else self.metric
        if self.targets.dtype.kind == "f":  # as `fit` takes them
            self.targets = self.targets.astype("float32", copy=False)

    def pairs(self, data: list[list[Any]]) -> Iterator[tuple[list[Any], np.ndarray]]:
        """The batches of `data` with their targets."""
        start = 0
        for batch in data:
            size = sample_count(batch)
            yield batch, self.targets[start : start + size]
            start += size

    def tally(self) -> Tally:
        """Sums to be filled batch by batch."""
        counts = isinstance(self.metric, keras.metrics.Metric)
        return Tally(self.loss, _anew(self.metric) if counts else self.metric, self.name)


class Tally:
    """Sums of loss and metric, to be filled batch by batch.

    Args:
        loss: A `BatchLoss`, or a function of targets and outputs.
        metric: Such a function, or a `keras.metrics.Metric`.
        name: Of the metric.
    """

    def __init__(self, loss: Any, metric: Any, name: str):
        self.loss, self.metric, self.name = loss, metric, name
        self.count, self.metrics = 0, 0.0
        # What the losses are divided by in the end: samples, unmasked positions, or 1 for a sum.
        self.losses, self.share = 0.0, 0

    def add(self, targets: np.ndarray, output: Any) -> None:
        """Add a batch."""
        output, count = ops.cast(output, "float32"), len(targets)
        wanted = ops.convert_to_tensor(targets)
        self.count += count
        self._add_loss(wanted, output, count)
        if isinstance(self.metric, keras.metrics.Metric):
            self.metric.update_state(wanted, output)
        else:
            self.metrics += count * _mean(self.metric(wanted, output))

    def _add_loss(self, wanted: Any, output: Any, count: int) -> None:
        if not isinstance(self.loss, BatchLoss):
            value, positions = _mean(self.loss(wanted, output)), None
        else:
            value, positions = self.loss.number(wanted, output)
            if self.loss.sums:
                self.losses, self.share = self.losses + value, 1
                return
        share = count if positions is None else positions
        self.losses, self.share = self.losses + share * value, self.share + share

    def result(self) -> dict[str, float]:
        """The values so far, by name."""
        stateful = isinstance(self.metric, keras.metrics.Metric)
        value = _mean(self.metric.result()) if stateful else self.metrics / self.count
        return {"loss": self.losses / (self.share or 1), self.name: value}


def _metric(metric: Any) -> tuple[Any, str]:
    found = keras.metrics.get(metric)
    if not callable(found):
        raise ValueError(f"metric must be a name, a function or a keras.metrics.Metric, received {metric!r}.")
    name = str(getattr(found, "name", None) or getattr(found, "__name__", type(found).__name__))
    if isinstance(found, keras.metrics.Metric):
        try:
            found = _anew(found)
        except Exception as error:
            raise ValueError(
                f"metric={metric!r} cannot be copied, and each site needs one of its own: {reason(error)} Pass a function of "
                f"targets and outputs that gives a value for each sample."
            ) from error
    return found, "metric" if name == "loss" else name


def _anew(metric: keras.metrics.Metric) -> keras.metrics.Metric:
    """A copy of `metric` that has counted nothing, with all that was set on it, which no configuration need know."""
    memo: dict[int, Any] = {}
    found = [metric]
    for one in found:  # grows while it is walked
        memo[id(one)] = object.__new__(type(one))
        for held in keras.tree.flatten(list(vars(one).values())):
            if isinstance(held, layers.Layer):
                memo[id(held)] = held
            elif isinstance(held, keras.metrics.Metric) and id(held) not in memo:
                found.append(held)
    # Keras has its own objects copied by way of their configuration, so that their attributes are copied here.
    for one in found:
        vars(memo[id(one)]).update(copy.deepcopy(vars(one), memo))
    new = memo[id(metric)]
    new.reset_state()
    return new


def _mean(values: Any) -> float:
    return float(np.asarray(ops.convert_to_numpy(values), "float64").mean())
