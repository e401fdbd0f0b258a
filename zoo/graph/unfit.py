"""What to say where a layer does not fit, because of a change or because its configuration does not describe it."""

from __future__ import annotations

from typing import Any

import keras

from zoo.graph.calling import Stretch, name_of
from zoo.graph.reasons import reason


def takes_place(step: Any, part: Any) -> str:
    """The beginning of the sentence that it cannot."""
    where = "be inserted after" if isinstance(step, Stretch) and not step.nodes else "stand in the place of"
    return f"{type(part).__name__} {getattr(part, 'name', '')!r} cannot {where}"


def shapes(tensors: list[Any]) -> str:
    """Those of tensors, as a message has them."""
    return ", ".join(str(tensor.shape) for tensor in tensors if hasattr(tensor, "shape"))


def cannot_be_called(step: Any, part: Any, shape: str, error: Exception) -> str:
    """That what is to stand in the place of a step cannot be called there."""
    return f"{takes_place(step, part)} {name_of(step)!r}: called on shape {shape} it says: {reason(error)}"


def no_longer_fits(step: Any, shape: str, before: str, error: Exception) -> str:
    """That the copy of a layer cannot be called on what it gets after the change."""
    return (
        f"layer {name_of(step)!r} no longer fits: it would be called on shape {shape}, in the model as given "
        f"it is called on {before}. {reason(error)}"
    )


def is_not_described(step: Any, error: Exception) -> str:
    """That the copy of a layer cannot be called although nothing changed."""
    kind = type(step.operation).__name__
    mend = f"Complete get_config of {kind}"
    if "add new elements of state" in str(error):
        mend = (
            f"Let {kind} make all its weights and layers in __init__ or build, which calls super().build last"
        )
    return (
        f"the copy of layer {name_of(step)!r} ({kind}) cannot be called where the original was: "
        f"{reason(error)} {mend}, or use a stock layer."
    )


def refuse_unfit(step: Any, layer: Any) -> None:
    """Refuse a copy whose weights had to have other shapes, because something in front of it changed."""
    if isinstance(layer, keras.Model) or not isinstance(layer, keras.layers.Layer):
        return
    old, new = ([tuple(v.shape) for v in x.variables] for x in (step.operation, layer))
    # Quantised layers have their variables in two orders.
    if layer.built and step.operation.built and len(old) == len(new) and sorted(old) != sorted(new):
        wrong = next(pair for pair in zip(old, new, strict=True) if pair[0] != pair[1])
        raise ValueError(
            f"layer {name_of(step)!r} no longer fits: what it reads has another shape after the change, and "
            f"weights of shape {wrong[0]} would have to be of shape {wrong[1]}."
        )
