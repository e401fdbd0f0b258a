"""Which "pre-activation ResNet" did you train?"""

import functools

from zoo.experiments.claims.rules import REFUTED, Check, Facts
from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Curves,
    Dataset,
    Dots,
    Expectation,
    Experiment,
    Hook,
    Quick,
    Recipe,
    Table,
    label_of,
)
from zoo.experiments.design.study import RESIDUAL_NETS, Claim, Study

LAYOUTS = ("he2016", "keras", "kerashub", "timm", "keras_resnet", "keras_cifar10")
NET = "resnet29v2"
OPTIONS = {"width": 4, "block": "bottleneck", "shortcut": "projection"}

ARMS = tuple(
    Arm(
        label=layout,
        model=NET,
        options={**OPTIONS, "layout": layout},
        factors={"layout": layout},
        hooks=(
            Hook.at_start(
                "layout.same_graph", model=NET, options=OPTIONS, layout=layout, layouts=list(LAYOUTS)
            ),
        ),
    )
    for layout in LAYOUTS
)
arm = functools.partial(label_of, ARMS)

EXPERIMENT = Experiment(
    name="layout",
    question='Which "pre-activation ResNet" did you train, and does it matter?',
    arms=ARMS,
    options={"classifier_activation": None},
    data=Dataset(name="fashion_mnist", size=8, train=8000, test=2000),
    recipe=Recipe(
        learning_rates=(0.05, 0.2),
        schedule="cosine",
        warmup=40,
        decay=1e-4,
        batch=64,
        epochs=4,
        tuning_epochs=1,
    ),
    comparisons=(
        *(
            Comparison(
                first=layout,
                second="he2016",
                metric=metric,
                claim="all pre-activation ResNets are the same net",
            )
            for layout in LAYOUTS
            if layout != "he2016"
            for metric in ("test_accuracy", "train_loss")
        ),
        Comparison(first="timm", second="kerashub", metric="weights_sha256", claim="the same graph twice"),
        Comparison(
            first="keras_cifar10",
            second="keras_resnet",
            metric="weights_sha256",
            claim="the same graph twice",
        ),
    ),
    expectations=(
        Expectation(
            what="the six layouts after a CIFAR stem",
            value="differ in first activation, what the projection reads, place of the stride, and biases",
            source="the six code bases; keras#15167, keras-resnet#26, pytorch-cifar#9",
            measured=(
                "{graphs (layout=he2016|keras|kerashub|timm|keras_resnet|keras_cifar10)} different graphs "
                "behind six names"
            ),
            why=(
                "kerashub and timm are the same net, and so are keras_resnet and keras_cifar10 at the widths of He et al., "
                "which all six have here."
            ),
        ),
        Expectation(
            what="their accuracy at this scale",
            value="within the noise of five seeds of each other",
            source="no published comparison; readers file the differences as bugs",
            measured="{range test_accuracy (layout=he2016|keras|kerashub|timm|keras_resnet|keras_cifar10)}",
            why=(
                "The graphs differ in a handful of layers. Early in training the momentum of the moving "
                "statistics counts more: 0.9 in some layouts, Keras's default 0.99 in others, whose "
                "statistics lag at first."
            ),
        ),
    ),
    figures=(
        Curves(
            metric="test_accuracy",
            colour="layout",
            title="Test accuracy of six nets with one name",
            x_title="epoch",
            y_title="test accuracy",
        ),
        Dots(
            name="last",
            metric="test_accuracy",
            colour="layout",
            title="Test accuracy of every run after the last epoch",
            y_title="test accuracy after 4 epochs of 8,000 images",
        ),
        Table(
            name="proof",
            metrics=(
                *(f"same_graph_as_{layout}" for layout in LAYOUTS),
                "normalisations",
            ),
            title="Which layouts are the same graph after a CIFAR stem",
        ),
    ),
    cost=4.0,
    quick=Quick(train=1000, test=500, epochs=2, seeds=2),
)

STUDY = Study(
    name="layout",
    experiments=(EXPERIMENT,),
    claims=(
        Claim(
            sentence="All pre-activation ResNets are the same net.",
            group=RESIDUAL_NETS,
            figure="layout",
            rules={
                "layout": Facts(
                    checks=tuple(
                        Check.exactly("he2016", f"same_graph_as_{layout}", 1) for layout in LAYOUTS[1:]
                    ),
                    false=REFUTED,
                )
            },
        ),
    ),
)
