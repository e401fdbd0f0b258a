"""DenseNet: every layer reads all before it, so each normalises and activates for itself.

Huang et al. 2016, arXiv 1608.06993. Under `layout="keras"` the graph of `keras.applications.DenseNet121`; under
`"cifar"` the paper's nets for small images. `width` is the growth rate. Bottleneck units are the paper's B, and come with
its C: transitions halve the channels.
"""

from __future__ import annotations

from typing import Any

from keras import layers

from zoo.blocks import Parts
from zoo.families.rows import around
from zoo.naming import ZooNames
from zoo.spec import ModelSpec


class KerasNames(ZooNames):
    """The names of `keras.applications.DenseNet121`."""

    stem = "conv1_conv"
    head = "head"
    pool = "avg_pool"

    def unit(self, stage: int, unit: int) -> str:  # noqa: D102
        return f"conv{stage + 1}_block{unit}"

    def branch(self, unit: str, index: int) -> str:  # noqa: D102
        return f"{unit}_{index}_conv"

    def transition(self, stage: int) -> str:
        """The convolution after a stage."""
        return f"pool{stage + 1}_conv"

    def downsample(self, stage: int) -> str:  # noqa: D102
        return f"pool{stage + 1}_pool"

    def stem_pool(self) -> str:  # noqa: D102
        return "pool1"

    def norm(self, layer: str) -> str:  # noqa: D102
        return "bn" if layer == self.head else f"{self._place(layer)}_bn"

    def act(self, layer: str) -> str:  # noqa: D102
        return "relu" if layer == self.head else f"{self._place(layer)}_relu"

    def _place(self, layer: str) -> str:
        name = layer.removesuffix("_conv")
        # What stands before the first convolution of a unit has number 0, what stands between the two 1.
        unit, _, index = name.rpartition("_")
        return f"{unit}_{int(index) - 1}" if index.isdigit() else name


class Names(ZooNames):
    """The zoo's names, and one for the convolution of a transition."""

    def transition(self, stage: int) -> str:
        """The convolution after a stage."""
        return f"stage{stage}_transition_conv"


def names(spec: ModelSpec) -> ZooNames:
    """Names of the layers."""
    return KerasNames() if spec.layout == "keras" and spec.ordering == "norm_act_conv" else Names()


def map_size(spec: ModelSpec, pixels: int) -> int:
    """Height or width of the last feature map."""
    size = pixels if spec.layout == "cifar" else -(-pixels // 4)
    # The average pooling of a transition leaves out what does not fill a window.
    return size // 2 ** (len(spec.stages) - 1)


def body(x, spec: ModelSpec, parts: Parts):
    """From the image to the last feature map."""
    label: Any = parts.names  # those of this family
    before = spec.ordering == "norm_act_conv"
    bottleneck = spec.block == "bottleneck"
    growth = spec.width
    imagenet = spec.layout == "keras"
    axis = parts.channel_axis

    def conv(x, filters, kernel, name, stage):
        linear = parts.conv(filters, kernel, name, use_bias=False)
        return around(x, spec.ordering, name, spec, parts.at(f"stage{stage}"), linear)

    channels = 2 * growth if bottleneck else 16
    # On small images the first unit brings its own activation; the stem of the ImageNet nets has one all the same.
    linear = parts.conv(
        channels, 7 if imagenet else 3, label.stem, strides=2 if imagenet else 1, use_bias=False
    )
    x = around(x, "stem", label.stem, spec, parts.at("stem"), linear) if imagenet or not before else linear(x)
    if imagenet:
        pool = label.stem_pool()
        x = layers.ZeroPadding2D(1, name=label.pad(pool))(x)
        x = layers.MaxPooling2D(3, strides=2, name=pool)(x)
    for stage, count in enumerate(spec.stages, start=1):
        for index in range(1, count + 1):
            unit = label.unit(stage, index)
            y = x
            if bottleneck:
                y = conv(y, 4 * growth, 1, label.branch(unit, 1), stage)
            y = conv(y, growth, 3, label.branch(unit, 2 if bottleneck else 1), stage)
            x = layers.Concatenate(axis=axis, name=f"{unit}_concat")([x, y])
            channels += growth
        if stage < len(spec.stages):
            channels = channels // 2 if bottleneck else channels
            x = conv(x, channels, 1, label.transition(stage), stage)
            x = layers.AveragePooling2D(2, strides=2, name=label.downsample(stage))(x)
    return around(x, "end", label.head, spec, parts.at("head")) if before else x
