"""Is what is published still what today's code does? By meaning, not by bytes.

An experiment is fresh while today's code builds the same graphs, draws the same data, and retraces the first
recorded losses of one seed of each arm (an arm that only measures, and quickly, is measured again). So
rewriting a file costs nothing, and a changed default cannot hide. An arm that goes on with the trained net of another
is as fresh as that one: nobody trains a net to the end to compare what comes after; `check` does.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.experiments.data.sets import DamagedDataError, MissingDataError
from zoo.experiments.design.experiment import Arm, Continuation, Experiment, canonical, plain
from zoo.experiments.design.plan import rates_of, run_of
from zoo.experiments.publishing import publication
from zoo.experiments.publishing.publication import FOLDER, PublicationError, Published, published_number
from zoo.experiments.running import environment

if TYPE_CHECKING:
    from zoo.experiments.training.loop import Training

FRESH, STALE, MISSING, UNSEEN = "fresh", "stale", "missing", "unseen"
# Losses: the first tests the forward pass, the second gradient and optimiser, the third momentum.
RETRACED = 3
SAME_ENVIRONMENT = 1e-5
OTHER_ENVIRONMENT = 1e-3
QUICK_SECONDS = 3.0
# How far, and how often, weights are changed to know what rounding moves.
NUDGE, NUDGES = 1e-6, 3
# A measured number below this, such as an error of rounding, may come out otherwise each time.
ROUNDING = 1e-6
FREE = "publishing again takes no training"
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
        word: `fresh`, `stale`, `missing`, or `unseen` where its images or its backend are not on this machine, or
            the images are damaged.
        why: In words.
    """

    name: str
    word: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of retracing an arm.

    Attributes:
        stale: What today's code does differently, in words; `None` where nothing shows.
        undecided: Whether rounding moves the first losses so much that another machine cannot compare them.
        unseen: Why it could not be retraced, in words: its images or its backend are not on this machine, or the
            images are damaged.
    """

    stale: str | None = None
    undecided: bool = False
    unseen: str | None = None


def status(experiment: Experiment, folder: Path = FOLDER) -> State:
    """Compare an experiment's published data with what today's code does.

    Args:
        experiment: As the catalog has it.
        folder: Of published data.
    """
    return next(statuses([experiment], folder))


def statuses(
    experiments: Iterable[Experiment], folder: Path = FOLDER, *, each: Callable[..., Iterable] = map
) -> Iterator[State]:
    """Compare experiments with what today's code does; what several publish alike is retraced once.

    Args:
        experiments: As the catalog has them.
        folder: Of published data.
        each: Applies a function to everything to retrace and gives the results in order, as `map` does; a
            process pool's `imap` does so on all cores.
    """
    experiments = list(experiments)
    spoken: dict[str, State] = {}
    # experiment -> what is published of it, and arm -> key of the work that judges it
    asked: dict[str, tuple[Published, dict[str, str]]] = {}
    work: dict[str, tuple[Experiment, Path, str]] = {}
    for experiment in experiments:
        try:
            published = publication.load(experiment.name, folder)
        except PublicationError as error:
            missing = not (folder / f"{experiment.name}.json").exists()
            word = MISSING if missing else STALE
            spoken[experiment.name] = State(name=experiment.name, word=word, why=str(error))
            continue
        if reasons := asks_otherwise(experiment, published.about):
            spoken[experiment.name] = _state(experiment, reasons)
            continue
        keys: dict[str, str] = {}
        asked[experiment.name] = published, keys
        for arm in experiment.arms:
            keys[arm.label] = _work_of(experiment, arm, published.about)
            work.setdefault(keys[arm.label], (experiment, folder, arm.label))
    results = zip(work, each(_judge, work.values()), strict=True)
    verdicts: dict[str, Verdict] = {}
    for experiment in experiments:
        if experiment.name in spoken:
            yield spoken[experiment.name]
            continue
        published, keys = asked[experiment.name]
        while not set(keys.values()) <= set(verdicts):
            key, verdict = next(results)
            verdicts[key] = verdict
        yield _state_of(experiment, published, {label: verdicts[key] for label, key in keys.items()})


def _work_of(experiment: Experiment, arm: Arm, about: Mapping[str, Any]) -> str:
    """The same for two arms whose retracing would be the same."""
    (mine,) = (each for each in about["arms"] if each["label"] == arm.label)
    if isinstance(arm, Continuation):
        return canonical([experiment.name, arm.after, mine["graph"], mine["data"]])
    if not arm.trains:
        return canonical([experiment.name, arm.label])
    run = run_of(
        experiment,
        arm,
        mine["trace"]["seed"],
        backend=about["environment"]["backend"],
        rate=mine["learning_rate"],
    )
    published = {key: mine[key] for key in ("graph", "data", "trace")}
    return canonical(
        {"run": plain(dataclasses.replace(run, hooks=())), "was": published, "where": about["environment"]}
    )


def _judge(work: tuple[Experiment, Path, str]) -> Verdict:
    experiment, folder, label = work
    published = publication.load(experiment.name, folder)
    about = next(arm for arm in published.about["arms"] if arm["label"] == label)
    try:
        return acts_otherwise(experiment, experiment.arm(label), about, published, environment.describe())
    except (DamagedDataError, MissingDataError) as error:
        return Verdict(unseen=str(error))


def _state(experiment: Experiment, reasons: Sequence[str]) -> State:
    more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return State(name=experiment.name, word=STALE, why="; ".join(reasons[:3]) + more)


def _state_of(experiment: Experiment, published: Published, verdicts: Mapping[str, Verdict]) -> State:
    reasons = [f"arm {label!r}: {verdict.stale}" for label, verdict in verdicts.items() if verdict.stale]
    if reasons:
        return _state(experiment, reasons)
    if unseen := [verdict.unseen for verdict in verdicts.values() if verdict.unseen]:
        count = f"{len(unseen)} of {len(verdicts)} arms could not be retraced: {unseen[0]}"
        return State(name=experiment.name, word=UNSEEN, why=count)
    why = f"{len(verdicts)} arms build the same graphs, read the same data and retrace their first losses"
    if undecided := [label for label, verdict in verdicts.items() if verdict.undecided]:
        why += (
            f", but for {len(undecided)} whose first losses rounding alone moves by more than "
            f"{OTHER_ENVIRONMENT:g}, so that only the environment they were recorded in can retrace them: "
            + ", ".join(undecided)
        )
    if len(so_far := published.about["spec"]["seeds"]) < len(experiment.seeds):
        why += f"; {len(so_far)} of {len(experiment.seeds)} seeds are run so far"
    if other := environment.differences(published.about["environment"], environment.describe()):
        why += f" (elsewhere: {'; '.join(other)})"
    return State(name=experiment.name, word=FRESH, why=why)


def asks_otherwise(experiment: Experiment, about: Mapping[str, Any]) -> list[str]:
    """What the catalog asks for now and did not when this was published; words and figures do not count."""
    now, then = json.loads(canonical(experiment)), dict(about["spec"])
    reasons = []
    for key in sorted(set(now) | set(then)):
        if key in ASKED or now.get(key) == then.get(key):
            continue
        if key == "seeds" and _seeds_so_far(now, then):
            continue
        if key == "arms":
            reasons += _arms_differ(now["arms"], then.get("arms", []))
        elif key == "comparisons":
            reasons.append(f"the comparisons changed; {FREE}")
        else:
            reasons += _differences(key, then.get(key), now.get(key))
    return reasons


def _seeds_so_far(now: Mapping[str, Any], then: Mapping[str, Any]) -> bool:
    """Whether what is published are the first of the seeds asked for: true as far as it goes."""
    return now["seeds"][: len(then["seeds"])] == then["seeds"]


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
    return reasons or [f"the arms are in another order; {FREE}"]


def acts_otherwise(
    experiment: Experiment, arm: Arm, about: Mapping[str, Any], published: Published, here: Mapping
) -> Verdict:
    """What today's code does differently for an arm.

    Args:
        experiment: Of the catalog.
        arm: One of its arms.
        about: What is published of the arm.
        published: Everything published.
        here: Environment now.
    """
    environment.start_backend()
    from zoo.experiments.running.run import fingerprints_of
    from zoo.experiments.training.loop import Training, forget_graphs

    then = published.about["environment"]
    forget_graphs()
    rates = {each["label"]: each["learning_rate"] for each in published.about["arms"]}
    run = run_of(experiment, arm, about["trace"]["seed"], backend=then["backend"], **rates_of(arm, rates))
    quick = about["runs"][0]["cpu_seconds"] <= QUICK_SECONDS
    begins = not isinstance(arm, Continuation)
    training = Training(run, eager=True) if begins and (arm.trains or quick) else None
    graph, images = (
        (training.graph, training.images and training.images.sha256) if training else fingerprints_of(run)
    )
    if graph != about["graph"] and about["graph"] != _earlier(run):
        versions = f" (built with Keras {then['keras']}, now {here['keras']})"
        return Verdict(
            stale="the code builds another graph" + (versions if then["keras"] != here["keras"] else "")
        )
    if images != about["data"]:
        return Verdict(stale="the images are others")
    if training is None:
        return Verdict()
    if then["backend"] != here["backend"]:
        return Verdict(
            unseen=f"it was run on {then['backend']}, which draws other initial weights than {here['backend']}; "
            f"install {then['backend']}, or set KERAS_BACKEND={then['backend']}"
        )
    tolerance = OTHER_ENVIRONMENT if environment.differences(then, here) else SAME_ENVIRONMENT
    if not arm.trains:
        return _measures_otherwise(training, arm, published, tolerance)
    recorded = [math.nan if loss is None else loss for loss in about["trace"]["losses"][:RETRACED]]
    return _retraces_otherwise(training, recorded, tolerance)


def _earlier(run: Any) -> str | None:
    """The graph's hash as it was when a shortcut's zeros were no layer yet."""
    from zoo.experiments.running.run import fingerprints_of

    return fingerprints_of(run, earlier=True)[0]


def _retraces_otherwise(training: "Training", recorded: Sequence[float], tolerance: float) -> Verdict:
    """Retrace the first losses: operation by operation, which is quick, and where that will not do, compiled as then.

    Operation by operation, sums are rounded otherwise than in the compiled step that was recorded, and a deep net at
    a large rate turns another eighth digit into another third one within a step. So where the two part on this
    machine, only the machine the losses were recorded on can tell rounding from another computation.
    """
    start, eager = training.state(), None
    # A loop over rolled units compiles in no time and runs slowly by itself.
    rolled = bool(training.run.options.get("rolled"))
    if not rolled:
        eager = training.losses(len(recorded))
        if all(_close(before, now, tolerance) for before, now in zip(recorded, eager, strict=True)):
            return Verdict()
    training.restart(start, eager=False)
    compiled = training.losses(len(recorded))
    for step, (before, now) in enumerate(zip(recorded, compiled, strict=True)):
        if _close(before, now, tolerance):
            continue
        if tolerance > SAME_ENVIRONMENT:
            if eager is None:
                training.restart(start, eager=True)
                eager = training.losses(len(recorded))
            if not _close(now, eager[step], tolerance):
                return Verdict(undecided=True)
            if _rounding_moves(training, start, compiled if rolled else eager, step, tolerance):
                return Verdict(undecided=True)
        return Verdict(
            stale=f"the loss of step {step + 1} of seed {training.run.seed} was {before:.7g} and is {now:.7g}, "
            f"more than {tolerance:g} apart"
        )
    return Verdict()


def _rounding_moves(
    training: "Training", start: dict[str, np.ndarray], plain: Sequence[float], step: int, tolerance: float
) -> bool:
    """Whether a change of the initial weights in the seventh digit moves the loss of a step by more than the tolerance.

    Then a processor that rounds otherwise moves it, too, whatever is computed. `plain` are the losses without that change,
    of rolled units compiled, of others operation by operation; those with it are computed likewise.
    """
    for seed in range(NUDGES):
        training.restart(start, eager=not training.run.options.get("rolled"))
        training.model.set_weights(_nudged(training.model.get_weights(), seed))
        training.steps.unsettle()
        if not _close(plain[step], training.losses(step + 1)[step], tolerance):
            return True
    return False


def _nudged(weights: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """The weights, each changed by about a millionth of itself."""
    generator = np.random.default_rng(seed)
    return [
        weight * (1 + NUDGE * generator.standard_normal(weight.shape)).astype(weight.dtype)
        if weight.dtype.kind == "f"
        else weight
        for weight in weights
    ]


def _measures_otherwise(training: "Training", arm: Arm, published: Published, tolerance: float) -> Verdict:
    before = {
        (row.metric, row.x): row.value
        for row in published.rows
        if row.arm == arm.label and row.seed == training.run.seed
    }
    now = _measured(training)
    if set(before) != set(now):
        return Verdict(stale="it measures other things")
    apart = [key for key, value in now.items() if _differs(key[0], before[key], value, tolerance)]
    undecided = bool(apart) and tolerance > SAME_ENVIRONMENT and training.model is not None
    if undecided:
        weights = training.model.get_weights()
        for seed in range(NUDGES):
            training.model.set_weights(_nudged(weights, seed))
            moved = _measured(training)
            apart = [key for key in apart if not _differs(key[0], now[key], moved[key], tolerance)]
        training.model.set_weights(weights)
    if apart:
        metric, x = apart[0]
        value = now[metric, x]
        return Verdict(stale=f"{metric} at {x:g} was {before[metric, x]:.7g} and is {value:.7g}")
    return Verdict(undecided=undecided)


def _measured(training: "Training") -> dict[tuple[str, float], float]:
    return {(metric, published_number(x)): float(value) for metric, x, value in training.placed_start()}


def _differs(metric: str, before: float, now: float, tolerance: float) -> bool:
    """Whether a number came out otherwise; times and their ratios are never the same twice."""
    timed = "seconds" in metric or metric.startswith("time_")
    small = abs(before - now) <= ROUNDING
    # Published numbers have six digits.
    return not timed and not small and not _close(before, now, tolerance + 1e-5)


def _close(before: float, now: float, tolerance: float) -> bool:
    if not math.isfinite(before) or not math.isfinite(now):
        return math.isfinite(before) == math.isfinite(now)
    return abs(now - before) <= tolerance * max(abs(before), 1e-12)


def _brief(value: Any) -> str:
    text = json.dumps(plain(value))
    return text if len(text) <= 80 else text[:77] + "..."
