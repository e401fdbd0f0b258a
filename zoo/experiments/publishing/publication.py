"""Published data: `docs/data/NAME.csv`, tidy rows, and `docs/data/NAME.json`, what they say and come from.

What is published is made by a command and carries a checksum; data edited by hand are refused.
"""

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.experiments.design.experiment import Dataset, Experiment, plain
from zoo.experiments.publishing.statistics import paired_difference, summarise
from zoo.experiments.running.durations import minutes
from zoo.experiments.running.results import write_atomically

FOLDER = Path("docs/data")
COLUMNS = ("arm", "seed", "metric", "x", "value")
TUNING = "tuning_train_loss"  # over the learning rate
DIGITS = 6
WEIGHTS = "weights_sha256"


class PublicationError(ValueError):
    """Published data are missing, damaged or edited by hand."""


@dataclass(frozen=True)
class Observation:
    """One published number: of an arm and a seed, a metric at a place x."""

    arm: str
    seed: int
    metric: str
    x: float
    value: float


@dataclass(frozen=True, kw_only=True)
class Published:
    """What is published of an experiment.

    Attributes:
        name: Of the experiment.
        about: The content of the JSON file.
        rows: The content of the CSV file.
    """

    name: str
    about: Mapping[str, Any]
    rows: tuple[Observation, ...]

    def last(self, arm: str, metric: str) -> dict[int, float]:
        """Seed -> last value of a metric."""
        return {row.seed: row.value for row in self.rows if row.arm == arm and row.metric == metric}


def observations(collected: Any) -> list[Observation]:
    """All rows of an experiment's runs, and the tuning grid as rows of its own metric.

    Args:
        collected: A `zoo.experiments.running.conduct.Collected`.
    """
    rows = [
        Observation(run.label, run.seed, metric, published_number(x), published_number(value))
        for run in collected.runs
        for line in run.lines
        for metric, x, value in line["rows"]
        if metric != "learning_rate"  # the recipe says it
    ]
    return rows + [
        Observation(
            run.label,
            run.seed,
            TUNING,
            published_number(run.rate),
            published_number(run.series("train_loss")[-1][1]),
        )
        for run in collected.tuning
    ]


def publish(collected: Any, *, command: str, folder: Path = FOLDER) -> Published:
    """Write the two files of an experiment.

    Args:
        collected: A `zoo.experiments.running.conduct.Collected`.
        command: That makes them again.
        folder: Where to.
    """
    experiment: Experiment = collected.experiment
    rows = observations(collected)
    published = Published(name=experiment.name, about=_about(collected, rows, command), rows=tuple(rows))
    table = to_csv(rows)
    about = {**published.about, "checksum": _checksum(published.about, table)}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{experiment.name}.csv", table)
    write_atomically(folder / f"{experiment.name}.json", json.dumps(about, indent=1).encode() + b"\n")
    return load(experiment.name, folder)


def load(name: str, folder: Path = FOLDER) -> Published:
    """Read what is published of an experiment.

    Raises:
        PublicationError: Nothing is, or it is not what was published.
    """
    try:
        about = json.loads((folder / f"{name}.json").read_bytes())
        table = (folder / f"{name}.csv").read_bytes()
    except FileNotFoundError as error:
        raise PublicationError(
            f"nothing is published of {name!r}: {error.filename} is missing; scripts/reproduce.py run "
            f"{name} makes it"
        ) from error
    except ValueError as error:
        raise PublicationError(
            f"{folder / name}.json is damaged ({error}); restore it or publish again"
        ) from error
    if about.get("checksum") != _checksum(about, table):
        raise PublicationError(
            f"{folder / name}.csv or .json was changed after it was published (its checksum does not fit); "
            f"restore both from git, or give scripts/reproduce.py run {name}"
        )
    lines = csv.DictReader(io.StringIO(table.decode()))
    rows = tuple(
        Observation(line["arm"], int(line["seed"]), line["metric"], float(line["x"]), float(line["value"]))
        for line in lines
    )
    return Published(name=name, about=about, rows=rows)


def names(known: Iterable[str], folder: Path = FOLDER) -> list[str]:
    """Of the known experiments, those of which something is published."""
    return [name for name in known if (folder / f"{name}.json").exists()]


def to_csv(rows: Iterable[Observation]) -> bytes:
    """Rows as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([row.arm, row.seed, row.metric, f"{row.x:.{DIGITS}g}", f"{row.value:.{DIGITS}g}"])
    return text.getvalue().encode()


def describe_data(dataset: Dataset) -> str:
    """A data set in words.

    Example:
        >>> from zoo.experiments.publishing.publication import describe_data
        >>> from zoo.experiments.design.experiment import Dataset
        >>> describe_data(Dataset(name="digits", train=1000))
        'digits, 1,000 training and all test images'
    """
    size = f", {dataset.size} x {dataset.size} pixels" if dataset.size else ""
    train, test = (f"{count:,}" if count else "all" for count in (dataset.train, dataset.test))
    signs = ", each with both signs" if dataset.signs == "both" else ""
    return f"{dataset.name}{size}, {train} training and {test} test images{signs}"


def metrics_of(experiment: Experiment) -> tuple[str, ...]:
    """The metrics that an experiment is about: those of its comparisons and figures, in that order."""
    named = [pair.metric for pair in experiment.comparisons]
    for figure in experiment.figures:
        if figure.kind == "table":
            named += figure.metrics
        elif figure.kind != "series":
            named.append(figure.metric)
    return tuple(dict.fromkeys(metric for metric in named if metric != WEIGHTS)) or ("test_accuracy",)


def _about(collected: Any, rows: list[Observation], command: str) -> dict[str, Any]:
    experiment: Experiment = collected.experiment
    last = {(row.arm, row.metric): {} for row in rows}
    for row in rows:
        last[row.arm, row.metric][row.seed] = row.value
    cpu = sum(run.result["cpu_seconds"] for run in (*collected.runs, *collected.tuning)) / 60
    count = len({run.id for run in (*collected.runs, *collected.tuning)})
    environments = {json.dumps(run.result["environment"], sort_keys=True) for run in collected.runs}
    hashes = {(run.label, run.seed): run.result["weights_sha256"] for run in collected.runs}
    return {
        "name": experiment.name,
        "question": experiment.question,
        "command": command,
        "cost": f"{count} runs, {minutes(cpu)} of one core",
        "wall_time": f"about {minutes(cpu / 2)} on 2 cores",
        "cpu_minutes": round(cpu, 2),
        "dataset": describe_data(experiment.data),
        "published": max(run.result["finished"] for run in collected.runs),
        "environment": json.loads(sorted(environments)[0]),
        "environments": len(environments),
        "table": _table(experiment, last, collected),
        "comparisons": [_comparison(pair, last, hashes, experiment.seeds) for pair in experiment.comparisons],
        "expectations": plain(experiment.expectations),
        **_tables(experiment, last, hashes),
        "arms": [_arm(collected, arm.label) for arm in experiment.arms],
        "spec": plain(experiment),
    }


def _table(experiment: Experiment, last: dict, collected: Any) -> list[dict]:
    table = []
    for arm in experiment.arms:
        diverged = sum(run.result["status"] == "diverged" for run in collected.runs if run.label == arm.label)
        for metric in metrics_of(experiment):
            values = list(last.get((arm.label, metric), {}).values())
            if not values:
                continue
            summary = summarise(values)
            table.append(
                {
                    "arm": arm.label,
                    "metric": metric,
                    **{
                        key: _finite(getattr(summary, key))
                        for key in ("mean", "iqm", "low", "high", "least", "most")
                    },
                    "runs": summary.n,
                    "diverged": diverged,
                }
            )
    return table


def _comparison(pair: Any, last: dict, hashes: dict, seeds: tuple[int, ...]) -> dict:
    about = {"a": pair.first, "b": pair.second, "metric": pair.metric, "claim": pair.claim}
    if pair.metric == WEIGHTS:
        equal = sum(hashes[pair.first, seed] == hashes[pair.second, seed] for seed in seeds)
        found = f"equal to the bit in {equal}" if equal else f"different in {len(seeds)}"
        verdict = f"{found} of {len(seeds)} seeds"
        zero = 0.0 if equal == len(seeds) else None
        return {
            **about,
            "difference": zero,
            "low": zero,
            "high": zero,
            "runs": len(seeds),
            "verdict": verdict,
        }
    difference = paired_difference(
        last.get((pair.first, pair.metric), {}), last.get((pair.second, pair.metric), {})
    )
    return {
        **about,
        "difference": _finite(difference.mean),
        "low": _finite(difference.low),
        "high": _finite(difference.high),
        "runs": difference.n,
        "verdict": difference.words,
    }


def _tables(experiment: Experiment, last: dict, hashes: dict) -> dict[str, list[dict]]:
    """The figures that are tables: name -> one row an arm, with means and the beginnings of hashes."""
    tables = {}
    for figure in experiment.figures:
        if figure.kind != "table":
            continue
        rows = []
        for label in figure.arms or [arm.label for arm in experiment.arms]:
            row: dict[str, Any] = {"arm": label}
            for metric in figure.metrics:
                if metric == WEIGHTS:
                    row["weights"] = ", ".join((hashes[label, seed] or "")[:8] for seed in experiment.seeds)
                elif values := list(last.get((label, metric), {}).values()):
                    row[metric.replace("_", " ")] = _finite(published_number(sum(values) / len(values)))
            rows.append(row)
        tables[figure.name or "table_figure"] = rows
    return tables


def _arm(collected: Any, label: str) -> dict:
    runs = [run for run in collected.runs if run.label == label]
    tuning = [run for run in collected.tuning if run.label == label]
    first = runs[0]
    return {
        "label": label,
        "factors": plain(collected.experiment.arm(label).factors),
        "learning_rate": collected.rates[label],
        "grid": [
            {
                "rate": run.rate,
                "seed": run.seed,
                "train_loss": _finite(published_number(run.series("train_loss")[-1][1])),
            }
            for run in tuning
        ],
        "graph": first.result["graph"],
        "data": first.result["data"],
        "parameters": first.result["parameters"],
        "layers": first.result["layers"],
        "trace": {"seed": first.seed, "losses": [_exact(float(loss)) for loss in first.result["trace"]]},
        "runs": [
            {
                "seed": run.seed,
                "id": run.id,
                "status": run.result["status"],
                "diverged_at": run.result["diverged_at"],
                "steps": run.result["steps"],
                "weights": run.result["weights_sha256"],
                "cpu_seconds": run.result["cpu_seconds"],
            }
            for run in runs
        ],
    }


def _checksum(about: Mapping[str, Any], table: bytes) -> str:
    content = {key: value for key, value in about.items() if key != "checksum"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    digest.update(table)
    return digest.hexdigest()


def published_number(value: float | str) -> float:
    """A number as it is published."""
    return float(f"{float(value):.{DIGITS}g}")


def _finite(value: float) -> float | None:
    return published_number(value) if math.isfinite(value) else None


def _exact(value: float) -> float | None:
    """All digits, for what today's code has to retrace; JSON has no word for what is not finite."""
    return value if math.isfinite(value) else None
