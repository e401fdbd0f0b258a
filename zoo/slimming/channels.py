"""On which axis of a tensor the channels are, where the layer that reads it does not say."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from zoo.graph import Graph, calls, producer

# After these the axes are others than before.
MOVES_AXES = (layers.Reshape, layers.Permute, layers.Flatten)
MOVING_OPERATIONS = frozenset(
    "Transpose Moveaxis Reshape Squeeze ExpandDims Swapaxes Einsum Dot Matmul".split()
)
WITHOUT_IMAGE = 3  # fewer axes than this: samples and features


def channel_axis(found: list[Graph], graph: Graph, tensor: Any) -> int:
    """The axis of the channels of `tensor`, which stands in `graph`, counted from 0.

    An activation has no `data_format`: the nearest layer before it that has one decides, then the nearest after
    it, through nested models too; where none has, the global setting for images, else the last axis.

    Args:
        found: The graphs of the whole model.
        graph: The one that `tensor` stands in.
        tensor: A symbolic tensor, with the batch on axis 0.
    """
    rank = len(tensor.shape)
    if rank < WITHOUT_IMAGE:
        return rank - 1
    index = calls(found)
    for look in (_before, _after):
        said = look(index, graph, tensor, rank, set())
        if said is not None:
            return said
    return 1 if rank > 3 and keras.config.image_data_format() == "channels_first" else rank - 1


def _axis_of(operation: Any, rank: int) -> int | None:
    if isinstance(operation, layers.BatchNormalization | layers.GroupNormalization):
        return operation.axis % rank
    if isinstance(operation, layers.Dense):
        return rank - 1
    said = getattr(operation, "data_format", None)
    if said is None:
        return None
    return 1 if said == "channels_first" else rank - 1


def _moves(operation: Any) -> bool:
    return isinstance(operation, MOVES_AXES) or type(operation).__name__ in MOVING_OPERATIONS


def _before(index: dict, graph: Graph, tensor: Any, rank: int, seen: set[int]) -> int | None:
    if id(tensor) in seen:
        return None
    seen.add(id(tensor))
    entries = [id(t) for t in keras.tree.flatten(graph.model.inputs)]
    if id(tensor) in entries:
        position = entries.index(id(tensor))
        outer = index.get(id(graph.model), [])
        return _before(index, outer[0][0], outer[0][1].input_tensors[position], rank, seen) if outer else None
    node = producer(tensor)
    if len(tensor.shape) != rank or _moves(node.operation):
        return None
    if isinstance(node.operation, keras.Model):
        inner = [g for pairs in index.values() for g, _ in pairs if g.model is node.operation]
        position = [id(t) for t in node.outputs].index(id(tensor))
        return (
            _before(index, inner[0], keras.tree.flatten(inner[0].model.outputs)[position], rank, seen)
            if inner
            else None
        )
    said = _axis_of(node.operation, rank)
    if said is not None:
        return said
    answers = (_before(index, graph, t, rank, seen) for t in node.input_tensors)
    return next((answer for answer in answers if answer is not None), None)


def _after(index: dict, graph: Graph, tensor: Any, rank: int, seen: set[int]) -> int | None:
    for node in graph.readers(tensor):
        if id(node) in seen or _moves(node.operation) or isinstance(node.operation, keras.Model):
            continue
        seen.add(id(node))
        said = _axis_of(node.operation, rank)
        if said is None:
            answers = (_after(index, graph, t, rank, seen) for t in node.outputs if len(t.shape) == rank)
            said = next((answer for answer in answers if answer is not None), None)
        if said is not None:
            return said
    return None
