"""Which activation function, and does ReLU train six times faster than tanh?

On small images with max-pooling, which is a non-linearity of its own; and on photographs with strides instead, so that
"no activation" is a linear map: once trained to the end, and once at a constant rate, where speed is asked.
"""

import dataclasses
import functools

from zoo.experiments.claims.rules import Pairs, Slower, Within
from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Curves,
    Dataset,
    Dots,
    Expectation,
    Experiment,
    Quick,
    Recipe,
    label_of,
)
from zoo.experiments.design.photographs import against, photographed
from zoo.experiments.design.recipes import UNNORMALISED
from zoo.experiments.design.study import FUNCTIONS as WHICH
from zoo.experiments.design.study import NEEDED, Claim, Reported, Study

FUNCTIONS = (
    "relu",
    "leaky_relu",
    "prelu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "tanh",
    "sigmoid",
    "softplus",
    "none",
)
NORMALISATIONS = {"no BN": "conv_act", "BN": "conv_norm_act"}
DRAWN = ("relu", "gelu", "elu", "tanh", "sigmoid", "none")


def _arm(function: str, norm: str) -> Arm:
    # PReLU is a layer with weights of its own, so no name of an activation gives it.
    model = "zoo.experiments.nets:convnet_prelu" if function == "prelu" else "convnet"
    chosen = {} if function == "prelu" else {"activation": None if function == "none" else function}
    return Arm(
        label=f"{function}, {norm}",
        model=model,
        options={"ordering": NORMALISATIONS[norm], **chosen},
        factors={"activation": function, "normalisation": norm},
    )


ARMS = tuple(_arm(function, norm) for norm in NORMALISATIONS for function in FUNCTIONS)
arm = functools.partial(label_of, ARMS)

EXPERIMENT = Experiment(
    name="which",
    question='Which activation function, and does ReLU train "six times faster" than tanh?',
    arms=ARMS,
    options={"classifier_activation": None, "width": 8},
    data=Dataset(name="fashion_mnist", size=14, train=6000, test=2000),
    # A constant rate, as in the figure of 2012: under a falling one the moment a threshold is reached is the
    # schedule's.
    recipe=Recipe(
        learning_rates=(0.005, 0.02, 0.08, 0.32, 1.28),
        schedule="constant",
        warmup=30,
        batch=100,
        epochs=10,
        tuning_epochs=2,
        tuning_seeds=(1000, 1001, 1002),
    ),
    comparisons=tuple(
        Comparison(
            first=arm(activation=function, normalisation=norm),
            second=arm(activation="relu", normalisation=norm),
            metric=metric,
            claim="ReLU converges several times faster"
            if function in ("tanh", "sigmoid")
            else "the choice of the function matters",
        )
        for norm in NORMALISATIONS
        for function in FUNCTIONS
        if function != "relu"
        for metric in ("test_accuracy", "train_accuracy")
    ),
    expectations=(
        Expectation(
            what="epochs to 25 % training error, four-layer CNN on CIFAR-10, tanh against ReLU",
            value="six times as many; "
            '"The magnitude of the effect demonstrated here varies with network architecture, but networks with '
            'ReLUs consistently learn several times faster than equivalents with saturating neurons."',
            source="Krizhevsky et al. 2012, figure 1",
            measured=(
                "tanh takes {slowdown (activation=tanh, normalisation=no BN) / (activation=relu, "
                "normalisation=no BN) level=0.8} times the epochs of ReLU to 80 % without BN, {slowdown "
                "(activation=tanh, normalisation=BN) / (activation=relu, normalisation=BN) level=0.8} times "
                "with it"
            ),
            why=(
                "Six is of one net and one task, as the first half of the sentence says. Its second half, "
                "several times faster than any saturating neuron, does not hold here: four layers on small "
                "images and good initial weights leave tanh level with ReLU, and with normalisation sigmoid, "
                "too."
            ),
        ),
        Expectation(
            what="sigmoid without normalisation",
            value="slowest by far: its derivative is at most 1/4",
            source="the formula",
            measured=(
                "training accuracy: sigmoid {mean train_accuracy (activation=sigmoid, normalisation=no BN)}; "
                "ReLU {mean train_accuracy (activation=relu, normalisation=no BN)}"
            ),
            why=(
                "Each layer multiplies the gradient by at most a quarter; a larger learning rate makes up for "
                "most of it."
            ),
        ),
        Expectation(
            what="ReLU and its relatives with normalisation",
            value="within the noise of five seeds",
            source="caffenet-benchmark: differences of one or two points on ImageNet, one run each",
            measured=(
                "{range test_accuracy (normalisation=BN, activation=relu|leaky_relu|prelu|elu|gelu|silu|mish)}"
            ),
            why=(
                "Five seeds of short runs cannot resolve the half point that separates the better variants "
                "there."
            ),
        ),
    ),
    figures=(
        Curves(
            metric="train_accuracy",
            colour="activation",
            panel="normalisation",
            arms=tuple(
                arm(activation=function, normalisation=norm) for norm in NORMALISATIONS for function in DRAWN
            ),
            title="Training accuracy by activation, each at its best learning rate (none: max-pooling only)",
            x_title="epoch",
            y_title="training accuracy (mean over the epoch)",
        ),
        Dots(
            name="last",
            metric="test_accuracy",
            colour="activation",
            panel="normalisation",
            title="Test accuracy of every run after the last epoch",
            y_title="test accuracy after 10 epochs of 6,000 images",
        ),
        Dots(
            name="training",
            metric="train_accuracy",
            colour="activation",
            panel="normalisation",
            title="Training accuracy of every run in the last epoch",
            y_title="training accuracy in epoch 10",
        ),
    ),
    cost=16.0,
    quick=Quick(
        train=1000,
        test=500,
        epochs=4,
        seeds=2,
        arms=tuple(
            arm(activation=function, normalisation=norm)
            for norm in NORMALISATIONS
            for function in ("relu", "tanh", "sigmoid")
        ),
    ),
)

RELATIVES = ("leaky_relu", "prelu", "elu", "gelu", "silu", "mish")
# Without normalisation the grid is longer downwards, and a saturating function asks for large rates: one grid for all.
AT_FULL_SCALE = tuple(
    dataclasses.replace(
        one,
        options={**one.options, "downsampling": "stride"},
        factors={**one.factors, "downsampling": "stride"},
        recipe=UNNORMALISED if one.factors["normalisation"] == "no BN" else None,
    )
    for one in ARMS
)
PHOTOGRAPHED = photographed(
    name="which_photographs",
    question="Which activation function, in strided nets of full width, trained to the end?",
    of="twelve activations",
    arms=AT_FULL_SCALE,
    colour="activation",
    panel="normalisation",
    drawn={"activation": DRAWN},
    comparisons=(
        *against(
            AT_FULL_SCALE,
            "activation",
            "relu",
            RELATIVES,
            claim="the choice of the function matters",
            normalisation="BN",
        ),
        *(
            pair
            for norm in NORMALISATIONS
            for pair in against(
                AT_FULL_SCALE,
                "activation",
                "none",
                ("relu",),
                claim="an activation is needed",
                normalisation=norm,
            )
        ),
    ),
    expectations=(
        Expectation(
            what="CaffeNet without activation on ImageNet, top-1",
            value=".389 with max-pool, .035 with strides instead",
            source="caffenet-benchmark, one run each",
            measured=(
                "strides, no activation, without BN: {mean test_accuracy (activation=none, normalisation=no BN)}; with "
                "it: {mean test_accuracy (activation=none, normalisation=BN)}; ReLU with BN: {mean test_accuracy "
                "(activation=relu, normalisation=BN)}"
            ),
            why="With strides and no activation the net is one affine map; ten kinds of objects are easier than a "
            "thousand.",
        ),
        Expectation(
            what="ReLU and its relatives with normalisation",
            value="within one or two points",
            source="caffenet-benchmark, ImageNet, one run each",
            measured="{range test_accuracy (normalisation=BN, activation=relu|leaky_relu|prelu|elu|gelu|silu|mish)}",
            why="Four layers trained to the end, five seeds each.",
        ),
    ),
    quick_arms=tuple(
        arm(activation=function, normalisation=norm)
        for norm in NORMALISATIONS
        for function in ("relu", "tanh", "none")
    ),
)

SATURATING = ("tanh", "sigmoid")
# As in the figure of 2012: a constant rate, no regularisation, no augmentation.
CONSTANT = dataclasses.replace(UNNORMALISED, schedule="constant", decay=0.0, augmentation="none")
SPEED_ARMS = tuple(
    dataclasses.replace(one, recipe=None)
    for one in AT_FULL_SCALE
    if one.factors["activation"] in ("relu", *SATURATING)
)
SPEED = photographed(
    name="which_speed",
    question='Does ReLU train "several times faster" than a saturating function, on photographs?',
    of="ReLU and two saturating functions at constant rates",
    arms=SPEED_ARMS,
    colour="activation",
    panel="normalisation",
    comparisons=tuple(
        pair
        for norm in NORMALISATIONS
        for pair in against(
            SPEED_ARMS,
            "activation",
            "relu",
            SATURATING,
            claim="ReLU converges several times faster",
            metric="train_accuracy",
            normalisation=norm,
        )
    ),
    expectations=(
        Expectation(
            what="epochs to 25 % training error, four-layer CNN on CIFAR-10, tanh against ReLU",
            value="six times as many",
            source="Krizhevsky et al. 2012, figure 1",
            measured=(
                "tanh takes {slowdown (activation=tanh, normalisation=no BN) / (activation=relu, normalisation=no BN) "
                "level=0.6} times the epochs of ReLU to 60 % training accuracy"
            ),
            why="The paper's images at a quarter of their pixels, of which a net of four layers learns three in four "
            "late, so a lower level is asked; better initial weights.",
        ),
    ),
    recipe=CONSTANT,
)

REACHED = 0.8  # training accuracy, on the small images
REACHED_ON_PHOTOGRAPHS = 0.6


def _slower(function: str, norm: str, *, times: float) -> dict[str, Slower]:
    slow, fast = (arm(activation=one, normalisation=norm) for one in (function, "relu"))
    return {
        name: Slower(slow=slow, fast=fast, times=times, level=level)
        for name, level in ((EXPERIMENT.name, REACHED), (SPEED.name, REACHED_ON_PHOTOGRAPHS))
    }


STUDY = Study(
    name="which",
    experiments=(EXPERIMENT, PHOTOGRAPHED, SPEED),
    reported=(
        Reported(
            caption="Four-layer CNN on CIFAR-10: how many times as many epochs to 25 % training error, learning "
            "rate chosen for each, no regularisation",
            source="Krizhevsky, Sutskever, Hinton 2012, figure 1",
            columns=("activation", "epochs, ReLU = 1"),
            rows=(("ReLU", "1"), ("tanh", "6")),
        ),
    ),
    claims=(
        # The paper compares with tanh alone.
        *(
            Claim(
                sentence=f"ReLU converges six times faster than tanh ({norm}).",
                group=WHICH,
                figure="which",
                rules=_slower("tanh", norm, times=6),
            )
            for norm in NORMALISATIONS
        ),
        # Its other half, "several times faster than equivalents with saturating neurons", at the least that "several" says.
        *(
            Claim(
                sentence=f"ReLU learns several times faster than a saturating function: {function} ({norm}).",
                group=WHICH,
                figure="which",
                rules=_slower(function, norm, times=2),
            )
            for norm in NORMALISATIONS
            for function in SATURATING
        ),
        # Beside them what nobody says: on these images no activation is the fastest of all.
        *(
            Claim(
                sentence=f"Without any activation but max-pooling a net trains slower than with ReLU ({norm}).",
                group=WHICH,
                figure="which",
                rules={"which": _slower("none", norm, times=1)["which"]},
            )
            for norm in NORMALISATIONS
        ),
        *(
            Claim(
                sentence=f"A net with strides for pooling needs an activation ({norm}).",
                group=NEEDED,
                figure="which_photographs",
                rules={
                    PHOTOGRAPHED.name: Pairs(
                        pairs=(
                            (
                                arm(activation="relu", normalisation=norm),
                                arm(activation="none", normalisation=norm),
                            ),
                        ),
                        sign="higher",
                    )
                },
            )
            for norm in NORMALISATIONS
        ),
        Claim(
            sentence="With batch normalisation the choice among ReLU's relatives hardly matters: less than a point.",
            group=WHICH,
            figure="which-last",
            rules=dict.fromkeys(
                (EXPERIMENT.name, PHOTOGRAPHED.name),
                Within(
                    pairs=tuple(
                        (
                            arm(activation=function, normalisation="BN"),
                            arm(activation="relu", normalisation="BN"),
                        )
                        for function in RELATIVES
                    ),
                    margin=0.01,
                ),
            ),
        ),
    ),
)
