"""What is true of convolutions and activations without any training."""

from zoo.experiments.design.experiment import Arm, Dataset, Expectation, Experiment, Figure, Hook, Quick

PIECES = ("relu", "leaky_relu", "gelu", "tanh")

EXPERIMENT = Experiment(
    name="algebra",
    question="Which sentences about convolutions and activations are plain algebra?",
    arms=(
        Arm(
            label="a convolution",
            factors={"thing": "convolution"},
            hooks=(Hook(name="algebra.convolution", when="start"),),
            trains=False,
        ),
        Arm(
            label="an activation",
            factors={"thing": "activation"},
            hooks=(Hook(name="algebra.activation", when="start"),),
            trains=False,
        ),
        *(
            Arm(
                label=f"a net of one number, {activation}",
                factors={"thing": "net of one number", "activation": activation},
                hooks=(Hook(name="algebra.pieces", when="start", arguments={"activation": activation}),),
                trains=False,
            )
            for activation in PIECES
        ),
    ),
    data=Dataset(name="fashion_mnist", size=14, train=1000, test=500),
    expectations=(
        Expectation(
            what="a convolution without bias",
            value="f(2 x + 3 y) = 2 f(x) + 3 f(y), up to rounding",
            source="each output is a weighted sum of inputs",
        ),
        Expectation(
            what="a convolution of 3 x 3 with 16 filters on three channels",
            value="3 * 3 * 3 * 16 + 16 = 448 parameters at any image size, and 16 output channels",
            source="the kernel is shared over positions",
        ),
        Expectation(
            what="an activation on 30 x 30 x 3 values",
            value="2,700 values out, each of one value in",
            source="the definition",
        ),
        Expectation(
            what="a net with ReLU or leaky ReLU",
            value="straight lines with a finite number of kinks; grows as x, never as x^2",
            source="a composition of piecewise linear functions is one",
        ),
    ),
    figures=(
        Figure(
            name="convolution",
            kind="table",
            arms=("a convolution",),
            metrics=(
                "superposition_error",
                "default_is_none",
                "shift_difference",
                "input_channels",
                "output_channels",
                "parameters",
                "parameters_at_twice_the_size",
            ),
            title="A convolution is linear and shares its kernel over positions",
        ),
        Figure(
            name="activation",
            kind="table",
            arms=("an activation",),
            metrics=("functions", "values", "values_out", "moved_elsewhere"),
            title="An activation acts on each value alone",
        ),
        Figure(
            name="pieces",
            kind="table",
            arms=tuple(f"a net of one number, {activation}" for activation in PIECES),
            metrics=("straight_fraction", "kinks", "growth"),
            title="A ReLU net is made of straight lines",
        ),
    ),
    cost=0.5,
    quick=Quick(seeds=2),
)
