"""A net on one card: what it is, where its activations stand, what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Unpack

import keras

from zoo.catalog import entry_of, specify
from zoo.graph import read
from zoo.layers import BlendedActivation
from zoo.models import assemble
from zoo.options import Options
from zoo.placement import FAMILIES
from zoo.rolled import RolledUnits
from zoo.slimming.work import COUNTED, multiplications
from zoo.spec import BRANCH_SCALING, STANDARDISED, ModelSpec

# Their weights may have several axes, and each number meets but one of them.
_ONE_BY_ONE = (
    *(keras.layers.LayerNormalization, keras.layers.RMSNormalization, keras.layers.Normalization),
    *(keras.layers.PReLU, keras.layers.Embedding, BlendedActivation),
)
# They multiply inputs with one another, and what scales the products is one number or a row.
_PRODUCTS = (keras.layers.Attention, keras.layers.AdditiveAttention)


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
    """Floating-point operations of one image through the convolutions and dense layers of a model, at each of their calls.

    Counted are Dense, EinsumDense, Conv1D to Conv3D, their Transpose, DepthwiseConv and SeparableConv, and a layer with a
    method `count_flops`, which says its own. What weighs, shifts or looks up single numbers, as normalisation does, counts
    nothing.

    Args:
        model: A built Functional or Sequential model.

    Returns:
        The count, a multiply-add being 2; None where the spatial size is unknown.

    Raises:
        TypeError: If the model is subclassed, so its computation is not a graph.
        ValueError: If the model holds a weighted layer whose operations are not known here, such as LSTM, attention or a
            wrapper.
    """
    total = 0
    for node in read(model).nodes:
        found = _flops(node)
        if found is None:
            return None
        total += found
    return total


def _flops(node: Any) -> int | None:
    layer = node.operation
    if isinstance(layer, keras.Model):
        return count_flops(layer)
    if isinstance(layer, RolledUnits):
        of_one = count_flops(layer.unit.model)
        return None if of_one is None else of_one * len(layer.units)
    if hasattr(layer, "count_flops"):
        return layer.count_flops()
    if isinstance(layer, COUNTED):
        given, made = (tuple(tensor.shape[1:]) for tensor in (node.input_tensors[0], node.outputs[0]))
        return None if None in (*given, *made) else 2 * multiplications(layer, given, made)
    if isinstance(layer, keras.layers.Layer) and not _takes_numbers_one_by_one(layer):
        raise ValueError(
            f"layer {layer.name!r}: the operations of a {type(layer).__name__} are not counted here."
        )
    return 0


def _takes_numbers_one_by_one(layer: Any) -> bool:
    """Whether a layer has no weights, or weighs, shifts or looks up single numbers with them."""
    if isinstance(layer, _PRODUCTS):
        return not layer.weights
    # A kernel has two axes at least.
    return isinstance(layer, _ONE_BY_ONE) or all(len(weight.shape) < 2 for weight in layer.weights)


def _size(variable) -> int:
    return math.prod(variable.shape)
