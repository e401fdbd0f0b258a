"""Activations that can be turned into the identity while a model trains, put in and taken out."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import keras
from keras import layers

from zoo.activations import operation_name, split_parts
from zoo.graph import (
    Part,
    copy_layer,
    copy_variables,
    full_precision,
    graphs,
    inbound_nodes,
    leads_to_its_model,
    names,
    rewrite,
    seeds_untouched,
)
from zoo.graph.variables import Take
from zoo.layers import BlendedActivation
from zoo.naming import activation_of
from zoo.slimming.selection import choose, keep_one
from zoo.values import as_number


@leads_to_its_model
class SoftenedModel(NamedTuple):
    """What `soften` returns; it unpacks, the model first.

    Attributes:
        model: The model with blended activations.
        softened: Name of each site in `model` as it was given, in order -> name of its `BlendedActivation`.
    """

    model: keras.Model
    softened: dict[str, str]


@leads_to_its_model
class HardenedModel(NamedTuple):
    """What `harden` returns; it unpacks, the model first.

    Attributes:
        model: The model without blended activations: stock Keras, if it was before `soften`.
        dropped: Names of those that became the identity and are gone.
        restored: Names of those that are the activation again.
    """

    model: keras.Model
    dropped: tuple[str, ...]
    restored: tuple[str, ...]


@seeds_untouched()
def soften(
    model: keras.Model,
    sites: Any,
    *,
    amount: float = 0.0,
    learned: bool = False,
    include_classifier: bool = False,
) -> SoftenedModel:
    r"""Put a `zoo.layers.BlendedActivation` at each site: $f(z)$ becomes $a z + (1 - a) f(z)$.

    At `amount` 0 the new model computes what `model` does. `zoo.callbacks.ActivationAnnealing` moves $a$ during
    `fit`, `harden` takes the layers out again. A built-in activation of layer `X` becomes a layer `X_act`. A
    layer that is called several times stays shared, with one $a$.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        sites: Name or names of activation sites.
        amount: $a$, from 0 to 1.
        learned: Whether the optimizer moves $a$.
        include_classifier: Allow the classifier's softmax or sigmoid among the sites.

    Returns:
        The new model, not compiled, and the sites with the names of their layers.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph; `sites` are no names; or `amount` is no
            number.
        ValueError: a site that does not exist, is named twice, is the classifier, changes the shape or has an
            `activity_regularizer`; an `amount` that is not from 0 to 1; a blended activation is there already;
            or a name `X_act` is taken.

    Example:
        >>> import keras
        >>> from keras import layers
        >>> from zoo.transforms import harden, soften
        >>> fc = layers.Dense(4, activation="relu", name="fc")
        >>> model = keras.Sequential([keras.Input((3,)), fc])
        >>> soft, softened = soften(model, "fc")
        >>> _ = soft.get_layer("fc_act").amount.assign(1.0)
        >>> [layer.name for layer in harden(soft).model.layers]
        ['fc']
    """
    chosen = choose(model, sites, include_classifier=include_classifier, argument="sites")
    taken = names(graphs(model))
    replace: dict[Any, list[Part]] = {}
    softened: dict[str, str] = {}
    for site in chosen:
        operation = site.operation
        if getattr(operation, "activity_regularizer", None) is not None:
            raise ValueError(
                f"cannot soften {site.name!r}: its activity_regularizer acts on the activated output. Build the layer "
                f"without."
            )
        if site.built_in:
            name = activation_of(operation.name)
            if name in taken:
                raise ValueError(
                    f"cannot soften {site.name!r}: its activation layer would be called {name!r}, and the model "
                    f"already has a layer of that name. Rename one of the two."
                )
            taken.add(name)
            linear, separate = split_parts(operation, name)
            before, inner = [linear], operation.activation
            dtype = full_precision(operation.dtype_policy)
            if isinstance(inner, layers.Layer):
                inner = separate.layer
        else:
            name, before, inner = operation.name, [], site.function
            is_layer = isinstance(operation, layers.Layer)
            dtype = full_precision(operation.dtype_policy) if is_layer else None
            if not is_layer:
                inner = _function_of(operation, site.name)
            elif isinstance(inner, layers.Layer):
                inner = copy_layer(inner)
        blended = BlendedActivation(inner, amount=amount, learned=learned, name=name, dtype=dtype)
        fill = None
        if isinstance(site.function, layers.Layer) and site.function.variables:
            fill = _Carry(operation, site.function)
        replace[operation] = [*before, Part(blended, fill)]
        softened[site.name] = site.name.removesuffix(operation.name) + name
    return SoftenedModel(rewrite(model, replace, exact=amount == 0.0), softened)


@seeds_untouched()
def harden(model: keras.Model, *, threshold: float | None = None) -> HardenedModel:
    r"""Take every `BlendedActivation` out: at $a = 1$ it drops out, at $a = 0$ it is the activation again.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        threshold: None is exact and refuses any other $a$. A number changes the model: layers with $a$ at or
            above it drop out, the others become the activation.

    Returns:
        The new model, not compiled, and which went which way.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph; or `threshold` is no number.
        ValueError: there is nothing to take out; a layer has an `activity_regularizer`; `threshold` is not from 0
            to 1; or, without it, a layer is left between 0 and 1.

    Example:
        See `soften`.

        >>> import keras
        >>> from zoo.layers import BlendedActivation
        >>> from zoo.transforms import harden
        >>> act = BlendedActivation("relu", 0.7, name="act")
        >>> model = keras.Sequential([keras.Input((3,)), act])
        >>> harden(model, threshold=0.5).dropped
        ('act',)
    """
    if threshold is not None:
        threshold = as_number("threshold", threshold, 0, 1)
    blended = {
        f"{graph.path}{node.operation.name}": (node.operation, node)
        for graph in graphs(model)
        for node in graph.nodes
        if isinstance(node.operation, BlendedActivation)
    }
    if not blended:
        raise ValueError(f"{model.name!r} has no BlendedActivation; zoo.transforms.soften puts them in.")
    amounts = {name: float(keras.ops.convert_to_numpy(layer.amount)) for name, (layer, _) in blended.items()}
    least = 1.0 if threshold is None else threshold
    regularized = [
        name
        for name, (layer, _) in blended.items()
        if layer.activity_regularizer is not None
        or (amounts[name] >= least and getattr(layer.activation, "activity_regularizer", None) is not None)
    ]
    if regularized:
        raise ValueError(
            f"cannot take out {', '.join(map(repr, regularized))}: the activity_regularizer would be lost with it. Build "
            f"the layer without."
        )
    between = {name: amount for name, amount in amounts.items() if amount not in (0.0, 1.0)}
    if between and threshold is None:
        listed = ", ".join(f"{name!r} at {amount:.4g}" for name, amount in between.items())
        raise ValueError(
            f"{model.name!r} has blended activations between 0 and 1: {listed}. Go on annealing until they are at 1, or "
            f"pass threshold=, which changes what the model computes."
        )
    replace: dict[Any, list[Part]] = {}
    dropped, restored = [], []
    for name, (layer, node) in blended.items():
        if amounts[name] >= least:
            dropped.append(name)
            casts = node.input_tensors[0].dtype != node.outputs[0].dtype
            cast = Part(layers.Activation("linear", name=layer.name, dtype=layer.dtype_policy))
            replace[layer] = [cast] if casts else []
        else:
            restored.append(name)
            inner = layer.activation
            if isinstance(inner, layers.Layer):
                back = Part(
                    copy_layer(inner, name=layer.name), copy_variables(inner) if inner.variables else None
                )
            else:
                back = Part(layers.Activation(inner, name=layer.name, dtype=layer.dtype_policy))
            replace[layer] = [back]
    keep_one(graphs(model), replace)
    return HardenedModel(rewrite(model, replace, exact=threshold is None), tuple(dropped), tuple(restored))


# Of bare operations whose settings a stock layer has.
_LAYERS = {"elu": layers.ELU, "leaky_relu": layers.LeakyReLU, "relu": layers.ReLU}


def _function_of(operation: Any, site: str) -> Any:
    """What a bare operation in a graph applies, as a function or a layer that can be saved."""
    function = getattr(keras.activations, operation_name(operation) or "", None)
    known = {} if function is None else inspect.signature(function).parameters
    given = {
        key: value for key, value in vars(operation).items() if not key.startswith("_") and key != "name"
    }
    if function is None or any(
        key not in known or known[key].default != value for key, value in given.items()
    ):
        layer = _LAYERS.get(operation_name(operation) or "")
        if layer is not None and all(value is None or isinstance(value, Real) for value in given.values()):
            with contextlib.suppress(ValueError):  # the layer takes no negative slope, say
                return layer(**given)
        raise ValueError(
            f"cannot soften {site!r}: it is a bare operation, {type(operation).__name__} with {given}, and no function of "
            f"keras.activations has these settings by default. Build the model with a layer in its place."
        )
    return function


@dataclass(frozen=True, eq=False)
class _Carry:
    """Fills the activation inside a `BlendedActivation` from the layer `activation`, which `source` is or holds."""

    source: Any
    activation: Any

    def __call__(self, layer: BlendedActivation) -> None:
        inner = layer.activation
        if not inner.built:
            inner.build(inbound_nodes(layer)[0].outputs[0].shape)
        copy_variables(self.activation)(inner)

    def pairs(self, layer: BlendedActivation) -> Iterator[tuple[Any, Any]]:
        """As `Take` has them: by these it is seen that two layers share a variable."""
        return Take(self.activation).pairs(layer.activation)
