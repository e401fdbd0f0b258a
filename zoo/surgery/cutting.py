"""A part of a model as a model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras

from zoo.graph import Graph, graphs, input_structure, piece, producer, seeds_untouched
from zoo.graph.rewriting import rewritten
from zoo.surgery.flattening import opened
from zoo.surgery.places import find
from zoo.surgery.report import Operated, Report


@seeds_untouched()
def cut(model: keras.Model, inputs: Any = None, outputs: Any = None, *, probe: Any = None) -> Operated:
    r"""The part of `model` that leads from some tensors in it to others.

    A name means what that layer returns, for inputs as for outputs. So a model is the second half of it after the
    first: with `front = cut(model, outputs="pool")` and `head = cut(model, inputs="pool")`,

    $$\mathrm{model}(x) = \mathrm{head}(\mathrm{front}(x)).$$

    A place in a nested model, `"base/conv5"`, un-nests that model; others stay nested.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        inputs: Where to start: the name of a layer, of a call of a shared layer (`"fc:2"`) or of an input, a layer
            of the model, a tensor of its graph such as `model.get_layer("conv").input`, or a list of these. None:
            those inputs of the model that the outputs need, in a dict where the model takes one.
        outputs: Where to end: the same, or a dict. None: the outputs of the model.
        probe: Inputs, as `model` takes them, on which every layer, and then the whole, is compared with the
            original; None draws a small batch, False compares nothing.

    Returns:
        The new model, a `keras.Model`, not compiled, and what changed. The shapes of a new input are those of
        the tensor that it stands for; it is called after the layer that made that, `NAME_input` if the layer is
        still there.

    Raises:
        TypeError: a place is of another kind, or `model` is subclassed.
        ValueError: a place is not found, or called several times without saying which; the outputs also need an
            input that is not given; an input is not needed; or a copy computes something else.

    Example:
        >>> import keras
        >>> from zoo.surgery import cut
        >>> fc, head = (keras.layers.Dense(2, name=n) for n in ("fc", "head"))
        >>> model = keras.Sequential([keras.Input((4,)), fc, head])
        >>> front, report = cut(model, outputs="fc")
        >>> [layer.name for layer in front.layers][-1], report.removed
        ('fc', ('head',))
    """
    if inputs is None and outputs is None:
        raise ValueError("cut needs inputs, outputs or both: the name of a layer, for instance.")
    found = graphs(model)
    starts = None if inputs is None else _tensors(model, found, inputs, "inputs")
    ends = found[0].ends if outputs is None else _tensors(model, found, outputs, "outputs")
    moved: dict[str, str] = {}
    first: dict[str, str] = {}
    nested = _holding(
        found, [*keras.tree.flatten([] if starts is None else starts), *keras.tree.flatten(ends)]
    )
    source = model
    if nested:
        flat, moved = opened(model, nested, probe=probe)
        source, first = flat.model, moved

        def translate(tensor: Any) -> Any:
            new = flat.tensors[id(tensor)]
            if len(new) > 1:
                raise ValueError(
                    f"{producer(tensor).operation.name!r} is called {len(new)} times, by way of a shared model. Make "
                    f"zoo.surgery.flatten(model) first and name the call: "
                    f"'{producer(tensor).operation.name}:2'."
                )
            return new[0]

        starts = None if starts is None else keras.tree.map_structure(translate, starts)
        ends = keras.tree.map_structure(translate, ends)
    (root, *_) = graphs(source)
    part = _part(source, root, starts, ends)
    renamed = _input_names(part, root)
    result = rewritten(source, part=part, renamed=renamed, exact=True, probe=probe)
    return Operated(result.model, _report(root, part, renamed, first))


def _tensors(model: keras.Model, found: list[Graph], places: Any, argument: str) -> Any:
    if isinstance(places, (list, tuple, dict)) and not places:
        raise ValueError(f"{argument} is empty: name at least one layer.")
    if isinstance(places, dict) and argument == "outputs":
        return {key: _tensors(model, found, place, argument) for key, place in places.items()}
    if isinstance(places, (list, tuple)):
        return [_tensors(model, found, place, argument) for place in places]
    if isinstance(places, keras.KerasTensor):
        known = {id(t) for g in found for t in g.starts} | {
            id(t) for g in found for n in g.nodes for t in n.outputs
        }
        if id(places) not in known:
            raise ValueError(
                f"{argument}: the tensor {places.name!r} of shape {places.shape} is none of model {model.name!r}. Take one "
                f"of its own, model.get_layer(...).output, or a name."
            )
        return places
    chosen = find(model, places, argument)
    tensors = []
    for place in chosen:
        if len(place.calls) > 1:
            raise ValueError(
                f"{argument}={place.name!r} is called {len(place.calls)} times: say which, '{place.name}:1' to "
                f"'{place.name}:{len(place.calls)}'."
            )
        ((_, node),) = place.calls
        tensors.extend(node.outputs)
    return tensors if len(tensors) > 1 else tensors[0]


def _holding(found: list[Graph], tensors: list[Any]) -> list[Graph]:
    """The nested models to open for `tensors` to be in the graph of the model itself."""
    wanted = {id(tensor) for tensor in tensors}
    chosen = {
        id(graph.model)
        for graph in found[1:]
        if wanted & ({id(t) for t in graph.starts} | {id(t) for n in graph.nodes for t in n.outputs})
    }
    while True:
        callers = {
            id(graph.model)
            for graph in found[1:]
            if any(id(node.operation) in chosen for node in graph.nodes)
        }
        if callers <= chosen:
            return [graph for graph in found[1:] if id(graph.model) in chosen]
        chosen |= callers


def _part(model: keras.Model, root: Graph, starts: Any, ends: Any) -> Graph:
    flat_ends = keras.tree.flatten(ends)
    if starts is None:
        whole = piece(model, list(root.starts), ends)
        needed = [tensor for tensor in root.starts if whole.readers(tensor) or whole.is_output(tensor)]
        taken = input_structure(model)
        if not isinstance(taken, dict) or not all(isinstance(t, keras.KerasTensor) for t in taken.values()):
            return piece(model, needed, ends)
        kept = {id(tensor) for tensor in needed}
        packed = {key: tensor for key, tensor in taken.items() if id(tensor) in kept}
        # A plain dict is read by its sorted keys, an OrderedDict is not.
        return replace(piece(model, keras.tree.flatten(packed), ends), packed=packed)
    flat_starts = keras.tree.flatten(starts)
    same = {id(tensor) for tensor in flat_starts} & {id(tensor) for tensor in flat_ends}
    for tensor in flat_starts:
        if id(tensor) in same:
            raise ValueError(
                f"{producer(tensor).operation.name!r} is among the inputs and among the outputs, with nothing between."
            )
    part = piece(model, flat_starts, ends)
    for tensor in flat_starts:
        if not part.readers(tensor):
            raise ValueError(
                f"inputs: the outputs do not need {producer(tensor).operation.name!r}. Leave it out, or start earlier."
            )
    return part


def _input_names(part: Graph, root: Graph) -> dict[Any, str]:
    """Names of the inputs in the place of tensors of the model."""
    own = {id(tensor) for tensor in root.starts}
    taken = {node.operation.name for node in part.nodes}
    taken |= {producer(tensor).operation.name for tensor in part.starts if id(tensor) in own}
    named = {}
    for tensor in part.starts:
        if id(tensor) in own:
            continue
        name = producer(tensor).operation.name
        number = 1
        candidate = name
        while candidate in taken:
            candidate = f"{name}_input" if number == 1 else f"{name}_input_{number}"
            number += 1
        taken.add(candidate)
        named[tensor] = candidate
    return named


def _report(root: Graph, part: Graph, renamed: dict[Any, str], moved: dict[str, str]) -> Report:
    before = {new: old for old, new in moved.items()}

    def old_name(name: str) -> str:
        return before.get(name, name)

    there = {node.operation.name for node in part.nodes}
    there |= {producer(tensor).operation.name for tensor in part.starts if tensor not in renamed}
    removed = [
        *(producer(tensor).operation.name for tensor in root.starts),
        *dict.fromkeys(node.operation.name for node in root.nodes),
    ]
    return Report(
        added={name: old_name(producer(tensor).operation.name) for tensor, name in renamed.items()},
        removed=tuple(old_name(name) for name in removed if name not in there),
        moved={old: new for old, new in moved.items() if new in there},
    )
