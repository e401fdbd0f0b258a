"""Convolution and activation as two layers."""

import keras

inputs = keras.Input((28, 28, 1))
# --8<-- [start:code]
x = keras.layers.Conv2D(16, 3, padding="same", name="conv")(inputs)
x = keras.layers.Activation("relu", name="conv_act")(x)
# --8<-- [end:code]
outputs = keras.layers.GlobalAveragePooling2D()(x)
model = keras.Model(inputs, outputs)

before = keras.Model(inputs, model.get_layer("conv").output)  # readable, because it is a layer's output
assert before.output.shape == (None, 28, 28, 16)
