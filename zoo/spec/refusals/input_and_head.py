"""The two ends of a net: `input_shape`, `include_preprocessing`, `width`; `include_top`, `classes`, `pooling`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.spec.words import POOLINGS
from zoo.values import require_bool, require_integer, require_one_of

if TYPE_CHECKING:
    from zoo.spec.model import ModelSpec


def refuse_input_and_head(spec: ModelSpec) -> None:
    """Shapes and numbers that are none, and pooling where there is nothing to pool."""
    _refuse_shape(spec)
    require_bool("include_top", spec.include_top)
    require_bool("include_preprocessing", spec.include_preprocessing)
    require_integer("classes", spec.classes, 1)
    require_integer("width", spec.width, 1)
    _refuse_pooling(spec)


def refuse_unknown_size(spec: ModelSpec) -> None:
    """A feature map that is flattened has a size."""
    if spec.family == "mlp" or (spec.family in ("convnet", "vgg") and spec.include_top):
        if None in spec.input_shape:
            raise ValueError(
                f"input_shape={spec.input_shape!r}: {spec.name} flattens its feature map, so height, width and channels "
                "must be known; give the sizes"
                + ("." if spec.family == "mlp" else " or pass include_top=False.")
            )


def _refuse_shape(spec: ModelSpec) -> None:
    shape = spec.input_shape
    if not isinstance(shape, tuple):
        raise TypeError(f"input_shape must be a tuple such as (32, 32, 3), received {shape!r}.")
    if spec.family != "mlp" and len(shape) != 3:
        raise ValueError(f"input_shape must have three entries such as (32, 32, 3), received {shape!r}.")
    if not shape:
        raise ValueError("input_shape must have at least one entry, received ().")
    for size in shape:
        if size is not None:
            require_integer("every entry of input_shape", size, 1)


def _refuse_pooling(spec: ModelSpec) -> None:
    require_one_of("pooling", spec.pooling, POOLINGS)
    if spec.pooling is not None and spec.include_top:
        raise ValueError(
            f"pooling={spec.pooling!r} only says what follows the last feature map under include_top=False; "
            "leave it None or pass include_top=False."
        )
    if spec.pooling is not None and spec.family == "mlp":
        raise ValueError(
            f"pooling={spec.pooling!r} needs a feature map, and {spec.name} has none; leave it None."
        )
