"""Runs of identical units become one layer, and back."""

from __future__ import annotations

import inspect
import os.path
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import keras

from zoo.callers import outside
from zoo.graph import (
    Graph,
    Part,
    Stretch,
    copy_layer,
    copy_variables,
    draw_nothing,
    graphs,
    inbound_nodes,
    read,
    rewrite,
    seeds_untouched,
    take_attributes,
)
from zoo.graph.internals import is_remat, trains
from zoo.graph.nested import data_tensors, masked_tensors
from zoo.rolled import RolledUnits
from zoo.transforms.signature import shape_of, signature

# Segments between two points where all the data is one tensor; a unit of more of them is not looked for.
LONGEST_UNIT = 24
# Sizes of an image on which a unit of open sizes is asked whether it keeps them.
OPEN_SIZES = (64, 75, 131)


@seeds_untouched()
def unroll(model: keras.Model, *, probe: Any = None) -> keras.Model:
    """Give every rolled unit layers of its own.

    The result is the net that `zoo.build(..., rolled=False)` makes, of stock layers with the usual names: a
    saved file loads without zoo, and every transform and probe applies. Outputs, gradients and moving
    statistics are those of `model`.

    Args:
        model: A Functional model with `RolledUnits` layers, in it or in models nested in it. It is left untouched.
        probe: Inputs, as `model` takes them, on which the new layers are compared with the original; None draws
            a small batch, False compares nothing.

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
    rolled = {
        node.operation
        for graph in _read_functional(model)
        for node in graph.nodes
        if isinstance(node.operation, RolledUnits)
    }
    if not rolled:
        raise ValueError(
            f"model {model.name!r} has no RolledUnits layer, so there is nothing to unroll; such models come "
            "from zoo.build(..., rolled=True) and zoo.transforms.roll."
        )
    replace = {}
    for layer in rolled:
        separate = _Separate(layer)
        replace[layer] = [Part(separate, separate.fill)]
    return rewrite(model, replace, exact=True, probe=probe)


class _Separate:
    """The units of a rolled layer as separate layers; called on a tensor like the layer itself."""

    def __init__(self, rolled: RolledUnits):
        pattern = read(rolled.unit.model)
        self.name = rolled.name
        self._rolled = rolled
        self._units = [
            [
                (node, copy_layer(node.operation, name=rolled.layer_name(node.operation, index)))
                for node in pattern.nodes
            ]
            for index in range(len(rolled.units))
        ]
        self._ends = pattern.model.inputs[0], pattern.model.outputs[0]
        self._initializers = [one for unit in self._units for _, layer in unit for one in draw_nothing(layer)]

    def __call__(self, x: Any) -> Any:
        entry, exit_ = self._ends
        for unit in self._units:
            x = _run_nodes(unit, {id(entry): x})[id(exit_)]
        return x

    def fill(self, _: Any) -> None:
        """Give the layers their slices of the stacked weights."""
        layers = {
            layer.name: layer
            for unit in self._units
            for _, layer in unit
            if isinstance(layer, keras.layers.Layer)
        }
        for layer, attribute, initializer in self._initializers:
            setattr(layer, attribute, initializer)
        for unit in self._units:
            _take_over(unit)
        self._rolled.scatter(layers.__getitem__)
        for layer in layers.values():
            # The unit says of what has no weights whether it is frozen by itself.
            if layer.weights or not self._rolled.trainable:
                layer.trainable = self._rolled.trainable


def _take_over(unit: list[tuple[Any, Any]]) -> None:
    """Carry over what the layers of the nodes keep, weights and other things, to those beside them."""
    for node, layer in unit:
        if isinstance(layer, keras.layers.Layer):
            copy_variables(node.operation)(layer)
            take_attributes(node.operation, layer)


def _run_nodes(unit: list[tuple[Any, Any]], tensors: dict[int, Any]) -> dict[int, Any]:
    """Call for each pair of node and operation the operation as the node was; `tensors` by `id` of the old."""
    for node, operation in unit:
        args, kwargs = node.arguments.fill_in(tensors)
        results = keras.tree.flatten(operation(*args, **kwargs))
        tensors.update((id(old), new) for old, new in zip(node.outputs, results, strict=True))
    return tensors


@seeds_untouched()
def roll(model: keras.Model, *, remat: bool = False, probe: Any = None) -> keras.Model:
    """Make one layer of every run of identical units.

    A unit is what lies between two points of the graph where all the data is one tensor: a residual unit, or
    the layers from one convolution of a plain net to the next. Units that follow each other are identical if
    their layers, settings, remat scopes and shapes are, functions and constants included; names do not count, nor how weights
    that are there once started. The net may be anybody's. Names that follow a rule, `block1_conv`,
    `block2_conv`, come back with `unroll`. Nested models are looked into, wrappers such as `TimeDistributed` and
    layers of one's own are not. A run that cannot be one layer stays as it is, with a warning that says why.

    Args:
        model: A Functional model. It is left untouched.
        remat: Whether the rolled layers recompute activations in training instead of keeping them; units with a
            layer made in a `keras.RematScope` do in any case.
        probe: Inputs, as `model` takes them, on which rolled units and copied layers are compared with the
            original; None draws a small batch, False compares nothing.

    Returns:
        A new model, not compiled, with the weights of `model` in stacked variables.

    Raises:
        TypeError: `model` is no Keras model, or a subclassed or Sequential one.
        ValueError: no two neighbouring units are identical, none that are can be one layer, a copy computes something
            else, or the backend has no loop.

    Example:
        >>> import keras, zoo
        >>> net = keras.applications.ResNet50(weights=None)
        >>> rolled = zoo.transforms.roll(net)
        >>> [layer.name for layer in rolled.layers if "_to_" in layer.name][-1]
        'conv5_block2_to_3'
    """
    stretches, obstacles = [], []
    found = _read_functional(model)
    masked = masked_tensors(found)
    for graph in found:
        finder = _Finder(_segments(graph), graph.path)
        for run in finder.runs():
            try:
                _refuse_masked(run, graph, masked)
                stretches.append(_stretch(run, graph, remat))
            except ValueError as error:
                obstacles.append(f"the run from {graph.path + run.nodes[0][0].operation.name!r}: {error}")
        obstacles += finder.obstacles
    if not stretches:
        obstacles = obstacles or [reason for graph in found for reason in _kept_apart_by_masks(graph, masked)]
        nothing = (
            "what would become one layer must repeat with the same layers, settings and shapes, and return the "
            "shape it receives."
        )
        raise ValueError(
            f"model {model.name!r} has no two identical units in a row that can be one layer: "
            f"{obstacles[0] if obstacles else nothing}"
        )
    if obstacles:
        warnings.warn(f"roll leaves a part of {model.name!r} as it is: {obstacles[0]}", stacklevel=outside())
    return rewrite(model, stretches=stretches, exact=True, probe=probe)


def _refuse_masked(run: _Run, graph: Graph, masked: set[int]) -> None:
    """Refuse a run through which a mask goes to something that may read it: a compiled loop carries none."""
    waiting = [tensor for tensor in (run.entry, run.exit) if id(tensor) in masked]
    while waiting:
        tensor = waiting.pop()
        readers = [node for node in graph.readers(tensor) if _takes_a_mask(node.operation)]
        if readers or graph.is_output(tensor):
            reader = repr(readers[0].operation.name) if readers else f"the output of {graph.model.name!r}"
            raise ValueError(f"a mask goes through it to {reader}, and a loop passes none on.")
        waiting += [made for node in graph.readers(tensor) for made in node.outputs if id(made) in masked]


def _kept_apart_by_masks(graph: Graph, masked: set[int]) -> Iterator[str]:
    """Why runs are none that would be without the masks that Keras has recorded as arguments of their calls."""
    consumers: dict[int, list[Any]] = {}
    kept: list[Any] = []
    for node in reversed(graph.nodes):
        if not any(id(tensor) in consumers or graph.is_output(tensor) for tensor in node.outputs):
            continue  # it computes a mask
        kept.append(node)
        for tensor in data_tensors(node):
            consumers.setdefault(id(tensor), []).append(node)
    bare = replace(graph, nodes=tuple(reversed(kept)), consumers=consumers)
    for run in _Finder(_segments(bare), graph.path).runs() if len(kept) < len(graph.nodes) else ():
        reason = "a mask goes into it, and a loop passes none on."
        try:
            _refuse_masked(run, graph, masked)
        except ValueError as error:
            reason = str(error)
        yield f"the run from {graph.path + run.nodes[0][0].operation.name!r}: {reason}"


def _takes_a_mask(operation: Any) -> bool:
    if not isinstance(operation, keras.layers.Layer):
        return False
    return any("mask" in name for name in inspect.signature(operation.call).parameters)


def _stretch(run: _Run, graph: Graph, remat: bool) -> Stretch:
    if isinstance(graph.model, keras.Sequential):
        raise ValueError(
            f"it is in the Sequential model {graph.model.name!r}, which could not hold the units again after unroll; "
            f"nest keras.Model(inner.inputs, inner.outputs) in its place."
        )
    layer = run.layer(remat)
    nodes = tuple(node for unit in run.nodes for node in unit)
    return Stretch(nodes, run.entry, run.exit, [Part(layer, run.fill(layer))])


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
            calls.append((reads, signature(node)))
        return shape_of(self.entry), calls


@dataclass(frozen=True)
class _Run:
    """Neighbouring units that compute the same function."""

    nodes: list[tuple[Any, ...]]
    entry: Any
    exit: Any
    first_exit: Any

    @property
    def trainable(self) -> bool:
        """Whether the layers with weights are; identical units agree on it."""
        operations = [node.operation for node in self.nodes[0]]
        return all(operation.trainable for operation in operations if getattr(operation, "weights", None))

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
        unit = [(node, copy_layer(node.operation)) for node in first]
        pattern = keras.Model(
            x, _run_nodes(unit, {id(self.entry): x})[id(self.first_exit)], name=f"{start}_pattern"
        )
        _take_over(unit)
        for _, layer in unit:
            # A frozen run is rolled like another, and frozen as a whole afterwards.
            if isinstance(layer, keras.layers.Layer) and not self.trainable:
                layer.trainable = True
        units = self.prefixes or [f"{start}_run{i}_" for i in range(1, len(self.nodes) + 1)]
        number = re.search(r"\d+$", units[-1])
        end = number[0] if self.prefixes and number else f"{len(units)}"
        name = f"{units[0].rstrip('_')}_to_{end}"
        # A loop recomputes a unit or keeps it, as a whole.
        remat = remat or any(is_remat(node.operation) for node in first)
        return RolledUnits(pattern, units, remat=remat, name=name, trainable=self.trainable)

    def fill(self, rolled: RolledUnits) -> Callable[[Any], None]:
        """What gives `rolled` the weights of the separate layers."""
        return lambda layer: layer.gather(self.originals(rolled).__getitem__)

    def originals(self, rolled: RolledUnits) -> dict[str, Any]:
        """The separate layers by the names that `rolled` knows them under."""
        return {
            rolled.layer_name(pattern.operation, index): node.operation
            for index, unit in enumerate(self.nodes)
            for pattern, node in zip(self.nodes[0], unit, strict=True)
        }


def _read_functional(model) -> list[Graph]:
    found = graphs(model)
    if isinstance(model, keras.Sequential):
        raise TypeError(
            f"model {model.name!r} is a keras.Sequential; pass keras.Model(model.inputs, model.outputs)."
        )
    return found


def _segments(graph: Graph) -> list[_Segment]:
    waiting = {id(t): len(graph.readers(t)) for t in keras.tree.flatten(graph.model.inputs)}
    live = {id(t): t for t in keras.tree.flatten(graph.model.inputs)}
    segments, nodes = [], []
    entry = next(iter(live.values())) if len(live) == 1 else None
    for node in graph.nodes:
        nodes.append(node)
        for tensor in node.input_tensors:
            if id(tensor) not in waiting:
                continue  # a mask that is left out of the graph
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


@dataclass
class _Finder:
    """Finds the runs of identical units.

    Attributes:
        segments: Of the graph.
        path: Where it is nested.
        obstacles: Why units that are identical cannot be one layer, as phrases.
    """

    segments: list[_Segment]
    path: str = ""
    obstacles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._signatures = [segment.signature() for segment in self.segments]

    def runs(self) -> Iterator[_Run]:
        """The runs, in order."""
        segments, place = self.segments, 0
        while place < len(segments):
            period, count = self._best_period(place)
            if count < 2:
                place += 1
                continue
            # The same repetition can be cut at several places; the names say where a unit begins for its author.
            cuts = []
            for start in range(place, place + period):
                repeats = self._repeats(start, period)
                if repeats > 1 and self._is_unit(segments[start : start + period]):
                    run = _run(segments, start, period, repeats)
                    cuts.append((run.prefixes is not None, repeats, -start, run))
            *_, start, run = max(cuts, key=lambda cut: cut[:3])
            yield run
            place = -start + len(run.nodes) * period

    def _best_period(self, place: int) -> tuple[int, int]:
        best = (0, 0)
        for period in range(1, min(LONGEST_UNIT, (len(self.segments) - place) // 2) + 1):
            count = self._repeats(place, period)
            longer = count > 1 and period * count > best[0] * best[1]
            if longer and self._is_unit(self.segments[place : place + period]):
                best = (period, count)
        return best

    def _repeats(self, start: int, period: int) -> int:
        signatures, count = self._signatures, 1
        while (
            signatures[start : start + period]
            == signatures[start + count * period : start + (count + 1) * period]
        ):
            count += 1
        return count

    def _is_unit(self, segments: list[_Segment]) -> bool:
        operations = [node.operation for segment in segments for node in segment.nodes]
        if shape_of(segments[0].entry) != shape_of(segments[-1].exit):
            return False
        if not any(getattr(operation, "weights", None) for operation in operations):
            return False
        if any(isinstance(o, keras.Model | RolledUnits) or len(inbound_nodes(o)) > 1 for o in operations):
            return False
        flags = {o.name: trains(o) for o in operations if getattr(o, "weights", None)}
        in_part = any(o.trainable != flags[o.name] for o in operations if o.name in flags)
        if len(set(flags.values())) > 1 or in_part:
            frozen = [name for name, flag in flags.items() if not flag]
            self._say(
                f"in the unit from {self.path + operations[0].name!r} {', '.join(map(repr, frozen[:3]))} is frozen and the rest "
                f"is not, and a rolled unit is frozen as a whole or not at all; set trainable of all its layers to "
                f"one value, roll, and freeze the rolled layer."
            )
            return False
        return _keeps_open_sizes(segments)

    def _say(self, reason: str) -> None:
        if reason not in self.obstacles:
            self.obstacles.append(reason)


def _keeps_open_sizes(segments: list[_Segment]) -> bool:
    """Whether a unit returns the sizes it receives where they are not known yet: a valid convolution does not."""
    entry, exit_ = segments[0].entry, segments[-1].exit
    if None not in entry.shape[1:]:
        return True
    for size in OPEN_SIZES:
        shape = (entry.shape[0], *(size if n is None else n for n in entry.shape[1:]))
        tensors = {id(entry): keras.KerasTensor(shape, entry.dtype)}
        nodes = [node for segment in segments for node in segment.nodes]
        try:
            _run_nodes([(node, node.operation.compute_output_spec) for node in nodes], tensors)
        except Exception:  # no image of that size: no unit either
            return False
        if tuple(tensors[id(exit_)].shape) != shape:
            return False
    return True


def _run(segments, start: int, period: int, repeats: int) -> _Run:
    units = [segments[start + k * period : start + (k + 1) * period] for k in range(repeats)]
    nodes = [tuple(node for segment in unit for node in segment.nodes) for unit in units]
    return _Run(nodes, units[0][0].entry, units[-1][-1].exit, units[0][-1].exit)


def _prefix(names: list[str]) -> str:
    prefix = os.path.commonprefix(names)  # noqa: RUF071 (of characters is what is meant)
    if prefix in names or prefix.endswith("_") or "_" not in prefix:
        return prefix.rstrip("_")
    return prefix[: prefix.rfind("_")]
