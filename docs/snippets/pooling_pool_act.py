"""Activation after pooling."""

import keras

x = inputs = keras.Input((28, 28, 1))
# --8<-- [start:code]
x = keras.layers.Conv2D(16, 3, padding="same")(x)
x = keras.layers.MaxPooling2D(2)(x)
x = keras.layers.Activation("relu")(x)
# --8<-- [end:code]
assert keras.Model(inputs, x).output.shape == (None, 14, 14, 16)
