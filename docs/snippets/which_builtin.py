"""GELU as an argument."""

import keras

x = inputs = keras.Input((28, 28, 1))
# --8<-- [start:code]
x = keras.layers.Conv2D(16, 3, activation="gelu")(x)
# --8<-- [end:code]
assert keras.Model(inputs, x).output.shape == (None, 26, 26, 16)
