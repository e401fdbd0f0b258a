"""Which layers of a model a word, a layer or a class means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import keras

from zoo.graph import Graph, calls, graphs, producer
from zoo.wording import did_you_mean


@dataclass(frozen=True, eq=False)
class Place:
    """A layer, bare operation or input of a model, with its calls.

    Attributes:
        name: Behind the names of the models it is nested in; with `:2` where the second call alone is meant.
        operation: The layer or operation.
        calls: The graph and the node of each call.
        whole: Whether these are all calls of it.
    """

    name: str
    operation: Any
    calls: tuple[tuple[Graph, Any], ...]
    whole: bool = True

    @property
    def is_input(self) -> bool:
        """Whether it is an input of a model."""
        return isinstance(self.operation, keras.layers.InputLayer)

    @property
    def is_model(self) -> bool:
        """Whether it is a nested model."""
        return isinstance(self.operation, keras.Model)

    @property
    def keys(self) -> list[Any]:
        """What `zoo.graph.rewrite` replaces."""
        return [self.operation] if self.whole else [node for _, node in self.calls]


def places(model: keras.Model) -> list[Place]:
    """All layers, operations and inputs of `model`, those of nested models included, each once."""
    found = graphs(model)
    index = calls(found)
    listed: dict[int, Place] = {}
    for graph in found:
        for tensor in graph.starts:
            node = producer(tensor)
            place = Place(graph.path + node.operation.name, node.operation, ((graph, node),))
            listed.setdefault(id(node.operation), place)
        for node in graph.nodes:
            place = Place(graph.path + node.operation.name, node.operation, tuple(index[id(node.operation)]))
            listed.setdefault(id(node.operation), place)
    return list(listed.values())


def find(model: keras.Model, where: Any, argument: str = "where") -> list[Place]:
    """The places that `where` means, in the order of the computation.

    Args:
        model: The model.
        where: A name (`"conv1"`, `"base/conv1"`, `"fc:2"` for the second call), a pattern (`"*_relu"`), a layer of
            the model, a layer class, or a list of these.
        argument: What the caller calls it.

    Raises:
        TypeError: `where` is nothing of that kind.
        ValueError: nothing is found, or a name means several layers.
    """
    everything = places(model)
    items = list(where) if isinstance(where, (list, tuple, set, frozenset)) else [where]
    if not items:
        raise ValueError(f"{argument} is empty: name at least one layer of model {model.name!r}.")
    chosen: dict[tuple[Any, ...], Place] = {}
    for item in items:
        for place in _matching(model, everything, item, argument):
            chosen.setdefault(tuple(map(id, place.keys)), place)
    order = {id(place.operation): position for position, place in enumerate(everything)}
    result = sorted(chosen.values(), key=lambda place: order[id(place.operation)])
    _refuse_overlap(result)
    return result


def _matching(model: keras.Model, everything: list[Place], item: Any, argument: str) -> list[Place]:
    if isinstance(item, str):
        return _by_name(model, everything, item, argument)
    if isinstance(item, type) and issubclass(item, keras.layers.Layer):
        found = _all_but_models(everything, lambda place: isinstance(place.operation, item))
        if not found:
            raise ValueError(f"{argument}={item.__name__}: model {model.name!r} has no layer of that class.")
        return found
    if isinstance(item, keras.layers.Layer):
        found = [place for place in everything if place.operation is item]
        if not found:
            raise ValueError(
                f"{argument}={item.name!r} is a layer that model {model.name!r} does not call. Pass one of its layers, "
                f"or a name."
            )
        return found
    raise TypeError(
        f"{argument} must be a name, a pattern, a layer, a layer class or a list of these; received {item!r}."
    )


def _by_name(model: keras.Model, everything: list[Place], name: str, argument: str) -> list[Place]:
    for exact in (lambda place: place.name == name, lambda place: place.operation.name == name):
        found = [place for place in everything if exact(place)]
        if len(found) > 1:
            raise ValueError(
                f"{argument}={name!r} means several layers: {', '.join(repr(p.name) for p in found)}. Say which."
            )
        if found:
            return found
    if any(sign in name for sign in "*?["):
        found = _all_but_models(everything, lambda place: fnmatchcase(place.name, name))
        if not found:
            raise ValueError(f"{argument}={name!r} matches no layer of model {model.name!r}.")
        return found
    front, colon, number = name.rpartition(":")
    if colon and number.isdigit():
        (place,) = _by_name(model, everything, front, argument)
        return [_one_call(place, int(number), argument)]
    known = [place.name for place in everything]
    raise ValueError(f"{argument}={name!r} is no layer of model {model.name!r}; {did_you_mean(name, known)}")


def _one_call(place: Place, number: int, argument: str) -> Place:
    if not 1 <= number <= len(place.calls):
        raise ValueError(
            f"{argument}='{place.name}:{number}': {place.name!r} is called {len(place.calls)} times in its model. A call "
            f"by way of a shared model is no call of its own; zoo.surgery.flatten makes it one."
        )
    if len(place.calls) == 1:
        return place
    return Place(f"{place.name}:{number}", place.operation, (place.calls[number - 1],), whole=False)


def _all_but_models(everything: list[Place], matches: Callable[[Place], bool]) -> list[Place]:
    """Nested models are not meant by a pattern or a class, but what is in them; nor are inputs."""
    return [place for place in everything if not place.is_model and not place.is_input and matches(place)]


def _refuse_overlap(chosen: list[Place]) -> None:
    for outer in chosen:
        for inner in chosen:
            if inner is outer:
                continue
            nested = outer.is_model and inner.calls[0][0].path.startswith(f"{outer.name}/")
            if nested or inner.operation is outer.operation:
                raise ValueError(
                    f"{inner.name!r} is part of {outer.name!r}, which is named too. Name one of the two."
                )
