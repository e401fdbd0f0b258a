"""What a layer keeps that is no variable, carried over by the methods with which it saves and loads itself."""

from __future__ import annotations

import tempfile
from typing import Any

import keras
import numpy as np

from zoo.graph.held import SIMPLE
from zoo.graph.internals import children, flatten_layers, plain_attributes


def take_own_state(old: keras.layers.Layer, new: keras.layers.Layer, *, whole: bool) -> None:
    """Carry over what is no variable of the layer, by the methods with which it saves and loads itself."""
    counted = {id(variable) for variable in old.variables}
    for name, value in vars(old).items():
        # The states of a loop over time are variables that Keras does not count.
        if name in plain_attributes() or type(value) in SIMPLE or id(value) in counted:
            continue
        for a, b in zip(_variables(value), _variables(vars(new).get(name)), strict=False):
            if id(a) not in counted and a.shape == b.shape:
                b.assign(own_values(a))
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


def take_tables(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    """Carry over lookup tables, and what else a layer saves as assets; they may not be missing when a copy is first called."""
    if _overrides(old, "load_assets"):
        for a, b in zip(flatten_layers(old), flatten_layers(new), strict=False):
            if _overrides(a, "load_own_variables"):  # of a table, how often each word is
                _take_store(a, b)
        _take_assets(old, new)
    else:
        for a, b in zip(children(old), children(new), strict=False):
            take_tables(a, b)


def _take_assets(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    with tempfile.TemporaryDirectory() as folder:
        old.save_assets(folder)
        new.load_assets(folder)


def own_values(variable: Any) -> Any:
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
