"""Two arms held against each other over the seeds they share, and all comparisons of one experiment as a family.

A comparison has two parts that are never mixed: how *well* the arms train (Student's t on the paired differences of
runs that trained) and, where runs failed, how *often* (Fisher's exact test on the two rates of success). All tests
of an experiment are one family, and verdicts go by Holm's adjusted p.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from zoo.experiments.publishing.metrics import PERFORMANCE
from zoo.experiments.publishing.outcomes import TRAINED, comparable
from zoo.experiments.publishing.statistics import (
    ALPHA,
    bootstrap_interval,
    holm,
    least_p,
    looks_normal,
    rates_test,
    t_interval,
    t_test,
)

NO_DIFFERENCE = "no difference detected"
TOO_FEW = "too few runs trained to compare"
NEITHER = "neither arm trains"
EQUAL, HIGHER, LOWER = "equal", "higher", "lower"
EQUAL_TO_THE_BIT = "equal to the bit"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """First minus second, seed by seed.

    Attributes:
        metric: Of what.
        values: The differences, of the seeds on which both have a comparable run.
        mean: Mean difference; NaN of none.
        low: Lower end of its 95 % t interval; NaN of fewer than two.
        high: Its upper end.
        p: Of Student's test that the mean is zero.
        holm: The same, adjusted for all tests of the experiment.
        normal: Whether the differences look normal and no run failed.
        resampled: 95 % bootstrap interval, where they do not; else `None`.
        trained: Of both arms: runs that trained, and runs.
        rates_p: Of Fisher's test that both train equally often; NaN where so few runs failed, or trained, that it
            could not find a difference however they fell, and so is no test (Tarone 1990, Biometrics 46, 515-522).
        rates_holm: The same, adjusted.
        identical: Whether both arms end with the same weights on every seed.
    """

    metric: str
    values: tuple[float, ...]
    mean: float
    low: float
    high: float
    p: float
    holm: float
    normal: bool
    resampled: tuple[float, float] | None
    trained: tuple[tuple[int, int], tuple[int, int]]
    rates_p: float
    rates_holm: float
    identical: bool = False

    @property
    def n(self) -> int:
        """Number of pairs."""
        return len(self.values)

    @property
    def words(self) -> str:
        """How well: `higher`, `lower`, `equal`, or why no difference was found: `NO_DIFFERENCE`, `TOO_FEW`, `NEITHER`.

        One pair that happens to tie is too few; arms with the same weights on every seed are equal with one, too.
        """
        if self.metric in PERFORMANCE and not any(good for good, _ in self.trained):
            return NEITHER
        same = self.n > 0 and not any(self.values)
        if self.n < 2 and not (same and self.identical):
            return TOO_FEW
        if same:
            return EQUAL
        if not self.holm < ALPHA:
            return NO_DIFFERENCE
        return HIGHER if self.mean > 0 else LOWER

    @property
    def rates_words(self) -> str:
        """How often: "trains more often", "trains less often", or nothing where that was not detected."""
        if not self.rates_holm < ALPHA:
            return ""
        (a, runs), (b, others) = self.trained
        return "trains more often" if a / runs > b / others else "trains less often"

    @property
    def failures(self) -> str:
        """Where runs failed: how many of both arms trained."""
        (a, runs), (b, others) = self.trained
        if self.metric not in PERFORMANCE or (a == runs and b == others):
            return ""
        return f"trained: {a} of {runs} against {b} of {others}"

    @property
    def well(self) -> str:
        """As `words`, but arms with the same weights are equal to the bit, which is no statistics."""
        return EQUAL_TO_THE_BIT if self.identical and self.words == EQUAL else self.words

    @property
    def verdict(self) -> str:
        """How well and how often, in words."""
        often = ", ".join(filter(None, (self.failures, self.rates_words)))
        return f"{self.well} ({often})" if often else self.well

    @property
    def signs(self) -> set[str]:
        """The directions that were detected, `higher` or `lower`, of values or, read in this metric, of rates."""
        found = {self.words} & {HIGHER, LOWER}
        return found | self.trains_otherwise if self.rates_words else found

    @property
    def trains_otherwise(self) -> set[str]:
        """On which side the first arm is by how often it trained, read in this metric: `higher`, `lower` or neither.

        Whether that is more than chance, `rates_words` says.
        """
        (a, runs), (b, others) = self.trained
        if self.metric not in PERFORMANCE or a * others == b * runs:
            return set()
        better = a * others > b * runs
        return {HIGHER if better != self.metric.endswith("loss") else LOWER}

    def interval(self, level: float) -> tuple[float, float]:
        """The t interval of another level."""
        return t_interval(self.values, level)


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs of one arm in one metric.

    Attributes:
        values: Seed -> value.
        outcomes: Seed -> `trained`, `at chance` or `diverged`; a seed that is missing trained.
    """

    values: Mapping[int, float]
    outcomes: Mapping[int, str] = field(default_factory=dict)

    def trained(self) -> tuple[int, int]:
        """How many runs trained, and how many there are."""
        seeds = set(self.values) | set(self.outcomes)
        return sum(self.outcomes.get(seed, TRAINED) == TRAINED for seed in seeds), len(seeds)


def paired_difference(first: Runs, second: Runs, metric: str = "test_accuracy") -> Difference:
    """One comparison by itself: a family of one.

    Args:
        first: Runs of the arm whose values count as positive.
        second: Runs of the other.
        metric: What the values are.

    Raises:
        ValueError: No seed in common.

    Example:
        >>> from zoo.experiments.publishing.differences import Runs, paired_difference
        >>> first, second = Runs(values={0: 0.9, 1: 0.8}), Runs(values={0: 0.8, 1: 0.9})
        >>> paired_difference(first, second).words
        'no difference detected'
    """
    if not set(first.values) & set(second.values):
        raise ValueError(
            f"no seed in common: {sorted(first.values)} and {sorted(second.values)}; compare arms that ran with "
            "the same seeds"
        )
    ours = comparable(metric, first.values, first.outcomes)
    theirs = comparable(metric, second.values, second.outcomes)
    values = tuple(ours[seed] - theirs[seed] for seed in sorted(set(ours) & set(theirs)))
    trained = first.trained(), second.trained()
    failed = metric in PERFORMANCE and any(good < runs for good, runs in trained)
    normal = looks_normal(values) and not failed
    low, high = t_interval(values)
    p = t_test(values) if any(good for good, _ in trained) or metric not in PERFORMANCE else math.nan
    rates_p = rates_test(*trained) if failed and least_p(*trained) < ALPHA else math.nan
    return Difference(
        metric=metric,
        values=values,
        mean=float(np.mean(values)) if values else math.nan,
        low=low,
        high=high,
        p=p,
        holm=p,
        normal=normal,
        resampled=None if normal or len(values) < 3 else bootstrap_interval(values),
        trained=trained,
        rates_p=rates_p,
        rates_holm=rates_p,
    )


def family(differences: Sequence[Difference], arms: Sequence[tuple[str, str]] = ()) -> list[Difference]:
    """The same comparisons with p adjusted for all of them by Holm.

    Differences that are zero to the bit are no tests and do not count. Two metrics of the same two arms share one
    test of how often they train.

    Args:
        differences: All comparisons of an experiment.
        arms: Their arms, first and second; empty where all are different.
    """
    arms = arms or [(str(i), "") for i in range(len(differences))]
    tests: dict[tuple, float] = {}
    for pair, one in zip(arms, differences, strict=True):
        tests[(*pair, one.metric)] = math.nan if one.words == EQUAL else one.p
        if not math.isnan(one.rates_p):
            tests[frozenset(pair), "rates"] = one.rates_p
    adjusted = dict(zip(tests, holm(list(tests.values())), strict=True))
    return [
        dataclasses.replace(
            one,
            holm=one.p if one.words == EQUAL else adjusted[(*pair, one.metric)],
            rates_holm=adjusted.get((frozenset(pair), "rates"), math.nan)
            if not math.isnan(one.rates_p)
            else math.nan,
        )
        for pair, one in zip(arms, differences, strict=True)
    ]
