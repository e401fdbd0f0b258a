"""One activation takes the place of another, everywhere."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
from keras import layers

from zoo.activations import Site, families, sites, split_parts, tell_unseen
from zoo.graph import Graph, Part, calls, copy_layer, copy_variables, graphs, names, rewrite, seeds_untouched
from zoo.naming import activation_of

ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}
NOT_ACTIVATIONS = {"get", "serialize", "deserialize"}
NAMES = {
    name for name, value in vars(keras.activations).items() if inspect.isfunction(value)
} - NOT_ACTIVATIONS

# What turns scores into probabilities; on the output of a model that is its classifier.
CLASSIFIERS = {"softmax", "log_softmax", "sigmoid"}
SHAPE_ONLY = (layers.Reshape, layers.Flatten, layers.Permute, layers.Identity)


class SwappedModel(NamedTuple):
    """What `swap_activation` returns; it unpacks: `model, sites = swap_activation(...)`.

    Attributes:
        model: The model with the new activation.
        sites: Names, in `model` as it was given, of the layers whose activation changed, in order.
    """

    model: keras.Model
    sites: tuple[str, ...]


@seeds_untouched()
def swap_activation(
    model: keras.Model, old: Any, new: Any, *, include_classifier: bool = False
) -> SwappedModel:
    """Replace the activation `old` by `new` at every site: $f(z)$ becomes $g(z)$; all weights stay.

    Found are built-in arguments of convolution and dense layers, activation layers, bare operations such as
    `keras.ops.relu` in a graph, and all of these inside nested models. A name covers its layer too: "relu" is
    also `ReLU()`, "relu6" `ReLU(max_value=6)`, "leaky_relu" any `LeakyReLU` and `ReLU(negative_slope=...)`,
    "elu" `ELU`, "softmax" `Softmax`, "prelu" `PReLU`. Recurrent layers and what stands inside wrappers are
    left alone.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        old: A name, such as "relu"; a function, such as `keras.activations.relu`; a layer class, such as
            `keras.layers.LeakyReLU`; or a layer, which stands for all with the same configuration.
        new: A name, a function, a layer class or a layer. A layer is copied for every site, with weights of
            its own: one PReLU passed in is not shared. It cannot be built in, so at a built-in site of layer
            `X` it becomes a layer `X_act`. "linear" removes the activation.
        include_classifier: Also change softmax, log_softmax and sigmoid where their values are the output of
            the model. By default the classifier is left alone.

    Returns:
        The new model, not compiled, and the names of the sites that changed.

    Raises:
        TypeError: `old` or `new` is no activation, or `model` is subclassed.
        ValueError: an unknown name; no site has `old`; or a name `X_act` is taken.

    Example:
        >>> import keras
        >>> from zoo.transforms import swap_activation
        >>> vgg = keras.applications.VGG16(weights=None)
        >>> result = swap_activation(vgg, "relu", "gelu")
        >>> len(result.sites), result.sites[0]
        (15, 'block1_conv1')
    """
    matches = _matcher(old)
    make = _maker(new)
    tell_unseen("swap_activation", model)
    all_sites = sites(model)
    matching = [site for site in all_sites if matches(site)]
    found = graphs(model)
    index = calls(found)
    root = found[0]
    chosen = [s for s in matching if include_classifier or not _is_classifier(s, root, index)]
    if not chosen:
        raise ValueError(_nothing_found(model, old, all_sites, matching))
    taken = names(found)
    replace: dict[Any, list[Part]] = {}
    for site in chosen:
        replace.update(_replacement(site, make, index, taken))
    return SwappedModel(rewrite(model, replace), tuple(site.name for site in chosen))


def _matcher(old: Any) -> Callable[[Site], bool]:
    if isinstance(old, str):
        name = ALIASES.get(old, old)
        known = NAMES | {"prelu"}
        if name == "linear":
            raise ValueError("old='linear' is the absence of an activation, so it has no sites to find.")
        if name not in known:
            near = difflib.get_close_matches(old, sorted(known | set(ALIASES)), n=3) or sorted(known)
            raise ValueError(f"unknown activation old={old!r}; did you mean {', '.join(map(repr, near))}?")
        return lambda site: name in families(site.function)
    if isinstance(old, type) and issubclass(old, layers.Layer):
        return lambda site: isinstance(site.function if site.built_in else site.operation, old)
    if isinstance(old, layers.Layer):
        wanted = _settings(old)
        return lambda site: any(_settings(layer) == wanted for layer in (site.function, site.operation))
    if inspect.isfunction(old) and vars(keras.activations).get(old.__name__) is old:
        return lambda site: old.__name__ in families(site.function)
    if callable(old):
        return lambda site: site.function is old or getattr(site.function, "activation", None) is old
    raise TypeError(f"old must be a name, a function, a layer class or a layer; received {old!r}.")


def _settings(layer: Any) -> tuple[type, dict[str, Any]] | None:
    if not isinstance(layer, layers.Layer):
        return None
    config = layer.get_config()
    return type(layer), {k: v for k, v in config.items() if k not in ("name", "trainable", "dtype")}


def _maker(new: Any) -> Callable[..., layers.Layer] | Callable[[Any], Any]:
    """`new` as a function, which can be built in, or as a `_LayerMaker`, which cannot."""
    if isinstance(new, layers.Activation) and not isinstance(new.activation, layers.Layer):
        return new.activation
    if isinstance(new, type) and issubclass(new, layers.Layer):
        try:
            new = new()
        except TypeError as error:
            raise TypeError(f"new={new.__name__} cannot be made without arguments: pass a layer.") from error
    if isinstance(new, layers.Layer):
        return _LayerMaker(new)
    if isinstance(new, str):
        name = ALIASES.get(new, new)
        if name == "prelu":
            raise ValueError("new='prelu' has weights and is no function: pass keras.layers.PReLU.")
        if name not in NAMES:
            near = difflib.get_close_matches(new, sorted(NAMES | set(ALIASES)), n=3) or sorted(NAMES)
            raise ValueError(f"unknown activation new={new!r}; did you mean {', '.join(map(repr, near))}?")
        return keras.activations.get(name)
    if callable(new):
        return new
    raise TypeError(f"new must be a name, a function, a layer class or a layer; received {new!r}.")


@dataclass(frozen=True)
class _LayerMaker:
    template: layers.Layer

    def __call__(self, **overrides: Any) -> layers.Layer:
        return copy_layer(self.template, **overrides)


def _replacement(
    site: Site, make: Any, index: dict[int, list[tuple[Graph, Any]]], taken: set[str]
) -> dict[Any, list[Part]]:
    operation = site.operation
    if not site.built_in:
        sited = index[id(operation)]
        is_layer = isinstance(operation, layers.Layer)
        dtype = operation.dtype_policy if is_layer else sited[0][1].outputs[0].dtype
        if not isinstance(make, _LayerMaker):
            return {operation: [Part(layers.Activation(make, name=operation.name, dtype=dtype))]}
        if is_layer and operation.variables:
            return {operation: [Part(make(name=operation.name, dtype=dtype))]}
        # Weights belong to a place, not to a function: a layer without any, called at several, becomes
        # several.
        replace = {}
        for position, (_, node) in enumerate(sited, start=1):
            name = operation.name if position == 1 else f"{operation.name}_{position}"
            _take(name, taken, operation, new=position > 1)
            replace[node] = [Part(make(name=name, dtype=dtype))]
        return replace
    if not isinstance(make, _LayerMaker):
        own = operation.activation.variables if isinstance(operation.activation, layers.Layer) else []
        copy = copy_layer(operation, activation=make)
        return {operation: [Part(copy, copy_variables(operation, drop=len(own)))]}
    name = activation_of(operation.name)
    _take(name, taken, operation, new=True)
    linear, _ = split_parts(operation, name)
    if operation.activity_regularizer is not None:
        raise ValueError(
            f"cannot put a layer at {site.name!r}: its activity_regularizer acts on the activated output. "
            f"Build the layer without it, or pass new as a function."
        )
    return {operation: [linear, Part(make(name=name, dtype=operation.dtype_policy))]}


def _take(name: str, taken: set[str], operation: Any, *, new: bool) -> None:
    if new and name in taken:
        raise ValueError(
            f"cannot put a layer at {operation.name!r}: it would be called {name!r}, and the model already "
            f"has a layer of that name. Rename one of the two."
        )
    taken.add(name)


def _is_classifier(site: Site, root: Graph, index: dict[int, list[tuple[Graph, Any]]]) -> bool:
    if not families(site.function) & CLASSIFIERS:
        return False
    return any(
        _reaches_output(graph, tensor, root, index)
        for graph, node in index[id(site.operation)]
        for tensor in node.outputs
    )


def _reaches_output(
    graph: Graph, tensor: Any, root: Graph, index: dict[int, list[tuple[Graph, Any]]]
) -> bool:
    """Whether the values of `tensor` are an output of the outermost model, whatever their shape there."""
    if graph.is_output(tensor):
        if graph is root or graph.model is root.model:
            return True
        position = [id(t) for t in keras.tree.flatten(graph.model.outputs)].index(id(tensor))
        for outer, node in index.get(id(graph.model), []):
            if _reaches_output(outer, node.outputs[position], root, index):
                return True
    return any(
        _reaches_output(graph, output, root, index)
        for node in graph.readers(tensor)
        if isinstance(node.operation, SHAPE_ONLY)
        for output in node.outputs
    )


def _nothing_found(model: keras.Model, old: Any, all_sites: list[Site], matching: list[Site]) -> str:
    if matching:
        return (
            f"the only sites of {old!r} in {model.name!r} are the classifier "
            f"{', '.join(repr(site.name) for site in matching)}; pass include_classifier=True to change it."
        )
    present: dict[str, int] = {}
    for site in all_sites:
        name = "/".join(sorted(families(site.function))) or type(site.function).__name__
        present[name] = present.get(name, 0) + 1
    listed = ", ".join(f"{name} ({count})" for name, count in sorted(present.items())) or "none"
    return f"no site of {model.name!r} applies {old!r}; the activations it has are: {listed}."
