"""The options of `zoo.build` as type checkers see them.

Checkers read no dataclass as keywords, so the fields of `ModelSpec` stand here once more; a test compares the two.
"""

from __future__ import annotations

from typing import Any, TypedDict


class Options(TypedDict, total=False):
    """What `zoo.build` takes besides the name: the fields of `zoo.ModelSpec`, where None means the default of the net.

    Use it to hand options through: `def mine(**options: Unpack[Options])`.
    """

    width: int | None
    input_shape: tuple[int | None, ...] | None
    classes: int | None
    include_top: bool | None
    pooling: str | None
    classifier_activation: Any
    weights: Any
    activation: Any
    activated: str | None
    form: str | None
    ordering: str | None
    shortcut: str | None
    shortcut_scale: float | None
    branch_scale: float | None
    gate_bias: float | None
    dropout_rate: float | None
    layout: str | None
    block: str | None
    padding: str | None
    downsampling: str | None
    pooling_order: str | None
    kernel_initializer: Any
    rolled: bool | str | None
    include_preprocessing: bool | None
