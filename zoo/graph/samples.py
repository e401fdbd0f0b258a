"""A few inputs that a model takes, drawn by what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from zoo.graph.internals import flatten_layers, inbound_nodes, producer
from zoo.graph.reading import input_structure

# Tried for dimensions that are not known; InceptionV3 and its like need the larger ones.
SIZES = (32, 75, 128, 299)
# What a layer of these settings takes as an index: one less than the least of them.
LIMITS = ("input_dim", "num_tokens")


def sample(model: keras.Model) -> Iterator[Any]:
    """Small batches of random inputs for `model`, several of growing size where it leaves sizes open.

    Numbers come from a standard normal distribution; integers, and numbers that an Embedding reads, are indices that
    every Embedding in the model takes, 8-bit ones pixels, strings words of its vocabularies and one that is none. Where a
    Masking layer tells by a number which steps count, the last steps of a sequence are of that number.

    Args:
        model: A Functional or built Sequential model.

    Yields:
        Arrays, in the structure in which `model` takes them.
    """
    tensors = keras.tree.flatten(model.inputs)
    is_open = any(None in tensor.shape[1:] for tensor in tensors)
    layers = flatten_layers(model)
    found = [getattr(layer, name, None) for layer in layers for name in LIMITS]
    limit = min((value for value in found if isinstance(value, int)), default=10)
    indices = _read_as_indices(layers)
    left_out = next((layer.mask_value for layer in layers if isinstance(layer, keras.layers.Masking)), None)
    words = ["zoo", ""]
    for layer in layers:
        if hasattr(layer, "get_vocabulary"):
            words += [str(word) for word in layer.get_vocabulary()[:8]]
    for size in SIZES if is_open else SIZES[:1]:
        rng = np.random.default_rng(0)
        # One batch size for all inputs, so that they can be joined; two samples tell a batch from its mean.
        largest = max(_numbers(tensor, size) for tensor in tensors)
        fixed = next((tensor.shape[0] for tensor in tensors if tensor.shape[0]), None)
        count = fixed or (2 if largest <= 64 * 64 * 3 else 1)

        def draw(tensor: Any, size: int = size, rng: Any = rng, count: int = count) -> np.ndarray:
            shape = (count, *(dimension or size for dimension in tensor.shape[1:]))
            if tensor.dtype == "string":
                return np.array(words, dtype=object)[rng.integers(0, len(words), shape)]
            if tensor.dtype == "bool":
                return rng.integers(0, 2, shape).astype(bool)
            if keras.backend.is_float_dtype(tensor.dtype):
                drawn = rng.integers(0, limit, shape) if id(tensor) in indices else rng.normal(size=shape)
                if left_out is not None and id(tensor) not in indices and len(shape) > 2 and shape[1] > 1:
                    drawn[:, -max(shape[1] // 4, 1) :] = left_out
                return drawn.astype(tensor.dtype if tensor.dtype != "bfloat16" else "float32")
            return rng.integers(0, 256 if tensor.dtype == "uint8" else limit, shape).astype(tensor.dtype)

        yield keras.tree.map_structure(draw, input_structure(model))


def _read_as_indices(layers: list[Any]) -> set[int]:
    """`id`s of the tensors, inputs among them, of which layers without weights make what a layer takes as indices."""
    # One that is set on a model, and that no graph calls, may have no inputs of its own.
    models = [layer for layer in layers if isinstance(layer, keras.Model) and hasattr(layer, "inputs")]
    callers = {id(tensor): model for model in models for tensor in keras.tree.flatten(model.inputs)}
    takers = [
        layer
        for layer in layers
        if not isinstance(layer, keras.Model)
        and any(
            isinstance(getattr(part, name, None), int) for part in flatten_layers(layer) for name in LIMITS
        )
    ]
    waiting = [tensor for taker in takers for node in inbound_nodes(taker) for tensor in node.input_tensors]
    found: set[int] = set()
    while waiting:
        tensor = waiting.pop()
        if id(tensor) in found:
            continue
        found.add(id(tensor))
        if id(tensor) in callers:  # of a nested model, whatever it is called on
            waiting += [given for node in inbound_nodes(callers[id(tensor)]) for given in node.input_tensors]
        elif not getattr(producer(tensor).operation, "weights", ()):
            waiting += producer(tensor).input_tensors
    return found


def is_numeric(dtype: str) -> bool:
    """Whether an input of that dtype holds numbers, which a copy in another floating point takes as they are."""
    return dtype not in ("bool", "string")


def _numbers(tensor: Any, size: int) -> float:
    return float(np.prod([dimension or size for dimension in tensor.shape[1:]]))
