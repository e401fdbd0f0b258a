"""A new model from an old one: a copy of every layer, or what is to stand in its place."""

from __future__ import annotations

import contextlib
import functools
import gc
import inspect
import itertools
import random
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from zoo.graph.calling import Stretch, accepted, call_operation, name_of, outputs_of, record_call
from zoo.graph.comparing import Comparison
from zoo.graph.configuration import holder_of, is_stock
from zoo.graph.copying import Part, copy_layer
from zoo.graph.forgotten import take_attributes
from zoo.graph.internals import flatten_layers, inbound_nodes, keep_remat, passed_on, producer
from zoo.graph.reading import Graph, graphs, input_structure, read
from zoo.graph.reasons import reason
from zoo.graph.samples import is_numeric
from zoo.graph.ties import Seen, belongings, is_the_same, is_variable, owners, reached, reached_by
from zoo.graph.variables import Take, copy_variables, draw_nothing

# What a user of a model calls besides the model itself. A class that has its own keeps it, or is refused.
STEPS = (
    "fit evaluate predict train_step test_step predict_step train_on_batch test_on_batch predict_on_batch "
    "make_train_function make_test_function make_predict_function compute_loss compute_metrics __call__"
).split()


def rewrite(
    model: keras.Model,
    replace: Mapping[Any, list[Part]] | None = None,
    *,
    stretches: Sequence[Stretch] = (),
    settings: Mapping[str, Any] | None = None,
    exact: bool = False,
    undone: Mapping[Any, Callable[..., Any]] | None = None,
    probe: Any = None,
) -> keras.Model:
    """A new model, equal to `model` except for what `replace` says, and compared with it.

    Weights, state that is no weight (tables, adapted statistics, states of stateful loops), seeds of Dropout,
    names, `trainable` flags, dtype policies, remat scopes and the class of the model are carried over; a
    compiled state is not. Layers called several times stay shared, nested models stay nested, and a Sequential
    model stays one.

    A call that is given a variable of a layer, as `ops.matmul(x, dense.kernel)` is, is given that of its copy.

    Then both models compute one batch, call by call: each copied layer gets what the original layer got and
    has to return what it returned. The first that does not is named in an error.

    Args:
        model: A Functional or built Sequential model; it is left as it is.
        replace: Layer (or one node, for one call of a layer) -> the parts called one after the other in its
            place. An empty list removes the layer: its output becomes its input.
        stretches: Parts in the place of several calls at once.
        settings: Overrides for the configuration of every layer that is copied, such as `{"dtype":
            "float64"}`.
        exact: Whether what is replaced computes, all in all, what stood there before: then it is compared too,
            from where the two begin to differ to where they agree again. Otherwise its result is taken as it
            is, and what follows is compared on the original's tensors.
        undone: Key of `replace` -> a function of the arguments of the call, which computes with the new parts
            what the original layer does: what of a change on purpose can be compared.
        probe: The batch, as `model` takes it; None draws one, False compares nothing.

    Returns:
        A model of freshly made layers.

    Raises:
        TypeError: `model` cannot be read, see `read`, or its class would be lost.
        ValueError: a layer cannot be copied, its copy computes something else, or would go on to read variables of
            the original; the message names it.

    Example:
        >>> import keras
        >>> from zoo.graph import rewrite
        >>> dense, relu = keras.layers.Dense(2, name="dense"), keras.layers.ReLU(name="relu")
        >>> model = keras.Sequential([keras.Input((3,)), dense, relu])
        >>> [layer.name for layer in rewrite(model, {relu: []}).layers]
        ['dense']
    """
    return rewritten(
        model, replace, stretches=stretches, settings=settings, exact=exact, undone=undone, probe=probe
    ).model


@dataclass(frozen=True, eq=False)
class Rewritten:
    """What `rewritten` returns.

    Attributes:
        model: The new model.
        batch: What both were compared on, as the model takes it; None where nothing was compared.
        outputs: What the original returned for it, flat; empty where it could not be run as it is.
        tensors: `id` of a tensor of the original -> those of the new model in its place, one for each time that
            the model it belongs to is called.
    """

    model: keras.Model
    batch: Any = None
    outputs: tuple[Any, ...] = ()
    tensors: Mapping[int, list[Any]] = field(default_factory=dict, repr=False)


def rewritten(
    model: keras.Model,
    replace: Mapping[Any, list[Part]] | None = None,
    *,
    stretches: Sequence[Stretch] = (),
    settings: Mapping[str, Any] | None = None,
    exact: bool = False,
    undone: Mapping[Any, Callable[..., Any]] | None = None,
    opened: Collection[keras.Model] = (),
    renamed: Mapping[Any, str] | None = None,
    part: Graph | None = None,
    probe: Any = None,
) -> Rewritten:
    """`rewrite`, with the batch that both models were compared on and what the original made of it.

    It can change the outline of a model as well: the layers of the nested models `opened` become layers of the
    model that calls them; the copy of a layer in `renamed`, or the input in the place of a tensor in it, gets
    that name; of the model, `part` alone is written, as `zoo.graph.piece` gives it, with its starts as inputs.
    Then the new model as a whole is compared too.
    """
    found = graphs(model)
    outline = _Outline(
        frozenset(map(id, opened)), {id(key): name for key, name in (renamed or {}).items()}, part
    )
    writer = _Writer(found, replace or {}, stretches, settings or {}, outline)
    depth = sum(len(graph.nodes) for graph in found) + 3 * len(replace or {}) + len(stretches)
    with seeds_untouched(), room_for(depth), no_collection():
        new = writer.model(model, part)
        writer.finish()
        if probe is False:
            return Rewritten(new, tensors=writer.tensors)
        whole = bool(opened) or part is not None
        comparison = Comparison(writer, {id(key): call for key, call in (undone or {}).items()}, exact, whole)
        batch, outputs = comparison.run(model, probe, part)
        if whole:
            comparison.check_whole(new)
        return Rewritten(new, batch, outputs, writer.tensors)


@dataclass(frozen=True)
class _Outline:
    opened: frozenset[int] = frozenset()
    renamed: Mapping[int, str] = field(default_factory=dict)
    part: Graph | None = None


class _Writer:
    def __init__(
        self,
        found: list[Graph],
        replace: Mapping[Any, list[Part]],
        stretches: Sequence[Stretch],
        settings: Mapping[str, Any],
        outline: _Outline,
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
        self.found = found
        self.shared = _shared_activations(found)

    def model(self, model: keras.Model, part: Graph | None = None) -> keras.Model:
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
            else:
                inputs = new_inputs if len(new_inputs) > 1 else new_inputs[0]
            new = kind(inputs, keras.tree.map_structure(translate, graph.ends), name=model.name)
        keep_remat(model, new)
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
            new = kind([producer(start).operation, *layers], name=graph.model.name)
        except Exception as error:
            step, layer = next((pair for pair in copies if not inbound_nodes(pair[1])), copies[-1])
            if not self.changes_shapes():
                raise
            why = f"{name_of(step)!r}: {reason(error)}"
            if self.is_replaced(step):
                raise ValueError(f"{_takes_place(step, layer)} {why}") from error
            raise ValueError(f"layer {layer.name!r} no longer fits after the change, {why}") from error
        made = start
        for step in self.steps(graph):
            parts = self.parts(step)
            if not self.is_replaced(step):
                self._refuse_unfit(step, parts[0])
            made = parts[-1].output if parts else made
            self.tensors[id(outputs_of(step)[0])] = [made]
        return new

    def changes_shapes(self) -> bool:
        """Whether anything is replaced, so that a layer may be called on another shape than its original."""
        return bool(self.replace)

    def _kind(self, model: keras.Model, graph: Graph) -> type:
        if graph is self.outline.part:
            return keras.Model
        kind = _kind(model)
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
                self._refuse_unfit(step, parts[0])
            parts = parts[1:]
        for part in parts:
            result = self._made(step, part, (result,), {}, training)
        results = keras.tree.flatten(result)
        if len(results) != len(outputs_of(step)):
            (*_, last) = self.parts(step)
            raise ValueError(
                f"{_takes_place(step, last)} {name_of(step)!r}: it returns {len(results)} tensors, not "
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
                raise ValueError(_cannot_tie(node, variable, homes))
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
            return call(part, args, kwargs, training)
        except Exception as error:
            shape = _shapes(keras.tree.flatten(args))
            if self.is_replaced(step):
                raise ValueError(
                    f"{_takes_place(step, part)} {name_of(step)!r}: called on shape {shape} it says: {reason(error)}"
                ) from error
            before = _shapes(keras.tree.flatten(step.arguments.args))
            if not symbolic:
                raise
            if shape == before or not self.changes_shapes():
                kind = type(step.operation).__name__
                raise ValueError(
                    f"the copy of layer {name_of(step)!r} ({kind}) cannot be called where the original was: "
                    f"{reason(error)} Complete get_config of {kind}, or use a stock layer."
                ) from error
            raise ValueError(
                f"layer {name_of(step)!r} no longer fits: it would be called on shape {shape}, in the model as given "
                f"it is called on {before}. {reason(error)}"
            ) from error

    def _refuse_unfit(self, step: Any, layer: Any) -> None:
        """Refuse a copy whose weights had to have other shapes, because something in front of it changed."""
        # What is in a nested model was looked at when it was written.
        if not self.changes_shapes() or isinstance(layer, keras.Model):
            return
        if not isinstance(layer, keras.layers.Layer):
            return
        old, new = ([tuple(v.shape) for v in x.variables] for x in (step.operation, layer))
        # Quantised layers have their variables in two orders.
        if layer.built and step.operation.built and len(old) == len(new) and sorted(old) != sorted(new):
            wrong = next(pair for pair in zip(old, new, strict=True) if pair[0] != pair[1])
            raise ValueError(
                f"layer {name_of(step)!r} no longer fits: what it reads has another shape after the change, and "
                f"weights of shape {wrong[0]} would have to be of shape {wrong[1]}."
            )

    def finish(self) -> None:
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
                for a, b in zip(flatten_layers(old), flatten_layers(new), strict=False):
                    if a.trainable != b.trainable:
                        b.trainable = a.trainable
        for fill, layer in self.fills:
            fill(layer)
        for layer, name, initializer in self.initializers:
            setattr(layer, name, initializer)
        for old, new in self.copies:
            if not isinstance(old, keras.Model) or not is_stock(old):
                take_attributes(old, new)
        self._refuse_untied()
        self._refuse_tied()

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

    def _refuse_untied(self) -> None:
        """Refuse to make two variables of one."""
        twins: dict[int, tuple[Any, Any]] = {}
        for fill, layer in self.fills:
            for new, old in getattr(fill, "pairs", lambda _: ())(layer):
                name = fill.source.name
                if new is old:
                    of, holder = _of_whom(old, fill.source)
                    kind = type(holder).__name__
                    advice = (
                        f"The constructor or get_config gives both the same {kind}: write it into get_config with "
                        f"keras.saving.serialize_keras_object and read it in from_config, or make it in the constructor."
                        if of
                        else "Let the layer make the variable itself, with add_weight."
                    )
                    raise ValueError(
                        f"layer {name!r} and its copy would have one variable {old.path!r} together{of}. {advice}"
                    )
                source, twin = twins.setdefault(id(old), (fill.source, new))
                if twin is not new:
                    of, holder = _of_whom(old, fill.source)
                    advice = (
                        "Give each layer a generator of its own."
                        if isinstance(holder, keras.random.SeedGenerator)
                        else "Share a whole layer instead of one inside two layers."
                    )
                    raise ValueError(
                        f"layers {source.name!r} and {name!r} share the variable {old.path!r}{of}, and their copies "
                        f"would have one each, which training takes apart. {advice}"
                    )

    def _refuse_tied(self) -> None:
        """Refuse what leads from the new model to layers and variables of the original."""
        told = belongings(self.found)
        _, new = self.copies[0]
        seen: Seen = {}
        for node in (node for graph in graphs(new) for node in graph.nodes):
            operation = node.operation
            given = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
            leads = [reached_by(value, seen) for value in given if not isinstance(value, keras.KerasTensor)]
            if not isinstance(operation, keras.Model):
                leads.append(reached(operation, seen))
            for thing in itertools.chain.from_iterable(leads):
                if id(thing) in told:
                    raise ValueError(
                        f"layer {operation.name!r} ({type(operation).__name__}) reaches {told[id(thing)]} of the model by "
                        f"a function or an object that it holds, and its copy would go on to read that of the original. "
                        f"Pass the variable as an argument of the call, such as keras.ops.matmul(x, layer.kernel), or "
                        f"make the layer that reads it a part of it."
                    )

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


def _takes_place(step: Any, part: Any) -> str:
    """The beginning of the sentence that it cannot."""
    where = "be inserted after" if isinstance(step, Stretch) and not step.nodes else "stand in the place of"
    return f"{type(part).__name__} {getattr(part, 'name', '')!r} cannot {where}"


def _of_whom(variable: Any, layer: Any) -> tuple[str, Any]:
    """A phrase for the layer or generator through which `layer` has `variable`, empty where it has it itself; and it."""
    kept, holder = holder_of(variable, layer)
    if holder is variable:
        return "", layer
    return f", of the {type(holder).__name__} that {layer.name!r} keeps under {kept!r}", holder


def _cannot_tie(node: Any, variable: Any, homes: list[Any]) -> str:
    known = getattr(variable, "path", variable.name)
    what = f"{name_of(node)!r} ({type(node.operation).__name__}) reads the variable {known!r}"
    if not homes:
        return (
            f"{what}, which is of no layer of the model that is copied: the new model would go on to read that of the "
            f"original. Make it a weight of a layer, with add_weight."
        )
    home = name_of(homes[0])
    return (
        f"{what} of the layer {home!r}, and something else stands in the place of that layer, whose variables are "
        f"others. Leave {home!r} as it is, or give {name_of(node)!r} a variable of its own."
    )


def _shapes(tensors: list[Any]) -> str:
    return ", ".join(str(tensor.shape) for tensor in tensors if hasattr(tensor, "shape"))


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


def _kind(model: keras.Model) -> type:
    """The class of the copy of `model`."""
    kind = type(model)
    if is_stock(model):
        return keras.Sequential if isinstance(model, keras.Sequential) else keras.Model
    stock = next(cls for cls in kind.__mro__ if cls.__module__.startswith("keras."))
    if _constructor(kind) is _constructor(stock) or _takes_a_graph(kind):
        return kind
    own = [name for name in STEPS if getattr(kind, name) is not getattr(stock, name)]
    if own:
        raise TypeError(
            f"model {model.name!r} is of the class {kind.__name__}, which has {', '.join(own)} of its own and a "
            f"constructor that takes no inputs and outputs: a new model would compute the same and {own[0]} "
            f"would be lost. Pass keras.Model(model.inputs, model.outputs) for its graph alone."
        )
    return keras.Sequential if isinstance(model, keras.Sequential) else keras.Model


def _constructor(kind: type) -> Callable[..., None]:
    return getattr(kind, "__init__")  # noqa: B009 - as an attribute a type checker takes it for an instance's


def _takes_a_graph(kind: type) -> bool:
    """Whether a model of the class can be made of inputs, outputs and a name alone, as a keras.Model is."""
    _, *parameters = inspect.signature(_constructor(kind)).parameters.values()
    kinds = {p.kind for p in parameters}
    if {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds:
        return True
    first = [p.name for p in parameters[: 1 if issubclass(kind, keras.Sequential) else 2]]
    wanted = ["layers"] if issubclass(kind, keras.Sequential) else ["inputs", "outputs"]
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    optional = all(p.default is not p.empty or p.kind in variable for p in parameters[len(wanted) :])
    named = inspect.Parameter.VAR_KEYWORD in kinds or "name" in {p.name for p in parameters}
    return first == wanted and optional and named


@contextlib.contextmanager
def seeds_untouched() -> Iterator[None]:
    """Give back what making layers draws from Python's generator: what follows must not depend on it."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """No search for garbage while thousands of objects are made that all stay: it took a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def room_for(depth: int) -> Iterator[None]:
    """Room for `keras.Model()`, which walks a finished graph recursively, one Python frame or so per layer."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(2 * depth + limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
