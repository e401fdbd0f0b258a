"""Scale of the values at each activation, before any training."""

import numpy as np

import zoo

images = np.random.default_rng(0).normal(size=(16, 16, 16, 3)).astype("float32")
# --8<-- [start:code]
model = zoo.build("plain20", input_shape=(16, 16, 3))
for row in zoo.probes.activation_stats(model, images):
    print(row["site"], row["std"], row["squared_mean"])
# --8<-- [end:code]
