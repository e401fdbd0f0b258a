"""Branches that are added up become one convolution."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from zoo.activations import is_addition, is_linear
from zoo.activations.sites import CONVOLUTIONS, DEPTHWISE
from zoo.bias_axis import takes_width_for_channels
from zoo.graph import (
    Graph,
    Part,
    calls,
    copy_layer,
    copy_variables,
    graphs,
    leads_to_its_model,
    producer,
    rewritten,
    seeds_untouched,
)
from zoo.graph.channels import PADDING
from zoo.graph.nested import called_in_training
from zoo.transforms.batchnorm import call_obstacle, is_batchnorm, scale_and_shift
from zoo.transforms.fold import measured_error
from zoo.transforms.kernels import (
    Kernel,
    channel_axis,
    has_kernel,
    is_computed,
    obstacle,
    precision_obstacle,
)
from zoo.transforms.penalties import penalised, tell_penalised


@leads_to_its_model
class MergedModel(NamedTuple):
    """What `merge_branches` returns; it unpacks: `model, merged, kept, max_error = merge_branches(...)`.

    Attributes:
        model: The merged model, for inference.
        merged: Names of the additions whose branches became one convolution, or some of them, in the order of the
            computation.
        kept: Name of each addition of which something is left -> the reason.
        max_error: Largest difference between the outputs of both models on the probe batch, relative to the
            largest output; a number without unit. Not a number where nothing was compared.
    """

    model: keras.Model
    merged: tuple[str, ...]
    kept: dict[str, str]
    max_error: float


@seeds_untouched()
def merge_branches(model: keras.Model, probe: Any = None) -> MergedModel:
    r"""Merge branches that start from one tensor and meet in an addition, with no activation on the way.

    A convolution is linear in its kernel, so with $s_k$, $t_k$ what BatchNormalization multiplies by and adds in
    inference,

    $$\sum_k \left( s_k (W_k * x + b_k) + t_k \right)
      = \Big( \sum_k s_k W_k \Big) * x + \sum_k (s_k b_k + t_k),$$

    where a smaller kernel is a larger one with zeros round it, and the identity a kernel of one 1 a channel. That
    needs nothing but sums: with an activation in one branch there is no such kernel, with one after the addition
    there is.

    A branch is a convolution (Conv1D to Conv3D, depthwise ones with one another; behind zero padding or not) and
    the BatchNormalization after it, or BatchNormalization alone, or nothing. Merged is only where all of this holds;
    else the addition is kept, with the reason in `kept`:

    - every layer of the branch is called once, has one reader and is no output of the model; convolutions have a
      linear activation; BatchNormalization runs over the channels and not with `training=True`;
    - the branches have the same strides, groups and channels, and kernels larger than 1 the same dilation; the
      positions they read at the border are known and covered by one kernel;
    - all compute in float32 or float64; no LoRA, no quantization, no `activity_regularizer`.

    What can be merged of an addition is, if other branches stay. The result is for inference: it has no batch
    statistics to train with. A warning names the layers whose regularizers or constraints are gone or act on other weights
    now.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        probe: The batch, as `model` takes it, on which every step is compared with the model before it, and
            `max_error` is measured. None draws one or two samples from a standard normal distribution; False
            compares nothing.

    Returns:
        The merged model, not compiled, and what was merged, what was kept and why, and the measured error.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph.
        ValueError: it has no graph yet; a copy computes something else; the difference is more than rounding; or
            no probe of a usual size fits its unknown input dimensions.

    Reference:
        Ding et al. 2021, "RepVGG: Making VGG-style ConvNets Great Again", arXiv 2101.03697, section 3.3.

    Example:
        >>> import keras
        >>> from keras import layers
        >>> from zoo.transforms import merge_branches
        >>> x = keras.Input((8, 8, 4))
        >>> wide = layers.Conv2D(4, 3, padding="same", name="wide")(x)
        >>> narrow = layers.Conv2D(4, 1, name="narrow")(x)
        >>> y = layers.ReLU()(layers.Add(name="sum")([x, wide, narrow]))
        >>> result = merge_branches(keras.Model(x, y))
        >>> result.merged
        ('sum',)
        >>> [layer.name for layer in result.model.layers[1:]]
        ['wide', 're_lu']
    """
    merging = Merging(graphs(model))
    first = last = rewritten(model, merging.replace, exact=True, probe=probe)
    merged = merging.merged
    changed = [*penalised(merging.found, merging.replace)]
    while merging.merged:
        # The sum of two sums is found when the sums are gone.
        merging = Merging(graphs(last.model))
        if merging.merged:
            merged = merged + merging.merged
            changed += penalised(merging.found, merging.replace)
            batch = False if first.batch is None else first.batch
            last = rewritten(last.model, merging.replace, exact=True, probe=batch)
    tell_penalised("merge_branches", changed)
    error = measured_error(first.outputs, last.model, first.batch) if merged else 0.0
    return MergedModel(last.model, tuple(dict.fromkeys(merged)), merging.kept, error)


@dataclass(frozen=True, eq=False)
class _Branch:
    """A way from one tensor to an addition that is a linear map with known arrays.

    Attributes:
        source: The tensor it starts from.
        conv: The convolution on the way, if any.
        node: Its call.
        norms: The BatchNormalization layers after it, in order.
        zeros: Zero padding before it, for each spatial axis (before, after).
    """

    source: Any
    conv: Any = None
    node: Any = None
    norms: tuple[Any, ...] = ()
    zeros: tuple[tuple[int, int], ...] = ()

    def kernel(self) -> Kernel:
        """The arrays of the convolution with those of the normalisations in them."""
        kernel = Kernel(self.conv)
        for norm in self.norms:
            kernel.transform_outputs(*scale_and_shift(norm))
        return kernel

    def scale_and_shift(self) -> tuple[Any, Any]:
        """What a branch without a convolution multiplies by and adds."""
        scale, shift = np.ones(()), np.zeros(())
        for norm in self.norms:
            s, t = scale_and_shift(norm)
            scale, shift = scale * s, shift * s + t
        return scale, shift

    def pads(self) -> tuple[tuple[int, int], ...] | None:
        """Zeros read before and after the image, for each spatial axis; None where that depends on an unknown size."""
        sizes = _spatial(self.source, self.conv)
        zeros = self.zeros or ((0, 0),) * len(sizes)
        found = []
        for size, (before, after), reach, stride in zip(
            sizes, zeros, _reach(self.conv), self.conv.strides, strict=True
        ):
            if self.conv.padding == "valid":
                own = (0, 0)
            elif self.conv.padding == "causal":
                own = (reach - 1, 0)
            elif stride == 1 or reach == 1:
                own = ((reach - 1) // 2, reach - 1 - (reach - 1) // 2)
            elif size is None:
                return None
            else:
                padded = size + before + after
                missing = max((-(-padded // stride) - 1) * stride + reach - padded, 0)
                own = (missing // 2, missing - missing // 2)
            found.append((before + own[0], after + own[1]))
        return tuple(found)


@dataclass
class Merging:
    """What is merged in a model.

    Attributes:
        found: Its graphs.
        merged: Names of the additions.
        kept: Name of each of which something is left -> the reason.
        replace: What `zoo.graph.rewrite` is to do.
    """

    found: list[Graph]
    merged: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    replace: dict[Any, list[Part]] = field(default_factory=dict)

    def __post_init__(self):
        self._calls = calls(self.found)
        self._in_training = called_in_training(self.found)
        for graph in self.found:
            for node in graph.nodes:
                if is_addition(node.operation):
                    self._visit(graph, node)

    def _visit(self, graph: Graph, node: Any) -> None:
        reasons: list[str] = []
        candidates = [self._branches(graph, node, tensor, reasons) for tensor in node.input_tensors]
        starts: dict[int, dict[int, _Branch]] = {}
        for index, branches in enumerate(candidates):
            for branch in branches:
                starts.setdefault(id(branch.source), {})[index] = branch
        together = [
            group for group in starts.values() if len(group) > 1 and any(b.conv for b in group.values())
        ]
        done: set[int] = set()
        groups = []
        for group in sorted(together, key=len, reverse=True):
            if done & set(group):
                continue
            reason = self._unlike(node, group) or self._join(group)
            if reason is None:
                done |= set(group)
                groups.append(group)
                continue
            reasons.append(reason)
            for part in _alike(group):
                if not done & set(part) and (self._unlike(node, part) or self._join(part)) is None:
                    done |= set(part)
                    groups.append(part)
        name = graph.path + node.operation.name
        if groups:
            self.merged.append(name)
            self.replace[node] = [_sum_of_rest(node, groups)]
        if len(done) < len(candidates) or len(groups) > 1:
            if not together:
                begins = dict.fromkeys(repr(producer(b[-1].source).operation.name) for b in candidates)
                reasons.insert(
                    0, f"no two of its branches start from one tensor: they read {', '.join(begins)}"
                )
            self.kept[name] = "; ".join(dict.fromkeys(reasons))

    def _branches(self, graph: Graph, addition: Any, tensor: Any, reasons: list[str]) -> list[_Branch]:
        """The ways that end in `tensor`, from the shortest, which is nothing, to the longest."""
        found = [_Branch(tensor)]
        norms: tuple[Any, ...] = ()
        while True:
            node = producer(tensor)
            operation = node.operation
            if isinstance(operation, layers.BatchNormalization):
                reason = self._norm_obstacle(graph, node, tensor)
            elif has_kernel(operation) and isinstance(operation, (*CONVOLUTIONS, *DEPTHWISE)):
                reason = self._conv_obstacle(graph, node, tensor, norms)
            else:
                if len(node.input_tensors) == 1 and (norms or not graph.readers(tensor)[1:]):
                    reasons.append(
                        f"{operation.name!r} ({type(operation).__name__}) ends the linear part of a branch"
                    )
                return found
            if reason is not None:
                reasons.append(reason)
                return found
            (tensor,) = node.input_tensors
            if isinstance(operation, layers.BatchNormalization):
                norms = (operation, *norms)
                found.append(_Branch(tensor, norms=norms))
                continue
            zeros = ((0, 0),) * (len(tensor.shape) - 2)
            while isinstance(producer(tensor).operation, PADDING):
                padding = producer(tensor)
                if padding.operation.data_format != operation.data_format:
                    reasons.append(f"{padding.operation.name!r} pads in another data format")
                    return found
                if padding.operation.activity_regularizer is not None:
                    reasons.append(
                        f"the activity_regularizer of {padding.operation.name!r} acts on its output"
                    )
                    return found
                amount = padding.operation.padding
                amount = (amount,) if isinstance(amount[0], int) else amount
                zeros = tuple((a + c, b + d) for (a, b), (c, d) in zip(zeros, amount, strict=True))
                (tensor,) = padding.input_tensors
            found.append(_Branch(tensor, operation, node, norms, zeros))
            return found

    def _single(self, graph: Graph, node: Any, tensor: Any) -> str | None:
        name = node.operation.name
        if len(self._calls[id(node.operation)]) > 1:
            return f"{name!r} is shared: called {len(self._calls[id(node.operation)])} times"
        if graph.is_output(tensor):
            return f"the output of {name!r} is also an output of the model"
        if len(graph.readers(tensor)) > 1:
            return f"the output of {name!r} is read {len(graph.readers(tensor))} times"
        return None

    def _norm_obstacle(self, graph: Graph, node: Any, tensor: Any) -> str | None:
        layer = node.operation
        if not is_batchnorm(layer):
            return f"{layer.name!r} is of {type(layer).__name__}, a subclass with a call of its own"
        reason = call_obstacle(self._calls[id(layer)], self._in_training)
        if reason is not None:
            return f"{layer.name!r} cannot be folded: {reason}"
        if not all(np.isfinite(array).all() for array in scale_and_shift(layer)):
            return f"the moving statistics of {layer.name!r} give a scale or shift that is not finite"
        return self._single(graph, node, tensor)

    def _conv_obstacle(self, graph: Graph, node: Any, tensor: Any, norms: tuple[Any, ...]) -> str | None:
        layer = node.operation
        if not is_linear(layer.activation):
            function = getattr(layer.activation, "__name__", type(layer.activation).__name__)
            return f"{layer.name!r} applies {function} in the branch"
        if is_computed(layer):
            return f"{type(layer).__name__} {layer.name!r} computes its kernel, so none can be set"
        reason = self._single(graph, node, tensor) or obstacle(layer)
        if reason is not None:
            return reason
        if layer.activity_regularizer is not None:
            return f"the activity_regularizer of {layer.name!r} acts on its output"
        rank = len(tensor.shape)
        for norm in norms:
            if norm.axis % rank != channel_axis(layer, rank):
                return f"{norm.name!r} normalises axis {norm.axis % rank}, the channels are on another"
            if norm.compute_dtype != layer.compute_dtype:
                return (
                    f"{norm.name!r} computes in {norm.compute_dtype}, {layer.name!r} in {layer.compute_dtype}"
                )
        return None

    def _unlike(self, addition: Any, group: dict[int, _Branch]) -> str | None:
        """Why the branches of a group are no one convolution, as far as their settings go."""
        convs = [branch.conv for branch in group.values() if branch.conv]
        first = convs[0]
        named = ", ".join(repr(conv.name) for conv in convs)
        if len({(_kind(conv), len(conv.kernel_size)) for conv in convs}) > 1:
            return f"{named} are convolutions of different kinds"
        for setting in ("strides", "groups", "data_format", "depth_multiplier", "compute_dtype"):
            values = [getattr(conv, setting, None) for conv in convs]
            if any(value != values[0] for value in values):
                return f"{named} differ in {setting}: {', '.join(map(str, values))}"
        result = tuple(addition.outputs[0].shape)
        rank = len(result)
        for index, branch in group.items():
            shape = tuple(addition.input_tensors[index].shape)
            if shape != result:
                return f"a branch of shape {shape} is repeated to fit {result}"
            if branch.conv is None:
                if set(first.strides) != {1}:
                    return f"{first.name!r} has a stride, the branch without a convolution has none"
                if getattr(first, "depth_multiplier", 1) != 1:
                    return f"{first.name!r} makes several channels of each"
                for norm in branch.norms:
                    if norm.axis % rank != channel_axis(first, rank):
                        return (
                            f"{norm.name!r} normalises axis {norm.axis % rank}, the channels are on another"
                        )
                    if norm.compute_dtype != first.compute_dtype:
                        return f"{norm.name!r} computes in {norm.compute_dtype}, {first.name!r} in {first.compute_dtype}"
        return _more_than_a_sum(addition, first)

    def _join(self, group: dict[int, _Branch]) -> str | None:
        """Plan one convolution in the place of a group; None, or why that is not possible."""
        convs = [branch for branch in group.values() if branch.conv]
        axes = len(convs[0].conv.kernel_size)
        windows, spare = {}, []
        for branch in group.values():
            pads = ((0, 0),) * axes if branch.conv is None else branch.pads()
            if pads is None:
                return (
                    f"{branch.conv.name!r} pads ('same') an image of unknown size by an amount that depends on it; "
                    "give the input a size"
                )
            reach = (1,) * axes if branch.conv is None else _reach(branch.conv)
            windows[branch] = [(-before, r - before) for (before, _), r in zip(pads, reach, strict=True)]
            spare.append([before + after - r for (before, after), r in zip(pads, reach, strict=True)])
        unknown = None in _spatial(convs[0].source, convs[0].conv)
        if unknown and any(row != spare[0] for row in spare):
            return "its branches give images of different sizes, or of sizes that cannot be known"
        dilation = []
        for axis in range(axes):
            steps = {b.conv.dilation_rate[axis] for b in convs if b.conv.kernel_size[axis] > 1} or {1}
            if len(steps) > 1:
                return (
                    f"kernels of different dilation ({', '.join(map(str, sorted(steps)))}) are no one kernel"
                )
            dilation.append(steps.pop())
        whole = [
            (
                min(window[a][0] for window in windows.values()),
                max(window[a][1] for window in windows.values()),
            )
            for a in range(axes)
        ]
        for window in windows.values():
            if any((low - whole[a][0]) % dilation[a] for a, (low, _) in enumerate(window)):
                return "a kernel reads between the positions of a dilated one"
        size = tuple((high - low - 1) // step + 1 for (low, high), step in zip(whole, dilation, strict=True))
        layer = self._layer(convs, windows, whole, size, tuple(dilation))
        if isinstance(layer, str):
            return layer
        base, overrides = layer
        arrays = _sum_of_arrays(group.values(), windows, whole, size, dilation)
        if not _finite(arrays, base.conv):
            return f"the kernel of the sum would not be finite in {base.conv.variable_dtype}"
        if np.any(arrays["bias"]) and takes_width_for_channels(base.conv, base.node.outputs[0]):
            return f"{base.conv.name!r} puts out as many channels as it is wide, and Keras would add a bias along the width"
        copy = copy_layer(base.conv, use_bias=True, **overrides)
        self.replace[base.conv] = [
            Part(copy, copy_variables(base.conv, kernel=arrays["kernel"], bias=arrays["bias"]))
        ]
        for branch in group.values():
            for gone in (*branch.norms, *([branch.conv] if branch.conv and branch is not base else [])):
                self.replace[gone] = []
        # First in the group, so that the addition takes this one.
        index = next(i for i, branch in group.items() if branch is base)
        ordered = {index: base} | group
        group.clear()
        group.update(ordered)
        return None

    def _layer(self, convs, windows, whole, size, dilation) -> tuple[_Branch, dict[str, Any]] | str:
        """The convolution that takes over, and what changes in its configuration."""
        for branch in convs:
            taps = zip(branch.conv.dilation_rate, branch.conv.kernel_size, dilation, strict=True)
            if windows[branch] == whole and all(k == 1 or have == step for have, k, step in taps):
                return branch, {}
        for branch in convs:
            before = [(step * (k - 1)) // 2 for k, step in zip(size, dilation, strict=True)]
            same = branch.conv.padding == "same" and set(branch.conv.strides) == {1}
            if same and not any(map(any, branch.zeros)) and before == [-low for low, _ in whole]:
                return branch, {"kernel_size": size, "dilation_rate": dilation}
        named = ", ".join(repr(branch.conv.name) for branch in convs)
        return f"none of {named} reads as far as all together do, and their padding is not one that a larger one has"


def _alike(group: dict[int, _Branch]) -> list[dict[int, _Branch]]:
    """Parts of a group to try where the group is no one convolution, larger ones first: of one kind, of one dilation."""
    plain = {index: branch for index, branch in group.items() if branch.conv is None}
    kinds: dict[Any, dict[int, Any]] = {}
    for index, branch in group.items():
        if (conv := branch.conv) is not None:
            kinds.setdefault((_kind(conv), conv.strides, getattr(conv, "groups", 1)), {})[index] = branch
    parts = []
    for kind in kinds.values():
        rates = {b.conv.dilation_rate for b in kind.values() if max(b.conv.kernel_size) > 1}
        for part in (kind, *(_of_rate(kind, rate) for rate in sorted(rates))):
            parts += [plain | part, part]
    return sorted((part for part in parts if 1 < len(part) < len(group)), key=len, reverse=True)


def _of_rate(branches: dict[int, Any], rate: Any) -> dict[int, Any]:
    """Those of one dilation, and those of size 1, which have any."""
    return {i: b for i, b in branches.items() if b.conv.dilation_rate == rate or max(b.conv.kernel_size) == 1}


def _more_than_a_sum(addition: Any, first: Any) -> str | None:
    """Why a convolution like `first` does not stand for an addition, as far as its own settings go."""
    layer, dtypes = addition.operation, {addition.outputs[0].dtype}
    # A layer casts what it adds. Of a bare sum, Torch says less than it does.
    if not isinstance(layer, layers.Layer):
        dtypes |= {tensor.dtype for tensor in addition.input_tensors}
    if dtypes != {first.compute_dtype}:
        return (
            f"the sum is of {', '.join(sorted(dtypes))}, and {first.name!r} computes in {first.compute_dtype}"
        )
    if not isinstance(layer, layers.Layer):
        return None
    if layer.activity_regularizer is not None:
        return f"the activity_regularizer of {layer.name!r} acts on the sum"
    return precision_obstacle(layer)


def _kind(conv: Any) -> str:
    return "depthwise" if isinstance(conv, DEPTHWISE) else "full"


def _reach(conv: Any) -> list[int]:
    """Pixels from the first to the last that a kernel reads, for each axis."""
    return [(k - 1) * step + 1 for k, step in zip(conv.kernel_size, conv.dilation_rate, strict=True)]


def _spatial(tensor: Any, conv: Any) -> tuple[int | None, ...]:
    shape = tuple(tensor.shape)
    return shape[2:] if channel_axis(conv, len(shape)) == 1 else shape[1:-1]


def _sum_of_arrays(branches, windows, whole, size, dilation) -> dict[str, np.ndarray]:
    """Kernel and bias of the sum, in float64."""
    shape = next(Kernel(b.conv).arrays["kernel"].shape[-2:] for b in branches if b.conv)
    depthwise = any(isinstance(b.conv, DEPTHWISE) for b in branches)
    total, bias = np.zeros((*size, *shape)), np.zeros(())
    for branch in branches:
        start = [(low - whole[a][0]) // dilation[a] for a, (low, _) in enumerate(windows[branch])]
        if branch.conv is None:
            scale, shift = branch.scale_and_shift()
            kernel = np.ones(shape) if depthwise else _identity(shape)
            kernel = kernel * (np.reshape(scale, (-1, 1)) if depthwise and np.ndim(scale) else scale)
            total[tuple(start)] += kernel
            bias = bias + shift
            continue
        taken = branch.kernel()
        where = tuple(slice(s, s + k) for s, k in zip(start, branch.conv.kernel_size, strict=True))
        total[where] += taken.arrays["kernel"]
        bias = bias + taken.bias
    return {"kernel": total, "bias": bias}


def _identity(shape: tuple[int, int]) -> np.ndarray:
    """The 1x1 kernel that copies its input, in as many groups as the shape says."""
    kernel = np.zeros(shape)
    channels = np.arange(shape[1])
    kernel[channels % shape[0], channels] = 1.0
    return kernel


def _finite(arrays: dict[str, np.ndarray], layer: Any) -> bool:
    with np.errstate(over="ignore"):
        return all(np.isfinite(a.astype(layer.variable_dtype)).all() for a in arrays.values())


def _sum_of_rest(node: Any, groups: list[dict[int, _Branch]]) -> Part:
    """In the place of an addition: the one branch that is left, or the sum of those that are."""
    # The first of a group is the convolution that took over; the others have become copies of its input.
    gone = {index for group in groups for index in list(group)[1:]}
    left = [index for index in range(len(node.input_tensors)) if index not in gone]
    layer = copy_layer(node.operation) if len(left) > 1 else None

    def add(*tensors):
        tensors = keras.tree.flatten(tensors)
        return layer([tensors[index] for index in left]) if layer else tensors[left[0]]

    return Part(add)
