"""A trained net with some of its activations gone: in which order they go, and what is put in their place."""

import keras
import numpy as np

from zoo.experiments.data.sets import Images
from zoo.probes import activation_importance
from zoo.probes.rows import Rows
from zoo.transforms import drop_activations

NEEDED_LEAST, NEEDED_MOST, AT_RANDOM = "needed least", "needed most", "at random"
ORDERS = (NEEDED_LEAST, NEEDED_MOST, AT_RANDOM)  # which activations go first


def at_random(images: Images, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Some of the training images with their labels, drawn at random, the same each time: they choose and fit.

    The first ones would not do: a file may be sorted by class. The test images judge.

    Args:
        images: What there is.
        count: How many; all where there are fewer.
    """
    drawn = np.random.default_rng(0).permutation(len(images.x_train))[:count]
    return images.x_train[drawn], images.y_train[drawn]


def measured(net: keras.Model, images: Images, drawn: int) -> Rows:
    """What each activation is worth alone, as `zoo.probes.activation_importance` says on so many training images."""
    return activation_importance(net, *at_random(images, drawn), progress=False)


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


def without(net: keras.Model, names: list[str], images: Images, drawn: int) -> keras.Model:
    """The net with its best affine map, channel by channel, in place of each of these activations.

    Args:
        net: The net; it is left untouched.
        names: Of the activations.
        images: What it was trained on.
        drawn: How many of the training images, drawn at random, the maps are fitted on.
    """
    return drop_activations(net, names, fit=at_random(images, drawn)[0]).model if names else net


def lighter(
    trained: keras.Model, images: Images, seed: int, *, first: str, kept: float, drawn: int
) -> keras.Model:
    """A trained net of which a share of the activations is left, to be trained on.

    Args:
        trained: The net; it is left untouched.
        images: What it was trained on.
        seed: Of the random order.
        first: Which activations go first: one of `ORDERS`.
        kept: The share of them that stays, from 0 to 1.
        drawn: How many of the training images, drawn at random, choose the activations and fit what replaces them.
    """
    if kept == 1:
        return trained
    names = gone(in_order(measured(trained, images, drawn), first, seed), kept)
    return without(trained, names, images, drawn)
