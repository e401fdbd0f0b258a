"""Importance against hand-made nets and Keras' own evaluation; labels, sites and models that do not fit."""

import functools

import deep
import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import batch, configuration, randomised, same

import zoo
from zoo.activations import UnseenWarning
from zoo.probes import activation_importance, activation_stats
from zoo.transforms import drop_activations, soften, split_activations

X = np.random.default_rng(0).normal(size=(21, 8, 8, 3)).astype("float32")
Y = np.arange(21) % 4


def net(**options):
    return randomised(zoo.build("resnet8v2", input_shape=(8, 8, 3), width=3, classes=4, **options))


def test_by_hand():
    # z = x; relu of -1, 0, 1, 2 has slope 0.6 and offset 0.45, and a residual of 0.75 of a total of 2.75 - 0.
    model = keras.Sequential(
        [keras.Input((1,)), layers.Activation("relu", name="act"), layers.Dense(1, use_bias=False)]
    )
    model.set_weights([np.array([[2.0]])])
    x = np.array([[-1.0], [0.0], [1.0], [2.0]])
    scale, shift = np.polyfit(x[:, 0], np.maximum(x[:, 0], 0), 1)
    (row,) = activation_importance(model, x, np.maximum(x, 0) * 2, loss="mse", metric="mae")
    off = 2 * (scale * x + shift - np.maximum(x, 0))
    assert row["loss"] == pytest.approx(np.square(off).mean(), rel=1e-5)
    assert row["mean_absolute_error"] == pytest.approx(np.abs(off).mean(), rel=1e-5)
    assert row["loss_change"] == row["loss"]
    assert row["unexplained"] == pytest.approx(np.square(off / 2).mean() / np.maximum(x, 0).var(), rel=1e-5)
    assert row["merges"] == ()


@pytest.mark.parametrize(
    ("activation", "one_hot"),
    [("softmax", True), (None, False), deep.one("softmax", False), deep.one(None, True)],
)
def test_loss_and_accuracy_are_those_that_keras_evaluates(activation, one_hot):
    model = net(classifier_activation=activation)
    y = np.eye(4)[Y] if one_hot else Y
    rows = {row["site"]: row for row in activation_importance(model, X, y, batch_size=8)}
    kind = keras.losses.CategoricalCrossentropy if one_hot else keras.losses.SparseCategoricalCrossentropy
    for site in list(rows)[::3]:
        plain = drop_activations(model, site, fit=X).model
        plain.compile(loss=kind(from_logits=activation is None), metrics=["accuracy"], jit_compile=False)
        loss, accuracy = plain.evaluate(X, y, verbose=0)
        assert rows[site]["loss"] == pytest.approx(loss, rel=1e-5)
        assert rows[site]["accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_one_output_is_two_classes(activation):
    parts = [layers.Dense(4, activation="tanh", name="a"), layers.Dense(1, activation=activation, name="top")]
    model = randomised(keras.Sequential([keras.Input((3,)), *parts]))
    x, y = batch(model, 9), np.arange(9) % 2
    (row,) = activation_importance(model, x, y)
    plain = drop_activations(model, "a", fit=x).model
    scores = keras.ops.convert_to_numpy(plain(x))[:, 0].astype("float64")
    p = scores if activation else 1 / (1 + np.exp(-scores))
    assert row["accuracy"] == np.mean((p > 0.5) == y)
    assert row["loss"] == pytest.approx(-np.log(np.where(y, p, 1 - p)).mean(), rel=1e-4)


@pytest.mark.parametrize("kind", ["float32", "int64", "bool"])
def test_classes_that_go_together_are_judged_one_by_one(kind):
    """Sigmoids of several outputs are no distribution: dividing by their sum would be another loss."""
    parts = [layers.Dense(4, activation="tanh", name="a"), layers.Dense(3, activation="sigmoid", name="top")]
    model = randomised(keras.Sequential([keras.Input((3,)), *parts]))
    x, y = batch(model, 9), np.random.default_rng(2).integers(0, 2, (9, 3)).astype(kind)
    (row,) = activation_importance(model, x, y)
    p = keras.ops.convert_to_numpy(drop_activations(model, "a", fit=x).model(x)).astype("float64")
    assert row["accuracy"] == pytest.approx(np.mean((p > 0.5) == y))
    assert row["loss"] == pytest.approx(-np.log(np.where(y, p, 1 - p)).mean(), rel=1e-4)


def test_batches_forms_and_bars_change_nothing_and_the_model_stays(capsys):
    model = net()
    before, weights = configuration(model), model.get_weights()
    rows = activation_importance(model, X, Y, batch_size=5)
    split = activation_importance(split_activations(model), X, Y, batch_size=21, progress=True)
    assert "importance of" in capsys.readouterr().err
    for a, b in zip(rows, split, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
        assert a["unexplained"] == pytest.approx(b["unexplained"], rel=1e-4)
    assert configuration(model) == before and same(weights, model.get_weights())
    chosen = activation_importance(model, X, Y, sites=[rows[2]["site"], rows[0]["site"]])
    assert [row["site"] for row in chosen] == [rows[0]["site"], rows[2]["site"]]
    assert activation_importance(model, X, Y, include_classifier=True)[-1]["site"] == "predictions_act"


def test_what_would_merge():
    rows = activation_importance(randomised(zoo.build("resnet8", input_shape=(8, 8, 3), width=3)), X, Y)
    merges = {row["site"]: row["merges"] for row in rows}
    assert merges["stage1_unit1_conv1_act"] == ("stage1_unit1_conv1", "stage1_unit1_conv2")
    assert merges["stage1_unit1_add_act"] == ()


def test_no_more_is_computed_than_comes_after_a_site(monkeypatch):
    """Calls of layers: one pass to fit, one for the model, and for each site what comes after it."""
    from zoo.slimming import execution

    counted = []
    perform = execution._perform
    monkeypatch.setattr(execution, "_perform", lambda call, known: counted.append(1) or perform(call, known))
    monkeypatch.setattr(execution, "_compiled", lambda function: function)
    parts = [
        layer for i in range(10) for layer in (layers.Dense(3, name=f"fc{i}"), layers.ReLU(name=f"act{i}"))
    ]
    model = keras.Sequential([keras.Input((3,)), *parts, layers.Dense(2, name="top")])
    activation_importance(model, np.ones((4, 3)), np.zeros(4, int))
    suffixes = sum(10 - i for i in range(10))
    assert len(counted) == 10 + 11 + suffixes  # the fit stops at the last site


BAD = {
    "fit must be one of 'affine', 'identity'; received 'linear'": {"fit": "linear"},
    "which is no activation site of .*did you mean '.*conv1_act'": {"sites": "stage1_unit1_conv1"},
    "sites names 'predictions_act', the classifier": {"sites": ["predictions_act"]},
    "sites names 'stem' more than once": {"sites": ["stem", "stem"]},
    "sites names no site": {"sites": []},
    "y must have one target for each of the 21 samples": {"y": Y[:20]},
    r"y does not fit the output, which has 4 classes: .* values from 0 to 4": {"y": np.arange(21) % 5},
    r"y does not fit .* values from -1 to": {"y": Y - 1},
    r"y does not fit .* received shape \(21, 3\)": {"y": np.ones((21, 3))},
    r"y does not fit .* values from 0.5 to": {"y": Y + 0.5},
    r"rows of shares .* sum to 1, .* row 2 is \[1\.0, 1\.0, 0\.0, 0\.0\]. For classes that go together end": {
        "y": np.where(np.arange(21)[:, None] == 2, [1, 1, 0, 0], np.eye(4)[Y])
    },
    r"rows of shares that are not negative": {"y": 2 * np.eye(4)[Y] - 1 / 4},
    r"input .* of .* takes arrays of shape \(None, 8, 8, 3\), received": {"x": X[..., :2]},
    r"one array for each of .*, with the same number": {"x": [X, X]},
    "x has no samples": {"x": X[:0], "y": Y[:0]},
    "y is missing": {"y": None},
    "batches=9, but x has 1 of 32 samples": {"batches": 9},
}


@pytest.mark.parametrize("message", BAD)
def test_wrong_arguments_are_named(message):
    given = {"x": X, "y": Y} | BAD[message]
    with pytest.raises(ValueError, match=message):
        activation_importance(net(), given.pop("x"), given.pop("y"), **given)


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ([{"site": "stem", "loss": 1.0}], r"hold names of .* Pass its name, row\['site'\]: 'stem'\.$"),
        ({"site": "stem"}, r"be a name or .* Pass its name, row\['site'\]: 'stem'\.$"),
        (layers.ReLU(name="act"), r"be a name or .* Pass its name, 'act'\.$"),
        ([3], r"hold names of activation sites, received 3 of type int\.$"),
        ({"other": 1}, r"be a name or several names of activation sites, received \{'other': 1\}\.$"),
    ],
)
def test_what_has_a_name_and_is_none(sites, message):
    with pytest.raises(TypeError, match=f"^sites must {message}"):
        activation_importance(net(), X, Y, sites=sites)


def test_what_is_not_seen_is_named():
    parts = [layers.Dense(4, activation="relu", name="fc"), layers.Reshape((2, 2)), layers.GRU(3, name="gru")]
    model = randomised(keras.Sequential([keras.Input((3,)), *parts, layers.Dense(2, name="top")]))
    x, y = batch(model, 6), np.arange(6) % 2
    with pytest.warns(UnseenWarning, match=r"activation_importance does not see all .*'gru"):
        rows = activation_importance(model, x, y)
    assert [row["site"] for row in rows] == ["fc"] and any(name.startswith("gru") for name in rows.unseen)
    assert not activation_importance(model, x, y, sites="fc").unseen
    hidden = keras.Sequential([keras.Input((2, 2)), layers.GRU(3, name="gru"), layers.Dense(2)])
    with pytest.raises(ValueError, match="sees no activation"):
        activation_importance(hidden, np.ones((2, 2, 2)), np.zeros(2, int))


def test_models_that_cannot_be_looked_at():
    class Mine(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match="subclassed type Mine"):
        activation_importance(Mine(), X, Y)
    with pytest.raises(TypeError, match="must hold names of activation sites, received 3"):
        activation_importance(net(), X, Y, sites=[3])
    soft = soften(net(), "stage1_unit1_conv2_act").model
    with pytest.raises(ValueError, match=r"has blended activations: 'stage1_unit1_conv2_act'.*harden"):
        activation_importance(soft, X, Y)
    maps = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, activation="relu")])
    with pytest.raises(
        ValueError, match=r"the output has the shape \(None, 6, 6, 4\): pass loss= and metric="
    ):
        activation_importance(maps, X, Y)


SMALL, CLASSES = np.random.default_rng(1).normal(size=(20, 4)).astype("float32"), np.arange(20) % 3


def small():
    return randomised(
        keras.Sequential(
            [
                keras.Input((4,)),
                *(layers.Dense(5, activation="relu", name=n) for n in "ab"),
                layers.Dense(3, name="top"),
            ]
        )
    )


def batches_of(size, x=SMALL, y=CLASSES):
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


class Loader(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return batches_of(5)[index]


class Loading:
    """As a loader of another library: a length and batches."""

    def __len__(self):
        return 4

    def __iter__(self):
        return iter(batches_of(5))


STREAMS = {
    "py dataset": (Loader, None),
    "loader": (Loading, None),
    "generator": (lambda: iter(batches_of(5)), 4),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_streams_give_the_rows_of_the_arrays(kind):
    make, number = STREAMS[kind]
    model = small()
    assert activation_importance(model, make(), batches=number) == activation_importance(
        model, SMALL, CLASSES, batch_size=5
    )
    part = activation_importance(model, SMALL[:10], CLASSES[:10], batch_size=5)
    assert activation_importance(model, make(), batches=2) == part
    assert activation_importance(model, SMALL, CLASSES, batch_size=5, batches=2) == part


@pytest.mark.parametrize("kind", STREAMS)
def test_maps_are_fitted_on_streams(kind):
    make, number = STREAMS[kind]
    model = small()
    whole = drop_activations(model, ["a", "b"], fit=SMALL, batch_size=5).model.get_weights()
    assert same(whole, drop_activations(model, ["a", "b"], fit=make(), batches=number).model.get_weights())
    part = drop_activations(model, ["a", "b"], fit=SMALL[:10], batch_size=5).model.get_weights()
    assert same(part, drop_activations(model, ["a", "b"], fit=make(), batches=2).model.get_weights())
    assert not same(part, whole)


@pytest.mark.tensorflow
def test_datasets_of_tensorflow():
    import tensorflow as tf

    model, whole = small(), tf.data.Dataset.from_tensor_slices((SMALL, CLASSES)).batch(5)
    expected = activation_importance(model, SMALL, CLASSES, batch_size=5)
    assert activation_importance(model, whole) == expected
    assert activation_importance(model, whole.repeat(), batches=4) == expected
    # In another order each time that it is read; both passes see the same batches.
    shuffled = tf.data.Dataset.from_tensor_slices((SMALL, CLASSES)).shuffle(20).batch(5)
    rows = activation_importance(model, shuffled, fit="affine")
    assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in expected], rel=1e-5)
    with pytest.raises(ValueError, match="may never end: pass batches="):
        activation_importance(model, whole.repeat())
    with pytest.raises(ValueError, match="fit is a _RepeatDataset, which may never end"):
        drop_activations(model, "a", fit=whole.repeat())


def test_streams_that_do_not_fit_are_refused():
    model = small()
    for message, call in {
        "brings the targets with it: leave out y": lambda: activation_importance(model, Loader(), CLASSES),
        "yields no targets": lambda: activation_importance(model, iter([SMALL]), batches=1),
        "batch_size=5 is for arrays; x, a Loader": lambda: activation_importance(
            model, Loader(), batch_size=5
        ),
        "batch_size=5 is for arrays; fit, a Loader": lambda: drop_activations(
            model, "a", fit=Loader(), batch_size=5
        ),
        "fit has no samples": lambda: drop_activations(model, "a", fit=SMALL[:0]),
        "one target for each of its samples.* shape \\(3,\\) for 5": lambda: activation_importance(
            model, iter([(SMALL[:5], CLASSES[:3])]), batches=1
        ),
        "ended after 4 batches; batches=5": lambda: activation_importance(
            model, iter(batches_of(5)), batches=5
        ),
        "there is none: pass fit=": lambda: drop_activations(model, "a", batches=2),
    }.items():
        with pytest.raises(ValueError, match=message):
            call()
    for name in ("batch_size", "batches"):
        with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, received 0"):
            activation_importance(model, SMALL, CLASSES, **{name: 0})
        with pytest.raises(TypeError, match=f"{name} must be an integer of at least 1, received True"):
            activation_importance(model, SMALL, CLASSES, **{name: True})


def test_inputs_are_taken_by_the_rule_of_keras():
    """A missing last axis of size one; batches of the size that the model is fixed to."""
    x = keras.Input(batch_shape=(4, 1))
    model = randomised(keras.Model(x, layers.Dense(2)(layers.Dense(3, activation="relu", name="a")(x))))
    data, y = SMALL[:8, :1], CLASSES[:8] % 2
    assert activation_importance(model, data[:, 0], y) == activation_importance(model, data, y)
    with pytest.raises(ValueError, match="takes batches of 4 samples"):
        activation_importance(model, data[:6], y[:6])


class Counting(layers.Layer):
    """Adds how often it was called."""

    def build(self, shape):
        self.calls = self.add_weight(shape=(), trainable=False, initializer="zeros", name="calls")

    def call(self, z):
        self.calls.assign_add(1.0)
        return z + self.calls


class Sampling(layers.Layer):
    """Draws random numbers, in inference too."""

    def __init__(self, **options):
        super().__init__(**options)
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, z):
        return z + keras.random.normal(keras.ops.shape(z), seed=self.seeds)


MOVING = {
    "state of a loop": lambda: layers.GRU(4, stateful=True),
    "seeds": lambda: Sampling(),
    "variable of a layer": lambda: Counting(),
}


@pytest.mark.parametrize("case", MOVING)
def test_what_calls_move_begins_anew_for_every_site(case):
    x = keras.Input(batch_shape=(2, 3, 4))
    h = layers.Dense(4, activation="tanh", name="first")(x)
    h = layers.Reshape((12,))(h) if case != "state of a loop" else h
    h = layers.Dense(4, activation="relu", name="second")(MOVING[case]()(h))
    model = keras.Model(x, layers.Dense(1)(h))
    rng = np.random.default_rng(0)
    data, y = rng.normal(size=(6, 3, 4)).astype("float32"), rng.normal(size=(6, 1)).astype("float32")

    def loss(net):
        with keras.StatelessScope():
            found = [keras.ops.convert_to_numpy(net(data[k : k + 2], training=False)) for k in (0, 2, 4)]
        return np.mean((np.concatenate(found) - y) ** 2)

    rows = activation_importance(model, data, y, loss="mse", metric="mae", sites=["first", "second"])
    assert len(rows) == 2
    for row in rows:
        assert row["loss"] - row["loss_change"] == pytest.approx(loss(model), rel=1e-4)
        assert row["loss"] == pytest.approx(
            loss(drop_activations(model, row["site"], fit=data).model), rel=1e-4
        )


def mine(z):
    return 2 * z


@pytest.mark.parametrize("function", [mine, functools.partial(mine), lambda z: 3 * z, "relu"])
def test_a_function_is_called_what_activation_stats_calls_it(function):
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(2)(layers.Activation(function, name="act")(x)))
    data = np.ones((3, 4), "float32")
    (seen,) = activation_stats(model, data)
    (row,) = activation_importance(model, data, np.ones((3, 2)), loss="mse", metric="mae")
    assert row["activation"] == seen["activation"]


@pytest.mark.parametrize(
    "y", [np.array(list("abcd") * 6)[:21], np.array([None] * 21), np.array([b"x"] * 21)], ids=repr
)
def test_labels_that_are_no_numbers_are_refused_by_name(y):
    with pytest.raises(ValueError, match=r"^y "):
        activation_importance(net(), X, y)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_data_that_are_no_numbers_explain_nothing(wrong):
    x = X.copy()
    x[3, 2, 1, 0] = wrong
    with pytest.raises(ValueError, match="its values on `x` are not finite"):
        activation_importance(net(), x, Y)
    assert all(np.isnan(row["unexplained"]) for row in activation_importance(net(), x, Y, fit="identity"))


@pytest.mark.parametrize("missing", [0, 1])
def test_an_optional_input_may_be_left_out_wherever_it_stands(missing):
    class Either(layers.Layer):
        def call(self, a, b):
            return b if a is None else a

    inputs = [keras.Input((4,), optional=place == missing) for place in (0, 1)]
    given = inputs if missing == 0 else inputs[::-1]
    y = layers.Dense(3, activation="relu", name="d")(Either()(*given))
    model = keras.Model(inputs, layers.Dense(4)(y))
    x = np.random.default_rng(0).normal(size=(21, 4)).astype("float32")
    arrays = [None if place == missing else x for place in (0, 1)]
    (row,) = activation_importance(model, arrays, Y, batch_size=8)
    assert row["site"] == "d" and np.isfinite(row["loss"])


def regression():
    parts = [layers.Dense(5, activation="relu", name="a"), layers.Dense(3, name="top")]
    return randomised(keras.Sequential([keras.Input((4,)), *parts]))


REAL = np.random.default_rng(3).normal(size=(20, 3))


def as_it_is(row, key="loss"):
    """The value of the model with no site changed."""
    return row[key] - row[f"{key}_change"]


def ignoring(wanted, found):
    return keras.losses.sparse_categorical_crossentropy(wanted, found, from_logits=True, ignore_class=0)


# A loss, its targets, and its value of all samples together, of the targets and the outputs.
WHOLE = {
    "sum": (
        keras.losses.MeanSquaredError(reduction="sum"),
        REAL,
        lambda y, z: np.square(z - y).mean(-1).sum(),
    ),
    "sum of another": (
        keras.losses.Huber(delta=100.0, reduction="sum"),
        REAL,
        lambda y, z: np.square(z - y).mean(-1).sum() / 2,
    ),
    "values": (
        keras.losses.MeanAbsoluteError(reduction="none"),
        REAL,
        lambda y, z: np.abs(z - y).mean(),
    ),
    "some ignored": (
        ignoring,
        np.sort(CLASSES),
        lambda y, z: (np.log(np.exp(z).sum(-1)) - z[np.arange(20), y])[y != 0].mean(),
    ),
    "some ignored by a loss": (
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
        np.sort(CLASSES),
        lambda y, z: (np.log(np.exp(z).sum(-1)) - z[np.arange(20), y])[y != 0].mean(),
    ),
}


def of_output(wanted, found):
    return keras.ops.mean(found, axis=-1)


@pytest.mark.parametrize("size", [3, 20])
@pytest.mark.parametrize("case", WHOLE)
def test_a_loss_is_that_of_all_samples_whatever_the_batches(case, size):
    loss, y, by_hand = WHOLE[case]
    model = regression()
    (row,) = activation_importance(model, SMALL, y, loss=loss, metric=of_output, batch_size=size)
    plain = drop_activations(model, "a", fit=SMALL).model
    for value, net_ in ((as_it_is(row), model), (row["loss"], plain)):
        z = keras.ops.convert_to_numpy(net_(SMALL)).astype("float64")
        assert value == pytest.approx(by_hand(y, z), rel=1e-5)


def absolute(wanted, found):
    return keras.ops.mean(keras.ops.abs(wanted - found), axis=-1)


@pytest.mark.parametrize("kind", ["float64", "float16", "int64"])
def test_functions_take_targets_of_any_type_as_in_fit(kind):
    model, y = regression(), REAL.astype(kind)
    metric = "mae" if kind == "int64" else absolute  # which fit does not cast for a metric either
    (row,) = activation_importance(model, SMALL, y, loss=absolute, metric=metric)
    z = keras.ops.convert_to_numpy(model(SMALL))
    assert as_it_is(row) == pytest.approx(np.abs(z - y).mean(), rel=1e-5)
    (name,) = {"absolute", "mean_absolute_error"} & set(row)
    assert as_it_is(row, name) == pytest.approx(np.abs(z - y).mean(), rel=1e-5)


class Far(keras.metrics.Metric):
    """The share of values off by more than a limit; knows of no configuration."""

    def __init__(self, limit):
        super().__init__(name="far")
        self.limit = limit
        self.inner = keras.metrics.Mean()
        self.seen = [self.inner]

    def update_state(self, y, z, sample_weight=None):
        self.inner.update_state(keras.ops.cast(keras.ops.abs(y - z) > self.limit, "float32"))

    def result(self):
        return self.inner.result()


def set_later():
    metric = Far(100.0)
    metric.limit = 0.5
    return metric


METRICS = {
    "own": (lambda: Far(0.5), "far"),
    "set later": (set_later, "far"),
    "function": (
        lambda: keras.metrics.MeanMetricWrapper(lambda y, z: keras.ops.abs(y - z) > 0.5, name="mine"),
        "mine",
    ),
}


@pytest.mark.backend
@pytest.mark.parametrize("case", METRICS)
def test_metrics_are_copied_with_all_that_was_set_on_them(case):
    make, name = METRICS[case]
    model, metric = regression(), make()
    y = np.round(np.abs(REAL)).clip(0, 1).astype("float32")
    metric.update_state(y, 1 - y)  # which it goes on from, and the copies do not
    before = float(metric.result())
    rows = activation_importance(model, SMALL, y, loss="mse", metric=metric, batch_size=8)
    assert float(metric.result()) == before
    z = keras.ops.convert_to_numpy(model(SMALL))
    assert as_it_is(rows[0], name) == pytest.approx((np.abs(y - z) > 0.5).mean(), abs=1e-6)
    assert len({as_it_is(row, name) for row in rows}) == 1


def test_a_metric_that_cannot_be_copied_is_refused_before_anything_is_computed():
    metric = Far(0.5)
    metric.source = (number for number in range(3))
    x = SMALL * np.nan  # else refused first
    with pytest.raises(
        ValueError, match=r"metric=<Far name=far> cannot be copied.*generator.*Pass a function"
    ):
        activation_importance(regression(), x, REAL, loss="mse", metric=metric)


def probabilities(name, units=3, activation="softmax"):
    return layers.Dense(units, activation=activation, name=name)


class Hidden(layers.Layer):
    def build(self, shape):
        self.inside = probabilities("inside")
        self.inside.build(shape)

    def call(self, z):
        return self.inside(z)


UNSEEN = {
    "averaged": lambda z: layers.Average()([probabilities("a")(z), probabilities("b")(z)]),
    "sum of halves": lambda z: (probabilities("a")(z) + probabilities("b")(z)) / 2.0,
    "wrapped": lambda z: layers.SpectralNormalization(probabilities("a"))(z),
    "of one's own": lambda z: Hidden()(z),
    "pooled": lambda z: layers.GlobalAveragePooling1D()(probabilities("a")(layers.Reshape((2, 2))(z))),
    "in a model": lambda z: keras.Model(
        x := keras.Input((4,)), layers.Average()([probabilities("a")(x), probabilities("b")(x)])
    )(z),
}


def ending(end):
    x = keras.Input((4,))
    return randomised(keras.Model(x, end(layers.Dense(4, activation="relu", name="act")(x))))


@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")
@pytest.mark.parametrize("case", UNSEEN)
def test_what_sums_to_one_is_no_logits_whatever_made_it(case):
    model = ending(UNSEEN[case])
    rows = activation_importance(model, SMALL, CLASSES, metric=of_output)
    (row,) = (row for row in rows if row["site"] == "act")
    p = keras.ops.convert_to_numpy(model(SMALL)).astype("float64")
    assert as_it_is(row) == pytest.approx(-np.log(p[np.arange(20), CLASSES]).mean(), rel=1e-5)


@pytest.mark.parametrize("end", ["averaged", "kernel", "normalised"])
def test_logits_are_logits_whatever_made_them(end):
    def made(z):
        if end == "averaged":
            return layers.Average()([layers.Dense(3, name=name)(z) for name in "ab"])
        scores = layers.Dense(3, name="top")(z)
        return layers.BatchNormalization()(scores) if end == "normalised" else layers.Dropout(0.5)(scores)

    model = ending(made)
    row = activation_importance(model, SMALL, CLASSES)[0]
    z = keras.ops.convert_to_numpy(model(SMALL)).astype("float64")
    expected = np.log(np.exp(z).sum(-1)) - z[np.arange(20), CLASSES]
    assert as_it_is(row) == pytest.approx(expected.mean(), rel=1e-5)
    assert as_it_is(row, "accuracy") == pytest.approx((z.argmax(-1) == CLASSES).mean())


@pytest.mark.parametrize("classes", [1, 3])
def test_what_may_be_probabilities_or_scores_asks_for_a_loss(classes):
    parts = [probabilities(name, classes, "sigmoid") for name in "ab"]
    model = ending(lambda z: layers.Average()([part(z) for part in parts]))
    y = CLASSES % 2 if classes == 1 else np.eye(3)[CLASSES]
    with pytest.raises(ValueError, match=r"loss must be given for .* may be probabilities or scores"):
        activation_importance(model, SMALL, y)
    p = keras.ops.convert_to_numpy(model(SMALL)).astype("float64")
    wanted = np.reshape(y, p.shape)
    entropy = -np.log(np.where(wanted > 0, p, 1 - p)).mean()
    given = {"loss": keras.losses.BinaryCrossentropy(), "metric": "binary_accuracy"}
    row = activation_importance(model, SMALL, y, **given)[0]
    assert as_it_is(row) == pytest.approx(entropy, rel=1e-4)
    if classes == 1:  # which side of a threshold is right depends on it, too
        with pytest.raises(ValueError, match="and metric"):
            activation_importance(model, SMALL, y, loss="mse")
    else:
        assert activation_importance(model, SMALL, y, loss=given["loss"])
