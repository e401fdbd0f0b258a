"""How well and how often, two answers that are never mixed."""

import dataclasses
import math

import pytest

from zoo.experiments.publishing.differences import (
    EQUAL,
    HIGHER,
    LOWER,
    NEITHER,
    NO_DIFFERENCE,
    TOO_FEW,
    Runs,
    family,
    paired_difference,
)

A, B, C = "trained", "at chance", "diverged"


def runs(values, outcomes=None):
    outcomes = outcomes or [A] * len(values)
    return Runs(values=dict(enumerate(values)), outcomes=dict(enumerate(outcomes)))


GOOD = runs([0.81, 0.83, 0.82, 0.84, 0.80])
WORSE = runs([0.71, 0.74, 0.71, 0.75, 0.70])
ONE_FAILED = runs([0.71, 0.74, 0.10, 0.75, 0.70], [A, A, B, A, A])
ALL_FAILED = runs([0.10, 0.11, 0.10, 0.09, 0.10], [B] * 5)


def test_pairs_find_what_means_hide():
    """Seeds differ by far more than arms do; the pairs show it all the same."""
    seeds = [0.1, 0.9, 0.5, 0.3, 0.7]
    better = [value + step for value, step in zip(seeds, [0.01, 0.011, 0.01, 0.009, 0.01], strict=True)]
    assert paired_difference(runs(better), runs(seeds)).words == HIGHER
    assert paired_difference(runs(seeds), runs(better)).words == LOWER
    assert paired_difference(runs(seeds), runs(better)).mean == pytest.approx(-0.01)


def test_words():
    assert paired_difference(runs([1, 2]), runs([1, 2])).words == EQUAL
    assert paired_difference(runs([1, 2]), runs([2, 1])).words == NO_DIFFERENCE == "no difference detected"
    assert paired_difference(runs([1, 2, 3]), Runs(values={1: 1, 2: 1, 5: 0})).n == 2
    with pytest.raises(ValueError, match="no seed in common"):
        paired_difference(Runs(values={0: 1}), Runs(values={1: 1}))


def test_a_failed_run_is_no_part_of_the_mean():
    difference = paired_difference(GOOD, ONE_FAILED)
    assert difference.n == 4 and difference.mean == pytest.approx(0.095)
    assert difference.trained == ((5, 5), (4, 5))
    assert difference.verdict == "higher (trained: 5 of 5 against 4 of 5)"
    # Beside the t interval stands the bootstrap, which decides nothing.
    assert not difference.normal and difference.low < difference.resampled[0]


def test_a_failed_run_is_no_part_of_the_mean_of_losses_either():
    first = runs([0.5, 0.6, math.nan, 0.55], [A, A, C, A])
    second = runs([0.4, 0.45, 0.5, 0.41])
    difference = paired_difference(first, second, "train_loss")
    assert difference.n == 3 and difference.mean == pytest.approx(0.13)
    assert difference.words == HIGHER and "3 of 4 against 4 of 4" in difference.verdict


def test_what_counts_failing_keeps_the_runs_that_failed():
    dead = runs([0.9, 1.0, 0.95, 1.0], [A, B, B, B])
    alive = runs([0.0, 0.1, 0.0, 0.05])
    difference = paired_difference(dead, alive, "dead_units")
    assert difference.n == 4 and difference.verdict == HIGHER


def test_an_arm_that_never_trains_is_of_a_kind():
    difference = paired_difference(GOOD, ALL_FAILED)
    assert difference.n == 5 and difference.words == HIGHER
    assert difference.rates_words == "trains more often" and difference.rates_p == pytest.approx(2 / 252)
    assert paired_difference(ALL_FAILED, GOOD).verdict == (
        "lower (trained: 0 of 5 against 5 of 5, trains less often)"
    )
    assert paired_difference(ALL_FAILED, ALL_FAILED).words == NEITHER


def test_rates_have_a_sign_in_every_metric():
    assert paired_difference(GOOD, ALL_FAILED).signs == {HIGHER}
    losses = runs([0.5, 0.52, 0.51, 0.5, 0.49]), runs([math.nan] * 5, [C] * 5)
    difference = paired_difference(*losses, "train_loss")
    assert difference.words == TOO_FEW and difference.signs == {LOWER}


def test_one_pair_is_no_comparison():
    one = runs([0.1, 0.1, 0.1, 0.1, 0.7], [B, B, B, B, A])
    assert paired_difference(GOOD, one).words == TOO_FEW


def test_one_pair_that_ties_is_too_few():
    tie = paired_difference(runs([0.8]), runs([0.8]))
    assert tie.words == TOO_FEW and family([tie, paired_difference(GOOD, WORSE)])[0].verdict == TOO_FEW
    ends = [A, B, B, B, B]
    failed = paired_difference(runs([0.8, 0.1, 0.1, 0.1, 0.1], ends), runs([0.8, 0.1, 0.1, 0.1, 0.1], ends))
    assert failed.words == TOO_FEW


def test_the_same_weights_are_equal_with_one_pair_too():
    tie = dataclasses.replace(paired_difference(runs([0.8]), runs([0.8])), identical=True)
    assert tie.words == EQUAL and tie.well == "equal to the bit"


def test_verdicts_go_by_the_adjusted_p():
    """What is a difference by itself need not be one among twelve comparisons."""
    alone = paired_difference(GOOD, WORSE)
    noise = [paired_difference(runs([0.8, 0.82, 0.81]), runs([0.81, 0.8, 0.82])) for _ in range(11)]
    together = family([alone, *noise])
    assert together[0].p == alone.p and together[0].holm == pytest.approx(12 * alone.p)
    weak = paired_difference(runs([0.51, 0.53, 0.515, 0.55, 0.505]), runs([0.49, 0.5, 0.505, 0.52, 0.495]))
    assert weak.words == HIGHER and weak.low > 0
    adjusted = family([weak, *noise])[0]
    assert adjusted.words == NO_DIFFERENCE and adjusted.low > 0


def test_equal_arms_make_the_others_no_dearer():
    alone = paired_difference(GOOD, WORSE)
    equal = paired_difference(GOOD, GOOD)
    first, second = family([alone, equal])
    assert first.holm == alone.p and second.words == EQUAL


def test_two_metrics_share_one_test_of_rates():
    accuracy = paired_difference(GOOD, ALL_FAILED)
    loss = paired_difference(
        runs([0.5, 0.6, 0.5, 0.6, 0.5]), runs([2.3, 2.3, 2.4, 2.3, 2.3], [B] * 5), "train_loss"
    )
    both = family([accuracy, loss], [("a", "b"), ("a", "b")])
    assert both[0].rates_holm == both[1].rates_holm == pytest.approx(accuracy.rates_p)
    apart = family([accuracy, loss], [("a", "b"), ("a", "c")])
    assert apart[0].rates_holm == pytest.approx(2 * accuracy.rates_p)
