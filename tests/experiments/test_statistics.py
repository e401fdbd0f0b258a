import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from zoo.experiments.publishing.statistics import (
    bootstrap_interval,
    holm,
    interquartile_mean,
    least_p,
    looks_normal,
    prediction_interval,
    rates_test,
    success_interval,
    summarise,
    t_interval,
    t_test,
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
        moved = scale * getattr(before, key) + shift
        assert getattr(after, key) == pytest.approx(moved, rel=1e-6, abs=1e-6, nan_ok=True)


def test_nothing_to_summarise():
    with pytest.raises(ValueError, match="no values"):
        summarise([])


@pytest.mark.parametrize(
    "values", [[0.3, 0.1, 0.2], [1, 2, 3, 4, 10], np.random.default_rng(0).normal(size=10)]
)
def test_interval_and_p_are_scipys(values):
    theirs = stats.ttest_1samp(values, 0)
    assert t_test(values) == pytest.approx(theirs.pvalue)
    assert t_interval(values) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert t_interval(values, 0.8) == pytest.approx(tuple(theirs.confidence_interval(0.8)))


def test_what_has_no_interval():
    assert all(
        map(math.isnan, (*t_interval([1.0]), *t_interval([1, math.nan, 2]), t_test([1.0]), t_test([])))
    )
    assert t_interval([2, 2, 2]) == (2, 2) and t_test([2, 2, 2]) == 0 and t_test([0, 0]) == 1


def test_an_interval_ends_where_its_metric_does():
    assert t_interval([0.97, 0.99, 0.999], limits=(0, 1))[1] == 1
    assert t_interval([0.97, 0.99, 0.999])[1] > 1


DRAWS = 20_000


def covered(interval, n, seed=0):
    """Share of intervals of n normal values that hold the true mean."""
    drawn = np.random.default_rng(seed).normal(loc=3, scale=2, size=(DRAWS, n))
    low, high = interval(drawn)
    return np.mean((low <= 3) & (high >= 3))


def ours(drawn):
    """`t_interval` of many rows at once; that it is the same one is asserted on some of them."""
    n = drawn.shape[1]
    unit = t_interval(
        [-1.0, 1.0] if n == 2 else np.resize([-1.0, 1.0], n)
    )  # gives the reach of a known deviation
    known = np.resize([-1.0, 1.0], n)
    reach = (unit[1] - known.mean()) / known.std(ddof=1) * drawn.std(axis=1, ddof=1)
    low, high = drawn.mean(axis=1) - reach, drawn.mean(axis=1) + reach
    for row in range(0, DRAWS, DRAWS // 50):
        assert t_interval(drawn[row]) == pytest.approx((low[row], high[row]))
    return low, high


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_interval_covers_what_it_says(n):
    assert 0.93 <= covered(ours, n) <= 0.97


@pytest.mark.parametrize(("n", "share"), [(3, 0.74), (5, 0.84)])
def test_the_bootstrap_covers_less_as_its_docstring_says(n, share):
    drawn = np.random.default_rng(0).normal(size=(2000, n))
    ends = np.array([bootstrap_interval(row) for row in drawn])
    assert np.mean((ends[:, 0] <= 0) & (ends[:, 1] >= 0)) == pytest.approx(share, abs=0.025)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_holm_keeps_the_error_of_the_family(n):
    """Twelve comparisons against one reference, no effect anywhere: at most 5 % of families with a finding."""
    families = 4000
    generator = np.random.default_rng(n)
    drawn = generator.normal(size=(families, 12, n)) - generator.normal(size=(families, 1, n))
    t = drawn.mean(axis=2) / (drawn.std(axis=2, ddof=1) / math.sqrt(n))
    p = 2 * stats.t.sf(np.abs(t), n - 1)
    assert t_test(drawn[7, 3]) == pytest.approx(p[7, 3])
    found = np.mean([min(holm(row)) < 0.05 for row in p])
    alone = np.mean(p.min(axis=1) < 0.05)
    monte_carlo = 3 * math.sqrt(0.05 * 0.95 / families)
    assert found <= 0.05 + monte_carlo < 0.2 < alone


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.6]) == [1, 1] and holm([]) == [] and holm([0.02]) == [0.02]
    # What could not be tested does not make the others dearer.
    adjusted = holm([0.01, math.nan, 0.04])
    assert adjusted[::2] == pytest.approx([0.02, 0.04]) and math.isnan(adjusted[1])


@pytest.mark.parametrize("n", [4, 5, 10])
def test_normal_values_look_normal_as_often_as_they_should(n):
    drawn = np.random.default_rng(n).normal(size=(2000, n))
    assert np.mean([looks_normal(row) for row in drawn]) == pytest.approx(0.95, abs=0.02)


def test_one_value_far_from_the_others_does_not_look_normal():
    assert not looks_normal([0.81, 0.82, 0.83, 0.82, 0.1])
    assert (
        looks_normal([1, 1, 1]) and looks_normal([1, 1, 5]) and looks_normal([0.81, 0.82, 0.83, 0.84, 0.85])
    )


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_interval_of_a_rate_covers_any_rate(n):
    intervals = [success_interval(k, n) for k in range(n + 1)]
    for rate in np.linspace(0, 1, 101):
        weights = stats.binom.pmf(range(n + 1), n, rate)
        held = sum(w for w, (low, high) in zip(weights, intervals, strict=True) if low <= rate <= high)
        assert held >= 0.95 - 1e-9
    assert success_interval(0, n)[0] == 0 and success_interval(n, n)[1] == 1
    assert success_interval(n, n)[0] == pytest.approx(0.025 ** (1 / n))


@pytest.mark.parametrize(("successes", "runs"), [(6, 5), (-1, 5), (0, 0)])
def test_rates_that_cannot_be(successes, runs):
    with pytest.raises(ValueError, match=f"received {successes} of {runs}"):
        success_interval(successes, runs)


def test_rates_by_hand():
    assert rates_test((5, 5), (0, 5)) == pytest.approx(2 / math.comb(10, 5))
    assert rates_test((5, 5), (5, 5)) == 1 and rates_test((3, 3), (0, 3)) == pytest.approx(0.1)
    # One failure in ten runs: whichever arm it falls to, it tells nothing.
    assert least_p((5, 5), (4, 5)) == 1 and least_p((5, 5), (1, 5)) == rates_test((5, 5), (1, 5)) < 0.05
    assert least_p((3, 5), (3, 5)) == rates_test((5, 5), (1, 5))


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
