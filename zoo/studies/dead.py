"""When do ReLUs die, and what helps?"""

import dataclasses

from zoo.experiments.claims.rules import HOLDS, Check, Facts, Pairs
from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Curves,
    Dataset,
    Expectation,
    Experiment,
    Factor,
    Hook,
    Quick,
    Recipe,
    label_of,
)
from zoo.experiments.design.study import FUNCTIONS, Claim, Study

RATES = (0.01, 0.05, 0.2, 0.8)
ACTIVATIONS = ("relu", "leaky_relu", "elu")
NORMALISATIONS = {"no BN": "conv_act", "BN": "conv_norm_act"}
RECIPE = Recipe(schedule="constant", batch=100, steps=120, record_every=20)

ARMS = tuple(
    Arm(
        label=f"{activation}, {norm}, rate {rate:g}",
        model="convnet",
        options={"width": 8, "activation": activation, "ordering": NORMALISATIONS[norm]},
        factors={
            "activation": activation,
            "normalisation": norm,
            "learning rate": rate,
            "net": f"{activation}, {norm}",
        },
        recipe=dataclasses.replace(RECIPE, learning_rates=(rate,)),
    )
    for norm in NORMALISATIONS
    for activation in ACTIVATIONS
    for rate in RATES
)


def arm(activation: str, norm: str, rate: float) -> str:
    """Label of the arm of an activation, a normalisation and a rate."""
    return label_of(ARMS, activation=activation, normalisation=norm, **{"learning rate": rate})


EXPERIMENT = Experiment(
    name="dead",
    question="When do ReLU units die, and what helps?",
    arms=ARMS,
    options={"classifier_activation": None},
    data=Dataset(name="fashion_mnist", size=14, train=3000, test=500),
    hooks=(Hook.at_start("units.dead"), Hook(name="units.dead", when="interval")),
    comparisons=(
        *(
            Comparison(
                first=arm("relu", "no BN", rate),
                second=arm("relu", "BN", rate),
                metric="dead_units",
                claim="batch normalisation keeps ReLU units alive",
            )
            for rate in RATES
        ),
        *(
            Comparison(
                first=arm("relu", "no BN", rate),
                second=arm("relu", "no BN", 0.01),
                metric="dead_units",
                claim="large learning rates kill ReLU units",
            )
            for rate in RATES[1:]
        ),
        *(
            Comparison(
                first=arm("leaky_relu", norm, rate),
                second=arm("relu", norm, rate),
                claim="a slope below zero helps",
            )
            for norm in NORMALISATIONS
            for rate in RATES
        ),
    ),
    expectations=(
        Expectation(
            what="ReLU at a learning rate set too high",
            value='"as much as 40 % of your network can be dead"',
            source="CS231n notes, neural networks part 1; a remark, no measurement given",
            measured=(
                "dead channels without BN: "
                "{percent dead_units (activation=relu, normalisation=no BN, learning rate=0.01)} at a rate of "
                "0.01; {percent dead_units (activation=relu, normalisation=no BN, learning rate=0.05)} at a "
                "rate of 0.05; {percent dead_units (activation=relu, normalisation=no BN, learning rate=0.2)} "
                "at a rate of 0.2; "
                "{percent dead_units (activation=relu, normalisation=no BN, learning rate=0.8)} at a rate of "
                "0.8"
            ),
            why=(
                "The remark names no net and no rate; where the rate is far too high, more than that is dead."
            ),
        ),
        Expectation(
            what="leaky ReLU and ELU",
            value="no unit is ever zero on all images: a slope, or a curve, is left below zero",
            source="their formulas",
            measured=(
                "dead channels without BN at a rate of 0.01: leaky ReLU "
                "{percent dead_units (activation=leaky_relu, normalisation=no BN, learning rate=0.01)}, ELU "
                "{percent dead_units (activation=elu, normalisation=no BN, learning rate=0.01)}; at 0.2 "
                "{diverged (activation=leaky_relu, normalisation=no BN, learning rate=0.2)} and "
                "{diverged (activation=elu, normalisation=no BN, learning rate=0.2)} runs diverge"
            ),
            why=(
                "By their formulas no output is exactly zero. What kills ReLU units makes these nets overflow."
            ),
        ),
        Expectation(
            what="ReLU before training",
            value="about half of all values are zero",
            source="symmetric initial weights",
            measured=(
                "zero values: "
                "{percent zero_fraction (activation=relu, normalisation=no BN, learning rate=0.01) first=yes}"
            ),
            why="Initial weights are symmetric; images have a mean, hence not exactly one half.",
        ),
    ),
    figures=(
        Factor(
            metric="dead_units",
            x="learning rate",
            colour="normalisation",
            arms=tuple(arm("relu", norm, rate) for norm in NORMALISATIONS for rate in RATES),
            title="Dead ReLU units after 120 steps over the learning rate",
            x_title="learning rate",
            y_title="dead units (share of all channels)",
            x_scale="log",
        ),
        Curves(
            name="training",
            metric="dead_units",
            colour="learning rate",
            panel="normalisation",
            arms=tuple(arm("relu", norm, rate) for norm in NORMALISATIONS for rate in RATES),
            title="Dead ReLU units through training",
            x_title="step",
            y_title="dead units (share of all channels)",
        ),
        Factor(
            name="accuracy",
            metric="test_accuracy",
            x="learning rate",
            colour="activation",
            panel="normalisation",
            title="Test accuracy after 120 steps over the learning rate",
            x_title="learning rate",
            y_title="test accuracy",
            x_scale="log",
            baseline=0.1,
            baseline_label="chance",
        ),
        Curves(
            name="zeros",
            metric="zero_fraction",
            colour="learning rate",
            panel="normalisation",
            arms=tuple(arm("relu", norm, rate) for norm in NORMALISATIONS for rate in RATES),
            title="Zeros among the outputs of ReLU through training",
            x_title="step",
            y_title="zero values (share of all)",
        ),
    ),
    cost=4.0,
    quick=Quick(
        train=1000,
        test=500,
        steps=40,
        seeds=2,
        arms=(
            arm("relu", "no BN", 0.05),
            arm("relu", "no BN", 0.8),
            arm("relu", "BN", 0.8),
            arm("leaky_relu", "no BN", 0.8),
        ),
    ),
)

STUDY = Study(
    name="dead",
    experiments=(EXPERIMENT,),
    claims=(
        Claim(
            sentence="ReLU does not activate all neurons at once.",
            group=FUNCTIONS,
            figure="dead-zeros",
            rules={
                "dead": Facts(
                    checks=(
                        Check(
                            arm=arm("relu", "no BN", 0.01),
                            metric="zero_fraction",
                            least=0.2,
                            most=0.8,
                            first=True,
                            words="values that are zero before training",
                        ),
                    ),
                    true=HOLDS,
                )
            },
        ),
        Claim(
            sentence="A large learning rate kills ReLU units.",
            group=FUNCTIONS,
            figure="dead",
            rules={
                "dead": Pairs.one(
                    arm("relu", "no BN", 0.2), arm("relu", "no BN", 0.01), "higher", metric="dead_units"
                )
            },
        ),
        Claim(
            sentence="A slope below zero (leaky ReLU) keeps a net alive at a large learning rate.",
            group=FUNCTIONS,
            figure="dead-accuracy",
            rules={
                "dead": Facts(
                    checks=(
                        Check(
                            arm=arm("leaky_relu", "no BN", 0.2),
                            metric="test_accuracy",
                            least=0.2,
                            words="test accuracy of leaky ReLU without BN at a rate of 0.2",
                        ),
                    ),
                    true=HOLDS,
                )
            },
        ),
        Claim(
            sentence="Batch normalisation before the ReLU keeps units alive.",
            group=FUNCTIONS,
            figure="dead",
            rules={
                "dead": Pairs.one(
                    arm("relu", "no BN", 0.2), arm("relu", "BN", 0.2), "higher", metric="dead_units"
                )
            },
        ),
    ),
)
