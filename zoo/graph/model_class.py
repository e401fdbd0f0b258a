"""Of which class the copy of a model can be."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras

from zoo.graph.configuration import is_stock

# What a user of a model calls besides the model itself. A class that has its own keeps it, or is refused.
STEPS = (
    "fit evaluate predict train_step test_step predict_step train_on_batch test_on_batch predict_on_batch "
    "make_train_function make_test_function make_predict_function compute_loss compute_metrics __call__"
).split()


def class_of_copy(model: keras.Model) -> type:
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


def refuse_changed(model: keras.Model, made: list[Any], given: list[Any]) -> None:
    """Refuse a copy whose constructor makes other tensors or layers its own than it is `given`, which are all there are."""
    if list(map(id, made)) != list(map(id, given)):
        raise TypeError(
            f"model {model.name!r} is of the class {type(model).__name__}, whose constructor changes the graph that it is "
            f"given: the new model, made of the finished graph, would be changed twice. Pass "
            f"keras.Model(model.inputs, model.outputs) for its graph alone."
        )


def _constructor(kind: type) -> Callable[..., None]:
    return getattr(kind, "__init__")  # noqa: B009 - as an attribute a type checker takes it for an instance's


def _takes_a_graph(kind: type) -> bool:
    """Whether a model of the class can be made of inputs, outputs and a name alone, as a keras.Model is."""
    _, *parameters = inspect.signature(_constructor(kind)).parameters.values()
    kinds = {p.kind for p in parameters}
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    own = [p for p in parameters if p.kind not in variable]
    if kinds.issuperset(variable) and all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in own):
        return True
    wanted = ["layers"] if issubclass(kind, keras.Sequential) else ["inputs", "outputs"]
    first = [p.name for p in own if p.kind is not p.KEYWORD_ONLY][: len(wanted)]
    # Of (inputs, *args) the outputs are the first of args.
    fits = first == wanted or (first == wanted[:1] and inspect.Parameter.VAR_POSITIONAL in kinds)
    optional = all(p.default is not p.empty for p in own[len(first) :])
    named = inspect.Parameter.VAR_KEYWORD in kinds or "name" in {p.name for p in parameters}
    return fits and optional and named
