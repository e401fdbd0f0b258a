import dataclasses
import json

import pytest

from tests.experiments import toys
from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Curves,
    Dataset,
    Dots,
    Factor,
    Hook,
    Quick,
    Recipe,
    Table,
    canonical,
    label_of,
    quick,
    select,
)
from zoo.experiments.design.plan import choose_rate, describe_size, run_of, tuning_runs
from zoo.experiments.design.registry import UnknownExperimentError
from zoo.experiments.measurements import resolve
from zoo.experiments.publishing.publication import metrics_of
from zoo.studies import STUDIES

BOTH = (toys.arm("a"), toys.arm("b"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Recipe(epochs=1, schedule="cosin"),
            "Recipe.schedule must be one of .*'cosine'.*; received 'cosin'",
        ),
        (lambda: Recipe(), "either epochs or steps; received epochs=None, steps=None"),
        (lambda: Recipe(epochs=1, steps=2), "either epochs or steps"),
        (lambda: Recipe(epochs=-1), "Recipe.epochs must be positive or None; received -1"),
        (lambda: Recipe(epochs=1, learning_rates=()), "one or more rates"),
        (lambda: Recipe(epochs=1, milestones=(0.5,)), "milestones belong to schedule='steps'"),
        (
            lambda: Dataset(signs="flipped"),
            "Dataset.signs must be one of 'given', 'both'; received 'flipped'",
        ),
        (lambda: Hook(name="a.b", when="never"), "Hook.when must be one of"),
        (lambda: Curves(y_scale="cubic"), "Curves.y_scale must be one of"),
        (lambda: Factor(x="width", x_scale="cubic"), "Factor.x_scale must be one of"),
        (lambda: Arm(label="a"), "arm 'a' has no model"),
        (lambda: toys.experiment(arms=(toys.arm("a"), toys.arm("a"))), r"different labels; twice: \['a'\]"),
        (
            lambda: toys.experiment(comparisons=(Comparison(first="toy", second="tyo"),)),
            r"comparison of experiment 'toy' names \['tyo'\]; its arms are \['toy'\]",
        ),
        (
            lambda: toys.experiment(figures=(Curves(arms=("c",)),)),
            r"figure '' of experiment 'toy' names \['c'\]",
        ),
        (lambda: toys.experiment(recipe=None), "arm 'toy' of experiment 'toy' trains but has no recipe"),
        (lambda: toys.experiment(seeds=(0, 1000)), r"the same seeds \[1000\]"),
        (lambda: toys.experiment(seeds=(0, 0)), "different seeds"),
        (lambda: toys.experiment(seeds_reason=""), "has 2 seeds; use five or more, or give seeds_reason"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(make, said):
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dots(x="width"),
        lambda: Curves(x_scale="log"),
        lambda: Table(metrics=("loss",), colour="width"),
        lambda: Factor(colour="width"),
    ],
)
def test_a_field_of_another_kind_of_figure_is_refused(make):
    """Nothing that a figure cannot draw is passed over, and nothing that it needs is missing."""
    with pytest.raises(TypeError, match="argument"):
        make()


def test_a_figure_lays_arms_out_by_factors_that_they_have():
    arms = (toys.arm("a", factors={"width": 4}), toys.arm("b", factors={"width": 8}))
    toys.experiment(arms=arms, figures=(Factor(x="width"), Dots(panel="width")))
    for figure in (Factor(x="depth"), Dots(panel="depth"), Curves(colour="depth")):
        with pytest.raises(ValueError, match=r"lays arms out by \['depth'\]; their factors are \['width'\]"):
            toys.experiment(arms=arms, figures=(figure,))


class TestArmsByFactors:
    ARMS = tuple(
        toys.arm(f"{kind} {width}", factors={"width": width, "kind": kind})
        for kind in ("none", "all")
        for width in (4, 0.5)
    )

    def test_one_arm_is_found_by_its_factors_as_values_or_as_text(self):
        assert label_of(self.ARMS, width=0.5, kind="all") == "all 0.5"
        assert label_of(self.ARMS, width="4", kind="none") == "none 4"

    def test_the_arm_that_has_nothing_else_comes_first(self):
        arms = (*self.ARMS, toys.arm("bare", factors={"kind": "all"}))
        assert label_of(arms, kind="all") == "bare"

    @pytest.mark.parametrize(
        "factors, said",
        [
            ({"kind": "all"}, "expected one arm with .*there are .*all 4.*all 0.5"),
            ({"depth": 3}, "no arm has the factor 'depth'; their factors are"),
            ({"kind": "some"}, "no arm has kind=some; there are none, all"),
            ({"width": 5}, "no arm has width=5; there are 4, 0.5"),
        ],
    )
    def test_none_and_several_are_refused(self, factors, said):
        with pytest.raises(ValueError, match=said):
            label_of(self.ARMS, **factors)

    def test_alternatives(self):
        assert [arm.label for arm in select(self.ARMS, {"width": ("4", 0.5), "kind": "all"})] == [
            "all 4",
            "all 0.5",
        ]


def test_a_spec_is_data():
    with pytest.raises(TypeError, match="plain values"):
        canonical(toys.arm(options={"activation": lambda x: x}))
    assert canonical({"b": (1, 2), "a": None}) == '{"a":null,"b":[1,2]}'
    for experiment in STUDIES.experiments():
        assert json.loads(canonical(experiment))["name"] == experiment.name


def test_the_catalog_says_what_is_near():
    assert "form" in STUDIES.names()
    with pytest.raises(UnknownExperimentError, match="unknown experiment 'from'; did you mean 'form'"):
        STUDIES.lookup("from")


@pytest.mark.parametrize("name", STUDIES.names())
def test_experiments_are_complete(name):
    experiment = STUDIES.lookup(name)
    assert experiment.question.endswith("?")
    assert experiment.expectations and all(e.source for e in experiment.expectations)
    assert experiment.figures
    assert sum(describe_size(experiment)) >= len(experiment.seeds)
    small = quick(experiment)
    assert len(small.seeds) <= len(experiment.seeds) and not any(
        small.recipe_of(arm) and len(small.recipe_of(arm).learning_rates) > 1 for arm in small.arms
    )
    for arm in experiment.arms:
        for hook in (*experiment.hooks, *arm.hooks):
            assert callable(resolve(hook.name))
    for figure in experiment.figures:
        assert figure.title, "says what is to be seen"


@pytest.mark.parametrize("name", STUDIES.names())
def test_a_quick_answer_is_about_the_same_quantities(name):
    """An experiment that only measures is about what its tables show: without them its answer was an empty table."""
    experiment = STUDIES.lookup(name)
    small = quick(experiment)
    assert small.figures and set(metrics_of(small)) <= set(metrics_of(experiment))
    assert metrics_of(small)[0] == metrics_of(experiment)[0]
    kept = {arm.label for arm in small.arms}
    assert all(set(figure.arms) <= kept for figure in small.figures)


def test_an_id_depends_on_what_a_run_does_and_on_nothing_else():
    run = run_of(toys.experiment(), toys.arm(), 0, backend="tensorflow")
    same = run_of(
        toys.experiment(name="other", question="Something else?"),
        toys.arm("another label"),
        0,
        backend="tensorflow",
    )
    assert run.id("graph", "data") == same.id("graph", "data")
    others = [
        run.id("another graph", "data"),
        run.id("graph", "other data"),
        *(
            dataclasses.replace(run, **change).id("graph", "data")
            for change in (
                {"seed": 1},
                {"backend": "jax"},
                {"options": {"width": 3}},
                {"hooks": (Hook(name="a.b"),)},
                {"recipe": dataclasses.replace(run.recipe, decay=0.5)},
            )
        ),
    ]
    assert len({run.id("graph", "data"), *others}) == 8


def test_tuning_is_short_blind_and_on_seeds_of_its_own():
    recipe = dataclasses.replace(toys.RECIPE, learning_rates=(0.1, 0.01), tuning_seeds=(1000, 1001))
    experiment = toys.experiment(recipe=recipe, hooks=(toys.hook("weight_norm"),))
    runs = tuning_runs(experiment, experiment.arms[0], backend="tensorflow")
    assert [(run.recipe.learning_rates, run.seed) for run in runs] == [
        ((0.1,), 1000),
        ((0.1,), 1001),
        ((0.01,), 1000),
        ((0.01,), 1001),
    ]
    assert all(run.recipe.epochs == 2 and not run.recipe.evaluate and not run.hooks for run in runs)
    with pytest.raises(ValueError, match="2 learning rates; choose one first"):
        run_of(experiment, experiment.arms[0], 0, backend="tensorflow")
    chosen = run_of(experiment, experiment.arms[0], 0, backend="tensorflow", rate=0.1)
    untuned = toys.experiment(
        recipe=dataclasses.replace(recipe, learning_rates=(0.1,)), hooks=experiment.hooks
    )
    fixed = run_of(untuned, untuned.arms[0], 0, backend="tensorflow")
    assert chosen.id("g", "d") == fixed.id("g", "d"), "how a rate was found is no part of the run"


def test_the_best_rate_is_the_one_with_the_lowest_loss_and_no_divergence():
    assert choose_rate({0.1: [1.0, 3.0], 0.2: [1.5, 1.5], 0.4: [float("nan"), 0.1]}) == 0.2
    assert choose_rate({0.1: [float("inf")], 0.2: [float("nan")]}) == 0.1


def test_quick_is_smaller_everywhere():
    experiment = toys.experiment(
        arms=BOTH, seeds=(0, 1, 2, 3, 4), quick=Quick(train=100, test=50, epochs=1, arms=("b",))
    )
    small = quick(experiment)
    assert (small.data.train, small.data.test, small.recipe.epochs) == (100, 50, 1)
    assert small.seeds == (0, 1) and [arm.label for arm in small.arms] == ["b"]
    assert quick(toys.experiment(data=Dataset(name="digits"))).data.train == 2000


def test_measurements_are_found_or_the_nearest_named():
    assert resolve("form.anatomy").__name__ == "anatomy"
    assert resolve(f"{toys.HERE}:net") is toys.net
    with pytest.raises(ValueError, match=r"has no function 'anatomi'; did you mean 'anatomy'"):
        resolve("form.anatomi")
    with pytest.raises(ValueError, match="which does not exist"):
        resolve("nowhere.anatomy")
