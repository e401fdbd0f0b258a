"""Runs of identical units become one layer, and back."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from zoo.graph import Graph, Part, copy_layer, copy_variables, producer, read, rewrite, seeds_untouched
from zoo.rolled import RolledUnits

# Segments between two points where all the data is one tensor; a unit of more of them is not looked for.
LONGEST_UNIT = 24


@seeds_untouched()
def unroll(model: keras.Model) -> keras.Model:
    """Give every rolled unit layers of its own.

    The result is the net that `zoo.build(..., rolled=False)` makes, of stock layers with the usual names: a
    saved file loads without zoo, and every transform and probe applies. Outputs, gradients and moving
    statistics are those of `model`.

    Args:
        model: A Functional model with `RolledUnits` layers. It is left untouched.

    Returns:
        A new model, not compiled, with the weights of `model`.

    Raises:
        TypeError: `model` is no Keras model, or a subclassed or Sequential one.
        ValueError: it has no rolled units.

    Example:
        >>> import zoo
        >>> rolled = zoo.build("resnet20", rolled=True)
        >>> len(rolled.layers), len(zoo.transforms.unroll(rolled).layers)
        (30, 76)
    """
    graph = _read_functional(model)
    rolled = {node.operation for node in graph.nodes if isinstance(node.operation, RolledUnits)}
    if not rolled:
        raise ValueError(
            f"model {model.name!r} has no RolledUnits layer, so there is nothing to unroll; such models come "
            "from zoo.build(..., rolled=True) and zoo.transforms.roll."
        )
    new = rewrite(model, {layer: [Part(_Separate(layer))] for layer in rolled})
    for layer in rolled:
        layer.scatter(new.get_layer)
        for index in range(len(layer.units)):
            for pattern in _layers(layer.unit.model):
                new.get_layer(layer.layer_name(pattern, index)).trainable = layer.trainable
    return new


class _Separate:
    """The units of a rolled layer as separate layers; called on a tensor like the layer itself."""

    def __init__(self, rolled: RolledUnits):
        pattern = read(rolled.unit.model)
        self._units = [
            [
                (node, copy_layer(node.operation, name=rolled.layer_name(node.operation, index)))
                for node in pattern.nodes
            ]
            for index in range(len(rolled.units))
        ]
        self._ends = pattern.model.inputs[0], pattern.model.outputs[0]

    def __call__(self, x):
        entry, exit_ = self._ends
        for unit in self._units:
            tensors = {id(entry): x}
            for node, layer in unit:
                args, kwargs = node.arguments.fill_in(tensors)
                tensors[id(node.outputs[0])] = layer(*args, **kwargs)
            x = tensors[id(exit_)]
        return x


@seeds_untouched()
def roll(model: keras.Model, *, remat: bool = False) -> keras.Model:
    """Make one layer of every run of identical units.

    A unit is what lies between two points of the graph where all the data is one tensor: a residual unit, or
    the layers from one convolution of a plain net to the next. Units that follow each other are identical if
    their layers, settings and shapes are; names and initialisers do not count. The net may be anybody's.
    Names that follow a rule, `block1_conv`, `block2_conv`, come back with `unroll`.

    Args:
        model: A Functional model. It is left untouched.
        remat: Whether the rolled layers recompute activations in training instead of keeping them.

    Returns:
        A new model, not compiled, with the weights of `model` in stacked variables.

    Raises:
        TypeError: `model` is no Keras model, or a subclassed or Sequential one.
        ValueError: no two neighbouring units are identical, or the backend has no loop.

    Example:
        >>> import keras, zoo
        >>> net = keras.applications.ResNet50(weights=None)
        >>> rolled = zoo.transforms.roll(net)
        >>> [layer.name for layer in rolled.layers if "_to_" in layer.name][-1]
        'conv5_block2_to_3'
    """
    graph = _read_functional(model)
    segments = _segments(graph)
    runs = list(_runs(segments))
    if not runs:
        raise ValueError(
            f"model {model.name!r} has no two identical units in a row: what would become one layer must "
            "repeat with the same layers, settings and shapes, and return the shape it receives."
        )
    inputs = {id(t): _copy_input(t) for t in keras.tree.flatten(model.inputs)}
    tensors, rolled = dict(inputs), []
    copies: dict[Any, tuple[Any, Any]] = {}
    replaced = {id(run.nodes[0][0]): run for run in runs}
    covered = {id(node) for run in runs for unit in run.nodes for node in unit}
    for node in graph.nodes:
        if id(node) in replaced:
            run = replaced[id(node)]
            layer = run.layer(remat)
            tensors[id(run.exit)] = layer(tensors[id(run.entry)])
            rolled.append((layer, run))
        elif id(node) not in covered:
            copy = copies.setdefault(id(node.operation), (node.operation, copy_layer(node.operation)))[1]
            args, kwargs = node.arguments.fill_in(tensors)
            results = keras.tree.flatten(copy(*args, **kwargs))
            tensors.update((id(old), new) for old, new in zip(node.outputs, results, strict=True))
    new = keras.Model(
        keras.tree.map_structure(lambda t: tensors[id(t)], model.input),
        keras.tree.map_structure(lambda t: tensors[id(t)], model.output),
        name=model.name,
    )
    for old, copy in copies.values():
        if isinstance(old, keras.layers.Layer):
            copy.trainable = old.trainable
            copy_variables(old)(copy)
    for layer, run in rolled:
        layer.trainable = run.trainable
        layer.gather(run.originals(layer).__getitem__)
    return new


@dataclass(frozen=True)
class _Segment:
    """The calls between two points where all the data is one tensor."""

    nodes: tuple[Any, ...]
    entry: Any
    exit: Any

    def signature(self) -> Any:
        """Equal for segments that compute the same function of their weights."""
        number = {id(self.entry): 0}
        calls = []
        for node in self.nodes:
            reads = tuple(number.get(id(t), -1) for t in node.input_tensors)
            for tensor in node.outputs:
                number[id(tensor)] = len(number)
            calls.append((reads, _signature_of(node)))
        return _shape(self.entry), calls


@dataclass(frozen=True)
class _Run:
    """Neighbouring units that compute the same function."""

    nodes: list[tuple[Any, ...]]
    entry: Any
    exit: Any
    first_exit: Any

    @property
    def trainable(self) -> bool:
        """Whether the layers are; identical units agree on it."""
        return all(getattr(node.operation, "trainable", True) for node in self.nodes[0])

    @property
    def prefixes(self) -> list[str] | None:
        """What the layer names of each unit begin with, if the rest is the same in all units."""
        names = [[node.operation.name for node in unit] for unit in self.nodes]
        prefixes = [_prefix(unit) for unit in names]
        rests = [[name.removeprefix(p) for name in unit] for unit, p in zip(names, prefixes, strict=True)]
        return prefixes if len(set(prefixes)) == len(prefixes) and all(r == rests[0] for r in rests) else None

    def layer(self, remat: bool) -> RolledUnits:
        """The rolled layer, not built."""
        first = self.nodes[0]
        start = first[0].operation.name
        x = keras.Input(batch_shape=self.entry.shape, dtype=self.entry.dtype, name=f"{start}_input")
        tensors = {id(self.entry): x}
        for node in first:
            args, kwargs = node.arguments.fill_in(tensors)
            tensors[id(node.outputs[0])] = copy_layer(node.operation)(*args, **kwargs)
        pattern = keras.Model(x, tensors[id(self.first_exit)], name=f"{start}_pattern")
        units = self.prefixes or [f"{start}_run{i}_" for i in range(1, len(self.nodes) + 1)]
        number = re.search(r"\d+$", units[-1])
        end = number[0] if self.prefixes and number else f"{len(units)}"
        return RolledUnits(pattern, units, remat=remat, name=f"{units[0].rstrip('_')}_to_{end}")

    def originals(self, rolled: RolledUnits) -> dict[str, Any]:
        """The separate layers by the names that `rolled` knows them under."""
        return {
            rolled.layer_name(pattern.operation, index): node.operation
            for index, unit in enumerate(self.nodes)
            for pattern, node in zip(self.nodes[0], unit, strict=True)
        }


def _read_functional(model) -> Graph:
    graph = read(model)
    if isinstance(model, keras.Sequential):
        raise TypeError(
            f"model {model.name!r} is a keras.Sequential; pass keras.Model(model.inputs, model.outputs)."
        )
    return graph


def _layers(model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


def _copy_input(tensor):
    layer = producer(tensor).operation
    return type(layer).from_config(layer.get_config()).output


def _segments(graph: Graph) -> list[_Segment]:
    waiting = {id(t): len(graph.readers(t)) for t in keras.tree.flatten(graph.model.inputs)}
    live = {id(t): t for t in keras.tree.flatten(graph.model.inputs)}
    segments, nodes = [], []
    entry = next(iter(live.values())) if len(live) == 1 else None
    for node in graph.nodes:
        nodes.append(node)
        for tensor in node.input_tensors:
            waiting[id(tensor)] -= 1
            if waiting[id(tensor)] == 0 and not graph.is_output(tensor):
                live.pop(id(tensor), None)
        for tensor in node.outputs:
            waiting[id(tensor)] = len(graph.readers(tensor))
            live[id(tensor)] = tensor
        if len(live) == 1:
            (exit_,) = live.values()
            if entry is not None and id(exit_) == id(node.outputs[0]):
                segments.append(_Segment(tuple(nodes), entry, exit_))
            nodes, entry = [], exit_
    return segments


def _runs(segments: list[_Segment]) -> Iterator[_Run]:
    signatures = [segment.signature() for segment in segments]
    place = 0
    while place < len(segments):
        period, count = _best_period(signatures, segments, place)
        if count < 2:
            place += 1
            continue
        # The same repetition can be cut at several places; the names say where a unit begins for its author.
        cuts = []
        for start in range(place, place + period):
            repeats = _repeats(signatures, start, period)
            if repeats > 1 and _is_unit(segments[start : start + period]):
                run = _run(segments, start, period, repeats)
                cuts.append((run.prefixes is not None, repeats, -start, run))
        *_, start, run = max(cuts, key=lambda cut: cut[:3])
        yield run
        place = -start + len(run.nodes) * period


def _best_period(signatures, segments, place) -> tuple[int, int]:
    best = (0, 0)
    for period in range(1, min(LONGEST_UNIT, (len(signatures) - place) // 2) + 1):
        count = _repeats(signatures, place, period)
        if count > 1 and period * count > best[0] * best[1] and _is_unit(segments[place : place + period]):
            best = (period, count)
    return best


def _repeats(signatures, start: int, period: int) -> int:
    count = 1
    while (
        signatures[start : start + period]
        == signatures[start + count * period : start + (count + 1) * period]
    ):
        count += 1
    return count


def _is_unit(segments: list[_Segment]) -> bool:
    operations = [node.operation for segment in segments for node in segment.nodes]
    return (
        _shape(segments[0].entry) == _shape(segments[-1].exit)
        and any(getattr(o, "trainable_variables", None) or getattr(o, "weights", None) for o in operations)
        and all(
            len(o._inbound_nodes) == 1 and not isinstance(o, keras.Model | RolledUnits) for o in operations
        )
        and len({getattr(o, "trainable", True) for o in operations}) == 1
    )


def _run(segments, start: int, period: int, repeats: int) -> _Run:
    units = [segments[start + k * period : start + (k + 1) * period] for k in range(repeats)]
    nodes = [tuple(node for segment in unit for node in segment.nodes) for unit in units]
    return _Run(nodes, units[0][0].entry, units[-1][-1].exit, units[0][-1].exit)


def _prefix(names: list[str]) -> str:
    prefix = os.path.commonprefix(names)  # noqa: RUF071 (of characters is what is meant)
    if prefix in names or prefix.endswith("_") or "_" not in prefix:
        return prefix.rstrip("_")
    return prefix[: prefix.rfind("_")]


def _shape(tensor) -> tuple:
    return tuple(tensor.shape), tensor.dtype


def _signature_of(node) -> tuple:
    operation = node.operation
    shapes = tuple(_shape(tensor) for tensor in node.outputs)
    rest = repr(
        [a for a in keras.tree.flatten((node.arguments.args, node.arguments.kwargs)) if not _is_tensor(a)]
    )
    if not isinstance(operation, keras.layers.Layer):
        plain = {k: v for k, v in vars(operation).items() if not k.startswith("_") and k != "name"}
        return type(operation), repr(sorted(plain.items())), rest, shapes
    try:
        config = operation.get_config()
    except Exception:  # a layer that cannot say what it is equals no other
        config = {"itself": id(operation)}
    kept = {k: v for k, v in config.items() if k != "name" and not k.endswith("_initializer")}
    return type(operation), repr(kept), operation.trainable, rest, shapes


def _is_tensor(value) -> bool:
    return isinstance(value, keras.KerasTensor)
