"""What is to be run next: in which order, and what each adds."""

import dataclasses
import json

import pytest

from tests.experiments import toys
from zoo.experiments.design.experiment import Arm, Continuation, Dataset, Hook, Quick, Recipe, plain
from zoo.experiments.design.photographs import EPOCHS, against, cost, minutes, photographed, seconds
from zoo.experiments.design.plan import run_of
from zoo.experiments.design.registry import Registry, UnknownExperimentError
from zoo.experiments.design.study import PHOTOGRAPHS, Study, world_of
from zoo.experiments.publishing import publication
from zoo.experiments.publishing.waiting import waiting
from zoo.experiments.running.archive import pack
from zoo.experiments.running.results import RunFolder
from zoo.studies import STUDIES

RECIPE = Recipe(learning_rates=(0.1, 0.2), epochs=4, tuning_epochs=1, tuning_seeds=(1000,))


def arms(*depths):
    return tuple(
        Arm(label=f"{depth} layers", model=f"resnet{depth}", factors={"depth": depth}) for depth in depths
    )


def experiment(name, *depths, **settings):
    return photographed(
        name=name,
        question="How deep?",
        of="depths",
        arms=arms(*depths),
        colour="depth",
        comparisons=against(arms(*depths), "depth", depths[0], depths[1:], claim="deeper is better"),
        expectations=(),
        recipe=RECIPE,
        **settings,
    )


class Two(Registry):
    """`shallow` and `deep`, which share the net of 20 layers."""

    def studies(self):
        return [
            Study(name=name, experiments=(experiment(name, *depths),))
            for name, depths in (("deep", (20, 56)), ("shallow", (8, 20)))
        ]


def test_runs_that_an_earlier_one_has_are_not_counted_again(tmp_path):
    first, second = waiting(Two("mine", priority=("shallow", "deep")), tmp_path)
    assert [first.name, second.name] == ["shallow", "deep"]
    # Five seeds of four epochs, and two rates of one epoch: 7 runs and 22 epochs an arm.
    assert (first.runs, first.shared, second.runs, second.shared) == (14, 0, 7, 7)
    assert second.minutes == pytest.approx(22 * seconds(arms(56)[0]) / 60)
    assert first.minutes == pytest.approx(experiment("shallow", 8, 20).cost, abs=0.5)
    turned = waiting(Two("mine", priority=("deep",)), tmp_path)
    assert [one.name for one in turned] == ["deep", "shallow"] and turned[1].runs == 7


def publish(folder, name, *seeds, backend="tensorflow"):
    about = {"spec": {"seeds": seeds}, "environment": {"backend": backend}}
    (folder / f"{name}.json").write_text(json.dumps(about))


def test_what_is_published_waits_no_longer_and_its_runs_are_done(tmp_path):
    publish(tmp_path, "shallow", 0, 1, 2, 3, 4)
    (one,) = waiting(Two("mine"), tmp_path)
    assert (one.name, one.runs, one.shared, one.so_far, one.left) == ("deep", 7, 7, "", {})


def test_what_one_backend_has_done_is_not_done_on_another(tmp_path):
    publish(tmp_path, "shallow", 0, 1, 2, 3, 4, backend="jax")
    (here,) = waiting(Two("mine"), tmp_path)
    (there,) = waiting(Two("mine"), tmp_path, backend="jax")
    assert (here.name, here.runs, here.shared) == ("deep", 14, 0)
    assert (there.name, there.runs, there.shared) == ("deep", 7, 7)


def test_what_is_begun_on_one_backend_goes_on_there(tmp_path):
    publish(tmp_path, "shallow", 0, 1, 2, backend="jax")
    first, second = waiting(Two("mine", priority=("shallow", "deep")), tmp_path)
    assert (first.runs, first.so_far) == (4, "3 of 5 seeds") and (second.runs, second.shared) == (14, 0)


def test_what_is_published_in_part_waits_with_the_seeds_that_are_left(tmp_path):
    publish(tmp_path, "shallow", 0, 1, 2)
    first, second = waiting(Two("mine", priority=("shallow", "deep")), tmp_path)
    # Tuned it is: two seeds of four epochs are left of each arm.
    assert (first.name, first.so_far, first.runs, first.shared) == ("shallow", "3 of 5 seeds", 4, 0)
    assert first.left == {"8 layers": (3, 4), "20 layers": (3, 4)}
    assert first.minutes == pytest.approx(2 * 4 * sum(map(seconds, arms(8, 20))) / 60)
    # `deep` shares seven runs of 20 layers: five that are done and two that `shallow` will have done.
    assert (second.name, second.runs, second.shared, second.so_far) == ("deep", 7, 7, "")


def test_what_is_archived_is_done(tmp_path):
    publish(tmp_path, "shallow", 0, 1, 2)
    made = experiment("shallow", 8, 20)
    place = tmp_path / "runs" / "shallow.jsonl"
    for seed in (0, 3):
        run = run_of(made, made.arms[1], seed, backend="tensorflow", rate=0.2)
        folder = RunFolder(tmp_path / "work", run.id("graph", "data"))
        with folder.claim():
            folder.write_spec({"run": plain(run)}, {})
            folder.finish({})
        pack([folder.id], tmp_path / "work", place)
    (one, _) = waiting(Two("mine", priority=("shallow", "deep")), tmp_path)
    assert one.left == {"8 layers": (3, 4), "20 layers": (4,)} and (one.runs, one.shared) == (3, 1)


def test_a_priority_that_does_not_exist_is_refused():
    with pytest.raises(UnknownExperimentError, match="unknown experiment 'depe'; did you mean 'deep'"):
        Two("mine", priority=("depe",)).in_order()


def test_every_experiment_that_waits_has_its_place_in_the_order():
    published = publication.names(STUDIES.names(), publication.FOLDER)
    assert set(STUDIES.names()) - set(published) <= set(STUDIES.priority)


def test_a_net_that_nobody_timed_has_no_cost():
    with pytest.raises(ValueError, match=r"arm 'toy': no net like .*net.* was timed; add it to SECONDS"):
        seconds(toys.arm())


@pytest.mark.parametrize(
    "model, options, expected",
    [
        ("zoo.experiments.nets:mixed_bfloat16", {"net": "resnet20"}, 38),
        ("plain56", {}, 114),
        ("convnet4", {"padding": "valid"}, 6),
    ],
)
def test_a_net_within_another_is_timed_by_its_own_name(model, options, expected):
    assert seconds(Arm(label="one", model=model, options=options)) == expected


def test_every_arm_that_waits_was_timed():
    """Else the list of what to run, and the page that shows it, would stop at the first that was not."""
    for name in STUDIES.priority:
        made = STUDIES.lookup(name)
        for arm in made.arms:
            run = run_of(made, arm, made.seeds[0], backend="", rate=0.0, rate_before=0.0)
            assert cost(made, arm, run) > 0, arm.label


def test_the_cost_is_that_of_all_arms_with_their_own_recipes():
    own = Recipe(learning_rates=(0.1,), epochs=2)
    made = experiment("deep", 20, 56, seeds=(0, 1), seeds_reason="a test")
    # Two seeds of four epochs and two rates of one; 38 seconds for 20 layers and three times that for 56.
    assert minutes(made) == pytest.approx((2 * 4 + 2) * (38 + 114) / 60)
    one, other = made.arms
    changed = dataclasses.replace(made, arms=(dataclasses.replace(one, recipe=own), other))
    assert minutes(changed) == pytest.approx((2 * 2 * 38 + (2 * 4 + 2) * 114) / 60)
    # What says nothing of its tuning is tuned for a third of the run: two epochs, more than a third of four.
    untold = dataclasses.replace(made, recipe=dataclasses.replace(RECIPE, tuning_epochs=None))
    assert minutes(untold) == pytest.approx((2 * 4 + 2 * 2) * (38 + 114) / 60)


def going_on(name="both", **changes):
    """Two depths; the net of 20 layers is measured, and trained on for an epoch."""
    made = experiment(name, 20, 56)
    on = (
        Continuation(
            label="measured",
            after="20 layers",
            trains=False,
            hooks=(Hook.at_start("needed.merged", kept=(0.5,)),),
        ),
        Continuation(label="trained on", after="20 layers", recipe=Recipe(learning_rates=(0.1,), epochs=1)),
    )
    return dataclasses.replace(made, arms=(*made.arms, *on))


def test_what_goes_on_costs_what_it_does_and_no_tuning():
    more = minutes(going_on()) - minutes(experiment("both", 20, 56))
    assert more == pytest.approx(5 * (1 + EPOCHS["needed.merged"]) * seconds(arms(20)[0]) / 60)
    untimed = dataclasses.replace(going_on().arms[2], hooks=(Hook.at_start("signal.gain"),))
    made = dataclasses.replace(going_on(), arms=(*arms(20, 56), untimed), comparisons=())
    with pytest.raises(ValueError, match=r"arm 'measured': 'signal\.gain' was not timed; add it to EPOCHS"):
        minutes(made)


class GoesOn(Registry):
    """`shallow`, and `both`, which goes on with a net that `shallow` trains."""

    def studies(self):
        made = {"shallow": experiment("shallow", 8, 20), "both": going_on()}
        return [Study(name=name, experiments=(one,)) for name, one in made.items()]


def test_a_net_that_others_go_on_with_is_trained_again_where_only_its_archive_is_left(tmp_path):
    # Run before it, `shallow` leaves its weights.
    first, second = waiting(GoesOn("mine", priority=("shallow", "both")), tmp_path)
    assert (first.runs, second.runs, second.shared) == (14, 7 + 10, 7)
    publish(tmp_path, "shallow", 0, 1, 2, 3, 4)
    (again,) = waiting(GoesOn("mine", priority=("shallow", "both")), tmp_path)
    assert (again.runs, again.shared) == (7 + 10 + 5, 2)  # five nets, and not the two that tuned
    assert again.minutes == pytest.approx(second.minutes + 5 * 4 * seconds(arms(20)[0]) / 60)


def test_an_archived_run_that_goes_on_is_done(tmp_path):
    made = going_on()
    run = run_of(made, made.arms[3], 1, backend="tensorflow", rate=0.1, rate_before=0.2)
    folder = RunFolder(tmp_path / "work", run.id("graph", "data"))
    with folder.claim():
        folder.write_spec({"run": plain(run)}, {})
        folder.finish({})
    pack([folder.id], tmp_path / "work", tmp_path / "runs" / "both.jsonl")
    _, second = waiting(GoesOn("mine", priority=("shallow", "both")), tmp_path)
    assert (second.runs, second.shared) == (7 + 9, 8)


def test_a_photographed_experiment_has_the_figures_and_the_images_of_all():
    made = experiment("deep", 20, 56, data=Dataset(name="cifar10_jpeg", size=16, train=2000))
    assert world_of(made) == PHOTOGRAPHS and isinstance(made.quick, Quick)
    assert [figure.name for figure in made.figures] == ["", "training", "last"]
    assert made.figures[-1].y_title == "test accuracy after 4 epochs of 2,000 photographs"
    with pytest.raises(ValueError, match="no arm has depth=110"):
        against(arms(20, 56), "depth", 20, (110,), claim="")
