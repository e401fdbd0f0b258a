"""What is true of convolutions and activations without any training."""

import functools

from zoo.experiments.claims.rules import NO_DIFFERENCE, REFUTED, Check, Facts
from zoo.experiments.design.experiment import (
    Arm,
    Dataset,
    Expectation,
    Experiment,
    Hook,
    Quick,
    Table,
    label_of,
)
from zoo.experiments.design.study import ALGEBRA, Claim, Study

PIECES = ("relu", "leaky_relu", "gelu", "tanh")

ARMS = (
    Arm.measuring("a convolution", Hook.at_start("algebra.convolution"), factors={"thing": "convolution"}),
    Arm.measuring("an activation", Hook.at_start("algebra.activation"), factors={"thing": "activation"}),
    *(
        Arm.measuring(
            f"a net of one number, {activation}",
            Hook.at_start("algebra.pieces", activation=activation),
            factors={"thing": "net of one number", "activation": activation},
        )
        for activation in PIECES
    ),
)
arm = functools.partial(label_of, ARMS)

EXPERIMENT = Experiment(
    name="algebra",
    question="Which sentences about convolutions and activations are plain algebra?",
    arms=ARMS,
    data=Dataset(name="fashion_mnist", size=14, train=1000, test=500),
    expectations=(
        Expectation(
            what="a convolution without bias",
            value="f(2 x + 3 y) = 2 f(x) + 3 f(y), up to rounding",
            source="each output is a weighted sum of inputs",
            measured="relative error {largest superposition_error (thing=convolution)}",
            why="Rounding in float32.",
        ),
        Expectation(
            what="a convolution of 3 x 3 with 16 filters on three channels",
            value="3 * 3 * 3 * 16 + 16 = 448 parameters at any image size, and 16 output channels",
            source="the kernel is shared over positions",
            measured=(
                "{mean parameters (thing=convolution)} parameters, "
                "{mean parameters_at_twice_the_size (thing=convolution)} at twice the size, "
                "{mean output_channels (thing=convolution)} output channels"
            ),
            why="As the formula says.",
        ),
        Expectation(
            what="an activation on 30 x 30 x 3 values",
            value="2,700 values out, each of one value in",
            source="the definition",
            measured=(
                "{mean values_out (thing=activation)} values out; other outputs changed by one input: "
                "{mean moved_elsewhere (thing=activation)}"
            ),
            why="As the definition says.",
        ),
        Expectation(
            what="a net with ReLU or leaky ReLU",
            value="straight lines with a finite number of kinks; grows as x, never as x^2",
            source="a composition of piecewise linear functions is one",
            measured=(
                "points on straight pieces, and growth: relu "
                "{percent straight_fraction (thing=net of one number, activation=relu) digits=4}, "
                "{mean growth (thing=net of one number, activation=relu)}; leaky_relu "
                "{percent straight_fraction (thing=net of one number, activation=leaky_relu) digits=4}, "
                "{mean growth (thing=net of one number, activation=leaky_relu)}; gelu "
                "{percent straight_fraction (thing=net of one number, activation=gelu) digits=4}, "
                "{mean growth (thing=net of one number, activation=gelu)}; tanh "
                "{percent straight_fraction (thing=net of one number, activation=tanh) digits=4}, "
                "{mean growth (thing=net of one number, activation=tanh)}"
            ),
            why=(
                "Each hidden unit adds a kink. GELU and tanh bend everywhere, and none of the four grows as "
                "x^2."
            ),
        ),
    ),
    figures=(
        Table(
            name="convolution",
            arms=(arm(thing="convolution"),),
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
        Table(
            name="activation",
            arms=(arm(thing="activation"),),
            metrics=("functions", "values", "values_out", "moved_elsewhere"),
            title="An activation acts on each value alone",
        ),
        Table(
            name="pieces",
            arms=tuple(arm(thing="net of one number", activation=activation) for activation in PIECES),
            metrics=("straight_fraction", "kinks", "growth"),
            title="A ReLU net is made of straight lines",
        ),
    ),
    cost=0.5,
    quick=Quick(seeds=2),
)

CONV, ACT = arm(thing="convolution"), arm(thing="activation")
RELU = arm(thing="net of one number", activation="relu")
CONVOLUTION = "learn/what-a-convolution-is"

STUDY = Study(
    name="algebra",
    experiments=(EXPERIMENT,),
    page="learn/the-algebra",
    claims=(
        Claim(
            sentence="A convolution is linear.",
            group=ALGEBRA,
            page=CONVOLUTION,
            rules={"algebra": Facts(checks=(Check(arm=CONV, metric="superposition_error", most=1e-5),))},
        ),
        Claim(
            sentence="The default activation of a Keras layer is none: it stays linear.",
            group=ALGEBRA,
            page="questions/forgotten",
            rules={"algebra": Facts(checks=(Check.exactly(CONV, "default_is_none", 1),))},
        ),
        Claim(
            sentence="The kernel's weights are shared over positions.",
            group=ALGEBRA,
            page=CONVOLUTION,
            rules={
                "algebra": Facts(
                    checks=(
                        Check.exactly(CONV, "parameters", 448),
                        Check.exactly(CONV, "parameters_at_twice_the_size", 448),
                        Check(arm=CONV, metric="shift_difference", most=1e-5),
                    )
                )
            },
        ),
        Claim(
            sentence="The number of filters is the number of output channels, not of input channels.",
            group=ALGEBRA,
            page=CONVOLUTION,
            rules={
                "algebra": Facts(
                    checks=(
                        Check.exactly(CONV, "output_channels", 16),
                        Check.exactly(CONV, "input_channels", 3),
                    )
                )
            },
        ),
        Claim(
            sentence="An activation acts on each value alone and keeps the shape: 30 x 30 x 3 in, 2,700 out.",
            group=ALGEBRA,
            page=CONVOLUTION,
            rules={
                "algebra": Facts(
                    checks=(
                        Check.exactly(ACT, "values_out", 2700),
                        Check(
                            arm=ACT,
                            metric="moved_elsewhere",
                            most=0,
                            words="other outputs that change with one input",
                        ),
                    )
                )
            },
        ),
        Claim(
            sentence="A net with activations is a polynomial.",
            group=ALGEBRA,
            page="learn/the-algebra",
            # What is checked refutes the sentence: a ReLU net is straight lines, and far out it grows as one.
            rules={
                "algebra": Facts(
                    checks=(
                        Check(
                            arm=RELU,
                            metric="straight_fraction",
                            least=0.99,
                            words="share of points on straight pieces, ReLU",
                        ),
                        Check(
                            arm=RELU,
                            metric="growth",
                            least=1.9,
                            most=2.1,
                            words="growth where the input doubles, ReLU (x^2 would give 4)",
                        ),
                    ),
                    true=REFUTED,
                    false=NO_DIFFERENCE,
                )
            },
        ),
    ),
)
