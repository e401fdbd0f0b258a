"""Which activation function, and does ReLU train six times faster than tanh?"""

from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Dataset,
    Expectation,
    Experiment,
    Figure,
    Quick,
    Recipe,
)

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


EXPERIMENT = Experiment(
    name="which",
    question='Which activation function, and does ReLU train "six times faster" than tanh?',
    arms=tuple(_arm(function, norm) for norm in NORMALISATIONS for function in FUNCTIONS),
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
            first=f"{function}, {norm}",
            second=f"relu, {norm}",
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
        ),
        Expectation(
            what="sigmoid without normalisation",
            value="slowest by far: its derivative is at most 1/4",
            source="the formula",
        ),
        Expectation(
            what="ReLU and its relatives with normalisation",
            value="within the noise of five seeds",
            source="caffenet-benchmark: differences of one or two points on ImageNet, one run each",
        ),
    ),
    figures=(
        Figure(
            kind="curves",
            metric="train_accuracy",
            colour="activation",
            panel="normalisation",
            arms=tuple(f"{function}, {norm}" for norm in NORMALISATIONS for function in DRAWN),
            title="Training accuracy by activation, each at its best learning rate (none: max-pooling only)",
            x_title="epoch",
            y_title="training accuracy (mean over the epoch)",
        ),
        Figure(
            name="last",
            kind="dots",
            metric="test_accuracy",
            colour="activation",
            panel="normalisation",
            title="Test accuracy of every run after the last epoch",
            y_title="test accuracy after 10 epochs of 6,000 images",
        ),
        Figure(
            name="training",
            kind="dots",
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
            f"{function}, {norm}" for norm in NORMALISATIONS for function in ("relu", "tanh", "sigmoid")
        ),
    ),
)
