"""Published data: `docs/data/NAME.csv`, tidy rows, and `docs/data/NAME.json`, what they say and come from.

What is published is made by a command and carries a checksum; data edited by hand are refused.
"""

import csv
import dataclasses
import functools
import hashlib
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.experiments.design.experiment import Chart, Dataset, Experiment, Series, Strip, Table, plain
from zoo.experiments.publishing.differences import Difference, Runs, family, paired_difference
from zoo.experiments.publishing.metrics import PERFORMANCE, range_of
from zoo.experiments.publishing.outcomes import TRAINED, chance, comparable, outcome
from zoo.experiments.publishing.statistics import success_interval, summarise
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

    def arm(self, label: str) -> Mapping[str, Any]:
        """What the JSON file says of an arm.

        Raises:
            KeyError: It says nothing.
        """
        for about in self.about["arms"]:
            if about["label"] == label:
                return about
        raise KeyError(f"{self.name} publishes no arm {label!r}")

    def outcomes(self, arm: str) -> dict[int, str]:
        """Seed -> `trained`, `at chance` or `diverged`."""
        return {run["seed"]: run.get("outcome", TRAINED) for run in self.arm(arm)["runs"]}

    def comparable(self, arm: str, metric: str) -> dict[int, float]:
        """Seed -> last value of a metric, of runs of a kind: those that trained, or all at chance."""
        return comparable(metric, self.last(arm, metric), self.outcomes(arm))

    def runs(self, arm: str, metric: str) -> Runs:
        """The runs of an arm as comparisons read them."""
        return Runs(values=self.last(arm, metric), outcomes=self.outcomes(arm))

    def identical(self, first: str, second: str) -> bool:
        """Whether two arms end with the same weights on every seed."""
        one, other = (
            {run["seed"]: run.get("weights") for run in self.arm(a)["runs"]} for a in (first, second)
        )
        return one == other and all(one.values())

    def differences(self, pairs: Iterable[tuple[str, str, str]]) -> list[Difference]:
        """Differences of arms in a metric, with p adjusted for all of `pairs`.

        Args:
            pairs: First arm, second arm, metric.
        """
        pairs = list(pairs)
        found = [self._difference(*pair) for pair in pairs]
        return family(found, [(a, b) for a, b, _ in pairs])

    def _difference(self, a: str, b: str, metric: str) -> Difference:
        """One pair by itself, computed once: the sentences of a page ask for the same pairs over and over."""
        if (a, b, metric) not in self._differences:
            found = paired_difference(self.runs(a, metric), self.runs(b, metric), metric)
            self._differences[a, b, metric] = dataclasses.replace(found, identical=self.identical(a, b))
        return self._differences[a, b, metric]

    @functools.cached_property
    def _differences(self) -> dict[tuple[str, str, str], Difference]:
        return {}


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
    facts = {**_facts(collected), "command": command}
    return write(collected.experiment, observations(collected), facts, folder)


def write(
    experiment: Experiment, rows: list[Observation], facts: Mapping[str, Any], folder: Path
) -> Published:
    """Write the two files: facts of the runs as they are, all else derived from the rows.

    Args:
        experiment: What was asked.
        rows: What was measured.
        facts: What only the runs know: command, costs, environment, arms with their runs; a published JSON file
            holds them.
        folder: Where to.
    """
    about = _about(experiment, rows, facts)
    table = to_csv(rows)
    about = {**about, "checksum": _checksum(about, table)}
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
            f"nothing is published of {name!r}: {error.filename} is missing; python -m zoo.experiments run "
            f"{name} makes it"
        ) from error
    except ValueError as error:
        raise PublicationError(
            f"{folder / name}.json is damaged ({error}); restore it or publish again"
        ) from error
    if about.get("checksum") != _checksum(about, table):
        raise PublicationError(
            f"{folder / name}.csv or .json was changed after it was published (its checksum does not fit); "
            f"restore both from git, or give python -m zoo.experiments run {name}"
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
        if isinstance(figure, Table):
            named += figure.metrics
        elif isinstance(figure, Chart) and not isinstance(figure, (Series, Strip)):
            named.append(figure.metric)
    return tuple(dict.fromkeys(metric for metric in named if metric != WEIGHTS)) or ("test_accuracy",)


def _facts(collected: Any) -> dict[str, Any]:
    """What only the runs themselves know."""
    cpu = sum(run.result["cpu_seconds"] for run in (*collected.runs, *collected.tuning)) / 60
    count = len({run.id for run in (*collected.runs, *collected.tuning)})
    environments = _environments(collected)
    environment = environments[0][0]
    # Beside an accelerator the processor only waits, so its time says nothing of what two cores would take.
    beside = "" if environment["device"] == "cpu" else f" beside {environment['device']}"
    alone = collected.experiment.cost if beside else cpu
    return {
        "cost": f"{count} runs, {minutes(cpu)} of one core{beside}",
        "wall_time": f"about {minutes(alone / 2)} on 2 cores{', estimated' if beside else ''}",
        "cpu_minutes": round(cpu, 2),
        "published": max(run.result["finished"] for run in collected.runs),
        "environment": environment,
        "environments": len(environments),
        "runs_of_environments": [{"runs": count, **one} for one, count in environments],
        "arms": [_arm(collected, arm.label, environment) for arm in collected.experiment.arms],
    }


def _environments(collected: Any) -> list[tuple[dict[str, Any], int]]:
    """Where the runs were computed, and how many of them: the most frequent first, of equally frequent ones by name."""
    all_runs = (*collected.runs, *collected.tuning)
    told = {run.id: json.dumps(run.result["environment"], sort_keys=True) for run in all_runs}
    counted = sorted(Counter(told.values()).items(), key=lambda pair: (-pair[1], pair[0]))
    return [(json.loads(text), count) for text, count in counted]


def _about(experiment: Experiment, rows: list[Observation], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the JSON file: facts of the runs as they are, all else derived from the rows."""
    arms = {about["label"]: about for about in facts["arms"]}
    last: dict[str, dict[int, float]] = {}
    for row in rows:
        if row.metric == "test_accuracy":
            last.setdefault(row.arm, {})[row.seed] = row.value
    judged = [_judged(experiment, arms[arm.label], last.get(arm.label, {})) for arm in experiment.arms]
    runs = Published(name=experiment.name, about={"arms": judged}, rows=tuple(rows))
    return {
        "name": experiment.name,
        "question": experiment.question,
        **{key: facts[key] for key in ("command", "cost", "wall_time", "cpu_minutes")},
        "dataset": describe_data(experiment.data),
        **{key: facts[key] for key in ("published", "environment", "environments")},
        # What was published before they were counted has none.
        **{key: facts[key] for key in ("runs_of_environments",) if key in facts},
        "table": _table(experiment, runs),
        "comparisons": _comparisons(experiment, runs),
        "expectations": plain(experiment.expectations),
        **_tables(experiment, runs),
        "arms": judged,
        "spec": plain(experiment),
    }


def _judged(
    experiment: Experiment, about: Mapping[str, Any], accuracy: Mapping[int, float]
) -> dict[str, Any]:
    """An arm with the level of chance of its images, and the outcome of each of its runs."""
    arm = experiment.arm(about["label"])
    level = chance(experiment.data_of(arm)) if arm.trains and accuracy else None
    return {
        **about,
        "factors": plain(arm.factors),
        "chance": plain(level) if level else None,
        "runs": [
            {**run, "outcome": outcome(run["status"], accuracy.get(run["seed"]), level)}
            for run in about["runs"]
        ],
    }


def _table(experiment: Experiment, runs: Published) -> list[dict]:
    """One row an arm and metric: of runs of a kind, and how many of all runs trained."""
    table = []
    for arm in experiment.arms:
        outcomes = runs.outcomes(arm.label)
        trained = sum(one == TRAINED for one in outcomes.values())
        low, high = success_interval(trained, len(outcomes))
        diverged = sum(run["status"] == "diverged" for run in runs.arm(arm.label)["runs"])
        for metric in metrics_of(experiment):
            if not runs.last(arm.label, metric):
                continue
            row: dict[str, Any] = {"arm": arm.label, "metric": metric}
            values = list(runs.comparable(arm.label, metric).values())
            summary = summarise(values, limits=range_of(metric)) if values else None
            for key in ("mean", "iqm", "low", "high", "least", "most"):
                row[key] = _finite(getattr(summary, key)) if summary else None
            row |= {"runs": len(values), "of": len(outcomes), "diverged": diverged}
            if arm.trains and metric in PERFORMANCE:
                row |= {"trained": trained, "success_low": _finite(low), "success_high": _finite(high)}
            table.append(row)
    return table


def _comparisons(experiment: Experiment, runs: Published) -> list[dict]:
    """All comparisons, as one family; bits are compared, not tested."""
    tested = [pair for pair in experiment.comparisons if pair.metric != WEIGHTS]
    found = iter(runs.differences((pair.first, pair.second, pair.metric) for pair in tested))
    return [
        _bits(pair, runs, experiment.seeds) if pair.metric == WEIGHTS else _comparison(pair, next(found))
        for pair in experiment.comparisons
    ]


def _bits(pair: Any, runs: Published, seeds: tuple[int, ...]) -> dict:
    one, other = (
        {run["seed"]: run["weights"] for run in runs.arm(label)["runs"]}
        for label in (pair.first, pair.second)
    )
    equal = sum(one[seed] == other[seed] for seed in seeds)
    found = f"equal to the bit in {equal}" if equal else f"different in {len(seeds)}"
    zero = 0.0 if equal == len(seeds) else None
    return {
        **_compared(pair),
        "difference": zero,
        "low": zero,
        "high": zero,
        "runs": len(seeds),
        "verdict": f"{found} of {len(seeds)} seeds",
    }


def _comparison(pair: Any, difference: Difference) -> dict:
    resampled = difference.resampled
    return {
        **_compared(pair),
        "difference": _finite(difference.mean),
        "low": _finite(difference.low),
        "high": _finite(difference.high),
        "runs": difference.n,
        "p": _finite(difference.p),
        "holm": _finite(difference.holm),
        "bootstrap": [_finite(end) for end in resampled] if resampled else None,
        "trained": [list(rate) for rate in difference.trained] if difference.failures else None,
        "rates_p": _finite(difference.rates_p),
        "rates_holm": _finite(difference.rates_holm),
        "verdict": difference.verdict,
    }


def _compared(pair: Any) -> dict[str, str]:
    return {"a": pair.first, "b": pair.second, "metric": pair.metric, "claim": pair.claim}


def _tables(experiment: Experiment, runs: Published) -> dict[str, list[dict]]:
    """The figures that are tables: name -> one row an arm, with means and the beginnings of hashes."""
    tables = {}
    for figure in experiment.figures:
        if not isinstance(figure, Table):
            continue
        rows = []
        for label in figure.arms or [arm.label for arm in experiment.arms]:
            row: dict[str, Any] = {"arm": label}
            for metric in figure.metrics:
                if metric == WEIGHTS:
                    hashes = {run["seed"]: run["weights"] for run in runs.arm(label)["runs"]}
                    row["weights"] = ", ".join((hashes[seed] or "")[:8] for seed in experiment.seeds)
                elif values := list(runs.comparable(label, metric).values()):
                    row[metric.replace("_", " ")] = _finite(published_number(sum(values) / len(values)))
            rows.append(row)
        tables[figure.name or "table_figure"] = rows
    return tables


def _arm(collected: Any, label: str, environment: Mapping[str, Any]) -> dict:
    runs = [run for run in collected.runs if run.label == label]
    tuning = [run for run in collected.tuning if run.label == label]
    # First losses are compared to the bit where the published environment is today's: they must come from there.
    first = next((run for run in runs if run.result["environment"] == environment), runs[0])
    return {
        "label": label,
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
    """A number as it is published, the same on every processor.

    A mean of numbers of six digits may lie half-way between two of them, and there the last bit, which processors compute
    differently, would decide.
    """
    return float(f"{float(f'{float(value):.{2 * DIGITS}g}'):.{DIGITS}g}")


def _finite(value: float) -> float | None:
    return published_number(value) if math.isfinite(value) else None


def _exact(value: float) -> float | None:
    """All digits, for what today's code has to retrace; JSON has no word for what is not finite."""
    return value if math.isfinite(value) else None
