"""GELU in front of the convolution."""

import keras

x = inputs = keras.Input((28, 28, 8))
# --8<-- [start:code]
x = keras.layers.BatchNormalization()(x)
x = keras.layers.Activation("gelu")(x)
x = keras.layers.Conv2D(16, 3)(x)
# --8<-- [end:code]
assert keras.Model(inputs, x).output.shape == (None, 26, 26, 16)
