"""A layer in the place of another."""

from __future__ import annotations

from typing import Any

import keras

from zoo.graph import Part, seeds_untouched
from zoo.graph.rewriting import rewritten
from zoo.surgery.clones import Clones
from zoo.surgery.places import find
from zoo.surgery.removing import refuse_bound
from zoo.surgery.report import Operated, Report, changed_shapes


@seeds_untouched()
def replace(model: keras.Model, where: Any, layer: Any, *, probe: Any = None) -> Operated:
    r"""Put `layer` in each place: $y = f(x)$ becomes $y = g(x)$.

    The new layer is called as the old one was. It has the weights of `layer` if that was built, else new ones;
    the old layer's are gone. Every place gets a copy of its own; a layer that is called several times is one
    place and stays shared.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        where: A name, pattern, layer, layer class or a list of these; see `insert_after`. `"base"` replaces a
            nested model.
        layer: A layer; or a function that takes the layer at the place and returns the new one.
        probe: Inputs, as `model` takes them, on which every layer that stays is compared with the original; None
            draws a small batch, False compares nothing.

    Returns:
        The new model, not compiled, and what changed. At one place the new layer keeps its name if that is free;
        at several each has the name of the one it replaces.

    Raises:
        TypeError: `where` or `layer` is of another kind, or `model` is subclassed.
        ValueError: nothing is found; a place is an input, or makes a mask; a name is taken; the layer cannot be
            called there; or a layer after it no longer fits, because the shape changed.

    Example:
        >>> import keras
        >>> from zoo.surgery import replace
        >>> fc = keras.layers.Dense(3, name="fc")
        >>> model = keras.Sequential([keras.Input((4,)), fc])
        >>> head = keras.layers.Dense(10, name="head")
        >>> new, report = replace(model, "fc", head)
        >>> new.output_shape, report.removed, report.added
        ((None, 10), ('fc',), {'head': 'fc'})
    """
    chosen = find(model, where)
    clones = Clones(layer, chosen, inserted=False)
    parts: dict[Any, list[Part]] = {}
    added = {}
    for place in chosen:
        refuse_bound(place, "replace")
        part = clones.at(place)
        parts.update((key, [part]) for key in place.keys)
        for graph, _ in place.calls:
            added[graph.path + part.layer.name] = place.name
    result = rewritten(model, parts, probe=probe)
    shapes = changed_shapes(model, result.tensors, [place.operation for place in chosen])
    return Operated(result.model, Report(added, tuple(place.name for place in chosen), shapes=shapes))
