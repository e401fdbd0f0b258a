"""An activation that can be turned into the identity bit by bit while a model trains."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.values import as_number


@keras.saving.register_keras_serializable(package="zoo")
class BlendedActivation(keras.layers.Layer):
    r"""Part identity, part activation: $y = a x + (1 - a) f(x)$.

    The amount $a$ is one number, from 0, the activation as it was, to 1, the identity: there exactly, though the other
    side be infinite, as scores are that a mask has put at $-\infty$. It is a variable:
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
        TypeError: `amount` is no number.
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
        self.initial_amount = as_number("amount", amount, 0, 1)
        self.supports_masking = True
        self.activation = keras.activations.get(activation)
        if self.activation is keras.activations.linear:
            raise ValueError(
                f"BlendedActivation {self.name!r} received activation={activation!r}, which is the identity: "
                f"there is nothing to blend."
            )
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
        """`amount * inputs + (1 - amount) * activation(inputs)`; a side that counts nothing adds nothing, infinite or not."""
        after = self._activated(inputs)
        amount = ops.cast(self.amount, after.dtype)
        before = _finite_unless(ops.not_equal(amount, 0.0), ops.cast(inputs, after.dtype))
        after = _finite_unless(ops.not_equal(amount, 1.0), after)
        return amount * before + (1.0 - amount) * after

    def _activated(self, inputs: Any) -> Any:
        is_layer = isinstance(self.activation, keras.layers.Layer)
        if (
            is_layer
            and self.activation.supports_masking
            and type(self.activation) is not keras.layers.Activation
        ):
            return self.activation(
                inputs
            )  # a layer like Softmax reads the mask that this very tensor carries
        # The slope of an activation can be infinite where it counts 0 times, so at 1 no gradient passes it.
        identity = ops.equal(ops.cast(self.amount, inputs.dtype), 1.0)
        return self.activation(ops.where(identity, ops.stop_gradient(inputs), inputs))

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


def _finite_unless(used: Any, values: Any) -> Any:
    """`values`; if they count 0 times, with 0 for those that are not finite: 0 times infinity is no number."""
    # Not 0 for all of them: what a learned amount would gain by moving depends on both sides.
    return ops.where(ops.logical_or(used, ops.isfinite(values)), values, 0.0)


def _between_0_and_1(amount: Any) -> Any:
    return ops.clip(amount, 0.0, 1.0)
