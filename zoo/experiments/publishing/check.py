"""Run some published seeds again, and say whether they come out inside the published band, and to the bit."""

import math
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.experiments.design.experiment import Experiment
from zoo.experiments.design.plan import run_of
from zoo.experiments.publishing import publication
from zoo.experiments.publishing.publication import metrics_of
from zoo.experiments.publishing.statistics import prediction_interval
from zoo.experiments.running import environment
from zoo.experiments.running.execution import DaskPool, Job, LocalPool, execute
from zoo.experiments.running.results import RunFolder
from zoo.experiments.running.run import identify


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one repeated run came to.

    Attributes:
        inside: Whether its value lies in the published band.
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
) -> Iterator[Finding]:
    """Repeat runs in a folder of their own.

    The band is where one more run of the arm falls with 95 % probability, widened to the published extremes.

    Args:
        experiment: Of the catalog.
        workers: Who runs them.
        backend: Keras backend.
        arms: How many arms, drawn at random among those that train; all where none does.
        seeds: How many seeds of each.
        folder: Of published data.

    Raises:
        PublicationError: Nothing is published, or it was edited.
    """
    published = publication.load(experiment.name, folder)
    about = {arm["label"]: arm for arm in published.about["arms"]}
    candidates = [arm for arm in experiment.arms if arm.trains] or list(experiment.arms)
    metric = next(
        (m for m in metrics_of(experiment) if published.last(candidates[0].label, m)), "test_accuracy"
    )
    chosen = random.sample(candidates, min(arms, len(candidates)))
    jobs = []
    for arm in chosen:
        for seed in random.sample(experiment.seeds, min(seeds, len(experiment.seeds))):
            run = run_of(experiment, arm, seed, backend=backend, rate=about[arm.label]["learning_rate"])
            jobs.append((arm, seed, Job(run, identify(run), f"{arm.label}, seed {seed}")))
    with tempfile.TemporaryDirectory(prefix="check-") as runs:
        execute([job for _, _, job in jobs], runs=Path(runs), workers=workers)
        for arm, seed, job in jobs:
            stored = RunFolder(runs, job.id)
            before = next(run for run in about[arm.label]["runs"] if run["seed"] == seed)
            values = [float(v) for line in stored.lines() for name, _, v in line["rows"] if name == metric]
            yield _finding(
                experiment.name,
                job.title,
                metric,
                now=values[-1] if values else math.nan,
                before=published.last(arm.label, metric),
                seed=seed,
                same_bits=stored.result()["weights_sha256"] == before["weights"],
                elsewhere=environment.differences(
                    published.about["environment"], stored.result()["environment"]
                ),
            )


def _finding(
    name: str,
    title: str,
    metric: str,
    *,
    now: float,
    before: dict[int, float],
    seed: int,
    same_bits: bool,
    elsewhere: list[str],
) -> Finding:
    finite = [value for value in before.values() if math.isfinite(value)]
    low, high = prediction_interval(finite) if len(finite) > 1 else (-math.inf, math.inf)
    low, high = min([low, *finite]), max([high, *finite])
    # Published numbers have six digits.
    slack = 1e-5 * max(abs(low), abs(high), 1e-12) if math.isfinite(low) else 0.0
    published = before.get(seed, math.nan)
    diverged = not math.isfinite(now)
    inside = not math.isfinite(published) if diverged else low - slack <= now <= high + slack
    bits = (
        "the weights are equal to the bit"
        if same_bits
        else f"the weights differ in bits: {_reason(elsewhere)}"
    )
    where = "inside" if inside else "OUTSIDE"
    words = (
        f"{name}, {title}: {metric} {now:.4g} (published {published:.4g}) is {where} the published band from "
        f"{low:.4g} to {high:.4g}; {bits}"
    )
    return Finding(inside=inside, same_bits=same_bits, words=words)


def _reason(elsewhere: list[str]) -> str:
    if elsewhere:
        return "; ".join(elsewhere)
    return "in the same environment, so the code computes something else; see scripts/reproduce.py status"
