"""Count dead units at every activation of a net with builtin activations."""

import numpy as np

import zoo

images = np.random.default_rng(0).random((32, 28, 28, 1), dtype="float32")
# --8<-- [start:code]
model = zoo.build(
    "convnet2",
    input_shape=(28, 28, 1),
    form="builtin",
    ordering="conv_act",
)
rows = zoo.probes.activation_stats(model, images)
dead = sum(row["dead_units"] for row in rows)
# --8<-- [end:code]
assert [row["activation"] for row in rows] == ["relu", "relu", "softmax"]
assert 0 <= dead <= sum(row["units"] for row in rows)
