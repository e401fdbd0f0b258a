"""How many activations and normalisations does a block need? ConvNeXt says one of each.

A staircase from a block like a residual unit's to ConvNeXt's, one change a step.
"""

import functools

from zoo.experiments.claims.rules import Pairs
from zoo.experiments.design.experiment import Arm, Comparison, Expectation, label_of
from zoo.experiments.design.photographs import photographed
from zoo.experiments.design.study import NEEDED, Claim, Reported, Study

# (activations, normalisations) a block
STAIRS = ((3, 3), (2, 3), (1, 3), (1, 2), (1, 1))

ARMS = tuple(
    Arm(
        label=f"{activations} act, {norms} norm",
        model="zoo.experiments.nets:staged",
        options={
            "net": "convnexttiny",
            "layout": "cifar",
            "stages": (2, 2, 2),
            "width": 8,
            # The paper takes layer normalisation after these steps.
            "normalization": "batch",
            "activations_per_block": activations,
            "norms_per_block": norms,
        },
        factors={"activations": activations, "norms": norms},
    )
    for activations, norms in STAIRS
)
arm = functools.partial(label_of, ARMS)


def _step(after: int, before: int) -> tuple[str, str]:
    """Two steps of the staircase as arms, by their numbers."""
    later, earlier = (
        arm(activations=activations, norms=norms) for activations, norms in (STAIRS[after], STAIRS[before])
    )
    return later, earlier


FEWER_ACTIVATIONS, FEWER_NORMS = _step(2, 0), _step(4, 2)

EXPERIMENT = photographed(
    name="per_block",
    question="How many activations and normalisations does a block need?",
    of="a block with fewer and fewer activations and normalisations",
    arms=ARMS,
    colour="activations",
    panel="norms",
    comparisons=(
        Comparison(
            first=FEWER_ACTIVATIONS[0], second=FEWER_ACTIVATIONS[1], claim="one activation a block is enough"
        ),
        Comparison(first=FEWER_NORMS[0], second=FEWER_NORMS[1], claim="one normalisation a block is enough"),
    ),
    expectations=(
        Expectation(
            what="fewer activations a block, ImageNet top-1",
            value="80.6 to 81.3 %",
            source="Liu et al. 2022, arXiv 2201.03545, figure 2",
            measured=(
                "one minus three: {difference test_accuracy (activations=1, norms=3) - (activations=3, norms=3)}"
            ),
            why="Six blocks instead of eighteen, stochastic gradient descent instead of AdamW.",
        ),
        Expectation(
            what="fewer normalisations a block, ImageNet top-1",
            value="81.3 to 81.4 %",
            source="Liu et al. 2022, arXiv 2201.03545, figure 2",
            measured=(
                "one minus three: {difference test_accuracy (activations=1, norms=1) - (activations=1, norms=3)}"
            ),
            why="As above; a tenth of a point is less than five seeds show.",
        ),
    ),
    quick_arms=FEWER_ACTIVATIONS,
)

STUDY = Study(
    name="per_block",
    experiments=(EXPERIMENT,),
    reported=(
        Reported(
            caption="ImageNet top-1 accuracy in % of a ResNet-50 made a ConvNeXt step by step (figure 2)",
            source="Liu, Mao, Wu, Feichtenhofer, Darrell, Xie 2022, arXiv:2201.03545",
            columns=("step", "accuracy"),
            rows=(
                ("GELU for ReLU", "80.6"),
                ("fewer activations", "81.3"),
                ("fewer normalisations", "81.4"),
                ("LN for BN", "81.5"),
            ),
        ),
    ),
    claims=(
        Claim(
            sentence="One activation a block is better than three.",
            group=NEEDED,
            figure="per_block",
            rules={"per_block": Pairs.one(*FEWER_ACTIVATIONS, "higher")},
        ),
        Claim(
            sentence="One normalisation a block is no worse than three.",
            group=NEEDED,
            figure="per_block",
            rules={"per_block": Pairs.one(*FEWER_NORMS, "not lower")},
        ),
    ),
)
