"""The claims, as data, in the order in which a reader meets them."""

from zoo.experiments.claims.rules import (
    FAILS,
    HOLDS,
    NO_DIFFERENCE,
    PROVEN,
    REFUTED,
    Bits,
    Check,
    Claim,
    Each,
    Facts,
    Pairs,
    Slower,
    Within,
)

CONVOLUTIONS = (1, 2, 3, 4, 5, 6)
ORDERINGS = ("original", "bn_after_addition", "relu_before_addition", "relu_only_pre_activation")
ON_THE_SHORTCUT = (
    "scaled by 0, branch by 1",
    "scaled by 0.5, branch by 1",
    "scaled by 0.5, branch by 0.5",
    "exclusive gate, bias -6",
    "shortcut-only gate, bias 0",
    "shortcut-only gate, bias -6",
    "dropout 0.5",
)
LAYOUTS = ("keras", "kerashub", "timm", "keras_resnet", "keras_cifar10")
REACHED = 0.8  # training accuracy
OWN_GAIN = (
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "tanh",
    "softsign",
    "sigmoid",
    "softplus",
)

ALGEBRA = (
    Claim(
        sentence="A convolution is linear.",
        experiment="algebra",
        page="learn/what-a-convolution-is",
        rule=Facts(checks=(Check(arm="a convolution", metric="superposition_error", most=1e-5),)),
    ),
    Claim(
        sentence="The default activation of a Keras layer is none: it stays linear.",
        experiment="algebra",
        page="questions/forgotten",
        rule=Facts(checks=(Check(arm="a convolution", metric="default_is_none", least=1, most=1),)),
    ),
    Claim(
        sentence="The kernel's weights are shared over positions.",
        experiment="algebra",
        page="learn/what-a-convolution-is",
        rule=Facts(
            checks=(
                Check(arm="a convolution", metric="parameters", least=448, most=448),
                Check(arm="a convolution", metric="parameters_at_twice_the_size", least=448, most=448),
                Check(arm="a convolution", metric="shift_difference", most=1e-5),
            )
        ),
    ),
    Claim(
        sentence="The number of filters is the number of output channels, not of input channels.",
        experiment="algebra",
        page="learn/what-a-convolution-is",
        rule=Facts(
            checks=(
                Check(arm="a convolution", metric="output_channels", least=16, most=16),
                Check(arm="a convolution", metric="input_channels", least=3, most=3),
            )
        ),
    ),
    Claim(
        sentence="An activation acts on each value alone and keeps the shape: 30 x 30 x 3 in, 2,700 out.",
        experiment="algebra",
        page="learn/what-a-convolution-is",
        rule=Facts(
            checks=(
                Check(arm="an activation", metric="values_out", least=2700, most=2700),
                Check(
                    arm="an activation",
                    metric="moved_elsewhere",
                    most=0,
                    words="other outputs that change with one input",
                ),
            )
        ),
    ),
    Claim(
        sentence="A net with activations is a polynomial.",
        experiment="algebra",
        page="learn/the-algebra",
        # What is checked refutes the sentence: a ReLU net is straight lines, and far out it grows as one.
        rule=Facts(
            checks=(
                Check(
                    arm="a net of one number, relu",
                    metric="straight_fraction",
                    least=0.99,
                    words="share of points on straight pieces, ReLU",
                ),
                Check(
                    arm="a net of one number, relu",
                    metric="growth",
                    least=1.9,
                    most=2.1,
                    words="growth where the input doubles, ReLU (x^2 would give 4)",
                ),
            ),
            true=REFUTED,
            false=NO_DIFFERENCE,
        ),
    ),
)

NEEDED = (
    Claim(
        sentence="Without activation, depth is worthless: the layers are one affine map.",
        experiment="why",
        figure="why",
        rule=Facts(
            checks=(
                *(
                    Check(
                        arm=f"{layers} conv, none, both signs",
                        metric="test_loss",
                        least=2.302585 - 1e-4,
                        words=f"test cross-entropy of {layers} convolutions on images of both signs",
                    )
                    for layers in (2, 4)
                ),
                Check(
                    arm="6 conv, none",
                    metric="same_predictions",
                    least=0.999,
                    words="predictions kept by collapsing six convolutions into one layer",
                ),
            ),
        ),
    ),
    Claim(
        sentence="Some activation is needed: without one the net fails where any linear map does.",
        experiment="why",
        figure="why",
        rule=Pairs(pairs=(("2 conv, all, both signs", "2 conv, none, both signs"),), sign="higher"),
    ),
    *(
        Claim(
            sentence=f"An activation on every layer beats one on the last alone ({layers} convolutions).",
            experiment="why",
            figure="why",
            rule=Pairs(pairs=((f"{layers} conv, all", f"{layers} conv, last"),), sign="higher"),
        )
        for layers in CONVOLUTIONS[1:]
    ),
    Claim(
        sentence="A built-in activation and a separate layer differ.",
        experiment="form",
        figure="form",
        rule=Bits(
            pairs=tuple(
                (f"{net}, separate", f"{net}, builtin") for net in ("mlp", "convnet", "plain8 with BN")
            ),
            true=FAILS,
            false=HOLDS,
        ),
    ),
)

FUNCTIONS = (
    Claim(
        sentence="ReLU does not activate all neurons at once.",
        experiment="dead",
        figure="dead-zeros",
        rule=Facts(
            checks=(
                Check(
                    arm="relu, no BN, rate 0.01",
                    metric="zero_fraction",
                    least=0.2,
                    most=0.8,
                    first=True,
                    words="values that are zero before training",
                ),
            ),
            true=HOLDS,
        ),
    ),
    # The paper compares with tanh alone.
    *(
        Claim(
            sentence=f"ReLU converges six times faster than tanh ({norm}).",
            experiment="which",
            figure="which",
            rule=Slower(slow=f"tanh, {norm}", fast=f"relu, {norm}", times=6, level=REACHED),
        )
        for norm in ("no BN", "BN")
    ),
    # Its other half, "several times faster than equivalents with saturating neurons", at the least that "several" says.
    *(
        Claim(
            sentence=f"ReLU learns several times faster than a saturating function: {function} ({norm}).",
            experiment="which",
            figure="which",
            rule=Slower(slow=f"{function}, {norm}", fast=f"relu, {norm}", times=2, level=REACHED),
        )
        for norm in ("no BN", "BN")
        for function in ("tanh", "sigmoid")
    ),
    # Beside them what nobody says: on these images no activation is the fastest of all.
    *(
        Claim(
            sentence=f"Without any activation but max-pooling a net trains slower than with ReLU ({norm}).",
            experiment="which",
            figure="which",
            rule=Slower(slow=f"none, {norm}", fast=f"relu, {norm}", times=1, level=REACHED),
        )
        for norm in ("no BN", "BN")
    ),
    Claim(
        sentence="With batch normalisation the choice among ReLU's relatives hardly matters: less than a point.",
        experiment="which",
        figure="which-last",
        rule=Within(
            pairs=tuple(
                (f"{function}, BN", "relu, BN")
                for function in ("leaky_relu", "prelu", "elu", "gelu", "silu", "mish")
            ),
            margin=0.01,
        ),
    ),
    # Judged function by function: tanh and softsign do what ReLU does not.
    Claim(
        sentence="Activations keep values near zero.",
        experiment="signal",
        figure="signal-own-gain",
        rule=Each(
            names=OWN_GAIN,
            checks=(
                Check(arm="{}, own gain (variance gain^2/n)", metric="mean_over_std", least=-0.2, most=0.2),
            ),
        ),
    ),
    Claim(
        sentence="Activations keep values roughly Gaussian.",
        experiment="signal",
        figure="signal-own-gain",
        # A uniform distribution has an excess kurtosis of -1.2: half of that is not roughly Gaussian any more.
        rule=Each(
            names=OWN_GAIN,
            checks=(
                Check(arm="{}, own gain (variance gain^2/n)", metric="skewness", least=-0.3, most=0.3),
                Check(arm="{}, own gain (variance gain^2/n)", metric="excess_kurtosis", least=-0.6, most=0.6),
                Check(arm="{}, own gain (variance gain^2/n)", metric="zero_fraction", most=0.1),
            ),
        ),
    ),
    Claim(
        sentence="The initialisation must fit the activation: Glorot's halves the variance at each ReLU.",
        experiment="signal",
        figure="signal-glorot",
        rule=Facts(
            checks=(
                Check(
                    arm="relu, Glorot (variance 1/n)",
                    metric="growth",
                    most=1e-4,
                    words="mean square of layer 20 over layer 1, Glorot",
                ),
                Check(
                    arm="relu, own gain (variance gain^2/n)",
                    metric="growth",
                    least=0.1,
                    most=10,
                    words="mean square of layer 20 over layer 1, He",
                ),
            ),
            true=HOLDS,
        ),
    ),
    Claim(
        sentence="A large learning rate kills ReLU units.",
        experiment="dead",
        figure="dead",
        rule=Pairs(
            pairs=(("relu, no BN, rate 0.2", "relu, no BN, rate 0.01"),), sign="higher", metric="dead_units"
        ),
    ),
    Claim(
        sentence="A slope below zero (leaky ReLU) keeps a net alive at a large learning rate.",
        experiment="dead",
        figure="dead-accuracy",
        rule=Facts(
            checks=(
                Check(
                    arm="leaky_relu, no BN, rate 0.2",
                    metric="test_accuracy",
                    least=0.2,
                    words="test accuracy of leaky ReLU without BN at a rate of 0.2",
                ),
            ),
            true=HOLDS,
        ),
    ),
    Claim(
        sentence="Batch normalisation before the ReLU keeps units alive.",
        experiment="dead",
        figure="dead",
        rule=Pairs(
            pairs=(("relu, no BN, rate 0.2", "relu, BN, rate 0.2"),), sign="higher", metric="dead_units"
        ),
    ),
)

ORDER = (
    *(
        Claim(
            sentence=f"Batch normalisation belongs before the activation ({net}).",
            experiment="norm_order",
            figure="norm_order",
            rule=Pairs(pairs=((f"{net}, conv_norm_act", f"{net}, conv_act_norm"),), sign="higher"),
        )
        for net in ("convnet", "plain20")
    ),
    *(
        Claim(
            sentence=f"Batch normalisation belongs after the activation ({net}).",
            experiment="norm_order",
            figure="norm_order",
            rule=Pairs(pairs=((f"{net}, conv_act_norm", f"{net}, conv_norm_act"),), sign="higher"),
        )
        for net in ("convnet", "plain20")
    ),
    Claim(
        sentence="ReLU and max-pooling can be swapped.",
        experiment="pooling",
        figure="pooling",
        rule=Bits(
            pairs=(("max pooling, relu, activation first", "max pooling, relu, pooling first"),),
            true=PROVEN,
            false=FAILS,
        ),
    ),
    Claim(
        sentence="ReLU and average pooling can be swapped.",
        experiment="pooling",
        figure="pooling",
        rule=Facts(
            checks=(
                Check(arm="outputs: average pooling, relu", metric="equal_to_the_bit", least=1, most=1),
                Check(arm="outputs: average pooling, relu", metric="largest_difference", most=1e-5),
            ),
            false=REFUTED,
        ),
    ),
    Claim(
        sentence="Softmax with cross-entropy and logits with from_logits=True train alike.",
        experiment="head",
        figure="head",
        rule=Bits(
            pairs=(("softmax, cross-entropy", "logits, cross-entropy from logits"),), true=HOLDS, false=FAILS
        ),
    ),
    Claim(
        sentence="Softmax in the net and from_logits=True in the loss hurts (Keras on TensorFlow, nothing between).",
        experiment="head",
        figure="head",
        # Equal weights refute it: Keras takes the logits from behind the softmax.
        rule=Bits(
            pairs=(
                (
                    "softmax, cross-entropy from logits (softmax twice)",
                    "logits, cross-entropy from logits",
                ),
            ),
            true=FAILS,
            false=HOLDS,
        ),
    ),
    Claim(
        sentence="A forgotten softmax (logits into a loss of probabilities) hurts.",
        experiment="head",
        figure="head",
        rule=Pairs(
            pairs=(("logits, cross-entropy (softmax forgotten)", "logits, cross-entropy from logits"),),
            sign="lower",
        ),
    ),
)

RESIDUAL = (
    *(
        Claim(
            sentence=f"Deeper plain nets train worse ({depth} layers against 8).",
            experiment="depth",
            figure="depth",
            rule=Pairs(
                pairs=((f"plain, {depth} layers", "plain, 8 layers"),), sign="higher", metric="train_loss"
            ),
        )
        for depth in (20, 56, 110)
    ),
    *(
        Claim(
            sentence=f"Shortcuts let deep nets train ({depth} layers).",
            experiment="depth",
            figure="depth",
            rule=Pairs(
                pairs=((f"original, {depth} layers", f"plain, {depth} layers"),),
                sign="lower",
                metric="train_loss",
            ),
        )
        for depth in (20, 56, 110)
    ),
    *(
        Claim(
            sentence=f"Full pre-activation is best ({depth} layers).",
            experiment="ordering",
            figure="ordering",
            rule=Pairs(
                pairs=tuple(
                    (f"full_pre_activation, {depth} layers", f"{ordering}, {depth} layers")
                    for ordering in ORDERINGS
                ),
                sign="higher",
            ),
        )
        for depth in (20, 56, 110)
    ),
    *(
        Claim(
            sentence=f"Anything on the shortcut hurts ({depth} layers).",
            experiment="shortcut",
            figure="shortcut",
            rule=Pairs(
                pairs=tuple(
                    (f"{variant}, {depth} layers", f"identity, {depth} layers") for variant in ON_THE_SHORTCUT
                ),
                sign="lower",
            ),
        )
        for depth in (20, 56)
    ),
    *(
        Claim(
            sentence=f"1x1 projections everywhere are fine ({depth} layers).",
            experiment="shortcut",
            figure="shortcut",
            rule=Pairs(
                pairs=((f"1x1 convolution, {depth} layers", f"identity, {depth} layers"),), sign="not lower"
            ),
        )
        for depth in (20, 56)
    ),
    Claim(
        sentence="All pre-activation ResNets are the same net.",
        experiment="layout",
        figure="layout",
        rule=Facts(
            checks=tuple(
                Check(arm="he2016", metric=f"same_graph_as_{layout}", least=1, most=1) for layout in LAYOUTS
            ),
            false=REFUTED,
        ),
    ),
    Claim(
        sentence="A thousand layers start to learn sooner with pre-activation.",
        experiment="thousand",
        figure="thousand",
        rule=Pairs(
            pairs=(("full_pre_activation, 1001 layers", "original, 1001 layers"),),
            sign="lower",
            metric="train_loss",
        ),
    ),
)

GROUPS = {
    "What is plain algebra": ALGEBRA,
    "Is an activation needed, and as what": NEEDED,
    "Which function": FUNCTIONS,
    "In which order": ORDER,
    "Residual nets": RESIDUAL,
}
CLAIMS = tuple(claim for group in GROUPS.values() for claim in group)
