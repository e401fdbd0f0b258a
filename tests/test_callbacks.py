"""The monitor: the rows of the probe, on disk, and a training that does not notice."""

import csv
import sys

import keras
import numpy as np
import pytest
from keras import layers

from zoo.activations import UnseenWarning
from zoo.callbacks import ActivationAnnealing, ActivationMonitor
from zoo.callbacks.events import Histogram
from zoo.probes import activation_stats, gradient_stats


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
    for every, error in ((0, ValueError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="every must be an integer of at least 1"):
            ActivationMonitor(X, "a.csv", every=every)
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        ActivationMonitor(X, log_dir=tmp_path)


def endings(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def fresh(activation="relu", **options):
    keras.utils.set_random_seed(1)
    parts = [keras.Input((4,)), layers.Dense(3, activation=activation, name="fc", **options)]
    model = keras.Sequential([*parts, layers.Dense(2, name="top")])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


DATA = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
TARGETS = np.zeros((20, 2), "float32")


class Started(keras.callbacks.Callback):
    """Whether a step was made."""

    steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.fc = layers.Dense(2, activation="relu")

    def call(self, x):
        return self.fc(x)


def hidden():
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(2)(layers.Lambda(lambda z: keras.ops.tanh(z), name="own")(x)))


@pytest.mark.parametrize(
    ("make", "x", "error", "match"),
    [
        (Subclassed, DATA, TypeError, "subclassed type"),
        (hidden, DATA, ValueError, "Not seen: 'own'"),
        (lambda: fresh("linear"), DATA, ValueError, "which has none"),
        (fresh, np.zeros((3, 7), "float32"), ValueError, r"shape \(None, 4\), received \(3, 7\)"),
        (fresh, [DATA, DATA], ValueError, "one array for each"),
    ],
)
def test_what_cannot_be_measured_stops_the_training_before_it_starts(tmp_path, make, x, error, match):
    model, started = make(), Started()
    model.compile("sgd", "mse")
    path = tmp_path / "rows.csv"
    path.write_text("of an earlier run")
    with pytest.raises(error, match=match):
        model.fit(DATA, TARGETS, verbose=0, callbacks=[started, ActivationMonitor(x, path, every=3)])
    assert started.steps == 0 and path.read_text() == "of an earlier run"


def test_what_is_not_seen_is_said_once_and_the_rest_is_measured(tmp_path):
    x = keras.Input((4,))
    y = layers.Dense(2, activation="relu", name="fc")(
        layers.Lambda(lambda z: keras.ops.tanh(z), name="own")(x)
    )
    model = keras.Model(x, y)
    model.compile("sgd", "mse")
    monitor = ActivationMonitor(DATA, tmp_path / "rows.csv")
    with pytest.warns(UnseenWarning, match="ActivationMonitor does not see all") as said:
        model.fit(DATA, TARGETS, epochs=3, verbose=0, callbacks=[monitor])
    assert len([w for w in said if w.category is UnseenWarning]) == 1
    assert list(monitor.unseen) == ["own"] and len(endings(tmp_path / "rows.csv")) == 3


def test_a_recurrent_net_writes_its_gates(tmp_path):
    x = keras.Input((5, 4))
    model = keras.Model(x, layers.GRU(2, name="gru")(x))
    model.compile("sgd", "mse")
    monitor = ActivationMonitor(np.ones((3, 5, 4)), tmp_path / "rows.csv")
    model.fit(np.ones((3, 5, 4)), np.zeros((3, 2)), verbose=0, callbacks=[monitor])
    gates = ["gru/update_gate", "gru/reset_gate", "gru/candidate"]
    assert [row["site"] for row in endings(tmp_path / "rows.csv")] == gates


def test_batches_are_drawn_once_and_kept(tmp_path):
    drawn = []

    def stream():
        for start in range(0, 20, 5):
            drawn.append(start)
            yield DATA[start : start + 5], TARGETS[start : start + 5]

    monitor = ActivationMonitor(stream(), tmp_path / "rows.csv", batches=3)
    assert drawn == [0, 5, 10]
    model = fresh()
    model.fit(DATA, TARGETS, epochs=2, verbose=0, callbacks=[monitor])
    assert drawn == [0, 5, 10] and len(monitor.rows) == 2
    whole = ActivationMonitor(DATA, tmp_path / "whole.csv", batch_size=5, batches=3)
    fresh().fit(DATA, TARGETS, epochs=2, verbose=0, callbacks=[whole])
    assert whole.rows == monitor.rows
    with pytest.raises(ValueError, match="may never end"):
        ActivationMonitor(stream(), tmp_path / "rows.csv")
    with pytest.raises(ValueError, match="ended after 4 batches"):
        ActivationMonitor(stream(), tmp_path / "rows.csv", batches=5)


@pytest.mark.tensorflow
def test_a_dataset_to_train_on_and_to_look_at(tmp_path):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((DATA, TARGETS)).batch(5)
    monitors = [
        ActivationMonitor(x, tmp_path / f"{number}.csv", **options)
        for number, (x, options) in enumerate([(data, {}), (DATA, {"batch_size": 5})])
    ]
    fresh().fit(data, epochs=2, verbose=0, shuffle=False, callbacks=monitors)
    assert monitors[0].rows == monitors[1].rows and len(monitors[0].rows) == 2


def test_the_ratio_of_update_to_weight_by_hand(tmp_path):
    monitor = ActivationMonitor(DATA, tmp_path / "a.csv", every=2, updates_path=tmp_path / "updates.csv")
    model = fresh()
    # One step an epoch: plain gradient descent moves a weight by 0.1 times its gradient.
    monitored = fresh()
    monitored.fit(DATA, TARGETS, batch_size=20, epochs=2, verbose=0, shuffle=False, callbacks=[monitor])
    model.fit(DATA, TARGETS, batch_size=20, epochs=1, verbose=0, shuffle=False)
    first = {v.path: np.array(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables}
    gradients = {row["name"]: row["norm"] for row in gradient_stats(model, DATA, TARGETS, "mse")}
    assert [row["epoch"] for row in monitor.updates] == [1] * 4
    names = {"/".join(path.split("/")[-2:]): path for path in first}
    for row in monitor.updates:
        path = names["/".join(row["weight"].split("/")[-2:])]
        norm = np.linalg.norm(first[path])
        assert row["norm"] == pytest.approx(norm, rel=1e-5)
        assert row["update_norm"] == pytest.approx(0.1 * gradients[path], rel=1e-3)
        assert row["ratio"] == pytest.approx(0.1 * gradients[path] / norm, rel=1e-3)
    written = endings(tmp_path / "updates.csv")
    assert [{key: str(value) for key, value in row.items()} for row in monitor.updates] == written


def test_weights_at_zero_and_frozen_ones(tmp_path):
    monitor = ActivationMonitor(DATA, tmp_path / "a.csv")
    model = fresh(kernel_initializer="zeros", bias_initializer="zeros")
    model.get_layer("top").trainable = False
    model.compile("sgd", "mse")
    model.fit(DATA, np.ones((20, 2)), batch_size=20, verbose=0, callbacks=[monitor])
    by_name = {row["weight"].split("/")[-1]: row for row in monitor.updates}
    assert set(by_name) == {"kernel", "bias"}
    assert all(np.isnan(row["ratio"]) == (row["update_norm"] == 0) for row in by_name.values())


def test_histograms_hold_every_value(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monitor = ActivationMonitor(DATA, log_dir=tmp_path / "log", batch_size=8)
    model = fresh()
    model.fit(DATA, TARGETS, epochs=2, verbose=0, callbacks=[monitor])
    events = EventAccumulator(str(tmp_path / "log"), size_guidance={"histograms": 0})
    events.Reload()
    assert events.Tags()["histograms"] == ["activations/fc"]
    last = events.Histograms("activations/fc")[-1]
    kernel, bias = model.get_layer("fc").get_weights()
    values = np.maximum(DATA @ kernel + bias, 0).astype("float64")
    histogram = last.histogram_value
    assert last.step == 1 and histogram.num == values.size == sum(histogram.bucket)
    assert histogram.sum == pytest.approx(values.sum(), rel=1e-5)
    assert histogram.max == pytest.approx(values.max(), rel=1e-5) and histogram.min == 0.0
    zero = [c for c, limit in zip(histogram.bucket, histogram.bucket_limit, strict=True) if limit == 0.0]
    assert zero == [(values == 0).sum()]
    up_to_one = sum(
        c for c, limit in zip(histogram.bucket, histogram.bucket_limit, strict=True) if limit <= 1
    )
    assert (values <= 1 / 1.1).sum() <= up_to_one <= (values <= 1).sum()
    assert {tag.rpartition("/")[2] for tag in events.Tags()["scalars"] if tag.startswith("updates/")} == {
        "ratio"
    }


def test_what_is_not_finite_is_in_no_bucket():
    histogram = Histogram()
    histogram.add(np.array([np.nan, np.inf, -np.inf, 1.0, -1e30, 0.0]))
    fields = histogram.fields()
    assert histogram.not_finite == 3 and fields["num"] == 3 == sum(fields["bucket"])
    assert Histogram().fields()["num"] == 0


def test_without_a_file_the_rows_are_kept_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monitor = ActivationMonitor(X, every=2)
    fitted(monitor, epochs=4)
    assert [(row["epoch"], row["site"]) for row in monitor.rows] == [
        (epoch, site) for epoch in (1, 3) for site in ("act", "top")
    ]
    assert {row["epoch"] for row in monitor.updates} == {1, 3}
    assert list(tmp_path.iterdir()) == []


def twins(kind):
    """Two parts of equal layers, side by side."""
    x = keras.Input((4,))

    def part(name):
        inner = keras.Input((4,))
        fc = layers.Dense(3, activation="relu", name="fc")
        if kind == "sequential":
            return keras.Sequential([inner, fc, layers.Dense(2, name="top")], name=name)
        return keras.Model(inner, layers.Dense(2, name="top")(fc(inner)), name=name)

    if kind == "wrapped":
        steps = keras.Input((5, 4))
        ends = [layers.TimeDistributed(part(name), name=f"each_{name}")(steps) for name in "ab"]
        return keras.Model(steps, layers.GlobalAveragePooling1D()(layers.Add()(ends)))
    if kind == "nested deeper":
        inner = keras.Input((4,))
        deep = keras.Model(inner, layers.Add()([part("a")(inner), part("b")(inner)]), name="deep")
        return keras.Model(x, layers.Add()([deep(x), part("a")(x)]))
    if kind == "own":
        return keras.Model(x, Twins(name="twins")(x))
    return keras.Model(x, layers.Add()([part("a")(x), part("b")(x)]))


class Twins(layers.Layer):
    """Two layers of one name, which Keras does not forbid within a layer."""

    def __init__(self, **options):
        super().__init__(**options)
        self.parts = [layers.Dense(2, activation="relu", name="fc") for _ in range(2)]

    def call(self, x):
        return self.parts[0](x) + self.parts[1](x)


@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")
@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("functional", {"a/fc/kernel", "b/fc/kernel", "a/top/bias", "b/top/bias"}),
        ("sequential", {"a/fc/kernel", "b/fc/kernel", "a/top/bias", "b/top/bias"}),
        ("wrapped", {"each_a/fc/kernel", "each_b/fc/kernel", "each_a/top/bias"}),
        ("nested deeper", {"deep/a/fc/kernel", "deep/b/fc/kernel", "a/fc/kernel"}),
        ("own", {"twins/fc/kernel", "twins/fc/kernel:2", "twins/fc/bias", "twins/fc/bias:2"}),
    ],
)
def test_every_weight_has_a_row_and_a_name_of_its_own(kind, names):
    model = twins(kind)
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    x = np.random.default_rng(0).normal(size=(8, *model.input_shape[1:])).astype("float32")
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables]
    monitor = ActivationMonitor(x)
    model.fit(x, np.ones((8, 2)), batch_size=8, verbose=0, callbacks=[monitor])
    after = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    by_hand = [np.linalg.norm(b - a) for a, b in zip(before, after, strict=True)]
    assert [row["update_norm"] for row in monitor.updates] == pytest.approx(by_hand, rel=1e-5)
    found = [row["weight"] for row in monitor.updates]
    assert len(set(found)) == len(model.trainable_variables) and names <= set(found)
    by_probe = gradient_stats(model, x, np.ones((8, 2)), "mse")
    assert set(found) == {row["name"] for row in by_probe if row["kind"] == "weight"}


def test_every_weight_has_a_tag_of_its_own(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model, monitor = twins("functional"), ActivationMonitor(DATA, log_dir=tmp_path, histograms=False)
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(DATA, TARGETS, verbose=0, callbacks=[monitor])
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith("updates/")]
    assert len(tags) == 8 and {"updates/a/fc/kernel/ratio", "updates/b/fc/kernel/ratio"} <= set(tags)


# Batches for one step, and the epochs of four batches, of four, in which there is one.
ACCUMULATED = {4: [0, 1, 2], 6: [1, 2]}


@pytest.mark.parametrize("steps", ACCUMULATED)
def test_the_first_step_of_accumulated_gradients_is_the_one_that_moves_weights(steps):
    model, monitor = fresh(), ActivationMonitor(DATA)
    model.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=steps), "mse", run_eagerly=True)
    first = [np.array(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables]
    options = {"batch_size": 5, "verbose": 0, "shuffle": False, "callbacks": [monitor]}
    model.fit(DATA, TARGETS, epochs=3, **options)
    assert [row["epoch"] for row in monitor.updates] == [e for e in ACCUMULATED[steps] for _ in first]
    # Plain gradient descent on what was accumulated, by the probe.
    seen = np.resize(DATA, (5 * steps, 4))
    gradients = [row["norm"] for row in gradient_stats(fresh(), seen, np.zeros((5 * steps, 2)), "mse")]
    by_hand = [0.1 * g for g in (gradients[:2] + gradients[3:])]
    assert [row["update_norm"] for row in monitor.updates[:4]] == pytest.approx(by_hand, rel=1e-4)


def test_a_step_of_a_scaled_loss_that_is_skipped_is_none():
    model, monitor = fresh(), ActivationMonitor(DATA)
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=2.0**127)
    model.compile(scaled, "mse", run_eagerly=True)
    model.fit(DATA, TARGETS + 9, batch_size=1, verbose=0, callbacks=[monitor])
    assert float(keras.ops.convert_to_numpy(scaled.dynamic_scale)) < 2.0**127
    assert len(monitor.updates) == 4 and all(row["update_norm"] > 0 for row in monitor.updates[2:])


def test_a_rate_of_zero_moves_nothing_and_says_so():
    model, monitor = fresh(), ActivationMonitor(DATA)
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
    model.fit(DATA, TARGETS, verbose=0, callbacks=[monitor])
    assert [row["update_norm"] for row in monitor.updates] == [0.0] * 4


@pytest.mark.tensorflow
def test_a_training_step_of_ones_own_moves_weights_by_another_optimizer():
    import tensorflow as tf

    class Own(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = keras.ops.mean((self(x, training=True) - y) ** 2)
            weights = self.trainable_variables
            for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
                weight.assign_sub(0.1 * gradient)
            return {"loss": loss}

    x = keras.Input((4,))
    model, monitor = Own(x, layers.Dense(2, activation="tanh")(x)), ActivationMonitor(DATA)
    model.compile("sgd", "mse")
    model.fit(DATA, TARGETS + 1, verbose=0, callbacks=[monitor])
    assert len(monitor.updates) == 2 and all(row["update_norm"] > 0 for row in monitor.updates)


def test_numbers_of_numpy_are_numbers():
    assert ActivationMonitor(X, every=np.int64(2)).every == 2
    assert ActivationAnnealing(np.int32(3)).steps == 3
    ActivationAnnealing(penalty=np.float32(0.5))
    ActivationAnnealing(penalty={"a": np.int64(2)})
    for make in (
        lambda: ActivationMonitor(X, every=1.5),
        lambda: ActivationAnnealing(True),
        lambda: ActivationAnnealing(2.0),
        lambda: ActivationAnnealing(penalty="0.1"),
    ):
        with pytest.raises(TypeError, match=r"must be (an integer|a number) of at least"):
            make()
