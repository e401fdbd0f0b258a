"""Standardised kernels, the scale of a branch and the gains of activations, against NumPy and by hand."""

import math

import keras
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from zoo.normalizer_free import BranchScale, ScaledStandardizedConv2D, activation_gain


@pytest.mark.parametrize("groups", [1, 2])
def test_standardised_convolution_is_the_formula(groups):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 7, 6, 4))
    layer = ScaledStandardizedConv2D(6, 3, groups=groups)
    layer.build(x.shape)
    kernel, bias, gain = (rng.normal(0.3, 1.0, tuple(w.shape)) for w in layer.weights)
    layer.set_weights([kernel, bias, gain])
    ours = np.empty_like(kernel)
    for c in range(6):
        w = kernel[..., c]
        ours[..., c] = gain[c] * (w - w.mean()) / (w.std() * math.sqrt(w.size))
    expected = np.zeros((2, 5, 4, 6))
    for c in range(6):
        part = x if groups == 1 else x[..., 2 * (c // 3) : 2 * (c // 3) + 2]
        windows = sliding_window_view(part, (3, 3), axis=(1, 2))
        expected[..., c] = np.einsum("bhwcij,ijc->bhw", windows, ours[..., c]) + bias[c]
    received = keras.ops.convert_to_numpy(layer(x.astype("float32")))
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5)


def test_a_constant_kernel_gives_zero_and_no_nan():
    layer = ScaledStandardizedConv2D(2, 3, kernel_initializer="ones")
    y = keras.ops.convert_to_numpy(layer(np.ones((1, 5, 5, 1), "float32")))
    np.testing.assert_array_equal(y, 0)


def test_variance_passes_through_whatever_the_mean():
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(2)
    x = rng.normal(5.0, 1.0, size=(4, 12, 12, 32)).astype("float32")
    y = keras.ops.convert_to_numpy(ScaledStandardizedConv2D(64, 3)(x))
    assert y.var() == pytest.approx(1, abs=0.1)
    z = rng.normal(size=100_000).astype("float32")
    for name in ("relu", "gelu", "tanh", "silu"):
        function = keras.activations.get(name)
        f = activation_gain(function) * keras.ops.convert_to_numpy(function(z))
        assert f.var() == pytest.approx(1, abs=0.02), name


@pytest.mark.parametrize(
    ("name", "gain"),
    [
        ("relu", math.sqrt(2 / (1 - 1 / math.pi))),
        ("linear", 1.0),
        ("tanh", 1.5925),
        ("selu", 1.0),
        ("sigmoid", 4.8),
    ],
)
def test_gains(name, gain):
    # An odd function has mean zero, so variance and mean square are one.
    assert activation_gain(keras.activations.get(name)) == pytest.approx(
        gain, rel=1e-2 if name == "sigmoid" else 1e-3
    )


def test_a_function_without_variance_has_no_gain():
    with pytest.raises(ValueError, match=r"has variance 0\.0 on a standard normal input; it has no gain"):
        activation_gain(keras.ops.zeros_like)


def test_scale_of_a_branch_starts_at_zero_and_learns():
    layer = BranchScale()
    x = np.full((2, 3, 3, 4), 2.0, "float32")
    np.testing.assert_array_equal(layer(x), 0)
    (alpha,) = layer.trainable_weights
    assert tuple(alpha.shape) == ()
    alpha.assign(1.5)
    np.testing.assert_array_equal(layer(x), 3)


def test_both_are_saved_and_come_back(tmp_path):
    image = keras.Input((6, 6, 3))
    y = BranchScale(name="scale")(ScaledStandardizedConv2D(4, 3, epsilon=1e-3, name="conv")(image))
    model = keras.Model(image, y)
    for w in model.weights:
        w.assign(np.random.default_rng(0).normal(size=tuple(w.shape)))
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert loaded.get_layer("conv").epsilon == 1e-3
    x = np.random.default_rng(1).normal(size=(2, 6, 6, 3)).astype("float32")
    np.testing.assert_array_equal(loaded(x), model(x))
