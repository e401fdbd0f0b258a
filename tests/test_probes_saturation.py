"""Where an activation is flat: slopes of every scale, functions of every kind."""

import keras
import numpy as np
import pytest
from keras import layers
from probed_nets import dense

from zoo.probes import activation_stats


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


@pytest.mark.parametrize("scale", [1e-20, 1e-4, 1.0, 1e4])
@pytest.mark.parametrize(
    "layer", [layers.ReLU(), layers.LeakyReLU(0.001), layers.Activation(lambda z: keras.ops.maximum(z, 0.0))]
)
def test_small_values_saturate_as_large_ones(scale, layer):
    x = keras.Input((8,))
    model = keras.Model(x, layer(x))
    data = np.random.default_rng(0).normal(0, scale, (1000, 8)).astype("float32")
    (row,) = activation_stats(model, data)
    assert row["saturated_fraction"] == (data < 0).mean()


@pytest.mark.parametrize("scale", [1e-6, 1e-3])
def test_smooth_functions_have_their_slope_at_small_values(scale):
    data = np.random.default_rng(0).normal(0, scale, (1000, 1)).astype("float32")
    for name in ("sigmoid", "gelu", "tanh", "softplus", "elu", "silu"):
        (row,) = activation_stats(dense(name, [[1.0]], [0.0]), data)
        assert row["saturated_fraction"] == 0.0, name


def test_an_own_function_has_the_slope_it_has_and_not_that_of_its_name():
    def softmax(z):  # elementwise, and flat nowhere
        return 2 * z

    def relu(z):  # mixes channels
        return z / keras.ops.sum(keras.ops.abs(z), axis=-1, keepdims=True)

    def glu(z):  # elementwise, and flat everywhere
        return keras.ops.sign(z)

    data = np.random.default_rng(0).normal(size=(50, 1)).astype("float32")
    values = [
        activation_stats(dense(function, [[1.0, 2.0]], [0.0, 0.0]), data)[0]["saturated_fraction"]
        for function in (softmax, relu, glu)
    ]
    assert values[0] == 0.0 and np.isnan(values[1]) and values[2] == 1.0


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "sparsemax", "glu"])
def test_stock_functions_that_mix_channels(name):
    data = np.random.default_rng(0).normal(size=(20, 1)).astype("float32")
    (row,) = activation_stats(dense(name, [[9.0, 0.0]], [0.0, 0.0]), data)
    if name in ("sparsemax", "glu"):
        assert np.isnan(row["saturated_fraction"])
    else:
        p = 1 / (1 + np.exp(-9.0 * np.column_stack([data[:, 0], -data[:, 0]]).astype("float64")))
        slope = p * (1 - p) if name == "softmax" else 1 - p
        assert row["saturated_fraction"] == pytest.approx((slope < 0.01).mean(), abs=1e-9)


@pytest.mark.parametrize(
    "function",
    [
        lambda z: z - keras.ops.mean(z, axis=0),
        lambda z: z / keras.ops.max(keras.ops.abs(z), axis=0),
        lambda z: keras.ops.flip(z, axis=0) * z,
    ],
)
def test_functions_that_mix_samples_have_no_slope(function):
    x = keras.Input((3,))
    data = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    (row,) = activation_stats(keras.Model(x, layers.Activation(function)(x)), data)
    assert np.isnan(row["saturated_fraction"])
