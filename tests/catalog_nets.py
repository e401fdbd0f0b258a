"""The nets of the catalog in shallow: every kind of unit and layer, at little cost."""

import dataclasses
import gc

import keras
import numpy as np
import pytest

import zoo
from zoo.catalog import lookup, specify
from zoo.models import smallest_input
from zoo.placement import FAMILIES

NAMES = zoo.list_models()
TENSORFLOW = keras.backend.backend() == "tensorflow"


def shallow(name, **options):
    """The net with at most two units a stage and four channels: every kind of unit and layer, at little cost."""
    spec = specify(name, **{"width": 4} | options)
    if spec.family in ("plain", "resnet", *FAMILIES):
        units = 4 if spec.family == "plain" else 2
        # Beyond residual nets a unit that follows one of its kind is met in the second stage, and that is enough.
        most = [units if k == 1 or spec.family not in FAMILIES else 1 for k, _ in enumerate(spec.stages)]
        spec = dataclasses.replace(spec, stages=tuple(map(min, most, spec.stages)))
    return spec


def kinds():
    """The catalog without depth: nets that are one and the same in shallow stand under their first name."""
    groups = {}
    for name in NAMES:
        spec = shallow(name)
        # The factor on the channels in a name is a number like the width.
        alpha = None if spec.alpha is None else 1.0
        v2 = spec.family == "resnet" and name.endswith("v2")
        kind = dataclasses.replace(spec, name="v2" * v2, alpha=alpha)
        groups.setdefault(kind, []).append(name)
    families = {lookup(names[0]).family: names[0] for names in reversed(groups.values())}
    return [
        pytest.param(
            names[0],
            id="=".join(names),
            marks=() if families[lookup(names[0]).family] == names[0] else pytest.mark.deep,
        )
        for names in groups.values()
    ]


KINDS = kinds()
# One net of each family is built and run every time; the other kinds of a family are units of other widths.
FIRST = [kind for kind in KINDS if not kind.marks]
OTHERS = [kind for kind in KINDS if kind.marks]


def one_of_each_family():
    """The kinds, the first of each family marked for every backend: its layers are asked of it there."""
    first = {}
    for kind in KINDS:
        first.setdefault(specify(kind.values[0]).family, kind)
    return [
        pytest.param(*kind.values, id=kind.id, marks=[pytest.mark.backend] if kind in first.values() else [])
        for kind in KINDS
    ]


def least(name):
    """The smallest image of a net: deep nets cost what their feature maps cost."""
    return max(smallest_input(specify(name)), 4)


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


def images(*shape):
    return np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")


def forget():
    # Hundreds of nets in one process: Keras keeps what it traced until told otherwise.
    keras.backend.clear_session(free_memory=False)
    gc.collect()


def gradients(model, x, y):
    """Gradients of the mean squared error, by whatever the backend differentiates with."""
    if TENSORFLOW:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = keras.ops.mean((model(x, training=True) - y) ** 2)
        found = tape.gradient(loss, [w.value for w in model.trainable_weights])
        return {
            w.path: None if g is None else np.asarray(g)
            for w, g in zip(model.trainable_weights, found, strict=True)
        }
    if keras.backend.backend() == "torch":
        import torch

        loss = keras.ops.mean((model(x, training=True) - keras.ops.convert_to_tensor(y)) ** 2)
        values = [w.value for w in model.trainable_weights]
        found = torch.autograd.grad(loss, values, allow_unused=True)
        return {
            w.path: None if g is None else keras.ops.convert_to_numpy(g)
            for w, g in zip(model.trainable_weights, found, strict=True)
        }
    import jax

    def loss(values):
        out, _ = model.stateless_call(
            values, [w.value for w in model.non_trainable_weights], x, training=True
        )
        return keras.ops.mean((out - y) ** 2)

    found = jax.jit(jax.grad(loss))([w.value for w in model.trainable_weights])
    return {w.path: np.asarray(g) for w, g in zip(model.trainable_weights, found, strict=True)}
