"""A layer less."""

from __future__ import annotations

from typing import Any

import keras

from zoo.graph import graphs, seeds_untouched
from zoo.graph.internals import mask_of
from zoo.graph.rewriting import rewritten
from zoo.surgery.places import Place, find
from zoo.surgery.report import Operated, Report, changed_shapes


@seeds_untouched()
def remove(model: keras.Model, where: Any, *, probe: Any = None) -> Operated:
    r"""Take layers out: whatever read $y = f(x)$ reads $x$.

    All readers get $x$, and so does the caller where $y$ is an output of the model.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        where: A name, pattern, layer, layer class or a list of these; see `insert_after`.
        probe: Inputs, as `model` takes them, on which every layer that stays is compared with the original; None
            draws a small batch, False compares nothing.

    Returns:
        The new model, not compiled, and what changed.

    Raises:
        TypeError: `where` is of another kind, or `model` is subclassed.
        ValueError: nothing is found; a place is an input, makes a mask, or has several inputs or outputs; it is all
            there is of its model; or a layer after it no longer fits, because the shape changed.

    Example:
        >>> import keras
        >>> from zoo.surgery import remove
        >>> drop = keras.layers.Dropout(0.5, name="drop")
        >>> fc = keras.layers.Dense(3, name="fc")
        >>> model = keras.Sequential([keras.Input((4,)), drop, fc])
        >>> new, report = remove(model, keras.layers.Dropout)
        >>> [layer.name for layer in new.layers], report.removed
        (['fc'], ('drop',))
    """
    chosen = find(model, where)
    for place in chosen:
        refuse_bound(place, "remove")
        for _, node in place.calls:
            if len(node.input_tensors) != 1 or len(node.outputs) != 1:
                raise ValueError(
                    f"cannot remove {place.name!r}: it reads {len(node.input_tensors)} tensors and makes "
                    f"{len(node.outputs)}, so it is not clear which one stays. Replace it, or cut the model."
                )
    gone = {id(node) for place in chosen for _, node in place.calls}
    for graph in graphs(model):
        if graph.nodes and all(id(node) in gone for node in graph.nodes):
            raise ValueError(
                f"cannot remove {graph.nodes[-1].operation.name!r}: model {graph.model.name!r} would have no layer left."
            )
    result = rewritten(model, {key: [] for place in chosen for key in place.keys}, probe=probe)
    shapes = changed_shapes(model, result.tensors, [place.operation for place in chosen])
    return Operated(result.model, Report(removed=tuple(place.name for place in chosen), shapes=shapes))


def refuse_bound(place: Place, verb: str) -> None:
    """Refuse what cannot be taken out of a graph alone."""
    if place.is_input:
        raise ValueError(
            f"cannot {verb} {place.name!r}: it is an input. Use zoo.surgery.cut(model, inputs=...) for another start."
        )
    for graph, node in place.calls:
        for tensor in node.outputs:
            mask = mask_of(tensor)
            if mask is None or any(mask is mask_of(given) for given in node.input_tensors):
                continue
            if readers := graph.readers(mask):
                raise ValueError(
                    f"cannot {verb} {place.name!r}: it makes a mask, which {readers[0].operation.name!r} reads and "
                    f"would go on reading. Build that part of the model without the mask."
                )
