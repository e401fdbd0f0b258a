"""What other commands measured about a model of the catalog: time for a picture, accuracy and curve of shipped weights."""

from __future__ import annotations

import csv
import json
from functools import cache
from html import escape
from typing import Any

from zoo.experiments.publishing.axes import axis
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
    points = [(x, value) for metric, x, value in about["curve"] if metric == "test_accuracy"]
    recipe = about["run"]["recipe"]
    unit = "epoch" if recipe["epochs"] and not recipe["record_every"] else "step"
    up = axis([value for _, value in points], ticks=4, at_least=0)
    first, last = points[0][0], points[-1][0]
    along = [tick for tick in axis([first, last], ticks=5).ticks if first <= tick <= last]
    foot = _HEIGHT - 28

    def place(x: float, value: float) -> tuple[float, float]:
        right = _MARGIN + (_WIDTH - _MARGIN - 12) * (x - first) / (last - first)
        return round(right, 1), round(12 + (foot - 12) * (up.high - value) / (up.high - up.low), 1)

    line = " ".join("{},{}".format(*place(*point)) for point in points)
    dots = "".join('<circle cx="{}" cy="{}" r="2.2"/>'.format(*place(*point)) for point in points)
    ticks = "".join(
        f'<text x="{_MARGIN - 5}" y="{place(first, tick)[1] + 3:g}" text-anchor="end">{100 * tick:g} %</text>'
        f'<path d="M{_MARGIN} {place(first, tick)[1]:g}H{_WIDTH - 12}"/>'
        for tick in up.labelled
    ) + "".join(
        f'<text x="{place(tick, up.low)[0]:g}" y="{foot + 12}" text-anchor="middle">{tick:g}</text>'
        for tick in along
    )
    words = (
        f"Test accuracy on {about['dataset']} of the one run behind these weights: {100 * points[0][1]:.1f} % at first, "
        f"{100 * points[-1][1]:.1f} % at the end."
    )
    call = f'zoo.build("{name}", weights="{about["dataset"]}")'
    return (
        f'<figure class="zoo-card-curve"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(words)}">'
        f'{ticks}<polyline points="{line}"/>{dots}<text x="{(_MARGIN + _WIDTH) / 2:g}" y="{_HEIGHT - 4}" '
        f'text-anchor="middle">{unit} (test accuracy upwards, from {100 * up.low:g} %)</text></svg>'
        f"<figcaption>{escape(words)} <code>{escape(call)}</code> loads them: {escape(_built(about['run']['options']))}. "
        f"Made by <code>{escape(about['command'])}</code>.</figcaption></figure>"
    )


def _built(options: dict[str, Any]) -> str:
    """In words, what a net was built with when its weights were trained."""
    return ", ".join(
        f"input {' × '.join(map(str, value))}" if option == "input_shape" else f"{option} {value}"
        for option, value in options.items()
    )
