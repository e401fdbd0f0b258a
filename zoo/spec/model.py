"""One net as data: `ModelSpec`, with every option of `zoo.build` as a field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

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
    PoolingOrder,
    Rolled,
    Shortcut,
)
from zoo.placement import FAMILIES as BEYOND
from zoo.placement import Layout
from zoo.spec.refusals.activation import refuse_activated, refuse_activation_of_no_place
from zoo.spec.refusals.family import (
    refuse_stages_and_stem,
    refuse_unknown_family,
    refuse_what_the_family_has_not,
)
from zoo.spec.refusals.form import refuse_form_that_cannot_be_built, refuse_unknown_form
from zoo.spec.refusals.input_and_head import refuse_input_and_head, refuse_unknown_size
from zoo.spec.refusals.layout import (
    refuse_layout_of_a_chain,
    refuse_layout_of_a_residual_net,
    refuse_unknown_layout,
)
from zoo.spec.refusals.normalization import refuse_normalization_of_a_net
from zoo.spec.refusals.ordering import refuse_ordering_of_a_net
from zoo.spec.refusals.own_options import refuse_options_of_another_family, refuse_values_of_own_options
from zoo.spec.refusals.pooling_layers import refuse_padding, refuse_pooling_layers
from zoo.spec.refusals.residual import (
    refuse_options_of_residual_units,
    refuse_parameters_of_another_shortcut,
    refuse_rolling_a_chain,
    refuse_unknown_block,
    refuse_unknown_rolled,
    refuse_unknown_shortcut,
)
from zoo.spec.unit import UnitSpec, parsed


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A complete description of one net; `zoo.assemble(spec)` turns it into a `keras.Model`.

    Specs normally come from `zoo.specify(name, **options)`, which fills the family's defaults in; `zoo.register` gives one
    a name of its own. A spec that exists is buildable: everything impossible is refused when it is made.

    Attributes:
        name: Name of the model, as in `zoo.list_models()`.
        family: One of `FAMILIES`, such as `"resnet"` or `"densenet"`.
        stem: `"cifar"` (3x3 convolution; resnet and plain), `"imagenet"` (7x7 convolution, stride 2, max-pool; resnet) or None
            (other families).
        stages: Units (resnet and the families beyond plain nets) or weight layers (other families) of each stage. An mlp and a
            convnet have one number, a mobilenetv2 seven, a repvgg up to four, an xception `(1, 1, 1, n, 1)`; the others any.
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
        ordering: A name of `zoo.orderings("residual")`, such as `"original"`, or of `zoo.orderings("plain")`, such as
            `"conv_norm_act"`.
        shortcut: What sits on the shortcut of a residual unit, `"identity_pad"`, `"projection"`, `"constant_scaling"`,
            `"exclusive_gating"`, `"shortcut_only_gating"`, `"conv1x1"` or `"dropout"`.
        shortcut_scale: Factor on the shortcut under `shortcut="constant_scaling"`.
        branch_scale: Factor on the residual branch under `shortcut="constant_scaling"`.
        gate_bias: Initial bias of the gate under the two gating shortcuts.
        dropout_rate: Rate under `shortcut="dropout"`; in a wrn, of the dropout between its convolutions.
        layout: Whose graph it is where "ResNet" is ambiguous, `"he2016"`, `"keras"`, `"kerashub"`, `"timm"`,
            `"torchvision"`, `"keras_resnet"` or `"keras_cifar10"` (placement, stride and biases of that example, at the
            widths of He et al.); other families have `"cifar"`, as in their papers at
            32 x 32, and `"keras"` or `"imagenet"`.
        block: `"basic"` (two 3x3) or `"bottleneck"` (1x1, 3x3, 1x1) residual units.
        padding: Padding of a convnet's convolutions, `"same"` or `"valid"`.
        downsampling: `"max_pool"`, `"average_pool"`, `"stride"` or `"none"` (convnet; vgg has the first two).
        pooling_order: Whether pooling comes after the activation, `"act_pool"`, or before it, `"pool_act"`.
        kernel_initializer: Whatever `keras.initializers.get` takes; None is the family's own.
        rolled: Whether runs of identical units become one layer with stacked weights; `"remat"` also recomputes activations.
        normalization: `"batch"`; plain and residual nets also None and `"scaled_ws"`, residual ones `"skipinit"` and
            `"nf_resnet"`, see `UnitSpec`; a convnext also `"layer"`, by default.
        alpha: Factor on the channels of a mobilenetv2, as in its name.
        narrow_activation: Activation after the projection of a mobilenetv2; None is the linear bottleneck.
        depthwise_activation: Activation after its depthwise convolution; `"same"` is the activation of the net.
        between_activation: Activation between depthwise and pointwise convolution of an xception; None is none.
        activations_per_block: 1 to 3 activations in a block of a convnext.
        norms_per_block: 1 to 3 normalisations in a block of a convnext.
        convolutions: Convolutions in a unit of a wrn.
        merged: Whether the branches of a repvgg are one convolution.
        include_preprocessing: Whether the net scales images of 0..255 itself, as `zoo.preprocess_input` does for a net of
            this layout and ordering.
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
        object.__setattr__(self, "activation", _own_copy(self.activation))
        refuse_unknown_family(self)
        refuse_stages_and_stem(self)
        refuse_input_and_head(self)
        refuse_activation_of_no_place(self)
        refuse_options_of_another_family(self)
        if self.family in BEYOND:
            refuse_what_the_family_has_not(self)
            refuse_values_of_own_options(self)
            return
        refuse_unknown_form(self)
        refuse_ordering_of_a_net(self)
        refuse_normalization_of_a_net(self)
        refuse_form_that_cannot_be_built(self)
        refuse_activated(self)
        refuse_unknown_rolled(self)
        refuse_unknown_layout(self)
        if self.is_residual:
            refuse_unknown_shortcut(self)
            refuse_unknown_block(self)
            refuse_parameters_of_another_shortcut(self)
            refuse_layout_of_a_residual_net(self)
        else:
            refuse_options_of_residual_units(self, self.name)
            refuse_rolling_a_chain(self)
            refuse_layout_of_a_chain(self)
        refuse_padding(self)
        refuse_pooling_layers(self)
        refuse_unknown_size(self)

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
        return parsed(self)

    @property
    def conventions(self) -> Layout:
        """What the layout decides."""
        return BEYOND[self.family].layouts[self.layout] if self.family in BEYOND else self.unit.conventions

    @property
    def stage_count(self) -> int:
        """How many stages may have an activation of their own: a layer of an mlp is one, two of a convnet are."""
        if self.family == "mlp":
            return sum(self.stages) - 1
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
            return BEYOND[self.family].stride(self)
        if self.family == "mlp":
            return 1
        if self.family == "convnet":
            return 2 ** (sum(self.stages) // 2) if self.downsampling != "none" else 1
        if self.family == "vgg":
            return 2 ** len(self.stages)
        return 2 ** (len(self.stages) - 1) * (4 if self.stem == "imagenet" else 1)


OPTIONS = tuple(f.name for f in fields(ModelSpec) if f.name not in ("name", "family", "stem", "stages"))
"""What `zoo.build` takes besides the name."""


def _own_copy(activation: Any) -> Any:
    """The activations of single stages as a tuple or a dict that nobody else holds."""
    # A mapping with a class name is how Keras writes one activation down.
    if isinstance(activation, Mapping) and "class_name" not in activation:
        return dict(activation)
    return tuple(activation) if isinstance(activation, (list, tuple)) else activation
