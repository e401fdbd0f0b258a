"""Specifications and their drawings as files."""

import json
import re
from pathlib import Path
from typing import Any

from zoo.experiments.design.experiment import Chart, Experiment
from zoo.experiments.publishing.figures.fonts import bundled_only
from zoo.experiments.publishing.figures.specification import chart
from zoo.experiments.publishing.figures.style import FONT
from zoo.experiments.publishing.publication import Published
from zoo.experiments.running.results import write_atomically

FOLDER = Path("docs/figures")


def draw(experiment: Experiment, published: Published, folder: Path = FOLDER) -> list[Path]:
    """Draw all figures of an experiment that are charts.

    Args:
        experiment: Says which.
        published: Its data.
        folder: Where to; NAME-PART.svg and NAME-PART.vl.json.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for figure in experiment.figures:
        if not isinstance(figure, Chart):
            continue
        name = f"{experiment.name}-{figure.name}" if figure.name else experiment.name
        specification = chart(experiment, figure, published)
        text = json.dumps(specification, separators=(",", ":"), sort_keys=True)
        for suffix, content in ((".vl.json", text + "\n"), (".svg", svg(specification))):
            write_atomically(folder / f"{name}{suffix}", content.encode())
            written.append(folder / f"{name}{suffix}")
    return written


def svg(specification: dict[str, Any]) -> str:
    """Draw a specification, without what only a script or a screen reader of single marks would read."""
    import vl_convert

    with bundled_only():
        drawing = vl_convert.vegalite_to_svg(json.dumps(specification), vl_version="6.4")
    opening, rest = drawing.split(">", 1)
    # Clips are counted through all drawings of a process.
    clips = {name: f"clip{i}" for i, name in enumerate(dict.fromkeys(re.findall(r"\bclip\d+\b", rest)))}
    rest = re.sub(r"\bclip\d+\b", lambda found: clips[found[0]], rest)
    return f'{opening} font-family="{FONT}">{re.sub("<[^>]+>", _slim, rest)}'


def _slim(tag: re.Match[str]) -> str:
    text = re.sub(
        r' (?:(?:role|aria-[a-z]+|pointer-events)="[^"]*"|opacity="1"|font-weight="normal")', "", tag[0]
    )
    text = text.replace(f' font-family="{FONT}"', "")
    if re.match(r'<path class="(?:back|fore)ground"(?: d="(?:M0,0h0v0h0Z)?"| display="none")*/>', text):
        return ""
    return re.sub(r"(\.\d\d)\d+", r"\1", text)
