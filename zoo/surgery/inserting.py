"""A layer more."""

from __future__ import annotations

from typing import Any

import keras

from zoo.graph import Stretch, seeds_untouched
from zoo.graph.rewriting import rewritten
from zoo.surgery.clones import Clones
from zoo.surgery.places import find
from zoo.surgery.report import Operated, Report, changed_shapes


@seeds_untouched()
def insert_after(model: keras.Model, where: Any, layer: Any, *, probe: Any = None) -> Operated:
    r"""Put `layer` after each place: whatever read $y = f(x)$ there reads $g(y)$.

    All readers get $g(y)$, and so does the caller where $y$ is an output of the model. After an input, all that
    reads the input does: the place for augmentation or normalisation.

    Every place gets a copy of `layer` of its own, with its own weights: those of `layer` if it was built, else new
    ones. A layer that is called several times is one place: the copy is called after each call of it.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        where: A name, `"conv1"` or `"base/conv1"` in a nested model, `"fc:2"` for the second call of a shared
            layer; a pattern, `"*_relu"`; a layer of the model; a layer class, subclasses included; or a list of
            these. Patterns and classes mean layers, not inputs or nested models.
        layer: A layer; or a function that takes the layer at the place and returns one.
        probe: Inputs, as `model` takes them, on which every layer that stays is compared with the original; None
            draws a small batch, False compares nothing.

    Returns:
        The new model, not compiled, and what changed. At one place the new layer keeps its name if that is free;
        else it is called `PLACE_NAME`.

    Raises:
        TypeError: `where` or `layer` is of another kind, or `model` is subclassed.
        ValueError: nothing is found; a place has several outputs; a name is taken; the layer cannot be called
            there; or a layer after it no longer fits, because the shape changed.

    Example:
        >>> import keras
        >>> from zoo.surgery import insert_after
        >>> conv = keras.layers.Conv2D(4, 3, name="conv")
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), conv])
        >>> norm = keras.layers.BatchNormalization(name="norm")
        >>> new, report = insert_after(model, "conv", norm)
        >>> [layer.name for layer in new.layers], report.added
        (['conv', 'norm'], {'norm': 'conv'})
    """
    chosen = find(model, where)
    clones = Clones(layer, chosen, inserted=True)
    stretches, added = [], {}
    for place in chosen:
        part = clones.at(place)
        for graph, node in place.calls:
            if len(node.outputs) > 1:
                raise ValueError(
                    f"cannot insert after {place.name!r}: it has {len(node.outputs)} outputs. Insert after a layer "
                    f"that reads the one that is meant."
                )
            (tensor,) = node.outputs
            stretches.append(Stretch((), tensor, tensor, [part]))
            added[graph.path + part.layer.name] = place.name
    result = rewritten(model, stretches=stretches, probe=probe)
    shapes = changed_shapes(model, result.tensors, [place.operation for place in chosen])
    return Operated(result.model, Report(added=added, shapes=shapes))
