"""Layers that a user's factory makes, each compared with what was asked of it: its name, its size, its place in the order."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from zoo.graph.calling import wrapped
from zoo.graph.internals import computed, inbound_nodes

# Whose `axis` is that of the channels, and whose axes are those that they take the mean over.
_BY_CHANNEL = (layers.BatchNormalization, layers.GroupNormalization)
_OVER_AXES = (layers.LayerNormalization, layers.RMSNormalization, layers.UnitNormalization)
# What Keras' convolutions and dense layers say of themselves, and other layers may mean otherwise.
_STOCK = (
    *(layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.Dense, layers.EinsumDense),
    *(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose),
    *(layers.SeparableConv1D, layers.SeparableConv2D, layers.DepthwiseConv1D, layers.DepthwiseConv2D),
)


def normalisation(factory: Callable, name: str, *, channel_axis: int) -> Callable:
    """A new normalisation from the factory that was given as `norm`.

    Args:
        factory: Called with `name=`.
        name: What the layer has to be called.
        channel_axis: The axis of the channels, 1 or -1.

    Returns:
        A function of a tensor, which refuses a layer that changes its shape or takes another axis for the channels.
    """
    layer = _made("norm", factory, name=name)

    def apply(x):
        y = _called("norm", factory, layer, x)
        if tuple(y.shape) != tuple(x.shape):
            raise ValueError(
                f"norm={factory!r} made a {type(layer).__name__} that changes the shape of a feature map from "
                f"{tuple(x.shape)} to {tuple(y.shape)}; a normalisation keeps it."
            )
        _check_axis(factory, layer, len(x.shape), channel_axis)
        return y

    return apply


def _check_axis(factory: Callable, layer: Any, rank: int, channel_axis: int) -> None:
    """A normalisation of Keras reads its axis as that of the channels, or as the axes that it takes together."""
    if not isinstance(layer, (*_BY_CHANNEL, *_OVER_AXES)):
        return  # somebody's own layer may mean anything by its axis
    axes = {axis % rank for axis in (layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis])}
    channels = channel_axis % rank
    # The default, which is for channels that come last.
    forgotten = axes == {rank - 1} and channels != rank - 1
    if forgotten or (isinstance(layer, _BY_CHANNEL) and axes != {channels}):
        raise ValueError(
            f"norm={factory!r} made a {type(layer).__name__} with axis={layer.axis!r}, and the channels are on axis "
            f"{channels} under image_data_format {keras.config.image_data_format()!r}; make it with axis={channels}."
        )


def convolution(
    factory: Callable, filters: int, kernel: Any, *, channel_axis: int, initializer: Callable, **settings: Any
) -> tuple[layers.Layer, Callable]:
    """A new convolution from the factory that was given as `conv`.

    Args:
        factory: Called with filters, kernel size, the settings and the initialiser of each kernel.
        filters: Channels of the output.
        kernel: Size of the kernel.
        channel_axis: The axis of the channels, 1 or -1.
        initializer: Makes a new initialiser.
        **settings: `strides`, `padding`, `use_bias`, `activation` and `name`.

    Returns:
        The layer, and a function of a tensor that calls it and refuses an output of another size than was asked for.
    """
    kernels = {argument: initializer() for argument in _kernel_initializers(factory)}
    layer = _made("conv", factory, filters, kernel, **settings, **kernels)
    _check_own_words(factory, layer, settings)

    def apply(x):
        y = _called("conv", factory, layer, x)
        _check_size(factory, layer, x, y, channel_axis, filters, kernel, settings)
        return y

    return layer, apply


def _check_own_words(factory: Callable, layer: layers.Layer, settings: dict[str, Any]) -> None:
    """What a stock layer says of its bias and its activation has to be what the row asks for."""
    inner = wrapped(layer)
    if not isinstance(inner, _STOCK):
        return
    asked = {
        "use_bias": settings["use_bias"],
        "activation": keras.activations.get(settings["activation"]),
    }
    for setting, expected in asked.items():
        received = getattr(inner, setting, expected)
        if received != expected:
            raise ValueError(
                f"conv={factory!r} was called with {setting}={settings[setting]!r} and made a {type(inner).__name__} with "
                f"{setting}={received!r}; it must pass {setting} on: what stands beside a convolution, the unit says."
            )


def _check_size(factory, layer, x, y, channel_axis, filters, kernel, settings) -> None:
    """An output has the channels that were asked for, and each side divided by its stride; or multiplied, if transposed."""
    axes = spatial_places(x, channel_axis)
    strides, padding = settings["strides"], settings["padding"]
    dilation = each_axis(getattr(wrapped(layer), "dilation_rate", 1), len(axes))
    if len(dilation) != len(axes):  # a layer for each frame has fewer axes
        dilation = (1,) * len(axes)
    spans = [(k - 1) * d + 1 for k, d in zip(each_axis(kernel, len(axes)), dilation, strict=True)]
    steps = each_axis(strides, len(axes))
    # An open side has no size to compare, so the layer is tried on a map of some size.
    closed = list(x.shape)
    for axis, span, step in zip(axes, spans, steps, strict=True):
        closed[axis] = x.shape[axis] or 2 * span + 3 * step + 1
    shape = y.shape
    if closed != list(x.shape):
        shape = computed(layer, keras.KerasTensor(tuple(closed), dtype=x.dtype)).shape
    divided, multiplied = list(closed), list(closed)
    for axis, span, step in zip(axes, spans, steps, strict=True):
        side, valid = closed[axis], padding == "valid"
        divided[axis] = -(-(side - (span - 1 if valid else 0)) // step)
        multiplied[axis] = side * step + (max(span - step, 0) if valid else 0)
    divided[channel_axis] = multiplied[channel_axis] = filters
    if list(shape) in (divided, multiplied):
        return
    # A transposed convolution that was told more than it was asked for has a length of its own.
    if getattr(wrapped(layer), "output_padding", None) is not None and shape[channel_axis] == filters:
        return
    transposed = f", or {tuple(multiplied)} of a transposed convolution" if multiplied != divided else ""
    raise ValueError(
        f"conv={factory!r} made a {type(layer).__name__} that gives shape {tuple(shape)} from {tuple(closed)}; "
        f"filters={filters}, strides={strides!r} and padding={padding!r} ask for {tuple(divided)}{transposed}. It must make a "
        "convolution of the filters, strides and padding that it is called with."
    )


def spatial_places(x: Any, channel_axis: int) -> list[int]:
    """Which axes of a feature map are neither its batch nor its channels."""
    return [axis for axis in range(1, len(x.shape)) if axis != channel_axis % len(x.shape)]


def each_axis(value: Any, axes: int) -> tuple[int, ...]:
    """A size for each axis, of one number for all or of one for each."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes


def _kernel_initializers(factory: Callable) -> tuple[str, ...]:
    """The arguments by which a factory of convolutions takes the initialiser of its kernel, or of both of its kernels.

    One that names none takes it as `kernel_initializer`, among whatever else it takes.
    """
    named = _signature(factory).parameters
    known = ("kernel_initializer", "depthwise_initializer", "pointwise_initializer")
    return tuple(argument for argument in known if argument in named) or ("kernel_initializer",)


def _signature(factory: Callable) -> inspect.Signature:
    """How a factory is called; of one that is written in C and does not say, that it may be called in any way."""
    try:
        return inspect.signature(factory)
    except ValueError:
        return inspect.signature(lambda *args, **settings: None)


def _made(argument: str, factory: Callable, *args: Any, **settings: Any) -> layers.Layer:
    """A new layer from a factory that was given as `argument`; what is wrong with it is said with its name."""
    name = settings["name"]
    called = ", ".join([*map(repr, args), *(f"{key}=" for key in settings)])
    # A call overrules what a partial function holds.
    if twice := sorted(
        set(settings) & set(factory.keywords if isinstance(factory, functools.partial) else ())
    ):
        raise ValueError(
            f"{argument}={factory!r} sets {', '.join(twice)}, which the unit sets itself at each call; leave that to the unit, "
            f"or make a function of it that is called with ({called}) and decides."
        )
    try:
        _signature(factory).bind(*args, **settings)
    except TypeError as error:
        raise TypeError(
            f"{argument} must be a factory of layers that can be called with ({called}): {error}; received {factory!r}."
            f"{_recipe(factory, str(error))}"
        ) from error
    try:
        layer = factory(*args, **settings)
    except Exception as error:  # of an odd argument Keras says all kinds of things
        raise ValueError(
            f"{argument}={factory!r} called with ({called}): {error}{_recipe(factory, str(error))}"
        ) from error
    if not isinstance(layer, layers.Layer):
        raise TypeError(f"{argument} must be a factory of layers, and {factory!r} returned {layer!r}.")
    # One without weights counts as built from the start.
    used = bool(inbound_nodes(layer)) or bool(layer.weights)
    if used or layer.name != name:
        raise ValueError(
            f"{argument} must make a new layer at each call and pass `name` on to it: asked for {name!r}, {factory!r} "
            f"returned {'a layer that is in use, ' if used else 'a layer called '}{layer.name!r}."
        )
    return layer


def _recipe(factory: Callable, error: str) -> str:
    """What to write for layers that Keras calls in another way than its convolutions."""
    if isinstance(factory, type) and issubclass(factory, (layers.DepthwiseConv1D, layers.DepthwiseConv2D)):
        return (
            " A depthwise convolution is not told its filters: conv=lambda filters, kernel, kernel_initializer, **settings: "
            f"keras.layers.{factory.__name__}(kernel, depthwise_initializer=kernel_initializer, **settings)."
        )
    if "kernel_initializer" in error:
        return (
            " Let the function take kernel_initializer and pass it on. If the convolution is separable or depthwise, it has "
            "none: name what it has as arguments of the function instead, such as lambda filters, kernel, "
            "depthwise_initializer, pointwise_initializer, **settings: ..."
        )
    return ""


def _called(argument: str, factory: Callable, layer: layers.Layer, x: Any) -> Any:
    try:
        y = layer(x)
    except Exception as error:
        raise ValueError(
            f"{argument}={factory!r} made a {type(layer).__name__} that does not take a tensor of shape "
            f"{tuple(x.shape)}: {error}"
        ) from error
    if not isinstance(y, keras.KerasTensor):
        raise ValueError(
            f"{argument}={factory!r} made a {type(layer).__name__} that puts out {y!r}; a place in a row has one tensor."
        )
    return y
