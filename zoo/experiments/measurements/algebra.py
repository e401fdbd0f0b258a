"""Sentences about convolutions and activations that are true or false without any training."""

from collections.abc import Iterable

import keras
import numpy as np

from zoo.experiments.measurements import Context, Row

FUNCTIONS = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid", "softplus")


def convolution(context: Context, filters: int = 16, kernel: int = 3) -> Iterable[Row]:
    """A convolution without padding, on the images of the run and on random weights.

    Rows: `superposition_error` of f(2 x + 3 y) = 2 f(x) + 3 f(y) without bias, relative; `default_is_none`,
    whether the layer without an activation argument equals the one with `activation="linear"` to the bit;
    `shift_difference`, the largest difference between the map of a shifted image and the shifted map;
    `output_channels`, `input_channels`, `parameters` of a layer on three channels, and
    `parameters_at_twice_the_size`, on images of twice the side.
    """
    rng = np.random.default_rng(context.seed)
    x, y = (context.images.x_test[i : i + 8] for i in (0, 8))
    layer = keras.layers.Conv2D(filters, kernel, use_bias=False)
    f = _eager(layer)
    whole = f(2 * x + 3 * y)
    yield Row("superposition_error", float(np.abs(whole - 2 * f(x) - 3 * f(y)).max() / np.abs(whole).max()))

    named = keras.layers.Conv2D(filters, kernel, use_bias=False, activation="linear")
    named.build(x.shape)
    named.set_weights(layer.get_weights())
    yield Row("default_is_none", float(np.array_equal(f(x), _eager(named)(x))))

    shifted = f(x[:, 1:, 1:])
    yield Row("shift_difference", float(np.abs(shifted - f(x)[:, 1:, 1:]).max()))

    colour = rng.normal(size=(1, 30, 30, 3)).astype("float32")
    layer, larger = keras.layers.Conv2D(filters, kernel), keras.layers.Conv2D(filters, kernel)
    yield Row("input_channels", 3)
    yield Row("output_channels", _eager(layer)(colour).shape[-1])
    yield Row("parameters", layer.count_params())
    larger.build((1, 60, 60, 3))
    yield Row("parameters_at_twice_the_size", larger.count_params())


def activation(context: Context) -> Iterable[Row]:
    """Every activation on a map of 30 x 30 x 3 random values, all functions together.

    Rows: `functions`; `values`, how many go in; `values_out`, how many come out of each (the least);
    `moved_elsewhere`, how many other outputs change, at most, when one input does.
    """
    x = np.random.default_rng(context.seed).normal(size=(1, 30, 30, 3)).astype("float32")
    changed = x.copy()
    changed[0, 10, 20, 1] += 1.0
    values, elsewhere = [], []
    for name in FUNCTIONS:
        before, after = (_eager(keras.layers.Activation(name))(v) for v in (x, changed))
        values.append(before.size)
        difference = before != after
        difference[0, 10, 20, 1] = False
        elsewhere.append(int(difference.sum()))
    yield Row("functions", len(FUNCTIONS))
    yield Row("values", x.size)
    yield Row("values_out", min(values))
    yield Row("moved_elsewhere", max(elsewhere))


def pieces(context: Context, activation: str, width: int = 32) -> Iterable[Row]:
    """Is a net of one number a polynomial, or pieces of straight lines?

    A net of two hidden layers, in float64, on 100,001 points of [-4, 4]. Rows: `straight_fraction`, the
    share of inner points at which the second difference is rounding only; `kinks`, the number of points
    where it is not; `growth`, output at 2,000,000 over output at 1,000,000, both less the output at 0: 2 for
    straight lines, 4 for x^2, 8 for x^3.
    """
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")  # of the input
    keras.config.set_dtype_policy("float64")  # of the layers
    try:
        net = context.build(
            "mlp3",
            input_shape=(1,),
            classes=1,
            width=width,
            activation=activation,
            classifier_activation=None,
        )
        # Initial biases are zero, which would put all kinks of the first layer on one point.
        rng = np.random.default_rng(context.seed)
        net.set_weights([w if w.ndim > 1 else rng.normal(size=w.shape) for w in net.get_weights()])

        def f(points):
            return np.asarray(net(points[:, None], training=False))[:, 0]

        grid = np.linspace(-4, 4, 100_001)
        values = f(grid)
        second = np.abs(np.diff(values, 2))
        bent = second > 1e-13 * np.abs(values).max()
        ends = f(np.array([0.0, 1e6, 2e6]))
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
    yield Row("straight_fraction", float(1 - bent.mean()))
    yield Row("kinks", float(bent.sum()))
    yield Row("growth", float((ends[2] - ends[0]) / (ends[1] - ends[0])))


def _eager(layer: keras.Layer):
    return lambda values: np.asarray(keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(values))))
