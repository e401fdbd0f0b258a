"""What a built-in activation can express of a residual unit: no batch normalisation between."""

import keras

x = inputs = keras.Input((8, 8, 16))
# --8<-- [start:code]
branch = keras.layers.Conv2D(16, 3, padding="same", activation="relu")(x)
branch = keras.layers.Conv2D(16, 3, padding="same")(branch)
x = keras.layers.Add()([x, branch])
x = keras.layers.Activation("relu")(x)  # an Add has no activation argument
# --8<-- [end:code]
assert keras.Model(inputs, x).output.shape == (None, 8, 8, 16)
