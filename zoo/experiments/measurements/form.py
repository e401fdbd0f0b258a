"""What a model is made of, and how long its steps take."""

import time
from collections.abc import Iterable

import keras
from keras import ops

from zoo.experiments.measurements import Context, Row

TIMED_CALLS = 20


def anatomy(context: Context) -> Iterable[Row]:
    """Layers, activation layers, parameters, and the median time of a prediction of 100 images.

    The time is the processor's, in milliseconds: other work on the machine does not count.
    """
    model = context.model
    yield Row("layers", len(model.layers))
    yield Row("activation_layers", sum(_is_activation(layer) for layer in model.layers))
    yield Row("parameters", model.count_params())
    images = ops.convert_to_tensor(context.images.x_test[:100])
    predict = _compiled(model)
    predict(images)
    times = []
    for _ in range(TIMED_CALLS):
        start = time.process_time()
        ops.convert_to_numpy(predict(images))
        times.append(time.process_time() - start)
    yield Row("predict_milliseconds", 1000 * sorted(times)[TIMED_CALLS // 2])


def _is_activation(layer: keras.Layer) -> bool:
    return isinstance(layer, keras.layers.Activation) or type(layer).__module__.startswith(
        "keras.src.layers.activations"
    )


def _compiled(model: keras.Model):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(lambda images: model(images, training=False), jit_compile=False)
    return lambda images: model(images, training=False)
