"""Which layers of a model train, and how its batch normalisation computes meanwhile."""

from __future__ import annotations

from typing import Any, Literal, get_args

import keras
from keras import layers

from zoo.graph import Graph, flatten_layers, graphs, producer, rewrite
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
        ValueError: no layer has the name `until`, or `norms` is none of the two.

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
    frozen = _all_layers(found) if until is None else _before(found, until)
    new = rewrite(model)
    for name, layer in _all_layers(graphs(new)).items():
        for part in flatten_layers(layer):
            if name in frozen or (norms == "inference" and isinstance(part, layers.BatchNormalization)):
                part.trainable = False
    return new


def _all_layers(found: list[Graph]) -> dict[str, Any]:
    """The layers in graphs by name; nested models are not layers here, what is in them is."""
    return {
        graph.path + node.operation.name: node.operation
        for graph in found
        for node in graph.nodes
        if isinstance(node.operation, layers.Layer) and not isinstance(node.operation, keras.Model)
    }


def _before(found: list[Graph], until: str) -> set[str]:
    """Names of the layer `until` and of all it is computed from, in the models round it too."""
    named = {graph.path + node.operation.name: (graph, node) for graph in found for node in graph.nodes}
    if until not in named:
        raise ValueError(f"until={until!r} is no layer of the model; {did_you_mean(until, named)}")
    by_path = {graph.path: graph for graph in found}
    graph, node = named[until]
    frozen = _ancestors(graph, node, by_path)
    while graph.path:
        # The model that holds it, at its last call: what comes before that is before `until`.
        graph, node = named[graph.path.removesuffix("/")]
        frozen |= _ancestors(graph, node, by_path, itself=False)
    return frozen


def _ancestors(graph: Graph, node: Any, by_path: dict[str, Graph], *, itself: bool = True) -> set[str]:
    known = {id(n) for n in graph.nodes}
    stack, seen = [node], set()
    while stack:
        one = stack.pop()
        if id(one) in seen or id(one) not in known:
            continue
        seen.add(id(one))
        stack.extend(producer(tensor) for tensor in one.input_tensors)
    names = set()
    for one in graph.nodes:
        if id(one) not in seen or (one is node and not itself):
            continue
        name = graph.path + one.operation.name
        names.add(name)
        # All of a nested model that comes before.
        names |= {
            inner.path + n.operation.name
            for path, inner in by_path.items()
            if path.startswith(f"{name}/")
            for n in inner.nodes
        }
    return names
