"""Which of my net's activations can go?

Five kinds of net, trained as other studies train them (which share those runs), then taken apart: each activation alone;
more and more of them in three orders, with nothing trained and after one more epoch; and the time that is saved where
neighbours merge. One more epoch at a small rate is what the control gets too, which keeps all its activations.
"""

import dataclasses
import functools

from zoo.experiments.claims.rules import Check, Each, Pairs, Within
from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Continuation,
    Expectation,
    Experiment,
    Factor,
    Hook,
    Quick,
    Series,
    Strip,
    Table,
    label_of,
)
from zoo.experiments.design.photographs import LOGITS, minutes
from zoo.experiments.design.recipes import PHOTOGRAPHS, TO_THE_END
from zoo.experiments.design.study import NEEDED, Claim, Reported, Study
from zoo.studies.depth import PHOTOGRAPHED as DEEPER
from zoo.studies.ordering import FULL

LEAST, MOST, RANDOM = "needed least", "needed most", "at random"
ALL, HALF, GOAL = 1.0, 0.5, 0.6  # shares that are kept
DRAWN = (
    2000  # of the training images, at random: they choose which activations go, and fit what replaces them
)
UNTRAINED = (ALL, 0.9, 0.75, GOAL, HALF, 0.25, 0.0)
TUNED = {LEAST: (ALL, GOAL, HALF, 0.25), MOST: (HALF,), RANDOM: (HALF,)}
ONE_MORE = dataclasses.replace(TO_THE_END, learning_rates=(0.02,), epochs=1)
# Each as another study has it, options and recipe alike, or nothing would be shared; the VGG is this one's own.
NETS = {
    "plain20": Arm(label="plain20", model="plain20", options=LOGITS, recipe=DEEPER[56].recipe),
    "resnet20": Arm(label="resnet20", model="resnet20", options={"ordering": "original", **LOGITS}),
    "resnet20v2": Arm(label="resnet20v2", model="resnet20", options={"ordering": FULL, **LOGITS}),
    "VGG": Arm(
        label="VGG",
        model="zoo.experiments.nets:staged",
        options={
            "net": "vgg16",
            "stages": (2, 2, 3),
            "width": 16,
            "ordering": "conv_norm_act",
            **LOGITS,
        },
    ),
    "inverted residuals": Arm(
        label="inverted residuals",
        model="zoo.experiments.nets:inverted_residuals",
        options={"expansion": 6, "narrow_activation": None},
    ),
}


def _arms(net: str) -> tuple[Arm, ...]:
    """The trained net, then what goes on with it."""
    on = functools.partial(Continuation, after=net)
    measured = functools.partial(on, trains=False)
    return (
        dataclasses.replace(NETS[net], factors={"net": net, "part": "trained"}),
        *(
            measured(
                label=f"{net}, {first} first, nothing trained",
                hooks=(Hook.at_start("needed.untrained", first=first, kept=UNTRAINED, drawn=DRAWN),),
                factors={"net": net, "part": "untrained", "first": first},
            )
            for first in TUNED
        ),
        measured(
            label=f"{net}, merged",
            hooks=(Hook.at_start("needed.merged", kept=(GOAL, HALF), drawn=DRAWN),),
            factors={"net": net, "part": "merged"},
        ),
        *(
            on(
                label=f"{net}, {kept:.0%} kept, {first} first",
                model="zoo.experiments.measurements.lighter:lighter",
                options={"first": first, "kept": kept, "drawn": DRAWN},
                recipe=ONE_MORE,
                factors={"net": net, "part": "trained on", "first": first, "kept": kept},
            )
            for first, shares in TUNED.items()
            for kept in shares
        ),
    )


ARMS = tuple(arm for net in NETS for arm in _arms(net))
arm = functools.partial(label_of, ARMS)


def _kept(net: str, kept: float, first: str = LEAST) -> str:
    return arm(net=net, part="trained on", first=first, kept=kept)


def _part(part: str) -> tuple[str, ...]:
    return tuple(one.label for one in ARMS if one.factors["part"] == part)


SITES = {net: arm(net=net, part="untrained", first=LEAST) for net in NETS}
GONE = {net: (_kept(net, GOAL), _kept(net, ALL)) for net in NETS}
HALVES = {net: (_kept(net, HALF), _kept(net, ALL)) for net in NETS}
# Those that the project set itself as its goal; what it merges is what multiplies less often afterwards.
FASTER = {net: arm(net=net, part="merged") for net in ("plain20", "resnet20", "inverted residuals")}
KNOWN = {net: (_kept(net, HALF), _kept(net, HALF, RANDOM)) for net in NETS}


def _cost_of(net: str, kept: float = HALF) -> str:
    """What the net loses against the one that keeps all, as a hole."""
    one, other = (f"(net={net}, part=trained on, first={LEAST}, kept={share:g})" for share in (kept, ALL))
    return f"{{difference test_accuracy {one} - {other}}}"


COMPRESSED = Reported(
    caption="ImageNet top-1 accuracy in % before and after activations went and layers were merged, and how much faster",
    source="Kim et al. 2023, arXiv:2301.12187; Kim et al. 2024 (LayerMerge), arXiv:2406.12837",
    columns=("net", "before", "after", "times faster"),
    rows=(
        ("MobileNetV2", "72.89", "72.83", "1.62"),
        ("VGG19", "74.24", "74.33", "1.44"),
        ("ResNet-34", "74.42", "74.26", "1.36"),
    ),
)


def _reported(net: str) -> str:
    """What others saw of a net, in a line."""
    before, after, faster = (COMPRESSED.cell(net, column) for column in COMPRESSED.columns[1:])
    return f"{before} to {after} %, {faster} times faster"


ASKED = Experiment(
    name="needed",
    question="Which activations of a trained net can go, and what does that save?",
    arms=ARMS,
    data=PHOTOGRAPHS,
    recipe=TO_THE_END,
    comparisons=(
        *(
            Comparison(first=first, second=second, claim="four in ten activations can go")
            for first, second in GONE.values()
        ),
        *(
            Comparison(first=first, second=second, claim="half of the activations can go")
            for first, second in HALVES.values()
        ),
        *(
            Comparison(first=first, second=second, claim="which ones go matters")
            for first, second in KNOWN.values()
        ),
    ),
    expectations=(
        Expectation(
            what="MobileNetV2 on ImageNet, activations taken away and layers merged, trained on",
            value=_reported("MobileNetV2"),
            source="Kim et al. 2023, arXiv 2301.12187",
            measured=(
                f"half of them gone: {_cost_of('inverted residuals')}; {{mean time_ratio (net=inverted residuals, "
                "part=merged)} times as fast"
            ),
            why="One epoch more instead of 180, on a processor instead of a graphics processor, and merged where it "
            "multiplies less often instead of where it was timed to be faster.",
        ),
        Expectation(
            what="VGG19 on ImageNet, likewise",
            value=_reported("VGG19"),
            source="Kim et al. 2023, arXiv 2301.12187",
            measured=f"half of them gone: {_cost_of('VGG')}; {{mean time_ratio (net=VGG, part=merged)}} times as fast",
            why="As above; and here are nine activations instead of eighteen.",
        ),
        Expectation(
            what="ResNet-34 on ImageNet, likewise",
            value=_reported("ResNet-34"),
            source="Kim et al. 2024, arXiv 2406.12837",
            measured=(
                f"resnet20, half of them gone: {_cost_of('resnet20')}; {{mean time_ratio (net=resnet20, part=merged)}} "
                "times as fast"
            ),
            why="As above; and two convolutions of size 3 as one of size 5 multiply more often than before.",
        ),
    ),
    figures=(
        Factor(
            metric="test_accuracy",
            x="kept",
            x_title="share of the activations that is kept",
            colour="first",
            panel="net",
            arms=_part("trained on"),
            title="Test accuracy with fewer activations, after one more epoch",
            y_title="test accuracy",
        ),
        Series(
            name="untrained",
            metric="untrained_accuracy",
            x_title="share of the activations that is kept",
            colour="first",
            panel="net",
            arms=_part("untrained"),
            title="Test accuracy with fewer activations, nothing trained",
            y_title="test accuracy",
        ),
        Strip(
            name="sites",
            metric="points_lost",
            colour="net",
            arms=tuple(SITES.values()),
            title="What each activation is worth alone, from the input on the left to the classifier on the right",
            x_title="place of the activation",
            y_title="points of accuracy lost without it, nothing trained",
        ),
        Table(
            name="merged",
            arms=_part("merged"),
            metrics=("time_ratio", "multiplications_ratio", "layers_left"),
            title="Half of the activations gone and neighbours merged: time and multiplications before over after",
        ),
    ),
    quick=Quick(train=1000, test=500, epochs=1, seeds=2, arms=tuple(one.label for one in _arms("plain20"))),
)
EXPERIMENT = dataclasses.replace(ASKED, cost=float(round(minutes(ASKED))))

STUDY = Study(
    name="needed",
    experiments=(EXPERIMENT,),
    reported=(COMPRESSED,),
    claims=(
        # Below zero, or above it, for each of five seeds: by chance that is once in 32.
        Claim(
            sentence="Deep layers need their ReLUs less.",
            group=NEEDED,
            figure="needed-sites",
            rules={
                "needed": Each(
                    arms=SITES,
                    checks=(
                        Check(
                            metric="depth_correlation",
                            most=0.0,
                            words="rank correlation of the loss without an activation with its place from the input",
                        ),
                    ),
                )
            },
        ),
        Claim(
            sentence="The stem's activation matters most.",
            group=NEEDED,
            figure="needed-sites",
            rules={
                "needed": Each(
                    arms=SITES,
                    checks=(
                        Check(
                            metric="first_margin",
                            least=0.0,
                            words="loss without the first activation minus that without the dearest other, in nats",
                        ),
                    ),
                )
            },
        ),
        Claim(
            sentence="Half of the activations can go, at no more than half a point.",
            group=NEEDED,
            figure="needed",
            rules={"needed": Within(pairs=tuple(HALVES.values()), margin=0.005, against="lower")},
        ),
        Claim(
            sentence="Four in ten activations can go, at no more than half a point.",
            group=NEEDED,
            figure="needed",
            rules={"needed": Within(pairs=tuple(GONE.values()), margin=0.005, against="lower")},
        ),
        Claim(
            sentence="With four in ten activations gone and their neighbours merged, a net predicts 1.3 times as fast.",
            group=NEEDED,
            rules={
                "needed": Each(
                    arms=FASTER,
                    checks=(
                        Check(
                            metric="time_ratio",
                            least=1.3,
                            first=True,  # at `GOAL`
                            words="time of the folded net over that of the merged one",
                        ),
                    ),
                )
            },
        ),
        Claim(
            sentence="What an activation is worth alone says which ones can go together.",
            group=NEEDED,
            figure="needed",
            rules={"needed": Pairs(pairs=tuple(KNOWN.values()), sign="higher")},
        ),
    ),
)
