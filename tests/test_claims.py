"""Claims are judged from numbers: rules on made-up data with known answers, and the page that is
committed."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.experiments.claims.expected import HELD, held
from zoo.experiments.claims.page import claims_page
from zoo.experiments.claims.readings import READINGS, _ends, _stuck, reading, unread
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
    Claim,
    Facts,
    Pairs,
    Slower,
    Within,
    judge,
)
from zoo.experiments.claims.sentences import CLAIMS
from zoo.experiments.publishing import publication
from zoo.experiments.publishing.numbers import Numbers, crossing, interval_text, number
from zoo.experiments.publishing.publication import Observation, Published
from zoo.studies import STUDIES

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "docs" / "data"
MEASURED = [name for name in publication.names(STUDIES.names(), DATA) if name in READINGS]


def numbers(values, *, metric="test_accuracy", statuses=None, weights=None):
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
                    "status": (statuses or {}).get((arm, seed), "done"),
                    "weights": (weights or {}).get((arm, seed), "same"),
                }
                for seed in seeds
            ],
        }
        for arm, seeds in values.items()
    ]
    return Numbers(Published(name="made up", about={"arms": arms}, rows=tuple(rows)))


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
        data = numbers({"a": HIGH, "b": LOW, "c": {0: 0.99, 1: 0.98, 2: 0.99}})
        assert Pairs(pairs=(("a", "b"), ("a", "c")), sign="higher")(data).verdict == FAILS

    def test_summary_counts_the_readings(self):
        data = numbers({"a": HIGH, "b": LOW, "c": MIXED, "d": LOW})
        rule = Pairs(pairs=(("a", "b"), ("a", "c"), ("a", "d")), sign="higher")
        assert rule(data).summary == "3 differences: 2 higher, 1 no difference detected"

    def test_effect_has_the_interval_in_points(self):
        (effect,) = Pairs(pairs=(("a", "b"),), sign="higher")(numbers({"a": HIGH, "b": LOW})).effect
        assert effect == "“a” minus “b”, test accuracy: +10.3 points [+10, +11]"

    def test_diverged_runs_measure_learning_rates(self):
        data = numbers({"a": HIGH, "b": LOW}, statuses={("b", 1): "diverged"})
        evidence = Pairs(pairs=(("a", "b"),), sign="higher")(data)
        assert evidence.verdict == UNMEASURABLE
        assert "1 runs of b diverged" in evidence.effect


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
        assert check.text(data) == "test loss: 2.303 [2.3027, 2.3033] (asked: at least 2.3026)"

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
        assert evidence.verdict == HOLDS and ": 4 (asked: at least 4)" in evidence.effect[0]
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

    def test_diverged_runs_measure_learning_rates(self):
        data = numbers({"a": HIGH, "b": HIGH}, statuses={("b", 1): "diverged"})
        evidence = Within(pairs=(("a", "b"),), margin=0.2)(data)
        assert evidence.verdict == UNMEASURABLE
        assert evidence.effect[-1] == "1 runs of b diverged"

    def test_in_part(self):
        data = numbers({"a": HIGH, "b": HIGH, "c": MIXED})
        evidence = Within(pairs=(("a", "b"), ("a", "c")), margin=0.005)(data)
        assert evidence.verdict == IN_PART
        assert evidence.summary == "1 of 2 intervals lie within 0.5 points, the others reach beyond"


def test_bits():
    rule = Bits(pairs=(("a", "b"),), true=PROVEN, false=FAILS)
    assert rule(numbers({"a": HIGH, "b": HIGH})).verdict == PROVEN
    assert rule(numbers({"a": HIGH, "b": HIGH}, weights={("b", 2): "other"})).verdict == FAILS


def test_nothing_published_is_said(tmp_path):
    claim = Claim(sentence="So it is.", experiment="which", rule=Pairs(pairs=(("a", "b"),), sign="higher"))
    evidence = judge(claim, tmp_path)
    assert evidence.verdict == MISSING and "scripts/reproduce.py run which" in evidence.effect[0]


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


def test_every_claim_names_an_experiment_of_the_catalog_and_its_arms():
    """A rule that asks for an arm that no spec has would say "not yet measured" for ever."""
    for claim in CLAIMS:
        labels = {arm.label for arm in STUDIES.lookup(claim.experiment).arms}
        rule = claim.rule
        asked = {check.arm for check in getattr(rule, "checks", ())}
        asked |= {arm for pair in getattr(rule, "pairs", ()) for arm in pair}
        asked |= {getattr(rule, side) for side in ("slow", "fast") if hasattr(rule, side)}
        assert asked and asked <= labels, f"{claim.sentence}: {sorted(asked - labels)}"


def test_sentences_are_different():
    assert len({claim.sentence for claim in CLAIMS}) == len(CLAIMS)


@pytest.mark.parametrize("experiment", STUDIES.experiments(), ids=lambda e: e.name)
def test_every_expectation_is_held_against_data(experiment):
    whats = [expectation.what for expectation in experiment.expectations]
    assert [
        what
        for what, e in zip(whats, experiment.expectations, strict=True)
        if held(experiment.name, e) is None
    ] == []
    assert set(HELD.get(experiment.name, {})) <= set(whats), (
        "explains an expectation that the catalog has not"
    )


@pytest.mark.parametrize("name", MEASURED)
def test_readings_quote_the_published_data(name):
    text = (ROOT / "docs" / "snippets" / "readings" / f"{name}.md").read_text()
    assert text == reading(Numbers(publication.load(name, DATA)))


def test_a_reading_says_where_seeds_stay_at_chance():
    assert _stuck(numbers({"a": HIGH, "b": {0: 0.1, 1: 0.1}})) == ""  # no seed learns
    said = _stuck(numbers({"a": HIGH, "b": {0: 0.8, 1: 0.1, 2: 0.8}}))
    assert "1 run of 1 arm stays at chance while the other seeds learn (b)" in said


def test_a_reading_says_where_a_grid_was_too_narrow():
    def published(chosen, rates=(0.1, 0.2, 0.4)):
        arms = [{"label": "a", "learning_rate": chosen, "grid": [{"rate": rate} for rate in rates]}]
        return Numbers(Published(name="made up", about={"arms": arms}, rows=()))

    assert _ends(published(0.2)) == ""
    assert "of 3 rates 1 of 1 arms took one at an end" in _ends(published(0.4))
    assert "each arm has the better of two" in _ends(published(0.1, (0.1, 0.2)))


def test_a_reading_for_each_experiment():
    assert set(READINGS) == set(STUDIES.names())
    for name in set(READINGS) - set(MEASURED):
        assert (ROOT / "docs" / "snippets" / "readings" / f"{name}.md").read_text() == unread(name)


def test_the_page_is_what_the_data_say():
    """scripts/make_claims.py was run after the last publication."""
    assert (ROOT / "docs" / "claims.md").read_text() == claims_page(STUDIES, DATA)


def test_every_row_has_a_verdict_and_links_that_exist():
    page = claims_page(STUDIES, DATA)
    rows = [line for line in page.splitlines() if "scripts/reproduce.py run" in line and line.startswith("|")]
    assert len(rows) == len(CLAIMS)
    for row in rows:
        assert any(f"**{verdict}**" in row for verdict in VERDICTS), row
    for target in re.findall(r"\]\(([^)#]+)\)", page):
        assert (ROOT / "docs" / target).exists(), target


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
