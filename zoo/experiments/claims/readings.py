"""An honest reading of each experiment: what its figure shows, what it does not, what would change it.

The numbers in the texts are taken from the published data when the texts are written (`scripts/make_claims.py`), so
that no text can disagree with its figure.
"""

from collections.abc import Callable

from zoo.experiments.claims.sentences import REACHED
from zoo.experiments.publishing.numbers import Numbers, difference_text, number
from zoo.experiments.publishing.outcomes import TRAINED
from zoo.experiments.publishing.power import runs_needed

ORDERINGS = ("bn_after_addition", "relu_before_addition", "relu_only_pre_activation", "full_pre_activation")


def _less(n: Numbers, first: str, second: str, metric: str = "test_accuracy") -> str:
    difference = n.difference(first, second, metric)
    return f"{difference_text(difference)} ({difference.well})"


def why(n: Numbers) -> tuple[str, str, str]:
    """Is an activation needed?"""
    both = "both signs"
    return (
        "Where every image comes with both signs, no run of two convolutions without activation leaves chance: test "
        f"accuracy {n.mean_text(f'2 conv, none, {both}')}, cross-entropy "
        f"{n.mean_text(f'2 conv, none, {both}', 'test_loss', digits=5)} against ln 10 = 2.3026. With ReLU they reach "
        f"{n.mean_text(f'2 conv, all, {both}')}. On the images as given a linear net is far from chance "
        f"({n.mean_text('softmax regression')} for softmax regression): there the activation of two convolutions is "
        f"worth {_less(n, '2 conv, all', '2 conv, none')}. All activations minus the last alone: "
        + "; ".join(f"{k} convolutions {_less(n, f'{k} conv, all', f'{k} conv, last')}" for k in range(2, 7))
        + f". On images of both signs: 4 convolutions {_less(n, f'4 conv, all, {both}', f'4 conv, last, {both}')}.",
        "That more layers help: without normalisation and in runs this short they do not. Nor that one activation "
        "would be enough for images that are harder than ten garments.",
        "Normalisation and longer training for the deep arms; images that are less nearly separable.",
    )


def form(n: Numbers) -> tuple[str, str, str]:
    """Separate or built in?"""
    equal = sum(
        p["metric"] == "weights_sha256" and p["difference"] == 0 for p in n.published.about["comparisons"]
    )
    asked = sum(p["metric"] == "weights_sha256" for p in n.published.about["comparisons"])
    return (
        f"In {equal} of {asked} nets the trained weights of both forms are equal to the bit for every seed. "
        f"The two "
        "curves are one.",
        "Whether other backends or compilers keep it so: XLA may fuse the two forms differently.",
        "Nothing in training. The two forms differ only in what you can do with the model afterwards.",
    )


def which(n: Numbers) -> tuple[str, str, str]:
    """Which function?"""
    rate = {arm["label"]: arm["learning_rate"] for arm in n.published.about["arms"]}
    rates = " and ".join(
        f"{number(rate[f'sigmoid, {norm}'] / rate[f'relu, {norm}'])} times ({norm})"
        for norm in ("no BN", "BN")
    )
    return (
        f"To {100 * REACHED:g} % training accuracy tanh takes {_times(n, 'tanh')} as many epochs as ReLU, not six; "
        f"sigmoid takes {_times(n, 'sigmoid')}, at {rates} the learning rate of ReLU: at one rate for all it would be "
        f"far behind. Sigmoid without normalisation ends at {n.mean_text('sigmoid, no BN', 'train_accuracy')} training "
        f"accuracy, ReLU at {n.mean_text('relu, no BN', 'train_accuracy')}; with normalisation sigmoid ends at "
        f"{n.mean_text('sigmoid, BN', 'train_accuracy')}. **The fastest of all is no activation**: it takes "
        f"{_times(n, 'none')} as many epochs as ReLU and ends at {n.mean_text('none, no BN', 'train_accuracy')} "
        f"(no BN). Its max-pooling is a non-linearity, the only one left, and enough for images this easy.",
        "That an activation is useless: with strides instead of max-pooling this net would be a linear map. Nor a "
        f"ranking of ReLU's relatives: in test accuracy ELU minus ReLU is {_less(n, 'elu, no BN', 'relu, no BN')} "
        f"without and {_less(n, 'elu, BN', 'relu, BN')} with normalisation, GELU minus ReLU "
        f"{_less(n, 'gelu, BN', 'relu, BN')} with it, none minus ReLU {_less(n, 'none, no BN', 'relu, no BN')} without; "
        "and test accuracy after ten short epochs is as much about the start as about the end.",
        "Depth: in four layers tanh loses little. Strides instead of max-pooling. A finer grid of learning rates, whose "
        "steps here are a factor of four.",
    )


def _times(n: Numbers, function: str) -> str:
    """How many times as many epochs as ReLU, without and with normalisation."""
    parts = []
    for norm in ("no BN", "BN"):
        ratios = list(n.slowdown(f"{function}, {norm}", f"relu, {norm}", REACHED).values())
        parts.append(f"{number(sum(ratios) / len(ratios))} times ({norm})")
    return " and ".join(parts)


def norm_order(n: Numbers) -> tuple[str, str, str]:
    """BN before or after?"""
    return (
        "Normalisation after the activation minus before it, in test accuracy: "
        f"{_less(n, 'convnet, conv_act_norm', 'convnet, conv_norm_act')} in the convnet and "
        f"{_less(n, 'plain20, conv_act_norm', 'plain20, conv_norm_act')} in plain20. Normalising at all, in "
        f"plain20: "
        f"{_less(n, 'plain20, conv_norm_act', 'plain20, conv_act')}.",
        "A law. In the literature the sign differs between two nets of the same benchmark, and here the nets "
        "are narrow "
        "and the runs short.",
        "Longer training, wider nets, another rate grid; and dropout or weight decay, which interact with "
        "the order.",
    )


def ordering(n: Numbers) -> tuple[str, str, str]:
    """Which of the five?"""
    parts = [f"{one} {_less(n, f'{one}, 110 layers', 'original, 110 layers')}" for one in ORDERINGS]
    return (
        f"Test accuracy at 110 layers minus that of the original ordering: {'; '.join(parts)}.",
        "The test error after full training, which the paper's table 2 ranks in nearly this order: there the better "
        "orderings lie a quarter to half a point apart, trained to the end. Here the nets have seen 8,000 images four "
        "times, and what is compared is how they start, where the gaps are far larger. At 20 layers none was detected.",
        f"About {runs_needed(0.24, 0.16)} seeds an arm, trained for 64,000 steps instead of 500: what resolves 0.24 points when runs "
        "vary "
        "by 0.16.",
    )


def shortcut(n: Numbers) -> tuple[str, str, str]:
    """What on the shortcut?"""
    variants = (
        "scaled by 0, branch by 1",
        "scaled by 0.5, branch by 1",
        "scaled by 0.5, branch by 0.5",
        "exclusive gate, bias -6",
        "shortcut-only gate, bias 0",
        "shortcut-only gate, bias -6",
        "1x1 convolution",
        "dropout 0.5",
    )
    parts = [f"{one}: {_less(n, f'{one}, 56 layers', 'identity, 56 layers')}" for one in variants]
    return (
        f"Test accuracy at 56 layers minus that of the identity: {'; '.join(parts)}.",
        "Test errors after full training: the nets have seen 8,000 images four times, and a variant that starts late may "
        "catch up, as the 1x1 convolution and the gates do in part in the paper.",
        "More depth: each variant acts once a unit, so what is small over 27 units is not over 54.",
    )


def layout(n: Numbers) -> tuple[str, str, str]:
    """Which pre-activation ResNet?"""
    return (
        "Six names, four different graphs behind a CIFAR stem: kerashub and timm are one, keras_resnet and "
        "keras_cifar10 are one, and the trained weights of each pair agree to the bit. Test accuracy of "
        f"keras_cifar10 minus he2016: {_less(n, 'keras_cifar10', 'he2016')}; training loss: "
        f"{_less(n, 'keras_cifar10', 'he2016', 'train_loss')}.",
        "Which layout is better when trained to the end. And the first epochs of the test curve show something "
        "else than the graph: three layouts keep Keras's default momentum of 0.99 for the moving statistics, so after "
        "the 125 steps of an epoch more than a quarter of them is still the initial value; after the 500 steps of "
        "the run less than a hundredth is.",
        "Another depth: behind a CIFAR stem at 29 layers the layouts differ in a handful of layers.",
    )


def depth(n: Numbers) -> tuple[str, str, str]:
    """Why shortcuts?"""
    parts = [
        f"{d} layers {_less(n, f'original, {d} layers', f'plain, {d} layers', 'train_loss')}"
        for d in (8, 20, 56, 110)
    ]
    return (
        f"Training loss with shortcuts minus without: {'; '.join(parts)}. Plain nets of 110 layers minus those "
        f"of 8: "
        f"{_less(n, 'plain, 110 layers', 'plain, 8 layers', 'train_loss')}. It is the training loss that "
        f"rises, so it is not overfitting. Full pre-activation minus original, test accuracy: "
        f"{_less(n, 'full_pre_activation, 20 layers', 'original, 20 layers')} at 20 layers, "
        f"{_less(n, 'full_pre_activation, 110 layers', 'original, 110 layers')} at 110.",
        "That depth pays: after 500 steps no deep net is clearly ahead of the shallow ones. Nor the gain of pre-activation "
        "after full training, which at 110 layers is a quarter of a point in the paper: here it is the start that differs.",
        "Longer training, in which deep residual nets overtake shallow ones and deep plain nets still do "
        "not.",
    )


def thousand(n: Numbers) -> tuple[str, str, str]:
    """A thousand layers?"""
    parts = [
        f"{d} layers {_less(n, f'full_pre_activation, {d} layers', f'original, {d} layers', 'train_loss')}"
        for d in (65, 191, 1001)
    ]
    return (
        f"Training loss after 200 steps, full pre-activation minus original: {'; '.join(parts)}. At 1,001 layers the "
        f"original is still close to guessing, {n.mean_text('original, 1001 layers', 'train_loss')} against ln 10 = 2.303.",
        "What a thousand layers are good for: 200 steps of 32 small images are the first minutes of a "
        "training that takes days, with ten steps of warm-up and the better of two rates. Three seeds.",
        "More steps. The published gap, 7.61 against 4.92 % test error, is after full training on CIFAR-10.",
    )


def signal(n: Numbers) -> tuple[str, str, str]:
    """What happens to the scale?"""

    def at(arm: str, metric: str, x: float) -> str:
        return number(n.at(arm, metric, x))

    return (
        "Before training, over 333 residual units (1,001 layers), the variance grows from "
        f"{at('full_pre_activation', 'variance', 1)} to {at('full_pre_activation', 'variance', 333)} under "
        f"full "
        "pre-activation, about linearly, and the gradient at the first unit is "
        f"{at('full_pre_activation', 'gradient_norm', 1)} times that at the last: a power of the depth. "
        f"With BN after "
        f"the addition the values stay below {at('bn_after_addition', 'variance', 333)} while the gradient "
        f"grows by "
        f"{at('bn_after_addition', 'gradient_norm', 1)}: exponential. A plain net of 110 layers without BN "
        f"and with "
        "Glorot's weights ends at a variance of "
        f"{at('plain, no BN, Glorot', 'variance', 108)}.",
        "That a gain keeps the scale for ever. It does where the scale is one; from there small departures die out "
        "or grow, and over 20 layers GELU's has grown "
        f"{n.mean_text('gelu, own gain (variance gain^2/n)', 'growth')} times and SiLU's "
        f"{n.mean_text('silu, own gain (variance gain^2/n)', 'growth')} times, against "
        f"{n.mean_text('tanh, own gain (variance gain^2/n)', 'growth')} for tanh. Nor how the nets "
        "train: optimisers, learning rates and BN's own scale change all of it within a few steps, "
        "as the curves during training show.",
        "Other images change the first layers, other widths the constants; the shapes (linear, exponential, "
        "power) "
        "follow from the place of the operations.",
    )


def dead(n: Numbers) -> tuple[str, str, str]:
    """When do units die?"""
    parts = [
        f"{100 * n.summary(f'relu, no BN, rate {rate:g}', 'dead_units').mean:.3g} % at {rate:g}"
        for rate in (0.01, 0.05, 0.2, 0.8)
    ]
    normalised = [
        f"{100 * n.summary(f'relu, BN, rate {rate:g}', 'dead_units').mean:.3g} % at {rate:g}"
        for rate in (0.05, 0.2, 0.8)
    ]
    lost = {f: n.diverged(f"{f}, no BN, rate 0.2") for f in ("relu", "leaky_relu", "elu")}
    zeros = n.summary("relu, no BN, rate 0.01", "zero_fraction", first=True).mean
    return (
        f"Dead ReLU channels after 120 steps without normalisation: {', '.join(parts)} learning rate. With "
        f"normalisation before the ReLU: {', '.join(normalised)}: fewer, not none. A slope below zero leaves no unit "
        f"dead, and does not save the net: at 0.2 without normalisation {lost['leaky_relu']} of 5 leaky ReLU runs and "
        f"{lost['elu']} of 5 ELU runs diverge, where {lost['relu']} of 5 ReLU runs do. There a ReLU net dies of what "
        f"makes the others overflow. Before training {100 * zeros:.3g} % of all values are zero, which is no disease.",
        "How often units die in nets as people train them: at the rates that train best here, none or few do. In a run "
        "that diverged there is nothing to count.",
        "Longer training, more images in the count (500 here), other initial biases, a warm-up.",
    )


def head(n: Numbers) -> tuple[str, str, str]:
    """Which head?"""
    reference = "logits, cross-entropy from logits"
    arms = [arm["label"] for arm in n.published.about["arms"] if arm["learning_rate"] is not None]
    weights = {arm["label"]: [run["weights"] for run in arm["runs"]] for arm in n.published.about["arms"]}
    alike = [arm for arm in arms if weights[arm] == weights[reference]]
    forgotten = "logits, cross-entropy (softmax forgotten)"
    return (
        f"Of the {len(arms)} pairs of head and loss {len(alike)} end with the same weights to the bit, in all five "
        f"seeds: {'; '.join(alike)}. Keras on "
        "TensorFlow remembers the logits behind a softmax or sigmoid, and the cross-entropy goes back to them whatever "
        "from_logits says (it warns where that was True). So classic mistakes repair themselves, one of them by turning a sigmoid into a "
        "softmax; and binary cross-entropy on logits, sigmoid or softmax is one and the same training, too. (A sigmoid head's "
        "accuracy may differ in the last digit: sigmoids that saturate tie.) A forgotten softmax does not: "
        f"{_less(n, forgotten, reference)}. At a gap of 1,000 between the logits the loss of probabilities that come "
        f"from elsewhere stops at {number(n.at('probabilities from elsewhere, float32', 'loss', 1000))} with a gradient "
        f"of {number(n.at('probabilities from elsewhere, float32', 'gradient', 1000))}.",
        "That the mistakes are harmless: the repair needs the very tensor that the activation returned. A cast, a mask or "
        "another backend in between, and the loss is computed as written. Nor which loss is best: in test "
        f"accuracy after five epochs, each at the rate that suits it, mean squared error minus cross-entropy is "
        f"{_less(n, 'softmax, mean squared error', reference)} and binary cross-entropy "
        f"{_less(n, 'sigmoid, binary cross-entropy', reference)}, which need not last.",
        "Longer training, another net; half precision; any operation between head and loss.",
    )


def pooling(n: Numbers) -> tuple[str, str, str]:
    """Before or after pooling?"""
    first, second = "activation first", "pooling first"

    def pair(pool: str, activation: str) -> str:
        return _less(n, f"{pool} pooling, {activation}, {first}", f"{pool} pooling, {activation}, {second}")

    return (
        "With max pooling and ReLU both orders give the same outputs to the bit. Test accuracy, activation "
        "first minus "
        f"pooling first: max and ReLU {pair('max', 'relu')}, max and SiLU {pair('max', 'silu')}, average "
        f"and ReLU "
        f"{pair('average', 'relu')}, average and SiLU {pair('average', 'silu')}. Time of a prediction, "
        f"activation first over "
        f"pooling first: {n.mean_text('outputs: max pooling, relu', 'time_ratio')} for ReLU and "
        f"{n.mean_text('outputs: max pooling, silu', 'time_ratio')} for SiLU.",
        "That the order matters for accuracy in larger nets, one way or the other.",
        "A dearer activation: what is saved is three quarters of its evaluations.",
    )


def algebra(n: Numbers) -> tuple[str, str, str]:
    """What is algebra?"""
    relu, tanh = ("a net of one number, relu", "a net of one number, tanh")
    return (
        "Each statement is checked on random weights for five seeds: superposition to "
        f"{number(max(n.values('a convolution', 'superposition_error').values()))}, one kernel for all "
        f"positions, one "
        "output of an activation for each input. A ReLU net of one number is straight at "
        f"{100 * n.summary(relu, 'straight_fraction').mean:.4g} % of the points, a tanh net at "
        f"{100 * n.summary(tanh, 'straight_fraction').mean:.3g} %.",
        "That piecewise linear is a weakness: with enough pieces any continuous function is approximated.",
        "Nothing: these follow from the definitions.",
    )


READINGS: dict[str, Callable[[Numbers], tuple[str, str, str]]] = {
    reading.__name__: reading
    for reading in (
        why, form, which, norm_order, ordering, shortcut, layout, depth, thousand, signal, dead, head, pooling, algebra,
    )
}  # fmt: skip


def reading(numbers: Numbers) -> str:
    """The reading of an experiment as Markdown."""
    shows, hides, changes = READINGS[numbers.published.name](numbers)
    return (
        f"**What it shows.** {shows}\n\n**What it does not show.** {hides}{_failed(numbers)}{_ends(numbers)}\n\n"
        f"**What would change it.** {changes}\n"
    )


def _failed(n: Numbers) -> str:
    """Which arms have runs that failed beside runs that trained: the means are those of the latter."""
    mixed, runs = [], 0
    for arm in n.published.about["arms"]:
        if arm["learning_rate"] is None:
            continue
        outcomes = list(n.published.outcomes(arm["label"]).values())
        lost = [one for one in outcomes if one != TRAINED]
        if 0 < len(lost) < len(outcomes):
            runs += len(lost)
            mixed.append(f"{arm['label']}: {len(outcomes) - len(lost)} of {len(outcomes)} trained")
    if not mixed:
        return ""
    return (
        f" {runs} run{'s' * (runs > 1)} of {len(mixed)} arm{'s' * (len(mixed) > 1)} stayed at chance or diverged while "
        f"other seeds trained ({'; '.join(mixed)}): how often an arm trains is counted apart, and means are of the runs "
        "that trained."
    )


def _ends(n: Numbers) -> str:
    """Which arms took a learning rate at an end of their grid: a wider one might have served them better."""
    grids = {arm["label"]: {run["rate"] for run in arm.get("grid", ())} for arm in n.published.about["arms"]}
    tuned = [arm for arm in n.published.about["arms"] if grids[arm["label"]]]
    at_end = [
        arm for arm in tuned if arm["learning_rate"] in (min(grids[arm["label"]]), max(grids[arm["label"]]))
    ]
    if not at_end:
        return ""
    rates = min(len(grids[arm["label"]]) for arm in tuned)
    wider = " Nor what a finer or wider grid of learning rates would do: "
    if rates == 2:
        return f"{wider}each arm has the better of two."
    return f"{wider}of {rates} rates {len(at_end)} of {len(tuned)} arms took one at an end."


def unread(name: str) -> str:
    """What stands in the place of a reading while nothing is published."""
    return (
        f"No run of `{name}` is published yet, so there is nothing to read. `python -m zoo.experiments run "
        f"{name}` makes "
        "one, and `scripts/make_claims.py` then writes this paragraph.\n"
    )
