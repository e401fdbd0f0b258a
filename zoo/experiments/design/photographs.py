"""A question asked once more where it counts: photographs, full width, training to the end.

The experiment is that of the small images with other data and another recipe; what all such experiments share stands here.
Arms keep their factors, by which a comparison is found in both worlds. Of a run neither the experiment's name nor the
arm's label is a part, so an arm of one experiment that is an arm of another is trained once.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Continuation,
    Curves,
    Dataset,
    Dots,
    Expectation,
    Experiment,
    Hook,
    Quick,
    Recipe,
    label_of,
    select,
)
from zoo.experiments.design.plan import Run, run_of, tuning_runs
from zoo.experiments.design.recipes import PHOTOGRAPHS, TO_THE_END

LOGITS = {"classifier_activation": None}
# Processor seconds of one epoch, 50,000 photographs of 16 x 16 pixels on one thread, measured on some steps of each net; with
# what of its options they grow with.
SECONDS: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "convnet": lambda options: 6.0 if options.get("padding") == "valid" else 16.0,
    "mlp1": lambda options: 2.0,
    "zoo.experiments.nets:convnet_prelu": lambda options: 20.0,
    "zoo.experiments.nets:inverted_residuals": lambda options: 1 + 5.5 * options["expansion"],
    "xception": lambda options: 18 + 1.9 * options["stages"][3],
    "convnexttiny": lambda options: 33.0,
    "vgg16": lambda options: 30.0,
    "densenet10": lambda options: 15.0,
    "densenet16": lambda options: 40.0,
}
TWENTY_LAYERS = 38.0
# What a continuation does besides training, in epochs of its net: to know what 19 activations are worth takes ten passes
# over 2,000 images, and building and tracing nets as long again; to test seven nets, seven passes over the test images.
EPOCHS = {
    "zoo.experiments.measurements.lighter:lighter": 0.4,
    "needed.untrained": 1.2,
    "needed.merged": 1.0,
}
_BY_DEPTH = re.compile(r"(?:plain|resnet)(\d+)")
_CONVNET = re.compile(r"convnet\d*")


def seconds(arm: Arm) -> float:
    """About how many processor seconds an arm takes for an epoch of the photographs.

    Args:
        arm: Of an experiment on photographs.

    Raises:
        ValueError: No net like it was timed.

    Example:
        >>> from zoo.experiments.design.experiment import Arm
        >>> from zoo.experiments.design.photographs import seconds
        >>> seconds(Arm(label="deep", model="resnet56"))
        114.0
    """
    # A builder of nets says in an option which net it builds.
    net = str(arm.options.get("net", arm.model))
    if found := _BY_DEPTH.fullmatch(net):
        return TWENTY_LAYERS * (int(found[1]) - 2) / 18
    net = "convnet" if _CONVNET.fullmatch(net) else net
    if net not in SECONDS:
        raise ValueError(f"arm {arm.label!r}: no net like {net!r} was timed; add it to SECONDS")
    return SECONDS[net](arm.options)


def cost(experiment: Experiment, arm: Arm, run: Run) -> float:
    """About how many processor seconds a run takes: its epochs, and what it measures.

    Args:
        experiment: On photographs.
        arm: One of its arms.
        run: One of the arm's runs.

    Raises:
        ValueError: No net like it was timed, or not what it does with a net.
    """
    epochs = run.recipe.epochs or 0.0 if run.recipe else 0.0
    if not isinstance(arm, Continuation):
        return seconds(arm) * epochs
    does = [one for one in (run.model, *(hook.name for hook in run.hooks)) if one]
    if untimed := [one for one in does if one not in EPOCHS]:
        raise ValueError(f"arm {arm.label!r}: {untimed[0]!r} was not timed; add it to EPOCHS")
    return seconds(experiment.arm(arm.after)) * (epochs + sum(EPOCHS[one] for one in does))


def minutes(experiment: Experiment) -> float:
    """About how many processor minutes of one core an experiment takes, tuning included.

    Args:
        experiment: On photographs.
    """
    total = 0.0
    for arm in experiment.arms:
        evaluated = [
            run_of(experiment, arm, seed, backend="", rate=0.0, rate_before=0.0) for seed in experiment.seeds
        ]
        runs = (*tuning_runs(experiment, arm, backend=""), *evaluated)
        total += sum(cost(experiment, arm, run) for run in runs)
    return total / 60


def photographed(
    *,
    name: str,
    question: str,
    of: str,
    arms: tuple[Arm, ...],
    colour: str,
    comparisons: tuple[Comparison, ...],
    expectations: tuple[Expectation, ...],
    panel: str = "",
    drawn: Mapping[str, Any] | None = None,
    quick_arms: tuple[str, ...] = (),
    recipe: Recipe = TO_THE_END,
    data: Dataset = PHOTOGRAPHS,
    options: Mapping[str, Any] = LOGITS,
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    seeds_reason: str = "",
    hooks: tuple[Hook, ...] = (),
) -> Experiment:
    """An experiment on photographs, with the three figures that each has and the cost that follows from its arms.

    Args:
        name: Of the experiment.
        question: As in `Experiment`.
        of: What the figures show, such as `the five orderings`.
        arms: As in `Experiment`.
        colour: Factor that has the colours.
        comparisons: The few that were planned: Holm's correction makes each further one cost.
        expectations: As in `Experiment`.
        panel: Factor that has the panels.
        drawn: Factors of the arms whose curves are drawn, where all would be too many.
        quick_arms: As in `Quick`.
        recipe: As in `Experiment`.
        data: As in `Experiment`.
        options: As in `Experiment`.
        seeds: As in `Experiment`.
        seeds_reason: As in `Experiment`.
        hooks: As in `Experiment`.
    """
    shown = tuple(arm.label for arm in select(arms, drawn)) if drawn else ()
    images = f"{data.train or 50_000:,} photographs"
    asked = Experiment(
        name=name,
        question=question,
        arms=arms,
        options=options,
        data=data,
        recipe=recipe,
        seeds=seeds,
        seeds_reason=seeds_reason,
        hooks=hooks,
        comparisons=comparisons,
        expectations=expectations,
        figures=(
            Curves(
                metric="test_accuracy",
                colour=colour,
                panel=panel,
                arms=shown,
                title=f"Test accuracy of {of}",
                x_title="epoch",
                y_title="test accuracy",
            ),
            Curves(
                name="training",
                metric="train_loss",
                colour=colour,
                panel=panel,
                arms=shown,
                title=f"Training loss of {of}",
                x_title="epoch",
                y_title="training cross-entropy (nats)",
            ),
            Dots(
                name="last",
                metric="test_accuracy",
                colour=colour,
                panel=panel,
                title="Test accuracy of every run after the last epoch",
                y_title=f"test accuracy after {recipe.epochs:g} epochs of {images}",
            ),
        ),
        quick=Quick(train=1000, test=500, epochs=2, seeds=2, arms=quick_arms),
    )
    return dataclasses.replace(asked, cost=float(round(minutes(asked))))


def against(
    arms: tuple[Arm, ...],
    factor: str,
    baseline: Any,
    others: Iterable[Any],
    *,
    claim: str,
    metric: str = "test_accuracy",
    **fixed: Any,
) -> tuple[Comparison, ...]:
    """Each of several values of a factor against one of them, all else equal.

    Args:
        arms: Of the experiment.
        factor: What varies.
        baseline: Its value in every second arm.
        others: Its values in the first arms.
        claim: As in `Comparison`.
        metric: As in `Comparison`.
        **fixed: The other factors of both arms.
    """
    return tuple(
        Comparison(
            first=label_of(arms, **{factor: other}, **fixed),
            second=label_of(arms, **{factor: baseline}, **fixed),
            metric=metric,
            claim=claim,
        )
        for other in others
    )
