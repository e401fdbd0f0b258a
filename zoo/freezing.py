"""Which layers of a model train, and how its batch normalisation computes meanwhile."""

from __future__ import annotations

from typing import Any, Literal, get_args

import keras
from keras import layers

from zoo.graph import Graph, flatten_layers, graphs, producer, rewrite
from zoo.rolled import RolledUnits
from zoo.wording import did_you_mean

Norms = Literal["inference", "follow"]
NORMS = get_args(Norms)


def freeze(model: keras.Model, until: str | None = None, *, norms: Norms = "inference") -> keras.Model:
    r"""A copy of `model` whose first layers, and whose batch normalisation, do not train.

    Frozen are the layer `until` and everything it is computed from; all layers without it. A frozen
    BatchNormalization computes with its moving statistics in training as well, $y = \gamma (x - \mu) /
    \sqrt{\sigma^2 + \epsilon} + \beta$, and moves neither them nor $\gamma$ and $\beta$: that is what
    `trainable = False` means for it in Keras.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        until: Name of the last layer to freeze, after the names of the models it is nested in:
            `"backbone/conv4_block6_out"`.
        norms: "inference": every BatchNormalization is frozen, those after `until` and those inside wrappers
            and layers of one's own too, so that small batches do not move statistics of a large data set.
            "follow": each goes with its place, so those after `until` train and normalise by the batch.

    Returns:
        A new model, not compiled, with the weights of `model`; its `trainable` flags are set layer by layer.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph; or `until` is no name.
        ValueError: no layer has the name `until`, or `norms` is none of the two, or the batch normalisation of a
            rolled run of units would have to be frozen without the rest of it.

    Reference:
        Ioffe and Szegedy 2015, "Batch Normalization", arXiv 1502.03167.

    Example:
        >>> import keras, zoo
        >>> model = zoo.build("resnet8", input_shape=(16, 16, 3))
        >>> tuned = zoo.freeze(model, until="stage2_unit1_add")
        >>> trained = [v.path for v in tuned.trainable_variables]
        >>> trained[0], trained[-1]
        ('stage3_unit1_conv1/kernel', 'predictions/bias')
    """
    if norms not in NORMS:
        raise ValueError(f"norms must be one of {', '.join(map(repr, NORMS))}, received {norms!r}.")
    if until is not None and not isinstance(until, str):
        raise TypeError(f"until must be the name of a layer or None, received {until!r}.")
    found = graphs(model)
    frozen = _frozen(found, until)
    if norms == "inference":
        _refuse_rolled_norms(found, frozen)
    new = rewrite(model)
    found = graphs(new)
    frozen = _frozen(found, until)
    for _, layer in _layers(found):
        for part in flatten_layers(layer):
            if id(layer) in frozen or (norms == "inference" and isinstance(part, layers.BatchNormalization)):
                part.trainable = False
    return new


def _layers(found: list[Graph]) -> list[tuple[Graph, Any]]:
    """The layers in graphs, each with the graph it is in; nested models are not layers here, what is in them is."""
    return [
        (graph, node.operation)
        for graph in found
        for node in graph.nodes
        if isinstance(node.operation, layers.Layer) and not isinstance(node.operation, keras.Model)
    ]


def _refuse_rolled_norms(found: list[Graph], frozen: set[int]) -> None:
    """Refuse a rolled run of units that trains while the normalisation in it is to be frozen."""
    for graph, layer in _layers(found):
        for part in flatten_layers(layer):
            if id(layer) in frozen or not isinstance(part, RolledUnits) or not part.trainable:
                continue
            if any(isinstance(own, layers.BatchNormalization) for own in flatten_layers(part.unit.model)):
                raise ValueError(
                    f"{graph.path}{layer.name} is a rolled run of units, which is frozen as a whole or not at all, and "
                    f"norms='inference' freezes the batch normalisation in it alone. Freeze zoo.transforms.unroll(model), "
                    f"or pass norms='follow'."
                )


def _frozen(found: list[Graph], until: str | None) -> set[int]:
    """`id`s of the operations that are frozen: of all, or of `until` and of all it is computed from, in the models round it too."""
    if until is None:
        return {id(layer) for _, layer in _layers(found)}
    by_model = {id(graph.model): graph for graph in found}
    way = _way(found[0], until, by_model)
    if way is None:
        named = {graph.path + node.operation.name for graph in found for node in graph.nodes}
        raise ValueError(f"until={until!r} is no layer of the model; {did_you_mean(until, named)}")
    *round_it, (graph, node) = way
    frozen = _ancestors(graph, node, by_model)
    # Of the models that hold it: what comes before them is before `until`.
    for graph, node in round_it:
        frozen |= _ancestors(graph, node, by_model, itself=False)
    return frozen


def _way(graph: Graph, name: str, by_model: dict[int, Graph]) -> list[tuple[Graph, Any]] | None:
    """The calls, from the outside in, that lead to the last call of the layer `name`: a model in it may have several callers."""
    for node in reversed(graph.nodes):
        own = node.operation.name
        if name == own:
            return [(graph, node)]
        if name.startswith(f"{own}/") and id(node.operation) in by_model:
            inner = _way(by_model[id(node.operation)], name.removeprefix(f"{own}/"), by_model)
            if inner is not None:
                return [(graph, node), *inner]
    return None


def _ancestors(graph: Graph, node: Any, by_model: dict[int, Graph], *, itself: bool = True) -> set[int]:
    known = {id(n) for n in graph.nodes}
    stack, seen = [node], set()
    while stack:
        one = stack.pop()
        if id(one) in seen or id(one) not in known:
            continue
        seen.add(id(one))
        stack.extend(producer(tensor) for tensor in one.input_tensors)
    waiting = [one.operation for one in graph.nodes if id(one) in seen and (itself or one is not node)]
    found = set()
    while waiting:
        operation = waiting.pop()
        if id(operation) in found:
            continue
        found.add(id(operation))
        # All of a nested model that comes before.
        if id(operation) in by_model:
            waiting += [inner.operation for inner in by_model[id(operation)].nodes]
    return found
