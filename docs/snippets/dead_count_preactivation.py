"""Count dead units at every activation of a pre-activation net."""

import numpy as np

import zoo

images = np.random.default_rng(0).random((32, 16, 16, 3), dtype="float32")
# --8<-- [start:code]
model = zoo.build("resnet8v2", input_shape=(16, 16, 3))
rows = zoo.probes.activation_stats(model, images)
dead = sum(row["dead_units"] for row in rows)
# --8<-- [end:code]
assert [row["activation"] for row in rows] == 7 * ["relu"] + ["softmax"]
assert 0 <= dead <= sum(row["units"] for row in rows)
