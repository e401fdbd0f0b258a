"""Read a Keras model as a graph of calls, and rebuild it with some of its layers replaced.

Keras records every symbolic call of a layer as a node: the layer, the arguments, the tensors that came out.
`read` puts the nodes of a Functional or Sequential model in the order of the computation; `rewrite` walks
that order once and calls a fresh copy of each layer, or what is to stand in its place, on the tensors of the
new model. Everything that turns one model into another is a choice of what stands in the place of what.
"""

from __future__ import annotations

import contextlib
import inspect
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

Fill = Callable[[keras.layers.Layer], None]


@dataclass(frozen=True)
class Part:
    """A new layer and what fills its variables once they exist.

    Attributes:
        layer: An unbuilt layer, made for this one model.
        fill: Called with the built layer to set every variable of it; None leaves the initial values.
    """

    layer: keras.layers.Layer
    fill: Fill | None = None


@dataclass(frozen=True, eq=False)
class Graph:
    """The calls of one model, without those inside nested models.

    Attributes:
        model: The model that was read.
        nodes: Its calls in the order of the computation, input layers left out.
        consumers: `id` of a tensor -> the nodes that read it, once for each time they do.
        outputs: `id`s of the tensors that the model returns.
        path: `""` for the model itself, `"inner/"` for a model nested in it under that name.
    """

    model: keras.Model
    nodes: tuple[Any, ...]
    consumers: dict[int, list[Any]] = field(repr=False)
    outputs: frozenset[int] = field(repr=False)
    path: str = ""

    def readers(self, tensor: Any) -> list[Any]:
        """The nodes that read `tensor`."""
        return self.consumers.get(id(tensor), [])

    def is_output(self, tensor: Any) -> bool:
        """Whether the model returns `tensor`."""
        return id(tensor) in self.outputs


def producer(tensor: Any) -> Any:
    """The node that made `tensor`."""
    operation, index, _ = tensor._keras_history
    return operation._inbound_nodes[index]


def input_structure(model: keras.Model) -> Any:
    """The input tensors of `model`, nested as it takes them."""
    # A Sequential model has no `input` before it was called as a layer.
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


def read(model: keras.Model, path: str = "") -> Graph:
    """Put the calls of `model` in order.

    Args:
        model: A Functional model, or a Sequential one whose input shape is known.
        path: Where it is nested; see `Graph.path`.

    Returns:
        The graph. Nested models are one node each; `graphs` reads them too.

    Raises:
        TypeError: `model` is no Keras model, or a subclassed one, whose computation is Python code and no
        graph. ValueError: a Sequential model that was never built.
    """
    _refuse_unreadable(model)
    inputs = keras.tree.flatten(model.inputs)
    finished = {id(producer(tensor)) for tensor in inputs}
    order = []
    for output in keras.tree.flatten(model.outputs):
        # Depth first with a stack of our own: Python's would end near a thousand layers.
        stack = [(producer(output), False)]
        while stack:
            node, parents_done = stack.pop()
            if id(node) in finished:
                continue
            if parents_done:
                finished.add(id(node))
                order.append(node)
                continue
            stack.append((node, True))
            stack.extend((producer(tensor), False) for tensor in reversed(node.input_tensors))
    consumers: dict[int, list[Any]] = {}
    for node in order:
        for tensor in node.input_tensors:
            consumers.setdefault(id(tensor), []).append(node)
    outputs = frozenset(id(tensor) for tensor in keras.tree.flatten(model.outputs))
    return Graph(model, tuple(order), consumers, outputs, path)


def graphs(model: keras.Model) -> list[Graph]:
    """The graph of `model`, then those of the models nested in it, each once, in order of appearance."""
    found = [read(model)]
    seen = {id(model)}
    for graph in found:  # grows while it is walked
        for node in graph.nodes:
            if isinstance(node.operation, keras.Model) and id(node.operation) not in seen:
                seen.add(id(node.operation))
                found.append(read(node.operation, f"{graph.path}{node.operation.name}/"))
    return found


def calls(found: list[Graph]) -> dict[int, list[tuple[Graph, Any]]]:
    """`id` of a layer -> every call of it in `found`, as pairs of graph and node."""
    index: dict[int, list[tuple[Graph, Any]]] = {}
    for graph in found:
        for node in graph.nodes:
            index.setdefault(id(node.operation), []).append((graph, node))
    return index


def names(found: list[Graph]) -> set[str]:
    """The names of all layers and operations in `found`, input layers and the models themselves included."""
    taken = {node.operation.name for graph in found for node in graph.nodes}
    return taken | {
        producer(t).operation.name for graph in found for t in keras.tree.flatten(graph.model.inputs)
    }


def rewrite(
    model: keras.Model,
    replace: Mapping[Any, list[Part]] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
) -> keras.Model:
    """A new model, equal to `model` except for what `replace` says.

    Weights, seeds of Dropout, names, `trainable` flags and dtype policies are carried over; a compiled state
    is not. Layers called several times stay shared, nested models stay nested, and a Sequential model stays
    one.

    Args:
        model: A Functional or built Sequential model; it is left as it is.
        replace: Layer (or one node, for one call of a layer) -> the parts called one after the other in its
            place. An empty list removes the layer: its output becomes its input.
        settings: Overrides for the configuration of every layer that is copied, such as `{"dtype":
            "float64"}`.

    Returns:
        A `keras.Model` or `keras.Sequential` of freshly made layers.

    Raises:
        TypeError: `model` cannot be read, see `read`.
        ValueError: a layer cannot be copied; the message names it.

    Example:
        >>> import keras
        >>> from zoo.graph import rewrite
        >>> dense, relu = keras.layers.Dense(2, name="dense"), keras.layers.ReLU(name="relu")
        >>> model = keras.Sequential([keras.Input((3,)), dense, relu])
        >>> [layer.name for layer in rewrite(model, {relu: []}).layers]
        ['dense']
    """
    found = graphs(model)
    writer = _Writer(replace or {}, settings or {})
    depth = sum(len(graph.nodes) for graph in found) + 3 * len(replace or {})
    with seeds_untouched(), room_for(depth):
        new = writer.model(model)
    writer.finish()
    return new


def copy_layer(layer: Any, **overrides: Any) -> Any:
    """An unbuilt copy of `layer` with the same configuration and name, except for `overrides`.

    Args:
        layer: A layer, or a Keras operation such as the `Pad` that `keras.ops.pad` leaves in a graph.
        **overrides: Entries of the configuration to replace; None stands for None.

    Raises:
        ValueError: the layer has no usable `get_config`.
    """
    if not isinstance(layer, keras.layers.Layer):
        # Operations hold arguments and no state, and not all of them can be made from a configuration.
        new = object.__new__(type(layer))
        vars(new).update(vars(layer), _inbound_nodes=[], _outbound_nodes=[])
        return new
    try:
        if isinstance(layer, keras.layers.Lambda):
            # Its configuration holds marshalled bytecode, which Keras refuses to read back.
            base = keras.layers.Layer.get_config(layer)
            new = keras.layers.Lambda(
                layer.function, layer._output_shape, layer.mask, layer.arguments, **(base | overrides)
            )
        else:
            activation = getattr(layer, "activation", None)
            keep = activation is not None and not isinstance(activation, keras.layers.Layer)
            with _activation_set_aside(layer) if keep else contextlib.nullcontext():
                config = layer.get_config()
            if keep and "activation" in config:
                config["activation"] = activation
            new = type(layer).from_config(config | overrides)
    except Exception as error:
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}) cannot be copied from its configuration: "
            f"{' '.join(str(error).split())[:300]} "
            f"Give the class a get_config and a from_config that restore it, or use a stock layer."
        ) from error
    return new


def copy_variables(source: keras.layers.Layer, *, drop: int = 0) -> Fill:
    """A fill that takes over the variables of `source`: weights, moving statistics and seed states.

    Args:
        source: A built layer.
        drop: Leave out this many of its last variables.
    """

    def fill(layer: keras.layers.Layer) -> None:
        _build_activation(source, layer)
        old = source.variables[: len(source.variables) - drop]
        new = layer.variables
        if [tuple(v.shape) for v in old] != [tuple(v.shape) for v in new]:
            raise ValueError(
                f"layer {source.name!r} ({type(source).__name__}) has variables "
                f"{[(v.name, tuple(v.shape)) for v in old]}, its copy has "
                f"{[(v.name, tuple(v.shape)) for v in new]}: its get_config does not describe it. "
                f"Complete get_config, or rebuild the layer."
            )
        for variable, value in zip(new, old, strict=True):
            # A copy: on JAX a training step gives away the arrays of its model.
            variable.assign(np.array(keras.ops.convert_to_numpy(value)))
            if variable.trainable != value.trainable:
                variable.trainable = value.trainable

    return fill


def set_values(**values: Any) -> Fill:
    """A fill that assigns arrays to the variables of those names, such as `kernel` and `bias`."""

    def fill(layer: keras.layers.Layer) -> None:
        for name, value in values.items():
            getattr(layer, name).assign(value)

    return fill


class _Writer:
    def __init__(self, replace: Mapping[Any, list[Part]], settings: Mapping[str, Any]):
        self.replace = {id(key): parts for key, parts in replace.items()}
        self.settings = settings
        self.written: dict[int, list[Any]] = {}
        self.initializers: list[tuple[Any, str, Any]] = []
        self.fills: list[tuple[Fill, Any]] = []
        self.flags: list[tuple[Any, Any]] = []

    def model(self, model: keras.Model) -> keras.Model:
        graph = read(model)
        self.flags.append((model, None))
        slot = len(self.flags) - 1
        old_inputs = keras.tree.flatten(model.inputs)
        new_inputs = [self._input(tensor) for tensor in old_inputs]
        if isinstance(model, keras.Sequential):
            layers = [layer for node in graph.nodes for layer in self.parts(node)]
            new = keras.Sequential([producer(new_inputs[0]).operation, *layers], name=model.name)
        else:
            tensors = {id(old): new for old, new in zip(old_inputs, new_inputs, strict=True)}
            for node in graph.nodes:
                results = self._call(node, tensors)
                tensors.update((id(old), new) for old, new in zip(node.outputs, results, strict=True))

            def translate(tensor: Any) -> Any:
                return tensors[id(tensor)]

            inputs = keras.tree.map_structure(translate, model.input)
            outputs = keras.tree.map_structure(translate, model.output)
            new = keras.Model(inputs, outputs, name=model.name)
        self.flags[slot] = (model, new)
        return new

    def parts(self, node: Any) -> list[Any]:
        operation = node.operation
        key = id(node) if id(node) in self.replace else id(operation)
        if key not in self.written:
            if key in self.replace:
                layers = []
                for part in self.replace[key]:
                    layers.append(part.layer)
                    if part.fill is not None:
                        self._draw_nothing(part.layer)
                        self.fills.append((part.fill, part.layer))
            elif isinstance(operation, keras.Model):
                layers = [self.model(operation)]
            else:
                is_layer = isinstance(operation, keras.layers.Layer)
                new = copy_layer(operation, **self.settings) if is_layer else copy_layer(operation)
                layers = [new]
                if is_layer:
                    self._draw_nothing(new)
                    self.flags.append((operation, new))
                    if operation.variables:
                        self.fills.append((copy_variables(operation), new))
            self.written[key] = layers
        return self.written[key]

    def finish(self) -> None:
        for layer, name, initializer in self.initializers:
            setattr(layer, name, initializer)
        # From the outside in: setting the flag of a model sets those of its layers, which then get their own
        # back.
        for old, new in self.flags:
            for a, b in zip(old._flatten_layers(), new._flatten_layers(), strict=False):
                if isinstance(old, keras.Model) and a is not old:
                    break
                if a.trainable != b.trainable:
                    b.trainable = a.trainable
        for fill, layer in self.fills:
            fill(layer)

    def _input(self, tensor: Any) -> Any:
        layer = producer(tensor).operation
        config = layer.get_config()
        if "dtype" in self.settings and keras.backend.is_float_dtype(config["dtype"]):
            config["dtype"] = self.settings["dtype"]
        return type(layer).from_config(config).output

    def _call(self, node: Any, tensors: dict[int, Any]) -> list[Any]:
        parts = self.parts(node)
        if not parts:
            (only,) = node.input_tensors
            return [tensors[id(only)]]
        args, kwargs = node.arguments.fill_in(tensors)
        if type(parts[0]) is not type(node.operation):
            kwargs = _accepted(parts[0], node, kwargs)
        result = parts[0](*args, **kwargs)
        for part in parts[1:]:
            result = part(result)
        return keras.tree.flatten(result)

    def _draw_nothing(self, layer: keras.layers.Layer) -> None:
        # The values are overwritten a moment later; drawing millions of them took as long as the rest.
        for name, value in list(vars(layer).items()):
            if isinstance(value, keras.initializers.Initializer) and not layer.built:
                self.initializers.append((layer, name, value))
                setattr(layer, name, _ZEROS)


_ZEROS = keras.initializers.Zeros()


def _accepted(layer: Any, node: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Of the arguments of a call, those that a layer of another class takes; the others have to be defaults."""
    # What takes a layer's place is a layer, or a function of tensors.
    known = inspect.signature(getattr(layer, "call", layer)).parameters
    lost = {
        name: value
        for name, value in kwargs.items()
        if name not in known and value is not None and value is not False
    }
    if lost:
        raise ValueError(
            f"layer {node.operation.name!r} is called with {', '.join(lost)}, which {type(layer).__name__} in its "
            f"place does not take; call it without, or leave it as it is."
        )
    return {name: value for name, value in kwargs.items() if name in known}


def _refuse_unreadable(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(f"expected a keras.Model, received {model!r} of type {type(model).__name__}.")
    if isinstance(model, keras.Sequential):
        stock = keras.Sequential
        try:
            known = bool(model.inputs)
        except AttributeError:
            known = False
        if not known:
            raise ValueError(
                f"Sequential model {model.name!r} has no graph yet: its input shape is not known. Start it "
                f"with keras.Input(shape), or call model.build((None, ...)) first."
            )
    elif isinstance(model, keras.Function):
        stock = next(
            c for c in type(model).__mro__ if c.__module__.startswith("keras.") and "call" in vars(c)
        )
    else:
        stock = None
    if stock is None or type(model).call is not stock.call:
        raise TypeError(
            f"model {model.name!r} is of the subclassed type {type(model).__name__}: its computation is the "
            f"Python code of call(), not a graph that can be read. Rebuild it with the functional API: "
            f"keras.Model(inputs, outputs)."
        )


def _build_activation(source: keras.layers.Layer, layer: keras.layers.Layer) -> None:
    # Keras makes the weights of an activation layer passed as `activation=` at the first call on data.
    old, new = getattr(source, "activation", None), getattr(layer, "activation", None)
    if (
        isinstance(old, keras.layers.Layer)
        and isinstance(new, keras.layers.Layer)
        and old.built
        and not new.built
    ):
        new.build(layer._inbound_nodes[0].outputs[0].shape)


@contextlib.contextmanager
def _activation_set_aside(layer: keras.layers.Layer) -> Iterator[None]:
    # get_config serialises the activation; a lambda or a partial cannot be, and need not be: it is passed on
    # as it is.
    if layer.activation in _STOCK_FUNCTIONS:
        yield
        return
    activation = layer.activation
    object.__setattr__(layer, "activation", keras.activations.linear)
    try:
        yield
    finally:
        object.__setattr__(layer, "activation", activation)


_STOCK_FUNCTIONS = [f for f in vars(keras.activations).values() if callable(f)]


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
