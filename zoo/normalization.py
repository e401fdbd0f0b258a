"""Batch normalisation through TensorFlow's fused kernel, saved as the stock Keras layer.

`keras.layers.BatchNormalization` computes the moments and the scaling as separate TensorFlow
operations, each a pass over the activations. TensorFlow also has one kernel for all of it. The layer
here calls that kernel wherever it computes the same thing and otherwise does what the stock layer does.
"""

import copyreg
import math
import pkgutil
from typing import Any

import keras

FUSED_DTYPES = ("float32", "float16", "bfloat16")


class _SavedAsStock(type):
    """The type of a class that names the stock layer's module as its own, so that pickle needs to be told the right one."""


def _by_its_own_name(cls: type) -> tuple[Any, tuple[str]]:
    return pkgutil.resolve_name, (f"{__name__}:{cls.__qualname__}",)


copyreg.pickle(_SavedAsStock, _by_its_own_name)


class BatchNormalization(keras.layers.BatchNormalization, metaclass=_SavedAsStock):
    r"""`keras.layers.BatchNormalization`, fused on TensorFlow.

    With $B$ the positions of a channel in the batch (batch, height and width),

    $$y = \gamma \, \frac{x - \mu_B}{\sqrt{\sigma_B^2 + \epsilon}} + \beta, \qquad
      \mu \leftarrow m \mu + (1 - m) \mu_B, \quad \sigma^2 \leftarrow m \sigma^2 + (1 - m) \sigma_B^2 .$$

    The fused kernel is used for images, of shape `(batch, height, width, channels)` or, with `axis=1`,
    `(batch, channels, height, width)`, in float32, float16 and bfloat16, in training and in inference,
    with XLA or without. A mask, `renorm`, `synchronized`, another rank, axis or dtype, or another backend
    takes the stock layer's path. Arguments are those of the stock layer.

    The kernel reports the variance with Bessel's correction, $\sigma_B^2 |B| / (|B| - 1)$; the stock
    layer stores the uncorrected one. It is undone here, so that both layers keep the same moving
    statistics, also on a last batch of another size.

    A saved model holds `keras.layers.BatchNormalization` and loads without this package; what is loaded
    is then the stock layer, as it is where a model is pickled or copied by `copy.deepcopy`. The layer by itself is pickled
    and copied as the fused one. To load the fused one:
    `keras.models.load_model(path, custom_objects={"BatchNormalization": BatchNormalization})`.

    Reference:
        Ioffe and Szegedy 2015, "Batch Normalization", arXiv 1502.03167.

    Example:
        >>> import numpy as np
        >>> from zoo.normalization import BatchNormalization
        >>> layer = BatchNormalization(momentum=0.9, epsilon=1e-5)
        >>> x = np.ones((2, 4, 4, 3), "float32")
        >>> layer(x, training=True).shape == (2, 4, 4, 3)
        True
    """

    # Keras writes the module and the class name into the file: these two make it the stock layer's entry.
    __module__ = "keras.layers"

    def __reduce__(self):
        """For pickle and copy: the configuration and the weights, not the file that would come back as the stock layer."""
        return _restored, (keras.saving.serialize_keras_object(self), self.get_weights())

    def call(self, inputs, training=None, mask=None):
        """Normalise `inputs`; in training, with the batch's statistics, which also move the stored ones."""
        data_format = self._fused_data_format(inputs, mask)
        if data_format is None:
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        channels = self.moving_mean.shape
        gamma = tf.ones(channels) if self.gamma is None else tf.convert_to_tensor(self.gamma)
        beta = tf.zeros(channels) if self.beta is None else tf.convert_to_tensor(self.beta)
        if not (training and self.trainable):
            # TensorFlow's optimiser joins convolution, fused normalisation and tanh into one operation that it has no
            # kernel for on a CPU, and fails. The shape asserted between the first two keeps them apart.
            outputs = tf.raw_ops.FusedBatchNormV3(
                x=tf.ensure_shape(inputs, inputs.shape),
                scale=gamma,
                offset=beta,
                mean=tf.convert_to_tensor(self.moving_mean),
                variance=tf.convert_to_tensor(self.moving_variance),
                epsilon=self.epsilon,
                data_format=data_format,
                is_training=False,
            ).y
            return tf.cast(outputs, self.compute_dtype)
        fused = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=gamma,
            offset=beta,
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
            data_format=data_format,
            is_training=True,
        )
        mean, variance = fused.batch_mean, uncorrected(fused.batch_variance, inputs, channels[0])
        momentum = self.momentum
        self.moving_mean.assign(self.moving_mean * momentum + mean * (1.0 - momentum))
        self.moving_variance.assign(self.moving_variance * momentum + variance * (1.0 - momentum))
        return tf.cast(fused.y, self.compute_dtype)

    def _fused_data_format(self, inputs, mask):
        if keras.backend.backend() != "tensorflow" or mask is not None or self.renorm or self.synchronized:
            return None
        if len(inputs.shape) != 4 or keras.backend.standardize_dtype(inputs.dtype) not in FUSED_DTYPES:
            return None
        if self.variable_dtype != "float32":
            return None
        return {3: "NHWC", 1: "NCHW"}.get(self.axis % 4)


def _restored(config: dict[str, Any], weights: list[Any]) -> BatchNormalization:
    layer = keras.saving.deserialize_keras_object(
        config, custom_objects={"BatchNormalization": BatchNormalization}
    )
    layer.set_weights(weights)
    return layer


def uncorrected(variance, inputs, channels):
    """Undo Bessel's correction: `variance * (n - 1) / n`, n the positions of one channel.

    Args:
        variance: shape `(channels,)`, the sum of squared deviations over `n - 1` (over 1 where n is 1).
        inputs: the 4-D tensor it was taken from, `n * channels` numbers.
        channels: number of channels.

    Returns:
        Shape `(channels,)`, the sum of squared deviations over `n`.
    """
    import tensorflow as tf

    if inputs.shape.is_fully_defined():
        n = math.prod(inputs.shape) / channels
    else:
        n = tf.cast(tf.size(inputs), variance.dtype) / channels
    return variance * ((n - 1.0) / n)
