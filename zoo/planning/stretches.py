"""Stretches of a chain: what their layers are called, and small models of them, to be merged and timed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import keras
import numpy as np

from zoo.activations import takes_activation
from zoo.graph import copy_layer, graphs
from zoo.slimming.neighbours import JOINING, Chain, has_numbers
from zoo.slimming.work import COUNTED
from zoo.slimming.work import multiplications as of_layer

# What a shift can go into.
SHIFTING = (*JOINING, keras.layers.BatchNormalization)


def layer_names(chain: Chain, begin: int, end: int) -> tuple[str, ...]:
    """Of the layers of blocks `begin` to `end`."""
    return tuple(chain.graph.path + node.operation.name for node in chain.stretch(begin, end))


def computing_layers(found: list[Chain]) -> set[str]:
    """Names of the layers in chains that compute something in inference."""
    return {c.graph.path + n.operation.name for c in found for n in c.nodes if has_numbers(n)}


def without_activation(layer: Any, **settings: Any) -> Any:
    """A copy of a layer, linear where it takes an activation; `settings` override its configuration."""
    return copy_layer(layer, **settings, **({"activation": None} if takes_activation(layer) else {}))


def without_activations(chain: Chain, begin: int, end: int) -> list[Any]:
    """Linear copies of the layers of blocks `begin` to `end`, as they are when the activations between are gone.

    An activation that is dropped may leave a shift behind, in the last layer before it that takes one.
    """
    nodes = chain.stretch(begin, end)
    shifted: set[int] = set()
    for site_end in chain.ends[begin:end]:
        before = nodes[: nodes.index(chain.nodes[site_end - 1]) + 1]
        takers = [node for node in before if isinstance(node.operation, SHIFTING)]
        shifted.update(id(node) for node in takers[-1:])
    return [
        without_activation(node.operation, use_bias=True)
        if id(node) in shifted and hasattr(node.operation, "use_bias")
        else without_activation(node.operation)
        for node in nodes
    ]


def start_with_shifts(model: keras.Model) -> None:
    """Give the layers of a small model other values than zeros for what training and a fit move away from zero.

    Whether a padded layer can follow one of size 1 depends on its bias, and that of a new layer is zero.
    """
    for variable in model.weights:
        if variable.name == "moving_mean":  # against it, a shift of ones could cancel
            variable.assign(-np.ones(variable.shape))
        elif not np.any(keras.ops.convert_to_numpy(variable)):
            variable.assign(np.ones(variable.shape))


def calls_before_last(chain: Chain, nodes: list[Any]) -> list[Any]:
    """All calls of a stretch before its last layer, with the activations between them."""
    found = []
    for node, following in pairwise(nodes):
        while node is not following:
            found.append(node)
            (node,) = chain.graph.readers(node.outputs[0])
    return found


def as_they_are(chain: Chain, nodes: list[Any]) -> list[Any]:
    """Copies of the layers of a stretch with the activations between them, without the one after the last."""
    copies = [copy_layer(node.operation) for node in calls_before_last(chain, nodes)]
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
