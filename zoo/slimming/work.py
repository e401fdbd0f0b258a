"""What a layer has to do: how often it multiplies, and which layers do the same."""

from __future__ import annotations

import math
import re
from typing import Any

from keras import layers

from zoo.activations.sites import CONVOLUTIONS, DEPTHWISE, SEPARABLE, TRANSPOSED

COUNTED = (layers.Dense, layers.EinsumDense, *CONVOLUTIONS, *TRANSPOSED, *DEPTHWISE, *SEPARABLE)


def multiplications(layer: Any, given: tuple[int, ...], made: tuple[int, ...]) -> int:
    """How often a layer multiplies a number of its kernel with one of a sample.

    Every number of a kernel counts once at each place, also at the border, where it meets zeros of a padding. An EinsumDense
    that adds nothing up scales its input, as a normalisation does, and counts 0.

    Args:
        layer: One of `COUNTED`, built.
        given: Shape of a sample that it is called on, without the batch.
        made: Shape of what it returns, without the batch.
    """
    if isinstance(layer, layers.EinsumDense):
        return _of_einsum(layer, given, made)
    # A transposed convolution puts its kernel at each place of the input.
    sample = given if isinstance(layer, TRANSPOSED) else made
    first = getattr(layer, "data_format", None) == "channels_first"
    places = math.prod(sample[1:] if first else sample[:-1])
    names = ("depthwise_kernel", "pointwise_kernel") if isinstance(layer, SEPARABLE) else ("kernel",)
    return places * sum(math.prod(getattr(layer, name).shape) for name in names)


def _of_einsum(layer: Any, given: tuple[int, ...], made: tuple[int, ...]) -> int:
    inputs, kernel, outputs = re.split(",|->", layer.equation.replace(" ", ""))
    letters, shape = inputs.replace("...", ""), (1, *given)
    if inputs.startswith("..."):  # else it stands for the last axes, if there is one
        letters, shape = letters[::-1], shape[::-1]
    sizes = dict(zip(letters, shape, strict=False)) | dict(zip(kernel, layer.kernel.shape, strict=True))
    summed = [size for letter, size in sizes.items() if letter not in outputs]
    return math.prod(made) * math.prod(summed) if summed else 0


def kind_of(row: list[Any]) -> str:
    """The same for layers one after the other that differ from these in nothing but their names and weights."""
    return repr([(type(layer).__name__, {**layer.get_config(), "name": ""}) for layer in row])
