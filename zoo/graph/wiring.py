"""Which call is made on what: whether the graph of a model is the chain of calls that was seen to agree."""

from __future__ import annotations

from typing import Any

import keras

from zoo.graph.reading import read


class Mark:
    """Stands for a tensor where only its identity counts, and holds no numbers."""


class Wiring:
    """The calls of new layers, with marks in the place of the tensors.

    Each was seen to return what its original returns, on the tensors that the marks stand for. A model all of whose
    calls are among them, from the marks of its inputs to those of its outputs, returns what the original does, and
    need not be called once more to see it.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[Any, ...], list[Mark]] = {}

    def note(self, layer: Any, args: Any, kwargs: dict[str, Any], results: list[Mark]) -> None:
        """Remember a call that agreed: its arguments and results, with marks in them."""
        self._seen[_key(layer, args, kwargs)] = results

    def is_followed_by(self, model: keras.Model, starts: list[Mark], ends: list[Mark]) -> bool:
        """Whether every call of `model` was noted, and they lead from `starts` to `ends`.

        Args:
            model: The new model.
            starts: The marks of its inputs, flat.
            ends: Those of what it should return, flat.
        """
        graph = read(model)
        found = {id(tensor): mark for tensor, mark in zip(graph.starts, starts, strict=True)}
        for node in graph.nodes:
            results = self._seen.get(_key(node.operation, *node.arguments.fill_in(found)))
            if results is None:
                return False
            found.update((id(tensor), mark) for tensor, mark in zip(node.outputs, results, strict=True))
        return [found[id(tensor)] for tensor in keras.tree.flatten(graph.ends)] == ends


def _key(layer: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, ...]:
    return (id(layer), tuple(map(_leaves, args)), *((name, _leaves(kwargs[name])) for name in sorted(kwargs)))


def _leaves(argument: Any) -> tuple[Any, ...]:
    return tuple(map(_identity, keras.tree.flatten(argument)))


def _identity(leaf: Any) -> Any:
    # What is no tensor and no number is the very object that the original was called with.
    return leaf if isinstance(leaf, (bool, int, float, str, Mark)) else id(leaf)
