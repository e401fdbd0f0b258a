"""The loop over units on JAX: `lax.scan`, with `jax.checkpoint` for remat.

`zoo.rolled.loop.Loop` says what each function does.
"""

import jax


def read(stack):
    """`Loop.read`."""
    return jax.numpy.asarray(stack.value)


def infer(unit, x, weights, states):
    """`Loop.infer`."""

    def body(x, slices):
        y, _ = unit(x, slices[0], slices[1], training=False)
        return y, None

    return jax.lax.scan(body, x, _grouped((weights, states), 1))[0]


def train(unit, x, weights, states, *, units_per_iteration, remat):
    """`Loop.train`."""

    def body(x, slices):
        y, after = unit(x, slices[0], slices[1], training=True)
        return y, jax.tree.map(lambda *s: jax.numpy.stack(s), *after) if len(after) > 1 else _one(after)

    step = jax.checkpoint(body) if remat else body
    y, moved = jax.lax.scan(step, x, _grouped((weights, states), units_per_iteration))
    return y, [jax.numpy.reshape(m, (-1, *m.shape[2:])) for m in moved]


def _one(after):
    return [state[None] for state in after[0]]


def _grouped(stacks, size):
    """For weights and states each, one list of slices a unit of the iteration."""

    def split(stack):
        turns = jax.numpy.reshape(stack, (-1, size, *stack.shape[1:]))
        return [turns[:, u] for u in range(size)]

    return tuple(
        [list(unit) for unit in zip(*map(split, kind), strict=True)] or [[]] * size for kind in stacks
    )
