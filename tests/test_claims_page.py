"""The page of claims: a verdict for each world, what flips, what waits, and the page that is committed."""

import dataclasses
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from claimed import CLAIMS, DATA, MEASURED, ROOT
from made_up_numbers import HIGH, LOW, MIXED, numbers

from zoo.experiments.claims.page import STORY, claims_page, flips, verdicts
from zoo.experiments.claims.rules import FAILS, HOLDS, MISSING, VERDICTS, Pairs
from zoo.experiments.design.study import PHOTOGRAPHS, RESIDUAL_NETS, SMALL, Claim, world_of
from zoo.studies import STUDIES


def waiting_in(page):
    """How many sentences a page of claims says will be judged once there are data."""
    counts = re.findall(r"^(\d+) more sentences? will be judged once", page, re.MULTILINE)
    assert len(counts) < 2 and "0" not in counts and ("1 more sentence " in page) is (counts == ["1"])
    return int(counts[0]) if counts else 0


@pytest.fixture(scope="module")
def ledger():
    """The page, judged from everything that is published: seconds of work."""
    return claims_page(STUDIES, DATA)


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
        assert not [claim.sentence for claim in waiting if f"| {claim.sentence}" in ledger]
        assert waiting_in(ledger) == len(waiting)
        unpublished = set(STUDIES.names()) - set(MEASURED)
        assert not [name for name in unpublished if f"run {name}`" in ledger]
        assert not [name for name in unpublished if STUDIES.lookup(name).question in ledger]

    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_none_one_and_more_may_wait(self, count, tmp_path):
        study = STUDIES.study_of("ordering")
        claims = tuple(dataclasses.replace(self.CLAIM, sentence=f"So {i}.") for i in range(count))
        one = SimpleNamespace(studies=lambda: [dataclasses.replace(study, claims=claims)])
        assert waiting_in(claims_page(one, tmp_path)) == count


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
