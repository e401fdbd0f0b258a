"""The graph of keras.applications.ResNet50V2, without its weights."""

import keras

import zoo

# --8<-- [start:code]
model = zoo.build("resnet50v2", layout="keras", input_shape=(64, 64, 3), classes=1000)
theirs = keras.applications.ResNet50V2(weights=None, input_shape=(64, 64, 3))
assert [layer.name for layer in model.layers] == [layer.name for layer in theirs.layers]
# --8<-- [end:code]
assert model.count_params() == theirs.count_params()
