"""One activation, after the last convolution."""

import keras

# --8<-- [start:code]
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Conv2D(16, 3),
        keras.layers.Conv2D(16, 3),
        # In all: a 7x7 convolution, one ReLU, a linear classifier.
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(10),
    ]
)
# --8<-- [end:code]
assert model.output_shape == (None, 10)
