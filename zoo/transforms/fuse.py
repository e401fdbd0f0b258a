"""Activation layers move into the layer in front of them."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from zoo.activations import is_linear, takes_activation, tell_unseen
from zoo.graph import Part, calls, copy_layer, copy_variables, graphs, rewrite, seeds_untouched


@seeds_untouched()
def fuse_activations(model: keras.Model, *, probe: Any = None) -> keras.Model:
    """Move every activation layer that follows a convolution or dense layer into its `activation=`.

    Layers `X`, computing $z = Wx + b$, and `A`, computing $f(z)$, become one layer `X` that computes $f(Wx +
    b)$. The same functions run in the same order, so outputs and gradients are equal to the bit. The name of
    `A` is gone; `split_activations` makes it `X_act`.

    Fused is only where nothing is lost: the output of `X` is read by `A` alone and is not an output of the
    model; `X` has no activation yet; `A` is `Activation`, `ReLU`, `LeakyReLU`, `ELU` or an unmasked
    `Softmax`; neither has an `activity_regularizer`; both compute in the same dtype. `PReLU` has weights and
    stays a layer. A shared `X` is fused if each of its calls feeds the same shared `A`. Everything else stays
    as it is: what stands behind BatchNormalization or an addition has no layer to move into.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        probe: Inputs, as `model` takes them, on which every new layer is compared with the original; None
            draws a small batch, False compares nothing.

    Returns:
        A new model, not compiled, with the weights of `model`. Where nothing can be fused, an equal copy.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph.
        ValueError: it has no graph yet, a layer cannot be copied, or its copy computes something else.

    Example:
        >>> import keras
        >>> from zoo.transforms import fuse_activations
        >>> from keras import layers
        >>> parts = [layers.Dense(2, name="fc"), layers.ReLU()]
        >>> model = keras.Sequential([keras.Input((4,)), *parts])
        >>> fuse_activations(model).get_layer("fc").activation.__name__
        'relu'
    """
    tell_unseen("fuse_activations", model)
    index = calls(graphs(model))
    replace: dict[Any, list[Part]] = {}
    for sited in index.values():
        layer = sited[0][1].operation
        if (
            not takes_activation(layer)
            or not is_linear(layer.activation)
            or layer.activity_regularizer is not None
        ):
            continue
        follower = _only_follower(sited)
        if follower is None or len(index[id(follower)]) != len(sited):
            continue
        activation = _as_argument(follower, index[id(follower)])
        if activation is None or follower.compute_dtype != layer.compute_dtype:
            continue
        replace[layer] = [Part(copy_layer(layer, activation=activation), copy_variables(layer))]
        replace[follower] = []
    return rewrite(model, replace, exact=True, probe=probe)


def _only_follower(sited: list[tuple[Any, Any]]) -> Any:
    """The one operation that reads every output of a layer, and nothing else reads them; else None."""
    followers = []
    for graph, node in sited:
        if len(node.outputs) != 1 or graph.is_output(node.outputs[0]):
            return None
        followers += graph.readers(node.outputs[0])
    same = all(node.operation is followers[0].operation for node in followers)
    return followers[0].operation if len(followers) == len(sited) and same else None


def _as_argument(layer: Any, sited: list[tuple[Any, Any]]) -> Any:
    """What to pass as `activation=` in place of `layer`; None where that would not be the same."""
    if getattr(layer, "activity_regularizer", None) is not None:
        return None
    kind = type(layer)
    if kind is layers.Activation:
        inner = layer.activation
        return None if is_linear(inner) or getattr(inner, "variables", None) else inner
    if kind is layers.ReLU and (layer.max_value, layer.negative_slope, layer.threshold) == (None, 0.0, 0.0):
        return keras.activations.relu
    if kind in (layers.ReLU, layers.LeakyReLU, layers.ELU):
        return copy_layer(layer)
    masked = any(node.arguments.kwargs.get("mask") is not None for _, node in sited)
    if kind is layers.Softmax and layer.axis == -1 and not masked:
        return keras.activations.softmax
    return None
