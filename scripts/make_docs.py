#!/usr/bin/env python
"""Draw the block diagrams and tabulate the catalog for the site, from built graphs.

    scripts/make_docs.py [diagrams] [options] [table]     default: all three

Writes docs/diagrams/*.svg, docs/data/options.json and docs/data/zoo_table.json. Building the site reads these files and needs no
Keras; a test draws diagrams again and compares, so that they cannot disagree with the code.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import keras

import zoo
from zoo.site import draw

DOCS = Path(__file__).resolve().parents[1] / "docs"
_ACTIVATIONS = {"relu": "ReLU", "linear": "none"}


def label(op) -> tuple[str, str]:
    """What a box says, and its kind."""
    kind = type(op).__name__
    if isinstance(op, keras.layers.BatchNormalization):
        return "BatchNorm", "layer"
    if isinstance(op, keras.layers.Conv2D):
        stride = f", /{op.strides[0]}" if op.strides[0] > 1 else ""
        bias = " + bias" if op.use_bias else ""
        return f"conv {op.kernel_size[0]}×{op.kernel_size[1]}, {op.filters}{stride}{bias}", "layer"
    if isinstance(op, keras.layers.Dense):
        return f"dense, {op.units}", "layer"
    if isinstance(op, keras.layers.Activation):
        return activation_name(op.activation), "act"
    if isinstance(op, keras.layers.Rescaling):
        return ("1 − g" if op.offset else f"× {op.scale:g}"), "layer"
    if isinstance(op, keras.layers.MaxPooling2D) and op.pool_size[0] == 1:
        return f"every {op.strides[0]}nd pixel", "layer"
    if isinstance(op, (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)):
        return f"{kind[:3].lower()}-pool {op.pool_size[0]}×{op.pool_size[1]}".replace("ave-", "average-"), "layer"
    if isinstance(op, keras.layers.ZeroPadding2D):
        return f"zero border, {op.padding[0][0]}", "layer"
    if isinstance(op, keras.layers.Dropout):
        return f"dropout {op.rate:g}", "layer"
    fixed = {
        "Add": ("+", "point"),
        "Multiply": ("×", "point"),
        "Pad": ("channels of zeros", "layer"),
        "Flatten": ("flatten", "layer"),
        "GlobalAveragePooling2D": ("global average pool", "layer"),
        "InputLayer": ("image", "port"),
    }
    if kind not in fixed:
        raise ValueError(f"no label for the layer class {kind} of {op.name!r}; add one to label()")
    return fixed[kind]


def activation_name(function) -> str:
    name = keras.activations.serialize(function)
    return _ACTIVATIONS.get(name, name)


def sources(op) -> list:
    """The operations whose outputs this one reads."""
    if isinstance(op, keras.layers.InputLayer):
        return []
    return [tensor._keras_history.operation for tensor in keras.tree.flatten(op.input)]


def blocks(model: keras.Model, chosen: set[str], *, borders: bool) -> list[draw.Block]:
    """The chosen layers of a model as boxes, between an input and an output port.

    `borders` shows zero padding that is a layer of its own, which matters where layouts are told apart and nowhere else.
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
        if isinstance(op, (keras.layers.Conv2D, keras.layers.Dense)) and built_in is not keras.activations.linear:
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
    from zoo.spec import LAYOUTS, PLAIN_ORDERINGS, RESIDUAL_ORDERINGS, SHORTCUTS

    def stage(*prefixes):
        return lambda model: named(model, *prefixes)

    made = {}
    for ordering in RESIDUAL_ORDERINGS:
        options = {"ordering": ordering}
        made[f"unit-{ordering}"] = ("resnet20", options, stage("stage1_unit2_"), f"Residual unit, {ordering}")
        made[f"projection-{ordering}"] = (
            "resnet20",
            {**options, "shortcut": "projection"},
            stage("stage2_unit1_"),
            f"Residual unit that changes the shape, {ordering}, with projection",
        )
    for ordering in PLAIN_ORDERINGS:
        made[f"plain-{ordering}"] = (
            "plain20",
            {"ordering": ordering},
            stage("stage1_conv1", "stage1_conv2"),
            f"Two plain convolutions, {ordering}",
        )
    for form, title in (("separate", "Activation as a layer of its own"), ("builtin", "Activation as an argument of the layer")):
        made[f"form-{form}"] = (
            "convnet2",
            {"form": form, "downsampling": "none"},
            stage("stage1_conv"),
            title,
        )
    for order, title in (("act_pool", "Activation, then pooling"), ("pool_act", "Pooling, then activation")):
        made[f"pool-{order}"] = ("convnet2", {"pooling_order": order}, stage("stage1_"), title)
    for shortcut in SHORTCUTS:
        unit = "stage2_unit1_" if shortcut in ("identity_pad", "projection") else "stage1_unit2_"
        made[f"shortcut-{shortcut}"] = ("resnet20", {"shortcut": shortcut}, stage(unit), f"Shortcut: {shortcut}")
    for layout in LAYOUTS:
        name, options = "resnet29v2", {"layout": layout, "block": "bottleneck", "shortcut": "projection"}
        if layout == "he2016":
            options.pop("shortcut")
        made[f"layout-{layout}"] = (
            name,
            options,
            lambda model: up_to_addition(model, 1),
            f"Stem and first unit of a pre-activation net, layout {layout}",
        )
        strided = 3 if layout == "keras" else 4
        made[f"stride-{layout}"] = (
            name,
            options,
            lambda model, strided=strided: up_to_addition(model, strided, strided - 1),
            f"The unit that halves the resolution, layout {layout}",
        )
    return made


def draw_diagram(name: str) -> str:
    """One diagram as SVG text."""
    model_name, options, choose, title = diagrams()[name]
    model = zoo.build(model_name, **options)
    drawn = blocks(model, choose(model), borders=name.startswith(("layout-", "stride-")))
    return draw.svg(drawn, title, describe(drawn))


def write_diagrams() -> None:
    (DOCS / "diagrams").mkdir(exist_ok=True)
    for name in diagrams():
        (DOCS / "diagrams" / f"{name}.svg").write_text(draw_diagram(name))
        keras.backend.clear_session()


if __name__ == "__main__":
    parts = {"diagrams": write_diagrams}
    for part in sys.argv[1:] or parts:
        if part not in parts:
            sys.exit(f"error: unknown part {part!r}; expected one of {', '.join(parts)}")
        parts[part]()
