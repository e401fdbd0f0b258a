"""Where Keras adds a bias along the width of a feature map instead of to its channels: such a convolution is refused.

Keras 3.15 on TensorFlow takes a map whose width is the number of its channels for one with the channels last, whatever the
layer says. No stock layer gets it right, and one of the zoo's own would be needed wherever the saved net is loaded.
"""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
from keras import layers

from zoo.graph.calling import wrapped


def with_bias_on_channels(layer: layers.Layer, y: keras.KerasTensor) -> keras.KerasTensor:
    """The output of a convolution, if Keras adds its bias to the channels.

    Args:
        layer: The convolution, or a wrapper of one.
        y: Its output, channels first or last. A width that is open is believed to be another number than the channels.

    Returns:
        `y`.

    Raises:
        ValueError: If the channels come first, are as many as the map is wide, and Keras then mistakes the one for the other.
    """
    inner = wrapped(layer)
    if getattr(inner, "bias", None) is not None and takes_width_for_channels(inner, y):
        raise ValueError(
            f"image_data_format 'channels_first': {layer.name!r} puts out {tuple(y.shape)}, as many channels as it is wide, "
            "and Keras on this backend then adds the bias along the width, in silence; use another size or number of channels, "
            "no bias (a normalisation right after the convolution), or keras.config.set_image_data_format('channels_last')."
        )
    return y


def takes_width_for_channels(layer: Any, y: Any) -> bool:
    """Whether Keras adds, or would add, a bias of a convolution along the width of its output.

    Args:
        layer: The convolution.
        y: Its output.
    """
    first = getattr(layer, "data_format", None) == "channels_first"
    return first and len(y.shape) > 2 and y.shape[1] == y.shape[-1] and _keras_adds_along_the_width()


@functools.cache
def _keras_adds_along_the_width() -> bool:
    bias = np.array([0.0, 1.0], "float32").reshape(1, 2, 1, 1)
    found = keras.ops.convert_to_numpy(keras.ops.add(np.zeros((1, 2, 1, 2), "float32"), bias))
    return bool((found != np.broadcast_to(bias, found.shape)).any())
