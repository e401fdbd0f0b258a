"""A net on one card: what it is, where its activations stand, what it costs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Unpack

import keras

from zoo.catalog import entry_of, specify
from zoo.models import assemble
from zoo.options import Options
from zoo.placement import FAMILIES
from zoo.spec import BRANCH_SCALING, STANDARDISED, ModelSpec


@dataclass(frozen=True, kw_only=True)
class Card:
    """What `zoo.describe` returns; printing it gives a readable card.

    Attributes:
        name: Name of the net.
        family: Its family.
        depth: Weight layers on the longest path, counted as names count them.
        form: `"separate"` or `"builtin"`.
        ordering: Name of the ordering.
        placement: The ordering in words, in order of execution.
        layout: Whose graph it is.
        block: `"basic"`, `"bottleneck"` or None.
        shortcut: What sits on the shortcut, or None.
        input_shape: Shape of one image.
        layers: Layers and operations in the Keras graph.
        parameters: All of them, moving statistics included.
        trainable_parameters: Those that training changes.
        flops: Floating-point operations of one image through all convolutions and dense layers, a multiply-add being 2;
            None where a size of the input is unknown.
        reference: Where the net was published.
    """

    name: str
    family: str
    depth: int
    form: str
    ordering: str
    placement: str
    layout: str
    block: str | None
    shortcut: str | None
    input_shape: tuple[int | None, ...]
    layers: int
    parameters: int
    trainable_parameters: int
    flops: int | None
    reference: str

    def __str__(self) -> str:
        rows = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            text = f"{value:,}" if isinstance(value, int) and field.name != "depth" else str(value)
            rows.append(f"{field.name.replace('_', ' '):<21}{text}")
        return "\n".join(rows)


def describe(name: str, **options: Unpack[Options]) -> Card:
    """Describe a net: family, depth, placement, parameters, FLOPs and reference.

    FLOPs count convolutions and dense layers: `2 * outputs * inputs per output`, for one image.

    Args:
        name: Name of the net, see `zoo.list_models()`.
        **options: Options of `zoo.build`.

    Returns:
        A `Card`; `print` shows it as text.

    Raises:
        TypeError: As `zoo.build`.
        ValueError: As `zoo.build`.

    Example:
        >>> import zoo
        >>> zoo.describe("resnet110v2").trainable_parameters
        1727962
    """
    spec = specify(name, **options)
    net = assemble(spec)
    return Card(
        name=name,
        family=spec.family,
        depth=spec.depth,
        form=spec.form,
        ordering=spec.ordering,
        placement=placement(spec),
        layout=spec.layout,
        block=spec.block,
        shortcut=spec.shortcut,
        input_shape=spec.input_shape,
        layers=len(net.operations),
        parameters=net.count_params(),
        trainable_parameters=sum(map(_size, net.trainable_weights)),
        flops=count_flops(net),
        reference=entry_of(spec).reference,
    )


def placement(spec: ModelSpec) -> str:
    """The ordering of a spec in words, read from the row that it is built from."""
    if spec.family in FAMILIES:
        return FAMILIES[spec.family].words(spec)
    words = (
        spec.placement.words(2 if spec.block == "basic" else 3) if spec.is_residual else str(spec.placement)
    )
    # What takes the place of a normalisation stands elsewhere: before the addition, or after the activations.
    if spec.normalization in BRANCH_SCALING:
        words = words.replace("| add", "| scale | add")
    if spec.normalization == "nf_resnet":
        words = f"scale | {words}"
    return words.replace("act", "act gain") if spec.normalization in STANDARDISED else words


def count_flops(model: keras.Model) -> int | None:
    """Floating-point operations of one image through the convolutions and dense layers of a model.

    Args:
        model: A built Functional or Sequential model.

    Returns:
        The count, a multiply-add being 2; None where the spatial size is unknown.

    Raises:
        ValueError: If the model holds a weighted layer whose operations are not known here.
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            inner = count_flops(layer)
        elif hasattr(layer, "count_flops"):
            inner = layer.count_flops()
        else:
            inner = _layer_flops(layer)
        if inner is None:
            return None
        total += inner
    return total


def _layer_flops(layer: keras.layers.Layer) -> int | None:
    if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
        outputs = layer.output.shape[1:]
        if None in outputs:
            return None
        # One output value needs one multiply-add for each kernel weight that leads to its channel.
        return 2 * _product(outputs) * _size(layer.kernel) // layer.kernel.shape[-1]
    if isinstance(layer, (keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)):
        return _depthwise_flops(layer)
    if isinstance(layer, keras.layers.Conv2DTranspose):
        raise ValueError(
            f"layer {layer.name!r}: the operations of a {type(layer).__name__} are not counted here."
        )
    return 0


def _depthwise_flops(layer: keras.layers.Layer) -> int | None:
    outputs = layer.output.shape[1:]
    if None in outputs:
        return None
    separable = isinstance(layer, keras.layers.SeparableConv2D)
    depthwise = layer.depthwise_kernel if separable else layer.kernel
    last = layer.pointwise_kernel.shape[-1] if separable else depthwise.shape[-2] * depthwise.shape[-1]
    pixels = _product(outputs) // last
    # Every weight is used once at every pixel, of the depthwise kernel as of the pointwise one.
    return 2 * pixels * (_size(depthwise) + (_size(layer.pointwise_kernel) if separable else 0))


def _product(sizes) -> int:
    result = 1
    for size in sizes:
        result *= int(size)
    return result


def _size(variable) -> int:
    return _product(variable.shape)
