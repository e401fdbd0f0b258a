"""What is specified and not published yet: in which order to run it, and what each adds in processor time.

An arm that is an arm of several experiments is trained once, so an experiment costs what those before it leave to do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.experiments.design.experiment import Arm, Experiment, canonical
from zoo.experiments.design.photographs import seconds
from zoo.experiments.design.plan import Run, run_of, tuning_runs
from zoo.experiments.design.registry import Registry
from zoo.experiments.design.study import PHOTOGRAPHS, world_of
from zoo.experiments.publishing import publication
from zoo.experiments.publishing.publication import FOLDER


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """An experiment of which nothing is published.

    Attributes:
        name: Of the experiment.
        question: Its question.
        runs: Runs that no experiment before it has, tuning included.
        shared: Runs that one has.
        minutes: Of one core, estimated, for `runs`.
    """

    name: str
    question: str
    runs: int
    shared: int
    minutes: float


def waiting(registry: Registry, folder: Path = FOLDER) -> list[Waiting]:
    """What is not published, first things first.

    Args:
        registry: The studies; its `priority` is the order, and what it does not name comes last.
        folder: Of published data.
    """
    published = publication.names(registry.names(), folder)
    done = {key for name in published for key, _, _ in _runs(registry.lookup(name))}
    found = []
    for name in registry.in_order():
        if name in published:
            continue
        experiment = registry.lookup(name)
        asked = {key: (arm, run) for key, arm, run in _runs(experiment)}
        new = {key: planned for key, planned in asked.items() if key not in done}
        done |= set(new)
        found.append(
            Waiting(
                name=name,
                question=experiment.question,
                runs=len(new),
                shared=len(asked) - len(new),
                minutes=_minutes(experiment, list(new.values()), len(asked)),
            )
        )
    return found


def _runs(experiment: Experiment) -> Iterator[tuple[str, Arm, Run]]:
    """Every run with what identifies it, before its rate is known: two arms alike will choose alike."""
    for arm in experiment.arms:
        evaluated = [run_of(experiment, arm, seed, backend="", rate=0.0) for seed in experiment.seeds]
        for run in (*tuning_runs(experiment, arm, backend=""), *evaluated):
            yield canonical(run), arm, run


def _minutes(experiment: Experiment, planned: list[tuple[Arm, Run]], of: int) -> float:
    if world_of(experiment) != PHOTOGRAPHS:
        return experiment.cost * len(planned) / of
    return sum(seconds(arm) * run.recipe.epochs for arm, run in planned if run.recipe) / 60
