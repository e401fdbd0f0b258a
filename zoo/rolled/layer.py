"""The Keras layer that stands for a run of identical units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np

from zoo.rolled.loop import loop_of_the_backend
from zoo.rolled.unit import SEED, UnitGraph
from zoo.values import as_integer, require_bool

# Units whose intermediate tensors exist at once under remat. More of them save more unit inputs and take
# longer to trace; at four, the 110 units of a stage of ResNet-1001 keep 28 tensors.
REMAT_GROUP = 4


class StackedSeeds(keras.random.SeedGenerator):
    """The seed states of one random layer of every unit; Keras saves it and does not count it as weights."""

    def __init__(self, states, dtype):
        super().__init__()
        self.state = keras.Variable(states, dtype=dtype, trainable=False, name=SEED)


@keras.saving.register_keras_serializable(package="zoo")
class RolledUnits(keras.layers.Layer):
    """`len(units)` identical units, one after the other, as one layer.

    With $f(x; w)$ one unit, $x_{i+1} = f(x_i; w_i)$ for $i = 0 .. n-1$; the weights $w_i$ are the slices of
    stacked variables of shape `(n, *shape)`. Outputs, gradients and moving statistics are those of the n
    separate units; statistics move once a step. Building, tracing and compiling handle one unit, whatever
    n.

    Memory in training, on TensorFlow: with `remat=False` the input of a unit and the outputs of its
    convolutions are kept; normalisation and activation, a pass over memory each, are recomputed from them.
    With `remat=True` one input in `units_per_iteration` is kept, and everything else is recomputed.

    Optimizers that look at one variable at a time (LAMB, Adafactor, Muon, `clipnorm`) see the stack as one
    variable; SGD, Adam and their kin act on each number and do the same as on separate weights.

    Args:
        unit: Functional model of one unit: one input, one output, same shape and dtype. Its own weights are
            not used, and it is left as it is. To freeze the units, set `trainable` of this layer.
        units: Names of the units, prefixes of the names of their layers: the i-th unit's copy of a layer is
            called `units[i] + name.removeprefix(units[0])`.
        remat: Whether to recompute activations in the backward pass instead of keeping them.
        units_per_iteration: Units in one turn of the loop; None means 1, and 4 with `remat`.
        **kwargs: Of `keras.layers.Layer`.

    Input shape, output shape:
        That of `unit`, usually `(batch, height, width, channels)`.

    Raises:
        TypeError: `unit` is no Functional model, `units` no list, or `units_per_iteration` no integer.
        ValueError: No units, names that repeat, a unit that cannot follow itself, is frozen, in part or as a
            whole, or calls a layer with `training=True`, or a backend without a loop.

    Reference:
        Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174 (remat).

    Example:
        >>> import keras
        >>> from zoo.rolled import RolledUnits
        >>> x = keras.Input((8, 8, 4))
        >>> y = keras.layers.Conv2D(
        ...     4, 3, padding="same", activation="relu", name="conv"
        ... )(x)
        >>> units = [f"unit{i}_" for i in range(100)]
        >>> run = RolledUnits(keras.Model(x, y), units=units)
        >>> run.build((None, 8, 8, 4))
        >>> tuple(run.weights[0].shape)
        (100, 3, 3, 4, 4)
    """

    def __init__(
        self,
        unit: keras.Model,
        units: Sequence[str],
        *,
        remat: bool = False,
        units_per_iteration: int | None = None,
        **kwargs,
    ):
        units = _as_names(units)
        graph = UnitGraph(unit)
        kwargs.setdefault("dtype", _dtype_policy(unit))
        super().__init__(**kwargs)
        _check_loop(self.name, units, remat)
        # In a closure, since Keras would count the template's weights as this layer's.
        self._graph = lambda: graph
        self.units = units
        self.remat = remat
        self.units_per_iteration = (
            None if units_per_iteration is None else as_integer("units_per_iteration", units_per_iteration)
        )
        # XLA on the CPU runs convolutions in a loop many times slower: `jit_compile="auto"` must not choose
        # it.
        self.supports_jit = keras.backend.backend() != "tensorflow"

    @property
    def unit(self) -> UnitGraph:
        """The graph of one unit."""
        return self._graph()

    def build(self, input_shape):
        """Stack `len(units)` independently initialised copies of every weight of the unit."""
        expected = self.unit.model.inputs[0].shape
        if tuple(input_shape[1:]) != tuple(expected[1:]):
            raise ValueError(
                f"{self.name!r} was made for inputs of shape {tuple(expected[1:])}, received "
                f"{tuple(input_shape[1:])}."
            )
        self._seeds = []
        weights = [self._stack(v, trainable=True) for v in self.unit.trainable]
        states = [self._stack(v, trainable=False) for v in self.unit.non_trainable]
        # In a closure too: Keras would count seed states in a list of this layer's as weights.
        self._stacked = lambda: (weights, states)

    def _stack(self, variable, trainable):
        count = len(self.units)
        if variable.name == SEED:
            self._seeds.append(StackedSeeds(self.unit.initial_seeds(variable, count), variable.dtype))
            return self._seeds[-1].state
        return self.add_weight(
            shape=(count, *variable.shape),
            dtype=variable.dtype,
            initializer=self.unit.initializer(variable, count),
            regularizer=self.unit.regularizer(variable),
            trainable=trainable,
            # The unit's own layers cast, so that what they keep in float32 (normalisation) stays there.
            autocast=False,
            name=self._stack_name(variable),
        )

    def _stack_name(self, variable):
        owner = self.unit.owners[id(variable)].name
        # A layer that holds layers, such as attention, has several kernels.
        inside = f"/{variable.path}".rpartition(f"/{owner}/")[2].replace("/", "_")
        return f"{owner.removeprefix(self.units[0]).lstrip('_')}_{inside}"

    @property
    def stacks(self) -> dict[str, keras.Variable]:
        """The stacked variables, of shape `(len(units), ...)`, by layer and weight: `conv1_kernel`."""
        return {self._stack_name(v): stack for v, stack in self._pairs()}

    def _pairs(self):
        weights, states = self._stacked()
        variables = [*self.unit.trainable, *self.unit.non_trainable]
        return list(zip(variables, [*weights, *states], strict=True))

    def layer_name(self, layer: keras.layers.Layer, index: int) -> str:
        """What the copy of `layer` in unit number `index`, from 0, is called in the ordinary net."""
        return self.units[index] + layer.name.removeprefix(self.units[0])

    def gather(self, get_layer: Callable[[str], keras.layers.Layer]) -> None:
        """Take the weights of the separate layers that `get_layer` finds by name."""
        for variable, stack in self._pairs():
            separate = self._separate(variable, get_layer)
            stack.assign(np.stack([keras.ops.convert_to_numpy(v.value) for v in separate]))

    def scatter(self, get_layer: Callable[[str], keras.layers.Layer]) -> None:
        """Give the weights to the separate layers that `get_layer` finds by name."""
        for variable, stack in self._pairs():
            values = keras.ops.convert_to_numpy(stack.value)
            for separate, value in zip(self._separate(variable, get_layer), values, strict=True):
                separate.assign(value)

    def _separate(self, variable, get_layer):
        owner = self.unit.owners[id(variable)]
        place = next(k for k, v in enumerate(owner.variables) if v is variable)
        return [get_layer(self.layer_name(owner, i)).variables[place] for i in range(len(self.units))]

    def call(self, inputs, training=None):
        """Run all units; in training, moving statistics move once."""
        loop = loop_of_the_backend(self.name)
        unit = self.unit
        unit.trains = self.trainable
        weights, states = ([loop.read(v) for v in kind] for kind in self._stacked())
        if not training:
            return loop.infer(unit, inputs, weights, states)
        group = self.units_per_iteration or (REMAT_GROUP if self.remat else 1)
        x, moved = inputs, []
        # What does not fill an iteration goes first, as an iteration of its own.
        rest = len(self.units) % group
        parts = [(0, rest, rest), (rest, len(self.units), group)]
        for start, stop, size in parts:
            if start == stop:
                continue
            whole = (start, stop) == (0, len(self.units))
            w, s = (values if whole else [v[start:stop] for v in values] for values in (weights, states))
            x, after = loop.train(unit, x, w, s, units_per_iteration=size, remat=self.remat)
            moved.append(after)
        for stack, *values in zip(self._stacked()[1], *moved, strict=True):
            stack.assign(values[0] if len(values) == 1 else keras.ops.concatenate(values))
        return x

    def compute_output_shape(self, input_shape):
        """The input's."""
        return input_shape

    def get_config(self):
        """The unit as a model, the names and the settings."""
        return {
            **super().get_config(),
            "unit": keras.saving.serialize_keras_object(self.unit.model),
            "units": self.units,
            "remat": self.remat,
            "units_per_iteration": self.units_per_iteration,
        }

    @classmethod
    def from_config(cls, config):
        """Inverse of `get_config`; normalisation comes back as the fused layer where it was saved as one."""
        from zoo.normalization import BatchNormalization

        fused = {"BatchNormalization": BatchNormalization}
        unit = keras.saving.deserialize_keras_object(config["unit"], custom_objects=fused)
        return cls(**(config | {"unit": unit}))


def _as_names(units):
    # A word is a row of letters, and a set has no order.
    if isinstance(units, str | bytes | set | frozenset | dict) or not isinstance(units, Iterable):
        raise TypeError(
            f'units must be a list of names, one a unit, such as [f"unit{{i}}_" for i in range(100)]; received '
            f"{units!r}."
        )
    return list(units)


def _dtype_policy(unit):
    """The policy that leaves the input of the unit in its dtype, which the loop carries from unit to unit."""
    carried = unit.inputs[0].dtype
    policies = [layer.dtype_policy for layer in unit.layers if not isinstance(layer, keras.layers.InputLayer)]
    return next((policy for policy in policies if policy.compute_dtype == carried), carried)


def _check_loop(name, units, remat) -> None:
    loop_of_the_backend(name)
    if not units:
        raise ValueError(f"{name!r} is a loop over zero units; leave the layer out instead.")
    if len(set(units)) != len(units) or not all(isinstance(u, str) for u in units):
        raise ValueError(f"units must be names that differ, one a unit; received {units!r}.")
    require_bool("remat", remat)
