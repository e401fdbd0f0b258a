"""The row of a part of a unit, with the options of a spec put in, becomes layers."""

from __future__ import annotations

from collections.abc import Callable

from zoo.blocks import Parts, place
from zoo.family import FAMILIES
from zoo.spec import ModelSpec


def row(part: str, spec: ModelSpec) -> str:
    """The operations round one part, without the words that an option of the spec takes away."""
    family = FAMILIES[spec.family]
    gone = set()
    if part in family.activations and getattr(spec, family.activations[part]) is None:
        gone.add("act")
    for word, option in (("act", "activations_per_block"), ("norm", "norms_per_block")):
        kept = family.per_block.get(word)
        if kept and part in family.in_block and part not in kept[getattr(spec, option)]:
            gone.add(word)
    return " ".join(word for word in family.rows[part].split() if word not in gone)


def words(spec: ModelSpec) -> str:
    """A unit in words, in the order of execution, `|` between its parts."""
    family, said = FAMILIES[spec.family], []
    parts = family.unit if family.unit else (spec.ordering,) * (1 if spec.block == "basic" else 2)
    for part in parts:
        # A part of a name alone is what the skeleton does there: a convolution, an addition.
        after = row(part, spec) if part in family.rows else ""
        said.append(f"{part} {after}".strip() if part in ("conv", "scale", "add") else after)
    return " | ".join(said)


def around(x, part: str, layer: str, spec: ModelSpec, parts: Parts, linear: Callable | None = None):
    """Apply the row of a part.

    Args:
        x: Input tensor.
        part: A key of the rows of the spec's family.
        layer: Name of the layer that normalisation and activation serve.
        spec: The net.
        parts: Its layers.
        linear: The convolution or dense layer, a function of a tensor and a built-in activation.
    """
    option = FAMILIES[spec.family].activations.get(part)
    given = getattr(spec, option) if option else None
    if given is not None and given != "same":
        parts = parts.activated_by(option, given)
    return place(x, row(part, spec), layer, parts, linear=linear)
