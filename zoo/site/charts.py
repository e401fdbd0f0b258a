"""A published figure in a page: static SVG first, the live chart when scrolled to, the rows beside it."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

from markdown import Markdown

from zoo.site import svg, tables, trim
from zoo.site.place import DOCS, link

#: A longer table is a download, not something to read.
_ROWS_SHOWN = 30
_HEADINGS = {"arm": "arm", "p": "panel", "x": "x", "y": "mean", "l": "95 % (t) from", "h": "to"}


def chart(name: str, md: Markdown, caption: str = "") -> str:
    """`docs/figures/NAME.svg` inline, with what is needed to bring it to life."""
    experiment = tables.experiment_of(name)
    picture = DOCS / "figures" / f"{name}.svg"
    if not picture.exists():
        return tables.not_measured(name)
    spec_path = picture.with_suffix(".vl.json")
    spec = json.loads(spec_path.read_text()) if spec_path.exists() else {}
    title = _text(spec.get("title")) or name
    description = _text(spec.get("description")) or caption or title
    drawing = svg.inline(trim.trim(picture.read_text()), f"chart-{name}", title, description)
    width, height = (float(re.search(rf'\b{side}="([\d.]+)"', drawing)[1]) for side in ("width", "height"))
    # On paper, panels one above the other need more room to be read.
    tall = " zoo-tall" if height > width else ""
    live = ""
    if spec:
        bundle = link(md, "javascripts/vega.js")
        live = f' data-spec="{link(md, f"figures/{name}.vl.json")}" data-bundle="{bundle}"'
    data = name if (DOCS / "data" / f"{name}.csv").exists() else experiment
    links = []
    if (DOCS / "data" / f"{data}.csv").exists():
        links.append(f'<a href="{link(md, f"data/{data}.csv")}" download>data (CSV)</a>')
    if spec:
        links.append(f'<a href="{link(md, f"figures/{name}.vl.json")}" download>chart (Vega-Lite)</a>')
    return (
        f'<figure class="zoo-chart" data-search-exclude id="chart-{name}"{live}>'
        f'<div class="zoo-chart-view" tabindex="0" role="group" aria-label="{escape(title)}">'
        f'<div class="zoo-chart-static{tall}">{drawing}</div></div>'
        f'<figcaption>{escape(caption)} <span class="zoo-downloads">{" · ".join(links)}</span></figcaption>'
        f"{_rows(spec, title)}</figure>"
    )


def _text(value: object) -> str:
    # Vega-Lite allows a title as a string, a list of lines, or an object that holds either under "text".
    if isinstance(value, dict):
        value = value.get("text", "")
    return " ".join(value) if isinstance(value, list) else str(value or "")


def _sampled(drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each curve the rows nearest to the same few places, so that curves can be compared."""
    curves: dict[tuple, list[dict[str, Any]]] = {}
    for row in drawn:
        curves.setdefault((row.get("arm"), row.get("p")), []).append(row)
    places = sorted({row["x"] for row in drawn if "x" in row})
    count = max(2, _ROWS_SHOWN // len(curves))
    if len(places) <= count:
        return drawn
    wanted = [places[round(i * (len(places) - 1) / (count - 1))] for i in range(count)]
    kept = {id(min(rows, key=lambda row: abs(row["x"] - x))) for rows in curves.values() for x in wanted}
    return [row for row in drawn if id(row) in kept]


def _rows(spec: dict[str, Any], title: str) -> str:
    """What the chart draws, as a table: the means, without the single seeds, which are in the CSV file."""
    drawn = [
        row for row in (spec.get("data") or {}).get("values") or [] if row.get("s") is None and "t" not in row
    ]
    if not drawn:
        return ""
    columns = [key for key in _HEADINGS if any(key in row for row in drawn)]
    shown = tables.table(
        [_HEADINGS[key] for key in columns],
        [[tables.number(row.get(key)) for key in columns] for row in _sampled(drawn)],
        f"What is drawn: {title}",
    )
    return f'<details class="zoo-more" data-search-exclude><summary>The same as a table</summary>{shown}</details>'
