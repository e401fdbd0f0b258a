"""ConvNeXt: one activation and one normalisation a block, where a residual net has three of each.

Liu et al. 2022, arXiv 2201.03545. Under `layout="keras"` the graph of `keras.applications.ConvNeXtTiny`, without its
preprocessing layer and its layers that do nothing; under `"cifar"` the same blocks on a stem that keeps the size.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from zoo.blocks import Parts
from zoo.catalog import origin_of
from zoo.families.rows import around
from zoo.naming import ZooNames
from zoo.spec import ModelSpec

SCALE_AT_START = 1e-6


class KerasNames(ZooNames):
    """The names of `keras.applications.ConvNeXtTiny`."""

    def __init__(self, size: str):
        prefix = f"convnext_{size}"
        self._prefix = prefix
        self.stem = f"{prefix}_stem_conv"
        self.head = f"{prefix}_head"
        self.pool = f"{prefix}_head_gap"
        self.classifier = f"{prefix}_head_dense"

    def unit(self, stage: int, unit: int) -> str:  # noqa: D102
        return f"{self._prefix}_stage_{stage - 1}_block_{unit - 1}"

    def part(self, unit: str, part: str) -> str:
        """A layer of a block."""
        number = {"depthwise": "depthwise_conv", "expand": "pointwise_conv_1", "project": "pointwise_conv_2"}
        return f"{unit}_{number[part]}"

    def scale(self, unit: str) -> str:
        """The scale of a block's branch."""
        return f"{unit}_layer_scale"

    def transition(self, stage: int) -> str:
        """The convolution before a stage."""
        return f"{self._prefix}_downsampling_conv_{stage - 2}"

    def norm(self, layer: str) -> str:  # noqa: D102
        if layer.endswith("_depthwise_conv"):
            return f"{layer.removesuffix('_depthwise_conv')}_layernorm"
        if "_downsampling_conv_" in layer:
            return layer.replace("_conv_", "_layernorm_")
        if layer == self.stem:
            return f"{self._prefix}_stem_layernorm"
        return f"{layer}_layernorm"

    def act(self, layer: str) -> str:  # noqa: D102
        return (
            f"{layer.removesuffix('_pointwise_conv_1')}_gelu" if "_pointwise_" in layer else f"{layer}_gelu"
        )


class Names(ZooNames):
    """The zoo's names, and those of the parts of a block."""

    def part(self, unit: str, part: str) -> str:
        """A layer of a block."""
        return f"{unit}_{part}"

    def scale(self, unit: str) -> str:
        """The scale of a block's branch."""
        return f"{unit}_scale"

    def transition(self, stage: int) -> str:
        """The convolution before a stage."""
        return f"stage{stage}_downsample_conv"


def names(spec: ModelSpec) -> ZooNames:
    """Names of the layers."""
    return KerasNames(origin_of(spec.name).removeprefix("convnext")) if spec.layout == "keras" else Names()


def map_size(spec: ModelSpec, pixels: int) -> int:
    """Height or width of the last feature map."""
    # Every halving is a convolution without padding.
    return pixels // spec.total_stride


def body(x, spec: ModelSpec, parts: Parts):
    """From the image to the last feature map."""
    label: Any = parts.names  # those of this family
    if parts.channel_axis == 1:
        raise ValueError(
            f"{spec.name} multiplies the last axis, as its authors do, and keras.config.image_data_format() puts the "
            "channels first; set it to 'channels_last'."
        )
    kernel = 4 if spec.layout == "keras" else 3
    linear = parts.conv(
        spec.width,
        kernel,
        label.stem,
        strides=kernel if spec.layout == "keras" else 1,
        padding="valid" if spec.layout == "keras" else "same",
    )
    x = around(x, "stem", label.stem, spec, parts, linear)
    for stage, count in enumerate(spec.stages, start=1):
        channels = spec.width * 2 ** (stage - 1)
        if stage > 1:
            name = label.transition(stage)
            linear = parts.conv(channels, 2, name, strides=2, padding="valid")
            x = around(x, "downsample", name, spec, parts, linear)
        for index in range(1, count + 1):
            x = _block(x, channels, label.unit(stage, index), spec, parts.at(f"stage{stage}"))
    return x


def _block(x, channels: int, unit: str, spec: ModelSpec, parts: Parts):
    label: Any = parts.names  # those of this family
    y = x
    for part in ("depthwise", "expand", "project"):
        name = label.part(unit, part)
        if part == "depthwise":
            linear = parts.depthwise(7, name, use_bias=True)
        else:
            linear = parts.dense(4 * channels if part == "expand" else channels, name)
        y = around(y, part, name, spec, parts, linear)
    # A factor for each channel, as a stock layer: the diagonal of a product.
    y = layers.EinsumDense(
        "abcd,d->abcd",
        output_shape=tuple(y.shape[1:]),
        kernel_initializer=keras.initializers.Constant(SCALE_AT_START),
        name=label.scale(unit),
    )(y)
    y = layers.Add(name=label.add(unit))([x, y])
    return around(y, "add", label.add(unit), spec, parts)
