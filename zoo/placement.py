"""The grammar: where normalisation and activation stand, as rows of words in the order of execution.

`PLAIN`, `RESIDUAL`, `STEM`, `LAYOUT` and `FAMILIES` below are the whole answer. They are parsed once, here; whatever lists, checks,
builds, draws or documents placements asks the parsed rows. A new ordering is one new row, a new family a few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self, overload

if TYPE_CHECKING:
    from zoo.options import PlainOrderingName, ResidualOrderingName

CONV, NORM, ACT = "conv", "norm", "act"
#: What a row is written in.
WORDS = (CONV, NORM, ACT)
#: What a net adds to a row when it builds: its pooling, and a convolution that carries its activation as an argument.
POOL, CONV_WITH_ACT = "pool", "conv(act)"

#: The obstacle to the built-in form that another ordering of the same operations has not.
NORM_BETWEEN = "BatchNormalization between convolution and activation"


@dataclass(frozen=True)
class Steps:
    """Operations in the order of execution, with a convolution among them or without.

    Attributes:
        ops: Each one of `WORDS`, `"pool"` or `"conv(act)"`.
    """

    ops: tuple[str, ...] = ()

    def __post_init__(self):
        for op in self.ops:
            if op not in (*WORDS, POOL, CONV_WITH_ACT):
                raise ValueError(
                    f"{op!r} is no operation; a row is made of the words {', '.join(map(repr, WORDS))}."
                )

    @classmethod
    def of(cls, words: str) -> Self:
        """Parse a row: its words, separated by blanks.

        Raises:
            ValueError: If a word is not known, or, for a `Row`, if not exactly one convolution is among them.
        """
        return cls(tuple(words.split()))

    def __str__(self) -> str:
        return " ".join(self.ops)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ops)

    def __bool__(self) -> bool:
        return bool(self.ops)

    @property
    def activates(self) -> bool:
        """Whether an activation is among the operations."""
        return ACT in self.ops or CONV_WITH_ACT in self.ops

    @property
    def normalises(self) -> bool:
        """Whether a normalisation is among the operations."""
        return NORM in self.ops

    def without(self, other: Steps) -> Steps:
        """What is left to do where `other` has been done already."""
        return Steps(tuple(op for op in self.ops if op not in other.ops))

    def unnormalised(self) -> Self:
        """The same without its normalisations."""
        return replace(self, ops=tuple(op for op in self.ops if op != NORM))

    def unactivated(self) -> Steps:
        """The same without its activations."""
        return Steps(tuple({CONV_WITH_ACT: CONV}.get(op, op) for op in self.ops if op != ACT))

    def built_in(self) -> Steps:
        """The same with the activation as an argument of the convolution that it follows."""
        ops: list[str] = []
        for op in self.ops:
            if op == ACT and ops[-1:] == [CONV]:
                ops[-1] = CONV_WITH_ACT
            else:
                ops.append(op)
        return Steps(tuple(ops))

    def pooled(self, pooling_order: str | None) -> Steps:
        """The same with a pooling after it, or before its activation (`"pool_act"`)."""
        at = self.ops.index(ACT) if pooling_order == "pool_act" else len(self.ops)
        return Steps((*self.ops[:at], POOL, *self.ops[at:]))


NOTHING = Steps()


@dataclass(frozen=True)
class Row(Steps):
    """The operations of one unit of a plain net: exactly one convolution, and what stands round it."""

    def __post_init__(self):
        super().__post_init__()
        for op in self.ops:
            if op not in WORDS:
                raise ValueError(f"{op!r} is added when a net is built; a row has no place for it.")
        if (count := self.ops.count(CONV)) != 1:
            raise ValueError(f"a row has exactly one 'conv', and {str(self)!r} has {count or 'none'}.")

    @property
    def before(self) -> Steps:
        """What stands before the convolution."""
        return Steps(self.ops[: self.ops.index(CONV)])

    @property
    def after(self) -> Steps:
        """What stands after the convolution."""
        return Steps(self.ops[self.ops.index(CONV) + 1 :])

    @property
    def entry(self) -> Steps:
        """What a pre-activation row begins with, and a net of such rows owes after the last; else nothing."""
        return self.before if self.before.activates else NOTHING

    @property
    def is_pre_activation(self) -> bool:
        """Whether the activation stands before the convolution."""
        return bool(self.entry)

    @property
    def after_entry(self) -> Steps:
        """The row where its entry has been done already, and of the first unit of a net: an image is not activated."""
        return Steps(self.ops[len(self.entry.ops) :])

    @property
    def makes_bias_superfluous(self) -> bool:
        """Whether a normalisation follows the convolution directly and subtracts what a bias would add."""
        return self.after.ops[:1] == (NORM,)

    @property
    def makes_bias_superfluous_in_a_chain(self) -> bool:
        """The same where the next unit has this row too, and the last is followed by its entry."""
        return (*self.after, *self.entry)[:1] == (NORM,)

    @property
    def ends_activated(self) -> bool:
        """Whether the activation comes last, so that a pooling after the unit may also stand before it."""
        return self.ops[-1] == ACT

    @property
    def obstacle(self) -> str | None:
        """Why the activation cannot be an argument of the convolution; ends "form='builtin' cannot put ..."."""
        if not self.activates:
            return "an activation into a row that has none"
        if self.before.activates:
            return "an activation before a convolution"
        if self.after.ops[0] != ACT:
            return NORM_BETWEEN
        return None if self.after.ops.count(ACT) == 1 else "two activations into one convolution"


@dataclass(frozen=True, kw_only=True)
class ResidualOrdering:
    """The operations of a residual unit, `y = after_addition(shortcut(x) + branch(x))`.

    Attributes:
        each: Round each convolution of the branch but its last.
        last: Round its last convolution.
        after_addition: What follows the addition.
    """

    each: Row
    last: Row
    after_addition: Steps = NOTHING

    @classmethod
    def of(cls, *, each: str, last: str, after_addition: str = "") -> ResidualOrdering:
        """Parse the three rows."""
        return cls(each=Row.of(each), last=Row.of(last), after_addition=Steps.of(after_addition))

    def __str__(self) -> str:
        return self.words(2)

    @property
    def entry(self) -> Steps:
        """What a pre-activation unit begins with, and a net of them owes after the last; else nothing."""
        return self.each.entry

    @property
    def is_pre_activation(self) -> bool:
        """Whether a unit starts with its activation instead of ending with it."""
        return self.each.is_pre_activation

    @property
    def normalises(self) -> bool:
        """Whether a normalisation is among the operations."""
        return any(steps.normalises for steps in (self.each, self.last, self.after_addition))

    @property
    def normalises_projection(self) -> bool:
        """Whether a normalisation follows a projection, as it follows the last convolution of the branch."""
        return self.last.makes_bias_superfluous

    @property
    def obstacle(self) -> str | None:
        """Why the activations cannot be arguments of the convolutions, see `Row.obstacle`."""
        found = [row.obstacle for row in (self.each, self.last) if row.activates and row.obstacle]
        if not found and self.after_addition.activates:
            return "an addition between convolution and activation"
        return found[0] if found else None

    def unnormalised(self) -> Self:
        """The same without its normalisations."""
        return replace(
            self,
            each=self.each.unnormalised(),
            last=self.last.unnormalised(),
            after_addition=self.after_addition.unnormalised(),
        )

    def branch(self, convolutions: int) -> tuple[Row, ...]:
        """The rows of the convolutions of a branch."""
        return (self.each,) * (convolutions - 1) + (self.last,)

    def stem(self, *, activates: bool) -> Steps:
        """The row of the convolution before the first unit.

        Args:
            activates: Whether it does what that unit begins with, which then leaves it out.
        """
        row = STEM if self.normalises else STEM.unnormalised()
        return row if activates else row.without(self.entry)

    def words(self, convolutions: int) -> str:
        """A unit in words, `|` between the convolutions of its branch and before the addition."""
        steps = [*map(str, self.branch(convolutions)), f"add {self.after_addition}".rstrip()]
        return " | ".join(steps)


def _rows(**words: str) -> dict[str, Row]:
    return {name: Row.of(row) for name, row in words.items()}


# ordering: the operations of one unit of a plain net
PLAIN = _rows(
    conv_act="conv act",
    conv_norm_act="conv norm act",
    conv_act_norm="conv act norm",
    norm_act_conv="norm act conv",
    # Zoph et al. 2018, NASNet, arXiv 1707.07012; Chollet 2017, Xception, arXiv 1610.02357.
    act_conv_norm="act conv norm",
)

# He et al. 2016, arXiv 1603.05027, figure 4 and table 2: the five orderings, from (a) to (e).
RESIDUAL = {
    "original": ResidualOrdering.of(each="conv norm act", last="conv norm", after_addition="act"),
    "bn_after_addition": ResidualOrdering.of(each="conv norm act", last="conv", after_addition="norm act"),
    "relu_before_addition": ResidualOrdering.of(each="conv norm act", last="conv norm act"),
    "relu_only_pre_activation": ResidualOrdering.of(each="act conv norm", last="act conv norm"),
    "full_pre_activation": ResidualOrdering.of(each="norm act conv", last="norm act conv"),
}

# The convolution before the first residual unit.
STEM = Row.of("conv norm act")

# What v2 means in the name of a residual net.
V2 = "full_pre_activation"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What six code bases decide differently under the one name "ResNet".

    Attributes:
        stem_activates: The first activation comes right after the stem's convolution, and unit 1 skips its own.
        projection_reads: In a pre-activation unit the projection reads the `"preactivated"` or the `"raw"` tensor.
        stride_at: `"first"` convolution or the `"middle"` (3x3) one of a stage's first unit, or the middle one of its
            `"last_unit"`.
        bias: Which convolutions have a bias: `"none"`, `"all"`, or `"outer"` (stem, last of a branch, projection).
        explicit_padding: Zero padding as a layer of its own, centred as in Torch: `"strided"` convolutions (and pooling),
            `"always"`, or `"never"` ('same' padding, which pads an even image on the right and at the bottom only).
        pool_border: What the border of an ImageNet stem's max-pool holds where padding is explicit: `"zero"`, which wins
            over negative values, or `"minus_infinity"`, which never wins, as in Torch.
        momentum: Momentum of the moving statistics.
        epsilon: Added to the variance.
    """

    stem_activates: bool
    projection_reads: str
    stride_at: str
    bias: str
    explicit_padding: str
    pool_border: str
    momentum: float
    epsilon: float


_HE = Layout(
    stem_activates=True,
    projection_reads="preactivated",
    stride_at="first",
    bias="none",
    explicit_padding="strided",
    pool_border="zero",
    momentum=0.9,
    epsilon=1e-5,
)
_KERAS = replace(_HE, bias="all", momentum=0.99, epsilon=1.001e-5)
_HUB = replace(_HE, stride_at="middle")
_TORCH = replace(_HUB, pool_border="minus_infinity")
_TORCH_PRE_ACTIVATION = replace(_TORCH, stem_activates=False)
# keras-resnet, and version 2 of Keras' example cifar10_resnet.py: placement, stride and biases are the example's, the widths are
# He's, as everywhere. Inside a unit the example has as many channels as enter its stage: 16, 64 and 128, where He has 16, 32 and 64.
_EXAMPLE = replace(
    _HE, projection_reads="raw", bias="all", explicit_padding="never", momentum=0.99, epsilon=1e-3
)

# layout: (orderings that activate after the convolution, residual orderings that activate before it; None: it has none)
LAYOUT: dict[str, tuple[Layout, Layout | None]] = {
    "he2016": (_HE, _HE),
    "keras": (
        _KERAS,
        replace(_KERAS, stem_activates=False, stride_at="last_unit", bias="outer", explicit_padding="always"),
    ),
    "kerashub": (_HUB, _TORCH_PRE_ACTIVATION),
    "timm": (_TORCH, _TORCH_PRE_ACTIVATION),
    "torchvision": (_TORCH, None),
    "keras_resnet": (_EXAMPLE, _EXAMPLE),
    "keras_cifar10": (_EXAMPLE, _EXAMPLE),
}


@dataclass(frozen=True, kw_only=True)
class DenseHead:
    """What code bases decide differently under the name "VGG", whose dense layers read its last maps.

    Attributes:
        orderings: The orderings that the code base has; None: any can be built.
        bias_before_norm: Whether a convolution keeps the bias that a normalisation right after it subtracts.
        normalised: Whether the dense layers are normalised as the convolutions are.
        map_size: Height and width of the map that they read, whatever the image; None: of what comes.
    """

    orderings: tuple[str, ...] | None = None
    bias_before_norm: bool = False
    normalised: bool = True
    map_size: int | None = None


# The layouts of a VGG.
VGG = {
    "he2016": DenseHead(),
    "keras": DenseHead(),
    # vgg16 and vgg16_bn; an adaptive pooling, which changes nothing at 224 x 224, makes every map 7 x 7.
    "torchvision": DenseHead(
        orderings=("conv_act", "conv_norm_act"), bias_before_norm=True, normalised=False, map_size=7
    ),
}


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family beyond plain and residual nets: what each part of its unit places where, and which options it takes.

    Attributes:
        rows: Part of a unit -> the operations round it, in order; parsed when the family is made.
        orderings: The orderings it has.
        layouts: Whose graphs it has, and what each decides.
        activations: Part -> the option that names its activation, where it is not that of the net. None there is no
            activation, `"same"` that of the net.
        options: The options that belong to it and not to every net.
        forms: Where the activation may be written.
        normalizations: What may normalise; the first is the default.
        per_block: What a number a block keeps: `"act"` or `"norm"` -> number -> the parts whose word stays.
        head: What stands between the pooling of the last feature map and the classifier.
        unit: The parts of one unit in order, and what joins its ways, or a function of a spec that says them; empty where the
            ordering names the one row.
        in_block: The parts among which `per_block` chooses.
        stages: The forms that `stages` may have, None for any number of units; empty: as many stages as you like.
        depth: Weight layers on the longest path, of a spec.
        stride: Input pixels between two neighbouring pixels of the last feature map, of a spec.
    """

    rows: Mapping[str, Steps]
    orderings: tuple[str, ...]
    layouts: Mapping[str, Layout]
    activations: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    forms: tuple[str, ...] = ("separate",)
    normalizations: tuple[str | None, ...] = ("batch",)
    per_block: Mapping[str, Mapping[int, tuple[str, ...]]] = field(default_factory=dict)
    unit: tuple[str, ...] | Callable[[Any], tuple[str, ...]] = ()
    in_block: tuple[str, ...] = ()
    head: Steps = NOTHING
    stages: tuple[tuple[int | None, ...], ...] = ()
    depth: Callable[[Any], int]
    stride: Callable[[Any], int]

    @classmethod
    def of(cls, *, rows: Mapping[str, str], head: str = "", **settings: Any) -> Self:
        """Parse the rows."""
        return cls(
            rows={part: Steps.of(words) for part, words in rows.items()}, head=Steps.of(head), **settings
        )

    def row(self, part: str, options: Any) -> Steps:
        """The operations round one part, without the words that an option takes away.

        Args:
            part: A key of `rows`.
            options: Has the options of the family as attributes, as a `zoo.spec.ModelSpec` has.
        """
        steps = self.rows[part]
        if part in self.activations and getattr(options, self.activations[part]) is None:
            steps = steps.unactivated()
        if part in self.in_block:
            if part not in self.per_block[ACT][options.activations_per_block]:
                steps = steps.unactivated()
            if part not in self.per_block[NORM][options.norms_per_block]:
                steps = steps.unnormalised()
        return steps

    def words(self, options: Any) -> str:
        """A unit in words, in the order of execution, `|` between its parts."""
        said = []
        unit = self.unit(options) if callable(self.unit) else self.unit
        parts = unit or (options.ordering,) * (1 if options.block == "basic" else 2)
        for part in parts:
            # A part of a name alone is what the skeleton does there: a convolution, an addition.
            after = str(self.row(part, options)) if part in self.rows else ""
            said.append(f"{part} {after}".strip() if part in (CONV, "dropout", "scale", "add") else after)
        return " | ".join(said)


def _keras(momentum: float, epsilon: float, explicit_padding: str = "never") -> Layout:
    # What their convolutions have of biases the families say themselves.
    return replace(_HE, momentum=momentum, epsilon=epsilon, explicit_padding=explicit_padding)


FAMILIES = {
    # Sandler et al. 2018, arXiv 1801.04381: the narrow layer, the projection, has no activation.
    "mobilenetv2": Family.of(
        rows={
            "stem": "conv norm act",
            "expand": "conv norm act",
            "depthwise": "conv norm act",
            "project": "conv norm act",
            "last": "conv norm act",
        },
        orderings=("conv_norm_act",),
        # 'same' padding is what Keras' MobileNetV2 writes out.
        layouts={"cifar": _HE, "keras": _keras(0.999, 1e-3)},
        activations={"depthwise": "depthwise_activation", "project": "narrow_activation"},
        unit=("expand", "depthwise", "project", "add"),
        options=("alpha", "narrow_activation", "depthwise_activation"),
        stages=((None,) * 7,),
        depth=lambda spec: 3 * sum(spec.stages) + 2,
        stride=lambda spec: 8 if spec.layout == "cifar" else 32,
    ),
    # Chollet 2016, arXiv 1610.02357: activation, separable convolution, normalisation.
    "xception": Family.of(
        rows={
            "stem": "conv norm act",
            "entry": "act",
            "depthwise": "conv act",
            "pointwise": "conv norm",
            "shortcut": "conv norm",
            "exit": "act",
        },
        orderings=("act_conv_norm",),
        layouts={"cifar": _HE, "keras": _keras(0.99, 1e-3)},
        activations={"depthwise": "between_activation"},
        unit=("entry", "depthwise", "pointwise", "add"),
        options=("between_activation",),
        # Only the middle flow repeats a module.
        stages=((1, 1, 1, None, 1),),
        depth=lambda spec: 2 * sum(spec.stages) + spec.stages[3] + 5,
        stride=lambda spec: 8 if spec.layout == "cifar" else 32,
    ),
    # Huang et al. 2016, arXiv 1608.06993: what is concatenated has many readers, each normalises for itself.
    "densenet": Family.of(
        rows={
            "stem": "conv norm act",
            "norm_act_conv": "norm act conv",
            "conv_norm_act": "conv norm act",
            "end": "norm act",
        },
        orderings=("norm_act_conv", "conv_norm_act"),
        layouts={"cifar": _HE, "keras": _keras(0.99, 1.001e-5, "strided")},
        options=("block",),
        depth=lambda spec: sum(spec.stages) * (1 if spec.block == "basic" else 2) + len(spec.stages) + 1,
        stride=lambda spec: 2 ** (len(spec.stages) - 1) * (1 if spec.layout == "cifar" else 4),
    ),
    # Liu et al. 2022, arXiv 2201.03545: one activation and one normalisation a block, out of three places each.
    "convnext": Family.of(
        rows={
            "stem": "conv norm",
            "downsample": "norm conv",
            "depthwise": "conv norm act",
            "expand": "conv norm act",
            "project": "conv norm",
            "add": "act",
        },
        orderings=("conv_norm_act",),
        layouts={"cifar": _HE, "keras": _keras(0.9, 1e-5)},
        head="norm",
        options=("activations_per_block", "norms_per_block"),
        depth=lambda spec: 3 * sum(spec.stages) + len(spec.stages) + 1,
        stride=lambda spec: 2 ** (len(spec.stages) - 1) * (1 if spec.layout == "cifar" else 4),
        normalizations=("layer", "batch"),
        in_block=("depthwise", "expand", "project", "add"),
        unit=("depthwise", "expand", "project", "scale", "add"),
        per_block={
            ACT: {1: ("expand",), 2: ("depthwise", "expand"), 3: ("depthwise", "expand", "add")},
            NORM: {1: ("depthwise",), 2: ("depthwise", "expand"), 3: ("depthwise", "expand", "project")},
        },
    ),
    # Zagoruyko and Komodakis 2016, arXiv 1605.07146: pre-activation units, wide, with dropout between the convolutions.
    "wrn": Family.of(
        rows={"entry": "norm act", "end": "norm act"},
        unit=lambda spec: (
            *("entry", CONV),
            *("entry", *(("dropout",) if spec.dropout_rate else ()), CONV) * (spec.convolutions - 1),
            "add",
        ),
        orderings=("full_pre_activation",),
        layouts={"cifar": _HE},
        options=("convolutions", "dropout_rate"),
        depth=lambda spec: spec.convolutions * sum(spec.stages) + 4,
        stride=lambda spec: 2 ** (len(spec.stages) - 1),
    ),
    # Ding et al. 2021, arXiv 2101.03697: the one activation stands after the sum, so the branches merge.
    "repvgg": Family.of(
        unit=lambda spec: ("merged",) if spec.merged else ("branch", "add"),
        rows={"branch": "conv norm", "identity": "norm", "add": "act", "merged": "conv act"},
        orderings=("original",),
        layouts={"cifar": _HE, "imagenet": _HE},
        options=("merged",),
        # The paper has widths for four.
        stages=tuple((None,) * count for count in range(1, 5)),
        depth=lambda spec: sum(spec.stages) + 2,
        stride=lambda spec: 2 ** (len(spec.stages) - 1) * (1 if spec.layout == "cifar" else 4),
    ),
}


@overload
def orderings(kind: Literal["plain"]) -> dict[PlainOrderingName, Row]: ...
@overload
def orderings(kind: Literal["residual"]) -> dict[ResidualOrderingName, ResidualOrdering]: ...
def orderings(kind: str) -> Any:
    """The orderings of a kind of unit, and what each is in words.

    Args:
        kind: `"plain"`, for `zoo.conv_unit` and nets without shortcuts, or `"residual"`, for `zoo.residual_unit`.

    Returns:
        Name -> row; `str(row)` gives its words in the order of execution.

    Raises:
        ValueError: If there is no such kind.

    Reference:
        He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv 1603.05027, figure 4 (the residual ones).

    Example:
        >>> import zoo
        >>> for name, row in zoo.orderings("plain").items():
        ...     print(f"{name:<15}{row}")
        conv_act       conv act
        conv_norm_act  conv norm act
        conv_act_norm  conv act norm
        norm_act_conv  norm act conv
        act_conv_norm  act conv norm
        >>> print(zoo.orderings("residual")["original"])
        conv norm act | conv norm | add act
    """
    tables: dict[str, Any] = {"plain": PLAIN, "residual": RESIDUAL}
    if not isinstance(kind, str) or kind not in tables:
        raise ValueError(f"kind={kind!r} is not known; expected one of {', '.join(map(repr, tables))}.")
    return dict(tables[kind])
