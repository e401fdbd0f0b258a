"""Taking a trained net apart: orders, measurements, and the study on toy nets from the first run to the claims."""

import dataclasses
import functools
import json
import types

import keras
import numpy as np
import pytest

import zoo
from tests.experiments import toys
from tests.experiments.test_catalog_specs import context, images
from zoo.activations import sites
from zoo.experiments.claims.rules import VERDICTS, Each, judge
from zoo.experiments.design.experiment import Continuation, Strip, canonical
from zoo.experiments.design.plan import run_of
from zoo.experiments.measurements import lighter, needed
from zoo.experiments.publishing.figures import draw
from zoo.experiments.publishing.freshness import FRESH, status
from zoo.experiments.publishing.numbers import Numbers
from zoo.experiments.running.conduct import conduct
from zoo.probes.rows import Rows
from zoo.studies import STUDIES
from zoo.studies import needed as study
from zoo.transforms import drop_activations

LOSSES = {"stem": 0.5, "a": 0.1, "b": 0.3, "c": 0.2}
ROWS = Rows(
    {"site": name, "loss_change": loss, "accuracy_change": -loss / 50} for name, loss in LOSSES.items()
)


def net():
    keras.utils.set_random_seed(3)
    return toys.stack((14, 14, 1), 10)


def test_what_is_needed_least_goes_first_or_last_or_anywhen():
    assert lighter.in_order(ROWS, "needed least", 0) == ["a", "c", "b", "stem"]
    assert lighter.in_order(ROWS, "needed most", 0) == ["stem", "b", "c", "a"]
    drawn = [lighter.in_order(ROWS, "at random", seed) for seed in (0, 0, 1, 2)]
    assert drawn[0] == drawn[1] and len({tuple(one) for one in drawn}) > 1
    assert all(sorted(one) == sorted(LOSSES) for one in drawn)
    with pytest.raises(ValueError, match=r"first must be one of 'needed least', .*; received 'best'"):
        lighter.in_order(ROWS, "best", 0)


@pytest.mark.parametrize(
    "kept, count", [(1.0, 0), (0.9, 1), (0.75, 3), (0.6, 4), (0.5, 5), (0.25, 8), (0.0, 10)]
)
def test_of_ten_at_most_the_share_is_kept(kept, count):
    assert lighter.gone(list("abcdefghij"), kept) == list("abcdefghij")[:count]


def test_a_lighter_net_is_the_net_without_those_that_are_needed_least():
    trained, pictures = net(), images()
    before = trained.get_weights()
    half = functools.partial(lighter.lighter, trained, pictures, 0, first="needed least", drawn=2000)
    light = half(kept=0.5)
    names = lighter.in_order(lighter.measured(trained, pictures, 2000), "needed least", 0)[:2]
    assert {site.name for site in sites(light)} == {site.name for site in sites(trained)} - set(names)
    # There are fewer images than are asked for, so all of them fit.
    expected = drop_activations(
        trained, names, fit=pictures.x_train[np.random.default_rng(0).permutation(len(pictures.x_train))]
    ).model
    x = pictures.x_test
    np.testing.assert_array_equal(light.predict_on_batch(x), expected.predict_on_batch(x))
    assert all(np.array_equal(a, b) for a, b in zip(before, trained.get_weights(), strict=True))
    assert half(kept=1) is trained


def sorted_images(each=50, classes=10):
    """Images of which the file has all of the first class first; each holds the number of its class."""
    y = np.repeat(np.arange(classes), each).astype(np.int32)
    x = np.broadcast_to(y[:, None, None, None], (len(y), 14, 14, 1)).astype(np.float32)
    return dataclasses.replace(images(), x_train=x, y_train=y)


def test_those_that_choose_and_fit_are_of_all_classes_though_the_file_is_sorted():
    x, y = lighter.at_random(sorted_images(), 200)
    counts = np.bincount(y, minlength=10)
    # 20 of each expected; the deviation of a draw without replacement is 3.3.
    assert counts.sum() == 200 and counts.min() >= 10 and counts.max() <= 30
    assert np.array_equal(x[:, 0, 0, 0], y)  # each with its own label
    again = lighter.at_random(sorted_images(), 200)[1]
    assert np.array_equal(again, y)
    assert sorted(lighter.at_random(sorted_images(), 10**6)[1]) == sorted(sorted_images().y_train)


def test_they_are_what_measures_and_what_fits(monkeypatch):
    seen, pictures = [], sorted_images()
    monkeypatch.setattr(lighter, "activation_importance", lambda net, x, y, progress: seen.append((x, y)))
    monkeypatch.setattr(
        lighter,
        "drop_activations",
        lambda net, names, fit: seen.append((fit,)) or types.SimpleNamespace(model=net),
    )
    lighter.measured(None, pictures, 100)
    lighter.without(None, ["a"], pictures, 100)
    (x, y), (fit,) = seen
    assert len(x) == 100 and len(set(y)) == 10 and np.array_equal(x, fit)


def test_no_result_of_before_the_draw_is_taken_for_one_of_after():
    """Code is in no run's id; how many images are drawn is."""
    experiment = STUDIES.lookup("needed")
    for one in experiment.arms:
        if isinstance(one, Continuation):
            asked = [one.options, *(hook.arguments for hook in one.hooks)]
            assert any(options.get("drawn") == study.DRAWN for options in asked), one.label


def test_each_alone_and_what_follows_from_it():
    found = list(needed.alone(ROWS))
    assert [row.value for row in found if row.metric == "points_lost"] == pytest.approx([1.0, 0.2, 0.6, 0.4])
    assert [row.x for row in found if row.metric == "loss_cost"] == [1, 2, 3, 4]
    single = {row.metric: row.value for row in found if row.x is None}
    # Ranks 3, 0, 2, 1 at places 0, 1, 2, 3: 1 - 6 (9 + 1 + 0 + 4) / (4 * 15).
    assert single == pytest.approx({"first_margin": 0.2, "depth_correlation": -0.4, "cheap_share": 0.75})


def test_equal_values_share_their_rank():
    assert needed._ranks(np.array([5.0, 1.0, 5.0, 2.0])).tolist() == [2.5, 0.0, 2.5, 1.0]


def test_untrained_it_is_the_accuracy_of_the_net_that_is_left():
    model, pictures = net(), images()
    ask = context(model, images=pictures)
    untrained = functools.partial(needed.untrained, ask, drawn=2000)
    rows = list(untrained(first="needed most", kept=(1.0, 0.5)))
    assert [(row.metric, row.x) for row in rows] == [("untrained_accuracy", 1.0), ("untrained_accuracy", 0.5)]
    left = lighter.lighter(model, pictures, 0, first="needed most", kept=0.5, drawn=2000)
    for row, one in zip(rows, (model, left), strict=True):
        right = one.predict_on_batch(pictures.x_test).argmax(-1) == pictures.y_test
        assert row.value == right.mean()
    # Each alone is told once, beside the order that follows from it.
    assert len(list(untrained(first="needed least", kept=(1.0,)))) == 2 * 4 + 3 + 1
    assert list(untrained(first="needed most", kept=(0.5,))) == rows[1:]


def test_neighbours_merge_where_that_multiplies_less_often():
    x = image = keras.Input((14, 14, 1))
    for number, (filters, kernel) in enumerate(((8, 3), (8, 1), (8, 1), (4, 3))):
        x = zoo.conv_unit(filters, kernel, ordering="conv_norm_act", name=f"conv{number}")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(10)(x))
    rows = list(needed.merged(context(model), kept=(1.0, 0.0), drawn=2000))
    found = {(row.metric, row.x): row.value for row in rows}
    assert found["layers_left", 1.0] == 5 and found["multiplications_ratio", 1.0] == 1
    assert found["layers_left", 0.0] < 5 and found["multiplications_ratio", 0.0] > 1.1
    assert found["time_ratio", 1.0] > 0


def test_multiplications_are_counted():
    x = keras.Input((6, 6, 2))
    y = keras.layers.DepthwiseConv2D(3, padding="same")(
        keras.layers.Conv2D(4, 3, strides=2, padding="same")(x)
    )
    model = keras.Model(x, keras.layers.Dense(5)(keras.layers.Flatten()(y)))
    assert needed.multiplications(model) == 9 * 9 * 2 * 4 + 9 * 9 * 4 + 36 * 5


# The study, with one toy net in place of its five, and few of its arms: half a minute, which the three tests of it
# share. The measurements by themselves are above.
TOY = "plain20"


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("needed")
    experiment = STUDIES.lookup("needed")
    asked = (study.SITES[TOY], TOY, f"{TOY}, merged", *study.HALVES[TOY], *study.KNOWN[TOY])
    chosen = [one for one in experiment.arms if one.label in asked]
    labels = {one.label for one in chosen}
    recipe = dataclasses.replace(toys.RECIPE, learning_rates=(0.05,), epochs=1)

    def made(one):
        if not isinstance(one, Continuation):
            return dataclasses.replace(one, model=f"{toys.HERE}:stack", options={}, recipe=recipe)
        fewer = {"kept": (1.0, 0.5)}
        hooks = [dataclasses.replace(hook, arguments={**hook.arguments, **fewer}) for hook in one.hooks]
        return dataclasses.replace(one, recipe=recipe if one.recipe else None, hooks=tuple(hooks))

    toyed = dataclasses.replace(
        experiment,
        arms=tuple(map(made, chosen)),
        data=toys.DIGITS,
        recipe=recipe,
        seeds=(0, 1),
        seeds_reason="a test",
        comparisons=tuple(one for one in experiment.comparisons if {one.first, one.second} <= labels),
        figures=tuple(
            dataclasses.replace(one, arms=tuple(label for label in one.arms if label in labels))
            for one in experiment.figures
        ),
        expectations=(),
        quick=toys.experiment().quick,
    )
    return toyed, folder, toys.published(folder, toyed)


@pytest.mark.deep
def test_the_study_runs_from_training_to_figures(toy):
    experiment, folder, published = toy
    trained = published.last(TOY, "test_accuracy")
    assert set(trained) == {0, 1}
    whole = {
        row.seed: row.value
        for row in published.rows
        if row.metric == "untrained_accuracy" and row.x == 1 and row.arm == study.SITES[TOY]
    }
    assert whole == trained  # with all activations kept it is the net that was trained
    drawn = {path.name for path in draw(experiment, published, folder / "figures")}
    assert {"needed.svg", "needed-untrained.svg", "needed-sites.svg"} <= drawn
    strip = json.loads((folder / "figures/needed-sites.vl.json").read_text())
    values = strip["data"]["values"]
    assert sorted(row["x"] for row in values if row["s"] is None) == [1, 2, 3, 4]
    (merged,) = published.about["merged"]
    assert merged["arm"] == f"{TOY}, merged" and merged["layers left"] <= 5


@pytest.mark.deep
def test_the_study_again_takes_what_is_done(toy):
    experiment, folder, _ = toy
    seen = []

    class Counts(toys.Here):
        def submit(self, job, runs):
            seen.append(job)
            return super().submit(job, runs)

    conduct(experiment, runs=folder / "runs", workers=Counts(), backend="tensorflow")
    assert not seen
    state = status(experiment, folder)
    assert state.word == FRESH, state.why


@pytest.mark.deep
def test_the_claims_of_the_study_are_judged(toy):
    _, _, published = toy
    numbers, judged = Numbers(published), []
    for claim in study.STUDY.claims:
        rule = claim.rules["needed"]
        if isinstance(rule, Each):
            rule = dataclasses.replace(rule, arms={TOY: rule.arms[TOY]})
        elif set(rule.pairs) & {study.HALVES[TOY], study.KNOWN[TOY]}:
            rule = dataclasses.replace(rule, pairs=tuple(one for one in rule.pairs if one[0].startswith(TOY)))
        else:
            continue
        evidence = judge(rule, numbers)
        assert evidence.verdict in VERDICTS and len(evidence.effect) == 1, claim.sentence
        judged.append(claim.sentence)
    assert len(judged) == 5


def test_what_other_studies_train_is_trained_once():
    def runs(name):
        experiment = STUDIES.lookup(name)
        return {
            canonical(run_of(experiment, arm, seed, backend="tensorflow", rate=0.1, rate_before=0.1))
            for arm in experiment.arms
            for seed in experiment.seeds
        }

    ours = runs("needed")
    assert len(ours & runs("ordering_20")) == 2 * 5
    assert len(ours & runs("depth_photographs")) == 3 * 3  # plain and both residual nets, three seeds
    assert len(ours & runs("narrow")) == 5


def test_the_figure_of_the_sites_is_a_strip_of_each_net():
    (strip,) = (one for one in STUDIES.lookup("needed").figures if isinstance(one, Strip))
    assert [STUDIES.lookup("needed").arm(label).factors["net"] for label in strip.arms] == list(study.NETS)
