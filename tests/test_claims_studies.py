"""The claims, expectations and pages of all studies ask for what there is: arms, planned comparisons, published numbers."""

import json
import re

import pytest
from claimed import CLAIMS, DATA, HOLES, MEASURED, ROOT, RULES

from zoo.experiments.claims.page import claims_page, numbers_of
from zoo.experiments.claims.rules import Each
from zoo.experiments.design.study import PHOTOGRAPHS, world_of
from zoo.experiments.publishing import publication
from zoo.experiments.publishing.numbers import Numbers
from zoo.experiments.publishing.quotes import filled, quote
from zoo.studies import STUDIES


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


STILL_RUNS = re.compile(r"being measured|are to show", re.IGNORECASE)


def ahead_of_its_page(study, published, docs=ROOT / "docs"):
    """What is published on photographs, of a study whose page says that nothing of it is yet.

    The first of several experiments gives the answer; a page says nothing of those that are to come.
    """
    text = " ".join((docs / f"{study.explained}.md").read_text().split())
    here = [one.name for one in study.experiments if world_of(one) == PHOTOGRAPHS and one.name in published]
    return here if STILL_RUNS.search(text) else []


@pytest.mark.parametrize("study", STUDIES.studies(), ids=lambda study: study.name)
def test_no_page_says_that_what_is_published_is_being_measured(study):
    assert ahead_of_its_page(study, MEASURED) == [], f"docs/{study.explained}.md: write what was measured"


def test_a_page_is_behind_as_soon_as_one_of_its_experiments_is_published(tmp_path):
    study = STUDIES.study_of("ordering")
    page = tmp_path / f"{study.explained}.md"
    page.parent.mkdir()
    page.write_text("On photographs here: being\nmeasured.")
    assert ahead_of_its_page(study, ["ordering", "ordering_56"], tmp_path) == ["ordering_56"]
    assert ahead_of_its_page(study, ["ordering"], tmp_path) == []  # on small images
    page.write_text("On photographs here: the same.")
    assert ahead_of_its_page(study, ["ordering", "ordering_56"], tmp_path) == []


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


def test_published_json_is_what_the_rules_read():
    for name in MEASURED:
        about = json.loads((DATA / f"{name}.json").read_text())
        assert {"label", "learning_rate", "runs"} <= set(about["arms"][0])
