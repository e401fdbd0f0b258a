"""What a layer keeps besides its variables comes along: statistics, tables, states, constants, functions, flags."""

import dataclasses
import enum
import functools

import keras
import numpy as np
import pytest
from keras import layers, ops
from transform_nets import batch, outputs, same

from zoo.activations import unseen
from zoo.graph import flatten_layers, rewrite
from zoo.transforms import (
    collapse_linear,
    fold_batchnorm,
    fuse_activations,
    roll,
    split_activations,
    swap_activation,
)

# Layers of one's own, and loops, may hide activations: that is said, and not what is tested here.
# A backend has its own ways of keeping what is no weight.
pytestmark = [pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning"), pytest.mark.backend]

RNG = np.random.default_rng(0)
ROWS = RNG.normal(5, 3, (100, 4)).astype("float32")


def after(layer, x=None, *, shape=(4,), **options):
    """`layer` on inputs of that shape, and a dense layer with an activation behind it."""
    x = keras.Input(shape, **options) if x is None else x
    y = layer(x)
    if not keras.backend.is_float_dtype(y.dtype):
        y = ops.cast(y, "float32")
    return keras.Model(x, layers.Dense(3, activation="relu", name="fc")(y))


def adapted(layer, data):
    layer.adapt(data)
    return layer


TRANSFORMS = {
    "rewrite": rewrite,
    "split": split_activations,
    "fuse": lambda model: fuse_activations(split_activations(model)),
    "swap": lambda model: swap_activation(model, "relu", keras.activations.relu).model,
    "fold": lambda model: fold_batchnorm(model).model,
}

NUMBERS = {
    "Normalization": lambda: adapted(layers.Normalization(), ROWS),
    "Normalization inverted": lambda: adapted(layers.Normalization(invert=True), ROWS),
    "Normalization from given numbers": lambda: layers.Normalization(mean=[5.0] * 4, variance=[9.0] * 4),
    "Discretization": lambda: adapted(layers.Discretization(num_bins=4), ROWS),
}


@pytest.mark.parametrize("case", NUMBERS)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_what_was_adapted_to_data_stays_adapted(case, transform):
    model = after(NUMBERS[case]())
    assert np.ptp(outputs(model, ROWS)[0]) > 0
    assert same(outputs(model, ROWS), outputs(TRANSFORMS[transform](model), ROWS))


def test_an_adapted_layer_is_right_in_folded_collapsed_and_rolled_models():
    x = keras.Input((4,))
    y = adapted(layers.Normalization(), ROWS)(x)
    for k in range(3):
        y = layers.Add(name=f"u{k}_add")([y, layers.Dense(4, activation="tanh", name=f"u{k}_fc")(y)])
    y = layers.BatchNormalization()(layers.Dense(3)(y))
    model = keras.Model(x, y)
    results = [
        fold_batchnorm(model).model,
        collapse_linear(model).model,
    ]
    if keras.backend.backend() in ("tensorflow", "jax"):
        results.append(roll(model))
    for result in results:
        expected, received = outputs(model, ROWS)[0], outputs(result, ROWS)[0]
        assert np.abs(expected - received).max() < 1e-5 * np.abs(expected).max()
    assert fold_batchnorm(model).max_error < 1e-6


def test_statistics_that_were_set_and_not_yet_made_constants_stay_so():
    layer = adapted(layers.Normalization(), ROWS)
    model = after(layer)
    # Until it is saved and loaded, the layer computes as before.
    layer.set_weights([np.zeros(4), np.ones(4), np.zeros(())])
    for transform in TRANSFORMS.values():
        assert same(outputs(model, ROWS), outputs(transform(model), ROWS))


def words():
    yield layers.StringLookup(output_mode="one_hot"), ["a", "b"]
    yield layers.IntegerLookup(output_mode="multi_hot"), [[5], [7]]
    yield layers.TextVectorization(output_mode="int", output_sequence_length=4), ["a b c", "b d", "b a"]
    yield layers.TextVectorization(output_mode="tf_idf"), ["a b c", "b d", "b a"]
    yield layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot"), None


@pytest.mark.tensorflow
@pytest.mark.parametrize("case", range(5))
def test_vocabularies_come_along(case):
    import tensorflow as tf

    layer, data = list(words())[case]
    if data is not None:
        layer.adapt(np.array(data))
    numeric = isinstance(layer, layers.IntegerLookup)
    model = after(layer, shape=(1,), dtype="int64" if numeric else "string")
    x = tf.constant([[5], [9]]) if numeric else tf.constant([["a c"], ["b"]])
    for transform in ("rewrite", "split", "swap"):
        assert same(outputs(model, x), outputs(TRANSFORMS[transform](model), x))


STATEFUL = {
    "LSTM": lambda: layers.LSTM(4, stateful=True),
    "GRU": lambda: layers.GRU(4, stateful=True),
    "SimpleRNN both ways": lambda: layers.Bidirectional(layers.SimpleRNN(4, stateful=True)),
    "cells": lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], stateful=True),
}


@pytest.mark.parametrize("case", STATEFUL)
def test_states_of_a_loop_go_on_and_those_of_the_model_stay(case):
    x = keras.Input(batch_shape=(2, 5, 3))
    model = keras.Model(x, STATEFUL[case]()(x))
    data = batch(model)
    start = outputs(model, data)  # moves the states
    copy = rewrite(model)
    expected, received = outputs(model, data), outputs(copy, data)
    assert not same(start, expected)
    assert same(expected, received)


class Fourier(layers.Layer):
    """Draws a constant from an initialiser of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.frequencies_initializer = keras.initializers.RandomNormal(stddev=3.0)

    def build(self, shape):
        self.frequencies = self.frequencies_initializer((shape[-1], 8))

    def call(self, x):
        return ops.sin(ops.matmul(x, self.frequencies))


class Table(layers.Layer):
    """Keeps a list of arrays, made when it is built."""

    def build(self, shape):
        self.tables = [np.random.default_rng().normal(size=shape[-1]).astype("float32") for _ in range(2)]

    def call(self, x):
        return ops.add(ops.multiply(x, self.tables[0]), self.tables[1])


class Scale(layers.Layer):
    """Its configuration forgets its number."""

    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, x):
        return self.factor * x


def set_later():
    layer = Scale()
    layer.factor = 5.0
    return layer


CONSTANTS = {
    "drawn from an initialiser": Fourier,
    "drawn as arrays": Table,
    "a number that get_config forgets": lambda: Scale(5.0),
    "a number set later": set_later,
}


@pytest.mark.parametrize("case", CONSTANTS)
def test_constants_of_a_layer_of_ones_own_come_along(case):
    model = after(CONSTANTS[case]())
    x = batch(model)
    assert same(outputs(model, x), outputs(split_activations(model), x))


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


@pytest.mark.parametrize("called", [False, True])
def test_slopes_shared_by_two_arguments_stay_shared(called):
    x = keras.Input((4,))
    slopes = layers.PReLU(alpha_initializer="ones")
    y = layers.Dense(4, activation=slopes, name="a")(x)
    model = keras.Model(x, layers.Dense(4, activation=slopes, name="b")(y))
    if called:
        model(np.ones((1, 4)))
    weights = 44 if called else 40
    assert model.count_params() == weights
    copies = [rewrite(model), fuse_activations(model)]
    assert [copy.count_params() for copy in copies] == [weights, weights]
    assert copies[0].get_layer("a").activation is copies[0].get_layer("b").activation is not slopes
    split = split_activations(model)
    assert split.count_params() == 44
    assert [layer.name for layer in split.layers[1:]] == ["a", "a_act", "b"]
    assert model.count_params() == weights


def test_slopes_shared_inside_a_sequential_model_stay_shared():
    slopes = layers.PReLU(alpha_initializer="ones")
    parts = [layers.Dense(4, activation=slopes, name=name) for name in "ab"]
    model = keras.Sequential([keras.Input((4,)), *parts])
    x = batch(model)
    model(x)
    slopes.alpha.assign([0.1, 0.2, 0.3, 0.4])
    split = split_activations(model)
    assert split.count_params() == model.count_params()
    assert same(outputs(model, x), outputs(split, x))


def test_variables_that_would_be_untied_are_refused():
    class Tied(layers.Layer):
        def __init__(self, inner=None, **options):
            super().__init__(**options)
            self.inner = inner or layers.Dense(4)

        def build(self, shape):
            if not self.inner.built:
                self.inner.build(shape)

        def call(self, x):
            return self.inner(x)

        def get_config(self):
            return super().get_config()

    inner = layers.Dense(4)
    x = keras.Input((4,))
    model = keras.Model(x, Tied(inner, name="second")(Tied(inner, name="first")(x)))
    with pytest.raises(ValueError, match=r"'first' and 'second' share.*Share a whole layer"):
        rewrite(model)


class Percent(keras.Model):
    def predict_step(self, *arguments):
        result = super().predict_step(*arguments)
        # On JAX states come and go along with the data.
        return (100 * result[0], *result[1:]) if isinstance(result, tuple) else 100 * result


class Scorer(keras.Model):
    """A constructor and a step of its own."""

    def __init__(self, units, **options):
        x = keras.Input((4,))
        super().__init__(x, layers.Dense(units, activation="relu")(x), **options)

    def predict_step(self, data):
        return 100 * super().predict_step(data)


class Backbone(keras.Model):
    """A constructor of its own and nothing else."""

    def __init__(self, units, **options):
        x = keras.Input((4,))
        super().__init__(x, layers.Dense(units, activation="relu")(x), **options)


class Chain(keras.Sequential):
    def predict_step(self, data):
        return 100 * super().predict_step(data)


def test_a_model_keeps_its_class_or_is_refused():
    x = keras.Input((4,))
    model = Percent(x, layers.Dense(2, activation="sigmoid")(x))
    copy = split_activations(model)
    assert type(copy) is Percent
    assert np.array_equal(model.predict(ROWS, verbose=0), copy.predict(ROWS, verbose=0))
    assert type(rewrite(Chain([keras.Input((4,)), layers.Dense(2)]))) is Chain
    outer = keras.Model(x, Percent(x, layers.Dense(2)(x), name="inner")(x))
    assert type(rewrite(outer).get_layer("inner")) is Percent
    with pytest.raises(TypeError, match=r"Scorer, which has predict_step of its own.*keras\.Model\(model"):
        rewrite(Scorer(2))
    assert same(outputs(Backbone(2), ROWS)[1:], outputs(rewrite(Backbone(2)), ROWS)[1:])


def frozen_but_two():
    inner = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(4, name="a"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="act"),
            layers.Dense(4, activation="relu", name="c"),
        ],
        name="inner",
    )
    inner.trainable = False
    inner.get_layer("a").trainable = inner.get_layer("c").trainable = True
    x = keras.Input((4,))
    return keras.Model(x, inner(x))


@pytest.mark.parametrize(
    "transform",
    [
        rewrite,
        split_activations,
        lambda model: fuse_activations(split_activations(model)),
        lambda model: swap_activation(model, "relu", "gelu").model,
        lambda model: swap_activation(model, "relu", layers.LeakyReLU).model,
        lambda model: fold_batchnorm(model).model,
        lambda model: collapse_linear(model).model,
    ],
)
def test_layers_enabled_again_in_a_frozen_model_stay_so(transform):
    new = transform(frozen_but_two())
    flags = {layer.name: layer.trainable for layer in new.get_layer("inner").layers}
    expected = {"a": True, "norm": False, "act": False, "c": True, "c_act": True}
    assert flags == {name: expected[name] for name in flags}
    assert len(new.trainable_variables) == 4


def test_remat_scopes_are_kept_and_none_is_caught():
    with keras.RematScope(mode="full"):
        model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu", name="fc")])
    for copy in (rewrite(model), split_activations(model)):
        assert copy.get_layer("fc")._remat_mode == model.get_layer("fc")._remat_mode is not None
    plain = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="fc")])
    with keras.RematScope(mode="full"):
        assert rewrite(plain).get_layer("fc")._remat_mode is None


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize`")
@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_new_layers_beside_quantised_ones_are_not_quantised(mode):
    x = keras.Input((8,))
    model = keras.Model(x, layers.Dense(8, activation="relu", name="fc")(x))
    model.quantize(mode)
    data = RNG.normal(size=(2, 8)).astype("float32")
    split = split_activations(model)
    assert split.get_layer("fc_act").dtype_policy.name == "float32"
    assert same(outputs(model, data), outputs(split, data))
    swapped = swap_activation(model, "relu", layers.PReLU(alpha_initializer="ones")).model
    linear = swap_activation(model, "relu", "linear").model
    assert same(outputs(linear, data), outputs(swapped, data))


class Noise(layers.Layer):
    """What it keeps shows in training alone, and no configuration has it."""

    def __init__(self, kept=None, **options):
        super().__init__(**options)
        self.kept = kept

    def call(self, x, training=None):
        return x * self.factor() if training else x

    def factor(self):
        kept = self.kept
        match kept:
            case Rates():
                return kept.first * float(kept.table[0])
            case Size.LARGE:
                return 5.0
            case set():
                return float(len(kept))
            case dict():
                return 7.0 if "strong" in kept else 1.0
        return 1.0

    def get_config(self):
        return super().get_config()


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


@dataclasses.dataclass
class Rates:
    first: float
    table: np.ndarray


KEPT = {
    "an object of options": (Rates(3.0, np.array([2.0])), 6.0),
    "an enumeration": (Size.LARGE, 5.0),
    "a set": ({"a", "b", "c"}, 3.0),
    "a dict of another key": ({"strong": True}, 7.0),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_only_training_shows_comes_along_and_is_not_shared(case):
    kept, factor = KEPT[case]
    x = keras.Input((4,))
    layer = Noise(kept, name="noise")
    model = keras.Model(x, layers.Dense(2, activation="relu", name="fc")(layer(x)))
    for copy in (rewrite(model), split_activations(model)):
        new = copy.get_layer("noise")
        assert new.factor() == factor
        assert same(outputs(model, ROWS, training=True), outputs(copy, ROWS, training=True))
        if case == "an object of options":
            new.kept.table[0] = 0.0
            assert layer.factor() == factor


class Words(layers.Layer):
    """A table, or statistics, inside a layer of one's own."""

    def __init__(self, inner=None, **options):
        super().__init__(**options)
        self.inner = inner or layers.StringLookup(output_mode="one_hot")

    def call(self, x):
        return self.inner(x)


class Sentences(Words):
    def __init__(self, **options):
        super().__init__(layers.TextVectorization(output_mode="tf_idf"), **options)


class Numbers(Words):
    def __init__(self, **options):
        super().__init__(layers.IntegerLookup(output_mode="multi_hot"), **options)


TABLES = {
    "words": (Words, "string", ["a", "b", "c"], [["a"], ["q"]]),
    "sentences": (Sentences, "string", ["a b", "b c", "a"], [["a b"], ["c q"]]),
    "numbers": (Numbers, "int64", [[5], [7]], [[5], [9]]),
}


@pytest.mark.tensorflow
@pytest.mark.parametrize("case", TABLES)
def test_tables_inside_layers_of_ones_own_come_along(case):
    import tensorflow as tf

    kind, dtype, data, x = TABLES[case]
    layer = kind()
    layer.inner.adapt(np.array(data))
    model = after(layer, shape=(1,), dtype=dtype)
    x = tf.constant(x)
    assert same(outputs(model, x), outputs(split_activations(model), x))


class Forgetful(layers.Layer):
    """Without its argument it cannot be called."""

    def __init__(self, kernel=None, **options):
        super().__init__(**options)
        self.kernel = [kernel]

    def call(self, x):
        return ops.matmul(x, self.kernel[0])

    def get_config(self):
        return super().get_config()


def test_a_copy_that_cannot_be_called_is_named():
    x = keras.Input((4,))
    kernel = keras.Variable(np.ones((4, 2), "float32"))
    model = keras.Model(x, Forgetful(kernel, name="own")(x))
    with pytest.raises(
        ValueError, match=r"copy of layer 'own' \(Forgetful\).*Complete get_config of Forgetful"
    ):
        rewrite(model)


SET_LATER = {
    "a regulariser that came too late": lambda layer: setattr(
        layer, "kernel_regularizer", keras.regularizers.L2(0.1)
    ),
    "a constraint that came too late": lambda layer: setattr(
        layer, "kernel_constraint", keras.constraints.NonNeg()
    ),
    "a regulariser of one variable": lambda layer: setattr(
        layer.kernel, "regularizer", keras.regularizers.L1(0.1)
    ),
}


@pytest.mark.parametrize("case", SET_LATER)
def test_a_step_moves_the_copy_as_it_moves_the_model(case):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu", name="fc")])
    SET_LATER[case](model.get_layer("fc"))
    copy = split_activations(model)
    assert len(copy.losses) == len(model.losses)
    assert (copy.get_layer("fc").kernel.constraint is None) == (
        model.get_layer("fc").kernel.constraint is None
    )


class Distilled(keras.Model):
    def predict_step(self, data):
        return self.teacher(data) + super().predict_step(data)


class Hot(keras.Model):
    """Takes inputs and outputs, and more."""

    def __init__(self, inputs, outputs, temperature=1.0, **options):
        super().__init__(inputs, outputs, **options)
        self.temperature = temperature

    def predict_step(self, *arguments):
        result = super().predict_step(*arguments)
        if isinstance(result, tuple):  # on JAX
            return (self.temperature * result[0], *result[1:])
        return self.temperature * result


def test_a_model_keeps_what_its_steps_need_or_is_refused():
    x = keras.Input((4,))
    y = layers.Dense(2, activation="relu", name="fc")(x)
    hot = Hot(x, y, temperature=7.0)
    copy = split_activations(hot)
    assert type(copy) is Hot
    assert np.array_equal(hot.predict(ROWS, verbose=0), copy.predict(ROWS, verbose=0))

    model = Distilled(x, y)
    model.teacher = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="old")
    with pytest.raises(TypeError, match=r"Distilled and keeps under 'teacher' the Sequential 'old'"):
        split_activations(model)
    del model.teacher
    model.trackers = [keras.metrics.Mean(name="seen")]
    with pytest.raises(TypeError, match=r"'trackers' the Mean 'seen'"):
        rewrite(model)
    del model.trackers
    model.teacher = model.get_layer("fc")  # a part of the graph: the copy has its own
    copy = rewrite(model)
    assert copy.teacher is copy.get_layer("fc") is not model.teacher


def test_a_new_activation_layer_is_computed_again_as_what_it_comes_from():
    with keras.RematScope(mode="full"):
        x = keras.Input((4,))
        y = layers.ReLU(name="act")(layers.Dense(4, activation="relu", name="fc")(x))
        model = keras.Model(x, layers.Dense(2, name="top")(y))
    mode = model.get_layer("fc")._remat_mode.mode
    assert split_activations(model).get_layer("fc_act")._remat_mode.mode == mode
    assert swap_activation(model, "relu", "tanh").model.get_layer("act")._remat_mode.mode == mode
    assert swap_activation(model, "relu", layers.PReLU).model.get_layer("fc_act")._remat_mode.mode == mode
    assert (
        split_activations(swap_activation(model, "relu", "tanh").model).get_layer("top")._remat_mode.mode
        == mode
    )


class Pair(layers.Layer):
    """Layers that nobody named, which Keras numbers."""

    def __init__(self, **options):
        super().__init__(**options)
        self.parts = [layers.Dense(4), layers.ReLU()]

    def build(self, shape):
        self.parts[0].build(shape)

    def call(self, x):
        return self.parts[1](self.parts[0](x))


@pytest.mark.parametrize(
    "make",
    [
        Pair,
        lambda **options: layers.TimeDistributed(layers.Dense(4, activation="tanh"), **options),
        lambda **options: layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], **options),
    ],
)
def test_layers_inside_layers_keep_the_names_that_keras_counted(make):
    x = keras.Input((5, 3))
    layer = make(name="own")
    model = keras.Model(x, layer(x))
    found = [inner.name for inner in flatten_layers(layer)]
    for copy in (rewrite(model), rewrite(rewrite(model))):
        assert [inner.name for inner in flatten_layers(copy.get_layer("own"))] == found
        assert list(unseen(copy)) == list(unseen(model))


class Centred(layers.Layer):
    """Learns its numbers from data, in a method of its own; its configuration knows nothing of them."""

    def __init__(self, **options):
        super().__init__(**options)
        self.mean = None

    def adapt(self, data):
        self.mean = data.mean(axis=0)
        self.width = int(data.shape[0])

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.width), name="kernel")

    def call(self, x):
        return ops.matmul(x - ops.cast(self.mean, x.dtype), self.kernel)


class Around(layers.Layer):
    """Holds such a layer."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = Centred()

    def adapt(self, data):
        self.inner.adapt(data)

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x)


class Gated(layers.Dense):
    """A stock layer, and numbers that are set later."""

    def adapt(self, data):
        self.gate = data[0]

    def call(self, x):
        return ops.multiply(super().call(x), self.gate)


class BuildsOnce(layers.Layer):
    """Makes its weights in a method of its own, and remembers that it did."""

    def __init__(self, **options):
        super().__init__(**options)
        self.is_ready = False

    def adapt(self, data):
        self.factor = float(data.max())

    def build(self, shape):
        self.prepare(shape[-1])

    def prepare(self, width):
        if not self.is_ready:
            self.kernel = self.add_weight(shape=(width, 4), name="kernel")
            self.is_ready = True

    def call(self, x):
        return self.factor * ops.matmul(x, self.kernel)


@pytest.mark.parametrize("in_a_row", [False, True])
@pytest.mark.parametrize("make", [Centred, BuildsOnce, Around, lambda: Gated(4, activation="tanh")])
def test_what_a_layer_of_ones_own_needs_to_be_called_is_there_when_it_is_called(make, in_a_row):
    layer = adapted(make(), ROWS[:7])
    if in_a_row:
        model = keras.Sequential([keras.Input((4,)), layer, layers.Dense(3, activation="relu", name="fc")])
    else:
        model = after(layer)
    x = batch(model)
    for name in ("rewrite", "split", "swap"):
        assert same(outputs(model, x), outputs(TRANSFORMS[name](model), x))


def test_a_subclass_of_dense_comes_along_with_what_training_added_to_it():
    layer = adapted(Gated(4, activation="tanh"), ROWS)
    model = after(layer)
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.ones((2, 4)))
    copy = split_activations(model)
    assert same(outputs(model, ROWS), outputs(copy, ROWS))
    assert len(copy.trainable_variables) == len(model.trainable_variables)


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


@pytest.mark.parametrize("what", ["regularizer", "constraint"])
def test_what_was_set_on_a_weight_holds_and_not_what_the_layer_was_made_with(what):
    strong = {"regularizer": keras.regularizers.L2(0.5), "constraint": keras.constraints.MaxNorm(0.5)}[what]
    weak = {"regularizer": "l2", "constraint": "max_norm"}[what]
    model = after(layers.Dense(4, name="a", **{f"kernel_{what}": weak}))
    setattr(model.get_layer("a").kernel, what, strong)
    for name in ("rewrite", "split"):
        found = getattr(TRANSFORMS[name](model).get_layer("a").kernel, what)
        assert found.get_config() == strong.get_config()


def attending(change):
    x = keras.Input((5, 4))
    attention = layers.MultiHeadAttention(2, 3, name="attention")
    model = after(lambda t: attention(t, t), x)
    change(attention)
    return model


def around_dense(change):
    class Holds(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.inner = layers.Dense(4)

        def build(self, shape):
            self.inner.build(shape)

        def call(self, x):
            return self.inner(x)

    layer = Holds(name="holds")
    model = after(layer)
    change(layer)
    return model


def low_rank(layer):
    for inner in flatten_layers(layer):
        if hasattr(inner, "enable_lora"):
            inner.enable_lora(2)
            inner.lora_kernel_b.assign(np.ones(inner.lora_kernel_b.shape))


def int8(layer):
    for inner in flatten_layers(layer):
        if isinstance(inner, (layers.Dense, layers.EinsumDense)):
            inner.quantize("int8")


@pytest.mark.tensorflow
@pytest.mark.parametrize("change", [low_rank, int8])
@pytest.mark.parametrize("make", [attending, around_dense])
def test_low_rank_and_quantised_kernels_of_layers_inside_come_along(make, change):
    model = make(change)
    x = batch(model)
    for name in ("rewrite", "split"):
        copy = TRANSFORMS[name](model)
        assert same(outputs(model, x), outputs(copy, x))
        assert [v.trainable for v in copy.variables] == [v.trainable for v in model.variables]


@pytest.mark.tensorflow
def test_an_eight_bit_float_layer_is_not_told_to_have_changed_its_shape():
    model = after(layers.Dense(4, activation="tanh", name="a"))
    for layer in model.layers[1:]:
        layer.quantize("float8")
    new = swap_activation(model, "relu", layers.LeakyReLU(0.0))
    assert new.sites == ("fc",)
    assert same(outputs(model, ROWS), outputs(new.model, ROWS))


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
