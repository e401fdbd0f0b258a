"""Published data as HTML tables: results, proofs, what it takes to make them again."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from markdown import Markdown

from zoo.experiments import catalog
from zoo.site.literature import REPORTED
from zoo.site.place import DOCS, link

#: Names a page may use before anything is published under them.
EXPERIMENTS = (
    "why", "form", "which", "norm_order", "ordering", "shortcut", "layout",
    "depth", "thousand", "signal", "dead", "head", "pooling",
)  # fmt: skip


#: Shown first; the others stand behind a click.
_MAIN_METRIC = "test_accuracy"
_REPRODUCE = {
    "cost": "Cost",
    "wall_time": "Wall time",
    "dataset": "Data",
    "published": "Finished",
    "checksum": "Checksum",
}


def table(columns: list[str], rows: list[list[Any]], caption: str, *, numeric: set[int] = frozenset()) -> str:
    """A captioned, headed table that scrolls by itself where the screen is narrower than it."""
    head = "".join(
        f'<th scope="col"{_align(i, numeric)}>{escape(str(c))}</th>' for i, c in enumerate(columns)
    )
    body = []
    for row in rows:
        first, *rest = [escape(str(cell)) for cell in row]
        cells = "".join(f"<td{_align(i, numeric)}>{cell}</td>" for i, cell in enumerate(rest, 1))
        body.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return (
        f'<div class="zoo-table" tabindex="0" role="group" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption>"
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


def not_measured(name: str) -> str:
    """The box that stands where a measurement will stand."""
    experiment = escape(experiment_of(name))
    return (
        '<div class="admonition zoo-missing"><p class="admonition-title">Not yet measured here</p>'
        f"<p>No run of <code>{experiment}</code> is published yet. "
        f"<code>scripts/reproduce.py run {experiment}</code> makes one.</p>{paper(name)}</div>"
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
    """A table a metric, one row an arm: mean, 95 % interval, number of runs; then the paired differences."""
    data = published(name)
    if data is None or not data.get("table"):
        return not_measured(name)
    metrics = list(dict.fromkeys(arm["metric"] for arm in data["table"]))
    main = _MAIN_METRIC if _MAIN_METRIC in metrics else metrics[0]
    others = "".join(_arms(data, metric) for metric in metrics if metric != main)
    parts = [_arms(data, main)]
    parts += [_differences(data["comparisons"])] if data.get("comparisons") else []
    if others:
        parts.append(f'<details class="zoo-more"><summary>The other metrics</summary>{others}</details>')
    parts += [_expectations(data["expectations"])] if data.get("expectations") else []
    return "".join(parts) + paper(name)


def _arms(data: dict[str, Any], metric: str) -> str:
    arms = [arm for arm in data["table"] if arm["metric"] == metric]
    diverged = any(arm["diverged"] for arm in arms)
    rows = [
        [
            arm["arm"],
            number(arm["mean"]),
            _interval(arm),
            number(arm["iqm"]),
            arm["runs"],
            *[arm["diverged"]] * diverged,
        ]
        for arm in arms
    ]
    columns = ["arm", "mean", "95 % interval", "interquartile mean", "runs", *["diverged"] * diverged]
    return table(
        columns, rows, f"{metric.replace('_', ' ').capitalize()}, measured here", numeric={1, 2, 3, 4, 5}
    )


def _differences(pairs: list[dict[str, Any]]) -> str:
    return table(
        ["comparison", "metric", "paired difference", "95 % interval", "seeds", "reading"],
        [
            [
                f"{pair['a']} − {pair['b']}",
                pair["metric"].replace("_", " "),
                number(pair["difference"]),
                _interval(pair),
                pair["runs"],
                pair["verdict"],
            ]
            for pair in pairs
        ],
        "Paired differences over the same seeds, measured here",
        numeric={2, 3, 4},
    )


def _expectations(expected: list[dict[str, str]]) -> str:
    return table(
        ["what", "expected", "by"],
        [[one["what"], one["value"], one["source"]] for one in expected],
        "Expected from the literature",
    )


def _interval(row: dict[str, Any]) -> str:
    return f"{number(row['low'])} to {number(row['high'])}"


def number(value: Any) -> str:
    """Four digits of a number; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def proof(name: str, md: Markdown) -> str:
    """What was compared, and whether it is equal to the bit, equal within a tolerance, or different."""
    data = published(name)
    if data is None or not data.get("proof"):
        return not_measured(name)
    columns = list(data["proof"][0])
    return table(
        columns,
        [[number(row.get(c, "")) for c in columns] for row in data["proof"]],
        f"{experiment_of(name)}: what is equal, and what is not",
    )


def reproduce(name: str, md: Markdown) -> str:
    """Command, cost, data and environment; the full specification stays one click away."""
    experiment = experiment_of(name)
    data = published(name) or {}
    command = data.get("command") or f"scripts/reproduce.py run {experiment}"
    if not data and experiment in catalog.names():
        planned = catalog.lookup(experiment)
        data["cost"] = f"about {planned.cost:g} minutes of one core, estimated"
        data["dataset"] = planned.data.name
    items = [
        ("Command", f"<code>{escape(str(command))}</code>"),
        ("A smaller answer in two minutes", f"<code>{escape(str(command))} --quick</code>"),
    ]
    for key, heading in _REPRODUCE.items():
        if key in data:
            items.append((heading, escape(str(data[key]))))
    for key, value in (data.get("environment") or {}).items():
        items.append((key.capitalize(), escape(str(value))))
    if "checksum" in data:
        files = [
            f'<a href="{link(md, f"data/{experiment}.{kind}")}">{experiment}.{kind}</a>'
            for kind in ("csv", "json")
        ]
        items.append(("Published data and specification", ", ".join(files)))
    else:
        items.append(("Published data", "none yet"))
    listed = "".join(f"<div><dt>{heading}</dt><dd>{value}</dd></div>" for heading, value in items)
    return (
        f'<section class="zoo-reproduce" aria-label="Reproduce {escape(experiment)}">'
        f'<p class="zoo-reproduce-title">Reproduce</p><dl>{listed}</dl></section>'
    )
