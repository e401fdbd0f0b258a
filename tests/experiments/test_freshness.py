import dataclasses
import json
import re
import tempfile
from pathlib import Path

import keras
import pytest

from tests.experiments import toys
from zoo.experiments.data import sets
from zoo.experiments.data.sets import MissingDataError, load
from zoo.experiments.design import plan
from zoo.experiments.design.experiment import Comparison, Continuation, Curves, canonical
from zoo.experiments.publishing import check, freshness, publication
from zoo.experiments.publishing.freshness import FRESH, MISSING, STALE, UNSEEN, status, statuses
from zoo.experiments.publishing.publication import PublicationError
from zoo.experiments.running import environment, run
from zoo.experiments.training.loop import Training

MEASURED = toys.arm("measured", trains=False, hooks=(toys.hook("weight_norm", when="start"),))
EXPERIMENT = toys.experiment(
    arms=(toys.arm("trained"), MEASURED),
    recipe=dataclasses.replace(toys.RECIPE, epochs=2),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    toys.published(folder, EXPERIMENT)
    return folder


def test_fresh(folder):
    state = status(EXPERIMENT, folder)
    assert state.word == FRESH, state.why
    assert "2 arms build the same graphs, read the same data and retrace their first losses" in state.why


def test_missing_and_edited(folder, tmp_path):
    state = status(EXPERIMENT, tmp_path)
    assert state.word == MISSING and "python -m zoo.experiments run toy makes it" in state.why
    (tmp_path / "toy.csv").write_bytes((folder / "toy.csv").read_bytes() + b"trained,0,test_accuracy,9,1\n")
    (tmp_path / "toy.json").write_bytes((folder / "toy.json").read_bytes())
    state = status(EXPERIMENT, tmp_path)
    assert state.word == STALE and "changed after it was published" in state.why


def test_words_and_figures_may_change(folder):
    other = dataclasses.replace(EXPERIMENT, question="Does it really?", figures=(Curves(),), cost=9.0)
    assert status(other, folder).word == FRESH


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"seeds": (0, 2, 1)}, r"seeds was \[0, 1\] and is \[0, 2, 1\]"),
        ({"seeds": (0,), "seeds_reason": "fewer"}, r"seeds was \[0, 1\] and is \[0\]"),
        ({"arms": (toys.arm("trained"),)}, "arm 'measured' is gone"),
        ({"arms": (toys.arm("trained", options={"width": 3}), MEASURED)}, "arm 'trained' has other options"),
        ({"comparisons": (Comparison(first="trained", second="measured"),)}, "the comparisons changed"),
        ({"recipe": dataclasses.replace(EXPERIMENT.recipe, batch=25)}, r"recipe\.batch was 50 and is 25$"),
    ],
)
def test_another_spec_is_stale(folder, change, why):

    state = status(dataclasses.replace(EXPERIMENT, **change), folder)
    assert state.word == STALE and re.search(why, state.why), state.why


def test_the_first_of_the_seeds_are_fresh_as_far_as_they_go(folder):
    state = status(dataclasses.replace(EXPERIMENT, seeds=(0, 1, 2, 3)), folder)
    assert state.word == FRESH and "2 of 4 seeds are run so far" in state.why


def test_damaged_images_spoil_no_answer_but_their_own(folder, monkeypatch):
    def damaged():
        raise ValueError("digits.zip is damaged; fetch it again")

    load.cache_clear()
    monkeypatch.setitem(sets.SOURCES, "digits", damaged)
    state = status(EXPERIMENT, folder)
    load.cache_clear()
    assert state.word == UNSEEN
    assert "the data set 'digits' cannot be read: digits.zip is damaged; fetch it again" in state.why


def test_images_that_are_not_here_are_unseen_not_stale(folder, monkeypatch):
    def absent():
        raise MissingDataError("the data set 'digits' is not on this machine; get it")

    monkeypatch.setitem(sets.SOURCES, "digits", absent)
    load.cache_clear()
    state = status(EXPERIMENT, folder)
    load.cache_clear()
    assert state.word == UNSEEN
    assert (
        state.why == "2 of 2 arms could not be retraced: the data set 'digits' is not on this machine; get it"
    )


def test_a_changed_default_cannot_hide(folder, monkeypatch):
    original = toys.net
    monkeypatch.setattr(toys, "net", lambda *a, **o: original(*a, **{"rate": 0.3, **o}))
    state = status(EXPERIMENT, folder)
    assert state.word == STALE
    assert "arm 'trained': the code builds another graph" in state.why


def scale_weights(monkeypatch, factor):
    """Initial weights come out larger by a factor."""
    original = toys.net

    def scaled(*arguments, **options):
        model = original(*arguments, **options)
        model.set_weights([weight * factor for weight in model.get_weights()])
        return model

    monkeypatch.setattr(toys, "net", scaled)


def test_another_initialisation_shows_in_the_first_losses(folder, monkeypatch):
    scale_weights(monkeypatch, 1.01)
    state = status(EXPERIMENT, folder)
    assert state.word == STALE
    assert "the loss of step 1 of seed 0 was" in state.why
    assert "arm 'measured': weight_norm at 0 was" in state.why


def test_another_optimiser_shows_in_the_second_loss(folder, monkeypatch):
    from zoo.experiments.training import steps

    monkeypatch.setattr(steps, "make_optimizer", lambda recipe, schedule: keras.optimizers.SGD(0.04))
    state = status(EXPERIMENT, folder)
    assert state.word == STALE and "the loss of step 2 of seed 0 was" in state.why


def test_other_images_show(folder, monkeypatch):
    original = load

    def others(dataset):
        return dataclasses.replace(original(dataset), sha256="0" * 64)

    monkeypatch.setattr("zoo.experiments.training.loop.load", others)
    state = status(EXPERIMENT, folder)
    assert state.word == STALE and "the images are others" in state.why


def republished(folder, tmp_path, **environment):
    """The same publication, claimed to come from elsewhere."""
    about = json.loads((folder / "toy.json").read_text())
    about["environment"].update(environment)
    table = (folder / "toy.csv").read_bytes()
    about["checksum"] = publication._checksum(about, table)
    (tmp_path / "toy.json").write_text(json.dumps(about))
    (tmp_path / "toy.csv").write_bytes(table)
    return tmp_path


def test_elsewhere_three_digits_are_enough(folder, tmp_path, monkeypatch):
    scale_weights(monkeypatch, 1 + 1e-5)
    assert status(EXPERIMENT, folder).word == STALE
    state = status(EXPERIMENT, republished(folder, tmp_path, processor="another"))
    assert state.word == FRESH and "processor was 'another'" in state.why


def test_what_a_millionth_of_the_weights_moves_is_undecided_elsewhere_and_nothing_else(
    folder, tmp_path, monkeypatch
):
    """As if the recorded losses were rounded by another processor: a nudge of the weights decides whether that explains it."""
    elsewhere = republished(folder, tmp_path, processor="another")
    scale_weights(monkeypatch, 1.01)
    assert status(EXPERIMENT, elsewhere).word == STALE
    monkeypatch.setattr(freshness, "NUDGE", 0.1)  # as sensitive as a deep net at a large rate
    state = status(EXPERIMENT, elsewhere)
    assert state.word == FRESH and "rounding alone moves" in state.why
    # In the same environment nothing is excused.
    assert status(EXPERIMENT, folder).word == STALE


def test_runs_of_another_backend_are_judged_by_graph_and_data_and_that_is_said(folder, tmp_path, monkeypatch):
    elsewhere = republished(folder, tmp_path, backend="jax")
    state = status(EXPERIMENT, elsewhere)
    assert state.word == UNSEEN
    assert "it was run on jax, which draws other initial weights than tensorflow" in state.why
    original = load
    monkeypatch.setattr(
        "zoo.experiments.training.loop.load",
        lambda data: dataclasses.replace(original(data), sha256="0" * 64),
    )
    state = status(EXPERIMENT, elsewhere)
    assert state.word == STALE and "the images are others" in state.why


def repeat(folder, **changes):
    return list(
        check.check(
            dataclasses.replace(EXPERIMENT, **changes),
            workers=toys.Here(),
            backend="tensorflow",
            seeds=2,
            folder=folder,
        )
    )


def test_a_repeated_run_is_inside_and_equal_to_the_bit(folder):
    findings = repeat(folder)
    assert len(findings) == 2 and all(finding.inside and finding.same_bits for finding in findings)
    assert "is inside the published band" in findings[0].words
    assert "the weights are equal to the bit" in findings[0].words


def test_only_what_is_published_is_repeated_and_the_rest_is_named(folder, monkeypatch):
    titles, said = [], []

    def stop(jobs, runs, workers):
        titles.extend(job.title for job in jobs)
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "execute", stop)
    new = toys.arm("new", options={"width": 7})
    after = Continuation(
        label="after", after="new", hooks=(toys.hook("weight_norm", when="start"),), trains=False
    )
    more = dataclasses.replace(EXPERIMENT, seeds=tuple(range(9)), arms=(*EXPERIMENT.arms, new, after))
    with pytest.raises(KeyboardInterrupt):
        list(
            check.check(
                more,
                workers=toys.Here(),
                backend="tensorflow",
                arms=9,
                seeds=9,
                folder=folder,
                announce=said.append,
            )
        )
    assert sorted(titles) == ["trained, seed 0", "trained, seed 1"]
    assert said == [
        "toy: left out, since not published: new, after",
        "toy: left out, since not published: seeds 2, 3, 4, 5, 6, 7, 8",
    ]
    with pytest.raises(PublicationError, match="toy: none of its arms is published"):
        repeat(folder, arms=(new,))


@pytest.mark.parametrize("runs", [None, "not yet/there"])
def test_what_is_repeated_lies_where_the_workers_see_it_and_is_removed(folder, tmp_path, monkeypatch, runs):
    seen = []

    def stop(jobs, runs, workers):
        seen.append((runs, runs.is_dir()))
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "execute", stop)
    runs = runs and tmp_path / runs
    with pytest.raises(KeyboardInterrupt):
        list(check.check(EXPERIMENT, workers=toys.Here(), backend="tensorflow", folder=folder, runs=runs))
    ((place, there),) = seen
    assert there and not place.exists()
    assert place.parent == (runs or Path(tempfile.gettempdir())) and place.parent.is_dir()


def test_a_run_with_other_bits_says_so_and_why(folder, tmp_path, monkeypatch):
    original = toys.net
    run.fingerprints.cache_clear()
    monkeypatch.setattr(toys, "net", lambda *a, **o: original(*a, **{**o, "rate": 0.9}))
    try:
        findings = repeat(folder)
        assert not any(finding.same_bits for finding in findings)
        assert "the code computes something else" in findings[0].words
        assert "threads was 2 and is 1" in repeat(republished(folder, tmp_path, threads=2))[0].words
    finally:
        run.fingerprints.cache_clear()


ALL_TRAINED = dict.fromkeys(range(5), "trained")


def judged(now, before, *, seed=0, became=None, outcomes=ALL_TRAINED, floor=0.1215, elsewhere=()):
    became = became or ("trained" if now > floor else "at chance")
    return check._finding(
        "toy",
        "arm",
        "test_accuracy",
        now=now,
        became=became,
        before=before,
        outcomes=outcomes,
        floor=floor,
        seed=seed,
        same_bits=False,
        elsewhere=list(elsewhere),
    )


@pytest.mark.parametrize(
    ("now", "inside"),
    [(0.81, True), (0.9, True), (0.5, False), (0.97, False), (float("nan"), False)],
)
def test_inside_is_where_one_more_run_would_fall(now, inside):
    finding = judged(now, {0: 0.80, 1: 0.82, 2: 0.81, 3: 0.79, 4: 0.9})
    assert finding.inside is inside
    assert bool(re.search("OUTSIDE|NOT as", finding.words)) is not inside


# norm_order, plain20, conv_act, as it was published: the band with both failures in it was -0.53 to 1.22.
MIXED = {0: 0.6095, 1: 0.1, 2: 0.6945, 3: 0.6211, 4: 0.1}
TWO_FAILED = {**ALL_TRAINED, 1: "at chance", 4: "at chance"}


@pytest.mark.parametrize(
    ("seed", "now", "inside"),
    [
        (0, 0.63, True),
        (0, 0.1, False),  # a broken net: this seed trained
        (0, 0.15, False),  # nearly broken: no run that trained ended there
        (0, 1.0, False),
        (1, 0.1, True),  # this seed failed before
        (1, 0.65, True),
        (1, 0.99, False),
    ],
)
def test_one_run_at_chance_does_not_make_everything_right(seed, now, inside):
    finding = judged(now, MIXED, seed=seed, outcomes=TWO_FAILED)
    assert finding.inside is inside and "3 of 5 published runs trained" in finding.words


def test_elsewhere_a_seed_may_fail_where_others_did_but_not_where_none_did():
    other = ["processor was A and is B"]
    assert judged(0.1, MIXED, outcomes=TWO_FAILED, elsewhere=other).inside
    assert not judged(0.1, {seed: 0.8 + seed / 100 for seed in range(5)}, elsewhere=other).inside


def test_the_band_ends_where_the_metric_does():
    wide = {0: 0.3, 1: 0.9, 2: 0.6}
    words = judged(0.5, wide, outcomes=dict.fromkeys(wide, "trained")).words
    assert "from 0.1215 to 1 of runs that trained" in words


def test_an_arm_that_never_trained_must_fail_again():
    failed = dict.fromkeys(range(5), "at chance")
    assert judged(0.1, dict.fromkeys(range(5), 0.1), outcomes=failed).inside
    assert not judged(0.8, dict.fromkeys(range(5), 0.1), outcomes=failed).inside


def test_a_broken_net_is_caught_by_check_itself(folder, monkeypatch):
    """The whole way: published runs, a net that ignores its input, a repeated run at chance."""
    original = toys.net
    run.fingerprints.cache_clear()

    def broken(*shape, **options):
        whole = original(*shape, **options)
        return keras.Model(whole.input, keras.layers.Rescaling(0.0)(whole.output))

    monkeypatch.setattr(toys, "net", broken)
    try:
        findings = repeat(folder)
        assert findings and not any(finding.inside for finding in findings)
        assert "NOT as published" in findings[0].words
    finally:
        run.fingerprints.cache_clear()


def test_retracing_sees_momentum():
    assert freshness.RETRACED >= 3


@pytest.fixture
def rounding(monkeypatch):
    """Operation by operation, every loss comes out a hundredth larger, as it does in a deep net at a large rate."""
    original = Training.losses
    monkeypatch.setattr(
        Training,
        "losses",
        lambda self, count: [loss * (1.01 if self.eager else 1) for loss in original(self, count)],
    )


def test_what_rounding_moves_is_retraced_compiled_as_it_was_recorded(folder, rounding):
    assert status(EXPERIMENT, folder).word == FRESH


def test_elsewhere_what_rounding_moves_cannot_be_compared_and_is_named(
    folder, tmp_path, rounding, monkeypatch
):
    elsewhere = republished(folder, tmp_path, processor="another")
    state = status(EXPERIMENT, elsewhere)
    assert state.word == FRESH and "rounding alone" not in state.why  # compiled, the losses agree
    scale_weights(monkeypatch, 1.01)
    arm = EXPERIMENT.arm("trained")
    about = next(
        each for each in publication.load("toy", elsewhere).about["arms"] if each["label"] == "trained"
    )
    verdict = freshness.acts_otherwise(
        EXPERIMENT, arm, about, publication.load("toy", elsewhere), environment.describe()
    )
    assert verdict == freshness.Verdict(undecided=True)
    told = freshness._state_of(EXPERIMENT, publication.load("toy", elsewhere), {"trained": verdict})
    assert told.word == FRESH and told.why.split("retrace them: ")[1].startswith("trained (elsewhere")


def test_what_two_experiments_publish_alike_is_retraced_once(folder, tmp_path, monkeypatch):
    other = dataclasses.replace(EXPERIMENT, name="twin")
    toys.published(tmp_path, EXPERIMENT)
    toys.published(tmp_path, other)
    retraced = []

    def each(judge, work):
        for job in work:
            retraced.append((job[0].name, job[2]))
            yield judge(job)

    states = list(statuses([EXPERIMENT, other], tmp_path, each=each))
    assert [state.word for state in states] == [FRESH, FRESH]
    assert retraced == [("toy", "trained"), ("toy", "measured"), ("twin", "measured")]


def test_a_graph_has_the_same_fingerprint_without_its_weights():
    arm = EXPERIMENT.arm("trained")
    planned = plan.run_of(EXPERIMENT, arm, 0, backend="tensorflow")
    graph, data = run.fingerprints(planned.model, canonical(planned.options), planned.data)
    training = Training(planned)
    assert (graph, data) == (training.graph, training.images.sha256)
