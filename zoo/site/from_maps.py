"""A real image before and after an activation: the first convolution of the placement lab's trained net."""

from __future__ import annotations

import keras
import numpy as np

from zoo.site import shapes

_CELL, _GAP = 4, 8
SHOWN = 3  # of the four maps, so that the row fits a phone


def before_and_after(model: keras.Model, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The maps that the first activation of a model reads and gives, each of shape (28, 28, channels)."""
    site = next(layer for layer in model.layers if isinstance(layer, keras.layers.Activation))
    pair = keras.Model(model.input, [site.input, site.output])(image[None])
    before, after = (keras.ops.convert_to_numpy(v)[0] for v in pair)
    return before, after


def maps(model: keras.Model, image: np.ndarray, name: str) -> str:
    """The image; below it the maps before ReLU; below those the same maps after it."""
    before, after = before_and_after(model, image)
    side = 28 * _CELL
    width = SHOWN * (side + _GAP) + 84
    parts, zeros = [], []
    parts += [
        shapes.text(84 + side + 10, 56, f"{name}, a test image:", anchor="start"),
        shapes.text(84 + side + 10, 73, "28×28 numbers from 0 to 1", anchor="start"),
        shapes.text(0, 66, "image", anchor="start"),
        shapes.box(83.5, 3.5, side + 1, side + 1, "zoo-d-frame"),
        shapes.heat(84, 4, image[:, :, 0], _CELL, largest=1),
    ]
    for r, (words, values) in enumerate((("before ReLU", before), ("after ReLU", after))):
        top = (side + 30) * (r + 1)
        parts.append(shapes.text(0, top + side / 2, words, anchor="start"))
        for c in range(SHOWN):
            left = 84 + c * (side + _GAP)
            parts += [
                shapes.box(left - 0.5, top - 0.5, side + 1, side + 1, "zoo-d-frame"),
                shapes.heat(left, top, values[:, :, c], _CELL, largest=np.abs(before[:, :, c]).max()),
            ]
            share = f"{100 * np.mean(values[:, :, c] == 0):.0f} % zeros"
            parts.append(shapes.text(left + side / 2, top + side + 16, share, css="zoo-d-soft"))
            zeros.append(f"map {c + 1} {words}: {share}")
    return shapes.picture(
        width,
        3 * (side + 30),
        "Three maps of a real image, before and after ReLU",
        f"Orange is above zero, violet below, empty is exactly zero. {'; '.join(zeros)}. "
        "Where a map is above zero, ReLU changes nothing.",
        parts,
    )
