"""Published numbers in words: what texts, claims and tables quote, so that nobody copies a number by hand."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from zoo.experiments.publishing.publication import Published
from zoo.experiments.publishing.statistics import Difference, Summary, paired_difference, summarise

POINTS = ("test_accuracy", "train_accuracy", "collapsed_accuracy")  # shown in points of a hundred


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
        """Seed -> all (x, value) of a metric, in order."""
        series: dict[int, list[tuple[float, float]]] = {}
        for row in self.published.rows:
            if row.arm == arm and row.metric == metric:
                series.setdefault(row.seed, []).append((row.x, row.value))
        return series

    def at(self, arm: str, metric: str, x: float) -> float:
        """Mean over the seeds of the value at the place nearest to x."""
        series = self.series(arm, metric).values()
        nearest = [min(points, key=lambda point: abs(point[0] - x))[1] for points in series]
        return sum(nearest) / len(nearest)

    def summary(self, arm: str, metric: str, *, first: bool = False) -> Summary:
        """Mean and interval over the seeds."""
        return summarise(list(self.values(arm, metric, first=first).values()))

    def difference(self, first: str, second: str, metric: str = "test_accuracy") -> Difference:
        """First arm less second, seed by seed."""
        return paired_difference(self.values(first, metric), self.values(second, metric))

    def mean_text(
        self, arm: str, metric: str = "test_accuracy", *, first: bool = False, digits: int = 3
    ) -> str:
        """`81.2 % [80.9, 81.6]`, or the bare mean where all seeds agree."""
        about = self.summary(arm, metric, first=first)
        return interval_text(about.mean, about.low, about.high, metric, digits=digits)

    def difference_text(self, first: str, second: str, metric: str = "test_accuracy") -> str:
        """`-1.2 points [-1.9, -0.4]`."""
        about = self.difference(first, second, metric)
        return interval_text(about.mean, about.low, about.high, metric, signed=True)

    def diverged(self, arm: str) -> int:
        """How many runs of an arm ended in numbers that are not finite."""
        (about,) = (one for one in self.published.about["arms"] if one["label"] == arm)
        return sum(run["status"] == "diverged" for run in about["runs"])

    def rate(self, arm: str) -> float:
        """The learning rate that was chosen for an arm."""
        (about,) = (one for one in self.published.about["arms"] if one["label"] == arm)
        return about["learning_rate"]

    def epochs_to(self, arm: str, level: float, metric: str = "train_accuracy") -> dict[int, float]:
        """Seed -> where in training a metric first reaches a level, by straight lines between the records.

        A run that never does counts as infinity. Before the first record the metric is taken to start at
        0.1, chance for ten classes.
        """
        return {
            seed: crossing([(0.0, 0.1), *points], level) for seed, points in self.series(arm, metric).items()
        }

    def slowdown(self, slow: str, fast: str, level: float) -> dict[int, float]:
        """Seed -> epochs that one arm takes to a training accuracy, over those of another."""
        a, b = self.epochs_to(slow, level), self.epochs_to(fast, level)
        return {
            seed: a[seed] / b[seed] if math.isfinite(b[seed]) else math.nan
            for seed in sorted(set(a) & set(b))
        }


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
    centre, *ends = (number(value, signed=signed, digits=digits) for value in (mean, low, high))
    return f"{centre}{unit}" if ends == [centre, centre] else f"{centre}{unit} [{ends[0]}, {ends[1]}]"


def number(value: float, *, signed: bool = False, digits: int = 3) -> str:
    """Digits that mean something, three unless more are asked for, with a true minus sign.

    Example:
        >>> from zoo.experiments.publishing.numbers import number
        >>> number(0.012345), number(1234.5), number(-3.2e-7), number(0.5, signed=True)
        ('0.0123', '1,230', '−3.2e-07', '+0.5')
    """
    if not math.isfinite(value):
        return str(value)
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
