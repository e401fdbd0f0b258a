"""Is what is published still what today's code does? By meaning, not by bytes.

An experiment is fresh while today's code builds the same graphs, draws the same data, and retraces the first
recorded losses of one seed of each arm (an arm that only measures, and quickly, is measured again). So
rewriting a file costs nothing, and a changed default cannot hide.
"""

import functools
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.experiments import environment, publication
from zoo.experiments.plan import run_of
from zoo.experiments.publication import FOLDER, PublicationError, Published, published_number
from zoo.experiments.spec import Arm, Experiment, canonical, plain

FRESH, STALE, MISSING = "fresh", "stale", "missing"
# Losses: the first tests the forward pass, the second gradient and optimiser, the third momentum.
RETRACED = 3
SAME_ENVIRONMENT = 1e-5
OTHER_ENVIRONMENT = 1e-3
QUICK_SECONDS = 3.0
# A measured number below this, such as an error of rounding, may come out otherwise each time.
ROUNDING = 1e-6
ASKED = (
    "question",
    "expectations",
    "figures",
    "cost",
    "quick",
    "seeds_reason",
)  # may change without a new run


@dataclass(frozen=True, kw_only=True)
class State:
    """How an experiment stands.

    Attributes:
        name: Of the experiment.
        word: `fresh`, `stale` or `missing`.
        why: In words.
    """

    name: str
    word: str
    why: str


def status(experiment: Experiment, folder: Path = FOLDER, *, each: Callable[..., Iterable] = map) -> State:
    """Compare an experiment's published data with what today's code does.

    Args:
        experiment: As the catalog has it.
        folder: Of published data.
        each: Applies a function to every arm, as `map` does; a process pool's `map` does so on all cores.
    """
    try:
        published = publication.load(experiment.name, folder)
    except PublicationError as error:
        missing = not (folder / f"{experiment.name}.json").exists()
        return State(name=experiment.name, word=MISSING if missing else STALE, why=str(error))
    reasons = asks_otherwise(experiment, published.about)
    if not reasons:
        labels = [arm.label for arm in experiment.arms]
        judged = zip(labels, each(functools.partial(_judge, experiment, folder), labels), strict=True)
        reasons = [f"arm {label!r}: {reason}" for label, reason in judged if reason]
    if reasons:
        more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        return State(name=experiment.name, word=STALE, why="; ".join(reasons[:3]) + more)
    other = environment.differences(published.about["environment"], environment.describe())
    where = f" (elsewhere: {'; '.join(other)})" if other else ""
    return State(
        name=experiment.name,
        word=FRESH,
        why=f"{len(experiment.arms)} arms build the same graphs, read the same data and retrace their first "
        f"losses{where}",
    )


def _judge(experiment: Experiment, folder: Path, label: str) -> str | None:
    published = publication.load(experiment.name, folder)
    about = next(arm for arm in published.about["arms"] if arm["label"] == label)
    return acts_otherwise(experiment, experiment.arm(label), about, published, environment.describe())


def asks_otherwise(experiment: Experiment, about: Mapping[str, Any]) -> list[str]:
    """What the catalog asks for now and did not when this was published; words and figures do not count."""
    now, then = json.loads(canonical(experiment)), dict(about["spec"])
    reasons = []
    for key in sorted(set(now) | set(then)):
        if key in ASKED or now.get(key) == then.get(key):
            continue
        if key == "arms":
            reasons += _arms_differ(now["arms"], then.get("arms", []))
        elif key == "comparisons":
            reasons.append("the comparisons changed; publishing again takes no training")
        else:
            reasons += _differences(key, then.get(key), now.get(key))
    return reasons


def _differences(name: str, then: Any, now: Any) -> list[str]:
    """What differs, as deep inside as it can be named."""
    if isinstance(then, dict) and isinstance(now, dict):
        keys = [key for key in {**then, **now} if then.get(key) != now.get(key)]
        return [
            reason for key in keys for reason in _differences(f"{name}.{key}", then.get(key), now.get(key))
        ]
    return [f"{name} was {_brief(then)} and is {_brief(now)}"]


def _arms_differ(now: list[dict], then: list[dict]) -> list[str]:
    new, old = ({arm["label"]: arm for arm in arms} for arms in (now, then))
    reasons = [f"arm {label!r} is new" for label in new if label not in old]
    reasons += [f"arm {label!r} is gone" for label in old if label not in new]
    for label in new:
        if label in old and new[label] != old[label]:
            keys = [key for key in new[label] if new[label][key] != old[label].get(key)]
            reasons.append(f"arm {label!r} has other {', '.join(keys)}")
    return reasons or ["the arms are in another order; publishing again takes no training"]


def acts_otherwise(
    experiment: Experiment, arm: Arm, about: Mapping[str, Any], published: Published, here: Mapping
) -> str | None:
    """What today's code does differently for an arm; `None` where nothing shows.

    Args:
        experiment: Of the catalog.
        arm: One of its arms.
        about: What is published of the arm.
        published: Everything published.
        here: Environment now.
    """
    from zoo.experiments.training import Training, forget_graphs

    then = published.about["environment"]
    forget_graphs()
    run = run_of(
        experiment, arm, about["trace"]["seed"], backend=then["backend"], rate=about["learning_rate"]
    )
    training = Training(run, eager=True)
    if training.graph != about["graph"]:
        versions = f" (built with Keras {then['keras']}, now {here['keras']})"
        return "the code builds another graph" + (versions if then["keras"] != here["keras"] else "")
    if (training.images.sha256 if training.images else None) != about["data"]:
        return "the images are others"
    if then["backend"] != here["backend"]:
        return None
    tolerance = OTHER_ENVIRONMENT if environment.differences(then, here) else SAME_ENVIRONMENT
    if not arm.trains:
        quick = about["runs"][0]["cpu_seconds"] <= QUICK_SECONDS
        return _measures_otherwise(training, arm, published, tolerance) if quick else None
    for step, recorded in enumerate(about["trace"]["losses"][:RETRACED]):
        before = math.nan if recorded is None else recorded
        now = float(training.steps.train(*training.batch(step))[0])
        if not _close(before, now, tolerance):
            return (
                f"the loss of step {step + 1} of seed {run.seed} was {before:.7g} and is {now:.7g}, "
                f"more than {tolerance:g} apart"
            )
    return None


def _measures_otherwise(training: Any, arm: Arm, published: Published, tolerance: float) -> str | None:
    before = {
        (row.metric, row.x): row.value
        for row in published.rows
        if row.arm == arm.label and row.seed == training.run.seed
    }
    now = {(metric, published_number(x)): float(value) for metric, x, value in training.placed_start()}
    if set(before) != set(now):
        return "it measures other things"
    for (metric, x), value in now.items():
        # Times and their ratios are never the same twice; published numbers have six digits.
        timed = "seconds" in metric or metric.startswith("time_")
        small = abs(before[metric, x] - value) <= ROUNDING
        if not timed and not small and not _close(before[metric, x], value, tolerance + 1e-5):
            return f"{metric} at {x:g} was {before[metric, x]:.7g} and is {value:.7g}"
    return None


def _close(before: float, now: float, tolerance: float) -> bool:
    if not math.isfinite(before) or not math.isfinite(now):
        return math.isfinite(before) == math.isfinite(now)
    return abs(now - before) <= tolerance * max(abs(before), 1e-12)


def _brief(value: Any) -> str:
    text = json.dumps(plain(value))
    return text if len(text) <= 80 else text[:77] + "..."
