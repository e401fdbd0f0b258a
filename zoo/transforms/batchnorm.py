"""BatchNormalization in inference: a scale and a shift per channel."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers

from zoo.graph import Graph
from zoo.normalization import BatchNormalization
from zoo.transforms.kernels import precision_obstacle, to_numpy


def is_batchnorm(operation: Any) -> bool:
    """Whether `operation` is a BatchNormalization whose inference is the stock layer's formula."""
    known = (layers.BatchNormalization.call, BatchNormalization.call)
    stock = type(operation).__call__ is layers.Layer.__call__
    return isinstance(operation, layers.BatchNormalization) and type(operation).call in known and stock


def scale_and_shift(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    r"""What `layer` computes in inference: $y = s x + t$, channel by channel.

    $s = \gamma / \sqrt{\sigma^2 + \epsilon}$ and $t = \beta - s \mu$, with $\gamma = 1$ where the layer has
    `scale=False`, $\beta = 0$ where it has `center=False`, and its own $\epsilon$.

    Args:
        layer: A built BatchNormalization.

    Returns:
        `(s, t)`, float64, each of shape `(channels,)`.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = 1.0 / np.sqrt(to_numpy(layer.moving_variance) + layer.epsilon)
    if layer.scale:
        scale = scale * to_numpy(layer.gamma)
    shift = -scale * to_numpy(layer.moving_mean)
    return scale, shift + to_numpy(layer.beta) if layer.center else shift


def call_obstacle(sited: list[tuple[Graph, Any]], in_training: set[int]) -> str | None:
    """Why a BatchNormalization is not one scale and shift in inference, or None.

    Args:
        sited: Its calls, as pairs of graph and node.
        in_training: What `called_in_training` found.
    """
    graph, node = sited[0]
    layer = node.operation
    if len(sited) > 1:
        return f"it is shared: called {len(sited)} times, on different inputs"
    if node.arguments.kwargs.get("training") or id(graph.model) in in_training:
        return "it is called with training=True and normalises by the batch; call it without"
    if len(node.input_tensors) != 1:
        return "it is called with a mask"
    if layer.activity_regularizer is not None:
        return "its activity_regularizer acts on its output"
    return precision_obstacle(layer)
