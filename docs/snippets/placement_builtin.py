"""Convolution with its activation as an argument."""

import keras

inputs = keras.Input((28, 28, 1))
# --8<-- [start:code]
x = keras.layers.Conv2D(
    16,
    3,
    padding="same",
    activation="relu",
    name="conv",
)(inputs)
# --8<-- [end:code]
outputs = keras.layers.GlobalAveragePooling2D()(x)
model = keras.Model(inputs, outputs)

assert model.get_layer("conv").activation is keras.activations.relu
