"""Which branches that are added up are one convolution, how exactly they become one, and what that saves."""

from collections.abc import Callable, Iterable, Mapping

import keras
import numpy as np
from keras import layers

from zoo.experiments.measurements import Context, Row
from zoo.experiments.measurements.turns import prediction, time_ratio
from zoo.transforms import merge_branches

CHANNELS = 8
ROUNDS = 30
IMAGES = 100

Branch = Callable[[keras.KerasTensor], keras.KerasTensor]


def _conv(kernel: int = 3, *then: layers.Layer) -> Branch:
    """A convolution and its normalisation, and what follows."""

    def apply(x):
        x = layers.Conv2D(CHANNELS, kernel, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        for layer in then:
            x = layer(x)
        return x

    return apply


def _gated(x):
    """A convolution times a number for each channel that is computed from the image: squeeze and excitation."""
    gate = layers.Dense(CHANNELS, activation="sigmoid")(layers.GlobalAveragePooling2D()(x))
    return layers.Multiply()([_conv()(x), layers.Reshape((1, 1, CHANNELS))(gate)])


def _two(*between: layers.Layer) -> Branch:
    """Two convolutions in a row."""
    return lambda x: _conv()(_conv(3, *between)(x))


# What is added up, by the name that an arm has for it; each is made anew.
UNITS: Mapping[str, Callable[[], list[Branch]]] = {
    "repvgg": lambda: [_conv(), _conv(1), layers.BatchNormalization()],
    "two convolutions": lambda: [_conv(), _conv(5)],
    "identity beside": lambda: [_conv(), lambda x: x],
    "relu in one": lambda: [_conv(3, layers.ReLU()), _conv(1), layers.BatchNormalization()],
    "relu in each": lambda: [_conv(3, layers.ReLU()), _conv(1, layers.ReLU())],
    "residual unit": lambda: [_two(layers.ReLU()), lambda x: x],
    "convolutions in a row": lambda: [_two(), lambda x: x],
    "gate": lambda: [_gated, lambda x: x],
}


def unit(context: Context, branches: str) -> Iterable[Row]:
    """One sum of branches, with random weights and statistics, on feature maps made from the images of the run.

    Rows: `affine_error`, the largest of |f(x) + f(y) - f(x + y) - f(0)| over the largest |f|: f is the sum of the
    branches before any activation after it, and a convolution with a bias has none but rounding; `merged`, whether
    one convolution took the place of all of them (1 or 0); `largest_difference`, of the outputs before and after,
    relative to the largest; `convolutions_before` and `convolutions_after`.
    """
    rng = np.random.default_rng(context.seed)
    pixels = context.images.x_test
    half = min(IMAGES, len(pixels) // 2)
    mixing = rng.normal(size=(pixels.shape[-1], CHANNELS)).astype("float32")
    maps = pixels[: 2 * half] @ mixing
    x = keras.Input(maps.shape[1:])
    summed = layers.Add(name="sum")([branch(x) for branch in UNITS[branches]()])
    _randomise([net := keras.Model(x, summed)], rng)

    def f(values):
        return np.asarray(net.predict_on_batch(values), dtype="float64")

    one, other = maps[:half], maps[half:]
    defect = f(one) + f(other) - f(one + other) - f(np.zeros_like(one))
    yield Row("affine_error", float(np.abs(defect).max() / np.abs(f(one)).max()))
    result = merge_branches(net, probe=one)
    yield Row("merged", float(bool(result.merged) and not result.kept))
    yield from _before_and_after(net, result.model, one)


def net(context: Context, model: str, options: Mapping, images: int = IMAGES) -> Iterable[Row]:
    """A whole net, its branches merged; predictions of the same images timed in turns.

    Rows: `additions`, how many were merged; `kept`, how many were not; what `unit` says of both; `parameters_before`
    and `parameters_after`; `time_ratio`, processor time of the net before over that after.
    """
    before = context.build(model, classifier_activation=None, **options)
    _randomise([before], np.random.default_rng(context.seed))
    pixels = context.images.x_test[:images]
    result = merge_branches(before, probe=pixels)
    yield Row("additions", len(result.merged))
    yield Row("kept", len(result.kept))
    yield from _before_and_after(before, result.model, pixels)
    yield Row("parameters_before", before.count_params())
    yield Row("parameters_after", result.model.count_params())
    x = keras.ops.convert_to_tensor(pixels)
    predicts = [prediction(one) for one in (before, result.model)]
    for predict in predicts:
        predict(x)
    yield Row("time_ratio", time_ratio(*predicts, x, ROUNDS))


def _before_and_after(before: keras.Model, after: keras.Model, images: np.ndarray) -> Iterable[Row]:
    first, second = (np.asarray(model.predict_on_batch(images)) for model in (before, after))
    yield Row("largest_difference", float(np.abs(first - second).max() / np.abs(first).max()))
    for name, model in (("convolutions_before", before), ("convolutions_after", after)):
        yield Row(name, sum(isinstance(layer, layers.Conv2D) for layer in model.layers))


def _randomise(models: list[keras.Model], rng: np.random.Generator) -> None:
    """As after training: every normalisation has statistics, a scale and an offset of its own.

    Kernels are drawn here, too: a measurement has to come out the same when it is made again.
    """
    for layer in (layer for model in models for layer in model.layers):
        if isinstance(layer, (layers.Conv2D, layers.Dense)):
            shape = layer.kernel.shape
            layer.kernel.assign(rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape))
        if isinstance(layer, layers.BatchNormalization):
            count = layer.gamma.shape
            layer.gamma.assign(rng.uniform(0.5, 1.5, count))
            layer.beta.assign(rng.normal(0, 0.5, count))
            layer.moving_mean.assign(rng.normal(0, 0.5, count))
            layer.moving_variance.assign(rng.uniform(0.5, 2.0, count))
