"""A 1x1 convolution on the shortcut."""

import keras

x = inputs = keras.Input((8, 8, 16))
branch = keras.layers.Conv2D(16, 3, padding="same")(x)
# --8<-- [start:code]
shortcut = keras.layers.Conv2D(16, 1, use_bias=False)(x)
x = keras.layers.Add()([shortcut, branch])
# --8<-- [end:code]
assert keras.Model(inputs, x).output.shape == (None, 8, 8, 16)
