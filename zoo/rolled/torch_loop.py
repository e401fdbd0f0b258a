"""The loop over units on Torch: in Python, which costs nothing there, with `checkpoint` for remat.

`zoo.rolled.loop.Loop` says what each function does.
"""

import torch
from torch.utils.checkpoint import checkpoint


def read(stack):
    """`Loop.read`."""
    return stack.value


def infer(unit, x, weights, states):
    """`Loop.infer`."""
    for index in range(len(weights[0])):
        x, _ = unit(x, *_slices(weights, states, index, 1), training=False)
    return x


def train(unit, x, weights, states, *, units_per_iteration, remat):
    """`Loop.train`."""
    if remat:  # backward the units run again, when the states have moved in place
        states = [state.clone() for state in states]
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
