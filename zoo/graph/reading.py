"""The calls of a model, in the order of the computation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras

from zoo.graph.internals import producer, returned
from zoo.graph.results import not_a_model


@dataclass(frozen=True, eq=False)
class Graph:
    """The calls of one model, without those inside nested models.

    Attributes:
        model: The model that was read.
        nodes: Its calls in the order of the computation, input layers left out.
        consumers: `id` of a tensor -> the nodes that read it, once for each time they do.
        outputs: `id`s of the tensors that the model returns.
        path: `""` for the model itself, `"inner/"` for a model nested in it under that name.
        starts: The tensors it starts from, flat: the inputs of the model, unless it is a piece of one.
        ends: The tensors it ends in, nested as the model returns them.
        packed: The starts as a model of this piece takes them, where that is a dict.
    """

    model: keras.Model
    nodes: tuple[Any, ...]
    consumers: dict[int, list[Any]] = field(repr=False)
    outputs: frozenset[int] = field(repr=False)
    path: str = ""
    starts: tuple[Any, ...] = field(default=(), repr=False)
    ends: Any = field(default=None, repr=False)
    packed: dict[str, Any] | None = field(default=None, repr=False)

    def readers(self, tensor: Any) -> list[Any]:
        """The nodes that read `tensor`."""
        return self.consumers.get(id(tensor), [])

    def is_output(self, tensor: Any) -> bool:
        """Whether the model returns `tensor`."""
        return id(tensor) in self.outputs


def input_structure(model: keras.Model) -> Any:
    """The input tensors of `model`, nested as it takes them."""
    # A Sequential model has no `input` before it was called as a layer.
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


def read(model: keras.Model, path: str = "") -> Graph:
    """Put the calls of `model` in order.

    Args:
        model: A Functional model, or a Sequential one whose input shape is known.
        path: Where it is nested; see `Graph.path`.

    Returns:
        The graph. Nested models are one node each; `graphs` reads them too.

    Raises:
        TypeError: `model` is no Keras model, or a subclassed one, whose computation is Python code and no
        graph. ValueError: a Sequential model that was never built.
    """
    _refuse_unreadable(model)
    return piece(model, keras.tree.flatten(model.inputs), returned(model), path)


def piece(model: keras.Model, starts: list[Any], ends: Any, path: str = "") -> Graph:
    """The calls of `model` that lead from the tensors `starts` to the tensors `ends`.

    Args:
        model: The model that the tensors belong to.
        starts: Taken as given: what makes them is left out.
        ends: A tensor, or a list, tuple or dict of them.
        path: Where `model` is nested; see `Graph.path`.

    Raises:
        ValueError: `ends` need an input of the model that is not among `starts`.
    """
    given = {id(tensor) for tensor in starts}
    finished: set[int] = set()
    order = []
    for end in keras.tree.flatten(ends):
        if id(end) in given:
            continue
        # Depth first with a stack of our own: Python's would end near a thousand layers.
        stack = [(producer(end), False, None)]
        while stack:
            node, parents_done, reader = stack.pop()
            if id(node) in finished:
                continue
            if parents_done:
                finished.add(id(node))
                order.append(node)
                continue
            if not node.input_tensors:
                needed = f"layer {reader.operation.name!r} reads" if reader else "the outputs hold"
                raise ValueError(
                    f"{needed} the input {node.operation.name!r}, by a way that does not pass the given inputs. "
                    f"Add {node.operation.name!r} to the inputs, or cut where all ways meet."
                )
            stack.append((node, True, reader))
            stack.extend(
                (producer(tensor), False, node)
                for tensor in reversed(node.input_tensors)
                if id(tensor) not in given
            )
    consumers: dict[int, list[Any]] = {}
    for node in order:
        for tensor in node.input_tensors:
            consumers.setdefault(id(tensor), []).append(node)
    outputs = frozenset(id(tensor) for tensor in keras.tree.flatten(ends))
    return Graph(model, tuple(order), consumers, outputs, path, tuple(starts), ends)


def graphs(model: keras.Model) -> list[Graph]:
    """The graph of `model`, then those of the models nested in it, each once, in order of appearance."""
    found = [read(model)]
    seen = {id(model)}
    for graph in found:  # grows while it is walked
        for node in graph.nodes:
            if isinstance(node.operation, keras.Model) and id(node.operation) not in seen:
                seen.add(id(node.operation))
                found.append(read(node.operation, f"{graph.path}{node.operation.name}/"))
    return found


def calls(found: list[Graph]) -> dict[int, list[tuple[Graph, Any]]]:
    """`id` of a layer -> every call of it in `found`, as pairs of graph and node."""
    index: dict[int, list[tuple[Graph, Any]]] = {}
    for graph in found:
        for node in graph.nodes:
            index.setdefault(id(node.operation), []).append((graph, node))
    return index


def names(found: list[Graph]) -> set[str]:
    """The names of all layers and operations in `found`, input layers and the models themselves included."""
    taken = {node.operation.name for graph in found for node in graph.nodes}
    return taken | {
        producer(t).operation.name for graph in found for t in keras.tree.flatten(graph.model.inputs)
    }


def _refuse_unreadable(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(not_a_model(model))
    if isinstance(model, keras.Sequential):
        stock = keras.Sequential
        try:
            known = bool(model.inputs)
        except AttributeError:
            known = False
        if not known:
            raise ValueError(
                f"Sequential model {model.name!r} has no graph yet: its input shape is not known. Start it "
                f"with keras.Input(shape), or call model.build((None, ...)) first."
            )
    elif isinstance(model, keras.Function):
        stock = next(
            c for c in type(model).__mro__ if c.__module__.startswith("keras.") and "call" in vars(c)
        )
    else:
        stock = None
    if stock is None or type(model).call is not stock.call:
        raise TypeError(
            f"model {model.name!r} is of the subclassed type {type(model).__name__}: its computation is the "
            f"Python code of call(), not a graph that can be read. Rebuild it with the functional API: "
            f"keras.Model(inputs, outputs)."
        )
