"""Inside a net: each stretch without activation as one layer, where that is exact."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
from keras import layers

from zoo.graph import Graph, Part, calls, graphs, rewrite, seeds_untouched
from zoo.slimming.neighbours import Chain, chains, has_numbers, passes
from zoo.slimming.selection import refuse_blended
from zoo.transforms.collapse import _channels, _collapse, _Run, _spatial
from zoo.transforms.kernels import has_kernel, obstacle
from zoo.transforms.normalization import call_obstacle, called_in_training, is_batchnorm
from zoo.transforms.spatial import compose

# Numbers in one kernel; a merged stretch beyond this helps nobody and takes long to compute.
LARGEST_KERNEL = 2**26


class MergedModel(NamedTuple):
    """What `merge_stretches` returns; it unpacks, the model first.

    Attributes:
        model: The model with fewer layers, for inference.
        merged: Name of each new layer, in order -> names of the layers that it stands for.
        kept: Name of each layer of a stretch that was not merged with the one before it -> the reason.
    """

    model: keras.Model
    merged: dict[str, tuple[str, ...]]
    kept: dict[str, str]


@seeds_untouched()
def merge_stretches(model: keras.Model, stretches: Iterable[Iterable[str]] | None = None) -> MergedModel:
    """Make one layer of what stands between two activations, as far as that is exact; the rest stays, with the reason.

    A stretch is a chain of convolutions, dense layers, average pooling and BatchNormalization (in inference), each
    the only reader of the one before it, with no activation between. Formulas and limits are those of
    `collapse_linear`; but where that refuses a model because of one place, this goes on after it. In a
    stretch that is not one layer as a whole, as many layers as possible are taken together from its beginning,
    then from the first that did not fit.

    Fewer layers are not always faster: a convolution of 64 to 64 channels of size 3 and one of 64 to 256 of size
    1 have a third of the weights of the one that does both. `stretches` says what to merge; `zoo.plan_depth`
    measures what is worth it.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        stretches: Each the names of layers that follow one another and are to become one layer, all or none; by
            default everything that can.

    Returns:
        The new model, not compiled, what was merged and what was kept, and why. Outputs agree with those of
        `model` up to the rounding of its dtype.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph.
        ValueError: `stretches` name something that is not one stretch, or cannot become one layer exactly; or
            `model` has blended activations.

    Example:
        >>> import keras
        >>> from keras import layers
        >>> from zoo.transforms import merge_stretches
        >>> same = {"padding": "same"}
        >>> parts = [
        ...     layers.Conv2D(4, 3, name="a", **same),
        ...     layers.Conv2D(4, 1, name="b"),
        ...     layers.Conv2D(4, 3, name="c", **same),
        ... ]
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), *parts])
        >>> short, merged, kept = merge_stretches(model)
        >>> merged, list(kept)
        ({'b': ('a', 'b')}, ['c'])
    """
    refuse_blended(model)
    merging = _Merging(model)
    linear = chains(model, set())
    if stretches is None:
        for chain in linear:
            merging.everything(chain)
    else:
        for names in stretches:
            merging.exactly(linear, tuple(names))
    return MergedModel(rewrite(model, merging.replace), merging.merged, merging.kept)


class _Merging:
    def __init__(self, model: keras.Model):
        found = graphs(model)
        self.calls = calls(found)
        self.in_training = called_in_training(found)
        self.replace: dict[Any, list[Part]] = {}
        self.merged: dict[str, tuple[str, ...]] = {}
        self.kept: dict[str, str] = {}

    def everything(self, chain: Chain) -> None:
        """Merge what can be, from the beginning of the chain on."""
        run: list[Any] = []
        whole = None
        for node in chain.nodes:
            if not has_numbers(node):
                if run:
                    run.append(node)
                continue
            reason, extended = self._extended(run, whole, node)
            if reason is not None and run:
                self.kept[chain.graph.path + node.operation.name] = reason
                self._close(chain.graph, run)
                run, whole = [], None
                reason, extended = self._extended(run, whole, node)
            if reason is None:
                run, whole = [*run, node], extended
            else:
                self.kept[chain.graph.path + node.operation.name] = reason
        self._close(chain.graph, run)

    def exactly(self, linear: list[Chain], names: tuple[str, ...]) -> None:
        """Merge these layers into one, or say why not."""
        listed = ", ".join(map(repr, names))
        for chain in linear:
            path = [chain.graph.path + node.operation.name for node in chain.nodes]
            if len(names) < 2 or not set(names) <= set(path) or path.index(names[0]) >= path.index(names[-1]):
                continue
            nodes = list(chain.nodes[path.index(names[0]) : path.index(names[-1]) + 1])
            inside = [chain.graph.path + node.operation.name for node in nodes if has_numbers(node)]
            if [name for name in names if name in inside] != inside:
                continue
            whole = None
            for position, node in enumerate(nodes):
                if has_numbers(node):
                    reason, whole = self._extended(nodes[:position], whole, node)
                    if reason is not None:
                        raise ValueError(f"the stretch {listed} is not one layer: {reason}")
            self._close(chain.graph, nodes)
            return
        raise ValueError(
            f"stretches names {listed}, which do not follow one another in one stretch without activation, each the only "
            f"reader of the one before it and called once."
        )

    def _extended(self, run: list[Any], whole: Any, node: Any) -> tuple[str | None, Any]:
        """The convolution that `run` and `node` are together, or why they are none."""
        reason = self._obstacle(node)
        if reason is not None:
            return reason, None
        layouts = {_channels(n) for n in [*run, node] if not passes(n)} - {None}
        if len(layouts) > 1:
            return "the channels are on another axis than before it", None
        try:
            spatial = _spatial(node)
            if whole is None:
                return None, spatial
            before = next(n for n in reversed(run) if has_numbers(n))
            sizes = [
                k + s * (m - 1) for k, s, m in zip(whole.sizes, whole.strides, spatial.sizes, strict=True)
            ]
            if math.prod(sizes) * whole.kernel.shape[-2] * spatial.kernel.shape[-1] > LARGEST_KERNEL:
                return f"the merged kernel would have more than {LARGEST_KERNEL} numbers", None
            return None, compose(whole, spatial, before.operation, node.operation)
        except ValueError as error:
            return str(error), None

    def _obstacle(self, node: Any) -> str | None:
        operation = node.operation
        sited = self.calls[id(operation)]
        if len(sited) > 1:
            return f"it is shared: called {len(sited)} times"
        if isinstance(operation, layers.BatchNormalization):
            if not is_batchnorm(operation):
                return f"{type(operation).__name__} is a subclass with a call of its own"
            rank = len(node.outputs[0].shape)
            if operation.axis % rank not in (1, rank - 1):
                return f"it normalises axis {operation.axis}, which is no channel axis"
            return call_obstacle(sited, self.in_training)
        if getattr(operation, "activity_regularizer", None) is not None:
            return "its activity_regularizer acts on its output"
        if hasattr(operation, "kernel_size") or isinstance(operation, layers.Dense):
            if not has_kernel(operation):
                return f"{type(operation).__name__} is a subclass with a call of its own"
            return obstacle(operation)
        if operation.compute_dtype not in ("float32", "float64"):
            return f"it computes in {operation.compute_dtype}, which rounds too coarsely"
        return None

    def _close(self, graph: Graph, run: list[Any]) -> None:
        while run and not has_numbers(run[-1]):
            run = run[:-1]
        members = [node for node in run if has_numbers(node)]
        if len(members) < 2 or not any(has_kernel(node.operation) for node in members):
            return
        try:
            parts = _collapse(_Run(run, members))
        except ValueError as error:
            self.kept[graph.path + members[-1].operation.name] = str(error)
            return
        self.replace.update((node.operation, []) for node in run[:-1])
        self.replace[run[-1].operation] = parts
        self.merged[graph.path + parts[-1].layer.name] = tuple(graph.path + n.operation.name for n in members)
