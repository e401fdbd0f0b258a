"""Separate activation layer or `activation=` argument: does it matter?"""

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

NETS = {
    "mlp": {"model": "mlp", "options": {"width": 64}},
    "convnet": {"model": "convnet", "options": {"width": 8}},
    "plain8 with BN": {"model": "plain8", "options": {"width": 8, "ordering": "conv_act_norm"}},
}
FORMS = ("separate", "builtin")

EXPERIMENT = Experiment(
    name="form",
    question="Does it matter whether the activation is a layer of its own or an argument of the layer "
    "before it?",
    arms=tuple(
        Arm(
            label=f"{net}, {form}",
            model=NETS[net]["model"],
            options={**NETS[net]["options"], "form": form},
            factors={"net": net, "form": form},
        )
        for net in NETS
        for form in FORMS
    ),
    options={"classifier_activation": None},
    data=Dataset(name="fashion_mnist", size=14, train=10000, test=2000),
    # The first publication had one rate, 0.05, at which one seed of the convnet in five stayed at chance.
    recipe=Recipe(
        learning_rates=(0.0125, 0.025, 0.05, 0.1, 0.2, 0.4),
        schedule="constant",
        epochs=3,
        batch=100,
        tuning_epochs=3,
        tuning_seeds=TUNING_SEEDS,
    ),
    hooks=(Hook(name="form.anatomy"),),
    comparisons=tuple(
        Comparison(
            first=f"{net}, separate",
            second=f"{net}, builtin",
            metric=metric,
            claim="built-in and separate differ",
        )
        for net in NETS
        for metric in ("weights_sha256", "test_accuracy")
    ),
    expectations=(
        Expectation(
            what="trained weights of the two forms",
            value="equal to the bit",
            source="the same operations in the same order",
        ),
    ),
    figures=(
        Figure(
            kind="curves",
            metric="test_accuracy",
            colour="form",
            panel="net",
            title="Test accuracy of both forms: the curves lie on each other",
            x_title="epoch",
            y_title="test accuracy",
        ),
        Figure(
            name="proof",
            kind="table",
            metrics=(
                "weights_sha256",
                "layers",
                "activation_layers",
                "test_accuracy",
                "operations",
                "time_ratio",
            ),
            title="The same weights from both forms; time of a prediction over the same net in the other form",
        ),
    ),
    cost=7.0,
    quick=Quick(train=1000, test=500, epochs=1, seeds=2),
)
