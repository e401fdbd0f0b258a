"""What Keras keeps to itself and a reader of graphs needs: every private name of Keras 3 stands in this file."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras


def producer(tensor: Any) -> Any:
    """The node that made `tensor`."""
    operation, index, _ = tensor._keras_history
    return operation._inbound_nodes[index]


def inbound_nodes(operation: Any) -> list[Any]:
    """All recorded calls of `operation`, in whichever model."""
    return operation._inbound_nodes


def without_history(operation: Any) -> Any:
    """A copy of a bare operation that was never called: it holds arguments and no state."""
    new = object.__new__(type(operation))
    vars(new).update(vars(operation), _inbound_nodes=[], _outbound_nodes=[])
    return new


def shadow(layer: Any, attributes: dict[str, Any]) -> Any:
    """`layer` with other attributes, for one look or call: it shares everything else, and `layer` is not touched."""
    new = object.__new__(type(layer))
    vars(new).update(vars(layer))
    vars(new).update(attributes)
    return new


def attributes(layer: Any) -> dict[str, Any]:
    """What is set on `layer`, by name: on Torch a layer is a module, which keeps the layers set on it elsewhere."""
    found = dict(vars(layer))
    if keras.backend.backend() == "torch":
        modules = found.get("_modules", {}).items()
        found |= {name: value for name, value in modules if isinstance(value, keras.layers.Layer)} | found
    return found


def flatten_layers(layer: keras.layers.Layer) -> list[Any]:
    """`layer` and all layers inside it, from the outside in."""
    return list(layer._flatten_layers())


@cache
def plain_attributes() -> frozenset[str]:
    """The attributes that every layer has, so none that a class of its own added."""
    return frozenset(vars(keras.layers.Layer(name="plain")))


def takes_training(operation: Any) -> bool:
    """Whether Keras passes `training` to the call of `operation`."""
    return getattr(operation, "_call_has_training_arg", False)


def lambda_arguments(layer: keras.layers.Lambda) -> tuple[Any, ...]:
    """What `keras.layers.Lambda` was made with, functions included, in the order of its constructor."""
    return layer.function, layer._output_shape, layer.mask, layer.arguments


def keep_remat(source: Any, new: Any) -> None:
    """Let `new` recompute in training what `source` does, whichever `keras.RematScope` is open now."""
    new._remat_mode = getattr(source, "_remat_mode", None)


def own_variables(layer: Any) -> list[Any]:
    """The variables of `layer` itself, without those of the layers in it and of its random generators."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def standardised(model: keras.Model, inputs: Any) -> list[Any]:
    """What a call of `model` with `inputs` feeds to each of `model.inputs`: dicts by name, lists by place."""
    function = model._functional if isinstance(model, keras.Sequential) else model
    return function._standardize_inputs(inputs)


def passed_on(model: keras.Model, inputs: Any) -> list[Any]:
    """`standardised` for tensors of a graph, without the calls that it records for those that fit as they are."""
    return [_unconverted(tensor) for tensor in standardised(model, inputs)]


def _unconverted(tensor: Any) -> Any:
    node = producer(tensor)
    if type(node.operation).__name__ == "ConvertToTensor" and len(node.input_tensors) == 1:
        (source,) = node.input_tensors
        if source.dtype == tensor.dtype and source.shape == tensor.shape:
            return source
    return tensor


def mask_of(value: Any) -> Any:
    """The mask that Keras carries along with a tensor, or None."""
    return getattr(value, "_keras_mask", None)


def carry_mask(source: Any, value: Any) -> Any:
    """`value` with the mask of `source`."""
    if mask_of(source) is not None:
        value._keras_mask = mask_of(source)
    return value
