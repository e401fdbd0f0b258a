"""An activation between the depthwise and the pointwise half of a separable convolution? Xception says no.

Xceptions of a sixteenth of the width, with two and with eight modules in the middle.
"""

import functools

from zoo.experiments.claims.rules import Pairs
from zoo.experiments.design.experiment import Arm, Expectation, label_of
from zoo.experiments.design.photographs import against, photographed
from zoo.experiments.design.study import NEEDED, Claim, Study

MIDDLE = (2, 8)
BETWEEN = {"none": None, "relu": "relu", "elu": "elu"}

ARMS = tuple(
    Arm(
        label=f"{between} between, {middle} modules",
        model="zoo.experiments.nets:staged",
        options={
            "net": "xception",
            "stages": (1, 1, 1, middle, 1),
            "width": 2,
            "between_activation": BETWEEN[between],
        },
        factors={"between": between, "middle modules": middle},
    )
    for middle in MIDDLE
    for between in BETWEEN
)
arm = functools.partial(label_of, ARMS)


def _pairs(middle: int) -> tuple[tuple[str, str], ...]:
    labels = {one: arm(**{"between": one, "middle modules": middle}) for one in BETWEEN}
    return tuple((labels["none"], labels[other]) for other in ("relu", "elu"))


EXPERIMENT = photographed(
    name="between",
    question="Does an activation belong between the depthwise and the pointwise half of a separable convolution?",
    of="separable convolutions with and without an activation inside",
    arms=ARMS,
    colour="between",
    panel="middle modules",
    comparisons=tuple(
        pair
        for middle in MIDDLE
        for other in ("relu", "elu")
        for pair in against(
            ARMS,
            "between",
            other,
            ("none",),
            claim="no activation between depthwise and pointwise",
            **{"middle modules": middle},
        )
    ),
    expectations=(
        Expectation(
            what="Xception on ImageNet: none, ReLU and ELU between depthwise and pointwise",
            value="none is fastest and ends highest; curves, no table",
            source="Chollet 2016, arXiv 1610.02357, section 4.7 and figure 10",
            measured=(
                "none minus ReLU, eight modules: {difference test_accuracy (between=none, middle modules=8) - "
                "(between=relu, middle modules=8)}; none minus ELU: {difference test_accuracy (between=none, middle "
                "modules=8) - (between=elu, middle modules=8)}"
            ),
            why="A sixteenth of the width, and images of a three-hundred-and-fiftieth of the pixels.",
        ),
    ),
    quick_arms=tuple(label for label, _ in (_pairs(2)[0], _pairs(2)[0][::-1])),
)

STUDY = Study(
    name="between",
    experiments=(EXPERIMENT,),
    claims=tuple(
        Claim(
            sentence=f"No activation belongs between depthwise and pointwise convolution ({middle} modules).",
            group=NEEDED,
            figure="between",
            rules={"between": Pairs(pairs=_pairs(middle), sign="higher")},
        )
        for middle in MIDDLE
    ),
)
