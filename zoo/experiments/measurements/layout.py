"""Which layouts are the same graph, and what each is made of."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import keras

from zoo.experiments.design.experiment import canonical
from zoo.experiments.fingerprint import graph_fingerprint
from zoo.experiments.measurements import Context, Row


def same_graph(
    context: Context, model: str, options: Mapping, layout: str, layouts: list[str]
) -> Iterable[Row]:
    """Compare a layout's graph with that of every other one.

    Rows: for each layout `same_graph_as_LAYOUT`, 1 or 0, leaving the initialisers of weights aside; `layers`,
    `parameters`, `normalisations`.
    """
    mine = _graph(context.build, model, canonical(options), layout)
    for other in layouts:
        twin = _graph(context.build, model, canonical(options), other)
        yield Row(f"same_graph_as_{other}", float(mine.fingerprint == twin.fingerprint))
    yield Row("layers", mine.layers)
    yield Row("parameters", mine.parameters)
    yield Row("normalisations", mine.normalisations)


class _Graph(NamedTuple):
    fingerprint: str
    layers: int
    parameters: int
    normalisations: int


_KNOWN: dict[tuple, _Graph] = {}  # a worker measures each seed, and the graphs are the same for all


def _graph(build: Callable, model: str, options: str, layout: str) -> _Graph:
    key = (model, options, layout)
    if key not in _KNOWN:
        net = build(model, layout=layout, **json.loads(options))
        _KNOWN[key] = _Graph(
            fingerprint=graph_fingerprint(_alike(net)),
            layers=len(net.layers),
            parameters=net.count_params(),
            normalisations=sum(isinstance(layer, keras.layers.BatchNormalization) for layer in net.layers),
        )
    return _KNOWN[key]


def _alike(model: keras.Model) -> keras.Model:
    """The same graph with one initialiser everywhere: what is left is what the net computes."""

    def clone(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if "kernel_initializer" in config:
            config["kernel_initializer"] = "zeros"
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=clone)
