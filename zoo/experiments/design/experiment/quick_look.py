"""The same experiment, smaller: a true answer in minutes."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.experiments.design.experiment.arm import Arm
from zoo.experiments.design.experiment.dataset import Dataset
from zoo.experiments.design.experiment.figure import Figure
from zoo.experiments.design.experiment.recipe import Recipe

if TYPE_CHECKING:
    from zoo.experiments.design.experiment.experiment import Experiment


@dataclass(frozen=True, kw_only=True)
class Quick:
    """What `--quick` cuts an experiment down to: a true answer, with fewer images, epochs, seeds and arms."""

    train: int | None = 2000
    test: int | None = 1000
    epochs: float = 2
    steps: int = 60
    seeds: int = 2
    arms: tuple[str, ...] = ()


def quick(experiment: "Experiment") -> "Experiment":
    """The same experiment, smaller, as its `Quick` says."""
    small = experiment.quick

    def fewer(whole: int | None, part: int | None) -> int | None:
        return whole if part is None else part if whole is None else min(whole, part)

    def data(dataset: Dataset) -> Dataset:
        return dataclasses.replace(
            dataset, train=fewer(dataset.train, small.train), test=fewer(dataset.test, small.test)
        )

    def recipe(full: Recipe | None) -> Recipe | None:
        if full is None:
            return None
        middle = full.learning_rates[len(full.learning_rates) // 2]
        length = (
            {"epochs": min(full.epochs, small.epochs)}
            if full.epochs
            else {"steps": min(full.steps, small.steps)}
        )
        return dataclasses.replace(full, learning_rates=(middle,), **length)

    chosen = [arm for arm in experiment.arms if not small.arms or arm.label in small.arms]
    kept = {arm.label for arm in chosen}
    return dataclasses.replace(
        experiment,
        arms=tuple(
            dataclasses.replace(arm, recipe=recipe(arm.recipe), data=arm.data and data(arm.data))
            for arm in chosen
        ),
        data=data(experiment.data),
        recipe=recipe(experiment.recipe),
        seeds=experiment.seeds[: small.seeds],
        seeds_reason="quick look",
        comparisons=tuple(pair for pair in experiment.comparisons if {pair.first, pair.second} <= kept),
        figures=tuple(_of_fewer(figure, chosen) for figure in experiment.figures if _shows(figure, chosen)),
        quick=dataclasses.replace(small, arms=()),
    )


def _shows(figure: Figure, arms: list[Arm]) -> bool:
    """Whether a figure still has something to show: an arm of its own, and the factors that it lays arms out by."""
    names = {getattr(figure, name, "") for name in ("x", "colour", "panel")} - {""}
    mine = [arm for arm in arms if not figure.arms or arm.label in figure.arms]
    return any(names <= set(arm.factors) for arm in mine)


def _of_fewer(figure: Figure, arms: list[Arm]) -> Figure:
    kept = {arm.label for arm in arms}
    return dataclasses.replace(figure, arms=tuple(label for label in figure.arms if label in kept))
