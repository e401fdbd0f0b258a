"""May the layers of a net use different functions?

Residual nets of three units, one a stage, so that a stage is its two activations: one function in all of them, another one in
the first or the last stage, and three functions dealt to the stages at random.
"""

import functools

from zoo.experiments.claims.rules import Within
from zoo.experiments.design.experiment import Arm, Expectation, label_of
from zoo.experiments.design.photographs import against, photographed
from zoo.experiments.design.study import FUNCTIONS, Claim, Study

# What each of the three stages has. The last two were drawn from the orders of the three functions.
ASSIGNMENTS = {
    "all relu": ("relu", "relu", "relu"),
    "all gelu": ("gelu", "gelu", "gelu"),
    "all tanh": ("tanh", "tanh", "tanh"),
    "tanh first": ("tanh", "relu", "relu"),
    "tanh last": ("relu", "relu", "tanh"),
    "gelu, tanh, relu": ("gelu", "tanh", "relu"),
    "tanh, relu, gelu": ("tanh", "relu", "gelu"),
}
MIXED = tuple(name for name, stages in ASSIGNMENTS.items() if len(set(stages)) > 1)
MARGIN = 0.01

ARMS = tuple(
    Arm(label=name, model="resnet8", options={"activation": stages}, factors={"stages": name})
    for name, stages in ASSIGNMENTS.items()
)
arm = functools.partial(label_of, ARMS)

EXPERIMENT = photographed(
    name="mixed",
    question="May the layers of a net use different activation functions?",
    of="one function in all stages, and several",
    arms=ARMS,
    colour="stages",
    comparisons=against(ARMS, "stages", "all relu", MIXED, claim="all layers should use one function"),
    expectations=(
        Expectation(
            what="nets with several functions",
            value="between those that use each of them alone: no argument says that the functions must agree",
            source="each layer's weights are fitted to the function that follows; Manessi and Rozza 2018, arXiv "
            "1801.09403, even learn a mixture in each layer",
            measured="{range test_accuracy "
            '(stages=all relu|all gelu|all tanh|tanh first|tanh last|"gelu, tanh, relu"|"tanh, relu, gelu")}',
            why="Eight layers, five seeds.",
        ),
    ),
    quick_arms=tuple(arm(stages=name) for name in ("all relu", "all tanh", "tanh first")),
)

STUDY = Study(
    name="mixed",
    experiments=(EXPERIMENT,),
    claims=(
        Claim(
            sentence="Layers may use different functions: within a point of one function for all.",
            group=FUNCTIONS,
            figure="mixed",
            rules={
                "mixed": Within(
                    pairs=tuple((arm(stages=name), arm(stages="all relu")) for name in MIXED), margin=MARGIN
                )
            },
        ),
    ),
)
