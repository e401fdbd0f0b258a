"""What an operation did to a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras

from zoo.graph import graphs, leads_to_its_model


@dataclass(frozen=True)
class Report:
    """What changed, by names of layers; a nested one is behind the names of its models: `"base/conv1"`.

    Attributes:
        added: New layer or input, in the new model -> the layer of the old one after which, or in whose place, it is.
        removed: Layers and inputs of the old model that the new one lacks.
        moved: Layer of the old model -> its name in the new one, where that differs.
        shapes: Layer that stayed -> the shape of its output before and after, where that differs.
        kept: What could not be changed -> the reason.
    """

    added: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    moved: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"+ {name} (at {place})" for name, place in self.added.items()]
        lines += [f"- {name}" for name in self.removed]
        lines += [f"{old} -> {new}" for old, new in self.moved.items()]
        lines += [f"{name}: shape {old} -> {new}" for name, (old, new) in self.shapes.items()]
        lines += [f"{name} stays: {reason}" for name, reason in self.kept.items()]
        return "\n".join(lines) or "nothing changed"


@leads_to_its_model
class Operated(NamedTuple):
    """What a function of `zoo.surgery` returns; it unpacks: `model, report = remove(...)`.

    Attributes:
        model: The new model.
        report: What changed.
    """

    model: keras.Model
    report: Report


def changed_shapes(
    model: keras.Model, tensors: Mapping[int, list[Any]], without: Iterable[Any] = ()
) -> dict[str, tuple[Any, Any]]:
    """Shapes that differ between the outputs of the layers of `model` and the new tensors in their place.

    Args:
        model: The original.
        tensors: See `zoo.graph.rewriting.Rewritten`.
        without: Layers not to look at, because something else is in their place.
    """
    skipped = set(map(id, without))
    found = {}
    for graph in graphs(model):
        for node in graph.nodes:
            for tensor in node.outputs:
                new = tensors.get(id(tensor))
                if new and id(node.operation) not in skipped and tuple(new[0].shape) != tuple(tensor.shape):
                    found[graph.path + node.operation.name] = (tuple(tensor.shape), tuple(new[0].shape))
    return found
