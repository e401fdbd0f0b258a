"""Which activation sites are meant: by name, without the classifier unless it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
from keras import layers

from zoo.activations import Site, classifier_names, families, sites
from zoo.graph import Graph, Part, graphs
from zoo.layers import BlendedActivation
from zoo.wording import did_you_mean

# Their output has another shape than their input, or no value of its own for each input.
RESHAPING = {"glu"}


def choose(
    model: keras.Model, names: Any, *, include_classifier: bool, argument: str, all_by_default: bool = False
) -> list[Site]:
    """The sites of `model` with those names, in the order of the computation.

    Args:
        model: A Functional or built Sequential model.
        names: One name or several.
        include_classifier: Whether the classifier may be among them.
        argument: What the caller calls `names`; for messages.
        all_by_default: Whether None stands for all but the classifier.

    Raises:
        TypeError: `model` cannot be read, or `names` are no names.
        ValueError: a name that is no site, occurs twice, or is the classifier; a blended activation in
            `model`; or a site whose output has another shape than its input.
    """
    refuse_blended(model)
    present = sites(model)
    classifiers = classifier_names(model, present)
    if names is None and all_by_default:
        chosen = [s for s in present if include_classifier or s.name not in classifiers]
    else:
        chosen = named(model, present, names, argument)
        for site in chosen:
            if site.name in classifiers and not include_classifier:
                raise ValueError(
                    f"{argument} names {site.name!r}, the classifier of {model.name!r}: without it the outputs are no "
                    f"probabilities. Leave it out, or pass include_classifier=True."
                )
    for site in chosen:
        if families(site.function) & RESHAPING:
            if names is not None:
                raise ValueError(
                    f"{argument} names {site.name!r}, which applies {sorted(families(site.function))[0]}: its output "
                    f"has another shape than its input, so that no linear map channel by channel takes its place."
                )
    return [site for site in chosen if not families(site.function) & RESHAPING]


def named(model: keras.Model, present: list[Site], names: Any, argument: str) -> list[Site]:
    """Those of the sites of `model` that have these names, in the order of the computation.

    Raises:
        TypeError: `names` are no names.
        ValueError: a name that is no site, or occurs twice; or no name at all.
    """
    wanted = _as_names(names, argument)
    known = [site.name for site in present]
    for name in wanted:
        if name not in known:
            raise ValueError(_unknown(model, name, known, argument))
    return [site for site in present if site.name in set(wanted)]


def refuse_blended(model: keras.Model) -> None:
    """Raise ValueError if `model` has a `BlendedActivation`, which is neither activation nor identity."""
    blended = [
        f"{graph.path}{node.operation.name}"
        for graph in graphs(model)
        for node in graph.nodes
        if isinstance(node.operation, BlendedActivation)
    ]
    if blended:
        raise ValueError(
            f"{model.name!r} has blended activations: {', '.join(map(repr, dict.fromkeys(blended)))}. Turn each of "
            f"them into the activation or the identity first: zoo.transforms.harden(model)."
        )


def keep_one(found: list[Graph], replace: dict[Any, list[Part]]) -> None:
    """Where all layers of a Sequential model would go, leave the last as the identity: Keras calls no empty one."""
    for graph in found:
        gone = [node.operation for node in graph.nodes if replace.get(node.operation, True) == []]
        if isinstance(graph.model, keras.Sequential) and gone and len(gone) == len(graph.nodes):
            replace[gone[-1]] = [Part(layers.Identity(name=gone[-1].name))]


def _as_names(names: Any, argument: str) -> list[str]:
    listed = [names] if isinstance(names, str) else names
    if not isinstance(listed, Iterable) or isinstance(listed, (bytes, dict)):
        raise TypeError(
            f"{argument} must be a name or several names of activation sites, received {names!r}.{_name_of(names)}"
        )
    listed = list(listed)
    for name in listed:
        if not isinstance(name, str):
            raise TypeError(
                f"{argument} must hold names of activation sites, received {name!r} of type {type(name).__name__}."
                f"{_name_of(name)}"
            )
    twice = sorted({name for name in listed if listed.count(name) > 1})
    if twice:
        raise ValueError(f"{argument} names {', '.join(map(repr, twice))} more than once.")
    if not listed:
        raise ValueError(f"{argument} names no site: there is nothing to do.")
    return listed


def _name_of(received: Any) -> str:
    """The name in what has one: a row of `zoo.probes`, a layer, a site."""
    if isinstance(received, dict):
        return f" Pass its name, row['site']: {received['site']!r}." if "site" in received else ""
    name = getattr(received, "name", None)
    return f" Pass its name, {name!r}." if isinstance(name, str) else ""


def _unknown(model: keras.Model, name: str, known: list[str], argument: str) -> str:
    return (
        f"{argument} names {name!r}, which is no activation site of {model.name!r}; {did_you_mean(name, known)} "
        f"zoo.probes.activation_stats lists them all."
    )
