"""Two forms of a net beside each other: counted, and timed in turns."""

import random

import numpy as np
import pytest

import zoo
from tests.experiments import toys
from zoo.experiments.data.sets import load
from zoo.experiments.measurements import Context
from zoo.experiments.measurements.form import anatomy
from zoo.experiments.measurements.turns import time_ratio

IMAGES = load(toys.DIGITS)


def looked_at(form, name="mlp"):
    """A net, and what `anatomy` says of it."""
    model = zoo.build(name, form=form, width=4, input_shape=IMAGES.shape, classifier_activation=None)
    before, state = model.get_weights(), random.getstate()
    context = Context(model=model, images=IMAGES, seed=0, step=0, epoch=0.0, loss=None, build=zoo.build)
    rows = {row.metric: row.value for row in anatomy(context)}
    # Looking changes nothing.
    assert random.getstate() == state
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    return model, rows


def test_each_begins_every_other_round():
    called = []

    def first(x):
        called.append("first")
        return x

    def second(x):
        called.append("second")
        return x

    assert time_ratio(first, second, np.zeros(1), rounds=4) > 0
    assert called == ["first", "second", "second", "first"] * 2


def test_who_takes_longer_is_said():
    def slow(x):
        return sum(range(20_000)) + x

    def fast(x):
        return x

    assert time_ratio(slow, fast, np.zeros(1), rounds=20) > 2


@pytest.mark.parametrize(("form", "activations"), [("separate", 2), ("builtin", 0)])
def test_a_form_beside_the_other(form, activations):
    model, rows = looked_at(form)
    assert (rows["layers"], rows["activation_layers"]) == (len(model.layers), activations)
    assert 0.2 < rows["time_ratio"] < 5


def test_both_forms_trace_equally_many_operations():
    separate, builtin = (looked_at(form, "convnet2")[1]["operations"] for form in ("separate", "builtin"))
    assert separate == builtin > 10
