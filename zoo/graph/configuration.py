"""A layer from the configuration of another, with the functions and classes that Keras could not write or read back."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from zoo.graph.held import COPIED_ELSEWHERE, FRAMEWORKS, SIMPLE, equal, inside, is_function, is_raw_variable
from zoo.graph.internals import attributes, flatten_layers, is_bookkeeping, plain_attributes, shadow

_STOCK = frozenset(id(f) for f in vars(keras.activations).values() if callable(f))
# What Keras writes into the configuration of every layer, and can set on a layer that is there.
_OF_EVERY_LAYER = ("name", "trainable", "dtype", "activity_regularizer")


def is_stock(layer: Any) -> bool:
    """Whether the class of `layer` is one of Keras or of this library, whose constructors say all."""
    return is_of_keras(type(layer))


def is_of_keras(cls: Any) -> bool:
    """Whether a class, or a function, is one of Keras or of this library."""
    return cls.__module__.split(".")[0] in ("keras", "zoo")


def from_config(layer: keras.layers.Layer, overrides: dict[str, Any]) -> keras.layers.Layer:
    """A layer of the same class, from the configuration of `layer` with some entries replaced."""
    tokens = _Tokens()
    stand_in = tokens.stand_in(layer)
    if stand_in is not layer:
        try:
            config = tokens.parts_copied(stand_in.get_config(), layer)
            # Wrappers write down and read again what they are given, so the tokens are in use until the end.
            with keras.saving.CustomObjectScope(tokens.by_name | _classes_inside(layer)):
                new = _made(type(layer), config | overrides)
            tokens.remove(new)
            return new
        except (
            Exception
        ):  # the class looks its function up, or does what a look cannot do: ask the layer itself
            pass
    config = tokens.parts_copied(layer.get_config(), layer)
    with keras.saving.CustomObjectScope(_classes_inside(layer)):
        return _read_back(type(layer), config | overrides)


def _made(kind: Any, config: dict[str, Any]) -> Any:
    """A layer of the class `kind`, which may want functions in `config` as Keras writes them, or as they are."""
    written = {
        key: keras.saving.serialize_keras_object(value) if inspect.isfunction(value) else value
        for key, value in config.items()
    }
    try:
        return _read_back(kind, config)
    except Exception:
        if written == config:
            raise
        return _read_back(kind, written)


def _read_back(kind: Any, config: dict[str, Any]) -> Any:
    """A layer from its configuration; what its constructor does not take is set on it afterwards."""
    apart = _not_taken(kind) & config.keys()
    try:
        new = kind.from_config({key: value for key, value in config.items() if key not in apart})
    except TypeError:
        if (stock := _extended_by_a_constructor(kind)) is None:
            raise
        return _made_as(stock, kind, config)
    if "name" in apart:
        new.name = config["name"]
    if "dtype" in apart and new.dtype_policy != (policy := keras.dtype_policies.get(config["dtype"])):
        new.dtype_policy = policy
    if "activity_regularizer" in apart:
        new.activity_regularizer = keras.regularizers.get(config["activity_regularizer"])
    if "trainable" in apart and new.trainable != config["trainable"]:
        new.trainable = config["trainable"]
    return new


def _extended_by_a_constructor(kind: Any) -> Any:
    """The stock layer that a class of somebody's own extends, leaving it what is read back; None where there is none.

    Such a class may choose for itself what the layer writes down: `super().__init__(filters, kernel_size=3)`.
    """
    stock = next(cls for cls in kind.__mro__ if is_of_keras(cls))
    own = kind.__mro__[: kind.__mro__.index(stock)]
    general = (*keras.layers.Layer.__mro__, keras.layers.Wrapper, keras.layers.RNN)
    reads = any({"get_config", "from_config", "__new__"} & vars(cls).keys() for cls in own)
    return None if reads or not own or stock in general or issubclass(stock, keras.Model) else stock


def _made_as(stock: Any, kind: Any, config: dict[str, Any]) -> Any:
    """A layer of the class `kind`, made by the constructor of the stock layer that it extends, not by its own.

    What its own sets besides is carried over as all attributes are, and a layer or variable that it makes is missed.
    """
    narrower: Any = type(kind.__name__, (kind,), {"__init__": stock.__init__, "__module__": kind.__module__})
    new = narrower.from_config(config)
    object.__setattr__(new, "__class__", kind)
    return new


def _not_taken(kind: Any) -> set[str]:
    """What a constructor of somebody's own does not take, and Keras would pass it all the same."""
    if is_of_keras(kind) or not is_of_keras(kind.from_config):
        return set()
    parameters = inspect.signature(kind.__init__).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return set()
    return set(_OF_EVERY_LAYER) - parameters.keys()


@dataclass(frozen=True)
class _Reader:
    """Stands for a class where Keras makes a layer inside another of it."""

    kind: Any

    def from_config(self, config: dict[str, Any]) -> Any:
        """What the class makes of it."""
        return _read_back(self.kind, config)


def _classes_inside(layer: keras.layers.Layer) -> dict[str, Any]:
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
    kept = {name: kind for name, (kind, *others) in named.items() if not others}
    return {
        name: _Reader(kind) if _is_layer(kind) and not is_of_keras(kind) else kind
        for name, kind in kept.items()
    }


def _is_layer(kind: type) -> bool:
    return issubclass(kind, keras.layers.Layer)


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


def comes_back(value: Any) -> bool:
    """Whether Keras, where it writes down `value` and reads it back, has the same; all but objects of one's own do.

    A regularizer, constraint or initializer without a `get_config` of its own does not: what Keras has of its class
    refuses, or says nothing. One that holds a variable need not have the same value, for that is carried over.
    """
    kind: Any = type(value)
    if not callable(value) or is_of_keras(kind) or not _writes_itself(value):
        return True
    if isinstance(value, COPIED_ELSEWHERE):
        return True
    try:
        made = kind.from_config(value.get_config())
    except Exception:  # whatever the class says
        return False
    return _holds_variables(value) or equal(value, made)


def _holds_variables(value: Any) -> bool:
    held = keras.tree.flatten(inside(value) or {})
    return any(isinstance(x, (keras.Variable, keras.layers.Layer)) or is_raw_variable(x) for x in held)


def holder_of(variable: Any, layer: keras.layers.Layer) -> tuple[str, Any]:
    """Under which name `layer` keeps `variable`, and what has it there: itself, a layer or a random generator."""
    for name in sorted(given_attributes(layer)):
        if is_bookkeeping(name):
            continue
        for value in keras.tree.flatten(attributes(layer)[name]):
            state = getattr(value, "state", None) if isinstance(value, keras.random.SeedGenerator) else value
            inner = value.variables if isinstance(value, keras.layers.Layer) else [state]
            if any(own is variable for own in inner):
                return name, value
    return "", variable


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
        self._parts: dict[int, tuple[Any, Any]] = {}

    def stand_in(self, layer: keras.layers.Layer) -> keras.layers.Layer:
        """A shadow of `layer`, or `layer` itself where no function of somebody's own is in it."""
        if id(layer) not in self._shadows:
            self._shadows[id(layer)] = layer
            changed = self._changed(layer, functools.partial(self._stand_in_for, layer))
            if changed:
                self._shadows[id(layer)] = shadow(layer, changed)
        return self._shadows[id(layer)]

    def remove(self, layer: keras.layers.Layer) -> None:
        """Put the functions themselves into `layer` and the layers in it."""
        for inner in flatten_layers(layer):
            for name, value in self._changed(inner, self._function_of).items():
                setattr(inner, name, value)

    def parts_copied(self, config: dict[str, Any], layer: keras.layers.Layer) -> dict[str, Any]:
        """`config`, where it gives layers inside `layer` and random generators as they are, with copies of them."""
        inner = {id(part): part for part in flatten_layers(layer)[1:] if not isinstance(part, keras.Model)}
        inner |= {id(self._shadows[key]): part for key, part in inner.items() if key in self._shadows}

        def copied(value: Any) -> Any:
            if not isinstance(value, keras.random.SeedGenerator) and id(value) not in inner:
                return value
            part = inner.get(id(value), value)
            if id(part) not in self._parts:
                self._parts[id(part)] = part, part
                # What cannot be copied stays the original's, and is refused where that matters.
                with contextlib.suppress(Exception):
                    is_layer = isinstance(part, keras.layers.Layer)
                    new = from_config(part, {}) if is_layer else type(part).from_config(part.get_config())
                    self._parts[id(part)] = part, new
            return self._parts[id(part)][1]

        return {key: _mapped(copied, value) for key, value in config.items()}

    def _changed(self, layer: Any, replace: Callable[[str, Any], Any]) -> dict[str, Any]:
        found = {}
        own = attributes(layer)
        for name in sorted(given_attributes(layer)):
            replaced = _mapped(functools.partial(replace, name), own[name])
            if replaced is not own[name]:
                found[name] = replaced
        return found

    def _stand_in_for(self, layer: Any, name: str, value: Any) -> Any:
        if isinstance(value, keras.layers.Layer):
            return value if isinstance(value, keras.Model) else self.stand_in(value)
        if id(value) in _STOCK:
            return value
        if comes_back(value):
            return self._token(value) if is_function(value, layer) else value
        if _holds_variables(value):
            kind = type(value).__name__
            raise ValueError(
                f"under {name!r} it has a {kind}, which holds a variable or a layer, and which its get_config does not restore."
            )
        return self._token(value)

    def _function_of(self, _: str, value: Any) -> Any:
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
