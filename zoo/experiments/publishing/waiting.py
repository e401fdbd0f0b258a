"""What is specified and not published, or not with all seeds: in which order to run it, and what each adds in processor time.

An arm that is an arm of several experiments is trained once, so an experiment costs what those before it leave to do. What
is archived is done, published or not; but a net that others go on with is trained once more, for an archive holds no weights.
A run is one of its backend: what another backend has done is not done on this one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.experiments.design.experiment import Arm, Experiment, canonical
from zoo.experiments.design.photographs import cost
from zoo.experiments.design.plan import ContinuedRun, Run, run_of, tuning_runs
from zoo.experiments.design.registry import Registry
from zoo.experiments.design.study import PHOTOGRAPHS, world_of
from zoo.experiments.publishing import publication
from zoo.experiments.publishing.publication import FOLDER
from zoo.experiments.running import archive
from zoo.experiments.running.environment import DEFAULT_BACKEND


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """An experiment of which something is still to be run.

    Attributes:
        name: Of the experiment.
        question: Its question.
        runs: Runs that nobody has done and no experiment before it has, tuning included.
        shared: Runs that one has, or that are archived.
        minutes: Of one core, estimated, for `runs`.
        published: How many of its seeds are published.
        seeds: How many it asks for.
        left: Of an experiment published in part: arm -> the seeds that are neither published nor archived.
    """

    name: str
    question: str
    runs: int
    shared: int
    minutes: float
    published: int = 0
    seeds: int = 0
    left: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def so_far(self) -> str:
        """How much of it is published, in words; empty where nothing is."""
        return f"{self.published} of {self.seeds} seeds" if self.published else ""


def waiting(registry: Registry, folder: Path = FOLDER, *, backend: str = DEFAULT_BACKEND) -> list[Waiting]:
    """What is not published, or not with all of its seeds, first things first.

    Args:
        registry: The studies; its `priority` is the order, and what it does not name comes last.
        folder: Of published data.
        backend: Keras backend that would run it.
    """
    published, made_on, done = {}, {}, set(_archived(registry, folder))
    for name in publication.names(registry.names(), folder):
        published[name], made_on[name] = _seeds_and_backend(name, folder)
        runs = _runs(registry.lookup(name), made_on[name])
        done |= {key for key, _, run in runs if _is_done(run, published[name])}
    without_weights = frozenset(done)
    found = []
    for name in registry.in_order():
        experiment = registry.lookup(name)
        seeds = published.get(name, ())
        if set(seeds) >= set(experiment.seeds):
            continue
        # What is published in part goes on where it was begun.
        runs = _runs(experiment, made_on.get(name, backend))
        asked = {key: (arm, run) for key, arm, run in runs if not _is_done(run, seeds)}
        new = {key: planned for key, planned in asked.items() if key not in done}
        goes_on = {canonical(run.before) for _, run in new.values() if isinstance(run, ContinuedRun)}
        new |= {key: planned for key, planned in asked.items() if key in goes_on & without_weights}
        done |= set(new)
        found.append(
            Waiting(
                name=name,
                question=experiment.question,
                runs=len(new),
                shared=len(asked) - len(new),
                minutes=_minutes(experiment, list(new.values())),
                published=len(seeds),
                seeds=len(experiment.seeds),
                left=_left(new.values()) if seeds else {},
            )
        )
    return found


def _seeds_and_backend(name: str, folder: Path) -> tuple[tuple[int, ...], str]:
    """The seeds of which an experiment has published something, and the backend that ran them."""
    about = json.loads((folder / f"{name}.json").read_bytes())
    return tuple(about["spec"]["seeds"]), about["environment"]["backend"]


def _archived(registry: Registry, folder: Path) -> Iterator[str]:
    """The finished runs that lie in archives, as `_runs` identifies them."""
    for name in registry.names():
        for run in archive.described(folder / archive.FOLDER.name / f"{name}.jsonl"):
            yield canonical(_untold(run))


def _untold(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run as it is described before its rate is known."""
    told = dict(run)
    recipe = run["recipe"]
    # A run that looks at no test images chose a rate; any other has the rate that was chosen.
    if recipe and recipe["evaluate"]:
        told["recipe"] = {**recipe, "learning_rates": [0.0]}
    if "before" in run:
        told["before"] = _untold(run["before"])
    return told


def _is_done(run: Run, seeds: tuple[int, ...]) -> bool:
    """Whether a run is behind what is published: with any seed of an experiment its rates are tuned."""
    tunes = run.recipe is not None and not run.recipe.evaluate
    return bool(seeds) and (tunes or run.seed in seeds)


def _left(planned: Iterable[tuple[Arm, Run]]) -> dict[str, tuple[int, ...]]:
    """Arm -> seeds."""
    left: dict[str, tuple[int, ...]] = {}
    for arm, run in planned:
        left[arm.label] = (*left.get(arm.label, ()), run.seed)
    return left


def _runs(experiment: Experiment, backend: str = "") -> Iterator[tuple[str, Arm, Run]]:
    """Every run with what identifies it, before its rate is known: two arms alike will choose alike."""
    for arm in experiment.arms:
        evaluated = [
            run_of(experiment, arm, seed, backend=backend, rate=0.0, rate_before=0.0)
            for seed in experiment.seeds
        ]
        for run in (*tuning_runs(experiment, arm, backend=backend), *evaluated):
            yield canonical(run), arm, run


def _minutes(experiment: Experiment, planned: list[tuple[Arm, Run]]) -> float:
    if world_of(experiment) != PHOTOGRAPHS:
        return experiment.cost * len(planned) / len(list(_runs(experiment)))
    return sum(cost(experiment, arm, run) for arm, run in planned) / 60
