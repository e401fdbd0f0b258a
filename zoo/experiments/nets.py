"""Nets of the experiments that no name of the zoo's catalog gives."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from zoo.catalog import specify
from zoo.graph import room_for
from zoo.models import assemble, build
from zoo.units import conv_unit


def one_stage(*, family: str, units: int, **options: Any) -> keras.Model:
    """A net whose units are all alike: no strides, no change of width, nothing but depth.

    Args:
        family: `plain` or `resnet`.
        units: Residual units, or convolutions of a plain net, after the stem.
        **options: Of `zoo.build`.
    """
    spec = specify(f"{family}20", **options)
    # A unit that ends in addition, normalisation, activation is three frames of Keras' walk.
    with room_for(3 * units):
        return assemble(dataclasses.replace(spec, name=f"{family}_of_{units}", stages=(units,)))


def staged(*, net: str, stages: Sequence[int], **options: Any) -> keras.Model:
    """A net of the catalog with other numbers of units in its stages, such as an ImageNet net cut for small images.

    Args:
        net: Its name in the catalog.
        stages: Units of each stage.
        **options: Of `zoo.build`.
    """
    spec = specify(net, **options)
    name = f"{net}_of_{'_'.join(map(str, stages))}"
    return assemble(dataclasses.replace(spec, name=name, stages=tuple(stages)))


def convnet_prelu(**options: Any) -> keras.Model:
    """The zoo's convnet with PReLU, which is a layer, one slope a channel as its authors have it."""
    return build("convnet", activation=keras.layers.PReLU(shared_axes=[1, 2]), **options)


def inverted_residuals(
    *,
    expansion: int,
    narrow_activation: str | None,
    input_shape: tuple[int, ...],
    classes: int,
    width: int = 8,
    units: int = 2,
) -> keras.Model:
    """Units of a MobileNetV2 in three stages, with any expansion: 1x1 convolution, depthwise 3x3, 1x1 convolution.

    Channels between the units are `width`, doubled by each stage, and inside a unit `expansion` times what enters it.
    At an expansion of 1 the first convolution of a unit is left out, as in the paper's first unit. Logits come out.

    Args:
        expansion: Channels inside a unit for each one that enters it.
        narrow_activation: Of the narrow layer that ends a unit; None is the linear bottleneck.
        input_shape: Of an image.
        classes: Of the classifier.
        width: Channels of the first stage.
        units: In each stage.
    """

    def depthwise(filters, kernel_size, *, kernel_initializer, **settings):
        return layers.DepthwiseConv2D(kernel_size, depthwise_initializer=kernel_initializer, **settings)

    image = keras.Input(input_shape)
    x = conv_unit(2 * width, activation="relu6", name="stem")(image)
    incoming = 2 * width
    for stage in range(3):
        for index in range(units):
            unit = f"stage{stage + 1}_unit{index + 1}"
            outgoing, inside = width * 2**stage, expansion * incoming
            strides = 2 if stage and not index else 1
            entered = x
            if expansion > 1:
                x = conv_unit(inside, 1, activation="relu6", name=f"{unit}_expand")(x)
            x = conv_unit(
                inside, strides=strides, conv=depthwise, activation="relu6", name=f"{unit}_depthwise"
            )(x)
            ends = "conv norm act" if narrow_activation else "conv norm"
            x = conv_unit(outgoing, 1, ordering=ends, activation=narrow_activation, name=f"{unit}_project")(x)
            if strides == 1 and incoming == outgoing:
                x = layers.Add(name=f"{unit}_add")([entered, x])
            incoming = outgoing
    x = conv_unit(8 * width, 1, activation="relu6", name="last")(x)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return keras.Model(image, layers.Dense(classes, name="predictions")(x), name="inverted_residuals")


def mixed_bfloat16(*, net: str, **options: Any) -> keras.Model:
    """A net of the catalog that computes in bfloat16, its variables and its classifier in float32.

    Args:
        net: Its name.
        **options: Of `zoo.build`.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return build(net, **options)
    finally:
        keras.config.set_dtype_policy(before)
