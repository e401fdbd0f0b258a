"""Units for nets of one's own: functions of a tensor that lay stock layers in the order of a row.

They build with the functions that the zoo's nets are built with, `zoo.blocks`; here stands what a user may ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import keras
from keras import layers

from zoo.blocks import (
    Parts,
    he_fan_out,
    initializers,
    place,
    residual,
    spatial_axes,
)
from zoo.factories import each_axis, spatial_places
from zoo.naming import ZooNames
from zoo.options import (
    Block,
    Form,
    OrderingName,
    PlainOrderingName,
    ResidualOrderingName,
    Shortcut,
    UnitLayout,
    UnitPadding,
)
from zoo.placement import RESIDUAL, Row
from zoo.spec import BLOCKS, UnitSpec, require_one_of
from zoo.values import as_integer, require_bool

# Keras does not say what a layer returns, so a type checker would refuse it where a tensor is asked for.
Unit = Callable[[Any], keras.KerasTensor]
Factory = Callable[..., layers.Layer]
PADDINGS = get_args(UnitPadding)


def conv_unit(
    filters: int,
    kernel_size: int | tuple[int, ...] = 3,
    *,
    ordering: PlainOrderingName | str | Row = "conv_norm_act",
    form: Form = "separate",
    activation: Any = "relu",
    strides: int | tuple[int, ...] = 1,
    padding: UnitPadding = "same",
    use_bias: bool | None = None,
    norm: Factory | None = None,
    conv: Factory | None = None,
    kernel_initializer: Any = "he_normal",
    name: str | None = None,
) -> Unit:
    """A convolution with its normalisation and its activation, in the order that you say.

    A unit is a function of a tensor and no layer, so a `keras.Sequential` does not take it: it lays stock layers into
    your graph, so that a saved file loads without zoo and every transform and probe sees each site. Each call makes new
    layers.

    Formula, for `ordering="conv_norm_act"`: `y = act(norm(conv(x)))`; a row is read in the order of execution.

    Args:
        filters: Channels of the output.
        kernel_size: Size of the kernel, one number or one for each spatial axis.
        ordering: One of `zoo.orderings("plain")`, or a row of words of your own: `"act conv norm"`. A row has exactly one
            `conv`, and `norm` and `act` where you want them. A row without `norm` makes no use of `norm=`, and one without
            `act` none of `activation=`, so that one line serves all orderings.
        form: `"separate"`, the activation as a layer of its own, or `"builtin"`, as an argument of the convolution.
        activation: What `keras.activations.get` takes, or a layer, whose settings, not weights, are copied for each unit; None for
            no activation.
        strides: Strides of the convolution, one number or one for each spatial axis.
        padding: Padding of the convolution, as Keras does it: `"same"`, `"valid"` or `"causal"`.
        use_bias: Whether the convolution has a bias; None: unless a normalisation follows it directly.
        norm: Makes a normalisation, called with `name=`, where the ordering has one; None: batch normalisation.
        conv: Makes a convolution, called with filters, kernel size and the arguments of `Conv2D`, such as
            `keras.layers.SeparableConv2D`; None: the `Conv1D`, `Conv2D` or `Conv3D` that fits the input. What it makes has the
            filters, the bias and the activation that it is called with, and divides each side by the strides; a transposed
            one multiplies it.
        kernel_initializer: What `keras.initializers.get` takes; of a separable convolution for both of its kernels.
        name: Name of the convolution; the others add `_norm` and `_act` to it. None: `conv_unit1` and so on.

    Returns:
        A function from a tensor (batch, ..., channels) to a tensor (batch, ..., filters).

    Raises:
        TypeError: An argument of a wrong type, such as a layer where a factory is expected.
        ValueError: A value that is not known, a row that is none, or a combination that is impossible; with the reason.

    Reference:
        Ioffe and Szegedy 2015, Batch Normalization, arXiv 1502.03167 (`conv_norm_act`).

    Example:
        >>> import keras, zoo
        >>> image = keras.Input((32, 32, 3))
        >>> x = zoo.conv_unit(16, name="stem")(image)
        >>> x = zoo.conv_unit(32, ordering="act conv norm", strides=2)(x)
        >>> [layer.name for layer in keras.Model(image, x).layers][1:4]
        ['stem', 'stem_norm', 'stem_act']
        >>> x.shape
        (None, 16, 16, 32)
    """
    ordering = str(ordering) if isinstance(ordering, Row) else ordering
    unit = UnitSpec(ordering=ordering, form=form, activation=activation)
    filters = as_integer("filters", filters)
    kernel_size, strides = _sizes("kernel_size", kernel_size), _sizes("strides", strides)
    require_one_of("padding", padding, PADDINGS)
    if use_bias is not None and not isinstance(use_bias, bool):
        raise TypeError(f"use_bias must be True, False or None, received {use_bias!r}.")
    parts = _parts(unit, norm, conv, kernel_initializer, keras.initializers.HeNormal)
    label = _label(name, "conv_unit")
    bias = not unit.placement.makes_bias_superfluous if use_bias is None else use_bias

    def apply(x):
        _check_input(x, parts, any_rank=conv is not None)
        _check_axes(x, parts, kernel_size, strides, padding, stock=conv is None)
        at = label()
        linear = parts.convolution(
            filters, kernel_size, at, strides=strides, padding=padding, use_bias=bias, factory=conv
        )
        return place(x, unit.placement, at, parts, linear=linear)

    return apply


def residual_unit(
    filters: int,
    *,
    ordering: ResidualOrderingName = "full_pre_activation",
    block: Block = "basic",
    strides: int = 1,
    shortcut: Shortcut | None = None,
    activation: Any = "relu",
    norm: Factory | None = None,
    conv: Factory | None = None,
    layout: UnitLayout = "he2016",
    opens: bool = True,
    shortcut_scale: float | None = None,
    branch_scale: float | None = None,
    gate_bias: float | None = None,
    dropout_rate: float | None = None,
    kernel_initializer: Any = None,
    name: str | None = None,
) -> Unit:
    """A residual unit, with normalisation and activation where you say.

    Formula: `y = after_addition(shortcut(x) + branch(x))`; `ordering` says what `branch` and `after_addition` are.
    Like `zoo.conv_unit`, a function of a tensor that lays stock layers into your graph.

    A net of pre-activation units ends with `zoo.unit_end`, which does what the last unit leaves open.

    Args:
        filters: Channels of the output. The inner convolutions of a bottleneck have a quarter of them.
        ordering: One of `zoo.orderings("residual")`.
        block: `"basic"`, two convolutions of size 3, or `"bottleneck"`, three of sizes 1, 3 and 1.
        strides: Of the unit, that is of one convolution of the branch and of the shortcut.
        shortcut: None: a projection where the shape changes, else the identity. Or a name of He et al. 2016, table 1:
            `"identity_pad"`, `"projection"` (where channels change), `"constant_scaling"`, `"exclusive_gating"`,
            `"shortcut_only_gating"`, `"conv1x1"`, `"dropout"`.
        activation: What `keras.activations.get` takes, or a layer, whose settings, not weights, are copied for each site; None for
            no activation.
        norm: Makes a normalisation, called with `name=`; None: batch normalisation.
        conv: Makes the convolutions of the branch, see `zoo.conv_unit`; None: those that fit the input.
        layout: Whose unit it is where code bases differ in biases, stride, padding and moving statistics: `"he2016"`,
            `"keras"`, `"kerashub"`, `"timm"`, `"torchvision"`, `"keras_resnet"` or `"keras_cifar10"`. The inner channels of a
            bottleneck are a quarter in each, though not in that example.
        opens: Whether a pre-activation unit does its first normalisation and activation; False where the stem has done
            them already. Units that do not begin with an activation have nothing to leave out.
        shortcut_scale: Factor on the shortcut under `shortcut="constant_scaling"`, 0.5 if not given.
        branch_scale: Factor on the branch under `shortcut="constant_scaling"`, 0.5 if not given.
        gate_bias: Initial bias of the gate under the two gating shortcuts, -6 if not given.
        dropout_rate: Rate under `shortcut="dropout"`, 0.5 if not given.
        kernel_initializer: What `keras.initializers.get` takes; None: that of He et al., normal of variance
            `2 / (k k filters)`.
        name: Prefix of the names of all layers: `NAME_conv1`, `NAME_conv1_norm`, `NAME_add`. None: `residual_unit1` and
            so on.

    Returns:
        A function from a feature map (batch, height, width, channels) to one of shape (batch, ceil(height / strides),
        ceil(width / strides), filters); maps with one or three spatial axes are taken too.

    Raises:
        TypeError: An argument of a wrong type.
        ValueError: A value that is not known, or a combination that is impossible, such as a shortcut that cannot fit.

    Reference:
        He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv 1603.05027, figure 4.

    Example:
        >>> import keras, zoo
        >>> image = keras.Input((32, 32, 3))
        >>> x = zoo.conv_unit(16)(image)
        >>> x = zoo.residual_unit(16, opens=False)(x)
        >>> x = zoo.residual_unit(32, strides=2)(x)
        >>> x = zoo.unit_end("full_pre_activation")(x)
        >>> x.shape
        (None, 16, 16, 32)
    """
    require_one_of("block", block, BLOCKS)
    unit = UnitSpec(
        ordering=ordering,
        activation=activation,
        layout=layout,
        block=block,
        shortcut=shortcut,
        shortcut_scale=shortcut_scale,
        branch_scale=branch_scale,
        gate_bias=gate_bias,
        dropout_rate=dropout_rate,
    )
    filters, strides = as_integer("filters", filters), as_integer("strides", strides)
    if block == "bottleneck" and filters % 4:
        raise ValueError(
            f"filters={filters}: the inner convolutions of a bottleneck have a quarter of the channels; use a multiple "
            "of 4 or block='basic'."
        )
    require_bool("opens", opens)
    parts = _parts(unit, norm, conv, kernel_initializer, he_fan_out)
    label = _label(name, "residual_unit")

    def apply(x):
        _check_input(x, parts)
        return residual(x, label(), parts, filters=filters, strides=strides, opens=opens)

    return apply


def unit_end(
    ordering: OrderingName | str | Row = "full_pre_activation",
    *,
    activation: Any = "relu",
    norm: Factory | None = None,
    layout: UnitLayout = "he2016",
    name: str | None = None,
) -> Unit:
    """What units that begin with their activation owe after the last one.

    Formula, for `"full_pre_activation"`: `y = act(norm(x))`. Orderings that activate after their convolution owe nothing:
    for them the tensor comes back as it is, so that one line serves all orderings.

    Args:
        ordering: Ordering of the units before it, residual or plain, or the row of words that was given to
            `zoo.conv_unit`.
        activation: As in the units.
        norm: As in the units; not called where the ordering owes no normalisation.
        layout: As in the units.
        name: The layers are called `NAME_norm` and `NAME_act`. None: `unit_end1` and so on.

    Returns:
        A function from a tensor to a tensor of the same shape.

    Raises:
        TypeError: An argument of a wrong type.
        ValueError: A value that is not known.

    Reference:
        He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv 1603.05027, appendix.

    Example:
        >>> import keras, zoo
        >>> x = keras.Input((8, 8, 4))
        >>> y = zoo.unit_end("full_pre_activation", name="head")(x)
        >>> [layer.name for layer in keras.Model(x, y).layers][1:]
        ['head_norm', 'head_act']
        >>> zoo.unit_end("original")(x) is x
        True
    """
    ordering = str(ordering) if isinstance(ordering, Row) else ordering
    # A bottleneck exists in every layout, and what is owed is that of a basic unit.
    block: Block | None = "bottleneck" if isinstance(ordering, str) and ordering in RESIDUAL else None
    unit = UnitSpec(ordering=ordering, activation=activation, layout=layout, block=block)
    parts = _parts(unit, norm, None, None, he_fan_out)
    label = _label(name, "unit_end")

    def apply(x):
        _check_input(x, parts, any_rank=True)
        return place(x, unit.placement.entry, label(), parts)

    return apply


def _parts(
    unit: UnitSpec, norm: Any, conv: Any, kernel_initializer: Any, default: Callable[[], Any]
) -> Parts:
    for argument, given, example in (
        ("norm", norm, "lambda name: keras.layers.GroupNormalization(8, name=name)"),
        ("conv", conv, "keras.layers.SeparableConv2D"),
    ):
        if given is not None and (not callable(given) or isinstance(given, layers.Layer)):
            raise TypeError(
                f"{argument} must be a factory, which makes a layer for each place, such as {example}; received {given!r}."
            )
    # Both kernels of a separable convolution are tried on the shape of a 1x1 kernel.
    parts = Parts(
        unit,
        names=ZooNames(),
        initializer=initializers(kernel_initializer, default, (1, 1, 2, 2)),
        conv=conv,
        norm=norm,
        tries_functions=True,
    )
    if unit.form == "builtin":
        parts.activation_argument()
    return parts


def _label(name: Any, prefix: str) -> Callable[[], str]:
    """The name of a unit each time that it is applied: the user's, or one that no unit has yet."""
    if name is None:
        return lambda: f"{prefix}{keras.backend.get_uid(prefix)}"
    if not isinstance(name, str):
        raise TypeError(f"name must be a string or None, received {name!r}.")
    if not name or "/" in name:
        raise ValueError(f"name={name!r}: a Keras layer's name is a non-empty string without '/'.")
    return lambda: name


def _sizes(argument: str, received: Any) -> int | tuple[int, ...]:
    """Integers of at least 1: one, or a tuple of one for each spatial axis."""
    if not isinstance(received, (tuple, list)):
        return as_integer(argument, received)
    if not received:
        raise ValueError(
            f"{argument} must be one number or one for each spatial axis, received {received!r}."
        )
    return tuple(as_integer(f"each number of {argument}={received!r}", size) for size in received)


def _check_axes(x: Any, parts: Parts, kernel_size: Any, strides: Any, padding: str, *, stock: bool) -> None:
    """Whether sizes are one for each spatial axis of a tensor, and whether a stock convolution has an output there."""
    axes = spatial_axes(x)
    for argument, received in (("kernel_size", kernel_size), ("strides", strides)):
        if isinstance(received, (tuple, list)) and len(received) != axes:
            raise ValueError(
                f"{argument} must be one number or one for each of the {axes} spatial axes of x, whose shape is "
                f"{tuple(x.shape)}; received {received!r}."
            )
    if not stock:
        return
    if padding == "causal" and axes != 1:
        raise ValueError(
            f"padding='causal' is for one spatial axis, and x has {axes}, its shape is {tuple(x.shape)}; use 'same' or 'valid'."
        )
    spatial = [x.shape[axis] for axis in spatial_places(x, parts.channel_axis)]
    kernel = each_axis(kernel_size, axes)
    if padding == "valid" and any(
        side is not None and side < k for side, k in zip(spatial, kernel, strict=True)
    ):
        raise ValueError(
            f"kernel_size={kernel_size!r} does not fit into x, whose shape is {tuple(x.shape)}, with padding='valid'; use a "
            "smaller one or padding='same'."
        )


def _check_input(x: Any, parts: Parts, *, any_rank: bool = False) -> None:
    if not isinstance(x, keras.KerasTensor):
        raise TypeError(
            f"x must be a symbolic tensor, from keras.Input or a layer called on one, received {type(x).__name__}: "
            "a unit makes new layers at each call. Build a keras.Model with it, and call that on data."
        )
    if len(x.shape) < 2 or (not any_rank and spatial_axes(x) not in (1, 2, 3)):
        raise ValueError(
            f"x must be a feature map with one to three spatial axes, such as (batch, height, width, channels); its shape "
            f"is {tuple(x.shape)}."
        )
    if x.shape[parts.channel_axis] is None:
        raise ValueError(f"x must have a known number of channels; its shape is {tuple(x.shape)}.")
