"""Watch the activations of a model while it trains."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import keras

from zoo.probes import activation_stats

# What activation_stats says about a site rather than about its values.
LABELS = ("site", "activation", "built_in")


class ActivationMonitor(keras.callbacks.Callback):
    """Write the rows of `zoo.probes.activation_stats` during `fit`, to CSV, TensorBoard or both.

    After every `every`-th epoch the statistics of each activation site are measured on `x`, in inference, on
    a copy of the model: no random number is drawn, no statistic moved, so training is bit-identical with and
    without it.

    The CSV file has a header, one line per site and epoch, and the columns `epoch`, counted from 0 as in
    `keras.callbacks.CSVLogger`, and the keys of `activation_stats`. In TensorBoard each number is a scalar
    `activations/SITE/KEY`, its step the epoch.

    Args:
        x: A fixed batch of inputs, as `model.predict` takes arrays.
        csv_path: File to write; it is replaced unless `append`.
        log_dir: Folder for a TensorBoard event file. Needs the package `tensorboard`.
        every: Number of epochs from one measurement to the next.
        batch_size: Samples computed at a time; bounds the memory.
        append: Add to the CSV file, for a training that is resumed.

    Attributes:
        rows: What was measured by the latest `fit`, in order; dicts with the columns of the CSV file.

    Raises:
        ValueError: neither `csv_path` nor `log_dir` is given, or `every` is not a positive integer.
        ImportError: `log_dir` is given and `tensorboard` is not installed.

    Example:
        >>> import keras, numpy as np
        >>> from zoo.callbacks import ActivationMonitor
        >>> fc = keras.layers.Dense(2, activation="relu", name="fc")
        >>> model = keras.Sequential([keras.Input((3,)), fc])
        >>> model.compile("sgd", "mse")
        >>> x, y = np.ones((4, 3)), np.ones((4, 2))
        >>> monitor = ActivationMonitor(x, csv_path="activations.csv")
        >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[monitor])
        >>> [(row["epoch"], row["site"]) for row in monitor.rows]
        [(0, 'fc'), (1, 'fc')]
    """

    def __init__(
        self,
        x: Any,
        csv_path: str | Path | None = None,
        log_dir: str | Path | None = None,
        *,
        every: int = 1,
        batch_size: int = 32,
        append: bool = False,
    ):
        super().__init__()
        if csv_path is None and log_dir is None:
            raise ValueError("ActivationMonitor needs somewhere to write: csv_path=, log_dir= or both.")
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(f"every must be a positive number of epochs, received {every!r}.")
        if log_dir is not None:
            _event_writer()  # now, not after the first epoch
        self.x, self.every, self.batch_size, self.append = x, every, batch_size, append
        self.csv_path = None if csv_path is None else Path(csv_path)
        self.log_dir = None if log_dir is None else Path(log_dir)
        self.rows: list[dict[str, Any]] = []
        self._events: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the files."""
        self.rows = []
        if self.csv_path is not None:
            self.csv_path.parent.mkdir(parents=True, exist_ok=True)
            if not self.append:
                self.csv_path.unlink(missing_ok=True)
        if self.log_dir is not None:
            self._events = _event_writer()(str(self.log_dir))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measure and write, every `every` epochs."""
        if (epoch + 1) % self.every:
            return
        measured = activation_stats(self.model, self.x, batch_size=self.batch_size)
        rows = [{"epoch": epoch, **row} for row in measured]
        self.rows += rows
        if self.csv_path is not None and rows:
            self._write_csv(rows)
        if self._events is not None:
            self._write_events(epoch, rows)

    def on_train_end(self, logs: Any = None) -> None:
        """Close the event file."""
        if self._events is not None:
            self._events.close()
            self._events = None

    def _write_csv(self, rows: list[dict[str, Any]]) -> None:
        fresh = not self.csv_path.exists()
        # Opened for each measurement: a training that is killed leaves every line that was written.
        with self.csv_path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            if fresh:
                writer.writeheader()
            writer.writerows(rows)

    def _write_events(self, epoch: int, rows: list[dict[str, Any]]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=f"activations/{row['site']}/{key}", simple_value=value)
            for row in rows
            for key, value in row.items()
            if key != "epoch" and key not in LABELS
        ]
        self._events.add_event(Event(wall_time=time.time(), step=epoch, summary=Summary(value=values)))
        self._events.flush()


def _event_writer() -> type:
    try:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise ImportError(
            "log_dir= writes TensorBoard event files, which needs the package tensorboard: "
            "pip install activation-zoo[tensorboard]. csv_path= needs nothing."
        ) from error
    return EventFileWriter
