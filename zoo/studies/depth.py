"""Why did deeper nets need residuals, and pre-activation?"""

from zoo.experiments.design.experiment import Arm, Comparison, Expectation, Experiment, Figure, Quick
from zoo.experiments.design.recipes import RESIDUAL, RESIDUAL_OPTIONS, RESIDUAL_TRAINING, SMALL_IMAGES

DEPTHS = (8, 20, 56, 110)
NETS = {
    "plain": ("plain", {}),
    "original": ("resnet", {"ordering": "original"}),
    "full_pre_activation": ("resnet", {"ordering": "full_pre_activation"}),
}

EXPERIMENT = Experiment(
    name="depth",
    question="Why did deeper nets need shortcuts, and is pre-activation needed on top?",
    arms=tuple(
        Arm(
            label=f"{net}, {depth} layers",
            model=f"{NETS[net][0]}{depth}",
            options=NETS[net][1],
            factors={"net": net, "depth": depth},
        )
        for depth in DEPTHS
        for net in NETS
    ),
    options=RESIDUAL_OPTIONS,
    data=SMALL_IMAGES,
    recipe=RESIDUAL,
    comparisons=(
        *(
            Comparison(
                first=f"original, {depth} layers",
                second=f"plain, {depth} layers",
                metric=metric,
                claim="deep nets need shortcuts",
            )
            for depth in DEPTHS
            for metric in ("train_loss", "test_accuracy")
        ),
        *(
            Comparison(
                first=f"plain, {depth} layers",
                second="plain, 8 layers",
                metric="train_loss",
                claim="deeper plain nets have a higher training error",
            )
            for depth in DEPTHS[1:]
        ),
        *(
            Comparison(
                first=f"full_pre_activation, {depth} layers",
                second=f"original, {depth} layers",
                claim="pre-activation helps deep nets",
            )
            for depth in DEPTHS
        ),
    ),
    expectations=(
        Expectation(
            what="plain nets",
            value="deeper ones have a higher training error; plain-110 is above 60 % test error on CIFAR-10",
            source="He et al. 2015, arXiv 1512.03385",
        ),
        Expectation(
            what="residual nets of 20, 32, 44, 56 and 110 layers, test error on CIFAR-10",
            value="8.75, 7.51, 7.17, 6.97 and 6.43 %",
            source="He et al. 2015, arXiv 1512.03385",
        ),
        Expectation(
            what="110 layers, original and full pre-activation, test error on CIFAR-10",
            value="6.61 and 6.37 %",
            source="He et al. 2016, arXiv 1603.05027, table 3",
        ),
    ),
    figures=(
        Figure(
            kind="factor",
            metric="train_loss",
            x="depth",
            colour="net",
            title="Training loss at the end over depth",
            x_title="layers",
            y_title="training cross-entropy in the last epoch (nats)",
            baseline=2.302585,
            baseline_label="ln 10: a net that ignores its input",
            x_scale="log",
        ),
        Figure(
            name="test",
            kind="factor",
            metric="test_accuracy",
            x="depth",
            colour="net",
            title="Test accuracy over depth",
            x_title="layers",
            y_title=f"test accuracy after {RESIDUAL_TRAINING}",
            baseline=0.1,
            baseline_label="chance",
            x_scale="log",
        ),
        Figure(
            name="training",
            kind="curves",
            metric="train_loss",
            colour="net",
            panel="depth",
            title="Training loss by epoch",
            x_title="epoch",
            y_title="training cross-entropy (nats)",
        ),
    ),
    cost=5.0,
    quick=Quick(
        train=1000,
        test=500,
        epochs=2,
        seeds=2,
        arms=("plain, 8 layers", "original, 8 layers", "plain, 56 layers", "original, 56 layers"),
    ),
)
