"""Run some published seeds again, and say whether they come out inside the published band, and to the bit."""

import contextlib
import math
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.experiments.design.experiment import Arm, Continuation, Experiment
from zoo.experiments.design.plan import rates_of, run_of
from zoo.experiments.publishing import publication
from zoo.experiments.publishing.metrics import range_of
from zoo.experiments.publishing.outcomes import TRAINED, Chance, outcome
from zoo.experiments.publishing.publication import PublicationError, metrics_of
from zoo.experiments.publishing.statistics import prediction_interval
from zoo.experiments.running import environment
from zoo.experiments.running.execution import DaskPool, Job, LocalPool, execute
from zoo.experiments.running.results import RunFolder, explained
from zoo.experiments.running.run import identify


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one repeated run came to.

    Attributes:
        inside: Whether its value lies in the published band, or it failed as published.
        same_bits: Whether its weights equal the published run's.
        words: All of it in a sentence.
    """

    inside: bool
    same_bits: bool
    words: str


def check(
    experiment: Experiment,
    *,
    workers: LocalPool | DaskPool,
    backend: str,
    arms: int = 2,
    seeds: int = 1,
    folder: Path = publication.FOLDER,
    runs: Path | None = None,
    announce: Callable[[str], None] = lambda text: None,
) -> Iterator[Finding]:
    """Repeat runs in a folder of their own, which is removed again.

    The band is where one more run that trains falls with 95 % probability (Student's prediction interval), widened
    to the published extremes of runs that trained, cut at the metric's range, or, of test accuracies, at chance. A
    run that fails has no value to compare: it is as published only if that very seed failed before, too, or, in
    another environment, whose rounding may tip a seed over, if some run of the arm did.

    Args:
        experiment: Of the catalog.
        workers: Who runs them.
        backend: Keras backend.
        arms: How many arms, drawn at random among those that train; all where none does.
        seeds: How many seeds of each.
        folder: Of published data.
        runs: Where that folder is made: workers on other machines must see it. By default among the system's
            temporary files.
        announce: Told in words what cannot be compared, since it is not published.

    Raises:
        PublicationError: Nothing is published, or it was edited, or no arm of today is in it.
        RunFolderError: The folder cannot be made, or the workers do not see it.
    """
    published = publication.load(experiment.name, folder)
    about = {arm["label"]: arm for arm in published.about["arms"]}
    rates = {label: each["learning_rate"] for label, each in about.items()}
    seeds_of = {label: [run["seed"] for run in each["runs"]] for label, each in about.items()}
    for text in _left_out(experiment, seeds_of):
        announce(f"{experiment.name}: {text}")
    comparable = [arm for arm in experiment.arms if _needs(arm) <= set(about)]
    if not comparable:
        raise PublicationError(
            f"{experiment.name}: none of its arms is published; run it first, then check it"
        )
    candidates = [arm for arm in comparable if arm.trains] or comparable
    metric = next(
        (m for m in metrics_of(experiment) if published.last(candidates[0].label, m)), "test_accuracy"
    )
    chosen = random.sample(candidates, min(arms, len(candidates)))
    jobs = []
    for arm in chosen:
        for seed in random.sample(seeds_of[arm.label], min(seeds, len(seeds_of[arm.label]))):
            run = run_of(experiment, arm, seed, backend=backend, **rates_of(arm, rates))
            jobs.append((arm, seed, Job(run, identify(run), f"{arm.label}, seed {seed}")))
    with _temporary(runs) as place:
        execute([job for _, _, job in jobs], runs=place, workers=workers)
        for arm, seed, job in jobs:
            stored = RunFolder(place, job.id)
            before = next(run for run in about[arm.label]["runs"] if run["seed"] == seed)
            values = [float(v) for line in stored.lines() for name, _, v in line["rows"] if name == metric]
            yield _finding(
                experiment.name,
                job.title,
                metric,
                now=values[-1] if values else math.nan,
                became=_outcome(stored, about[arm.label]),
                before=published.last(arm.label, metric),
                outcomes=published.outcomes(arm.label),
                floor=_floor(metric, about[arm.label]),
                seed=seed,
                same_bits=stored.result()["weights_sha256"] == before["weights"],
                elsewhere=environment.differences(
                    published.about["environment"], stored.result()["environment"]
                ),
            )


def _needs(arm: Arm) -> set[str]:
    """Labels of the arms whose published rates a run of this one takes."""
    return {arm.label, arm.after} if isinstance(arm, Continuation) else {arm.label}


def _left_out(experiment: Experiment, seeds_of: Mapping[str, Sequence[int]]) -> Iterator[str]:
    """What is asked for and not published, in words."""
    if new := [arm.label for arm in experiment.arms if not _needs(arm) <= set(seeds_of)]:
        yield f"left out, since not published: {', '.join(new)}"
    missing = [
        seed
        for seed in experiment.seeds
        if any(seed not in seeds_of.get(arm.label, (seed,)) for arm in experiment.arms)
    ]
    if missing:
        yield f"left out, since not published: seed{'s' * (len(missing) > 1)} {', '.join(map(str, missing))}"


@contextlib.contextmanager
def _temporary(runs: Path | None) -> Iterator[Path]:
    """A folder for as long as the `with` block lasts, inside another one where that is named."""
    with explained(runs or Path(tempfile.gettempdir()), "creating a folder in"):
        if runs is not None:
            runs.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix="check-", dir=runs)
    with made as path:
        yield Path(path)


def _outcome(stored: RunFolder, about: Mapping[str, Any]) -> str:
    """What became of a repeated run, by the published level of chance."""
    accuracies = [
        float(v) for line in stored.lines() for name, _, v in line["rows"] if name == "test_accuracy"
    ]
    level = Chance(**about["chance"]) if about.get("chance") else None
    return outcome(stored.result()["status"], accuracies[-1] if accuracies else None, level)


def _floor(metric: str, about: Mapping[str, Any]) -> float:
    """The least that a run which trained can have."""
    at_chance = metric == "test_accuracy" and about.get("chance")
    return about["chance"]["at_most"] if at_chance else range_of(metric)[0]


def _finding(
    name: str,
    title: str,
    metric: str,
    *,
    now: float,
    became: str,
    before: Mapping[int, float],
    outcomes: Mapping[int, str],
    floor: float,
    seed: int,
    same_bits: bool,
    elsewhere: list[str],
) -> Finding:
    bits = (
        "the weights are equal to the bit"
        if same_bits
        else f"the weights differ in bits: {_reason(elsewhere)}"
    )
    was = outcomes.get(seed, TRAINED)
    good = [before[s] for s in before if outcomes.get(s, TRAINED) == TRAINED and math.isfinite(before[s])]
    rate = f"{sum(one == TRAINED for one in outcomes.values())} of {len(outcomes)} published runs trained"
    if became != TRAINED or not good or not math.isfinite(now):
        failed = [one for one in outcomes.values() if one != TRAINED]
        inside = became == was or bool(elsewhere and became != TRAINED and failed)
        words = (
            f"{name}, {title}: {became}, {metric} {now:.4g}; published: {was}, {before.get(seed, math.nan):.4g}, "
            f"{rate}; this is {'as' if inside else 'NOT as'} published; {bits}"
        )
        return Finding(inside=inside, same_bits=same_bits, words=words)
    low, high = prediction_interval(good)
    low, high = min([max(low, floor), *good]), max([min(high, range_of(metric)[1]), *good])
    # Published numbers have six digits.
    slack = 1e-5 * max(abs(low), abs(high), 1e-12) if math.isfinite(low) else 0.0
    inside = low - slack <= now <= high + slack
    words = (
        f"{name}, {title}: {metric} {now:.4g} (published {before.get(seed, math.nan):.4g}) is "
        f"{'inside' if inside else 'OUTSIDE'} the published band from {low:.4g} to {high:.4g} of runs that trained "
        f"({rate}); {bits}"
    )
    return Finding(inside=inside, same_bits=same_bits, words=words)


def _reason(elsewhere: list[str]) -> str:
    if elsewhere:
        return "; ".join(elsewhere)
    return (
        "in the same environment, so the code computes something else; see python -m zoo.experiments status"
    )
