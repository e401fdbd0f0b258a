#!/usr/bin/env python
"""Write the graphs of the convolutional nets that learn in the page "train".

    scripts/make_train_graphs.py

Every graph is that of `zoo.build`: the page runs what the library builds, and chooses among what the library offers.
Writes docs/javascripts/train-nets.js, what the reader chooses from, and docs/javascripts/train-graphs.js, which the
page fetches when it is touched.
"""

import itertools
import json
import math
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402
import make_lab  # noqa: E402

import zoo  # noqa: E402
from zoo.experiments.publishing.inks import TABLE  # noqa: E402
from zoo.site.place import DOCS  # noqa: E402

CHOICES = DOCS / "javascripts" / "train-nets.js"
GRAPHS = DOCS / "javascripts" / "train-graphs.js"
WIDTH = 4
COMMON = {"input_shape": (8, 8, 1), "classes": 10, "width": WIDTH, "classifier_activation": None}
#: Kind of net -> its name, and the option beside the ordering that the reader chooses, with its values.
NETS = {
    "plain": ("convnet4", "downsampling", ("max_pool", "stride")),
    "residual": ("resnet8", "normalization", ("batch", None)),
}
# Keras cuts a normal distribution at two of its standard deviations, and widens it to make up for that.
CUT = 0.87962566103423978


def build(kind: str, ordering: str, value: str | None, **more) -> keras.Model:
    name, option, _ = NETS[kind]
    return zoo.build(name, ordering=ordering, **COMMON, **{option: value}, **more)


def _start(layer: keras.Layer, weight: keras.Variable) -> list:
    """Length, distribution and spread of the first numbers of a weight."""
    name, size = weight.path.rpartition("/")[2], math.prod(weight.shape)
    if name != "kernel":
        return [size, "ones" if name in ("gamma", "moving_variance") else "zeros", 0]
    draw = layer.kernel_initializer
    *window, inputs, outputs = weight.shape
    fans = {"fan_in": inputs * math.prod(window), "fan_out": outputs * math.prod(window)}
    variance = draw.scale / fans.get(draw.mode, sum(fans.values()) / 2)
    spread = {
        "uniform": math.sqrt(3 * variance),
        "untruncated_normal": math.sqrt(variance),
        "truncated_normal": math.sqrt(variance) / CUT,
    }[draw.distribution]
    return [size, draw.distribution, spread]


def graph(model: keras.Model) -> list[dict]:
    """The operations of the placement lab, with what it takes to learn: weights at the start, momentum."""
    ops = make_lab.operations(model)
    for op in ops:
        layer = model.get_layer(op["name"])
        if op["op"] == "conv":
            op |= {"size": layer.kernel_size[0], "filters": layer.filters, "bias": layer.use_bias}
        elif op["op"] == "dense":
            op |= {"size": 1, "strides": 1, "padding": "valid", "filters": layer.units, "bias": True}
        elif op["op"] == "norm":
            op |= {"momentum": layer.momentum}
        elif op["op"] == "pool":
            op |= {"padding": layer.padding}
            if op["size"] > 1 and not isinstance(layer, keras.layers.MaxPooling2D):
                raise ValueError(
                    f"{layer.name}: the page learns through max-pooling, not a {type(layer).__name__}"
                )
        if layer.weights:
            op["weights"] = {w.path.rpartition("/")[2]: _start(layer, w) for w in layer.weights}
    return ops


def graphs() -> dict:
    """Kind -> "ORDERING|VALUE" -> the graph, or why `zoo.build` refuses the combination."""
    found: dict[str, dict] = {}
    for kind, (_, _, values) in NETS.items():
        found[kind] = {}
        for ordering, value in itertools.product(zoo.orderings(kind), values):
            try:
                found[kind][f"{ordering}|{value}"] = graph(build(kind, ordering, value))
            except ValueError as error:
                found[kind][f"{ordering}|{value}"] = str(error)
    return found


def choices() -> dict:
    """What the reader chooses from: nets, orderings with their words, an option a net, which activations there are."""
    return {
        "common": {name: repr(value) for name, value in COMMON.items()},
        "activated": ["none", *TABLE["placement"]],
        "nets": {
            kind: {
                "model": name,
                "option": option,
                "values": [str(value) for value in values],
                "words": {ordering: str(row) for ordering, row in zoo.orderings(kind).items()},
            }
            for kind, (name, option, values) in NETS.items()
        },
    }


def made() -> dict[Path, str]:
    """Each file and its text."""
    parts = {CHOICES: ("zooTrainNets", choices()), GRAPHS: ("zooTrainGraphs", graphs())}
    return {
        path: f"globalThis.{name} =\n{json.dumps(content, separators=(',', ':'))};\n"
        for path, (name, content) in parts.items()
    }


def read(path: Path) -> dict:
    """What a file of this script holds."""
    return json.loads(path.read_text(encoding="utf-8").partition("\n")[2].removesuffix(";\n"))


if __name__ == "__main__":
    for path, content in made().items():
        path.write_text(content, encoding="utf-8")
