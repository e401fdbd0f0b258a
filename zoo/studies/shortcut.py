"""What may sit on the shortcut of a residual unit? Table 1 of He et al. 2016."""

from zoo.experiments.design.experiment import Arm, Comparison, Expectation, Experiment, Figure, Quick
from zoo.experiments.design.recipes import RESIDUAL, RESIDUAL_OPTIONS, RESIDUAL_TRAINING, SMALL_IMAGES

DEPTHS = (20, 56)
# variant: (options, what the paper prints for ResNet-110 on CIFAR-10)
TABLE_1 = {
    "identity": ({}, "6.61 %"),
    "scaled by 0, branch by 1": (
        {"shortcut": "constant_scaling", "shortcut_scale": 0.0, "branch_scale": 1.0},
        "fail",
    ),
    "scaled by 0.5, branch by 1": (
        {"shortcut": "constant_scaling", "shortcut_scale": 0.5, "branch_scale": 1.0},
        "fail",
    ),
    "scaled by 0.5, branch by 0.5": (
        {"shortcut": "constant_scaling", "shortcut_scale": 0.5, "branch_scale": 0.5},
        "12.35 %",
    ),
    "exclusive gate, bias -6": ({"shortcut": "exclusive_gating", "gate_bias": -6.0}, "8.70 %"),
    "shortcut-only gate, bias 0": ({"shortcut": "shortcut_only_gating", "gate_bias": 0.0}, "12.86 %"),
    "shortcut-only gate, bias -6": ({"shortcut": "shortcut_only_gating", "gate_bias": -6.0}, "6.91 %"),
    "1x1 convolution": ({"shortcut": "conv1x1"}, "12.22 %"),
    "dropout 0.5": ({"shortcut": "dropout", "dropout_rate": 0.5}, "fail"),
}

EXPERIMENT = Experiment(
    name="shortcut",
    question="What may sit on the shortcut of a residual unit?",
    arms=tuple(
        Arm(
            label=f"{variant}, {depth} layers",
            model=f"resnet{depth}",
            options={"ordering": "original", **TABLE_1[variant][0]},
            factors={"shortcut": variant, "depth": depth},
        )
        for depth in DEPTHS
        for variant in TABLE_1
    ),
    options=RESIDUAL_OPTIONS,
    data=SMALL_IMAGES,
    recipe=RESIDUAL,
    comparisons=tuple(
        Comparison(
            first=f"{variant}, {depth} layers",
            second=f"identity, {depth} layers",
            metric=metric,
            claim="1x1 projections everywhere are fine"
            if variant == "1x1 convolution"
            else "anything on the shortcut hurts",
        )
        for depth in DEPTHS
        for variant in TABLE_1
        if variant != "identity"
        for metric in ("test_accuracy", "train_loss")
    ),
    expectations=tuple(
        Expectation(
            what=f"{variant}: test error of ResNet-110 on CIFAR-10",
            value=printed + (" (above 20 %)" if printed == "fail" else ""),
            source="He et al. 2016, arXiv 1603.05027, table 1, median of 5 runs",
        )
        for variant, (_, printed) in TABLE_1.items()
    ),
    figures=(
        Figure(
            kind="dots",
            metric="test_accuracy",
            colour="shortcut",
            panel="depth",
            title="Test accuracy of every run after the last epoch",
            y_title=f"test accuracy after {RESIDUAL_TRAINING}",
        ),
        Figure(
            name="training",
            kind="curves",
            metric="train_loss",
            colour="shortcut",
            panel="depth",
            # Dropout's loss runs to 1e17, and no other curve could be read beside it.
            arms=tuple(
                f"{variant}, {depth} layers"
                for depth in DEPTHS
                for variant in TABLE_1
                if variant != "dropout 0.5"
            ),
            title="Training loss by what sits on the shortcut, but for dropout, which explodes",
            x_title="epoch",
            y_title="training cross-entropy (nats)",
        ),
    ),
    cost=9.0,
    quick=Quick(
        train=1000,
        test=500,
        epochs=2,
        seeds=2,
        arms=tuple(f"{variant}, 20 layers" for variant in TABLE_1),
    ),
)
