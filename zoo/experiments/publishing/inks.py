"""One colour and one dash for each meaning, on the whole site: the only place where they are chosen.

A figure asks by the values of its colour factor, the interactive pages read `docs/javascripts/inks.js` and
`docs/stylesheets/inks.css`, which `scripts/make_inks.py` writes from here. Each colour has a contrast of three to
one and more with white and with dark pages. Series of one figure differ in their dash, and where they are six or
fewer in their colour for every kind of sight: a test simulates the three kinds of colour blindness.
"""

from dataclasses import dataclass

INK = "#808080"  # axes and words of a drawing; a page puts its own ink in its place

BLUE, ORANGE, MAUVE, CRIMSON, SAGE = "#2b83d6", "#d9671f", "#b478ae", "#e40c54", "#8a9684"
TAN, GREEN, INDIGO, OLIVE, MAGENTA = "#ba845a", "#489648", "#5a66ea", "#788a06", "#e40696"
TEAL, STEEL, PURPLE, ROSE = "#0ca28a", "#428aa8", "#b448b4", "#cc5a72"

SOLID, LONG, DOT, DASH_DOT, SHORT = (1, 0), (10, 4), (2, 3), (9, 3, 2, 3), (5, 3)
DASH_DOT_DOT, SPARSE, LONG_SHORT = (9, 3, 2, 3, 2, 3), (2, 7), (14, 3, 5, 3)
PAIRS, DOT_PAIRS, LONGER, GAPPED = (4, 2, 4, 8), (2, 2, 2, 7), (18, 5), (6, 8)
THREE_DOTS, LONG_DOT = (9, 3, 2, 2, 2, 2, 2, 3), (20, 4, 2, 4)


@dataclass(frozen=True)
class Ink:
    """How a meaning is drawn.

    Attributes:
        colour: As `#rrggbb`.
        dash: Lengths of lines and gaps in pixels.
    """

    colour: str
    dash: tuple[int, ...]


TABLE: dict[str, dict[str, Ink]] = {
    "residual ordering": {
        "original": Ink(BLUE, SOLID),
        "bn_after_addition": Ink(CRIMSON, DOT),
        "relu_before_addition": Ink(MAUVE, DASH_DOT),
        "relu_only_pre_activation": Ink(SAGE, SHORT),
        "full_pre_activation": Ink(ORANGE, LONG),
    },
    # No batch normalisation is tan and the usual one teal, whether the net, its ordering or a layer is named for it.
    "plain net": {
        "plain": Ink(TEAL, DASH_DOT_DOT),
        "plain, no BN, He": Ink(TAN, PAIRS),
        "plain, no BN, Glorot": Ink(OLIVE, SPARSE),
    },
    "normalisation": {
        "BN": Ink(TEAL, SOLID),
        "no BN": Ink(TAN, LONG),
        "scaled_ws": Ink(BLUE, DASH_DOT_DOT),
        "skipinit": Ink(INDIGO, DOT),
        "nf_resnet": Ink(PURPLE, DASH_DOT),
    },
    "plain ordering": {
        "conv_act": Ink(TAN, DOT),
        "conv_norm_act": Ink(TEAL, SOLID),
        "conv_act_norm": Ink(PURPLE, DASH_DOT),
        "act_conv_norm": Ink(INDIGO, SHORT),
        "norm_act_conv": Ink(ORANGE, LONG),
    },
    "function": {
        "relu": Ink(BLUE, SOLID),
        "relu6": Ink(STEEL, LONG_DOT),
        "leaky_relu": Ink(MAUVE, LONGER),
        "prelu": Ink(ROSE, GAPPED),
        "elu": Ink(GREEN, DASH_DOT),
        "selu": Ink(OLIVE, PAIRS),
        "gelu": Ink(PURPLE, SHORT),
        "silu": Ink(INDIGO, LONG_SHORT),
        "mish": Ink(TEAL, DOT_PAIRS),
        "tanh": Ink(ORANGE, DASH_DOT_DOT),
        "softsign": Ink(CRIMSON, SPARSE),
        "sigmoid": Ink(MAGENTA, DOT),
        "softplus": Ink(TAN, THREE_DOTS),
        "none": Ink(SAGE, LONG),  # of the placements, too
    },
    "placement": {"first": Ink(MAUVE, SHORT), "last": Ink(ORANGE, DASH_DOT), "all": Ink(BLUE, SOLID)},
    "stages": {
        "tanh first": Ink(TAN, LONG),
        "tanh last": Ink(TEAL, DOT),
        "gelu, tanh, relu": Ink(MAUVE, LONG_SHORT),
        "tanh, relu, gelu": Ink(INDIGO, DASH_DOT),
    },
    "activations of a block": {
        "activations 3": Ink(BLUE, SOLID),
        "activations 2": Ink(ORANGE, LONG),
        "activations 1": Ink(SAGE, SHORT),
    },
    "goes first": {
        "needed least": Ink(BLUE, SOLID),
        "needed most": Ink(CRIMSON, DOT),
        "at random": Ink(SAGE, SHORT),
    },
    "precision": {"float32": Ink(BLUE, SOLID), "mixed_bfloat16": Ink(ORANGE, LONG)},
    "form": {"separate": Ink(BLUE, SOLID), "builtin": Ink(ORANGE, LONG)},
    "pooling order": {"activation first": Ink(BLUE, SOLID), "pooling first": Ink(ORANGE, LONG)},
    "shortcut": {
        "scaled by 0, branch by 1": Ink(CRIMSON, DOT),
        "scaled by 0.5, branch by 1": Ink(ORANGE, SHORT),
        "scaled by 0.5, branch by 0.5": Ink(TAN, DASH_DOT),
        "exclusive gate, bias -6": Ink(MAUVE, LONG),
        "shortcut-only gate, bias 0": Ink(PURPLE, PAIRS),
        "shortcut-only gate, bias -6": Ink(INDIGO, DASH_DOT_DOT),
        "1x1 convolution": Ink(OLIVE, LONG_SHORT),
        "dropout 0.5": Ink(SAGE, SPARSE),
    },
    "layout": {
        "he2016": Ink(BLUE, SOLID),
        "keras": Ink(ORANGE, LONG),
        "kerashub": Ink(PURPLE, DOT),
        "timm": Ink(SAGE, SHORT),
        "torchvision": Ink(INDIGO, PAIRS),
        "keras_resnet": Ink(TAN, DASH_DOT),
        "keras_cifar10": Ink(MAGENTA, DASH_DOT_DOT),
    },
    # From cold to hot.
    "learning rate": {
        "learning rate 0.01": Ink(STEEL, SOLID),
        "learning rate 0.05": Ink(SAGE, LONG),
        "learning rate 0.2": Ink(ORANGE, SHORT),
        "learning rate 0.8": Ink(CRIMSON, DOT),
    },
    "head and loss": {
        "logits, cross-entropy from logits": Ink(BLUE, SOLID),
        "softmax, cross-entropy": Ink(ORANGE, LONG),
        "sigmoid, binary cross-entropy": Ink(MAUVE, DASH_DOT),
        "logits, binary cross-entropy from logits": Ink(SAGE, SHORT),
        "softmax, mean squared error": Ink(TAN, DASH_DOT_DOT),
        "softmax, cross-entropy from logits (softmax twice)": Ink(CRIMSON, DOT),
        "logits, cross-entropy (softmax forgotten)": Ink(OLIVE, SPARSE),
        "sigmoid, cross-entropy": Ink(MAGENTA, PAIRS),
        "softmax, binary cross-entropy": Ink(TEAL, LONG_SHORT),
        "relu, cross-entropy from logits": Ink(PURPLE, GAPPED),
        "probabilities from elsewhere": Ink(GREEN, DOT_PAIRS),
        "by hand": Ink(INDIGO, THREE_DOTS),
    },
    "contender": {
        "zoo": Ink(BLUE, SOLID),
        "zoo, rolled": Ink(ORANGE, LONG),
        "zoo, rolled with remat": Ink(MAUVE, DASH_DOT),
        "stock Keras": Ink(SAGE, SHORT),
        "stock Keras with XLA": Ink(CRIMSON, DOT),
        "PyTorch eager": Ink(INDIGO, DASH_DOT_DOT),
        "PyTorch compiled": Ink(PURPLE, PAIRS),
        "zoo, mixed bfloat16": Ink(TEAL, LONG_SHORT),
        "stock Keras, mixed bfloat16": Ink(TAN, SPARSE),
    },
}
# Other names of the same thing: those of arms of several studies.
SAME = {
    "identity": "original",
    "all relu": "relu",
    "all gelu": "gelu",
    "all tanh": "tanh",
    "resnet20, original": "original",
    "resnet20, full_pre_activation": "full_pre_activation",
    "plain, BN": "plain",
    "plain20, BN": "plain",
    "plain20, no BN": "plain, no BN, He",
    "from logits": "logits, cross-entropy from logits",
    "softmax, then the loss": "softmax, cross-entropy",
}
# What drawings and things to try mark, on light and on dark pages: the place of an activation, what differs from
# another drawing, values above and below zero, the pixel that is followed.
MARKS = {
    "act": ("#9a3412", "#ffb787"),
    "act-box": ("#ffe8d6", "#4c2a14"),
    "other": ("#0b5cad", "#8cc4ff"),
    "other-box": ("#dcebfa", "#12304d"),
    "plus": ("#e66101", "#e66101"),
    "minus": ("#5e50c8", "#9a8cff"),
    "here": ("#009e73", "#009e73"),
}
LIGHT = {name: light for name, (light, _) in MARKS.items()}
_INKS = {meaning: ink for group in TABLE.values() for meaning, ink in group.items()}


def meaning(name: str) -> str:
    """The name in the table of what an arm, or a value of a factor, is.

    Raises:
        ValueError: The table has no entry for it.

    Example:
        >>> from zoo.experiments.publishing.inks import meaning
        >>> meaning("identity"), meaning("tanh")
        ('original', 'tanh')
    """
    found = SAME.get(name, name)
    if found not in _INKS:
        raise ValueError(
            f"no colour for {name!r}: give it a row of TABLE, or of SAME, in zoo/experiments/publishing/inks.py; "
            f"there are {', '.join(sorted({*_INKS, *SAME}))}"
        )
    return found


def ink(name: str) -> Ink:
    """Colour and dash of an arm, or of a value of a factor.

    Raises:
        ValueError: The table has no entry for it.

    Example:
        >>> from zoo.experiments.publishing.inks import ink
        >>> ink("full_pre_activation").colour, ink("original").dash
        ('#d9671f', (1, 0))
    """
    return _INKS[meaning(name)]
