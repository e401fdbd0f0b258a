"""Is an activation needed between convolutions, and is the last layer's enough?

The convolutions have no padding, so that a net without activations is exactly one affine map and can be collapsed into
one layer. On small images they have a stride of one; on photographs every second one halves the image.
"""

import dataclasses
import functools

from zoo.experiments.claims.rules import Check, Facts, Pairs
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
    Table,
    label_of,
)
from zoo.experiments.design.photographs import LOGITS, against, photographed
from zoo.experiments.design.recipes import PHOTOGRAPHS, TUNING_SEEDS, UNNORMALISED
from zoo.experiments.design.study import NEEDED, Claim, Reported, Study

LAYERS = (1, 2, 3, 4, 5, 6)
ACTIVATIONS = {
    "none": {"activation": None},
    "last": {"activation": "relu", "activated": "last"},
    "all": {"activation": "relu"},
}
IMAGES = Dataset(name="fashion_mnist", size=14, train=6000, test=2000)
BOTH_SIGNS = Dataset(name="fashion_mnist", size=14, train=3000, test=1000, signs="both")
COLLAPSE = (Hook(name="collapse.collapsed", when="end"),)


def _conv(layers: int, activation: str, images: str) -> Arm:
    return Arm(
        label=f"{layers} conv, {activation}" + ("" if images == "as given" else ", both signs"),
        model=f"convnet{layers}",
        options={"width": 8, "padding": "valid", "downsampling": "none", **ACTIVATIONS[activation]},
        factors={"convolutions": layers, "activation": activation, "images": images},
        data=None if images == "as given" else BOTH_SIGNS,
        hooks=COLLAPSE if activation == "none" else (),
    )


def _softmax(images: str) -> Arm:
    return Arm(
        label="softmax regression" + ("" if images == "as given" else ", both signs"),
        model="mlp1",
        factors={"convolutions": 0, "activation": "none", "images": images},
        data=None if images == "as given" else BOTH_SIGNS,
    )


ARMS = (
    _softmax("as given"),
    *(_conv(layers, activation, "as given") for layers in LAYERS for activation in ACTIVATIONS),
    _softmax("both signs"),
    *(_conv(layers, activation, "both signs") for layers in (2, 4) for activation in ACTIVATIONS),
)
arm = functools.partial(label_of, ARMS)

EXPERIMENT = Experiment(
    name="why",
    question="Is an activation needed between convolutions, and is one on the last convolution enough?",
    arms=ARMS,
    # Keeps the scale of values without activation; He's gain for ReLU would double their variance each layer.
    options={"classifier_activation": None, "kernel_initializer": "lecun_normal"},
    data=IMAGES,
    recipe=Recipe(
        # Tuned in full length on five seeds: a rate that a third of the run survives may fail later on, one seed in five.
        learning_rates=(0.01, 0.03, 0.1, 0.3),
        schedule="cosine",
        warmup=60,
        epochs=9,
        batch=100,
        tuning_epochs=9,
        tuning_seeds=TUNING_SEEDS,
    ),
    comparisons=(
        *(
            Comparison(
                first=arm(convolutions=layers, activation="none", images="as given"),
                second=arm(convolutions=0, images="as given"),
                claim="without activation depth is worthless",
            )
            for layers in LAYERS
        ),
        *(
            Comparison(
                first=arm(convolutions=layers, activation="all", images="as given"),
                second=arm(convolutions=layers, activation="last", images="as given"),
                claim="an activation on the last layer alone does as well as one on each",
            )
            for layers in LAYERS[1:]
        ),
        *(
            Comparison(
                first=arm(convolutions=layers, activation="all", images="as given"),
                second=arm(convolutions=layers, activation="none", images="as given"),
                claim="an activation is needed",
            )
            for layers in LAYERS
        ),
        Comparison(
            first=arm(convolutions=2, activation="all", images="both signs"),
            second=arm(convolutions=2, activation="none", images="both signs"),
            claim="an activation is needed",
        ),
        Comparison(
            first=arm(convolutions=4, activation="all", images="both signs"),
            second=arm(convolutions=4, activation="last", images="both signs"),
            claim="an activation on the last layer alone does as well as one on each",
        ),
    ),
    expectations=(
        Expectation(
            what="nets without activation, any number of convolutions",
            value="no better than softmax regression",
            source="a composition of affine maps is an affine map",
            measured=(
                "2 convolutions minus softmax regression: {difference test_accuracy (convolutions=2, "
                "activation=none, images=as given) - (convolutions=0, images=as given)}; 6 convolutions: "
                "{difference test_accuracy (convolutions=6, activation=none, images=as given) - "
                "(convolutions=0, images=as given)}"
            ),
            why=(
                "They are the same family of functions, harder to train: no net without activation is better, "
                "and large rates make some diverge."
            ),
        ),
        Expectation(
            what="cross-entropy without activation, where every image comes with both signs",
            value="at least ln 10 = 2.303, that of a classifier that ignores its input",
            source="convexity: the loss of (W, b) averaged over x and -x is at least that of (0, b)",
            measured=(
                "2 convolutions: "
                "{mean test_loss (convolutions=2, activation=none, images=both signs) digits=5}; 4 "
                "convolutions: {mean test_loss (convolutions=4, activation=none, images=both signs) digits=5}"
            ),
            why="As the convexity argument says.",
        ),
        Expectation(
            what="CaffeNet without activation on ImageNet, top-1",
            value=".389 with max-pool, .035 with strides instead",
            source="caffenet-benchmark",
            measured=(
                "2 convolutions without activation: "
                "{mean test_accuracy (convolutions=2, activation=none, images=as given)}; with ReLU on all: "
                "{mean test_accuracy (convolutions=2, activation=all, images=as given)}"
            ),
            why=(
                "Ten garments are nearly separable by a linear map, a thousand kinds of objects are not; that "
                "is why the runs with both signs stand beside these."
            ),
        ),
    ),
    figures=(
        Factor(
            metric="test_accuracy",
            x="convolutions",
            colour="activation",
            panel="images",
            title="Test accuracy over the number of convolutions",
            x_title="convolutions (0 is softmax regression)",
            y_title="test accuracy after 9 epochs",
        ),
        Factor(
            name="loss",
            metric="test_loss",
            x="convolutions",
            colour="activation",
            panel="images",
            title="Test cross-entropy over the number of convolutions",
            x_title="convolutions (0 is softmax regression)",
            y_title="test cross-entropy (nats)",
            baseline=2.302585,
            baseline_label="ln 10: a classifier that ignores its input",
        ),
        Curves(
            name="training",
            metric="train_accuracy",
            colour="activation",
            arms=(
                arm(convolutions=4, activation="none", images="as given"),
                arm(convolutions=4, activation="last", images="as given"),
                arm(convolutions=4, activation="all", images="as given"),
            ),
            title="Training accuracy with four convolutions",
            x_title="epoch",
            y_title="training accuracy (mean over the epoch)",
        ),
        Table(
            name="collapse",
            arms=tuple(arm(convolutions=layers, activation="none", images="as given") for layers in LAYERS),
            metrics=(
                "test_accuracy",
                "collapsed_accuracy",
                "same_predictions",
                "collapse_error",
                "parameters_after",
            ),
            title="Nets without activation, before and after collapsing them into one layer",
        ),
    ),
    cost=26.0,
    quick=Quick(
        train=2000,
        test=1000,
        epochs=9,
        seeds=2,
        arms=(
            arm(convolutions=0, images="as given"),
            arm(convolutions=3, activation="none", images="as given"),
            arm(convolutions=3, activation="last", images="as given"),
            arm(convolutions=3, activation="all", images="as given"),
        ),
    ),
)

# As many photographs as in the other arms, when each comes with both signs.
PHOTOGRAPHS_OF_BOTH_SIGNS = dataclasses.replace(PHOTOGRAPHS, train=25_000, test=5_000, signs="both")


def _at_full_scale(one: Arm) -> Arm:
    """The same arm with strides, in full width, on photographs."""
    settings = {name: value for name, value in one.options.items() if name != "width"}
    strided = {**settings, "downsampling": "stride"} if one.factors["convolutions"] else settings
    return dataclasses.replace(one, options=strided, data=one.data and PHOTOGRAPHS_OF_BOTH_SIGNS)


AT_FULL_SCALE = (
    *(_at_full_scale(one) for one in ARMS if one.factors["convolutions"] in (0, 2, 4) and one.data is None),
    *(
        _at_full_scale(one)
        for one in ARMS
        if one.factors["convolutions"] == 2 and one.data is not None and one.factors["activation"] != "last"
    ),
)
PHOTOGRAPHED = photographed(
    name="why_photographs",
    question="Is an activation needed between strided convolutions, and is one on the last enough, on photographs?",
    of="two and four convolutions",
    arms=AT_FULL_SCALE,
    colour="activation",
    panel="convolutions",
    drawn={"convolutions": (2, 4), "images": "as given"},
    comparisons=(
        *against(
            AT_FULL_SCALE,
            "convolutions",
            0,
            (4,),
            claim="without activation depth is worthless",
            activation="none",
            images="as given",
        ),
        *(
            pair
            for layers in (2, 4)
            for pair in against(
                AT_FULL_SCALE,
                "activation",
                "last",
                ("all",),
                claim="an activation on the last layer alone does as well as one on each",
                convolutions=layers,
                images="as given",
            )
        ),
        *(
            pair
            for layers, images in ((4, "as given"), (2, "both signs"))
            for pair in against(
                AT_FULL_SCALE,
                "activation",
                "none",
                ("all",),
                claim="an activation is needed",
                convolutions=layers,
                images=images,
            )
        ),
    ),
    expectations=(
        Expectation(
            what="four convolutions without activation",
            value="no better than softmax regression",
            source="a composition of affine maps is an affine map",
            measured=(
                "4 convolutions minus softmax regression: {difference test_accuracy (convolutions=4, activation=none, "
                "images=as given) - (convolutions=0, images=as given)}"
            ),
            why="They are the same family of functions, or a smaller one, harder to train.",
        ),
        Expectation(
            what="CaffeNet on ImageNet, top-1: without any activation, strides instead of pooling",
            value=".035, where a net with activations reaches half",
            source="caffenet-benchmark",
            measured=(
                "4 convolutions, ReLU on all minus none: {difference test_accuracy (convolutions=4, activation=all, "
                "images=as given) - (convolutions=4, activation=none, images=as given)}"
            ),
            why="Ten kinds of objects are easier to tell by a linear map than a thousand.",
        ),
    ),
    quick_arms=tuple(
        arm(convolutions=2, activation=activation, images="as given") for activation in ACTIVATIONS
    ),
    recipe=UNNORMALISED,
    options={**LOGITS, "kernel_initializer": "lecun_normal"},
)
IN_BOTH_WORLDS = {EXPERIMENT.name: ARMS, PHOTOGRAPHED.name: AT_FULL_SCALE}


def _beats(other: str, layers: int, images: str) -> dict[str, Pairs]:
    """An activation on every layer against another arm, in each world that has both."""
    pair = tuple(arm(convolutions=layers, activation=one, images=images) for one in ("all", other))
    rule = Pairs(pairs=((pair[0], pair[1]),), sign="higher")
    return {name: rule for name, arms in IN_BOTH_WORLDS.items() if set(pair) <= {one.label for one in arms}}


STUDY = Study(
    name="why",
    experiments=(EXPERIMENT, PHOTOGRAPHED),
    reported=(
        Reported(
            caption="Top-1 accuracy of CaffeNet trained without any activation",
            source="caffenet-benchmark (ducha-aiki), ImageNet, 128-pixel images, one run each",
            columns=("net", "accuracy"),
            rows=(
                ("no activation, max-pooling kept", ".389"),
                ("no activation, strides instead of pooling", ".035"),
            ),
        ),
    ),
    claims=(
        Claim(
            sentence="Without activation, depth is worthless: the layers are one affine map.",
            group=NEEDED,
            figure="why",
            rules={
                "why": Facts(
                    checks=(
                        *(
                            Check(
                                arm=arm(convolutions=layers, activation="none", images="both signs"),
                                metric="test_loss",
                                least=2.302585 - 1e-4,
                                words=f"test cross-entropy of {layers} convolutions on images of both signs",
                            )
                            for layers in (2, 4)
                        ),
                        Check(
                            arm=arm(convolutions=6, activation="none", images="as given"),
                            metric="same_predictions",
                            least=0.999,
                            words="predictions kept by collapsing six convolutions into one layer",
                        ),
                    )
                )
            },
        ),
        Claim(
            sentence="Some activation is needed: without one the net fails where any linear map does.",
            group=NEEDED,
            figure="why",
            rules=_beats("none", 2, "both signs"),
        ),
        *(
            Claim(
                sentence=f"An activation on every layer beats one on the last alone ({layers} convolutions).",
                group=NEEDED,
                figure="why",
                rules=_beats("last", layers, "as given"),
            )
            for layers in LAYERS[1:]
        ),
    ),
)
