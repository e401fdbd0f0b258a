"""Stretches of a chain: what their layers are called, and small models of them, to be merged and timed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import keras

from zoo.activations import takes_activation
from zoo.graph import copy_layer, graphs
from zoo.slimming.neighbours import Chain, has_numbers
from zoo.slimming.work import COUNTED
from zoo.slimming.work import multiplications as of_layer


def layer_names(chain: Chain, begin: int, end: int) -> tuple[str, ...]:
    """Of the layers of blocks `begin` to `end`."""
    return tuple(chain.graph.path + node.operation.name for node in chain.stretch(begin, end))


def computing_layers(found: list[Chain]) -> set[str]:
    """Names of the layers in chains that compute something in inference."""
    return {c.graph.path + n.operation.name for c in found for n in c.nodes if has_numbers(n)}


def without_activation(layer: Any) -> Any:
    """A copy of a layer, linear where it takes an activation."""
    return copy_layer(layer, activation=None) if takes_activation(layer) else copy_layer(layer)


def as_they_are(chain: Chain, nodes: list[Any]) -> list[Any]:
    """Copies of the layers of a stretch with the activations between them, without the one after the last."""
    copies = []
    for node, following in pairwise(nodes):
        while node is not following:
            copies.append(copy_layer(node.operation))
            (node,) = chain.graph.readers(node.outputs[0])
    return [*copies, without_activation(nodes[-1].operation)]


def small_model(first: Any, layers: list[Any]) -> keras.Model:
    """Layers one after the other, on what the first call reads, as a model; their weights do not matter."""
    tensor = first.input_tensors[0]
    inputs = outputs = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype)
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


def multiplications(model: keras.Model) -> float:
    """How often a model multiplies for one sample in layers with a kernel; sizes that are not known count as 1."""
    total = 0
    for graph in graphs(model):
        for node in graph.nodes:
            if isinstance(node.operation, COUNTED):
                sizes = (tuple(n or 1 for n in t.shape[1:]) for t in (node.input_tensors[0], node.outputs[0]))
                total += of_layer(node.operation, *sizes)
    return float(total)
