"""A run of linear layers is one linear layer: the function that does it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from zoo.activations import is_linear
from zoo.graph import Graph, Part, calls, graphs, rewrite, seeds_untouched, set_values
from zoo.transforms.kernels import (
    CONVOLUTIONS,
    DEPTHWISE,
    SEPARABLE,
    TRANSPOSED,
    Kernel,
    channel_axis,
    has_kernel,
    obstacle,
)
from zoo.transforms.normalization import call_obstacle, called_in_training, is_batchnorm, scale_and_shift
from zoo.transforms.spatial import Spatial, compose, dense_kernel, pull_back, stencil

POOLING = (layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D)
GLOBAL_POOLING = (
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
)
MAX_POOLING = (
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
)
PADDING = (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)

# A dense layer over all pixels has inputs x outputs numbers; beyond this the result helps nobody.
LARGEST_KERNEL = 2**27


@seeds_untouched()
def collapse_linear(model: keras.Model) -> keras.Model:
    r"""Make one layer of every run of linear layers with no activation between them.

    A run is a chain of Dense, Conv1D to Conv3D, DepthwiseConv, SeparableConv, average pooling and
    BatchNormalization (in inference); a `linear` activation, Identity and Dropout (in inference: nothing)
    may stand in it. It ends at an activation, which stays, at a branch, at a shared layer and at anything
    else. What becomes one layer, exactly:

    - Dense layers: $W = W_2 W_1$, $b = W_2 b_1 + b_2$.
    - Convolutions without padding, of sizes $k_1, k_2$, strides $s_1, s_2$ and dilations $d_1, d_2$: one of
      size $d_1 (k_1 - 1) + 1 + s_1 d_2 (k_2 - 1)$ and stride $s_1 s_2$ with
      $W[u] = \sum_{u = d_1 p + s_1 d_2 q} W_2[q]\, W_1[p]$ and $b = b_2 + \sum_q W_2[q]\, b_1$.
      So $L$ of size 3 become one of size $2L + 1$.
    - Average pooling is the convolution whose weights are all one over the number of pixels;
      BatchNormalization and a Dense layer over channels are convolutions of size 1.
    - A padded first layer: the input is padded once, by a ZeroPadding layer, and the rest is 'valid'; where
      everything behind it has size 1, the result is 'same' again. A padded layer behind one of size 1, stride
      1 and no bias.
    - Anything of the above, padded or not, followed by Flatten or global average pooling and a Dense layer:
      one Dense layer over all pixels. Each of its outputs sees every pixel, so the borders are in its
      weights.

    The result carries the name of the last convolution or dense layer of the run and is meant for inference.

    Args:
        model: A Functional or built Sequential model. It is left untouched.

    Returns:
        A new model, not compiled, that agrees with `model` up to the rounding of its dtype.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph.
        ValueError: it has no graph yet; no two linear layers meet; or a run is not one layer, because

            - a layer pads the output of another with zeros ('same'): affine, but different at the border
              from any convolution. The message says how to build the stack so that it collapses: pad once,
              then 'valid';
            - max-pooling stands in it, which is not linear: $\max(a + b) \ne \max(a) + \max(b)$;
            - average pooling with 'same' padding divides by fewer pixels at the border;
            - the sizes of the image are not known where they matter.

    Example:
        >>> import keras
        >>> from keras import layers
        >>> from zoo.transforms import collapse_linear
        >>> stack = [layers.Conv2D(4, 3, name=f"conv{i}") for i in (1, 2, 3)]
        >>> model = keras.Sequential([keras.Input((16, 16, 3)), *stack])
        >>> short = collapse_linear(model)
        >>> [(layer.name, layer.kernel_size) for layer in short.layers]
        [('conv3', (7, 7))]
    """
    found = graphs(model)
    finder = _Finder(found)
    runs = [run for graph in found for run in finder.runs(graph)]
    if not runs:
        listed = "; ".join(finder.ends[:6]) or "it has no convolution, dense layer or average pooling"
        raise ValueError(f"nothing to collapse in {model.name!r}: no two linear layers meet: {listed}.")
    replace: dict[Any, list[Part]] = {}
    for run in runs:
        nodes = run.nodes
        parts = _collapse(run)
        replace.update((node.operation, []) for node in nodes[:-1])
        replace[nodes[-1].operation] = parts
    return rewrite(model, replace)


@dataclass(frozen=True)
class _Run:
    """Consecutive nodes that compute one affine map; `members` are those with something to compute."""

    nodes: list[Any]
    members: list[Any]

    @property
    def named(self) -> Any:
        kernels = [node.operation for node in self.members if has_kernel(node.operation)]
        return kernels[-1] if kernels else self.members[-1].operation

    @property
    def crosses_to_features(self) -> bool:
        return any(_gathers(node.operation) for node in self.nodes)


class _Finder:
    def __init__(self, found: list[Graph]):
        self.calls = calls(found)
        self.in_training = called_in_training(found)
        self.ends: list[str] = []

    def runs(self, graph: Graph) -> list[_Run]:
        runs: list[_Run] = []
        used: set[int] = set()
        for node in graph.nodes:
            if id(node) in used or not self._is_member(node):
                continue
            nodes = [node]
            while (following := self._next(graph, nodes)) is not None:
                nodes.append(following)
            while not self._is_member(nodes[-1]):
                nodes.pop()
            used.update(map(id, nodes))
            members = [node for node in nodes if self._is_member(node)]
            if len(members) > 1 and not self._normalises_rows(members):
                runs.append(_Run(nodes, members))
        return runs

    def _normalises_rows(self, members: list[Any]) -> bool:
        """Whether the members are normalisations of axis 1 alone, which no convolution says are channels."""
        if any(not is_batchnorm(node.operation) or _channels(node) != "first" for node in members):
            return False
        self._end(
            f"{members[0].operation.name!r} normalises axis 1, and no layer here has its channels there"
        )
        return True

    def _next(self, graph: Graph, nodes: list[Any]) -> Any:
        last = nodes[-1]
        operation, (tensor,) = last.operation, last.outputs
        name = operation.name
        if not is_linear(getattr(operation, "activation", None)):
            function = getattr(operation.activation, "__name__", type(operation.activation).__name__)
            return self._end(f"{name!r} applies {function}")
        if graph.is_output(tensor):
            return self._end(f"the output of {name!r} is an output of the model")
        readers = graph.readers(tensor)
        if len(readers) != 1:
            return self._end(f"the output of {name!r} has {len(readers)} readers")
        reader = readers[0]
        other = reader.operation
        if self._is_member(reader) or self._joins(reader):
            if self._same_layout(nodes, reader):
                return reader
            return self._end(f"{name!r} and {other.name!r} have their channels on different axes")
        self._refuse_between(graph, name, reader)
        return self._end(f"{other.name!r} ({type(other).__name__}) follows {name!r}")

    def _end(self, reason: str) -> None:
        if reason not in self.ends:
            self.ends.append(reason)

    def _refuse_between(self, graph: Graph, before: str, node: Any) -> None:
        """Say what keeps two linear layers apart that have no activation between them."""
        operation = node.operation
        followers = graph.readers(node.outputs[0])
        if graph.is_output(node.outputs[0]) or len(followers) != 1:
            return
        after = followers[0]
        while self._joins(after) and len(graph.readers(after.outputs[0])) == 1:
            (after,) = graph.readers(after.outputs[0])
        if not self._is_member(after):
            return
        between = f"between {before!r} and {after.operation.name!r}, which have no activation between them"
        if isinstance(operation, MAX_POOLING):
            raise ValueError(
                f"cannot collapse: {operation.name!r} ({type(operation).__name__}) stands {between}, and it "
                f"is not linear itself: the maximum of a sum is not the sum of the maxima. Average pooling "
                f"or a stride is."
            )
        if isinstance(operation, PADDING):
            raise ValueError(
                f"cannot collapse: {operation.name!r} ({type(operation).__name__}) stands {between}: its "
                f"zeros are not what {before!r} computes outside the image: affine, but no convolution. "
                f"Pad once, in front of {before!r}, and build what follows with padding='valid'."
            )

    def _is_member(self, node: Any) -> bool:
        operation = node.operation
        if len(node.input_tensors) != 1 or len(self.calls[id(operation)]) != 1:
            return False
        if isinstance(operation, layers.BatchNormalization):
            if not is_batchnorm(operation) or call_obstacle(self.calls[id(operation)], self.in_training):
                return False
            return operation.axis % len(node.outputs[0].shape) in (1, len(node.outputs[0].shape) - 1)
        if getattr(operation, "activity_regularizer", None) is not None:
            return False
        if type(operation) in POOLING:
            return True
        return has_kernel(operation) and not isinstance(operation, TRANSPOSED) and obstacle(operation) is None

    def _joins(self, node: Any) -> bool:
        operation = node.operation
        if len(self.calls[id(operation)]) != 1 or len(node.input_tensors) != 1:
            return False
        if getattr(operation, "activity_regularizer", None) is not None:
            return False
        if _gathers(operation):
            sizes = node.input_tensors[0].shape[1:]
            last = getattr(operation, "data_format", "channels_last") == "channels_last"
            return last and None not in sizes and not getattr(operation, "keepdims", False)
        return _passes(node)

    def _same_layout(self, nodes: list[Any], node: Any) -> bool:
        axes = {_channels(n) for n in [*nodes, node] if not _passes(n)} - {None}
        return len(axes) <= 1


def _gathers(operation: Any) -> bool:
    """Whether an image becomes features."""
    return type(operation) is layers.Flatten or type(operation) in GLOBAL_POOLING


def _passes(node: Any) -> bool:
    """Whether inference leaves the values as they are."""
    operation = node.operation
    if type(operation) is layers.Activation:
        return is_linear(operation)
    if type(operation) is layers.Dropout:
        return not node.arguments.kwargs.get("training")
    return type(operation) is layers.Identity


def _channels(node: Any) -> str | None:
    """Where the channels are: "first", "last", or None where both are the same axis."""
    shape, operation = node.input_tensors[0].shape, node.operation
    if len(shape) == 2:
        return None
    if isinstance(operation, layers.BatchNormalization):
        axis = operation.axis % len(shape)
    elif _gathers(operation):
        return "last"
    else:
        axis = channel_axis(operation, len(shape))
    return "first" if axis == 1 else "last"


def _collapse(run: _Run) -> list[Part]:
    first, last = run.members[0], run.members[-1]
    kept_shape = _only_normalised(run)
    if kept_shape is not None:
        return kept_shape
    if run.crosses_to_features:
        return _as_dense(run)
    whole = _spatial(first)
    for before, node in zip(run.members, run.members[1:], strict=False):
        whole = compose(whole, _spatial(node), before.operation, node.operation)
    return _as_layer(run, whole, last)


def _only_normalised(run: _Run) -> list[Part] | None:
    """One layer with a kernel and BatchNormalization behind it: the layer keeps its class and its groups."""
    first, *rest = run.members
    if not has_kernel(first.operation) or not all(is_batchnorm(node.operation) for node in rest):
        return None
    kernel = Kernel(first.operation)
    for node in rest:
        kernel.transform_outputs(*scale_and_shift(node.operation))
    return [kernel.part()]


def _spatial(node: Any) -> Spatial:
    """The affine map of one node as a convolution."""
    layer, shape = node.operation, node.input_tensors[0].shape
    dims = len(shape) - 2
    sizes = shape[2:] if _channels(node) == "first" else shape[1:-1]
    channels = shape[1] if _channels(node) == "first" else shape[-1]
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
    if isinstance(layer, layers.Dense):
        return Spatial(own.arrays["kernel"].reshape(*ones, channels, -1), own.bias, ones)
    array = dense_kernel(own, DEPTHWISE, SEPARABLE)
    padding = stencil(layer.padding, array.shape[:-2], layer.strides, sizes, layer)
    dilation = tuple(d if k > 1 else 0 for d, k in zip(layer.dilation_rate, layer.kernel_size, strict=True))
    return Spatial(array, own.bias, tuple(layer.strides), padding, dilation, layer.padding)


def _as_layer(run: _Run, whole: Spatial, last: Any) -> list[Part]:
    named = run.named
    activation = getattr(last.operation, "activation", None)
    options = {"name": named.name, "activation": activation, "dtype": named.dtype_policy}
    options["trainable"] = named.trainable
    kernel, filters = whole.kernel, whole.kernel.shape[-1]
    dims = kernel.ndim - 2
    if dims == 0 or all(
        isinstance(n.operation, (layers.Dense, layers.BatchNormalization)) for n in run.members
    ):
        fill = set_values(kernel=kernel.reshape(kernel.shape[-2:]), bias=whole.bias)
        return [Part(layers.Dense(filters, **options), fill)]
    data_format = "channels_first" if any(_channels(n) == "first" for n in run.members) else "channels_last"
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
            formatted = {} if dims == 1 else {"data_format": data_format}
            name = f"{named.name}_pad"
            parts.append(Part(pad(amount, name=name, dtype=named.dtype_policy, **formatted)))
    if data_format == "channels_first" and parts and dims == 1:
        raise ValueError(f"cannot collapse {named.name!r}: ZeroPadding1D pads channels_last sequences only.")
    layer = CONVOLUTIONS[dims - 1](
        filters,
        kernel.shape[:-2],
        strides=whole.strides,
        padding=padding,
        dilation_rate=dilation,
        data_format=data_format,
        **options,
    )
    return [*parts, Part(layer, set_values(kernel=kernel, bias=whole.bias))]


def _as_dense(run: _Run) -> list[Part]:
    """The whole run as one matrix over all values of its input, found from its end to its beginning."""
    last, shape = run.nodes[-1], run.nodes[0].input_tensors[0].shape[1:]
    outputs = math.prod(last.outputs[0].shape[1:])
    if None in shape or math.prod(shape) * outputs > LARGEST_KERNEL:
        raise ValueError(
            f"cannot collapse the run from {run.nodes[0].operation.name!r} to {last.operation.name!r} into "
            f"one dense layer: it would map {shape} to {outputs} values; fix the input size, keep it small."
        )
    # matrix: (height, width, channels, outputs) or (features, outputs)
    matrix, offset = np.eye(outputs), np.zeros(outputs)
    for node in reversed(run.nodes):
        operation, sizes = node.operation, tuple(node.input_tensors[0].shape[1:])
        if _passes(node):
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
    options = {"name": named.name, "activation": getattr(last.operation, "activation", None)}
    dense = layers.Dense(outputs, dtype=named.dtype_policy, trainable=named.trainable, **options)
    parts = [Part(dense, set_values(kernel=matrix.reshape(-1, outputs), bias=offset))]
    if len(shape) > 1:
        flattens = [n.operation.name for n in run.nodes if type(n.operation) is layers.Flatten]
        name = flattens[0] if flattens else f"{named.name}_flatten"
        parts.insert(0, Part(layers.Flatten(name=name, dtype=named.dtype_policy)))
    return parts
