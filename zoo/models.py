"""Specs become Keras models here: stem, stages, head. What happens round a convolution is decided in `zoo.blocks`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from inspect import Parameter, Signature, signature
from itertools import groupby
from typing import ParamSpec, TypeVar, Unpack

import keras
from keras import layers
from keras.src.backend import compute_output_spec

from zoo.blocks import (
    ORDERINGS,
    PLAIN_ORDERINGS,
    Parts,
    Unit,
    activation_function,
    place,
    residual_unit,
    residual_units,
)
from zoo.catalog import lookup, specify
from zoo.graph import room_for
from zoo.naming import activation_of
from zoo.options import Options
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
    """Build a net of the catalog as a plain, compiled-by-nobody `keras.Model`.

    Formula of a residual unit: `y = after(shortcut(x) + branch(x))`, where `ordering` says where normalisation and
    activation stand in `branch` and `after`. The default placements are those of the publications.

    Args:
        model: Name of the net, see `zoo.list_models()`; any legal depth works (`"resnet26"`, `"convnet6"`).
        name: Name of the Keras model; None takes the name of the net.
        input_tensor: A symbolic tensor to build the net on, such as `keras.Input((32, 32, 3))` or the output of layers of
            your own, which then belong to the model. `input_shape` is its shape and need not be given.
        **options: Every field of `zoo.spec.ModelSpec` besides name, family, stem and stages; a None means the default
            of the net. `activation` and `classifier_activation` take None as no activation (linear), `weights` as random,
            `pooling` as none.

    Returns:
        A Functional model from images (batch, height, width, channels) to (batch, classes), or to the last feature
        map with `include_top=False`. Stock layers only, so a saved file loads without zoo (`rolled` models excepted).

    Raises:
        TypeError: An unknown option, or an argument of a wrong type.
        ValueError: An unknown name or value, or a combination that is impossible; the text says why and what to do.

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
    if name is not None and (not isinstance(name, str) or not name or "/" in name):
        kind = ValueError if isinstance(name, str) else TypeError
        raise kind(f"name={name!r}: a Keras model's name is a non-empty string without '/'.")
    if input_tensor is not None and options.get("input_shape") is None:
        _check_input_tensor(input_tensor)
        options["input_shape"] = tuple(input_tensor.shape[1:])
    return assemble(specify(model, **options), name=name, input_tensor=input_tensor)


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
        TypeError: If `input_tensor` is not symbolic.
        ValueError: If the input is too small for the strides or has another shape than `input_tensor`, or an activation,
            initialiser or weights file is wrong.

    Example:
        >>> import zoo
        >>> spec = zoo.specify("convnet", input_shape=(28, 28, 1))
        >>> zoo.assemble(spec).output_shape
        (None, 10)
    """
    parts = Parts(spec)
    _check_input_shape(spec)
    _check_activation_keeps_shape(parts)
    below: set[str] = set()  # the layers that `input_tensor` comes from
    if input_tensor is None:
        image = inputs = keras.Input(spec.input_shape, name="image")
    else:
        _check_input_tensor(input_tensor, spec)
        image, inputs = input_tensor, keras.utils.get_source_inputs(input_tensor)
        below = {operation.name for operation in keras.Function(inputs, image).operations}
        inputs = inputs[0] if len(inputs) == 1 else inputs
    x = scaled(spec.name, _range_of(spec), image) if spec.include_preprocessing else image
    body = {"mlp": _mlp, "convnet": _convnet, "vgg": _vgg, "plain": _plain, "resnet": _resnet}[spec.family]
    outputs = _head(body(x, parts), parts)
    with room_for(spec.depth):
        net = keras.Model(inputs, outputs, name=name or spec.name)
    if spec.weights is not None:
        _load_weights(net, spec, below)
    return net


def _load_weights(net: keras.Model, spec: ModelSpec, below: set[str]) -> None:
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
        raise TypeError(
            f"input_tensor must be a symbolic tensor such as keras.Input((32, 32, 3)), received {given!r} of type "
            f"{type(given).__name__}."
        )
    if spec is not None and tuple(given.shape[1:]) != spec.input_shape:
        raise ValueError(
            f"input_shape={spec.input_shape!r} contradicts input_tensor, whose images have the shape "
            f"{tuple(given.shape[1:])!r}; leave input_shape out."
        )


def _range_of(spec: ModelSpec) -> str:
    try:
        return lookup(spec.name).preprocessing
    except ValueError as error:
        raise ValueError(
            f"include_preprocessing=True: the catalog has no {spec.name!r}, so the range of its inputs is not known; "
            "zoo.register(name, spec, preprocessing='unit') says it."
        ) from error


class _Chain:
    """The units of a plain net, one after the other; knows which activation is the last."""

    def __init__(self, parts: Parts, sites: int):
        self.parts = parts
        self.remaining = sites
        self.ops = PLAIN_ORDERINGS[parts.spec.ordering]
        self.activates_first = self.ops.startswith("norm")
        self.started = False
        # A normalisation right behind a convolution subtracts its mean and so makes a bias superfluous.
        self.use_bias = parts.spec.ordering in ("conv_act", "conv_act_norm")

    def unit(self, x, name: str, linear: Callable, pool: Callable | None = None):
        """One weight layer with what belongs to it, and the pooling that follows."""
        spec = self.parts.spec
        ops = self.ops
        if self.activates_first and not self.started:
            ops = "conv"
        self.started = True
        if pool is not None:
            ops = ops.replace("act", "pool act") if spec.pooling_order == "pool_act" else f"{ops} pool"
        return place(
            x, ops, name, self.parts, linear=linear, pool=pool, activated=self._activated("act" in ops)
        )

    def end(self, x):
        """What a net that activates before its convolutions needs after the last one."""
        if not self.activates_first:
            return x
        return place(x, "norm act", self.parts.names.head, self.parts, activated=self._activated(True))

    def _activated(self, is_site: bool) -> bool:
        self.remaining -= is_site
        return self.parts.spec.activated == "all" or self.remaining == 0


def _mlp(x, parts: Parts):
    spec, names = parts.spec, parts.names
    hidden = sum(spec.stages) - spec.include_top
    if len(spec.input_shape) > 1:
        x = layers.Flatten(name=names.flatten)(x)
    chain = _Chain(parts, hidden)
    for index in range(1, hidden + 1):
        layer = f"dense{index}"
        x = chain.unit(x, layer, parts.dense(spec.width, layer, use_bias=chain.use_bias))
    return chain.end(x) if hidden else x


def _convnet(x, parts: Parts):
    """Convolutions 3x3; after every second one the size is halved and the channels double."""
    spec, names = parts.spec, parts.names
    chain = _Chain(parts, sum(spec.stages))
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
        x = chain.unit(x, name, linear, _pool(stage, parts) if last_of_stage else None)
    return chain.end(x)


def _vgg(x, parts: Parts):
    spec, names = parts.spec, parts.names
    dense = 2 if spec.include_top else 0
    chain = _Chain(parts, sum(spec.stages) + dense)
    for stage, count in enumerate(spec.stages, start=1):
        for index in range(1, count + 1):
            name = names.conv(stage, index)
            linear = parts.conv(spec.width * 2 ** min(stage - 1, 3), 3, name, use_bias=chain.use_bias)
            x = chain.unit(x, name, linear, _pool(stage, parts) if index == count else None)
    if spec.include_top:
        x = layers.Flatten(name=names.flatten)(x)
        for index in (1, 2):
            x = chain.unit(
                x, f"fc{index}", parts.dense(64 * spec.width, f"fc{index}", use_bias=chain.use_bias)
            )
    return chain.end(x)


def _plain(x, parts: Parts):
    """The plain nets of He et al. 2015: a residual net of basic units without its shortcuts."""
    spec, names = parts.spec, parts.names
    chain = _Chain(parts, sum(spec.stages) + 1)

    def conv(name, filters, strides=1):
        return parts.conv(filters, 3, name, strides=strides, use_bias=chain.use_bias)

    x = chain.unit(x, names.stem, conv(names.stem, spec.width))
    for stage, count in enumerate(spec.stages, start=1):
        for index in range(1, count + 1):
            name = names.conv(stage, index)
            strides = 2 if index == 1 and stage > 1 else 1
            x = chain.unit(x, name, conv(name, spec.width * 2 ** (stage - 1), strides))
    return chain.end(x)


def _resnet(x, parts: Parts):
    spec, names, layout = parts.spec, parts.names, parts.layout
    entry = ORDERINGS[spec.ordering].entry
    # The stem is conv, norm, act; where unit 1 brings its own first activation, the stem leaves that part to it.
    ops = "conv norm act"
    if entry and not layout.stem_activates:
        ops = ops.removesuffix(entry).strip()
    kernel, strides = (7, 2) if spec.stem == "imagenet" else (3, 1)
    linear = parts.conv(spec.width, kernel, names.stem, strides=strides, use_bias=layout.bias != "none")
    x = place(x, ops, names.stem, parts, linear=linear)
    if spec.stem == "imagenet":
        padding = "same" if layout.explicit_padding == "never" else "valid"
        if padding == "valid":
            x = layers.ZeroPadding2D(1, name=names.pad(names.stem_pool()))(x)
        x = layers.MaxPooling2D(3, strides=2, padding=padding, name=names.stem_pool())(x)
    units = residual_units(spec)
    for _, group in groupby(units, key=lambda unit: (unit.stage, "repeats" if unit.repeats else unit.index)):
        run = list(group)
        if spec.rolled and len(run) > 1:
            x = _roll(x, run, parts)
        else:
            for unit in run:
                x = residual_unit(x, unit, parts)
    return place(x, entry, names.head, parts)


def _roll(x, run: list[Unit], parts: Parts):
    """Identical units as one layer; the first, built as a model of its own, is the pattern."""
    from zoo.rolled import RolledUnits

    units = [parts.names.unit(unit.stage, unit.index) for unit in run]
    # Names of our own: automatic ones count up through a process, and would be saved with the net.
    inputs = keras.Input(x.shape[1:], dtype=x.dtype, name=f"{units[0]}_input")
    pattern = keras.Model(inputs, residual_unit(inputs, run[0], parts), name=f"{units[0]}_pattern")
    return RolledUnits(
        pattern, units, remat=parts.spec.rolled == "remat", name=f"{units[0]}_to_{run[-1].index}"
    )(x)


def _pool(stage: int, parts: Parts) -> Callable | None:
    layer = {"max_pool": layers.MaxPooling2D, "average_pool": layers.AveragePooling2D}.get(
        parts.spec.downsampling or ""
    )
    return layer and layer(2, strides=2, name=parts.names.downsample(stage))


def _head(x, parts: Parts):
    spec, names = parts.spec, parts.names
    is_map = len(x.shape) == 4
    function = activation_function("classifier_activation", spec.classifier_activation)
    if not spec.include_top:
        pool = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D, None: None}[
            spec.pooling
        ]
        return pool(name=f"{spec.pooling}_pool")(x) if pool else x
    if is_map and spec.family in ("plain", "resnet"):
        x = layers.GlobalAveragePooling2D(name=names.pool)(x)
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


def smallest_input(spec: ModelSpec) -> int:
    """Least height and width at which every strided or unpadded layer still has an output of its own."""
    if spec.family == "convnet":
        size = 1
        for index in reversed(range(sum(spec.stages))):
            size *= 2 if index % 2 == 1 and spec.downsampling != "none" else 1
            size += 2 if spec.padding == "valid" else 0
        return size
    return spec.total_stride


def _check_input_shape(spec: ModelSpec) -> None:
    if spec.family == "mlp":
        return
    channels_first = keras.config.image_data_format() == "channels_first"
    channels = spec.input_shape[0 if channels_first else -1]
    spatial = spec.input_shape[1:] if channels_first else spec.input_shape[:-1]
    if channels is None:
        raise ValueError(f"input_shape={spec.input_shape!r}: the number of channels must be known.")
    least = smallest_input(spec)
    if any(size is not None and size < least for size in spatial):
        raise ValueError(
            f"input_shape={spec.input_shape!r} is too small for the strides of {spec.name}: height and width must be "
            f"at least {least}."
        )


def _check_activation_keeps_shape(parts: Parts) -> None:
    """Keras believes of a function that it keeps the shape, so it is tried here on a feature map of no values."""
    is_layer = isinstance(parts.spec.activation, layers.Layer)
    function = None if is_layer and parts.spec.form == "separate" else parts.activation_argument()
    probe = keras.KerasTensor((None, 8, 8, 8))
    try:
        output = compute_output_spec(function, probe) if function else parts.act("probe")(probe)
        shape = output.shape
    except Exception as error:
        raise ValueError(
            f"activation={parts.spec.activation!r} cannot be applied to a feature map: {error}"
        ) from error
    if tuple(shape) != tuple(probe.shape):
        raise ValueError(
            f"activation={parts.spec.activation!r} changes the shape of a feature map from {probe.shape} to {shape}; an "
            "activation acts on each value alone."
        )
