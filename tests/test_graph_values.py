"""The values of a copy's variables: its own from the first step on, and each set once."""

import gc

import keras
import numpy as np
import pytest
from keras import layers

from zoo.graph import rewrite

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(8, 6, 6, 3)).astype("float32")
LABELS = np.arange(8) % 4


def net():
    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(4, 3, name="conv")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.PReLU(shared_axes=[1, 2], name="act")(y)
    y = layers.GlobalAveragePooling2D()(y)
    return keras.Model(x, layers.Dense(4, name="fc")(y))


def values(model):
    return [np.array(keras.ops.convert_to_numpy(v)) for v in model.variables]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def train(model):
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(IMAGES, LABELS, batch_size=4, epochs=2, verbose=0)


def add_in_place(model):
    for variable in model.variables:
        variable.assign_add(keras.ops.ones(variable.shape))


def set_anew(model):
    for variable in model.variables:
        variable.assign(keras.ops.full(variable.shape, 7.0))


@pytest.mark.backend
@pytest.mark.parametrize("change", [train, add_in_place, set_anew])
@pytest.mark.parametrize("changed", ["copy", "original"])
def test_what_is_done_to_one_does_not_reach_the_other(change, changed):
    model = net()
    copy = rewrite(model)
    moving, resting = (copy, model) if changed == "copy" else (model, copy)
    before = values(model)
    assert same(before, values(copy))
    change(moving)
    assert same(before, values(resting))
    moved = zip(before, values(moving), strict=True)
    assert not any(np.array_equal(a, b) for a, b in moved)


def test_the_original_may_go_before_its_copy():
    model = net()
    copy = rewrite(model)
    expected = values(model)
    add_in_place(model)
    del model
    keras.backend.clear_session()
    assert same(expected, values(copy))


def net_of_other_names():
    """Variables whose initializers have other names than they, or are in a layer inside."""
    x = keras.Input((6, 6, 3))
    y = layers.SeparableConv2D(4, 3, name="separable")(x)
    y = layers.SpectralNormalization(layers.Conv2D(4, 1), name="spectral")(y)
    return keras.Model(x, y)


@pytest.mark.parametrize(
    ("make", "assigned"),
    [
        (net, ()),
        (net_of_other_names, ("depthwise_kernel", "pointwise_kernel", "kernel", "bias", "vector_u")),
    ],
)
def test_each_variable_is_set_once(monkeypatch, make, assigned):
    """It begins with its value, or is set to it, once: drawing and assigning took a third of the time of a copy."""
    model = make()
    model(IMAGES, training=True)
    counts = {}
    assign = keras.Variable.assign

    def counted(variable, value):
        counts[variable.path] = counts.get(variable.path, 0) + 1
        return assign(variable, value)

    monkeypatch.setattr(keras.Variable, "assign", counted)
    copy = rewrite(model, probe=False)
    assert set(counts.values()) <= {1}
    assert {path.split("/")[-1] for path in counts} == set(assigned)
    assert same(values(model), values(copy))


# JAX computes in float64 only where it was told to before it started.
@pytest.mark.parametrize("dtype", ["float16", pytest.param("float64", marks=pytest.mark.tensorflow)])
def test_values_are_carried_into_another_floating_point(dtype):
    model = net()
    copy = rewrite(model, settings={"dtype": dtype}, probe=False)
    assert {variable.dtype for variable in copy.variables} == {dtype}
    assert same([value.astype(dtype) for value in values(model)], values(copy))


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_the_collection_of_garbage_is_left_as_it_was(enabled, fails):
    model = net()
    try:
        if not enabled:
            gc.disable()
        if fails:
            with pytest.raises(ValueError, match="probe"):
                rewrite(model, probe=IMAGES[:, :2])
        else:
            rewrite(model)
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
