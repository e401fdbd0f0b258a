"""The original residual unit (2015): the activation comes after the addition."""

import keras

x = inputs = keras.Input((8, 8, 16))
# --8<-- [start:code]
branch = keras.layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
branch = keras.layers.BatchNormalization()(branch)
branch = keras.layers.Activation("relu")(branch)
branch = keras.layers.Conv2D(16, 3, padding="same", use_bias=False)(branch)
branch = keras.layers.BatchNormalization()(branch)
x = keras.layers.Add()([x, branch])
# On the shortcut path: nothing passes below zero.
x = keras.layers.Activation("relu")(x)
# --8<-- [end:code]
assert keras.Model(inputs, x).output.shape == (None, 8, 8, 16)
