"""Gradients by hand, by finite differences and by the backend's own; several outputs of layers and models."""

import keras
import numpy as np
import pytest
from keras import layers
from probed_nets import dense, residual
from transform_nets import batch, outputs, randomised

from zoo.probes import gradient_stats


def test_gradients_by_hand():
    # loss = mean over 2 samples of relu(w x + b)^2 with w x + b = 3 and -3
    model = dense("relu", [[1.0]], [0.0])
    rows = gradient_stats(model, np.array([[3.0], [-3.0]]), np.zeros((2, 1)), "mse")
    assert [(row["kind"], row["name"].split("/")[-1], row["size"]) for row in rows] == [
        ("weight", "kernel", 1),
        ("weight", "bias", 1),
        ("site", "fc", 2),
    ]
    assert [row["norm"] for row in rows] == pytest.approx([9.0, 3.0, 3.0])
    assert rows[2]["rms"] == pytest.approx(3.0 / np.sqrt(2))


def test_gradients_agree_with_finite_differences():
    x = keras.Input((5, 5, 2))
    y = layers.Conv2D(3, 3, activation="tanh", name="conv")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.Dense(3, activation="softmax", name="top")(
        layers.Flatten()(layers.Activation("gelu", name="act")(y))
    )
    model = randomised(keras.Model(x, y))
    inputs, targets = batch(model, size=4), np.array([0, 2, 1, 1])
    loss = "sparse_categorical_crossentropy"
    rows = {row["name"]: row for row in gradient_stats(model, inputs, targets, loss)}
    assert list(rows) == [
        "conv/kernel",
        "conv/bias",
        "conv",
        "norm/gamma",
        "norm/beta",
        "act",
        "top/kernel",
        "top/bias",
        "top",
    ]

    def value():
        p = outputs(model, inputs)[0].astype("float64")
        return -np.log(p[np.arange(4), targets]).mean()

    beta = model.get_layer("norm").beta
    start, differences = np.array(beta), []
    for channel in range(3):
        step = np.zeros(3)
        step[channel] = 1e-2
        beta.assign(start + step)
        up = value()
        beta.assign(start - step)
        differences.append((up - value()) / 2e-2)
    beta.assign(start)
    assert rows["norm/beta"]["norm"] == pytest.approx(np.linalg.norm(differences), rel=1e-2)


def test_frozen_weights_have_no_rows_and_sites_still_do():
    model = dense("relu", [[1.0]], [0.0])
    model.trainable = False
    rows = gradient_stats(model, np.array([[3.0]]), np.zeros((1, 1)), "mse")
    assert [(row["kind"], row["norm"]) for row in rows] == [("site", 6.0)]


def weights_of(rows):
    return {row["name"]: row["norm"] for row in rows if row["kind"] == "weight"}


@pytest.mark.parametrize("kind", ["state", "scores", "split"])
def test_layers_with_several_outputs_have_all_their_weights(kind):
    x = keras.Input((5, 4))
    if kind == "state":
        y, _, _ = layers.LSTM(3, return_state=True, name="many")(x)
    elif kind == "scores":
        y, _ = layers.MultiHeadAttention(2, 3, name="many")(x, x, return_attention_scores=True)
    else:
        a, b = keras.ops.split(layers.Dense(6, activation="tanh", name="many")(x), 2, axis=-1)
        y = a * b
    model = randomised(keras.Model(x, layers.Dense(2, name="top")(y)))
    data = batch(model, size=3)
    rows = gradient_stats(model, data, np.zeros(outputs(model, data)[0].shape), "mse")
    found = weights_of(rows)
    assert set(found) == {v.path for v in model.trainable_variables}
    # The bias of the last layer by hand: 2 / n times the sum of the outputs.
    (values,) = outputs(model, data)
    by_hand = 2 * values.reshape(-1, 2).sum(0) / values.size
    assert found["top/bias"] == pytest.approx(np.linalg.norm(by_hand), rel=1e-4)


def two_headed():
    x = keras.Input((3,), name="x")
    h = layers.Dense(4, activation="relu", name="body")(x)
    outs = {"b": layers.Dense(2, name="b")(h), "a": layers.Dense(1, name="a")(h)}
    return randomised(keras.Model(x, outs, name="heads"))


def test_several_outputs_add_up():
    model = two_headed()
    data = batch(model, size=4)
    y = {"a": np.ones((4, 1)), "b": np.zeros((4, 2))}
    both = weights_of(gradient_stats(model, data, y, {"a": "mse", "b": "mae"}))
    only = weights_of(gradient_stats(model, data, y, {"b": "mae"}))
    listed = weights_of(gradient_stats(model, data, [y["a"], y["b"]], ["mse", "mae"]))
    assert both == pytest.approx(listed) and only["a/kernel"] == 0.0
    assert both["b/kernel"] == pytest.approx(only["b/kernel"]) and both["a/kernel"] > 0
    alone = weights_of(gradient_stats(keras.Model(model.inputs, model.outputs[1]), data, y["b"], "mae"))
    assert alone["body/kernel"] == pytest.approx(only["body/kernel"])


def test_losses_and_targets_that_do_not_fit_are_named():
    model = two_headed()
    data = batch(model, size=4)
    with pytest.raises(ValueError, match=r"outputs \['a', 'b'\]: loss takes a list or a dict"):
        gradient_stats(model, data, np.zeros(2), "mse")
    with pytest.raises(ValueError, match=r"\['a', 'b'\]: y takes"):
        gradient_stats(model, data, np.zeros(2), ["mse", None])
    with pytest.raises(ValueError, match="loss is missing"):
        gradient_stats(dense("relu", [[1.0]], [0.0]), np.ones((1, 1)), np.ones((1, 1)))
    with pytest.raises(ValueError, match="y is missing"):
        gradient_stats(dense("relu", [[1.0]], [0.0]), np.ones((1, 1)), loss="mse")
    with pytest.raises(ValueError, match="sums over the samples"):
        sums = keras.losses.MeanSquaredError(reduction="sum")
        gradient_stats(model, data, [np.ones((4, 1)), np.zeros((4, 2))], [sums, "mse"])


@pytest.mark.parametrize("loss", ["mse", keras.losses.MeanSquaredError(reduction="sum")])
def test_batches_of_a_stream_give_the_gradient_of_the_whole(loss):
    model = randomised(
        keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="tanh", name="a"), layers.Dense(2)])
    )
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 3)).astype("float32"), rng.normal(size=(10, 2)).astype("float32")
    whole = gradient_stats(model, x, y, loss)
    parts = gradient_stats(model, ((x[i : i + 4], y[i : i + 4]) for i in (0, 4, 8)), loss=loss, batches=3)
    assert [row["name"] for row in whole] == [row["name"] for row in parts]
    for a, b in zip(whole, parts, strict=True):
        assert b["norm"] == pytest.approx(a["norm"], rel=1e-5) and a["size"] == b["size"]


def test_the_places_inside_layers_have_gradients():
    model = randomised(residual())
    data = batch(model, size=2)
    (values,) = outputs(model, data)
    rows = gradient_stats(model, data, np.zeros(values.shape), "mse")
    assert [row["name"] for row in rows if row["kind"] == "site"] == ["res/act"]
    # The site is the output: 2 a / n.
    by_hand = np.linalg.norm(2 * values.astype("float64") / values.size)
    assert rows[-1]["norm"] == pytest.approx(by_hand, rel=1e-4)


@pytest.mark.parametrize("layer", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_the_gates_of_recurrent_layers_have_gradients(layer):
    x = keras.Input((4, 3))
    model = randomised(keras.Model(x, layer(5, name="rnn")(x)))
    data = batch(model, size=2)
    rows = gradient_stats(model, data, np.zeros((2, 5)), "mse")
    sites = {row["name"]: row for row in rows if row["kind"] == "site"}
    assert all(row["size"] == 2 * 4 * 5 and np.isfinite(row["norm"]) for row in sites.values())
    assert sites["rnn/output" if layer is not layers.GRU else "rnn/candidate"]["norm"] > 0


@pytest.mark.tensorflow
def test_a_model_under_remat_has_its_gradients():
    def made():
        dense = layers.Dense(3, activation="tanh", name="d")
        return randomised(keras.Sequential([keras.Input((4,)), dense]))

    with keras.RematScope(mode="full"):
        remat = made()
    data = batch(remat)
    target = np.zeros((2, 3))
    assert remat.get_layer("d")._remat_mode is not None
    rows = [gradient_stats(model, data, target, "mse") for model in (remat, made())]
    assert [row["norm"] for row in rows[0]] == pytest.approx([row["norm"] for row in rows[1]])
    assert remat.get_layer("d")._remat_mode is not None


def test_what_is_enabled_inside_a_frozen_model_has_no_row():
    x = keras.Input((3,))
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="a")], name="inner")
    wrapped = layers.TimeDistributed(layers.Dense(2, name="b"), name="wrapped")
    y = layers.ReLU()(wrapped(layers.Reshape((1, 2))(inner(x))))
    model = keras.Model(x, y)
    model.trainable = False
    inner.get_layer("a").trainable = wrapped.layer.trainable = True
    data = batch(model, size=2)
    assert model.trainable_variables == []
    assert weights_of(gradient_stats(model, data, np.zeros((2, 1, 2)), "mse")) == {}
    model.trainable = True
    inner.trainable = False
    assert set(weights_of(gradient_stats(model, data, np.zeros((2, 1, 2)), "mse"))) == {
        v.path for v in model.trainable_variables
    }


@pytest.mark.tensorflow
@pytest.mark.parametrize("loss", ["mse", keras.losses.mean_squared_error, keras.losses.MeanSquaredError()])
def test_what_is_masked_does_not_count_as_in_fit(loss):
    x = keras.Input((5, 3))
    y = layers.Dense(2, activation="tanh", name="fc")(layers.Masking()(x))
    model = randomised(keras.Model(x, y))
    rng = np.random.default_rng(0)
    data, wanted = rng.normal(size=(4, 5, 3)).astype("float32"), rng.normal(size=(4, 5, 2)).astype("float32")
    data[:2, 2:] = 0.0
    seen = np.abs(data).sum(-1) > 0
    (values,) = outputs(model, data)
    errors = 2 * (values - wanted) * (1 - values**2)
    by_hand = errors[seen].sum(0) / (2 * seen.sum())
    found = weights_of(gradient_stats(model, data, wanted, loss))
    assert found["fc/bias"] == pytest.approx(np.linalg.norm(by_hand), rel=1e-4)


NESTED = {
    "pairs in a dict": lambda a, b: {"both": [a, b]},
    "dicts in a list": lambda a, b: [{"a": a}, {"b": b}],
    "one inside another": lambda a, b: {"k": [a], "u": {"v": b}},
}


@pytest.mark.parametrize("case", NESTED)
def test_outputs_in_a_structure_take_targets_in_it_or_in_a_row(case):
    x = keras.Input((3,))
    heads = layers.Dense(1, name="a")(x), layers.Dense(2, activation="tanh", name="b")(x)
    model = randomised(keras.Model(x, NESTED[case](*heads)))
    flat = randomised(keras.Model(x, list(heads)))
    data, y, losses = batch(model, size=4), [np.ones((4, 1)), np.zeros((4, 2))], ["mse", "mae"]
    expected = weights_of(gradient_stats(flat, data, y, losses))
    assert weights_of(gradient_stats(model, data, y, losses)) == pytest.approx(expected)
    structured = NESTED[case](*y), NESTED[case](*losses)
    assert weights_of(gradient_stats(model, data, *structured)) == pytest.approx(expected)


def test_a_loss_that_cannot_be_computed_is_named_with_the_shapes():
    model = dense("softmax", [[1.0, 2.0]], [0.0, 0.0])
    x = np.ones((4, 1))
    for y, loss, text in (
        (np.ones((4, 3)), "mse", r"shape is \(4, 2\), cannot be computed with y of shape \(4, 3\)"),
        (np.ones((4, 2)), lambda y: y, r"takes 1 positional argument"),
        (np.array(["a"] * 4), "mse", r"with y of shape \(4,\)"),
        (np.ones((4, 2)), 3, r"loss=3 of output .* is none"),
    ):
        with pytest.raises(ValueError, match=text):
            gradient_stats(model, x, y, loss)


def test_a_fixed_number_of_samples_is_asked_for():
    x = keras.Input((4,), batch_size=3)
    model = keras.Model(x, layers.Dense(2, activation="relu", name="fc")(keras.ops.reshape(x, (3, 4))))
    assert len(gradient_stats(model, np.ones((3, 4)), np.ones((3, 2)), "mse")) == 3
    with pytest.raises(ValueError, match="takes batches of 3 samples; received 6"):
        gradient_stats(model, np.ones((6, 4)), np.ones((6, 2)), "mse")


def three_classes():
    return randomised(
        keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="tanh", name="a"), layers.Dense(3)])
    )


ROWS = np.random.default_rng(2).normal(size=(8, 3)).astype("float32")


@pytest.mark.parametrize("y", [np.zeros((1, 1)), np.zeros(3), np.zeros(()), np.zeros((9, 3))], ids=np.shape)
@pytest.mark.parametrize("stream", [False, True])
def test_there_is_one_target_for_each_sample(y, stream):
    """Of fewer the loss would be that of the same target for all."""
    with pytest.raises(
        ValueError, match=r"y must have one target for each of the 8 samples of x; received shape"
    ):
        if stream:
            gradient_stats(three_classes(), iter([(ROWS, ROWS), (ROWS, y)]), loss="mse", batches=2)
        else:
            gradient_stats(three_classes(), ROWS, y, "mse")


def test_each_output_has_one_target_for_each_sample():
    model = two_headed()
    data = batch(model, size=4)
    with pytest.raises(
        ValueError, match=r"each of the 4 samples of x; received shape \(1, 2\) for the output 'b'"
    ):
        gradient_stats(model, data, {"a": np.ones((4, 1)), "b": np.zeros((1, 2))}, ["mse", "mse"])
    # What does not count has none.
    assert gradient_stats(model, data, {"a": np.ones((4, 1))}, {"a": "mse"})
    # The steps of all samples side by side have a target each.
    x = keras.Input((5, 3))
    steps = randomised(keras.Model(x, layers.Dense(2, name="fc")(keras.ops.reshape(x, (-1, 3)))))
    (values,) = outputs(steps, batch(steps, size=4))
    found = weights_of(gradient_stats(steps, batch(steps, size=4), np.zeros((20, 2)), "mse"))
    assert found["fc/bias"] == pytest.approx(np.linalg.norm(values.sum(0) / 20), rel=1e-4)


def test_sample_weights_do_not_count_as_in_activation_importance():
    model, plain = three_classes(), [(ROWS, ROWS)]
    weighted = [(ROWS, ROWS, np.arange(8.0))]
    rows = [gradient_stats(model, iter(stream), loss="mse", batches=1) for stream in (plain, weighted)]
    assert rows[0] == rows[1]


def squared(wanted, found):
    return keras.ops.mean(keras.ops.square(wanted - found), axis=-1)


@pytest.mark.parametrize(
    "y", [np.zeros((8, 3)), np.zeros((8, 3), "int64"), np.zeros((8, 3)).tolist()], ids=type
)
def test_a_function_takes_targets_of_any_type_as_in_fit(y):
    model = three_classes()
    expected = weights_of(gradient_stats(model, ROWS, np.zeros((8, 3), "float32"), "mse"))
    assert weights_of(gradient_stats(model, ROWS, y, squared)) == expected


@pytest.mark.parametrize("y", [[[0.0, 0.0, 0.0]], [[[0.0, 0.0, 0.0]]], [np.zeros((1, 3))]], ids=repr)
def test_the_one_sample_or_the_one_output_may_stand_in_a_list(y):
    model = three_classes()
    assert gradient_stats(model, ROWS[:1], y, "mse") == gradient_stats(
        model, ROWS[:1], np.zeros((1, 3)), "mse"
    )


def test_a_function_takes_targets_without_a_last_axis_as_in_fit():
    model = dense("tanh", [[1.0], [0.5], [-1.0]], [0.0])
    y = np.arange(8.0)
    assert gradient_stats(model, ROWS, y, squared) == gradient_stats(model, ROWS, y[:, None], squared)


def sequences(masked):
    """Sequences of which the first four have one step, and targets for each step."""
    x, rng = keras.Input((5, 3)), np.random.default_rng(0)
    h = layers.Masking()(x) if masked else x
    model = randomised(keras.Model(x, layers.Dense(2, activation="tanh", name="fc")(h)))
    data = rng.normal(size=(8, 5, 3)).astype("float32")
    data[:4, 1:] = 0.0
    return model, data, rng.normal(size=(8, 5, 2)).astype("float32")


def ignoring(wanted, found):
    return keras.losses.sparse_categorical_crossentropy(wanted, found, from_logits=True, ignore_class=-1)


MASKED = {
    "by name": "mse",
    "loss": lambda: keras.losses.MeanSquaredError(),
    "function": lambda: squared,
    "by weights": lambda: keras.losses.MeanSquaredError(reduction="mean_with_sample_weight"),
}


@pytest.mark.parametrize("case", MASKED)
def test_masked_batches_of_a_stream_give_the_gradient_of_the_whole(case):
    model, data, wanted = sequences(masked=True)
    loss = MASKED[case]() if callable(MASKED[case]) else MASKED[case]
    seen = np.abs(data).sum(-1) > 0
    (values,) = outputs(model, data)
    by_hand = ((values - wanted) * (1 - values**2))[seen].sum(0) / seen.sum()
    stream = ((data[i : i + 4], wanted[i : i + 4]) for i in (0, 4))
    rows = gradient_stats(model, stream, loss=loss, batches=2)
    assert weights_of(rows)["fc/bias"] == pytest.approx(np.linalg.norm(by_hand), rel=1e-4)
    whole = gradient_stats(model, data, wanted, loss)
    assert [row["norm"] for row in rows] == pytest.approx([row["norm"] for row in whole], rel=1e-4)


@pytest.mark.parametrize(
    "loss", [ignoring, keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)]
)
def test_batches_of_which_the_loss_ignores_a_class_give_the_gradient_of_the_whole(loss):
    model, data, _ = sequences(masked=False)
    wanted = np.where(np.abs(data).sum(-1) > 0, 1, -1)
    (values,) = outputs(model, data)
    p = np.exp(values) / np.exp(values).sum(-1, keepdims=True)
    by_hand = ((p - [0, 1]) * (1 - values**2))[wanted == 1].sum(0) / (wanted == 1).sum()
    stream = ((data[i : i + 4], wanted[i : i + 4]) for i in (0, 4))
    found = weights_of(gradient_stats(model, stream, loss=loss, batches=2))
    assert found["fc/bias"] == pytest.approx(np.linalg.norm(by_hand), rel=1e-4)


def test_outputs_of_which_one_is_masked_count_each_by_its_own():
    x, rng = keras.Input((5, 3)), np.random.default_rng(0)
    body = layers.Dense(4, activation="tanh", name="body")
    masked = layers.Dense(2, name="steps")(body(layers.Masking()(x)))
    whole = layers.Dense(1, name="whole")(layers.Flatten()(body(x)))
    model = randomised(keras.Model(x, [masked, whole]))
    _, data, wanted = sequences(masked=True)
    y, losses = [wanted, rng.normal(size=(8, 1)).astype("float32")], ["mse", "mse"]
    stream = ((data[i : i + 4], tuple(t[i : i + 4] for t in y)) for i in (0, 4))
    rows = gradient_stats(model, stream, loss=losses, batches=2)
    expected = gradient_stats(model, data, y, losses)
    assert [row["name"] for row in rows] == [row["name"] for row in expected]
    assert [row["norm"] for row in rows] == pytest.approx([row["norm"] for row in expected], rel=1e-4)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("loss", ["mse", squared, keras.losses.MeanSquaredError()])
def test_a_loss_is_computed_in_float32_as_in_fit(dtype, loss):
    # In both half precisions 4097 is 4096.
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, activation="relu", dtype=dtype, name="fc")])
    model.set_weights([np.full((1, 1), 4096.0), np.zeros(1)])
    rows = gradient_stats(model, np.ones((4, 1)), np.full((4, 1), 4097.0), loss)
    assert [row["norm"] for row in rows] == [2.0, 2.0, 1.0]


def half(kind):
    """y = relu(x) in float16, then in float32."""
    x = keras.Input((1,))
    if kind == "mixed":
        y = layers.Dense(1, activation="relu", name="a", dtype="mixed_float16")(x)
    elif kind == "float16":
        y = layers.Dense(1, activation="relu", name="a", dtype="float16")(x)
    else:
        y = layers.Dense(1, activation="relu", name="a")(x)
        y = keras.ops.cast(keras.ops.cast(y, "float16"), "float32")
    model = keras.Model(x, layers.Dense(1, name="top", dtype="float32")(y))
    model.set_weights([np.ones((1, 1)), np.zeros(1), np.ones((1, 1)), np.zeros(1)])
    return model


@pytest.mark.parametrize("kind", ["mixed", "float16", "operation"])
def test_small_gradients_do_not_vanish_in_half_precision(kind):
    n, error = 2**16, 2.0**-10
    x = np.ones((n, 1), "float32")
    rows = {row["name"].split("/")[0]: row["norm"] for row in gradient_stats(half(kind), x, x - error, "mse")}
    # Each of 2 error / n = 3e-8 is half of the least number of float16.
    assert rows["top"] == pytest.approx(2 * error, rel=1e-3)
    assert rows["a"] == pytest.approx(2 * error / np.sqrt(n), rel=1e-3)


@pytest.mark.parametrize("kind", ["mixed", "float16", "operation"])
def test_large_gradients_do_not_overflow_in_half_precision(kind):
    x, error = np.ones((4, 1), "float32"), 2.0**20
    loss = keras.losses.MeanSquaredError(reduction="sum")
    rows = gradient_stats(half(kind), x, x - error, loss)
    norms = {(row["kind"], row["name"].split("/")[0]): row["norm"] for row in rows}
    assert norms["site", "a"] == 2 * error * 2
    assert norms["weight", "a"] == norms["weight", "top"] == 2 * error * 4


def test_gradients_that_are_no_numbers_stay_so_in_half_precision():
    x = np.ones((4, 1), "float32")
    assert all(np.isnan(row["norm"]) for row in gradient_stats(half("mixed"), x, x * np.nan, "mse"))


def one_after_another(*parts):
    x = y = keras.Input((2, 3))
    for part in parts:
        y = part(y)
    return randomised(keras.Model(x, y))


def fc(name="fc"):
    return layers.Dense(3, activation="relu", name=name)


def net_of(layer, name):
    return keras.Sequential([keras.Input((3,)), layer], name=name)


class Twice(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.parts = [fc(), fc()]

    def build(self, shape):
        for part in self.parts:
            part.build(shape)

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return x


NAMES = {
    "models": (
        lambda: [keras.Model(x := keras.Input((2, 3)), fc()(x), name=name) for name in ("one", "two")],
        ["one/fc/kernel", "one/fc/bias", "two/fc/kernel", "two/fc/bias"],
    ),
    "wrapped models": (
        lambda: [layers.TimeDistributed(net_of(fc(), "net"), name=name) for name in ("one", "two")],
        ["one/net/fc/kernel", "one/net/fc/bias", "two/net/fc/kernel", "two/net/fc/bias"],
    ),
    "one layer": (
        lambda: [Twice(name="own")],
        ["own/fc/kernel", "own/fc/bias", "own/fc/kernel:2", "own/fc/bias:2"],
    ),
    "alone": (lambda: [fc("a"), fc("b")], ["a/kernel", "a/bias", "b/kernel", "b/bias"]),
}


@pytest.mark.parametrize("case", NAMES)
def test_weights_of_one_path_have_names_of_their_own(case):
    make, expected = NAMES[case]
    model = one_after_another(*make())
    rows = gradient_stats(model, batch(model, size=2), np.zeros((2, 2, 3)), "mse")
    assert [row["name"] for row in rows if row["kind"] == "weight"] == expected
    assert len({row["name"] for row in rows}) == len(rows)


def test_arrays_are_one_batch():
    with pytest.raises(ValueError, match="batches=2, but x holds arrays, which are one batch"):
        gradient_stats(three_classes(), ROWS, ROWS, "mse", batches=2)
    with pytest.raises(TypeError, match="batches must be an integer of at least 1, received 'all'"):
        gradient_stats(three_classes(), ROWS, ROWS, "mse", batches="all")
