"""On which axis of a tensor its channels are: that of the layers around it, not of the global setting."""

from __future__ import annotations

import re
from typing import Any

import keras
from keras import layers

from zoo.graph.reading import Graph, read

# Their output has its features last, whatever the setting.
_LAST = (
    *(layers.Dense, layers.Embedding, layers.RNN),
    *(layers.MultiHeadAttention, layers.GroupQueryAttention),
)
# They compute along the axes of their own choice and move none.
_OWN_AXIS = (layers.BatchNormalization, layers.GroupNormalization)
# By how many axes they pad. Their format names these, which need not be those of space: the shortcut of a residual net
# pads channels with the other format. So what is known of their neighbours comes first.
PADDING = (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)


class ChannelAxes:
    """The channel axis of every tensor in the graph of a model and of models nested in it.

    A tensor has the axis of the nearest layer before it that has a `data_format` or normalises by channel;
    without one, of the nearest after it; without that, the global setting's for images, the last for others.
    Where a reshape takes the axis away, what follows starts anew.
    """

    def __init__(self, model: keras.Model):
        self._axes: dict[int, int] = {}
        self._forward(read(model))
        self._backward(read(model))
        self._forward(read(model))

    def of(self, tensor: Any) -> int:
        """The axis of a symbolic tensor: -1, or a positive number."""
        axis = self._axes.get(id(tensor))
        rank = len(tensor.shape)
        return default_axis(rank) if axis is None else as_last(axis, rank)

    def _forward(self, graph: Graph) -> None:
        for node in graph.nodes:
            operation = node.operation
            if isinstance(operation, keras.Model):
                inputs = keras.tree.flatten(operation.inputs)
                for inner, outer in zip(inputs, node.input_tensors, strict=False):
                    self._hand(outer, inner)
                self._forward(read(operation))
                for inner, outer in zip(keras.tree.flatten(operation.outputs), node.outputs, strict=False):
                    self._hand(inner, outer)
                continue
            for tensor in node.outputs:
                if id(tensor) in self._axes:
                    continue
                axis = None if isinstance(operation, PADDING) else own_axis(operation, len(tensor.shape))
                if axis is None:
                    axis = self._carried(node, tensor)
                if axis is None:
                    axis = own_axis(operation, len(tensor.shape))
                if axis is not None:
                    self._axes[id(tensor)] = axis

    def _backward(self, graph: Graph) -> None:
        for node in reversed(graph.nodes):
            operation = node.operation
            if isinstance(operation, keras.Model):
                inputs = keras.tree.flatten(operation.inputs)
                self._backward(read(operation))
                for inner, outer in zip(inputs, node.input_tensors, strict=False):
                    self._hand(inner, outer)
                continue
            for tensor in node.input_tensors:
                if id(tensor) in self._axes or len(tensor.shape) < 3:
                    continue
                axis = None if isinstance(operation, PADDING) else own_axis(operation, len(tensor.shape))
                if axis is None and _keeps_places(operation) and node.outputs:
                    output = node.outputs[0]
                    same = len(output.shape) == len(tensor.shape)
                    axis = self._axes.get(id(output)) if same else None
                if axis is None:
                    axis = own_axis(operation, len(tensor.shape))
                if axis is not None:
                    self._axes[id(tensor)] = axis

    def _hand(self, source: Any, target: Any) -> None:
        if id(source) in self._axes and len(source.shape) == len(target.shape):
            self._axes.setdefault(id(target), self._axes[id(source)])

    def _carried(self, node: Any, output: Any) -> int | None:
        operation, inputs = node.operation, node.input_tensors
        rank = len(output.shape)
        joins = len(inputs) == 1 or type(operation).__name__ == "Stack"
        if joins and id(inputs[0]) in self._axes and len(inputs[0].shape) > 2:
            tensor = inputs[0]
            place = _moved(node, self._axes[id(tensor)] % len(tensor.shape), tensor, output)
            if place is not None:
                return place
        known = [
            self._axes[id(t)] for t in inputs if id(t) in self._axes and len(t.shape) == rank
        ]  # of several inputs the first with an axis speaks
        if not known:
            return None
        if (order := _order(operation, rank)) is not None:
            return order.index(known[0])
        return known[0] if _keeps_places(operation) else None


def own_axis(operation: Any, rank: int) -> int | None:
    """The channel axis that `operation` itself fixes for tensors of that rank, from 0; else None."""
    if rank < 3:
        return rank - 1
    if isinstance(operation, layers.TimeDistributed):
        inner = own_axis(operation.layer, rank - 1)
        return None if inner is None else inner + 1
    if isinstance(operation, layers.Wrapper):
        return own_axis(getattr(operation, "forward_layer", operation.layer), rank)
    if isinstance(operation, layers.EinsumDense):
        return _einsum_axis(operation.equation, rank)
    if isinstance(operation, _OWN_AXIS) and isinstance(operation.axis, int):
        return operation.axis % rank
    data_format = getattr(getattr(operation, "cell", operation), "data_format", None)
    if data_format in ("channels_first", "channels_last"):
        return 1 if data_format == "channels_first" else rank - 1
    return rank - 1 if isinstance(operation, _LAST) else None


def _einsum_axis(equation: str, rank: int) -> int:
    """Where the output has its features: the last axis that the kernel brings with it, and the input lacks."""
    inputs, kernel, output = re.split(",|->", equation.replace(" ", ""))
    made = [letter for letter in output if letter in kernel and letter not in inputs]
    letters = output.replace("...", "." * (rank - len(output.replace("...", ""))))
    return letters.index(made[-1]) if made else rank - 1


def default_axis(rank: int) -> int:
    """Where nothing says otherwise: by the global setting for images and volumes, else the last."""
    return 1 if rank > 3 and keras.config.image_data_format() == "channels_first" else -1


def as_last(axis: int, rank: int) -> int:
    """-1 for the last axis, so that it holds for tensors of any rank."""
    return -1 if axis >= rank - 1 else axis


def _keeps_places(operation: Any) -> bool:
    moves = (layers.Reshape, layers.Permute, layers.RepeatVector)
    return not isinstance(operation, moves) and type(operation).__name__ not in (
        *("Reshape", "Transpose", "Swapaxes", "Moveaxis", "Rot90", "Einsum"),
    )


def _moved(node: Any, axis: int, tensor: Any, output: Any) -> int | None:
    """Where the channels on `axis` of `tensor` are in `output`, of what adds, removes or joins other axes."""
    operation = node.operation
    name, old, new = type(operation).__name__, tuple(tensor.shape), tuple(output.shape)
    if name in ("Moveaxis", "Swapaxes"):
        order = list(range(len(old)))
        if name == "Swapaxes":
            a, b = operation.axis1 % len(old), operation.axis2 % len(old)
            order[a], order[b] = order[b], order[a]
        else:
            sources, targets = (
                [a % len(old) for a in (axes if isinstance(axes, (list, tuple)) else [axes])]
                for axes in (operation.source, operation.destination)
            )
            order = [a for a in order if a not in sources]
            for target, source in sorted(zip(targets, sources, strict=True)):
                order.insert(target, source)
        return order.index(axis)
    if name == "Reshape" and len(new) > 2:
        # What stands before the channels stays, or all that stands after them does.
        if new[: axis + 1] == old[: axis + 1]:
            return axis
        if axis == len(old) - 1 and new[-1] == old[-1]:
            return len(new) - 1
        return None
    if name == "GetItem":
        return _indexed(axis, len(old), node.arguments.args[1])
    # A sum, a maximum, what squeezes, takes or unstacks.
    if hasattr(operation, "axis") and len(new) < len(old):
        gone = operation.axis
        gone = [a for a, n in enumerate(old) if n == 1] if gone is None else gone
        gone = {a % len(old) for a in (gone if isinstance(gone, (list, tuple)) else [gone])}
        told = axis not in gone and len(old) - len(gone) == len(new)
        return axis - sum(a < axis for a in gone) if told else None
    if name in ("ExpandDims", "Stack"):
        added = operation.axis if isinstance(operation.axis, (list, tuple)) else [operation.axis]
        place = axis
        for a in sorted(a % len(new) for a in added):
            place += a <= place
        return place
    return None


def _indexed(axis: int, rank: int, key: Any) -> int | None:
    """Where the axis `axis` of a tensor of that rank is after `tensor[key]`; None if it is gone, or not told."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if not all(k is None or k is Ellipsis or isinstance(k, (int, slice)) for k in keys):
        return None
    rest = [slice(None)] * (rank - sum(k is not None and k is not Ellipsis for k in keys))
    place = next((n for n, k in enumerate(keys) if k is Ellipsis), len(keys))
    keys[place : place + 1] = rest
    read = made = 0
    for k in keys:
        if k is not None and read == axis:
            return None if isinstance(k, int) else made
        read += k is not None
        made += not isinstance(k, int)
    return None


def _order(operation: Any, rank: int) -> list[int] | None:
    """Output axis -> input axis, of what permutes axes."""
    if isinstance(operation, layers.Permute):
        return [0, *operation.dims]
    if type(operation).__name__ == "Transpose":
        axes = operation.axes
        return list(reversed(range(rank))) if axes is None else [axis % rank for axis in axes]
    return None
