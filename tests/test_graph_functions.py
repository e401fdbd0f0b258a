"""Functions, and objects that can be called, come along under whichever key a class keeps them."""

import functools

import keras
import pytest
from keras import layers, ops
from state_nets import after
from transform_nets import batch, outputs, same

from zoo.graph import rewrite
from zoo.transforms import (
    split_activations,
)

# Layers of one's own, and loops, may hide activations: that is said, and not what is tested here.
# A backend has its own ways of keeping what is no weight.
pytestmark = [pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning"), pytest.mark.backend]


def triple(t):
    return 3 * t


class Block(layers.Layer):
    """Keeps a function under keys of its own, one of them nested."""

    def __init__(self, act="relu", key="act", **options):
        super().__init__(**options)
        self.key = key
        self.activation = keras.activations.get(act)
        self.options = {"fn": [self.activation]}

    def call(self, x):
        return self.activation(x) + self.options["fn"][0](x)

    def get_config(self):
        config = {**super().get_config(), "key": self.key}
        function = keras.activations.serialize(self.options["fn"][0])
        return config | {"act": {"options": {"fn": function}} if self.key == "nested" else function}

    @classmethod
    def from_config(cls, config):
        if config["key"] == "nested":
            config = config | {"act": keras.activations.get(config["act"]["options"]["fn"])}
        return cls(**config)


class Forgets(layers.Layer):
    """Its configuration forgets its function."""

    def __init__(self, nonlinearity="relu", **options):
        super().__init__(**options)
        self.nonlinearity = keras.activations.get(nonlinearity)

    def call(self, x):
        return self.nonlinearity(x)

    def get_config(self):
        return super().get_config()  # Keras' own would refuse


@pytest.mark.parametrize("function", [triple, lambda t: 3 * t, functools.partial(triple)])
@pytest.mark.parametrize("make", [Block, functools.partial(Block, key="nested"), Forgets])
def test_a_function_of_ones_own_comes_along_under_any_key(make, function):
    model = after(make(function))
    x = batch(model)
    before = dict(vars(model.layers[1]))
    copy = split_activations(model)
    assert same(outputs(model, x), outputs(copy, x))
    assert all(vars(model.layers[1])[name] is value for name, value in before.items())


def test_a_function_named_like_a_stock_one_is_not_it():
    def relu(t):
        return 2 * t

    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(3, activation=relu, name="fc")(x))
    copy = rewrite(model)
    assert copy.get_layer("fc").activation is relu
    assert same(outputs(model, batch(model)), outputs(copy, batch(model)))


RECURRENT = {
    "LSTM": lambda f: layers.LSTM(4, activation=f),
    "GRU, inner": lambda f: layers.GRU(4, recurrent_activation=f),
    "RNN of a cell": lambda f: layers.RNN(layers.LSTMCell(4, activation=f)),
    "ConvLSTM": lambda f: layers.TimeDistributed(layers.Dense(3, activation=f)),
}


@pytest.mark.parametrize("case", RECURRENT)
def test_functions_inside_loops_and_wrappers_come_along(case):
    x = keras.Input((5, 3))
    y = RECURRENT[case](lambda t: ops.tanh(2 * t))(x)
    model = keras.Model(x, layers.Dense(2, activation="relu", name="fc")(y))
    assert same(outputs(model, batch(model)), outputs(split_activations(model), batch(model)))


def test_a_function_in_both_directions():
    def double_tanh(t):
        return ops.tanh(2 * t)

    x = keras.Input((5, 3))
    with keras.saving.CustomObjectScope({"double_tanh": double_tanh}):
        y = layers.Bidirectional(layers.GRU(4, activation=double_tanh))(x)
    model = keras.Model(x, y)
    copy = rewrite(model)
    assert same(outputs(model, batch(model)), outputs(copy, batch(model)))
    assert copy.layers[1].forward_layer.activation is double_tanh


class Scaled:
    """A function with a setting."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x


class Applies(layers.Layer):
    """Is given such a function later."""

    def __init__(self, **options):
        super().__init__(**options)
        self.function = Scaled(1.0)

    def call(self, x):
        return self.function(x)


def applies():
    layer = Applies()
    layer.function = Scaled(3.0)
    return layer


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Dense(4, activation=Scaled(3.0)),
        lambda: layers.Activation(Scaled(3.0)),
        lambda: layers.Lambda(Scaled(3.0)),
        applies,
    ],
)
def test_an_object_that_can_be_called_comes_along_as_a_function_does(make):
    model = after(make())
    x = batch(model)
    assert same(outputs(model, x), outputs(split_activations(model), x))


class Described(Scaled):
    """Such a function that says of itself how to make it, and is registered nowhere."""

    def get_config(self):
        return {"factor": self.factor}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class Halved(keras.constraints.Constraint):
    """A constraint of one's own, and so on."""

    def __call__(self, w):
        return 0.5 * w


class Sum(keras.regularizers.Regularizer):
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, w):
        return self.factor * keras.ops.sum(w)

    def get_config(self):
        return {"factor": self.factor}


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Activation(Described(3.0)),
        lambda: layers.Dense(4, kernel_constraint=Halved()),
        lambda: layers.Dense(4, bias_regularizer=Sum(0.3)),
        lambda: layers.TimeDistributed(
            layers.Dense(4, activation=Described(3.0), kernel_regularizer=Sum(0.3))
        ),
    ],
)
def test_objects_of_classes_that_are_registered_nowhere_come_along(make):
    x = keras.Input((2, 3))
    model = keras.Model(x, layers.Dense(2, activation="relu")(make()(x)))
    data = batch(model)
    new = split_activations(model)
    assert same(outputs(model, data), outputs(new, data))
    assert [float(loss) for loss in new.losses] == [float(loss) for loss in model.losses]
    kinds = [[type(v.constraint) for v in m.trainable_variables] for m in (model, new)]
    assert kinds[0] == kinds[1]


@pytest.mark.tensorflow
@pytest.mark.parametrize("setting", ["standardize", "split"])
def test_a_function_that_prepares_words_comes_along(setting):
    import tensorflow as tf

    def letters(text):
        return tf.strings.unicode_split(tf.strings.lower(text), "UTF-8")

    functions = {"standardize": lambda text: tf.strings.regex_replace(text, "b", " "), "split": letters}
    layer = layers.TextVectorization(output_sequence_length=4, **{setting: functions[setting]})
    layer.adapt(["aba", "bca"])
    model = after(lambda words: ops.cast(layer(words), "float32"), keras.Input((), dtype="string"))
    x = tf.constant(["aba", "cab"])
    assert same(outputs(model, x), outputs(split_activations(model), x))
