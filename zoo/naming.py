"""The rule by which every layer gets its name. Names are API: probes, transforms and weight files address layers by them.

A convolution is named after its place; everything that serves it carries its name with a suffix:

    stage2_unit3_conv1            the first convolution of the third unit of the second stage
    stage2_unit3_conv1_norm       the normalisation that stands beside it, before or after, whatever the ordering
    stage2_unit3_conv1_act        its activation; a built-in activation split out of a layer X is called X_act
    stage2_unit3_add              the addition; what follows it is stage2_unit3_add_norm and stage2_unit3_add_act

Under `layout="keras"` the names are those of `keras.applications`.
"""

from __future__ import annotations


def in_classifier(layer: str, family: str) -> bool:
    """Whether a layer of this name, with what serves it, goes with `include_top=False`."""
    owners = ("fc1", "fc2", ZooNames.classifier) if family == "vgg" else (ZooNames.classifier,)
    return is_classifier(layer) or any(layer == owner or layer.startswith(f"{owner}_") for owner in owners)


def is_classifier(layer: str) -> bool:
    """Whether a layer of this name has an output for each class; a ConvNeXt of `keras.applications` calls it its own way."""
    return layer == ZooNames.classifier or layer.endswith("_head_dense")


def activation_of(layer: str) -> str:
    """Name of the separate activation that belongs to `layer`."""
    return f"{layer}_act"


class ZooNames:
    """The zoo's own names."""

    stem = "stem_conv"
    head = "head"
    pool = "head_pool"
    flatten = "head_flatten"
    classifier = "predictions"

    def conv(self, stage: int, index: int) -> str:
        """Convolution number `index` of a stage of a plain net."""
        return f"stage{stage}_conv{index}"

    def downsample(self, stage: int) -> str:
        """Pooling after a stage of a plain net."""
        return f"stage{stage}_pool"

    def unit(self, stage: int, unit: int) -> str:
        """A residual unit."""
        return f"stage{stage}_unit{unit}"

    def branch(self, unit: str, index: int) -> str:
        """Convolution number `index` of a residual branch."""
        return f"{unit}_conv{index}"

    def shortcut(self, unit: str, what: str) -> str:
        """Something on the shortcut: conv, norm, subsample, pad, scale, gate, dropout ..."""
        return f"{unit}_shortcut_{what}"

    def add(self, unit: str) -> str:
        """The addition that ends a unit."""
        return f"{unit}_add"

    def ends(self, stage: int, index: int) -> tuple[str, ...]:
        """What may end unit number `index` of a stage: the first of these that a net has, where the unit is one of its own.

        Where branches meet or, where none do, the last convolution: of a plain net, an inverted residual, a merged unit.
        """
        unit = self.unit(stage, index)
        meeting = (self.add(unit), f"{unit}_concat")
        return (*meeting, self.conv(stage, index), f"{unit}_project", f"{unit}_conv")

    def norm(self, layer: str) -> str:
        """The normalisation that serves `layer`."""
        return f"{layer}_norm"

    def act(self, layer: str) -> str:
        """The activation that serves `layer`."""
        return activation_of(layer)

    def pad(self, layer: str) -> str:
        """The explicit zero padding in front of `layer`."""
        return f"{layer}_pad"

    def stem_pool(self) -> str:
        """The max-pool of an ImageNet stem."""
        return "stem_pool"


class VGGNames(ZooNames):
    """The names of `keras.applications.VGG16`."""

    flatten = "flatten"

    def conv(self, stage: int, index: int) -> str:  # noqa: D102
        return f"block{stage}_conv{index}"

    def downsample(self, stage: int) -> str:  # noqa: D102
        return f"block{stage}_pool"


class KerasResNetNames(ZooNames):
    """The names of `keras.applications.ResNet50` and `ResNet50V2`."""

    stem = "conv1_conv"
    head = "post"
    pool = "avg_pool"

    def __init__(self, full_pre_activation: bool):
        self._pre_activation = full_pre_activation

    def unit(self, stage: int, unit: int) -> str:  # noqa: D102
        return f"conv{stage + 1}_block{unit}"

    def branch(self, unit: str, index: int) -> str:  # noqa: D102
        return f"{unit}_{index}_conv"

    def shortcut(self, unit: str, what: str) -> str:  # noqa: D102
        return f"{unit}_0_{'bn' if what == 'norm' else what}"

    def add(self, unit: str) -> str:  # noqa: D102
        return f"{unit}_out" if self._pre_activation else f"{unit}_add"

    def norm(self, layer: str) -> str:  # noqa: D102
        return self._serves(layer) + "_bn"

    def act(self, layer: str) -> str:  # noqa: D102
        return (
            f"{layer.removesuffix('_add')}_out" if layer.endswith("_add") else self._serves(layer) + "_relu"
        )

    def pad(self, layer: str) -> str:  # noqa: D102
        return layer.removesuffix("_conv").removesuffix("_pool") + "_pad"

    def stem_pool(self) -> str:  # noqa: D102
        return "pool1_pool"

    def _serves(self, layer: str) -> str:
        if self._pre_activation and layer.endswith("_1_conv"):
            return layer.removesuffix("_1_conv") + "_preact"
        if self._pre_activation and layer.endswith("_conv") and layer != "conv1_conv":
            # In a pre-activation branch what serves convolution k stands behind convolution k - 1 and is named after it.
            unit, index = layer.removesuffix("_conv").rsplit("_", 1)
            return f"{unit}_{int(index) - 1}"
        return layer.removesuffix("_conv")
