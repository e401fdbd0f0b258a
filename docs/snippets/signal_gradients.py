"""Scale of the gradients at each layer, before any training."""

import keras
import numpy as np

import zoo

rng = np.random.default_rng(0)
images = rng.normal(size=(16, 16, 16, 3)).astype("float32")
labels = rng.integers(0, 10, size=16)
# --8<-- [start:code]
model = zoo.build("plain20", input_shape=(16, 16, 3))
loss = keras.losses.SparseCategoricalCrossentropy()
for row in zoo.probes.gradient_stats(model, images, labels, loss):
    print(row)
# --8<-- [end:code]
