"""A model as one list of calls, cut at its activation sites, so that what comes after a cut can be run again.

Nested models are part of the list. The calls between two sites are one function, which TensorFlow compiles once
and every run from an earlier site uses again. What crosses a cut is kept no longer than it is read.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras

from zoo.activations import Site, sites
from zoo.graph import ChannelAxes, Graph, Part, flatten_layers, graphs, input_structure, read, rewrite
from zoo.graph.internals import as_taken, hears_of_training, keep_remat, mask_of, put_mask, standardised
from zoo.graph.nested import masked_tensors
from zoo.slimming.linear_fit import AffineMap, Moments, batch_moments

Values = dict[int, Any]


@dataclass(frozen=True)
class _Call:
    """One call; tensors are numbered, `reads` for each of `symbols`."""

    function: Callable[..., Any]
    node: Any
    symbols: tuple[Any, ...]
    reads: tuple[int, ...]
    writes: tuple[int, ...]


@dataclass(frozen=True)
class Cut:
    """One call of a site: it reads one numbered tensor and writes another.

    Attributes:
        site: Position of the site in `Execution.sites`.
        function: What it applies.
        reads: Number of the tensor before the activation.
        writes: Number of the tensor after it.
        axis: The axis of the channels.
        channels: How many there are.
    """

    site: int
    function: Callable[[Any], Any]
    reads: int
    writes: int
    axis: int
    channels: int | None


class Execution:
    """The calls of a copy of a model, in inference, cut at the sites to look at.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        names: Of the sites to cut at.
        replace: What takes the place of what in the copy without changing its values, as `rewrite` takes it, such
            as layers with a normalisation folded in.

    Attributes:
        sites: Names of the sites, in order.
        cuts: One for each call of a site, in the order of the computation.
    """

    def __init__(self, model: keras.Model, names: list[str], replace: dict[Any, list[Part]] | None = None):
        self.model = model
        self.sites = names
        copy = rewrite(model, replace, exact=True)
        found = graphs(copy)
        chosen = {id(site.operation): site for site in sites(copy) if site.name in set(names)}
        self._copy = copy
        for layer in flatten_layers(copy):
            keep_remat(None, layer)  # nothing goes backward here, and TensorFlow takes no `training` with it
        for site in chosen.values():
            if site.built_in:
                site.operation.activation = keras.activations.linear
        self._count = 0
        self._calls: list[_Call | Cut] = []
        self._found, self._chosen, self._axes = found, chosen, ChannelAxes(copy)
        self._with_mask, self._masked = masked_tensors(found), set[int]()
        slots = {id(t): self._number() for t in keras.tree.flatten(copy.inputs)}
        self.inputs = list(slots.values())
        self._flatten(found[0], slots)
        self.outputs = [slots[id(t)] for t in keras.tree.flatten(copy.outputs)]
        self.cuts = [call for call in self._calls if isinstance(call, Cut)]
        self._segments = self._cut()
        self._refuse_masks()
        self._begin = [(v, keras.ops.convert_to_numpy(v).copy()) for v in _movable(copy)]
        self._compiled: dict[tuple[int, bool], Callable[[list[Any]], list[Any]]] = {}

    def _number(self) -> int:
        self._count += 1
        return self._count - 1

    def _flatten(self, graph: Graph, slots: dict[int, int]) -> None:
        for node in graph.nodes:
            operation = node.operation
            if isinstance(operation, keras.Model):
                inner = read(operation)
                entries = _entries(node, operation)
                inside = {id(own): slots[id(given)] for own, given in entries}
                self._flatten(self._graph_of(operation) or inner, inside)
                for own, given in zip(keras.tree.flatten(operation.outputs), node.outputs, strict=True):
                    slots[id(given)] = inside[id(own)]
                continue
            reads = tuple(slots[id(t)] for t in node.input_tensors)
            site = self._chosen.get(id(operation))
            if site is not None and not site.built_in:
                self._add_cut(site, node.input_tensors[0], reads[0], slots, node.outputs[0])
                continue
            writes = tuple(self._number() for _ in node.outputs)
            slots.update((id(t), slot) for t, slot in zip(node.outputs, writes, strict=True))
            self._masked.update(slots[id(t)] for t in node.outputs if id(t) in self._with_mask)
            self._calls.append(_Call(operation, node, tuple(node.input_tensors), reads, writes))
            if site is not None:
                self._add_cut(site, node.outputs[0], writes[0], slots, node.outputs[0])

    def _graph_of(self, model: keras.Model) -> Graph | None:
        return next((g for g in self._found if g.model is model), None)

    def _add_cut(self, site: Site, tensor: Any, reads: int, slots: dict[int, int], output: Any) -> None:
        slots[id(output)] = writes = self._number()
        self._masked.update({writes} if id(output) in self._with_mask else ())
        axis = self._axes.of(tensor) % len(tensor.shape)
        cut = Cut(self.sites.index(site.name), site.function, reads, writes, axis, tensor.shape[axis])
        self._calls.append(cut)

    def _cut(self) -> list[tuple[list[_Call], Cut | None, list[int], list[int]]]:
        """Calls, the site that ends them, the numbers of the tensors that come in, and of those that go on.

        The mask of tensor `n` goes on as number `~n`: a compiled function carries none along.
        """

        def numbers(needed: set[int]) -> list[int]:
            return [*sorted(needed), *(~slot for slot in sorted(needed & self._masked))]

        pieces: list[tuple[list[_Call], Cut | None]] = [([], None)]
        for call in self._calls:
            if isinstance(call, Cut):
                pieces[-1] = (pieces[-1][0], call)
                pieces.append(([], None))
            else:
                pieces[-1][0].append(call)
        segments: list[Any] = []
        needed = set(self.outputs)
        for piece, cut in reversed(pieces):
            leave = numbers(needed)
            if cut is not None:
                needed = (needed - {cut.writes}) | {cut.reads}
            for call in reversed(piece):
                needed = (needed - set(call.writes)) | set(call.reads)
            segments.append((piece, cut, numbers(needed), leave))
        return segments[::-1]

    def _refuse_masks(self) -> None:
        for cut in self.cuts:
            if self._masked & {cut.reads, cut.writes}:
                raise ValueError(
                    f"a masked tensor of {self.model.name!r} goes through the site {self.sites[cut.site]!r}, and a mask does "
                    f"not cross an activation that is replaced. Name the other sites alone, or use a model without "
                    f"mask_zero and Masking."
                )

    def refuse_masked_outputs(self) -> None:
        """Raise ValueError if an output has a mask, by which a loss would leave out positions."""
        if self._masked & set(self.outputs):
            raise ValueError(
                f"the output of {self.model.name!r} has a mask, which a loss and metrics would need. Use a model without "
                f"mask_zero and Masking."
            )

    def rewind(self) -> bool:
        """Put back what the runs so far have moved, such as states of loops and seeds; whether anything had."""
        moved = [
            (variable, begin)
            for variable, begin in self._begin
            if keras.ops.convert_to_numpy(variable).tobytes() != begin.tobytes()
        ]
        for variable, begin in moved:
            variable.assign(begin)
        return bool(moved)

    def start(self, arrays: list[Any]) -> Values:
        """The values of the inputs of the model."""
        return dict(zip(self.inputs, standardised(self._copy, as_taken(self._copy, arrays)), strict=True))

    def advance(self, values: Values, position: int, *, look: bool = False) -> tuple[Values, Any]:
        """Run the calls up to and with cut number `position`, or to the end after the last.

        Args:
            values: The tensors that come in, by number.
            position: Of the segment.
            look: Whether the values before the activation are wanted.

        Returns:
            The tensors that go on, and the values before the activation, or None.
        """
        calls_, cut, enter, leave = self._segments[position]
        key = position, look
        if key not in self._compiled:

            def run(tensors: list[Any]) -> list[Any]:
                known = dict(zip(enter, tensors, strict=True))
                for slot in enter:
                    if slot < 0:
                        put_mask(known[~slot], known[slot])
                for call in calls_:
                    known.update(zip(call.writes, _perform(call, known), strict=True))
                if cut is not None:
                    known[cut.writes] = cut.function(known[cut.reads])
                results = [mask_of(known[~slot]) if slot < 0 else known[slot] for slot in leave]
                return [*results, known[cut.reads]] if look and cut is not None else results

            self._compiled[key] = _compiled(run)
        results = self._compiled[key]([values[slot] for slot in enter])
        before = results[len(leave)] if look and cut is not None else None
        return dict(zip(leave, results, strict=False)), before

    def finish(
        self, values: Values, position: int, site: int | None = None, put: AffineMap | None = None
    ) -> list[Any]:
        """The outputs of the model, from the tensors that crossed the cut before segment `position`.

        Args:
            values: Those tensors, by number.
            position: Of the first segment to run.
            site: A site that is linear wherever it is called from here on.
            put: The map in its place.
        """
        for place in range(position, len(self._segments)):
            cut = self._segments[place][1]
            again = cut if put is not None and cut is not None and cut.site == site else None
            values, before = self.advance(values, place, look=again is not None)
            if put is not None and again is not None and again.writes in values:
                values[again.writes] = put.on(before, again.axis)
        return [values[slot] for slot in self.outputs]

    def measure(
        self, batches: Iterable[list[Any]], progress: Callable[[], None] = lambda: None
    ) -> list[Moments]:
        """One pass over batches of input arrays: the moments before and after each site, all its calls together."""
        moments = [Moments() for _ in self.sites]
        self._refuse_several_widths()
        compute = [_compiled(_moments_along(cut.axis)) for cut in self.cuts]
        for batch in batches:
            values = self.start(batch)
            for position, cut in enumerate(self.cuts):
                values, before = self.advance(values, position, look=True)
                after = values[cut.writes] if cut.writes in values else cut.function(before)
                count = math.prod(before.shape) // before.shape[cut.axis]
                moments[cut.site].add(count, *compute[position]([before, after]))
            progress()
        return moments

    def _refuse_several_widths(self) -> None:
        for site, name in enumerate(self.sites):
            widths = sorted({cut.channels or 0 for cut in self.cuts if cut.site == site})
            if len(widths) > 1:
                raise ValueError(
                    f"{name!r} is one layer called on tensors of {widths} channels: no map channel by channel takes "
                    f"its place everywhere. Give each place an activation of its own."
                )


def _moments_along(axis: int) -> Callable[[list[Any]], tuple[Any, ...]]:
    def compute(pair: list[Any]) -> tuple[Any, ...]:
        before, after = pair
        return batch_moments(before, after, axis)

    return compute


@contextlib.contextmanager
def without_gradients() -> Iterator[None]:
    """Torch would keep every tensor for a backward pass that never comes."""
    if keras.backend.backend() == "torch":
        import torch

        with torch.no_grad():
            yield
    else:
        yield


def _movable(model: keras.Model) -> list[Any]:
    """The variables that a call of `model` in inference may assign to."""
    found = {id(v): v for v in model.variables if not v.trainable}
    for layer in flatten_layers(model):
        # The states of a loop over time are variables that Keras does not count.
        if isinstance(layer, keras.layers.RNN) and layer.stateful:
            found.update((id(v), v) for v in keras.tree.flatten(layer.states))
    return list(found.values())


def _perform(call: _Call, known: Values) -> list[Any]:
    values = {id(s): known[slot] for s, slot in zip(call.symbols, call.reads, strict=True)}
    args, kwargs = call.node.arguments.fill_in(values)
    if hears_of_training(call.function):
        kwargs = {**kwargs, "training": False}  # as `evaluate` does, whatever the graph says
    return keras.tree.flatten(call.function(*args, **kwargs))


def _compiled(function: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    # TensorFlow counts traces by the code of a function, which many share here, and would warn of them.
    return tf.function(functools.partial(function), reduce_retracing=True)


def _entries(node: Any, model: keras.Model) -> list[tuple[Any, Any]]:
    """The input tensors of a nested model, each with the tensor it is called on."""
    own = keras.tree.flatten(model.inputs)
    given = node.arguments.args[0] if node.arguments.args else None
    if isinstance(given, dict) and not isinstance(input_structure(model), dict):
        return [(tensor, given[tensor.name]) for tensor in own]
    return list(zip(own, node.input_tensors[: len(own)], strict=True))
