"""What an experiment is: a question, arms, data, a recipe, seeds, and what one expects to see.

Everything here is data: frozen, keyword-only, made of plain values, so that an experiment can be hashed,
stored beside its results, and sent to another machine. Nothing here imports Keras.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

SIGNS = ("given", "both")
SCHEDULES = ("constant", "cosine", "steps")
AUGMENTATIONS = ("none", "shift_flip")
LOSSES = (
    "crossentropy_from_logits",
    "crossentropy_from_probabilities",
    "binary_crossentropy_from_logits",
    "binary_crossentropy_from_probabilities",
    "mean_squared_error",
)
MOMENTS = ("start", "interval", "end")
SCALES = ("linear", "log", "symlog")


def _choice(owner: object, argument: str, allowed: tuple) -> None:
    received = getattr(owner, argument)
    if received not in allowed:
        raise ValueError(
            f"{type(owner).__name__}.{argument} must be one of {', '.join(map(repr, allowed))}; received "
            f"{received!r}"
        )


def _positive(owner: object, *arguments: str) -> None:
    for argument in arguments:
        received = getattr(owner, argument)
        if received is not None and not received > 0:
            raise ValueError(
                f"{type(owner).__name__}.{argument} must be positive or None; received {received!r}"
            )


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Which images an arm trains and is tested on.

    Attributes:
        name: `digits`, `fashion_mnist`, `cifar10_jpeg`, `cifar10` or `cifar100`.
        size: Side of the images in pixels after area-averaging; `None` keeps the original.
        train: Number of training images, the same number from each class, first come first; `None` is all.
        test: Number of test images, likewise.
        signs: `both` adds the negative of every (standardised) image, to training and to test images. Then no
            affine classifier has a lower mean cross-entropy than one that ignores its input: the loss of
            (W, b) averaged over x and -x is, by convexity, at least the loss of (0, b).
    """

    name: str = "fashion_mnist"
    size: int | None = None
    train: int | None = None
    test: int | None = None
    signs: str = "given"

    def __post_init__(self):
        _choice(self, "signs", SIGNS)
        _positive(self, "size", "train", "test")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How an arm is trained: stochastic gradient descent with momentum.

    The learning rate at step t of T is `learning_rate` times min(1, (t + 1) / warmup) times the schedule:
    1 for `constant`, (1 + cos(pi t / T)) / 2 for `cosine`, and for `steps` a tenth for every entry of
    `milestones` (fractions of T) that is passed.

    Attributes:
        learning_rates: The grid. With more than one entry the rate is tuned for each arm by itself: short
            runs with `tuning_seeds`, and the rate with the lowest mean training loss is taken. The test
            images are not looked at.
        momentum: Of the gradient's running sum, v <- momentum v - rate gradient.
        nesterov: Nesterov's variant of it.
        schedule: `constant`, `cosine` or `steps`.
        milestones: Only for `steps`.
        warmup: Steps over which the rate rises linearly.
        decay: Added to the gradient of every kernel (variables of rank two and more) as decay times the
            kernel. It is the "weight decay" of the papers and twice the factor of `keras.regularizers.L2`.
        batch: Images a step. The images left over at the end of an epoch wait for another epoch.
        epochs: Length of the run in passes over the training images; exclusive with `steps`.
        steps: Length of the run in optimiser steps.
        record_every: Steps between two recorded lines; `None` is once an epoch.
        loss: One of `LOSSES`; must fit the model's last activation.
        augmentation: `shift_flip` shifts by up to an eighth of the side and mirrors half of the images.
        tuning_epochs: Length of a tuning run in epochs; `None` is a third of the run, at least one epoch.
        tuning_seeds: Seeds of the tuning runs; none of them may be used for evaluation.
        evaluate: Whether test images are evaluated at every recorded line.
    """

    learning_rates: tuple[float, ...] = (0.1,)
    momentum: float = 0.9
    nesterov: bool = False
    schedule: str = "cosine"
    milestones: tuple[float, ...] = ()
    warmup: int = 0
    decay: float = 0.0
    batch: int = 128
    epochs: float | None = None
    steps: int | None = None
    record_every: int | None = None
    loss: str = "crossentropy_from_logits"
    augmentation: str = "none"
    tuning_epochs: float | None = None
    tuning_seeds: tuple[int, ...] = (1000,)
    evaluate: bool = True

    def __post_init__(self):
        _choice(self, "schedule", SCHEDULES)
        _choice(self, "loss", LOSSES)
        _choice(self, "augmentation", AUGMENTATIONS)
        _positive(self, "batch", "epochs", "steps", "record_every", "tuning_epochs")
        if (self.epochs is None) == (self.steps is None):
            raise ValueError(
                f"Recipe needs either epochs or steps; received epochs={self.epochs!r}, steps={self.steps!r}"
            )
        if not self.learning_rates or not all(rate >= 0 for rate in self.learning_rates):
            raise ValueError(
                f"Recipe.learning_rates must hold one or more rates >= 0; received {self.learning_rates!r}"
            )
        if bool(self.milestones) != (self.schedule == "steps"):
            raise ValueError(
                f"Recipe.milestones belong to schedule='steps' and are needed there; received "
                f"schedule={self.schedule!r}, milestones={self.milestones!r}"
            )


@dataclass(frozen=True, kw_only=True)
class Hook:
    """A measurement besides loss and accuracy, named, so that it can be stored and sent.

    Attributes:
        name: `module.function` inside `zoo.experiments.measurements`, or `package.module:function` anywhere.
        when: `start` (before the first step), `interval` (at every recorded line) or `end`.
        arguments: Keyword arguments of the function, plain values.
    """

    name: str
    when: str = "end"
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        _choice(self, "when", MOMENTS)

    @classmethod
    def at_start(cls, name: str, **arguments: Any) -> Self:
        """A measurement before the first step, with the arguments of its function."""
        return cls(name=name, when="start", arguments=arguments)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One thing compared: a model and how it is treated. Arms differ in what the experiment asks about alone.

    Attributes:
        label: Its name in tables and legends.
        model: A name for `zoo.build`, or `package.module:function` of a function that takes `input_shape`,
            `classes` and the options and returns a Keras model, or `None` for an arm that only measures.
        options: Options of the model.
        factors: What this arm is in the terms of the question, for example `{"layers": 3}`; figures lay
            arms out by them.
        recipe: Instead of the experiment's.
        data: Instead of the experiment's.
        hooks: Besides the experiment's.
        trains: `False` for an arm that is only built (or not even that) and measured by its `start` hooks.
    """

    label: str
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    factors: Mapping[str, Any] = field(default_factory=dict)
    recipe: Recipe | None = None
    data: Dataset | None = None
    hooks: tuple[Hook, ...] = ()
    trains: bool = True

    def __post_init__(self):
        if self.trains and self.model is None:
            raise ValueError(
                f"arm {self.label!r} has no model: give one, or trains=False for an arm that only measures"
            )

    @classmethod
    def measuring(cls, label: str, *hooks: Hook, factors: Mapping[str, Any], **model: Any) -> Self:
        """An arm that is measured and not trained.

        Args:
            label: As of any arm.
            *hooks: The measurements, see `Hook.at_start`.
            factors: As of any arm.
            **model: `model` and `options`, if it is measured on one.
        """
        return cls(label=label, factors=factors, hooks=hooks, trains=False, **model)


@dataclass(frozen=True, kw_only=True)
class Continuation(Arm):
    """An arm that begins with the trained net of another arm, seed by seed; that arm is trained for its own sake too.

    Its options are those of its function alone: the experiment's belong to nets that are built.

    Attributes:
        after: Label of the arm whose net it begins with.
        model: `package.module:function` of a function that takes `trained`, the net, `images`, `seed` and the options,
            and returns the net that is measured or trained on; `None` is `trained` itself.
    """

    after: str

    def __post_init__(self):
        if self.model is not None and ":" not in self.model:
            raise ValueError(
                f"arm {self.label!r} goes on after {self.after!r}, so its model must be None or 'package.module:function' "
                f"of a function of the trained net; received {self.model!r}"
            )


def select(arms: Iterable[Arm], factors: Mapping[str, Any]) -> list[Arm]:
    """The arms that have these factors, whatever else they have.

    Args:
        arms: Of an experiment.
        factors: Factor -> its value, or a tuple of values any of which will do. A number and the number's text are
            the same value.

    Raises:
        ValueError: No arm has such a factor, or none with such a value; names those that there are.

    Example:
        >>> from zoo.experiments.design.experiment import Arm, select
        >>> arms = [
        ...     Arm(label=f"{n} layers", factors={"layers": n}, trains=False)
        ...     for n in (1, 2, 3)
        ... ]
        >>> [arm.label for arm in select(arms, {"layers": ("1", 3)})]
        ['1 layers', '3 layers']
    """
    arms = list(arms)
    for factor, value in factors.items():
        known = list(dict.fromkeys(_said(arm.factors[factor]) for arm in arms if factor in arm.factors))
        if not known:
            there = sorted({name for arm in arms for name in arm.factors})
            raise ValueError(f"no arm has the factor {factor!r}; their factors are {there}")
        if missing := [one for one in _alternatives(value) if one not in known]:
            raise ValueError(f"no arm has {factor}={', '.join(missing)}; there are {', '.join(known)}")
    return [
        arm
        for arm in arms
        if all(
            name in arm.factors and _said(arm.factors[name]) in _alternatives(value)
            for name, value in factors.items()
        )
    ]


def label_of(arms: Iterable[Arm], **factors: Any) -> str:
    """The label of the one arm with these factors: what it is found by, so that no sentence is typed twice.

    Of several, it is the one that has these factors and no other.

    Args:
        arms: Of an experiment.
        **factors: As in `select`; a name with a blank by `**{"learning rate": 0.1}`.

    Raises:
        ValueError: No arm has them, or several have.
    """
    found = select(arms, factors)
    exact = [arm for arm in found if set(arm.factors) == set(factors)]
    if len(found) != 1 and len(exact) != 1:
        raise ValueError(f"expected one arm with {factors}; there are {[arm.label for arm in found]}")
    return (exact or found)[0].label


def _alternatives(value: Any) -> tuple[str, ...]:
    return tuple(map(_said, value)) if isinstance(value, tuple) else (_said(value),)


def _said(value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"{value:g}" if number else str(value)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two arms held against each other, seed by seed: `metric` of `first` minus that of `second`."""

    first: str
    second: str
    metric: str = "test_accuracy"
    claim: str = ""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What the literature leads one to expect, what was measured here, and why the two differ where they do.

    Attributes:
        what: Of what.
        value: As the source has it.
        source: Where it says so.
        measured: Words with numbers as holes, `{mean test_accuracy (activation=relu)}`; `zoo.experiments.publishing.quotes`
            says what a hole may ask.
        why: The explanation, of agreement or of difference.
    """

    what: str
    value: str
    source: str
    measured: str = ""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture, or a table, of the published rows: what all kinds share. A kind is a class of its own.

    Attributes:
        name: Suffix of the file name; empty for an experiment's main figure.
        title: Says what is to be seen, in a sentence without a verdict.
        arms: Labels of the arms shown; empty is all.
    """

    name: str = ""
    title: str = ""
    arms: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Chart(Figure):
    """A figure that is drawn, of one metric.

    Attributes:
        metric: What is drawn.
        y_title: Title of the axis of the metric, with unit.
        y_scale: `linear`, `log` or `symlog`.
        colour: Name of a factor; empty is a colour an arm.
        panel: Name of a factor by which the figure is split in panels.
        baseline: A value drawn as a rule, such as chance.
        baseline_label: What it is.
    """

    metric: str = "test_accuracy"
    y_title: str = ""
    y_scale: str = "linear"
    colour: str = ""
    panel: str = ""
    baseline: float | None = None
    baseline_label: str = ""

    def __post_init__(self):
        _choice(self, "y_scale", SCALES)


@dataclass(frozen=True, kw_only=True)
class Curves(Chart):
    """A metric over training, an arm a curve.

    Attributes:
        x_title: Axis title with unit; empty is the epoch.
    """

    kind: str = field(default="curves", init=False)
    x_title: str = ""


@dataclass(frozen=True, kw_only=True)
class Dots(Chart):
    """The last value of a metric, an arm a row, a run a dot."""

    kind: str = field(default="dots", init=False)


@dataclass(frozen=True, kw_only=True)
class Factor(Chart):
    """The last value of a metric over a factor.

    Attributes:
        x: Name of the factor.
        x_title: Axis title with unit; empty is the factor's name.
        x_scale: `linear`, `log` or `symlog`.
    """

    kind: str = field(default="factor", init=False)
    x: str
    x_title: str = ""
    x_scale: str = "linear"

    def __post_init__(self):
        super().__post_init__()
        _choice(self, "x_scale", SCALES)


@dataclass(frozen=True, kw_only=True)
class Series(Chart):
    """Rows of a measurement over their own x, such as a layer.

    Attributes:
        x_title: Axis title with unit.
        x_scale: `linear`, `log` or `symlog`.
    """

    kind: str = field(default="series", init=False)
    x_title: str = ""
    x_scale: str = "linear"

    def __post_init__(self):
        super().__post_init__()
        _choice(self, "x_scale", SCALES)


@dataclass(frozen=True, kw_only=True)
class Strip(Chart):
    """Rows of a measurement over their own x, a place in a net: a net a row, a place a square with its colour and number.

    Attributes:
        x_title: What the places are.
    """

    kind: str = field(default="strip", init=False)
    x_title: str = ""


@dataclass(frozen=True, kw_only=True)
class Table(Figure):
    """The last values of several metrics, an arm a row.

    Attributes:
        metrics: The columns.
    """

    kind: str = field(default="table", init=False)
    metrics: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Quick:
    """What `--quick` cuts an experiment down to: a true answer, with fewer images, epochs, seeds and arms."""

    train: int | None = 2000
    test: int | None = 1000
    epochs: float = 2
    steps: int = 60
    seeds: int = 2
    arms: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A question and everything needed to answer it by `python -m zoo.experiments run NAME`.

    Attributes:
        name: Also the name of the published files.
        question: One sentence that ends in a question mark.
        arms: What is compared.
        data: What all arms see, unless they say otherwise.
        recipe: How all arms are trained, unless they say otherwise.
        options: Model options shared by all arms.
        seeds: The same for every arm, so that differences are paired. A seed sets the initial weights, the
            order of the images, augmentation and dropout.
        seeds_reason: Why fewer than five seeds, where there are fewer.
        hooks: Measurements of every arm.
        comparisons: Pairs of arms whose difference is reported.
        expectations: What the literature says.
        figures: Pictures of the published rows; the first is the main one.
        cost: CPU minutes of one core for the whole experiment, estimated or measured.
        quick: What `--quick` does.
    """

    name: str
    question: str
    arms: tuple[Arm, ...]
    data: Dataset = field(default_factory=Dataset)
    recipe: Recipe | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    seeds_reason: str = ""
    hooks: tuple[Hook, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    figures: tuple[Figure, ...] = ()
    cost: float = 1.0
    quick: Quick = field(default_factory=Quick)

    def __post_init__(self):
        labels = [arm.label for arm in self.arms]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice or not labels:
            raise ValueError(f"experiment {self.name!r} needs arms with different labels; twice: {twice}")
        for comparison in self.comparisons:
            self._must_be_arms((comparison.first, comparison.second), "comparison")
        for figure in self.figures:
            self._must_be_arms(figure.arms, f"figure {figure.name!r}")
            if isinstance(figure, Chart):
                self._must_be_factors((figure.colour, figure.panel, getattr(figure, "x", "")), figure.name)
        self._must_be_arms(self.quick.arms, "quick")
        for arm in self.arms:
            recipe = arm.recipe or self.recipe
            if arm.trains and recipe is None:
                raise ValueError(f"arm {arm.label!r} of experiment {self.name!r} trains but has no recipe")
            shared = set(self.seeds) & set(recipe.tuning_seeds) if recipe else set()
            if shared:
                raise ValueError(
                    f"experiment {self.name!r} tunes and evaluates with the same seeds {sorted(shared)}; "
                    "a rate chosen on a seed flatters that seed"
                )
        for arm in self.arms:
            if isinstance(arm, Continuation):
                self._must_go_on(arm)
        if len(set(self.seeds)) != len(self.seeds) or not self.seeds:
            raise ValueError(f"experiment {self.name!r} needs different seeds; received {self.seeds}")
        if len(self.seeds) < 5 and any(arm.trains for arm in self.arms) and not self.seeds_reason:
            raise ValueError(
                f"experiment {self.name!r} has {len(self.seeds)} seeds; use five or more, or give "
                f"seeds_reason"
            )

    def _must_be_arms(self, labels: tuple[str, ...], where: str) -> None:
        known = [arm.label for arm in self.arms]
        unknown = [label for label in labels if label not in known]
        if unknown:
            raise ValueError(f"{where} of experiment {self.name!r} names {unknown}; its arms are {known}")

    def _must_go_on(self, arm: Continuation) -> None:
        self._must_be_arms((arm.after,), f"arm {arm.label!r}")
        first, recipe = self.arm(arm.after), self.recipe_of(arm)
        why = ""
        if not first.trains or isinstance(first, Continuation):
            why = "which is no arm that trains a net of its own"
        elif self.data_of(first) != self.data_of(arm):
            why = "which sees other images"
        elif recipe and len(recipe.learning_rates) > 1:
            why = f"at one of the rates {recipe.learning_rates}: no tuning seed has a net to go on with, so give one"
        if why:
            raise ValueError(
                f"arm {arm.label!r} of experiment {self.name!r} goes on after {arm.after!r}, {why}"
            )

    def _must_be_factors(self, names: tuple[str, ...], figure: str) -> None:
        known = {factor for arm in self.arms for factor in arm.factors}
        if unknown := sorted({name for name in names if name} - known):
            raise ValueError(
                f"figure {figure!r} of experiment {self.name!r} lays arms out by {unknown}; their factors are "
                f"{sorted(known)}"
            )

    def arm(self, label: str) -> Arm:
        """The arm with this label."""
        self._must_be_arms((label,), "the request")
        return next(arm for arm in self.arms if arm.label == label)

    def recipe_of(self, arm: Arm) -> Recipe | None:
        """The recipe by which an arm is trained; `None` where it is not."""
        return (arm.recipe or self.recipe) if arm.trains else None

    def data_of(self, arm: Arm) -> Dataset:
        """The images an arm sees."""
        return arm.data or self.data


def quick(experiment: Experiment) -> Experiment:
    """The same experiment, smaller, as its `Quick` says."""
    small = experiment.quick

    def fewer(whole: int | None, part: int | None) -> int | None:
        return whole if part is None else part if whole is None else min(whole, part)

    def data(dataset: Dataset) -> Dataset:
        return dataclasses.replace(
            dataset, train=fewer(dataset.train, small.train), test=fewer(dataset.test, small.test)
        )

    def recipe(full: Recipe | None) -> Recipe | None:
        if full is None:
            return None
        middle = full.learning_rates[len(full.learning_rates) // 2]
        length = (
            {"epochs": min(full.epochs, small.epochs)}
            if full.epochs
            else {"steps": min(full.steps, small.steps)}
        )
        return dataclasses.replace(full, learning_rates=(middle,), **length)

    chosen = [arm for arm in experiment.arms if not small.arms or arm.label in small.arms]
    kept = {arm.label for arm in chosen}
    return dataclasses.replace(
        experiment,
        arms=tuple(
            dataclasses.replace(arm, recipe=recipe(arm.recipe), data=arm.data and data(arm.data))
            for arm in chosen
        ),
        data=data(experiment.data),
        recipe=recipe(experiment.recipe),
        seeds=experiment.seeds[: small.seeds],
        seeds_reason="quick look",
        comparisons=tuple(pair for pair in experiment.comparisons if {pair.first, pair.second} <= kept),
        figures=tuple(_of_fewer(figure, chosen) for figure in experiment.figures if _shows(figure, chosen)),
        quick=dataclasses.replace(small, arms=()),
    )


def _shows(figure: Figure, arms: list[Arm]) -> bool:
    """Whether a figure still has something to show: an arm of its own, and the factors that it lays arms out by."""
    names = {getattr(figure, name, "") for name in ("x", "colour", "panel")} - {""}
    mine = [arm for arm in arms if not figure.arms or arm.label in figure.arms]
    return any(names <= set(arm.factors) for arm in mine)


def _of_fewer(figure: Figure, arms: list[Arm]) -> Figure:
    kept = {arm.label for arm in arms}
    return dataclasses.replace(figure, arms=tuple(label for label in figure.arms if label in kept))


def plain(value: Any) -> Any:
    """A spec as dicts, lists and plain values, the form in which it is stored and hashed.

    Raises:
        TypeError: A value in it is not data.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a spec holds plain values (numbers, strings, lists, dicts); received {value!r}")


def canonical(value: Any) -> str:
    """A spec as one line of JSON that depends on its content alone."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
