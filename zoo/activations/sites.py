"""Where a model applies an activation: inside a layer, as a layer of its own, or as a bare operation."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from zoo.graph import Graph, Part, copy_layer, copy_variables, full_precision, graphs
from zoo.graph.internals import keep_remat

CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)

# Layers whose `activation=` is the last thing they apply. Recurrent layers have one too, inside their loop.
WITH_BUILT_IN = (
    *(layers.Dense, layers.EinsumDense),
    *(*CONVOLUTIONS, *TRANSPOSED, *DEPTHWISE, *SEPARABLE),
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

# A function of that name from elsewhere is another function.
_FROM_KERAS = {name: f for name, f in vars(keras.activations).items() if callable(f)}
_BACKENDS = {"keras", "tensorflow", "jax", "torch"}
_BACKEND_SPELLING = {"swish": "silu", "hard_swish": "hard_silu"}

# What hands the values it gets to the next reader, whatever their place, shape or dtype, in inference.
_PASSING_LAYERS = (
    layers.Reshape,
    layers.Flatten,
    layers.Permute,
    layers.Identity,
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.AlphaDropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.ActivityRegularization,
    layers.RepeatVector,
    layers.Concatenate,
    layers.Masking,
    layers.Cropping1D,
    layers.Cropping2D,
    layers.Cropping3D,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    layers.ZeroPadding3D,
    layers.UpSampling1D,
    layers.UpSampling2D,
    layers.UpSampling3D,
)
_PASSING_OPERATIONS = frozenset(
    "Reshape Ravel Squeeze ExpandDims Cast Transpose Swapaxes Moveaxis GetItem Copy Identity Concatenate Stack "
    "Hstack Vstack StopGradient ConvertToTensor Flip Roll Rot90 Repeat Tile Pad Split Unstack Take TakeAlongAxis".split()
)


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

    def __repr__(self) -> str:
        """Its name and its function: the graph would fill pages."""
        place = "argument" if self.built_in else "layer"
        return f"<Site {self.name!r}: {label(self.function)}, {place}>"


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
        return _is_stock(activation, layers.Activation) and is_linear(activation.activation)
    return (
        activation is None
        or activation is keras.activations.linear
        or (isinstance(activation, layers.Identity) and _is_stock(activation, layers.Identity))
    )


def passes_values(operation: Any) -> bool:
    """Whether `operation`, in inference, returns the values it gets: moved, reshaped or cast, none computed."""
    if isinstance(operation, layers.Activation):
        return is_linear(operation)
    if getattr(operation, "interpolation", "nearest") != "nearest":
        return False
    if isinstance(operation, layers.Layer):
        return any(isinstance(operation, cls) and _is_stock(operation, cls) for cls in _PASSING_LAYERS)
    return type(operation).__module__.startswith("keras.") and type(operation).__name__ in _PASSING_OPERATIONS


def _is_stock(layer: Any, cls: Any) -> bool:
    """Whether what `layer` computes is the code of the stock class `cls`, not of a subclass."""
    return type(layer).call is cls.call and type(layer).__call__ is cls.__call__


def separate_function(operation: Any) -> Callable[[Any], Any] | None:
    """What `operation` applies, if it applies an activation and does nothing else; else None."""
    if isinstance(operation, layers.Activation):
        if not _is_stock(operation, layers.Activation):
            return operation
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
    """The names, in the spelling of `keras.activations`, that an activation found in a model answers to.

    None for what only carries such a name: a function of one's own called `swish`, a subclass of a stock
    layer with a `call` of its own.
    """
    if isinstance(function, layers.Activation):
        return families(function.activation) if _is_stock(function, layers.Activation) else set()
    if isinstance(function, layers.ReLU) or operation_name(function) == "relu":
        if isinstance(function, layers.ReLU) and not _is_stock(function, layers.ReLU):
            return set()
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
            return {name} if _is_stock(function, cls) else set()
    found = operation_name(function) or _stock_name(function)
    return set() if found is None else {found}


def label(function: Any) -> str:
    """The name of an activation as a table shows it; also of one that is nobody's but the user's."""
    known = sorted(families(function))
    if known:
        return known[0]
    if isinstance(function, layers.Activation) and type(function) is layers.Activation:
        return label(function.activation)
    if isinstance(function, functools.partial):
        return f"partial({label(function.func)})"
    return getattr(function, "__name__", type(function).__name__)


def _stock_name(function: Any) -> str | None:
    """The `keras.activations` name of a function of Keras or of a backend (`tf.nn.relu`), else None."""
    name = getattr(function, "__name__", None)
    if name is None:
        return None
    if _FROM_KERAS.get(name) is function:
        return name
    name = name.removesuffix("_v2")
    name = _BACKEND_SPELLING.get(name, name)
    package = (getattr(function, "__module__", None) or "").split(".")[0]
    return name if package in _BACKENDS and name in OPERATIONS else None


def split_parts(layer: Any, name: str) -> list[Part]:
    """The two layers that replace one with a built-in activation: the same without it, and the activation.

    Args:
        layer: A layer for which `takes_activation` holds.
        name: Of the activation layer.
    """
    activation = layer.activation
    policy = full_precision(layer.dtype_policy)
    own = 0
    if isinstance(activation, layers.Layer):
        # The weights of an activation layer, such as PReLU's slopes, come last among those of the layer round
        # it.
        own = len(activation.variables)
        separate = Part(copy_layer(activation, name=name), copy_variables(activation) if own else None)
    else:
        options = {"dtype": policy, "trainable": layer.trainable}
        separate = Part(layers.Activation(activation, name=name, **options))
    keep_remat(layer, separate.layer)
    linear = copy_layer(layer, activation=None)
    return [Part(linear, copy_variables(layer, drop=own)), separate]
