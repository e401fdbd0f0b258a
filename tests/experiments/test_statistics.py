import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from zoo.experiments.publishing.statistics import (
    NO_DIFFERENCE,
    bootstrap_interval,
    interquartile_mean,
    paired_difference,
    prediction_interval,
    summarise,
)

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=5)


@pytest.mark.parametrize("n", [4, 8, 12])
def test_the_interquartile_mean_is_scipys_trimmed_mean_where_both_are_defined(n):
    values = np.random.default_rng(n).normal(size=n)
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))


def test_the_interquartile_mean_by_hand():
    assert interquartile_mean([7]) == 7
    assert interquartile_mean([1, 3]) == 2
    # Of five values the outer one and a quarter go on each side: (0.75 * 2 + 3 + 0.75 * 4) / 2.5.
    assert interquartile_mean([100, 2, 3, 4, -100]) == pytest.approx(3)
    assert interquartile_mean([0, 2, 3, 8, 9]) == pytest.approx((0.75 * 2 + 3 + 0.75 * 8) / 2.5)


def test_the_bootstrap_of_two_values_by_hand():
    """Four equally likely resamples: 0, 1/2, 1/2, 1."""
    assert bootstrap_interval([0, 1]) == (0, 1)
    assert bootstrap_interval([0, 1], level=0.4) == (0.5, 0.5)


def test_the_bootstrap_of_zeros_and_ones_is_the_binomial():
    """k ones of n resampled: the mean is binomial(n, k / n) / n, a closed form."""
    n = 6
    for k in range(n + 1):
        low, high = bootstrap_interval([1] * k + [0] * (n - k))
        binomial = stats.binom(n, k / n)
        assert (low, high) == pytest.approx((binomial.ppf(0.025) / n, binomial.ppf(0.975) / n))


def test_the_drawn_bootstrap_agrees_with_the_normal_approximation():
    values = np.random.default_rng(0).normal(size=200)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / math.sqrt(200)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03 * 2 * half)
    assert bootstrap_interval(values) == (low, high), "the same values give the same interval"


@given(VALUES)
def test_the_exact_bootstrap_counts_all_resamples(values):
    means = sorted(np.mean(pick) for pick in itertools.product(values, repeat=len(values)))
    low, high = bootstrap_interval(values)
    inside = sum(low - 1e-9 <= mean <= high + 1e-9 for mean in means) / len(means)
    assert inside >= 0.95 - 1e-9
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


@given(VALUES, st.floats(-10, 10), st.floats(0.1, 10))
def test_everything_moves_and_scales_with_the_values(values, shift, scale):
    before, after = summarise(values), summarise([scale * value + shift for value in values])
    for key in ("mean", "iqm", "low", "high", "least", "most"):
        assert getattr(after, key) == pytest.approx(scale * getattr(before, key) + shift, rel=1e-6, abs=1e-6)


def test_pairs_find_what_means_hide():
    """Seeds differ by far more than arms do; the pairs show it all the same."""
    seeds = {seed: value for seed, value in enumerate([0.1, 0.9, 0.5, 0.3, 0.7])}
    better = {seed: value + 0.01 for seed, value in seeds.items()}
    assert paired_difference(better, seeds).words == "higher"
    assert paired_difference(seeds, better).words == "lower"
    assert paired_difference(seeds, better).mean == pytest.approx(-0.01)


def test_words():
    assert paired_difference({0: 1, 1: 2}, {0: 1, 1: 2}).words == "equal"
    assert paired_difference({0: 1, 1: 2}, {0: 2, 1: 1}).words == NO_DIFFERENCE == "no difference detected"
    assert paired_difference({0: math.nan, 1: 2}, {0: 2, 1: 1}).words == "not comparable: a run diverged"
    assert paired_difference({0: 1, 1: 2, 2: 3}, {1: 1, 2: 1, 5: 0}).n == 2
    with pytest.raises(ValueError, match="no seed in common"):
        paired_difference({0: 1}, {1: 1})
    with pytest.raises(ValueError, match="no values"):
        summarise([])


def test_the_prediction_interval_holds_what_it_says():
    generator = np.random.default_rng(0)
    for level in (0.5, 0.95):
        inside = 0
        for _ in range(3000):
            *known, new = generator.normal(size=6)
            low, high = prediction_interval(known, level)
            inside += low <= new <= high
        assert inside / 3000 == pytest.approx(level, abs=0.02)
    assert prediction_interval([1]) == (-math.inf, math.inf)
