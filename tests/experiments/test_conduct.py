"""An experiment from start to end: in which order, and what is published of one that was stopped."""

import dataclasses
import json

import pytest

from tests.experiments import toys
from zoo.experiments.publishing.publication import publish
from zoo.experiments.running.conduct import conduct
from zoo.experiments.running.execution import ExecutionError

RECIPE = dataclasses.replace(
    toys.RECIPE, learning_rates=(0.02, 0.1), epochs=1, tuning_epochs=1, tuning_seeds=(1000,)
)
EXPERIMENT = toys.experiment(
    arms=(toys.arm("narrow"), toys.arm("wide", options={"width": 20})), recipe=RECIPE, seeds=(0, 1, 2)
)


class Stops(toys.Here):
    """Workers that are this process, until so many runs are done."""

    def __init__(self, after):
        self.after, self.seen = after, []

    def submit(self, job, runs):
        if len(self.seen) == self.after:
            raise ExecutionError("stopped")
        self.seen.append(job.title)
        return super().submit(job, runs)


def collect(folder, workers, **changes):
    return conduct(EXPERIMENT, runs=folder, workers=workers, backend="tensorflow", **changes)


def test_what_is_stopped_is_balanced_and_published_with_its_seeds(tmp_path):
    workers = Stops(after=4 + 5)
    with pytest.raises(ExecutionError):
        collect(tmp_path, workers)
    seeds = [title.split("seed ")[1][0] for title in workers.seen[4:]]
    arms = [title.split(",")[0] for title in workers.seen[4:]]
    assert seeds == ["0", "0", "1", "1", "2"] and arms == ["narrow", "wide"] * 2 + ["narrow"]

    none = Stops(after=0)
    collected = collect(tmp_path, none, only_done=True)
    assert none.seen == [] and collected.experiment.seeds == (0, 1)
    assert [(run.label, run.seed) for run in collected.runs] == [
        ("narrow", 0),
        ("narrow", 1),
        ("wide", 0),
        ("wide", 1),
    ]
    published = publish(collected, command="a test", folder=tmp_path)
    assert published.about["spec"]["seeds"] == [0, 1]
    assert published.about["spec"]["seeds_reason"] == "the others are still to be run"

    whole = collect(tmp_path, toys.Here())
    assert whole.experiment is EXPERIMENT and len(whole.runs) == 6
    both = [run for run in whole.runs if run.seed in (0, 1)]
    assert [json.dumps(run.lines) for run in both] == [json.dumps(run.lines) for run in collected.runs]


@pytest.mark.parametrize(
    ("done", "message"),
    [(3, "not tuned yet, 1 runs are missing, such as 'tuning wide"), (5, "seed 0 is not done in every arm")],
)
def test_nothing_balanced_is_refused(tmp_path, done, message):
    with pytest.raises(ExecutionError):
        collect(tmp_path, Stops(after=done))
    with pytest.raises(ValueError, match=message):
        collect(tmp_path, toys.Here(), only_done=True)


def test_a_finished_run_that_lost_lines_is_named_and_not_published(tmp_path):
    experiment = toys.experiment(recipe=dataclasses.replace(toys.RECIPE, epochs=2), seeds=(0, 1))
    asked = {"runs": tmp_path, "workers": toys.Here(), "backend": "tensorflow"}
    whole = conduct(experiment, **asked)
    path = tmp_path / whole.runs[1].id / "lines.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    said = []
    kept = conduct(experiment, **asked, only_done=True, announce=said.append)
    assert [run.seed for run in kept.runs] == [0]
    assert said == [
        f"toy, seed 1, rate 0.05, run {whole.runs[1].id}: its result says 16 steps, and its lines, which are damaged, end "
        "at step 8; it is to be done again"
    ]
    again = conduct(experiment, **asked)
    assert [run.series("test_accuracy") for run in again.runs] == [
        run.series("test_accuracy") for run in whole.runs
    ]
