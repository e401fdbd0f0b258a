"""The graph of keras.applications.ResNet50V2, without its weights."""

import keras
import numpy as np

import zoo

# --8<-- [start:code]
model = zoo.build(
    "resnet50v2",
    layout="keras",
    input_shape=(64, 64, 3),
    classes=1000,
)
theirs = keras.applications.ResNet50V2(weights=None, input_shape=(64, 64, 3))
assert [w.path for w in model.weights] == [w.path for w in theirs.weights]
theirs.set_weights(model.get_weights())
# --8<-- [end:code]
x = np.random.default_rng(0).random((1, 64, 64, 3), dtype="float32")
assert np.allclose(model(x), theirs(x), atol=1e-5)
