"""A published figure in a page: static SVG first, the live chart when it scrolls into view, the rows beside it."""

from __future__ import annotations

import json
from html import escape

from markdown import Markdown

from zoo.site import svg, tables
from zoo.site.place import DOCS, link

#: A longer table is a download, not something to read.
_ROWS_SHOWN = 40


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
    drawing = svg.inline(picture.read_text(), f"chart-{name}", title, description)
    live = ""
    if spec:
        live = f' data-spec="{link(md, f"figures/{name}.vl.json")}" data-bundle="{link(md, "javascripts/vega.js")}"'
    data = name if (DOCS / "data" / f"{name}.csv").exists() else experiment
    rows = tables.rows(data)
    links = []
    if rows:
        links.append(f'<a href="{link(md, f"data/{data}.csv")}" download>data (CSV)</a>')
    if spec:
        links.append(f'<a href="{link(md, f"figures/{name}.vl.json")}" download>chart (Vega-Lite)</a>')
    return (
        f'<figure class="zoo-chart" id="chart-{name}"{live}>'
        f'<div class="zoo-chart-view" tabindex="0" role="group" aria-label="{escape(title)}"><div class="zoo-chart-static">{drawing}</div></div>'
        f"<figcaption>{escape(caption)} {' · '.join(links)}</figcaption>{_rows(rows, title)}</figure>"
    )


def _text(value: object) -> str:
    # Vega-Lite allows a title as a string, a list of lines, or an object that holds either under "text".
    if isinstance(value, dict):
        value = value.get("text", "")
    return " ".join(value) if isinstance(value, list) else str(value or "")


def _rows(rows: list[dict[str, str]], title: str) -> str:
    if not rows:
        return ""
    columns = list(rows[0])
    shown = tables.table(
        columns, [[row[c] for c in columns] for row in rows[:_ROWS_SHOWN]], f"Rows behind: {title}"
    )
    more = (
        f"<p>{len(rows) - _ROWS_SHOWN} more rows are in the CSV file.</p>" if len(rows) > _ROWS_SHOWN else ""
    )
    return f"<details><summary>Table of the data ({len(rows)} rows)</summary>{shown}{more}</details>"
