"""The experiment engine: what it adds to training, and two workers against one."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.race import race

QUESTION = "What does the engine add to plain training, and how much do two workers do in the time of one?"


def measure(quick=False, only=()):
    """The step of the engine next to stock `fit`, then whole experiments with one and with two workers."""
    net = {"source": "zoo", "net": "convnet", "shape": (8, 8, 1), "batch": 32}
    contenders = {
        "stock fit": ("keras_fit", {**net, "per_execution": 1}),
        "engine's steps": ("engine_epoch", net),
    }
    rows = list(race(contenders, rounds=3 if quick else 9))
    for row in rows:
        yield {
            "what": f"a step of convnet on 8x8 digits, {row['contender']}",
            "seconds": row["seconds"],
            "ratio": row["seconds"] / rows[0]["seconds"],
        }
    times = {1: [], 2: []}
    inside = []
    for _ in range(1 if quick else 2):
        for workers in times:
            seconds, share = _experiment(workers, seeds=2 if quick else 6, epochs=5 if quick else 30)
            times[workers].append(seconds)
            if workers == 1:
                inside.append(share)
    medians = {workers: statistics.median(seconds) for workers, seconds in times.items()}
    for workers, seconds in medians.items():
        yield {
            "what": f"an experiment of equal runs, {workers} worker{'s' * (workers > 1)}",
            "seconds": seconds,
            "ratio": medians[1] / seconds,
        }
    yield {
        "what": "share of a worker's time outside training and measuring steps",
        "ratio": 1 - statistics.median(inside),
    }


def _experiment(workers: int, seeds: int, epochs: int) -> tuple[float, float]:
    """Wall seconds of the runs, and the share of them that went into training."""
    from zoo.experiments.conduct import conduct
    from zoo.experiments.execution import pool
    from zoo.experiments.spec import Arm, Dataset, Experiment, Recipe

    experiment = Experiment(
        name="benchmark",
        question="How fast is the engine?",
        arms=(Arm(label="convnet", model="convnet"),),
        data=Dataset(name="digits", train=1000, test=200),
        recipe=Recipe(learning_rates=(0.05,), epochs=epochs, batch=50),
        seeds=tuple(range(seeds)),
        seeds_reason="a benchmark",
    )
    with tempfile.TemporaryDirectory() as folder, pool(workers=workers) as crew:
        # A first run in every worker pays for starting Python and importing Keras, which a long run hides.
        began = time.perf_counter()
        conduct(experiment, runs=Path(folder), workers=crew, backend="tensorflow")
        seconds = time.perf_counter() - began
        results = [json.loads(p.read_text()) for p in Path(folder).rglob("result.json")]
    return seconds, sum(r["train_seconds"] for r in results) / seconds
