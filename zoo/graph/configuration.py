"""A layer from the configuration of another, with the functions and classes that Keras could not write or read back."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras

from zoo.graph.held import FRAMEWORKS, SIMPLE, is_function
from zoo.graph.internals import attributes, flatten_layers, plain_attributes, shadow

_STOCK = frozenset(id(f) for f in vars(keras.activations).values() if callable(f))


def is_stock(layer: Any) -> bool:
    """Whether the class of `layer` is one of Keras or of this library, whose constructors say all."""
    return is_of_keras(type(layer))


def is_of_keras(cls: type) -> bool:
    """Whether a class is one of Keras or of this library."""
    return cls.__module__.split(".")[0] in ("keras", "zoo")


def from_config(layer: keras.layers.Layer, overrides: dict[str, Any]) -> keras.layers.Layer:
    """A layer of the same class, from the configuration of `layer` with some entries replaced."""
    tokens = _Tokens()
    stand_in = tokens.stand_in(layer)
    if stand_in is not layer:
        try:
            config = stand_in.get_config()
            # Wrappers write down and read again what they are given, so the tokens are in use until the end.
            with keras.saving.CustomObjectScope(tokens.by_name | _classes_inside(layer)):
                new = _made(type(layer), config | overrides)
            tokens.remove(new)
            return new
        except (
            Exception
        ):  # the class looks its function up, or does what a look cannot do: ask the layer itself
            pass
    with keras.saving.CustomObjectScope(_classes_inside(layer)):
        return type(layer).from_config(layer.get_config() | overrides)


def _made(kind: Any, config: dict[str, Any]) -> Any:
    """A layer of the class `kind`, which may want functions in `config` as Keras writes them, or as they are."""
    written = {
        key: keras.saving.serialize_keras_object(value) if inspect.isfunction(value) else value
        for key, value in config.items()
    }
    try:
        return kind.from_config(config)
    except Exception:
        if written == config:
            raise
        return kind.from_config(written)


def _classes_inside(layer: keras.layers.Layer) -> dict[str, type]:
    """The classes of somebody's own in `layer`, by the names under which Keras writes them: they are known already.

    Of layers, and of what they were given: regularizers, constraints, initializers, objects that can be called.
    """
    inner = flatten_layers(layer)
    kinds = {type(value) for value in inner[1:] if not is_stock(value)}
    for holder in inner:
        leaves = keras.tree.flatten([attributes(holder)[name] for name in given_attributes(holder)])
        kinds |= {type(value) for value in leaves if _writes_itself(value)}
    named: dict[str, set[type]] = {}
    for kind in kinds:
        named.setdefault(keras.saving.get_registered_name(kind), set()).add(kind)
    # Two of the same name cannot be told apart in a configuration.
    return {name: kind for name, (kind, *others) in named.items() if not others}


def given_attributes(layer: Any) -> set[str]:
    """The names under which `layer` keeps what its class added, or what it was given, plain numbers left out."""
    given = {name for name, value in attributes(layer).items() if type(value) not in SIMPLE}
    return given - (plain_attributes() - {"activity_regularizer"})


def _writes_itself(value: Any) -> bool:
    """Whether `value` is no layer, and of a class of somebody's own that Keras writes by its `get_config`."""
    kind = type(value)
    if isinstance(value, (type, keras.layers.Layer)) or kind.__module__.split(".")[0] in FRAMEWORKS:
        return False
    return hasattr(kind, "get_config")


def described(layer: keras.layers.Layer) -> dict[str, Any]:
    """The configuration of `layer`, with a number in the place of each function of somebody's own."""
    return _Tokens().stand_in(layer).get_config()


class _Tokens:
    """Stand-ins for the functions in a layer, with names that Keras can write down and read back.

    A configuration names functions: a lambda has no name, and a function called `relu` would come back as
    another. So the configuration is read from a shadow of the layer, whose functions have names of their own.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, Any] = {}
        self._functions: dict[int, Any] = {}
        self._shadows: dict[int, Any] = {}

    def stand_in(self, layer: keras.layers.Layer) -> keras.layers.Layer:
        """A shadow of `layer`, or `layer` itself where no function of somebody's own is in it."""
        if id(layer) not in self._shadows:
            self._shadows[id(layer)] = layer
            changed = self._changed(layer, lambda value: self._stand_in_for(value, layer))
            if changed:
                self._shadows[id(layer)] = shadow(layer, changed)
        return self._shadows[id(layer)]

    def remove(self, layer: keras.layers.Layer) -> None:
        """Put the functions themselves into `layer` and the layers in it."""
        for inner in flatten_layers(layer):
            for name, value in self._changed(inner, self._function_of).items():
                setattr(inner, name, value)

    def _changed(self, layer: Any, replace: Callable[[Any], Any]) -> dict[str, Any]:
        found = {}
        own = attributes(layer)
        for name in own.keys() - plain_attributes():
            value = own[name]
            if type(value) in SIMPLE:
                continue
            replaced = _mapped(replace, value)
            if replaced is not value:
                found[name] = replaced
        return found

    def _stand_in_for(self, value: Any, layer: Any) -> Any:
        if isinstance(value, keras.layers.Layer):
            return value if isinstance(value, keras.Model) else self.stand_in(value)
        return self._token(value) if is_function(value, layer) and id(value) not in _STOCK else value

    def _function_of(self, value: Any) -> Any:
        return self._functions.get(id(value), value)

    def _token(self, function: Any) -> Any:
        for known in self.by_name.values():
            if self._functions[id(known)] is function:
                return known

        def token(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        token.__name__ = token.__qualname__ = name = f"zoo_function_{len(self.by_name)}"
        self.by_name[name] = token
        self._functions[id(token)] = function
        return token


def _mapped(replace: Callable[[Any], Any], value: Any) -> Any:
    """`value` with `replace` done to all in it; `value` itself where that changes nothing."""
    if isinstance(value, dict):
        changed = {key: _mapped(replace, item) for key, item in value.items()}
        return changed if any(changed[key] is not value[key] for key in changed) else value
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        row = [_mapped(replace, item) for item in value]
        same = all(a is b for a, b in zip(row, value, strict=True))
        return value if same else tuple(row) if isinstance(value, tuple) else row
    return replace(value)
