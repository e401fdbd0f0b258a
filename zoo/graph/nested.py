"""What the call of a nested model hands to the layers inside, which is in no record of their own calls."""

from __future__ import annotations

from typing import Any

import keras

from zoo.graph.internals import mask_of
from zoo.graph.reading import Graph


def called_in_training(found: list[Graph]) -> set[int]:
    """`id`s of the nested models that are called with `training=True`, directly or through one round them."""
    models: set[int] = set()
    for graph in found:  # outer ones come first
        for node in graph.nodes:
            nested = isinstance(node.operation, keras.Model)
            if nested and (id(graph.model) in models or node.arguments.kwargs.get("training")):
                models.add(id(node.operation))
    return models


def masked_tensors(found: list[Graph]) -> set[int]:
    """`id`s of the tensors that carry a mask when the model is called, for all that is known before it is.

    A nested model was made without the masks of the tensors that it is called on, and what calls it does not record the
    masks of what it returns; at a call Keras carries both on.
    """
    inside = {id(graph.model): graph for graph in found}
    masked: set[int] = set()

    def follow(graph: Graph) -> None:
        for node in graph.nodes:
            inner = inside.get(id(node.operation))
            if inner is None:
                passed = _passes_a_mask(node, masked)
            else:
                if any(id(tensor) in masked for tensor in node.input_tensors):
                    masked.update(map(id, inner.starts))
                follow(inner)
                passed = any(id(tensor) in masked for tensor in keras.tree.flatten(inner.ends))
            masked.update(id(tensor) for tensor in node.outputs if passed or mask_of(tensor) is not None)

    follow(found[0])
    return masked


def data_tensors(node: Any) -> list[Any]:
    """What a call reads, without the masks that Keras has recorded as arguments of it."""
    masks = [value for name, value in node.arguments.kwargs.items() if name.endswith("mask")]
    given = {id(mask) for mask in keras.tree.flatten(masks)}
    return [tensor for tensor in node.input_tensors if id(tensor) not in given]


def _passes_a_mask(node: Any, masked: set[int]) -> bool:
    """Whether a layer hands on the mask of a tensor in `masked`; of several tensors it is believed to.

    A mask that Keras has recorded as an argument of the call is none of them.
    """
    operation = node.operation
    if not getattr(operation, "supports_masking", False):
        return False
    data = data_tensors(node)
    if not any(id(tensor) in masked for tensor in data):
        return False
    if len(data) > 1 or mask_of(node.outputs[0]) is not None:
        return True
    (tensor,) = data
    try:
        passed = operation.compute_mask(tensor, keras.KerasTensor(tensor.shape[:2], "bool"))
    except Exception:  # it makes more of a mask than the first axes
        return True
    return any(mask is not None for mask in keras.tree.flatten(passed))
