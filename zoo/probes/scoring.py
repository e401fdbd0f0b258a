"""Loss and metric over the batches of a pass, as a mean over samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.batches import sample_count
from zoo.probes.labels import read_labels


class Scoring:
    """Loss and metric for the targets that were given, which have to fit the output of the model.

    Args:
        model: With one output.
        y: Targets of all samples.
        samples: How many there are.
        loss: As `keras.losses.get` takes it, or None: the cross-entropy that the labels ask for.
        metric: As `keras.metrics.get` takes it, or "accuracy": that of the labels.

    Raises:
        ValueError: The targets are not as many as the samples, do not fit, or the metric is none.
    """

    def __init__(self, model: keras.Model, y: Any, samples: int, loss: Any, metric: Any):
        self.targets = np.asarray(y)
        if not self.targets.ndim or len(self.targets) != samples:
            raise ValueError(
                f"y must have one target for each of the {samples} samples of x; received shape {self.targets.shape}."
            )
        self.loss = None if loss is None else keras.losses.get(loss)
        named = isinstance(metric, str) and metric == "accuracy"
        self.metric: Any
        self.metric, self.name = (None, "accuracy") if named else _metric(metric)
        if self.loss is None or self.metric is None:
            labels = read_labels(model, self.targets)
            self.targets = labels.targets
            self.loss = self.loss or labels.loss
            self.metric = labels.right if self.metric is None else self.metric

    def pairs(self, data: list[list[Any]]) -> Iterator[tuple[list[Any], np.ndarray]]:
        """The batches of `data` with their targets."""
        start = 0
        for batch in data:
            size = sample_count(batch)
            yield batch, self.targets[start : start + size]
            start += size

    def tally(self) -> Tally:
        """Sums to be filled batch by batch."""
        metric: Any = self.metric
        if isinstance(metric, keras.metrics.Metric):
            metric = type(metric).from_config(metric.get_config())
        return Tally(self.loss, metric, self.name)


class Tally:
    """Sums of loss and metric, to be filled batch by batch.

    Args:
        loss: Function of targets and outputs.
        metric: The same, or a `keras.metrics.Metric`.
        name: Of the metric.
    """

    def __init__(self, loss: Any, metric: Any, name: str):
        self.loss, self.metric, self.name = loss, metric, name
        self.count, self.losses, self.metrics = 0, 0.0, 0.0

    def add(self, targets: np.ndarray, output: Any) -> None:
        """Add a batch."""
        output, count = ops.cast(output, "float32"), len(targets)
        wanted = ops.convert_to_tensor(targets)
        self.count += count
        self.losses += count * _mean(self.loss(wanted, output))
        if isinstance(self.metric, keras.metrics.Metric):
            self.metric.update_state(wanted, output)
        else:
            self.metrics += count * _mean(self.metric(wanted, output))

    def result(self) -> dict[str, float]:
        """The means so far, by name."""
        stateful = isinstance(self.metric, keras.metrics.Metric)
        value = _mean(self.metric.result()) if stateful else self.metrics / self.count
        return {"loss": self.losses / self.count, self.name: value}


def _metric(metric: Any) -> tuple[Any, str]:
    found = keras.metrics.get(metric)
    if not callable(found):
        raise ValueError(f"metric must be a name, a function or a keras.metrics.Metric, received {metric!r}.")
    name = str(getattr(found, "name", None) or getattr(found, "__name__", type(found).__name__))
    return found, "metric" if name == "loss" else name


def _mean(values: Any) -> float:
    return float(np.asarray(ops.convert_to_numpy(values), "float64").mean())
