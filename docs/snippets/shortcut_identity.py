"""Identity shortcut."""

import keras

x = inputs = keras.Input((8, 8, 16))
branch = keras.layers.Conv2D(16, 3, padding="same")(x)
# --8<-- [start:code]
x = keras.layers.Add()([x, branch])
# --8<-- [end:code]
assert keras.Model(inputs, x).output.shape == (None, 8, 8, 16)
