"""Which of the five orderings of a residual unit?

Twice: narrow nets at three depths on small images, where the start of training is seen, and nets of full width, trained to
the end on photographs, an experiment a depth.
"""

import functools
from typing import Any

from zoo.experiments.claims.rules import Pairs
from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Curves,
    Dots,
    Expectation,
    Experiment,
    Quick,
    label_of,
)
from zoo.experiments.design.photographs import photographed
from zoo.experiments.design.recipes import (
    DEEP,
    DEEP_SEEDS,
    RESIDUAL,
    RESIDUAL_OPTIONS,
    RESIDUAL_TRAINING,
    SMALL_IMAGES,
)
from zoo.experiments.design.study import RESIDUAL_NETS, Claim, Reported, Study

TABLE_2 = Reported(
    caption="CIFAR-10 test error in %, median of 5 runs (table 2)",
    source="He, Zhang, Ren, Sun 2016, arXiv:1603.05027",
    columns=("ordering", "ResNet-110", "ResNet-164"),
    rows=(
        ("original", "6.61", "5.93"),
        ("bn_after_addition", "8.17", "6.50"),
        ("relu_before_addition", "7.84", "6.14"),
        ("relu_only_pre_activation", "6.71", "5.91"),
        ("full_pre_activation", "6.37", "5.46"),
    ),
)
ORDERINGS = tuple(row[0] for row in TABLE_2.rows)
DEPTHS = (20, 56, 110)
FULL = "full_pre_activation"
# Why a paper's number and one of nets of full width differ.
SMALLER_AND_SHORTER = (
    "The task of the paper at a quarter of its pixels and with a sixteenth of its steps; three seeds."
)


def _arms(depths: tuple[int, ...]) -> tuple[Arm, ...]:
    return tuple(
        Arm(
            label=f"{ordering}, {depth} layers",
            model=f"resnet{depth}",
            options={"ordering": ordering},
            factors={"ordering": ordering, "depth": depth},
        )
        for depth in depths
        for ordering in ORDERINGS
    )


def _claim_of(ordering: str) -> str:
    return "full pre-activation is best" if ordering == FULL else "ordering matters"


def _against_original(arms: tuple[Arm, ...], depth: int, *metrics: str) -> tuple[Comparison, ...]:
    return tuple(
        Comparison(
            first=label_of(arms, ordering=ordering, depth=depth),
            second=label_of(arms, ordering="original", depth=depth),
            metric=metric,
            claim=_claim_of(ordering),
        )
        for ordering in ORDERINGS
        if ordering != "original"
        for metric in metrics
    )


def _measured(ordering: str, metric: str = "test_accuracy") -> str:
    """What is asked of an ordering: its own numbers if it is the original, else its differences from it."""
    ours, original = (f"(ordering={one}, depth={{depth}})" for one in (ordering, "original"))
    ask = f"mean {metric} {ours}" if ordering == "original" else f"difference {metric} {ours} - {original}"
    return "; ".join(f"{depth} layers: {{{ask.format(depth=depth)}}}" for depth in DEPTHS)


ARMS = _arms(DEPTHS)
arm = functools.partial(label_of, ARMS)

EXPERIMENT = Experiment(
    name="ordering",
    question="In which order should a residual unit normalise, activate and convolve?",
    arms=ARMS,
    options=RESIDUAL_OPTIONS,
    data=SMALL_IMAGES,
    recipe=RESIDUAL,
    comparisons=(
        *(pair for depth in DEPTHS for pair in _against_original(ARMS, depth, "test_accuracy", "train_loss")),
        *(
            Comparison(
                first=arm(ordering=FULL, depth=depth),
                second=arm(ordering=ordering, depth=depth),
                claim=_claim_of(FULL),
            )
            for depth in DEPTHS
            for ordering in ORDERINGS
            if ordering not in ("original", FULL)
        ),
    ),
    expectations=(
        *(
            Expectation(
                what=f"{ordering}: test error of ResNet-110 and ResNet-164 on CIFAR-10",
                value=f"{of_110} and {of_164} %",
                source="He et al. 2016, arXiv 1603.05027, table 2, median of 5 runs",
                measured=_measured(ordering),
                why="A smaller task, and only the start of it. A short run shows the start, where deep nets differ by "
                "far more than at the end.",
            )
            for ordering, of_110, of_164 in TABLE_2.rows
        ),
        Expectation(
            what="the orderings at depth 20",
            value="within half a point of each other: noise for five seeds",
            source="public replications; the run-to-run standard deviation is 0.16 points at depth 110",
            measured="{range test_accuracy (depth=20)}",
            why="After four epochs of 8,000 images the nets are still learning: what differs is the speed of the start "
            "more than the end.",
        ),
        Expectation(
            what="bn_after_addition early in training",
            value="starts slowly",
            source="He et al. 2016, arXiv 1603.05027, section 4.1",
            measured=f"training loss against that of the original: {_measured('bn_after_addition', 'train_loss')}",
            why="The gradient passes a normalisation on every shortcut, so it grows with the depth instead of passing "
            "unchanged.",
        ),
    ),
    figures=(
        Curves(
            metric="test_accuracy",
            colour="ordering",
            panel="depth",
            title="Test accuracy of the five orderings",
            x_title="epoch",
            y_title="test accuracy",
        ),
        Curves(
            name="training",
            metric="train_loss",
            colour="ordering",
            panel="depth",
            title="Training loss of the five orderings",
            x_title="epoch",
            y_title="training cross-entropy (nats)",
        ),
        Dots(
            name="last",
            metric="test_accuracy",
            colour="ordering",
            panel="depth",
            title="Test accuracy of every run after the last epoch",
            y_title=f"test accuracy after {RESIDUAL_TRAINING}",
        ),
    ),
    cost=5.0,
    quick=Quick(
        train=1000,
        test=500,
        epochs=2,
        seeds=2,
        arms=tuple(arm(ordering=ordering, depth=20) for ordering in ORDERINGS),
    ),
)


def _photographed(
    depth: int, orderings: tuple[str, ...], *expectations: Expectation, **settings: Any
) -> Experiment:
    """Some of the orderings at one depth; accuracies alone are compared, each with that of the original."""
    arms = tuple(arm for arm in _arms((depth,)) if arm.factors["ordering"] in orderings)
    return photographed(
        name=f"ordering_{depth}",
        question=f"In which order should a residual unit of a {depth}-layer net normalise, activate and convolve?",
        of=f"the {NUMBER[len(orderings)]} orderings in {depth} layers",
        arms=arms,
        colour="ordering",
        comparisons=tuple(
            pair
            for pair in _against_original(ARMS, depth, "test_accuracy")
            if pair.first in {arm.label for arm in arms}
        ),
        expectations=expectations,
        **settings,
    )


NUMBER = {3: "three", 5: "five"}
PHOTOGRAPHED = {
    20: _photographed(
        20,
        ORDERINGS,
        Expectation(
            what="the orderings at depth 20",
            value="within half a point of each other: noise for five seeds",
            source="public replications; the run-to-run standard deviation is 0.16 points at depth 110",
            measured="{range test_accuracy (depth=20)}",
            why="The task of the papers at a quarter of its pixels, trained to the end.",
        ),
    ),
    56: _photographed(
        56,
        ORDERINGS,
        Expectation(
            what="the orderings at depth 56",
            value="between those of depth 20, where none is ahead, and those of depth 110, where the original is 0.24 "
            "points behind full pre-activation and bn_after_addition 1.56 behind the original",
            source="He et al. 2016, arXiv 1603.05027, table 2, at depth 110",
            measured="{range test_accuracy (depth=56)}",
            why="The task of the papers at a quarter of its pixels, trained to the end; three seeds.",
        ),
        recipe=DEEP,
        **DEEP_SEEDS,
    ),
    # What the paper's argument is about: the two it compares, and the one it says is worst.
    110: _photographed(
        110,
        ("original", "bn_after_addition", FULL),
        *(
            Expectation(
                what=f"{ordering} against original: test error of ResNet-110 on CIFAR-10",
                value=f"{TABLE_2.cell(ordering, 'ResNet-110')} and {TABLE_2.cell('original', 'ResNet-110')} %",
                source="He et al. 2016, arXiv 1603.05027, table 2, median of 5 runs",
                measured=f"{{difference test_accuracy (ordering={ordering}, depth=110) - (ordering=original, depth=110)}}",
                why=SMALLER_AND_SHORTER,
            )
            for ordering in ("bn_after_addition", FULL)
        ),
        **DEEP_SEEDS,
    ),
}


def _best(depth: int) -> Pairs:
    """Full pre-activation above each of the others."""
    return Pairs(
        pairs=tuple(
            (arm(ordering=FULL, depth=depth), arm(ordering=ordering, depth=depth))
            for ordering in ORDERINGS
            if ordering != FULL
        ),
        sign="higher",
    )


def _against(ordering: str, depth: int, sign: str) -> dict[str, Pairs]:
    """One ordering against the original, in both worlds."""
    pair = arm(ordering=ordering, depth=depth), arm(ordering="original", depth=depth)
    return dict.fromkeys(("ordering", f"ordering_{depth}"), Pairs.one(*pair, sign))


STUDY = Study(
    name="ordering",
    experiments=(EXPERIMENT, *PHOTOGRAPHED.values()),
    reported=(TABLE_2,),
    claims=(
        # Of all the others, which the photographs are not asked: three comparisons more for each depth.
        *(
            Claim(
                sentence=f"Full pre-activation is best ({depth} layers).",
                group=RESIDUAL_NETS,
                figure="ordering",
                rules={"ordering": _best(depth)},
            )
            for depth in DEPTHS
        ),
        *(
            Claim(
                sentence=f"Full pre-activation beats the original ordering ({depth} layers).",
                group=RESIDUAL_NETS,
                figure="ordering",
                rules=_against(FULL, depth, "higher"),
            )
            for depth in DEPTHS
        ),
        *(
            Claim(
                sentence=f"Batch normalisation after the addition hurts ({depth} layers).",
                group=RESIDUAL_NETS,
                figure="ordering",
                rules=_against("bn_after_addition", depth, "lower"),
            )
            for depth in DEPTHS
        ),
    ),
)
