"""Block diagrams from built graphs. Needs Keras: `scripts/make_docs.py` calls it, building never does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher

import keras

import zoo
from zoo.graph import producer
from zoo.placement import LAYOUT
from zoo.site import draw
from zoo.spec import LAYOUTS, NORMALIZATIONS, PLAIN_ORDERINGS, RESIDUAL_ORDERINGS, SHORTCUTS

_ACTIVATIONS = {"relu": "ReLU", "linear": "none"}


def label(op) -> tuple[str, str]:
    """What a box says, and its kind."""
    kind = type(op).__name__
    if isinstance(op, keras.layers.BatchNormalization):
        return "BatchNorm", "layer"
    if isinstance(op, (keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)):
        stride = f", /{op.strides[0]}" if op.strides[0] > 1 else ""
        separable = isinstance(op, keras.layers.SeparableConv2D)
        what = f"separable {op.kernel_size[0]}×{op.kernel_size[1]}, {op.filters}" if separable else ""
        return (what or f"depthwise {op.kernel_size[0]}×{op.kernel_size[1]}") + stride, "layer"
    if isinstance(op, keras.layers.Conv2D):
        what = "standardised conv" if kind == "ScaledStandardizedConv2D" else "conv"
        stride = f", /{op.strides[0]}" if op.strides[0] > 1 else ""
        bias = " + bias" if op.use_bias else ""
        return f"{what} {op.kernel_size[0]}×{op.kernel_size[1]}, {op.filters}{stride}{bias}", "layer"
    if isinstance(op, keras.layers.Dense):
        return f"dense, {op.units}", "layer"
    if isinstance(op, keras.layers.Activation):
        return activation_name(op.activation), "act"
    if isinstance(op, keras.layers.Rescaling):
        return ("1 − g" if op.offset else f"× {op.scale:g}"), "layer"
    if isinstance(op, keras.layers.MaxPooling2D) and op.pool_size[0] == 1:
        return f"every {op.strides[0]}nd pixel", "layer"
    if isinstance(op, (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)):
        how = "max" if kind.startswith("Max") else "average"
        return f"{how}-pool {op.pool_size[0]}×{op.pool_size[1]}", "layer"
    if isinstance(op, keras.layers.ZeroPadding2D):
        if op.data_format != keras.config.image_data_format():  # told so, it pads the channels
            return "channels of zeros", "layer"
        return f"zero border, {op.padding[0][0]}", "layer"
    if isinstance(op, keras.layers.Dropout):
        return f"dropout {op.rate:g}", "layer"
    fixed = {
        "Add": ("+", "point"),
        "Concatenate": ("concatenate", "layer"),
        "BranchScale": ("× α, a learned number", "layer"),
        "LayerNormalization": ("LayerNorm", "layer"),
        "EinsumDense": ("× a factor a channel", "layer"),
        "Multiply": ("×", "point"),
        "Flatten": ("flatten", "layer"),
        "GlobalAveragePooling2D": ("global average pool", "layer"),
        "InputLayer": ("image", "port"),
    }
    if kind not in fixed:
        raise ValueError(f"no label for the layer class {kind} of {op.name!r}; add one to label()")
    return fixed[kind]


def activation_name(function) -> str:
    """What a box calls an activation function."""
    name = keras.activations.serialize(function)
    return _ACTIVATIONS.get(name, name)


def sources(op) -> list:
    """The operations whose outputs this one reads."""
    if isinstance(op, keras.layers.InputLayer):
        return []
    return [producer(tensor).operation for tensor in keras.tree.flatten(op.input)]


def blocks(model: keras.Model, chosen: set[str], *, borders: bool) -> list[draw.Block]:
    """The chosen layers of a model as boxes, between an input and an output port.

    `borders` shows zero padding that is a layer of its own, which matters where layouts are told apart.
    """
    found, skipped = [], {}
    for op in model.operations:
        if op.name not in chosen:
            continue
        if isinstance(op, keras.layers.ZeroPadding2D) and not borders:
            (skipped[op.name],) = (s.name for s in sources(op))
            continue
        text, kind = label(op)
        built_in = getattr(op, "activation", None)
        inside = ""
        linear = built_in is keras.activations.linear
        if isinstance(op, (keras.layers.Conv2D, keras.layers.Dense)) and not linear:
            inside = activation_name(built_in)
        read = [skipped.get(s.name, s.name) for s in sources(op)]
        after = tuple(dict.fromkeys(name if name in chosen else "x" for name in read))
        found.append(draw.Block(name=op.name, label=text, kind=kind, inside=inside, after=after))
    read = {name for block in found for name in block.after}
    ends = tuple(block.name for block in found if block.name not in read)
    begin = [draw.Block(name="x", label="x", kind="port")] if "x" in read else []
    return [*begin, *found, draw.Block(name="y", label="y", kind="port", after=ends)]


def describe(drawn: list[draw.Block]) -> str:
    """The drawing in words, for people who cannot see it."""
    steps = []
    labels = {b.name: b.label for b in drawn}
    for b in drawn:
        if b.after:
            inside = f" with {b.inside} inside" if b.inside else ""
            steps.append(f"{labels[b.name]}{inside} reads {' and '.join(labels[s] for s in b.after)}")
    return "From top to bottom: " + "; ".join(steps) + "."


def named(model: keras.Model, *prefixes: str) -> set[str]:
    """Layers whose names start with one of the prefixes."""
    return {op.name for op in model.operations if op.name.startswith(prefixes)}


def up_to_addition(model: keras.Model, count: int, after: int = 0) -> set[str]:
    """Layers on the way to addition number `count`, less those on the way to addition number `after`."""

    def above(op) -> set[str]:
        found, todo = set(), [op]
        while todo:
            here = todo.pop()
            if here.name not in found:
                found.add(here.name)
                todo += sources(here)
        return found

    additions = [op for op in model.operations if isinstance(op, keras.layers.Add)]
    return above(additions[count - 1]) - (above(additions[after - 1]) if after else set())


def diagrams() -> dict[str, tuple]:
    """Name of each diagram, and how to make it: (model name, options, chooser of layers, title)."""

    def stage(*prefixes):
        return lambda model: named(model, *prefixes)

    made = {}
    for ordering in RESIDUAL_ORDERINGS:
        options = {"ordering": ordering}
        made[f"unit-{ordering}"] = ("resnet14", options, stage("stage1_unit2_"), f"Residual unit, {ordering}")
        made[f"bottleneck-{ordering}"] = (
            "resnet20",
            {**options, "block": "bottleneck"},
            stage("stage1_unit2_"),
            f"Bottleneck unit, {ordering}",
        )
        made[f"projection-{ordering}"] = (
            "resnet14",
            {**options, "shortcut": "projection"},
            stage("stage2_unit1_"),
            f"Residual unit that changes the shape, {ordering}, with projection",
        )
    for ordering in PLAIN_ORDERINGS:
        made[f"plain-{ordering}"] = (
            "plain8",
            {"ordering": ordering},
            stage("stage1_conv1", "stage1_conv2"),
            f"Two plain convolutions, {ordering}",
        )
    forms = {
        "separate": "Activation as a layer of its own",
        "builtin": "Activation as an argument of the layer",
    }
    for form, title in forms.items():
        made[f"form-{form}"] = (
            "convnet2",
            {"form": form, "downsampling": "none"},
            stage("stage1_conv"),
            title,
        )
    for order, title in (("act_pool", "Activation, then pooling"), ("pool_act", "Pooling, then activation")):
        made[f"pool-{order}"] = ("convnet2", {"pooling_order": order}, stage("stage1_"), title)
    for shortcut in SHORTCUTS:
        unit = stage("stage2_unit1_" if shortcut in ("identity_pad", "projection") else "stage1_unit2_")
        made[f"shortcut-{shortcut}"] = ("resnet14", {"shortcut": shortcut}, unit, f"Shortcut: {shortcut}")
    for layout in (name for name in LAYOUTS if LAYOUT[name][1] is not None):
        name, options = "resnet20v2", {"layout": layout, "block": "bottleneck", "shortcut": "projection"}
        if layout == "he2016":
            options.pop("shortcut")
        made[f"layout-{layout}"] = (
            name,
            options,
            lambda model: up_to_addition(model, 1),
            f"Stem and first unit of a pre-activation net, layout {layout}",
        )
        strided = 2 if layout == "keras" else 3
        made[f"stride-{layout}"] = (
            name,
            options,
            lambda model, strided=strided: up_to_addition(model, strided, strided - 1),
            f"The unit that halves the resolution, layout {layout}",
        )
    for family, (name, options, unit) in _UNITS.items():
        made[f"family-{family}"] = (
            name,
            options,
            stage(unit),
            f"Unit of {family.replace('-', ', ').replace('_', ' ')}",
        )
    made["normalization-skipinit-pre_activation"] = (
        "resnet14v2",
        {"normalization": "skipinit"},
        stage("stage1_unit2_"),
        "Residual unit, pre-activation, normalization skipinit",
    )
    made["mixed"] = (
        "plain8",
        {"activation": ("tanh", "relu", "relu"), "ordering": "conv_norm_act"},
        stage("stage1_conv2", "stage2_conv1"),
        "The end of a stage with tanh and the beginning of one with ReLU",
    )
    for normalization in (n for n in NORMALIZATIONS if n not in ("batch", None)):
        made[f"normalization-{normalization}"] = (
            "resnet14v2" if normalization == "nf_resnet" else "resnet14",
            {"normalization": normalization},
            stage("stage1_unit2_"),
            f"Residual unit, normalization {normalization}",
        )
    return made


# Family -> a small member of it, its options, and how the layers of one of its units begin.
_UNITS = {
    "mobilenetv2": ("mobilenetv2", {}, "stage3_unit2_"),
    "mobilenetv2-narrow_activation": ("mobilenetv2", {"narrow_activation": "relu6"}, "stage3_unit2_"),
    "xception": ("xception", {"width": 4}, "block6_"),
    "xception-between": ("xception", {"width": 4, "between_activation": "relu"}, "block6_"),
    "densenet": ("densenet40", {}, "stage1_unit2_"),
    "densenet-conv_norm_act": ("densenet40", {"ordering": "conv_norm_act"}, "stage1_unit2_"),
    "densenet-bottleneck": ("densenet22", {"block": "bottleneck"}, "stage1_unit2_"),
    "convnext": ("convnexttiny", {"layout": "cifar", "width": 8}, "stage1_unit2_"),
    "convnext-three_of_each": (
        "convnexttiny",
        {"layout": "cifar", "width": 8, "activations_per_block": 3, "norms_per_block": 3},
        "stage1_unit2_",
    ),
    "wrn": ("wrn16_4", {"dropout_rate": 0.3}, "stage1_unit2_"),
    "repvgg": ("repvgg", {"width": 12}, "stage1_unit2_"),
    "repvgg-merged": ("repvgg", {"width": 12, "merged": True}, "stage1_unit2_"),
}

# The layouts are drawn to be told apart: each is compared with this one, box by box.
REFERENCE = "he2016"


def compare(
    drawn: Sequence[draw.Block], reference: Sequence[draw.Block]
) -> tuple[list[draw.Block], list[str]]:
    """The blocks, those marked that the reference has not or has otherwise, and what the reference has besides.

    Blocks correspond by kind and order, for each layout names its layers in its own way. One that reads another
    block than its counterpart differs, unless that other block has no counterpart and is marked itself.
    """

    def kinds(blocks: Sequence[draw.Block]) -> list[str]:
        return [re.match(r"[^,+]*[^,+ ]|.*", b.label)[0] for b in blocks]  # without filters, stride and bias

    pieces = SequenceMatcher(None, kinds(drawn), kinds(reference), autojunk=False).get_matching_blocks()
    other = {drawn[p.a + i].name: reference[p.b + i] for p in pieces for i in range(p.size)}
    here = {b.name for b in other.values()}

    def differs(block: draw.Block) -> bool:
        twin = other.get(block.name)
        if twin is None or (twin.label, twin.inside) != (block.label, block.inside):
            return True
        if not set(block.after) <= set(other) or not set(twin.after) <= here:
            return False
        return {other[name].name for name in block.after} != set(twin.after)

    marked = [replace(b, marked=b.kind != "port" and differs(b)) for b in drawn]
    return marked, [b.label for b in reference if b.name not in here and b.kind != "port"]


def _drawn(name: str) -> list[draw.Block]:
    model_name, options, choose, _ = diagrams()[name]
    model = zoo.build(model_name, **options)
    return blocks(model, choose(model), borders=name.startswith(("layout-", "stride-")))


def draw_diagram(name: str) -> str:
    """One diagram as SVG text."""
    title = diagrams()[name][-1]
    drawn, said = _drawn(name), ""
    kind, _, layout = name.partition("-")
    if kind in ("layout", "stride") and layout != REFERENCE:
        drawn, missing = compare(drawn, _drawn(f"{kind}-{REFERENCE}"))
        others = [b.label for b in drawn if b.marked]
        title += f". Dashed blue: not as in {REFERENCE}" if others else f". Here as {REFERENCE}"
        if missing:
            title += f"; not here: {', '.join(missing)}"
        said = f" Not as in {REFERENCE}: {', '.join(others) or 'nothing'}."
    return draw.svg(drawn, title, describe(drawn) + said)
