"""Which variable of a copy stands in the place of one of the original."""

from __future__ import annotations

from typing import Any

import keras

from zoo.graph.calling import name_of
from zoo.graph.configuration import holder_of
from zoo.graph.held import is_raw_variable
from zoo.graph.reading import Graph, read


def owners(graph: Graph) -> dict[int, list[Any]]:
    """`id` of a variable -> the calls in `graph`, and in the models nested in it, of layers that have it."""
    found: dict[int, list[Any]] = {}
    whole, models = [graph], set[int]()
    for part in whole:  # grows while it is walked
        for node in part.nodes:
            if not isinstance(node.operation, keras.Model):
                for variable in getattr(node.operation, "variables", ()):
                    for key in keys_of(variable):
                        found.setdefault(key, []).append(node)
            elif id(node.operation) not in models:
                models.add(id(node.operation))
                whole.append(read(node.operation))
    return found


def is_the_same(variable: Any, known: keras.Variable) -> bool:
    """Whether `variable` is `known`, or what it keeps its values in."""
    return id(variable) in keys_of(known)


def keys_of(variable: keras.Variable) -> list[int]:
    """By which `id`s `variable` may be met."""
    # On TensorFlow a Keras variable keeps its values in one of the backend, which a model can be given as well.
    value = variable.value
    return [id(variable), id(value)] if is_raw_variable(value) else [id(variable)]


def cannot_tie(node: Any, variable: Any, homes: list[Any]) -> str:
    """That a call is given a variable which has no counterpart in the new model, and what to do."""
    known = getattr(variable, "path", variable.name)
    what = f"{name_of(node)!r} ({type(node.operation).__name__}) reads the variable {known!r}"
    if not homes:
        return (
            f"{what}, which is of no layer of the model that is copied: the new model would go on to read that of the "
            f"original. Make it a weight of a layer, with add_weight."
        )
    home = name_of(homes[0])
    return (
        f"{what} of the layer {home!r}, and something else stands in the place of that layer, whose variables are "
        f"others. Leave {home!r} as it is, or give {name_of(node)!r} a variable of its own."
    )


def refuse_untied(fills: list[tuple[Any, Any]]) -> None:
    """Refuse to make two variables of one, or one of two.

    Args:
        fills: What fills each new layer, and that layer.
    """
    twins: dict[int, tuple[Any, Any]] = {}
    for fill, layer in fills:
        for new, old in getattr(fill, "pairs", lambda _: ())(layer):
            name = fill.source.name
            if new is old:
                of, holder = _of_whom(old, fill.source)
                kind = type(holder).__name__
                advice = (
                    f"The constructor or get_config gives both the same {kind}: write it into get_config with "
                    f"keras.saving.serialize_keras_object and read it in from_config, or make it in the constructor."
                    if of
                    else "Let the layer make the variable itself, with add_weight."
                )
                raise ValueError(
                    f"layer {name!r} and its copy would have one variable {old.path!r} together{of}. {advice}"
                )
            source, twin = twins.setdefault(id(old), (fill.source, new))
            if twin is not new:
                of, holder = _of_whom(old, fill.source)
                advice = (
                    "Give each layer a generator of its own."
                    if isinstance(holder, keras.random.SeedGenerator)
                    else "Share a whole layer instead of one inside two layers."
                )
                raise ValueError(
                    f"layers {source.name!r} and {name!r} share the variable {old.path!r}{of}, and their copies "
                    f"would have one each, which training takes apart. {advice}"
                )


def _of_whom(variable: Any, layer: Any) -> tuple[str, Any]:
    """A phrase for the layer or generator through which `layer` has `variable`, empty where it has it itself; and it."""
    kept, holder = holder_of(variable, layer)
    if holder is variable:
        return "", layer
    return f", of the {type(holder).__name__} that {layer.name!r} keeps under {kept!r}", holder
