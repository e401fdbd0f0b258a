"""How the libraries call the layers of their nets: a row for each layout and kind of net.

A row maps the zoo's layers to the modules of the original. Numbers count from 1, as in the zoo's names; `{stage0}` is the
same counted from 0. `{conv_place}` and `{norm_place}` are places in the one long list of operations that a VGG is.
The first line that fits a name holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zoo.placement import CONV, NORM
from zoo.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class Original:
    """What a library calls the layers of one kind of net.

    Attributes:
        modules: Layer of the zoo -> module of the original.
        saved_by: `"torch"` (`.safetensors`, `.pth`, `.pt`) or `"keras"` (`.weights.h5`).
    """

    modules: Mapping[str, str]
    saved_by: str = "torch"


_UNIT, _POST_UNIT = "stage{stage}_unit{unit}", "layer{stage}.{unit0}"
_TORCH_RESNET = Original(
    modules={
        "stem_conv": "conv1",
        "stem_conv_norm": "bn1",
        f"{_UNIT}_conv{{conv}}": f"{_POST_UNIT}.conv{{conv}}",
        f"{_UNIT}_conv{{conv}}_norm": f"{_POST_UNIT}.bn{{conv}}",
        f"{_UNIT}_shortcut_conv": f"{_POST_UNIT}.downsample.0",
        f"{_UNIT}_shortcut_norm": f"{_POST_UNIT}.downsample.1",
        "predictions": "fc",
    }
)
_PRE_UNIT = "stages.{stage0}.blocks.{unit0}"
_TIMM_RESNETV2 = Original(
    modules={
        "stem_conv": "stem.conv",
        f"{_UNIT}_conv{{conv}}": f"{_PRE_UNIT}.conv{{conv}}",
        f"{_UNIT}_conv{{conv}}_norm": f"{_PRE_UNIT}.norm{{conv}}",
        f"{_UNIT}_shortcut_conv": f"{_PRE_UNIT}.downsample.conv",
        "head_norm": "norm",
        "predictions": "head.fc",
    }
)
_TORCHVISION_VGG = Original(
    modules={
        "block{stage}_conv{conv}": "features.{conv_place}",
        "block{stage}_conv{conv}_norm": "features.{norm_place}",
        "fc1": "classifier.0",
        "fc2": "classifier.3",
        "predictions": "classifier.6",
    }
)
_HUB_UNIT = "stack{stage0}_block{unit0}"
_KERASHUB_RESNET = Original(
    saved_by="keras",
    modules={
        "stem_conv": "conv1_conv",
        "stem_conv_norm": "conv1_bn",
        f"{_UNIT}_conv{{conv}}": f"{_HUB_UNIT}_{{conv}}_conv",
        f"{_UNIT}_conv{{conv}}_norm": f"{_HUB_UNIT}_{{conv}}_bn",
        f"{_UNIT}_shortcut_conv": f"{_HUB_UNIT}_0_conv",
        f"{_UNIT}_shortcut_norm": f"{_HUB_UNIT}_0_bn",
        "predictions": "predictions",
    },
)
# What normalises before convolution k is called after convolution k - 1.
_KERASHUB_RESNETV2 = Original(
    saved_by="keras",
    modules={
        f"{_UNIT}_conv1_norm": f"{_HUB_UNIT}_pre_activation_bn",
        f"{_UNIT}_conv{{conv}}_norm": f"{_HUB_UNIT}_{{conv0}}_bn",
        "head_norm": "post_bn",
    }
    | {ours: theirs for ours, theirs in _KERASHUB_RESNET.modules.items() if not ours.endswith("_norm")},
)

#: (layout, family, ordering) -> the original.
ORIGINALS = {
    ("torchvision", "resnet", "original"): _TORCH_RESNET,
    ("torchvision", "vgg", "conv_act"): _TORCHVISION_VGG,
    ("torchvision", "vgg", "conv_norm_act"): _TORCHVISION_VGG,
    ("timm", "resnet", "original"): _TORCH_RESNET,
    ("timm", "resnet", "full_pre_activation"): _TIMM_RESNETV2,
    ("kerashub", "resnet", "original"): _KERASHUB_RESNET,
    ("kerashub", "resnet", "full_pre_activation"): _KERASHUB_RESNETV2,
}


def original_of(spec: ModelSpec) -> Original | None:
    """The original whose layers a net has, if the zoo knows one."""
    return ORIGINALS.get((spec.layout, spec.family, spec.ordering))


def modules(spec: ModelSpec, layers: Iterable[str]) -> dict[str, str]:
    """Layer -> module of the original, for those layers that the original has."""
    original = original_of(spec)
    found: dict[str, str] = {}
    if original is None:
        return found
    for layer in layers:
        for ours, theirs in original.modules.items():
            if match := re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>\\d+)", ours), layer):
                found[layer] = theirs.format(**_numbers(spec, match.groupdict()))
                break
    return found


def _numbers(spec: ModelSpec, named: dict[str, str]) -> dict[str, int]:
    numbers = {name: int(digits) for name, digits in named.items()}
    fields = numbers | {f"{name}0": number - 1 for name, number in numbers.items()}
    if spec.family == "vgg" and {"stage", "conv"} <= numbers.keys():
        # Each convolution brings the operations of the row, each stage before this one a pooling.
        ops = spec.placement.ops
        units = sum(spec.stages[: fields["stage0"]]) + fields["conv0"]
        start = units * len(ops) + fields["stage0"]
        fields |= {f"{op}_place": start + ops.index(op) for op in (CONV, NORM) if op in ops}
    return fields
