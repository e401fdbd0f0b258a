"""Watch the activations and the steps of a model while it trains."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.activations import warn_unseen
from zoo.batches import keep
from zoo.callbacks import events
from zoo.callbacks.updates import accumulates, steps_made, update_rows, values
from zoo.probes.activation import measure
from zoo.probes.rows import refuse_nothing
from zoo.values import as_integer

# What activation_stats says about a site rather than about its values.
LABELS = ("site", "activation", "built_in")


class ActivationMonitor(keras.callbacks.Callback):
    r"""The rows of `zoo.probes.activation_stats` during `fit`: in `rows`, and in CSV, TensorBoard or both if you say where.

    After every `every`-th epoch the statistics of each activation site are measured on `x`, in inference: no
    random number is drawn, no statistic moved, so training is bit-identical with and without it. Of the first
    step of such an epoch it measures how far it moves each trainable weight $w$:
    $\lVert \Delta w \rVert_2 / \lVert w \rVert_2$. For much of deep learning about 1e-3 is usual; much less
    trains slowly, much more throws away what was learned. Where gradients of several batches are accumulated, or
    a step of a scaled loss is skipped, the first step is the one that moves weights; an epoch without any has no
    such rows.

    The CSV file has a header, one line per site and epoch, and the columns `epoch`, counted from 0 as in
    `keras.callbacks.CSVLogger`, and the keys of `activation_stats`. In TensorBoard each number is a scalar
    `activations/SITE/KEY`, its step the epoch; the values at each site are the histograms
    `activations/SITE`; `updates/WEIGHT/ratio` is the ratio of that weight.

    Args:
        x: A fixed batch of inputs, as `model.predict` takes arrays; or a `tf.data` Dataset, a PyDataset, a
            loader or a generator of batches. Those are read once, here, and kept in memory.
        csv_path: File to write; it is replaced unless `append`.
        log_dir: Folder for a TensorBoard event file. Needs the package `tensorboard`.
        every: Number of epochs from one measurement to the next.
        batch_size: Samples of arrays computed at a time; bounds the memory. By default 32.
        append: Add to the CSV files, for a training that is resumed.
        batches: Number of batches of a Dataset or generator to keep; all by default. Required where `x` may
            have no end.
        updates_path: CSV file for the rows of `updates`.
        histograms: Whether to write histograms; they need `log_dir`.

    Attributes:
        rows: What was measured by the latest `fit`, in order; dicts with the columns of the CSV file.
        updates: The steps by the latest `fit`: dicts with the keys `epoch`, `weight` (its name, as in
            `gradient_stats`), `norm`, `update_norm`, `ratio`. With `steps_per_execution=n` a step is n steps.
        unseen: Name of each place that cannot be seen -> the reason, as in `activation_stats`.

    Raises:
        ValueError: `every` is less than 1, or `x` has no batches; or, when training starts: `x` does not fit the
            model, or no activation of it can be seen.
        TypeError: `every` is no integer; or, when training starts: the model is subclassed.
        ImportError: `log_dir` is given and `tensorboard` is not installed.

    Reference:
        Karpathy, "CS231n: Neural Networks Part 3", section "Ratio of weights:updates".

    Example:
        >>> import keras, numpy as np
        >>> from zoo.callbacks import ActivationMonitor
        >>> fc = keras.layers.Dense(2, activation="relu", name="fc")
        >>> model = keras.Sequential([keras.Input((3,)), fc])
        >>> model.compile("sgd", "mse")
        >>> x, y = np.ones((4, 3)), np.ones((4, 2))
        >>> monitor = ActivationMonitor(x)  # csv_path="stats.csv" also writes
        >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[monitor])
        >>> [(row["epoch"], row["site"]) for row in monitor.rows]
        [(0, 'fc'), (1, 'fc')]
        >>> [row["weight"].split("/")[-1] for row in monitor.updates]
        ['kernel', 'bias', 'kernel', 'bias']
    """

    def __init__(
        self,
        x: Any,
        csv_path: str | Path | None = None,
        log_dir: str | Path | None = None,
        *,
        every: int = 1,
        batch_size: int | None = None,
        append: bool = False,
        batches: int | None = None,
        updates_path: str | Path | None = None,
        histograms: bool = True,
    ):
        super().__init__()
        self.every = as_integer("every", every)
        if log_dir is not None:
            events.event_writer()  # now, not after the first epoch
        self.x = keep(x, batches)
        # Of what is kept, all; of arrays, as many as asked for.
        self.batches = batches if self.x is x else None
        self.batch_size, self.append = batch_size, append
        self.csv_path = None if csv_path is None else Path(csv_path)
        self.updates_path = None if updates_path is None else Path(updates_path)
        self.log_dir = None if log_dir is None else Path(log_dir)
        self.histograms = histograms and log_dir is not None
        self.rows: list[dict[str, Any]] = []
        self.updates: list[dict[str, Any]] = []
        self.unseen: dict[str, str] = {}
        self._events: Any = None
        self._epoch = 0
        self._before: dict[int, np.ndarray] | None = None
        self._steps = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Refuse what cannot be measured, and start the files."""
        self.rows, self.updates, self._before = [], [], None
        # Measured once in vain: what does not fit is to stop the training before it starts.
        self.unseen = self._measured(None)[1]
        warn_unseen("ActivationMonitor", self.model, self.unseen)
        for path in (self.csv_path, self.updates_path):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                if not self.append:
                    path.unlink(missing_ok=True)
        if self.log_dir is not None:
            self._events = events.event_writer()(str(self.log_dir))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember which epoch it is."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before the first step of an epoch that is measured, note the weights."""
        if batch == 0 and self._is_measured(self._epoch):
            self._before, self._steps = values(self.model), steps_made(self.model)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After the first that moves them, measure how far they moved."""
        if self._before is None:
            return
        model = self.model
        waits = steps_made(model) == self._steps
        if waits and accumulates(model):
            return
        rows = [{"epoch": self._epoch, **row} for row in update_rows(model, self._before)]
        # A training step of somebody's own may move them by another optimizer.
        if waits and not any(row["update_norm"] for row in rows):
            return
        self._before = None
        self.updates += rows
        if self.updates_path is not None and rows:
            _write_csv(self.updates_path, rows)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measure and write, every `every` epochs."""
        self._before = None
        if not self._is_measured(epoch):
            return
        histograms: dict[str, events.Histogram] = {}

        def look(site: str, array: np.ndarray) -> None:
            histograms.setdefault(f"activations/{site}", events.Histogram()).add(array)

        measured, _ = self._measured(look if self.histograms else None)
        rows = [{"epoch": epoch, **row} for row in measured]
        self.rows += rows
        if self.csv_path is not None:
            _write_csv(self.csv_path, rows)
        if self._events is not None:
            events.write(self._events, epoch, self._scalars(epoch, rows), histograms)

    def on_train_end(self, logs: Any = None) -> None:
        """Close the event file."""
        if self._events is not None:
            self._events.close()
            self._events = None

    def _is_measured(self, epoch: int) -> bool:
        return (epoch + 1) % self.every == 0

    def _measured(
        self, look: Callable[[str, np.ndarray], None] | None
    ) -> tuple[list[dict[str, Any]], dict[str, str]]:
        options = {"batch_size": self.batch_size, "batches": self.batches}
        records, unseen = measure(self.model, self.x, look=look, **options)
        rows = [record.row() for record in records]
        refuse_nothing("ActivationMonitor", self.model, rows, unseen)
        return rows, unseen

    def _scalars(self, epoch: int, rows: list[dict[str, Any]]) -> dict[str, float]:
        scalars = {
            f"activations/{row['site']}/{key}": value
            for row in rows
            for key, value in row.items()
            if key != "epoch" and key not in LABELS
        }
        for row in self.updates:
            if row["epoch"] == epoch:
                scalars[f"updates/{row['weight']}/ratio"] = row["ratio"]
        return scalars


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    fresh = not path.exists()
    # Opened for each measurement: a training that is killed leaves every line that was written.
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        if fresh:
            writer.writeheader()
        writer.writerows(rows)
