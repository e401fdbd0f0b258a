"""A new model from an old one: a copy of every layer, or what is to stand in its place."""

from __future__ import annotations

import contextlib
import inspect
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from zoo.graph.calling import Stretch, accepted, call_operation, nodes_of, outputs_of
from zoo.graph.comparing import Comparison
from zoo.graph.copying import Part, copy_layer, copy_variables, is_stock, reason, take_attributes
from zoo.graph.internals import flatten_layers, keep_remat, producer
from zoo.graph.reading import Graph, graphs, read
from zoo.graph.samples import is_numeric

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
        ValueError: a layer cannot be copied, or its copy computes something else; the message names it.

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
    """

    model: keras.Model
    batch: Any = None
    outputs: tuple[Any, ...] = ()


def rewritten(
    model: keras.Model,
    replace: Mapping[Any, list[Part]] | None = None,
    *,
    stretches: Sequence[Stretch] = (),
    settings: Mapping[str, Any] | None = None,
    exact: bool = False,
    undone: Mapping[Any, Callable[..., Any]] | None = None,
    probe: Any = None,
) -> Rewritten:
    """`rewrite`, with the batch that both models were compared on and what the original made of it."""
    found = graphs(model)
    writer = _Writer(found, replace or {}, stretches, settings or {})
    depth = sum(len(graph.nodes) for graph in found) + 3 * len(replace or {})
    with seeds_untouched(), room_for(depth):
        new = writer.model(model)
        writer.finish()
        if probe is False:
            return Rewritten(new)
        comparison = Comparison(writer, {id(key): call for key, call in (undone or {}).items()}, exact)
        return Rewritten(new, *comparison.run(model, probe))


class _Writer:
    def __init__(
        self,
        found: list[Graph],
        replace: Mapping[Any, list[Part]],
        stretches: Sequence[Stretch],
        settings: Mapping[str, Any],
    ):
        self.replace = {id(key): parts for key, parts in replace.items()}
        self.replace.update((id(stretch), stretch.parts) for stretch in stretches)
        self.ends = {id(stretch.nodes[-1]): stretch for stretch in stretches}
        self.covered = {id(node) for stretch in stretches for node in stretch.nodes}
        self.settings = settings
        self.written: dict[int, list[Any]] = {}
        self.initializers: list[tuple[Any, str, Any]] = []
        self.fills: list[tuple[Any, Any]] = []
        self.copies: list[tuple[Any, Any]] = []
        self.flags: list[tuple[Any, bool]] = []
        self.shared = _shared_activations(found)

    def model(self, model: keras.Model) -> keras.Model:
        graph = read(model)
        kind = _kind(model)
        slot = len(self.copies)
        self.copies.append((model, model))
        old_inputs = keras.tree.flatten(model.inputs)
        new_inputs = [self._input(tensor) for tensor in old_inputs]
        if isinstance(model, keras.Sequential):
            layers = [layer for step in self.steps(graph) for layer in self.parts(step)]
            if len(set(map(id, layers))) == len(layers):
                new = kind([producer(new_inputs[0]).operation, *layers], name=model.name)
            else:  # a Sequential model holds no layer twice
                outputs = new_inputs[0]
                for layer in layers:
                    outputs = layer(outputs)
                new = keras.Model(new_inputs[0], outputs, name=model.name)
        else:
            tensors = {id(old): new for old, new in zip(old_inputs, new_inputs, strict=True)}
            for step in self.steps(graph):
                results = self.call(step, tensors)
                tensors.update((id(old), new) for old, new in zip(outputs_of(step), results, strict=True))

            def translate(tensor: Any) -> Any:
                return tensors[id(tensor)]

            inputs = keras.tree.map_structure(translate, model.input)
            outputs = keras.tree.map_structure(translate, model.output)
            new = kind(inputs, outputs, name=model.name)
        keep_remat(model, new)
        self.copies[slot] = (model, new)
        return new

    def steps(self, graph: Graph) -> Iterator[Any]:
        """The nodes of a graph, with a `Stretch` in the place of those it replaces."""
        for node in graph.nodes:
            if id(node) in self.ends:
                yield self.ends[id(node)]
            elif id(node) not in self.covered:
                yield node

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
                    self._draw_nothing(part.layer)
                    self.fills.append((part.fill, part.layer))
        elif isinstance(step.operation, keras.Model):
            layers = [self.model(step.operation)]
        elif isinstance(step.operation, keras.layers.Layer):
            layers = [self._copy(step.operation)]
        else:
            layers = [copy_layer(step.operation)]
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
            args, kwargs = step.arguments.fill_in(tensors)
            if type(parts[0]) is not type(step.operation):
                kwargs = accepted(parts[0], step, kwargs)
            result = self._made(step, parts[0], args, kwargs, training)
            parts = parts[1:]
        for part in parts:
            result = self._made(step, part, (result,), {}, training)
        return keras.tree.flatten(result)

    def _made(self, step: Any, part: Any, args: Any, kwargs: dict[str, Any], training: bool | None) -> Any:
        try:
            return call_operation(part, args, kwargs, training)
        except Exception as error:
            if not self.is_replaced(step):
                raise
            shape = keras.tree.map_structure(lambda t: getattr(t, "shape", t), args)
            raise ValueError(
                f"{type(part).__name__} {getattr(part, 'name', '')!r} cannot stand in the place of "
                f"{nodes_of(step)[-1].operation.name!r}: called on shape {', '.join(map(str, shape))} it says: "
                f"{reason(error)}"
            ) from error

    def finish(self) -> None:
        for layer, name, initializer in self.initializers:
            setattr(layer, name, initializer)
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
        for old, new in self.copies:
            if not isinstance(old, keras.Model) or not is_stock(old):
                take_attributes(old, new)
        self._refuse_untied()

    def _copy(self, layer: keras.layers.Layer) -> keras.layers.Layer:
        overrides = dict(self.settings)
        activation = getattr(layer, "activation", None)
        if id(activation) in self.shared:
            if id(activation) not in self.written:
                self.written[id(activation)] = [self._copy(activation)]
            (overrides["activation"],) = self.written[id(activation)]
        new = copy_layer(layer, **overrides)
        self._draw_nothing(new)
        self.copies.append((layer, new))
        self.fills.append((copy_variables(layer), new))
        return new

    def _remember_flag(self, layer: Any) -> None:
        if isinstance(layer, keras.layers.Layer):
            self.flags.extend((inner, inner.trainable) for inner in flatten_layers(layer))

    def _refuse_untied(self) -> None:
        """Refuse to make two variables of one."""
        twins: dict[int, tuple[Any, Any]] = {}
        for fill, layer in self.fills:
            for new, old in getattr(fill, "pairs", lambda _: ())(layer):
                source, twin = twins.setdefault(id(old), (fill.source, new))
                if twin is not new:
                    raise ValueError(
                        f"layers {source.name!r} and {fill.source.name!r} share the variable {old.path!r}, and "
                        f"their copies would have one each, which training takes apart. Share a whole layer "
                        f"instead of one inside two layers."
                    )

    def _input(self, tensor: Any) -> Any:
        layer = producer(tensor).operation
        config = layer.get_config()
        if "dtype" in self.settings and is_numeric(config["dtype"]):
            config["dtype"] = self.settings["dtype"]
        return type(layer).from_config(config).output

    def _draw_nothing(self, layer: Any) -> None:
        # The values are overwritten a moment later; drawing millions of them took as long as the rest. Somebody's
        # own layer may draw what is no weight.
        if not isinstance(layer, keras.layers.Layer) or not is_stock(layer):
            return
        for name, value in list(vars(layer).items()):
            if isinstance(value, keras.initializers.Initializer) and not layer.built:
                self.initializers.append((layer, name, value))
                setattr(layer, name, _ZEROS)


_ZEROS = keras.initializers.Zeros()


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


def _kind(model: keras.Model) -> Any:
    """The class of the copy of `model`."""
    kind: Any = type(model)
    if is_stock(model):
        return keras.Sequential if isinstance(model, keras.Sequential) else keras.Model
    stock = next(cls for cls in kind.__mro__ if cls.__module__.startswith("keras."))
    if kind.__init__ is stock.__init__ or _takes_anything(kind):
        return kind
    own = [name for name in STEPS if getattr(kind, name) is not getattr(stock, name)]
    if own:
        raise TypeError(
            f"model {model.name!r} is of the class {kind.__name__}, which has {', '.join(own)} of its own and a "
            f"constructor that takes no inputs and outputs: a new model would compute the same and {own[0]} "
            f"would be lost. Pass keras.Model(model.inputs, model.outputs) for its graph alone."
        )
    return keras.Sequential if isinstance(model, keras.Sequential) else keras.Model


def _takes_anything(kind: Any) -> bool:
    kinds = {p.kind for p in inspect.signature(kind.__init__).parameters.values()}
    return {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds


@contextlib.contextmanager
def seeds_untouched() -> Iterator[None]:
    """Give back what making layers draws from Python's generator: what follows must not depend on it."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@contextlib.contextmanager
def room_for(depth: int) -> Iterator[None]:
    """Room for `keras.Model()`, which walks a finished graph recursively, one Python frame or so per layer."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(2 * depth + limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
