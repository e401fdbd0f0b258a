"""Can a residual net do without normalisation?

Pre-activation nets, as in the papers, of 20 and 56 layers; with batch normalisation they are arms of `ordering_20` and
`ordering_56`. At 110 layers these arms would take one core more than a night, and what the papers claim is seen at 56.
"""

import functools
from typing import Any

from zoo.experiments.claims.rules import Pairs
from zoo.experiments.design.experiment import Arm, Expectation, Experiment, label_of
from zoo.experiments.design.photographs import against, photographed
from zoo.experiments.design.recipes import DEEP_SEEDS, TO_THE_END, UNNORMALISED
from zoo.experiments.design.study import RESIDUAL_NETS, Claim, Study
from zoo.studies.ordering import FULL

INSTEAD = {"no BN": None, "scaled_ws": "scaled_ws", "skipinit": "skipinit", "nf_resnet": "nf_resnet"}


def _arms(depth: int) -> tuple[Arm, ...]:
    return (
        Arm(
            label=f"BN, {depth} layers",
            model=f"resnet{depth}",
            # As in `ordering`, where the same nets are trained: what is the default stands in neither.
            options={"ordering": FULL},
            factors={"normalisation": "BN", "depth": depth},
            recipe=TO_THE_END,
        ),
        *(
            Arm(
                label=f"{name}, {depth} layers",
                model=f"resnet{depth}",
                options={"ordering": FULL, "normalization": given},
                factors={"normalisation": name, "depth": depth},
            )
            for name, given in INSTEAD.items()
        ),
    )


def _experiment(name: str, depth: int, **settings: Any) -> Experiment:
    arms = _arms(depth)
    return photographed(
        name=name,
        question=f"Can a residual net of {depth} layers do without normalisation?",
        of=f"{depth} layers with batch normalisation and with what takes its place",
        arms=arms,
        colour="normalisation",
        comparisons=against(
            arms,
            "normalisation",
            "BN",
            tuple(INSTEAD),
            claim="a net can do without normalisation",
            depth=depth,
        ),
        expectations=(
            Expectation(
                what="SkipInit against batch normalisation, ResNets on CIFAR-10",
                value="trains as deep; normalised nets stand larger rates, of little use where batches are small",
                source="De and Smith 2020, arXiv 2002.10444, abstract",
                measured=(
                    f"{{difference test_accuracy (normalisation=skipinit, depth={depth}) - (normalisation=BN, "
                    f"depth={depth})}}"
                ),
                why="A short run asks for large rates, which normalisation stands better.",
            ),
            Expectation(
                what="an NF-ResNet instead of one with batch normalisation, ImageNet",
                value="competitive with the best nets of their time",
                source="Brock et al. 2021, arXiv 2101.08692, abstract",
                measured=(
                    f"{{difference test_accuracy (normalisation=nf_resnet, depth={depth}) - (normalisation=BN, "
                    f"depth={depth})}}"
                ),
                why="Ten epochs on small photographs: here a net has little time to overfit, and regularisation is not what decides.",
            ),
        ),
        recipe=UNNORMALISED,
        **settings,
    )


EXPERIMENTS = {20: _experiment("norm_free", 20), 56: _experiment("norm_free_56", 56, **DEEP_SEEDS)}


def _rule(depth: int, name: str, sign: str) -> dict[str, Pairs]:
    arm = functools.partial(label_of, EXPERIMENTS[depth].arms, depth=depth)
    return {EXPERIMENTS[depth].name: Pairs.one(arm(normalisation=name), arm(normalisation="BN"), sign)}


STUDY = Study(
    name="norm_free",
    experiments=tuple(EXPERIMENTS.values()),
    claims=(
        *(
            Claim(
                sentence=f"With {name} a residual net is as good as with batch normalisation ({depth} layers).",
                group=RESIDUAL_NETS,
                figure=EXPERIMENTS[depth].name,
                rules=_rule(depth, name, "not lower"),
            )
            for depth in EXPERIMENTS
            for name in ("skipinit", "nf_resnet")
        ),
        *(
            Claim(
                sentence=f"Without normalisation, and nothing in its place, a residual net is worse ({depth} layers).",
                group=RESIDUAL_NETS,
                figure=EXPERIMENTS[depth].name,
                rules=_rule(depth, "no BN", "lower"),
            )
            for depth in EXPERIMENTS
        ),
    ),
)
