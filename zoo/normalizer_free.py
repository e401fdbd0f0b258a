"""What stands in for normalisation in a net without it: standardised kernels, a scale on the branch, gains of activations.

These two layers are the zoo's own: no stock layer has one number for a weight, or standardises its kernel. A saved net that
holds them loads after `import zoo`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import keras
import numpy as np

from zoo.values import as_number

# What the branch of a unit of an NF-ResNet is multiplied by: Brock, De and Smith 2021, arXiv 2101.08692, section 3.
NF_ALPHA = 0.2


@keras.saving.register_keras_serializable(package="zoo")
class BranchScale(keras.layers.Layer):
    r"""Multiply by one learned number that starts at zero, so that a residual net starts as the identity.

    $$y = \alpha x, \qquad \alpha = 0 \text{ at first.}$$

    Takes and returns a tensor of any shape.

    Reference:
        De and Smith 2020, "Batch Normalization Biases Residual Blocks Towards the Identity Function in Deep
        Networks", arXiv 2002.10444, section 3 (SkipInit).

    Example:
        >>> import numpy as np
        >>> from zoo.normalizer_free import BranchScale
        >>> float(BranchScale()(np.ones((1, 4)))[0, 0])
        0.0
    """

    def build(self, input_shape):
        """Make the number."""
        self.alpha = self.add_weight(shape=(), initializer="zeros", name="alpha")

    def call(self, inputs):
        """Multiply `inputs` by it."""
        return self.alpha * inputs


@keras.saving.register_keras_serializable(package="zoo")
class ScaledStandardizedConv2D(keras.layers.Conv2D):
    r"""A convolution whose kernel has mean 0 and variance 1/fan-in for each output channel, times a learned gain.

    With $N$ the number of weights that lead to one output channel,

    $$\hat W_{ij} = g_i \, \frac{W_{ij} - \mu_i}{\sigma_i \sqrt N}, \qquad y = \hat W * x + b.$$

    Inputs that are independent and of variance 1 then give outputs of variance 1, whatever their mean is: a kernel of
    mean 0 takes no notice of it. Arguments are those of `keras.layers.Conv2D`. In half precision $\hat W$ is computed in
    float32, and rounded then.

    Args:
        filters: Number of output channels.
        kernel_size: Height and width of the kernel.
        epsilon: Least value of $N \sigma^2$, a number of at least 0.
        **settings: What `keras.layers.Conv2D` takes.

    Raises:
        TypeError: `epsilon` is no number.
        ValueError: `epsilon` is negative or not finite.

    Reference:
        Brock, De and Smith 2021, "Characterizing signal propagation to close the performance gap in unnormalized
        ResNets", arXiv 2101.08692, section 4.

    Example:
        >>> import numpy as np
        >>> from zoo.normalizer_free import ScaledStandardizedConv2D
        >>> layer = ScaledStandardizedConv2D(4, 3)
        >>> layer(np.ones((1, 8, 8, 2), "float32")).shape == (1, 6, 6, 4)
        True
    """

    def __init__(self, filters, kernel_size, epsilon=1e-4, **settings):
        super().__init__(filters, kernel_size, **settings)
        self.epsilon = as_number("epsilon", epsilon, 0)

    def build(self, input_shape):
        """Make kernel, bias and gains."""
        super().build(input_shape)
        self.built = False
        self.gain = self.add_weight(shape=(self.filters,), initializer="ones", name="gain")
        self.built = True

    def add_weight(self, *args, **settings):
        """A weight; only the bias is rounded to the dtype of the computation before it is used."""
        return super().add_weight(*args, **settings | {"autocast": settings.get("name") == "bias"})

    def standardized_kernel(self):
        """The kernel that the convolution is done with, shape `(height, width, channels in, channels out)`."""
        # Half precision has no room for a variance: that of weights of 1e-3 is 1e-6.
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        kernel, gain = keras.ops.cast(self.kernel, dtype), keras.ops.cast(self.gain, dtype)
        axes = (0, 1, 2)
        fan_in = math.prod(self.kernel.shape[:-1])
        mean = keras.ops.mean(kernel, axis=axes, keepdims=True)
        variance = keras.ops.var(kernel, axis=axes, keepdims=True)
        scale = gain / keras.ops.sqrt(keras.ops.maximum(variance * fan_in, self.epsilon))
        return keras.ops.cast((kernel - mean) * scale, self.compute_dtype)

    def convolution_op(self, inputs, kernel):
        """The convolution, with the standardised kernel."""
        return super().convolution_op(inputs, self.standardized_kernel())

    # A stock convolution saves kernel and bias alone.
    def save_own_variables(self, store):
        """Save kernel, bias and gains."""
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store):
        """Load what `save_own_variables` saved."""
        keras.layers.Layer.load_own_variables(self, store)

    def get_config(self):
        """The arguments."""
        return super().get_config() | {"epsilon": self.epsilon}


def activation_gain(function: Callable) -> float:
    r"""What a function is multiplied by to have variance 1 on a standard normal input.

    $$\gamma = \left( \mathrm{Var}\, f(z) \right)^{-1/2}, \qquad z \sim N(0, 1),$$

    by the trapezoidal rule. It differs from $1 / \sqrt{E f(z)^2}$, He's gain, which is $\sqrt 2$ for ReLU: a random kernel
    passes the mean square of its input on, and a kernel of mean 0, as `ScaledStandardizedConv2D` has, takes no notice of
    the mean of its input and passes the variance on. The two are equal where $f$ has mean 0, as tanh has.

    Args:
        function: A function of a tensor.

    Raises:
        ValueError: If the variance is zero, or no number.

    Reference:
        Brock, De and Smith 2021, arXiv 2101.08692, appendix D: for ReLU $\sqrt{2 / (1 - 1/\pi)}$, 1.7129.
        Their code has 1.7139, the mean over samples.

    Example:
        >>> import keras
        >>> from zoo.normalizer_free import activation_gain
        >>> round(activation_gain(keras.activations.relu), 4)
        1.7129
    """
    z = np.linspace(-8.0, 8.0, 4001)
    weight = np.exp(-(z**2) / 2)
    weight /= weight.sum()
    # As a feature map, so that a layer that counts its axes can be asked too.
    values = function(keras.ops.cast(np.reshape(z, (-1, 1, 1, 1)), "float32"))
    values = np.asarray(keras.ops.convert_to_numpy(values), "float64").reshape(-1)
    mean = (weight * values).sum()
    variance = (weight * (values - mean) ** 2).sum()
    if not (np.isfinite(variance) and variance > 1e-12):
        raise ValueError(f"{function!r} has variance {variance} on a standard normal input; it has no gain.")
    return float(variance**-0.5)
