"""What other commands measured about a model of the catalog: time for a picture, accuracy and curve of shipped weights."""

from __future__ import annotations

import csv
import json
from functools import cache
from html import escape
from typing import Any

from zoo.site.place import DOCS

_PRETRAINED = DOCS.parent / "zoo" / "pretrained"
_WIDTH, _HEIGHT, _MARGIN = 260, 120, 34


@cache
def milliseconds() -> dict[str, float]:
    """Model to milliseconds a picture, from `scripts/benchmark.py catalog`; empty before it has run."""
    path = DOCS / "data" / "performance_catalog.csv"
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {row["net"]: float(row["milliseconds"]) for row in csv.DictReader(file)}


@cache
def trained() -> dict[str, dict[str, Any]]:
    """Model to what `scripts/train_pretrained.py` wrote about its weights, with the data they know as `dataset`."""
    found = {}
    for entry in json.loads((_PRETRAINED / "manifest.json").read_text()):
        about = json.loads((_PRETRAINED / f"{entry['model']}-{entry['weights']}.json").read_text())
        found[entry["model"]] = about | {"dataset": entry["weights"]}
    return found


def of(name: str) -> dict[str, float]:
    """The measured columns of one model: `milliseconds` and `accuracy`, in per cent, where there are any."""
    columns = {}
    if name in milliseconds():
        columns["milliseconds"] = float(f"{milliseconds()[name]:.3g}")
    if name in trained():
        columns["accuracy"] = round(100 * trained()[name]["test_accuracy"], 2)
    return columns


def curve(name: str) -> str:
    """Test accuracy by epoch of the run that made a model's weights, as a figure; empty where there are none."""
    if name not in trained():
        return ""
    about = trained()[name]
    points = [(step, value) for metric, step, value in about["curve"] if metric == "test_accuracy"]
    low = min(value for _, value in points)
    high = max(value for _, value in points)
    span = (high - low) or 1.0
    last = points[-1][0]

    def place(step: float, value: float) -> str:
        x = _MARGIN + (_WIDTH - _MARGIN - 8) * step / last
        y = 10 + (_HEIGHT - 36) * (high - value) / span
        return f"{x:.1f},{y:.1f}"

    line = " ".join(place(step, value) for step, value in points)
    dots = "".join('<circle cx="{}" cy="{}" r="2.2"/>'.format(*place(*point).split(",")) for point in points)
    words = (
        f"Test accuracy on {about['dataset']} of the one run behind these weights: {100 * points[0][1]:.1f} % at first, "
        f"{100 * points[-1][1]:.1f} % at the end."
    )
    return (
        f'<figure class="zoo-card-curve"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(words)}">'
        f'<text x="0" y="14">{100 * high:.0f} %</text><text x="0" y="{_HEIGHT - 22}">{100 * low:.0f} %</text>'
        f'<polyline points="{line}"/>{dots}'
        f'<text x="{_MARGIN}" y="{_HEIGHT - 4}">test accuracy by epoch or step, to {last:g}</text></svg>'
        f"<figcaption>{escape(words)} Made by <code>{escape(about['command'])}</code>.</figcaption></figure>"
    )
