"""Published numbers in words: what texts, claims and tables quote, so that nobody copies a number by hand."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from zoo.experiments.publishing.differences import Difference
from zoo.experiments.publishing.metrics import PERFORMANCE, POINTS, p_text, range_of
from zoo.experiments.publishing.outcomes import TRAINED, comparable
from zoo.experiments.publishing.publication import WEIGHTS, Published, published_number
from zoo.experiments.publishing.statistics import Summary, summarise


@dataclass(frozen=True)
class Numbers:
    """The published rows of one experiment, asked for by arm and metric."""

    published: Published

    def values(self, arm: str, metric: str, *, first: bool = False) -> dict[int, float]:
        """Seed -> last (or first) value of a metric.

        Raises:
            KeyError: Nothing is published under these names.
        """
        rows = [row for row in self.published.rows if row.arm == arm and row.metric == metric]
        if not rows:
            raise KeyError(f"{self.published.name} publishes no {metric!r} of arm {arm!r}")
        return {row.seed: row.value for row in (reversed(rows) if first else rows)}

    def has(self, arm: str, metric: str) -> bool:
        """Whether a metric of an arm is published."""
        return any(row.arm == arm and row.metric == metric for row in self.published.rows)

    def series(self, arm: str, metric: str) -> dict[int, list[tuple[float, float]]]:
        """Seed -> all (x, value) of a metric, in order.

        Raises:
            KeyError: Nothing is published under these names.
        """
        series: dict[int, list[tuple[float, float]]] = {}
        for row in self.published.rows:
            if row.arm == arm and row.metric == metric:
                series.setdefault(row.seed, []).append((row.x, row.value))
        if not series:
            raise KeyError(f"{self.published.name} publishes no {metric!r} of arm {arm!r}")
        return series

    def at(self, arm: str, metric: str, x: float) -> float:
        """Mean over the seeds of the value at x, which every seed must have recorded.

        Raises:
            KeyError: Nothing is published under these names.
            ValueError: A seed has no value at x; says which places are the nearest.
        """
        asked = published_number(x)
        found = []
        for seed, points in self.series(arm, metric).items():
            values = dict(points)
            if asked not in values:
                nearest = sorted(sorted(values, key=lambda place: abs(place - asked))[:2])
                raise ValueError(
                    f"{self.published.name} has no {metric!r} of arm {arm!r}, seed {seed}, at x = {x:g}; the nearest "
                    f"that are recorded are {' and '.join(f'{place:g}' for place in nearest)}: ask for one of them"
                )
            found.append(values[asked])
        return sum(found) / len(found)

    def trained(self, arm: str) -> tuple[int, int]:
        """How many runs of an arm trained, and how many there are."""
        outcomes = list(self.published.outcomes(arm).values())
        return outcomes.count(TRAINED), len(outcomes)

    def summary(self, arm: str, metric: str, *, first: bool = False) -> Summary:
        """Mean and t interval over the runs that trained, or over all where none did.

        Raises:
            KeyError: Nothing is published under these names, or no run has a finite value.
        """
        values = self.values(arm, metric, first=first)
        kept = values if first else comparable(metric, values, self.published.outcomes(arm))
        if not kept:
            raise KeyError(f"no run of arm {arm!r} of {self.published.name} has a finite {metric!r}")
        return summarise(list(kept.values()), limits=range_of(metric))

    def difference(self, first: str, second: str, metric: str = "test_accuracy") -> Difference:
        """First arm minus second, seed by seed, as one of the family of the experiment's comparisons.

        A pair that is none of them (in either direction) is judged as if it were one more.
        """
        return self.all_differences([(first, second, metric)])[0]

    def all_differences(self, asked: list[tuple[str, str, str]]) -> list[Difference]:
        """Several differences, judged together with the experiment's comparisons."""
        for first, second, metric in asked:
            for arm in (first, second):
                self.values(arm, metric)
        pairs = [
            (pair["a"], pair["b"], pair["metric"])
            for pair in self.published.about.get("comparisons", ())
            if pair["metric"] != WEIGHTS
        ]
        turned = {(b, a, metric): (a, b, metric) for a, b, metric in asked}
        # Which arm is the first does not matter to a test: a pair that is asked for takes its turned one's place.
        pairs = [turned.get(pair, pair) for pair in pairs]
        pairs += [pair for pair in asked if pair not in pairs]
        found = dict(zip(pairs, self.published.differences(pairs), strict=True))
        return [found[pair] for pair in asked]

    def mean_text(
        self, arm: str, metric: str = "test_accuracy", *, first: bool = False, digits: int = 3
    ) -> str:
        """`81.2 % [80.9, 81.6]`, the bare mean where all seeds agree, and how many trained where not all did."""
        about = self.summary(arm, metric, first=first)
        text = interval_text(about.mean, about.low, about.high, metric, digits=digits)
        good, runs = self.trained(arm)
        if first or metric not in PERFORMANCE or good == runs:
            return text
        return f"{text} ({good} of {runs} runs trained)"

    def difference_text(self, first: str, second: str, metric: str = "test_accuracy") -> str:
        """`-1.2 points [-1.9, -0.4], p 0.003, Holm 0.02`."""
        return difference_text(self.difference(first, second, metric))

    def diverged(self, arm: str) -> int:
        """How many runs of an arm ended in numbers that are not finite."""
        return sum(run["status"] == "diverged" for run in self.published.arm(arm)["runs"])

    def rate(self, arm: str) -> float:
        """The learning rate that was chosen for an arm."""
        return self.published.arm(arm)["learning_rate"]

    def epochs_to(self, arm: str, level: float, metric: str = "train_accuracy") -> dict[int, float]:
        """Seed -> where in training a metric first reaches a level, by straight lines between the records.

        A run that never does counts as infinity. Before the first record the metric is taken to start at
        0.1, chance for ten classes. What is recorded of training is the mean since the record before, so it stands for
        the middle between the two.
        """
        return {
            seed: crossing([(0.0, 0.1), *_centred(points)], level)
            for seed, points in self.series(arm, metric).items()
        }

    def slowdown(self, slow: str, fast: str, level: float) -> dict[int, float]:
        """Seed -> epochs that one arm takes to a training accuracy, over those of another."""
        a, b = self.epochs_to(slow, level), self.epochs_to(fast, level)
        return {
            seed: a[seed] / b[seed] if math.isfinite(b[seed]) else math.nan
            for seed in sorted(set(a) & set(b))
        }


def _centred(points: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Means, each recorded at the end of its stretch, at the middle of it."""
    before = 0.0
    for x, y in points:
        yield (before + x) / 2, y
        before = x


def crossing(points: Iterable[tuple[float, float]], level: float) -> float:
    """Where a polyline first reaches a level; infinity where it never does.

    Example:
        >>> from zoo.experiments.publishing.numbers import crossing
        >>> crossing([(0, 0.1), (1, 0.5), (2, 0.9)], 0.7)
        1.5
    """
    before = None
    for x, y in points:
        if y >= level:
            if before is None or y == before[1]:
                return x
            return before[0] + (x - before[0]) * (level - before[1]) / (y - before[1])
        before = (x, y)
    return math.inf


def interval_text(
    mean: float, low: float, high: float, metric: str, *, signed: bool = False, digits: int = 3
) -> str:
    """A number with its interval, in the unit of its metric."""
    unit = ""
    if metric in POINTS:
        mean, low, high = (100 * value for value in (mean, low, high))
        unit = " points" if signed else " %"
    if not math.isfinite(mean):
        return "not finite"
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{number(mean, signed=signed, digits=digits)}{unit} (one run)"
    centre, *ends = (number(value, signed=signed, digits=digits) for value in (mean, low, high))
    return f"{centre}{unit}" if ends == [centre, centre] else f"{centre}{unit} [{ends[0]}, {ends[1]}]"


def difference_text(about: Difference) -> str:
    """Effect, interval, both p, the bootstrap interval where it stands beside, and how often both arms trained."""
    if not about.n:
        return "no pair of runs to compare" + (f" ({about.failures})" if about.failures else "")
    parts = [interval_text(about.mean, about.low, about.high, about.metric, signed=True)]
    if any(about.values) and math.isfinite(about.p):
        parts.append(f"p {p_text(about.p)}, Holm {p_text(about.holm)}")
    if about.resampled:
        low, high = about.resampled
        ends = interval_text(about.mean, low, high, about.metric, signed=True).partition("[")[2]
        if ends:
            parts.append(f"bootstrap [{ends}")
    if about.failures:
        parts.append(about.failures)
    if not math.isnan(about.rates_p):
        parts.append(f"rates p {p_text(about.rates_p)}, Holm {p_text(about.rates_holm)}")
    return ", ".join(parts)


def number(value: float, *, signed: bool = False, digits: int = 3) -> str:
    """Digits that mean something, three unless more are asked for, with a true minus sign; or "not finite".

    Example:
        >>> from zoo.experiments.publishing.numbers import number
        >>> number(0.012345), number(1234.5), number(-3.2e-7), number(0.5, signed=True)
        ('0.0123', '1,230', '−3.2e-07', '+0.5')
    """
    if not math.isfinite(value):
        return "not finite"
    size = abs(value)
    if size and (size < 1e-3 or size >= 1e6):
        text = f"{size:.{digits - 1}g}"
    else:
        decimals = max(0, digits - 1 - math.floor(math.log10(size))) if size else 0
        rounded = float(f"{size:.{digits}g}")
        text = f"{rounded:,.{decimals}f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
    sign = "−" if value < 0 else "+" if signed and value > 0 else ""
    return sign + text
