"""The catalog as data for the zoo page. Needs Keras: `scripts/make_docs.py` calls it, building never does."""

from __future__ import annotations

import re
from typing import Any

import keras

import zoo
from zoo.catalog import lookup, specify
from zoo.graph import graphs
from zoo.placement import FAMILIES as BEYOND
from zoo.site.from_graph import label
from zoo.spec import (
    FAMILIES,
    FORMS,
    LAYOUTS,
    NORMALIZATIONS,
    PLAIN_ORDERINGS,
    RESIDUAL_ORDERINGS,
    ROLLED,
    SHORTCUTS,
)
from zoo.transforms.fold import plan

#: One member of each family stands for it where options are tried.
_REPRESENTATIVE = {
    "mlp": ("mlp",),
    "convnet": ("convnet",),
    "vgg": ("vgg11",),
    "plain": ("plain20",),
    "resnet": ("resnet20", "resnet50", "resnet164"),
    "mobilenetv2": ("mobilenetv2",),
    "xception": ("xception",),
    "densenet": ("densenet40", "densenet121"),
    "convnext": ("convnexttiny",),
    # Of this depth there is a net for one, two, three and four convolutions a unit.
    "wrn": ("wrn40_2",),
    "repvgg": ("repvgg",),
}
_OPTIONS = {
    "form": FORMS,
    "ordering": (*PLAIN_ORDERINGS, *RESIDUAL_ORDERINGS),
    "shortcut": SHORTCUTS,
    "layout": (*LAYOUTS, "cifar", "imagenet"),
    "normalization": (*NORMALIZATIONS, "layer"),
    "block": ("basic", "bottleneck"),
    "activated": ("all", "last"),
    "downsampling": ("max_pool", "average_pool", "stride", "none"),
    "pooling_order": ("act_pool", "pool_act"),
    "padding": ("same", "valid"),
    "rolled": ROLLED,
    "narrow_activation": ("relu",),
    "depthwise_activation": ("relu",),
    "between_activation": ("relu",),
    "activations_per_block": (1, 2, 3),
    "norms_per_block": (1, 2, 3),
    "convolutions": (1, 2, 3, 4),
    "dropout_rate": (0.3,),
    "merged": (False, True),
}
_UNIT = re.compile(
    r"(stage\d+_unit\d+|conv\d+_block\d+|convnext_[a-z]+_(?:stage_\d+_block_\d+|stem|head)|stage\d+|block\d+|stem|head)"
)


def options() -> dict[str, Any]:
    """Families x options: which values each family takes, and the reason where it refuses one.

    A value counts as taken where some combination with the other options takes it: `"builtin"` needs an
    ordering that allows it, and the keras layout needs bottleneck units.
    """
    rows = []
    for option, values in _OPTIONS.items():
        for value in values:
            cells = {family: _taken(family, option, value) for family in FAMILIES}
            rows.append({"option": option, "value": str(value), "families": cells})
    return {"families": list(FAMILIES), "rows": rows}


def _taken(family: str, option: str, value: object) -> str:
    """Empty where the family takes the value, else the shortest reason it gives."""
    reasons = []
    for name in _REPRESENTATIVE[family]:
        default = specify(name)
        if getattr(default, option) == value:
            return ""
        for helper in _helpers(family):
            try:
                specify(name, **{**helper, option: value})
            except ValueError as error:
                reasons.append(str(error))
            else:
                return ""
    return min(reasons, key=len)


def _helpers(family: str) -> list[dict[str, Any]]:
    if family in BEYOND:
        orderings = BEYOND[family].orderings
    else:
        orderings = RESIDUAL_ORDERINGS if family == "resnet" else PLAIN_ORDERINGS
    helpers = [{}, *({"ordering": ordering} for ordering in orderings)]
    if family == "resnet":
        helpers += [{"shortcut": "dropout"}]
        helpers += [{"shortcut": "projection"}, {"shortcut": "projection", "ordering": "full_pre_activation"}]
    return helpers


def table() -> list[dict[str, Any]]:
    """One row a model: its card, its layers by unit, and how many BatchNorms fold."""
    rows = []
    for name in sorted(zoo.list_models(), key=_natural):
        rows.append(row(name))
        keras.backend.clear_session()
    return rows


def _natural(name: str) -> tuple[str, int, str]:
    family, digits, rest = re.fullmatch(r"([a-z]+)(\d*)(.*)", name).groups()
    return family, int(digits or 0), rest


def row(name: str) -> dict[str, Any]:
    """The row of one model."""
    entry = lookup(name)
    imagenet = entry.family == "vgg" or entry.stem == "imagenet" or entry.defaults["layout"] == "keras"
    size = {"input_shape": (224, 224, 3), "classes": 1000} if imagenet else {}
    card = zoo.describe(name, **size)
    model = zoo.build(name, **size)
    norms = [op for op in model.operations if isinstance(op, keras.layers.BatchNormalization)]
    return {
        **{
            k: getattr(card, k)
            for k in ("name", "family", "depth", "form", "ordering", "placement", "layout")
        },
        **{k: getattr(card, k) for k in ("block", "shortcut", "layers", "parameters", "flops", "reference")},
        "input_shape": list(card.input_shape),
        "trainable": card.trainable_parameters,
        "norms": len(norms),
        "foldable": len(plan(graphs(model)).folded),
        "units": units(model),
    }


def units(model: keras.Model) -> list[dict[str, Any]]:
    """The layers by unit; equal units in a row are one entry with a count."""
    grouped: list[tuple[str, list]] = []
    for op in model.operations:
        found = _UNIT.match(op.name)
        unit = found[1] if found else op.name
        if not grouped or grouped[-1][0] != unit:
            grouped.append((unit, []))
        grouped[-1][1].append(op)
    entries: list[dict[str, Any]] = []
    for unit, ops in grouped:
        labels = [_words(op) for op in ops]
        shape = list(ops[-1].output.shape[1:])
        parameters = sum(op.count_params() for op in ops if isinstance(op, keras.layers.Layer))
        same = {"layers": labels, "shape": shape, "parameters": parameters}
        if entries and {k: entries[-1][k] for k in same} == same:
            entries[-1]["last"] = unit
            entries[-1]["count"] += 1
        else:
            entries.append({"first": unit, "last": unit, "count": 1, **same})
    return entries


def _words(op) -> str:
    if isinstance(op, keras.layers.InputLayer):
        return "input"
    text = label(op)[0]
    built_in = getattr(op, "activation", None)
    linear = isinstance(op, keras.layers.Activation) or built_in in (None, keras.activations.linear)
    return text if linear else f"{text}, {keras.activations.serialize(built_in)} inside"
