"""What is not a model but has one: the result of a transform, or the path of a file."""

from __future__ import annotations

import os
from typing import Any, NoReturn, TypeVar

import keras

_Result = TypeVar("_Result", bound=tuple[Any, ...])


def leads_to_its_model(result: type[_Result]) -> type[_Result]:
    """A result that, asked for what only its model has, names the model: `result.model.save`."""

    def missing(self: _Result, name: str) -> NoReturn:
        kind = type(self).__name__
        has_it = hasattr(self[0], name)
        instead = f"; its model has: .model.{name}" if has_it else ""
        raise AttributeError(f"{kind!r} object has no attribute {name!r}{instead}", name=name, obj=self)

    # Set, not written in the class: to a type checker a class with this method has every attribute.
    setattr(result, "__getattr__", missing)  # noqa: B010
    return result


def not_a_model(received: Any, expected: str = "expected a keras.Model") -> str:
    """What stands where a Keras model is expected, and how to come by the model; for messages."""
    kind = type(received).__name__
    if isinstance(getattr(received, "model", None), keras.Model):
        return f"{expected}, received a {kind}: pass its model, result.model."
    if isinstance(received, (str, os.PathLike)):
        return (
            f"{expected}, received {os.fspath(received)!r}: keras.models.load_model loads a file, "
            "zoo.build builds a net by its name."
        )
    return f"{expected}, received {received!r} of type {kind}."
