"""Small models to look into."""

import keras
import numpy as np
from keras import layers


def dense(activation, weights, bias):
    model = keras.Sequential(
        [keras.Input((len(weights),)), layers.Dense(len(bias), activation=activation, name="fc")]
    )
    model.set_weights([np.array(weights, "float32"), np.array(bias, "float32")])
    return model


class Residual(layers.Layer):
    """A residual block as people write one: everything in a `call`."""

    def __init__(self, data_format="channels_last", **kwargs):
        super().__init__(**kwargs)
        axis = 1 if data_format == "channels_first" else -1
        self.conv = layers.Conv2D(4, 3, padding="same", data_format=data_format, name="conv")
        self.norm = layers.BatchNormalization(axis=axis, name="norm")
        self.act = layers.ReLU(name="act")

    def build(self, shape):
        self.conv.build(shape)
        self.norm.build(shape)

    def call(self, x):
        return self.act(self.norm(self.conv(x)) + x)


def residual(**options):
    """One `Residual` in a model, channels last."""
    x = keras.Input((6, 6, 4))
    return keras.Model(x, Residual(name="res", **options)(x), name="one")
