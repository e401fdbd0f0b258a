"""What the literature leads one to expect, what was measured here, and why the two differ where they do."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from zoo.experiments.design.experiment import Expectation
from zoo.experiments.publishing.numbers import Numbers, number


@dataclass(frozen=True, kw_only=True)
class Held:
    """One expectation held against the data.

    Attributes:
        measured: From published numbers to words.
        why: The explanation, of agreement or of difference.
    """

    measured: Callable[[Numbers], str]
    why: str


SCALE = "A smaller task, and only the start of it."
NOISE = "Five seeds of short runs cannot resolve the half point that separates the better variants there."


def _list(numbers: Numbers, arms: Iterable[str], metric: str = "test_accuracy") -> str:
    return "; ".join(f"{arm}: {numbers.mean_text(arm, metric)}" for arm in arms)


def _against(numbers: Numbers, arm: str, reference: str, metric: str = "test_accuracy") -> str:
    return f"“{arm}” minus “{reference}”: {numbers.difference_text(arm, reference, metric)}"


def _by_depth(
    variant: str, reference: str, metric: str = "test_accuracy", depths: tuple[int, ...] = (20, 56)
) -> Callable[[Numbers], str]:
    return lambda n: "; ".join(
        _against(n, f"{variant}, {depth} layers", f"{reference}, {depth} layers", metric) for depth in depths
    )


def _slowdowns(n: Numbers) -> str:
    from zoo.experiments.claims.sentences import REACHED

    parts = []
    for norm in ("no BN", "BN"):
        ratios = list(n.slowdown(f"tanh, {norm}", f"relu, {norm}", REACHED).values())
        mean = sum(ratios) / len(ratios)
        parts.append(f"{norm}: tanh takes {number(mean)} times the epochs of ReLU to {100 * REACHED:g} %")
    return "; ".join(parts)


def _spread(n: Numbers, arms: list[str]) -> str:
    means = {arm: n.summary(arm, "test_accuracy").mean for arm in arms}
    low, high = min(means, key=means.get), max(means, key=means.get)
    return f"from {n.mean_text(low)} ({low}) to {n.mean_text(high)} ({high})"


HELD: dict[str, dict[str, Held]] = {
    "why": {
        "nets without activation, any number of convolutions": Held(
            measured=lambda n: "; ".join(
                _against(n, f"{layers} conv, none", "softmax regression") for layers in (2, 6)
            ),
            why=(
                "They are the same family of functions, harder to train: no net without activation is "
                "better, and "
                "large rates make some diverge."
            ),
        ),
        "cross-entropy without activation, where every image comes with both signs": Held(
            measured=lambda n: _list(n, [f"{k} conv, none, both signs" for k in (2, 4)], "test_loss"),
            why="As the convexity argument says.",
        ),
        "CaffeNet without activation on ImageNet, top-1": Held(
            measured=lambda n: _list(n, ["2 conv, none", "2 conv, all"]),
            why=(
                "Ten garments are nearly separable by a linear map, a thousand kinds of objects are not; "
                "that is "
                "why the runs with both signs stand beside these."
            ),
        ),
    },
    "form": {
        "trained weights of the two forms": Held(
            measured=lambda n: "; ".join(
                f"{pair['a']} and {pair['b']}: {pair['verdict']}"
                for pair in n.published.about["comparisons"]
                if pair["metric"] == "weights_sha256"
            ),
            why="The same operations in the same order.",
        ),
    },
    "which": {
        "epochs to 25 % training error, four-layer CNN on CIFAR-10, tanh against ReLU": Held(
            measured=_slowdowns,
            why=(
                "Six is of one net and one task, as the first half of the sentence says. Its second half, several times "
                "faster than any saturating neuron, does not hold here: four layers on small images and good initial "
                "weights leave tanh level with ReLU, and with normalisation sigmoid, too."
            ),
        ),
        "sigmoid without normalisation": Held(
            measured=lambda n: _list(n, ["sigmoid, no BN", "relu, no BN"], "train_accuracy"),
            why="Each layer multiplies the gradient by at most a quarter; a larger learning rate makes up for most of it.",
        ),
        "ReLU and its relatives with normalisation": Held(
            measured=lambda n: _spread(
                n, [f"{f}, BN" for f in ("relu", "leaky_relu", "prelu", "elu", "gelu", "silu", "mish")]
            ),
            why=NOISE,
        ),
    },
    "norm_order": {
        "CaffeNet on ImageNet, top-1: before and after ReLU": Held(
            measured=lambda n: _against(n, "convnet, conv_act_norm", "convnet, conv_norm_act"),
            why=SCALE,
        ),
        "GoogLeNet on ImageNet, top-1: before and after ReLU": Held(
            measured=lambda n: _against(n, "plain20, conv_act_norm", "plain20, conv_norm_act"),
            why=(
                "Another net, another sign there as well: the order is a property of net and recipe, not a "
                "law."
            ),
        ),
        "20 layers without normalisation": Held(
            measured=lambda n: _list(n, ["plain20, conv_act", "plain20, conv_norm_act"]),
            why="Without normalisation the scale of values and gradients is left to the initial weights.",
        ),
    },
    "ordering": {
        **{
            f"{ordering}: test error of ResNet-110 and ResNet-164 on CIFAR-10": Held(
                measured=_by_depth(ordering, "original", depths=(20, 56, 110))
                if ordering != "original"
                else lambda n: _list(n, [f"original, {depth} layers" for depth in (20, 56, 110)]),
                why=f"{SCALE} A short run shows the start, where deep nets differ by far more than at the end.",
            )
            for ordering in (
                "original",
                "bn_after_addition",
                "relu_before_addition",
                "relu_only_pre_activation",
                "full_pre_activation",
            )
        },
        "the orderings at depth 20": Held(
            measured=lambda n: _spread(
                n,
                [
                    f"{ordering}, 20 layers"
                    for ordering in (
                        "original",
                        "bn_after_addition",
                        "relu_before_addition",
                        "relu_only_pre_activation",
                        "full_pre_activation",
                    )
                ],
            ),
            why=(
                "After four epochs of 8,000 images the nets are still learning: what differs is the speed "
                "of the "
                "start more than the end."
            ),
        ),
        "bn_after_addition early in training": Held(
            measured=_by_depth("bn_after_addition", "original", "train_loss", (20, 56, 110)),
            why=(
                "The gradient passes a normalisation on every shortcut, so it grows with the depth instead "
                "of "
                "passing unchanged."
            ),
        ),
    },
    "shortcut": {
        **{
            f"{variant}: test error of ResNet-110 on CIFAR-10": Held(
                measured=_by_depth(variant, "identity")
                if variant != "identity"
                else lambda n: _list(n, ["identity, 20 layers", "identity, 56 layers"]),
                why=why,
            )
            for variant, why in {
                "identity": SCALE,
                "scaled by 0, branch by 1": (
                    "A shortcut times zero is none: this is a plain net with an addition."
                ),
                "scaled by 0.5, branch by 1": (
                    "Half of a half of a half: over n units the shortcut carries 2^-n."
                ),
                "scaled by 0.5, branch by 0.5": "As above, with a smaller branch.",
                "exclusive gate, bias -6": (
                    "At a bias of -6 the gate lets a quarter of a percent of the "
                    "branch "
                    "through, so a short run sees almost no branch at all."
                ),
                "shortcut-only gate, bias 0": "At a bias of 0 the shortcut starts halved.",
                "shortcut-only gate, bias -6": "At a bias of -6 the shortcut starts as the identity.",
                "1x1 convolution": "It is one more weight layer on every shortcut: the way through the net is a product of matrices.",
                "dropout 0.5": "Halves the shortcut at random: in the mean over units as scaling does.",
            }.items()
        },
    },
    "layout": {
        "the six layouts behind a CIFAR stem": Held(
            measured=lambda n: f"{_distinct_graphs(n)} different graphs behind six names",
            why=(
                "kerashub and timm differ in the ImageNet stem only, keras_resnet and keras_cifar10 in "
                "nothing."
            ),
        ),
        "their accuracy at this scale": Held(
            measured=lambda n: _spread(
                n, ["he2016", "keras", "kerashub", "timm", "keras_resnet", "keras_cifar10"]
            ),
            why="The graphs differ in a handful of layers. Early in training the momentum of the moving statistics "
            "counts more: 0.9 in some layouts, Keras's default 0.99 in others, whose statistics lag at first.",
        ),
    },
    "depth": {
        "plain nets": Held(
            measured=lambda n: _list(n, [f"plain, {d} layers" for d in (8, 20, 56, 110)], "train_loss"),
            why="As there: the training loss itself rises, so it is not overfitting.",
        ),
        "residual nets of 20, 32, 44, 56 and 110 layers, test error on CIFAR-10": Held(
            measured=lambda n: _list(n, [f"original, {d} layers" for d in (8, 20, 56, 110)]),
            why=(
                "In a short run deeper residual nets are behind, not ahead: their gain comes late in "
                "training."
            ),
        ),
        "110 layers, original and full pre-activation, test error on CIFAR-10": Held(
            measured=lambda n: _against(n, "full_pre_activation, 110 layers", "original, 110 layers"),
            why=(
                f"{SCALE} There the difference is a quarter of a point, a run-to-run standard deviation and "
                f"a half."
            ),
        ),
    },
    "thousand": {
        "1,001 layers, original and full pre-activation: test error on CIFAR-10": Held(
            measured=lambda n: (
                _against(n, "full_pre_activation, 1001 layers", "original, 1001 layers", "test_accuracy")
                + " after 200 steps"
            ),
            why="Two hundred steps against tens of thousands: only the start can be compared.",
        ),
        "early training of 1,001 layers": Held(
            measured=lambda n: _against(
                n, "full_pre_activation, 1001 layers", "original, 1001 layers", "train_loss"
            ),
            why="The original passes 333 activations on the way back; under pre-activation the way is free.",
        ),
    },
    "signal": {
        "full_pre_activation, variance and squared mean at unit l": Held(
            measured=lambda n: (
                _growth(n, "full_pre_activation", "variance")
                + "; "
                + _growth(n, "full_pre_activation", "squared_mean", "squared mean")
            ),
            why="Each unit adds a branch of the same size to the shortcut. Ours is convolutional, with eight "
            "channels in the branch: the shape carries over, the constants roughly.",
        ),
        "relu_only_pre_activation, variance at unit l": Held(
            measured=lambda n: (
                _growth(n, "relu_only_pre_activation", "variance")
                + "; "
                + _growth(n, "relu_only_pre_activation", "squared_mean", "squared mean")
            ),
            why="A branch that ends in a normalisation adds variance one and mean zero.",
        ),
        "original and both pre-activations, gradient norm towards the input": Held(
            measured=lambda n: "; ".join(
                _power(n, o) for o in ("original", "relu_only_pre_activation", "full_pre_activation")
            ),
            why=(
                "A power of l, not an exponential, since each branch normalises by the size of its input, "
                "which grows "
                "with l. It is steeper than 1 / l; narrow convolutional branches are our guess, not a finding."
            ),
        ),
        "relu_before_addition, squared mean": Held(
            measured=lambda n: _growth(n, "relu_before_addition", "squared_mean", "squared mean"),
            why="Means add up as l, so their square grows as l^2.",
        ),
        "bn_after_addition": Held(
            measured=lambda n: (
                _growth(n, "bn_after_addition", "variance")
                + "; "
                + _growth(n, "bn_after_addition", "gradient_norm", "gradient")
            ),
            why="The normalisation on the shortcut divides by the root of two at first, unit after unit.",
        ),
        "plain with BN": Held(
            measured=lambda n: (
                _growth(n, "plain, BN", "variance", last=108)
                + "; "
                + "gradient of the first layer over that of the last: "
                f"{number(n.at('plain, BN', 'gradient_norm', 1))}, "
                f"a factor of {number(n.at('plain, BN', 'gradient_norm', 1) ** (1 / 107))} a layer"
            ),
            why="BN hides the scale of the values, not that of the gradients.",
        ),
        "plain, Glorot, ReLU, no BN": Held(
            measured=lambda n: _halving(n),
            why="Somewhat less than a half: zero padding adds zeros, and an image of 8 x 8 is mostly border.",
        ),
    },
    "dead": {
        "ReLU at a learning rate set too high": Held(
            measured=lambda n: _list(
                n, [f"relu, no BN, rate {rate:g}" for rate in (0.01, 0.05, 0.2, 0.8)], "dead_units"
            ),
            why="The remark names no net and no rate; where the rate is far too high, more than that is dead.",
        ),
        "leaky ReLU and ELU": Held(
            measured=lambda n: (
                _list(n, [f"{f}, no BN, rate 0.01" for f in ("leaky_relu", "elu")], "dead_units")
                + f"; at a rate of 0.2 {n.diverged('leaky_relu, no BN, rate 0.2')} of 5 and "
                f"{n.diverged('elu, no BN, rate 0.2')} of 5 runs diverge"
            ),
            why="By their formulas no output is exactly zero. What kills ReLU units makes these nets overflow.",
        ),
        "ReLU before training": Held(
            measured=lambda n: (
                "zero values: " + n.mean_text("relu, no BN, rate 0.01", "zero_fraction", first=True)
            ),
            why="Initial weights are symmetric; images have a mean, hence not exactly one half.",
        ),
    },
    "head": {
        "logits with from_logits=True against softmax with from_logits=False": Held(
            measured=lambda n: _against(n, "softmax, cross-entropy", "logits, cross-entropy from logits"),
            why="Keras's softmax remembers its logits, and the loss uses them: the same computation.",
        ),
        "softmax twice": Held(
            measured=lambda n: (
                _against(
                    n,
                    "softmax, cross-entropy from logits (softmax twice)",
                    "logits, cross-entropy from logits",
                )
                + "; training loss "
                + n.mean_text("softmax, cross-entropy from logits (softmax twice)", "train_loss")
            ),
            why="It does not happen: Keras on TensorFlow sees that the tensor comes from a softmax, takes the logits behind "
            "it, and warns. The two arms train to the same weights, to the bit.",
        ),
        "loss of probabilities, at large logits": Held(
            measured=lambda n: (
                "loss at a gap of 1000: "
                + number(n.at("probabilities from elsewhere, float32", "loss", 1000))
                + ", gradient "
                + number(n.at("probabilities from elsewhere, float32", "gradient", 1000))
                + "; straight from Keras's softmax: loss "
                + number(n.at("softmax, then the loss, float32", "loss", 1000))
                + ", gradient "
                + number(n.at("softmax, then the loss, float32", "gradient", 1000))
            ),
            why="Any operation between softmax and loss loses the remembered logits.",
        ),
        "by hand, exp overflows": Held(
            measured=lambda n: (
                "last gap with a finite loss: "
                + "; ".join(
                    f"{dtype} {number(_last_finite(n, f'by hand, {dtype}'))}"
                    for dtype in ("float32", "float16")
                )
            ),
            why="exp(89) is more than float32 holds, exp(12) more than float16 does.",
        ),
    },
    "pooling": {
        "max pooling with an activation that never falls (ReLU, leaky ReLU, ELU, tanh, sigmoid)": Held(
            measured=lambda n: _equal(n, "max", ("relu", "leaky_relu", "elu", "tanh", "sigmoid")),
            why="f(max(a, b)) = max(f(a), f(b)).",
        ),
        "max pooling with GELU, SiLU or Mish, and average pooling with anything not linear": Held(
            measured=lambda n: (
                _equal(n, "max", ("gelu", "silu", "mish"))
                + "; "
                + _equal(
                    n, "average", ("relu", "leaky_relu", "elu", "tanh", "sigmoid", "gelu", "silu", "mish")
                )
            ),
            why="The three fall before they rise; and a mean of f is not f of the mean.",
        ),
    },
    "algebra": {
        "a convolution without bias": Held(
            measured=lambda n: (
                "relative error " + number(max(n.values("a convolution", "superposition_error").values()))
            ),
            why="Rounding in float32.",
        ),
        "a convolution of 3 x 3 with 16 filters on three channels": Held(
            measured=lambda n: (
                f"{n.mean_text('a convolution', 'parameters')} parameters, "
                f"{n.mean_text('a convolution', 'parameters_at_twice_the_size')} at twice the size, "
                f"{n.mean_text('a convolution', 'output_channels')} output channels"
            ),
            why="As the formula says.",
        ),
        "an activation on 30 x 30 x 3 values": Held(
            measured=lambda n: (
                f"{n.mean_text('an activation', 'values_out')} values out; other outputs changed by "
                f"one input: {n.mean_text('an activation', 'moved_elsewhere')}"
            ),
            why="As the definition says.",
        ),
        "a net with ReLU or leaky ReLU": Held(
            measured=lambda n: "; ".join(
                f"{f}: {100 * n.summary(f'a net of one number, {f}', 'straight_fraction').mean:.4g} % of "
                f"the points "
                f"on straight pieces, growth {n.mean_text(f'a net of one number, {f}', 'growth')}"
                for f in ("relu", "leaky_relu", "gelu", "tanh")
            ),
            why=(
                "Each hidden unit adds a kink. GELU and tanh bend everywhere, and none of the four grows as "
                "x^2."
            ),
        ),
    },
}


def _gain(name: str, value: str) -> Held:
    return Held(
        measured=lambda n: f"{n.summary(f'{name}, own gain (variance gain^2/n)', 'gain').mean:.5g}",
        why="The integral, computed.",
    )


def _growth(n: Numbers, arm: str, metric: str, words: str = "", last: float = 333) -> str:
    at = [n.at(arm, metric, x) for x in (1, last / 10, last)]
    places = f"units 1, {last / 10:.0f} and {last:.0f}"
    return f"{arm}, {words or metric} at {places}: {', '.join(map(number, at))}"


def _power(n: Numbers, arm: str) -> str:
    early, late = (n.at(arm, "gradient_norm", unit) for unit in (33, 333))
    return f"{arm}: as l^{number(math.log10(late / early))} from unit 33 to 333"


def _halving(n: Numbers) -> str:
    first, later = (n.at("plain, no BN, Glorot", "variance", layer) for layer in (1, 21))
    return (
        f"variance of layer 21 over layer 1: {number(later / first)}, "
        f"a factor of {number((later / first) ** (1 / 20))} a layer"
    )


def _distinct_graphs(n: Numbers) -> int:
    layouts = ("he2016", "keras", "kerashub", "timm", "keras_resnet", "keras_cifar10")
    return len({tuple(n.summary(one, f"same_graph_as_{other}").mean for other in layouts) for one in layouts})


def _last_finite(n: Numbers, arm: str) -> float:
    points = next(iter(n.series(arm, "loss").values()))
    return max(x for x, loss in points if abs(loss) < float("inf"))


def _equal(n: Numbers, pool: str, activations: Iterable[str]) -> str:
    same, other = [], []
    for activation in activations:
        arm = f"outputs: {pool} pooling, {activation}"
        equal = n.summary(arm, "equal_to_the_bit").mean == 1
        (same if equal else other).append(activation)
    parts = []
    if same:
        parts.append(f"equal to the bit for {', '.join(same)}")
    if other:
        largest = [n.summary(f"outputs: {pool} pooling, {a}", "largest_difference").mean for a in other]
        parts.append(
            f"different for {', '.join(other)} (by up to {100 * max(largest):.2g} % of the largest output)"
        )
    return f"{pool} pooling: {'; '.join(parts)}"


def held(experiment: str, expectation: Expectation) -> Held | None:
    """What stands against an expectation of the catalog; `None` where nothing does yet."""
    if expectation.what.startswith("gain of "):
        return _gain(expectation.what.removeprefix("gain of "), expectation.value)
    return HELD.get(experiment, {}).get(expectation.what)
