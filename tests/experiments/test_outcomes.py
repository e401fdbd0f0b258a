"""What became of a run, from the number of classes and of test images alone."""

import numpy as np
import pytest
from scipy import stats

from zoo.experiments.design.experiment import Dataset
from zoo.experiments.publishing.outcomes import CLASSES, TEST_IMAGES, chance, comparable, outcome
from zoo.studies import STUDIES


@pytest.mark.parametrize(
    ("dataset", "images", "at_most"),
    [
        (Dataset(test=2000), 2000, 0.1215),
        (Dataset(test=500), 500, 0.144),
        (Dataset(name="digits"), 359, None),
        (Dataset(name="cifar100"), 10_000, None),
        # An image and its negative are one image more, not two.
        (Dataset(test=1000, signs="both"), 1000, 0.13),
    ],
)
def test_the_level_is_a_quantile_of_the_binomial(dataset, images, at_most):
    level = chance(dataset)
    assert (level.classes, level.images) == (CLASSES[dataset.name], images)
    right = round(level.at_most * images)
    guess = stats.binom(images, 1 / level.classes)
    assert guess.sf(right) <= 0.001 < guess.sf(right - 1)
    assert at_most is None or level.at_most == pytest.approx(at_most)


def test_guesses_are_taken_for_chance_and_what_learned_a_little_is_not():
    level = chance(Dataset(test=2000))
    right = np.random.default_rng(0).binomial(2000, 0.1, size=20_000) / 2000
    assert np.mean([outcome("done", value, level) == "trained" for value in right]) <= 0.0015
    assert outcome("done", 0.15, level) == "trained"


def test_what_is_not_finite_has_not_trained():
    level = chance(Dataset(test=2000))
    assert outcome("done", float("nan"), level) == "at chance"
    assert outcome("diverged", 0.9, level) == "diverged" and outcome("done", None, None) == "trained"


def test_a_data_set_that_nobody_counted_is_refused():
    data = Dataset(name="mnist1d")
    with pytest.raises(ValueError, match="of 'mnist1d' the number of classes is not known"):
        chance(data)


def test_all_data_of_the_catalog_are_known():
    for experiment in STUDIES.experiments():
        for arm in experiment.arms:
            assert chance(experiment.data_of(arm)).at_most > 0


def test_the_table_is_what_the_images_are():
    from zoo.experiments.data.sets import load

    images = load(Dataset(name="digits"))
    assert (images.classes, len(images.y_test)) == (CLASSES["digits"], TEST_IMAGES["digits"])


def test_kinds_are_not_mixed():
    values = {0: 0.8, 1: 0.1, 2: 0.1}
    assert comparable("test_accuracy", values, {1: "at chance", 2: "diverged"}) == {0: 0.8}
    assert comparable("test_accuracy", values, {0: "diverged", 1: "at chance", 2: "diverged"}) == {1: 0.1}
    assert comparable("test_accuracy", values, dict.fromkeys(range(3), "diverged")) == values
    assert comparable("dead_units", {**values, 3: float("nan")}, {1: "at chance"}) == values
