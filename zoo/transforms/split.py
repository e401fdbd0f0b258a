"""Built-in activations become layers of their own."""

from __future__ import annotations

from typing import Any

import keras

from zoo.activations import sites, split_parts, tell_unseen
from zoo.graph import Part, calls, graphs, names, rewrite, seeds_untouched
from zoo.naming import activation_of


@seeds_untouched()
def split_activations(model: keras.Model, *, probe: Any = None) -> keras.Model:
    """Give every built-in activation a layer of its own.

    A layer `X` that computes $f(Wx + b)$ becomes `X`, which computes $z = Wx + b$, followed by the layer
    `X_act`, which computes $f(z)$. The same functions run in the same order, so outputs and gradients are
    equal to the bit; what changes is that $z$ is now a tensor of the graph. `fuse_activations` is the
    inverse.

    A layer that is called several times stays shared, and so does its activation. An activation given as a
    layer, `Conv2D(..., activation=PReLU())`, keeps its weights. Recurrent layers and what stands inside
    wrappers such as `TimeDistributed` are left as they are: their activations are part of a loop.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        probe: Inputs, as `model` takes them, on which every new layer is compared with the original; None
            draws a small batch, False compares nothing.

    Returns:
        A new model, not compiled, with the weights of `model`. Without built-in activations, an equal copy.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph.
        ValueError: it has no graph yet; the name `X_act` is taken; a copy computes something else; or a layer
            with a built-in activation has an `activity_regularizer`, which acts on the activated output and
            which no activation layer can keep when the model is saved.

    Example:
        >>> import keras
        >>> from zoo.transforms import split_activations
        >>> fc = keras.layers.Dense(2, activation="relu", name="fc")
        >>> model = keras.Sequential([keras.Input((4,)), fc])
        >>> [layer.name for layer in split_activations(model).layers]
        ['fc', 'fc_act']
    """
    tell_unseen("split_activations", model)
    found = graphs(model)
    index = calls(found)
    taken = {id(graph): names([graph]) for graph in found}
    replace: dict[Any, list[Part]] = {}
    separate: dict[int, Part] = {}
    for site in sites(model):
        if not site.built_in:
            continue
        layer, activation = site.operation, site.operation.activation
        if layer.activity_regularizer is not None:
            raise ValueError(
                f"cannot split {site.name!r}: its activity_regularizer acts on the activated output, and an "
                f"activation layer does not save one. Build the layer without it, or keep it fused."
            )
        # One activation layer in several layers stays one, with its weights; it is called at each.
        shared = separate.get(id(activation))
        name = activation_of(layer.name) if shared is None else shared.layer.name
        for graph, _ in index[id(layer)]:
            if name in taken[id(graph)] and shared is None:
                raise ValueError(
                    f"cannot split {site.name!r}: its activation layer would be called {name!r}, and the model "
                    f"already has a layer of that name. Rename one of the two before splitting."
                )
        for graph, _ in index[id(layer)]:
            taken[id(graph)].add(name)
        linear, part = split_parts(layer, name)
        if shared is None and isinstance(activation, keras.layers.Layer):
            separate[id(activation)] = part
        replace[layer] = [linear, shared or part]
    return rewrite(model, replace, exact=True, probe=probe)
