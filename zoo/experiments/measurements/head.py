"""What softmax and logarithm leave of a loss where the logits are large."""

from collections.abc import Iterable

import keras
import numpy as np
from keras import ops

from zoo.experiments.measurements import Context, Row

GAPS = (1, 2, 5, 8, 10, 12, 15, 17, 20, 30, 50, 80, 90, 100, 200, 500, 1000)


def extreme_logits(context: Context, route: str, dtype: str) -> Iterable[Row]:
    """Cross-entropy of two classes whose logits lie g apart, the lower one being right; x is g.

    Exactly it is g + log(1 + exp(-g)), and its derivative with respect to the right class's logit
    -1 / (1 + exp(-g)).

    Args:
        context: Of the run.
        route: `logits` (`from_logits=True`); `softmax` (`from_logits=False` on the very tensor that Keras's
            softmax returned, which remembers its logits); `probabilities` (the same numbers in another
            tensor, as after any operation between softmax and loss, clipped at 1e-7); or `by hand` (log of
            exp(z) / sum exp(z), as a textbook writes it).
        dtype: In which everything is computed.

    Rows: `loss`; `loss_error`, relative to the exact value; `gradient`, whose size should approach 1.
    """
    import tensorflow as tf

    for gap in GAPS:
        logits = tf.constant([[0.0, float(gap)]], dtype=dtype)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = _loss(route, logits)
        gradient = tape.gradient(loss, logits)
        exact = gap + np.log1p(np.exp(-float(gap)))
        value = float(ops.cast(loss, "float32"))
        yield Row("loss", value, gap)
        yield Row("loss_error", abs(value - exact) / exact, gap)
        yield Row("gradient", abs(float(ops.cast(gradient[0, 0], "float32"))), gap)


def _loss(route: str, logits):
    if route == "by hand":
        powers = ops.exp(logits)
        return -ops.log(powers[0, 0] / ops.sum(powers))
    target = ops.convert_to_tensor([[1.0, 0.0]], dtype=logits.dtype)
    if route == "logits":
        return ops.categorical_crossentropy(target, logits, from_logits=True)[0]
    if route in ("softmax", "probabilities"):
        outputs = keras.activations.softmax(logits)
        outputs = outputs if route == "softmax" else 1.0 * outputs
        return ops.categorical_crossentropy(target, outputs, from_logits=False)[0]
    raise ValueError(f"route must be 'logits', 'softmax', 'probabilities' or 'by hand'; received {route!r}")
