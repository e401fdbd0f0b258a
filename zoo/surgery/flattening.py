"""Layers of nested models become layers of the model."""

from __future__ import annotations

from typing import Any

import keras

from zoo.graph import Graph, graphs, names, seeds_untouched
from zoo.graph.internals import flatten_layers
from zoo.graph.rewriting import Rewritten, rewritten
from zoo.surgery.report import Operated, Report


@seeds_untouched()
def flatten(model: keras.Model, *, probe: Any = None) -> Operated:
    r"""Un-nest all models in `model`: $h(b(x))$, where $b$ is a model of layers $b_2(b_1(x))$, becomes $h(b_2(b_1(x)))$.

    The same layers are called on the same tensors in the same order, with the same weights, flags and `training`,
    so outputs and gradients are equal to the bit. What changes is that every tensor between two layers belongs
    to one graph, from the image to the score: a nested backbone hides its own from `keras.Model(inputs, outputs)`,
    and Grad-CAM on it fails with "Output ... is not connected to inputs".

    A model called several times becomes layers called several times. Models inside wrappers such as
    `TimeDistributed` and inside custom layers stay, and are named in the report. A remat scope round a nested
    model is not carried over; it saves memory, it changes no value.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        probe: Inputs, as `model` takes them, on which every layer, and then the whole, is compared with the
            original; None draws a small batch, False compares nothing.

    Returns:
        The new model, not compiled, and what changed; `report.moved` says where each nested layer went, `removed`
        which leads to an output of a nested model that nothing reads, and is gone. A layer keeps its own name where
        no other has it: `"base/conv1"` becomes `"conv1"`, else `"base_conv1"`. A Sequential model with nested ones
        becomes a Functional one.

    Raises:
        TypeError: `model`, or a nested one, is subclassed, so its computation is not a graph.
        ValueError: a copy computes something else.

    Example:
        >>> import keras
        >>> from zoo.surgery import flatten
        >>> conv = keras.layers.Conv2D(4, 3, name="conv")
        >>> base = keras.Sequential([keras.Input((8, 8, 3)), conv], name="base")
        >>> pool = keras.layers.GlobalAveragePooling2D(name="pool")
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), base, pool])
        >>> flat, report = flatten(model)
        >>> report.moved
        {'base/conv': 'conv'}
        >>> conv = flat.get_layer("conv")
        >>> grad_cam = keras.Model(flat.input, [conv.output, flat.output])
    """
    found = graphs(model)
    result, moved = opened(model, found[1:], probe=probe)
    present = names(graphs(result.model))
    # An output of a nested model that nobody reads has no place any more.
    lost = [old for old, new in moved.items() if new not in present]
    moved = {old: new for old, new in moved.items() if new in present}
    removed = (*(g.path[:-1] for g in found[1:]), *lost)
    return Operated(result.model, Report(removed=removed, moved=moved, kept=_kept(found)))


def opened(model: keras.Model, nested: list[Graph], *, probe: Any = None) -> tuple[Rewritten, dict[str, str]]:
    """`model` with the models of the graphs `nested` un-nested, and where their layers went."""
    for graph in nested:
        if type(graph.model).__call__ is not keras.Model.__call__:
            raise TypeError(
                f"nested model {graph.path[:-1]!r} is of the class {type(graph.model).__name__}, which has a __call__ of "
                f"its own; its layers alone would not compute the same."
            )
    inside = {id(graph.model) for graph in nested}
    stay = [graph for graph in graphs(model) if id(graph.model) not in inside]
    moving = {
        id(node.operation): (graph, node.operation)
        for graph in nested
        for node in graph.nodes
        if id(node.operation) not in inside
    }
    for graph in stay:
        for node in graph.nodes:
            moving.pop(id(node.operation), None)
    # Those that stay keep their names; of those that move, the ones that are alone with theirs.
    taken = names(stay) - {graph.model.name for graph in nested}
    counts: dict[str, int] = {}
    for _, operation in moving.values():
        counts[operation.name] = counts.get(operation.name, 0) + 1
    single = {name for name, count in counts.items() if count == 1 and name not in taken}
    taken |= single
    renamed, moved = {}, {}
    for graph, operation in moving.values():
        name = operation.name
        if name not in single:
            name = _free((graph.path + operation.name).replace("/", "_"), taken)
            taken.add(name)
        renamed[operation] = name
        moved[graph.path + operation.name] = name
    models = [graph.model for graph in nested]
    return rewritten(model, opened=models, renamed=renamed, exact=True, probe=probe), moved


def _free(name: str, taken: set[str]) -> str:
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def _kept(found: list[Graph]) -> dict[str, str]:
    kept = {}
    for graph in found:
        for node in graph.nodes:
            layer = node.operation
            if isinstance(layer, keras.Model) or not isinstance(layer, keras.layers.Layer):
                continue
            inner = [part.name for part in flatten_layers(layer) if isinstance(part, keras.Model)]
            if inner:
                kept[graph.path + layer.name] = (
                    f"{type(layer).__name__} holds the model {inner[0]!r} and calls it itself"
                )
    return kept
