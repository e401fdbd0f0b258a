"""How a net without shortcut gets smaller: `padding`, `downsampling`, `pooling_order`."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from zoo.options import Padding, PoolingLayer, PoolingOrder
from zoo.placement import PLAIN
from zoo.spec.words import WAYS_DOWN
from zoo.values import require_one_of
from zoo.wording import listed

if TYPE_CHECKING:
    from zoo.spec.model import ModelSpec

_POOLS = get_args(PoolingLayer)


def refuse_padding(spec: ModelSpec) -> None:
    """`"valid"` outside a convnet, and what is no padding."""
    require_one_of("padding", spec.padding, get_args(Padding))
    if spec.padding == "valid" and spec.family != "convnet":
        raise ValueError(
            f"padding='valid' is for convnet only, and {spec.name} is of family {spec.family!r}."
        )


def refuse_pooling_layers(spec: ModelSpec) -> None:
    """Ways down and pooling orders outside convnet and vgg; pooling that cannot come before the activation."""
    if spec.family in ("convnet", "vgg"):
        require_one_of("downsampling", spec.downsampling, WAYS_DOWN if spec.family == "convnet" else _POOLS)
        require_one_of("pooling_order", spec.pooling_order, get_args(PoolingOrder))
        if spec.pooling_order == "pool_act":
            _refuse_pooling_before_activation(spec)
        return
    for argument in ("downsampling", "pooling_order"):
        if getattr(spec, argument) is not None:
            raise ValueError(
                f"{argument}={getattr(spec, argument)!r} is for convnet and vgg, and {spec.name} is of family "
                f"{spec.family!r}."
            )


def _refuse_pooling_before_activation(spec: ModelSpec) -> None:
    if spec.downsampling not in _POOLS:
        raise ValueError(
            f"pooling_order='pool_act' needs a pooling layer, but downsampling={spec.downsampling!r}."
        )
    if not spec.placement.ends_activated:
        ending = [name for name, row in PLAIN.items() if row.ends_activated]
        raise ValueError(
            f"pooling_order='pool_act' moves a trailing activation behind the pooling, and ordering="
            f"{spec.ordering!r} has none; use ordering={listed(ending, 'or')}."
        )
    if spec.form == "builtin":
        raise ValueError(
            "form='builtin' cannot put pooling between convolution and activation (pooling_order='pool_act'); "
            "use form='separate'."
        )
