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
