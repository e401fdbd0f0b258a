"""A gate on the shortcut: 1 - g(x), nearly open at the start."""

import keras

x = inputs = keras.Input((8, 8, 16))
branch = keras.layers.Conv2D(16, 3, padding="same")(x)
# --8<-- [start:code]
bias = keras.initializers.Constant(-6.0)
gate = keras.layers.Conv2D(16, 1, activation="sigmoid", bias_initializer=bias)
shortcut = keras.layers.Multiply()([x, 1 - gate(x)])
x = keras.layers.Add()([shortcut, branch])
# --8<-- [end:code]
assert keras.Model(inputs, x).output.shape == (None, 8, 8, 16)
