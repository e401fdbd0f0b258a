"""Pieces of the drawn pictures: text, boxes, cells, and the file around them.

The classes are those of the block diagrams, so the page's scheme decides on the colours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from zoo.experiments.publishing.inks import LIGHT

# What a picture may be wide at most: in a column of 358 pixels, that of a phone, text of 12 stays above 9.
WIDEST = 460
# Where there is no style sheet. Positive is orange and negative violet, as in the placement lab.
_STYLE = (
    "<style>.zoo-d-line{stroke:#6e7781;fill:none;stroke-width:1.5}.zoo-d-box{fill:#f6f8fa;stroke:#d0d7de}"
    f".zoo-d-text{{fill:#1f2328}}.zoo-d-soft{{fill:#57606a}}.zoo-d-mark{{fill:{LIGHT['act-box']};stroke:{LIGHT['act']}}}"
    f".zoo-d-curve{{stroke:{LIGHT['act']};fill:none;stroke-width:2}}"
    f".zoo-d-slope{{stroke:{LIGHT['other']};fill:none;stroke-width:2}}"
    f".zoo-d-frame{{stroke:#6e7781;fill:none;stroke-dasharray:3 2}}.zoo-d-plus{{fill:{LIGHT['plus']}}}"
    f".zoo-d-minus{{fill:{LIGHT['minus']}}}.zoo-d-edge{{stroke:#1f2328;stroke-width:.8}}</style>"
)


def number(value: float) -> str:
    """A number as people write it: a true minus sign, no zeros at the end."""
    return f"{value:.4g}".replace("-", "−")


def text(x: float, y: float, words: str, *, css: str = "zoo-d-text", anchor: str = "middle", size=12) -> str:
    """A line of text whose foot is at `y`."""
    if size < 12:
        raise ValueError(f"size={size}: text below 12 is under 9 pixels on a phone; use at least 12")
    return (
        f'<text class="{css}" x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}">'
        f"{escape(words)}</text>"
    )


def box(x: float, y: float, width: float, height: float, css: str = "zoo-d-box") -> str:
    """A rectangle."""
    return f'<rect class="{css}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"/>'


def line(points: Iterable[tuple[float, float]], css: str = "zoo-d-line") -> str:
    """A line through the points, to a tenth of a pixel."""
    return f'<polyline class="{css}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def grid(x: float, y: float, values, cell: float, marks: Mapping[tuple[int, int], str] | None = None) -> str:
    """A table of numbers as cells; `marks` gives the class of a cell's box, `None` among values leaves it empty."""
    marks = marks or {}
    plain, marked, words = [], [], []
    for r, row in enumerate(values):
        for c, value in enumerate(row):
            left, top, css = x + c * cell, y + r * cell, marks.get((r, c), "zoo-d-box")
            # A marked box is drawn last, or its neighbours would cover half of its edge.
            (marked if (r, c) in marks else plain).append(box(left, top, cell, cell, css))
            if value is not None:
                said = value if isinstance(value, str) else number(value)
                words.append(text(left + cell / 2, top + cell / 2 + 4, said))
    return "".join(plain + marked + words)


def heat(x: float, y: float, values, cell: float, *, largest: float, strongest: float = 1) -> str:
    """A map as cells: orange above zero, violet below, a hole where it is exactly zero; eight strengths of each.

    `largest` is the size drawn strongest: maps that are compared share one.
    """
    levels = 8
    paths: dict[tuple[str, int], list[str]] = {}
    for r, row in enumerate(values):
        begin = 0
        keys = [
            ("zoo-d-plus" if v > 0 else "zoo-d-minus", int(-(-abs(v) * levels // largest))) if v else None
            for v in row
        ]
        for c in range(1, len(keys) + 1):  # equal neighbours are one piece
            if c < len(keys) and keys[c] == keys[begin]:
                continue
            if keys[begin]:
                wide = (c - begin) * cell
                piece = f"M{x + begin * cell:g} {y + r * cell:g}h{wide:g}v{cell:g}h{-wide:g}z"
                paths.setdefault(keys[begin], []).append(piece)
            begin = c
    return "".join(
        f'<path class="{css}" fill-opacity="{strongest * strength / levels:g}" d="{"".join(pieces)}"/>'
        for (css, strength), pieces in sorted(paths.items())
    )


def picture(width: float, height: float, title: str, description: str, parts: Iterable[str]) -> str:
    """The SVG file, with a pixel around it for the edges of boxes."""
    if width > WIDEST:
        raise ValueError(f"width={width:g}: expected at most {WIDEST}, or text is too small on a phone")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 2:g}" height="{height + 2:g}" '
        f'viewBox="-1 -1 {width + 2:g} {height + 2:g}" font-family="sans-serif" font-size="12">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
        f"{_STYLE}\n" + "\n".join(parts) + "\n</svg>\n"
    )
