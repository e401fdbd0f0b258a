"""Losses of weights: a transform that changes the weights of a layer changes what they say."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from zoo.callers import outside
from zoo.graph import Graph
from zoo.graph.internals import own_variables


def penalised(found: list[Graph], changed: Iterable[Any]) -> Iterator[str]:
    """Names of the layers among `changed` with weights of their own that have a regularizer or a constraint."""
    wanted = {id(operation) for operation in changed}
    for graph in found:
        for node in graph.nodes:
            if id(node.operation) in wanted and hasattr(node.operation, "variables"):
                weights = own_variables(node.operation)
                if any(v.regularizer is not None or v.constraint is not None for v in weights):
                    yield graph.path + node.operation.name


def tell_penalised(transform: str, layers: Iterable[str]) -> None:
    """Warn once of those of the `layers` that `penalised` found; of none, say nothing."""
    names = list(dict.fromkeys(layers))
    if names:
        warnings.warn(
            f"{transform} changes the weights of layers with regularizers or constraints: {', '.join(map(repr, names))}. The "
            f"outputs stay, but losses of weights weigh other numbers now or are gone, and constraints act on other weights: "
            f"what evaluate and fit say of the new model is another loss. Train before, or build the layers without them.",
            UserWarning,
            stacklevel=outside(),
        )
