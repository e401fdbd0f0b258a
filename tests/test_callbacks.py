"""The monitor: the rows of the probe, on disk, and a training that does not notice."""

import csv
import sys

import keras
import numpy as np
import pytest
from keras import layers

from zoo.callbacks import ActivationMonitor
from zoo.probes import activation_stats


def fitted(*callbacks, epochs=3):
    """A small net with everything random: shuffling, dropout, normalisation by the batch."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="act"),
            layers.Dropout(0.3, name="drop"),
            layers.Flatten(name="flat"),
            layers.Dense(3, activation="softmax", name="top"),
        ]
    )
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", jit_compile=False
    )
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6, 6, 1)).astype("float32"), rng.integers(0, 3, 40)
    history = model.fit(x, y, batch_size=8, epochs=epochs, verbose=0, callbacks=list(callbacks))
    return model, history.history["loss"]


X = np.random.default_rng(3).normal(size=(10, 6, 6, 1)).astype("float32")


def test_training_is_bit_identical_and_the_rows_are_those_of_the_probe(tmp_path):
    monitor = ActivationMonitor(X, csv_path=tmp_path / "deep" / "stats.csv", log_dir=tmp_path / "log")
    plain, plain_losses = fitted()
    watched, watched_losses = fitted(monitor)
    assert plain_losses == watched_losses
    assert all(map(np.array_equal, plain.get_weights(), watched.get_weights()))
    assert [(row["epoch"], row["site"]) for row in monitor.rows] == [
        (epoch, site) for epoch in range(3) for site in ("act", "top")
    ]
    final = [{"epoch": 2, **row} for row in activation_stats(watched, X)]
    assert monitor.rows[-2:] == final
    with open(tmp_path / "deep" / "stats.csv", newline="") as file:
        written = list(csv.DictReader(file))
    assert [{key: str(value) for key, value in row.items()} for row in monitor.rows] == written


def test_tensorboard_reads_back_every_number(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monitor = ActivationMonitor(X, log_dir=tmp_path)
    fitted(monitor)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    read = events.Scalars("activations/act/zero_fraction")
    assert [event.step for event in read] == [0, 1, 2]
    expected = [row["zero_fraction"] for row in monitor.rows if row["site"] == "act"]
    assert [event.value for event in read] == pytest.approx(expected, rel=1e-6)
    assert "activations/top/dead_units" in events.Tags()["scalars"]


def test_every_and_append(tmp_path):
    path = tmp_path / "stats.csv"
    fitted(ActivationMonitor(X, path, every=2), epochs=5)
    fitted(ActivationMonitor(X, path, every=2, append=True), epochs=2)
    with open(path, newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)][::2] == ["1", "3", "1"]
    fitted(ActivationMonitor(X, path), epochs=1)
    with open(path, newline="") as file:
        assert len(list(csv.DictReader(file))) == 2


def test_wrong_arguments(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=r"csv_path=, log_dir= or both"):
        ActivationMonitor(X)
    for every in (0, 1.5, True):
        with pytest.raises(ValueError, match="every must be"):
            ActivationMonitor(X, "a.csv", every=every)
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    with pytest.raises(ImportError, match=r"activation-zoo\[tensorboard\]"):
        ActivationMonitor(X, log_dir=tmp_path)
