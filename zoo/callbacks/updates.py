"""How far one step of training moves each weight, relative to the weight."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from zoo.probes.weights import weight_names


def steps_made(model: keras.Model) -> int:
    """The steps of the optimizer that moved weights: of accumulated gradients one where all are there, of skipped ones none."""
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations))


def accumulates(model: keras.Model) -> bool:
    """Whether several batches make one step of the optimizer."""
    optimizer = model.optimizer
    # A scaled loss has an optimizer around the one that steps.
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return bool(getattr(inner, "gradient_accumulation_steps", None))


def values(model: keras.Model) -> dict[int, np.ndarray]:
    """`id` of each trainable weight -> its value, copied: some backends give the memory away at the next step."""
    return {
        id(v): np.array(keras.ops.convert_to_numpy(v.value), "float64") for v in model.trainable_variables
    }


def update_rows(model: keras.Model, before: dict[int, np.ndarray]) -> list[dict[str, Any]]:
    r"""One row a weight: `weight` (its name), `norm`, `update_norm`, `ratio`.

    With $w$ the weight `before` and $w'$ the weight now, `norm` is $\lVert w \rVert_2$, `update_norm` is
    $\lVert w' - w \rVert_2$, and `ratio` is their quotient, infinite where $w$ is zero and moves, nan where
    it is zero and does not.
    """
    rows = []
    names, after = weight_names(model), values(model)
    for weight, w in before.items():
        if weight not in after:
            continue
        norm, update = float(np.linalg.norm(w)), float(np.linalg.norm(after[weight] - w))
        ratio = update / norm if norm else (np.inf if update else np.nan)
        rows.append({"weight": names[weight], "norm": norm, "update_norm": update, "ratio": float(ratio)})
    return rows
