"""A layer once more: its configuration, its variables, and what it keeps besides."""

from __future__ import annotations

import copy
import dis
import enum
import functools
import inspect
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from zoo.graph.internals import (
    attributes,
    children,
    flatten_layers,
    is_bookkeeping,
    keep_remat,
    lambda_arguments,
    plain_attributes,
    shadow,
    without_history,
)

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


def copy_layer(layer: Any, **overrides: Any) -> Any:
    """An unbuilt copy of `layer` with the same configuration and name, except for `overrides`.

    Functions that Keras cannot write into a configuration, such as a lambda passed as `activation=`, are passed
    on as they are, under whichever key and however deep the class keeps them.

    Args:
        layer: A layer, or a Keras operation such as the `Pad` that `keras.ops.pad` leaves in a graph.
        **overrides: Entries of the configuration to replace; None stands for None.

    Raises:
        ValueError: the layer has no usable `get_config`.
    """
    if not isinstance(layer, keras.layers.Layer):
        # Not all operations can be made from a configuration.
        new = without_history(layer)
        vars(new).update(overrides)
        return new
    try:
        if isinstance(layer, keras.layers.Lambda):
            # Its configuration holds marshalled bytecode, which Keras refuses to read back.
            base = keras.layers.Layer.get_config(layer)
            new = type(layer)(*lambda_arguments(layer), **(base | overrides))
        else:
            new = _from_config(layer, overrides)
    except Exception as error:
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}) cannot be copied from its configuration: "
            f"{reason(error)} "
            f"Give the class a get_config and a from_config that restore it, or use a stock layer."
        ) from error
    # Keras' own configuration of a class without get_config may leave the name out.
    if new.name != (name := overrides.get("name", layer.name)):
        new.name = name
    for old, copied in zip(flatten_layers(layer), flatten_layers(new), strict=False):
        if type(old) is type(copied):
            keep_remat(old, copied)
            if old is not layer and copied.name != old.name:  # nobody named it, so Keras counted
                copied.name = old.name
    if not is_stock(layer):
        # Neither a table inside a layer of one's own nor statistics that it was adapted to may be missing at a call, not
        # even on symbols.
        _take_tables(layer, new)
        _take_settings(layer, new)
    return new


def copy_variables(source: keras.layers.Layer, *, drop: int = 0) -> Fill:
    """A fill that takes over the state of `source`: weights, moving statistics, seeds, tables, states of a loop.

    Args:
        source: A built layer.
        drop: Leave out this many of its last variables.
    """
    return _Take(source, drop)


def set_values(**values: Any) -> Fill:
    """A fill that assigns arrays to the variables of those names, such as `kernel` and `bias`."""
    return _Set(values)


@dataclass(frozen=True, eq=False)
class _Set:
    values: dict[str, Any]

    def __call__(self, layer: keras.layers.Layer) -> None:
        begun = _begun_with(layer)
        for name, value in self.values.items():
            variable = getattr(layer, name)
            if begun.get(id(variable)) is not value:
                variable.assign(value)

    def first_value(self, name: str) -> Any:
        """What the variable of that name is to be set to, if it is one."""
        return self.values.get(name)


def _adapt_kernel(old: Any, new: Any) -> None:
    """Give a layer inside another the low-rank or quantised kernel that its original got after it was made."""
    if type(old) is not type(new):
        return
    if (mode := getattr(old, "quantization_mode", None)) and getattr(new, "quantization_mode", mode) is None:
        new.quantize(mode, config=getattr(old, "quantization_config", None))
    if getattr(old, "lora_enabled", False) and not new.lora_enabled:
        new.enable_lora(old.lora_rank, lora_alpha=old.lora_alpha)


@dataclass(frozen=True, eq=False)
class _Take:
    source: keras.layers.Layer
    drop: int = 0

    def first_value(self, name: str) -> Any:
        """The variable of that name to take over, if there is one."""
        value = getattr(self.source, name, None)
        return value if isinstance(value, keras.Variable) else None

    def __call__(self, layer: keras.layers.Layer) -> None:
        source = self.source
        pairs = list(zip(flatten_layers(source), flatten_layers(layer), strict=False))
        for old, new in pairs:
            # Keras builds an activation layer passed as an argument at the first call on data.
            if old.built and not new.built:
                new.build_from_config(old.get_build_config() or {})
            _adapt_kernel(old, new)
        if matches := self._variables_match(layer):
            begun = _begun_with(layer)
            for new, old in self.pairs(layer):
                if begun.get(id(new)) is not old:
                    new.assign(_own_values(old))
                if new.trainable != old.trainable:
                    new.trainable = old.trainable
                # A variable has those of the day it was made, whatever was set on the layer since.
                for what in ("regularizer", "constraint"):
                    if not _is_alike(getattr(new, what), getattr(old, what)):
                        setattr(new, what, getattr(old, what))
        elif not self._quantised():
            old, new = source.variables[: len(source.variables) - self.drop], layer.variables
            raise ValueError(
                f"layer {source.name!r} ({type(source).__name__}) has variables "
                f"{[(v.name, tuple(v.shape)) for v in old]}, its copy has "
                f"{[(v.name, tuple(v.shape)) for v in new]}: its get_config does not describe it. "
                f"Complete get_config, or rebuild the layer."
            )
        for old, new in pairs:
            if type(old) is type(new):
                _take_own_state(old, new, whole=not matches)

    def pairs(self, layer: keras.layers.Layer) -> Iterator[tuple[Any, Any]]:
        """The variables of the copy `layer`, each with the one it comes from."""
        kept = self.source.variables[: len(self.source.variables) - self.drop]
        return zip(layer.variables, kept, strict=False)

    def _variables_match(self, layer: keras.layers.Layer) -> bool:
        old = self.source.variables[: len(self.source.variables) - self.drop]
        described = [[(tuple(v.shape), v.dtype) for v in variables] for variables in (old, layer.variables)]
        shapes = [[shape for shape, _ in variables] for variables in described]
        # A copy in another floating point takes the values; a quantised layer keeps its variables in two orders.
        return shapes[0] == shapes[1] and (not self._quantised() or described[0] == described[1])

    def _quantised(self) -> bool:
        return bool(getattr(self.source, "quantization_mode", None)) and not self.drop


def _is_alike(first: Any, second: Any) -> bool:
    """Whether two regularizers or constraints are of one class, with one configuration."""
    if first is second or type(first) is not type(second):
        return first is second
    try:
        return _equal(first.get_config(), second.get_config())
    except Exception:  # one of somebody's own may be a function, or say nothing of itself
        return False


class _Start(keras.initializers.Initializer):
    """Lets a variable begin with the value that it is to have: none is drawn, and none assigned later.

    Args:
        source: That value, as an array or the variable that has it.
        name: The attribute under which the layer will have the variable.
    """

    def __init__(self, source: Any, name: str):
        self.source = source
        self.name = name
        self.given: list[tuple[tuple[int, ...], Any]] = []

    def __call__(self, shape: Any, dtype: Any = None, **settings: Any) -> Any:
        """The value, or zeros where it does not fit: that is told, or seen to, when all variables are there."""
        if tuple(self.source.shape) != tuple(shape):
            return keras.ops.zeros(shape, dtype)
        self.given.append((tuple(shape), dtype))
        if isinstance(self.source, keras.Variable):
            return keras.ops.convert_to_tensor(_own_values(self.source), dtype)
        # NumPy rounds twice as fast as TensorFlow does when it converts.
        values = self.source.astype(dtype) if dtype in ("float32", "float64") else self.source
        return keras.ops.convert_to_tensor(values, dtype)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """What a layer that clones its initializers hands to the layers inside: their variables are set later."""
        return keras.initializers.Zeros()


def draw_nothing(layer: Any, fill: Any = None) -> list[tuple[Any, str, Any]]:
    """Let the variables of a new layer begin with what `fill` will set them to, or with zeros.

    Drawing millions of values that are overwritten a moment later took as long as the rest. Somebody's own layer may
    draw what is no weight, and is left alone.

    Returns:
        Layer, attribute, initializer: what to put back when the variables are set.
    """
    if not isinstance(layer, keras.layers.Layer) or not is_stock(layer) or layer.built:
        return []
    first_value = getattr(fill, "first_value", lambda _: None)
    found = []
    for attribute, value in list(vars(layer).items()):
        if isinstance(value, keras.initializers.Initializer):
            name = attribute.removesuffix("_initializer")
            source = None if name == attribute else first_value(name)
            found.append((layer, attribute, value))
            setattr(layer, attribute, keras.initializers.Zeros() if source is None else _Start(source, name))
    return found


def _begun_with(layer: keras.layers.Layer) -> dict[int, Any]:
    """`id` of each variable of `layer` that began with its value -> what it has it from."""
    found = {}
    for begin in vars(layer).values():
        if isinstance(begin, _Start) and len(begin.given) == 1:
            variable = getattr(layer, begin.name, None)
            if isinstance(variable, keras.Variable) and begin.given == [
                (tuple(variable.shape), variable.dtype)
            ]:
                found[id(variable)] = begin.source
    return found


def _take_own_state(old: keras.layers.Layer, new: keras.layers.Layer, *, whole: bool) -> None:
    """Carry over what is no variable of the layer, by the methods with which it saves and loads itself."""
    counted = {id(variable) for variable in old.variables}
    for name, value in vars(old).items():
        # The states of a loop over time are variables that Keras does not count.
        if name in plain_attributes() or type(value) in _SIMPLE or id(value) in counted:
            continue
        for a, b in zip(_variables(value), _variables(vars(new).get(name)), strict=False):
            if id(a) not in counted and a.shape == b.shape:
                b.assign(_own_values(a))
    # What these methods do for LoRA and quantisation is to merge: the variables are there already.
    if _overrides(old, "load_own_variables") and (whole or not hasattr(old, "lora_enabled")):
        _take_store(old, new)
    if _overrides(old, "load_assets"):
        _take_assets(old, new)
    elif hasattr(old, "finalize_state") and not _overrides(old, "load_own_variables"):
        new.finalize_state()


def _take_store(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    store: dict[str, Any] = {}
    old.save_own_variables(store)
    new.load_own_variables({key: _array(value) for key, value in store.items()})


def _take_tables(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    if _overrides(old, "load_assets"):
        for a, b in zip(flatten_layers(old), flatten_layers(new), strict=False):
            if _overrides(a, "load_own_variables"):  # of a table, how often each word is
                _take_store(a, b)
        _take_assets(old, new)
    else:
        for a, b in zip(children(old), children(new), strict=False):
            _take_tables(a, b)


def _take_assets(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    with tempfile.TemporaryDirectory() as folder:
        old.save_assets(folder)
        new.load_assets(folder)


def take_attributes(old: Any, new: Any) -> None:
    """Carry over what a class of somebody's own keeps and its configuration forgets.

    Those are numbers, arrays, functions, and objects that hold nothing else.

    Args:
        old: A layer or model that was built.
        new: Its copy, built too: what differs now is what was set, or drawn, for `old` alone.

    Raises:
        TypeError: a model has a layer or metric, set beside its graph, that its copy would lack.
    """
    # The layers of a model are copies of their own, and not in the same places where some were replaced.
    pairs = (
        [(old, new)]
        if isinstance(old, keras.Model)
        else zip(flatten_layers(old), flatten_layers(new), strict=False)
    )
    for a, b in pairs:
        if type(a) is not type(b):
            continue
        if is_stock(a):
            _take_constants(a, b)
            continue
        held, others = attributes(a), attributes(b)
        for name in held.keys() - plain_attributes():
            if is_bookkeeping(name):
                continue
            value, other = held[name], others.get(name)
            if _is_missing(value, other, a):
                setattr(b, name, keras.tree.map_structure(_duplicate, value))
            elif isinstance(a, keras.Model) and type(value) is not type(other):
                _take_parts(a, b, name, value)


def _is_missing(value: Any, other: Any, old: Any) -> bool:
    """Whether an attribute of `old` is another one in the copy, and can be given to it."""
    return value is not other and _can_be_carried(value, other, old) and not _equal(value, other)


def _take_settings(old: Any, new: Any) -> None:
    """Carry over, before the copy is built, what neither its constructor nor its build nor its call sets."""
    if is_stock(old):
        return
    held, others = attributes(old), attributes(new)
    kind: Any = type(old)
    for name in held.keys() - plain_attributes() - _made_in_use(kind):
        if not is_bookkeeping(name) and _is_missing(held[name], others.get(name), old):
            setattr(new, name, keras.tree.map_structure(_duplicate, held[name]))
    inner = children(old), children(new)
    if list(map(type, inner[0])) == list(map(type, inner[1])):
        for a, b in zip(*inner, strict=True):
            _take_settings(a, b)


@functools.cache
def _made_in_use(kind: Any) -> frozenset[str]:
    """The attributes that a layer gets when it is built or called, or that code of Keras sets."""
    found: set[str] = set()
    methods: dict[str, list[Any]] = {}
    for cls in kind.__mro__:
        for name, function in vars(cls).items():
            function = getattr(function, "__wrapped__", function)
            if not inspect.isfunction(function):
                continue
            if _is_of_keras(cls):
                found |= _stored(function)
            else:
                methods.setdefault(name, []).append(function)
    names, seen = ["build", "call", "__call__"], set[str]()
    while names:
        if (name := names.pop()) not in seen:
            seen.add(name)
            for function in methods.get(name, ()):
                found |= _stored(function)
                names += function.__code__.co_names  # methods that it calls, among others
    return frozenset(found)


def _stored(function: Any) -> set[str]:
    return {i.argval for i in dis.get_instructions(function) if i.opname == "STORE_ATTR"}


def _take_parts(old: keras.Model, new: keras.Model, name: str, value: Any) -> None:
    """Give `new` its own layers in the place of those of `old` that have a name there; refuse what it cannot have."""
    parts = [p for p in keras.tree.flatten(value) if isinstance(p, (keras.layers.Layer, keras.Metric))]
    # What a `compile` of one's own made comes with the next compile, and Keras' own attributes with Keras.
    compiles = type(old).compile is not keras.Model.compile and old.compiled
    if name.startswith("_") or compiles or not parts:
        return
    counterparts = {
        id(layer): new.get_layer(layer.name) for layer in old.layers if _has_layer(new, layer.name)
    }
    lost = [part for part in parts if id(part) not in counterparts]
    if lost:
        raise TypeError(
            f"model {old.name!r} is of the class {type(old).__name__} and keeps under {name!r} the "
            f"{type(lost[0]).__name__} {lost[0].name!r}, which is no part of its graph: the new model would lack it. Pass "
            f"keras.Model(model.inputs, model.outputs) for the graph alone."
        )
    setattr(new, name, keras.tree.map_structure(lambda part: counterparts.get(id(part), part), value))


def _has_layer(model: keras.Model, name: str) -> bool:
    return any(layer.name == name for layer in model.layers)


def _take_constants(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    """Carry over arrays of a stock layer: Normalization made its own of variables that were set since."""
    for name in vars(old).keys() - plain_attributes():
        value, other = vars(old)[name], vars(new).get(name)
        # A variable was taken over already.
        if isinstance(value, keras.Variable) or not (_is_array(value) and _is_array(other)):
            continue
        values, others = _values(value), _values(other)
        if values is None or others is None or values.shape != others.shape:
            continue
        if not np.array_equal(values.astype(others.dtype), others):
            is_tensor = keras.ops.is_tensor(other)
            values = values.astype(others.dtype)
            setattr(new, name, keras.ops.convert_to_tensor(values) if is_tensor else values)


def is_stock(layer: Any) -> bool:
    """Whether the class of `layer` is one of Keras or of this library, whose constructors say all."""
    return _is_of_keras(type(layer))


def _is_of_keras(cls: type) -> bool:
    return cls.__module__.split(".")[0] in ("keras", "zoo")


def _from_config(layer: keras.layers.Layer, overrides: dict[str, Any]) -> keras.layers.Layer:
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
        leaves = keras.tree.flatten([attributes(holder)[name] for name in _given(holder)])
        kinds |= {type(value) for value in leaves if _writes_itself(value)}
    named: dict[str, set[type]] = {}
    for kind in kinds:
        named.setdefault(keras.saving.get_registered_name(kind), set()).add(kind)
    # Two of the same name cannot be told apart in a configuration.
    return {name: kind for name, (kind, *others) in named.items() if not others}


def _given(layer: Any) -> set[str]:
    return {
        name for name, value in attributes(layer).items() if type(value) not in _SIMPLE
    } - plain_attributes()


def _writes_itself(value: Any) -> bool:
    """Whether `value` is no layer, and of a class of somebody's own that Keras writes by its `get_config`."""
    kind = type(value)
    if isinstance(value, (type, keras.layers.Layer)) or kind.__module__.split(".")[0] in _FRAMEWORKS:
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
            if type(value) in _SIMPLE:
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


_STOCK = frozenset(id(f) for f in vars(keras.activations).values() if callable(f))


def is_function(value: Any, layer: Any) -> bool:
    """Whether `value` is a function that came from outside `layer`."""
    if isinstance(value, (type, keras.layers.Layer)) or hasattr(value, "get_config"):
        return False
    if inspect.ismethod(value) and value.__self__ is layer:
        return False
    return inspect.isroutine(value) or isinstance(value, functools.partial) or _is_callable_object(value)


def _is_callable_object(value: Any) -> bool:
    """Whether `value` is an object of somebody's own that can be called, and holds nothing that trains."""
    kind = type(value)
    if not callable(value) or not hasattr(value, "__dict__") or kind.__module__.split(".")[0] in _FRAMEWORKS:
        return False
    return all(isinstance(leaf, _PLAIN) or _is_array(leaf) for leaf in keras.tree.flatten(dict(vars(value))))


def _own_values(variable: Any) -> Any:
    """What another variable can be set to and then be written to without touching this one."""
    if keras.backend.backend() == "tensorflow":
        # One buffer for both, until one of them is written to: TensorFlow copies it then.
        return keras.ops.convert_to_tensor(variable)
    # On JAX a training step gives away the arrays of its model; Torch's tensors are written to in place.
    return np.array(keras.ops.convert_to_numpy(variable))


def _variables(value: Any) -> list[Any]:
    """The variables that an attribute holds, where it holds nothing else."""
    leaves = keras.tree.flatten(value) if isinstance(value, (list, tuple, dict)) else [value]
    return leaves if all(isinstance(leaf, keras.Variable) for leaf in leaves) else []


def _overrides(layer: Any, method: str) -> bool:
    return getattr(type(layer), method, None) is not getattr(keras.layers.Layer, method, None)


def _array(value: Any) -> Any:
    return np.array(keras.ops.convert_to_numpy(value)) if keras.ops.is_tensor(value) else value


# What most attributes hold.
_SIMPLE = frozenset({bool, int, float, complex, str, bytes, type(None)})
_NO_ARRAYS = (list, tuple, dict, keras.InputSpec)
_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic, np.ndarray)


def _can_be_carried(value: Any, other: Any, layer: Any, around: tuple[int, ...] = ()) -> bool:
    leaves = keras.tree.flatten(value)
    others = keras.tree.flatten(other)
    for position, leaf in enumerate(leaves):
        if isinstance(leaf, (*_PLAIN, enum.Enum)):
            continue
        if isinstance(leaf, keras.Variable):
            return False
        if keras.ops.is_tensor(leaf):
            if isinstance(leaf, keras.KerasTensor) or _values(leaf) is None:
                return False
        elif is_function(leaf, layer):
            made_by_class = getattr(leaf, "__code__", None)
            same = getattr(others[position], "__code__", 0) if position < len(others) else 0
            if made_by_class is not None and made_by_class is same:
                return False
        else:
            held = contents(leaf)
            if held is None or id(leaf) in around:
                return False
            if not _can_be_carried(held, None, layer, (*around, id(leaf))):
                return False
    return True


_FRAMEWORKS = ("keras", "tensorflow", "jax", "jaxlib", "torch")


def contents(value: Any) -> Any:
    """What a set or an object of somebody's own holds, such as a dataclass of options; None of all else."""
    if isinstance(value, (set, frozenset)):
        return list(value)
    if callable(value) or not hasattr(value, "__dict__"):
        return None
    return None if type(value).__module__.split(".")[0] in _FRAMEWORKS else dict(vars(value))


def _equal(a: Any, b: Any) -> bool:
    first, second = keras.tree.flatten(a), keras.tree.flatten(b)
    if len(first) != len(second) or _keys(a) != _keys(b):
        return False
    for x, y in zip(first, second, strict=True):
        if x is y:
            continue
        if _is_array(x) and _is_array(y):
            p, q = _values(x), _values(y)
            if p is None or q is None or p.dtype != q.dtype or not np.array_equal(p, q):
                return False
        elif type(x) is not type(y) or callable(x):
            return False
        elif not isinstance(x, (set, frozenset, enum.Enum)) and contents(x) is not None:
            if not _equal(contents(x), contents(y)):
                return False
        elif x != y:
            return False
    return True


def _keys(value: Any) -> Any:
    """The keys of the dicts in `value`, which a flat list of it leaves out."""
    if isinstance(value, dict):
        return {key: _keys(item) for key, item in value.items()}
    return [_keys(item) for item in value] if isinstance(value, (list, tuple)) else None


def _is_array(value: Any) -> bool:
    # To ask the backend takes a hundred times as long. No array can be called, as initializers and activations can.
    if type(value) in _SIMPLE or isinstance(value, _NO_ARRAYS) or callable(value):
        return False
    return isinstance(value, np.ndarray) or keras.ops.is_tensor(value)


def _values(value: Any) -> np.ndarray | None:
    try:
        return np.asarray(keras.ops.convert_to_numpy(value))
    except Exception:  # a tensor of a graph that was traced and is gone has no values
        return None


def _duplicate(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    if keras.ops.is_tensor(value):
        return keras.ops.copy(value)
    if isinstance(value, (set, frozenset)):
        return type(value)(value) if type(value) in (set, frozenset) else set(value)
    return value if contents(value) is None else copy.deepcopy(value)


def reason(error: BaseException) -> str:
    """What went wrong in the first place: Keras wraps it, twice, behind the whole configuration."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = " ".join(str(error).split())
    text = text.rsplit("Exception encountered: ", 1)[-1]
    return text if text.endswith(".") else f"{text}."
