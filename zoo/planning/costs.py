"""What dropping each site is expected to cost: the rows of a probe, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from zoo.slimming.selection import choose


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
        value = row[cost]
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or value != value:
            raise ValueError(f"importance has {cost}={value!r} for {row['site']!r}; expected a number.")
        found[row["site"]] = float(value)
    if not found:
        raise ValueError("importance has no rows: there is no activation to choose from.")
    chosen = choose(model, list(found), include_classifier=False, argument="importance")
    return {site.name: found[site.name] for site in chosen}
