"""A net as rows of units, each activation a mark with what it is worth. The page "surgeon" makes them buttons.

The whole of a net of twenty layers has to fit beside its answer, so boxes are small and what has no weights and
no activation, such as a shortcut's padding, is left out.
"""

from __future__ import annotations

import re
from itertools import pairwise

import keras

from zoo.site import from_graph, shapes
from zoo.site.place import DOCS

DATA = DOCS / "data" / "surgeon.json"
# Points of accuracy that an activation costs alone -> its shade; the last has no bound.
BOUNDS = (0.5, 2, 5)
# Text of 12 is one of 9 on a screen of 390, where the box around the drawing leaves it 324.
_WIDTH, _LABEL, _ROW, _BOX, _GAP = 428, 64, 50, 36, 6
_MARK = 62
_OTHERS = {
    keras.layers.BatchNormalization: ("BN", 28),
    keras.layers.MaxPooling2D: ("pool", 40),
    keras.layers.GlobalAveragePooling2D: ("mean", 44),
    keras.layers.Flatten: ("flatten", 52),
    keras.layers.Dense: ("dense", 46),
    keras.layers.Add: ("+", 20),
}
# For where there is no style sheet; `try.css` has the colours of the page.
_STYLE = "<style>.zoo-s-mark{fill:#9a3412;stroke:#9a3412}" + "".join(
    f".zoo-s-{level} .zoo-s-mark{{fill-opacity:{opacity}}}"
    for level, opacity in enumerate((0.06, 0.16, 0.27, 0.4))
) + "</style>"  # fmt: skip


def shade(points: float) -> int:
    """The shade of an activation that costs so many points alone, from 0."""
    return sum(points >= bound for bound in BOUNDS)


def units(model: keras.Model, sites: list[str]) -> list[tuple[str, list[tuple[str, int, int | None]]]]:
    """Rows of the drawing: a title, and the label, width and site of each box."""
    rows: dict[str, list[tuple[str, int, int | None]]] = {}
    for layer in model.operations:
        title = re.match(r"stage\d+(_unit\d+)?|stem|head|predictions|image", layer.name)[0]
        row = rows.setdefault("head" if title == "predictions" else title, [])
        if layer.name in sites:
            name, _ = from_graph.label(layer)
            row.append((name, _MARK, sites.index(layer.name)))
        elif isinstance(layer, keras.layers.Conv2D):
            row.append((f"conv {layer.filters}", 58, None))
        elif isinstance(layer, keras.layers.Activation):
            row.append((layer.activation.__name__, 60, None))
        elif "shortcut" not in layer.name:
            row += [(*box, None) for kind, box in _OTHERS.items() if isinstance(layer, kind)]
    return [(title, row) for title, row in rows.items() if row]


def points(net: dict, site: int, test: int, fit: str = "affine") -> float:
    """What an activation costs alone, in points of accuracy."""
    lost, won, _ = net["measured"][fit][str(1 << site)]
    return 100 * (lost - won) / test


def drawing(model: keras.Model, net: dict, test: int) -> str:
    """The net with its activations coloured by what each costs alone, with the best affine map in its place."""
    parts, y = [_STYLE], 0
    for title, row in units(model, net["sites"]):
        parts += _unit(title, row, y, net, test)
        y += _ROW
    parts += _legend(y + 10)
    worth = (f"{name} {_signed(points(net, i, test))}" for i, name in enumerate(net["sites"]))
    title = f"{model.name}: what each activation is worth alone"
    return shapes.picture(
        _WIDTH, y + 52, title, f"Change of accuracy in points without it: {', '.join(worth)}.", parts
    )


def _unit(title: str, row: list, y: float, net: dict, test: int) -> list[str]:
    wide = sum(width for _, width, _ in row) + _GAP * (len(row) - 1)
    adds = row[-1][0] == "+"
    # Units with an addition end at one place, so that like stands under like.
    x = _WIDTH - _GAP - wide if adds else _LABEL
    top, middle = y + 10, y + 10 + _BOX / 2
    words = title.replace("_", ", ").replace("stage", "stage ").replace("unit", "unit ")
    first, _, second = words.partition(", ")
    parts = [shapes.text(0, middle + 4 - 7 * bool(second), first, css="zoo-d-soft", anchor="start")]
    if second:
        parts.append(shapes.text(0, middle + 11, second, css="zoo-d-soft", anchor="start"))
    parts.append(shapes.line([(x - _GAP, middle), (x + wide, middle)]))
    if adds:
        end = x + wide - row[-1][1] / 2
        parts.append(shapes.line([(x - _GAP, middle), (x - _GAP, y + 4), (end, y + 4), (end, top)]))
    for name, width, site in row:
        centre = x + width / 2
        if site is None:
            parts += [shapes.box(x, top, width, _BOX), shapes.text(centre, middle + 4, name)]
        else:
            cost = points(net, site, test)
            parts.append(
                f'<g class="zoo-s-site zoo-s-{shade(cost)}" data-site="{site}">'
                f'<rect class="zoo-s-paper" x="{x:g}" y="{top:g}" width="{width}" height="{_BOX}" rx="6"/>'
                f'<rect class="zoo-s-mark" x="{x:g}" y="{top:g}" width="{width}" height="{_BOX}" rx="6"/>'
                f"{shapes.text(centre, middle - 3, name)}{shapes.text(centre, middle + 13, _signed(cost))}</g>"
            )
        x += width + _GAP
    return parts


def _legend(y: float) -> list[str]:
    between = (f"{a:g} to {b:g}" for a, b in pairwise(BOUNDS))
    words = [f"under {BOUNDS[0]:g}", *between, f"{BOUNDS[-1]:g} or more"]
    title = "Points of accuracy that are lost if that one alone goes:"
    parts = [shapes.text(0, y + 8, title, css="zoo-d-soft", anchor="start")]
    for level, said in enumerate(words):
        x = level * _WIDTH / len(words)
        parts.append(
            f'<g class="zoo-s-{level}"><rect class="zoo-s-mark" x="{x:g}" y="{y + 17:g}" width="18" height="18" rx="3"/></g>'
            + shapes.text(x + 24, y + 31, said, anchor="start")
        )
    return parts


def _signed(cost: float) -> str:
    """A change of accuracy: what is lost has a minus sign."""
    return "0.0" if abs(cost) < 0.05 else f"{'−' if cost > 0 else '+'}{abs(cost):.1f}"
