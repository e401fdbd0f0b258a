"""What a convolution computes, drawn with numbers that Keras computes. Needs Keras, as `from_graph` does."""

from __future__ import annotations

import keras
import numpy as np

from zoo.site import shapes
from zoo.site.shapes import number

# The numbers of the code on the page "What is a convolution?"; a test compares.
IMAGE = np.array([[1, 2, 0, 1], [0, 1, 3, 1], [2, 0, 1, 0], [1, 1, 0, 2]], "float32")
KERNEL = np.array([[1, 0, -1], [1, 0, -1], [1, 0, -1]], "float32")
BIAS = 0.5
_CELL = 26


def convolved() -> np.ndarray:
    """The map that `keras.layers.Conv2D` gives."""
    layer = keras.layers.Conv2D(1, 3)
    layer.build((None, 4, 4, 1))
    layer.set_weights([KERNEL[:, :, None, None], np.array([BIAS], "float32")])
    return keras.ops.convert_to_numpy(layer(IMAGE[None, :, :, None]))[0, :, :, 0]


def _factor(value: float) -> str:
    return f"({number(value)})" if value < 0 else number(value)


def sliding() -> str:
    """The kernel at its four places, each sum spelled out, and ReLU on what was written."""
    map_ = convolved()
    relu = keras.ops.convert_to_numpy(keras.activations.relu(map_))
    parts, said, top = [], [], 20
    for x, words in ((52, "image, 4×4"), (163, "kernel, 3×3"), (402, "map, 2×2")):
        parts.append(shapes.text(x, 13, words, css="zoo-d-soft"))
    for place in range(4):
        row, column = divmod(place, 2)
        window = IMAGE[row : row + 3, column : column + 3]
        marks = {(row + i, column + j): "zoo-d-mark" for i in range(3) for j in range(3)}
        parts.append(shapes.grid(0, top, IMAGE, _CELL, marks))
        parts.append(shapes.text(114, top + 60, "·", size=22))
        parts.append(shapes.grid(124, top + 13, KERNEL, _CELL))
        for i in range(3):
            products = " + ".join(f"{number(window[i, j])}·{_factor(KERNEL[i, j])}" for j in range(3))
            parts.append(
                shapes.text(210, top + 30 + 20 * i, ("" if i == 0 else "+ ") + products, anchor="start")
            )
        parts.append(
            shapes.text(210, top + 90, f"+ bias {number(BIAS)} = {number(map_[row, column])}", anchor="start")
        )
        written = [[map_[r, c] if 2 * r + c <= place else None for c in range(2)] for r in range(2)]
        parts.append(shapes.grid(366, top + 16, written, 36, {(row, column): "zoo-d-mark"}))
        said.append(f"window {place + 1} gives {number(map_[row, column])}")
        top += 4 * _CELL + 18
    parts.append(shapes.text(210, top + 40, "ReLU, each number by itself:", anchor="end"))
    parts.append(shapes.grid(226, top, map_, 36))
    parts.append(shapes.text(332, top + 40, "→"))
    changed = {(r, c): "zoo-d-mark" for r in range(2) for c in range(2) if relu[r, c] != map_[r, c]}
    parts.append(shapes.grid(366, top, relu, 36, changed))
    return shapes.picture(
        450,
        top + 76,
        "A 3×3 kernel slides over 4×4 numbers; then ReLU",
        f"The same nine weights and bias at four places: {'; '.join(said)}. ReLU then sets the "
        f"{len(changed)} negative of them to 0.",
        parts,
    )


def side(size: int, *, strides: int = 1, padding: str = "valid") -> int:
    """How long a side of the map is, as Keras says."""
    return keras.layers.Conv2D(1, 3, strides=strides, padding=padding).compute_output_shape(
        (1, size, size, 1)
    )[1]


def _blank(size: int) -> list[list[None]]:
    return [[None] * size for _ in range(size)]


def stride() -> str:
    """Where the middle of the window stands with stride 1 and stride 2, and the map that comes out."""
    size, parts, said = 5, [], []
    for i, strides in enumerate((1, 2)):
        left, out = 230 * i, side(5, strides=strides)
        places = {(1 + strides * r, 1 + strides * c): "zoo-d-mark" for r in range(out) for c in range(out)}
        parts.append(shapes.text(left + 100, 14, f"stride {strides}: {size}×{size} → {out}×{out}"))
        parts.append(shapes.grid(left, 24, _blank(size), 24, places))
        parts.append(shapes.text(left + 132, 90, "→"))
        parts.append(shapes.grid(left + 144, 84 - 12 * out, _blank(out), 24))
        said.append(f"stride {strides} gives {out} by {out}")
    return shapes.picture(
        446,
        150,
        "Stride: how far the window moves. Tinted: where its middle comes to rest",
        f"A 3×3 window without padding on {size} by {size} numbers: {'; '.join(said)}.",
        parts,
    )


def padding() -> str:
    """No padding and a border of zeros, and the map that comes out."""
    size, parts, said = 4, [], []
    for i, how in enumerate(("valid", "same")):
        left, out = 230 * i, side(4, padding=how)
        border = (out + 2 - size) // 2  # a 3x3 window needs one more on each side than the map has
        full = size + 2 * border
        cells = [
            ["0" if border and (r in (0, full - 1) or c in (0, full - 1)) else None for c in range(full)]
            for r in range(full)
        ]
        zeros = {(r, c): "zoo-d-frame" for r in range(full) for c in range(full) if cells[r][c]}
        parts.append(shapes.text(left + 106, 14, f'padding="{how}": {size}×{size} → {out}×{out}'))
        parts.append(shapes.grid(left, 84 - 11 * full + 10, cells, 22, zeros))
        parts.append(shapes.text(left + 22 * full + 8, 98, "→"))
        parts.append(shapes.grid(left + 22 * full + 18, 94 - 9 * out, _blank(out), 18))
        said.append(f"{how} gives {out} by {out}")
    return shapes.picture(
        458,
        166,
        "Padding: a frame of zeros keeps the size",
        f"A 3×3 window with stride 1 on {size} by {size} numbers: {'; '.join(said)}.",
        parts,
    )


def channels() -> str:
    """Two filters that read three channels, with every parameter counted."""
    inputs, filters, k = 3, 2, 3
    layer = keras.layers.Conv2D(filters, k)
    layer.build((None, 5, 5, inputs))
    count = layer.count_params()
    parts = [
        shapes.text(52, 14, f"{inputs} input channels", css="zoo-d-soft"),
        shapes.text(224, 14, f"{filters} filters", css="zoo-d-soft"),
        shapes.text(404, 14, f"{filters} maps", css="zoo-d-soft"),
    ]
    for c in reversed(range(inputs)):
        parts.append(shapes.grid(4 + 14 * c, 60 + 14 * c, _blank(5), 14))
    for f in range(filters):
        top = 26 + 92 * f
        for c in range(inputs):
            parts.append(
                shapes.grid(
                    146 + 52 * c,
                    top,
                    _blank(k),
                    14,
                    {(i, j): "zoo-d-mark" for i in range(k) for j in range(k)},
                )
            )
            parts.append(shapes.text(193 + 52 * c, top + 25, "+"))
        parts.append(shapes.text(309, top + 25, "b"))
        parts.append(shapes.text(224, top + 62, f"{k}·{k}·{inputs} weights + 1 bias = {k * k * inputs + 1}"))
        parts.append(shapes.line([(322, top + 21), (376, top + 21)]))
        parts.append(shapes.grid(383, top, _blank(3), 14))
        parts.append(shapes.line([(108, 110), (126, 110), (126, top + 21), (142, top + 21)]))
    parts.append(
        shapes.text(230, 222, f"({k} · {k} · {inputs} + 1) · {filters} = {count} parameters", size=14)
    )
    return shapes.picture(
        452,
        232,
        f"Channels and filters: Conv2D({filters}, {k}) on {inputs} channels",
        f"Each of the {filters} filters reads all {inputs} channels with a {k}×{k} block for each and adds a bias: one map. "
        f"Parameters: ({k}·{k}·{inputs} + 1)·{filters} = {count}.",
        parts,
    )
