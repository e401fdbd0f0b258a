"""Units with one, two and three spatial axes, in both data formats."""

import keras
import numpy as np
import pytest
from keras import layers
from unit_nets import SHAPES, array, net

import zoo
from zoo.placement import PLAIN
from zoo.spec import SHORTCUTS


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("ordering", PLAIN)
def test_units_take_one_two_and_three_axes(axes, ordering):
    model = net(zoo.conv_unit(5, ordering=ordering, strides=2), shape=SHAPES[axes])
    x = np.random.default_rng(0).normal(size=(2, *SHAPES[axes])).astype("float32")
    assert model(x).shape == (2, *(-(-n // 2) for n in SHAPES[axes][:-1]), 5)
    (conv,) = (layer for layer in model.layers if "Conv" in type(layer).__name__)
    assert type(conv) is {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}[axes]


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("shortcut", [None, *SHORTCUTS])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_residual_units_take_one_two_and_three_axes(axes, shortcut, block):
    shape = SHAPES[axes]
    unit = zoo.residual_unit(8, block=block, strides=2, shortcut=shortcut)
    model = net(unit, zoo.residual_unit(8, shortcut=shortcut), zoo.unit_end(), shape=shape)
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    y = model(x, training=True)
    assert y.shape == (2, *(-(-n // 2) for n in shape[:-1]), 8)
    assert np.all(np.isfinite(array(y)))


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("strides", [1, 2, 3])
def test_zeros_are_padded_to_the_channels_and_nowhere_else(axes, strides):
    shape = SHAPES[axes]
    unit = zoo.residual_unit(6, shortcut="identity_pad", strides=strides, kernel_initializer="zeros")
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    every = (slice(None), *[slice(None, None, strides)] * axes)
    expected = np.pad(x[every], [(0, 0)] * (axes + 1) + [(1, 2)])
    np.testing.assert_array_equal(array(net(unit, shape=shape)(x)), expected)


@pytest.mark.parametrize("axes", SHAPES)
def test_channels_first(channels_first, axes):
    *spatial, channels = SHAPES[axes]
    x = keras.Input((channels, *spatial))
    for shortcut in (None, *SHORTCUTS):
        y = zoo.residual_unit(8, strides=2, shortcut=shortcut)(zoo.conv_unit(4)(x))
        assert y.shape == (None, 8, *(-(-n // 2) for n in spatial)), shortcut
        norms = [layer for layer in keras.Model(x, y).layers if isinstance(layer, layers.BatchNormalization)]
        assert norms and {layer.axis for layer in norms} == {1}


def test_channels_first_pads_the_channels(channels_first):
    for axes, (*spatial, channels) in SHAPES.items():
        x = keras.Input((channels, *spatial))
        y = zoo.residual_unit(6, shortcut="identity_pad", name=f"unit{axes}")(x)
        pad = keras.Model(x, y).get_layer(f"unit{axes}_shortcut_pad")
        value = np.random.default_rng(0).normal(size=(2, channels, *spatial)).astype("float32")
        np.testing.assert_array_equal(pad(value), np.pad(value, [(0, 0), (1, 2)] + [(0, 0)] * axes))
