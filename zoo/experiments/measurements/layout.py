"""Which layouts are the same graph, and what each is made of."""

from collections.abc import Iterable, Mapping

import keras

from zoo.experiments.fingerprint import graph_fingerprint
from zoo.experiments.measurements import Context, Row


def same_graph(
    context: Context, model: str, options: Mapping, layout: str, layouts: list[str]
) -> Iterable[Row]:
    """Compare a layout's graph with that of every other one.

    Rows: for each layout `same_graph_as_LAYOUT`, 1 or 0, leaving the initialisers of weights aside; `layers`,
    `parameters`, `normalisations`.
    """
    mine = context.build(model, layout=layout, **options)
    for other in layouts:
        twin = context.build(model, layout=other, **options)
        same = graph_fingerprint(_alike(mine)) == graph_fingerprint(_alike(twin))
        yield Row(f"same_graph_as_{other}", float(same))
    yield Row("layers", len(mine.layers))
    yield Row("parameters", mine.count_params())
    yield Row("normalisations", sum(isinstance(la, keras.layers.BatchNormalization) for la in mine.layers))


def _alike(model: keras.Model) -> keras.Model:
    """The same graph with one initialiser everywhere: what is left is what the net computes."""

    def clone(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if "kernel_initializer" in config:
            config["kernel_initializer"] = "zeros"
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=clone)
