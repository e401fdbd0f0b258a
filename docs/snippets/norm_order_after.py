"""Batch normalisation after the activation; the only order a built-in activation allows."""

import keras

x = inputs = keras.Input((28, 28, 1))
# --8<-- [start:code]
x = keras.layers.Conv2D(16, 3, padding="same", activation="relu")(x)
x = keras.layers.BatchNormalization()(x)
# --8<-- [end:code]
assert keras.Model(inputs, x).output.shape == (None, 28, 28, 16)
