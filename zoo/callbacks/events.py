"""TensorBoard event files, written without TensorFlow."""

from __future__ import annotations

import time
from typing import Any

import numpy as np


def event_writer() -> type:
    """The class that writes event files.

    Raises:
        ImportError: `tensorboard` is not installed.
    """
    try:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise ImportError(
            "log_dir= writes TensorBoard event files, which needs the package tensorboard: "
            "pip install tensorboard. csv_path= needs nothing."
        ) from error
    return EventFileWriter


def write(writer: Any, step: int, scalars: dict[str, float], histograms: dict[str, Histogram]) -> None:
    """Write numbers and histograms by tag, as one event of that step."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary

    values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
    values += [Summary.Value(tag=tag, histo=HistogramProto(**h.fields())) for tag, h in histograms.items()]
    writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
    writer.flush()


# The limits of TensorFlow's own histograms: from 1e-12, each 1.1 times the one before, both signs.
_POSITIVE = 1e-12 * 1.1 ** np.arange(774)
_LIMITS = np.concatenate([-_POSITIVE[::-1], [0.0], _POSITIVE])


class Histogram:
    """Counts of values in fixed buckets, over any number of batches."""

    def __init__(self):
        self.counts = np.zeros(len(_LIMITS) + 1, "int64")
        self.minimum, self.maximum = np.inf, -np.inf
        self.count, self.sum, self.squares, self.not_finite = 0, 0.0, 0.0, 0

    def add(self, values: np.ndarray) -> None:
        """Take in an array; what is not finite is counted apart, since no bucket holds it."""
        flat = np.ravel(values)
        finite = flat[np.isfinite(flat)]
        self.not_finite += len(flat) - len(finite)
        if len(finite):
            # A bucket ends with its limit: exact zeros, of which a ReLU gives many, are those up to 0.
            places = np.searchsorted(_LIMITS, finite, side="left")
            self.counts += np.bincount(places, minlength=len(self.counts))
            self.minimum = min(self.minimum, float(finite.min()))
            self.maximum = max(self.maximum, float(finite.max()))
            self.count += len(finite)
            self.sum += float(finite.sum())
            self.squares += float(np.square(finite).sum())

    def fields(self) -> dict[str, Any]:
        """What TensorBoard stores: buckets between the first and the last that hold a value."""
        full = np.flatnonzero(self.counts)
        if not len(full):
            return {"min": 0.0, "max": 0.0, "num": 0, "sum": 0.0, "sum_squares": 0.0}
        limits = np.append(_LIMITS, np.finfo("float64").max)
        start, stop = max(full[0] - 1, 0), full[-1] + 1
        return {
            "min": self.minimum,
            "max": self.maximum,
            "num": self.count,
            "sum": self.sum,
            "sum_squares": self.squares,
            "bucket_limit": limits[start:stop].tolist(),
            "bucket": self.counts[start:stop].astype(float).tolist(),
        }
