"""The linear map inside a convolution or dense layer, as arrays to be scaled and shifted by channel.

Arithmetic is done in float64: what the transforms lose is the one rounding back to the dtype of the layer.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import keras
import numpy as np
from keras import layers

from zoo.activations.sites import CONVOLUTIONS, DEPTHWISE, SEPARABLE, TRANSPOSED
from zoo.graph import Part, copy_layer, copy_variables

# Those whose channels are told: the axes of an EinsumDense can be any.
WITH_KERNEL = (layers.Dense, *CONVOLUTIONS, *TRANSPOSED, *DEPTHWISE, *SEPARABLE)

_METHODS = ("call", "convolution_op")
_STOCK = frozenset(getattr(cls, name) for cls in WITH_KERNEL for name in _METHODS if hasattr(cls, name))


def to_numpy(value: Any) -> np.ndarray:
    """A float64 array of a Keras variable or tensor, a copy that may be written to."""
    return np.array(keras.ops.convert_to_numpy(value), "float64")


def has_kernel(operation: Any) -> bool:
    """Whether `operation` computes, by the code of the stock layer, a linear map given by a kernel."""
    if not isinstance(operation, WITH_KERNEL) or type(operation).__call__ is not layers.Layer.__call__:
        return False
    methods = [getattr(type(operation), name, None) for name in _METHODS]
    return all(method is None or method in _STOCK for method in methods)


def obstacle(layer: Any) -> str | None:
    """Why the kernel of `layer` cannot be replaced by another one, or None."""
    if getattr(layer, "lora_enabled", False):
        return f"{layer.name!r} has LoRA enabled: its kernel is a sum; merge it first"
    if getattr(layer, "quantization_mode", None):
        return f"{layer.name!r} is quantized to {layer.quantization_mode}: its kernel is rounded"
    return precision_obstacle(layer)


def is_computed(layer: Any) -> bool:
    """Whether the class of `layer` computes its kernel, as with a mask: then it can be read and not be set."""
    kind: Any = type(layer)
    return _computes(kind)


@functools.cache
def _computes(kind: type) -> bool:
    names = ("kernel", "depthwise_kernel", "pointwise_kernel", "bias")
    own = [inspect.getattr_static(kind, name, None) for name in names]
    stock = [inspect.getattr_static(cls, name, None) for cls in WITH_KERNEL for name in names]
    return any(attribute not in stock for attribute in own)


def precision_obstacle(layer: Any) -> str | None:
    """Why `layer` rounds too coarsely for its arithmetic to be rearranged within 1e-5, or None."""
    dtypes = {layer.compute_dtype, layer.variable_dtype}
    if not dtypes <= {"float32", "float64"}:
        return f"{layer.name!r} computes in {layer.compute_dtype}, which rounds too coarsely"
    return None


def channel_axis(layer: Any, rank: int) -> int:
    """The axis of the channels in the inputs and outputs of `layer`, both of that rank."""
    return 1 if getattr(layer, "data_format", None) == "channels_first" else rank - 1


class Kernel:
    """The arrays of one layer; the methods change them to those of the layer composed with a scale or shift.

    Args:
        layer: A built layer for which `has_kernel` holds.

    Attributes:
        linear: Whether the new layer goes without the activation of the old one.
    """

    linear = False

    def __init__(self, layer: Any):
        self.layer = layer
        names: tuple[str, ...]
        if isinstance(layer, SEPARABLE):
            names = ("depthwise_kernel", "pointwise_kernel")
        else:
            names = ("kernel",)
        self.arrays = {name: to_numpy(getattr(layer, name)) for name in names}
        self.bias: np.ndarray = (
            np.zeros(self._output_channels()) if layer.bias is None else to_numpy(layer.bias)
        )

    def transform_outputs(self, scale: np.ndarray, shift: np.ndarray) -> None:
        """Compose with `y -> scale * y + shift` behind the layer; both of shape `(output channels,)`."""
        if isinstance(self.layer, SEPARABLE):
            self.arrays["pointwise_kernel"] *= scale
        elif isinstance(self.layer, TRANSPOSED):
            self.arrays["kernel"] *= scale[:, None]
        elif isinstance(self.layer, DEPTHWISE):
            self.arrays["kernel"] *= scale.reshape(self.arrays["kernel"].shape[-2:])
        else:
            self.arrays["kernel"] *= scale
        self.bias = self.bias * scale + shift

    def transform_inputs(self, scale: np.ndarray, shift: np.ndarray) -> None:
        """Compose with `x -> scale * x + shift` in front of the layer; both of shape `(input channels,)`.

        The shift is right only where every output sees the whole kernel: nothing padded, nothing transposed.
        """
        if isinstance(self.layer, SEPARABLE):
            depthwise, pointwise = self.arrays["depthwise_kernel"], self.arrays["pointwise_kernel"]
            taps = tuple(range(depthwise.ndim - 2))
            seen = (depthwise.sum(taps) * shift[:, None]).reshape(-1)
            self.bias = self.bias + seen @ pointwise.reshape(len(seen), -1)
            self.arrays["depthwise_kernel"] = depthwise * scale[:, None]
        elif isinstance(self.layer, DEPTHWISE):
            kernel = self.arrays["kernel"]
            self.bias = self.bias + (kernel.sum(tuple(range(kernel.ndim - 2))) * shift[:, None]).reshape(-1)
            self.arrays["kernel"] = kernel * scale[:, None]
        elif isinstance(self.layer, TRANSPOSED):
            self.arrays["kernel"] = self.arrays["kernel"] * scale
        else:
            kernel = self.arrays["kernel"]
            groups = getattr(self.layer, "groups", 1)
            outputs = kernel.shape[-1]
            # Input channel j of group g is channel g * (channels per group) + j of the layer.
            spread = [np.repeat(v.reshape(groups, -1).T, outputs // groups, axis=1) for v in (scale, shift)]
            self.bias = self.bias + (kernel * spread[1]).sum(tuple(range(kernel.ndim - 1)))
            self.arrays["kernel"] = kernel * spread[0]

    def is_finite(self) -> bool:
        """Whether all numbers are, also after rounding to the dtype of the layer."""
        arrays = [*self.arrays.values(), self.bias]
        # The smallest and the largest tell it for all: rounding keeps the order, and of what is no number both are none.
        extremes = np.array([extreme for a in arrays if a.size for extreme in (a.min(), a.max())])
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.isfinite(extremes.astype(self.layer.variable_dtype)).all())

    def copy(self) -> Kernel:
        """An independent copy."""
        new = object.__new__(Kernel)
        new.layer, new.bias, new.linear = self.layer, self.bias.copy(), self.linear
        new.arrays = {name: array.copy() for name, array in self.arrays.items()}
        return new

    def part(self) -> Part:
        """A layer with these arrays, and otherwise configured like the one they came from."""
        overrides: dict[str, Any] = {"activation": None} if self.linear else {}
        activation, drop = self.layer.activation, 0
        if self.linear and isinstance(activation, layers.Layer):
            drop = len(activation.variables)  # they come last
        fill = copy_variables(self.layer, drop=drop, bias=self.bias, **self.arrays)
        return Part(copy_layer(self.layer, use_bias=True, **overrides), fill)

    def _output_channels(self) -> int:
        kernel = next(reversed(self.arrays.values()))
        if isinstance(self.layer, DEPTHWISE):
            return kernel.shape[-1] * kernel.shape[-2]
        return kernel.shape[-2 if isinstance(self.layer, TRANSPOSED) else -1]
