"""A built-in activation acts before the pooling."""

import keras

x = inputs = keras.Input((28, 28, 1))
# --8<-- [start:code]
x = keras.layers.Conv2D(16, 3, padding="same", activation="relu")(x)
x = keras.layers.MaxPooling2D(2)(x)
# --8<-- [end:code]
assert keras.Model(inputs, x).output.shape == (None, 14, 14, 16)
