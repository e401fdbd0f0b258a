"""What Keras keeps to itself and the zoo needs: every private name of Keras 3 stands in this file, and in no other.

A function a behaviour. Each says what it relies on and why no public name gives it, so that a new version of Keras is
checked by reading this file and running its tests.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import keras
from keras.src.backend import compute_output_spec
from keras.src.backend.common.masking import get_keras_mask, set_keras_mask
from keras.src.ops.numpy import Add
from keras.src.utils.naming import to_snake_case

REMAT = "_remat_mode"
"""Under which name a layer remembers the `keras.RematScope` that it was made in; nothing public reads or changes it."""


def producer(tensor: Any) -> Any:
    """The node that made `tensor`, which a `KerasTensor` remembers together with its place among the outputs.

    Keras offers the graph of a whole model only as text and as a picture.
    """
    operation, index, _ = tensor._keras_history
    return operation._inbound_nodes[index]


def inbound_nodes(operation: Any) -> list[Any]:
    """All recorded calls of `operation`, in whichever model.

    Keras records each symbolic call as a node; the public `input` and `output` exist where there is one call alone.
    """
    return operation._inbound_nodes


def without_history(operation: Any) -> Any:
    """A copy of a bare operation that was never called: it holds arguments and no state.

    A bare operation, such as that of `a + b`, has no `get_config` that tells its arguments.
    """
    new = object.__new__(type(operation))
    vars(new).update(vars(operation), _inbound_nodes=[], _outbound_nodes=[])
    return new


def shadow(layer: Any, attributes: dict[str, Any]) -> Any:
    """`layer` with other attributes, for one look or call: it shares everything else, and `layer` is not touched."""
    new = object.__new__(type(layer))
    vars(new).update(vars(layer))
    vars(new).update(attributes)
    return new


def attributes(layer: Any) -> dict[str, Any]:
    """What is set on `layer`, by name: on Torch a layer is a module, which keeps the layers set on it elsewhere."""
    found = dict(vars(layer))
    if keras.backend.backend() == "torch":
        modules = found.get("_modules", {}).items()
        found |= {name: value for name, value in modules if isinstance(value, keras.layers.Layer)} | found
    return found


def flatten_layers(layer: keras.layers.Layer) -> list[Any]:
    """`layer` and all layers inside it, each once, from the outside in.

    Public is `model.layers` alone, which ends at wrappers, cells and layers of one's own.
    """
    return list(layer._flatten_layers())


def children(layer: keras.layers.Layer) -> list[Any]:
    """The layers that `layer` holds itself: Keras tracks every layer that is set as an attribute."""
    return list(layer._layers)


def pairs(old: keras.layers.Layer, new: keras.layers.Layer) -> Iterator[tuple[Any, Any]]:
    """`old` and the layers inside it, each with that of its copy `new`, level by level: all that both have made.

    A flat list does not do where the copy is not built yet: what is made in `build` would shift all that follows.
    """
    stack, seen = [(old, new)], set()
    while stack:
        a, b = stack.pop()
        if id(a) in seen:
            continue
        seen.add(id(a))
        yield a, b
        stack += reversed(list(children_paired(a, b)))


def children_paired(old: keras.layers.Layer, new: keras.layers.Layer) -> Iterator[tuple[Any, Any]]:
    """The layers that `old` holds itself, each with that of its copy `new`, as far as both have made them."""
    held = children(old), children(new)
    if len(held[0]) != len(held[1]):  # a Sequential model makes its input when it is built
        first, second = ([x for x in row if not isinstance(x, keras.layers.InputLayer)] for row in held)
        held = first, second
    return zip(*held, strict=False)


@cache
def plain_attributes() -> frozenset[str]:
    """The attributes that every layer has, so none that a class of its own added."""
    return frozenset(vars(keras.layers.Layer(name="plain")))


@cache
def plain_model_attributes() -> frozenset[str]:
    """The attributes that every Functional model has: its graph, and what `compile` and the first steps make."""
    x = keras.Input((1,), name="plain_input")
    model = keras.Model(x, x, name="plain")
    model.compile(keras.optimizers.SGD(name="plain"))
    return frozenset(vars(model))


def is_bookkeeping(attribute: str) -> bool:
    """Whether a backend or Keras' saving keeps the attribute of a layer, and not the class of the layer.

    TensorFlow's tracking writes names with `_self_`, `Layer.build` the shapes that a file needs.
    """
    return attribute.startswith("_self_") or attribute == "_build_shapes_dict"


def is_built_otherwise(layer: Any, other: Any) -> bool:
    """Whether two layers of one class were built for shapes of which one cannot be the other's.

    The public `get_build_config` is the class's own, which need not tell shapes.
    """
    first, second = ([*keras.tree.flatten(x._build_shapes_dict)] for x in (layer, other))
    known = [(a, b) for a, b in zip(first, second, strict=False) if a is not None and b is not None]
    return len(first) != len(second) or any(a != b for a, b in known)


def is_of_use(attribute: str) -> bool:
    """Whether Keras sets the attribute of a stock model when it is trained or called, beside those that `compile` makes.

    Those are the history of the last `fit`, flags of the loops, and what has a private name.
    """
    return attribute in ("history", "stop_evaluating", "stop_predicting") or attribute.startswith("_")


def takes_training(operation: Any) -> bool:
    """Whether Keras passes `training` to the call of `operation`, by the signature that it read when the layer was made."""
    return getattr(operation, "_call_has_training_arg", False)


def hears_of_training(operation: Any) -> bool:
    """Whether `operation` may be called with `training`, which Keras hands to the layers inside where it takes none."""
    return "training" in getattr(operation, "_call_context_args", ())


def lambda_arguments(layer: keras.layers.Lambda) -> tuple[Any, ...]:
    """What `keras.layers.Lambda` was made with, functions included, in the order of its constructor.

    `get_config` gives functions as code, which is not the function.
    """
    return layer.function, layer._output_shape, layer.mask, layer.arguments


def keep_remat(source: Any, new: Any) -> None:
    """Let `new` recompute in training what `source` does, whichever `keras.RematScope` is open now."""
    setattr(new, REMAT, getattr(source, REMAT, None))


def is_remat(operation: Any) -> bool:
    """Whether `operation` recomputes in training what it computed: a scope may also say that it does not."""
    return getattr(getattr(operation, REMAT, None), "mode", None) is not None


def own_variables(layer: Any) -> list[Any]:
    """The variables of `layer` itself, without those of the layers in it and of its random generators.

    The public lists hold all of them together.
    """
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def trains(layer: Any) -> bool:
    """Whether a layer trains, and all of its weights that may: the flag of a single variable may be another.

    The public `trainable_variables` leaves out those that are frozen and does not say that they are.
    """
    held = [variable for inner in layer._flatten_layers() for variable in inner._trainable_variables]
    return layer.trainable and all(variable.trainable for variable in held)


def standardised(model: keras.Model, inputs: Any) -> list[Any]:
    """What a call of `model` with `inputs` feeds to each of `model.inputs`: dicts by name, lists by place.

    The rule is Keras' own, casts and missing axes of size one included; only a call applies it.
    """
    return _functional(model)._standardize_inputs(inputs)


def as_taken(model: keras.Model, flat: list[Any]) -> Any:
    """One value for each of `model.inputs`, in the structure in which `model` was made to take them.

    The public `model.input` is that of the first call, which a Sequential model has not before it is called.
    """
    return keras.tree.pack_sequence_as(_functional(model)._inputs_struct, flat)


def returned(model: keras.Model) -> Any:
    """The output tensors of `model`, nested as it returns them.

    The public `model.output` is that of the first call, which a Sequential model has not before it is called.
    """
    return _functional(model).output


def _functional(model: keras.Model) -> Any:
    # A Sequential model computes by a Functional one that it makes for itself.
    return model._functional if isinstance(model, keras.Sequential) else model


def passed_on(model: keras.Model, inputs: Any) -> list[Any]:
    """`standardised` for tensors of a graph, without the calls that it records for those that fit as they are."""
    return [_unconverted(tensor) for tensor in standardised(model, inputs)]


def _unconverted(tensor: Any) -> Any:
    node = producer(tensor)
    if type(node.operation).__name__ == "ConvertToTensor" and len(node.input_tensors) == 1:
        (source,) = node.input_tensors
        if source.dtype == tensor.dtype and source.shape == tensor.shape:
            return source
    return tensor


def mask_of(value: Any) -> Any:
    """The mask that Keras carries along with a tensor, or None; beside it where a tensor takes no attributes, as of JAX."""
    return get_keras_mask(value)


@contextlib.contextmanager
def masks_kept(values: Iterable[Any]) -> Iterator[None]:
    """Give `values` their masks back in the end: MultiHeadAttention takes them from the tensors that it reads."""
    masks = [(value, mask_of(value)) for value in values]
    try:
        yield
    finally:
        for value, mask in masks:
            if mask is not mask_of(value):
                set_keras_mask(value, mask)


def put_mask(value: Any, mask: Any) -> None:
    """Make Keras carry `mask` along with the tensor `value`; None for no mask."""
    set_keras_mask(value, mask)


def carry_mask(source: Any, value: Any) -> Any:
    """`value` with the mask of `source`."""
    if mask_of(source) is not None:
        set_keras_mask(value, mask_of(source))
    return value


def is_bare_addition(operation: Any) -> bool:
    """Whether `operation` is what `a + b` and `keras.ops.add` leave in a graph: no layer, and of no public class."""
    return type(operation) is Add


def computed(function: Callable[[Any], Any], tensor: keras.KerasTensor) -> Any:
    """What `function` makes of a symbolic tensor: shape and dtype, without numbers.

    The public `keras.Operation.compute_output_spec` does the same and buries the error of a function that fails in advice
    about `call`.
    """
    return compute_output_spec(function, tensor)


def automatic_name(kind: type) -> str:
    """The name that Keras gives to a layer of this class in a file and, with a number, to one that nobody named.

    A layer has such a name only once it is made, which counts the number up.
    """
    return to_snake_case(kind.__name__)
