"""Should the narrow layer of an inverted residual have a ReLU? MobileNetV2 says no: linear bottlenecks.

Inverted residuals in three stages at three expansions; at an expansion of 1 there is no narrow layer, and the same
question is asked of a layer as wide as the others.
"""

import functools

from zoo.experiments.claims.rules import Pairs
from zoo.experiments.design.experiment import Arm, Expectation, label_of
from zoo.experiments.design.photographs import against, photographed
from zoo.experiments.design.study import NEEDED, Claim, Study

EXPANSIONS = (1, 3, 6)
NARROW = {"none": None, "relu6": "relu6"}

ARMS = tuple(
    Arm(
        label=f"expansion {expansion}, {narrow}",
        model="zoo.experiments.nets:inverted_residuals",
        options={"expansion": expansion, "narrow_activation": NARROW[narrow]},
        factors={"expansion": expansion, "narrow activation": narrow},
    )
    for expansion in EXPANSIONS
    for narrow in NARROW
)
arm = functools.partial(label_of, ARMS)


def _pair(expansion: int) -> tuple[str, str]:
    linear, rectified = (arm(**{"expansion": expansion, "narrow activation": one}) for one in NARROW)
    return linear, rectified


EXPERIMENT = photographed(
    name="narrow",
    question="Should the narrow layer of an inverted residual have an activation?",
    of="inverted residuals with and without an activation in the narrow layer",
    arms=ARMS,
    colour="narrow activation",
    panel="expansion",
    comparisons=tuple(
        pair
        for expansion in EXPANSIONS
        for pair in against(
            ARMS,
            "narrow activation",
            "relu6",
            ("none",),
            claim="the narrow layer is linear",
            expansion=expansion,
        )
    ),
    expectations=(
        Expectation(
            what="MobileNetV2 on ImageNet: linear against ReLU6 in the narrow layer",
            value="linear is better, though strictly less powerful; curves, no table",
            source="Sandler et al. 2018, arXiv 1801.04381, section 6.4 and figure 6a",
            measured=(
                "linear minus ReLU6, expansion 6: {difference test_accuracy (expansion=6, narrow activation=none) - "
                "(expansion=6, narrow activation=relu6)}"
            ),
            why="Fewer and smaller layers than there, and the task is smaller.",
        ),
        Expectation(
            what="the same where the layer is not narrow, expansion 1",
            value="the argument says nothing: what a ReLU cuts off is lost where channels are few",
            source="Sandler et al. 2018, arXiv 1801.04381, section 3.2 and figure 1",
            measured=(
                "linear minus ReLU6, expansion 1: {difference test_accuracy (expansion=1, narrow activation=none) - "
                "(expansion=1, narrow activation=relu6)}"
            ),
            why="At an expansion of 1 the depthwise layer is as narrow as its neighbours and has an activation itself.",
        ),
    ),
    quick_arms=_pair(6),
    options={},
)

STUDY = Study(
    name="narrow",
    experiments=(EXPERIMENT,),
    claims=tuple(
        Claim(
            sentence=f"The narrow layer of an inverted residual should be linear (expansion {expansion}).",
            group=NEEDED,
            figure="narrow",
            rules={"narrow": Pairs.one(*_pair(expansion), "higher")},
        )
        for expansion in EXPANSIONS[1:]
    ),
)
