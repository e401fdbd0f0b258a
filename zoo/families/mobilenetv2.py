"""MobileNetV2: inverted residuals, wide inside and narrow between, with no activation in the narrow layer.

Sandler et al. 2018, arXiv 1801.04381. Under `layout="keras"` the graph of `keras.applications.MobileNetV2`; under
`"cifar"` the same units, with the first two halvings of the size left out.
"""

from __future__ import annotations

from typing import Any

from keras import layers

from zoo.blocks import Parts
from zoo.families.rows import around
from zoo.naming import ZooNames
from zoo.spec import ModelSpec

# (expansion, channels at width 32, stride under "keras", stride under "cifar") of each stage: table 2 of the paper
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 2, 2),
    (6, 64, 2, 2),
    (6, 96, 1, 1),
    (6, 160, 2, 2),
    (6, 320, 1, 1),
)
LAST = 1280


class KerasNames(ZooNames):
    """The names of `keras.applications.MobileNetV2`."""

    stem = "Conv1"
    last = "Conv_1"
    pool = "global_average_pooling2d"

    def __init__(self, spec: ModelSpec):
        self._units = spec.stages
        self._before = [sum(spec.stages[:k]) for k in range(len(spec.stages))]

    def unit(self, stage: int, unit: int) -> str:  # noqa: D102
        number = self._before[stage - 1] + unit - 1
        return f"block_{number}" if number else "expanded_conv"

    def ends(self, stage: int, index: int) -> tuple[str, ...]:  # noqa: D102
        # Numbers go on from stage to stage.
        inside = stage <= len(self._units) and index <= self._units[stage - 1]
        return super().ends(stage, index) if inside else ()

    def norm(self, layer: str) -> str:  # noqa: D102
        return {self.stem: "bn_Conv1", self.last: "Conv_1_bn"}.get(layer, f"{layer}_BN")

    def act(self, layer: str) -> str:  # noqa: D102
        return "out_relu" if layer == self.last else f"{layer}_relu"


class Names(ZooNames):
    """The zoo's names, and one for the last convolution."""

    last = "last_conv"


def names(spec: ModelSpec) -> ZooNames:
    """Names of the layers."""
    return KerasNames(spec) if spec.layout == "keras" else Names()


def channels(value: float) -> int:
    """The multiple of 8 nearest to a number of channels, but not less than 0.9 of it."""
    nearest = max(8, int(value + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * value else nearest


def map_size(spec: ModelSpec, pixels: int) -> int:
    """Height or width of the last feature map."""
    return -(-pixels // spec.total_stride)


def body(x, spec: ModelSpec, parts: Parts):
    """From the image to the last feature map."""
    label: Any = parts.names  # those of this family
    alpha: Any = spec.alpha  # of this family never None: the catalog gives it
    factor = alpha * spec.width / 32
    keras = spec.layout == "keras"

    def conv(x, filters, kernel, name, part, at, strides=1):
        linear = parts.conv(filters, kernel, name, strides=strides, use_bias=False)
        return around(x, part, name, spec, parts.at(at), linear)

    x = conv(x, channels(32 * factor), 3, label.stem, "stem", "stem", strides=2 if keras else 1)
    incoming = channels(32 * factor)
    for stage, (expansion, filters, *strides) in enumerate(STAGES, start=1):
        # Keras cuts to a whole number first.
        outgoing = channels(int(filters * factor))
        at = f"stage{stage}"
        for index in range(1, spec.stages[stage - 1] + 1):
            unit = label.unit(stage, index)
            stride = strides[0 if keras else 1] if index == 1 else 1
            entered = x
            if expansion > 1:
                x = conv(x, expansion * incoming, 1, f"{unit}_expand", "expand", at)
            name = f"{unit}_depthwise"
            linear = parts.depthwise(3, name, strides=stride)
            x = around(x, "depthwise", name, spec, parts.at(at), linear)
            x = conv(x, outgoing, 1, f"{unit}_project", "project", at)
            if stride == 1 and incoming == outgoing:
                x = layers.Add(name=label.add(unit))([entered, x])
            incoming = outgoing
    # The paper leaves the last convolution as wide as it is where the others get narrower.
    last = channels(LAST * factor) if alpha > 1 else LAST * spec.width // 32
    return conv(x, last, 1, label.last, "last", "head")
