"""Is an activation needed between convolutions, and is the last layer's enough?

The convolutions have no padding and a stride of one, so that a net without activations is exactly one affine
map and can be collapsed into one layer.
"""

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
from zoo.experiments.design.recipes import TUNING_SEEDS

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


EXPERIMENT = Experiment(
    name="why",
    question="Is an activation needed between convolutions, and is one on the last convolution enough?",
    arms=(
        _softmax("as given"),
        *(_conv(layers, activation, "as given") for layers in LAYERS for activation in ACTIVATIONS),
        _softmax("both signs"),
        *(_conv(layers, activation, "both signs") for layers in (2, 4) for activation in ACTIVATIONS),
    ),
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
                first=f"{layers} conv, none",
                second="softmax regression",
                claim="without activation depth is worthless",
            )
            for layers in LAYERS
        ),
        *(
            Comparison(
                first=f"{layers} conv, all",
                second=f"{layers} conv, last",
                claim="an activation on the last layer alone does as well as one on each",
            )
            for layers in LAYERS[1:]
        ),
        *(
            Comparison(
                first=f"{layers} conv, all", second=f"{layers} conv, none", claim="an activation is needed"
            )
            for layers in LAYERS
        ),
        Comparison(
            first="2 conv, all, both signs",
            second="2 conv, none, both signs",
            claim="an activation is needed",
        ),
        Comparison(
            first="4 conv, all, both signs",
            second="4 conv, last, both signs",
            claim="an activation on the last layer alone does as well as one on each",
        ),
    ),
    expectations=(
        Expectation(
            what="nets without activation, any number of convolutions",
            value="no better than softmax regression",
            source="a composition of affine maps is an affine map",
        ),
        Expectation(
            what="cross-entropy without activation, where every image comes with both signs",
            value="at least ln 10 = 2.303, that of a classifier that ignores its input",
            source="convexity: the loss of (W, b) averaged over x and -x is at least that of (0, b)",
        ),
        Expectation(
            what="CaffeNet without activation on ImageNet, top-1",
            value=".389 with max-pool, .035 with strides instead",
            source="caffenet-benchmark",
        ),
    ),
    figures=(
        Figure(
            kind="factor",
            metric="test_accuracy",
            x="convolutions",
            colour="activation",
            panel="images",
            title="Test accuracy over the number of convolutions",
            x_title="convolutions (0 is softmax regression)",
            y_title="test accuracy after 9 epochs",
        ),
        Figure(
            name="loss",
            kind="factor",
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
        Figure(
            name="training",
            kind="curves",
            metric="train_accuracy",
            colour="activation",
            arms=("4 conv, none", "4 conv, last", "4 conv, all"),
            title="Training accuracy with four convolutions",
            x_title="epoch",
            y_title="training accuracy (mean over the epoch)",
        ),
        Figure(
            name="collapse",
            kind="table",
            arms=tuple(f"{layers} conv, none" for layers in LAYERS),
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
        arms=("softmax regression", "3 conv, none", "3 conv, last", "3 conv, all"),
    ),
)
