"""Why does a DenseNet normalise and activate before its convolutions, and not after them?

Under concatenation each reader of a map may want a scale and an offset of its own; after the convolution there is one
normalisation for all who read it.
"""

import functools

from zoo.experiments.claims.rules import Pairs
from zoo.experiments.design.experiment import Arm, Expectation, label_of
from zoo.experiments.design.photographs import against, photographed
from zoo.experiments.design.study import ORDER, Claim, Study

DEPTHS = (10, 16)
BEFORE, AFTER = "norm_act_conv", "conv_norm_act"

ARMS = tuple(
    Arm(
        label=f"{ordering}, {depth} layers",
        model=f"densenet{depth}",
        options={"ordering": ordering, "width": 8},
        factors={"ordering": ordering, "depth": depth},
    )
    for depth in DEPTHS
    for ordering in (BEFORE, AFTER)
)
arm = functools.partial(label_of, ARMS)


def _pair(depth: int) -> tuple[str, str]:
    return arm(ordering=BEFORE, depth=depth), arm(ordering=AFTER, depth=depth)


EXPERIMENT = photographed(
    name="concatenation",
    question="Why do DenseNets normalise and activate before the convolution?",
    of="dense units that normalise before and after the convolution",
    arms=ARMS,
    colour="ordering",
    panel="depth",
    comparisons=tuple(
        pair
        for depth in DEPTHS
        for pair in against(
            ARMS,
            "ordering",
            AFTER,
            (BEFORE,),
            claim="before the convolution, under concatenation",
            depth=depth,
        )
    ),
    expectations=(
        Expectation(
            what="the order of a dense unit",
            value="BN, ReLU, convolution, after the pre-activation units of He et al. 2016; no comparison is printed",
            source="Huang et al. 2016, arXiv 1608.06993, section 3",
            measured=(
                "before minus after, 16 layers: {difference test_accuracy (ordering=norm_act_conv, depth=16) - "
                "(ordering=conv_norm_act, depth=16)}"
            ),
            why="Nobody has printed it: whatever comes out is new. The units are those of DenseNet-40, fewer and thinner.",
        ),
    ),
    quick_arms=_pair(10),
)

STUDY = Study(
    name="concatenation",
    experiments=(EXPERIMENT,),
    claims=tuple(
        Claim(
            sentence=f"Under concatenation, normalisation and activation belong before the convolution ({depth} layers).",
            group=ORDER,
            figure="concatenation",
            rules={"concatenation": Pairs.one(*_pair(depth), "higher")},
        )
        for depth in DEPTHS
    ),
)
