"""Can a thousand layers train? The first steps of the original ordering and of full pre-activation."""

import functools

from zoo.experiments.claims.rules import Pairs
from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Curves,
    Dataset,
    Expectation,
    Experiment,
    Factor,
    Quick,
    Recipe,
    label_of,
)
from zoo.experiments.design.study import RESIDUAL_NETS, Claim, Reported, Study
from zoo.studies.ordering import TABLE_2

DEPTHS = (65, 191, 1001)
ORDERINGS = ("original", "full_pre_activation")

ARMS = tuple(
    Arm(
        label=f"{ordering}, {depth} layers",
        model=f"resnet{depth}",
        options={"ordering": ordering, "block": "bottleneck"},
        factors={"ordering": ordering, "depth": depth},
    )
    for depth in DEPTHS
    for ordering in ORDERINGS
)
arm = functools.partial(label_of, ARMS)

TABLE_3 = Reported(
    caption="Test error in %, original against full pre-activation (table 3)",
    source="He, Zhang, Ren, Sun 2016, arXiv:1603.05027",
    columns=("net", "original", "full pre-activation"),
    rows=(
        *(
            (f"CIFAR-10, {net}", *(TABLE_2.cell(one, net) for one in ORDERINGS))
            for net in TABLE_2.columns[1:]
        ),
        ("CIFAR-10, ResNet-1001", "7.61", "4.92"),
        ("CIFAR-100, ResNet-164", "25.16", "24.33"),
        ("CIFAR-100, ResNet-1001", "27.82", "22.71"),
    ),
)

EXPERIMENT = Experiment(
    name="thousand",
    question="Can a thousand layers train, and does it take pre-activation?",
    arms=ARMS,
    # Rolled: unrolled, 333 units take minutes before the first step.
    options={"classifier_activation": None, "width": 4, "rolled": True},
    data=Dataset(name="fashion_mnist", size=8, train=3200, test=500),
    recipe=Recipe(
        learning_rates=(0.02, 0.1), schedule="constant", warmup=10, batch=32, steps=200, record_every=10
    ),
    seeds=(0, 1, 2),
    seeds_reason="a step of 1,001 layers takes half a second; three seeds a side are what the cost allows",
    comparisons=(
        *(
            Comparison(
                first=arm(ordering="full_pre_activation", depth=depth),
                second=arm(ordering="original", depth=depth),
                metric="train_loss",
                claim="a thousand layers start to learn sooner with pre-activation",
            )
            for depth in DEPTHS
        ),
        Comparison(
            first=arm(ordering="full_pre_activation", depth=1001),
            second=arm(ordering="original", depth=1001),
            claim="a thousand layers start to learn sooner with pre-activation",
        ),
    ),
    expectations=(
        Expectation(
            what="1,001 layers, original and full pre-activation: test error on CIFAR-10",
            value=f"{TABLE_3.rows[2][1]} and {TABLE_3.rows[2][2]} %",
            source="He et al. 2016, arXiv 1603.05027, table 3",
            measured=(
                "pre-activation minus original after 200 steps: {difference test_accuracy "
                "(ordering=full_pre_activation, depth=1001) - (ordering=original, depth=1001)}"
            ),
            why="Two hundred steps against tens of thousands: only the start can be compared.",
        ),
        Expectation(
            what="early training of 1,001 layers",
            value="the training loss of the original falls slowly at first, that of full pre-activation at once",
            source="He et al. 2016, arXiv 1603.05027, figure 1 and section 4.2",
            measured=(
                "pre-activation minus original, training loss: {difference train_loss "
                "(ordering=full_pre_activation, depth=1001) - (ordering=original, depth=1001)}"
            ),
            why="The original passes 333 activations on the way back; under pre-activation the way is free.",
        ),
    ),
    figures=(
        Curves(
            metric="train_loss",
            colour="ordering",
            panel="depth",
            title="Training loss in the first 200 steps",
            x_title="step",
            y_title="training cross-entropy (nats, mean of 10 steps)",
            y_scale="log",
            baseline=2.302585,
            baseline_label="ln 10: a net that ignores its input",
        ),
        Factor(
            name="depth",
            metric="train_loss",
            x="depth",
            colour="ordering",
            title="Training loss at step 200 over depth",
            x_title="layers",
            y_title="training cross-entropy (nats)",
            x_scale="log",
            baseline=2.302585,
            baseline_label="ln 10: a net that ignores its input",
        ),
    ),
    cost=7.0,
    quick=Quick(
        train=None,
        test=None,
        steps=30,
        seeds=2,
        arms=tuple(arm(ordering=ordering, depth=65) for ordering in ORDERINGS),
    ),
)

STUDY = Study(
    name="thousand",
    experiments=(EXPERIMENT,),
    reported=(TABLE_3,),
    claims=(
        Claim(
            sentence="A thousand layers start to learn sooner with pre-activation.",
            group=RESIDUAL_NETS,
            figure="thousand",
            rules={
                "thousand": Pairs.one(
                    arm(ordering="full_pre_activation", depth=1001),
                    arm(ordering="original", depth=1001),
                    "lower",
                    metric="train_loss",
                )
            },
        ),
    ),
)
