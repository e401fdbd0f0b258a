"""Specs become Keras models here: stem, stages, head. What happens round a convolution is decided in `zoo.blocks`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import Parameter, Signature, signature
from itertools import groupby
from typing import Any, ParamSpec, TypeVar, Unpack

import keras
from keras import layers

from zoo.blocks import (
    Parts,
    activation_function,
    check_activation_keeps_shape,
    check_classifier_keeps_shape,
    he_fan_out,
    initializers,
    place,
    residual,
)
from zoo.catalog import entry_of, range_of, specify
from zoo.families import skeleton
from zoo.graph import room_for
from zoo.naming import KerasResNetNames, VGGNames, ZooNames, activation_of
from zoo.normalizer_free import NF_ALPHA
from zoo.options import Options
from zoo.placement import FAMILIES, NOTHING, VGG, Layout, Steps
from zoo.preprocessing import scaled
from zoo.spec import OPTIONS, ModelSpec

P = ParamSpec("P")
T = TypeVar("T")


def _with_a_net(function: Callable[P, T]) -> Callable[P, T]:
    """Say what is missing where Python says only that an argument is."""

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        if not args:
            given = next((f"{k}={kwargs[k]!r}" for k in ("model", "name") if k in kwargs), "nothing")
            raise TypeError(
                f"the name of the net comes first and without a keyword, received {given}: zoo.build('resnet20'). "
                "name= is what the Keras model is called; zoo.list_models() lists the nets."
            )
        return function(*args, **kwargs)

    return checked


@_with_a_net
def build(
    model: str,
    /,
    *,
    name: str | None = None,
    input_tensor: keras.KerasTensor | None = None,
    **options: Unpack[Options],
) -> keras.Model:
    """Build a model from the catalog as an uncompiled `keras.Model` of stock layers.

    Formula of a residual unit: `y = after(shortcut(x) + branch(x))`, where `ordering` says where normalisation and
    activation stand in `branch` and `after`. The default placements are those of the publications.

    Args:
        model: Name of the net, see `zoo.list_models()`; any legal depth works (`"resnet26"`, `"convnet6"`).
        name: Name of the Keras model; None takes the name of the net.
        input_tensor: A symbolic tensor to build the net on, such as `keras.Input((32, 32, 3))` or the output of layers of
            your own, which then belong to the model. `input_shape` is its shape and need not be given.
        **options: Every field of `zoo.spec.ModelSpec` besides name, family, stem and stages; a None means the default
            of the net. `activation` and `classifier_activation` take None as no activation (linear), `weights` as random,
            `pooling` as none. `weights` is a file of Keras or, with `layout="torchvision"` or `"timm"`, one that the
            original has saved, `"model.safetensors"` or `"model.pth"`: the outputs are the original's.

    Returns:
        A Functional model from images (batch, height, width, channels) to (batch, classes), or to the last feature
        map with `include_top=False`. Stock layers only, so a saved file loads without zoo (except `rolled` models and
        those of `normalization="skipinit"`, `"scaled_ws"` or `"nf_resnet"`).

    Raises:
        ImportError: If the package that reads a `.safetensors`, `.pth` or `.pt` file is not installed.
        TypeError: An unknown option, or an argument of a wrong type.
        ValueError: An unknown name or value, a combination that is impossible, or weights of another net; the text says why
            and what to do, and names the first layer or tensor that disagrees.

    Warns:
        zoo.weights.LeftOutWarning: If `weights` hold a classifier that this net, by `include_top=False` or another number
            of `classes`, does not have; the rest is loaded.

    Reference:
        He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv 1603.05027.

    Example:
        >>> import zoo
        >>> zoo.build("resnet20", ordering="relu_before_addition").count_params()
        271098
    """
    _check_name(name)
    if input_tensor is not None and options.get("input_shape") is None:
        _check_input_tensor(input_tensor)
        options["input_shape"] = tuple(input_tensor.shape[1:])
    return assemble(specify(model, **options), name=name, input_tensor=input_tensor)


def _check_name(name: object) -> None:
    if name is not None and (not isinstance(name, str) or not name or "/" in name):
        kind = ValueError if isinstance(name, str) else TypeError
        raise kind(f"name={name!r}: a Keras model's name is a non-empty string without '/'.")


def _signature() -> Signature:
    # The options are the fields of ModelSpec, written down there once; editors and `help` see them here.
    defaults = {f: getattr(ModelSpec, f, None) for f in OPTIONS}
    given = signature(build).parameters
    return Signature(
        [given["model"], given["name"], given["input_tensor"]]
        + [Parameter(f, Parameter.KEYWORD_ONLY, default=defaults[f]) for f in OPTIONS],
        return_annotation=keras.Model,
    )


setattr(build, "__signature__", _signature())  # noqa: B010 (a function has no such attribute, to a type checker)


def assemble(
    spec: ModelSpec, *, name: str | None = None, input_tensor: keras.KerasTensor | None = None
) -> keras.Model:
    """Build the net a spec describes.

    Args:
        spec: What to build.
        name: Name of the Keras model; None takes the name of the spec.
        input_tensor: A symbolic tensor of the shape `(batch, *spec.input_shape)` to build the net on; None makes an input.

    Returns:
        A Functional model with the weights that `spec.weights` names, or random ones.

    Raises:
        TypeError: If `spec` is no `ModelSpec`, or `input_tensor` is not symbolic.
        ValueError: If the input is too small for the strides or has another shape than `input_tensor`, or an activation,
            initialiser or weights file is wrong.

    Example:
        >>> import zoo
        >>> spec = zoo.specify("convnet", input_shape=(28, 28, 1))
        >>> zoo.assemble(spec).output_shape
        (None, 10)
    """
    if not isinstance(spec, ModelSpec):
        raise TypeError(
            f"spec must be a ModelSpec such as zoo.specify('resnet20'), received {spec!r} of type {type(spec).__name__}; "
            "zoo.build takes the name of a net."
        )
    _check_name(name)
    unit = spec if spec.family in FAMILIES else spec.unit
    parts = Parts(unit, names=_names(spec), initializer=_initializer(spec), stages=spec)
    _check_input_shape(spec)
    if spec.weights is not None:
        _check_weights(spec)
    for argument, given in spec.activations().items():
        for size in (8, 16):
            tried = parts.activated_by(argument, given)
            check_activation_keeps_shape(tried, (None, size, size, size), argument, given)
    below: dict[str, Any] = {}  # the layers that `input_tensor` comes from
    if input_tensor is None:
        image = inputs = keras.Input(spec.input_shape, name="image")
    else:
        _check_input_tensor(input_tensor, spec)
        image, inputs = input_tensor, keras.utils.get_source_inputs(input_tensor)
        below = {operation.name: operation for operation in keras.Function(inputs, image).operations}
        inputs = inputs[0] if len(inputs) == 1 else inputs
    x = scaled(spec.name, _range_of(spec), image) if spec.include_preprocessing else image
    bodies = {"mlp": _mlp, "convnet": _convnet, "vgg": _vgg, "plain": _plain, "resnet": _resnet}
    body = bodies[spec.family] if spec.family in bodies else skeleton(spec.family).body
    outputs = _head(body(x, spec, parts), spec, parts)
    _check_every_activation_is_used(spec, parts)
    if below:
        _check_names(spec, below, image, outputs)
    with room_for(spec.depth):
        net = keras.Model(inputs, outputs, name=name or spec.name)
    if spec.weights is not None:
        _load_weights(net, spec, below)
    return net


def _check_names(spec: ModelSpec, below: dict[str, Any], image: Any, outputs: Any) -> None:
    try:
        with room_for(spec.depth):
            ours = keras.Function(image, outputs).operations
        taken = next((x.name for x in ours if below.get(x.name, x) is not x), None)
    except ValueError as error:
        # Of the tensor's own layer Keras says it itself, and without a word of `input_tensor`.
        taken = next((name for name in below if f'"{name}"' in str(error)), None)
        if taken is None:
            raise
    if taken:
        raise ValueError(
            f"input_tensor comes from a layer called {taken!r}, and so is one of {spec.name}: names in a model are different. Give "
            "yours another name, or build the net on an input of its own and call it: zoo.build(...)(tensor)."
        )


def _check_every_activation_is_used(spec: ModelSpec, parts: Parts) -> None:
    if not spec.activation_varies:
        return
    given = spec.activation
    for key in given if isinstance(given, dict) else range(len(given)):
        if key not in parts.used:
            raise ValueError(
                f"activation[{key!r}]={given[key]!r} is nowhere in {spec.name} with ordering={spec.ordering!r}: no activation "
                "stands there; leave it out of a mapping."
            )


def _check_weights(spec: ModelSpec) -> None:
    from zoo.weights import check

    check(spec)


def _load_weights(net: keras.Model, spec: ModelSpec, below: dict[str, Any]) -> None:
    from zoo.weights import load

    if not spec.rolled and not below:
        load(net, spec)
        return
    # Files hold the weights of separate layers, and of the net alone.
    separate = assemble(replace(spec, rolled=False))
    for layer in net.layers:
        if hasattr(layer, "gather"):
            layer.gather(separate.get_layer)
        elif layer.weights and layer.name not in below:
            layer.set_weights(separate.get_layer(layer.name).get_weights())


def _check_input_tensor(given: object, spec: ModelSpec | None = None) -> None:
    if not isinstance(given, keras.KerasTensor):
        shape = getattr(given, "shape", None)
        received = repr(given) if shape is None else f"one with values, of shape {tuple(shape)},"
        raise TypeError(
            f"input_tensor must be a symbolic tensor such as keras.Input((32, 32, 3)), received {received} of type "
            f"{type(given).__name__}."
        )
    if spec is not None and tuple(given.shape[1:]) != spec.input_shape:
        raise ValueError(
            f"input_shape={spec.input_shape!r} contradicts input_tensor, whose images have the shape "
            f"{tuple(given.shape[1:])!r}; leave input_shape out."
        )


def _range_of(spec: ModelSpec) -> str:
    try:
        return range_of(entry_of(spec), spec.layout, spec.ordering)
    except ValueError as error:
        raise ValueError(
            f"include_preprocessing=True: the catalog has no {spec.name!r}, so the range of its inputs is not known; "
            "zoo.register(name, spec, preprocessing='unit') says it."
        ) from error


def _names(spec: ModelSpec) -> ZooNames:
    if spec.family in FAMILIES:
        return skeleton(spec.family).names(spec)
    if spec.family == "vgg":
        return VGGNames()
    if spec.is_residual and spec.layout == "keras":
        return KerasResNetNames(spec.placement.entry.normalises)
    return ZooNames()


def _initializer(spec: ModelSpec) -> Callable:
    default: Callable[[], Any]
    if spec.family == "convnext" and spec.layout != "keras":
        default = functools.partial(keras.initializers.TruncatedNormal, stddev=0.02)
    elif spec.family in ("resnet", "plain", *FAMILIES) and spec.layout != "keras":
        default = he_fan_out
    elif spec.family == "vgg" or spec.layout == "keras":
        default = keras.initializers.GlorotUniform
    else:
        default = keras.initializers.HeNormal
    return initializers(spec.kernel_initializer, default, (2, 2) if spec.family == "mlp" else (1, 1, 2, 2))


class _Chain:
    """The units of a plain net, one after the other; knows which activation is the last."""

    def __init__(self, spec: ModelSpec, parts: Parts, sites: int):
        self.spec = spec
        self.parts = parts
        self.remaining = sites
        self.row = spec.placement
        self.started = False
        self.use_bias = not self.row.makes_bias_superfluous_in_a_chain

    def unit(self, x, name: str, linear: Callable, pool: Callable | None = None, *, at: str):
        """One weight layer with what belongs to it, at a place of the net, and the pooling that follows."""
        done, steps = (NOTHING, self.row) if self.started else (self.row.entry, self.row.after_entry)
        self.started = True
        if pool is not None:
            steps = steps.pooled(self.spec.pooling_order)
        return self._place(x, steps, name, at, linear=linear, pool=pool, done=done)

    def end(self, x):
        """What a net that activates before its convolutions needs after the last one."""
        return self._place(x, self.row.entry, self.parts.names.head, "head")

    def _place(self, x, steps: Steps, name: str, at: str, **how: Any):
        self.remaining -= steps.activates
        activated = self.spec.activated == "all" or self.remaining == 0
        return place(x, steps, name, self.parts.at(at), activated=activated, **how)


def _mlp(x, spec: ModelSpec, parts: Parts):
    names = parts.names
    hidden = sum(spec.stages) - 1
    if len(spec.input_shape) > 1:
        x = layers.Flatten(name=names.flatten)(x)
    chain = _Chain(spec, parts, hidden)
    for index in range(1, hidden + 1):
        layer = f"dense{index}"
        linear = parts.dense(spec.width, layer, use_bias=chain.use_bias)
        x = chain.unit(x, layer, linear, at=f"stage{index}")
    return chain.end(x) if hidden else x


def _convnet(x, spec: ModelSpec, parts: Parts):
    """Convolutions 3x3; after every second one the size is halved and the channels double."""
    names = parts.names
    chain = _Chain(spec, parts, sum(spec.stages))
    for index in range(sum(spec.stages)):
        stage, last_of_stage = index // 2 + 1, index % 2 == 1
        name = names.conv(stage, index % 2 + 1)
        linear = parts.conv(
            spec.width * 2 ** (index // 2),
            3,
            name,
            strides=2 if last_of_stage and spec.downsampling == "stride" else 1,
            padding=spec.padding,
            use_bias=chain.use_bias,
        )
        pool = _pool(stage, spec, parts) if last_of_stage else None
        x = chain.unit(x, name, linear, pool, at=f"stage{stage}")
    return chain.end(x)


def _vgg(x, spec: ModelSpec, parts: Parts):
    names = parts.names
    dense = 2 if spec.include_top else 0
    layout = VGG[spec.layout]
    chain = _Chain(spec, parts, sum(spec.stages) + dense)
    chain.use_bias |= layout.bias_before_norm
    for stage, count in enumerate(spec.stages, start=1):
        for index in range(1, count + 1):
            name = names.conv(stage, index)
            linear = parts.conv(spec.width * 2 ** min(stage - 1, 3), 3, name, use_bias=chain.use_bias)
            pool = _pool(stage, spec, parts) if index == count else None
            x = chain.unit(x, name, linear, pool, at=f"stage{stage}")
    if spec.include_top:
        x = layers.Flatten(name=names.flatten)(x)
        if not layout.normalised:
            chain.row = chain.row.unnormalised()
        for index in (1, 2):
            linear = parts.dense(64 * spec.width, f"fc{index}", use_bias=chain.use_bias)
            x = chain.unit(x, f"fc{index}", linear, at="head")
    return chain.end(x)


def _plain(x, spec: ModelSpec, parts: Parts):
    """The plain nets of He et al. 2015: a residual net of basic units without its shortcuts."""
    names = parts.names
    chain = _Chain(spec, parts, sum(spec.stages) + 1)

    def conv(name, filters, strides=1):
        return parts.conv(filters, 3, name, strides=strides, use_bias=chain.use_bias)

    x = chain.unit(x, names.stem, conv(names.stem, spec.width), at="stem")
    for stage, count in enumerate(spec.stages, start=1):
        for index in range(1, count + 1):
            name = names.conv(stage, index)
            strides = 2 if index == 1 and stage > 1 else 1
            x = chain.unit(x, name, conv(name, spec.width * 2 ** (stage - 1), strides), at=f"stage{stage}")
    return chain.end(x)


def _resnet(x, spec: ModelSpec, parts: Parts):
    names, layout, ordering = parts.names, parts.conventions, spec.placement
    kernel, strides = (7, 2) if spec.stem == "imagenet" else (3, 1)
    linear = parts.conv(spec.width, kernel, names.stem, strides=strides, use_bias=layout.bias != "none")
    x = place(x, ordering.stem(activates=layout.stem_activates), names.stem, parts.at("stem"), linear=linear)
    if spec.stem == "imagenet":
        x = _stem_pool(x, layout, names)
    units = residual_units(spec)
    for _, group in groupby(units, key=lambda unit: (unit.stage, "repeats" if unit.repeats else unit.index)):
        run = list(group)
        if spec.rolled and len(run) > 1:
            x = _roll(x, run, spec, parts)
        else:
            for unit in run:
                x = _residual(x, unit, parts)
    return place(x, ordering.entry, names.head, parts.at("head"))


def _stem_pool(x, layout: Layout, names: ZooNames):
    """The max-pool of an ImageNet stem: 3 x 3, stride 2."""
    name = names.stem_pool()
    if layout.explicit_padding == "never":
        return layers.MaxPooling2D(3, strides=2, padding="same", name=name)(x)
    if layout.pool_border == "zero":
        x = layers.ZeroPadding2D(1, name=names.pad(name))(x)
        return layers.MaxPooling2D(3, strides=2, name=name)(x)
    # No stock layer has a border of minus infinity that is centred under a stride of 2: every window, then every second.
    x = layers.MaxPooling2D(3, strides=1, padding="same", name=name)(x)
    return layers.MaxPooling2D(1, strides=2, name=f"{name}_subsample")(x)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One residual unit of a net.

    Attributes:
        stage: Number of the stage, from 1.
        index: Number of the unit in its stage, from 1.
        in_channels: Channels of its input.
        out_channels: Channels of its output.
        stride: Stride of its branch and its shortcut.
        opens: Whether it does its first activation; the stem may have done it already.
        variance: What its input is expected to have in an NF-ResNet; 1 in other nets, which do not ask.
    """

    stage: int
    index: int
    in_channels: int
    out_channels: int
    stride: int
    opens: bool
    variance: float = 1.0

    @property
    def repeats(self) -> bool:
        """Whether this unit keeps the shape, so that identical ones can follow each other."""
        return self.stride == 1 and self.in_channels == self.out_channels and self.opens


def residual_units(spec: ModelSpec) -> list[Unit]:
    """The units of a residual net in order, with their strides where the layout puts them."""
    layout = spec.unit.conventions
    expansion = 4 if spec.block == "bottleneck" else 1
    units: list[Unit] = []
    channels, variance = spec.width, 1.0
    for stage, count in enumerate(spec.stages, start=1):
        out = spec.width * 2 ** (stage - 1) * expansion
        for index in range(1, count + 1):
            if layout.stride_at == "last_unit":
                strided = index == count and stage < len(spec.stages)
            else:
                strided = index == 1 and stage > 1
            unit = Unit(
                stage=stage,
                index=index,
                in_channels=channels,
                out_channels=out,
                stride=2 if strided else 1,
                opens=bool(units) or not (spec.is_pre_activation and layout.stem_activates),
                variance=variance,
            )
            units.append(unit)
            channels = out
            if spec.normalization == "nf_resnet":
                variance = _variance_of_shortcut(unit, spec) + NF_ALPHA**2
    return units


def _variance_of_shortcut(unit: Unit, spec: ModelSpec) -> float:
    """What the shortcut brings to the addition in an NF-ResNet, as a mean over the channels."""
    widens = unit.in_channels != unit.out_channels
    if spec.shortcut == "identity_pad":
        return unit.variance * unit.in_channels / unit.out_channels  # the other channels are zero
    # A projection reads x / beta.
    return 1.0 if widens or (unit.stride > 1 and spec.shortcut is None) else unit.variance


def _residual(x, unit: Unit, parts: Parts):
    name, parts = parts.names.unit(unit.stage, unit.index), parts.at(f"stage{unit.stage}")
    return residual(
        x,
        name,
        parts,
        filters=unit.out_channels,
        strides=unit.stride,
        opens=unit.opens,
        variance=unit.variance,
    )


def _roll(x, run: list[Unit], spec: ModelSpec, parts: Parts):
    """Identical units as one layer; the first, built as a model of its own, is the pattern."""
    from zoo.rolled import RolledUnits

    units = [parts.names.unit(unit.stage, unit.index) for unit in run]
    # Names of our own: automatic ones count up through a process, and would be saved with the net.
    inputs = keras.Input(x.shape[1:], dtype=x.dtype, name=f"{units[0]}_input")
    pattern = keras.Model(inputs, _residual(inputs, run[0], parts), name=f"{units[0]}_pattern")
    return RolledUnits(pattern, units, remat=spec.rolled == "remat", name=f"{units[0]}_to_{run[-1].index}")(x)


def _pool(stage: int, spec: ModelSpec, parts: Parts) -> Callable | None:
    layer = {"max_pool": layers.MaxPooling2D, "average_pool": layers.AveragePooling2D}.get(
        spec.downsampling or ""
    )
    return layer and layer(2, strides=2, name=parts.names.downsample(stage))


def _head(x, spec: ModelSpec, parts: Parts):
    names = parts.names
    is_map = len(x.shape) == 4
    function = activation_function("classifier_activation", spec.classifier_activation)
    if not spec.include_top:
        pool = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D, None: None}[
            spec.pooling
        ]
        return _before_classifier(pool(name=f"{spec.pooling}_pool")(x) if pool else x, spec, parts)
    check_classifier_keeps_shape(function, spec.classifier_activation, spec.classes)
    if is_map and spec.family not in ("convnet", "vgg"):
        x = _before_classifier(layers.GlobalAveragePooling2D(name=names.pool)(x), spec, parts)
    elif is_map:
        x = layers.Flatten(name=names.flatten)(x)
    # Softmax and loss lose what half precision has no room for, so the classifier stays in float32.
    half = keras.config.dtype_policy().compute_dtype in ("float16", "bfloat16")
    dtype = {"dtype": "float32"} if half else {}
    built_in = spec.form == "builtin"
    x = layers.Dense(
        spec.classes,
        activation=function if built_in else None,
        kernel_initializer=parts.initializer() if spec.kernel_initializer is not None else "glorot_uniform",
        name=names.classifier,
        **dtype,
    )(x)
    if not built_in and function is not keras.activations.linear:
        x = layers.Activation(function, name=activation_of(names.classifier), **dtype)(x)
    return x


def _before_classifier(x, spec: ModelSpec, parts: Parts):
    """What a family wants between its last feature map and a classifier, whoever brings that."""
    steps = FAMILIES[spec.family].head if spec.family in FAMILIES else NOTHING
    return place(x, steps, parts.names.head, parts)


def smallest_input(spec: ModelSpec) -> int:
    """Least height and width at which every strided or unpadded layer still has an output of its own."""
    if spec.family in FAMILIES:
        size = skeleton(spec.family).map_size
        return next(n for n in range(spec.total_stride, 2 * spec.total_stride) if size(spec, n) > 0)
    if spec.family == "convnet":
        size = 1
        for index in reversed(range(sum(spec.stages))):
            halves = index % 2 == 1 and spec.downsampling != "none"
            size *= 2 if halves else 1
            if spec.padding == "valid":
                # Windows of 3 pixels: `size` of them at a stride of 2 span 2 size + 1.
                size += 1 if halves and spec.downsampling == "stride" else 2
        return size
    return spec.total_stride


def _turned(shape: tuple[int | None, ...], channels_first: bool) -> str:
    """A hint where the channels seem to stand where they do not belong."""
    inner, outer = (shape[-1], shape[0]) if channels_first else (shape[0], shape[-1])
    if inner not in (1, 3) or outer in (1, 3):
        return ""
    now, other = ("first", "last") if channels_first else ("last", "first")
    return f" Channels come {now} here; keras.config.set_image_data_format('channels_{other}') puts them {other}."


def _check_input_shape(spec: ModelSpec) -> None:
    if spec.family == "mlp":
        return
    channels_first = keras.config.image_data_format() == "channels_first"
    channels = spec.input_shape[0 if channels_first else -1]
    spatial = spec.input_shape[1:] if channels_first else spec.input_shape[:-1]
    if channels is None:
        raise ValueError(f"input_shape={spec.input_shape!r}: the number of channels must be known.")
    size = VGG[spec.layout].map_size if spec.family == "vgg" and spec.include_top else None
    if size is not None and any(side is not None and side // spec.total_stride != size for side in spatial):
        first = size * spec.total_stride
        raise ValueError(
            f"input_shape={spec.input_shape!r}: with layout={spec.layout!r} the dense layers of {spec.name} read {size} x "
            f"{size} maps, those of images of {first} to {first + spec.total_stride - 1} pixels (from others it pools them "
            f"adaptively, which no stock layer does); use such a size, such as {first}, or include_top=False."
        )
    least = smallest_input(spec)
    if any(size is not None and size < least for size in spatial):
        raise ValueError(
            f"input_shape={spec.input_shape!r} is too small for the strides of {spec.name}: height and width must be "
            f"at least {least}.{_turned(spec.input_shape, channels_first)}"
        )
