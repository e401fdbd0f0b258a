"""Rows become layers here. This is the only file that places an activation.

What stands where is said in `zoo.placement`; `place` turns one of its rows into layers, in the order written, and
everything else here calls it. Nets and the units for nets of one's own are built by the same functions.
"""

from __future__ import annotations

import copy
import functools
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from zoo.bias_axis import with_bias_on_channels
from zoo.factories import convolution, normalisation
from zoo.graph.internals import computed
from zoo.naming import ZooNames
from zoo.normalization import BatchNormalization
from zoo.normalizer_free import NF_ALPHA, BranchScale, ScaledStandardizedConv2D, activation_gain
from zoo.placement import NOTHING, Steps
from zoo.seeding import in_turn
from zoo.spec import STANDARDISED, ModelSpec, UnitSpec
from zoo.wording import listed, nearest

# The layers of a feature map, by the number of its spatial axes.
_CONV = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}
_MAX_POOL = {1: layers.MaxPooling1D, 2: layers.MaxPooling2D, 3: layers.MaxPooling3D}
_ZERO_PADDING = {1: layers.ZeroPadding1D, 2: layers.ZeroPadding2D, 3: layers.ZeroPadding3D}


def spatial_axes(x) -> int:
    """How many axes a feature map has besides batch and channels."""
    return len(x.shape) - 2


class Parts:
    """The layers a unit is made of, configured by its spec: convolution, normalisation, activation, padding.

    Attributes:
        unit: The placement; of a family beyond plain and residual nets the whole spec, whose parts have rows of their own.
        conventions: What its layout decides.
        names: The rule by which layers get their names.
        channel_axis: The axis of the channels, 1 or -1.
        initializer: Makes a new initialiser of a kernel.
        factory: Makes the convolutions; None takes the stock one that fits the input.
        tries_functions: Whether a function is tried at each site, on the shape that it gets there.
        used: Which entries of an activation that varies have been used.
    """

    def __init__(
        self,
        unit: UnitSpec | ModelSpec,
        *,
        names: ZooNames,
        initializer: Callable[[], Any],
        conv: Callable[..., layers.Layer] | None = None,
        norm: Callable[..., layers.Layer] | None = None,
        stages: ModelSpec | None = None,
        tries_functions: bool = False,
    ):
        self.unit: Any = unit  # which of the two, no type can say
        self.conventions = unit.conventions
        self.names = names
        self.channel_axis = 1 if keras.config.image_data_format() == "channels_first" else -1
        self.initializer = initializer
        self.factory = conv
        self.tries_functions = tries_functions
        self.used: set[int | str] = set()
        self._norm = norm
        self._spec = stages if stages is not None and stages.activation_varies else None
        self._place: str | None = None
        # Where stages have activations of their own, there is none before `at` has said where.
        self._argument = "activation"
        self._activation = None if self._spec else _activation("activation", unit.activation)

    def activated_by(self, argument: str, given: Any) -> Parts:
        """The same parts with another activation, given as `argument`."""
        other = copy.copy(self)
        other._spec, other._argument, other._activation = None, argument, _activation(argument, given)
        return other

    def at(self, place: str) -> Parts:
        """The parts at a place of the net, `"stem"`, `"stage1"` and so on, or `"head"`: where activations vary, with its own."""
        if self._spec is None:
            return self
        other = copy.copy(self)
        other._place = place
        return other

    def _placed(self) -> tuple[str, Callable | layers.Layer]:
        """The argument that gives the activation of this place, and the activation."""
        if self._spec is None:
            return self._argument, self._activation
        assert self._place is not None, "where activations vary, `at` says where"
        key = self._spec.activation_key(self._place)
        self.used.add(key)
        argument = f"activation[{key!r}]"
        return argument, _activation(argument, self._spec.activation[key])

    def _placed_activation(self) -> Callable | layers.Layer:
        return self._placed()[1]

    def activation_argument(self) -> Callable:
        """The activation as a function, for the `activation=` argument of a layer."""
        activation = self._placed_activation()
        if isinstance(activation, layers.Layer):
            raise ValueError(
                f"form='builtin' takes activation as a function or its name, received the layer "
                f"{type(activation).__name__}, which is a site of its own; use form='separate'."
            )
        return activation

    def act(self, layer: str) -> layers.Layer:
        """A new activation layer, named after the layer it serves."""
        name, (argument, activation) = self.names.act(layer), self._placed()
        if not isinstance(activation, layers.Layer):
            return layers.Activation(activation, name=name)
        made = type(activation).from_config(activation.get_config() | {"name": name})
        if made.name != name:
            raise ValueError(
                f"{argument}={activation!r} is copied for each site, and the copy for {name!r} is called {made.name!r}; "
                f"{type(activation).__name__} must pass `name` on to keras.layers.Layer."
            )
        return made

    def activated(self, x, layer: str):
        """A feature map through a new activation layer, see `act`."""
        argument, activation = self._placed()
        made = self.act(layer)
        # Keras says of an activated integer that it is a float, and computes another integer.
        check_floats(x, repr(made.name))
        try:
            y = made(x)
        except Exception as error:  # a layer of the user's own raises what it likes
            raise ValueError(
                f"{argument}={activation!r} cannot be applied to a feature map: {error}"
            ) from error
        if isinstance(activation, layers.Layer):
            _check_shape_kept(argument, activation, x.shape, getattr(y, "shape", None))
        else:
            self.try_function(x.shape)
        return y

    def try_function(self, shape) -> None:
        """Refuse, where that is asked for, a function that gives a feature map of this shape another one."""
        if self.tries_functions:
            argument, function = self._placed()
            _check_shape_kept(argument, function, shape, _shape_after(argument, function, function, shape))

    def with_gain(self, x, layer: str):
        """What an activation has given, times its gain: kernels that are standardised keep a variance of 1 and make none."""
        if self.unit.normalization not in STANDARDISED:
            return x
        try:
            gain = _gain(self._placed_activation())
        except ValueError as error:
            raise ValueError(
                f"activation: {error} Use another normalization than {self.unit.normalization!r}."
            ) from error
        return x if gain == 1 else layers.Rescaling(gain, name=f"{self.names.act(layer)}_gain")(x)

    def norm(self, layer: str, *, name: str | None = None) -> Callable:
        """A normalisation, named after the layer it serves unless `name` says otherwise."""
        name = name or self.names.norm(layer)
        if self._norm is not None:
            return normalisation(self._norm, name, channel_axis=self.channel_axis)
        if self.unit.normalization == "layer":
            return layers.LayerNormalization(axis=self.channel_axis, epsilon=1e-6, name=name)
        return BatchNormalization(
            axis=self.channel_axis,
            momentum=self.conventions.momentum,
            epsilon=self.conventions.epsilon,
            name=name,
        )

    def conv(
        self,
        filters: int,
        kernel: int,
        name: str,
        *,
        strides: int = 1,
        padding: str = "same",
        use_bias: bool = True,
    ) -> Callable:
        """A convolution as a function of its input and of a built-in activation, padded as the layout does it."""

        def apply(x, activation=None):
            explicit = self.conventions.explicit_padding
            if (
                padding == "same"
                and kernel > 1
                and (explicit == "always" or (explicit == "strided" and strides > 1))
            ):
                x = _ZERO_PADDING[spatial_axes(x)](kernel // 2, name=self.names.pad(name))(x)
                pad = "valid"
            else:
                pad = padding
            convolution = self.convolution(
                filters, kernel, name, strides=strides, padding=pad, use_bias=use_bias, factory=self.factory
            )
            return convolution(x, activation)

        return apply

    def convolution(
        self,
        filters: int,
        kernel: Any,
        name: str,
        *,
        strides: Any,
        padding: str,
        use_bias: bool,
        factory: Callable[..., layers.Layer] | None,
    ) -> Callable:
        """A convolution layer and nothing else, as a function of its input and of a built-in activation."""

        def apply(x, activation=None):
            check_floats(x, repr(name))
            settings = {
                "strides": strides,
                "padding": padding,
                "use_bias": use_bias,
                "activation": activation,
                "name": name,
            }
            if factory is None:
                standardised = self.unit.normalization in STANDARDISED
                made = ScaledStandardizedConv2D if standardised else _CONV[spatial_axes(x)]
                layer = made(filters, kernel, kernel_initializer=self.initializer(), **settings)
                return with_bias_on_channels(layer, layer(x))
            layer, call = convolution(
                factory,
                filters,
                kernel,
                channel_axis=self.channel_axis,
                initializer=self.initializer,
                **settings,
            )
            return with_bias_on_channels(layer, call(x))

        return apply

    def depthwise(self, kernel: int, name: str, *, strides: int = 1, use_bias: bool = False) -> Callable:
        """A depthwise convolution as a function of its input and of a built-in activation."""

        def apply(x, activation=None):
            padding = "same"
            if strides > 1 and self.conventions.explicit_padding == "strided":
                x = layers.ZeroPadding2D(kernel // 2, name=self.names.pad(name))(x)
                padding = "valid"
            layer = layers.DepthwiseConv2D(
                kernel,
                strides=strides,
                padding=padding,
                use_bias=use_bias,
                activation=activation,
                depthwise_initializer=self.initializer(),
                name=name,
            )
            return with_bias_on_channels(layer, layer(x))

        return apply

    def separable(self, filters: int, kernel: int, name: str) -> Callable:
        """A depthwise convolution and a 1x1 convolution in one layer, as a function of its input."""

        def apply(x, activation=None):
            return layers.SeparableConv2D(
                filters,
                kernel,
                padding="same",
                use_bias=False,
                activation=activation,
                depthwise_initializer=self.initializer(),
                pointwise_initializer=self.initializer(),
                name=name,
            )(x)

        return apply

    def dense(self, units: int, name: str, *, use_bias: bool = True) -> Callable:
        """A dense layer as a function of its input and of a built-in activation."""

        def apply(x, activation=None):
            return layers.Dense(
                units,
                use_bias=use_bias,
                activation=activation,
                kernel_initializer=self.initializer(),
                name=name,
            )(x)

        return apply


def place(
    x,
    steps: Steps,
    layer: str,
    parts: Parts,
    *,
    linear: Any = None,
    pool: Any = None,
    activated: bool = True,
    done: Steps = NOTHING,
):
    """Apply a row of `zoo.placement`: its operations become layers, in order.

    Args:
        x: Input tensor.
        steps: What to do; `conv` calls `linear`, and `pool` calls `pool`.
        layer: Name of the convolution that `norm` and `act` serve.
        parts: The layers of this unit.
        linear: The convolution or dense layer, a function of a tensor and a built-in activation.
        pool: The pooling, a function of a tensor.
        activated: Whether this site carries its activation.
        done: What of the row comes before `steps`, by another call; it has the first of the names.

    Returns:
        Output tensor.
    """
    if not activated:
        steps = steps.unactivated()
    if parts.unit.form == "builtin":
        steps = steps.built_in()
    made = Counter(done)
    for op in steps:
        made[op] += 1
        # A row may normalise before its convolution and after it: the second layer of a kind is told apart by number.
        served = layer if made[op] == 1 else f"{layer}_{made[op]}"
        match op:
            case "conv":
                x = linear(x, None)
            case "conv(act)":
                x = linear(x, parts.activation_argument())
                parts.try_function(x.shape)
                x = parts.with_gain(x, served)
            case "norm":
                x = parts.norm(served)(x)
            case "act":
                x = parts.with_gain(parts.activated(x, served), served)
            case "pool":
                x = pool(x)
    return x


def residual(
    x, name: str, parts: Parts, *, filters: int, strides: int = 1, opens: bool = True, variance: float = 1.0
):
    """One residual unit, y = after_addition(shortcut(x) + branch(x)), in the ordering of its spec.

    Args:
        x: Feature map (batch, height, width, channels), or with one or three spatial axes.
        name: Name of the unit.
        parts: Its layers.
        filters: Channels of its output.
        strides: Of its branch and its shortcut.
        opens: Whether the unit does its first activation, which otherwise has been done before it.
        variance: What `x` is expected to have, where the unit scales by it (`normalization="nf_resnet"`).

    Returns:
        Feature map (batch, ceil(height / strides), ceil(width / strides), filters).
    """
    names, ordering = parts.names, parts.unit.placement
    convolutions = branch_convolutions(parts.unit, filters, strides)
    # A variance other than 1 is expected in NF-ResNets alone, whose branch reads x / beta.
    read = x if variance == 1 else layers.Rescaling(variance**-0.5, name=f"{name}_beta")(x)
    activated = place(read, ordering.entry, names.branch(name, 1), parts) if opens else read
    branch = activated
    rows = ordering.branch(len(convolutions))
    for k, (row, (channels, kernel, stride, bias)) in enumerate(
        zip(rows, convolutions, strict=True), start=1
    ):
        conv = names.branch(name, k)
        branch = place(
            branch,
            row if k > 1 else row.after_entry,
            conv,
            parts,
            linear=parts.conv(channels, kernel, conv, strides=stride, use_bias=bias),
            done=NOTHING if k > 1 else row.entry,
        )
    if parts.unit.normalization == "skipinit":
        branch = BranchScale(name=f"{name}_branch_alpha")(branch)
    elif parts.unit.normalization == "nf_resnet":
        branch = layers.Rescaling(NF_ALPHA, name=f"{name}_branch_alpha")(branch)
    shortcut, branch = _join(x, activated, branch, name, parts, filters=filters, strides=strides)
    if tuple(shortcut.shape) != tuple(branch.shape):
        padded = parts.conventions.explicit_padding in ("always", "strided")
        dilated = f" layout={parts.unit.layout!r} pads for kernels that are not dilated: give dilated ones layout='he2016'."
        raise ValueError(
            f"shortcut and branch do not fit each other: their shapes are {tuple(shortcut.shape)} and "
            f"{tuple(branch.shape)}; conv must make convolutions that divide the size by their strides and keep filters."
            f"{dilated if padded else ''}"
        )
    # The shortcut comes first: Keras walks the graph recursively, and in this order 1,202 layers build (the other
    # order raises RecursionError near 360).
    y = layers.Add(name=names.add(name))([shortcut, branch])
    return place(y, ordering.after_addition, names.add(name), parts)


def branch_convolutions(unit: UnitSpec, filters: int, strides: int) -> list[tuple[int, int, int, bool]]:
    """The convolutions of a residual branch as (filters, kernel, stride, bias)."""
    layout, basic = unit.conventions, unit.block == "basic"
    shapes = [(filters, 3), (filters, 3)] if basic else [(filters // 4, 1), (filters // 4, 3), (filters, 1)]
    strided = 0 if basic or layout.stride_at == "first" else 1
    return [
        (
            channels,
            kernel,
            strides if k == strided else 1,
            layout.bias == "all" or (layout.bias == "outer" and k == len(shapes) - 1),
        )
        for k, (channels, kernel) in enumerate(shapes)
    ]


def check_floats(x, reader: str) -> None:
    """Refuse whole numbers and truth values, which Keras refuses only when the model is first called on data.

    Args:
        x: A symbolic tensor.
        reader: What reads it, for the message.

    Raises:
        ValueError: If it holds any.
    """
    if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
        raise ValueError(
            f"x: {reader} would read numbers of dtype {keras.backend.standardize_dtype(x.dtype)!r}, and a convolution reads floats; "
            "put keras.layers.Rescaling(1 / 255) before it, or give a net include_preprocessing=True."
        )


def _join(x, activated, branch, name: str, parts: Parts, *, filters: int, strides: int):
    """The shortcut of a unit, and what the shortcut's kind does to the branch."""
    unit, axes = parts.unit, spatial_axes(x)

    def called(what):
        return parts.names.shortcut(name, what)

    missing = filters - x.shape[parts.channel_axis]
    # With no shortcut named, whatever changes the shape is projected; a named one keeps to its paper.
    projects = {"conv1x1": True, "projection": missing != 0, None: missing != 0 or strides > 1}
    if projects.get(unit.shortcut, False):
        source = activated if parts.conventions.projection_reads == "preactivated" else x
        bias = parts.conventions.bias in ("all", "outer")
        shortcut = parts.convolution(
            filters, 1, called("conv"), strides=strides, padding="same", use_bias=bias, factory=None
        )(source)
        if unit.placement.normalises_projection:
            shortcut = parts.norm(name, name=called("norm"))(shortcut)
        return shortcut, branch

    shortcut = x
    if strides > 1:
        shortcut = _MAX_POOL[axes](1, strides=strides, name=called("subsample"))(shortcut)
    if missing:
        shortcut = _pad_channels(shortcut, missing, called("pad"), parts)
    if unit.shortcut == "constant_scaling":
        shortcut = layers.Rescaling(unit.parameter("shortcut_scale"), name=called("scale"))(shortcut)
        branch = layers.Rescaling(unit.parameter("branch_scale"), name=f"{name}_branch_scale")(branch)
    elif unit.shortcut == "dropout":
        shortcut = layers.Dropout(unit.parameter("dropout_rate"), name=called("dropout"))(shortcut)
    elif unit.shortcut in ("exclusive_gating", "shortcut_only_gating"):
        layer = _CONV[axes](
            filters,
            1,
            strides=strides,
            activation="sigmoid",
            kernel_initializer=parts.initializer(),
            bias_initializer=keras.initializers.Constant(unit.parameter("gate_bias")),
            name=called("gate"),
        )
        gate = with_bias_on_channels(layer, layer(x))
        carry = layers.Rescaling(-1.0, offset=1.0, name=called("carry"))(gate)
        shortcut = layers.Multiply(name=called("gated"))([shortcut, carry])
        if unit.shortcut == "exclusive_gating":
            branch = layers.Multiply(name=f"{name}_branch_gated")([branch, gate])
    return shortcut, branch


def _pad_channels(x, missing: int, name: str, parts: Parts):
    """Option A of He et al. 2015: the missing channels are zeros, half of them on each side; no parameters."""
    if missing < 0:
        raise ValueError(
            f"shortcut={parts.unit.shortcut!r} can add channels of zeros and not take {-missing} of "
            f"{x.shape[parts.channel_axis]} channels away; use shortcut='projection'."
        )
    zeros, none = (missing // 2, missing - missing // 2), (0, 0)
    axes = spatial_axes(x)
    # A stock layer pads neighbouring axes. Told the other data format, it takes the channels for one of them.
    if parts.channel_axis == 1:
        padding, data_format = (zeros, *[none] * (axes - 1)), "channels_last"
    else:
        padding, data_format = (*[none] * (axes - 1), zeros), "channels_first"
    return _ZERO_PADDING[axes](padding if axes > 1 else zeros, data_format=data_format, name=name)(x)


def initializers(given: Any, default: Callable[[], Any], shape: tuple[int, ...]) -> Callable[[], Any]:
    """What makes a new initialiser a call, so that no two layers start from the same values.

    Args:
        given: Whatever `keras.initializers.get` takes, or None. Of one with a seed, the second layer gets the next seed,
            and so on.
        default: Makes the initialiser where None is given.
        shape: Of the kernel that it is tried on.

    Raises:
        ValueError: If it does not initialise a kernel of that shape.
    """
    if given is None:
        return default
    try:
        initializer = keras.initializers.get(given)
        # An array or a function is taken as it is, and would only fail at the first layer.
        received = tuple(initializer(shape, dtype="float32").shape)
    except Exception as error:  # of an odd object Keras says all kinds of things
        raise ValueError(f"kernel_initializer={given!r} does not initialise a kernel: {error}") from error
    if received != shape:
        raise ValueError(
            f"kernel_initializer={given!r} does not initialise a kernel: asked for shape {shape}, it gave {received}."
        )
    if not isinstance(initializer, keras.initializers.Initializer):
        return lambda: initializer
    return in_turn(initializer)


def he_fan_out() -> keras.initializers.Initializer:
    """The initialiser of He et al. for residual nets, N(0, 2 / (k k out))."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def check_activation_keeps_shape(
    parts: Parts, shape: tuple[int | None, ...], argument: str, given: Any
) -> None:
    """Keras believes of a function that it keeps the shape, so it is tried here on a feature map of no values.

    Args:
        parts: Whose activation it becomes.
        shape: Of the feature map.
        argument: What the activation was given as.
        given: The activation.

    Raises:
        ValueError: If it does not, or cannot be applied.
    """
    is_layer = isinstance(given, layers.Layer)
    function = None if is_layer and parts.unit.form == "separate" else parts.activation_argument()
    _check_shape_kept(
        argument, given, shape, _shape_after(argument, given, function or parts.act("probe"), shape)
    )


def check_classifier_keeps_shape(function: Callable, given: Any, classes: int) -> None:
    """The same of what turns the scores of the classes into what the net returns.

    Raises:
        ValueError: If the function cannot be applied to a score for each class, or changes how many there are.
    """
    scores = (None, classes)
    argument = "classifier_activation"
    with warnings.catch_warnings():  # of one class, whoever calls the net is told
        warnings.simplefilter("ignore")
        after = _shape_after(argument, given, function, scores)
    if after is None or tuple(after) != scores:
        raise ValueError(
            f"{argument}={given!r} makes {after if after is None else tuple(after)} of the scores of {classes} classes, "
            f"{scores}; it must give one number for each class."
        )


def _shape_after(argument: str, given: Any, function: Callable, shape: Any) -> Any:
    """The shape that a layer or a function really gives a feature map of this shape."""
    probe = keras.KerasTensor(tuple(shape))
    try:
        output = function(probe) if isinstance(function, layers.Layer) else computed(function, probe)
        return getattr(output, "shape", None)
    except Exception as error:  # of a function of the user's own, anything
        raise ValueError(
            f"{argument}={given!r} cannot be applied to a tensor of shape {tuple(shape)}: {error}"
        ) from error


def _check_shape_kept(argument: str, given: Any, before: Any, after: Any) -> None:
    if after is None or tuple(after) != tuple(before):
        raise ValueError(
            f"{argument}={given!r} changes the shape of a feature map from {tuple(before)} to "
            f"{after if after is None else tuple(after)}; an activation acts on each value alone."
        )


def _activation(argument: str, given: Any) -> Callable | layers.Layer:
    return given if isinstance(given, layers.Layer) else activation_function(argument, given)


@functools.lru_cache(maxsize=8)
def _gain(activation: Callable | layers.Layer) -> float:
    if isinstance(activation, layers.Layer):
        # A copy: a layer that has weights would be built for the form of the numbers.
        activation = type(activation).from_config(activation.get_config())
    return round(activation_gain(activation), 6)


def _near(given: Any) -> str:
    """The activations of Keras with a name like this one."""
    if not isinstance(given, str):
        return ""
    known = [name for name, value in vars(keras.activations).items() if callable(value)]
    near = nearest(given, known, most=2)
    return f". Did you mean {listed(near, 'or')}?" if near else ""


def activation_function(argument: str, given: Any) -> Callable:
    """The function that `keras.activations.get` makes of an argument.

    Raises:
        TypeError: If it is a class, or a layer.
        ValueError: If Keras makes no function of it.
    """
    takes = "a name or a function" if argument == "classifier_activation" else "a name, a function or a layer"
    if isinstance(given, type):
        raise TypeError(f"{argument} must be {takes}, received the class {given.__name__}; call it.")
    if isinstance(given, layers.Layer):
        raise TypeError(f"{argument} must be {takes}, received the layer {type(given).__name__}.")
    try:
        function = keras.activations.get(given)
    except Exception as error:  # of an odd object Keras says all kinds of things
        raise ValueError(
            f"{argument}={given!r} is not what keras.activations.get takes: {error}{_near(given)}"
        ) from error
    if isinstance(function, type):
        raise ValueError(
            f"{argument}={given!r} is a layer with weights or options, not a function; pass it as a layer, "
            f"such as keras.layers.{function.__name__}()."
        )
    return function
