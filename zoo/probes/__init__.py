"""What happens inside a model on given data: activations, gradients, signal by depth; one row of numbers per place.

The model is copied with every built-in activation split out, so the value before each activation is a tensor
in the copy's graph. The copy is then computed call by call, and what is looked at is looked at on the way:
nothing is hooked into the model, no weight or statistic of it changes, and a tensor is dropped after its last
reader.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from zoo.activations import Site, families, sites, split_parts
from zoo.graph import (
    Graph,
    Part,
    copy_layer,
    copy_variables,
    input_structure,
    producer,
    read,
    rewrite,
    seeds_untouched,
)
from zoo.probes.importance import activation_importance as activation_importance

# A value counts as saturated where the slope of the activation is below this.
SATURATED_SLOPE = 0.01

Visit = Callable[[Any, Any, Any], Any]


@seeds_untouched()
def activation_stats(model: keras.Model, x: Any, *, batch_size: int = 32) -> list[dict[str, Any]]:
    r"""Statistics of every activation site of `model` on `x`, in one pass, in inference.

    With $a$ the values behind the activation, over samples, pixels and channels, and $\bar a_c$ the mean of
    channel $c$ over samples and pixels, each row has

    - `site`: name of the layer, behind the names of the models it is nested in; `name:2` for its second call
    - `activation`, `built_in`: name of the function; whether it is the `activation=` of another layer
    - `mean`, `std`: mean and standard deviation of $a$
    - `squared_mean`: mean over channels of $\bar a_c^2$
    - `zero_fraction`: fraction of $a$ that is exactly zero
    - `saturated_fraction`: fraction where the slope of the activation is below 0.01 in absolute value
    - `dead_units`, `units`: channels (of a dense layer: neurons) that are zero for all of `x`; all channels
    - `before_mean`, `before_std`, `before_squared_mean`: the same of the values in front of the activation

    All are numbers without unit. The slope is measured by a central difference; of softmax it is $a (1 - a)$,
    of log_softmax $1 - e^a$, and nan for other activations that mix channels.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        x: Inputs, as `model.predict` takes arrays: one array, or a list or dict of them.
        batch_size: Samples computed at a time; bounds the memory.

    Returns:
        One row per site, in the order of the computation. Sites are built-in arguments, activation layers and bare
        operations, in nested models too, as `zoo.activations` finds them.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph.
        ValueError: it has no graph yet, or `x` does not have one array for each input.

    Reference:
        Brock, De and Smith 2021, "Characterizing signal propagation to close the performance gap in
        unnormalized ResNets", arXiv 2101.08692 (squared mean); Lu et al. 2019, "Dying ReLU and
        Initialization", arXiv 1903.06733.

    Example:
        >>> import keras, numpy as np
        >>> from zoo.probes import activation_stats
        >>> fc = keras.layers.Dense(2, activation="relu", name="fc")
        >>> model = keras.Sequential([keras.Input((3,)), fc])
        >>> model.set_weights([np.zeros((3, 2)), np.array([1.0, -1.0])])
        >>> row, = activation_stats(model, np.ones((5, 3), "float32"))
        >>> row["site"], row["mean"], row["dead_units"], row["units"]
        ('fc', 0.5, 1, 2)
    """
    copy, visited = _instrumented(model)
    arrays = _arrays(model, x)
    samples = len(arrays[0])
    found: dict[tuple[int, int], _Record] = {}

    for start in range(0, samples, batch_size):
        calls: dict[int, int] = {}

        def visit(operation: Any, before: Any, after: Any, calls: dict[int, int] = calls) -> None:
            site = visited.get(id(operation))
            if site is None:
                return
            number = calls[id(site)] = calls.get(id(site), 0) + 1
            record = found.setdefault((id(site), number), _Record(site, number))
            record.add(operation, before, after)

        _walk(copy, [array[start : start + batch_size] for array in arrays], visit)
    return [record.row() for record in found.values()]


@seeds_untouched()
def gradient_stats(model: keras.Model, x: Any, y: Any, loss: Any) -> list[dict[str, Any]]:
    r"""The gradient of the loss at every activation site and every trainable weight, in inference.

    With $L$ the mean loss over the batch, a row has the norm $\lVert \partial L / \partial a \rVert_2$ of the
    gradient by the values $a$ behind an activation, or by a weight, over all of its entries, and its root
    mean square.

    Args:
        model: A Functional or built Sequential model with one output. It is left untouched.
        x: Inputs, as `model.predict` takes arrays; one batch.
        y: Targets, as the loss takes them.
        loss: Name, function or `keras.losses.Loss`.

    Returns:
        Rows in the order of the computation, the weights of a layer in front of the site behind it, with the keys
        `kind` ("site" or "weight"), `name` (of the site, or the path of the weight), `norm`, `rms`, `size`
        (number of entries).

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph.
        ValueError: it has no graph yet, or more than one output.
        NotImplementedError: the Keras backend is neither TensorFlow, JAX nor Torch.

    Reference:
        Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".

    Example:
        >>> import keras, numpy as np
        >>> from zoo.probes import gradient_stats
        >>> fc = keras.layers.Dense(1, activation="relu", name="fc")
        >>> model = keras.Sequential([keras.Input((1,)), fc])
        >>> model.set_weights([np.array([[2.0]]), np.array([0.0])])
        >>> rows = gradient_stats(model, np.ones((1, 1)), np.zeros((1, 1)), "mse")
        >>> [(row["kind"], row["norm"]) for row in rows]
        [('weight', 4.0), ('weight', 4.0), ('site', 4.0)]
    """
    if len(keras.tree.flatten(model.outputs)) != 1:
        raise ValueError(
            f"gradient_stats takes a model with one output; {model.name!r} has {len(model.outputs)}. Cut out the one "
            f"to look at: keras.Model(model.inputs, model.outputs[i])."
        )
    copy, visited = _instrumented(model)
    arrays = _arrays(model, x)
    loss = keras.losses.get(loss)
    places: list[tuple[str, Any, Any]] = []  # what each gradient belongs to, in order: kind, name, operation

    known: set[int] = set()
    calls: dict[int, int] = {}

    def survey(operation: Any, before: Any, after: Any) -> None:
        if isinstance(operation, layers.Layer):
            places.extend(("weight", v.path, v) for v in operation.trainable_variables if id(v) not in known)
            known.update(id(v) for v in operation.trainable_variables)
        if id(operation) in visited:
            number = calls[id(operation)] = calls.get(id(operation), 0) + 1
            places.append(("site", _call_name(visited[id(operation)], number), tuple(after.shape)))

    _walk(copy, arrays, survey)
    variables = [place for kind, _, place in places if kind == "weight"]
    shapes = [place for kind, _, place in places if kind == "site"]

    def objective(shifts: list[Any]) -> Any:
        pending = iter(shifts)

        def shift(operation: Any, before: Any, after: Any) -> Any:
            return after + ops.cast(next(pending), after.dtype) if id(operation) in visited else None

        (predicted,) = _walk(copy, arrays, shift)
        return ops.mean(loss(ops.convert_to_tensor(y), predicted))

    by_shift, by_variable = _gradients(objective, [np.zeros(s, "float32") for s in shapes], variables)
    by_shift, by_variable = iter(by_shift), iter(by_variable)
    rows = []
    for kind, name, _ in places:
        gradient = np.asarray(next(by_variable if kind == "weight" else by_shift), "float64")
        norm = float(np.sqrt(np.square(gradient).sum()))
        rms = norm / math.sqrt(gradient.size)
        rows.append({"kind": kind, "name": name, "norm": norm, "rms": rms, "size": gradient.size})
    return rows


@seeds_untouched()
def signal_propagation(model: keras.Model, x: Any, *, training: bool = True) -> list[dict[str, Any]]:
    r"""The signal behind every residual unit, by depth.

    With $h$ the output of a unit, mean and variance taken for each channel over samples and pixels, a row has
    `variance`, $\operatorname{mean}_c \operatorname{Var}(h_c)$, and `squared_mean`,
    $\operatorname{mean}_c \operatorname{E}(h_c)^2$, of the output; `branch_variance` and
    `branch_squared_mean` of what the residual branch adds; all without unit. At He initialisation a fully
    pre-activated net gains 0.68 of variance and 0.32 of squared mean in each unit, since its branch sees the
    same normalised signal at every depth.

    A unit ends at an addition and what stands behind every addition of the net: nothing, an activation, or
    normalisation and activation. The branch is the summand with the longer way from the input.

    Args:
        model: A Functional or built Sequential model with residual units. It is left untouched.
        x: Inputs, as `model.predict` takes arrays; one batch.
        training: Normalise by the statistics of the batch, as in the first training step. At initialisation
            the moving statistics are still 0 and 1, so inference would show a net without normalisation.

    Returns:
        One row per unit, with the keys `unit` (1 for the first), `name` (of the addition), `variance`,
        `squared_mean`, `branch_variance`, `branch_squared_mean`.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph.
        ValueError: it has no graph yet, or no additions.

    Reference:
        Brock, De and Smith 2021, arXiv 2101.08692; He et al. 2016, arXiv 1603.05027.

    Example:
        >>> import keras, numpy as np
        >>> from zoo.probes import signal_propagation
        >>> x = keras.Input((3,))
        >>> model = keras.Model(x, keras.layers.Add(name="add")([x, x]))
        >>> row, = signal_propagation(model, np.random.normal(size=(1000, 3)))
        >>> row["unit"], row["name"], round(row["variance"])
        (1, 'add', 4)
    """
    copy = rewrite(model)
    graph = read(copy)
    units = _residual_units(graph)
    if not units:
        raise ValueError(
            f"{model.name!r} has no additions, so no residual units; activation_stats has a row per activation."
        )
    numbers = {id(unit.addition): number for number, unit in enumerate(units, start=1)}
    wanted = {id(unit.branch): (numbers[id(unit.addition)], "branch_") for unit in units}
    outputs = {id(unit.output): numbers[id(unit.addition)] for unit in units}
    measured: dict[tuple[int, str], tuple[float, float]] = {}

    def measure(tensor: Any, value: Any) -> None:
        if id(tensor) in wanted:
            measured[wanted[id(tensor)]] = _channel_moments(value)
        if id(tensor) in outputs:
            measured[outputs[id(tensor)], ""] = _channel_moments(value)

    _walk(copy, _arrays(model, x), lambda *_: None, training=training, graph=graph, measure=measure)
    rows = []
    for number, unit in enumerate(units, start=1):
        row: dict[str, Any] = {"unit": number, "name": unit.addition.operation.name}
        for prefix in ("", "branch_"):
            row[f"{prefix}variance"], row[f"{prefix}squared_mean"] = measured[number, prefix]
        rows.append(row)
    return rows


@dataclass
class _Record:
    """Sums over the batches seen so far, for one call of one site."""

    site: Site
    number: int
    count: int = 0
    entries: int = 0
    zeros: int = 0
    saturated: float = 0.0
    alive: Any = False
    before: list[Any] = field(default_factory=lambda: [0.0, 0.0])
    after: list[Any] = field(default_factory=lambda: [0.0, 0.0])

    def add(self, operation: Any, before: Any, after: Any) -> None:
        axis = _channel_axis(self.site.operation, after)
        a = _by_channel(after, axis)
        self.count += len(a)
        self.entries += a.size
        self.zeros += int((a == 0).sum())
        self.alive = self.alive | (a != 0).any(axis=0)
        self.saturated += _saturated(self.site, operation, before, after)
        for sums, values in ((self.before, _by_channel(before, axis)), (self.after, a)):
            sums[0] = sums[0] + values.sum(axis=0)
            sums[1] = sums[1] + np.square(values).sum(axis=0)

    def row(self) -> dict[str, Any]:
        function = sorted(families(self.site.function)) or [type(self.site.function).__name__]
        row: dict[str, Any] = {
            "site": _call_name(self.site, self.number),
            "activation": function[0],
            "built_in": self.site.built_in,
        }
        for prefix, (total, squares) in (("", self.after), ("before_", self.before)):
            mean = float(np.mean(total) / self.count)
            row[f"{prefix}mean"] = mean
            row[f"{prefix}std"] = math.sqrt(max(float(np.mean(squares) / self.count) - mean**2, 0.0))
            row[f"{prefix}squared_mean"] = float(np.mean(np.square(total / self.count)))
        row["zero_fraction"] = self.zeros / self.entries
        row["saturated_fraction"] = self.saturated / self.entries
        row["dead_units"] = int(np.size(self.alive) - np.count_nonzero(self.alive))
        row["units"] = int(np.size(self.alive))
        return row


@dataclass(frozen=True)
class _Unit:
    """A residual unit: the node of its addition, the tensor the branch adds, the tensor the unit returns."""

    addition: Any
    branch: Any
    output: Any


def _instrumented(model: keras.Model) -> tuple[keras.Model, dict[int, Site]]:
    """A copy of `model` in which every site is an operation of its own, and `id` of that -> the site."""
    replace: dict[Any, list[Part]] = {}
    visited: dict[int, Site] = {}
    for number, site in enumerate(sites(model)):
        operation = site.operation
        if site.built_in:
            parts = split_parts(operation, f"site_{number}_of_{operation.name}")
        else:
            stateful = isinstance(operation, layers.Layer) and bool(operation.variables)
            parts = [Part(copy_layer(operation), copy_variables(operation) if stateful else None)]
        replace[operation] = parts
        visited[id(parts[-1].layer)] = site
    copy = rewrite(model, replace)
    # The layers are kept alive by the copy, so their ids stay theirs.
    return copy, visited


def _walk(
    model: keras.Model,
    inputs: list[Any],
    visit: Visit,
    *,
    training: bool = False,
    graph: Graph | None = None,
    measure: Callable[[Any, Any], None] | None = None,
) -> list[Any]:
    """Compute `model` call by call.

    Args:
        model: Its graph is walked, those of models nested in it too.
        inputs: Arrays or tensors, one for each of `model.inputs`.
        visit: Called with each operation of one output, its first input and its output; what it returns,
            unless None, takes the place of the output.
        training: As in `model(x, training=...)`.
        graph: That of `model`, where it is at hand.
        measure: Called with each tensor of the graph of `model` and its value.

    Returns:
        The outputs.
    """
    graph = graph or read(model)
    symbols = keras.tree.flatten(model.inputs)
    values: dict[int, Any] = {}
    for symbol, value in zip(symbols, inputs, strict=True):
        values[id(symbol)] = ops.convert_to_tensor(value, dtype=symbol.dtype)
    if measure is not None:
        for symbol in symbols:
            measure(symbol, values[id(symbol)])
    left = {tensor: len(nodes) for tensor, nodes in graph.consumers.items()}
    for node in graph.nodes:
        operation = node.operation
        args, kwargs = node.arguments.fill_in(values)
        if isinstance(operation, keras.Model):
            flat = [values[id(tensor)] for tensor in node.input_tensors]
            results = _walk(operation, flat, visit, training=training)
        else:
            if "training" in inspect.signature(operation.call).parameters:
                kwargs = {**kwargs, "training": training}
            results = keras.tree.flatten(operation(*args, **kwargs))
            if len(results) == 1:
                instead = visit(operation, values[id(node.input_tensors[0])], results[0])
                results = results if instead is None else [instead]
        for tensor, value in zip(node.outputs, results, strict=True):
            values[id(tensor)] = value
            if measure is not None:
                measure(tensor, value)
        for tensor in node.input_tensors:
            left[id(tensor)] -= 1
            if not left[id(tensor)] and not graph.is_output(tensor):
                values.pop(id(tensor), None)
    return [values[id(tensor)] for tensor in keras.tree.flatten(model.outputs)]


def _arrays(model: keras.Model, x: Any) -> list[Any]:
    symbols = keras.tree.flatten(model.inputs)
    if isinstance(x, dict) and not isinstance(input_structure(model), dict):
        missing = [symbol.name for symbol in symbols if symbol.name not in x]
        arrays = [] if missing else [x[symbol.name] for symbol in symbols]
    else:
        arrays = keras.tree.flatten(x) if isinstance(x, (list, tuple, dict)) else [x]
    if len(arrays) != len(symbols) or len({len(array) for array in arrays}) != 1:
        raise ValueError(
            f"{model.name!r} takes one array for each of {[symbol.name for symbol in symbols]}, with the same number of "
            f"samples; received {keras.tree.map_structure(np.shape, x)}."
        )
    return arrays


def _call_name(site: Site, number: int) -> str:
    return site.name if number == 1 else f"{site.name}:{number}"


def _channel_axis(operation: Any, tensor: Any) -> int:
    default = keras.config.image_data_format() if len(tensor.shape) == 4 else "channels_last"
    return 1 if getattr(operation, "data_format", default) == "channels_first" else -1


def _by_channel(tensor: Any, axis: int) -> np.ndarray:
    """Values as float64, shape `(samples x pixels, channels)`."""
    array = np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")), "float64")
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])


def _channel_moments(tensor: Any) -> tuple[float, float]:
    default = keras.config.image_data_format() if len(tensor.shape) == 4 else "channels_last"
    values = _by_channel(tensor, 1 if default == "channels_first" else -1)
    return float(values.var(axis=0).mean()), float(np.square(values.mean(axis=0)).mean())


def _saturated(site: Site, operation: Any, before: Any, after: Any) -> float:
    """How many values lie where the activation is flat."""
    known = families(site.function)
    if known & {"softmax"}:
        slope = after * (1.0 - after)
    elif known & {"log_softmax"}:
        slope = 1.0 - ops.exp(after)
    elif known & {"glu", "sparsemax"}:
        return math.nan
    else:
        z = ops.cast(before, "float32")
        # Relative to the value: a fixed step would be lost in the rounding of large ones.
        step = 1e-3 * ops.maximum(ops.abs(z), 1.0)
        up, down = z + step, z - step
        slope = (operation.call(up) - operation.call(down)) / (up - down)
    flat = ops.convert_to_numpy(ops.abs(slope)) < SATURATED_SLOPE
    return float(flat.sum())


def _residual_units(graph: Graph) -> list[_Unit]:
    depth: dict[int, int] = {}
    found = []
    for node in graph.nodes:
        parents = [depth.get(id(producer(tensor)), 0) for tensor in node.input_tensors]
        depth[id(node)] = 1 + max(parents, default=0)
        if type(node.operation).__name__ == "Add" and len(node.input_tensors) > 1:
            deepest = max(node.input_tensors, key=lambda tensor: depth.get(id(producer(tensor)), 0))
            found.append((node, deepest, _followers(graph, node)))
    # What stands behind every addition belongs to the unit; what stands behind some belongs to the next one
    # or the head.
    behind = min((len(tensors) for *_, tensors in found), default=1)
    return [_Unit(node, branch, tensors[behind - 1]) for node, branch, tensors in found]


def _followers(graph: Graph, node: Any) -> list[Any]:
    """The output of `node` and those of the normalisation and activation that alone read it, one after the other."""
    tensors = [node.outputs[0]]
    kinds = (
        layers.BatchNormalization,
        layers.Activation,
        layers.ReLU,
        layers.LeakyReLU,
        layers.PReLU,
        layers.ELU,
    )
    while len(readers := graph.readers(tensors[-1])) == 1 and isinstance(readers[0].operation, kinds):
        tensors.append(readers[0].outputs[0])
    return tensors


def _gradients(
    objective: Callable[[list[Any]], Any], shifts: list[np.ndarray], variables: list[Any]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The gradients of `objective` by its arguments and by the variables it uses, as arrays."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tensors = [tf.constant(shift) for shift in shifts]
        with tf.GradientTape() as tape:
            for tensor in tensors:
                tape.watch(tensor)
            value = objective(tensors)
        sources = [*tensors, *(variable.value for variable in variables)]
        found = tape.gradient(value, sources, unconnected_gradients="zero")
    elif backend == "jax":
        import jax

        def function(tensors: list[Any], values: list[Any]) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return objective(tensors)

        by_shift, by_value = jax.grad(function, argnums=(0, 1))(shifts, [v.value for v in variables])
        found = [*by_shift, *by_value]
    elif backend == "torch":
        import torch

        tensors = [ops.convert_to_tensor(shift).requires_grad_() for shift in shifts]
        sources = [*tensors, *(variable.value for variable in variables)]
        with torch.enable_grad():
            found = torch.autograd.grad(objective(tensors), sources, allow_unused=True)
        found = [torch.zeros_like(s) if g is None else g for s, g in zip(sources, found, strict=True)]
    else:
        raise NotImplementedError(
            f"gradient_stats needs TensorFlow, JAX or Torch as the Keras backend; this is {backend!r}."
        )
    arrays = [np.asarray(ops.convert_to_numpy(gradient)) for gradient in found]
    return arrays[: len(shifts)], arrays[len(shifts) :]
