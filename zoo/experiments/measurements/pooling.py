"""Activation before or after pooling: the same output or not, and what each order costs."""

from collections.abc import Iterable

import keras
import numpy as np

from zoo.experiments.measurements import Context, Row
from zoo.experiments.measurements.turns import prediction, time_ratio

ORDERS = ("act_pool", "pool_act")
TIMED_CALLS = 30


def order(
    context: Context, downsampling: str, activation: str, width: int = 8, images: int = 100
) -> Iterable[Row]:
    """One net in both orders with the same weights: outputs compared, predictions timed in turns.

    Rows: `equal_to_the_bit` (1 or 0), `largest_difference` of an output relative to the largest output, and
    `time_ratio`, the median processor time of the activation-first net over that of the pooling-first one.
    """
    options = {"width": width, "activation": activation, "downsampling": downsampling}
    models = [
        context.build("convnet", classifier_activation=None, pooling_order=order, **options)
        for order in ORDERS
    ]
    models[1].set_weights(models[0].get_weights())
    x = keras.ops.convert_to_tensor(context.images.x_test[:images])
    predicts = [prediction(model) for model in models]
    first, second = (keras.ops.convert_to_numpy(predict(x)) for predict in predicts)
    yield Row("equal_to_the_bit", float(np.array_equal(first, second)))
    yield Row("largest_difference", float(np.abs(first - second).max() / np.abs(first).max()))
    yield Row("time_ratio", time_ratio(*predicts, x, TIMED_CALLS))
