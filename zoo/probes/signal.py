"""The signal after every residual unit, by depth: one row of numbers a unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from zoo.activations import (
    adds,
    is_addition,
    listed,
    separate_function,
    takes_activation,
    warn_unseen,
)
from zoo.batches import is_stream, read_batches
from zoo.graph import ChannelAxes, Graph, flatten_layers, graphs, producer, seeds_untouched
from zoo.probes.computation import by_channel, compute
from zoo.probes.rows import Rows
from zoo.slimming.linear_fit import require_channels

NORMALIZATIONS = (
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.GroupNormalization,
    layers.RMSNormalization,
    layers.UnitNormalization,
)
# The classes that `keras.ops.layer_normalization(x)` and its like leave in a graph.
_OPERATIONS = frozenset({"BatchNorm", "LayerNorm", "Normalize", "RMSNorm"})


@seeds_untouched()
def signal_propagation(
    model: keras.Model, x: Any, *, training: bool = True, batches: int | None = None
) -> Rows:
    r"""The signal after every residual unit, by depth.

    With $h$ the output of a unit, mean and variance taken for each channel over samples and pixels, a row has
    `variance`, $\operatorname{mean}_c \operatorname{Var}(h_c)$, and `squared_mean`,
    $\operatorname{mean}_c \operatorname{E}(h_c)^2$, of the output; `branch_variance` and
    `branch_squared_mean` of what the residual branch adds; all without unit. At He initialisation a fully
    pre-activated net gains 0.68 of variance and 0.32 of squared mean in each unit, since its branch sees the
    same normalised signal at every depth.

    A unit ends at an addition and what follows every addition of its graph, as layers or bare operations: nothing, or
    normalisation and activation, in whichever order. The branch is the summand with the longer way from the input. Units of
    nested models are rows too, where the nested model stands; one called twice has two of each.

    Args:
        model: A Functional or built Sequential model with residual units. It is left untouched.
        x: Inputs, as `model.predict` takes arrays; one batch. Or a Dataset, PyDataset, loader or generator;
            then its batches are measured together, each computed by itself.
        training: Normalise by the statistics of the batch, as in the first training step. At initialisation
            the moving statistics are still 0 and 1, so inference would show a net without normalisation.
        batches: Number of batches to read; all by default. Required where `x` may have no end.

    Returns:
        One row per unit, with the keys `unit` (1 for the first), `name` (of the addition, after those of the
        models it is nested in; `name:2` for its second call), `variance`, `squared_mean`, `branch_variance`,
        `branch_squared_mean`. A list with the attribute `unseen`, as in `activation_stats`: layers that may
        hold additions of their own.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph; `batches` is no integer.
        ValueError: it has no graph yet, or no additions; `x` does not fit it, has less than `batches` or no end, or a unit
            has other channels in one batch than in another.

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
    found = graphs(model)
    units = {graph.path: residual_units(graph) for graph in found}
    hidden = _hidden(found)
    if not any(units.values()):
        raise ValueError(
            f"{model.name!r} has no additions that can be seen, so no residual units; activation_stats has a row "
            f"per activation." + (f" Not seen: {listed(hidden)}." if hidden else "")
        )
    axes = ChannelAxes(model)
    wanted: dict[int, list[tuple[str, str]]] = {}
    for graph in found:
        for unit in units[graph.path]:
            name = graph.path + unit.addition.operation.name
            wanted.setdefault(id(unit.branch), []).append((name, "branch_"))
            wanted.setdefault(id(unit.output), []).append((name, ""))
    sums: dict[str, dict[str, _Moments]] = {}

    for arrays, _ in read_batches(model, x, batch_size=_all_samples(x), batches=batches):
        seen: dict[tuple[str, str], int] = {}

        def measure(tensor: Any, value: Any, seen: dict[tuple[str, str], int] = seen) -> None:
            for name, prefix in wanted.get(id(tensor), ()):
                number = seen[name, prefix] = seen.get((name, prefix), 0) + 1
                label = name if number == 1 else f"{name}:{number}"
                moments = sums.setdefault(label, {}).setdefault(prefix, _Moments())
                moments.add(by_channel(value, axes.of(tensor)), label)

        with keras.StatelessScope():
            compute(model, arrays, training=training, measure=measure)
    rows = []
    for number, (name, both) in enumerate(sums.items(), start=1):
        row: dict[str, Any] = {"unit": number, "name": name}
        for prefix in ("", "branch_"):
            row[f"{prefix}variance"], row[f"{prefix}squared_mean"] = both[prefix].row()
        rows.append(row)
    warn_unseen("signal_propagation", model, hidden)
    return Rows(rows, hidden)


class _Moments:
    """Mean and variance of each channel, put together from batches without losing digits."""

    def __init__(self):
        self.count = 0
        self.mean: Any = 0.0
        self.squares: Any = 0.0

    def add(self, values: np.ndarray, name: str) -> None:
        mean = values.mean(axis=0)
        if self.count:
            require_channels(name, len(self.mean), len(mean))
        total = self.count + len(values)
        away = mean - self.mean
        self.squares = (
            self.squares
            + np.square(values - mean).sum(axis=0)
            + np.square(away) * (self.count * len(values) / total)
        )
        self.mean = self.mean + away * (len(values) / total)
        self.count = total

    def row(self) -> tuple[float, float]:
        return float(np.mean(self.squares / self.count)), float(np.square(self.mean).mean())


@dataclass(frozen=True)
class Unit:
    """A residual unit: the node of its addition, the tensor the branch adds, the tensor the unit returns."""

    addition: Any
    branch: Any
    output: Any


def residual_units(graph: Graph) -> list[Unit]:
    """The units of one graph, in the order of the computation."""
    depth: dict[int, int] = {}
    found = []
    for node in graph.nodes:
        parents = [depth.get(id(producer(tensor)), 0) for tensor in node.input_tensors]
        depth[id(node)] = 1 + max(parents, default=0)
        if is_addition(node.operation) and len(node.input_tensors) > 1:
            deepest = max(node.input_tensors, key=lambda tensor: depth.get(id(producer(tensor)), 0))
            found.append((node, deepest, followers(graph, node)))
    # What follows every addition belongs to the unit; what follows some belongs to the next one or the head.
    after = min((len(tensors) for *_, tensors in found), default=1)
    return [Unit(node, branch, tensors[after - 1]) for node, branch, tensors in found]


def _hidden(found: list[Graph]) -> dict[str, str]:
    """Layers whose additions are no nodes of a graph -> where they are."""
    hidden = {}
    for graph in found:
        for node in graph.nodes:
            operation = node.operation
            if not isinstance(operation, layers.Layer) or isinstance(operation, keras.Model):
                continue
            for layer in flatten_layers(operation):
                shown = layer is operation and is_addition(layer)
                if adds(layer) or (isinstance(layer, layers.Add) and not shown):
                    where = f"inside {type(operation).__name__}" if layer is not operation else "in its call"
                    hidden[graph.path + operation.name] = f"{type(layer).__name__} adds, {where}"
    return hidden


def followers(graph: Graph, node: Any) -> list[Any]:
    """The output of `node` and those of the normalisation and activation that alone read it, one after the other."""
    tensors = [node.outputs[0]]
    while len(readers := graph.readers(tensors[-1])) == 1 and _follows(readers[0].operation):
        tensors.append(readers[0].outputs[0])
    return tensors


def _follows(operation: Any) -> bool:
    return is_activation(operation) or is_normalization(operation)


def is_activation(operation: Any) -> bool:
    """Whether `operation` applies an activation and nothing else."""
    # By its type; by the zoo's rule for names, which holds for an activation layer of the user's own, too.
    return (
        separate_function(operation) is not None
        or isinstance(operation, layers.Activation)
        or (operation.name.endswith("_act") and not takes_activation(operation))
    )


def is_normalization(operation: Any) -> bool:
    """Whether `operation` normalises, by its type or, where it is of the user's own, by the zoo's rule for names."""
    if isinstance(operation, NORMALIZATIONS) or operation.name.endswith("_norm"):
        return True
    return type(operation).__module__.startswith("keras.") and type(operation).__name__ in _OPERATIONS


def _all_samples(x: Any) -> int | None:
    """Arrays are one batch, whatever their length."""
    if is_stream(x):
        return None
    lengths = (array.shape[0] for array in keras.tree.flatten(x) if getattr(array, "shape", ()))
    return max((length for length in lengths if length), default=1)
