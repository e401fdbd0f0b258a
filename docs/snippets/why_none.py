"""Three convolutions without an activation: one convolution in disguise."""

import keras

# --8<-- [start:code]
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Conv2D(16, 3),
        keras.layers.Conv2D(16, 3),
        keras.layers.Conv2D(16, 3),
        # The map from image to here is one 7x7 convolution.
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(10),
    ]
)
# --8<-- [end:code]
linear = keras.activations.linear
assert all(layer.activation is linear for layer in model.layers if hasattr(layer, "activation"))
