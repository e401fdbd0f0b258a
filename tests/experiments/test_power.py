"""Power by the non-central t, against simulation and the numbers that readers quote."""

import numpy as np
import pytest

from zoo.experiments.publishing.power import power, runs_needed
from zoo.experiments.publishing.statistics import t_test


@pytest.mark.parametrize(("runs", "difference"), [(3, 2.0), (5, 1.0), (8, 1.0)])
def test_power_of_pairs_is_that_of_simulated_pairs(runs, difference):
    drawn = np.random.default_rng(runs).normal(loc=difference, size=(3000, runs))
    found = np.mean([t_test(row) < 0.05 for row in drawn])
    assert power(runs, difference, 1.0) == pytest.approx(found, abs=0.03)


def test_power_of_groups_is_that_of_simulated_groups():
    from scipy import stats

    generator = np.random.default_rng(0)
    first, second = generator.normal(1.5, size=(20_000, 7)), generator.normal(size=(20_000, 7))
    found = np.mean(stats.ttest_ind(first, second, axis=1).pvalue < 0.05)
    assert power(7, 1.5, 1.0, paired=False) == pytest.approx(found, abs=0.015)


def test_without_a_difference_power_is_the_level():
    assert power(5, 0.0, 1.0) == pytest.approx(0.05)
    assert power(5, 0.0, 1.0, paired=False, alpha=0.01) == pytest.approx(0.01)


def test_the_famous_step():
    """The normal rule says 7; exactly, 7 have 73 %, 8 have 79.7 % and 9 are enough."""
    exact = [round(power(n, 0.24, 0.16, paired=False), 3) for n in (7, 8, 9)]
    assert exact == [0.731, 0.797, 0.848]
    assert runs_needed(0.24, 0.16) == 9 and runs_needed(0.5, 0.16) == 3
    assert round(power(2, 0.5, 0.16, paired=False), 2) == 0.41


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("difference", [0.05, 0.2, 1.0, 5.0])
def test_the_fewest_runs_are_the_fewest(paired, difference):
    n = runs_needed(difference, 1.0, paired=paired)
    assert power(n, difference, 1.0, paired=paired) >= 0.8
    assert n == 2 or power(n - 1, difference, 1.0, paired=paired) < 0.8


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: power(1, 1, 1), "received runs=1"),
        (lambda: power(5, 1, 0), "deviation=0"),
        (lambda: runs_needed(0, 1), "must not be zero"),
        (lambda: runs_needed(1e-6, 1), "takes more than"),
    ],
)
def test_what_cannot_be_asked(call, words):
    with pytest.raises(ValueError, match=words):
        call()
