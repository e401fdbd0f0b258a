"""Batch normalisation before or after the activation?

Twice: narrow nets on small images, and nets of full width trained to the end on photographs, there with the fifth plain
ordering, too.
"""

import functools

from zoo.experiments.claims.rules import Pairs
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
from zoo.experiments.design.study import ORDER, Claim, Reported, Study

NETS = ("convnet", "plain20")
ORDERINGS = ("conv_act", "conv_norm_act", "conv_act_norm", "norm_act_conv")

ARMS = tuple(
    Arm(
        label=f"{net}, {ordering}",
        model=net,
        options={"ordering": ordering},
        factors={"net": net, "ordering": ordering},
    )
    for net in NETS
    for ordering in ORDERINGS
)
arm = functools.partial(label_of, ARMS)

# Expected of small images and of photographs alike.
WITHOUT_NORMALISATION = Expectation(
    what="20 layers without normalisation",
    value="slow or stuck, even with He's initial weights",
    source="He et al. 2015, arXiv 1512.03385, train nothing this deep without it",
    measured=(
        "plain20 without: {mean test_accuracy (net=plain20, ordering=conv_act)}; with, before the "
        "activation: {mean test_accuracy (net=plain20, ordering=conv_norm_act)}"
    ),
    why="Without normalisation the scale of values and gradients is left to the initial weights.",
)

EXPERIMENT = Experiment(
    name="norm_order",
    question="Does batch normalisation belong before or after the activation?",
    arms=ARMS,
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
                first=arm(net=net, ordering="conv_act_norm"),
                second=arm(net=net, ordering="conv_norm_act"),
                metric=metric,
                claim="BN belongs after the activation",
            )
            for net in NETS
            for metric in ("test_accuracy", "train_loss")
        ),
        *(
            Comparison(
                first=arm(net=net, ordering="norm_act_conv"),
                second=arm(net=net, ordering="conv_norm_act"),
                claim="BN and activation belong before the convolution",
            )
            for net in NETS
        ),
        *(
            Comparison(
                first=arm(net=net, ordering=ordering),
                second=arm(net=net, ordering="conv_act"),
                claim="normalisation helps at all",
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
            measured=(
                "after minus before, in the convnet: {difference test_accuracy (net=convnet, "
                "ordering=conv_act_norm) - (net=convnet, ordering=conv_norm_act)}"
            ),
            why="A smaller task, and only the start of it.",
        ),
        Expectation(
            what="GoogLeNet on ImageNet, top-1: before and after ReLU",
            value=".603 and .596: the reverse",
            source="caffenet-benchmark, one run each",
            measured=(
                "after minus before, in plain20: {difference test_accuracy (net=plain20, "
                "ordering=conv_act_norm) - (net=plain20, ordering=conv_norm_act)}"
            ),
            why=(
                "Another net, another sign there as well: the order is a property of net and recipe, not a "
                "law."
            ),
        ),
        WITHOUT_NORMALISATION,
    ),
    figures=(
        Curves(
            metric="test_accuracy",
            colour="ordering",
            panel="net",
            title="Test accuracy of four orders in two nets",
            x_title="epoch",
            y_title="test accuracy",
        ),
        Dots(
            name="last",
            metric="test_accuracy",
            colour="ordering",
            panel="net",
            title="Test accuracy of every run after the last epoch",
            y_title="test accuracy after 5 epochs of 6,000 images",
        ),
        Curves(
            name="training",
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
        arms=tuple(arm(net="convnet", ordering=ordering) for ordering in ORDERINGS),
    ),
)

BEFORE, AFTER, FIRST, WITHOUT = ("conv_norm_act", "conv_act_norm", "norm_act_conv", "conv_act")
# In plain20 BN-act-conv and act-conv-BN are the graph of conv-BN-act, counted from another place; in the convnet act-conv-BN
# only has its ReLU after the max-pooling, which is the same function.
DISTINCT = {"plain20": (BEFORE, AFTER, WITHOUT), "convnet": (BEFORE, AFTER, FIRST, WITHOUT)}
AT_FULL_SCALE = tuple(
    Arm(
        label=f"{net}, {ordering}",
        model=net,
        # The default order stands in no option, so that plain20 is the same run as in `depth`.
        options={} if (net, ordering) == ("plain20", BEFORE) else {"ordering": ordering},
        factors={"net": net, "ordering": ordering},
        recipe=UNNORMALISED if ordering == WITHOUT else None,
    )
    for net in NETS
    for ordering in DISTINCT[net]
)
PHOTOGRAPHED = photographed(
    name="norm_order_photographs",
    question="Where does batch normalisation belong in nets of full width, trained to the end?",
    of="the orders that differ, in two nets",
    arms=AT_FULL_SCALE,
    colour="ordering",
    panel="net",
    comparisons=tuple(
        pair
        for net in NETS
        for others, baseline, claim in (
            ((AFTER,), BEFORE, "BN belongs after the activation"),
            ((FIRST,), BEFORE, "BN and activation belong before the convolution"),
            ((BEFORE,), WITHOUT, "normalisation helps at all"),
        )
        if set(others) <= set(DISTINCT[net])
        for pair in against(AT_FULL_SCALE, "ordering", baseline, others, claim=claim, net=net)
    ),
    expectations=(
        Expectation(
            what="after the activation minus before it, CaffeNet and GoogLeNet on ImageNet, top-1",
            value="+2.5 points and -0.7 points",
            source="caffenet-benchmark, one run each",
            measured=(
                "convnet: {difference test_accuracy (net=convnet, ordering=conv_act_norm) - (net=convnet, "
                "ordering=conv_norm_act)}; plain20: {difference test_accuracy (net=plain20, "
                "ordering=conv_act_norm) - (net=plain20, ordering=conv_norm_act)}"
            ),
            why="Other nets and other images; five seeds instead of one.",
        ),
        WITHOUT_NORMALISATION,
    ),
    quick_arms=tuple(arm(net="convnet", ordering=ordering) for ordering in ORDERINGS),
)


STUDY = Study(
    name="norm_order",
    experiments=(EXPERIMENT, PHOTOGRAPHED),
    reported=(
        Reported(
            caption="Top-1 accuracy, BatchNorm before or after ReLU",
            source="caffenet-benchmark (ducha-aiki), ImageNet, 128-pixel images, one run each",
            columns=("net", "before", "after"),
            rows=(("CaffeNet", ".474", ".499"), ("GoogLeNet", ".603", ".596")),
        ),
    ),
    claims=(
        *(
            Claim(
                sentence=f"Batch normalisation belongs {where} the activation ({net}).",
                group=ORDER,
                figure="norm_order",
                rules=dict.fromkeys(
                    (EXPERIMENT.name, PHOTOGRAPHED.name),
                    Pairs.one(arm(net=net, ordering=better), arm(net=net, ordering=worse), "higher"),
                ),
            )
            for where, better, worse in (
                ("before", "conv_norm_act", "conv_act_norm"),
                ("after", "conv_act_norm", "conv_norm_act"),
            )
            for net in NETS
        ),
    ),
)
