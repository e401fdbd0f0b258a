"""One optimiser step and one evaluation, on the backend in use.

`TensorFlowSteps` and `JaxSteps` do the same with the same names. TensorFlow changes variables in place; JAX passes them in and
out, and writes them back into the model when asked to (`settle`).
"""

import collections
import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.experiments.design.experiment import Recipe
from zoo.experiments.losses import loss_of
from zoo.experiments.training.schedule import rate_at, rate_number
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


class GivenRate(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that comes from outside the graph: a compiled step serves every rate and every length of a run."""

    value: Any = None

    def __call__(self, step: Any) -> Any:
        """What was given last.

        Raises:
            RuntimeError: Nothing was.
        """
        if self.value is None:
            raise RuntimeError("the rate of a step comes with the step, and none was given yet")
        return self.value

    def get_config(self) -> dict:
        """As of `Rate`: nothing saves this object."""
        raise NotImplementedError("a recipe's schedule is stored in the run's spec, not in the optimiser")


def make_optimizer(
    recipe: Recipe, schedule: keras.optimizers.schedules.LearningRateSchedule
) -> keras.optimizers.Optimizer:
    """Stochastic gradient descent as the recipe says, at the rates of a schedule."""
    return keras.optimizers.SGD(schedule, momentum=recipe.momentum, nesterov=recipe.nesterov)


def decayed(model: keras.Model) -> list[bool]:
    """Of each trainable variable whether weights decay: kernels do; biases, gains, offsets and slopes do not.

    What a kernel is its name says and not its rank alone: the slopes of a PReLU have as many axes, and are not to decay
    (He et al. 2015, arXiv:1502.01852), and so have the gains and offsets that rolled units stack.
    """
    return [
        variable.name.endswith("kernel") and len(variable.shape) > 1 for variable in model.trainable_variables
    ]


def with_decay(gradients: list, variables: list, decay: float, chosen: Sequence[bool]) -> list:
    """Add the gradient of decay / 2 times the square of each chosen variable.

    Args:
        gradients: One a variable.
        variables: Or their values.
        decay: Factor.
        chosen: As `decayed` has it.
    """
    if not decay:
        return gradients
    return [
        gradient + decay * ops.convert_to_tensor(variable) if gradient is not None and decays else gradient
        for gradient, variable, decays in zip(gradients, variables, chosen, strict=True)
    ]


def _measure(recipe: Recipe, labels: Any, outputs: Any) -> tuple[Any, Any]:
    correct = ops.sum(ops.cast(ops.equal(ops.argmax(outputs, axis=-1), ops.cast(labels, "int32")), "int32"))
    return loss_of(recipe.loss, labels, outputs), correct


class TensorFlowSteps:
    """Steps as one `tf.function` each, compiled with XLA where `zoo.fit_settings` favours it."""

    def __init__(
        self, model: keras.Model, recipe: Recipe, total: int, *, eager: bool = False, graph: str | None = None
    ):
        import tensorflow as tf

        (rate,) = recipe.learning_rates
        self.model, self.optimizer = model, make_optimizer(recipe, Rate(recipe, rate, total))
        self.optimizer.build(model.trainable_variables)
        # In which precision an arm trains is what its model says: nothing to measure, run by run.
        wrap = (
            (lambda function: function)
            if eager
            else tf.function(jit_compile=fit_settings(model, measure=False).jit_compile)
        )

        chosen = decayed(model)

        def train(images, labels):
            with tf.GradientTape() as tape:
                outputs = model(images, training=True)
                loss, correct = _measure(recipe, labels, outputs)
                whole = loss + sum(model.losses) if model.losses else loss
            variables = model.trainable_variables
            gradients = tape.gradient(whole, variables)
            self.optimizer.apply(with_decay(gradients, variables, recipe.decay, chosen), variables)
            return loss, correct

        def evaluate(images, labels):
            return _measure(recipe, labels, model(images, training=False))

        self.train, self.evaluate = wrap(train), wrap(evaluate)

    def settle(self) -> None:
        """Variables are always up to date here."""

    def unsettle(self) -> None:
        """Variables are always up to date here."""


class JaxProgram:
    """A step and an evaluation as functions of the state, compiled for one graph and recipe.

    They are given everything that differs between two runs of an arm, the learning rate too. So a process that does several
    of these runs traces and compiles once.
    """

    def __init__(self, model: keras.Model, recipe: Recipe, *, eager: bool):
        import jax

        given = GivenRate()
        self.model, self.optimizer = model, make_optimizer(recipe, given)
        self.optimizer.build(model.trainable_variables)
        chosen = decayed(model)

        def losses(trainable, other, images, labels):
            outputs, other, extra = model.stateless_call(
                trainable, other, images, training=True, return_losses=True
            )
            loss, correct = _measure(recipe, labels, outputs)
            return loss + sum(extra), (loss, correct, other)

        def train(state, images, labels, rate):
            given.value = rate
            trainable, other, memory = state
            gradients, (loss, correct, other) = jax.grad(losses, has_aux=True)(
                trainable, other, images, labels
            )
            gradients = with_decay(gradients, trainable, recipe.decay, chosen)
            trainable, memory = self.optimizer.stateless_apply(memory, gradients, trainable)
            given.value = None
            return (trainable, other, memory), loss, correct

        def evaluate(state, images, labels):
            outputs, _ = model.stateless_call(state[0], state[1], images, training=False)
            return _measure(recipe, labels, outputs)

        self.train = train if eager else jax.jit(train, donate_argnums=0)
        self.evaluate = evaluate if eager else jax.jit(evaluate)


# The last programs, by what they were compiled for; a program keeps its model.
_programs: collections.OrderedDict[Any, JaxProgram] = collections.OrderedDict()
KEPT = 3
FROM_OUTSIDE: dict[str, Any] = {
    **{"learning_rates": (1.0,), "schedule": "constant", "milestones": (), "warmup": 0},
    **{"epochs": None, "steps": 1, "record_every": None, "evaluate": True, "augmentation": "none"},
    **{"tuning_epochs": None, "tuning_seeds": ()},
}


def _program(model: keras.Model, recipe: Recipe, graph: str | None) -> JaxProgram:
    """A compiled program: that of an earlier run of this process where graph and recipe are the same."""
    if graph is None:
        return JaxProgram(model, recipe, eager=False)
    # The recipe but for what comes from outside the step, so that nothing that will ever be added to it is forgotten.
    key = (graph, dataclasses.replace(recipe, **FROM_OUTSIDE))
    _programs[key] = _programs.pop(key, None) or JaxProgram(model, recipe, eager=False)
    while len(_programs) > KEPT:
        _programs.popitem(last=False)
    return _programs[key]


class JaxSteps:
    """Steps of a program; the old state's memory is given to the new one."""

    def __init__(
        self, model: keras.Model, recipe: Recipe, total: int, *, eager: bool = False, graph: str | None = None
    ):
        self.program = JaxProgram(model, recipe, eager=True) if eager else _program(model, recipe, graph)
        self.model, self.recipe, self.total = model, recipe, total
        self.optimizer = make_optimizer(recipe, GivenRate())
        self.optimizer.build(model.trainable_variables)
        self.unsettle()

    def train(self, images: np.ndarray, labels: np.ndarray) -> tuple[Any, Any]:
        """One step; returns loss and number of correct answers, not yet waited for."""
        (peak,) = self.recipe.learning_rates
        rate = rate_number(self.step, recipe=self.recipe, rate=peak, total=self.total)
        self.state, loss, correct = self.program.train(self.state, images, labels, np.float32(rate))
        self.step += 1
        return loss, correct

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[Any, Any]:
        """Loss and number of correct answers in inference mode."""
        return self.program.evaluate(self.state, images, labels)

    @property
    def _groups(self) -> tuple[list, list, list]:
        """The variables that the three parts of the state are the values of."""
        return (
            self.model.trainable_variables,
            self.model.non_trainable_variables,
            self.optimizer.variables,
        )

    def settle(self) -> None:
        """Write the state into the model's and the optimiser's variables."""
        for variables, values in zip(self._groups, self.state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(np.asarray(value))

    def unsettle(self) -> None:
        """Take the state from the variables, as copies, since a step gives its input's memory away."""
        self.state = tuple([ops.copy(variable.value) for variable in variables] for variables in self._groups)
        self.step = int(self.optimizer.iterations)


def make_steps(
    model: keras.Model, recipe: Recipe, total: int, *, eager: bool = False, graph: str | None = None
) -> Any:
    """The steps of the backend in use.

    Args:
        model: What to train.
        recipe: How.
        total: Steps of the run.
        eager: Whether each operation is computed by itself, nothing compiled.
        graph: Fingerprint of the model's graph, by which a compiled program is found again; `None` compiles anew.

    Raises:
        NotImplementedError: The backend is neither TensorFlow nor JAX.
    """
    backends = {"tensorflow": TensorFlowSteps, "jax": JaxSteps}
    if keras.backend.backend() not in backends:
        raise NotImplementedError(
            f"experiments train on tensorflow or jax; the backend is {keras.backend.backend()!r}; set "
            f"KERAS_BACKEND"
        )
    return backends[keras.backend.backend()](model, recipe, total, eager=eager, graph=graph)
