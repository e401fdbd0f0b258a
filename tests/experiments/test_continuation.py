"""Arms that go on with the trained net of another: the same bits, whatever happened on the way."""

import dataclasses

import numpy as np
import pytest

from tests.experiments import toys
from zoo.experiments.design.experiment import Continuation
from zoo.experiments.design.plan import ContinuedRun, run_of
from zoo.experiments.publishing import check, publication
from zoo.experiments.publishing.freshness import FRESH, STALE, status
from zoo.experiments.running.archive import pack, unpack
from zoo.experiments.running.results import RunFolder, RunFolderError
from zoo.experiments.running.run import BUSY, DIVERGED, DONE, fingerprints, identify, perform
from zoo.studies import STUDIES

SHORT = dataclasses.replace(toys.RECIPE, epochs=2)
NORM = (toys.hook("weight_norm", when="start"),)
MEASURED = Continuation(label="measured", after="toy", trains=False, hooks=NORM)
HALVED = Continuation(
    label="halved",
    after="toy",
    model=f"{toys.HERE}:halved",
    recipe=dataclasses.replace(toys.RECIPE, epochs=3),
    hooks=NORM,
)
EXPERIMENT = toys.experiment(arms=(toys.arm(), MEASURED, HALVED), recipe=SHORT)


def run(arm, seed=0, experiment=EXPERIMENT):
    return run_of(experiment, arm, seed, backend="tensorflow")


def done(run, runs):
    """Its folder after it was performed."""
    run_id = identify(run)
    assert perform(run, run_id, runs) == {"id": run_id, "status": DONE}
    return RunFolder(runs, run_id)


def started_with(folder):
    (value,) = (value for name, _, value in folder.lines()[0]["rows"] if name == "weight_norm")
    return value


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which all is done, the run before by the one that goes on after it."""
    runs = tmp_path_factory.mktemp("runs")
    done(run(HALVED), runs)
    done(run(MEASURED), runs)
    return runs


def folder_of(arm, runs):
    return RunFolder(runs, identify(run(arm)))


def norm(weights):
    return float(sum((w**2).sum() for w in weights))


def test_it_begins_with_the_weights_that_the_other_run_ended_with(finished):
    weights = folder_of(toys.arm(), finished).load_weights()
    assert started_with(folder_of(MEASURED, finished)) == norm(weights)
    assert started_with(folder_of(HALVED, finished)) == norm([w * 0.5 for w in weights])
    # Nothing trains where nothing is to be trained, and what goes on trains on.
    kept, trained = (folder_of(arm, finished).load_weights() for arm in (MEASURED, HALVED))
    assert all(np.array_equal(a, b) for a, b in zip(weights, kept, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights, trained, strict=True))


def test_the_run_before_is_the_same_run_for_everybody(finished, tmp_path):
    alone = toys.experiment(recipe=SHORT)
    before = run_of(alone, alone.arms[0], 0, backend="tensorflow")
    assert run(HALVED).before == before and not isinstance(before, ContinuedRun)
    other = done(before, tmp_path)
    ours = folder_of(toys.arm(), finished)
    assert other.id == ours.id and other.result()["weights_sha256"] == ours.result()["weights_sha256"]


def test_ids_of_runs_that_go_on_after_nothing_are_what_they_were():
    """Else a hundred archived runs would be done again."""
    published = publication.load("ordering_20")
    experiment = STUDIES.lookup("ordering_20")
    for arm in experiment.arms:
        about = published.arm(arm.label)
        planned = run_of(experiment, arm, 0, backend="tensorflow", rate=about["learning_rate"])
        assert planned.id(about["graph"], about["data"]) == about["runs"][0]["id"]


def test_the_seed_of_an_arm_and_all_of_the_run_before_are_in_the_id():
    longer = dataclasses.replace(EXPERIMENT, recipe=toys.RECIPE)
    runs = [run(HALVED), run(HALVED, 1), run(MEASURED), run(HALVED, experiment=longer)]
    assert len({one.id("graph", "data") for one in runs}) == 4
    assert len({identify(one) for one in runs}) == 4


def test_stopped_on_the_way_it_ends_as_if_nothing_had_happened(finished, tmp_path):
    stopped = toys.hook("fails_until", when="interval", arguments={"path": str(tmp_path / "go"), "at": 2.0})
    arm = dataclasses.replace(HALVED, hooks=(stopped,))
    with pytest.raises(RuntimeError, match="stopped here"):
        perform(run(arm), identify(run(arm)), tmp_path)
    folder = folder_of(arm, tmp_path)
    assert len(folder.lines()) == 2 and folder.load_checkpoint() is not None
    (tmp_path / "go").write_text("")
    first = folder.lines()[1]
    assert perform(run(arm), folder.id, tmp_path)["status"] == DONE
    assert folder.lines()[1] == first  # resumed, not begun anew
    expected = folder_of(HALVED, finished).result()
    assert folder.result()["weights_sha256"] == expected["weights_sha256"]
    assert folder.result()["trace"] == expected["trace"]


def archived(finished, tmp_path, edit=lambda result: result):
    """A folder with the run before as an archive leaves it: its result without weights."""
    place, before = tmp_path / "toy.jsonl", folder_of(toys.arm(), finished)
    pack([before.id], finished, place)
    unpack(place, tmp_path)
    here = RunFolder(tmp_path, before.id)
    here.finish(edit({key: value for key, value in here.result().items() if key != "id"}))
    assert here.load_weights() is None
    return here


def test_of_an_archived_run_the_weights_are_made_again(finished, tmp_path):
    here = archived(finished, tmp_path)
    result = here.result()
    folder = done(run(HALVED), tmp_path)
    expected = folder_of(HALVED, finished).result()["weights_sha256"]
    assert folder.result()["weights_sha256"] == expected
    assert here.result() == result and not (here.path / "again").exists()
    assert here.load_weights() is not None


def test_weights_that_come_out_otherwise_are_not_gone_on_with(finished, tmp_path):
    here = archived(finished, tmp_path, lambda result: {**result, "weights_sha256": "f" * 64})
    words = r"was done elsewhere and ends with other weights here .*choose another folder with --runs"
    with pytest.raises(RunFolderError, match=words):
        perform(run(HALVED), identify(run(HALVED)), tmp_path)
    assert here.load_weights() is None


def test_while_another_process_is_at_the_run_before_it_is_busy(tmp_path):
    with RunFolder(tmp_path, identify(run(toys.arm()))).claim():
        assert perform(run(HALVED), identify(run(HALVED)), tmp_path)["status"] == BUSY
    assert not folder_of(HALVED, tmp_path).lines()


def test_where_the_run_before_diverged_there_is_nothing_to_go_on_with(tmp_path):
    exploding = toys.arm(model=f"{toys.HERE}:exploding")
    experiment = dataclasses.replace(EXPERIMENT, arms=(exploding, MEASURED, HALVED))
    for arm in (MEASURED, HALVED):
        after = run(arm, experiment=experiment)
        assert perform(after, identify(after), tmp_path)["status"] == DIVERGED
        folder = RunFolder(tmp_path, identify(after))
        assert folder.result()["diverged_at"] == 0 and [line["rows"] for line in folder.lines()] == [[]]


def test_published_it_is_as_fresh_as_the_arm_before_and_can_be_checked(tmp_path, monkeypatch):
    toys.published(tmp_path, EXPERIMENT)
    state = status(EXPERIMENT, tmp_path)
    assert state.word == FRESH and "3 arms build the same graphs" in state.why
    findings = list(
        check.check(EXPERIMENT, workers=toys.Here(), backend="tensorflow", arms=3, folder=tmp_path)
    )
    assert len(findings) == 2 and all(one.inside and one.same_bits for one in findings)
    fingerprints.cache_clear()
    original = toys.net
    monkeypatch.setattr(toys, "net", lambda *a, **o: original(*a, **{"rate": 0.3, **o}))
    state = status(EXPERIMENT, tmp_path)
    fingerprints.cache_clear()
    assert state.word == STALE and "arm 'halved': the code builds another graph" in state.why


@pytest.mark.parametrize(
    "arms, said",
    [
        ((toys.arm(), dataclasses.replace(HALVED, after="tot")), r"names \['tot'\]; its arms are"),
        (
            (toys.arm(), MEASURED, dataclasses.replace(HALVED, after="measured")),
            "no arm that trains a net of its own",
        ),
        (
            (toys.arm(), HALVED, dataclasses.replace(MEASURED, after="halved")),
            "no arm that trains a net of its own",
        ),
        (
            (toys.arm(), dataclasses.replace(HALVED, data=dataclasses.replace(toys.DIGITS, train=300))),
            "other images",
        ),
        (
            (
                toys.arm(),
                dataclasses.replace(HALVED, recipe=dataclasses.replace(SHORT, learning_rates=(0.1, 0.2))),
            ),
            r"at one of the rates \(0.1, 0.2\): no tuning seed has a net to go on with",
        ),
    ],
)
def test_what_cannot_go_on_is_refused(arms, said):
    with pytest.raises(ValueError, match=said):
        toys.experiment(arms=arms, recipe=SHORT)


def test_a_net_of_its_own_is_refused():
    with pytest.raises(
        ValueError, match=r"goes on after 'toy', so its model must be None or 'package\.module:function'"
    ):
        Continuation(label="halved", after="toy", model="resnet20")
