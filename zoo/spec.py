"""One net as data: every option of `zoo.build` is a field here, written down once, and impossible combinations are refused."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

from zoo.options import (
    Activated,
    Block,
    Downsampling,
    FinalPooling,
    Form,
    NetLayout,
    NetNormalization,
    OrderingName,
    Padding,
    PoolingLayer,
    PoolingOrder,
    Rolled,
    Shortcut,
    UnitLayout,
    UnitNormalization,
)
from zoo.placement import FAMILIES as BEYOND
from zoo.placement import LAYOUT, NORM_BETWEEN, PLAIN, RESIDUAL, V2, VGG, WORDS, Layout, Row

FAMILIES = ("mlp", "convnet", "vgg", "plain", "resnet", *BEYOND)
FORMS = get_args(Form)
RESIDUAL_ORDERINGS = tuple(RESIDUAL)
PLAIN_ORDERINGS = tuple(PLAIN)
SHORTCUTS = get_args(Shortcut)
LAYOUTS = tuple(LAYOUT)
# What a unit may have instead of batch normalisation.
NORMALIZATIONS = get_args(UnitNormalization)
BLOCKS = get_args(Block)
POOLINGS = get_args(FinalPooling)
ROLLED = get_args(Rolled)
WAYS_DOWN = get_args(Downsampling)

# Which parameter belongs to which shortcut, and the value He et al. 2016, table 1, uses for it.
SHORTCUT_PARAMETERS = {
    "shortcut_scale": (("constant_scaling",), 0.5),
    "branch_scale": (("constant_scaling",), 0.5),
    "gate_bias": (("exclusive_gating", "shortcut_only_gating"), -6.0),
    "dropout_rate": (("dropout",), 0.5),
}


@dataclass(frozen=True, kw_only=True)
class UnitSpec:
    """The placement of one unit: what `zoo.conv_unit` and `zoo.residual_unit` build, and every unit of a net.

    A spec that exists is buildable: everything impossible is refused when it is made.

    Attributes:
        ordering: A name, one of `PLAIN_ORDERINGS` or, with a `block`, of `RESIDUAL_ORDERINGS`; without a block also a row
            of words of one's own, such as `"act conv norm"`.
        form: `"separate"` activation layers or the `"builtin"` argument.
        activation: What `keras.activations.get` takes, or a layer, cloned for each site.
        layout: Whose unit it is where code bases differ, one of `LAYOUTS`.
        normalization: `"batch"`, or what takes its place: None, `"skipinit"` (the branch times a number that starts at 0,
            with a block) or `"scaled_ws"` (standardised kernels, and activations times their gain).
        block: `"basic"` or `"bottleneck"`, the branch of a residual unit; None: a unit without shortcut.
        shortcut: What sits on the shortcut, one of `SHORTCUTS`; None: a projection where shapes differ, else nothing.
        shortcut_scale: Factor on the shortcut under `shortcut="constant_scaling"`.
        branch_scale: Factor on the residual branch under `shortcut="constant_scaling"`.
        gate_bias: Initial bias of the gate under the two gating shortcuts.
        dropout_rate: Rate under `shortcut="dropout"`.

    Example:
        >>> from zoo.spec import UnitSpec
        >>> print(UnitSpec(ordering="full_pre_activation", block="basic").placement)
        norm act conv | norm act conv | add
    """

    ordering: str
    form: Form = "separate"
    activation: Any = "relu"
    layout: UnitLayout = "he2016"
    normalization: UnitNormalization = "batch"
    block: Block | None = None
    shortcut: Shortcut | None = None
    shortcut_scale: float | None = None
    branch_scale: float | None = None
    gate_bias: float | None = None
    dropout_rate: float | None = None

    def __post_init__(self):
        _one_of("layout", self.layout, LAYOUTS)
        _one_of("block", self.block, (None, *BLOCKS))
        _check_ordering(self)
        _check_normalization(self, "a unit without block")
        _check_form(self)
        if not self.is_residual:
            _check_has_no_shortcut(self, "a unit without block")
            return
        _one_of("shortcut", self.shortcut, (None, *SHORTCUTS))
        _check_shortcut_parameters(self)
        _check_layout_of_shortcut(self)
        _check_layout_of_ordering(self)
        if self.layout in _BOTTLENECK_ONLY and self.block != "bottleneck":
            raise ValueError(
                f"layout={self.layout!r} exists with bottleneck units only, received block={self.block!r}; "
                "use block='bottleneck' or layout='he2016'."
            )

    @property
    def is_residual(self) -> bool:
        """Whether the unit has a shortcut."""
        return self.block is not None

    @property
    def placement(self) -> Any:  # which of the two, `is_residual` says, and no type can
        """The ordering as parsed operations: a `Row`, or the `ResidualOrdering` of a residual unit."""
        return _placement(self)

    @property
    def conventions(self) -> Layout:
        """What the layout decides for units of this ordering."""
        decided = LAYOUT[self.layout][self.is_residual and self.placement.is_pre_activation]
        assert decided is not None, "a unit that its layout has not is refused when it is made"
        # No normalisation subtracts what a bias adds.
        return decided if self.normalization == "batch" else replace(decided, bias="all")

    def parameter(self, name: str) -> float:
        """A parameter of the shortcut: the value given, else the one that He et al. 2016 use."""
        given = getattr(self, name)
        return SHORTCUT_PARAMETERS[name][1] if given is None else given


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A complete description of one net; `zoo.assemble(spec)` turns it into a `keras.Model`.

    Specs normally come from `zoo.specify(name, **options)`, which fills the family's defaults in; `zoo.register` gives one
    a name of its own. A spec that exists is buildable: everything impossible is refused when it is made.

    Attributes:
        name: Name of the model, as in `zoo.list_models()`.
        family: One of `FAMILIES`, such as `"resnet"` or `"densenet"`.
        stem: `"cifar"` (3x3 convolution), `"imagenet"` (7x7 convolution, stride 2, max-pool) or None outside resnet and plain.
        stages: Residual units (resnet) or weight layers (other families) of each stage.
        width: Channels of the first stage; each later stage doubles it (vgg: up to eight times).
        input_shape: Shape of one image without the batch axis; None for an unknown height or width.
        classes: Number of classes of the classifier.
        include_top: Whether the classifier is part of the net.
        pooling: What follows the last feature map when `include_top=False`: None, `"avg"` or `"max"`.
        classifier_activation: Activation of the classifier; None returns logits.
        weights: None (random), `"imagenet"`, the name of shipped weights, or the path of a weights file: `.weights.h5` or
            `.h5`, and under the layout of its library a `.safetensors`, `.pth` or `.pt` file of torchvision or timm.
        activation: What `keras.activations.get` takes, or a layer, cloned for each site. A tuple has one for each stage:
            the stem goes with the first, what follows the last stage with that. A mapping has the keys `"stem"`,
            `"stage1"` and so on, `"head"`, and `"rest"` for the places it leaves out.
        activated: `"all"` sites carry the activation, or only the `"last"` one (plain families).
        form: `"separate"` activation layers or the `"builtin"` argument.
        ordering: One of `RESIDUAL_ORDERINGS`, such as `"original"`, or `PLAIN_ORDERINGS`; the page All models lists them.
        shortcut: What sits on the shortcut of a residual unit, one of `SHORTCUTS`.
        shortcut_scale: Factor on the shortcut under `shortcut="constant_scaling"`.
        branch_scale: Factor on the residual branch under `shortcut="constant_scaling"`.
        gate_bias: Initial bias of the gate under the two gating shortcuts.
        dropout_rate: Rate under `shortcut="dropout"`; in a wrn, of the dropout between its convolutions.
        layout: Whose graph it is where "ResNet" is ambiguous, one of `LAYOUTS`; other families have `"cifar"`, as in
            their papers at 32 x 32, and `"keras"` or `"imagenet"`.
        block: `"basic"` (two 3x3) or `"bottleneck"` (1x1, 3x3, 1x1) residual units.
        padding: Padding of a convnet's convolutions, `"same"` or `"valid"`.
        downsampling: `"max_pool"`, `"average_pool"`, `"stride"` or `"none"` (convnet; vgg has the first two).
        pooling_order: Whether pooling comes after the activation, `"act_pool"`, or before it, `"pool_act"`.
        kernel_initializer: Whatever `keras.initializers.get` takes; None is the family's own.
        rolled: Whether runs of identical units become one layer with stacked weights; `"remat"` also recomputes activations.
        normalization: `"batch"`; plain and residual nets also None, `"skipinit"` (residual ones) and `"scaled_ws"`, see
            `UnitSpec`; a convnext also `"layer"`, by default.
        alpha: Factor on the channels of a mobilenetv2, as in its name.
        narrow_activation: Activation after the projection of a mobilenetv2; None is the linear bottleneck.
        depthwise_activation: Activation after its depthwise convolution; `"same"` is the activation of the net.
        between_activation: Activation between depthwise and pointwise convolution of an xception; None is none.
        activations_per_block: 1 to 3 activations in a block of a convnext.
        norms_per_block: 1 to 3 normalisations in a block of a convnext.
        convolutions: Convolutions in a unit of a wrn.
        merged: Whether the branches of a repvgg are one convolution.
        include_preprocessing: Whether the net scales images of 0..255 itself, as `zoo.preprocess_input` does.
    """

    name: str
    family: str
    stem: str | None = None
    stages: tuple[int, ...]
    width: int
    input_shape: tuple[int | None, ...] = (32, 32, 3)
    classes: int = 10
    include_top: bool = True
    pooling: FinalPooling = None
    classifier_activation: Any = "softmax"
    weights: Any = None
    activation: Any = "relu"
    activated: Activated = "all"
    form: Form = "separate"
    ordering: OrderingName
    shortcut: Shortcut | None = None
    shortcut_scale: float | None = None
    branch_scale: float | None = None
    gate_bias: float | None = None
    dropout_rate: float | None = None
    layout: NetLayout
    block: Block | None = None
    padding: Padding = "same"
    downsampling: Downsampling | None = None
    pooling_order: PoolingOrder | None = None
    kernel_initializer: Any = None
    rolled: Rolled = False
    normalization: NetNormalization = "batch"
    alpha: float | None = None
    narrow_activation: Any = None
    depthwise_activation: Any = None
    between_activation: Any = None
    activations_per_block: int | None = None
    norms_per_block: int | None = None
    convolutions: int | None = None
    merged: bool | None = None
    include_preprocessing: bool = False

    def __post_init__(self):
        _one_of("family", self.family, FAMILIES)
        _check_input_and_head(self)
        _check_activations(self)
        _check_owners(self)
        if self.family in BEYOND:
            _check_beyond(self)
            return
        _check_placement(self)
        _check_residual(self)
        _check_pooling_layers(self)
        _check_size(self)

    @property
    def is_residual(self) -> bool:
        """Whether the net is made of residual units."""
        return self.family == "resnet"

    @property
    def unit(self) -> UnitSpec:
        """The placement that all units of the net share."""
        return UnitSpec(**{f.name: getattr(self, f.name) for f in fields(UnitSpec)})

    @property
    def placement(self) -> Any:  # which of the two, `is_residual` says, and no type can
        """The ordering as parsed operations: a `Row`, or the `ResidualOrdering` of a residual unit.

        A family beyond plain and residual nets has its rows in `zoo.placement.FAMILIES` instead.
        """
        return _placement(self)

    @property
    def conventions(self) -> Layout:
        """What the layout decides."""
        return BEYOND[self.family].layouts[self.layout] if self.family in BEYOND else self.unit.conventions

    @property
    def stage_count(self) -> int:
        """How many stages may have an activation of their own: a layer of an mlp is one, two of a convnet are."""
        if self.family == "mlp":
            return sum(self.stages) - self.include_top
        return -(-sum(self.stages) // 2) if self.family == "convnet" else len(self.stages)

    @property
    def activation_varies(self) -> bool:
        """Whether stages have activations of their own."""
        return isinstance(self.activation, (tuple, dict)) and "class_name" not in self.activation

    def activation_key(self, place: str) -> int | str:
        """Which entry of `activation` is that of a place, where stages have activations of their own.

        Args:
            place: `"stem"`, `"stage1"` and so on, or `"head"`.

        Raises:
            ValueError: If a mapping says nothing of it.
        """
        if isinstance(self.activation, tuple):
            places = {f"stage{k}": k - 1 for k in range(1, self.stage_count + 1)}
            return ({"stem": 0, "head": self.stage_count - 1} | places)[place]
        if place not in self.activation and "rest" not in self.activation:
            raise ValueError(
                f"activation={self.activation!r} says nothing of {place!r}, where {self.name} has an activation; name it, "
                "or 'rest' for all places that are not named."
            )
        return place if place in self.activation else "rest"

    def activations(self) -> dict[str, Any]:
        """Every activation that the options name, by the argument that does."""
        if self.activation_varies:
            pairs = (
                self.activation.items() if isinstance(self.activation, dict) else enumerate(self.activation)
            )
            named = {f"activation[{key!r}]": given for key, given in pairs}
        else:
            named = {"activation": self.activation}
        options = BEYOND[self.family].activations.values() if self.family in BEYOND else ()
        own = {option: getattr(self, option) for option in options}
        return named | {o: given for o, given in own.items() if given is not None and given != "same"}

    @property
    def is_pre_activation(self) -> bool:
        """Whether a residual unit starts with its activation instead of ending with it."""
        return self.is_residual and self.placement.is_pre_activation

    @property
    def depth(self) -> int:
        """Weight layers on the longest path, counted as the names count them (projections and gates are not)."""
        if self.family in BEYOND:
            return BEYOND[self.family].depth(self)
        if self.family == "resnet":
            return sum(self.stages) * (2 if self.block == "basic" else 3) + 2
        if self.family == "plain":
            return sum(self.stages) + 2
        if self.family == "vgg":
            return sum(self.stages) + 3
        return sum(self.stages)

    @property
    def total_stride(self) -> int:
        """Input pixels between two neighbouring pixels of the last feature map."""
        if self.family in BEYOND:
            return 32 if self.layout != "cifar" else 2 ** min(len(self.stages) - 1, 3)
        if self.family == "mlp":
            return 1
        if self.family == "convnet":
            return 2 ** (sum(self.stages) // 2) if self.downsampling != "none" else 1
        if self.family == "vgg":
            return 2 ** len(self.stages)
        return 2 ** (len(self.stages) - 1) * (4 if self.stem == "imagenet" else 1)


OPTIONS = tuple(f.name for f in fields(ModelSpec) if f.name not in ("name", "family", "stem", "stages"))
"""What `zoo.build` takes besides the name."""


def is_one_of(received: object, allowed: tuple) -> bool:
    """Whether a value is among the allowed ones; unlike `in`, not misled by 1 == True or by an array's `==`."""
    return any(received is a or (type(received) is type(a) and received == a) for a in allowed)


def _one_of(argument: str, received: object, allowed: tuple) -> None:
    if not is_one_of(received, allowed):
        raise ValueError(
            f"{argument}={received!r} is not known; expected one of {', '.join(map(repr, allowed))}."
        )


def _integer(argument: str, received: object, least: int) -> None:
    if isinstance(received, bool) or not isinstance(received, int):
        raise TypeError(
            f"{argument} must be an integer, received {received!r} of type {type(received).__name__}."
        )
    if received < least:
        raise ValueError(f"{argument} must be at least {least}, received {received}.")


def _number(argument: str, received: object) -> None:
    if isinstance(received, bool) or not isinstance(received, (int, float)):
        raise TypeError(
            f"{argument} must be a number, received {received!r} of type {type(received).__name__}."
        )
    if received != received or received in (float("inf"), float("-inf")):
        raise ValueError(f"{argument} must be finite, received {received!r}.")


def _check_input_and_head(spec: ModelSpec) -> None:
    shape = spec.input_shape
    if not isinstance(shape, tuple):
        raise TypeError(f"input_shape must be a tuple such as (32, 32, 3), received {shape!r}.")
    if spec.family != "mlp" and len(shape) != 3:
        raise ValueError(f"input_shape must have three entries such as (32, 32, 3), received {shape!r}.")
    if not shape:
        raise ValueError("input_shape must have at least one entry, received ().")
    for size in shape:
        if size is not None:
            _integer("every entry of input_shape", size, 1)
    if not isinstance(spec.include_top, bool):
        raise TypeError(f"include_top must be True or False, received {spec.include_top!r}.")
    if not isinstance(spec.include_preprocessing, bool):
        raise TypeError(
            f"include_preprocessing must be True or False, received {spec.include_preprocessing!r}."
        )
    _integer("classes", spec.classes, 1)
    _integer("width", spec.width, 1)
    _one_of("pooling", spec.pooling, POOLINGS)
    if spec.pooling is not None and spec.include_top:
        raise ValueError(
            f"pooling={spec.pooling!r} only says what follows the last feature map under include_top=False; "
            "leave it None or pass include_top=False."
        )
    if spec.pooling is not None and spec.family == "mlp":
        raise ValueError(
            f"pooling={spec.pooling!r} needs a feature map, and {spec.name} has none; leave it None."
        )


_EXTRA = {
    option: tuple(f for f in BEYOND if option in BEYOND[f].options)
    for row in BEYOND.values()
    for option in row.options
}
_SHARED = ("block", "dropout_rate")  # resnet has them too, and says itself when


def _check_owners(spec: ModelSpec) -> None:
    """An option of another family is refused."""
    for option, owners in _EXTRA.items():
        value = getattr(spec, option)
        if (
            value is not None
            and spec.family not in owners
            and not (option in _SHARED and spec.family not in BEYOND)
        ):
            raise ValueError(
                f"{option}={value!r} is an option of {' and '.join(owners)}, and {spec.name} is of family {spec.family!r}."
            )


def _check_beyond(spec: ModelSpec) -> None:
    family = BEYOND[spec.family]
    for argument, allowed in (
        ("ordering", family.orderings),
        ("layout", tuple(family.layouts)),
        ("form", family.forms),
        ("normalization", family.normalizations),
        ("activated", ("all",)),
        ("padding", ("same",)),
        ("rolled", (False,)),
        ("shortcut", (None,)),
        ("shortcut_scale", (None,)),
        ("branch_scale", (None,)),
        ("gate_bias", (None,)),
        ("downsampling", (None,)),
        ("pooling_order", (None,)),
    ):
        value = getattr(spec, argument)
        if not is_one_of(value, allowed):
            raise ValueError(
                f"{argument}={value!r} is none of those that {spec.name}, of family {spec.family!r}, has: "
                f"{', '.join(map(repr, allowed))}."
            )
    for argument, word in (("activations_per_block", "act"), ("norms_per_block", "norm")):
        if argument in family.options:
            value = getattr(spec, argument)
            _integer(argument, value, 1)
            if value not in family.per_block[word]:
                raise ValueError(
                    f"{argument} must be at most {max(family.per_block[word])}, received {value}: a block of "
                    f"{spec.name} has no more places for one."
                )
    if spec.family == "densenet" and spec.layout == "keras" and len(spec.stages) != 4:
        raise ValueError(
            f"layout='keras' is the graph of keras.applications, which has no {spec.name}; use layout='cifar'."
        )
    if "alpha" in family.options:
        _number("alpha", spec.alpha)
        if spec.alpha is None or spec.alpha <= 0:
            raise ValueError(f"alpha must be positive, received {spec.alpha!r}.")
        named = re.fullmatch(r"mobilenetv2_([0-9]+(?:\.[0-9]+)?)", spec.name)
        if named and float(named[1]) != spec.alpha:
            raise ValueError(
                f"alpha={spec.alpha!r} contradicts the name {spec.name!r}; use the name 'mobilenetv2' with this alpha."
            )
    if "block" in family.options:
        _one_of("block", spec.block, BLOCKS)
    if "convolutions" in family.options:
        _integer("convolutions", spec.convolutions, 1)
    if "dropout_rate" in family.options:
        _number("dropout_rate", spec.dropout_rate)
        if spec.dropout_rate is None or not 0 <= spec.dropout_rate < 1:
            raise ValueError(f"dropout_rate must be in [0, 1), received {spec.dropout_rate!r}.")
    if "merged" in family.options and not isinstance(spec.merged, bool):
        raise TypeError(f"merged must be True or False, received {spec.merged!r}.")


def _placement(spec: ModelSpec | UnitSpec) -> Any:
    row: Any
    if spec.is_residual:
        row = RESIDUAL[spec.ordering]
    else:
        row = PLAIN[spec.ordering] if spec.ordering in PLAIN else Row.of(spec.ordering)
    return row if spec.normalization == "batch" else row.unnormalised()


def _check_normalization(spec: ModelSpec | UnitSpec, who: str) -> None:
    """What takes the place of batch normalisation, in plain and residual units."""
    given = spec.normalization
    _one_of("normalization", given, NORMALIZATIONS)
    if given == "batch":
        return
    if isinstance(spec, ModelSpec) and spec.family not in ("plain", "resnet"):
        raise ValueError(
            f"normalization={given!r} is an option of plain and resnet; what {who} normalises, its ordering says."
        )
    if given == "skipinit" and not spec.is_residual:
        raise ValueError(
            f"normalization='skipinit' scales the branch of a residual unit, and {who} has none; use None or 'scaled_ws'."
        )
    if spec.layout != "he2016":
        raise ValueError(
            f"layout={spec.layout!r} fixes normalization='batch', received normalization={given!r}; use layout='he2016' "
            "to vary the normalisation."
        )
    if spec.is_residual and RESIDUAL[spec.ordering].after_addition.normalises:
        raise ValueError(
            f"ordering={spec.ordering!r} is about where the normalisation stands, and normalization={given!r} has none; "
            "use another ordering."
        )


def _check_activations(spec: ModelSpec) -> None:
    """Activations of single stages: a tuple with one for each, or a mapping from places."""
    given = spec.activation
    # A mapping with a class name is how Keras writes one activation down.
    if isinstance(given, Mapping) and "class_name" not in given:
        places = ("stem", *(f"stage{k}" for k in range(1, spec.stage_count + 1)), "head", "rest")
        for place in given:
            if not is_one_of(place, places):
                raise ValueError(
                    f"activation: {place!r} is no place of {spec.name}; expected {', '.join(map(repr, places))}."
                )
        if not given:
            raise ValueError("activation={} names no activation; pass None for none at all.")
        object.__setattr__(spec, "activation", dict(given))
    elif isinstance(given, (list, tuple)):
        if len(given) != spec.stage_count:
            raise ValueError(
                f"activation has {len(given)} entries, and {spec.name} has {spec.stage_count} stages; give one for each, "
                "or a mapping."
            )
        object.__setattr__(spec, "activation", tuple(given))


def _listed(names: Any, last: str) -> str:
    *first, end = map(repr, names)
    return f"{', '.join(first)} {last} {end}" if first else end


def _hint(ordering: str) -> str:
    """What a name that is no ordering of this kind may stand for."""
    for table, kind in (
        (PLAIN, "plain one, for zoo.conv_unit"),
        (RESIDUAL, "residual one, for zoo.residual_unit"),
    ):
        if ordering in table:
            return f" It is a {kind}."
    near = difflib.get_close_matches(ordering, (*PLAIN, *RESIDUAL), n=2)
    return f" Did you mean {_listed(near, 'or')}?" if near else ""


def _check_ordering(unit: UnitSpec) -> None:
    if not isinstance(unit.ordering, str):
        raise TypeError(f"ordering must be a name or a row of words, received {unit.ordering!r}.")
    if unit.is_residual:
        if unit.ordering not in RESIDUAL:
            raise ValueError(
                f"ordering={unit.ordering!r} is not one of the residual orderings {_listed(RESIDUAL, 'and')}"
                f".{_hint(unit.ordering)}"
            )
        return
    if unit.ordering in PLAIN:
        return
    words = unit.ordering.split()
    if len(words) == 1 and words[0] not in WORDS:
        raise ValueError(
            f"ordering={unit.ordering!r} is neither one of the plain orderings {_listed(PLAIN, 'and')} nor a row of the "
            f"words {_listed(WORDS, 'and')}, such as 'act conv norm'.{_hint(unit.ordering)}"
        )
    try:
        Row.of(unit.ordering)
    except ValueError as error:
        raise ValueError(f"ordering={unit.ordering!r}: {error}") from error


def _check_placement(spec: ModelSpec) -> None:
    _one_of("form", spec.form, FORMS)
    allowed = RESIDUAL_ORDERINGS if spec.is_residual else PLAIN_ORDERINGS
    if not is_one_of(spec.ordering, allowed):
        kind = "residual" if spec.is_residual else "plain"
        raise ValueError(
            f"ordering={spec.ordering!r} is not one of the {kind} orderings that {spec.name} has: "
            f"{', '.join(map(repr, allowed))}."
        )
    if spec.name.endswith("v2") and spec.ordering != V2:
        raise ValueError(
            f"ordering={spec.ordering!r} contradicts the name {spec.name!r}, in which v2 means {V2}; "
            f"use the name {spec.name.removesuffix('v2')!r} with this ordering."
        )
    _check_normalization(spec, spec.name)
    _check_form(spec)
    _one_of("activated", spec.activated, get_args(Activated))
    if spec.activated == "last" and spec.is_residual:
        raise ValueError(
            "activated='last' is for plain families; a residual unit has its activations by its ordering."
        )
    _one_of("rolled", spec.rolled, ROLLED)


def _check_form(spec: ModelSpec | UnitSpec) -> None:
    _one_of("form", spec.form, FORMS)
    obstacle = spec.placement.obstacle
    if spec.form == "separate" or obstacle is None:
        return
    instead = ["form='separate'"]
    if not spec.is_residual and obstacle == NORM_BETWEEN:
        # The same operations in an order that can be built in.
        instead += [
            f"ordering={name!r}" for name, row in PLAIN.items() if row.normalises and row.obstacle is None
        ]
    raise ValueError(
        f"form='builtin' cannot put {obstacle} (ordering={spec.ordering!r}); use {' or '.join(instead)}."
    )


# Of these nets the sources have no basic units.
_BOTTLENECK_ONLY = ("keras", "keras_cifar10")


def _check_residual(spec: ModelSpec) -> None:
    _one_of("layout", spec.layout, LAYOUTS)
    if not spec.is_residual:
        _check_has_no_shortcut(spec, spec.name)
        if spec.rolled:
            raise ValueError(
                f"rolled={spec.rolled!r} rolls identical residual units, and {spec.name} has none; use a resnet."
            )
        _check_layout_of_chain(spec)
        return
    _one_of("shortcut", spec.shortcut, SHORTCUTS)
    _one_of("block", spec.block, BLOCKS)
    _check_shortcut_parameters(spec)
    _check_layout_of_shortcut(spec)
    _check_layout_of_ordering(spec)
    if spec.layout in _BOTTLENECK_ONLY and spec.block != "bottleneck":
        raise ValueError(
            f"layout={spec.layout!r} exists with bottleneck units only, and {spec.name} has basic ones; "
            "use layout='he2016' or, where the depth allows, block='bottleneck'."
        )
    if spec.layout == "keras_cifar10" and spec.stem != "cifar":
        raise ValueError(
            f"layout='keras_cifar10' is a CIFAR net, and {spec.name} has an ImageNet stem; use 'keras'."
        )
    if spec.layout == "keras" and spec.is_pre_activation and min(spec.stages) < 2:
        raise ValueError(
            f"layout='keras' puts the stride in the last unit of a stage and the projection in the first, so each "
            f"stage of {spec.name} needs two units; use a deeper net or layout='he2016'."
        )


def _check_has_no_shortcut(spec: ModelSpec | UnitSpec, who: str) -> None:
    for argument in ("shortcut", "block", *SHORTCUT_PARAMETERS):
        if getattr(spec, argument) is not None:
            raise ValueError(
                f"{argument}={getattr(spec, argument)!r} belongs to residual units, and {who} has none."
            )


def _check_shortcut_parameters(spec: ModelSpec | UnitSpec) -> None:
    for argument, (owners, _) in SHORTCUT_PARAMETERS.items():
        value = getattr(spec, argument)
        if value is None:
            continue
        if spec.shortcut not in owners:
            raise ValueError(
                f"{argument}={value!r} belongs to shortcut={' or '.join(map(repr, owners))}, "
                f"but shortcut={spec.shortcut!r}."
            )
        _number(argument, value)
    if spec.dropout_rate is not None and not 0 <= spec.dropout_rate < 1:
        raise ValueError(f"dropout_rate must be in [0, 1), received {spec.dropout_rate!r}.")


def _check_layout_of_shortcut(spec: ModelSpec | UnitSpec) -> None:
    if spec.layout != "he2016" and spec.shortcut not in (None, "projection"):
        raise ValueError(
            f"layout={spec.layout!r} fixes shortcut='projection', received shortcut={spec.shortcut!r}; "
            "use layout='he2016' to vary the shortcut."
        )


def _check_layout_of_ordering(spec: ModelSpec | UnitSpec) -> None:
    activating_after, before = LAYOUT[spec.layout]
    if before is not None or not spec.placement.is_pre_activation:
        return
    alike = [name for name, rows in LAYOUT.items() if rows[0] == activating_after and rows[1] is not None]
    raise ValueError(
        f"layout={spec.layout!r} has no net that activates before its convolutions, received ordering="
        f"{spec.ordering!r}; use layout={_listed(alike, 'or')} or ordering='original'."
    )


def _check_layout_of_chain(spec: ModelSpec) -> None:
    layouts = tuple(VGG) if spec.family == "vgg" else ("he2016",)
    if spec.layout not in layouts:
        instead = [layout for layout in layouts if layout != "he2016" or len(layouts) == 1]
        raise ValueError(f"layout={spec.layout!r} has no {spec.name}; use layout={_listed(instead, 'or')}.")
    orderings = VGG[spec.layout].orderings
    if orderings is not None and spec.ordering not in orderings:
        raise ValueError(
            f"layout={spec.layout!r} has no {spec.name} with ordering={spec.ordering!r}; use ordering="
            f"{_listed(orderings, 'or')}, or another layout."
        )


def _check_pooling_layers(spec: ModelSpec) -> None:
    _one_of("padding", spec.padding, get_args(Padding))
    if spec.padding == "valid" and spec.family != "convnet":
        raise ValueError(
            f"padding='valid' is for convnet only, and {spec.name} is of family {spec.family!r}."
        )
    if spec.family in ("convnet", "vgg"):
        pools = get_args(PoolingLayer)
        _one_of("downsampling", spec.downsampling, WAYS_DOWN if spec.family == "convnet" else pools)
        _one_of("pooling_order", spec.pooling_order, get_args(PoolingOrder))
        if spec.pooling_order == "pool_act" and spec.downsampling not in pools:
            raise ValueError(
                f"pooling_order='pool_act' needs a pooling layer, but downsampling={spec.downsampling!r}."
            )
        if spec.pooling_order == "pool_act" and not spec.placement.ends_activated:
            ending = [name for name, row in PLAIN.items() if row.ends_activated]
            raise ValueError(
                f"pooling_order='pool_act' moves a trailing activation behind the pooling, and ordering="
                f"{spec.ordering!r} has none; use ordering={_listed(ending, 'or')}."
            )
        if spec.pooling_order == "pool_act" and spec.form == "builtin":
            raise ValueError(
                "form='builtin' cannot put pooling between convolution and activation (pooling_order='pool_act'); "
                "use form='separate'."
            )
    else:
        for argument in ("downsampling", "pooling_order"):
            if getattr(spec, argument) is not None:
                raise ValueError(
                    f"{argument}={getattr(spec, argument)!r} is for convnet and vgg, and {spec.name} is of family "
                    f"{spec.family!r}."
                )


def _check_size(spec: ModelSpec) -> None:
    if spec.family == "mlp" or (spec.family in ("convnet", "vgg") and spec.include_top):
        if None in spec.input_shape:
            raise ValueError(
                f"input_shape={spec.input_shape!r}: {spec.name} flattens its feature map, so height, width and channels "
                "must be known; give the sizes"
                + ("." if spec.family == "mlp" else " or pass include_top=False.")
            )
