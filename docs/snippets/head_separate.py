"""Softmax as a layer of its own."""

import keras

x = inputs = keras.Input((64,))
# --8<-- [start:code]
scores = keras.layers.Dense(10, name="scores")(x)
outputs = keras.layers.Activation("softmax", dtype="float32")(scores)
model = keras.Model(inputs, outputs)
model.compile("sgd", loss=keras.losses.SparseCategoricalCrossentropy())
# --8<-- [end:code]
assert model.output.shape == (None, 10)
