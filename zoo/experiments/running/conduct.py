"""An experiment from start to end: tune, evaluate, collect."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.experiments.design.experiment import Arm, Experiment
from zoo.experiments.design.plan import Run, choose_rate, rates_of, run_of, tuning_runs
from zoo.experiments.running.execution import DaskPool, Job, LocalPool, Watcher, execute
from zoo.experiments.running.results import RunFolder
from zoo.experiments.running.run import identify

Planned = tuple[Arm, Run, Job]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished run of an experiment.

    Attributes:
        label: Of its arm.
        seed: Its seed.
        rate: Its learning rate; `None` without training.
        id: Its id.
        result: What `result.json` says.
        lines: What `lines.jsonl` says.
    """

    label: str
    seed: int
    rate: float | None
    id: str
    result: Mapping
    lines: list[Mapping]

    def series(self, metric: str) -> list[tuple[float, float]]:
        """All (x, value) of a metric, in the order recorded."""
        return [(x, float(value)) for line in self.lines for name, x, value in line["rows"] if name == metric]


@dataclass(frozen=True, kw_only=True)
class Collected:
    """All runs of an experiment."""

    experiment: Experiment
    tuning: tuple[Finished, ...]
    runs: tuple[Finished, ...]
    rates: Mapping[str, float | None]


def conduct(
    experiment: Experiment,
    *,
    runs: Path,
    workers: LocalPool | DaskPool,
    backend: str,
    watch: Watcher | None = None,
    announce: Callable[[str], None] = lambda text: None,
    only_done: bool = False,
) -> Collected:
    """Do everything an experiment asks for that is not done yet, and collect it.

    Runs are done seed by seed over all arms, so that whenever one stops, what is done is balanced. A run that goes on
    after another does that one first, or comes later where somebody is at it.

    Args:
        experiment: What to do.
        runs: Folder of all runs.
        workers: From `zoo.experiments.running.execution.pool`.
        backend: Keras backend, part of every run's id.
        watch: Told how runs get on.
        announce: Told in words what happens.
        only_done: Whether to run nothing, and to collect the seeds that are done in every arm.

    Raises:
        RunFolderError: The folder cannot be used.
        ExecutionError: Some runs failed.
        ValueError: `only_done`, and no seed is done in every arm, or rates are not tuned yet.
    """
    tuning = _tuning(experiment, backend)
    _tell_damage(tuning, runs, announce)
    if only_done:
        _must_be_tuned(experiment, [job for _, _, job in tuning], runs)
    elif tuning:
        execute([job for _, _, job in tuning], runs=runs, workers=workers, watch=watch)
    tuned = [_finished(arm, run, job, runs) for arm, run, job in tuning]
    rates = {arm.label: _rate(experiment, arm, tuned) for arm in experiment.arms}
    for label, rate in rates.items():
        if any(run.label == label for run in tuned):
            announce(f"{label}: learning rate {rate:g}")
    wanted = _evaluation(experiment, backend, rates)
    _tell_damage(wanted, runs, announce)
    if only_done:
        experiment, wanted = _balanced(experiment, wanted, runs)

    def watch_both(*, running, finished):
        watch(running=running, finished=[*(job for _, _, job in tuning), *finished])

    second = watch_both if watch is not None else None
    if not only_done:
        execute([job for _, _, job in wanted], runs=runs, workers=workers, watch=second)
    place = {arm.label: index for index, arm in enumerate(experiment.arms)}
    wanted.sort(key=lambda one: place[one[0].label])  # published arm by arm
    done = [_finished(arm, run, job, runs) for arm, run, job in wanted]
    return Collected(experiment=experiment, tuning=tuple(tuned), runs=tuple(done), rates=rates)


def ids_of(experiment: Experiment, *, runs: Path, backend: str) -> list[str]:
    """Ids of the runs of an experiment as far as they are known: those after tuning once it is finished.

    Args:
        experiment: Which.
        runs: Folder of all runs.
        backend: Keras backend, part of every run's id.
    """
    tuning = _tuning(experiment, backend)
    ids = [job.id for _, _, job in tuning]
    if any(RunFolder(runs, one).result() is None for one in ids):
        return ids
    tuned = [_finished(arm, run, job, runs) for arm, run, job in tuning]
    rates = {arm.label: _rate(experiment, arm, tuned) for arm in experiment.arms}
    return ids + [job.id for _, _, job in _evaluation(experiment, backend, rates)]


def _tuning(experiment: Experiment, backend: str) -> list[Planned]:
    return [
        (arm, run, _job(arm, run, "tuning "))
        for arm in experiment.arms
        for run in tuning_runs(experiment, arm, backend=backend)
    ]


def _evaluation(experiment: Experiment, backend: str, rates: Mapping[str, float | None]) -> list[Planned]:
    return [
        (arm, run, _job(arm, run))
        for seed in experiment.seeds
        for arm in experiment.arms
        for run in [run_of(experiment, arm, seed, backend=backend, **rates_of(arm, rates))]
    ]


def _tell_damage(planned: list[Planned], runs: Path, announce: Callable[[str], None]) -> None:
    """Name the runs that were finished and have lost some of their lines since."""
    for _, _, job in planned:
        if damage := RunFolder(runs, job.id).damage():
            announce(f"{job.title}, run {job.id}: {damage}")


def _must_be_tuned(experiment: Experiment, jobs: list[Job], runs: Path) -> None:
    missing = [job.title for job in jobs if RunFolder(runs, job.id).result() is None]
    if missing:
        raise ValueError(
            f"{experiment.name}: learning rates are not tuned yet, {len(missing)} runs are missing, such as "
            f"{missing[0]!r}; run it without --done first"
        )


def _balanced(experiment: Experiment, wanted: list[Planned], runs: Path) -> tuple[Experiment, list[Planned]]:
    """The experiment cut to the leading seeds that are done in every arm."""
    undone = {run.seed for _, run, job in wanted if RunFolder(runs, job.id).result() is None}
    seeds = tuple(itertools.takewhile(lambda seed: seed not in undone, experiment.seeds))
    if not seeds:
        raise ValueError(
            f"{experiment.name}: seed {experiment.seeds[0]} is not done in every arm; run it without --done first"
        )
    if len(seeds) < len(experiment.seeds):
        experiment = dataclasses.replace(
            experiment, seeds=seeds, seeds_reason="the others are still to be run"
        )
    return experiment, [one for one in wanted if one[1].seed in seeds]


def _job(arm: Arm, run: Run, what: str = "") -> Job:
    rate = f", rate {run.recipe.learning_rates[0]:g}" if run.recipe else ""
    return Job(run, identify(run), f"{what}{arm.label}, seed {run.seed}{rate}")


def _finished(arm: Arm, run: Run, job: Job, runs: Path) -> Finished:
    folder = RunFolder(runs, job.id)
    return Finished(
        label=arm.label,
        seed=run.seed,
        rate=run.recipe.learning_rates[0] if run.recipe else None,
        id=job.id,
        result=folder.result(),
        lines=folder.lines(),
    )


def _rate(experiment: Experiment, arm: Arm, tuned: list[Finished]) -> float | None:
    recipe = experiment.recipe_of(arm)
    if recipe is None:
        return None
    scores: dict[float, list[float]] = {}
    for run in tuned:
        if run.label == arm.label:
            scores.setdefault(run.rate, []).append(run.series("train_loss")[-1][1])
    return choose_rate(scores) if scores else recipe.learning_rates[0]
