"""A figure as a Vega-Lite specification."""

import json
from typing import Any

from zoo.experiments.design.experiment import Chart, Dots, Experiment, Strip
from zoo.experiments.publishing.figures.dots import dots
from zoo.experiments.publishing.figures.lines import lines
from zoo.experiments.publishing.figures.reading import reading
from zoo.experiments.publishing.figures.sheet import sheet_of
from zoo.experiments.publishing.figures.strip import strip
from zoo.experiments.publishing.figures.style import PADDING, themed
from zoo.experiments.publishing.figures.widths import NAME, wrapped
from zoo.experiments.publishing.publication import Published

LARGEST = 40_000  # bytes of a specification
POINTS_DRAWN = (200, 100, 60, 40, 25, 15, 8)


def chart(experiment: Experiment, figure: Chart, published: Published) -> dict[str, Any]:
    """The Vega-Lite specification of a figure, thinned out until it is small enough to send.

    Raises:
        ValueError: Nothing published has the figure's metric, or a series has no colour in the table of `inks`.
    """
    for points in POINTS_DRAWN:
        specification = _chart(experiment, figure, published, points)
        if len(json.dumps(specification, separators=(",", ":"))) <= LARGEST:
            break
    return specification


def _chart(experiment: Experiment, figure: Chart, published: Published, points: int) -> dict[str, Any]:
    sheet = sheet_of(experiment, figure, published, points)
    whole = {Dots: dots, Strip: strip}.get(type(figure), lines)(sheet)
    said = [f"{panel}: {text}".removeprefix(": ") for panel, texts in sheet.failed.items() for text in texts]
    words = [
        f"{figure.title or experiment.question}.",
        reading(figure, published),
        *(f"{text}." for text in said),
    ]
    whole = whole.properties(title=sheet.title(), description=" ".join(words).strip())
    specification = themed(whole).to_dict()
    meta: dict[str, Any] = {"experiment": experiment.name, "checksum": published.about["checksum"]}
    if isinstance(figure, Dots):
        # Names stand left of the drawing, and are wider where its font is missing.
        meta["letters"] = max(len(line) for name in sheet.order for line in wrapped(name, NAME))
        room = meta["letters"] * 0.7
        specification["padding"] = {
            "left": PADDING + room,
            "right": PADDING,
            "top": PADDING,
            "bottom": PADDING,
        }
    specification["usermeta"] = meta
    return specification
