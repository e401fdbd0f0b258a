"""Xception: separable convolutions, with no activation between their depthwise and their pointwise half.

Chollet 2016, arXiv 1610.02357. Under `layout="keras"` the graph of `keras.applications.Xception`; under `"cifar"` the
same modules, with the first two halvings of the size left out and the stem padded.
"""

from __future__ import annotations

from keras import layers

from zoo.blocks import Parts
from zoo.families.rows import around
from zoo.naming import ZooNames
from zoo.spec import ModelSpec

# Channels of the separable convolutions of the modules with a stride, at width 32; the middle flow has those of the third.
ENTRY = ((128, 128), (256, 256), (728, 728))
MIDDLE = (728, 728, 728)
EXIT = (728, 1024)
END = (1536, 2048)


class Names(ZooNames):
    """The names of `keras.applications.Xception`, and names of their own for the shortcuts that it leaves unnamed."""

    pool = "avg_pool"

    def __init__(self, spec: ModelSpec):
        self._modules = spec.stages

    def conv(self, stage: int, index: int) -> str:  # noqa: D102
        return f"block{stage}_conv{index}"

    def unit(self, stage: int, unit: int) -> str:  # noqa: D102
        return f"block{stage + unit}"

    def ends(self, stage: int, index: int) -> tuple[str, ...]:  # noqa: D102
        # Numbers go on from stage to stage; the first belongs to the stem.
        inside = stage <= len(self._modules) and index <= self._modules[stage - 1]
        return (self.add(self.unit(1 + sum(self._modules[: stage - 1]), index)),) if inside else ()

    def norm(self, layer: str) -> str:  # noqa: D102
        return f"{layer}_bn"


def names(spec: ModelSpec) -> ZooNames:
    """Names of the layers, the same under both layouts."""
    return Names(spec)


def map_size(spec: ModelSpec, pixels: int) -> int:
    """Height or width of the last feature map."""
    if spec.layout == "cifar":
        return -(-pixels // 8)
    # Two convolutions of the stem are not padded.
    return max(-(-((pixels - 3) // 2 - 1) // 16), 0) if pixels >= 3 else 0


def body(x, spec: ModelSpec, parts: Parts):
    """From the image to the last feature map."""
    label = parts.names
    keras = spec.layout == "keras"

    def wide(channels):
        return max(channels * spec.width // 32, 1)

    def separable(x, filters, name, here):
        if spec.between_activation is None:
            return around(x, "pointwise", name, spec, here, parts.separable(filters, 3, name))
        first = f"{name}_depthwise"
        x = around(x, "depthwise", first, spec, here, parts.depthwise(3, first))
        return around(x, "pointwise", name, spec, here, parts.conv(filters, 1, name, use_bias=False))

    for index, channels in ((1, 32), (2, 64)):
        name = label.conv(1, index)
        linear = parts.conv(
            wide(channels),
            3,
            name,
            strides=2 if keras and index == 1 else 1,
            padding="valid" if keras else "same",
            use_bias=False,
        )
        x = around(x, "stem", name, spec, parts.at("stem"), linear)

    block = 1

    def module(x, filters, here, *, strides: int | None = 1, enters=True):
        """Activation and separable convolution, two or three times, beside a shortcut."""
        unit = label.unit(block, 0)
        shortcut = x
        if strides is not None:
            name = label.shortcut(unit, "conv")
            linear = parts.conv(wide(filters[-1]), 1, name, strides=strides, use_bias=False)
            # A shortcut's normalisation is named after the unit, as everywhere.
            shortcut = parts.norm(name, name=label.shortcut(unit, "norm"))(linear(x))
        for index, channels in enumerate(filters, start=1):
            name = f"{unit}_sepconv{index}"
            if enters or index > 1:
                x = around(x, "entry", name, spec, here)
            x = separable(x, wide(channels), name, here)
        if strides is not None:
            x = layers.MaxPooling2D(3, strides=strides, padding="same", name=f"{unit}_pool")(x)
        return layers.Add(name=label.add(unit))([shortcut, x])

    for index, filters in enumerate(ENTRY):
        block += 1
        # The stem has activated already.
        x = module(
            x, filters, parts.at(f"stage{index + 1}"), strides=2 if keras or index else 1, enters=index > 0
        )
    for _ in range(spec.stages[3]):
        block += 1
        x = module(x, MIDDLE, parts.at("stage4"), strides=None)
    block += 1
    x = module(x, EXIT, parts.at("stage5"), strides=2)
    block += 1
    for index, channels in enumerate(END, start=1):
        name = f"{label.unit(block, 0)}_sepconv{index}"
        x = separable(x, wide(channels), name, parts.at("head"))
        x = around(x, "exit", name, spec, parts.at("head"))
    return x
