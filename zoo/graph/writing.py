"""The walk: calls what stands in the place of each call of a graph, on the tensors of the new model."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from zoo.graph.calling import Stretch, accepted, call_operation, name_of, outputs_of, record_call
from zoo.graph.configuration import is_stock
from zoo.graph.copying import Part, copy_layer, keep_made
from zoo.graph.forgotten import take_attributes
from zoo.graph.held import is_variable
from zoo.graph.internals import flatten_layers, inbound_nodes, keep_remat, pairs, passed_on, producer
from zoo.graph.model_class import class_of_copy, refuse_changed
from zoo.graph.own_state import own_values
from zoo.graph.policies import full_precision, keep_policy, made_like
from zoo.graph.reading import Graph, graphs, input_structure, read
from zoo.graph.reasons import reason
from zoo.graph.samples import is_numeric
from zoo.graph.ties import refuse_tied
from zoo.graph.twins import cannot_tie, is_the_same, owners, refuse_untied
from zoo.graph.unfit import (
    cannot_be_called,
    is_not_described,
    no_longer_fits,
    refuse_unfit,
    shapes,
    takes_place,
)
from zoo.graph.variables import Take, copy_variables, draw_nothing, take_initializers


@dataclass(frozen=True)
class Outline:
    """What of the outline of a model is another in the new one.

    Attributes:
        opened: `id`s of nested models whose layers become layers of the model that calls them.
        renamed: `id` of a layer, or of a tensor at which an input stands -> the name of that in the new model.
        part: The piece of the model that alone is written; None for all of it.
    """

    opened: frozenset[int] = frozenset()
    renamed: Mapping[int, str] = field(default_factory=dict)
    part: Graph | None = None


class Writer:
    """Makes a new model, call by call.

    Args:
        found: The graph of the model, and those of the models nested in it.
        replace: Layer or node -> the parts in its place.
        stretches: Parts in the place of several calls at once.
        settings: Overrides for the configuration of every layer that is copied.
        outline: What of the outline is another.
    """

    def __init__(
        self,
        found: list[Graph],
        replace: Mapping[Any, list[Part]],
        stretches: Sequence[Stretch],
        settings: Mapping[str, Any],
        outline: Outline,
    ):
        self.replace = {id(key): parts for key, parts in replace.items()}
        self.replace.update((id(stretch), stretch.parts) for stretch in stretches)
        self.ends = {id(stretch.nodes[-1]): stretch for stretch in stretches if stretch.nodes}
        self.inserted: dict[int, list[Stretch]] = {}
        for stretch in stretches:
            if not stretch.nodes:
                self.inserted.setdefault(id(stretch.exit), []).append(stretch)
        self.covered = {id(node) for stretch in stretches for node in stretch.nodes}
        self.settings = settings
        self.outline = outline
        self.tensors: dict[int, list[Any]] = {}
        self.written: dict[int, list[Any]] = {}
        self.initializers: list[tuple[Any, str, Any]] = []
        self.fills: list[tuple[Any, Any]] = []
        self.copies: list[tuple[Any, Any]] = []
        self.flags: list[tuple[Any, bool]] = []
        self.tied: dict[int, Any] = {}
        self.reshaped: set[int] = set()
        self.found = found
        self.shared = _shared_activations(found)

    def model(self, model: keras.Model, part: Graph | None = None) -> keras.Model:
        """The new model in the place of `model`, or of `part` of it; its variables are not set yet."""
        graph = part or read(model)
        kind = self._kind(model, graph)
        slot = len(self.copies)
        self.copies.append((model, model))
        new_inputs = [self._input(tensor) for tensor in graph.starts]
        if issubclass(kind, keras.Sequential):
            new = self._sequential(graph, kind, new_inputs[0])
        else:
            tensors = {id(old): new for old, new in zip(graph.starts, new_inputs, strict=True)}
            self._walk(graph, tensors)

            def translate(tensor: Any) -> Any:
                return tensors[id(tensor)]

            if part is None:
                inputs = keras.tree.pack_sequence_as(input_structure(model), new_inputs)
            elif part.packed is not None:
                inputs = keras.tree.pack_sequence_as(part.packed, new_inputs)
            else:
                inputs = new_inputs if len(new_inputs) > 1 else new_inputs[0]
            outputs = keras.tree.map_structure(translate, graph.ends)
            new = kind(inputs, outputs, name=model.name)
            if kind is not keras.Model:
                refuse_changed(model, [*new.inputs, *new.outputs], keras.tree.flatten((inputs, outputs)))
        keep_remat(model, new)
        if "dtype" not in self.settings and new.dtype_policy != (
            policy := full_precision(model.dtype_policy)
        ):
            new.dtype_policy = policy
        self.copies[slot] = (model, new)
        return new

    def _walk(self, graph: Graph, tensors: dict[int, Any], training: bool | None = None) -> None:
        """Call what is written for the steps of `graph`; `tensors`: `id` of the original's -> the new model's."""
        for step in self.steps(graph):
            if not isinstance(step, Stretch) and id(step.operation) in self.outline.opened:
                results = self._open(step, tensors, training)
            else:
                results = self.call(step, tensors, training)
            tensors.update((id(old), new) for old, new in zip(outputs_of(step), results, strict=True))
        for key, new in tensors.items():
            self.tensors.setdefault(key, []).append(new)

    def _open(self, node: Any, tensors: dict[int, Any], training: bool | None) -> list[Any]:
        """Call the layers of a nested model, where it is called."""
        args, kwargs = self.arguments(node, tensors)
        inputs = args[0] if args else kwargs["inputs"]
        graph = read(node.operation)
        given = passed_on(node.operation, inputs)
        inner = {id(old): new for old, new in zip(graph.starts, given, strict=True)}
        # What a call of a model says of training reaches every layer in it.
        self._walk(graph, inner, kwargs.get("training") if training is None else training)
        return [inner[id(tensor)] for tensor in keras.tree.flatten(graph.ends)]

    def _sequential(self, graph: Graph, kind: type, start: Any) -> keras.Model:
        layers = [layer for step in self.steps(graph) for layer in self.parts(step)]
        if len(set(map(id, layers))) != len(layers):  # a Sequential model holds no layer twice
            outputs = start
            for layer in layers:
                outputs = layer(outputs)
            return keras.Model(start, outputs, name=graph.model.name)
        copies = [(step, layer) for step in self.steps(graph) for layer in self.parts(step)]
        try:
            with made_like(*self._copied(self.steps(graph))):
                new = kind([producer(start).operation, *layers], name=graph.model.name)
        except Exception as error:
            step, layer = next((pair for pair in copies if not inbound_nodes(pair[1])), copies[-1])
            if not self.changes_shapes():
                raise
            why = f"{name_of(step)!r}: {reason(error)}"
            if self.is_replaced(step):
                raise ValueError(f"{takes_place(step, layer)} {why}") from error
            raise ValueError(f"layer {layer.name!r} no longer fits after the change, {why}") from error
        if kind is not keras.Sequential:
            refuse_changed(graph.model, new.layers, layers)
        made = start
        for step in self.steps(graph):
            parts = self.parts(step)
            if not self.is_replaced(step):
                self._check_fit(step, parts[0])
                self._note_shape(step, (made,), {})
            made = parts[-1].output if parts else made
            results = self._results(step, made)  # several, of the last layer alone
            self.tensors.update((id(old), [new]) for old, new in zip(outputs_of(step), results, strict=True))
        return new

    def changes_shapes(self) -> bool:
        """Whether anything is replaced, so that a layer may be called on another shape than its original."""
        return bool(self.replace)

    def _kind(self, model: keras.Model, graph: Graph) -> type:
        if graph is self.outline.part:
            return keras.Model
        kind = class_of_copy(model)
        inlines = any(id(node.operation) in self.outline.opened for node in graph.nodes)
        if not inlines or not issubclass(kind, keras.Sequential):
            return kind
        if kind is not keras.Sequential:
            raise TypeError(
                f"model {model.name!r} is of the class {kind.__name__}, a Sequential model with code of its own, and "
                f"without nested models it is no Sequential model any more. Pass "
                f"keras.Model(model.inputs, model.outputs) for its graph alone."
            )
        return keras.Model

    def steps(self, graph: Graph) -> Iterator[Any]:
        """The nodes of a graph, with a `Stretch` in the place of those it replaces, insertions between them."""
        for tensor in graph.starts:
            yield from self.inserted.get(id(tensor), ())
        for node in graph.nodes:
            if id(node) in self.ends:
                yield self.ends[id(node)]
            elif id(node) not in self.covered:
                yield node
            for tensor in node.outputs:
                yield from self.inserted.get(id(tensor), ())

    def key(self, step: Any) -> int:
        """What `replace` and `written` know the step under."""
        if id(step) in self.replace:
            return id(step)
        return id(step.operation)

    def is_replaced(self, step: Any) -> bool:
        """Whether something else than a copy stands there."""
        return self.key(step) in self.replace

    def parts(self, step: Any) -> list[Any]:
        """The layers in the place of a step, made when first asked for."""
        key = self.key(step)
        if key in self.written:
            return self.written[key]
        if key in self.replace:
            layers = []
            for part in self.replace[key]:
                layers.append(part.layer)
                self._remember_flag(part.layer)
                if part.fill is not None and not any(part.layer is layer for _, layer in self.fills):
                    self.initializers += draw_nothing(part.layer, part.fill)
                    self.fills.append((part.fill, part.layer))
        elif isinstance(step.operation, keras.Model):
            layers = [self.model(step.operation)]
        elif isinstance(step.operation, keras.layers.Layer):
            layers = [self._copy(step.operation)]
        else:
            name = self.outline.renamed.get(id(step.operation), step.operation.name)
            layers = [copy_layer(step.operation, name=name)]
        self.written[key] = layers
        return layers

    def call(self, step: Any, tensors: dict[int, Any], training: bool | None = None) -> list[Any]:
        """Call what stands in the place of a step on `tensors`, by `id` of those of the original."""
        parts = self.parts(step)
        if isinstance(step, Stretch):
            result = tensors[id(step.entry)]
        elif not parts:
            (only,) = step.input_tensors
            return [tensors[id(only)]]
        else:
            args, kwargs = self.arguments(step, tensors)
            if type(parts[0]) is not type(step.operation):
                kwargs = accepted(parts[0], step, kwargs)
            result = self._made(step, parts[0], args, kwargs, training)
            if not self.is_replaced(step):
                self._check_fit(step, parts[0])
                self._note_shape(step, args, kwargs)
            parts = parts[1:]
        for part in parts:
            result = self._made(step, part, (result,), {}, training)
        return self._results(step, result)

    def _results(self, step: Any, result: Any) -> list[Any]:
        """What the parts in the place of a step return, flat: as many tensors as the step has."""
        results = keras.tree.flatten(result)
        if len(results) != len(outputs_of(step)):
            (*_, last) = self.parts(step)
            raise ValueError(
                f"{takes_place(step, last)} {name_of(step)!r}: it returns {len(results)} tensors, not "
                f"{len(outputs_of(step))}."
            )
        return results

    def arguments(self, node: Any, values: Mapping[int, Any]) -> tuple[Any, dict[str, Any]]:
        """Those of a call, with `values` in the place of tensors, and variables of the new model in that of its own."""
        filled: tuple[Any, dict[str, Any]] = node.arguments.fill_in(values)
        if not any(is_variable(leaf) for leaf in keras.tree.flatten(filled)):
            return filled
        args, kwargs = keras.tree.map_structure(
            lambda leaf: self._tied(node, leaf) if is_variable(leaf) else leaf, filled
        )
        return args, kwargs

    def _tied(self, node: Any, variable: Any) -> Any:
        """The variable of the new model in the place of one that a call of the original is given."""
        if id(variable) not in self.tied:
            homes = self.owners.get(id(variable), [])
            found = [new for home in homes for new in self._twins(home, variable)]
            if not found:
                raise ValueError(cannot_tie(node, variable, homes))
            self.tied[id(variable)] = found[0]
        return self.tied[id(variable)]

    @functools.cached_property
    def owners(self) -> dict[int, list[Any]]:
        """`id` of each variable of the original -> the calls of layers that have it."""
        return owners(self.outline.part or self.found[0])

    def _twins(self, home: Any, variable: Any) -> Iterator[Any]:
        """The variables in the place of `variable`, of the layers in the place of the one that `home` calls."""
        if id(home) in self.covered:
            return
        parts = self.parts(home)
        for fill, layer in list(self.fills):
            if not any(layer is part for part in parts) or not isinstance(fill, Take):
                continue
            if not layer.built:  # the variable is read before its layer is called
                layer.build_from_config(fill.source.get_build_config() or {})
            for new, old in fill.matching(layer):
                if is_the_same(variable, old):
                    yield new if isinstance(variable, keras.Variable) else new.value

    def _made(self, step: Any, part: Any, args: Any, kwargs: dict[str, Any], training: bool | None) -> Any:
        symbolic = any(isinstance(tensor, keras.KerasTensor) for tensor in keras.tree.flatten((args, kwargs)))
        call = record_call if symbolic else call_operation
        try:
            with made_like(*self._copied([step] if symbolic else [])):
                return call(part, args, kwargs, training)
        except Exception as error:
            shape = shapes(keras.tree.flatten(args))
            if self.is_replaced(step):
                raise ValueError(cannot_be_called(step, part, shape, error)) from error
            if not symbolic:
                raise
            before = shapes(keras.tree.flatten(step.arguments.args))
            if shape == before or not self.changes_shapes():
                raise ValueError(is_not_described(step, error)) from error
            raise ValueError(no_longer_fits(step, shape, before, error)) from error

    def _note_shape(self, step: Any, *given: Any) -> None:
        """Remember a layer whose copy is called on another shape."""
        if self.changes_shapes():
            before = step.arguments.args, step.arguments.kwargs
            if shapes(keras.tree.flatten(given)) != shapes(keras.tree.flatten(before)):
                self.reshaped.add(id(step.operation))

    def _copied(self, steps: Iterable[Any]) -> list[tuple[Any, Any]]:
        """The operations of those steps that are copied, and keep their dtype policies, with their copies."""
        if "dtype" in self.settings:
            return []
        return [(step.operation, self.parts(step)[0]) for step in steps if not self.is_replaced(step)]

    def _check_fit(self, step: Any, layer: Any) -> None:
        # What is in a nested model was looked at when it was written.
        if self.changes_shapes():
            refuse_unfit(step, layer)

    def finish(self) -> None:
        """Set the variables of the new model, its flags, and what else its layers keep."""
        self._set_flags()
        for fill, layer in self.fills:
            fill(layer)
        for layer, name, initializer in self.initializers:
            setattr(layer, name, initializer)
        for old, new in self.copies:
            if not isinstance(old, keras.Model) and is_stock(old):
                take_initializers(old, new)
        for old, new in self.copies:
            # What was set on a model beside its graph belongs to no part of it.
            if not isinstance(old, keras.Model) or self.outline.part is None or new is not self.copies[0][1]:
                take_attributes(old, new, reshaped=id(old) in self.reshaped, copied=_attached)
        refuse_untied(self.fills)
        refuse_tied(self.found, self.copies[0][1])

    def _set_flags(self) -> None:
        """Set which layers train, and what those have of the place they were made at that were made in `build`."""
        # From the outside in: setting the flag of a model sets those of its layers, which then get their own
        # back.
        for old, new in self.copies:
            if isinstance(old, keras.Model) and new.trainable != old.trainable:
                new.trainable = old.trainable
        for layer, flag in self.flags:
            if layer.trainable != flag:
                layer.trainable = flag
        for old, new in self.copies:
            if not isinstance(old, keras.Model):
                _keep_flags(old, new, dtype="dtype" in self.settings)

    def _copy(self, layer: keras.layers.Layer) -> keras.layers.Layer:
        overrides = dict(self.settings)
        activation = getattr(layer, "activation", None)
        if id(activation) in self.shared:
            if id(activation) not in self.written:
                self.written[id(activation)] = [self._copy(activation)]
            (overrides["activation"],) = self.written[id(activation)]
        if id(layer) in self.outline.renamed:
            overrides["name"] = self.outline.renamed[id(layer)]
        new = copy_layer(layer, **overrides)
        fill = copy_variables(layer)
        self.initializers += draw_nothing(new, fill)
        self.copies.append((layer, new))
        self.fills.append((fill, new))
        return new

    def _remember_flag(self, layer: Any) -> None:
        if isinstance(layer, keras.layers.Layer):
            self.flags.extend((inner, inner.trainable) for inner in flatten_layers(layer))

    def _input(self, tensor: Any) -> Any:
        layer = producer(tensor).operation
        name = self.outline.renamed.get(id(tensor))
        if not isinstance(layer, keras.layers.InputLayer):
            sparse = bool(getattr(tensor, "sparse", False))
            return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, sparse=sparse, name=name)
        config = layer.get_config() | ({"name": name} if name else {})
        if "dtype" in self.settings and is_numeric(config["dtype"]):
            config["dtype"] = self.settings["dtype"]
        return type(layer).from_config(config).output


def _keep_flags(old: Any, new: Any, *, dtype: bool = False) -> None:
    """Let a copy and the layers in it train as the original does, and keep what those made in `build` have of their place.

    Args:
        old: A layer.
        new: Its copy, built.
        dtype: Whether it was asked for in another dtype.
    """
    for a, b in pairs(old, new):
        if a.trainable != b.trainable:
            b.trainable = a.trainable
        if a is not old and type(a) is type(b):  # it may have been made when the copy was built
            keep_made(a, b, named=False)
            if not dtype:
                keep_policy(a, b)


def _attached(part: Any) -> Any:
    """A copy of a layer, model or metric that no graph calls."""
    if isinstance(part, keras.Model):
        writer = Writer(graphs(part), {}, (), {}, Outline())
        model = writer.model(part)
        writer.finish()
        return model
    if isinstance(part, keras.Metric):
        metric = type(part).from_config(part.get_config())
        for a, b in zip(part.variables, metric.variables, strict=True):
            b.assign(own_values(a))
        return metric
    new = copy_layer(part)
    if part.built:
        with made_like((part, new)):
            new.build_from_config(part.get_build_config() or {})
    _keep_flags(part, new)
    copy_variables(part)(new)
    take_attributes(part, new)
    return new


def _shared_activations(found: list[Graph]) -> set[int]:
    """`id`s of activation layers with weights that two layers were given as `activation=`."""
    layers = {id(node.operation): node.operation for graph in found for node in graph.nodes}
    counts: dict[int, int] = dict.fromkeys(layers, 1)
    for layer in layers.values():
        activation = getattr(layer, "activation", None)
        if isinstance(activation, keras.layers.Layer):
            counts[id(activation)] = counts.get(id(activation), 0) + 1
            layers = layers | {id(activation): activation}
    return {key for key, count in counts.items() if count > 1}
