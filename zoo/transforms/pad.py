"""Pad once, then 'valid': the form of a padded stretch that is one convolution, another net at the border."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras

from zoo.graph import (
    Graph,
    Part,
    copy_layer,
    copy_variables,
    graphs,
    leads_to_its_model,
    names,
    rewrite,
    seeds_untouched,
)
from zoo.graph.channels import PADDING
from zoo.slimming.neighbours import POOLING, chains, passes
from zoo.slimming.selection import refuse_blended
from zoo.transforms.kernels import channel_axis, has_kernel
from zoo.transforms.spatial import stencil
from zoo.transforms.stretches import as_stretches


@leads_to_its_model
class PaddedModel(NamedTuple):
    """What `pad_once` returns; it unpacks, the model first.

    Attributes:
        model: The model that pads once. It is another function than the one given: see `border`.
        padded: Name of each new padding layer -> names of the layers after it, which pad no more.
        border: The same name -> how many pixels from the edge of the last of those layers' output can differ.
        kept: Name of each layer that goes on padding inside a stretch -> the reason.
    """

    model: keras.Model
    padded: dict[str, tuple[str, ...]]
    border: dict[str, int]
    kept: dict[str, str]


@seeds_untouched()
def pad_once(model: keras.Model, stretches: Iterable[Iterable[str]] | None = None) -> PaddedModel:
    r"""Pad the input of each stretch without activation once, by as much as its layers pad together. NOT exact.

    A layer with 'same' padding sees zeros round its input. Padded once, it sees what the layers before it
    compute out there instead, such as their bias. So outputs change in a border as wide as all layers after the
    first pad together, $L - 1$ pixels for $L$ convolutions of size 3; the pixels further inside stay the same up
    to rounding. What is won: the stretch is one convolution exactly, which `collapse_linear` makes of it. Train the
    model on in between.

    Layer $i$ with stride $s_i$ and padding $p_i$ before and after counts $p_i \prod_{j<i} s_j$ pixels of the
    input. ZeroPadding layers inside a stretch are padding, too.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        stretches: Each the names of layers, `[["a", "b"]]`; only stretches that lie within one of these change. By default
            all.

    Returns:
        The new model, not compiled, which layers pad no more, how wide the border is, and what was kept and why.
        A model in which nothing pads twice comes back as an equal copy.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph; or `stretches` are no stretches: a string, or
            names where `[['a', 'b']]` is expected.
        ValueError: `stretches` are none, or name a layer that is in no stretch; the names `X_pad` and `X_pad_once` are
            taken; or `model` has blended activations.

    Reference:
        Ding et al. 2021, RepVGG, arXiv 2101.03697, appendix; Kim et al. 2023, arXiv 2301.12187 (reordering the
        padding).

    Example:
        >>> import keras
        >>> from keras import layers
        >>> from zoo.transforms import collapse_linear, pad_once
        >>> parts = [
        ...     layers.Conv2D(4, 3, padding="same", name=n) for n in "ab"
        ... ]
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), *parts])
        >>> padded = pad_once(model)
        >>> padded.border, collapse_linear(padded.model).collapsed
        ({'a_pad': 1}, {'b': ('a', 'b')})
    """
    refuse_blended(model)
    linear = chains(model, set(), padding=True)
    wanted = None if stretches is None else [set(stretch) for stretch in as_stretches(stretches)]
    if wanted is not None:
        inside = {chain.graph.path + node.operation.name for chain in linear for node in chain.nodes}
        for name in sorted(set().union(*wanted) - inside):
            raise ValueError(
                f"stretches names {name!r}, which is in no stretch of {model.name!r} of two or more linear layers."
            )
    taken = names(graphs(model))
    replace: dict[Any, list[Part]] = {}
    result = PaddedModel(model, {}, {}, {})
    for chain in linear:
        for run in _runs(chain.graph, chain.nodes, wanted, result.kept):
            if not run.pads_again:
                continue
            first = run.nodes[0].operation
            # A layer X that pads nothing itself often has a padding layer X_pad in front of the stretch.
            free = next((n for n in (f"{first.name}_pad", f"{first.name}_pad_once") if n not in taken), None)
            if free is None:
                raise ValueError(
                    f"cannot pad before {first.name!r}: the model already has a {first.name + '_pad'!r} and a "
                    f"{first.name + '_pad_once'!r}. Rename one of the two."
                )
            name = free
            taken.add(name)
            replace.update(run.parts(name))
            padded = [chain.graph.path + n.operation.name for n in run.nodes if _padding_of(n) is not None]
            result.padded[chain.graph.path + name] = tuple(padded)
            result.border[chain.graph.path + name] = max(run.border)
    return result._replace(model=rewrite(model, replace))


@dataclass
class _PadRun:
    """Layers one after the other that can be padded in one go.

    Attributes:
        nodes: Their calls.
        data_format: Of those that have one.
        before: Zeros before, of the input of the run, for each spatial dimension.
        after: Zeros after.
        strides: Of all layers together.
        pads_again: Whether a layer pads what another one computed.
        border: Output pixels that can differ, for each dimension.
    """

    nodes: list[Any] = field(default_factory=list)
    data_format: str | None = None
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    pads_again: bool = False
    border: tuple[int, ...] = ()
    computes: bool = False

    def add(self, node: Any, padding: tuple[tuple[int, int], ...] | None, strides: tuple[int, ...]) -> None:
        """Take in one more layer."""
        self.nodes.append(node)
        if padding is None:
            self.computes = self.computes or not passes(node)
            return
        dims = len(padding)
        zeros, ones = (0,) * dims, (1,) * dims
        self.before, self.after = self.before or zeros, self.after or zeros
        self.strides, self.border = self.strides or ones, self.border or zeros
        pads = any(map(any, padding))
        again = self.computes and pads
        self.before = tuple(b + s * p[0] for b, s, p in zip(self.before, self.strides, padding, strict=True))
        self.after = tuple(b + s * p[1] for b, s, p in zip(self.after, self.strides, padding, strict=True))
        width = [max(p) if again else 0 for p in padding]
        # Pixel o of the output sees input pixels from o * stride - padding on.
        self.border = (
            tuple(-(-(w + p) // s) for w, p, s in zip(self.border, width, strides, strict=True))
            if (again or any(self.border))
            else self.border
        )
        self.strides = tuple(a * b for a, b in zip(self.strides, strides, strict=True))
        self.pads_again = self.pads_again or again
        self.computes = self.computes or type(node.operation) not in PADDING

    def parts(self, name: str) -> dict[Any, list[Part]]:
        """What takes the place of the layers."""
        replace: dict[Any, list[Part]] = {}
        for node in self.nodes:
            layer = node.operation
            if type(layer) in PADDING:
                replace[layer] = []
            elif _padding_of(node) is not None and layer.padding != "valid":
                replace[layer] = [Part(copy_layer(layer, padding="valid"), copy_variables(layer))]
        first = self.nodes[0].operation
        dims = len(self.before)
        amount = tuple(zip(self.before, self.after, strict=True))
        pad = PADDING[dims - 1](
            amount[0] if dims == 1 else amount,
            data_format=self.data_format,
            name=name,
            dtype=first.dtype_policy,
        )
        there = replace.get(first)
        if there is None:
            there = [Part(copy_layer(first), copy_variables(first) if first.variables else None)]
        replace[first] = [Part(pad), *there]
        return replace


def _padding_of(node: Any) -> str | None:
    """The padding mode of a layer that has one."""
    operation = node.operation
    if type(operation) in PADDING:
        return "zeros"
    return getattr(operation, "padding", None)


def _format_of(operation: Any, rank: int) -> str | None:
    """Of a layer without a window, where its channels are: along any other axis it would see the zeros."""
    if rank == 2:
        return None
    if isinstance(operation, keras.layers.BatchNormalization):
        axis = operation.axis % rank
    elif has_kernel(operation):
        axis = channel_axis(operation, rank)
    else:
        return None
    if axis not in (1, rank - 1):
        raise ValueError(f"it computes along axis {axis}, which padding makes longer.")
    return "channels_first" if axis == 1 else "channels_last"


def _runs(graph: Graph, nodes: Any, wanted: list[set[str]] | None, kept: dict[str, str]) -> list[_PadRun]:
    runs = [_PadRun()]
    group: Any = None
    for node in nodes:
        name = graph.path + node.operation.name
        if wanted is not None:
            now = next((i for i, names_ in enumerate(wanted) if name in names_), None)
            if now is None or now != group:
                runs.append(_PadRun())
            group = now
            if now is None:
                continue
        try:
            padding, strides, data_format = _read(node)
        except ValueError as error:
            kept[name] = str(error)
            runs.append(_PadRun())
            continue
        run = runs[-1]
        mixed = None not in (data_format, run.data_format) and data_format != run.data_format
        if mixed or (run.strides and padding is not None and len(padding) != len(run.strides)):
            kept[name] = "its channels are on another axis than before it"
            runs.append(_PadRun())
            run = runs[-1]
        run.add(node, padding, strides)
        run.data_format = run.data_format or data_format
    return [run for run in runs if run.nodes]


def _read(node: Any) -> tuple[tuple[tuple[int, int], ...] | None, tuple[int, ...], str | None]:
    """Padding in numbers, strides and data format of one call; None for what has no window."""
    operation = node.operation
    mode = _padding_of(node)
    rank = len(node.input_tensors[0].shape)
    if mode is None:
        return None, (), _format_of(operation, rank)
    data_format = getattr(operation, "data_format", None) or "channels_last"
    if type(operation) in PADDING:
        if operation.activity_regularizer is not None:
            raise ValueError("its activity_regularizer acts on its output.")
        padding = operation.padding
        return (tuple(padding),) if rank == 3 else tuple(map(tuple, padding)), (1,) * (rank - 2), data_format
    shape = node.input_tensors[0].shape
    image = shape[2:] if channel_axis(operation, rank) == 1 else shape[1:-1]
    if isinstance(operation, POOLING):
        padding = stencil(operation.padding, operation.pool_size, operation.strides, image, operation)
        if any(map(any, padding)):
            raise ValueError(
                "it averages fewer pixels at the border than inside, which padding with zeros does not."
            )
        return padding, tuple(operation.strides), data_format
    sizes = tuple(
        d * (k - 1) + 1 for d, k in zip(operation.dilation_rate, operation.kernel_size, strict=True)
    )
    return (
        stencil(operation.padding, sizes, operation.strides, image, operation),
        tuple(operation.strides),
        data_format,
    )
