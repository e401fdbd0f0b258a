"""The row of a part of a unit, with the options of a spec put in, becomes layers."""

from __future__ import annotations

from collections.abc import Callable

from zoo.blocks import Parts, place
from zoo.placement import FAMILIES
from zoo.spec import ModelSpec


def around(x, part: str, layer: str, spec: ModelSpec, parts: Parts, linear: Callable | None = None):
    """Apply the row of a part.

    Args:
        x: Input tensor.
        part: A key of the rows of the spec's family.
        layer: Name of the layer that normalisation and activation serve.
        spec: The net.
        parts: Its layers.
        linear: The convolution or dense layer, a function of a tensor and a built-in activation.
    """
    family = FAMILIES[spec.family]
    option = family.activations.get(part)
    given = getattr(spec, option) if option else None
    if option is not None and given is not None and given != "same":
        parts = parts.activated_by(option, given)
    return place(x, family.row(part, spec), layer, parts, linear=linear)
