"""The loop over units on Torch: a loop in Python, which costs nothing there, with `checkpoint` for remat."""

import torch
from torch.utils.checkpoint import checkpoint


def read(stack):
    """The value of a stacked variable, once for the whole loop."""
    return stack.value


def infer(unit, x, weights, states):
    """All units in inference mode.

    Args:
        unit: A `UnitGraph`.
        x: Input of the first unit.
        weights: Stacked values of the trainable variables.
        states: Stacked values of the others.

    Returns:
        Output of the last unit.
    """
    for index in range(len(weights[0])):
        x, _ = unit(x, *_slices(weights, states, index, 1), training=False)
    return x


def train(unit, x, weights, states, *, units_per_iteration, remat):
    """All units in training mode.

    Args:
        unit: A `UnitGraph`.
        x: Input of the first unit.
        weights: Stacked values of the trainable variables.
        states: Stacked values of the others.
        units_per_iteration: How many units one turn of the loop runs; divides their number.
        remat: Whether the backward pass recomputes an iteration from its input.

    Returns:
        Output of the last unit, and the stacked states after it.
    """
    moved = []
    for start in range(0, len(weights[0]), units_per_iteration):
        given = (x, *_slices(weights, states, start, units_per_iteration), True)
        x, after = checkpoint(unit, *given, use_reentrant=False) if remat else unit(*given)
        moved += after
    return x, [torch.stack([state.detach() for state in kind]) for kind in zip(*moved, strict=True)]


def _slices(weights, states, start, count):
    """For weights and states each, one list of values a unit."""
    units = range(start, start + count)
    return tuple([[stack[index] for stack in kind] for index in units] for kind in (weights, states))
