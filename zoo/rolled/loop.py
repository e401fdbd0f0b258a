"""The loop over units: what the file of each backend does, and which file that is."""

from __future__ import annotations

import importlib
from typing import Any, Protocol, cast

import keras

from zoo.rolled.unit import UnitGraph

LOOPS = {backend: f"zoo.rolled.{backend}_loop" for backend in ("tensorflow", "jax", "torch")}


class Loop(Protocol):
    """What the module of a backend offers. Tensors are the backend's own."""

    def read(self, stack: Any) -> Any:
        """The value of a stacked variable, once for the whole loop."""

    def infer(self, unit: UnitGraph, x: Any, weights: list[Any], states: list[Any]) -> Any:
        """All units in inference mode.

        Args:
            unit: What each of them computes.
            x: Input of the first unit.
            weights: Stacked values of the trainable variables, (units, ...) each.
            states: Stacked values of the others.

        Returns:
            Output of the last unit.
        """

    def train(
        self,
        unit: UnitGraph,
        x: Any,
        weights: list[Any],
        states: list[Any],
        *,
        units_per_iteration: int,
        remat: bool,
    ) -> tuple[Any, list[Any]]:
        """All units in training mode.

        Args:
            unit: As in `infer`.
            x: As there.
            weights: As there.
            states: As there.
            units_per_iteration: How many units one turn of the loop runs; divides their number.
            remat: Whether the backward pass recomputes an iteration from its input.

        Returns:
            Output of the last unit, and the stacked states after it.
        """


def loop_of_the_backend(name: str) -> Loop:
    """The module that runs the layer called `name` here.

    Raises:
        ValueError: The backend has none.
    """
    backend = keras.backend.backend()
    if backend not in LOOPS:
        raise ValueError(
            f"{name!r} is a loop over stacked weights, which runs on {', '.join(LOOPS)}; the backend is "
            f"{backend}. Build with rolled=False, or unroll the model on one of them."
        )
    return cast(Loop, importlib.import_module(LOOPS[backend]))
