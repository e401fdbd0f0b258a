"""A trained net with some of its activations gone: in which order they go, and what is put in their place."""

import keras
import numpy as np

from zoo.experiments.data.sets import Images
from zoo.probes import activation_importance
from zoo.probes.rows import Rows
from zoo.transforms import drop_activations

FITTED_ON = 2000  # of the training images: they choose and fit, the test images judge

NEEDED_LEAST, NEEDED_MOST, AT_RANDOM = "needed least", "needed most", "at random"
ORDERS = (NEEDED_LEAST, NEEDED_MOST, AT_RANDOM)  # which activations go first


def measured(net: keras.Model, images: Images) -> Rows:
    """What each activation is worth alone, as `zoo.probes.activation_importance` says on training images."""
    return activation_importance(net, images.x_train[:FITTED_ON], images.y_train[:FITTED_ON], progress=False)


def in_order(rows: Rows, first: str, seed: int) -> list[str]:
    """The names of all activations, that which goes first at the front.

    Args:
        rows: Of `measured`.
        first: One of `ORDERS`.
        seed: Of the random one.

    Raises:
        ValueError: There is no such order.
    """
    if first not in ORDERS:
        raise ValueError(f"first must be one of {', '.join(map(repr, ORDERS))}; received {first!r}")
    if first == AT_RANDOM:
        drawn = np.random.default_rng(seed).permutation(len(rows))
        return [rows[place]["site"] for place in drawn]
    cheap = [row["site"] for row in sorted(rows, key=lambda row: row["loss_change"])]
    return cheap if first == NEEDED_LEAST else cheap[::-1]


def gone(names: list[str], kept: float) -> list[str]:
    """Those of the names, in the order in which they go, that are gone where a share is kept.

    Example:
        >>> from zoo.experiments.measurements.lighter import gone
        >>> gone(["a", "b", "c", "d", "e"], 0.5), gone(["a", "b"], 1.0)
        (['a', 'b', 'c'], [])
    """
    # Halves are rounded down: at most that share is kept.
    return names[: len(names) - int(kept * len(names) + 1e-9)]


def without(net: keras.Model, names: list[str], images: Images) -> keras.Model:
    """The net with its best affine map, channel by channel, in place of each of these activations."""
    return drop_activations(net, names, fit=images.x_train[:FITTED_ON]).model if names else net


def lighter(trained: keras.Model, images: Images, seed: int, *, first: str, kept: float) -> keras.Model:
    """A trained net of which a share of the activations is left, to be trained on.

    Args:
        trained: The net; it is left untouched.
        images: What it was trained on.
        seed: Of the random order.
        first: Which activations go first: one of `ORDERS`.
        kept: The share of them that stays, from 0 to 1.
    """
    if kept == 1:
        return trained
    return without(trained, gone(in_order(measured(trained, images), first, seed), kept), images)
