"""What a probe returns: rows, and the names of what it could not see."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from zoo.activations import listed, warn_unseen


class Rows(list):
    """A list of rows, one dict of numbers a place.

    Attributes:
        unseen: Name of each place, or of the layer that may hide one, that the probe could not measure -> the
            reason. Empty if the rows are all there is.
    """

    def __init__(self, rows: Iterable[dict[str, Any]] = (), unseen: dict[str, str] | None = None):
        super().__init__(rows)
        self.unseen = dict(unseen or {})


def complete(what: str, model: keras.Model, rows: list[dict[str, Any]], unseen: dict[str, str]) -> Rows:
    """`rows` with what is `unseen`, said in a warning.

    Raises:
        ValueError: there are no rows.
    """
    refuse_nothing(what, model, rows, unseen)
    warn_unseen(what, model, unseen)
    return Rows(rows, unseen)


def refuse_nothing(what: str, model: keras.Model, rows: list[dict[str, Any]], unseen: dict[str, str]) -> None:
    """Raise ValueError if there are no rows; the message says what was not seen."""
    if rows:
        return
    if unseen:
        raise ValueError(
            f"{what} sees no activation in {model.name!r}. Not seen: {listed(unseen)}. Rebuild these with layers "
            f"in the graph."
        )
    raise ValueError(
        f"{what} sees no activation in {model.name!r}, which has none: an activation is an argument of a layer, "
        f"a layer, or an operation such as keras.ops.relu; 'linear' is none."
    )
