"""RepVGG: three branches that merge into one convolution, because the only activation stands after their sum.

Ding et al. 2021, arXiv 2101.03697. `merged=False` is the net to train, `merged=True` the one to use;
`zoo.transforms.merge_branches` turns the first into the second.
"""

from __future__ import annotations

from keras import layers

from zoo.blocks import Parts
from zoo.families.rows import around
from zoo.naming import ZooNames
from zoo.spec import ModelSpec

# Channels of the stem, at most, and of the stages, at width 48: A0 in table 2 of the paper.
STEM_AT_MOST = 64
STAGES = (48, 96, 192, 1280)


def names(spec: ModelSpec) -> ZooNames:
    """Names of the layers."""
    return ZooNames()


def map_size(spec: ModelSpec, pixels: int) -> int:
    """Height or width of the last feature map."""
    return -(-pixels // spec.total_stride)


def body(x, spec: ModelSpec, parts: Parts):
    """From the image to the last feature map."""
    label = parts.names
    small = spec.layout == "cifar"
    incoming = x.shape[parts.channel_axis]
    channels = min(STEM_AT_MOST, spec.width)
    x = _unit(x, incoming, channels, 1 if small else 2, "stem", spec, parts.at("stem"))
    incoming = channels
    for stage, count in enumerate(spec.stages, start=1):
        channels = max(STAGES[stage - 1] * spec.width // 48, 1)
        for index in range(1, count + 1):
            stride = 2 if index == 1 and not (small and stage == 1) else 1
            x = _unit(
                x, incoming, channels, stride, label.unit(stage, index), spec, parts.at(f"stage{stage}")
            )
            incoming = channels
    return x


def _unit(x, incoming: int, channels: int, stride: int, unit: str, spec: ModelSpec, parts: Parts):
    label = parts.names
    name = f"{unit}_conv"
    if spec.merged:
        linear = parts.conv(channels, 3, name, strides=stride)
        return around(x, "merged", unit, spec, parts, linear)
    branches = []
    if stride == 1 and incoming == channels:
        branches.append(around(x, "identity", f"{unit}_identity", spec, parts))
    for kernel, name in ((3, f"{unit}_conv"), (1, f"{unit}_pointwise")):
        linear = parts.conv(channels, kernel, name, strides=stride, use_bias=False)
        branches.append(around(x, "branch", name, spec, parts, linear))
    return around(layers.Add(name=label.add(unit))(branches), "add", unit, spec, parts)
