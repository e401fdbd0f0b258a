"""One recorded call, made again: on other tensors, or with another layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from zoo.graph.copying import Part
from zoo.graph.internals import keep_remat, producer, takes_training


@dataclass(frozen=True, eq=False)
class Stretch:
    """Neighbouring calls between two points where all the data is one tensor, and what takes their place.

    Without calls, from a tensor to itself, it is an insertion: all that reads the tensor reads what `parts` make
    of it.

    Attributes:
        nodes: The calls, in order; none for an insertion.
        entry: The tensor they start from.
        exit: The tensor they end in, made by the last of them.
        parts: The layers called one after the other in their place.
    """

    nodes: tuple[Any, ...]
    entry: Any
    exit: Any
    parts: list[Part]


def nodes_of(step: Any) -> tuple[Any, ...]:
    """The calls of the original in the place of a node or a `Stretch`."""
    return step.nodes if isinstance(step, Stretch) else (step,)


def wrapped(layer: Any) -> Any:
    """The layer that computes: of a wrapper, such as `SpectralNormalization`, the one inside."""
    return wrapped(layer.layer) if isinstance(layer, keras.layers.Wrapper) else layer


def name_of(step: Any) -> str:
    """The layer that a node calls, or whose output a `Stretch` replaces."""
    return (producer(step.exit) if isinstance(step, Stretch) else step).operation.name


def outputs_of(step: Any) -> list[Any]:
    """The tensors that a node or a `Stretch` makes for later ones."""
    return [step.exit] if isinstance(step, Stretch) else step.outputs


def call_operation(operation: Any, args: Any, kwargs: dict[str, Any], training: bool | None) -> Any:
    """Call `operation` as a model does that is called with `training`; None leaves it to the arguments."""
    return operation(*args, **_told(operation, kwargs, training))


def record_call(operation: Any, args: Any, kwargs: dict[str, Any], training: bool | None) -> Any:
    """`call_operation` on tensors of a graph, as one node, also of a class with a `__call__` of its own.

    What such a class computes round Keras' `__call__` is in the graph that is copied, as nodes beside its own.
    """
    kwargs = _told(operation, kwargs, training)
    if not isinstance(operation, keras.layers.Layer):
        return operation(*args, **kwargs)
    kinds = (cls for cls in type(operation).__mro__ if cls.__module__.split(".")[0] == "keras")
    stock = next(cls for cls in kinds if "__call__" in vars(cls))
    return vars(stock)["__call__"](operation, *args, **kwargs)


def _told(operation: Any, kwargs: dict[str, Any], training: bool | None) -> dict[str, Any]:
    tells = training is not None and takes_training(operation)
    return {**kwargs, "training": training} if tells else kwargs


def accepted(layer: Any, node: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Of the arguments of a call, those that a layer of another class takes; the others have to be defaults."""
    # What takes a layer's place is a layer, or a function of tensors.
    known = inspect.signature(getattr(layer, "call", layer)).parameters
    lost = {
        name: value
        for name, value in kwargs.items()
        if name not in known and value is not None and value is not False
    }
    if lost:
        raise ValueError(
            f"layer {node.operation.name!r} is called with {', '.join(lost)}, which {type(layer).__name__} in its "
            f"place does not take; call it without, or leave it as it is."
        )
    return {name: value for name, value in kwargs.items() if name in known}


def in_inference(function: Callable[[], Any]) -> Any:
    """Call `function` as Keras calls the layers of a model in inference; no variable changes.

    Layers learn from the call round them whether this is training, preprocessing layers by default that it is.
    """
    inference = _Inference(function)
    with keras.StatelessScope():
        inference(keras.ops.zeros(()), training=False)
    if inference.error is not None:
        raise inference.error
    return inference.result


class _Inference(keras.layers.Layer):
    def __init__(self, function: Callable[[], Any]):
        super().__init__(name="inference", dtype="float32")
        # In a RematScope that happens to be open JAX would trace the call, and there are no numbers in a trace.
        keep_remat(None, self)
        self._function = function
        self.error: Exception | None = None
        self.result: Any = None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        # Keras would put its own words round the message of an error.
        try:
            self.result = self._function()
        except Exception as error:
            self.error = error
        return inputs
