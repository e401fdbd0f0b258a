"""One unit of a run: read from the Keras graph that the ordinary net would have, run on given weights.

Nothing here knows what a residual unit looks like: the steps are the calls that Keras recorded. So a rolled
net cannot differ from the ordinary one in its graph, whatever the ordering, block, shortcut or activation.
"""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import keras
import numpy as np

from zoo.activations import adds_losses
from zoo.graph import copy_layer, flatten_layers, is_stock
from zoo.graph.configuration import comes_back, from_config
from zoo.graph.internals import hears_of_training, inbound_nodes, trains
from zoo.seeding import in_turn

SEED = "seed_generator_state"
# Between the seeds of the units in a row: more than a net has layers, which take the seeds between.
SEEDS_APART = 100_003
# Of a stack of weights they make the sum of what they make of each.
_SUMS = {kind.__call__ for kind in (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)}


@dataclass(frozen=True)
class Step:
    """One call of the graph. Tensors are numbered; 0 is the input of the first unit.

    Attributes:
        unit: Which of the chained units the call belongs to.
        node: Keras' record of the call.
        reads: Numbers of the tensors it reads.
        writes: Numbers of the tensors it makes.
    """

    unit: int
    node: Any
    reads: tuple[int, ...]
    writes: tuple[int, ...]

    @property
    def is_expensive(self) -> bool:
        """Whether the call multiplies by a matrix or kernel; others cost about a pass over their tensors."""
        weights = getattr(self.node.operation, "weights", [])
        return any(len(weight.shape) > 1 for weight in weights)


class UnitGraph:
    """The graph of one unit and how to run it on weights from elsewhere.

    Args:
        model: A Functional model with one input and one output of the same shape and dtype, each layer
            called once.

    Attributes:
        trains: Whether it runs as a unit that trains; else all of it is frozen while it runs.

    Raises:
        ValueError: The unit cannot follow itself, has no weights, is frozen, or has a layer whose state or loss
            does not stack, or that is called with `training=True`.
    """

    def __init__(self, model: keras.Model):
        _check_repeats(model)
        _check_trains(model)
        self.model = model
        self.trains = True
        self.trainable = list(model.trainable_variables)
        self.non_trainable = list(model.non_trainable_variables)
        self.owners = {id(v): layer for layer in model.layers for v in layer.variables}
        if not self.trainable:
            raise ValueError(f"{_the(model)} has no trainable weights: there is nothing to stack.")
        for layer in model.layers:
            _check_stackable(layer, model)
        _check_closed(model)

    def steps(self, units: int = 1) -> tuple[list[Step], dict[int, str], int]:
        """The calls of `units` units, each reading what the one before it made.

        Returns:
            The calls in order, the dtype of every tensor by number, and the number of the last unit's output.
        """
        steps, dtypes, count, current = [], {0: self.model.inputs[0].dtype}, 1, 0
        for unit in range(units):
            number = {id(self.model.inputs[0]): current}
            for operation in self.model.operations:
                if isinstance(operation, keras.layers.InputLayer):
                    continue
                node = inbound_nodes(operation)[0]
                reads = tuple(number[id(t)] for t in node.input_tensors)
                writes = tuple(range(count, count + len(node.outputs)))
                for output, count in zip(node.outputs, writes, strict=True):
                    number[id(output)] = count
                    dtypes[count] = output.dtype
                steps.append(Step(unit, node, reads, writes))
                count += 1
            current = number[id(self.model.outputs[0])]
        return steps, dtypes, current

    def run(self, steps, tensors: dict[int, Any], weights, states, training: bool):
        """Run `steps`; every value they make is added to `tensors`.

        Args:
            steps: Calls, in order.
            tensors: Number of a tensor -> its value.
            weights: For each unit, the values of the trainable variables.
            states: For each unit, the values of the others: moving statistics, seeds of Dropout.
            training: Whether this is a training step.

        Returns:
            For each unit, the states after it.
        """
        states = list(states)
        for unit, calls in groupby(steps, key=lambda step: step.unit):
            values = [*zip(self.trainable, weights[unit], strict=True)]
            values += zip(self.non_trainable, states[unit], strict=True)
            with self._flags(), keras.StatelessScope(state_mapping=values) as scope:
                for step in calls:
                    node = step.node
                    arguments = {
                        id(t): tensors[i] for t, i in zip(node.input_tensors, step.reads, strict=True)
                    }
                    args, kwargs = node.arguments.fill_in(arguments)
                    if hears_of_training(node.operation):  # backward there is no call round it to ask
                        kwargs["training"] = training
                    results = keras.tree.flatten(node.operation(*args, **kwargs))
                    tensors.update(zip(step.writes, results, strict=True))
            states[unit] = [scope.get_current_value(v) for v in self.non_trainable]
        return states

    @contextlib.contextmanager
    def _flags(self):
        """Freezes the model, where the units are frozen, and gives each layer its own flag back."""
        if self.trains:
            yield
            return
        flags = [(layer, layer.trainable) for layer in flatten_layers(self.model)]
        self.model.trainable = False
        try:
            yield
        finally:
            # From the outside in: the flag of a layer sets those of the layers in it.
            for layer, flag in flags:
                layer.trainable = flag

    def __call__(self, x, weights, states, training: bool):
        """Run the units in a row on `x`; returns the output and each unit's states."""
        steps, _, output = self.steps(len(weights))
        tensors = {0: x}
        states = self.run(steps, tensors, weights, states, training)
        return tensors[output], states

    def initializer(self, variable, count: int):
        """A function that makes `count` independent initial values, stacked, as Keras makes one."""
        layer = self.owners[id(variable)]

        def stacked(shape, dtype=None):
            initializer = getattr(layer, f"{variable.name}_initializer", None)
            if initializer is None:
                return keras.ops.stack(list(_as_built(layer, variable, count)))
            if isinstance(
                initializer, keras.initializers.Constant | keras.initializers.Zeros | keras.initializers.Ones
            ):
                return initializer(shape, dtype=dtype)
            if isinstance(initializer, keras.initializers.Initializer) and comes_back(initializer):
                # The first unit's is the one given, not a clone: one without a seed has drawn its own already.
                fresh = in_turn(initializer, SEEDS_APART, start=1)
                draws = [initializer, *(fresh() for _ in range(count - 1))]
            else:
                draws = [initializer] * count
            return keras.ops.stack([draw(shape[1:], dtype=dtype) for draw in draws])

        return stacked

    def initial_seeds(self, variable, count: int):
        """Seed states for `count` units: their own ones, or the same for all if the layer's seed is given."""
        first = keras.ops.convert_to_numpy(variable.value)
        if getattr(self.owners[id(variable)], "seed", None) is not None:
            return np.tile(first, (count, 1))
        drawn = keras.ops.convert_to_numpy(keras.random.randint((count,), 0, 2**31 - 1, dtype="int32"))
        return np.stack([drawn, np.zeros_like(drawn)], axis=-1)

    def regularizer(self, variable):
        """The regulariser of a variable, which sums over the stack as over the separate weights."""
        return variable.regularizer


def _as_built(layer, variable, count):
    """`count` values of `variable` as `layer` draws them: whatever it keeps its initialisers under."""
    place = next(k for k, v in enumerate(layer.variables) if v is variable)
    yield variable.value
    for _ in range(count - 1):
        yield _another(layer).variables[place].value


def _another(layer):
    """A new layer like `layer`, with initial values of its own."""
    # What the configuration of one's own forgets is copied too.
    other = from_config(layer, {}) if is_stock(layer) else copy_layer(layer)
    if type(layer).build is not keras.layers.Layer.build:
        other.build_from_config(layer.get_build_config() or {})
    if _shapes(other) != _shapes(layer):  # layers inside it may be built by its call alone
        args, kwargs = keras.tree.map_structure(_input_like, _arguments(layer))
        other(*args, **kwargs)
    if _shapes(other) != _shapes(layer):
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}) has variables of the shapes {_shapes(layer)}, and another, made "
            f"from its get_config, of {_shapes(other)}. Complete get_config."
        )
    return other


def _shapes(layer):
    return [tuple(variable.shape) for variable in layer.variables]


def _arguments(layer):
    arguments = inbound_nodes(layer)[0].arguments
    return arguments.args, arguments.kwargs


def _input_like(value):
    if not isinstance(value, keras.KerasTensor):
        return value
    return keras.Input(
        batch_shape=value.shape, dtype=value.dtype, sparse=bool(getattr(value, "sparse", False))
    )


def _the(model) -> str:
    return f"the unit {model.name!r}"


def _check_repeats(model) -> None:
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise TypeError(f"expected a Functional keras.Model as the unit, received {type(model).__name__}.")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"{_the(model)} has {len(model.inputs)} inputs and {len(model.outputs)} outputs; a unit of a run "
            "has one each."
        )
    (x,), (y,) = model.inputs, model.outputs
    if (x.shape, x.dtype) != (y.shape, y.dtype):
        raise ValueError(
            f"{_the(model)} turns {x.dtype}{x.shape} into {y.dtype}{y.shape}; it can follow itself only if "
            "shape and dtype stay. Leave units that change them out of the run."
        )


def _check_trains(model) -> None:
    """Refuse a unit that is frozen: which layers of it are cannot be told of a stack."""
    frozen = [
        layer.name for layer in model.layers if layer.weights and not (model.trainable and trains(layer))
    ]
    if frozen:
        raise ValueError(
            f"in {_the(model)} {', '.join(map(repr, frozen[:3]))} is frozen, and rolled units are frozen as a whole or not at "
            f"all. Set trainable = True on it, and trainable = False on the rolled layer, or keep the units separate."
        )


def _check_closed(model) -> None:
    """Refuse a unit that reads a variable of no layer in it: the gradient of a loop does not reach that one."""
    own = {id(variable) for variable in model.variables}
    for operation in model.operations:
        calls = [node.arguments for node in inbound_nodes(operation)]
        held: list[Any] = [[call.args, call.kwargs] for call in calls]
        function = getattr(operation, "function", None)
        if inspect.isfunction(function):
            held += inspect.getclosurevars(function)[:2]
        for value in keras.tree.flatten(held):
            if isinstance(value, keras.Variable) and id(value) not in own:
                raise ValueError(
                    f"{operation.name!r} reads the variable {value.path!r}, which belongs to no layer of {_the(model)}: "
                    f"in a loop it would get no gradient. Make it a weight of a layer."
                )


def _check_stackable(layer, model) -> None:
    if len(inbound_nodes(layer)) != 1:
        raise ValueError(
            f"{_the(model)} calls layer {layer.name!r} {len(inbound_nodes(layer))} times; each layer of a "
            "unit that repeats is called once."
        )
    told = inbound_nodes(layer)[0].arguments.kwargs.get("training")
    if told is not None and told is not False:
        raise ValueError(
            f"{_the(model)} calls layer {layer.name!r} with training={told!r}, so that it trains where nobody says whether "
            "the model does; rolled units do not. Call it without, or keep the units separate."
        )
    for inner in flatten_layers(layer):
        _check_plain(inner)
    if adds_losses(layer):
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}) calls add_loss; a rolled unit cannot add losses of its own."
        )
    for variable in layer.variables:
        if variable.constraint is not None:
            raise ValueError(
                f"layer {layer.name!r} has a {variable.name}_constraint, which stacked weights cannot keep."
            )
        regularizer = variable.regularizer
        if regularizer is not None and type(regularizer).__call__ not in _SUMS:
            raise ValueError(
                f"layer {layer.name!r} has the {variable.name}_regularizer {type(regularizer).__name__}; on "
                "stacked weights only L1, L2 and L1L2 mean the same as on separate ones."
            )


def _check_plain(layer) -> None:
    """Refuse a layer, of a unit or inside one of its layers, that is more than its weights and their use."""
    if getattr(layer, "activity_regularizer", None) is not None:
        raise ValueError(
            f"layer {layer.name!r} has an activity_regularizer; a rolled unit cannot add losses of its own."
        )
    if (mode := getattr(layer, "quantization_mode", None)) is not None:
        raise ValueError(
            f"layer {layer.name!r} is quantized to {mode}, which stacked weights cannot keep; roll a model that is not."
        )
