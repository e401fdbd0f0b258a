"""Probes against closed forms and independent computations; the model is left as it was."""

import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import batch, branching, configuration, outputs, randomised, same

import zoo
from zoo.probes import activation_stats, gradient_stats, signal_propagation
from zoo.transforms import split_activations


def dense(activation, weights, bias):
    model = keras.Sequential(
        [keras.Input((len(weights),)), layers.Dense(len(bias), activation=activation, name="fc")]
    )
    model.set_weights([np.array(weights, "float32"), np.array(bias, "float32")])
    return model


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


@pytest.mark.parametrize(
    ("activation", "edge"),
    [("sigmoid", 4.585), ("tanh", 2.993), ("softsign", 9.0)],  # where the slope is 0.01
)
def test_saturation_is_a_slope_below_a_hundredth(activation, edge):
    model = dense(activation, [[1.0]], [0.0])
    for z, expected in ((edge * 0.98, 0.0), (edge * 1.02, 1.0), (-edge * 1.02, 1.0), (1e5, 1.0)):
        assert activation_stats(model, np.array([[z]]))[0]["saturated_fraction"] == expected
    assert activation_stats(dense("relu", [[1.0]], [0.0]), np.array([[1e6]]))[0]["saturated_fraction"] == 0.0
    softmax = activation_stats(dense("softmax", [[9.0, 0.0]], [0.0, 0.0]), np.array([[1.0]]))[0]
    assert softmax["saturated_fraction"] == 1.0


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


def test_wrong_arguments_are_named():
    model = branching()
    with pytest.raises(ValueError, match=r"one array for each of \['left', 'right'\]"):
        activation_stats(model, np.zeros((2, 8, 8, 3)))
    with pytest.raises(ValueError, match="one output"):
        gradient_stats(model, batch(model), np.zeros(2), "mse")
    with pytest.raises(ValueError, match="no additions"):
        signal_propagation(dense("relu", [[1.0]], [0.0]), np.zeros((2, 1)))


def he_initialised(ordering, units=6):
    """A stage of residual units of 64 channels on noise."""
    options = {
        "shortcut": "identity_pad",
        "include_top": False,
        "kernel_initializer": "he_normal",
        "width": 64,
    }
    return zoo.build(f"resnet{6 * units + 2}", input_shape=(32, 32, 3), ordering=ordering, **options)


def slope(values):
    return np.polyfit(np.arange(len(values)), values, 1)[0]


def first_stage(ordering, units=6):
    keras.utils.set_random_seed(1)
    model = he_initialised(ordering, units)
    x = np.random.default_rng(0).normal(size=(8, 32, 32, 3)).astype("float32")
    rows = signal_propagation(model, x)
    assert [row["unit"] for row in rows] == list(range(1, 3 * units + 1))
    return rows[:units]


def test_the_signal_of_full_pre_activation_grows_as_calculated():
    rows = first_stage("full_pre_activation")
    # A 3x3 convolution on 32x32 sees zeros in 1 - (94/96)^2 of its inputs: 4 % less than in the calculation.
    assert slope([row["variance"] for row in rows]) == pytest.approx(0.68, rel=0.15)
    assert slope([row["squared_mean"] for row in rows]) == pytest.approx(0.32, rel=0.15)


def test_the_signal_of_relu_only_pre_activation_grows_as_calculated():
    rows = first_stage("relu_only_pre_activation")
    assert slope([row["variance"] for row in rows]) == pytest.approx(1.0, rel=0.15)
    squared = [row["squared_mean"] for row in rows]
    assert max(squared) - min(squared) < 0.05


def test_relu_before_addition_lets_the_mean_grow_quadratically():
    rows = first_stage("relu_before_addition")
    roots = np.sqrt([row["squared_mean"] for row in rows])
    assert slope(roots) == pytest.approx(0.4, rel=0.15)


def test_normalisation_after_the_addition_bounds_the_signal():
    rows = first_stage("bn_after_addition")
    assert all(row["variance"] < 1.0 and row["squared_mean"] < 1.0 for row in rows)


def test_original_grows_linearly():
    variance = [row["variance"] for row in first_stage("original")]
    assert np.all(np.diff(variance) > 0)
    assert np.corrcoef(np.arange(len(variance)), variance)[0, 1] > 0.98
