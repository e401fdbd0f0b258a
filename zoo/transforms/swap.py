"""One activation takes the place of another, everywhere."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
from keras import layers

from zoo.activations import SEPARATE, Site, classifier_names, families, label, split_parts, tell_unseen
from zoo.activations import sites as sites_of
from zoo.graph import (
    Graph,
    Part,
    calls,
    copy_layer,
    copy_variables,
    full_precision,
    graphs,
    leads_to_its_model,
    names,
    rewrite,
    seeds_untouched,
    shadow,
)
from zoo.graph.internals import keep_remat
from zoo.naming import activation_of
from zoo.slimming.selection import named
from zoo.wording import did_you_mean

ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}
NOT_ACTIVATIONS = {"get", "serialize", "deserialize"}
NAMES = {
    name for name, value in vars(keras.activations).items() if inspect.isfunction(value)
} - NOT_ACTIVATIONS


class _Swapped(NamedTuple):
    model: keras.Model
    sites: tuple[str, ...]


@leads_to_its_model
class SwappedModel(_Swapped):
    """What `swap_activation` returns; it unpacks: `model, sites = swap_activation(...)`.

    Attributes:
        model: The model with the new activation.
        sites: Names, in `model` as it was given, of the layers whose activation changed, in order.
        unseen: Name of each place, or of the layer that may hide one, that no transform can reach -> the reason.
    """

    unseen: dict[str, str]

    def __new__(
        cls, model: keras.Model, sites: tuple[str, ...], unseen: dict[str, str] | None = None
    ) -> SwappedModel:
        """Beside the pair that unpacks, what was not seen."""
        made = super().__new__(cls, model, sites)
        made.unseen = dict(unseen or {})
        return made


@seeds_untouched()
def swap_activation(
    model: keras.Model,
    old: Any,
    new: Any,
    *,
    sites: Any = None,
    include_classifier: bool = False,
    probe: Any = None,
) -> SwappedModel:
    """Replace the activation `old` by `new`, at every site or at some: $f(z)$ becomes $g(z)$; all weights stay.

    Found are built-in arguments of convolution and dense layers, activation layers, bare operations such as
    `keras.ops.relu` in a graph, and all of these inside nested models. A name covers its layer too: "relu" is
    also `ReLU()`, "relu6" `ReLU(max_value=6)`, "leaky_relu" any `LeakyReLU` and `ReLU(negative_slope=...)`,
    "elu" `ELU`, "softmax" `Softmax`, "prelu" `PReLU`. A function of one's own called `swish`, or a subclass of
    `ReLU` with a `call` of its own, is neither silu nor relu; where no site has the stock function, the name
    under which the error lists it finds it. Recurrent layers and what stands inside wrappers are left alone.

    All that stays is compared with the original on a batch, each layer on what the original layer got; a changed
    site with the old function put back.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        old: A name, such as "relu"; a function, such as `keras.activations.relu`; a layer class, such as
            `keras.layers.LeakyReLU`; or a layer, which stands for all with the same configuration, `Activation` for its
            function.
        new: A name, a function, a layer class or a layer. A layer is copied for every site, with weights of
            its own: one PReLU passed in is not shared. It cannot be built in, so at a built-in site of layer
            `X` it becomes a layer `X_act`; a plain `Activation` stands for its function. "linear" removes the activation.
        sites: Name or names of the sites to change, as `zoo.probes.activation_stats` lists them; None for all that
            apply `old`.
        include_classifier: Also change softmax, log_softmax and sigmoid where their values are the output of
            the model. By default the classifier is left alone.
        probe: The batch, as `model` takes it; None draws a small one, False compares nothing.

    Returns:
        The new model, not compiled, and the names of the sites that changed; `.unseen` has those out of reach,
        which a warning names too.

    Raises:
        TypeError: `old` or `new` is no activation, or `model` is subclassed.
        ValueError: an unknown name; no site has `old`; one of `sites` does not have it, or is the classifier; a name
            `X_act` is taken; `new` cannot stand at a site; an activation inside a layer has an `activity_regularizer`,
            which would be lost; or a copy computes something else.

    Example:
        >>> import keras
        >>> from zoo.transforms import swap_activation
        >>> vgg = keras.applications.VGG16(weights=None)
        >>> result = swap_activation(vgg, "relu", "gelu")
        >>> len(result.sites), result.sites[0]
        (15, 'block1_conv1')
        >>> all_but_the_first = result.sites[1:]
        >>> result = swap_activation(vgg, "relu", "gelu", sites=all_but_the_first)
        >>> vgg.layers[1].activation is result.model.layers[1].activation
        True
    """
    make = _maker(new)
    hidden = tell_unseen("swap_activation", model)
    all_sites = sites_of(model)
    matching = _matching(old, all_sites)
    found = graphs(model)
    index = calls(found)
    spared = set() if include_classifier else classifier_names(model, matching)
    chosen = [site for site in matching if site.name not in spared]
    if not chosen:
        raise ValueError(_nothing_found(model, old, all_sites, matching))
    if sites is not None:
        chosen = _only(named(model, all_sites, sites, "sites"), chosen, old, spared)
    taken = {id(graph): names([graph]) for graph in found}
    replace: dict[Any, list[Part]] = {}
    undone: dict[Any, Callable[..., Any]] = {}
    for site in chosen:
        parts = _replacement(site, make, index, taken)
        replace.update(parts)
        if site.built_in:
            undone[site.operation] = _with_the_old(site.operation, parts[site.operation])
    new_model = rewrite(model, replace, undone=undone, probe=probe)
    return SwappedModel(new_model, tuple(site.name for site in chosen), hidden)


def _only(asked: list[Site], chosen: list[Site], old: Any, spared: set[str]) -> list[Site]:
    """The sites that were asked for, each of which may change."""
    for site in asked:
        if site in chosen:
            continue
        if site.name in spared:
            raise ValueError(
                f"sites names {site.name!r}, the classifier; leave it out, or pass include_classifier=True."
            )
        raise ValueError(
            f"sites names {site.name!r}, which applies {label(site.function)}, not {old!r}; leave it out."
        )
    return asked


def _with_the_old(layer: Any, parts: list[Part]) -> Callable[..., Any]:
    """What `layer` computes, by the new layer in its place with the old activation."""
    # In a call of the layer, as the original has it: that is where Keras passes a mask on.
    return lambda *args, **kwargs: shadow(parts[0].layer, {"activation": layer.activation})(*args, **kwargs)


def _matching(old: Any, found: list[Site]) -> list[Site]:
    if not isinstance(old, str):
        return [site for site in found if _matcher(old)(site)]
    name = ALIASES.get(old, old)
    known = NAMES | {"prelu"}
    if name == "linear":
        raise ValueError("old='linear' is the absence of an activation, so it has no sites to find.")
    # A function of one's own goes by the name under which it is listed, unless a stock one has that name here.
    for names_of in (lambda site: families(site.function), lambda site: {label(site.function)}):
        matching = [site for site in found if {name, old} & names_of(site)]
        if matching:
            if not any(families(site.function) for site in matching):
                _refuse_namesakes(old, matching)
            return matching
    if name not in known:
        raise ValueError(f"unknown activation old={old!r}; {did_you_mean(old, sorted(known | set(ALIASES)))}")
    return []


def _refuse_namesakes(old: str, matching: list[Site]) -> None:
    """Refuse a name that two functions of one's own have, such as two lambdas."""
    functions: dict[int, str] = {}
    for site in matching:
        function = site.function.activation if isinstance(site.function, layers.Activation) else site.function
        if inspect.isroutine(function) or isinstance(function, functools.partial):
            functions.setdefault(id(function), site.name)
    if len(functions) > 1:
        raise ValueError(
            f"old={old!r} is the name of {len(functions)} different functions, at {', '.join(map(repr, functions.values()))}: "
            f"pass the function itself, such as model.get_layer(...).activation."
        )


def _matcher(old: Any) -> Callable[[Site], bool]:
    if isinstance(old, type) and issubclass(old, layers.Layer):
        return lambda site: _is_a(site.function if site.built_in else site.operation, old)
    if isinstance(old, layers.Activation) and _is_a(old, layers.Activation):
        # It stands for its function, which a configuration only names.
        return _matcher(old.activation)
    if isinstance(old, layers.Layer):
        wanted = _settings(old)
        return lambda site: any(_settings(layer) == wanted for layer in (site.function, site.operation))
    if inspect.isfunction(old) and vars(keras.activations).get(old.__name__) is old:
        return lambda site: old.__name__ in families(site.function)
    if callable(old):
        return lambda site: site.function is old or getattr(site.function, "activation", None) is old
    raise TypeError(f"old must be a name, a function, a layer class or a layer; received {old!r}.")


def _is_a(layer: Any, cls: Any) -> bool:
    """Whether `layer` is of the class `cls` and computes by its code, not by that of a subclass."""
    own: Any = type(layer)
    return isinstance(layer, cls) and own.call is cls.call and own.__call__ is cls.__call__


def _settings(layer: Any) -> tuple[type, dict[str, Any]] | None:
    if not isinstance(layer, layers.Layer):
        return None
    config = layer.get_config()
    return type(layer), {k: v for k, v in config.items() if k not in ("name", "trainable", "dtype")}


def _maker(new: Any) -> Callable[..., layers.Layer] | Callable[[Any], Any]:
    """`new` as a function, which can be built in, or as a `_LayerMaker`, which cannot."""
    stands_for_its_function = _is_a(new, layers.Activation) and new.activity_regularizer is None
    if stands_for_its_function and not isinstance(new.activation, layers.Layer):
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
            raise ValueError(
                f"unknown activation new={new!r}; {did_you_mean(new, sorted(NAMES | set(ALIASES)))}"
            )
        return keras.activations.get(name)
    if callable(new):
        return new
    raise TypeError(f"new must be a name, a function, a layer class or a layer; received {new!r}.")


@dataclass(frozen=True)
class _LayerMaker:
    template: layers.Layer

    def __call__(self, beside: Any, **overrides: Any) -> layers.Layer:
        new = copy_layer(self.template, **overrides)
        keep_remat(beside, new)
        if new.activity_regularizer is None:
            new.activity_regularizer = getattr(beside, "activity_regularizer", None)
        return new


def _replacement(
    site: Site, make: Any, index: dict[int, list[tuple[Graph, Any]]], taken: dict[int, set[str]]
) -> dict[Any, list[Part]]:
    operation = site.operation
    if site.function is not operation and getattr(site.function, "activity_regularizer", None) is not None:
        raise ValueError(
            f"cannot swap {site.name!r}: the activity_regularizer of the layer that is its activation would be lost with "
            f"it. Build that layer without."
        )
    if not site.built_in:
        sited = index[id(operation)]
        is_layer = isinstance(operation, layers.Layer)
        options = {
            "dtype": full_precision(operation.dtype_policy) if is_layer else sited[0][1].outputs[0].dtype,
            "trainable": operation.trainable if is_layer else True,
        }
        regularizer = getattr(operation, "activity_regularizer", None)
        if not isinstance(make, _LayerMaker):
            new = layers.Activation(make, name=operation.name, activity_regularizer=regularizer, **options)
            keep_remat(operation, new)
            return {operation: [Part(new)]}
        for _, node in sited:
            _refuse_unfit(make.template, site.name, node.input_tensors[0].shape)
        if is_layer and operation.variables:
            _refuse_unlike(make.template, site.name, [node.input_tensors[0].shape for _, node in sited])
            return {operation: [Part(make(beside=operation, name=operation.name, **options))]}
        # Weights belong to a place, not to a function: a layer without any, called at several, becomes
        # several.
        replace = {}
        for position, (graph, node) in enumerate(sited, start=1):
            name = operation.name if position == 1 else f"{operation.name}_{position}"
            _take(name, [taken[id(graph)]], operation, new=position > 1)
            replace[node] = [Part(make(beside=operation, name=name, **options))]
        return replace
    if not isinstance(make, _LayerMaker):
        own = operation.activation.variables if isinstance(operation.activation, layers.Layer) else []
        copy = copy_layer(operation, activation=make)
        return {operation: [Part(copy, copy_variables(operation, drop=len(own)))]}
    name = activation_of(operation.name)
    sited = index[id(operation)]
    for _, node in sited:
        _refuse_unfit(make.template, site.name, node.outputs[0].shape)
    _refuse_unlike(make.template, site.name, [node.outputs[0].shape for _, node in sited])
    _take(name, [taken[id(graph)] for graph, _ in sited], operation, new=True)
    linear, _ = split_parts(operation, name)
    if operation.activity_regularizer is not None:
        raise ValueError(
            f"cannot put a layer at {site.name!r}: its activity_regularizer acts on the activated output. "
            f"Build the layer without it, or pass new as a function."
        )
    options = {"dtype": full_precision(operation.dtype_policy), "trainable": operation.trainable}
    return {operation: [linear, Part(make(beside=operation, name=name, **options))]}


def _refuse_unfit(template: Any, site: str, shape: tuple[int | None, ...]) -> None:
    """Say at which site the slopes of a PReLU have no place, or no known number."""
    if not isinstance(template, layers.PReLU):
        return
    shared = template.shared_axes or []
    inner = range(1, len(shape))
    outside = [axis for axis in shared if axis not in inner]
    if outside:
        raise ValueError(
            f"cannot put PReLU(shared_axes={list(shared)!r}) at {site!r}, whose values have the shape "
            f"{tuple(shape)}: there is no axis {outside[0]} to share slopes along. Swap the sites of images and of "
            f"dense layers one after the other, by function or layer, or share no axes."
        )
    unknown = [axis for axis in inner if shape[axis] is None and axis not in shared]
    if unknown:
        raise ValueError(
            f"cannot put a PReLU at {site!r}, whose values have the shape {tuple(shape)}: it has a slope for each "
            f"place along the axes {unknown}, and their sizes are not known. Pass keras.layers.PReLU(shared_axes="
            f"{sorted({*shared, *unknown})!r}), or fix the sizes in keras.Input."
        )


def _refuse_unlike(template: Any, site: str, shapes: list[tuple[int | None, ...]]) -> None:
    """Say which calls of one site the slopes of one PReLU do not fit together."""
    if not isinstance(template, layers.PReLU):
        return
    shared = template.shared_axes or []
    first, *others = shapes
    other = next((shape for shape in others if len(shape) != len(first)), None)
    unlike = {i for s in others if other is None for i in range(1, len(s)) if s[i] != first[i]} - {*shared}
    if other is None and not unlike:
        return
    other = other or next(s for s in others if any(s[i] != first[i] for i in unlike))
    advice = f"Pass keras.layers.PReLU(shared_axes={sorted({*shared, *unlike})!r}), or g" if unlike else "G"
    raise ValueError(
        f"cannot put a PReLU at {site!r}, which is called on shape {tuple(first)} and on {tuple(other)}: its slopes do "
        f"not fit both. {advice}ive each place a layer of its own."
    )


def _take(name: str, taken: list[set[str]], operation: Any, *, new: bool) -> None:
    if new and any(name in known for known in taken):
        raise ValueError(
            f"cannot put a layer at {operation.name!r}: it would be called {name!r}, and the model already "
            f"has a layer of that name. Rename one of the two."
        )
    for known in taken:
        known.add(name)


def _nothing_found(model: keras.Model, old: Any, all_sites: list[Site], matching: list[Site]) -> str:
    if matching:
        return (
            f"the only sites of {old!r} in {model.name!r} are the classifier "
            f"{', '.join(repr(site.name) for site in matching)}; pass include_classifier=True to change it."
        )
    present: dict[str, int] = {}
    for site in all_sites:
        name = label(site.function)
        present[name] = present.get(name, 0) + 1
    listed = ", ".join(f"{name} ({count})" for name, count in sorted(present.items())) or "none"
    own = isinstance(old, type) and issubclass(old, layers.Layer) and not issubclass(old, SEPARATE)
    instead = " zoo.surgery.replace(model, old, new) replaces the layers of any class." if own else ""
    return f"no site of {model.name!r} applies {old!r}; the activations it has are: {listed}.{instead}"
