"""Can a thousand layers train? The first steps of the original ordering and of full pre-activation."""

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

DEPTHS = (65, 191, 1001)
ORDERINGS = ("original", "full_pre_activation")

EXPERIMENT = Experiment(
    name="thousand",
    question="Can a thousand layers train, and does it take pre-activation?",
    arms=tuple(
        Arm(
            label=f"{ordering}, {depth} layers",
            model=f"resnet{depth}",
            options={"ordering": ordering, "block": "bottleneck"},
            factors={"ordering": ordering, "depth": depth},
        )
        for depth in DEPTHS
        for ordering in ORDERINGS
    ),
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
                first=f"full_pre_activation, {depth} layers",
                second=f"original, {depth} layers",
                metric="train_loss",
                claim="a thousand layers start to learn sooner with pre-activation",
            )
            for depth in DEPTHS
        ),
        Comparison(
            first="full_pre_activation, 1001 layers",
            second="original, 1001 layers",
            claim="a thousand layers start to learn sooner with pre-activation",
        ),
    ),
    expectations=(
        Expectation(
            what="1,001 layers, original and full pre-activation: test error on CIFAR-10",
            value="7.61 and 4.92 %",
            source="He et al. 2016, arXiv 1603.05027, table 3",
        ),
        Expectation(
            what="early training of 1,001 layers",
            value="the training loss of the original falls slowly at first, that of full pre-activation at once",
            source="He et al. 2016, arXiv 1603.05027, figure 1 and section 4.2",
        ),
    ),
    figures=(
        Figure(
            kind="curves",
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
        Figure(
            name="depth",
            kind="factor",
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
        arms=tuple(f"{ordering}, 65 layers" for ordering in ORDERINGS),
    ),
)
