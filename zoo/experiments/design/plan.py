"""From an experiment to the runs it needs: everything a run does, written out, and an id made from that."""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.experiments.design.experiment import (
    Arm,
    Continuation,
    Dataset,
    Experiment,
    Hook,
    Recipe,
    canonical,
    plain,
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training (or measuring) from start to end, complete in itself.

    Two runs with the same content are the same run, whatever experiment asks for them: neither an
    experiment's name nor an arm's label is part of a run.

    Attributes:
        model: As in `Arm`.
        options: The experiment's and the arm's, together.
        data: What it sees; `None` only for an arm without a model.
        recipe: With one learning rate; `None` for an arm that does not train.
        hooks: The experiment's and the arm's, together.
        seed: Sets initial weights, order of images, augmentation and dropout.
        backend: Keras backend that computes it.
    """

    model: str | None
    options: Mapping[str, Any] = field(default_factory=dict)
    data: Dataset | None
    recipe: Recipe | None
    hooks: tuple[Hook, ...]
    seed: int
    backend: str

    @property
    def origin(self) -> "Run":
        """The run that builds the net: this one."""
        return self

    def id(self, graph: str | None, data: str | None) -> str:
        """Hash of the run, of the graph it trains and of the images it sees."""
        content = canonical({"run": plain(self), "graph": graph, "data": data})
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class ContinuedRun(Run):
    """A run that begins with the net that another run ended with.

    Attributes:
        before: That run. Its graph and images are hashed into the id, as of any run.
    """

    before: Run

    @property
    def origin(self) -> Run:
        """The run that builds the net: the one before."""
        return self.before


def run_of(
    experiment: Experiment,
    arm: Arm,
    seed: int,
    *,
    backend: str,
    rate: float | None = None,
    rate_before: float | None = None,
    tuning: bool = False,
) -> Run:
    """The run of one arm and seed.

    Args:
        experiment: What asks for it.
        arm: One of its arms.
        seed: The run's seed.
        backend: Keras backend.
        rate: Learning rate; needed where the recipe has several.
        rate_before: The same for the arm that a continuation goes on after.
        tuning: Whether this is a short run without test images and measurements, to choose a rate.

    Raises:
        ValueError: Several rates and none chosen.
    """
    recipe = experiment.recipe_of(arm)
    hooks = (*experiment.hooks, *arm.hooks)
    if recipe is not None:
        if rate is None and len(recipe.learning_rates) > 1:
            raise ValueError(
                f"arm {arm.label!r} has {len(recipe.learning_rates)} learning rates; choose one first"
            )
        # What only concerns tuning is no part of the run that follows: another grid, same choice, same run.
        plain_tuning = {"tuning_epochs": None, "tuning_seeds": (1000,)}
        rates = (recipe.learning_rates[0] if rate is None else rate,)
        if tuning:
            hooks = ()
            length = _tuning_length(recipe)
            recipe = dataclasses.replace(
                recipe, learning_rates=rates, evaluate=False, **length, **plain_tuning
            )
        else:
            recipe = dataclasses.replace(recipe, learning_rates=rates, **plain_tuning)
    described: dict[str, Any] = {
        "model": arm.model,
        "options": {**experiment.options, **arm.options} if arm.model is not None else {},
        "data": experiment.data_of(arm),
        "recipe": recipe,
        "hooks": hooks,
        "seed": seed,
        "backend": backend,
    }
    if not isinstance(arm, Continuation):
        return Run(**described)
    before = run_of(experiment, experiment.arm(arm.after), seed, backend=backend, rate=rate_before)
    return ContinuedRun(**{**described, "options": arm.options}, before=before)


def rates_of(arm: Arm, rates: Mapping[str, float | None]) -> dict[str, float | None]:
    """What `run_of` asks of rates that were chosen: the arm's, and that of the arm it goes on after.

    Args:
        arm: Of an experiment.
        rates: Label -> learning rate.
    """
    before = rates[arm.after] if isinstance(arm, Continuation) else None
    return {"rate": rates[arm.label], "rate_before": before}


def _tuning_length(recipe: Recipe) -> dict[str, Any]:
    if recipe.tuning_epochs is not None:
        return {"epochs": recipe.tuning_epochs, "steps": None}
    if recipe.steps is not None:
        return {"steps": max(1, recipe.steps // 3)}
    return {"epochs": max(1, math.ceil(recipe.epochs / 3))}


def tuning_runs(experiment: Experiment, arm: Arm, *, backend: str) -> list[Run]:
    """The runs that choose an arm's learning rate; none where there is nothing to choose."""
    recipe = experiment.recipe_of(arm)
    if recipe is None or len(recipe.learning_rates) == 1:
        return []
    return [
        run_of(experiment, arm, seed, backend=backend, rate=rate, tuning=True)
        for rate in recipe.learning_rates
        for seed in recipe.tuning_seeds
    ]


def choose_rate(scores: Mapping[float, list[float]]) -> float:
    """The rate with the lowest mean score; one whose run diverged (not finite) loses against the others.

    Args:
        scores: Learning rate -> final training loss of each tuning seed.
    """

    def mean(rate: float) -> float:
        values = scores[rate]
        return sum(values) / len(values) if all(map(math.isfinite, values)) else math.inf

    return min(scores, key=lambda rate: (mean(rate), rate))


def describe_size(experiment: Experiment) -> tuple[int, int]:
    """How many runs an experiment has: to tune, and to evaluate."""
    tuning = sum(len(tuning_runs(experiment, arm, backend="")) for arm in experiment.arms)
    evaluations = sum(len(seeds_of(experiment, arm)) for arm in experiment.arms)
    return tuning, evaluations


def seeds_of(experiment: Experiment, arm: Arm) -> tuple[int, ...]:
    """All seeds, for an arm without a model too: a measurement may draw random numbers."""
    return experiment.seeds
