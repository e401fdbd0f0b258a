"""An activation that can be turned into the identity bit by bit while a model trains."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="zoo")
class BlendedActivation(keras.layers.Layer):
    r"""Part identity, part activation: $y = a x + (1 - a) f(x)$.

    The amount $a$ is one number, from 0, the activation as it was, to 1, the identity. It is a variable:
    `zoo.callbacks.ActivationAnnealing` moves it by a schedule, or, with `learned=True`, the optimizer does,
    together with all other weights, and keeps it between 0 and 1. Then the penalty $\lambda (1 - a^2)$ is
    part of the loss; $\lambda$ is 0 until `ActivationAnnealing(penalty=...)` sets it. The slope of the
    penalty at $a = 0$ is 0, so what moves $a$ away from there is the loss of the task.

    `zoo.transforms.soften` puts these layers in, `zoo.transforms.harden` takes them out again. A file with
    this layer needs `import zoo.layers` to load.

    Args:
        activation: What `keras.activations.get` takes, or a layer, whose weights become those of this one.
        amount: Initial value of $a$, from 0 to 1.
        learned: Whether $a$ is a trainable weight.
        **kwargs: Of `keras.layers.Layer`.

    Attributes:
        amount: The variable $a$, a number without unit.
        penalty: The variable $\lambda$, in units of the loss.

    Input shape, output shape:
        Any; the same.

    Raises:
        ValueError: `amount` is not from 0 to 1, or `activation` is linear, so that there is nothing to blend.

    Reference:
        Dror et al. 2021, "Layer Folding: Neural Network Depth Reduction using Activation Linearization",
        arXiv 2106.09309.

    Example:
        >>> import numpy as np
        >>> from zoo.layers import BlendedActivation
        >>> layer = BlendedActivation("relu", amount=0.25)
        >>> np.asarray(layer(np.array([-4.0, 4.0], "float32"))).tolist()
        [-1.0, 4.0]
    """

    def __init__(self, activation: Any, amount: float = 0.0, learned: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not 0 <= amount <= 1:
            raise ValueError(f"amount must be a number from 0 to 1, received {amount!r}.")
        self.supports_masking = True
        self.activation = keras.activations.get(activation)
        if self.activation is keras.activations.linear:
            raise ValueError(
                f"BlendedActivation {self.name!r} received activation={activation!r}, which is the identity: "
                f"there is nothing to blend."
            )
        self.initial_amount = float(amount)
        self.learned = bool(learned)
        self.amount = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.initial_amount),
            regularizer=self._penalise if self.learned else None,
            constraint=_between_0_and_1 if self.learned else None,
            trainable=self.learned,
            autocast=False,
            name="amount",
        )
        self.penalty = self.add_weight(
            shape=(), initializer="zeros", trainable=False, autocast=False, name="penalty"
        )

    def _penalise(self, amount: Any) -> Any:
        return self.penalty * (1.0 - ops.square(amount))

    def call(self, inputs: Any) -> Any:
        """`amount * inputs + (1 - amount) * activation(inputs)`."""
        after = self.activation(inputs)
        amount = ops.cast(self.amount, after.dtype)
        return amount * ops.cast(inputs, after.dtype) + (1.0 - amount) * after

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The activation and the settings; the amount reached is a weight."""
        return {
            **super().get_config(),
            "activation": keras.saving.serialize_keras_object(self.activation),
            "amount": self.initial_amount,
            "learned": self.learned,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BlendedActivation:
        """The layer with its activation restored."""
        activation = config["activation"]
        if isinstance(activation, dict):
            activation = keras.saving.deserialize_keras_object(activation)
        return cls(**(config | {"activation": activation}))


def _between_0_and_1(amount: Any) -> Any:
    return ops.clip(amount, 0.0, 1.0)
