"""Activation before or after pooling?"""

import functools

from zoo.experiments.claims.rules import FAILS, PROVEN, REFUTED, Bits, Check, Facts
from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Dataset,
    Dots,
    Expectation,
    Experiment,
    Hook,
    Quick,
    Recipe,
    Table,
    label_of,
)
from zoo.experiments.design.recipes import TUNING_SEEDS
from zoo.experiments.design.study import ORDER, Claim, Study

POOLS = {"max": "max_pool", "average": "average_pool"}
ORDERS = {"activation first": "act_pool", "pooling first": "pool_act"}
TRAINED = ("relu", "silu")
COMPARED = ("relu", "leaky_relu", "elu", "tanh", "sigmoid", "gelu", "silu", "mish")

ARMS = (
    *(
        Arm(
            label=f"{pool} pooling, {activation}, {order}",
            model="convnet",
            options={
                "width": 8,
                "activation": activation,
                "downsampling": POOLS[pool],
                "pooling_order": ORDERS[order],
            },
            factors={"pooling": pool, "activation": activation, "order": order},
        )
        for pool in POOLS
        for activation in TRAINED
        for order in ORDERS
    ),
    *(
        Arm.measuring(
            f"outputs: {pool} pooling, {activation}",
            Hook.at_start("pooling.order", downsampling=POOLS[pool], activation=activation),
            factors={"pooling": pool, "activation": activation},
        )
        for pool in POOLS
        for activation in COMPARED
    ),
)
arm = functools.partial(label_of, ARMS)

EXPERIMENT = Experiment(
    name="pooling",
    question="Does the activation belong before or after the pooling?",
    arms=ARMS,
    options={"classifier_activation": None},
    data=Dataset(name="fashion_mnist", size=14, train=3000, test=1000),
    recipe=Recipe(
        learning_rates=(0.01, 0.02, 0.04, 0.08, 0.16, 0.32),
        schedule="cosine",
        warmup=30,
        batch=100,
        epochs=5,
        tuning_epochs=5,
        tuning_seeds=TUNING_SEEDS,
    ),
    comparisons=(
        *(
            Comparison(
                first=arm(pooling=pool, activation=activation, order="activation first"),
                second=arm(pooling=pool, activation=activation, order="pooling first"),
                metric=metric,
                claim="the order of activation and pooling matters",
            )
            for pool in POOLS
            for activation in TRAINED
            for metric in ("test_accuracy", "weights_sha256")
        ),
    ),
    expectations=(
        Expectation(
            what="max pooling with an activation that never falls (ReLU, leaky ReLU, ELU, tanh, sigmoid)",
            value="both orders equal to the bit; pooling first activates a quarter of the values",
            source="f(max(a, b)) = max(f(a), f(b)) where f never falls",
            measured=(
                "outputs equal to the bit for "
                "{count equal_to_the_bit (pooling=max, activation=relu|leaky_relu|elu|tanh|sigmoid) is=1} "
                "functions"
            ),
            why="f(max(a, b)) = max(f(a), f(b)).",
        ),
        Expectation(
            what="max pooling with GELU, SiLU or Mish, and average pooling with anything not linear",
            value="different functions",
            source="the three fall and rise; a mean of f is not f of a mean",
            measured=(
                "different for {count equal_to_the_bit (pooling=max, activation=gelu|silu|mish) is=0} "
                "functions after max pooling, by up to "
                "{largest largest_difference (pooling=max, activation=gelu|silu|mish)} times the largest "
                "output; for {count equal_to_the_bit (pooling=average) is=0} after average pooling, by up to "
                "{largest largest_difference (pooling=average)} times"
            ),
            why="The three fall before they rise; and a mean of f is not f of the mean.",
        ),
    ),
    figures=(
        Dots(
            metric="test_accuracy",
            colour="order",
            title="Test accuracy of both orders",
            y_title="test accuracy after 5 epochs of 3,000 images",
        ),
        Table(
            name="proof",
            arms=tuple(arm(pooling=pool, activation=activation) for pool in POOLS for activation in COMPARED),
            metrics=("equal_to_the_bit", "largest_difference", "time_ratio"),
            title="The same weights in both orders: outputs, and time of activation first over pooling first",
        ),
    ),
    cost=6.0,
    quick=Quick(
        train=1000,
        test=500,
        epochs=2,
        seeds=2,
        arms=(
            *(arm(pooling=pool, activation="relu", order=order) for pool in POOLS for order in ORDERS),
            arm(pooling="max", activation="relu"),
            arm(pooling="max", activation="silu"),
            arm(pooling="average", activation="relu"),
        ),
    ),
)

STUDY = Study(
    name="pooling",
    experiments=(EXPERIMENT,),
    claims=(
        Claim(
            sentence="ReLU and max-pooling can be swapped.",
            group=ORDER,
            figure="pooling",
            rules={
                "pooling": Bits.one(
                    arm(pooling="max", activation="relu", order="activation first"),
                    arm(pooling="max", activation="relu", order="pooling first"),
                    true=PROVEN,
                    false=FAILS,
                )
            },
        ),
        Claim(
            sentence="ReLU and average pooling can be swapped.",
            group=ORDER,
            figure="pooling",
            rules={
                "pooling": Facts(
                    checks=(
                        Check.exactly(arm(pooling="average", activation="relu"), "equal_to_the_bit", 1),
                        Check(
                            arm=arm(pooling="average", activation="relu"),
                            metric="largest_difference",
                            most=1e-5,
                        ),
                    ),
                    false=REFUTED,
                )
            },
        ),
    ),
)
