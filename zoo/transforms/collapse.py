"""A run of linear layers is one linear layer: the function that does it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from zoo.activations import is_linear
from zoo.graph import Graph, Part, calls, graphs, rewrite, seeds_untouched, set_values
from zoo.slimming.neighbours import PADDING, POOLING, passes
from zoo.slimming.selection import refuse_blended
from zoo.transforms.batchnorm import call_obstacle, called_in_training, is_batchnorm, scale_and_shift
from zoo.transforms.kernels import (
    CONVOLUTIONS,
    DEPTHWISE,
    SEPARABLE,
    TRANSPOSED,
    Kernel,
    channel_axis,
    has_kernel,
    is_computed,
    obstacle,
)
from zoo.transforms.spatial import Spatial, compose, dense_kernel, pull_back, stencil

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

# Numbers in the kernel of the one layer; beyond this it helps nobody and takes long to compute.
LARGEST_KERNEL = 2**27


class CollapsedModel(NamedTuple):
    """What `collapse_linear` returns; it unpacks: `model, collapsed, kept = collapse_linear(...)`.

    Attributes:
        model: The model with one layer for each run, for inference.
        collapsed: Name of each layer that took the place of a run, in the order of the computation -> names of the
            layers that it stands for.
        kept: Name of each layer that could not be joined with the linear layer before it -> the reason.
    """

    model: keras.Model
    collapsed: dict[str, tuple[str, ...]]
    kept: dict[str, str]


@seeds_untouched()
def collapse_linear(
    model: keras.Model, stretches: Iterable[Iterable[str]] | None = None, *, probe: Any = None
) -> CollapsedModel:
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
    Where a layer cannot be joined with those before it, the run ends there, a new one begins, and `kept` says why.
    If there is no run at all, that reason is an error. It is one of these:

    - a layer pads the output of another with zeros ('same'): affine, but different at the border from any
      convolution. The message says how to build the stack so that it collapses: pad once, then 'valid';
    - max-pooling stands in it, which is not linear: $\max(a + b) \ne \max(a) + \max(b)$;
    - average pooling with 'same' padding divides by fewer pixels at the border;
    - the sizes of the image are not known where they matter.

    Fewer layers are not always faster: a convolution of 64 to 64 channels of size 3 and one of 64 to 256 of size
    1 have a third of the weights of the one that does both. `stretches` says what to collapse; `zoo.plan_depth`
    measures what is worth it.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        stretches: Each the names of the layers of a run, or of a part of one, that are to become one layer, in
            order: all or an error. By default every run.
        probe: Inputs, as `model` takes them, on which each run and each copied layer are compared with the
            original; None draws a small batch, False compares nothing.

    Returns:
        The new model, not compiled, which agrees with `model` up to the rounding of its dtype; what was
        collapsed, and what was kept and why.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph.
        ValueError: it has no graph yet; no two linear layers meet; none that meet are one layer; `stretches`
            names layers that do not follow one another in a run or are not one layer; a `BlendedActivation` is
            left; or a copy computes something else.

    Example:
        >>> import keras
        >>> from keras import layers
        >>> from zoo.transforms import collapse_linear
        >>> stack = [layers.Conv2D(4, 3, name=f"conv{i}") for i in (1, 2, 3)]
        >>> model = keras.Sequential([keras.Input((16, 16, 3)), *stack])
        >>> short = collapse_linear(model)
        >>> [(layer.name, layer.kernel_size) for layer in short.model.layers]
        [('conv3', (7, 7))]
        >>> short.collapsed
        {'conv3': ('conv1', 'conv2', 'conv3')}
    """
    refuse_blended(model)
    found = graphs(model)
    finder = _Finder(found)
    collapsing = _Collapsing(finder.refused)
    runs = [(run, graph.path) for graph in found for run in finder.runs(graph)]
    if stretches is not None:
        for names in stretches:
            collapsing.exactly(runs, tuple(names), finder.ends)
    else:
        for run, path in runs:
            collapsing.visit(run, path)
    if not collapsing.collapsed:
        if collapsing.kept:
            raise ValueError(f"cannot collapse {next(iter(collapsing.kept.values()))}")
        listed = (
            "; ".join([*finder.ends, *finder.obstacles.values()][:6])
            or "it has no convolution, dense layer or average pooling"
        )
        raise ValueError(f"nothing to collapse in {model.name!r}: no two linear layers meet: {listed}.")
    new = rewrite(model, collapsing.replace, exact=True, probe=probe)
    apart = {name: reason for name, reason in finder.obstacles.items() if name in finder.apart}
    return CollapsedModel(new, collapsing.collapsed, apart | collapsing.kept if stretches is None else {})


@dataclass(frozen=True)
class _Run:
    """Consecutive nodes that compute one affine map; `members` are those with something to compute."""

    nodes: list[Any]
    members: list[Any]

    @property
    def named(self) -> Any:
        kernels = [node.operation for node in self.members if has_kernel(node.operation)]
        return kernels[-1] if kernels else self.members[-1].operation

    def cut(self, node: Any) -> list[_Run]:
        """What is before the member `node` and what begins with it, where that is more than one member each."""
        place = self.members.index(node)
        pieces = []
        for members in (self.members[:place], self.members[place:] if place else self.members[1:]):
            if len(members) > 1:
                start, stop = self.nodes.index(members[0]), self.nodes.index(members[-1])
                pieces.append(_Run(self.nodes[start : stop + 1], members))
        return pieces

    def between(self, names: tuple[str, ...], path: str) -> _Run | None:
        """From the first to the last of the layers `names`, if they are here and leave out none between them."""
        known = [path + node.operation.name for node in self.members]
        here = {path + node.operation.name for node in self.nodes}
        wanted = [name for name in names if name in known]  # Dropout and the like may be named or not
        if len(wanted) < 2 or not set(names) <= here:
            return None
        first, last = known.index(wanted[0]), known.index(wanted[-1])
        if known[first : last + 1] != wanted:
            return None
        members = self.members[first : last + 1]
        return _Run(self.nodes[self.nodes.index(members[0]) : self.nodes.index(members[-1]) + 1], members)

    @property
    def crosses_to_features(self) -> bool:
        return any(_gathers(node.operation) for node in self.nodes)


class _Collapsing:
    """What becomes of the runs: one after the other is cut where it is not one layer."""

    def __init__(self, refused: dict[str, str]):
        self.kept = refused
        self.collapsed: dict[str, tuple[str, ...]] = {}
        self.replace: dict[Any, list[Part]] = {}

    def visit(self, run: _Run, path: str) -> None:
        """Replace `run`, or the pieces of it that are one layer each."""
        try:
            parts = _collapse(run)
        except _NotOneLayer as obstacle:
            for piece in run.cut(obstacle.node):
                self.visit(piece, path)
            self.kept.setdefault(path + obstacle.node.operation.name, str(obstacle))
            return
        self._put(run, path, parts)

    def exactly(self, runs: list[tuple[_Run, str]], names: tuple[str, ...], ends: list[str]) -> None:
        """Replace the layers `names` by one, or raise ValueError that says why not."""
        listed = ", ".join(map(repr, names))
        for run, path in runs:
            part = run.between(names, path)
            if part is None:
                continue
            if any(node.operation in self.replace for node in part.nodes):
                raise ValueError(f"stretches names a layer of {listed} twice.")
            try:
                self._put(part, path, _collapse(part))
            except _NotOneLayer as obstacle:
                raise ValueError(f"the stretch {listed} is not one layer: {obstacle}") from obstacle
            return
        raise ValueError(
            f"stretches names {listed}, which do not follow one another in one run of linear layers, each called once "
            f"and the only reader of the one before it. Runs end here: {'; '.join(ends[:6]) or 'there is none'}."
        )

    def _put(self, run: _Run, path: str, parts: list[Part]) -> None:
        self.replace.update((node.operation, []) for node in run.nodes[:-1])
        self.replace[run.nodes[-1].operation] = parts
        self.collapsed[path + parts[-1].layer.name] = tuple(path + n.operation.name for n in run.members)


class _NotOneLayer(ValueError):
    """A run is not one layer.

    Attributes:
        node: The member with which it stops being one: another run can begin there.
    """

    def __init__(self, message: str, node: Any):
        super().__init__(message)
        self.node = node


class _Finder:
    def __init__(self, found: list[Graph]):
        self.calls = calls(found)
        self.in_training = called_in_training(found)
        self.ends: list[str] = []
        self.refused: dict[str, str] = {}
        self.obstacles: dict[str, str] = {}
        self.apart: set[str] = set()

    def runs(self, graph: Graph) -> list[_Run]:
        runs: list[_Run] = []
        used: set[int] = set()
        for node in graph.nodes:
            if self._is_linear(node) and (reason := self._obstacle(node)) is not None:
                self.obstacles[graph.path + node.operation.name] = reason
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
        if self._is_linear(reader):
            self.apart.add(graph.path + other.name)
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
            self.refused[graph.path + operation.name] = (
                f"{before!r} and {after.operation.name!r}: {operation.name!r} ({type(operation).__name__}) stands "
                f"{between}, and it is not linear itself: the maximum of a sum is not the sum of the maxima. "
                f"Average pooling or a stride is."
            )
        elif isinstance(operation, PADDING) and _pads_channels(after, node):
            self.refused[graph.path + operation.name] = (
                f"{before!r} and {after.operation.name!r}: {operation.name!r} ({type(operation).__name__}, "
                f"data_format={operation.data_format!r}) stands {between}, and adds channels of zeros."
            )
        elif isinstance(operation, PADDING):
            self.refused[graph.path + operation.name] = (
                f"{before!r} and {after.operation.name!r}: {operation.name!r} ({type(operation).__name__}) stands "
                f"{between}: its zeros are not what {before!r} computes outside the image: affine, but no "
                f"convolution. Pad once, in front of {before!r}, and build what follows with padding='valid'."
            )

    def _is_member(self, node: Any) -> bool:
        return self._is_linear(node) and self._obstacle(node) is None

    def _is_linear(self, node: Any) -> bool:
        """Whether the stock layer called here is linear in inference, whatever else keeps it from a run."""
        operation = node.operation
        if isinstance(operation, TRANSPOSED):
            return False
        norm = isinstance(operation, layers.BatchNormalization)
        return norm or type(operation) in POOLING or has_kernel(operation)

    def _obstacle(self, node: Any) -> str | None:
        """Why what is linear belongs to no run, or None."""
        operation, sited = node.operation, self.calls[id(node.operation)]
        if len(sited) != 1:
            return f"{operation.name!r} is shared: called {len(sited)} times"
        if isinstance(operation, layers.BatchNormalization):
            if not is_batchnorm(operation):
                return f"{operation.name!r} ({type(operation).__name__}) has a call of its own"
            if operation.axis % len(node.outputs[0].shape) not in (1, len(node.outputs[0].shape) - 1):
                return f"{operation.name!r} normalises axis {operation.axis}, which is no channel axis"
            reason = call_obstacle(sited, self.in_training)
            return reason and f"{operation.name!r}: {reason}"
        if len(node.input_tensors) != 1:
            return f"{operation.name!r} is called with {len(node.input_tensors)} tensors"
        if getattr(operation, "activity_regularizer", None) is not None:
            return f"the activity_regularizer of {operation.name!r} acts on its output"
        return None if type(operation) in POOLING else obstacle(operation)

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
        return passes(node)

    def _same_layout(self, nodes: list[Any], node: Any) -> bool:
        axes = {_channels(n) for n in [*nodes, node] if not passes(n)} - {None}
        return len(axes) <= 1


def _pads_channels(reader: Any, node: Any) -> bool:
    """Whether a padding layer, told the other data format than its neighbours, adds channels instead of pixels."""
    axis = channel_axis(reader.operation, len(node.outputs[0].shape))
    return node.outputs[0].shape[axis] != node.input_tensors[0].shape[axis]


def _gathers(operation: Any) -> bool:
    """Whether an image becomes features."""
    return type(operation) is layers.Flatten or type(operation) in GLOBAL_POOLING


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
    node = first
    try:
        whole = _spatial(first)
        for before, node in zip(run.members, run.members[1:], strict=False):
            spatial = _spatial(node)
            _refuse_huge(whole, spatial)
            whole = compose(whole, spatial, before.operation, node.operation)
        return _as_layer(run, whole, last)
    except ValueError as error:
        raise _NotOneLayer(str(error), node) from error


def _refuse_huge(whole: Spatial, after: Spatial) -> None:
    sizes = [k + s * (m - 1) for k, s, m in zip(whole.sizes, whole.strides, after.sizes, strict=True)]
    shape = [*sizes, whole.kernel.shape[-2], after.kernel.shape[-1]]
    if math.prod(shape) > LARGEST_KERNEL:
        listed = " x ".join(map(str, shape))
        raise ValueError(
            f"its kernel would have {listed} = {math.prod(shape)} numbers, more than {LARGEST_KERNEL}."
        )


def _only_normalised(run: _Run) -> list[Part] | None:
    """One layer with a kernel and BatchNormalization behind it: the layer keeps its class and its groups."""
    first, *rest = run.members
    if not has_kernel(first.operation) or not all(is_batchnorm(node.operation) for node in rest):
        return None
    if is_computed(first.operation):
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
            pad_options = {"data_format": data_format, "dtype": named.dtype_policy}
            parts.append(Part(pad(amount, name=f"{named.name}_pad", **pad_options)))
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
        gathers = next(i for i, node in enumerate(run.nodes) if _gathers(node.operation))
        after = next(node for node in run.nodes[gathers:] if node in run.members)
        raise _NotOneLayer(
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
    options = {"name": named.name, "activation": getattr(last.operation, "activation", None)}
    dense = layers.Dense(outputs, dtype=named.dtype_policy, trainable=named.trainable, **options)
    parts = [Part(dense, set_values(kernel=matrix.reshape(-1, outputs), bias=offset))]
    if len(shape) > 1:
        flattens = [n.operation.name for n in run.nodes if type(n.operation) is layers.Flatten]
        name = flattens[0] if flattens else f"{named.name}_flatten"
        parts.insert(0, Part(layers.Flatten(name=name, dtype=named.dtype_policy)))
    return parts
