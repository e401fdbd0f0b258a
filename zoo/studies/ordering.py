"""Which of the five orderings of a residual unit?"""

from zoo.experiments.design.experiment import Arm, Comparison, Expectation, Experiment, Figure, Quick
from zoo.experiments.design.recipes import RESIDUAL, RESIDUAL_OPTIONS, RESIDUAL_TRAINING, SMALL_IMAGES

DEPTHS = (20, 56, 110)
# ordering: test error in % of ResNet-110 and -164 on CIFAR-10, median of five runs, as the paper prints it
TABLE_2 = {
    "original": (6.61, 5.93),
    "bn_after_addition": (8.17, 6.50),
    "relu_before_addition": (7.84, 6.14),
    "relu_only_pre_activation": (6.71, 5.91),
    "full_pre_activation": (6.37, 5.46),
}

EXPERIMENT = Experiment(
    name="ordering",
    question="In which order should a residual unit normalise, activate and convolve?",
    arms=tuple(
        Arm(
            label=f"{ordering}, {depth} layers",
            model=f"resnet{depth}",
            options={"ordering": ordering},
            factors={"ordering": ordering, "depth": depth},
        )
        for depth in DEPTHS
        for ordering in TABLE_2
    ),
    options=RESIDUAL_OPTIONS,
    data=SMALL_IMAGES,
    recipe=RESIDUAL,
    comparisons=(
        *(
            Comparison(
                first=f"{ordering}, {depth} layers",
                second=f"original, {depth} layers",
                metric=metric,
                claim="full pre-activation is best"
                if ordering == "full_pre_activation"
                else "ordering matters",
            )
            for depth in DEPTHS
            for ordering in TABLE_2
            if ordering != "original"
            for metric in ("test_accuracy", "train_loss")
        ),
        *(
            Comparison(
                first=f"full_pre_activation, {depth} layers",
                second=f"{ordering}, {depth} layers",
                claim="full pre-activation is best",
            )
            for depth in DEPTHS
            for ordering in TABLE_2
            if ordering not in ("original", "full_pre_activation")
        ),
    ),
    expectations=(
        *(
            Expectation(
                what=f"{ordering}: test error of ResNet-110 and ResNet-164 on CIFAR-10",
                value=f"{error[0]:.2f} and {error[1]:.2f} %",
                source="He et al. 2016, arXiv 1603.05027, table 2, median of 5 runs",
            )
            for ordering, error in TABLE_2.items()
        ),
        Expectation(
            what="the orderings at depth 20",
            value="within half a point of each other: noise for five seeds",
            source="public replications; the run-to-run standard deviation is 0.16 points at depth 110",
        ),
        Expectation(
            what="bn_after_addition early in training",
            value="starts slowly",
            source="He et al. 2016, arXiv 1603.05027, section 4.1",
        ),
    ),
    figures=(
        Figure(
            kind="curves",
            metric="test_accuracy",
            colour="ordering",
            panel="depth",
            title="Test accuracy of the five orderings",
            x_title="epoch",
            y_title="test accuracy",
        ),
        Figure(
            name="training",
            kind="curves",
            metric="train_loss",
            colour="ordering",
            panel="depth",
            title="Training loss of the five orderings",
            x_title="epoch",
            y_title="training cross-entropy (nats)",
        ),
        Figure(
            name="last",
            kind="dots",
            metric="test_accuracy",
            colour="ordering",
            panel="depth",
            title="Test accuracy of every run after the last epoch",
            y_title=f"test accuracy after {RESIDUAL_TRAINING}",
        ),
    ),
    cost=5.0,
    quick=Quick(
        train=1000,
        test=500,
        epochs=2,
        seeds=2,
        arms=tuple(f"{ordering}, 20 layers" for ordering in TABLE_2),
    ),
)
