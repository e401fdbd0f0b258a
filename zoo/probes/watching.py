"""Watch the activations of a model while it computes: every place with a name hands on what it gets and gives.

For the length of a `with` statement the function of each place is called through another that looks on. The
places are attributes of the model's own layers, so what is watched is the model and no copy, and whatever
holds those layers: wrappers, recurrent layers, layers of one's own. Afterwards everything is as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
from keras import layers, ops

from zoo.activations import InnerSite, Inside, Site, insides, sites, unnamed
from zoo.graph import ChannelAxes, copy_layer, default_axis, flatten_layers, graphs, own_axis
from zoo.graph.internals import REMAT

# What is called with a place, the call of it, the values before and after; what it returns, unless None, takes
# the place of the values after.
Visit = Callable[["Place", "Call", Any, Any], Any]


class Call(NamedTuple):
    """One call of a site.

    Attributes:
        site: Name of the site.
        number: 1 for the first call of it in a batch.
    """

    site: str
    number: int

    @property
    def name(self) -> str:
        """`"site"`, and `"site:2"` for its second call."""
        return self.site if self.number == 1 else f"{self.site}:{self.number}"


@dataclass(eq=False)
class Place:
    """An activation that can be watched.

    Attributes:
        names: Of the site; several where one function has several tasks in turn.
        owner: The layer or operation that holds the function.
        attribute: Under which name.
        function: The activation, as `zoo.activations.families` knows it.
        apply: What the attribute holds.
        built_in: Whether the owner does something else too.
        container: `id` of the layer in the graph whose calls are counted where one call applies the function
            many times, such as a recurrent layer; None where each application counts.
        axes: Channel axis of each call in turn.
    """

    names: tuple[str, ...]
    owner: Any
    attribute: str
    function: Callable[..., Any]
    apply: Callable[..., Any]
    built_in: bool
    container: int | None
    axes: list[int | None]
    calls: int = field(default=0)

    @property
    def has_weights(self) -> bool:
        """Whether the activation has weights of its own."""
        return bool(getattr(self.function, "variables", ()))

    @property
    def keeps_dtype(self) -> bool:
        """Whether it computes in a dtype of its own whatever it is given."""
        return self.has_weights or (self.attribute != "call" and isinstance(self.function, layers.Layer))

    def axis(self, number: int, rank: int) -> int:
        """The channel axis, at call `number` of the site, of a tensor of that rank."""
        axis = self.axes[(number - 1) % len(self.axes)]
        if axis is None:
            axis = default_axis(rank)
        return axis if rank > 2 and axis < rank - 1 else -1


class Watched:
    """The places of one model.

    Attributes:
        model: The model.
        places: What can be watched.
        unseen: Name of a layer -> why it may apply activations that cannot be.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        found = sites(model)
        inner = insides(model)
        axes = ChannelAxes(model)
        self.calls: dict[int, int] = {}
        self.applied: list[int] = []
        nodes: dict[int, list[Any]] = {}
        for graph in graphs(model):
            for node in graph.nodes:
                nodes.setdefault(id(node.operation), []).append(node)
        self.places = [
            _of_site(site, [axes.of(n.outputs[0]) for n in nodes[id(site.operation)]]) for site in found
        ]
        taken = {(id(place.owner), place.attribute) for place in self.places}
        for inside in inner:
            for site in inside.sites:
                if (id(site.owner), site.attribute) not in taken:
                    taken.add((id(site.owner), site.attribute))
                    self.places.append(_of_inner(site, inside))
        self.unseen = unnamed(inner)

    def not_called(self, visited: set[str]) -> dict[str, str]:
        """The names of the places that were never visited -> the reason."""
        reason = "it was not called; attention computes it inside keras.ops.dot_product_attention"
        return {
            name: reason if "softmax" in name else "it was not called"
            for place in self.places
            for name in place.names
            if name not in visited
        }

    @contextlib.contextmanager
    def watch(self, visit: Visit) -> Iterator[None]:
        """Have `visit` called at every place, within the `with` statement."""
        self.begin()
        with contextlib.ExitStack() as stack:
            for layer in flatten_layers(self.model):
                if isinstance(layer, layers.RNN):
                    stack.enter_context(_step_by_step(layer))
                for attribute, value in _PLAIN.items():
                    if attribute in vars(layer):
                        stack.enter_context(_set(layer, attribute, value))
            for place in self.places:
                stack.enter_context(_set(place.owner, place.attribute, self._looking_on(place, visit)))
            yield

    def begin(self) -> None:
        """Count calls from the start: a new batch."""
        self.calls.clear()
        for place in self.places:
            place.calls = 0

    def count(self, operation: Any) -> None:
        """A layer of the graph is about to be called."""
        self.calls[id(operation)] = self.calls.get(id(operation), 0) + 1

    @contextlib.contextmanager
    def _applying(self, function: Any) -> Iterator[None]:
        self.applied.append(id(function))
        try:
            yield
        finally:
            self.applied.pop()

    def _looking_on(self, place: Place, visit: Visit) -> Callable[..., Any]:
        apply = place.apply

        def look_on(*args: Any, **kwargs: Any) -> Any:
            if id(place.owner) in self.applied:  # as what another layer was given, which is that one's site
                return apply(*args, **kwargs)
            before = args[0] if args else next(iter(kwargs.values()))
            with self._applying(place.function):
                after = apply(*args, **kwargs)
                site = place.names[place.calls % len(place.names)]
                place.calls += 1
                number = place.calls if place.container is None else self.calls.get(place.container, 1)
                instead = visit(place, Call(site, number), before, after)
            return after if instead is None else instead

        return look_on


# No kernel that does a whole loop at once; and what is computed once only.
_PLAIN = {"use_cudnn": False, REMAT: None}


@contextlib.contextmanager
def _step_by_step(layer: Any) -> Iterator[None]:
    """Let a loop over time run in Python, one call of its cell a step."""
    if layer.unroll:
        yield
        return
    if keras.backend.backend() == "jax":
        import jax

        with jax.disable_jit():  # its own loop, which is only traced otherwise
            yield
        return
    # Not unrolled, Keras calls the cell once more, to see what it returns. Unrolled, it forgets that a loop that goes
    # backwards reads its mask backwards too: where it returns zeros for what is masked, and on Torch it fails at once.
    loop, zeros = layer.inner_loop, layer.zero_output_for_mask

    def inner_loop(sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        with contextlib.ExitStack() as turned:
            if mask is not None:
                (mask, *_) = keras.tree.flatten(mask)
                if layer.go_backwards:
                    mask = ops.flip(mask, axis=1)
                    sequences = keras.tree.map_structure(lambda s: ops.flip(s, axis=1), sequences)
                    turned.enter_context(_set(layer, "go_backwards", False))
            last, outputs, states = loop(sequences, initial_state, mask=mask, training=training)
        if mask is not None and zeros:
            mask = mask[:, -outputs.shape[1] :]  # the last step alone, where only that one is returned
            mask = ops.reshape(mask, (*mask.shape, *(1 for _ in outputs.shape[2:])))
            outputs = ops.where(mask, outputs, ops.zeros_like(outputs))
            last = outputs[:, -1]
        return last, outputs, states

    with (
        _set(layer, "unroll", True),
        _set(layer, "zero_output_for_mask", False),
        _set(layer, "inner_loop", inner_loop),
    ):
        yield


def _of_site(site: Site, axes: list[int | None]) -> Place:
    attribute = "activation" if site.built_in else "call"
    apply = _ready(site.function) if site.built_in else site.operation.call
    return Place((site.name,), site.operation, attribute, site.function, apply, site.built_in, None, axes)


def _of_inner(site: InnerSite, inside: Inside) -> Place:
    apply = site.owner.call if site.attribute == "call" else _ready(site.function)
    container = id(inside.operation) if site.pooled else None
    axes = [_axis_inside(site, inside)]
    return Place(site.names, site.owner, site.attribute, site.function, apply, site.built_in, container, axes)


def _axis_inside(site: InnerSite, inside: Inside) -> int | None:
    if isinstance(inside.operation, (layers.RNN, layers.Bidirectional)):
        # A step of a loop over images has their format.
        return 1 if getattr(site.owner, "data_format", None) == "channels_first" else -1
    own = own_axis(site.owner, 9)
    if own is None:
        # The layers that stand in the same one speak for it, if they agree.
        around = {own_axis(layer, 9) for layer in flatten_layers(inside.operation)} - {None}
        own = around.pop() if len(around) == 1 else None
    return -1 if own == 8 else own


def _ready(function: Callable[..., Any]) -> Callable[..., Any]:
    if not isinstance(function, layers.Layer) or function.built:
        return function
    # Keras makes the weights of an activation layer passed as `activation=` at the first call on data. The
    # model is not to change by being looked at.
    copy = copy_layer(function)

    def apply(z: Any, **kwargs: Any) -> Any:
        if not copy.built:
            copy.build(z.shape)
        return copy(z, **kwargs)

    return apply


@contextlib.contextmanager
def _set(owner: Any, attribute: str, value: Any) -> Iterator[None]:
    # Past Keras' own __setattr__, which would track what is set.
    own = vars(owner)
    missing = attribute not in own
    old = own.get(attribute)
    object.__setattr__(owner, attribute, value)
    try:
        yield
    finally:
        if missing:
            object.__delattr__(owner, attribute)
        else:
            object.__setattr__(owner, attribute, old)


def is_value(tensor: Any) -> bool:
    """Whether `tensor` has numbers now, and is not a stand-in while a function is traced."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return not tf.is_symbolic_tensor(tensor)
    if backend == "jax":
        import jax

        return not isinstance(tensor, jax.core.Tracer)
    return ops.is_tensor(tensor)
