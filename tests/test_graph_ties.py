"""Which functions lead to the original, and which only look as if they did."""

import functools
import logging
import os
import sys
import types

import keras
import pytest
from keras import layers, ops
from transform_nets import batch, outputs, same

from zoo.graph import rewrite

pytestmark = [pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning"), pytest.mark.backend]

EMBEDDING = layers.Embedding(10, 4, name="embedding")
NORM = layers.Dense(4, name="norm")


def by_a_global(t):
    return t * EMBEDDING.output_dim**0.5


def nested(fc):
    def outer(t):
        return (lambda row: row * fc.units)(t)

    return outer


NUMBERS = {
    "a number": lambda fc, conv, pool: lambda t: t * fc.units**0.5,
    "in a function inside": lambda fc, conv, pool: nested(fc),
    "several numbers": lambda fc, conv, pool: lambda t: t * conv.strides[0] + conv.filters,
    "a name": lambda fc, conv, pool: lambda t: t * len(fc.name),
    "of a global": lambda fc, conv, pool: by_a_global,
    "a layer without variables": lambda fc, conv, pool: lambda t: pool(t),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_a_function_that_reads_a_number_of_a_layer_is_none_that_leads_to_it(case):
    fc, conv = layers.Dense(4, name="fc"), layers.Conv1D(4, 3, strides=2, padding="same", name="conv")
    pool = layers.MaxPooling1D(1, name="pool")
    x = keras.Input((6,), dtype="int32")
    y = pool(conv(fc(EMBEDDING(x))))
    model = keras.Model(x, layers.Lambda(NUMBERS[case](fc, conv, pool), output_shape=(3, 4))(y))
    assert same(outputs(model, batch(model)), outputs(rewrite(model), batch(model)))


READS = {
    "the layer too": lambda fc: lambda t: fc(t) * fc.units,
    "a variable": lambda fc: lambda t: t * fc.units * fc.bias,
    "by a name made up": lambda fc: lambda t: t * fc.units + getattr(fc, "bi" + "as"),
    "in a function inside": lambda fc: lambda t: (lambda row: fc.units * fc(row))(t),
    "a layer of ones own": lambda fc: lambda t: fc.units * t + OWN(t),
    "in a bag": lambda fc: functools.partial(lambda bag, t: bag.fc(t), types.SimpleNamespace(fc=fc)),
}


class Own(layers.Layer):
    """It has no variables and may yet be changed."""

    def call(self, x):
        return x


OWN = Own(name="own")


@pytest.mark.parametrize("case", READS)
def test_a_function_that_reads_more_of_a_layer_than_numbers_leads_to_it(case):
    fc = layers.Dense(4, name="fc")
    x = keras.Input((4,))
    model = keras.Model(x, layers.Lambda(READS[case](fc), name="odd")(OWN(fc(x))))
    with pytest.raises(ValueError, match=r"layer 'odd' .* reaches the layer '(fc|own)'"):
        rewrite(model)


def test_a_function_may_read_the_name_of_the_model():
    model = keras.Sequential([layers.Dense(4), layers.Lambda(lambda t: t * len(model.name))], name="four")
    model.build((None, 4))
    assert same(outputs(model, batch(model)), outputs(rewrite(model), batch(model)))


class Handler(logging.Handler):
    """Holds the model for which it writes."""


LOGGER = logging.getLogger("zoo.tests.ties")
MODULES = {"os": os, "sys": sys, "logger": LOGGER}


class Keeps(layers.Layer):
    """Keeps a module, or a logger."""

    def __init__(self, key=None, **options):
        super().__init__(**options)
        self.key = key
        self.kept = MODULES.get(key)

    def call(self, x):
        return x

    def get_config(self):
        return super().get_config() | {"key": self.key}


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("key", MODULES)
def test_modules_and_loggers_are_not_searched(key, later):
    layer = Keeps(None if later else key, name="keeps")
    x = keras.Input((4,))
    model = keras.Model(x, layer(NORM(x)))
    layer.kept = MODULES[key]
    handler = Handler()
    handler.model = model
    LOGGER.addHandler(handler)
    try:
        assert rewrite(model).get_layer("keeps").kept is MODULES[key]
    finally:
        LOGGER.removeHandler(handler)


class Link:
    def __init__(self, next_one):
        self.next_one = next_one


def test_a_long_chain_of_objects_is_named_and_does_not_overflow():
    chain = None
    for _ in range(20_000):
        chain = Link(chain)
    layer = Keeps(name="keeps")
    model = keras.Model(x := keras.Input((4,)), layer(x))
    layer.kept = chain
    with pytest.raises(ValueError, match=r"layer 'keeps' \(Keeps\) keeps under 'kept'"):
        rewrite(model)


class Outer(keras.regularizers.Regularizer):
    def __init__(self, function=None):
        self.function = function

    def __call__(self, a):
        return self.function(a)

    def get_config(self):
        return {}


def test_a_term_on_what_a_layer_returns_is_looked_at():
    fc = layers.Dense(4, name="fc")
    x = keras.Input((4,))
    odd = layers.Dense(4, activity_regularizer=Outer(lambda a: ops.sum(ops.matmul(a, fc.kernel))), name="odd")
    model = keras.Model(x, odd(fc(x)))
    with pytest.raises(ValueError, match=r"layer 'odd' .* reaches the layer 'fc'"):
        rewrite(model)


@pytest.mark.tensorflow
def test_a_function_that_was_compiled_is_looked_at():
    import tensorflow as tf

    fc = layers.Dense(4, name="fc")
    x = keras.Input((4,))
    model = keras.Model(x, layers.Lambda(tf.function(lambda t: t @ fc.kernel), name="odd")(fc(x)))
    with pytest.raises(ValueError, match=r"layer 'odd' .* reaches the layer 'fc'"):
        rewrite(model)
