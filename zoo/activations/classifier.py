"""Which sites are the classifier: they turn the scores of a model into the probabilities that it returns."""

from __future__ import annotations

from typing import Any

import keras

from zoo.activations.sites import Site, families, passes_values
from zoo.graph import Graph, calls, graphs

# What turns scores into probabilities; on the output of a model that is its classifier.
CLASSIFIERS = {"softmax", "log_softmax", "sigmoid"}


def classifier_names(model: keras.Model, present: list[Site]) -> set[str]:
    """The names of those of the sites `present` whose values are an output of `model`, reshaped or not."""
    found = graphs(model)
    index = calls(found)
    return {site.name for site in present if _is_classifier(site, found[0], index)}


def _is_classifier(site: Site, root: Graph, index: dict[int, list[tuple[Graph, Any]]]) -> bool:
    if not families(site.function) & CLASSIFIERS:
        return False
    return any(
        _reaches_output(graph, tensor, root, index)
        for graph, node in index[id(site.operation)]
        for tensor in node.outputs
    )


def _reaches_output(
    graph: Graph, tensor: Any, root: Graph, index: dict[int, list[tuple[Graph, Any]]]
) -> bool:
    """Whether the values of `tensor` are an output of the outermost model, whatever their shape there."""
    if graph.is_output(tensor):
        if graph.model is root.model:
            return True
        position = [id(t) for t in keras.tree.flatten(graph.model.outputs)].index(id(tensor))
        for outer, node in index.get(id(graph.model), []):
            if _reaches_output(outer, node.outputs[position], root, index):
                return True
    return any(
        _reaches_output(graph, output, root, index)
        for node in graph.readers(tensor)
        if passes_values(node.operation)
        for output in node.outputs
    )
