"""Separate activation layer or `activation=` argument: does it matter?"""

import functools

from zoo.experiments.claims.rules import FAILS, HOLDS, Bits
from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Curves,
    Dataset,
    Expectation,
    Experiment,
    Hook,
    Quick,
    Recipe,
    Table,
    label_of,
)
from zoo.experiments.design.recipes import TUNING_SEEDS
from zoo.experiments.design.study import NEEDED, Claim, Study

NETS = {
    "mlp": {"model": "mlp", "options": {"width": 64}},
    "convnet": {"model": "convnet", "options": {"width": 8}},
    "plain8 with BN": {"model": "plain8", "options": {"width": 8, "ordering": "conv_act_norm"}},
}
FORMS = ("separate", "builtin")

ARMS = tuple(
    Arm(
        label=f"{net}, {form}",
        model=NETS[net]["model"],
        options={**NETS[net]["options"], "form": form},
        factors={"net": net, "form": form},
    )
    for net in NETS
    for form in FORMS
)
arm = functools.partial(label_of, ARMS)

EXPERIMENT = Experiment(
    name="form",
    question="Does it matter whether the activation is a layer of its own or an argument of the layer "
    "before it?",
    arms=ARMS,
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
            first=arm(net=net, form="separate"),
            second=arm(net=net, form="builtin"),
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
            measured=(
                "equal to the bit: mlp {same_weights (net=mlp, form=separate) - (net=mlp, form=builtin)} "
                "seeds; convnet {same_weights (net=convnet, form=separate) - (net=convnet, form=builtin)}; "
                "plain8 with BN "
                "{same_weights (net=plain8 with BN, form=separate) - (net=plain8 with BN, form=builtin)}"
            ),
            why="The same operations in the same order.",
        ),
    ),
    figures=(
        Curves(
            metric="test_accuracy",
            colour="form",
            panel="net",
            title="Test accuracy of both forms: the curves lie on each other",
            x_title="epoch",
            y_title="test accuracy",
        ),
        Table(
            name="proof",
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

STUDY = Study(
    name="form",
    experiments=(EXPERIMENT,),
    claims=(
        Claim(
            sentence="A built-in activation and a separate layer differ.",
            group=NEEDED,
            figure="form",
            rules={
                "form": Bits(
                    pairs=tuple(
                        (arm(net=net, form="separate"), arm(net=net, form="builtin")) for net in NETS
                    ),
                    true=FAILS,
                    false=HOLDS,
                )
            },
        ),
    ),
)
