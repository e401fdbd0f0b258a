"""An experiment from start to end: tune, evaluate, collect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.experiments.design.experiment import Arm, Experiment
from zoo.experiments.design.plan import Run, choose_rate, run_of, seeds_of, tuning_runs
from zoo.experiments.running.execution import DaskPool, Job, LocalPool, Watcher, execute
from zoo.experiments.running.results import RunFolder
from zoo.experiments.running.run import identify


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
) -> Collected:
    """Do everything an experiment asks for that is not done yet, and collect it.

    Args:
        experiment: What to do.
        runs: Folder of all runs.
        workers: From `zoo.experiments.running.execution.pool`.
        backend: Keras backend, part of every run's id.
        watch: Told how runs get on.
        announce: Told in words what happens.

    Raises:
        RunFolderError: The folder cannot be used.
        ExecutionError: Some runs failed.
    """
    tuning = [
        (arm, run, _job(arm, run, "tuning "))
        for arm in experiment.arms
        for run in tuning_runs(experiment, arm, backend=backend)
    ]
    if tuning:
        execute([job for _, _, job in tuning], runs=runs, workers=workers, watch=watch)
    tuned = [_finished(arm, run, job, runs) for arm, run, job in tuning]
    rates = {arm.label: _rate(experiment, arm, tuned) for arm in experiment.arms}
    for label, rate in rates.items():
        if any(run.label == label for run in tuned):
            announce(f"{label}: learning rate {rate:g}")
    wanted = [
        (arm, run, _job(arm, run))
        for arm in experiment.arms
        for seed in seeds_of(experiment, arm)
        for run in [run_of(experiment, arm, seed, backend=backend, rate=rates[arm.label])]
    ]

    def watch_both(*, running, finished):
        watch(running=running, finished=[*(job for _, _, job in tuning), *finished])

    second = watch_both if watch is not None else None
    execute([job for _, _, job in wanted], runs=runs, workers=workers, watch=second)
    done = [_finished(arm, run, job, runs) for arm, run, job in wanted]
    return Collected(experiment=experiment, tuning=tuple(tuned), runs=tuple(done), rates=rates)


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
