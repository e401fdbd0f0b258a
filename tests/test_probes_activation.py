"""The statistics against closed forms and independent computations; the model is left as it was."""

import keras
import numpy as np
import pytest
from keras import layers
from probed_nets import dense
from transform_nets import batch, branching, configuration, outputs, randomised, same

from zoo.probes import activation_stats
from zoo.transforms import split_activations


def test_closed_forms_on_a_hand_made_net():
    # Channels: always off, on for one of four samples, always on.
    model = dense("relu", [[0.0, 1.0, 0.0]], [-1.0, -2.0, 5.0])
    (row,) = activation_stats(model, np.array([[0.0], [1.0], [2.0], [6.0]]))
    after = np.array([[0, 0, 5], [0, 0, 5], [0, 0, 5], [0, 4, 5]], float)
    before = np.array([[-1, -2, 5], [-1, -1, 5], [-1, 0, 5], [-1, 4, 5]], float)
    assert (row["site"], row["activation"], row["built_in"]) == ("fc", "relu", True)
    assert (row["dead_units"], row["units"]) == (1, 3)
    assert row["zero_fraction"] == 7 / 12
    assert row["mean"] == after.mean()
    assert row["std"] == pytest.approx(after.std())
    assert row["squared_mean"] == pytest.approx(np.mean([0, 1, 25]))
    assert row["before_mean"] == pytest.approx(before.mean())
    assert row["before_std"] == pytest.approx(before.std())
    assert row["before_squared_mean"] == pytest.approx(np.mean(np.square(before.mean(0))))
    assert row["saturated_fraction"] == 6 / 12  # z = 0 is where the slope is neither 0 nor 1


def test_moments_of_relu_of_a_normal():
    x = np.random.default_rng(0).normal(size=(200_000, 1))
    (row,) = activation_stats(dense("relu", [[1.0]], [0.0]), x, batch_size=10_000)
    assert row["mean"] == pytest.approx(1 / np.sqrt(2 * np.pi), rel=0.01)
    assert row["std"] ** 2 == pytest.approx(0.5 - 1 / (2 * np.pi), rel=0.01)
    assert row["zero_fraction"] == pytest.approx(0.5, abs=0.005)


def test_both_forms_give_the_same_numbers_and_batches_do_not_matter():
    model = randomised(branching())
    x = batch(model, size=7)
    rows = activation_stats(model, x)
    names = ["shared", "inner/inner_conv", "inner/inner_conv_out"]
    assert {row["site"] for row in rows} == {*names, *(f"{name}:2" for name in names), "top"}
    split = activation_stats(split_activations(model), x, batch_size=3)
    split = {row["site"].replace("_act", ""): row for row in split}
    for row in rows:
        numbers = [[v for v in r.values() if isinstance(v, float)] for r in (row, split[row["site"]])]
        assert np.allclose(*numbers, rtol=1e-5, atol=1e-7)


@pytest.mark.tensorflow  # 53 convolutions for JAX to compile; the closed forms above are asked of every backend
@pytest.mark.always
def test_rows_agree_with_what_the_model_computes():
    model = randomised(keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), classes=4))
    x = batch(model, size=3)
    rows = {row["site"]: row for row in activation_stats(model, x)}
    assert len(rows) == 50
    watched = ["conv1_relu", "conv4_block3_1_relu", "conv5_block3_out"]
    values = outputs(keras.Model(model.inputs[0], [model.get_layer(name).output for name in watched]), x)
    for name, value in zip(watched, values, strict=True):
        assert rows[name]["mean"] == pytest.approx(value.mean(), rel=1e-4)
        assert rows[name]["std"] == pytest.approx(value.std(), rel=1e-4)
        assert rows[name]["squared_mean"] == pytest.approx(np.square(value.mean((0, 1, 2))).mean(), rel=1e-4)
        assert rows[name]["zero_fraction"] == pytest.approx((value == 0).mean(), abs=1e-3)
        assert rows[name]["dead_units"] == (value == 0).all((0, 1, 2)).sum()


def test_probes_leave_the_model_untouched():
    model = randomised(branching())
    x, before, weights = batch(model), configuration(model), model.get_weights()
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    activation_stats(model, x)
    assert configuration(model) == before
    assert same(weights, model.get_weights())
    assert [len(layer._inbound_nodes) for layer in model.layers] == nodes


def test_what_is_looked_at_is_as_it_was():
    """Attributes, losses, states, seeds, weights not made yet: nothing of the model's own moves."""
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(3, activation="relu", activity_regularizer="l2", name="fc"),
            layers.Dropout(0.5, name="drop"),
            layers.ReLU(name="act"),
            layers.Dense(3, activation=layers.PReLU(), name="slopes"),
        ]
    )
    before = [sorted(vars(layer)) for layer in model.layers]
    function, count = model.get_layer("fc").activation, model.count_params()
    rows = activation_stats(model, np.ones((2, 4)))
    assert [row["site"] for row in rows] == ["fc", "act", "slopes"]
    assert [sorted(vars(layer)) for layer in model.layers] == before
    assert model.get_layer("fc").activation is function
    assert model.losses == [] and model.count_params() == count


def test_a_failure_on_the_way_leaves_the_model_as_it_was():
    def broken(z):
        raise RuntimeError("no")

    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu", name="fc")])
    model.get_layer("fc").activation = broken
    with pytest.raises(RuntimeError):
        activation_stats(model, np.ones((2, 4)))
    assert model.get_layer("fc").activation is broken


def test_a_stateful_layer_goes_on_from_batch_to_batch_and_keeps_its_state():
    x = keras.Input(batch_shape=(2, 3, 4))
    layer = layers.LSTM(5, stateful=True, return_sequences=True, name="lstm")
    model = keras.Model(x, layers.ReLU(name="act")(layer(x)))
    data = np.random.default_rng(0).normal(size=(6, 3, 4)).astype("float32")
    layer.reset_states()
    # Not by predict, which on JAX starts each batch from the same state.
    expected = np.stack([keras.ops.convert_to_numpy(model(data[k : k + 2])) for k in (0, 2, 4)])
    layer.reset_states()
    row = activation_stats(model, data)[-1]
    assert row["mean"] == pytest.approx(expected.mean(), rel=1e-5)
    assert all(not np.any(keras.ops.convert_to_numpy(state)) for state in layer.states)


LOOPS_BACKWARDS = {
    "both ways": lambda: layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
    "both ways, added": lambda: layers.Bidirectional(
        layers.SimpleRNN(3, return_sequences=True), merge_mode="sum"
    ),
    "backwards": lambda: layers.GRU(3, return_sequences=True, go_backwards=True, zero_output_for_mask=True),
    "unrolled": lambda: layers.Bidirectional(layers.GRU(3, return_sequences=True, unroll=True)),
}


@pytest.mark.parametrize("case", LOOPS_BACKWARDS)
def test_what_is_masked_goes_through_loops_as_it_does_in_the_model(case):
    x = keras.Input((6, 2))
    h = LOOPS_BACKWARDS[case]()(layers.Masking()(x))
    z = layers.Dense(4, activation="sigmoid", name="fc")(h)
    model = keras.Model(x, layers.GRU(2)(z))
    data = np.random.default_rng(0).normal(size=(3, 6, 2)).astype("float32")
    data[0, 3:], data[1, 0], data[2, 2:5] = 0, 0, 0
    expected = outputs(keras.Model(x, z), data)[0]
    row = next(row for row in activation_stats(model, data) if row["site"] == "fc")
    assert row["mean"] == pytest.approx(expected.mean(), rel=1e-6)
    assert row["std"] == pytest.approx(expected.std(), rel=1e-6)


def normalised(kind):
    data = np.random.default_rng(0).normal(5, 3, (200, 4)).astype("float32")
    layer = layers.Normalization(invert=kind == "inverted")
    layer.adapt(data)
    if kind == "drawn":

        class Fourier(layers.Layer):
            def build(self, shape):
                self.f = keras.initializers.RandomNormal(stddev=3.0, seed=1)((shape[-1], 4))

            def call(self, z):
                return keras.ops.matmul(z, self.f)

        layer = Fourier()
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(3, activation="relu", name="fc")(layer(x))), data


@pytest.mark.parametrize("kind", ["adapted", "inverted", "drawn"])
def test_state_that_is_no_variable_counts(kind):
    model, data = normalised(kind)
    (row,) = activation_stats(model, data)
    assert row["mean"] == pytest.approx(outputs(model, data)[0].mean(), rel=1e-5)


def test_a_quantized_model_and_one_in_half_precision():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(16, activation="relu", name="fc")])
    model.get_layer("fc").quantize("int8")
    data = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")
    assert activation_stats(model, data)[0]["mean"] == pytest.approx(outputs(model, data)[0].mean(), rel=1e-5)
    half = [layers.Dense(3, activation="relu"), layers.PReLU(), layers.Dense(3, activation=layers.PReLU())]
    for layer in half:
        layer.dtype_policy = "mixed_float16"
    model = keras.Sequential([keras.Input((8,)), *half])
    rows = activation_stats(model, data)
    assert rows[-1]["mean"] == pytest.approx(outputs(model, data)[0].astype("float64").mean(), rel=1e-2)


def test_a_name_shows_whose_function_it_is():
    def swish(z):
        return z * keras.ops.sigmoid(z)

    assert activation_stats(dense(swish, [[1.0]], [0.0]), np.ones((1, 1)))[0]["activation"] == "swish"
    assert activation_stats(dense("swish", [[1.0]], [0.0]), np.ones((1, 1)))[0]["activation"] == "silu"


def test_a_layer_that_is_an_argument_too_has_a_row_for_itself_alone():
    slopes = layers.PReLU(alpha_initializer="ones", name="slopes")
    x = keras.Input((2,))
    y = layers.Dense(2, activation=slopes, kernel_initializer="ones", name="fc")(x)
    y = slopes(layers.Rescaling(-3.0)(y))
    model = keras.Model(x, y)
    data = np.array([[1.0, 2.0]], "float32")
    model(data)
    slopes.alpha.assign([0.5, 0.5])
    rows = {row["site"]: row["mean"] for row in activation_stats(model, data)}
    assert rows == {"fc": 3.0, "slopes": -4.5}


def scores():
    """The attention of a sequence to itself, with its softmax as a layer."""
    x = keras.Input((None, 4))
    a = layers.Softmax(name="scores")(layers.Dot((2, 2))([x, x]))
    return keras.Model(x, layers.Dot((2, 1))([a, x]))


def steps_last():
    x = keras.Input((4, None))
    return keras.Model(x, layers.ReLU(name="scores")(x))


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize("make", [scores, steps_last])
@pytest.mark.parametrize("sizes", [(5, 7), (1, 7), (7, 1)])
def test_channels_that_are_others_in_another_batch_are_refused(make, sizes):
    shapes = ((2, size, 4) if make is scores else (2, 4, size) for size in sizes)
    with pytest.raises(
        ValueError, match=f"^'scores' has {sizes[0]} channels in one batch and {sizes[1]} in another"
    ):
        activation_stats(make(), map(np.ones, shapes), batches=2)


def test_lengths_that_are_no_channels_may_differ():
    x = keras.Input((None, 4))
    model = keras.Model(x, layers.ReLU(name="act")(x))
    parts = [np.random.default_rng(size).normal(size=(2, size, 4)).astype("float32") for size in (5, 7)]
    (row,) = activation_stats(model, iter(parts), batches=2)
    flat = np.concatenate([part.reshape(-1, 4) for part in parts])
    assert row["units"] == 4 and row["mean"] == pytest.approx(np.maximum(flat, 0).mean(), rel=1e-5)
