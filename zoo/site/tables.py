"""Published data as HTML tables: results, proofs, what it takes to make them again."""

from __future__ import annotations

import csv
import json
from html import escape
from typing import Any

from markdown import Markdown

from zoo.site.literature import REPORTED
from zoo.site.place import DOCS, link

#: Names a page may use before anything is published under them.
EXPERIMENTS = (
    "why", "form", "which", "norm_order", "ordering", "shortcut", "layout",
    "depth", "thousand", "signal", "dead", "head", "pooling",
)  # fmt: skip


def table(columns: list[str], rows: list[list[Any]], caption: str, *, numeric: set[int] = frozenset()) -> str:
    """An accessible table: captioned, headed, and scrolling by itself where the screen is narrower than it."""
    head = "".join(
        f'<th scope="col"{_align(i, numeric)}>{escape(str(c))}</th>' for i, c in enumerate(columns)
    )
    body = []
    for row in rows:
        first, *rest = [escape(str(cell)) for cell in row]
        cells = "".join(f"<td{_align(i, numeric)}>{cell}</td>" for i, cell in enumerate(rest, 1))
        body.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return (
        f'<div class="zoo-table" tabindex="0" role="group" aria-label="{escape(caption)}"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _align(column: int, numeric: set[int]) -> str:
    return ' class="zoo-number"' if column in numeric else ""


def experiment_of(name: str) -> str:
    """The experiment a figure or table name belongs to; a figure is `EXPERIMENT` or `EXPERIMENT-PART`."""
    experiment = name.partition("-")[0]
    if experiment not in EXPERIMENTS and not (DOCS / "data" / f"{experiment}.json").exists():
        raise ValueError(f"unknown experiment {experiment!r}; expected one of {', '.join(EXPERIMENTS)}")
    return experiment


def published(name: str) -> dict[str, Any] | None:
    """`docs/data/NAME.json`, or None where nothing is published."""
    path = DOCS / "data" / f"{experiment_of(name)}.json"
    return json.loads(path.read_text()) if path.exists() else None


def rows(name: str) -> list[dict[str, str]]:
    """The tidy rows of `docs/data/NAME.csv`; `#` starts a comment line."""
    path = DOCS / "data" / f"{name}.csv"
    if not path.exists():
        return []
    with path.open(newline="") as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def not_measured(name: str) -> str:
    """The box that stands where a measurement will stand."""
    return (
        f'<div class="admonition zoo-missing"><p class="admonition-title">Not yet measured here</p>'
        f"<p>No run of <code>{escape(experiment_of(name))}</code> is published yet. "
        f"<code>scripts/reproduce.py run {escape(experiment_of(name))}</code> makes one.</p>{paper(name)}</div>"
    )


def paper(name: str) -> str:
    """The literature's tables on an experiment's question, labelled as the literature's."""
    reported = REPORTED.get(experiment_of(name), ())
    return "".join(
        table(
            list(r.columns),
            [list(row) for row in r.rows],
            f"Reported by others, not measured here. {r.caption}. Source: {r.source}.",
        )
        for r in reported
    )


def results(name: str, md: Markdown) -> str:
    """One row an arm: mean, 95 % interval, number of runs; then the paired differences."""
    data = published(name)
    if data is None or not data.get("table"):
        return not_measured(name)
    arms = table(
        ["arm", "metric", "mean", "95 % interval", "runs"],
        [
            [
                a["arm"],
                a["metric"],
                _number(a["mean"]),
                f"{_number(a['low'])} to {_number(a['high'])}",
                a["runs"],
            ]
            for a in data["table"]
        ],
        f"{experiment_of(name)}: measured here",
        numeric={2, 3, 4},
    )
    pairs = data.get("comparisons") or []
    differences = table(
        ["comparison", "paired difference", "95 % interval", "reading"],
        [
            [
                f"{p['a']} - {p['b']}",
                _number(p["difference"]),
                f"{_number(p['low'])} to {_number(p['high'])}",
                p["verdict"],
            ]
            for p in pairs
        ],
        f"{experiment_of(name)}: paired differences over the same seeds",
        numeric={1, 2},
    )
    return arms + (differences if pairs else "") + paper(name)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def proof(name: str, md: Markdown) -> str:
    """What was compared, and whether it is equal to the bit, equal within a tolerance, or different."""
    data = published(name)
    if data is None or not data.get("proof"):
        return not_measured(name)
    columns = list(data["proof"][0])
    return table(
        columns,
        [[_number(row.get(c, "")) for c in columns] for row in data["proof"]],
        f"{experiment_of(name)}: what is equal, and what is not",
    )


def reproduce(name: str, md: Markdown) -> str:
    """Command, cost, data and environment; the full specification stays one click away."""
    experiment = experiment_of(name)
    data = published(name) or {}
    command = data.get("command") or f"scripts/reproduce.py run {experiment}"
    items = [
        ("Command", f"<code>{escape(str(command))}</code>"),
        ("A smaller answer in two minutes", f"<code>{escape(str(command))} --quick</code>"),
    ]
    for key, heading in (
        ("cost", "Cost"),
        ("dataset", "Data"),
        ("wall_time", "Wall time"),
        ("checksum", "Checksum"),
    ):
        if key in data:
            items.append((heading, escape(str(data[key]))))
    for key, value in (data.get("environment") or {}).items():
        items.append((key.capitalize(), escape(str(value))))
    if data:
        files = [
            f'<a href="{link(md, f"data/{experiment}.{kind}")}">{experiment}.{kind}</a>'
            for kind in ("csv", "json")
        ]
        items.append(("Published data and specification", ", ".join(files)))
    else:
        items.append(("Published data", "none yet"))
    listed = "".join(f"<div><dt>{heading}</dt><dd>{value}</dd></div>" for heading, value in items)
    return f'<section class="zoo-reproduce" aria-label="Reproduce {escape(experiment)}"><p class="zoo-reproduce-title">Reproduce</p><dl>{listed}</dl></section>'
