"""Which of the five orderings of a residual unit? Nets of full width and 20 layers, trained to the end on photographs."""

from zoo.experiments.design.experiment import Arm, Comparison, Expectation, Experiment, Figure, Quick
from zoo.experiments.design.recipes import PHOTOGRAPHS, TO_THE_END
from zoo.studies.ordering import TABLE_2

DEPTH = 20
LENGTH = f"{TO_THE_END.epochs} epochs of 50,000 photographs"

EXPERIMENT = Experiment(
    name="ordering_20",
    question="In which order should a residual unit of a 20-layer net normalise, activate and convolve?",
    arms=tuple(
        Arm(
            label=f"{ordering}, {DEPTH} layers",
            model=f"resnet{DEPTH}",
            options={"ordering": ordering},
            factors={"ordering": ordering, "depth": DEPTH},
        )
        for ordering in TABLE_2
    ),
    options={"classifier_activation": None},
    data=PHOTOGRAPHS,
    recipe=TO_THE_END,
    comparisons=tuple(
        Comparison(
            first=f"{ordering}, {DEPTH} layers",
            second=f"original, {DEPTH} layers",
            claim="full pre-activation is best" if ordering == "full_pre_activation" else "ordering matters",
        )
        for ordering in TABLE_2
        if ordering != "original"
    ),
    expectations=(
        Expectation(
            what="the orderings at depth 20",
            value="within half a point of each other: noise for five seeds",
            source="public replications; the run-to-run standard deviation is 0.16 points at depth 110",
        ),
    ),
    figures=(
        Figure(
            kind="curves",
            metric="test_accuracy",
            colour="ordering",
            title="Test accuracy of the five orderings in 20 layers",
            x_title="epoch",
            y_title="test accuracy",
        ),
        Figure(
            name="training",
            kind="curves",
            metric="train_loss",
            colour="ordering",
            title="Training loss of the five orderings in 20 layers",
            x_title="epoch",
            y_title="training cross-entropy (nats)",
        ),
        Figure(
            name="last",
            kind="dots",
            metric="test_accuracy",
            colour="ordering",
            title="Test accuracy of every run after the last epoch",
            y_title=f"test accuracy after {LENGTH}",
        ),
    ),
    cost=230.0,
    quick=Quick(train=1000, test=500, epochs=2, seeds=2),
)
