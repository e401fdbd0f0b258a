"""Why did deeper nets need residuals, and pre-activation?

Twice: narrow nets on small images, where the start of training is seen, and nets of full width trained to the end on
photographs, of which those with shortcuts are arms of `ordering_20`, `ordering_56` and `ordering_110`, too.
"""

import dataclasses
import functools
from typing import Any

from zoo.experiments.claims.rules import Pairs
from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Curves,
    Expectation,
    Experiment,
    Factor,
    Quick,
    label_of,
)
from zoo.experiments.design.photographs import against, photographed
from zoo.experiments.design.recipes import (
    DEEP,
    DEEP_SEEDS,
    RESIDUAL,
    RESIDUAL_OPTIONS,
    RESIDUAL_TRAINING,
    SMALL_IMAGES,
)
from zoo.experiments.design.study import RESIDUAL_NETS, Claim, Reported, Study
from zoo.studies.ordering import FULL, SMALLER_AND_SHORTER, TABLE_2

DEPTHS = (8, 20, 56, 110)
NETS = {
    "plain": ("plain", {}),
    "original": ("resnet", {"ordering": "original"}),
    "full_pre_activation": ("resnet", {"ordering": "full_pre_activation"}),
}

ARMS = tuple(
    Arm(
        label=f"{net}, {depth} layers",
        model=f"{NETS[net][0]}{depth}",
        options=NETS[net][1],
        factors={"net": net, "depth": depth},
    )
    for depth in DEPTHS
    for net in NETS
)
arm = functools.partial(label_of, ARMS)

# depth: test error in % on CIFAR-10, as the first paper prints it
TEST_ERROR = {"20": "8.75", "32": "7.51", "44": "7.17", "56": "6.97", "110": "6.43"}

EXPERIMENT = Experiment(
    name="depth",
    question="Why did deeper nets need shortcuts, and is pre-activation needed on top?",
    arms=ARMS,
    options=RESIDUAL_OPTIONS,
    data=SMALL_IMAGES,
    recipe=RESIDUAL,
    comparisons=(
        *(
            Comparison(
                first=arm(net="original", depth=depth),
                second=arm(net="plain", depth=depth),
                metric=metric,
                claim="deep nets need shortcuts",
            )
            for depth in DEPTHS
            for metric in ("train_loss", "test_accuracy")
        ),
        *(
            Comparison(
                first=arm(net="plain", depth=depth),
                second=arm(net="plain", depth=8),
                metric="train_loss",
                claim="deeper plain nets have a higher training error",
            )
            for depth in DEPTHS[1:]
        ),
        *(
            Comparison(
                first=arm(net="full_pre_activation", depth=depth),
                second=arm(net="original", depth=depth),
                claim="pre-activation helps deep nets",
            )
            for depth in DEPTHS
        ),
    ),
    expectations=(
        Expectation(
            what="plain nets",
            value="deeper ones have a higher training error; plain-110 is above 60 % test error on CIFAR-10",
            source="He et al. 2015, arXiv 1512.03385",
            measured=(
                "training loss, 8 layers: {mean train_loss (net=plain, depth=8)}; 20 layers: "
                "{mean train_loss (net=plain, depth=20)}; 56 layers: {mean train_loss (net=plain, depth=56)}; "
                "110 layers: {mean train_loss (net=plain, depth=110)}"
            ),
            why="As there: the training loss itself rises, so it is not overfitting.",
        ),
        Expectation(
            what="residual nets of 20, 32, 44, 56 and 110 layers, test error on CIFAR-10",
            value=f"{', '.join(list(TEST_ERROR.values())[:-1])} and {TEST_ERROR['110']} %",
            source="He et al. 2015, arXiv 1512.03385",
            measured=(
                "test accuracy, 8 layers: {mean test_accuracy (net=original, depth=8)}; 20 layers: "
                "{mean test_accuracy (net=original, depth=20)}; 56 layers: "
                "{mean test_accuracy (net=original, depth=56)}; 110 layers: "
                "{mean test_accuracy (net=original, depth=110)}"
            ),
            why=(
                "In a short run deeper residual nets are worse, not better: their gain comes late in training."
            ),
        ),
        Expectation(
            what="110 layers, original and full pre-activation, test error on CIFAR-10",
            value=f"{TABLE_2.cell('original', 'ResNet-110')} and {TABLE_2.cell('full_pre_activation', 'ResNet-110')} %",
            source="He et al. 2016, arXiv 1603.05027, table 3",
            measured=(
                "{difference test_accuracy (net=full_pre_activation, depth=110) - (net=original, depth=110)}"
            ),
            why=(
                "A smaller task, and only the start of it. There the difference is a quarter of a point, a "
                "run-to-run standard deviation and a half."
            ),
        ),
    ),
    figures=(
        Factor(
            metric="train_loss",
            x="depth",
            colour="net",
            title="Training loss at the end over depth",
            x_title="layers",
            y_title="training cross-entropy in the last epoch (nats)",
            baseline=2.302585,
            baseline_label="ln 10: a net that ignores its input",
            x_scale="log",
        ),
        Factor(
            name="test",
            metric="test_accuracy",
            x="depth",
            colour="net",
            title="Test accuracy over depth",
            x_title="layers",
            y_title=f"test accuracy after {RESIDUAL_TRAINING}",
            baseline=0.1,
            baseline_label="chance",
            x_scale="log",
        ),
        Curves(
            name="training",
            metric="train_loss",
            colour="net",
            panel="depth",
            title="Training loss by epoch",
            x_title="epoch",
            y_title="training cross-entropy (nats)",
        ),
    ),
    cost=5.0,
    quick=Quick(
        train=1000,
        test=500,
        epochs=2,
        seeds=2,
        arms=(
            arm(net="plain", depth=8),
            arm(net="original", depth=8),
            arm(net="plain", depth=56),
            arm(net="original", depth=56),
        ),
    ),
)

LEARNS_LESS = "deeper plain nets have a higher training error"
# The same arms; those of 56 layers have the grid of rates that they were tuned with, without 1.0.
AT_FULL_SCALE = tuple(
    dataclasses.replace(one, recipe=DEEP if one.factors["depth"] == 56 else None) for one in ARMS
)


def _photographed(
    name: str,
    of: str,
    arms: tuple[Arm, ...],
    question: str,
    *expectations: Expectation,
    comparisons: tuple[Comparison, ...] = (),
    **settings: Any,
) -> Experiment:
    """Some of the arms at full scale: deeper plain nets against that of 8 layers, and residual nets against plain ones."""
    depths = sorted({one.factors["depth"] for one in arms} - {8})
    return photographed(
        name=name,
        question=question,
        of=of,
        arms=arms,
        colour="net",
        panel="depth",
        comparisons=(
            *against(ARMS, "depth", 8, depths, claim=LEARNS_LESS, metric="train_loss", net="plain"),
            *(
                pair
                for depth in depths
                for pair in against(
                    ARMS,
                    "net",
                    "plain",
                    ("original",),
                    claim="deep nets need shortcuts",
                    metric="train_loss",
                    depth=depth,
                )
            ),
            # Planned after the first runs were seen, which can only make each verdict rarer.
            *(
                pair
                for depth in sorted({one.factors["depth"] for one in arms if one.factors["net"] == FULL})
                for pair in against(
                    ARMS,
                    "net",
                    "original",
                    (FULL,),
                    claim="pre-activation helps deep nets",
                    depth=depth,
                )
            ),
            *comparisons,
        ),
        expectations=expectations,
        **settings,
        **DEEP_SEEDS,
    )


# Two experiments, because 110 layers take as long as all others together. The plain net of 8 layers is an arm of both.
PHOTOGRAPHED = {
    56: _photographed(
        "depth_photographs",
        "plain and residual nets of three depths",
        tuple(one for one in AT_FULL_SCALE if one.factors["depth"] < 110),
        "Why did deeper nets of full width need shortcuts, trained to the end?",
        Expectation(
            what="plain nets of 20 and 56 layers on CIFAR-10",
            value="the deeper one has the higher training error, from the first step to the last",
            source="He et al. 2015, arXiv 1512.03385, figure 1",
            measured="training loss, 56 minus 20 layers: {difference train_loss (net=plain, depth=56) - (net=plain, depth=20)}",
            why=SMALLER_AND_SHORTER,
        ),
        Expectation(
            what="residual nets of 20 and 56 layers, test error on CIFAR-10",
            value=f"{TEST_ERROR['20']} and {TEST_ERROR['56']} %: deeper is better",
            source="He et al. 2015, arXiv 1512.03385, table 6",
            measured=(
                "test accuracy, 20 layers: {mean test_accuracy (net=original, depth=20)}; 56 layers: "
                "{mean test_accuracy (net=original, depth=56)}; with full pre-activation "
                "{mean test_accuracy (net=full_pre_activation, depth=20)} and "
                "{mean test_accuracy (net=full_pre_activation, depth=56)}"
            ),
            why=(
                "Not with the original unit in ten epochs, a sixteenth of the steps of the paper; with full pre-activation "
                "it is. The images have a quarter of its pixels."
            ),
        ),
        # The pair of the first paper's figure 1.
        comparisons=against(ARMS, "depth", 20, (56,), claim=LEARNS_LESS, metric="train_loss", net="plain"),
        quick_arms=tuple(arm(net=net, depth=depth) for net in ("plain", "original") for depth in (8, 20)),
    ),
    110: _photographed(
        "depth_110",
        "nets of 110 layers, and the plain one of 8",
        tuple(
            one
            for one in AT_FULL_SCALE
            if one.factors["depth"] == 110 or one.factors == {"net": "plain", "depth": 8}
        ),
        "Does a plain net of 110 layers train at full width, and do residual ones?",
        Expectation(
            what="plain-110 on CIFAR-10",
            value="above 60 % test error",
            source="He et al. 2015, arXiv 1512.03385",
            measured="test accuracy: {mean test_accuracy (net=plain, depth=110)}",
            why=SMALLER_AND_SHORTER,
        ),
        Expectation(
            what="a residual net of 110 layers, test error on CIFAR-10",
            value=f"{TEST_ERROR['110']} %",
            source="He et al. 2015, arXiv 1512.03385, table 6",
            measured="test accuracy: {mean test_accuracy (net=original, depth=110)}",
            why=SMALLER_AND_SHORTER,
        ),
        quick_arms=tuple(
            arm(net=net, depth=depth) for net, depth in (("plain", 8), ("plain", 110), ("original", 110))
        ),
    ),
}


def _in_both_worlds(depth: int, pair: tuple[str, str], sign: str) -> dict[str, Pairs]:
    rule = Pairs.one(*pair, sign, metric="train_loss")
    return {EXPERIMENT.name: rule, PHOTOGRAPHED[max(depth, 56)].name: rule}


STUDY = Study(
    name="depth",
    experiments=(EXPERIMENT, *PHOTOGRAPHED.values()),
    reported=(
        Reported(
            caption="CIFAR-10 test error in % of residual nets. Plain nets are not tabulated there: deeper "
            "ones have higher training error, and plain-110 is above 60 %",
            source="He, Zhang, Ren, Sun 2015, arXiv:1512.03385",
            columns=("depth", "error"),
            rows=tuple(TEST_ERROR.items()),
        ),
    ),
    claims=(
        *(
            Claim(
                sentence=f"Deeper plain nets train worse ({depth} layers against 8).",
                group=RESIDUAL_NETS,
                figure="depth",
                rules=_in_both_worlds(
                    depth, (arm(net="plain", depth=depth), arm(net="plain", depth=8)), sign="higher"
                ),
            )
            for depth in DEPTHS[1:]
        ),
        *(
            Claim(
                sentence=f"Shortcuts let deep nets train ({depth} layers).",
                group=RESIDUAL_NETS,
                figure="depth",
                rules=_in_both_worlds(
                    depth, (arm(net="original", depth=depth), arm(net="plain", depth=depth)), sign="lower"
                ),
            )
            for depth in DEPTHS[1:]
        ),
        Claim(
            sentence="A plain net of 56 layers trains worse than one of 20.",
            group=RESIDUAL_NETS,
            figure="depth_photographs-training",
            rules={
                PHOTOGRAPHED[56].name: Pairs.one(
                    arm(net="plain", depth=56), arm(net="plain", depth=20), "higher", metric="train_loss"
                )
            },
        ),
    ),
)
