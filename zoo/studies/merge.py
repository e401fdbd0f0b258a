"""Why can these branches merge and those not?

Nothing is trained: a sum of branches is one convolution or it is none, and a few lines of algebra say which. Measured are
how far each sum is from an affine map, what `zoo.transforms.merge_branches` does with it, and the time before and after.
"""

import functools

from zoo.experiments.claims.rules import HOLDS, Check, Facts
from zoo.experiments.design.experiment import (
    Arm,
    Dataset,
    Expectation,
    Experiment,
    Hook,
    Quick,
    Table,
    label_of,
)
from zoo.experiments.design.study import ALGEBRA, Claim, Study

# What is added up -> in words. The first three are sums of convolutions; of the others none is.
SUMS = {
    "repvgg": "3x3, 1x1 and identity, each normalised (RepVGG)",
    "two convolutions": "3x3 and 5x5, each normalised",
    "identity beside": "3x3, normalised, and identity",
    "relu in one": "the same as RepVGG, but a ReLU in the 3x3 branch",
    "relu in each": "3x3 and 1x1, each with a ReLU",
    "residual unit": "conv ReLU conv, and identity",
    "convolutions in a row": "conv conv without ReLU, and identity",
    "gate": "3x3 times a gate from the image, and identity",
}
MERGE = ("repvgg", "two convolutions", "identity beside")
BENT = ("relu in one", "relu in each", "residual unit", "gate")
NETS = {
    "RepVGG, width 12": ("repvgg", {"width": 12}),
    "RepVGG, width 24": ("repvgg", {"width": 24}),
}

ARMS = (
    *(
        Arm.measuring(words, Hook.at_start("merge.unit", branches=name), factors={"sum": name})
        for name, words in SUMS.items()
    ),
    *(
        Arm.measuring(label, Hook.at_start("merge.net", model=model, options=options), factors={"net": label})
        for label, (model, options) in NETS.items()
    ),
)
arm = functools.partial(label_of, ARMS)

EXPERIMENT = Experiment(
    name="merge",
    question="Which branches that are added up can become one convolution?",
    arms=ARMS,
    data=Dataset(name="fashion_mnist", size=14, train=1000, test=500),
    expectations=(
        Expectation(
            what="a sum of normalised convolutions and the identity",
            value="one convolution, with the sum of the kernels",
            source="a convolution is linear in its kernel; Ding et al. 2021, arXiv 2101.03697, section 3.3",
            measured=(
                "largest relative difference of the outputs: {largest largest_difference "
                "(sum=repvgg|two convolutions|identity beside)}"
            ),
            why="Rounding in float32.",
        ),
        Expectation(
            what="a sum in which a branch has an activation",
            value="no convolution",
            source="a convolution with a bias has f(x) + f(y) = f(x + y) + f(0)",
            measured=(
                "relative error of that equation: a ReLU in one branch {mean affine_error (sum=relu in one)}, a residual "
                "unit {mean affine_error (sum=residual unit)}; RepVGG {mean affine_error (sum=repvgg)}"
            ),
            why="The ReLU bends each branch before anything can be added up.",
        ),
        Expectation(
            what="time of a RepVGG with three branches over that of the merged one",
            value="above 1: the merged nets run 83 % faster than ResNet-50, which has branches, on a graphics processor",
            source="Ding et al. 2021, arXiv 2101.03697, abstract",
            measured=(
                'width 12: {mean time_ratio (net="RepVGG, width 12")}; width 24: {mean time_ratio (net="RepVGG, width 24")}'
            ),
            why="Half of the convolutions and no normalisation are left; small images, one thread of a processor.",
        ),
    ),
    figures=(
        Table(
            name="sums",
            arms=tuple(arm(sum=name) for name in SUMS),
            metrics=(
                "affine_error",
                "merged",
                "largest_difference",
                "convolutions_before",
                "convolutions_after",
            ),
            title="Sums of branches: how far from an affine map, and what merging made of them",
        ),
        Table(
            name="nets",
            arms=tuple(NETS),
            metrics=(
                "additions",
                "largest_difference",
                "convolutions_before",
                "convolutions_after",
                "parameters_before",
                "parameters_after",
                "time_ratio",
            ),
            title="Whole nets before and after merging; time before over time after",
        ),
    ),
    cost=1.5,
    quick=Quick(seeds=2),
)

STUDY = Study(
    name="merge",
    experiments=(EXPERIMENT,),
    claims=(
        Claim(
            sentence="Branches without an activation that are added up are one convolution.",
            group=ALGEBRA,
            rules={
                "merge": Facts(
                    checks=tuple(
                        check
                        for name in MERGE
                        for check in (
                            Check(
                                arm=arm(sum=name),
                                metric="merged",
                                least=1,
                                most=1,
                                words=f"merged: {SUMS[name]}",
                            ),
                            Check(
                                arm=arm(sum=name),
                                metric="largest_difference",
                                most=1e-5,
                                words="relative difference of the outputs",
                            ),
                        )
                    )
                )
            },
        ),
        Claim(
            sentence="With an activation in a branch no convolution equals the sum.",
            group=ALGEBRA,
            rules={
                "merge": Facts(
                    checks=tuple(
                        Check(
                            arm=arm(sum=name),
                            metric="affine_error",
                            least=0.01,
                            words=f"relative error of f(x) + f(y) = f(x + y) + f(0): {SUMS[name]}",
                        )
                        for name in BENT
                    )
                )
            },
        ),
        Claim(
            sentence="A merged RepVGG predicts faster than the one it was trained as.",
            group=ALGEBRA,
            rules={
                "merge": Facts(
                    checks=tuple(
                        Check(arm=net, metric="time_ratio", least=1.0, words=f"time before over after, {net}")
                        for net in NETS
                    ),
                    true=HOLDS,
                )
            },
        ),
    ),
)
