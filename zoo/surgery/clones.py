"""New layers for the places of a model: a copy for each, with its weights and a name that is free."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from zoo.graph import Part, copy_layer, copy_variables, flatten_layers, names, rewrite
from zoo.graph.forgotten import take_attributes
from zoo.graph.reasons import reason
from zoo.rolled.unit import SEEDS_APART
from zoo.surgery.places import Place

Fill = Callable[[keras.layers.Layer], None]


class Clones:
    """Copies of what a user passed as `layer`, one for each place; those after the first draw from seeds of their own.

    Args:
        layer: A layer, or a function that makes one from the layer at the place.
        chosen: The places.
        inserted: Whether the copies come after what is there; else they take its place and may take its name.

    Raises:
        TypeError: `layer` is neither.
    """

    def __init__(self, layer: Any, chosen: list[Place], *, inserted: bool):
        if isinstance(layer, type):
            raise TypeError(
                f"layer must be a layer; received the class {layer.__name__}: call it, {layer.__name__}()."
            )
        if not isinstance(layer, keras.layers.Layer) and not callable(layer):
            raise TypeError(
                f"layer must be a layer, or a function from the old layer to the new one; received {layer!r}."
            )
        self.layer = layer
        self.several = len(chosen) > 1
        self.inserted = inserted
        self.taken: dict[int, set[str]] = {}
        self.copied: list[Any] = []

    def at(self, place: Place) -> Part:
        """The copy for one place."""
        source = self.layer
        if not isinstance(source, keras.layers.Layer):
            try:
                source = self.layer(place.operation)
            except Exception as error:
                raise TypeError(
                    f"layer, called with the layer {place.name!r}, fails: {reason(error)} It has to be a layer, or a "
                    f"function from the old layer to the new one; keras.layers.Activation makes a layer of a function of "
                    f"tensors."
                ) from error
            if not isinstance(source, keras.layers.Layer):
                raise TypeError(
                    f"layer, called with {place.name!r}, has to return a layer; it returned {source!r}."
                )
        taken = set().union(*(self._names(graph) for graph, _ in place.calls))
        name = self._name(source, place, taken)
        for graph, _ in place.calls:
            self._names(graph).add(name)
        steps = sum(source is other for other in self.copied)
        self.copied.append(source)
        if isinstance(source, keras.Model):
            model = rewrite(source, probe=False)
            _move_seeds(model, steps)
            return Part(model)
        new = copy_layer(source, name=name)
        if source.built:
            return Part(new, _state_of(source, place, steps))
        # What was set on it by hand; later the copy is built and has more than it.
        take_attributes(source, new)
        return Part(new)

    def _names(self, graph: Any) -> set[str]:
        return self.taken.setdefault(id(graph), names([graph]))

    def _name(self, source: Any, place: Place, taken: set[str]) -> str:
        old = place.operation.name
        free = taken - {old} if not self.inserted and place.whole else taken
        if not self.inserted and self.several and place.whole:
            wanted = [old]
        elif self.several:
            wanted = [f"{old}_{source.name}"]
        else:
            wanted = [source.name, f"{old}_{source.name}"]
        if isinstance(source, keras.Model):
            wanted = [source.name]
        for name in wanted:
            if name not in free:
                return name
        raise ValueError(
            f"the new layer at {place.name!r} would be called {wanted[-1]!r}, and the model already has a layer of "
            f"that name. Give it another one: {type(source).__name__}(..., name=...)."
        )


def _state_of(source: keras.layers.Layer, place: Place, steps: int) -> Fill:
    fill = copy_variables(source)

    def take(layer: keras.layers.Layer) -> None:
        old, new = ([tuple(v.shape) for v in x.variables] for x in (source, layer))
        if old != new:
            raise ValueError(
                f"layer {source.name!r} comes with weights of the shapes {old}; at {place.name!r} it needs {new}. Pass "
                f"one that was not built yet, or one that fits."
            )
        fill(layer)
        take_attributes(source, layer)
        _move_seeds(layer, steps)

    return take


def _move_seeds(layer: keras.layers.Layer, steps: int) -> None:
    """Give what is random in copy number `steps`, from 0, seeds of its own where the user gave none.

    With the states of the one source, two places would draw the same masks at every step.
    """
    held = [keras.tree.flatten(list(vars(inner).values())) for inner in flatten_layers(layer)]
    generators = {
        id(value): value
        for values in held
        for value in values
        if isinstance(value, keras.random.SeedGenerator) and tuple(value.state.shape) == (2,)
    }
    for generator in generators.values() if steps else ():
        if generator.get_config().get("seed") is None:
            seed, drawn = keras.ops.convert_to_numpy(generator.state).tolist()
            generator.state.assign([(seed + steps * SEEDS_APART) % 2**31, drawn])
