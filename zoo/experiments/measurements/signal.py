"""How large values and gradients are along a net: at initialisation or at any moment of training."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from zoo.activations import sites
from zoo.experiments.losses import loss_of
from zoo.experiments.measurements import Context, Row
from zoo.graph import Graph, producer, read, room_for
from zoo.naming import ZooNames, is_classifier
from zoo.probes.signal import followers, residual_units
from zoo.transforms.kernels import has_kernel

PLACES = 48  # of a deep net that are written down, evenly spaced on a log scale


def propagation(context: Context, images: int = 64) -> Iterable[Row]:
    """Variance, squared mean and gradient at each unit's output, with batch statistics where there is BN.

    A unit is a residual unit or, in a plain net, a weight layer with the normalisation and activation after it; x
    counts units from the input. The stem and the classifier are none. Rows, averaged over channels: `variance` over
    batch and positions; `squared_mean`, the square of the mean over them; `gradient_norm`, of the loss with respect to
    the whole output, relative to that of the last unit.
    """
    outputs, gradients = _run(context, images)
    last = np.linalg.norm(gradients[-1])
    for unit in _spread(len(outputs)):
        flat = outputs[unit].reshape(-1, outputs[unit].shape[-1]).astype(np.float64)
        yield Row("variance", float(flat.var(axis=0).mean()), unit + 1)
        yield Row("squared_mean", float(np.square(flat.mean(axis=0)).mean()), unit + 1)
        norm = np.linalg.norm(gradients[unit].astype(np.float64))
        yield Row("gradient_norm", float(norm / last) if last else float("nan"), unit + 1)


def during_training(context: Context, images: int = 64) -> Iterable[Row]:
    """Of the same quantities, the ends of the net, at the current step.

    Rows: `first_variance`, `last_variance`, `gradient_ratio` (at the first unit's output to the last's).
    """
    outputs, gradients = _run(context, images)
    for name, values in (("first_variance", outputs[0]), ("last_variance", outputs[-1])):
        yield Row(name, float(values.reshape(-1, values.shape[-1]).astype(np.float64).var(axis=0).mean()))
    first, last = (np.linalg.norm(gradients[i].astype(np.float64)) for i in (0, -1))
    yield Row("gradient_ratio", float(first / last) if last else float("nan"))


def shape_of_values(context: Context, images: int = 256) -> Iterable[Row]:
    """What the values behind the activations look like, layer by layer of a fully connected net.

    Rows over the layer: `mean_square` of the values before the activation. Single rows, after the activation
    of the middle layer, over all its units and images: `mean_over_std`; `skewness`; `excess_kurtosis` (0 for
    a Gaussian); `zero_fraction`. And `growth`, the `mean_square` of the last layer over that of the first.
    """
    graph = read(context.model)
    nodes = _weight_layers(graph)
    layers = [node.outputs[0] for node in nodes]
    active = {id(site.operation) for site in sites(context.model) if not site.built_in}
    ends = [followers(graph, node)[-1] for node in nodes]
    acts = [tensor for tensor in ends if id(producer(tensor).operation) in active]
    x = context.images.x_train[:images]
    with room_for(len(context.model.layers)):
        probe = keras.Model(context.model.input, [*layers, *acts])
    values = [np.asarray(v, np.float64) for v in probe.predict_on_batch(x)]
    before, after = values[: len(layers)], values[len(layers) :]
    squares = [float(np.square(v).mean()) for v in before]
    for number, square in enumerate(squares, start=1):
        yield Row("mean_square", square, number)
    yield Row("growth", squares[-1] / squares[0])
    # No activation leaves no activation layers: then the values before are the values after.
    middle = (after or before)[len(layers) // 2]
    standard = (middle - middle.mean()) / middle.std()
    yield Row("mean_over_std", float(abs(middle.mean()) / middle.std()))
    yield Row("skewness", float((standard**3).mean()))
    yield Row("excess_kurtosis", float((standard**4).mean() - 3))
    yield Row("zero_fraction", float((middle == 0).mean()))


def gain(context: Context, activation: str | None) -> Iterable[Row]:
    """`gain`: 1 / sqrt(E f(z)^2) for z from a standard normal distribution, by the trapezoidal rule."""
    z = np.linspace(-12, 12, 200_001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    f = np.asarray(keras.activations.get(activation)(keras.ops.convert_to_tensor(z)))
    yield Row("gain", float(1 / np.sqrt(np.trapezoid(f**2 * density, z))))


def _run(context: Context, images: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Outputs of all units and the loss's gradients with respect to them."""
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            f"signal measurements take gradients with TensorFlow; the backend is {keras.backend.backend()!r}"
        )
    import tensorflow as tf

    model = context.model
    with room_for(len(model.layers)):
        probe = keras.Model(model.input, [*_units(model), model.outputs[0]])
    x, y = context.images.x_train[:images], context.images.y_train[:images]
    # Batch statistics are what training sees; the moving ones have to be as before when training goes on.
    kept = [(variable, variable.numpy()) for variable in model.non_trainable_variables]
    with tf.GradientTape() as tape:
        *outputs, logits = probe(tf.constant(x), training=True)
        loss = loss_of(context.loss or "crossentropy_from_logits", y, logits)
    gradients = tape.gradient(loss, outputs)
    for variable, value in kept:
        variable.assign(value)
    return [o.numpy() for o in outputs], [g.numpy() for g in gradients]


def _units(model: keras.Model) -> list[Any]:
    """The output of every unit, first to last."""
    graph = read(model)
    residual = residual_units(graph)
    if residual:
        return [unit.output for unit in residual]
    return [followers(graph, node)[-1] for node in _weight_layers(graph)]


def _weight_layers(graph: Graph) -> list[Any]:
    """The calls of layers with a kernel, without stem and classifier: which layers these two are, only their names say."""
    return [
        node
        for node in graph.nodes
        if has_kernel(node.operation)
        and node.operation.name != ZooNames.stem
        and not is_classifier(node.operation.name)
    ]


def _spread(count: int) -> list[int]:
    places = np.geomspace(1, count, PLACES) if count > PLACES else np.arange(1, count + 1)
    return sorted({round(place) - 1 for place in places})
