"""Batch normalisation before the activation: conv, BN, ReLU."""

import keras

x = inputs = keras.Input((28, 28, 1))
# --8<-- [start:code]
x = keras.layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
x = keras.layers.BatchNormalization()(x)
x = keras.layers.Activation("relu")(x)
# --8<-- [end:code]
assert keras.Model(inputs, x).output.shape == (None, 28, 28, 16)
