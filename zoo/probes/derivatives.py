"""The gradients of a number by tensors and variables, on each backend that has them; float16 without what it would flush."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.graph import flatten_layers, graphs

# 2**SPARE is above what a loss of order one divided by its entries grows to on the way back; 2**STEP is how finely the
# largest power is looked for of which nothing overflows; below 2**LEAST float16 would flush what does not overflow.
_SPARE, _STEP, _LEAST = 10, 4, -24


def gradients(
    objective: Callable[[list[Any]], Any],
    shifts: list[np.ndarray],
    variables: list[Any],
    powers: Sequence[int] = (0,),
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The gradients of `objective` by its arguments and by the variables it uses, as arrays.

    Args:
        objective: A function of tensors; a number.
        shifts: The values of its arguments.
        variables: Those it uses.
        powers: Of two. The objective is multiplied by the first of them with which no gradient overflows, or by the last, and
            the gradients are divided by it in float64.
    """
    found: list[np.ndarray] = []
    for power in powers:
        found = _arrays(_scaled(objective, power), shifts, variables)
        if len(powers) > 1:
            found = [np.ldexp(gradient.astype("float64"), -power) for gradient in found]
            if all(np.isfinite(gradient).all() for gradient in found):
                break
    return found[: len(shifts)], found[len(shifts) :]


def powers_of(model: keras.Model, dtypes: Iterable[str], entries: int) -> tuple[int, ...]:
    """The powers of two for `gradients`: 0 alone, unless something is computed in float16.

    Args:
        model: Whose gradients they are.
        dtypes: Those of its losses.
        entries: Of how many values a loss is the mean.
    """
    if "float16" not in dtypes and not _has_half(model):
        return (0,)
    return (*range(_SPARE + int(math.log2(max(entries, 1))), _LEAST, -_STEP), 0)


def _has_half(model: keras.Model) -> bool:
    if any(layer.compute_dtype == "float16" for layer in flatten_layers(model)):
        return True
    # A bare operation has no dtype of its own.
    nodes = (node for graph in graphs(model) for node in graph.nodes)
    return any(tensor.dtype == "float16" for node in nodes for tensor in node.outputs)


def _scaled(objective: Callable[[list[Any]], Any], power: int) -> Callable[[list[Any]], Any]:
    return (lambda tensors: ops.cast(objective(tensors), "float32") * 2.0**power) if power else objective


def _arrays(
    objective: Callable[[list[Any]], Any], shifts: list[np.ndarray], variables: list[Any]
) -> list[np.ndarray]:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tensors = [tf.constant(shift) for shift in shifts]
        with tf.GradientTape() as tape, keras.StatelessScope():
            for tensor in tensors:
                tape.watch(tensor)
            value = objective(tensors)
        sources = [*tensors, *(variable.value for variable in variables)]
        found = tape.gradient(value, sources, unconnected_gradients="zero")
    elif backend == "jax":
        import jax

        def function(tensors: list[Any], values: list[Any]) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return objective(tensors)

        by_shift, by_value = jax.grad(function, argnums=(0, 1))(shifts, [v.value for v in variables])
        found = [*by_shift, *by_value]
    elif backend == "torch":
        import torch

        tensors = [ops.convert_to_tensor(shift).requires_grad_() for shift in shifts]
        sources = [*tensors, *(variable.value for variable in variables)]
        with torch.enable_grad(), keras.StatelessScope():
            value = objective(tensors)
        found = torch.autograd.grad(value, sources, allow_unused=True)
        found = [torch.zeros_like(s) if g is None else g for s, g in zip(sources, found, strict=True)]
    else:
        raise NotImplementedError(
            f"gradient_stats needs TensorFlow, JAX or Torch as the Keras backend; this is {backend!r}."
        )
    return [np.asarray(ops.convert_to_numpy(gradient)) for gradient in found]
