"""The activation functions of the study `which` with their slopes. Needs Keras, as `from_graph` does."""

from __future__ import annotations

import keras
import numpy as np

from zoo.site import shapes
from zoo.studies.which import FUNCTIONS

# PReLU learns its slope below zero; some number has to be drawn.
PRELU_SLOPE = 0.25
_REACH, _LOW, _HIGH = 3.0, -1.5, 2.5  # z from -3 to 3, values cut at these heights
_COLUMNS, _CELL, _ROW = 4, 115, 158
_UNIT = 96 / (2 * _REACH)  # pixels for one unit of z, and of the values


def value(name: str, z: np.ndarray) -> np.ndarray:
    """The function of the study at `z`, computed by Keras."""
    if name == "prelu":
        layer = keras.layers.PReLU(
            alpha_initializer=keras.initializers.Constant(PRELU_SLOPE), shared_axes=[1], dtype="float64"
        )
        return keras.ops.convert_to_numpy(layer(z[None, :, None]))[0, :, 0]
    function = keras.activations.get(None if name == "none" else name)
    return keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(z, "float64")))


def slope(name: str, z: np.ndarray) -> np.ndarray:
    """Its slope by differences, to about ten digits; exact beside a kink, undefined on one."""
    h = 1e-5
    return (value(name, z + h) - value(name, z - h)) / (2 * h)


def _label(name: str) -> str:
    return {"none": "none (linear)", "prelu": f"prelu, here {PRELU_SLOPE}"}.get(name, name)


def _cell(name: str, left: float, top: float) -> list[str]:
    middle = left + _CELL / 2
    # Even a number of points: none stands on the kink at 0.
    z = np.linspace(-_REACH, _REACH, 72)
    zero = top + 22 + _HIGH * _UNIT
    below = zero - _LOW * _UNIT + 14  # where the slope's own picture begins
    slope_zero = below + 1.3 * _UNIT * 1.5

    def points(heights, origin, scale):
        return [(middle + x * _UNIT, origin - y * _UNIT * scale) for x, y in zip(z, heights, strict=True)]

    f, d = value(name, z), slope(name, z)
    inside = (f >= _LOW) & (f <= _HIGH)
    curve = [p for p, shown in zip(points(f, zero, 1), inside, strict=True) if shown]
    edge = _REACH * _UNIT
    parts = [
        shapes.text(middle, top + 14, _label(name)),
        shapes.line([(middle - edge, zero), (middle + edge, zero)], "zoo-d-frame"),
        shapes.line([(middle, zero - _HIGH * _UNIT), (middle, zero - _LOW * _UNIT)], "zoo-d-frame"),
        shapes.line(curve, "zoo-d-curve"),
        shapes.line([(middle - edge, slope_zero), (middle + edge, slope_zero)], "zoo-d-frame"),
        shapes.line(
            [(middle - edge, slope_zero - 1.5 * _UNIT), (middle + edge, slope_zero - 1.5 * _UNIT)],
            "zoo-d-frame",
        ),
    ]
    # A jump is a gap, not a steep line: the slope has no value there.
    jumps = np.flatnonzero(np.abs(np.diff(d)) > 0.2) + 1
    whole = points(d, slope_zero, 1.5)
    for piece in np.split(np.arange(len(z)), jumps):
        parts.append(shapes.line([whole[i] for i in piece], "zoo-d-slope"))
    return parts


def functions() -> str:
    """The picture: each function, and its slope below on a scale where the dotted lines are 0 and 1."""
    parts = []
    for i, name in enumerate(FUNCTIONS):
        parts += _cell(name, _CELL * (i % _COLUMNS), _ROW * (i // _COLUMNS))
    rows = -(-len(FUNCTIONS) // _COLUMNS)
    ends = np.array([-_REACH, _REACH])
    said = "; ".join(
        f"{_label(name)}: {shapes.number(value(name, ends)[0])} at z = −3 with slope "
        f"{shapes.number(round(float(slope(name, ends)[0]), 3) + 0.0)}, {shapes.number(value(name, ends)[1])} at z = 3 "
        f"with slope {shapes.number(round(float(slope(name, ends)[1]), 3) + 0.0)}"
        for name in FUNCTIONS
    )
    return shapes.picture(
        _COLUMNS * _CELL,
        rows * _ROW,
        "Twelve activation functions (solid) and their slopes (dashed, below)",
        f"z runs from −3 to 3. {said}.",
        parts,
    )
