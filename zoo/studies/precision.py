"""Does a net trained in mixed bfloat16 end where it does in float32?

The arm in float32 is an arm of `ordering_20`: it is trained once for both.
"""

import functools

from zoo.experiments.claims.rules import Within
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
from zoo.experiments.design.recipes import PHOTOGRAPHS, TO_THE_END
from zoo.experiments.design.study import RESIDUAL_NETS, Claim, Study

NET = {"ordering": "full_pre_activation"}
FLOAT32, BFLOAT16 = "float32", "mixed_bfloat16"

ARMS = (
    Arm(label=FLOAT32, model="resnet20", options=NET, factors={"precision": FLOAT32}),
    Arm(
        label=BFLOAT16,
        model="zoo.experiments.nets:mixed_bfloat16",
        options={"net": "resnet20", **NET},
        factors={"precision": BFLOAT16},
    ),
)
arm = functools.partial(label_of, ARMS)
PAIR = (arm(precision=BFLOAT16), arm(precision=FLOAT32))
DIFFERENCE = "{difference test_accuracy (precision=mixed_bfloat16) - (precision=float32)}"

EXPERIMENT = Experiment(
    name="precision",
    question="Does a net trained in mixed bfloat16 reach the accuracy of float32?",
    arms=ARMS,
    options={"classifier_activation": None},
    data=PHOTOGRAPHS,
    recipe=TO_THE_END,
    comparisons=(Comparison(first=PAIR[0], second=PAIR[1], claim="mixed bfloat16 costs accuracy"),),
    expectations=(
        Expectation(
            what="ResNet-50 on ImageNet, top-1, bfloat16 against float32",
            value="the same within the spread of runs",
            source="Kalamkar et al. 2019, arXiv 1905.12322",
            measured=DIFFERENCE,
            why="Variables and what is added to them stay in float32; bfloat16 has the range of float32, so no gradient "
            "gets lost, and eight bits of precision, which normalisation after every convolution forgives.",
        ),
    ),
    figures=(
        Curves(
            metric="test_accuracy",
            colour="precision",
            title="Test accuracy in both precisions",
            x_title="epoch",
            y_title="test accuracy",
        ),
        Dots(
            name="last",
            metric="test_accuracy",
            colour="precision",
            title="Test accuracy of every run after the last epoch",
            y_title=f"test accuracy after {TO_THE_END.epochs} epochs of 50,000 photographs",
        ),
    ),
    cost=92.0,
    quick=Quick(train=1000, test=500, epochs=2, seeds=2),
)

STUDY = Study(
    name="precision",
    experiments=(EXPERIMENT,),
    page="performance",
    claims=(
        Claim(
            sentence="Mixed bfloat16 costs no accuracy, to half a point (20 layers).",
            group=RESIDUAL_NETS,
            figure="precision",
            rules={"precision": Within(pairs=(PAIR,), margin=0.005, against="lower")},
        ),
    ),
)
