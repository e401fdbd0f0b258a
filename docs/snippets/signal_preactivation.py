"""The same for a pre-activation net."""

import numpy as np

import zoo

images = np.random.default_rng(0).normal(size=(16, 16, 16, 3)).astype("float32")
# --8<-- [start:code]
model = zoo.build("resnet20v2", input_shape=(16, 16, 3))
for row in zoo.probes.activation_stats(model, images):
    print(row["site"], row["std"], row["squared_mean"])
# --8<-- [end:code]
