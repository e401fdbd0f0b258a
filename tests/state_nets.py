"""What the tests of state share: layers in the middle of a net, and every transform that copies one."""

import keras
import numpy as np
from keras import layers, ops

from zoo.graph import rewrite
from zoo.transforms import (
    fold_batchnorm,
    fuse_activations,
    split_activations,
    swap_activation,
)

RNG = np.random.default_rng(0)


ROWS = RNG.normal(5, 3, (100, 4)).astype("float32")


def after(layer, x=None, *, shape=(4,), **options):
    """`layer` on inputs of that shape, and a dense layer with an activation behind it."""
    x = keras.Input(shape, **options) if x is None else x
    y = layer(x)
    if not keras.backend.is_float_dtype(y.dtype):
        y = ops.cast(y, "float32")
    return keras.Model(x, layers.Dense(3, activation="relu", name="fc")(y))


def adapted(layer, data):
    layer.adapt(data)
    return layer


TRANSFORMS = {
    "rewrite": rewrite,
    "split": split_activations,
    "fuse": lambda model: fuse_activations(split_activations(model)),
    "swap": lambda model: swap_activation(model, "relu", keras.activations.relu).model,
    "fold": lambda model: fold_batchnorm(model).model,
}


def words():
    yield layers.StringLookup(output_mode="one_hot"), ["a", "b"]
    yield layers.IntegerLookup(output_mode="multi_hot"), [[5], [7]]
    yield layers.TextVectorization(output_mode="int", output_sequence_length=4), ["a b c", "b d", "b a"]
    yield layers.TextVectorization(output_mode="tf_idf"), ["a b c", "b d", "b a"]
    yield layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot"), None


class Gated(layers.Dense):
    """A stock layer, and numbers that are set later."""

    def adapt(self, data):
        self.gate = data[0]

    def call(self, x):
        return ops.multiply(super().call(x), self.gate)
