"""A residual unit whose activations come before its convolutions."""

import keras

inputs = keras.Input((28, 28, 16))
x = inputs
# --8<-- [start:code]
branch = keras.layers.BatchNormalization()(x)
branch = keras.layers.Activation("relu")(branch)
branch = keras.layers.Conv2D(16, 3, padding="same", use_bias=False)(branch)
branch = keras.layers.BatchNormalization()(branch)
branch = keras.layers.Activation("relu")(branch)
branch = keras.layers.Conv2D(16, 3, padding="same", use_bias=False)(branch)
x = keras.layers.Add()([x, branch])  # nothing after the addition
# --8<-- [end:code]
model = keras.Model(inputs, x)

assert model.output.shape == (None, 28, 28, 16)
