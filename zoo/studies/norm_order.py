"""Batch normalisation before or after the activation?"""

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

NETS = ("convnet", "plain20")
ORDERINGS = ("conv_act", "conv_norm_act", "conv_act_norm", "norm_act_conv")

EXPERIMENT = Experiment(
    name="norm_order",
    question="Does batch normalisation belong before or after the activation?",
    arms=tuple(
        Arm(
            label=f"{net}, {ordering}",
            model=net,
            options={"ordering": ordering},
            factors={"net": net, "ordering": ordering},
        )
        for net in NETS
        for ordering in ORDERINGS
    ),
    options={"classifier_activation": None, "width": 4},
    data=Dataset(name="fashion_mnist", size=14, train=6000, test=2000),
    recipe=Recipe(
        learning_rates=(0.02, 0.1),
        schedule="cosine",
        warmup=30,
        decay=1e-4,
        batch=100,
        epochs=5,
        tuning_epochs=1,
    ),
    comparisons=(
        *(
            Comparison(
                first=f"{net}, conv_act_norm",
                second=f"{net}, conv_norm_act",
                metric=metric,
                claim="BN belongs after the activation",
            )
            for net in NETS
            for metric in ("test_accuracy", "train_loss")
        ),
        *(
            Comparison(
                first=f"{net}, norm_act_conv",
                second=f"{net}, conv_norm_act",
                claim="BN and activation belong before the convolution",
            )
            for net in NETS
        ),
        *(
            Comparison(
                first=f"{net}, {ordering}", second=f"{net}, conv_act", claim="normalisation helps at all"
            )
            for net in NETS
            for ordering in ORDERINGS[1:]
        ),
    ),
    expectations=(
        Expectation(
            what="CaffeNet on ImageNet, top-1: before and after ReLU",
            value=".474 and .499",
            source="caffenet-benchmark, one run each",
        ),
        Expectation(
            what="GoogLeNet on ImageNet, top-1: before and after ReLU",
            value=".603 and .596: the reverse",
            source="caffenet-benchmark, one run each",
        ),
        Expectation(
            what="20 layers without normalisation",
            value="slow or stuck, even with He's initial weights",
            source="He et al. 2015, arXiv 1512.03385, train nothing this deep without it",
        ),
    ),
    figures=(
        Figure(
            kind="curves",
            metric="test_accuracy",
            colour="ordering",
            panel="net",
            title="Test accuracy of four orders in two nets",
            x_title="epoch",
            y_title="test accuracy",
        ),
        Figure(
            name="last",
            kind="dots",
            metric="test_accuracy",
            colour="ordering",
            panel="net",
            title="Test accuracy of every run after the last epoch",
            y_title="test accuracy after 5 epochs of 6,000 images",
        ),
        Figure(
            name="training",
            kind="curves",
            metric="train_loss",
            colour="ordering",
            panel="net",
            title="Training loss of four orders in two nets",
            x_title="epoch",
            y_title="training cross-entropy (nats)",
        ),
    ),
    cost=3.0,
    quick=Quick(
        train=1000,
        test=500,
        epochs=3,
        seeds=2,
        arms=tuple(f"convnet, {ordering}" for ordering in ORDERINGS),
    ),
)
