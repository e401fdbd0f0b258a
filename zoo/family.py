"""What each family beyond plain and residual nets places where, and which options it takes: data, no Keras.

A row holds the words of one part of a unit: `conv`, `norm` and `act`. Where an option of its own names the activation of
a part, `activations` says which: None there is no activation, `"same"` that of the net.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Family:
    """One family.

    Attributes:
        rows: Part of a unit -> the operations round it, in order.
        orderings: The orderings it has.
        layouts: Whose graphs it has.
        activations: Part -> the option that names its activation, where it is not that of the net.
        options: The options that belong to it and not to every net.
        forms: Where the activation may be written.
        normalizations: What may normalise; the first is the default.
        per_block: What a number a block keeps: `"act"` or `"norm"` -> number -> the parts whose word stays.
        head: What stands between the pooling of the last feature map and the classifier.
        norm_settings: Layout -> momentum and epsilon of batch normalisation, where they are not those of the papers' code.
        unit: The parts of one unit in order, and what joins its ways; empty where the ordering names the one row.
        in_block: The parts among which `per_block` chooses.
        depth: Weight layers on the longest path, of the units of all stages and of whether they are bottlenecks.
    """

    rows: Mapping[str, str]
    orderings: tuple[str, ...]
    layouts: tuple[str, ...]
    activations: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    forms: tuple[str, ...] = ("separate",)
    normalizations: tuple[str | None, ...] = ("batch",)
    per_block: Mapping[str, Mapping[int, tuple[str, ...]]] = field(default_factory=dict)
    unit: tuple[str, ...] = ()
    in_block: tuple[str, ...] = ()
    head: str = ""
    norm_settings: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    depth: Callable[[Any], int]


FAMILIES = {
    # Sandler et al. 2018, arXiv 1801.04381: the narrow layer, the projection, has no activation.
    "mobilenetv2": Family(
        rows={
            "stem": "conv norm act",
            "expand": "conv norm act",
            "depthwise": "conv norm act",
            "project": "conv norm act",
            "last": "conv norm act",
        },
        orderings=("conv_norm_act",),
        layouts=("cifar", "keras"),
        activations={"depthwise": "depthwise_activation", "project": "narrow_activation"},
        unit=("expand", "depthwise", "project", "add"),
        norm_settings={"keras": (0.999, 1e-3)},
        options=("alpha", "narrow_activation", "depthwise_activation"),
        depth=lambda spec: 3 * sum(spec.stages) + 2,
    ),
    # Chollet 2016, arXiv 1610.02357: activation, separable convolution, normalisation.
    "xception": Family(
        rows={
            "stem": "conv norm act",
            "entry": "act",
            "depthwise": "conv act",
            "pointwise": "conv norm",
            "shortcut": "conv norm",
            "exit": "act",
        },
        orderings=("act_conv_norm",),
        layouts=("cifar", "keras"),
        activations={"depthwise": "between_activation"},
        unit=("entry", "depthwise", "pointwise", "add"),
        norm_settings={"keras": (0.99, 1e-3)},
        options=("between_activation",),
        depth=lambda spec: 2 * sum(spec.stages) + spec.stages[3] + 5,
    ),
    # Huang et al. 2016, arXiv 1608.06993: what is concatenated has many readers, each normalises for itself.
    "densenet": Family(
        rows={
            "stem": "conv norm act",
            "norm_act_conv": "norm act conv",
            "conv_norm_act": "conv norm act",
            "end": "norm act",
        },
        orderings=("norm_act_conv", "conv_norm_act"),
        layouts=("cifar", "keras"),
        norm_settings={"keras": (0.99, 1.001e-5)},
        options=("block",),
        depth=lambda spec: sum(spec.stages) * (1 if spec.block == "basic" else 2) + len(spec.stages) + 1,
    ),
    # Liu et al. 2022, arXiv 2201.03545: one activation and one normalisation a block, out of three places each.
    "convnext": Family(
        rows={
            "stem": "conv norm",
            "downsample": "norm conv",
            "depthwise": "conv norm act",
            "expand": "conv norm act",
            "project": "conv norm",
            "add": "act",
        },
        orderings=("conv_norm_act",),
        layouts=("cifar", "keras"),
        head="norm",
        options=("activations_per_block", "norms_per_block"),
        depth=lambda spec: 3 * sum(spec.stages) + len(spec.stages) + 1,
        normalizations=("layer", "batch"),
        in_block=("depthwise", "expand", "project", "add"),
        unit=("depthwise", "expand", "project", "scale", "add"),
        per_block={
            "act": {1: ("expand",), 2: ("depthwise", "expand"), 3: ("depthwise", "expand", "add")},
            "norm": {1: ("depthwise",), 2: ("depthwise", "expand"), 3: ("depthwise", "expand", "project")},
        },
    ),
    # Zagoruyko and Komodakis 2016, arXiv 1605.07146: pre-activation units, wide, with dropout between the convolutions.
    "wrn": Family(
        rows={"entry": "norm act", "end": "norm act"},
        unit=("entry", "conv", "entry", "conv", "add"),
        orderings=("full_pre_activation",),
        layouts=("cifar",),
        options=("convolutions", "dropout_rate"),
        depth=lambda spec: spec.convolutions * sum(spec.stages) + 4,
    ),
    # Ding et al. 2021, arXiv 2101.03697: the one activation stands after the sum, so the branches merge.
    "repvgg": Family(
        unit=("branch", "add"),
        rows={"branch": "conv norm", "identity": "norm", "add": "act", "merged": "conv act"},
        orderings=("original",),
        layouts=("cifar", "imagenet"),
        options=("merged",),
        depth=lambda spec: sum(spec.stages) + 2,
    ),
}
