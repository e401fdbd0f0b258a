"""The nets in stock Keras, as a user would write them: the other side of the comparison."""

from __future__ import annotations

import re

import keras
from keras import layers


def build(name: str, shape: tuple[int, int, int], classes: int = 10) -> keras.Model:
    """`convnet`, or a `resnetNv2` for CIFAR: basic units at 6n+2, bottleneck units at 164 and 1001."""
    if name == "convnet":
        return convnet(shape, classes)
    depth = int(re.fullmatch(r"resnet(\d+)v2", name)[1])
    return resnet_v2(depth, depth in (164, 1001), shape, classes)


def convnet(shape, classes):
    """Two stages of two 3x3 convolutions with ReLU, each ending with max-pooling."""
    inputs = x = keras.Input(shape)
    for width in (32, 64):
        x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


def resnet_v2(depth, bottleneck, shape, classes):
    """He et al. 2016, full pre-activation."""
    units = (depth - 2) // (9 if bottleneck else 6)
    inputs = keras.Input(shape)
    x = _norm_relu(_conv(inputs, 16, 3))
    for stage in range(3):
        width = 16 * 2**stage * (4 if bottleneck else 1)
        for index in range(units):
            stride = 2 if stage > 0 and index == 0 else 1
            x = _unit(x, width, stride, bottleneck, activate=stage > 0 or index > 0)
    x = layers.GlobalAveragePooling2D()(_norm_relu(x))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


def _unit(x, width, stride, bottleneck, activate):
    activated = _norm_relu(x) if activate else x
    if bottleneck:
        y = _conv(activated, width // 4, 1, stride)
        y = _conv(_norm_relu(y), width // 4, 3)
        y = _conv(_norm_relu(y), width, 1)
    else:
        y = _conv(activated, width, 3, stride)
        y = _conv(_norm_relu(y), width, 3)
    missing = width - x.shape[-1]
    if missing and bottleneck:
        x = _conv(activated, width, 1, stride)
    elif missing:
        x = layers.MaxPooling2D(1, strides=stride)(x)
        x = keras.ops.pad(x, [(0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2)])
    return layers.Add()([x, y])


def _norm_relu(x):
    return layers.Activation("relu")(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))


def _conv(x, width, kernel, stride=1):
    return layers.Conv2D(
        width, kernel, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal"
    )(x)
