"""What may sit on the shortcut of a residual unit? Table 1 of He et al. 2016.

Twice: narrow nets on small images, and nets of full width trained to the end on photographs: the whole table at 20 layers,
and at 56 the four that matter. The identity is an arm of `ordering_20` and `ordering_56`, too.
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
from zoo.experiments.design.photographs import against, photographed
from zoo.experiments.design.recipes import (
    DEEP_SEEDS,
    RESIDUAL,
    RESIDUAL_OPTIONS,
    RESIDUAL_TRAINING,
    SMALL_IMAGES,
)
from zoo.experiments.design.study import RESIDUAL_NETS, Claim, Reported, Study
from zoo.studies.ordering import TABLE_2

DEPTHS = (20, 56)
# What the paper prints for ResNet-110 on CIFAR-10, and (our name of it, our options) where we train it.
TABLE_1 = (
    (("original", "1", "1", TABLE_2.cell("original", "ResNet-110")), ("identity", {})),
    (
        ("constant scaling", "0", "1", "fail"),
        (
            "scaled by 0, branch by 1",
            {"shortcut": "constant_scaling", "shortcut_scale": 0.0, "branch_scale": 1.0},
        ),
    ),
    (
        ("constant scaling", "0.5", "1", "fail"),
        (
            "scaled by 0.5, branch by 1",
            {"shortcut": "constant_scaling", "shortcut_scale": 0.5, "branch_scale": 1.0},
        ),
    ),
    (
        ("constant scaling", "0.5", "0.5", "12.35"),
        (
            "scaled by 0.5, branch by 0.5",
            {"shortcut": "constant_scaling", "shortcut_scale": 0.5, "branch_scale": 0.5},
        ),
    ),
    (("exclusive gating, bias 0 to -5", "1 - g(x)", "g(x)", "fail"), None),
    (
        ("exclusive gating, bias -6", "1 - g(x)", "g(x)", "8.70"),
        ("exclusive gate, bias -6", {"shortcut": "exclusive_gating", "gate_bias": -6.0}),
    ),
    (("exclusive gating, bias -7", "1 - g(x)", "g(x)", "9.81"), None),
    (
        ("shortcut-only gating, bias 0", "1 - g(x)", "1", "12.86"),
        ("shortcut-only gate, bias 0", {"shortcut": "shortcut_only_gating", "gate_bias": 0.0}),
    ),
    (
        ("shortcut-only gating, bias -6", "1 - g(x)", "1", "6.91"),
        ("shortcut-only gate, bias -6", {"shortcut": "shortcut_only_gating", "gate_bias": -6.0}),
    ),
    (("1x1 convolution", "1x1 conv", "1", "12.22"), ("1x1 convolution", {"shortcut": "conv1x1"})),
    (("dropout", "dropout 0.5", "1", "fail"), ("dropout 0.5", {"shortcut": "dropout", "dropout_rate": 0.5})),
)
# variant: (options, test error as printed)
VARIANTS = {ours[0]: (ours[1], row[-1]) for row, ours in TABLE_1 if ours}
WHY = {
    "identity": "A smaller task, and only the start of it.",
    "scaled by 0, branch by 1": "A shortcut times zero is none: this is a plain net with an addition.",
    "scaled by 0.5, branch by 1": "Half of a half of a half: over n units the shortcut carries 2^-n.",
    "scaled by 0.5, branch by 0.5": "As above, with a smaller branch.",
    "exclusive gate, bias -6": "At a bias of -6 the gate lets a quarter of a percent of the branch through, so a short "
    "run sees almost no branch at all.",
    "shortcut-only gate, bias 0": "At a bias of 0 the shortcut starts halved.",
    "shortcut-only gate, bias -6": "At a bias of -6 the shortcut starts as the identity.",
    "1x1 convolution": "It is one more weight layer on every shortcut: the way through the net is a product of "
    "matrices.",
    "dropout 0.5": "Halves the shortcut at random: in the mean over units as scaling does.",
}


def _measured(variant: str) -> str:
    """What is asked of a variant: its accuracies, or what it loses against the identity."""
    ours, identity = (f'(shortcut="{one}", depth={{depth}})' for one in (variant, "identity"))
    ask = (
        f"mean test_accuracy {ours}"
        if variant == "identity"
        else f"difference test_accuracy {ours} - {identity}"
    )
    return "; ".join(f"{depth} layers: {{{ask.format(depth=depth)}}}" for depth in DEPTHS)


ARMS = tuple(
    Arm(
        label=f"{variant}, {depth} layers",
        model=f"resnet{depth}",
        options={"ordering": "original", **VARIANTS[variant][0]},
        factors={"shortcut": variant, "depth": depth},
    )
    for depth in DEPTHS
    for variant in VARIANTS
)
arm = functools.partial(label_of, ARMS)

EXPERIMENT = Experiment(
    name="shortcut",
    question="What may sit on the shortcut of a residual unit?",
    arms=ARMS,
    options=RESIDUAL_OPTIONS,
    data=SMALL_IMAGES,
    recipe=RESIDUAL,
    comparisons=tuple(
        Comparison(
            first=arm(shortcut=variant, depth=depth),
            second=arm(shortcut="identity", depth=depth),
            metric=metric,
            claim="1x1 projections everywhere are fine"
            if variant == "1x1 convolution"
            else "anything on the shortcut hurts",
        )
        for depth in DEPTHS
        for variant in VARIANTS
        if variant != "identity"
        for metric in ("test_accuracy", "train_loss")
    ),
    expectations=tuple(
        Expectation(
            what=f"{variant}: test error of ResNet-110 on CIFAR-10",
            value="fail (above 20 %)" if printed == "fail" else f"{printed} %",
            source="He et al. 2016, arXiv 1603.05027, table 1, median of 5 runs",
            measured=_measured(variant),
            why=WHY[variant],
        )
        for variant, (_, printed) in VARIANTS.items()
    ),
    figures=(
        Dots(
            metric="test_accuracy",
            colour="shortcut",
            panel="depth",
            title="Test accuracy of every run after the last epoch",
            y_title=f"test accuracy after {RESIDUAL_TRAINING}",
        ),
        Curves(
            name="training",
            metric="train_loss",
            colour="shortcut",
            panel="depth",
            # Dropout's loss runs to 1e17, and no other curve could be read beside it.
            arms=tuple(
                arm(shortcut=variant, depth=depth)
                for depth in DEPTHS
                for variant in VARIANTS
                if variant != "dropout 0.5"
            ),
            title="Training loss by what sits on the shortcut, but for dropout, which explodes",
            x_title="epoch",
            y_title="training cross-entropy (nats)",
        ),
    ),
    cost=9.0,
    quick=Quick(
        train=1000,
        test=500,
        epochs=2,
        seeds=2,
        arms=tuple(arm(shortcut=variant, depth=20) for variant in VARIANTS),
    ),
)

HURTS, FINE = "anything on the shortcut hurts", "1x1 projections everywhere are fine"
# At 56 layers: half of the signal a unit, a gate that starts as the identity, and one more weight layer on every shortcut.
MATTER = ("identity", "scaled by 0.5, branch by 0.5", "shortcut-only gate, bias -6", "1x1 convolution")


def _photographed(depth: int, variants: tuple[str, ...], **settings: Any) -> Experiment:
    """Some of the variants at one depth, each against the identity."""
    arms = tuple(one for one in ARMS if one.factors["depth"] == depth and one.factors["shortcut"] in variants)
    others = tuple(variant for variant in variants if variant != "identity")
    return photographed(
        name=f"shortcut_{depth}",
        question=f"What may sit on the shortcuts of {depth} layers of full width, trained to the end?",
        of=f"what sits on the shortcut, {depth} layers",
        arms=arms,
        colour="shortcut",
        comparisons=tuple(
            pair
            for other in others
            for pair in against(
                arms,
                "shortcut",
                "identity",
                (other,),
                claim=FINE if other == "1x1 convolution" else HURTS,
                depth=depth,
            )
        ),
        expectations=tuple(
            Expectation(
                what=f"{variant}: test error of ResNet-110 on CIFAR-10",
                value="fail (above 20 %)" if VARIANTS[variant][1] == "fail" else f"{VARIANTS[variant][1]} %",
                source="He et al. 2016, arXiv 1603.05027, table 1, median of 5 runs",
                measured=f'{{mean test_accuracy (shortcut="{variant}", depth={depth})}}',
                why=WHY[variant].replace(
                    "A smaller task, and only the start of it.",
                    "The task of the paper at a quarter of its pixels.",
                ),
            )
            for variant in variants
        ),
        **settings,
    )


PHOTOGRAPHED = {
    20: _photographed(20, tuple(VARIANTS)),
    56: _photographed(56, MATTER, **DEEP_SEEDS),
}


def _rules(depth: int, variants: tuple[str, ...], sign: str) -> dict[str, Pairs]:
    """A sign of these variants against the identity, in each world that has them all: of fewer, a verdict is another."""
    experiments = (EXPERIMENT, PHOTOGRAPHED[depth])
    labels = {one.name: {each.label for each in one.arms} for one in experiments}
    pairs = [(arm(shortcut=one, depth=depth), arm(shortcut="identity", depth=depth)) for one in variants]
    return {
        name: Pairs(pairs=tuple(pairs), sign=sign)
        for name, known in labels.items()
        if all(set(pair) <= known for pair in pairs)
    }


STUDY = Study(
    name="shortcut",
    experiments=(EXPERIMENT, *PHOTOGRAPHED.values()),
    reported=(
        Reported(
            caption="CIFAR-10 test error in % of ResNet-110, median of 5 runs; fail: above 20 % (table 1)",
            source="He, Zhang, Ren, Sun 2016, arXiv:1603.05027",
            columns=("case", "on the shortcut", "on the branch", "error"),
            rows=tuple(row for row, _ in TABLE_1),
        ),
    ),
    claims=(
        *(
            Claim(
                sentence=f"Anything on the shortcut hurts ({depth} layers).",
                group=RESIDUAL_NETS,
                figure="shortcut",
                rules=_rules(
                    depth,
                    tuple(one for one in VARIANTS if one not in ("identity", "1x1 convolution")),
                    "lower",
                ),
            )
            for depth in DEPTHS
        ),
        *(
            Claim(
                sentence=f"1x1 projections everywhere are fine ({depth} layers).",
                group=RESIDUAL_NETS,
                figure="shortcut",
                rules=_rules(depth, ("1x1 convolution",), "not lower"),
            )
            for depth in DEPTHS
        ),
    ),
)
