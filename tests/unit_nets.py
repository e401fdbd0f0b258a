"""Nets of units, for the tests of units."""

import keras
import pytest
from keras import layers

array = keras.ops.convert_to_numpy

IMAGE = (8, 8, 3)


def net(*units, shape=IMAGE):
    image = x = keras.Input(shape, name="image")
    for unit in units:
        x = unit(x)
    return keras.Model(image, x)


SHAPES = {1: (12, 3), 2: (12, 10, 3), 3: (6, 8, 4, 3)}


def group(name):
    return layers.GroupNormalization(2, name=name)


def refusal(kind, make):
    with pytest.raises(kind) as error:
        make()
    assert type(error.value) is kind
    return str(error.value)
