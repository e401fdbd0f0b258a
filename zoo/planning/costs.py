"""What dropping each site is expected to cost: the rows of a probe, checked."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

import keras

from zoo.slimming.selection import choose
from zoo.values import as_number


def costs_of_sites(
    model: keras.Model, importance: Iterable[Mapping[str, Any]], cost: str
) -> dict[str, float]:
    """Site -> cost, in the order of the computation."""
    if isinstance(importance, (str, Mapping)) or not isinstance(importance, Iterable):
        raise ValueError(
            f"importance must be rows, as zoo.probes.activation_importance returns them; received {importance!r}."
        )
    rows = list(importance)
    found: dict[str, float] = {}
    for row in rows:
        if not isinstance(row, Mapping) or "site" not in row or cost not in row:
            has = ", ".join(map(repr, row)) if isinstance(row, Mapping) else repr(row)
            raise ValueError(
                f"importance must hold rows with the keys 'site' and {cost!r}; received one with {has}."
            )
        if row["site"] in found:
            raise ValueError(f"importance has two rows of {row['site']!r}.")
        found[row["site"]] = _cost(f"{cost} of {row['site']!r} in importance", row[cost])
    if not found:
        raise ValueError("importance has no rows: there is no activation to choose from.")
    chosen = choose(model, list(found), include_classifier=False, argument="importance")
    return {site.name: found[site.name] for site in chosen}


def _cost(what: str, received: Any) -> float:
    # A net that overflows without the activation loses without end: a site that any other plan keeps.
    if isinstance(received, numbers.Real) and received == math.inf:
        return math.inf
    return as_number(what, received)
