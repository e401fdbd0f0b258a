"""What stands inside layers: activations and normalisations that are no nodes of a graph.

Wrappers, recurrent layers, attention and layers of one's own call other layers and functions from Python
code. Where Keras or the attributes of the layer tell what they call, that is a place with a name; where they
do not, the layer itself is named as one that may hide something.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import layers

from zoo.activations.code import doubts, doubts_of
from zoo.activations.sites import families, is_linear, label, separate_function, sites, takes_activation
from zoo.callers import outside
from zoo.graph import Graph, flatten_layers, graphs
from zoo.graph.internals import children

# Stock cells -> what each call of a function in one step computes, in the order of the calls.
_GATES: dict[Any, dict[str, tuple[str, ...]]] = {
    layers.SimpleRNNCell: {"activation": ("output",)},
    layers.GRUCell: {"recurrent_activation": ("update_gate", "reset_gate"), "activation": ("candidate",)},
    layers.LSTMCell: {
        "recurrent_activation": ("input_gate", "forget_gate", "output_gate"),
        "activation": ("candidate", "output"),
    },
}
# That of ConvLSTM1D and its like is no public name.
_CONV_LSTM_CELL = type(layers.ConvLSTM1D(1, 1).cell)
_GATES[_CONV_LSTM_CELL] = _GATES[layers.LSTMCell]

# Attributes under which layers keep a function of their own that they apply.
_ACTIVATION_NAME = re.compile(r"act(ivation|ivate)?(_?(fn|func|function))?\d*$|nonlinearity")
_ATTENTION = (layers.MultiHeadAttention, layers.GroupQueryAttention)
_IN_CODE = {layers.Attention: "softmax", layers.AdditiveAttention: "tanh and softmax"}

# Nonlinear operations that people write activations with: maximum(x, 0), clip, where ... Roots are left to those who
# normalise by them.
_NONLINEAR = frozenset(
    "Maximum Minimum Max Min Amax Amin Clip Where Exp Expm1 Exp2 Log Log1p Log2 Log10 Logaddexp Logaddexp2 Logsumexp Absolute Abs "
    "Square Power Reciprocal Cbrt Hypot Sign Signbit Heaviside Floor Ceil Round Trunc FloorDivide Mod Fmod Sin Cos Tan "
    "Arcsin Arccos Arctan Arctan2 Sinh Cosh Arcsinh Arccosh Arctanh Sinc Erf Erfc Erfinv I0 NanToNum Sort TopK Median Quantile "
    "Prod Cumprod Greater GreaterEqual Less LessEqual Fmax Fmin Fabs Select Ptp Percentile SaturateCast Nanmax Nanmin "
    "Nanmedian Nanquantile Nanpercentile Nanprod Nancumprod SegmentMax SegmentMin SegmentProd DotProductAttention".split()
)
# Linear in each factor, so not where one tensor is two of them. Those of the layers are called as operations are.
_PRODUCTS = frozenset("Multiply Matmul Dot Einsum Tensordot Vdot Inner Outer Kron Cross".split())
_PRODUCT_LAYERS = (layers.Multiply, layers.Dot)
# The same as layers; and whole models of other frameworks, of which nothing can be seen.
_NONLINEAR_LAYERS = {layers.Maximum: "maximum", layers.Minimum: "minimum"}
_OPAQUE = (layers.TFSMLayer, layers.JaxLayer, layers.FlaxLayer, layers.TorchModuleWrapper)


@dataclass(frozen=True, eq=False)
class InnerSite:
    """An activation that a layer applies by itself.

    Attributes:
        names: Of the site: the names of the layers it stands in and its own, `"wrapper/inner/act"`. Several
            where one function has several tasks in turn: the gates of a recurrent cell.
        owner: The layer that holds the function.
        attribute: Under which name: `"activation"`; `"call"` where the owner is the activation.
        function: What is applied, a callable on tensors.
        built_in: Whether the owner does something else too.
        pooled: Whether all applications in one call are one site: the steps of a recurrent layer.
    """

    names: tuple[str, ...]
    owner: Any
    attribute: str
    function: Callable[..., Any]
    built_in: bool
    pooled: bool


@dataclass(eq=False)
class Inside:
    """What one layer of a graph holds that no graph shows.

    Attributes:
        name: Of the layer, after the names of the models it is nested in.
        operation: The layer or operation.
        graph: The graph it stands in.
        sites: The activations in it that can be named.
        norms: Names of the BatchNormalization layers in it.
        hides: Name of a layer -> why it may apply activations that cannot be named.
    """

    name: str
    operation: Any
    graph: Graph
    sites: list[InnerSite] = field(default_factory=list)
    norms: list[str] = field(default_factory=list)
    hides: dict[str, str] = field(default_factory=dict)


def insides(model: keras.Model) -> list[Inside]:
    """What stands inside the layers of `model` and of models nested in it, in the order of the computation."""
    found, seen = [], set()
    for graph in graphs(model):
        for node in graph.nodes:
            operation = node.operation
            if id(operation) in seen:
                continue
            seen.add(id(operation))
            if _is_plain(operation):
                if norms := _norms_of_activation(operation, graph):
                    found.append(Inside(graph.path + operation.name, operation, graph, norms=norms))
                continue
            inside = Inside(graph.path + operation.name, operation, graph)
            if isinstance(operation, layers.Layer) and not isinstance(operation, _PRODUCT_LAYERS):
                _Look(inside).layer(operation, inside.name, pooled=False)
            elif (reason := _hidden_by(node)) is not None:
                inside.hides[inside.name] = reason
            if inside.sites or inside.norms or inside.hides:
                found.append(inside)
    return found


def unseen(model: keras.Model, *, activations: bool = True, norms: bool = False) -> dict[str, str]:
    """What of `model` no graph shows, so that no transform can reach it.

    Args:
        model: A Functional or built Sequential model.
        activations: Whether to tell of activations.
        norms: Whether to tell of BatchNormalization.

    Returns:
        Name of each place, or of the layer that may hide one -> the reason.

    Example:
        >>> import keras
        >>> from zoo.activations import unseen
        >>> x = keras.Input((5, 3))
        >>> model = keras.Model(x, keras.layers.SimpleRNN(4, name="rnn")(x))
        >>> unseen(model)
        {'rnn/output': "tanh inside 'rnn' (SimpleRNN)"}
    """
    found: dict[str, str] = {}
    for inside in insides(model):
        where = f"inside {inside.name!r} ({type(inside.operation).__name__})"
        if activations:
            for site in inside.sites:
                found.update((name, f"{label(site.function)} {where}") for name in site.names)
            found.update(inside.hides)
        if norms:
            found.update((name, f"it stands {where}, which is code and not a graph") for name in inside.norms)
    return found


class UnseenWarning(UserWarning):
    """A probe or a transform could not look into a layer."""


def warn_unseen(what: str, model: keras.Model, found: dict[str, str]) -> None:
    """Warn that `what` (the name of a public function) has nothing to say of what is `found`, if anything."""
    if found:
        warnings.warn(
            f"{what} does not see all of {model.name!r}. Not seen: {listed(found)}.{_how_to_show(found)}",
            UnseenWarning,
            stacklevel=outside(),
        )


def tell_unseen(what: str, model: keras.Model) -> dict[str, str]:
    """Warn of all activations of `model` that no transform can reach, and return them as `unseen` does.

    Raises:
        ValueError: that is all of them, so that there is nothing to transform.
    """
    found = unseen(model)
    if found and not sites(model):
        raise ValueError(
            f"{what} sees no activation in {model.name!r}. Not seen: {listed(found)}. Rebuild these with layers in "
            f"the graph.{_how_to_show(found)}"
        )
    warn_unseen(what, model, found)
    return found


def _how_to_show(found: dict[str, str]) -> str:
    """What makes an activation of somebody's own visible, where that may help."""
    if not any(".call is Python code" in reason for reason in found.values()):
        return ""
    return " A layer that is an activation and nothing else is seen if its class inherits from keras.layers.Activation."


def listed(found: dict[str, str], most: int = 12) -> str:
    """The places in `found` with their reasons, as one phrase."""
    shown = [f"{name!r} ({reason})" for name, reason in list(found.items())[:most]]
    return ", ".join(shown) + (f" and {len(found) - most} more" if len(found) > most else "")


def _is_plain(operation: Any) -> bool:
    """Whether the graph shows all there is: nested models, sites."""
    return isinstance(operation, keras.Model) or (
        (takes_activation(operation) or separate_function(operation) is not None)
        and not (isinstance(operation, layers.Layer) and doubts(operation))
    )


def _norms_of_activation(operation: Any, graph: Graph) -> list[str]:
    """The BatchNormalization layers in what a layer was given as `activation=`."""
    activation = getattr(operation, "activation", None)
    if not isinstance(activation, layers.Layer):
        return []
    norms = [layer for layer in flatten_layers(activation) if isinstance(layer, layers.BatchNormalization)]
    return [f"{graph.path}{operation.name}/{norm.name}" for norm in norms]


def _hidden_by(node: Any) -> str | None:
    """Why a bare operation, or a product, as it is called here, may be an activation; None if it is none."""
    operation, kind = node.operation, type(node.operation).__name__
    spelled = f"keras.ops.{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', kind).lower()}"
    if kind in _PRODUCTS and len({id(tensor) for tensor in node.input_tensors}) < len(node.input_tensors):
        return "a tensor times itself is not linear"
    if isinstance(operation, layers.Layer):
        return None
    # Of indices and truth values, masks are made.
    if kind in _NONLINEAR and any(keras.backend.is_float_dtype(t.dtype) for t in node.input_tensors):
        return f"{spelled} is not linear"
    if kind == "Cast" and _rounds(node):
        return f"{spelled} to {node.outputs[0].dtype} is not linear"
    held = keras.tree.flatten([list(vars(operation).values()), node.arguments.args, node.arguments.kwargs])
    names = [name for leaf in held if inspect.isroutine(leaf) for name in doubts_of(leaf)]
    return f"the function of {spelled} is Python code and uses {', '.join(names[:6])}" if names else None


def _rounds(node: Any) -> bool:
    """Whether a cast makes whole numbers of others."""
    source, result = node.input_tensors[0].dtype, node.outputs[0].dtype
    return keras.backend.is_float_dtype(source) and keras.backend.is_int_dtype(result)


class _Look:
    def __init__(self, inside: Inside):
        self.inside = inside
        self.seen: set[tuple[int, str]] = set()

    def layer(self, layer: Any, path: str, *, pooled: bool) -> None:
        """Look into `layer`, whose name with those of all it stands in is `path`."""
        if isinstance(layer, (layers.RNN, layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D)):
            self.cell(layer.cell, path, stacked=False)
            return
        if isinstance(layer, keras.Model) and self.model(layer, path, pooled):
            return
        if path != self.inside.name or isinstance(layer, keras.Model):
            if isinstance(layer, layers.BatchNormalization):
                self.inside.norms.append(path)
            if takes_activation(layer):
                if not is_linear(layer.activation):
                    self.site((path,), layer, "activation", layer.activation, True, pooled)
                return
            if (function := separate_function(layer)) is not None:
                self.site((path,), layer, "call", function, False, pooled)
                return
        if isinstance(layer, layers.Lambda) and families(layer.function):
            self.site((path,), layer, "function", layer.function, False, pooled)
            return
        self.code(layer, path, pooled)
        for child in children(layer):
            inner = pooled or isinstance(layer, layers.TimeDistributed)
            # The layer that attention makes for itself is named by a counter, which is no name to go by.
            own = isinstance(layer, _ATTENTION) and isinstance(child, layers.Softmax)
            self.layer(child, f"{path}/{'softmax' if own else child.name}", pooled=inner)

    def cell(self, cell: Any, path: str, *, stacked: bool) -> None:
        if isinstance(cell, layers.StackedRNNCells):
            for inner in cell.cells:
                self.cell(inner, f"{path}/{inner.name}", stacked=True)
            return
        gates = next((g for cls, g in _GATES.items() if type(cell).call is cls.call), None)
        if gates is None:
            self.layer(cell, path if stacked else f"{path}/{cell.name}", pooled=True)
            return
        for attribute, tasks in gates.items():
            function = getattr(cell, attribute)
            if not is_linear(function):
                self.site(tuple(f"{path}/{t}" for t in tasks), cell, attribute, function, True, True)

    def model(self, model: keras.Model, path: str, pooled: bool) -> bool:
        try:
            found = graphs(model)
        except (TypeError, ValueError):
            return False
        for graph in found:
            for node in graph.nodes:
                operation = node.operation
                name = f"{path}/{graph.path}{operation.name}"
                if isinstance(operation, keras.Model):
                    continue
                if isinstance(operation, layers.Layer) and not isinstance(operation, _PRODUCT_LAYERS):
                    self.layer(operation, name, pooled=pooled)
                elif (function := separate_function(operation)) is not None:
                    self.site((name,), operation, "call", function, False, pooled)
                elif (reason := _hidden_by(node)) is not None:
                    self.inside.hides[name] = reason
        return True

    def code(self, layer: Any, path: str, pooled: bool) -> None:
        if layer is self.inside.operation and separate_function(layer) is not None:
            return  # its code is the function that the site applies
        for kind, function in _NONLINEAR_LAYERS.items():
            if isinstance(layer, kind):
                self.inside.hides[path] = f"{type(layer).__name__} takes the {function}, which is not linear"
        if isinstance(layer, _OPAQUE):
            self.inside.hides[path] = f"{type(layer).__name__} holds a function of another framework"
        if getattr(layer, "logit_soft_cap", None) is not None:
            self.inside.hides[path] = (
                f"{type(layer).__name__} applies tanh where it reverses, by its logit_soft_cap"
            )
        for kind, functions in _IN_CODE.items():
            if isinstance(layer, kind):
                self.inside.hides[path] = f"{type(layer).__name__} applies {functions}"
        if keras.saving.get_registered_name(type(layer)) == "zoo>RolledUnits":
            self.inside.hides[path] = (
                "RolledUnits is a loop over units; zoo.transforms.unroll the model first"
            )
            return
        suspicious = doubts(layer)
        if suspicious is None:
            return
        named = set()
        for attribute, value in list(vars(layer).items()):
            if not callable(value) or isinstance(value, (type, layers.Layer)) or attribute.startswith("__"):
                continue
            if families(value) or _ACTIVATION_NAME.search(attribute):
                named.add(attribute)
                if not is_linear(value):
                    name = path if attribute == "activation" else f"{path}/{attribute}"
                    self.site((name,), layer, attribute, value, True, pooled)
        rest = [name for name in suspicious if name not in named]
        if rest:
            what = "the function" if isinstance(layer, layers.Lambda) else f"{type(layer).__name__}.call"
            self.inside.hides[path] = f"{what} is Python code and uses {', '.join(rest[:6])}"

    def site(
        self, names: tuple[str, ...], owner: Any, attribute: str, function: Any, built_in: bool, pooled: bool
    ) -> None:
        key = (id(owner), attribute)
        if key not in self.seen:
            self.seen.add(key)
            self.inside.sites.append(InnerSite(names, owner, attribute, function, built_in, pooled))


def unnamed(found: Iterable[Inside]) -> dict[str, str]:
    """Of `found`, what may apply activations without a name to them -> the reason."""
    return {name: reason for inside in found for name, reason in inside.hides.items()}
