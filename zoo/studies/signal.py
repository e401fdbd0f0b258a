"""What activations, their place and the initialisation do to the scale of values and gradients."""

import functools

from zoo.experiments.claims.rules import HOLDS, Check, Each, Facts
from zoo.experiments.design.experiment import (
    Arm,
    Comparison,
    Curves,
    Dataset,
    Expectation,
    Experiment,
    Hook,
    Quick,
    Recipe,
    Series,
    Table,
    label_of,
)
from zoo.experiments.design.study import FUNCTIONS, Claim, Study

ORDERINGS = (
    "original",
    "bn_after_addition",
    "relu_before_addition",
    "relu_only_pre_activation",
    "full_pre_activation",
)
ONE_STAGE = "zoo.experiments.nets:one_stage"
UNITS = 333  # of three convolutions each: 1,001 layers
PLAIN_LAYERS = 108
IMAGES = Dataset(name="fashion_mnist", size=8, train=1000, test=500)
PROPAGATION = Hook.at_start("signal.propagation")

# activation: its gain 1 / sqrt(E f(z)^2), z standard normal
GAINS = {
    "relu": 1.4142,
    "leaky_relu": 1.3868,
    "elu": 1.2452,
    "selu": 1.0,
    "gelu": 1.5335,
    "silu": 1.6765,
    "mish": 1.4868,
    "tanh": 1.5925,
    "softsign": 2.3375,
    "sigmoid": 1.8462,
    "softplus": 1.0419,
}
LAYERS = 20


def _scaled(gain_squared: float) -> dict:
    return {
        "class_name": "VarianceScaling",
        "config": {"scale": gain_squared, "mode": "fan_in", "distribution": "untruncated_normal"},
    }


INITIALISERS = {
    "Glorot (variance 1/n)": lambda gain: _scaled(1.0),
    "He (variance 2/n)": lambda gain: _scaled(2.0),
    "own gain (variance gain^2/n)": lambda gain: _scaled(round(gain**2, 4)),
}
TRAINED = {
    "plain20, no BN": ("plain20", {"ordering": "conv_act"}),
    "plain20, BN": ("plain20", {"ordering": "conv_norm_act"}),
    "resnet20, original": ("resnet20", {"ordering": "original"}),
    "resnet20, full_pre_activation": ("resnet20", {"ordering": "full_pre_activation"}),
}

ARMS = (
    *(
        Arm.measuring(
            ordering,
            PROPAGATION,
            model=ONE_STAGE,
            options={
                "family": "resnet",
                "units": UNITS,
                "block": "bottleneck",
                "ordering": ordering,
                "width": 8,
            },
            factors={"net": "residual, 1,001 layers", "ordering": ordering},
        )
        for ordering in ORDERINGS
    ),
    *(
        Arm.measuring(
            f"plain, {name}",
            PROPAGATION,
            model=ONE_STAGE,
            options={"family": "plain", "units": PLAIN_LAYERS, "width": 32, **options},
            factors={"net": "plain, 110 layers", "ordering": name},
        )
        for name, options in {
            "BN": {"ordering": "conv_norm_act", "kernel_initializer": _scaled(2.0)},
            "no BN, He": {"ordering": "conv_act", "kernel_initializer": _scaled(2.0)},
            "no BN, Glorot": {"ordering": "conv_act", "kernel_initializer": _scaled(1.0)},
        }.items()
    ),
    *(
        Arm.measuring(
            f"{activation}, {name}",
            Hook.at_start("signal.shape_of_values"),
            Hook.at_start("signal.gain", activation=activation),
            model=f"mlp{LAYERS + 1}",
            options={
                "width": 256,
                "activation": activation,
                "kernel_initializer": INITIALISERS[name](gain),
            },
            factors={"activation": activation, "initialiser": name},
        )
        for activation, gain in GAINS.items()
        for name in INITIALISERS
    ),
    *(
        Arm(
            label=f"training {name}",
            model=model,
            options={"width": 8, **options},
            factors={"trained": name},
            data=Dataset(name="fashion_mnist", size=14, train=3000, test=500),
            hooks=(
                Hook.at_start("signal.during_training"),
                Hook(name="signal.during_training", when="interval"),
            ),
        )
        for name, (model, options) in TRAINED.items()
    ),
)
arm = functools.partial(label_of, ARMS)
GLOROT, _, OWN = INITIALISERS


def deep(activation: str, initialiser: str) -> str:
    """Label of the fully connected net of an activation and an initialiser."""
    return arm(activation=activation, initialiser=initialiser)


def plain_net(kind: str) -> str:
    """Label of a plain convolutional net of 110 layers."""
    return arm(net="plain, 110 layers", ordering=kind)


EXPERIMENT = Experiment(
    name="signal",
    question="What do activations, their place and initialisation do to the scale of values and gradients?",
    arms=ARMS,
    options={"classifier_activation": None},
    data=IMAGES,
    recipe=Recipe(
        learning_rates=(0.03,), schedule="constant", warmup=20, batch=100, steps=120, record_every=10
    ),
    seeds=(0, 1, 2),
    seeds_reason="the effects are orders of magnitude and differ between seeds by a few percent; a net of "
    "1,001 layers takes a quarter of a minute",
    comparisons=(
        *(
            Comparison(
                first=deep(activation, GLOROT),
                second=deep(activation, OWN),
                metric="growth",
                claim="the initialisation must fit the activation",
            )
            for activation in ("relu", "tanh", "sigmoid")
        ),
        *(
            Comparison(
                first=deep(ordering, OWN),
                second=deep("tanh", OWN),
                metric=metric,
                claim="activations keep values near zero and roughly Gaussian",
            )
            for ordering in ("relu",)
            for metric in ("mean_over_std", "skewness", "zero_fraction")
        ),
    ),
    expectations=(
        Expectation(
            what="full_pre_activation, variance and squared mean at unit l",
            value="0.34 + 0.68 l and 0.16 + 0.32 l",
            source="fully connected simulation; the shape carries over, constants roughly",
            measured=(
                "at units 1, 32 and 333: variance "
                '{at variance (net="residual, 1,001 layers", ordering=full_pre_activation) x=1}, '
                '{at variance (net="residual, 1,001 layers", ordering=full_pre_activation) x=32}, '
                '{at variance (net="residual, 1,001 layers", ordering=full_pre_activation) x=333}; squared '
                'mean {at squared_mean (net="residual, 1,001 layers", ordering=full_pre_activation) x=1}, '
                '{at squared_mean (net="residual, 1,001 layers", ordering=full_pre_activation) x=32}, '
                '{at squared_mean (net="residual, 1,001 layers", ordering=full_pre_activation) x=333}'
            ),
            why=(
                "Each unit adds a branch of the same size to the shortcut. Ours is convolutional, with eight "
                "channels in the branch: the shape carries over, the constants roughly."
            ),
        ),
        Expectation(
            what="relu_only_pre_activation, variance at unit l",
            value="0.34 + l, squared mean constant",
            source="fully connected simulation",
            measured=(
                "at units 1, 32 and 333: variance "
                '{at variance (net="residual, 1,001 layers", ordering=relu_only_pre_activation) x=1}, '
                '{at variance (net="residual, 1,001 layers", ordering=relu_only_pre_activation) x=32}, '
                '{at variance (net="residual, 1,001 layers", ordering=relu_only_pre_activation) x=333}; '
                "squared mean "
                '{at squared_mean (net="residual, 1,001 layers", ordering=relu_only_pre_activation) x=1}, '
                '{at squared_mean (net="residual, 1,001 layers", ordering=relu_only_pre_activation) x=32}, '
                '{at squared_mean (net="residual, 1,001 layers", ordering=relu_only_pre_activation) x=333}'
            ),
            why="A branch that ends in a normalisation adds variance one and mean zero.",
        ),
        Expectation(
            what="original and both pre-activations, gradient norm towards the input",
            value="about as 1 / l",
            source="fully connected simulation",
            measured=(
                "from unit 32 to 333: original as "
                'l^{power gradient_norm (net="residual, 1,001 layers", ordering=original) from=32 to=333}; '
                'relu_only_pre_activation as l^{power gradient_norm (net="residual, 1,001 layers", '
                "ordering=relu_only_pre_activation) from=32 to=333}; full_pre_activation as l^{power "
                'gradient_norm (net="residual, 1,001 layers", ordering=full_pre_activation) from=32 to=333}'
            ),
            why=(
                "A power of l, not an exponential, since each branch normalises by the size of its input, "
                "which grows with l. It is steeper than 1 / l; narrow convolutional branches are our guess, "
                "not a finding."
            ),
        ),
        Expectation(
            what="relu_before_addition, squared mean",
            value="about 0.16 (l + 1)^2: it adds up, for no branch is ever negative",
            source="fully connected simulation; He et al. 2016, section 4.1",
            measured=(
                "at units 1, 32 and 333: "
                '{at squared_mean (net="residual, 1,001 layers", ordering=relu_before_addition) x=1}, '
                '{at squared_mean (net="residual, 1,001 layers", ordering=relu_before_addition) x=32}, '
                '{at squared_mean (net="residual, 1,001 layers", ordering=relu_before_addition) x=333}'
            ),
            why="Means add up as l, so their square grows as l^2.",
        ),
        Expectation(
            what="bn_after_addition",
            value="values bounded, gradient exponential in the depth",
            source="fully connected simulation",
            measured=(
                "at units 1, 32 and 333: variance "
                '{at variance (net="residual, 1,001 layers", ordering=bn_after_addition) x=1}, '
                '{at variance (net="residual, 1,001 layers", ordering=bn_after_addition) x=32}, '
                '{at variance (net="residual, 1,001 layers", ordering=bn_after_addition) x=333}; gradient '
                '{at gradient_norm (net="residual, 1,001 layers", ordering=bn_after_addition) x=1}, '
                '{at gradient_norm (net="residual, 1,001 layers", ordering=bn_after_addition) x=32}, '
                '{at gradient_norm (net="residual, 1,001 layers", ordering=bn_after_addition) x=333}'
            ),
            why="The normalisation on the shortcut divides by the root of two at first, unit after unit.",
        ),
        Expectation(
            what="plain with BN",
            value="values flat, gradient times 1.2 a layer towards the input",
            source="fully connected simulation",
            measured=(
                "variance at layers 1, 11 and 108: "
                '{at variance (net="plain, 110 layers", ordering="BN") x=1}, '
                '{at variance (net="plain, 110 layers", ordering="BN") x=11}, '
                '{at variance (net="plain, 110 layers", ordering="BN") x=108}; gradient of the first layer '
                "over that of the last: "
                '{growth gradient_norm (net="plain, 110 layers", ordering="BN") from=108 to=1}, a factor of '
                '{growth_each gradient_norm (net="plain, 110 layers", ordering="BN") from=108 to=1} a layer'
            ),
            why="BN hides the scale of the values, not that of the gradients.",
        ),
        Expectation(
            what="plain, Glorot, ReLU, no BN",
            value="variance halved by each layer, gradient norm times the root of a half",
            source="E relu(z)^2 = 1/2",
            measured=(
                "variance of layer 20 over layer 1: "
                '{growth variance (net="plain, 110 layers", ordering="no BN, Glorot") from=1 to=20}, a factor '
                'of {growth_each variance (net="plain, 110 layers", ordering="no BN, Glorot") from=1 to=20} a '
                "layer"
            ),
            why="Somewhat less than a half: zero padding adds zeros, and an image of 8 x 8 is mostly border.",
        ),
        *(
            Expectation(
                what=f"gain of {name}",
                value=f"{gain:g}",
                source="1 / sqrt(E f(z)^2), z standard normal",
                measured=f'{{value gain (activation={name}, initialiser="own gain (variance gain^2/n)") digits=5}}',
                why="The integral, computed.",
            )
            for name, gain in GAINS.items()
        ),
    ),
    figures=(
        Series(
            metric="gradient_norm",
            arms=ORDERINGS,
            title="Gradient at the output of each residual unit, 1,001 layers, before training",
            x_title="residual unit, from the input",
            y_title="gradient norm (last unit = 1)",
            x_scale="log",
            y_scale="log",
        ),
        Series(
            name="variance",
            metric="variance",
            arms=ORDERINGS,
            title="Variance at the output of each residual unit, 1,001 layers, before training",
            x_title="residual unit, from the input",
            y_title="variance (mean over channels)",
            x_scale="log",
            y_scale="log",
        ),
        Series(
            name="mean",
            metric="squared_mean",
            arms=ORDERINGS,
            title="Squared mean at the output of each residual unit, 1,001 layers, before training",
            x_title="residual unit, from the input",
            y_title="squared mean (mean over channels)",
            x_scale="log",
            y_scale="log",
        ),
        Series(
            name="plain",
            metric="variance",
            arms=tuple(plain_net(name) for name in ("BN", "no BN, He", "no BN, Glorot")),
            title="Variance at the output of each layer of a plain net, before training",
            x_title="layer",
            y_title="variance (mean over channels)",
            y_scale="log",
        ),
        Series(
            name="plain-gradient",
            metric="gradient_norm",
            arms=tuple(plain_net(name) for name in ("BN", "no BN, He", "no BN, Glorot")),
            title="Gradient at the output of each layer of a plain net, before training",
            x_title="layer",
            y_title="gradient norm (last layer = 1)",
            y_scale="log",
        ),
        *(
            Series(
                name=part,
                metric="mean_square",
                colour="activation",
                arms=tuple(f"{activation}, {name}" for activation in GAINS),
                title=f"Mean square before each activation, {name}",
                x_title="layer",
                y_title="mean square",
                y_scale="log",
            )
            for part, name in zip(("glorot", "he", "own-gain"), INITIALISERS, strict=True)
        ),
        Curves(
            name="training",
            metric="gradient_ratio",
            colour="trained",
            arms=tuple(arm(trained=name) for name in TRAINED),
            title="Gradient at the first unit over that at the last, during training",
            x_title="step",
            y_title="ratio of gradient norms (0: nothing arrives)",
        ),
        Curves(
            name="training-variance",
            metric="last_variance",
            colour="trained",
            arms=tuple(arm(trained=name) for name in TRAINED),
            title="Variance at the output of the last unit, during training",
            x_title="step",
            y_title="variance (mean over channels)",
            y_scale="log",
        ),
        Table(
            name="values",
            arms=tuple(deep(activation, OWN) for activation in GAINS),
            metrics=("gain", "growth", "mean_over_std", "skewness", "excess_kurtosis", "zero_fraction"),
            title="Values after the activation of the middle layer, by activation",
        ),
    ),
    cost=8.0,
    quick=Quick(
        train=None,
        test=None,
        steps=20,
        seeds=2,
        arms=(
            plain_net("BN"),
            plain_net("no BN, He"),
            plain_net("no BN, Glorot"),
            deep("relu", GLOROT),
            deep("relu", OWN),
            deep("tanh", GLOROT),
            deep("tanh", OWN),
        ),
    ),
)

STUDY = Study(
    name="signal",
    experiments=(EXPERIMENT,),
    claims=(
        # Judged function by function: tanh and softsign do what ReLU does not.
        Claim(
            sentence="Activations keep values near zero.",
            group=FUNCTIONS,
            figure="signal-own-gain",
            rules={
                "signal": Each(
                    arms={name: deep(name, OWN) for name in GAINS},
                    checks=(Check(metric="mean_over_std", least=-0.2, most=0.2),),
                )
            },
        ),
        Claim(
            sentence="Activations keep values roughly Gaussian.",
            group=FUNCTIONS,
            figure="signal-own-gain",
            # A uniform distribution has an excess kurtosis of -1.2: half of that is not roughly Gaussian any more.
            rules={
                "signal": Each(
                    arms={name: deep(name, OWN) for name in GAINS},
                    checks=(
                        Check(metric="skewness", least=-0.3, most=0.3),
                        Check(metric="excess_kurtosis", least=-0.6, most=0.6),
                        Check(metric="zero_fraction", most=0.1),
                    ),
                )
            },
        ),
        Claim(
            sentence="The initialisation must fit the activation: Glorot's halves the variance at each ReLU.",
            group=FUNCTIONS,
            figure="signal-glorot",
            rules={
                "signal": Facts(
                    checks=(
                        Check(
                            arm=deep("relu", GLOROT),
                            metric="growth",
                            most=1e-4,
                            words="mean square of layer 20 over layer 1, Glorot",
                        ),
                        Check(
                            arm=deep("relu", OWN),
                            metric="growth",
                            least=0.1,
                            most=10,
                            words="mean square of layer 20 over layer 1, He",
                        ),
                    ),
                    true=HOLDS,
                )
            },
        ),
    ),
)
