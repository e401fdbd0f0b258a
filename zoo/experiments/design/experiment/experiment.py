"""A question and everything needed to answer it; parts that do not fit together are refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.experiments.design.experiment.arm import Arm, Continuation
from zoo.experiments.design.experiment.dataset import Dataset
from zoo.experiments.design.experiment.expectation import Comparison, Expectation
from zoo.experiments.design.experiment.figure import Chart, Figure
from zoo.experiments.design.experiment.hook import Hook
from zoo.experiments.design.experiment.quick_look import Quick
from zoo.experiments.design.experiment.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A question and everything needed to answer it by `python -m zoo.experiments run NAME`.

    Attributes:
        name: Also the name of the published files.
        question: One sentence that ends in a question mark.
        arms: What is compared.
        data: What all arms see, unless they say otherwise.
        recipe: How all arms are trained, unless they say otherwise.
        options: Model options shared by all arms.
        seeds: The same for every arm, so that differences are paired. A seed sets the initial weights, the
            order of the images, augmentation and dropout.
        seeds_reason: Why fewer than five seeds, where there are fewer.
        hooks: Measurements of every arm.
        comparisons: Pairs of arms whose difference is reported.
        expectations: What the literature says.
        figures: Pictures of the published rows; the first is the main one.
        cost: CPU minutes of one core for the whole experiment, estimated or measured.
        quick: What `--quick` does.
    """

    name: str
    question: str
    arms: tuple[Arm, ...]
    data: Dataset = field(default_factory=Dataset)
    recipe: Recipe | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    seeds_reason: str = ""
    hooks: tuple[Hook, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    figures: tuple[Figure, ...] = ()
    cost: float = 1.0
    quick: Quick = field(default_factory=Quick)

    def __post_init__(self):
        labels = [arm.label for arm in self.arms]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice or not labels:
            raise ValueError(f"experiment {self.name!r} needs arms with different labels; twice: {twice}")
        for comparison in self.comparisons:
            self._must_be_arms((comparison.first, comparison.second), "comparison")
        for figure in self.figures:
            self._must_be_arms(figure.arms, f"figure {figure.name!r}")
            if isinstance(figure, Chart):
                self._must_be_factors((figure.colour, figure.panel, getattr(figure, "x", "")), figure.name)
        self._must_be_arms(self.quick.arms, "quick")
        for arm in self.arms:
            recipe = arm.recipe or self.recipe
            if arm.trains and recipe is None:
                raise ValueError(f"arm {arm.label!r} of experiment {self.name!r} trains but has no recipe")
            shared = set(self.seeds) & set(recipe.tuning_seeds) if recipe else set()
            if shared:
                raise ValueError(
                    f"experiment {self.name!r} tunes and evaluates with the same seeds {sorted(shared)}; "
                    "a rate chosen on a seed flatters that seed"
                )
        for arm in self.arms:
            if isinstance(arm, Continuation):
                self._must_go_on(arm)
        if len(set(self.seeds)) != len(self.seeds) or not self.seeds:
            raise ValueError(f"experiment {self.name!r} needs different seeds; received {self.seeds}")
        if len(self.seeds) < 5 and any(arm.trains for arm in self.arms) and not self.seeds_reason:
            raise ValueError(
                f"experiment {self.name!r} has {len(self.seeds)} seeds; use five or more, or give "
                f"seeds_reason"
            )

    def _must_be_arms(self, labels: tuple[str, ...], where: str) -> None:
        known = [arm.label for arm in self.arms]
        unknown = [label for label in labels if label not in known]
        if unknown:
            raise ValueError(f"{where} of experiment {self.name!r} names {unknown}; its arms are {known}")

    def _must_go_on(self, arm: Continuation) -> None:
        self._must_be_arms((arm.after,), f"arm {arm.label!r}")
        first, recipe = self.arm(arm.after), self.recipe_of(arm)
        why = ""
        if not first.trains or isinstance(first, Continuation):
            why = "which is no arm that trains a net of its own"
        elif self.data_of(first) != self.data_of(arm):
            why = "which sees other images"
        elif recipe and len(recipe.learning_rates) > 1:
            why = f"at one of the rates {recipe.learning_rates}: no tuning seed has a net to go on with, so give one"
        if why:
            raise ValueError(
                f"arm {arm.label!r} of experiment {self.name!r} goes on after {arm.after!r}, {why}"
            )

    def _must_be_factors(self, names: tuple[str, ...], figure: str) -> None:
        known = {factor for arm in self.arms for factor in arm.factors}
        if unknown := sorted({name for name in names if name} - known):
            raise ValueError(
                f"figure {figure!r} of experiment {self.name!r} lays arms out by {unknown}; their factors are "
                f"{sorted(known)}"
            )

    def arm(self, label: str) -> Arm:
        """The arm with this label."""
        self._must_be_arms((label,), "the request")
        return next(arm for arm in self.arms if arm.label == label)

    def recipe_of(self, arm: Arm) -> Recipe | None:
        """The recipe by which an arm is trained; `None` where it is not."""
        return (arm.recipe or self.recipe) if arm.trains else None

    def data_of(self, arm: Arm) -> Dataset:
        """The images an arm sees."""
        return arm.data or self.data
