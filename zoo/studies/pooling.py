"""Activation before or after pooling?"""

from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Dataset,
    Expectation,
    Experiment,
    Figure,
    Hook,
    Quick,
    Recipe,
)
from zoo.experiments.design.recipes import TUNING_SEEDS

POOLS = {"max": "max_pool", "average": "average_pool"}
ORDERS = {"activation first": "act_pool", "pooling first": "pool_act"}
TRAINED = ("relu", "silu")
COMPARED = ("relu", "leaky_relu", "elu", "tanh", "sigmoid", "gelu", "silu", "mish")

EXPERIMENT = Experiment(
    name="pooling",
    question="Does the activation belong before or after the pooling?",
    arms=(
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
            Arm(
                label=f"outputs: {pool} pooling, {activation}",
                factors={"pooling": pool, "activation": activation},
                hooks=(
                    Hook(
                        name="pooling.order",
                        when="start",
                        arguments={"downsampling": POOLS[pool], "activation": activation},
                    ),
                ),
                trains=False,
            )
            for pool in POOLS
            for activation in COMPARED
        ),
    ),
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
                first=f"{pool} pooling, {activation}, activation first",
                second=f"{pool} pooling, {activation}, pooling first",
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
        ),
        Expectation(
            what="max pooling with GELU, SiLU or Mish, and average pooling with anything not linear",
            value="different functions",
            source="the three fall and rise; a mean of f is not f of a mean",
        ),
    ),
    figures=(
        Figure(
            kind="dots",
            metric="test_accuracy",
            title="Test accuracy of both orders",
            y_title="test accuracy after 5 epochs of 3,000 images",
        ),
        Figure(
            name="proof",
            kind="table",
            arms=tuple(f"outputs: {pool} pooling, {activation}" for pool in POOLS for activation in COMPARED),
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
            *(f"{pool} pooling, relu, {order}" for pool in POOLS for order in ORDERS),
            "outputs: max pooling, relu",
            "outputs: max pooling, silu",
            "outputs: average pooling, relu",
        ),
    ),
)
