"""Wide residual nets: fewer units, wider ones, and dropout between their convolutions.

Zagoruyko and Komodakis 2016, arXiv 1605.07146. Pre-activation units; the first of a stage shares its activation between
branch and projection. `width` is the number of channels of the first stage, 16 times the factor in the name.
"""

from __future__ import annotations

from typing import Any

from keras import layers

from zoo.blocks import Parts
from zoo.families.rows import around
from zoo.naming import ZooNames
from zoo.spec import ModelSpec

STEM = 16


def names(spec: ModelSpec) -> ZooNames:
    """Names of the layers."""
    return ZooNames()


def map_size(spec: ModelSpec, pixels: int) -> int:
    """Height or width of the last feature map."""
    return -(-pixels // spec.total_stride)


def body(x, spec: ModelSpec, parts: Parts):
    """From the image to the last feature map."""
    convolutions: Any = spec.convolutions  # of this family never None: the catalog gives it
    label = parts.names

    def conv(filters, kernel, name, strides=1):
        return parts.conv(filters, kernel, name, strides=strides, use_bias=False)

    x = conv(STEM, 3, label.stem)(x)
    incoming = STEM
    for stage, count in enumerate(spec.stages, start=1):
        channels, here = spec.width * 2 ** (stage - 1), parts.at(f"stage{stage}")
        for index in range(1, count + 1):
            unit = label.unit(stage, index)
            stride = 2 if stage > 1 and index == 1 else 1
            changes = stride > 1 or incoming != channels
            y = around(x, "entry", label.branch(unit, 1), spec, here)
            shortcut = x
            if changes:
                shortcut = conv(channels, 1, label.shortcut(unit, "conv"), stride)(y)
            for k in range(1, convolutions + 1):
                name = label.branch(unit, k)
                if k > 1:
                    y = around(y, "entry", name, spec, here)
                    if spec.dropout_rate:
                        # After the activation, inside the branch and never on the shortcut: section 2.4 of the paper.
                        y = layers.Dropout(spec.dropout_rate, name=f"{name}_dropout")(y)
                y = conv(channels, 3, name, stride if k == 1 else 1)(y)
            x = layers.Add(name=label.add(unit))([shortcut, y])
            incoming = channels
    return around(x, "end", label.head, spec, parts.at("head"))
