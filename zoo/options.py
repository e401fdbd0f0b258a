"""The options of `zoo.build` as type checkers see them.

Checkers read no dataclass as keywords, so the fields of `ModelSpec` stand here once more; a test compares the two. Nor do
they read the tables of `zoo.placement`: a type that lists names of rows is compared with the rows by a test, and all other
lists of words are derived from the types here.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

# Names of rows of `zoo.placement`.
PlainOrderingName = Literal["conv_act", "conv_norm_act", "conv_act_norm", "norm_act_conv", "act_conv_norm"]
ResidualOrderingName = Literal[
    "original",
    "bn_after_addition",
    "relu_before_addition",
    "relu_only_pre_activation",
    "full_pre_activation",
]
OrderingName = Literal[PlainOrderingName, ResidualOrderingName]
UnitLayout = Literal["he2016", "keras", "kerashub", "timm", "torchvision", "keras_resnet", "keras_cifar10"]
# Families beyond plain and residual nets have two of their own, and one more normalisation.
NetLayout = Literal[UnitLayout, "cifar", "imagenet"]
UnitNormalization = Literal["batch", None, "skipinit", "scaled_ws", "nf_resnet"]
NetNormalization = Literal[UnitNormalization, "layer"]

Form = Literal["separate", "builtin"]
Shortcut = Literal[
    "identity_pad",
    "projection",
    "constant_scaling",
    "exclusive_gating",
    "shortcut_only_gating",
    "conv1x1",
    "dropout",
]
Block = Literal["basic", "bottleneck"]
Activated = Literal["all", "last"]
Padding = Literal["same", "valid"]
UnitPadding = Literal[Padding, "causal"]
PoolingLayer = Literal["max_pool", "average_pool"]
Downsampling = Literal[PoolingLayer, "stride", "none"]
PoolingOrder = Literal["act_pool", "pool_act"]
FinalPooling = Literal[None, "avg", "max"]
Rolled = Literal[False, True, "remat"]


class Options(TypedDict, total=False):
    """What `zoo.build` takes besides the name: the fields of `zoo.ModelSpec`, where None means the default of the net.

    Use it to hand options through: `def mine(**options: Unpack[Options])`.
    """

    width: int | None
    input_shape: tuple[int | None, ...] | None
    classes: int | None
    include_top: bool | None
    pooling: FinalPooling | None
    classifier_activation: Any
    weights: Any
    activation: Any
    activated: Activated | None
    form: Form | None
    ordering: OrderingName | None
    shortcut: Shortcut | None
    shortcut_scale: float | None
    branch_scale: float | None
    gate_bias: float | None
    dropout_rate: float | None
    layout: NetLayout | None
    block: Block | None
    padding: Padding | None
    downsampling: Downsampling | None
    pooling_order: PoolingOrder | None
    kernel_initializer: Any
    rolled: Rolled | None
    normalization: NetNormalization | None
    alpha: float | None
    narrow_activation: Any
    depthwise_activation: Any
    between_activation: Any
    activations_per_block: int | None
    norms_per_block: int | None
    convolutions: int | None
    merged: bool | None
    include_preprocessing: bool | None
