"""When do ReLUs die, and what helps?"""

import dataclasses

from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Dataset,
    Expectation,
    Experiment,
    Figure,
    Hook,
    Quick,
    Recipe,
)

RATES = (0.01, 0.05, 0.2, 0.8)
ACTIVATIONS = ("relu", "leaky_relu", "elu")
NORMALISATIONS = {"no BN": "conv_act", "BN": "conv_norm_act"}
RECIPE = Recipe(schedule="constant", batch=100, steps=120, record_every=20)

EXPERIMENT = Experiment(
    name="dead",
    question="When do ReLU units die, and what helps?",
    arms=tuple(
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
    ),
    options={"classifier_activation": None},
    data=Dataset(name="fashion_mnist", size=14, train=3000, test=500),
    hooks=(Hook(name="units.dead", when="start"), Hook(name="units.dead", when="interval")),
    comparisons=(
        *(
            Comparison(
                first=f"relu, no BN, rate {rate:g}",
                second=f"relu, BN, rate {rate:g}",
                metric="dead_units",
                claim="batch normalisation keeps ReLU units alive",
            )
            for rate in RATES
        ),
        *(
            Comparison(
                first=f"relu, no BN, rate {rate:g}",
                second="relu, no BN, rate 0.01",
                metric="dead_units",
                claim="large learning rates kill ReLU units",
            )
            for rate in RATES[1:]
        ),
        *(
            Comparison(
                first=f"leaky_relu, {norm}, rate {rate:g}",
                second=f"relu, {norm}, rate {rate:g}",
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
        ),
        Expectation(
            what="leaky ReLU and ELU",
            value="no unit is ever zero on all images: a slope, or a curve, is left below zero",
            source="their formulas",
        ),
        Expectation(
            what="ReLU before training",
            value="about half of all values are zero",
            source="symmetric initial weights",
        ),
    ),
    figures=(
        Figure(
            kind="factor",
            metric="dead_units",
            x="learning rate",
            colour="net",
            arms=tuple(f"relu, {norm}, rate {rate:g}" for norm in NORMALISATIONS for rate in RATES),
            title="Dead ReLU units after 120 steps over the learning rate",
            x_title="learning rate",
            y_title="dead units (share of all channels)",
            x_scale="log",
        ),
        Figure(
            name="training",
            kind="curves",
            metric="dead_units",
            colour="learning rate",
            panel="normalisation",
            arms=tuple(f"relu, {norm}, rate {rate:g}" for norm in NORMALISATIONS for rate in RATES),
            title="Dead ReLU units through training",
            x_title="step",
            y_title="dead units (share of all channels)",
        ),
        Figure(
            name="accuracy",
            kind="factor",
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
        Figure(
            name="zeros",
            kind="curves",
            metric="zero_fraction",
            colour="learning rate",
            panel="normalisation",
            arms=tuple(f"relu, {norm}, rate {rate:g}" for norm in NORMALISATIONS for rate in RATES),
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
            "relu, no BN, rate 0.05",
            "relu, no BN, rate 0.8",
            "relu, BN, rate 0.8",
            "leaky_relu, no BN, rate 0.8",
        ),
    ),
)
