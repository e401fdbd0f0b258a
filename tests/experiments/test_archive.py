"""An experiment that was stopped goes on from its archive, in another folder, and ends the same."""

import json

import pytest

from tests.experiments import toys
from tests.experiments.test_conduct import Stops, collect
from zoo.experiments.running.archive import ArchiveError, pack, unpack
from zoo.experiments.running.execution import ExecutionError


@pytest.fixture
def stopped(tmp_path):
    """Folder and archive of an experiment of ten runs, stopped after seven."""
    with pytest.raises(ExecutionError):
        collect(tmp_path / "here", Stops(after=7))
    ids = [folder.name for folder in (tmp_path / "here").iterdir()]
    assert pack([*ids, "none"], tmp_path / "here", tmp_path / "toy.jsonl") == 7
    return tmp_path


def rows(collected):
    """What is published of it: times are not the same twice."""
    return [(run.label, run.seed, run.id, line["rows"]) for run in collected.runs for line in run.lines]


def test_what_is_archived_is_not_run_again(stopped):
    assert unpack(stopped / "toy.jsonl", stopped / "elsewhere") == 7
    rest = Stops(after=99)
    elsewhere = collect(stopped / "elsewhere", rest)
    assert len(rest.seen) == 3
    assert rows(elsewhere) == rows(collect(stopped / "here", toys.Here()))


def test_an_archive_grows_and_never_forgets(stopped):
    collect(stopped / "fresh", toys.Here())
    ids = [folder.name for folder in (stopped / "fresh").iterdir()]
    before = {json.loads(line)["result"]["id"] for line in (stopped / "toy.jsonl").read_text().splitlines()}
    assert pack(ids[:1], stopped / "fresh", stopped / "toy.jsonl") >= 7
    assert pack(ids, stopped / "fresh", stopped / "toy.jsonl") == 10
    after = {json.loads(line)["result"]["id"] for line in (stopped / "toy.jsonl").read_text().splitlines()}
    assert before < after == set(ids)
    assert unpack(stopped / "toy.jsonl", stopped / "fresh") == 0


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace('"status": "done"', '"status": "diverged"', 1),
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('["train_loss", 1.0, ', '["train_loss", 1.0, 0', 1),
    ],
)
def test_an_edited_archive_is_refused(stopped, edit):
    path = stopped / "toy.jsonl"
    text = path.read_text()
    assert edit(text) != text
    path.write_text(edit(text))
    with pytest.raises(
        ArchiveError, match=r"toy\.jsonl, line \d+, is damaged or was edited.*restore it from git"
    ):
        unpack(path, stopped / "elsewhere")
