"""The experiment engine: what it adds to training, and two workers against one."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.race import race

QUESTION = "What does the engine add to plain training, and how much do two workers do in the time of one?"


def measure(quick=False, only=()):
    """An epoch of the engine next to others' (its time over theirs), then experiments by one and two workers."""
    for net in ("convnet", "resnet20v2"):
        contenders = {
            "stock fit, Keras' defaults": ("fit_epoch", {"net": net, "source": "stock"}),
            "fit of the zoo's net": ("fit_epoch", {"net": net, "source": "zoo"}),
            "a loop of one's own, nothing written": ("bare_epoch", {"net": net}),
            "the engine": ("engine_epoch", {"net": net}),
        }
        seconds = {r["contender"]: r["seconds"] for r in race(contenders, rounds=3 if quick else 9)}
        for name, value in seconds.items():
            yield {
                "what": f"{net}, an epoch of 50 steps on Fashion-MNIST: {name}",
                "seconds": value,
                "ratio": seconds["the engine"] / value,
            }
    times = {1: [], 2: []}
    for _ in range(1 if quick else 2):
        for workers in times:
            times[workers].append(_experiment(workers, seeds=2 if quick else 6, epochs=5 if quick else 30))
    medians = {workers: statistics.median(seconds) for workers, seconds in times.items()}
    for workers, seconds in medians.items():
        yield {
            "what": f"an experiment of equal runs, {workers} worker{'s' * (workers > 1)}",
            "seconds": seconds,
            "ratio": medians[1] / seconds,
        }


def _experiment(workers: int, seeds: int, epochs: int) -> float:
    """Wall seconds of an experiment."""
    from zoo.experiments.design.experiment import Arm, Dataset, Experiment, Recipe
    from zoo.experiments.running.conduct import conduct
    from zoo.experiments.running.environment import PINS
    from zoo.experiments.running.execution import pool

    experiment = Experiment(
        name="benchmark",
        question="How fast is the engine?",
        arms=(Arm(label="convnet", model="convnet"),),
        data=Dataset(name="digits", train=1000, test=200),
        recipe=Recipe(learning_rates=(0.05,), epochs=epochs, batch=50),
        seeds=tuple(range(seeds)),
        seeds_reason="a benchmark",
    )
    # A worker computes with one thread, as in every experiment, unless the environment says otherwise.
    for name in PINS:
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as folder, pool(workers=workers) as crew:
        # Starting Python and importing Keras in every worker counts too.
        began = time.perf_counter()
        conduct(experiment, runs=Path(folder), workers=crew, backend="tensorflow")
        return time.perf_counter() - began
