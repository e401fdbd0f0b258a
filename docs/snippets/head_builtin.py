"""Softmax as an argument of the last layer."""

import keras

x = inputs = keras.Input((64,))
# --8<-- [start:code]
outputs = keras.layers.Dense(10, activation="softmax")(x)
model = keras.Model(inputs, outputs)
model.compile("sgd", loss=keras.losses.SparseCategoricalCrossentropy())
# --8<-- [end:code]
assert model.output.shape == (None, 10)
