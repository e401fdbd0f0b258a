"""One optimiser step and one evaluation, on the backend in use.

The two classes do the same with the same names. TensorFlow changes variables in place; JAX passes them in and
out, and writes them back into the model when asked to (`settle`).
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.experiments.design.experiment import Recipe
from zoo.experiments.losses import loss_of
from zoo.experiments.training.schedule import rate_at
from zoo.settings import fit_settings


class Rate(keras.optimizers.schedules.LearningRateSchedule):
    """A recipe's learning rate as Keras wants it."""

    def __init__(self, recipe: Recipe, rate: float, total: int):
        self.recipe, self.rate, self.total = recipe, rate, total

    def __call__(self, step: Any) -> Any:
        """The rate of a step, inside the graph."""
        return rate_at(
            ops.cast(step, "float32"),
            recipe=self.recipe,
            rate=self.rate,
            total=self.total,
            where=ops.where,
            cos=ops.cos,
            minimum=ops.minimum,
        )

    def get_config(self) -> dict:
        """Nothing saves this object; the recipe is stored as the run's spec."""
        raise NotImplementedError("a recipe's schedule is stored in the run's spec, not in the optimiser")


def make_optimizer(recipe: Recipe, total: int) -> keras.optimizers.Optimizer:
    """Stochastic gradient descent as the recipe says, with its one learning rate."""
    (rate,) = recipe.learning_rates
    return keras.optimizers.SGD(Rate(recipe, rate, total), momentum=recipe.momentum, nesterov=recipe.nesterov)


def with_decay(gradients: list, variables: list, decay: float) -> list:
    """Add the gradient of decay / 2 times the squared kernel; biases, gains and offsets are left alone."""
    if not decay:
        return gradients
    return [
        gradient + decay * ops.convert_to_tensor(variable)
        if gradient is not None and len(variable.shape) > 1
        else gradient
        for gradient, variable in zip(gradients, variables, strict=True)
    ]


def _measure(recipe: Recipe, labels: Any, outputs: Any) -> tuple[Any, Any]:
    correct = ops.sum(ops.cast(ops.equal(ops.argmax(outputs, axis=-1), ops.cast(labels, "int32")), "int32"))
    return loss_of(recipe.loss, labels, outputs), correct


class TensorFlowSteps:
    """Steps as one `tf.function` each, compiled with XLA where `zoo.fit_settings` favours it."""

    def __init__(self, model: keras.Model, recipe: Recipe, total: int, *, eager: bool = False):
        import tensorflow as tf

        self.model, self.optimizer = model, make_optimizer(recipe, total)
        self.optimizer.build(model.trainable_variables)
        # In which precision an arm trains is what its model says: nothing to measure, run by run.
        wrap = (
            (lambda function: function)
            if eager
            else tf.function(jit_compile=fit_settings(model, measure=False).jit_compile)
        )

        def train(images, labels):
            with tf.GradientTape() as tape:
                outputs = model(images, training=True)
                loss, correct = _measure(recipe, labels, outputs)
                whole = loss + sum(model.losses) if model.losses else loss
            variables = model.trainable_variables
            gradients = tape.gradient(whole, variables)
            self.optimizer.apply(with_decay(gradients, variables, recipe.decay), variables)
            return loss, correct

        def evaluate(images, labels):
            return _measure(recipe, labels, model(images, training=False))

        self.train, self.evaluate = wrap(train), wrap(evaluate)

    def settle(self) -> None:
        """Variables are always up to date here."""

    def unsettle(self) -> None:
        """Variables are always up to date here."""


class JaxSteps:
    """Steps as compiled functions of the state; the old state's memory is given to the new one."""

    def __init__(self, model: keras.Model, recipe: Recipe, total: int, *, eager: bool = False):
        import jax

        self.model, self.optimizer = model, make_optimizer(recipe, total)
        self.optimizer.build(model.trainable_variables)

        def losses(trainable, other, images, labels):
            outputs, other = model.stateless_call(trainable, other, images, training=True)
            loss, correct = _measure(recipe, labels, outputs)
            return loss, (loss, correct, other)

        def train(state, images, labels):
            trainable, other, memory = state
            gradients, (loss, correct, other) = jax.grad(losses, has_aux=True)(
                trainable, other, images, labels
            )
            gradients = with_decay(gradients, trainable, recipe.decay)
            trainable, memory = self.optimizer.stateless_apply(memory, gradients, trainable)
            return (trainable, other, memory), loss, correct

        def evaluate(state, images, labels):
            outputs, _ = model.stateless_call(state[0], state[1], images, training=False)
            return _measure(recipe, labels, outputs)

        self._train = train if eager else jax.jit(train, donate_argnums=0)
        self._evaluate = evaluate if eager else jax.jit(evaluate)
        self.unsettle()

    def train(self, images: np.ndarray, labels: np.ndarray) -> tuple[Any, Any]:
        """One step; returns loss and number of correct answers, not yet waited for."""
        self.state, loss, correct = self._train(self.state, images, labels)
        return loss, correct

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[Any, Any]:
        """Loss and number of correct answers in inference mode."""
        return self._evaluate(self.state, images, labels)

    def settle(self) -> None:
        """Write the state into the model's and the optimiser's variables."""
        groups = (
            self.model.trainable_variables,
            self.model.non_trainable_variables,
            self.optimizer.variables,
        )
        for variables, values in zip(groups, self.state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(np.asarray(value))

    def unsettle(self) -> None:
        """Take the state from the variables, as copies, since a step gives its input's memory away."""
        groups = (
            self.model.trainable_variables,
            self.model.non_trainable_variables,
            self.optimizer.variables,
        )
        self.state = tuple([ops.copy(variable.value) for variable in variables] for variables in groups)


def make_steps(model: keras.Model, recipe: Recipe, total: int, *, eager: bool = False) -> Any:
    """The steps of the backend in use.

    Raises:
        NotImplementedError: The backend is neither TensorFlow nor JAX.
    """
    backends = {"tensorflow": TensorFlowSteps, "jax": JaxSteps}
    if keras.backend.backend() not in backends:
        raise NotImplementedError(
            f"experiments train on tensorflow or jax; the backend is {keras.backend.backend()!r}; set "
            f"KERAS_BACKEND"
        )
    return backends[keras.backend.backend()](model, recipe, total, eager=eager)
