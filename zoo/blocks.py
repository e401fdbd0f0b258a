"""Where the activation goes. This is the only file that places one.

`PLAIN_ORDERINGS` and `ORDERINGS` below are the whole answer: words of the tables become layers in the order written.
`place` turns one row into layers, `residual_unit` and the builders of `zoo.models` do nothing but call it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from zoo.naming import KerasResNetNames, VGGNames, ZooNames
from zoo.normalization import BatchNormalization
from zoo.spec import ModelSpec

# ordering: the operations of one unit of a plain net, in order
PLAIN_ORDERINGS = {
    "conv_act": "conv act",
    "conv_norm_act": "conv norm act",
    "conv_act_norm": "conv act norm",
    "norm_act_conv": "norm act conv",
}


@dataclass(frozen=True, kw_only=True)
class Ordering:
    """The operations of a residual unit: round each convolution of the branch, round its last one, after the addition."""

    each: str
    last: str
    after_addition: str

    @property
    def entry(self) -> str:
        """What stands before the first convolution: `""`, `"act"` or `"norm act"`."""
        return self.each[: self.each.index("conv")].strip()

    @property
    def normalises_projection(self) -> bool:
        """Whether BatchNormalization follows a projection, as it follows the last convolution of the branch."""
        return "conv norm" in self.last

    def branch(self, convolutions: int, *, skip_entry: bool = False) -> tuple[str, ...]:
        """The operations round each of the convolutions of a branch."""
        ops = [self.each] * (convolutions - 1) + [self.last]
        if skip_entry:
            ops[0] = ops[0].removeprefix(self.entry).strip()
        return tuple(ops)


# He et al. 2016, arXiv 1603.05027, figure 4 and table 2: the five orderings, from (a) to (e).
ORDERINGS = {
    "original": Ordering(each="conv norm act", last="conv norm", after_addition="act"),
    "bn_after_addition": Ordering(each="conv norm act", last="conv", after_addition="norm act"),
    "relu_before_addition": Ordering(each="conv norm act", last="conv norm act", after_addition=""),
    "relu_only_pre_activation": Ordering(each="act conv norm", last="act conv norm", after_addition=""),
    "full_pre_activation": Ordering(each="norm act conv", last="norm act conv", after_addition=""),
}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What six code bases decide differently under the one name "ResNet".

    Attributes:
        stem_activates: The first activation comes right after the stem's convolution, and unit 1 skips its own.
        projection_reads: In a pre-activation unit the projection reads the `"preactivated"` or the `"raw"` tensor.
        stride_at: `"first"` convolution or the `"middle"` (3x3) one of a stage's first unit, or the middle one of its
            `"last_unit"`.
        bias: Which convolutions have a bias: `"none"`, `"all"`, or `"outer"` (stem, last of a branch, projection).
        explicit_padding: Zero padding as a layer of its own, centred as in Torch: `"strided"` convolutions (and pooling),
            `"always"`, or `"never"` ('same' padding, which pads an even image on the right and at the bottom only).
        momentum: Momentum of the moving statistics.
        epsilon: Added to the variance.
    """

    stem_activates: bool
    projection_reads: str
    stride_at: str
    bias: str
    explicit_padding: str
    momentum: float
    epsilon: float


_HE = Layout(
    stem_activates=True,
    projection_reads="preactivated",
    stride_at="first",
    bias="none",
    explicit_padding="strided",
    momentum=0.9,
    epsilon=1e-5,
)


def _like(layout: Layout, **changes: Any) -> Layout:
    return Layout(**(vars(layout) | changes))


_KERAS = _like(_HE, bias="all", momentum=0.99, epsilon=1.001e-5)
_TORCH = _like(_HE, stride_at="middle")
_EXAMPLE = _like(
    _HE, projection_reads="raw", bias="all", explicit_padding="never", momentum=0.99, epsilon=1e-3
)

# layout: (orderings that activate after the convolution, orderings that activate before it)
LAYOUTS = {
    "he2016": (_HE, _HE),
    "keras": (
        _KERAS,
        _like(_KERAS, stem_activates=False, stride_at="last_unit", bias="outer", explicit_padding="always"),
    ),
    "kerashub": (_TORCH, _like(_TORCH, stem_activates=False)),
    "timm": (_TORCH, _like(_TORCH, stem_activates=False)),
    "keras_resnet": (_EXAMPLE, _EXAMPLE),
    "keras_cifar10": (_EXAMPLE, _EXAMPLE),
}


class Parts:
    """The layers a net is made of, configured by its spec: convolution, normalisation, activation, padding."""

    def __init__(self, spec: ModelSpec):
        self.spec = spec
        self.layout = LAYOUTS[spec.layout][spec.is_pre_activation]
        self.names = _names(spec)
        self.channel_axis = 1 if keras.config.image_data_format() == "channels_first" else -1
        self.initializer = _initializer(spec)
        self._activation = _activation(spec)

    def activation_argument(self) -> Callable:
        """The activation as a function, for the `activation=` argument of a layer."""
        if isinstance(self._activation, layers.Layer):
            raise ValueError(
                f"form='builtin' takes activation as a function or its name, received the layer "
                f"{type(self._activation).__name__}, which is a site of its own; use form='separate'."
            )
        return self._activation

    def act(self, layer: str) -> layers.Layer:
        """A new activation layer, named after the layer it serves."""
        name = self.names.act(layer)
        if isinstance(self._activation, layers.Layer):
            return type(self._activation).from_config(self._activation.get_config() | {"name": name})
        return layers.Activation(self._activation, name=name)

    def norm(self, layer: str, *, name: str | None = None) -> layers.Layer:
        """A BatchNormalization, named after the layer it serves unless `name` says otherwise."""
        return BatchNormalization(
            axis=self.channel_axis,
            momentum=self.layout.momentum,
            epsilon=self.layout.epsilon,
            name=name or self.names.norm(layer),
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
        """A convolution as a function of its input and of a built-in activation."""

        def apply(x, activation=None):
            explicit = self.layout.explicit_padding
            if (
                padding == "same"
                and kernel > 1
                and (explicit == "always" or (explicit == "strided" and strides > 1))
            ):
                x = layers.ZeroPadding2D(kernel // 2, name=self.names.pad(name))(x)
                pad = "valid"
            else:
                pad = padding
            return layers.Conv2D(
                filters,
                kernel,
                strides=strides,
                padding=pad,
                use_bias=use_bias,
                activation=activation,
                kernel_initializer=self.initializer(),
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
    ops: str,
    layer: str,
    parts: Parts,
    *,
    linear: Any = None,
    pool: Any = None,
    activated: bool = True,
):
    """Apply one row of the tables: the words of `ops` become layers, in order.

    Args:
        x: Input tensor.
        ops: Words `conv` (calls `linear`), `norm`, `act` and `pool` (calls `pool`).
        layer: Name of the convolution that `norm` and `act` serve.
        parts: The layers of this net.
        linear: The convolution or dense layer, a function of a tensor and a built-in activation.
        pool: The pooling, a function of a tensor.
        activated: Whether this site carries its activation.

    Returns:
        Output tensor.
    """
    words = ops.split()
    while words:
        word = words.pop(0)
        if word == "conv":
            built_in = parts.spec.form == "builtin" and words[:1] == ["act"]
            if built_in:
                words.pop(0)
            x = linear(x, parts.activation_argument() if built_in and activated else None)
        elif word == "norm":
            x = parts.norm(layer)(x)
        elif word == "act" and activated:
            x = parts.act(layer)(x)
        elif word == "pool":
            x = pool(x)
    return x


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One residual unit of a net.

    Attributes:
        stage: Number of the stage, from 1.
        index: Number of the unit in its stage, from 1.
        in_channels: Channels of its input.
        out_channels: Channels of its output.
        stride: Stride of its branch and its shortcut.
        skip_entry: Whether the stem has done this unit's first activation already.
    """

    stage: int
    index: int
    in_channels: int
    out_channels: int
    stride: int
    skip_entry: bool

    @property
    def repeats(self) -> bool:
        """Whether this unit keeps the shape, so that identical ones can follow each other."""
        return self.stride == 1 and self.in_channels == self.out_channels and not self.skip_entry


def residual_units(spec: ModelSpec) -> list[Unit]:
    """The units of a residual net in order, with their strides where the layout puts them."""
    layout = LAYOUTS[spec.layout][spec.is_pre_activation]
    entry = ORDERINGS[spec.ordering].entry
    expansion = 4 if spec.block == "bottleneck" else 1
    units: list[Unit] = []
    channels = spec.width
    for stage, count in enumerate(spec.stages, start=1):
        out = spec.width * 2 ** (stage - 1) * expansion
        for index in range(1, count + 1):
            if layout.stride_at == "last_unit":
                strided = index == count and stage < len(spec.stages)
            else:
                strided = index == 1 and stage > 1
            units.append(
                Unit(
                    stage=stage,
                    index=index,
                    in_channels=channels,
                    out_channels=out,
                    stride=2 if strided else 1,
                    skip_entry=bool(entry) and layout.stem_activates and not units,
                )
            )
            channels = out
    return units


def branch_convolutions(spec: ModelSpec, unit: Unit) -> list[tuple[int, int, int, bool]]:
    """The convolutions of a unit's branch as (filters, kernel, stride, bias)."""
    layout = LAYOUTS[spec.layout][spec.is_pre_activation]
    out = unit.out_channels
    shapes = [(out, 3), (out, 3)] if spec.block == "basic" else [(out // 4, 1), (out // 4, 3), (out, 1)]
    strided = 0 if spec.block == "basic" or layout.stride_at == "first" else 1
    return [
        (
            filters,
            kernel,
            unit.stride if k == strided else 1,
            layout.bias == "all" or (layout.bias == "outer" and k == len(shapes) - 1),
        )
        for k, (filters, kernel) in enumerate(shapes)
    ]


def residual_unit(x, unit: Unit, parts: Parts):
    """One residual unit, y = after(shortcut(x) + branch(x)), in the ordering of the spec.

    Args:
        x: Feature map (batch, height, width, channels).
        unit: Which unit it is.
        parts: The layers of this net.

    Returns:
        Feature map (batch, ceil(height / stride), ceil(width / stride), out_channels).
    """
    spec, names = parts.spec, parts.names
    ordering = ORDERINGS[spec.ordering]
    name = names.unit(unit.stage, unit.index)
    convolutions = branch_convolutions(spec, unit)
    rows = ordering.branch(len(convolutions), skip_entry=unit.skip_entry)

    first = names.branch(name, 1)
    entry = "" if unit.skip_entry else ordering.entry
    activated = place(x, entry, first, parts)
    rows = (rows[0].removeprefix(entry).strip(), *rows[1:])
    branch = activated
    for k, (row, (filters, kernel, strides, bias)) in enumerate(
        zip(rows, convolutions, strict=True), start=1
    ):
        conv = names.branch(name, k)
        branch = place(
            branch,
            row,
            conv,
            parts,
            linear=parts.conv(filters, kernel, conv, strides=strides, use_bias=bias),
        )
    shortcut, branch = _join(x, activated, branch, unit, name, parts)
    # The shortcut comes first: Keras walks the graph recursively, and in this order 1,202 layers build (the other
    # order raises RecursionError near 360).
    y = layers.Add(name=names.add(name))([shortcut, branch])
    return place(y, ordering.after_addition, names.add(name), parts)


def _join(x, activated, branch, unit: Unit, name: str, parts: Parts):
    """The shortcut of a unit, and what the shortcut's kind does to the branch."""
    spec, names = parts.spec, parts.names

    def called(what):
        return names.shortcut(name, what)

    changes_channels = unit.in_channels != unit.out_channels
    if spec.shortcut == "conv1x1" or (spec.shortcut == "projection" and changes_channels):
        source = activated if parts.layout.projection_reads == "preactivated" else x
        bias = parts.layout.bias in ("all", "outer")
        shortcut = parts.conv(unit.out_channels, 1, called("conv"), strides=unit.stride, use_bias=bias)(
            source
        )
        if ORDERINGS[spec.ordering].normalises_projection:
            shortcut = parts.norm(name, name=called("norm"))(shortcut)
        return shortcut, branch

    shortcut = x
    if unit.stride > 1:
        shortcut = layers.MaxPooling2D(1, strides=unit.stride, name=called("subsample"))(shortcut)
    if changes_channels:
        shortcut = _pad_channels(shortcut, unit, called("pad"), parts)
    if spec.shortcut == "constant_scaling":
        shortcut = layers.Rescaling(spec.shortcut_scale, name=called("scale"))(shortcut)
        branch = layers.Rescaling(spec.branch_scale, name=f"{name}_branch_scale")(branch)
    elif spec.shortcut == "dropout":
        shortcut = layers.Dropout(spec.dropout_rate, name=called("dropout"))(shortcut)
    elif spec.shortcut in ("exclusive_gating", "shortcut_only_gating"):
        gate = layers.Conv2D(
            unit.out_channels,
            1,
            strides=unit.stride,
            activation="sigmoid",
            kernel_initializer=parts.initializer(),
            bias_initializer=keras.initializers.Constant(spec.gate_bias),
            name=called("gate"),
        )(x)
        carry = layers.Rescaling(-1.0, offset=1.0, name=called("carry"))(gate)
        shortcut = layers.Multiply(name=called("gated"))([shortcut, carry])
        if spec.shortcut == "exclusive_gating":
            branch = layers.Multiply(name=f"{name}_branch_gated")([branch, gate])
    return shortcut, branch


def _pad_channels(x, unit: Unit, name: str, parts: Parts):
    """Option A of He et al. 2015: the missing channels are zeros, half of them on each side; no parameters."""
    missing = unit.out_channels - unit.in_channels
    zeros, none = (missing // 2, missing - missing // 2), (0, 0)
    # A stock layer pads two neighbouring axes. Told the other data format, it takes the channels for one of them.
    if parts.channel_axis == 1:
        return layers.ZeroPadding2D((zeros, none), data_format="channels_last", name=name)(x)
    return layers.ZeroPadding2D((none, zeros), data_format="channels_first", name=name)(x)


def _names(spec: ModelSpec) -> ZooNames:
    if spec.family == "vgg":
        return VGGNames()
    if spec.family == "resnet" and spec.layout == "keras":
        return KerasResNetNames(spec.ordering == "full_pre_activation")
    return ZooNames()


def _initializer(spec: ModelSpec) -> Callable:
    """A new initialiser a call, so that no two layers start from the same values."""
    given = spec.kernel_initializer
    if given is not None:
        try:
            initializer = keras.initializers.get(given)
            # An array or a function is taken as it is, and would only fail at the first layer.
            shape = (2, 2) if spec.family == "mlp" else (1, 1, 2, 2)
            received = tuple(initializer(shape, dtype="float32").shape)
        except Exception as error:  # of an odd object Keras says all kinds of things
            raise ValueError(f"kernel_initializer={given!r} does not initialise a kernel: {error}") from error
        if received != shape:
            raise ValueError(
                f"kernel_initializer={given!r} does not initialise a kernel: asked for shape {shape}, it gave {received}."
            )
        if not isinstance(initializer, keras.initializers.Initializer):
            return lambda: initializer
        return lambda: initializer.clone()
    if spec.family in ("resnet", "plain") and spec.layout != "keras":
        return lambda: keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
    if spec.family == "vgg" or spec.layout == "keras":
        return keras.initializers.GlorotUniform
    return keras.initializers.HeNormal


def _activation(spec: ModelSpec) -> Callable | layers.Layer:
    given = spec.activation
    return given if isinstance(given, layers.Layer) else activation_function("activation", given)


def activation_function(argument: str, given: Any) -> Callable:
    """The function that `keras.activations.get` makes of an argument.

    Raises:
        TypeError: If it is a class, or a layer.
        ValueError: If Keras makes no function of it.
    """
    takes = "a name, a function or a layer" if argument == "activation" else "a name or a function"
    if isinstance(given, type):
        raise TypeError(f"{argument} must be {takes}, received the class {given.__name__}; call it.")
    if isinstance(given, layers.Layer):
        raise TypeError(f"{argument} must be {takes}, received the layer {type(given).__name__}.")
    try:
        function = keras.activations.get(given)
    except Exception as error:  # of an odd object Keras says all kinds of things
        raise ValueError(f"{argument}={given!r} is not what keras.activations.get takes: {error}") from error
    if isinstance(function, type):
        raise ValueError(
            f"{argument}={given!r} is a layer with weights or options, not a function; pass it as a layer, "
            f"such as keras.layers.{function.__name__}()."
        )
    return function
