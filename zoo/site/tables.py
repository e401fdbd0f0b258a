"""Published data as HTML tables: results, proofs, what it takes to make them again."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

from markdown import Markdown

from zoo.experiments.publishing.metrics import POINTS, p_text
from zoo.site.place import DOCS, link
from zoo.studies import STUDIES

#: Speeds are measured by another script and shown with the same fences.
_BENCHMARK = "performance_"
#: Shown first; the others stand behind a click.
_MAIN_METRIC = "test_accuracy"
_REPRODUCE = {"cost": "Cost", "dataset": "Data"}
_REPRODUCE_EXACTLY = {"wall_time": "Wall time", "published": "Finished", "checksum": "Checksum"}


_HASHES = re.compile(r"[0-9a-f]{8}(, [0-9a-f]{8})+")
LONGEST = 12  # rows of a table that is open when the page is
WIDEST = 7  # columns that a page holds without scrolling


def table(columns: list[str], rows: list[list[Any]], caption: str, *, numeric: set[int] = frozenset()) -> str:
    """A captioned, headed table that scrolls by itself where the screen is narrower than it; cells may have lines."""
    head = "".join(f'<th scope="col">{escape(str(column))}</th>' for column in columns)
    body = []
    for row in rows:
        first, *rest = [escape(str(cell)).replace("\n", "<br>") for cell in row]
        body.append(f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>')
    return (
        f'<div class="zoo-table" data-search-exclude tabindex="0" role="group" aria-label="{escape(caption)}">'
        f'<table class="zoo-rows{numeric_columns(numeric)}"><caption><span>{escape(caption)}</span></caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def numeric_columns(columns: set[int]) -> str:
    """Classes that align whole columns: a class a cell would weigh more than the numbers."""
    return "".join(f" zoo-n{column}" for column in sorted(columns))


def experiment_of(name: str) -> str:
    """The experiment a figure or table name belongs to; a figure is `EXPERIMENT` or `EXPERIMENT-PART`."""
    experiment = name.partition("-")[0]
    known = STUDIES.names()
    if experiment not in known and not experiment.startswith(_BENCHMARK):
        raise ValueError(
            f"unknown experiment {experiment!r}; expected one of {', '.join(known)}, {_BENCHMARK}..."
        )
    return experiment


def command_of(experiment: str) -> str:
    """What a reader types to measure it."""
    if experiment.startswith(_BENCHMARK):
        return "scripts/benchmark.py"
    return f"scripts/reproduce.py run {experiment}"


def published(name: str) -> dict[str, Any] | None:
    """`docs/data/NAME.json`, or None where nothing is published."""
    path = DOCS / "data" / f"{experiment_of(name)}.json"
    return json.loads(path.read_text()) if path.exists() else None


def not_measured(name: str) -> str:
    """The box that stands where a measurement will stand."""
    experiment = escape(experiment_of(name))
    return (
        '<div class="admonition zoo-missing" data-search-exclude><p class="admonition-title">Not yet measured here</p>'
        f"<p>No run of <code>{experiment}</code> is published yet. "
        f"<code>{command_of(experiment)}</code> makes one.</p></div>"
    )


def paper(name: str, md: Markdown) -> str:
    """The literature's tables on a study's question, labelled as the literature's; once a page."""
    study = STUDIES.study_of(experiment_of(name))
    shown = md.__dict__.setdefault("zoo_papers", set())
    if study.name in shown:
        return ""
    shown.add(study.name)
    return "".join(
        table(
            list(reported.columns),
            [list(row) for row in reported.rows],
            f"Reported by others, not measured here. {reported.caption}. Source: {reported.source}.",
        )
        for reported in study.reported
    )


def results(name: str, md: Markdown) -> str:
    """A table a metric, one row an arm: mean, 95 % interval, number of runs; then the paired differences."""
    data = published(name)
    if data is None:
        return not_measured(name) + paper(name, md)
    metrics = list(dict.fromkeys(arm["metric"] for arm in data["table"]))
    main = _MAIN_METRIC if _MAIN_METRIC in metrics else metrics[0]
    beside = [metric for metric in metrics if metric != main]
    others = _other_metrics(data, beside) if beside else ""
    pairs = data.get("comparisons", [])
    compared = pairs if len(pairs) <= LONGEST else [pair for pair in pairs if pair["metric"] == main]
    arms = sum(arm["metric"] == main for arm in data["table"])
    parts = [_folded(f"{_named(main)} of the {arms} arms", _arms(data, main), arms)]
    if compared:
        parts.append(
            _folded(f"The {len(compared)} paired differences", _differences(compared), len(compared))
        )
    if rest := [pair for pair in pairs if pair not in compared]:
        others += _differences(rest)
    if others:
        parts.append(_more("The other metrics", others))
    parts += [_expectations(data["expectations"])] if data.get("expectations") else []
    parts.append(_grid(data["arms"]))
    return "".join(parts) + paper(name, md)


def _more(summary: str, shown: str) -> str:
    return f'<details class="zoo-more" data-search-exclude><summary>{summary}</summary>{shown}</details>'


def _folded(summary: str, shown: str, rows: int) -> str:
    """A table, closed where it is longer than a screen."""
    return shown if rows <= LONGEST else _more(summary, shown)


def _arms(data: dict[str, Any], metric: str) -> str:
    arms = [arm for arm in data["table"] if arm["metric"] == metric]
    judged = [arm for arm in arms if "trained" in arm]
    failed = any(arm["trained"] < arm["of"] for arm in judged)
    rows = [
        [
            arm["arm"],
            _valued(arm["mean"], metric),
            _interval(arm, metric),
            _valued(arm["iqm"], metric),
            f"{arm['trained']} of {arm['of']}" if arm in judged else arm["runs"],
            *[_rate(arm)] * failed,
        ]
        for arm in arms
    ]
    columns = [
        "arm",
        "mean of runs that trained" if failed else "mean",
        "95 % t interval",
        "interquartile mean",
        "trained" if judged else "runs",
        *["95 % interval of the rate of success"] * failed,
    ]
    note = " Where no run trained, the numbers are those at chance." if failed else ""
    return table(
        columns,
        rows,
        f"{_named(metric)}, measured here.{note}",
        numeric={1, 2, 3, 4, 5},
    )


def _named(metric: str) -> str:
    return metric.replace("_", " ").capitalize()


def _other_metrics(data: dict[str, Any], metrics: list[str]) -> str:
    """An arm a row and a metric a column; medians and counts of runs are in the JSON file."""
    cells = {(arm["arm"], arm["metric"]): _mean_and_interval(arm) for arm in data["table"]}
    trains = any("trained" in arm for arm in data["table"] if arm["metric"] in metrics)
    arms = dict.fromkeys(arm["arm"] for arm in data["table"] if arm["metric"] in metrics)
    return table(
        ["arm", *(metric.replace("_", " ") for metric in metrics)],
        [[arm, *(cells.get((arm, metric), "–") for metric in metrics)] for arm in arms],
        f"Mean of the runs{' that trained' * trains}, with its 95 % t interval, measured here"
        f"{'. Where no run trained, at chance' * trains}",
        numeric=set(range(1, len(metrics) + 1)),
    )


def _mean_and_interval(arm: dict[str, Any]) -> str:
    """`0.4 (0.3 to 0.5)`; the value alone where there is no interval, or all runs agree."""
    mean, interval = _valued(arm["mean"], arm["metric"]), _interval(arm, arm["metric"])
    agree = arm["low"] == arm["mean"] == arm["high"]
    return mean if agree or interval == "–" else f"{mean} ({interval})"


def _differences(pairs: list[dict[str, Any]]) -> str:
    return table(
        ["comparison", "metric", "paired difference, 95 % t interval", "pairs", "p", "p, Holm", "reading"],
        [
            [
                f"{pair['a']} − {pair['b']}",
                pair["metric"].removesuffix("_sha256").replace("_", " "),
                _with_interval(pair),
                pair["runs"],
                _p(pair.get("p")),
                _p(pair.get("holm")),
                pair["verdict"],
            ]
            for pair in pairs
        ],
        "Paired differences over the same seeds, measured here. Verdicts go by Holm's p, adjusted for all comparisons "
        "of the experiment",
        numeric={2, 3, 4, 5},
    )


def _with_interval(pair: dict[str, Any]) -> str:
    """A difference, and below it its intervals; one dash where there is neither."""
    difference = _valued(pair["difference"], pair["metric"], signed=True)
    interval = _interval(pair, pair["metric"], signed=True)
    return "\n".join(dict.fromkeys((difference, interval))) + _beside(pair)


def _beside(pair: dict[str, Any]) -> str:
    """The bootstrap interval, where the differences do not look normal or runs failed."""
    if not pair.get("bootstrap"):
        return ""
    low, high = pair["bootstrap"]
    return f"\nbootstrap {_interval({'low': low, 'high': high}, pair['metric'], signed=True)}"


def _p(value: float | None) -> str:
    return "–" if value is None else p_text(value)


def _rate(arm: dict[str, Any]) -> str:
    return f"{100 * arm['success_low']:.0f} to {100 * arm['success_high']:.0f} %" if "trained" in arm else "–"


def _valued(value: float | None, metric: str, *, signed: bool = False) -> str:
    """A number in the unit of its metric: accuracies in per cent, differences of them in points."""
    if value in (0, 1) and not signed and _asks(metric):
        return "yes" if value else "no"
    if value is None or metric not in POINTS:
        return number(value)
    return f"{100 * value:+.2f} points".replace("-", "−") if signed else f"{100 * value:.2f} %"


def _expectations(expected: list[dict[str, str]]) -> str:
    return table(
        ["what", "expected", "by"],
        [[one["what"], one["value"], one["source"]] for one in expected],
        "Expected from the literature",
    )


def _interval(row: dict[str, Any], metric: str = "", *, signed: bool = False) -> str:
    if row["low"] is None and row["high"] is None:
        return "–"
    if not signed and _asks(metric) and row["low"] == row["high"]:
        return "–"
    if metric in POINTS:
        form = "{:+.2f}" if signed else "{:.2f}"
        ends = [None if row[end] is None else form.format(100 * row[end]) for end in ("low", "high")]
        return " to ".join("–" if end is None else end.replace("-", "−") for end in ends)
    return f"{number(row['low'])} to {number(row['high'])}"


def number(value: Any) -> str:
    """Four digits of a number, the first of a list of hashes; a dash where there is nothing."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"
    text = str(value)
    return f"{text[:8]} +{text.count(',')}" if _HASHES.fullmatch(text) else text


def proof(name: str, md: Markdown) -> str:
    """What each arm is, so that one sees what is equal and what is not; then the experiment's own tables."""
    data = published(name)
    if data is None:
        return not_measured(name)
    arms = table(
        ["arm", "layers", "parameters", "learning rate", "graph", "data"],
        [
            [
                arm["label"],
                arm["layers"],
                f"{arm['parameters']:,}" if arm["parameters"] is not None else "–",
                number(arm["learning_rate"]),
                (arm["graph"] or "–")[:8],
                (arm["data"] or "–")[:8],
            ]
            for arm in data["arms"]
            if arm["graph"]
        ],
        "What each arm is. Equal fingerprints (of graph and data): equal graphs, equal data.",
        numeric={1, 2, 3},
    )
    own = [figure for figure in data["spec"]["figures"] if figure["kind"] == "table"]
    tables = "".join(_own(data[figure["name"] or "table_figure"], figure["title"]) for figure in own)
    if not any(arm["graph"] for arm in data["arms"]):
        return tables
    built = sum(bool(arm["graph"]) for arm in data["arms"])
    return tables + _folded(
        f"The net of each of the {built} arms: size, learning rate, fingerprints", arms, built
    )


def _own(rows: list[dict[str, Any]], title: str) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if len(columns) > WIDEST and len(rows) < len(columns):
        first, *quantities = columns  # upright: a quantity a row
        return table(
            [first, *(str(row.get(first)) for row in rows)],
            [[key, *(_own_cell(key, row.get(key)) for row in rows)] for key in quantities],
            title,
            numeric=set(range(1, len(rows) + 1)),
        )
    numeric = {i for i, key in enumerate(columns) if isinstance(rows[0].get(key), (int, float))}
    return table(
        columns, [[_own_cell(key, row.get(key)) for key in columns] for row in rows], title, numeric=numeric
    )


def _own_cell(quantity: str, value: Any) -> str:
    """A number, or a word where the quantity is a question: `equal to the bit`, `same graph as keras`."""
    return {0: "no", 1: "yes"}.get(value, number(value)) if _asks(quantity) else number(value)


def _asks(quantity: str) -> bool:
    """Whether a quantity, or a metric, is a question whose answer is yes or no."""
    return quantity.replace("_", " ").startswith(("equal to ", "same graph ", "default is ", "merged"))


def _grid(arms: list[dict[str, Any]]) -> str:
    """The rates that were tried, an arm a row and a rate a column; each run by itself is in the JSON file."""
    tuned = [arm for arm in arms if arm["grid"]]
    if not tuned:
        return ""
    rates = sorted({run["rate"] for arm in tuned for run in arm["grid"]})
    rows = [
        [arm["label"], *(_mean_loss(arm, rate) for rate in rates), number(arm["learning_rate"])]
        for arm in tuned
    ]
    runs = len(tuned[0]["grid"]) // len({run["rate"] for run in tuned[0]["grid"]})
    shown = table(
        ["arm", *(f"rate {number(rate)}" for rate in rates), "rate chosen"],
        rows,
        f"The learning rates tried: mean training loss at the end of short runs on separate seeds, {runs} "
        f"run{'s' * (runs > 1)} per rate. The rate with the lowest loss was chosen",
        numeric=set(range(1, len(rates) + 2)),
    )
    return _more("How each arm got its learning rate", shown)


def _mean_loss(arm: dict[str, Any], rate: float) -> str:
    losses = [run["train_loss"] for run in arm["grid"] if run["rate"] == rate]
    if not losses:
        return ""
    return "diverged" if None in losses else number(sum(losses) / len(losses))


def reproduce(name: str, md: Markdown) -> str:
    """Command, cost, data and environment; the full specification stays one click away."""
    experiment = experiment_of(name)
    data = published(name) or {}
    command = data.get("command") or command_of(experiment)
    if not data and experiment in STUDIES.names():
        planned = STUDIES.lookup(experiment)
        data["cost"] = f"about {planned.cost:g} minutes of one core, estimated"
        data["dataset"] = planned.data.name
    items = [
        ("Command", f"<code>{escape(str(command))}</code>"),
        ("A smaller answer", f"<code>{escape(str(command))} --quick</code>"),
    ]
    items += [(heading, escape(str(data[key]))) for key, heading in _REPRODUCE.items() if key in data]
    exactly = [
        (heading, escape(str(data[key]))) for key, heading in _REPRODUCE_EXACTLY.items() if key in data
    ]
    if environment := data.get("environment"):
        words = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in environment.items())
        exactly.append(("Environment", escape(words)))
    if "checksum" in data:
        files = [
            f'<a href="{link(md, f"data/{experiment}.{kind}")}">{experiment}.{kind}</a>'
            for kind in ("csv", "json")
        ]
        items.append(("Data files", ", ".join(files)))
    else:
        items.append(("Published data", "none yet"))
    folded = _more("Versions and checksum", _listed(exactly)) if exactly else ""
    return (
        f'<section class="zoo-reproduce" data-search-exclude aria-label="Reproduce {escape(experiment)}">'
        f'<p class="zoo-reproduce-title">Reproduce</p>{_listed(items)}{folded}</section>'
    )


def _listed(items: list[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<div><dt>{heading}</dt><dd>{value}</dd></div>' for heading, value in items)}</dl>"
