"""How far one step of training moves each weight, relative to the weight."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def values(model: keras.Model) -> dict[str, np.ndarray]:
    """The trainable weights by path, copied: some backends give their memory away at the next step."""
    return {
        v.path: np.array(keras.ops.convert_to_numpy(v.value), "float64") for v in model.trainable_variables
    }


def update_rows(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    r"""One row a weight: `weight` (its path), `norm`, `update_norm`, `ratio`.

    With $w$ the weight before and $w'$ after the step, `norm` is $\lVert w \rVert_2$, `update_norm` is
    $\lVert w' - w \rVert_2$, and `ratio` is their quotient, infinite where $w$ is zero and moves, nan where
    it is zero and does not.
    """
    rows = []
    for path, w in before.items():
        if path not in after:
            continue
        norm, update = float(np.linalg.norm(w)), float(np.linalg.norm(after[path] - w))
        ratio = update / norm if norm else (np.inf if update else np.nan)
        rows.append({"weight": path, "norm": norm, "update_norm": update, "ratio": float(ratio)})
    return rows
