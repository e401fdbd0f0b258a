"""GELU as a layer of its own."""

import keras

x = inputs = keras.Input((28, 28, 1))
# --8<-- [start:code]
x = keras.layers.Conv2D(16, 3)(x)
x = keras.layers.Activation("gelu")(x)
# --8<-- [end:code]
assert keras.Model(inputs, x).output.shape == (None, 26, 26, 16)
