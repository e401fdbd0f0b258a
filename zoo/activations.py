"""Where a model applies an activation: inside a layer, as a layer of its own, or as a bare operation."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from zoo.graph import Graph, Part, copy_layer, copy_variables, graphs

# Layers whose `activation=` is the last thing they apply. Recurrent layers have one too, inside their loop.
WITH_BUILT_IN = (
    layers.Dense,
    layers.EinsumDense,
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.Conv1DTranspose,
    layers.Conv2DTranspose,
    layers.Conv3DTranspose,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
)

SEPARATE = (layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU, layers.Softmax)

# Names of the classes that `keras.ops.relu(x)` and its like leave in a graph, in the spelling of
# `keras.activations`.
OPERATIONS = frozenset(
    "relu relu6 leaky_relu silu gelu sigmoid softmax log_softmax tanh elu selu celu glu hard_sigmoid "
    "hard_silu hard_tanh hard_shrink soft_shrink softplus softsign log_sigmoid squareplus tanh_shrink "
    "threshold sparse_plus sparse_sigmoid sparsemax".split()
)

_STOCK_CALLS = frozenset(cls.call for cls in WITH_BUILT_IN)


@dataclass(frozen=True, eq=False)
class Site:
    """One place where a model applies an activation.

    Attributes:
        operation: The layer or operation.
        graph: The graph it stands in; a nested model has its own.
        function: What it applies, a callable on tensors.
        built_in: Whether it is the `activation=` of a layer that does something else first.
    """

    operation: Any
    graph: Graph
    function: Callable[[Any], Any]
    built_in: bool

    @property
    def name(self) -> str:
        """Name of the layer, behind those of the models it is nested in: `"conv1"`, `"backbone/conv1"`."""
        return self.graph.path + self.operation.name


def sites(model: keras.Model) -> list[Site]:
    """All activation sites of `model` in the order of the computation, those of nested models included.

    A site called several times is listed once. `activation="linear"` is no site.
    """
    found, seen = [], set()
    for graph in graphs(model):
        for node in graph.nodes:
            operation = node.operation
            if id(operation) in seen:
                continue
            seen.add(id(operation))
            if takes_activation(operation) and not is_linear(operation.activation):
                found.append(Site(operation, graph, operation.activation, built_in=True))
            elif (function := separate_function(operation)) is not None:
                found.append(Site(operation, graph, function, built_in=False))
    return found


def takes_activation(operation: Any) -> bool:
    """Whether `operation` is a layer that applies its `activation=` last, by the code of the stock layer."""
    return isinstance(operation, WITH_BUILT_IN) and type(operation).call in _STOCK_CALLS


def is_linear(activation: Any) -> bool:
    """Whether `activation`, as found in a layer, is the identity."""
    if isinstance(activation, layers.Activation):
        activation = activation.activation
    return (
        activation is None
        or activation is keras.activations.linear
        or isinstance(activation, layers.Identity)
    )


def separate_function(operation: Any) -> Callable[[Any], Any] | None:
    """What `operation` applies, if it applies an activation and does nothing else; else None."""
    if isinstance(operation, layers.Activation):
        return None if is_linear(operation) else operation.activation
    if isinstance(operation, SEPARATE) or operation_name(operation) is not None:
        return operation
    return None


def operation_name(operation: Any) -> str | None:
    """The `keras.activations` name of a bare activation operation in a graph, else None."""
    if isinstance(operation, layers.Layer) or not type(operation).__module__.startswith("keras."):
        return None
    cls = type(operation).__name__
    name = "relu" if cls == "ReLU" else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls).lower()
    return name if name in OPERATIONS else None


def families(function: Any) -> set[str]:
    """The names that an activation found in a model answers to."""
    if isinstance(function, layers.Activation):
        return families(function.activation)
    if isinstance(function, layers.ReLU) or operation_name(function) == "relu":
        settings = [getattr(function, key, None) for key in ("max_value", "negative_slope", "threshold")]
        match [value or None for value in settings]:
            case [None, None, None]:
                return {"relu"}
            case [6, None, None]:
                return {"relu6"}
            case [None, _, None]:
                return {"leaky_relu"}
        return set()
    for cls, name in (
        (layers.LeakyReLU, "leaky_relu"),
        (layers.PReLU, "prelu"),
        (layers.ELU, "elu"),
        (layers.Softmax, "softmax"),
    ):
        if isinstance(function, cls):
            return {name}
    found = operation_name(function) or getattr(function, "__name__", None)
    return set() if found is None else {found}


def split_parts(layer: Any, name: str) -> list[Part]:
    """The two layers that replace one with a built-in activation: the same without it, and the activation.

    Args:
        layer: A layer for which `takes_activation` holds.
        name: Of the activation layer.
    """
    activation = layer.activation
    if isinstance(activation, layers.Layer):
        # The weights of an activation layer, such as PReLU's slopes, come last among those of the layer round
        # it.
        own = len(activation.variables)
        separate = Part(copy_layer(activation, name=name), copy_variables(activation) if own else None)
    else:
        own = 0
        separate = Part(layers.Activation(activation, name=name, dtype=layer.dtype_policy))
    linear = copy_layer(layer, activation=None)
    return [Part(linear, copy_variables(layer, drop=own)), separate]
