"""Units behind activations: dead, silent, saturated."""

import math
from collections.abc import Iterable

import keras
import numpy as np

from zoo.experiments.measurements import Context, Row
from zoo.graph import room_for


def dead(context: Context, images: int = 500) -> Iterable[Row]:
    """Count what the activations let through, over test images in inference mode.

    A unit is a channel. Rows, over all sites: `dead_units`, the share of units that are zero at every place
    of every image; `zero_fraction`, the share of single values that are zero; `silent_fraction`, the share of
    (image, unit) pairs in which the unit is zero everywhere. All are NaN in a net that diverged.
    """
    sites = [layer.output for layer in context.model.layers if _is_site(layer)]
    with room_for(len(context.model.layers)):
        probe = keras.Model(context.model.input, sites)
    values = keras.tree.flatten(probe(context.images.x_test[:images], training=False))
    values = [np.asarray(v) for v in values]
    if not all(np.isfinite(v).all() for v in values):
        yield from (Row(name, math.nan) for name in ("dead_units", "zero_fraction", "silent_fraction"))
        return
    off = [v == 0 for v in values]
    silent = [np.all(o, axis=tuple(range(1, o.ndim - 1))) for o in off]  # of shape (images, channels)
    dead_units = np.concatenate([s.all(axis=0) for s in silent])
    yield Row("dead_units", float(dead_units.mean()))
    yield Row("zero_fraction", float(sum(o.sum() for o in off) / sum(o.size for o in off)))
    yield Row("silent_fraction", float(np.concatenate([s.mean(axis=0) for s in silent]).mean()))


def _is_site(layer: keras.Layer) -> bool:
    return layer.name.endswith("_act") and not layer.name.startswith("predictions")
