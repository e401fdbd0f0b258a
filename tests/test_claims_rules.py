"""Claims are judged from numbers: each rule on made-up data with known answers."""

import math

import pytest
from made_up_numbers import HIGH, LOW, MIXED, numbers

from zoo.experiments.claims.rules import (
    FAILS,
    HOLDS,
    IN_PART,
    NO_DIFFERENCE,
    PROVEN,
    UNMEASURABLE,
    Bits,
    Check,
    Each,
    Facts,
    Pairs,
    Slower,
    Within,
)


class TestPairs:
    @pytest.mark.parametrize(
        "sign, second, verdict",
        [
            ("higher", LOW, HOLDS),
            ("lower", LOW, FAILS),
            ("not lower", LOW, HOLDS),
            ("higher", MIXED, NO_DIFFERENCE),
            ("higher", HIGH, FAILS),  # equal is not higher
            ("not lower", HIGH, HOLDS),
        ],
    )
    def test_verdict(self, sign, second, verdict):
        rule = Pairs(pairs=(("a", "b"),), sign=sign)
        assert rule(numbers({"a": HIGH, "b": second})).verdict == verdict

    def test_one_against_refutes_all(self):
        data = numbers({"a": HIGH, "b": LOW, "c": {0: 0.99, 1: 0.999, 2: 1.01}})
        assert Pairs(pairs=(("a", "b"), ("a", "c")), sign="higher")(data).verdict == FAILS

    def test_summary_counts_the_readings(self):
        data = numbers({"a": HIGH, "b": LOW, "c": MIXED, "d": LOW})
        rule = Pairs(pairs=(("a", "b"), ("a", "c"), ("a", "d")), sign="higher")
        assert rule(data).summary == "3 differences: 2 higher, 1 no difference detected"

    def test_effect_has_the_interval_in_points(self):
        (effect,) = Pairs(pairs=(("a", "b"),), sign="higher")(numbers({"a": HIGH, "b": LOW})).effect
        # 10, 10 and 11 points: 10.33 +- 4.303 * 0.577 / sqrt(3).
        assert effect == "“a” minus “b”, test accuracy: +10.3 points [+8.9, +11.8], p 0.001, Holm 0.001"

    def test_the_claim_goes_by_the_p_of_the_family(self):
        """+0.52 points, one seed of five makes it: the bootstrap says higher, Student and Holm do not."""
        last = dict(enumerate([0.8, 0.81, 0.82, 0.83, 0.84]))
        every = {seed: last[seed] + step for seed, step in enumerate([0.001, 0.003, 0.015, 0.003, 0.004])}
        rule = Pairs(pairs=(("all", "last"),), sign="higher")
        evidence = rule(numbers({"all": every, "last": last}))
        assert evidence.verdict == NO_DIFFERENCE and "bootstrap [+0." in evidence.effect[0]
        # And what is a difference by itself need not be one among the experiment's comparisons.
        few = {seed: last[seed] + step for seed, step in enumerate([0.004, 0.003, 0.015, 0.008, 0.009])}
        noise = {seed: last[seed] + step for seed, step in enumerate([0.01, -0.01, 0.0, 0.01, -0.01])}
        arms = {"all": few, "last": last} | {f"noise {k}": noise for k in range(9)}
        assert rule(numbers(arms)).verdict == HOLDS
        more = [(f"noise {k}", "last") for k in range(9)]
        assert rule(numbers(arms, comparisons=more)).verdict == NO_DIFFERENCE

    def test_a_pair_that_is_published_the_other_way_round_is_no_second_one(self):
        rule = Pairs(pairs=(("a", "b"),), sign="higher")
        (alone,) = rule(numbers({"a": HIGH, "b": LOW})).effect
        (turned,) = rule(numbers({"a": HIGH, "b": LOW}, comparisons=[("b", "a")])).effect
        assert alone == turned

    def test_a_failed_run_is_a_rate_and_no_part_of_the_mean(self):
        low = {**LOW, 3: 0.1}
        data = numbers({"a": {**HIGH, 3: 0.94}, "b": low}, outcomes={("b", 3): "at chance"})
        evidence = Pairs(pairs=(("a", "b"),), sign="higher")(data)
        assert evidence.verdict == HOLDS
        assert "+10.3 points" in evidence.effect[0]
        assert "trained: 4 of 4 against 3 of 4" in evidence.effect[0]

    def test_arms_that_hardly_train_cannot_be_compared(self):
        lost = {("b", 1): "diverged", ("b", 2): "diverged"}
        data = numbers({"a": HIGH, "b": LOW}, outcomes=lost)
        assert Pairs(pairs=(("a", "b"),), sign="higher")(data).verdict == UNMEASURABLE

    def test_rates_can_decide(self):
        five = {seed: 0.9 + seed / 100 for seed in range(5)}
        nothing = dict.fromkeys(range(5), math.nan)
        outcomes = {("b", seed): "diverged" for seed in range(5)}
        data = numbers({"a": five, "b": nothing}, outcomes=outcomes)
        evidence = Pairs(pairs=(("a", "b"),), sign="higher")(data)
        assert evidence.verdict == HOLDS and "trained: 5 of 5 against 0 of 5" in evidence.effect[0]


class TestEach:
    """A sentence about all functions, one of which keeps it, holds in part."""

    def judged(self, *values):
        arms = {f"f{k}, own": {0: value, 1: value} for k, value in enumerate(values)}
        check = Check(metric="mean_over_std", least=-0.2, most=0.2)
        rule = Each(arms={f"f{k}": f"f{k}, own" for k in range(len(values))}, checks=(check,))
        return rule(numbers(arms, metric="mean_over_std"))

    @pytest.mark.parametrize(
        ("values", "verdict"),
        [((0.1, 0.0), HOLDS), ((0.1, 0.7), IN_PART), ((0.5, 0.7), FAILS), ((-0.5, -0.7), FAILS)],
    )
    def test_verdict(self, values, verdict):
        assert self.judged(*values).verdict == verdict

    def test_it_says_which(self):
        evidence = self.judged(0.1, 0.7)
        assert evidence.summary == "1 of 2 pass: f0"
        assert evidence.effect[1].startswith("f1 does not pass: mean over std: 0.7")


class TestFacts:
    def test_every_seed_has_to_pass(self):
        checks = (Check(arm="a", metric="test_accuracy", least=0.915),)
        assert Facts(checks=checks)(numbers({"a": HIGH})).verdict == FAILS
        checks = (Check(arm="a", metric="test_accuracy", least=0.905, most=0.935),)
        assert Facts(checks=checks)(numbers({"a": HIGH})).verdict == PROVEN

    def test_passing_can_refute(self):
        checks = (Check(arm="a", metric="test_accuracy", least=0.9),)
        assert Facts(checks=checks, true=FAILS, false=NO_DIFFERENCE)(numbers({"a": HIGH})).verdict == FAILS

    def test_a_number_next_to_its_bound_has_more_digits(self):
        data = numbers({"a": {0: 2.3027, 1: 2.3033}}, metric="test_loss")
        check = Check(arm="a", metric="test_loss", least=2.302585)
        assert check.text(data) == "test loss: 2.303 [2.2992, 2.3068] (required: at least 2.3026)"

    def test_first_is_not_last(self):
        data = numbers({"a": {0: [(0, 0.5), (1, 0.0)]}})
        assert Check(arm="a", metric="test_accuracy", least=0.4, first=True).holds(data)
        assert not Check(arm="a", metric="test_accuracy", least=0.4).holds(data)


class TestSlower:
    def arms(self, slow):
        line = [(1, 0.5), (2, 0.9)]
        return numbers({"fast": {0: line, 1: line}, "slow": {0: slow, 1: slow}}, metric="train_accuracy")

    def judged(self, slow, times):
        return Slower(slow="slow", fast="fast", times=times, level=0.7)(self.arms(slow))

    def test_by_straight_lines_between_records(self):
        # The fast arm reaches 0.7 at 1.5, the slow one at 6.
        evidence = self.judged([(4, 0.5), (8, 0.9)], times=4)
        assert evidence.verdict == HOLDS and ": 4 (required: at least 4)" in evidence.effect[0]
        assert self.judged([(4, 0.5), (8, 0.9)], times=6).verdict == FAILS

    def test_never_reached(self):
        assert self.judged([(5, 0.3), (20, 0.6)], times=6).verdict == HOLDS
        assert self.judged([(2, 0.3), (3, 0.6)], times=6).verdict == UNMEASURABLE


class TestWithin:
    """A difference that was not detected need not be small: what counts is where its interval ends."""

    @pytest.mark.parametrize("margin, verdict", [(0.2, HOLDS), (0.05, FAILS), (0.105, UNMEASURABLE)])
    def test_verdict(self, margin, verdict):
        rule = Within(pairs=(("a", "b"),), margin=margin)
        assert rule(numbers({"a": HIGH, "b": LOW})).verdict == verdict

    def test_all_within(self):
        evidence = Within(pairs=(("a", "b"),), margin=0.2)(numbers({"a": HIGH, "b": LOW}))
        assert evidence.summary == "1 of 1 intervals lie within 20 points"

    def test_a_run_that_failed_is_not_small(self):
        data = numbers({"a": HIGH, "b": HIGH}, outcomes={("b", 1): "diverged", ("b", 2): "at chance"})
        evidence = Within(pairs=(("a", "b"),), margin=0.2)(data)
        assert evidence.verdict == UNMEASURABLE
        assert "trained: 3 of 3 against 1 of 3" in evidence.effect[0]

    def test_one_of_many_that_is_just_beyond_refutes_nothing(self):
        beyond = {0: 0.8, 1: 0.81, 2: 0.82}
        arms = {"a": {0: 0.9, 1: 0.912, 2: 0.923}, "b": beyond} | {f"c{k}": beyond for k in range(9)}
        assert Within(pairs=(("a", "b"),), margin=0.097)(numbers(arms)).verdict == FAILS
        many = (("a", "b"), *((f"c{k}", "b") for k in range(9)))
        assert Within(pairs=many, margin=0.097)(numbers(arms)).verdict == IN_PART

    def test_arms_at_chance_are_not_close(self):
        """Both seeds' worth of noise lies within a point, and says nothing of nets that learn."""
        first, second = ({seed: 0.1 + 0.001 * abs(seed - at) for seed in range(5)} for at in (0, 4))
        lost = {(arm, seed): "at chance" for arm in "ab" for seed in range(5)}
        data = numbers({"a": first, "b": second}, outcomes=lost)
        for margin in (0.01, 0.0001):
            evidence = Within(pairs=(("a", "b"),), margin=margin)(data)
            assert evidence.verdict == UNMEASURABLE
            assert not any("nan" in text for text in (*evidence.effect, evidence.summary))

    @pytest.mark.parametrize("against", ["either", "lower", "higher"])
    @pytest.mark.parametrize("failed", [1, 3, 5])
    @pytest.mark.parametrize("arm", ["a", "b"])
    def test_an_arm_that_trains_less_often_is_not_close(self, against, failed, arm):
        """Of runs that trained all agree. Five of five against none is p = 2 / 252, one or three fewer is none."""
        five = {seed: 0.9 + 0.001 * seed for seed in range(5)}
        lost = {(arm, seed): "at chance" for seed in range(failed)}
        evidence = Within(pairs=(("a", "b"),), margin=0.9, against=against)(
            numbers({"a": five, "b": five}, outcomes=lost)
        )
        counts = against == "either" or against == ("lower" if arm == "a" else "higher")
        assert evidence.verdict == (HOLDS if not counts else FAILS if failed == 5 else UNMEASURABLE)

    def test_in_a_loss_an_arm_that_trains_less_often_is_higher(self):
        five = {seed: 0.5 + 0.001 * seed for seed in range(5)}
        lost = {("a", seed): "diverged" for seed in range(3)}
        data = numbers({"a": five, "b": five}, metric="test_loss", outcomes=lost)
        for against, verdict in (("lower", HOLDS), ("higher", UNMEASURABLE)):
            rule = Within(pairs=(("a", "b"),), margin=0.1, metric="test_loss", against=against)
            assert rule(data).verdict == verdict

    @pytest.mark.parametrize(
        "against, better, worse",
        [("either", FAILS, FAILS), ("lower", HOLDS, FAILS), ("higher", FAILS, HOLDS)],
    )
    def test_a_claim_that_something_costs_nothing_has_one_side(self, against, better, worse):
        """0.7 points on either side, and an interval of a tenth: 2.776 * 0.0791 / sqrt(5) points."""
        last = {seed: 0.9 + 0.001 * seed for seed in range(5)}
        more = {seed: last[seed] + 0.007 + 0.0005 * (seed - 2) for seed in range(5)}
        data = numbers({"more": more, "last": last})
        rule = Within(pairs=(("more", "last"),), margin=0.005, against=against)
        assert rule(data).verdict == better
        assert rule(numbers({"more": last, "last": more})).verdict == worse

    def test_a_side_is_named_in_the_summary(self):
        evidence = Within(pairs=(("a", "b"),), margin=0.005, against="lower")(numbers({"a": HIGH, "b": LOW}))
        assert evidence.summary == "1 of 1 intervals lie at most 0.5 points lower"
        with pytest.raises(ValueError, match=r"must be one of either, lower, higher; received 'below'"):
            Within(pairs=(("a", "b"),), margin=0.005, against="below")

    def test_too_few_in_one_pair_leave_the_others_in_part(self):
        lost = {("c", 1): "diverged", ("c", 2): "diverged", ("d", 1): "diverged", ("d", 2): "diverged"}
        data = numbers(dict.fromkeys("abcd", HIGH), outcomes=lost, weights={("d", 0): "other"})
        evidence = Within(pairs=(("a", "b"), ("c", "d")), margin=0.005)(data)
        assert evidence.verdict == IN_PART
        assert evidence.summary == "1 of 2 intervals lie within 0.5 points, of 1 too few runs trained to tell"

    def test_the_same_weights_are_within_with_one_seed(self):
        one = {0: 0.9}
        rule = Within(pairs=(("a", "b"),), margin=0.005)
        assert rule(numbers({"a": one, "b": one})).verdict == HOLDS
        assert rule(numbers({"a": one, "b": one}, weights={("b", 0): "other"})).verdict == UNMEASURABLE

    def test_in_part(self):
        data = numbers({"a": HIGH, "b": HIGH, "c": MIXED})
        evidence = Within(pairs=(("a", "b"), ("a", "c")), margin=0.005)(data)
        assert evidence.verdict == IN_PART
        assert evidence.summary == "1 of 2 intervals lie within 0.5 points, the others reach beyond"


def test_a_check_names_its_arm_or_each_does():
    with pytest.raises(ValueError, match="each check of Facts needs an arm; those of loss, size have none"):
        Facts(checks=(Check(metric="loss"), Check(metric="size"), Check(arm="a", metric="loss")))
    with pytest.raises(ValueError, match="checks of Each must name no arm, Each has them; received b"):
        Each(arms={"a": "a"}, checks=(Check(metric="loss"), Check(arm="b", metric="loss")))


def test_bits():
    rule = Bits(pairs=(("a", "b"),), true=PROVEN, false=FAILS)
    assert rule(numbers({"a": HIGH, "b": HIGH})).verdict == PROVEN
    assert rule(numbers({"a": HIGH, "b": HIGH}, weights={("b", 2): "other"})).verdict == FAILS
