"""How much of a signal lies where an activation is flat."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.activations import families
from zoo.probes.computation import as_array

# A value counts as saturated where the slope of the activation is below this.
SATURATED_SLOPE = 0.01

# dtype -> relative and absolute distance of the two points at which a slope is taken; more than rounding.
_DISTANCES = {"float16": (4e-3, 1e-4), "bfloat16": (3e-2, 1e-30), "float64": (1e-12, 1e-200)}
_FLOAT32 = (5e-7, 1e-30)


def saturated(
    function: Any,
    apply: Callable[..., Any],
    before: Any,
    after: Any,
    *,
    has_weights: bool = False,
    keeps_dtype: bool = False,
) -> float:
    r"""How many values lie where the activation is flat.

    The slope at $z$ is the mean of those just below and just above, $(f'(z - h) + f'(z + h)) / 2$, so at the
    kink of a ReLU it is one half. Derivatives are the backend's own and do not depend on the scale of $z$.

    Args:
        function: The activation, as `zoo.activations.families` knows it.
        apply: The same as a function of a tensor.
        before: Its input.
        after: Its output.
        has_weights: Whether it has weights of its own, one a value or channel.
        keeps_dtype: Whether it computes in the dtype of `before` whatever it is given.

    Returns:
        A count; nan where the activation mixes channels, so that there is no one slope.
    """
    known = families(function)
    if known & {"softmax"}:
        slope = as_array(after)
        slope = slope * (1.0 - slope)
    elif known & {"log_softmax"}:
        slope = 1.0 - np.exp(as_array(after))
    elif known & {"glu", "sparsemax"} or tuple(before.shape) != tuple(after.shape):
        return math.nan
    elif not known and not has_weights and not _is_elementwise(apply, before):
        return math.nan
    else:
        z = before if keeps_dtype else ops.cast(before, "float32")
        relative, absolute = _DISTANCES.get(keras.backend.standardize_dtype(z.dtype), _FLOAT32)
        h = relative * ops.abs(z) + absolute
        slope = (as_array(_slope(apply, z - h)) + as_array(_slope(apply, z + h))) / 2
    return float((np.abs(slope) < SATURATED_SLOPE).sum())


def _is_elementwise(function: Callable[..., Any], before: Any) -> bool:
    """Whether a value comes out the same in another company: tried on the first two samples."""
    z = ops.cast(before[:2], "float32")
    row = ops.reshape(z, (1, -1))
    try:
        expected = as_array(ops.reshape(function(z), (-1,)))
        # Every second value alone, in one row; and the others.
        received = [as_array(function(row[:, start::2])) for start in (0, 1)]
    except Exception:
        return False
    return all(
        half.shape == (1, len(expected[start::2]))
        and np.allclose(half[0], expected[start::2], rtol=1e-4, atol=1e-7, equal_nan=True)
        for start, half in enumerate(received)
    )


def _slope(function: Callable[..., Any], z: Any) -> Any:
    """The derivative of each value of an elementwise function."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(z)
            y = function(z)
        return tape.gradient(y, z, unconnected_gradients="zero")
    if backend == "jax":
        import jax

        y, back = jax.vjp(function, z)
        return back(ops.ones_like(y))[0]
    if backend == "torch":
        import torch

        with torch.enable_grad():
            z = z.detach().requires_grad_()
            y = function(z)
            (found,) = torch.autograd.grad(y.sum(), z, allow_unused=True)
        return torch.zeros_like(z) if found is None else found
    # No derivatives: a difference whose step is more than the rounding of the values it is made of.
    step = ops.maximum(1e-3 * ops.abs(z), 2.4e-4 * ops.abs(function(z))) + _FLOAT32[1]
    up, down = z + step, z - step
    return (function(up) - function(down)) / (up - down)
