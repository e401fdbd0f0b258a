"""Did a run train? Runs that stay at chance or diverge are counted; the mean is that of the others.

One run at chance among five moves a mean by ten points, and the mean then says neither how often an arm trains nor
how well. So every arm has two answers, its rate of success and its values, which are never mixed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from zoo.experiments.design.experiment import Dataset
from zoo.experiments.publishing.metrics import PERFORMANCE

TRAINED, AT_CHANCE, DIVERGED = "trained", "at chance", "diverged"
CLASSES = {"digits": 10, "fashion_mnist": 10, "cifar10": 10, "cifar10_jpeg": 10, "cifar100": 100}
TEST_IMAGES = {"digits": 359}  # all others have 10,000
LUCK = 1e-3  # probability that a net that guesses is taken for one that learned
DIGITS = 1e-6  # published numbers have six digits


@dataclass(frozen=True, kw_only=True)
class Chance:
    """What a net reaches that ignores its input.

    Attributes:
        classes: K, all equally frequent in the test images.
        images: Different test images n; an image and its negative are one.
        at_most: The test accuracy up to which a run counts as at chance.
    """

    classes: int
    images: int
    at_most: float


def chance(dataset: Dataset) -> Chance:
    r"""The level of chance of a data set.

    A net that guesses is right on a number X of the n images that is binomial with p = 1/K. The level is the
    smallest k/n with

    $$P(X > k) \le 0.001,$$

    so of a thousand runs that guess, one is taken for a run that learned.

    Args:
        dataset: Which images, and how many.

    Raises:
        ValueError: How many classes it has is not known.

    Example:
        >>> from zoo.experiments.publishing.outcomes import chance
        >>> from zoo.experiments.design.experiment import Dataset
        >>> chance(Dataset(name="fashion_mnist", test=2000)).at_most
        0.1215
    """
    from scipy import stats

    if dataset.name not in CLASSES:
        raise ValueError(
            f"dataset.name: of {dataset.name!r} the number of classes is not known, so neither is chance; "
            f"expected one of {', '.join(CLASSES)}; add it to CLASSES in zoo/experiments/outcomes.py"
        )
    classes = CLASSES[dataset.name]
    images = dataset.test or TEST_IMAGES.get(dataset.name, 10_000)
    at_most = float(stats.binom.ppf(1 - LUCK, images, 1 / classes) / images)
    return Chance(classes=classes, images=images, at_most=at_most)


def outcome(status: str, accuracy: float | None, level: Chance | None) -> str:
    """What became of a run: `trained`, `at chance` or `diverged`.

    Args:
        status: As stored with the run; `diverged` stays so.
        accuracy: Last test accuracy; `None` where there is none, and then the status decides alone.
        level: Of chance; `None` likewise.

    Example:
        >>> from zoo.experiments.publishing.outcomes import chance, outcome
        >>> from zoo.experiments.design.experiment import Dataset
        >>> level = chance(Dataset(name="fashion_mnist", test=2000))
        >>> outcome("done", 0.1215, level), outcome("done", 0.122, level), outcome("diverged", 0.8, level)
        ('at chance', 'trained', 'diverged')
    """
    if status == DIVERGED:
        return DIVERGED
    if accuracy is None or level is None:
        return TRAINED
    # What is not finite fails the comparison, and has not trained.
    return TRAINED if accuracy > level.at_most + DIGITS else AT_CHANCE


def comparable(metric: str, values: Mapping[int, float], outcomes: Mapping[int, str]) -> dict[int, float]:
    """The values of one arm that are of a kind.

    Those of the runs that trained; where none did, of those at chance; else of those that diverged.
    A metric that is not of performance keeps every run in which there was something to measure.

    Args:
        metric: Its name.
        values: Seed -> value.
        outcomes: Seed -> outcome; a seed that is missing trained.

    Example:
        >>> from zoo.experiments.publishing.outcomes import comparable
        >>> runs = {0: 0.8, 1: 0.1, 2: 0.9}
        >>> comparable("test_accuracy", runs, {0: "trained", 1: "at chance", 2: "trained"})
        {0: 0.8, 2: 0.9}
        >>> comparable("test_accuracy", {0: 0.1, 1: 0.11}, {0: "at chance", 1: "at chance"})
        {0: 0.1, 1: 0.11}
    """
    finite = {seed: value for seed, value in values.items() if math.isfinite(value)}
    if metric not in PERFORMANCE:
        return finite
    for kind in (TRAINED, AT_CHANCE, DIVERGED):
        if found := {s: v for s, v in finite.items() if outcomes.get(s, TRAINED) == kind}:
            return found
    return {}
