"""What a handful of seeds says: centre, interval, paired difference."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
RESAMPLES = 10_000
EXACT_UP_TO = 6  # values: 6 ** 6 = 46,656 resamples can be counted instead of drawn
NO_DIFFERENCE = "no difference detected"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One arm's values over its seeds.

    Attributes:
        n: Number of values.
        mean: Arithmetic mean.
        iqm: Interquartile mean: the mean of the middle half, the outer values of which count in part.
        low: Lower end of the 95 % bootstrap interval of the mean.
        high: Its upper end.
        least: Smallest value.
        most: Largest value.
    """

    n: int
    mean: float
    iqm: float
    low: float
    high: float
    least: float
    most: float


@dataclass(frozen=True, kw_only=True)
class Difference:
    """First minus second, seed by seed.

    Attributes:
        n: Number of pairs.
        mean: Mean difference.
        low: Lower end of its 95 % bootstrap interval.
        high: Its upper end.
        words: What it comes to: `higher`, `lower`, `equal` or "no difference detected".
    """

    n: int
    mean: float
    low: float
    high: float
    words: str


def interquartile_mean(values: Sequence[float]) -> float:
    r"""Mean of the values between the quartiles.

    $$\frac{2}{n} \int_{n/4}^{3n/4} x_{(\lceil t \rceil)} \, dt$$

    with x sorted: a quarter of the weight is cut off at each end, of single values a part where n is no
    multiple of four. Agarwal et al. 2021, arXiv 2108.13264.

    Args:
        values: At least one number.

    Example:
        >>> from zoo.experiments.publishing.statistics import interquartile_mean
        >>> interquartile_mean([0, 1, 2, 9])
        1.5
        >>> interquartile_mean([1, 2, 3, 4, 100])
        3.0
    """
    ordered = np.sort(np.asarray(values, float))
    n = len(ordered)
    edges = np.arange(n + 1)
    weights = np.clip(np.minimum(edges[1:], 0.75 * n) - np.maximum(edges[:-1], 0.25 * n), 0, None)
    kept = weights > 0
    return float(ordered[kept] @ weights[kept] / weights[kept].sum())


def bootstrap_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean.

    Up to six values all n ** n resamples are counted, which makes the interval exact; for more, 10,000 are
    drawn from a generator with a fixed seed, so the same values always give the same interval. With five
    seeds the interval is narrower than its level says: the bootstrap knows no values beyond the extremes.

    Args:
        values: At least one number; what is not finite gives an interval of NaN.
        level: Share of resampled means inside.
    """
    array = np.asarray(values, float)
    if not np.isfinite(array).all():
        return math.nan, math.nan
    n = len(array)
    if n <= EXACT_UP_TO:
        picks = np.array(list(itertools.product(range(n), repeat=n)))
    else:
        picks = np.random.default_rng(0).integers(n, size=(RESAMPLES, n))
    means = array[picks].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return float(low), float(high)


def summarise(values: Sequence[float]) -> Summary:
    """Mean, interquartile mean and interval of one arm.

    Raises:
        ValueError: No values.
    """
    if not len(values):
        raise ValueError("nothing to summarise: no values")
    low, high = bootstrap_interval(values)
    array = np.asarray(values, float)
    return Summary(
        n=len(array),
        mean=float(array.mean()),
        iqm=interquartile_mean(array),
        low=low,
        high=high,
        least=float(array.min()),
        most=float(array.max()),
    )


def paired_difference(first: dict[int, float], second: dict[int, float]) -> Difference:
    """Difference of two arms over the seeds they share.

    Args:
        first: Seed -> value.
        second: Seed -> value.

    Raises:
        ValueError: No seed in common.

    Example:
        >>> from zoo.experiments.publishing.statistics import paired_difference
        >>> paired_difference({0: 0.9, 1: 0.8}, {0: 0.8, 1: 0.9}).words
        'no difference detected'
    """
    shared = sorted(set(first) & set(second))
    if not shared:
        raise ValueError(f"no seed in common: {sorted(first)} and {sorted(second)}")
    differences = np.array([first[seed] - second[seed] for seed in shared])
    low, high = bootstrap_interval(differences)
    if not np.isfinite(differences).all():
        words = "not comparable: a run diverged"
    elif not differences.any():
        words = "equal"
    elif low <= 0 <= high:
        words = NO_DIFFERENCE
    else:
        words = "higher" if low > 0 else "lower"
    return Difference(n=len(shared), mean=float(differences.mean()), low=low, high=high, words=words)


def prediction_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Where one more value of the same kind falls, for normal values: mean +- t s sqrt(1 + 1/n).

    Args:
        values: At least two numbers.
        level: Probability that the next one is inside.
    """
    from scipy import stats

    array = np.asarray(values, float)
    if len(array) < 2:
        return -math.inf, math.inf
    reach = stats.t.ppf((1 + level) / 2, len(array) - 1) * array.std(ddof=1) * math.sqrt(1 + 1 / len(array))
    return float(array.mean() - reach), float(array.mean() + reach)
