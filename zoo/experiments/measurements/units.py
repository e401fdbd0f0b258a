"""Units behind activations: dead, silent, saturated."""

import math
from collections.abc import Iterable

import keras
import numpy as np

from zoo.activations import sites
from zoo.experiments.measurements import Context, Row
from zoo.graph import room_for

CLASSIFIER = "predictions"


def dead(context: Context, images: int = 500) -> Iterable[Row]:
    """Count what the activations let through, over test images in inference mode.

    A unit is a channel, a site what `zoo.activations.sites` finds, the classifier's left out. Rows, over all sites
    together: `dead_units`, the share of units that are zero at every place of every image, which is the sum of
    `dead_units` of `zoo.probes.activation_stats` over the sum of its `units` (there they are counts, a row a site;
    the share is published under this name); `zero_fraction`, the share of single values that are zero;
    `silent_fraction`, the share of (image, unit) pairs in which the unit is zero everywhere, which the probe has not.
    All are NaN in a net that diverged.

    Raises:
        ValueError: The model has no activation layer, or has them built into other layers.
    """
    found = sites(context.model)
    if not found or any(site.built_in for site in found if not site.name.startswith(CLASSIFIER)):
        raise ValueError(
            f"units.dead reads the outputs of activation layers; received the model {context.model.name!r}, "
            f"which has {'them built into other layers' if found else 'none'}: build it with form='separate'"
        )
    behind = {id(site.operation) for site in found if not site.name.startswith(CLASSIFIER)}
    outputs = [layer.output for layer in context.model.layers if id(layer) in behind]
    with room_for(len(context.model.layers)):
        probe = keras.Model(context.model.input, outputs)
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
