"""Claims are judged from numbers: rules on made-up data with known answers, and the page that is
committed."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.experiments.claims.page import STORY, claims_page, flips, numbers_of, verdicts
from zoo.experiments.claims.rules import (
    FAILS,
    HOLDS,
    IN_PART,
    MISSING,
    NO_DIFFERENCE,
    PROVEN,
    UNMEASURABLE,
    VERDICTS,
    Bits,
    Check,
    Each,
    Facts,
    Pairs,
    Slower,
    Within,
    judge,
)
from zoo.experiments.design.study import PHOTOGRAPHS, RESIDUAL_NETS, SMALL, Claim, world_of
from zoo.experiments.publishing import power, publication
from zoo.experiments.publishing.numbers import Numbers, crossing, interval_text, number
from zoo.experiments.publishing.publication import Observation, Published
from zoo.experiments.publishing.quotes import filled, quote
from zoo.studies import STUDIES
from zoo.studies.ordering import TABLE_2

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "docs" / "data"
MEASURED = publication.names(STUDIES.names(), DATA)
CLAIMS = [claim for study in STUDIES.studies() for claim in study.claims]
RULES = [(name, claim, rule) for claim in CLAIMS for name, rule in claim.rules.items()]
HOLES = [
    (path.relative_to(ROOT), *(part.strip() for part in hole.split(":", 1)))
    for path in sorted((ROOT / "docs").rglob("*.md"))
    for hole in re.findall(r"`#!n ([^`]+)`", path.read_text())
]


def numbers(values, *, metric="test_accuracy", outcomes=None, weights=None, comparisons=()):
    """Published numbers of arms given as {arm: {seed: value or [(x, value), ...]}}."""
    rows = []
    for arm, seeds in values.items():
        for seed, value in seeds.items():
            points = value if isinstance(value, list) else [(1.0, value)]
            rows += [Observation(arm, seed, metric, x, y) for x, y in points]
    arms = [
        {
            "label": arm,
            "learning_rate": 0.1,
            "runs": [
                {
                    "seed": seed,
                    "status": "diverged" if (outcomes or {}).get((arm, seed)) == "diverged" else "done",
                    "outcome": (outcomes or {}).get((arm, seed), "trained"),
                    "weights": (weights or {}).get((arm, seed), "same"),
                }
                for seed in seeds
            ],
        }
        for arm, seeds in values.items()
    ]
    pairs = [{"a": a, "b": b, "metric": metric} for a, b in comparisons]
    return Numbers(Published(name="made up", about={"arms": arms, "comparisons": pairs}, rows=tuple(rows)))


@pytest.fixture(scope="module")
def ledger():
    """The page, judged from everything that is published: seconds of work."""
    return claims_page(STUDIES, DATA)


HIGH = {0: 0.91, 1: 0.92, 2: 0.93}
LOW = {0: 0.81, 1: 0.82, 2: 0.82}
MIXED = {0: 0.90, 1: 0.93, 2: 0.93}


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


class TestWorlds:
    """A claim is judged where it has an experiment, and the ledger shows where the verdicts part."""

    RULE = Pairs(pairs=(("full_pre_activation, 20 layers", "original, 20 layers"),), sign="higher")
    CLAIM = Claim(
        sentence="So it is.", group=RESIDUAL_NETS, rules={"ordering": RULE, "ordering_20": RULE}, figure=""
    )

    def judged(self, small, photographs):
        arms = ("full_pre_activation, 20 layers", "original, 20 layers")
        known = {
            name: arms_of and numbers(dict(zip(arms, arms_of, strict=True)))
            for name, arms_of in (("ordering", small), ("ordering_20", photographs))
        }
        return verdicts(STUDIES.study_of("ordering"), self.CLAIM, known)

    def test_each_world_has_the_verdict_of_its_experiment(self):
        found = self.judged((HIGH, LOW), (LOW, HIGH))
        assert {world: one.verdict for world, one in found.items()} == {SMALL: HOLDS, PHOTOGRAPHS: FAILS}
        assert flips(found)

    @pytest.mark.parametrize("photographs", [(HIGH, LOW), (HIGH, MIXED), None])
    def test_the_same_verdict_none_and_no_data_are_no_flip(self, photographs):
        assert not flips(self.judged((HIGH, LOW), photographs))

    def test_a_world_without_data_or_without_an_experiment_says_so(self):
        found = self.judged((HIGH, LOW), None)
        assert found[PHOTOGRAPHS].verdict == MISSING == "not measured yet"
        one = Claim(sentence="So.", group=RESIDUAL_NETS, rules={"ordering": self.RULE})
        found = verdicts(STUDIES.study_of("ordering"), one, {"ordering": None})
        assert {evidence.verdict for evidence in found.values()} == {MISSING}

    def test_worlds_are_told_by_the_images(self):
        assert world_of(STUDIES.lookup("ordering")) == SMALL
        assert world_of(STUDIES.lookup("ordering_20")) == PHOTOGRAPHS

    def test_the_page_marks_a_flip_and_shows_what_is_missing(self, monkeypatch):
        from zoo.experiments.claims import page

        monkeypatch.setattr(page, "verdicts", lambda *_: self.judged((HIGH, LOW), (LOW, HIGH)))
        assert "**flips**" in claims_page(STUDIES, DATA).split("| people say |", 1)[1]
        monkeypatch.setattr(page, "verdicts", lambda *_: self.judged((HIGH, LOW), None))
        assert "**flips**" not in claims_page(STUDIES, DATA).split("| people say |", 1)[1]

    def test_nothing_published_at_all_makes_a_page(self, tmp_path):
        text = claims_page(STUDIES, tmp_path)
        assert f"{len(CLAIMS)} more sentences will be judged once" in text
        assert "| people say |" not in text and "expectation" not in text.split("## Expected")[1]

    def test_what_is_not_published_is_counted_and_not_shown(self, ledger):
        """An experiment that waits for its runs must not fill the ledger with sentences that say nothing."""
        waiting = [claim for claim in CLAIMS if not set(claim.rules) & set(MEASURED)]
        assert waiting and not [claim.sentence for claim in waiting if f"| {claim.sentence}" in ledger]
        assert f"{len(waiting)} more sentences will be judged once" in ledger
        unpublished = set(STUDIES.names()) - set(MEASURED)
        assert not [name for name in unpublished if f"run {name}`" in ledger]
        assert not [name for name in unpublished if STUDIES.lookup(name).question in ledger]


@pytest.mark.parametrize(
    "points, level, expected",
    [([(0, 0.1), (2, 0.9)], 0.5, 1.0), ([(0, 0.1), (2, 0.4)], 0.5, math.inf), ([(0, 0.6)], 0.5, 0)],
)
def test_crossing(points, level, expected):
    assert crossing(points, level) == pytest.approx(expected)


@pytest.mark.parametrize(
    "value, text",
    [
        (0.012345, "0.0123"),
        (1234.5, "1,230"),
        (-3.2e-7, "−3.2e-07"),
        (0.0, "0"),
        (99.95, "100"),
        (2.7e12, "2.7e+12"),
    ],
)
def test_number(value, text):
    assert number(value) == text


def test_interval_text():
    assert interval_text(0.5, 0.4, 0.6, "test_accuracy") == "50 % [40, 60]"
    assert interval_text(-0.5, -0.6, -0.4, "train_loss", signed=True) == "−0.5 [−0.6, −0.4]"
    assert interval_text(2.0, 2.0000001, 1.9999999, "growth") == "2"


def test_every_rule_names_arms_of_its_experiment():
    """A rule that asks for an arm that no spec has would fail only when data are there."""
    for name, claim, rule in RULES:
        labels = {arm.label for arm in STUDIES.lookup(name).arms}
        checks = [one for each in rule.arms for one in rule.of(each)] if isinstance(rule, Each) else ()
        asked = {check.arm for check in checks or getattr(rule, "checks", ())}
        asked |= {arm for pair in getattr(rule, "pairs", ()) for arm in pair}
        asked |= {getattr(rule, side) for side in ("slow", "fast") if hasattr(rule, side)}
        assert asked and asked <= labels, f"{claim.sentence}: {sorted(asked - labels)}"


def test_every_pair_of_a_rule_was_planned():
    """Before there are data: a pair that is no comparison of its experiment would enlarge the family when it is judged."""
    for name, claim, rule in RULES:
        if pairs := getattr(rule, "pairs", ()) if hasattr(rule, "metric") else ():
            planned = {(one.first, one.second, one.metric) for one in STUDIES.lookup(name).comparisons}
            planned |= {(b, a, metric) for a, b, metric in planned}
            asked = {(*pair, rule.metric) for pair in pairs}
            assert asked <= planned, f"{claim.sentence}, {name}: {sorted(asked - planned)}"


def test_sentences_are_different():
    assert len({claim.sentence for claim in CLAIMS}) == len(CLAIMS)


@pytest.mark.parametrize("experiment", STUDIES.experiments(), ids=lambda e: e.name)
def test_every_expectation_is_held_against_data(experiment):
    """Its holes are filled from what is published; where nothing is, they are read and their arms looked up."""
    numbers = numbers_of(experiment, DATA)
    for one in experiment.expectations:
        said = filled(experiment, numbers, one.measured)
        assert said and "{" not in said and one.why


@pytest.mark.parametrize("page, name, question", HOLES, ids=lambda value: str(value))
def test_every_hole_of_a_page_is_filled(page, name, question):
    experiment = STUDIES.lookup(name)
    if not question.startswith("reported "):
        assert quote(experiment, numbers_of(experiment, DATA), question)


def test_the_pages_quote_every_published_experiment():
    """In a sentence or, what is measured on photographs, by the fence that shows all of a study."""
    quoted = {name for _, name, _ in HOLES}
    studies = {study.name: study for study in STUDIES.studies()}
    for path in (ROOT / "docs").rglob("*.md"):
        for name in re.findall(r"^```photographs\n(.+)\n```$", path.read_text(), re.MULTILINE):
            quoted |= {one.name for one in studies[name].experiments}
    assert set(MEASURED) <= quoted <= set(STUDIES.names())


def test_every_pair_of_a_claim_and_of_a_page_is_a_comparison_of_its_experiment(monkeypatch):
    """One family an experiment: else the same difference would have two adjusted p."""
    asked = set()
    original = Numbers.all_differences

    def noting(self, pairs):
        asked.update((self.published.name, *pair) for pair in pairs)
        return original(self, pairs)

    monkeypatch.setattr(Numbers, "all_differences", noting)
    claims_page(STUDIES, DATA)
    for _, name, question in HOLES:
        if name in MEASURED and not question.startswith("reported "):
            quote(STUDIES.lookup(name), numbers_of(STUDIES.lookup(name), DATA), question)
    compared = {
        (experiment.name, *arms, pair.metric)
        for experiment in STUDIES.experiments()
        for pair in experiment.comparisons
        for arms in ((pair.first, pair.second), (pair.second, pair.first))
    }
    assert len(asked) > 50 and asked <= compared


def test_page_and_publication_have_one_adjusted_p():
    published = publication.load("ordering", DATA)
    for pair in published.about["comparisons"]:
        found = Numbers(published).difference(pair["a"], pair["b"], pair["metric"])
        assert found.verdict == pair["verdict"] and found.holm == pytest.approx(pair["holm"], rel=1e-4)


def verdict(sentence):
    """What the published data say of a claim, on small images."""
    ((name, rule),) = [(name, rule) for name, claim, rule in RULES if claim.sentence == sentence]
    return judge(rule, numbers_of(STUDIES.lookup(name), DATA))


SENTENCE = (
    "The magnitude of the effect demonstrated here varies with network architecture, but networks with ReLUs "
    "consistently learn several times faster than equivalents with saturating neurons."
)


def test_the_paper_on_speed_is_quoted_whole():
    """Both halves, wherever it is quoted: the second is the one that is measured here and does not hold for tanh."""
    for path in (ROOT / "docs").rglob("*.md"):
        text = " ".join(path.read_text().split())
        assert text.count("magnitude of the effect") == text.count(SENTENCE), path
    assert SENTENCE in " ".join((ROOT / "docs/questions/which.md").read_text().split())
    assert SENTENCE in (ROOT / "docs/claims.md").read_text()


ANSWERS = {
    "questions/ordering": ("at any depth", "at 56 layers"),
    "questions/why": ("within a point", "Yes, between any two layers"),
    "questions/dead": ("or through weight decay", "Weight decay does not bring it back"),
    "questions/which": ("ahead by a point", "no activation"),
    "learn/choosing-a-placement": ("but the last one, behind", "the last one too"),
    "learn/the-algebra": ("cannot equal one on an interval", "degree two or more"),
    "learn/how-many-runs": ("7 seeds an arm", "non-central"),
    "try/depth-slider": ("one of them hardly trains", "geometric means"),
}


@pytest.mark.parametrize("page", ANSWERS)
def test_what_a_page_was_wrong_about_does_not_come_back(page):
    wrong, right = ANSWERS[page]
    text = " ".join((ROOT / "docs" / f"{page}.md").read_text().split())
    assert wrong not in text and right in text


def test_the_page_on_why_says_what_its_table_says():
    """No difference between all and the last alone at any depth; if the data change, the answer has to."""
    numbers = Numbers(publication.load("why", DATA))
    for layers in range(2, 7):
        assert numbers.difference(f"{layers} conv, all", f"{layers} conv, last").words == NO_DIFFERENCE
    assert [numbers.trained(f"{layers} conv, all") for layers in (5, 6)] == [(4, 5), (4, 5)]


def test_the_page_on_orderings_says_what_its_table_says():
    numbers = Numbers(publication.load("ordering", DATA))
    ahead = numbers.difference("full_pre_activation, 110 layers", "original, 110 layers")
    assert ahead.words == "higher" and round(100 * ahead.mean) == 4
    avoid = numbers.difference("full_pre_activation, 56 layers", "bn_after_addition, 56 layers")
    assert avoid.words == "higher" and avoid.mean > 0.2
    for ordering in ("original", "bn_after_addition", "relu_before_addition", "relu_only_pre_activation"):
        for depth in (20, 56):
            found = numbers.difference(f"full_pre_activation, {depth} layers", f"{ordering}, {depth} layers")
            assert (found.words == NO_DIFFERENCE) is ((ordering, depth) != ("bn_after_addition", 56))


def test_no_linear_model_is_bound_to_chance_in_accuracy_only_in_cross_entropy():
    page = " ".join((ROOT / "docs/questions/why.md").read_text().split())
    assert "gets above chance on both" not in page
    assert "no linear model has a lower cross-entropy than a model that ignores the image" in page


def test_six_times_is_asked_of_tanh_alone():
    six = [rule for _, _, rule in RULES if isinstance(rule, Slower) and rule.times == 6]
    assert six and all(rule.slow.startswith("tanh") for rule in six)


def test_near_zero_is_judged_function_by_function():
    near = verdict("Activations keep values near zero.")
    assert near.verdict == IN_PART and near.summary.endswith("pass: selu, tanh, softsign")
    gaussian = verdict("Activations keep values roughly Gaussian.")
    assert gaussian.verdict == FAILS


def test_the_hidden_winner_of_which_is_named():
    """Without any activation the net of `which` is the fastest: answer, reading and ledger have to say so."""
    published = Numbers(publication.load("which", DATA))
    ratios = published.slowdown("none, no BN", "relu, no BN", 0.8).values()
    assert max(ratios) < 1
    slower = "Without any activation but max-pooling a net trains slower than with ReLU (no BN)."
    assert verdict(slower).verdict == FAILS
    page = (ROOT / "docs/questions/which.md").read_text()
    assert "fastest of all is no activation" in page
    answer = page.split("## The picture")[0]
    assert "no activation" in answer and "max-pooling" in answer


def test_the_tables_of_power_are_computed():
    for name, text in (("power", power.table()), ("power_resnet110", power.famous())):
        assert (ROOT / "docs" / "snippets" / f"{name}.md").read_text() == text


def test_the_famous_step_is_that_of_the_reported_table():
    first, last = (float(TABLE_2.cell(row, "ResNet-110")) for row in ("original", "full_pre_activation"))
    assert power.FAMOUS_STEP == pytest.approx(first - last)


def test_the_page_is_what_the_data_say(ledger):
    """scripts/make_claims.py was run after the last publication."""
    assert (ROOT / "docs" / "claims.md").read_text() == ledger


def test_every_row_has_a_verdict_and_links_that_exist(ledger):
    rows = [
        line for line in ledger.splitlines() if "scripts/reproduce.py run" in line and line.startswith("|")
    ]
    assert len(rows) == sum(bool(set(claim.rules) & set(MEASURED)) for claim in CLAIMS)
    for row in rows:
        assert any(f"**{verdict}**" in row for verdict in VERDICTS), row
        assert row.count(" | ") == 3, f"a sentence, a verdict a world, evidence: {row}"
    for target in re.findall(r"\]\(([^)#]+)\)", ledger):
        assert (ROOT / "docs" / target).exists(), target


def test_the_story_tells_each_sentence_once_and_in_its_place():
    story, _, tables = claims_page(STUDIES, DATA).partition("## How a sentence is judged")
    answer = re.search(r"\*\*Answer.\*\* Of (\d+) .*?, (\d+) hold and (\d+) do not. For (\d+) ", story)
    counted = [story.partition(f"## {chapter}\n")[2].partition("\n## ")[0].count("\n- ") for chapter in STORY]
    judged = sum(bool(set(claim.rules) & set(MEASURED)) for claim in CLAIMS)
    assert [int(number) for number in answer.groups()] == [judged, *(counted[at] for at in (0, 1, 3))]
    assert sum(counted) == judged
    holds = story.partition("and it holds\n")[2].partition("\n## ")[0]
    for sentence in re.findall(r"- \[(.*?)\]\(\w+/", holds):
        row = next(line for line in tables.splitlines() if line.startswith(f"| {sentence} |"))
        assert "**proven**" in row or "**holds here**" in row, row


def test_no_backend_is_needed():
    code = "import sys; import zoo.experiments.claims.page; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_published_json_is_what_the_rules_read():
    for name in MEASURED:
        about = json.loads((DATA / f"{name}.json").read_text())
        assert {"label", "learning_rate", "runs"} <= set(about["arms"][0])


def test_the_growth_per_layer_that_the_page_on_depth_names_is_the_published_one():
    gradients = Numbers(publication.load("signal", DATA)).series("plain, BN", "gradient_norm").values()
    per_layer = [points[0][1] ** (1 / (points[-1][0] - points[0][0])) for points in gradients]
    assert f"{min(per_layer):.2f} to {max(per_layer):.2f} per layer" == "1.16 to 1.17 per layer"
    page = (ROOT / "docs/questions/depth.md").read_text()
    assert f"{min(per_layer):.2f} to {max(per_layer):.2f} per layer" in page
