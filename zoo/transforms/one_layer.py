"""A run of linear layers as one layer: a convolution, a dense layer, or the reason why it is none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import layers

from zoo.activations.sites import CONVOLUTIONS, DEPTHWISE, SEPARABLE
from zoo.bias_axis import takes_width_for_channels
from zoo.graph import Part, copy_layer, copy_variables, set_values, take_attributes
from zoo.graph.channels import PADDING
from zoo.slimming.neighbours import POOLING, passes
from zoo.transforms.batchnorm import is_batchnorm, scale_and_shift
from zoo.transforms.kernels import Kernel, has_kernel, is_computed
from zoo.transforms.linear_runs import GLOBAL_POOLING, Run, channel_place, gathers
from zoo.transforms.spatial import Spatial, compose, dense_kernel, pull_back, stencil

# Numbers in the kernel of the one layer; beyond this it helps nobody and takes long to compute.
LARGEST_KERNEL = 2**27


class NotOneLayer(ValueError):
    """A run is not one layer.

    Attributes:
        node: The member with which it stops being one: another run can begin there.
    """

    def __init__(self, message: str, node: Any):
        super().__init__(message)
        self.node = node


@dataclass(frozen=True, eq=False)
class _Activated:
    """Sets the variables of the one layer, and those of the activation layer in it to what they are in `source`."""

    values: Any
    source: Any

    def first_value(self, name: str) -> Any:
        """As `values` has it."""
        return self.values.first_value(name)

    def __call__(self, layer: Any) -> None:
        self.values(layer)
        copy_variables(self.source.activation)(layer.activation)
        take_attributes(self.source.activation, layer.activation)

    def pairs(self, layer: Any) -> Iterator[tuple[Any, Any]]:
        """The variables of the activation layer, each with the one it comes from: two layers may not share them."""
        return zip(layer.activation.variables, self.source.activation.variables, strict=False)


def one_layer(run: Run) -> list[Part]:
    """The layer, with what goes before it.

    Raises:
        NotOneLayer: There is none that computes the same.
    """
    first, last = run.members[0], run.members[-1]
    kept_shape = _only_normalised(run)
    if kept_shape is not None:
        return kept_shape
    if run.crosses_to_features:
        return _as_dense(run)
    node = first
    try:
        whole = _spatial(first)
        for before, node in zip(run.members, run.members[1:], strict=False):
            spatial = _spatial(node)
            _refuse_huge(whole, spatial)
            whole = compose(whole, spatial, before.operation, node.operation)
        return _as_layer(run, whole, last)
    except ValueError as error:
        raise NotOneLayer(str(error), node) from error


def _refuse_huge(whole: Spatial, after: Spatial) -> None:
    sizes = [k + s * (m - 1) for k, s, m in zip(whole.sizes, whole.strides, after.sizes, strict=True)]
    shape = [*sizes, whole.kernel.shape[-2], after.kernel.shape[-1]]
    if math.prod(shape) > LARGEST_KERNEL:
        listed = " x ".join(map(str, shape))
        raise ValueError(
            f"its kernel would have {listed} = {math.prod(shape)} numbers, more than {LARGEST_KERNEL}."
        )


def _only_normalised(run: Run) -> list[Part] | None:
    """One layer with a kernel and BatchNormalization behind it: the layer keeps its class and its groups."""
    first, *rest = run.members
    if not has_kernel(first.operation) or not all(is_batchnorm(node.operation) for node in rest):
        return None
    if is_computed(first.operation):
        return None
    kernel = Kernel(first.operation)
    for node in rest:
        kernel.transform_outputs(*scale_and_shift(node.operation))
    if kernel.bias.any() and takes_width_for_channels(first.operation, first.outputs[0]):
        raise NotOneLayer(_along_the_width(first.operation), rest[-1])
    return [kernel.part()]


def _spatial(node: Any) -> Spatial:
    """The affine map of one node as a convolution."""
    layer, shape = node.operation, node.input_tensors[0].shape
    dims = len(shape) - 2
    sizes = shape[2:] if channel_place(node) == "first" else shape[1:-1]
    channels = shape[1] if channel_place(node) == "first" else shape[-1]
    ones = (1,) * dims
    if is_batchnorm(layer):
        scale, shift = scale_and_shift(layer)
        return Spatial(np.diag(scale).reshape(*ones, channels, channels), shift, ones)
    if type(layer) in POOLING:
        kernel = np.zeros((*layer.pool_size, channels, channels))
        kernel[..., range(channels), range(channels)] = 1 / math.prod(layer.pool_size)
        padding = stencil(layer.padding, layer.pool_size, layer.strides, sizes, layer)
        return Spatial(
            kernel,
            np.zeros(channels),
            tuple(layer.strides),
            padding,
            mode="average" if any(map(any, padding)) else "",
        )
    own = Kernel(layer)
    if own.bias.any() and takes_width_for_channels(layer, node.outputs[0]):
        raise ValueError(_along_the_width(layer))
    if isinstance(layer, layers.Dense):
        return Spatial(own.arrays["kernel"].reshape(*ones, channels, -1), own.bias, ones)
    array = dense_kernel(own, DEPTHWISE, SEPARABLE)
    padding = stencil(layer.padding, array.shape[:-2], layer.strides, sizes, layer)
    dilation = tuple(d if k > 1 else 0 for d, k in zip(layer.dilation_rate, layer.kernel_size, strict=True))
    return Spatial(array, own.bias, tuple(layer.strides), padding, dilation, layer.padding)


def _as_layer(run: Run, whole: Spatial, last: Any) -> list[Part]:
    named = run.named
    options = {"name": named.name, "dtype": named.dtype_policy, "trainable": named.trainable}
    kernel, filters = whole.kernel, whole.kernel.shape[-1]
    dims = kernel.ndim - 2
    data_format = (
        "channels_first" if any(channel_place(n) == "first" for n in run.members) else "channels_last"
    )
    if dims == 0 or all(
        isinstance(n.operation, (layers.Dense, layers.BatchNormalization)) for n in run.members
    ):
        if dims and data_format == "channels_first":
            raise ValueError(
                f"{last.operation.name!r} normalises axis 1, and no layer here has its channels there."
            )
        values = {"kernel": kernel.reshape(kernel.shape[-2:]), "bias": whole.bias}
        return [_activated(layers.Dense, last.operation, values, filters, **options)]
    dilation = tuple(max(d, 1) for d in whole.dilation) if max(whole.strides) == 1 else (1,) * dims
    kernel = kernel[tuple(slice(None, None, d) for d in dilation)]
    parts = []
    padding = "valid"
    if whole.is_padded:
        if whole.mode:
            padding = whole.mode
        else:
            pad = PADDING[dims - 1]
            amount = whole.padding[0] if dims == 1 else whole.padding
            pad_options = {"data_format": data_format, "dtype": named.dtype_policy}
            parts.append(Part(pad(amount, name=f"{named.name}_pad", **pad_options)))
    values = {"kernel": kernel, "bias": whole.bias}
    options |= {"strides": whole.strides, "padding": padding, "dilation_rate": dilation}
    options["data_format"] = data_format
    one = _activated(CONVOLUTIONS[dims - 1], last.operation, values, filters, kernel.shape[:-2], **options)
    if whole.bias.any() and takes_width_for_channels(one.layer, last.outputs[0]):
        raise ValueError(_along_the_width(last.operation))
    return [*parts, one]


def _activated(kind: Any, last: Any, values: dict[str, Any], *sizes: Any, **options: Any) -> Part:
    """A layer with these values and the activation of `last`, a copy of it where that is a layer."""
    activation, fill = getattr(last, "activation", None), set_values(**values)
    if not isinstance(activation, layers.Layer):
        return Part(kind(*sizes, activation=activation, **options), fill)
    return Part(kind(*sizes, activation=copy_layer(activation), **options), _Activated(fill, last))


def _along_the_width(layer: Any) -> str:
    return (
        f"{layer.name!r} puts out as many channels as it is wide, channels first, and Keras on this backend would add a bias "
        f"along the width."
    )


def _as_dense(run: Run) -> list[Part]:
    """The whole run as one matrix over all values of its input, found from its end to its beginning."""
    last, shape = run.nodes[-1], run.nodes[0].input_tensors[0].shape[1:]
    outputs = math.prod(last.outputs[0].shape[1:])
    if None in shape or math.prod(shape) * outputs > LARGEST_KERNEL:
        place = next(i for i, node in enumerate(run.nodes) if gathers(node.operation))
        after = next(node for node in run.nodes[place:] if node in run.members)
        raise NotOneLayer(
            f"the run from {run.nodes[0].operation.name!r} to {last.operation.name!r} into one dense layer: it "
            f"would map {shape} to {outputs} values; fix the input size, keep it small.",
            after,
        )
    # matrix: (height, width, channels, outputs) or (features, outputs)
    matrix, offset = np.eye(outputs), np.zeros(outputs)
    for node in reversed(run.nodes):
        operation, sizes = node.operation, tuple(node.input_tensors[0].shape[1:])
        if passes(node):
            continue
        if type(operation) is layers.Flatten:
            matrix = matrix.reshape(*sizes, outputs)
        elif type(operation) in GLOBAL_POOLING:
            pixels = math.prod(sizes[:-1])
            matrix = np.broadcast_to(matrix / pixels, (*sizes, outputs))
        else:
            matrix, bias = pull_back(_spatial(node), matrix, sizes)
            offset = offset + bias
    named = run.named
    options = {"name": named.name, "dtype": named.dtype_policy, "trainable": named.trainable}
    values = {"kernel": matrix.reshape(-1, outputs), "bias": offset}
    parts = [_activated(layers.Dense, last.operation, values, outputs, **options)]
    if len(shape) > 1:
        flattens = [n.operation.name for n in run.nodes if type(n.operation) is layers.Flatten]
        name = flattens[0] if flattens else f"{named.name}_flatten"
        options = {"data_format": "channels_last", "dtype": named.dtype_policy}  # as the matrix reads them
        parts.insert(0, Part(layers.Flatten(name=name, **options)))
    return parts
