"""The input range each net was trained for: as a function of arrays, and as stock layers of a net."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from zoo.catalog import Entry, lookup, range_of
from zoo.options import NetLayout
from zoo.placement import FAMILIES, LAYOUT, V2, VGG
from zoo.values import require_one_of

# Of ImageNet, in the order blue, green, red.
CAFFE_MEANS = (103.939, 116.779, 123.68)
# Of ImageNet between 0 and 1, in the order red, green, blue.
TORCH_MEANS, TORCH_DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def preprocess_input(name: str, x: Any, layout: NetLayout | None = None) -> Any:
    """Scale images with values in 0..255 to the range that a net's weights expect.

    The range is that of the published weights which fit the net's layout. Formulas, per value:

    - `x / 255` for nets that have none: those with a CIFAR stem or `layout="cifar"`, mlp, convnet and repvgg, and ResNets of depths
      that `keras.applications` has not, in any layout but those of the last item.
    - For nets of `keras.applications`: `x / 127.5 - 1` for its ResNet V2, MobileNetV2 and Xception; for VGG and ResNet RGB becomes
      BGR and the ImageNet channel means (103.939, 116.779, 123.68) are subtracted; for DenseNet and ConvNeXt
      `(x / 255 - mean) / deviation` of the channels, with (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225). Layouts of which
      nobody has published weights, such as `"he2016"`, have the range of the name too.
    - `(x / 255 - mean) / deviation` with the same numbers for `layout="torchvision"`, `"timm"` and `"kerashub"`, but
      `x / 127.5 - 1` for the pre-activation nets (v2) of the latter two: so most of their weights were trained.

    `zoo.build(..., include_preprocessing=True)` puts the same into the net, in float32 (a `resnet50` with
    `ordering="full_pre_activation"` is a ResNet V2 and has the range of `resnet50v2`): equal to the bit on TensorFlow, within
    one rounding where a compiler divides by multiplying (JAX).

    Args:
        name: Name of the net, see `zoo.list_models()`.
        x: Images (batch, height, width, channels) or one image, values 0..255; array or tensor. Left unchanged. Or a
            symbolic `keras.Input` (batch, height, width, channels), which stock layers then read.
        layout: The `layout=` that the net is built with; None: that of its name. For a `mobilenetv2` and an `xception` it
            has to be said: theirs is `"cifar"`, and their published weights are for `"keras"`.

    Returns:
        An array (or tensor, for a tensor; symbolic, for a symbolic one) of floats of the same shape.

    Raises:
        TypeError: If `x` is neither an array nor a tensor.
        ValueError: If the name is not known, no net of its kind has such a layout, the layout has to be said, or images without 3 channels
            are given where weights expect colours.

    Reference:
        `keras.applications.imagenet_utils.preprocess_input`.

    Example:
        >>> import numpy as np, zoo
        >>> zoo.preprocess_input("resnet20", np.full((1, 2, 2, 3), 255.0)).max()
        np.float64(1.0)
    """
    mode = _range(name, layout)
    if isinstance(x, keras.KerasTensor):
        return scaled(name, mode, x, prefix=None)
    if not isinstance(x, np.ndarray) and not keras.ops.is_tensor(x):
        raise TypeError(f"x must be an array or a tensor of images, received {x!r}.")
    if isinstance(x, np.ndarray) and x.dtype.kind in "SUOMmc":
        raise TypeError(f"x must be an array or a tensor of numbers, received an array of dtype {x.dtype}.")
    if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
        # Of integers, Keras' own function would keep the type of a tensor: 0 minus a mean would be 153.
        x = x.astype("float32") if isinstance(x, np.ndarray) else keras.ops.cast(x, "float32")
    if mode == "unit":
        return x / 255.0
    shape = tuple(getattr(x, "shape", ()))
    axis = 0 if keras.config.image_data_format() == "channels_first" else -1
    if len(shape) not in (3, 4) or shape[axis if len(shape) == 3 or axis == -1 else 1] != 3:
        raise ValueError(f"x for {name!r} must be RGB images with 3 channels, received shape {shape}.")
    # Keras' own function divides arrays, and tensors of Torch, in place.
    x = x.copy() if isinstance(x, np.ndarray) else keras.ops.copy(x)
    return keras.applications.imagenet_utils.preprocess_input(x, mode=mode)


def _range(name: str, layout: NetLayout | None) -> str:
    """The range of a net by its name: of a depth that the usual units do not make, units of one convolution may."""
    try:
        entry = lookup(name)
    except ValueError as error:
        try:
            entry = lookup(name, convolutions=1)
        except ValueError:
            raise error from None
    usual, ordering = entry.defaults["layout"], entry.defaults["ordering"]
    if layout is not None:
        require_one_of("layout", layout, _layouts(entry))
    elif (
        usual == "cifar" and entry.origin is None and range_of(entry, usual, ordering) != entry.preprocessing
    ):
        raise ValueError(
            f"name={name!r} does not say the range of its images: with layout={usual!r}, its default, nets take 0 to 1, and its "
            f"published weights, of layout='keras', take another. Say which: zoo.preprocess_input({name!r}, x, layout='keras')."
        )
    return range_of(entry, layout or usual, ordering)


def _layouts(entry: Entry) -> tuple[str, ...]:
    """Those that a net may be built with, as its block and its shortcut allow."""
    if entry.family in FAMILIES:
        return tuple(FAMILIES[entry.family].layouts)
    if entry.family == "resnet":
        activates_before = entry.defaults["ordering"] == V2
        return tuple(layout for layout, rows in LAYOUT.items() if rows[activates_before])
    return tuple(VGG) if entry.family == "vgg" else ("he2016",)


def scaled(name: str, mode: str, x: keras.KerasTensor, *, prefix: str | None = "image") -> keras.KerasTensor:
    """The same for a symbolic tensor (batch, height, width, channels), by stock layers.

    Args:
        name: Name of the net, for the message.
        mode: `"unit"`, `"tf"`, `"caffe"` or `"torch"`.
        x: Images, values 0..255.
        prefix: Of the names of the layers, such as `image_scaled`. None: Keras names each, so that a net may have several.
    """

    def called(what):
        return prefix and f"{prefix}_{what}"

    # Half precision has no room for 256 levels between -1 and 1.
    half = keras.config.dtype_policy().compute_dtype in ("float16", "bfloat16")
    dtype = {"dtype": "float32"} if half else {}

    def centred_and_divided(x, mean, divisor, axis=None):
        # By its square root the layer divides exactly; Rescaling would multiply by a rounded reciprocal.
        variance = np.full(np.shape(mean), divisor**2).tolist()
        return layers.Normalization(axis=axis, mean=mean, variance=variance, name=called("scaled"), **dtype)(
            x
        )

    if mode == "unit":
        return centred_and_divided(x, 0.0, 255.0)
    axis = 1 if keras.config.image_data_format() == "channels_first" else -1
    if len(x.shape) != 4 or x.shape[axis] != 3:
        raise ValueError(
            f"x for {name!r} must be RGB images with 3 channels, received shape {tuple(x.shape)}."
        )
    if mode == "tf":
        x = centred_and_divided(x, 0.0, 127.5)
        return layers.Rescaling(1.0, offset=-1.0, name=called("centred"), **dtype)(x)
    if mode == "torch":
        # Its square root gives the deviation back, to the bit, if it is squared as it is rounded.
        variance = [float(np.float32(deviation)) ** 2 for deviation in TORCH_DEVIATIONS]
        x = centred_and_divided(x, 0.0, 255.0)
        return layers.Normalization(
            axis=axis, mean=list(TORCH_MEANS), variance=variance, name=called("centred"), **dtype
        )(x)
    channels = [
        _channel(x, index, axis, name=called(colour), **dtype)
        for index, colour in ((2, "blue"), (1, "green"), (0, "red"))
    ]
    x = layers.Concatenate(axis=axis, name=called("bgr"), **dtype)(channels)
    return centred_and_divided(x, list(CAFFE_MEANS), 1.0, axis)


def _channel(x, index, axis, **options):
    """One channel of three. Told the other data format, a stock layer that crops takes channels for columns."""
    crop, none = (index, 2 - index), (0, 0)
    if axis == 1:
        return layers.Cropping2D((crop, none), data_format="channels_last", **options)(x)
    return layers.Cropping2D((none, crop), data_format="channels_first", **options)(x)
