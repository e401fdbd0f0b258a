"""A new model from an old one: a copy of every layer, or what is to stand in its place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from zoo.graph.calling import Stretch
from zoo.graph.comparing import Comparison
from zoo.graph.copying import Part
from zoo.graph.process import no_collection, room_for, seeds_untouched
from zoo.graph.reading import Graph, graphs
from zoo.graph.writing import Outline, Writer


def rewrite(
    model: keras.Model,
    replace: Mapping[Any, list[Part]] | None = None,
    *,
    stretches: Sequence[Stretch] = (),
    settings: Mapping[str, Any] | None = None,
    exact: bool = False,
    undone: Mapping[Any, Callable[..., Any]] | None = None,
    probe: Any = None,
) -> keras.Model:
    """A new model, equal to `model` except for what `replace` says, and compared with it.

    Weights, state that is no weight (tables, adapted statistics, states of stateful loops), seeds of Dropout,
    names, `trainable` flags, dtype policies, remat scopes and the class of the model are carried over; a
    compiled state is not. Layers called several times stay shared, nested models stay nested, and a Sequential
    model stays one.

    A call that is given a variable of a layer, as `ops.matmul(x, dense.kernel)` is, is given that of its copy.

    Then both models compute one batch, call by call: each copied layer gets what the original layer got and
    has to return what it returned. The first that does not is named in an error.

    Args:
        model: A Functional or built Sequential model; it is left as it is.
        replace: Layer (or one node, for one call of a layer) -> the parts called one after the other in its
            place. An empty list removes the layer: its output becomes its input.
        stretches: Parts in the place of several calls at once.
        settings: Overrides for the configuration of every layer that is copied, such as `{"dtype":
            "float64"}`.
        exact: Whether what is replaced computes, all in all, what stood there before: then it is compared too,
            from where the two begin to differ to where they agree again. Otherwise its result is taken as it
            is, and what follows is compared on the original's tensors.
        undone: Key of `replace` -> a function of the arguments of the call, which computes with the new parts
            what the original layer does: what of a change on purpose can be compared.
        probe: The batch, as `model` takes it; None draws one, False compares nothing.

    Returns:
        A model of freshly made layers.

    Raises:
        TypeError: `model` cannot be read, see `read`, or its class would be lost.
        ValueError: a layer cannot be copied, its copy computes something else, or would go on to read variables of
            the original; the message names it.

    Example:
        >>> import keras
        >>> from zoo.graph import rewrite
        >>> dense, relu = keras.layers.Dense(2, name="dense"), keras.layers.ReLU(name="relu")
        >>> model = keras.Sequential([keras.Input((3,)), dense, relu])
        >>> [layer.name for layer in rewrite(model, {relu: []}).layers]
        ['dense']
    """
    return rewritten(
        model, replace, stretches=stretches, settings=settings, exact=exact, undone=undone, probe=probe
    ).model


@dataclass(frozen=True, eq=False)
class Rewritten:
    """What `rewritten` returns.

    Attributes:
        model: The new model.
        batch: What both were compared on, as the model takes it; None where nothing was compared.
        outputs: What the original returned for it, flat; empty where it could not be run as it is.
        tensors: `id` of a tensor of the original -> those of the new model in its place, one for each time that
            the model it belongs to is called.
    """

    model: keras.Model
    batch: Any = None
    outputs: tuple[Any, ...] = ()
    tensors: Mapping[int, list[Any]] = field(default_factory=dict, repr=False)


def rewritten(
    model: keras.Model,
    replace: Mapping[Any, list[Part]] | None = None,
    *,
    stretches: Sequence[Stretch] = (),
    settings: Mapping[str, Any] | None = None,
    exact: bool = False,
    undone: Mapping[Any, Callable[..., Any]] | None = None,
    opened: Collection[keras.Model] = (),
    renamed: Mapping[Any, str] | None = None,
    part: Graph | None = None,
    probe: Any = None,
) -> Rewritten:
    """`rewrite`, with the batch that both models were compared on and what the original made of it.

    It can change the outline of a model as well: the layers of the nested models `opened` become layers of the
    model that calls them; the copy of a layer in `renamed`, or the input in the place of a tensor in it, gets
    that name; of the model, `part` alone is written, as `zoo.graph.piece` gives it, with its starts as inputs.
    Then the new model as a whole is compared too.
    """
    found = graphs(model)
    outline = Outline(
        frozenset(map(id, opened)), {id(key): name for key, name in (renamed or {}).items()}, part
    )
    writer = Writer(found, replace or {}, stretches, settings or {}, outline)
    depth = sum(len(graph.nodes) for graph in found) + 3 * len(replace or {}) + len(stretches)
    with seeds_untouched(), room_for(depth), no_collection():
        new = writer.model(model, part)
        writer.finish()
        if probe is False:
            return Rewritten(new, tensors=writer.tensors)
        whole = bool(opened) or part is not None
        comparison = Comparison(writer, {id(key): call for key, call in (undone or {}).items()}, exact, whole)
        batch, outputs = comparison.run(model, probe, part)
        if whole:
            comparison.check_whole(new)
        return Rewritten(new, batch, outputs, writer.tensors)
