"""The input range each net was trained for."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from zoo.catalog import lookup


def preprocess_input(name: str, x: Any) -> Any:
    """Scale images with values in 0..255 to the range that a net's weights expect.

    Formulas, per value: `x / 255` for nets trained here and for CIFAR layouts; `x / 127.5 - 1` for the v2 ImageNet nets
    of `keras.applications`; for its VGG and ResNet nets RGB becomes BGR and the ImageNet channel means
    (103.939, 116.779, 123.68) are subtracted.

    Args:
        name: Name of the net, see `zoo.list_models()`.
        x: Images (batch, height, width, channels) or one image, values 0..255; array or tensor. Left unchanged.

    Returns:
        An array (or tensor, for a tensor) of floats of the same shape.

    Raises:
        TypeError: If `x` is neither an array nor a tensor.
        ValueError: If the name is not known, or a net of `keras.applications` is given images without 3 channels.

    Reference:
        `keras.applications.imagenet_utils.preprocess_input`.

    Example:
        >>> import numpy as np, zoo
        >>> zoo.preprocess_input("resnet20", np.full((1, 2, 2, 3), 255.0)).max()
        np.float64(1.0)
    """
    mode = lookup(name).preprocessing
    if not isinstance(x, np.ndarray) and not keras.ops.is_tensor(x):
        raise TypeError(f"x must be an array or a tensor of images, received {x!r}.")
    if mode == "unit":
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
            x = x.astype("float32") if isinstance(x, np.ndarray) else keras.ops.cast(x, "float32")
        return x / 255.0
    axis = 0 if keras.config.image_data_format() == "channels_first" else -1
    shape = tuple(getattr(x, "shape", ()))
    if len(shape) not in (3, 4) or shape[axis if len(shape) == 3 or axis == -1 else 1] != 3:
        raise ValueError(f"x for {name!r} must be RGB images with 3 channels, received shape {shape}.")
    if isinstance(x, np.ndarray):
        x = x.copy()
    return keras.applications.imagenet_utils.preprocess_input(x, mode=mode)
