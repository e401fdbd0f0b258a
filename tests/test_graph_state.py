"""What a layer keeps besides its configuration comes along: statistics, tables, states of loops, slopes shared, kernels changed."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from state_nets import RNG, ROWS, TRANSFORMS, Gated, adapted, after, words
from transform_nets import batch, outputs, same

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


def test_a_subclass_of_dense_comes_along_with_what_training_added_to_it():
    layer = adapted(Gated(4, activation="tanh"), ROWS)
    model = after(layer)
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.ones((2, 4)))
    copy = split_activations(model)
    assert same(outputs(model, ROWS), outputs(copy, ROWS))
    assert len(copy.trainable_variables) == len(model.trainable_variables)


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


def tied(read):
    """A dense layer whose kernel is read once more, by an operation or another layer."""
    x = keras.Input((4,))
    fc = layers.Dense(4, activation="relu", name="fc")
    return keras.Model(x, read(fc(x), fc.kernel))


class Times(layers.Layer):
    def call(self, x, kernel):
        return ops.matmul(x, kernel)


def in_a_nested_model():
    x = keras.Input((4,))
    inner = keras.Model(x, layers.Dense(4, activation="relu", name="fc")(x), name="inner")
    return keras.Model(x, ops.matmul(inner(x), inner.get_layer("fc").kernel))


def read_before_it_is_called():
    x = keras.Input((4,))
    fc = layers.Dense(4, activation="relu", name="fc")
    fc.build((None, 4))
    return keras.Model(x, fc(ops.matmul(x, fc.kernel)))


def embedded():
    x = keras.Input((5,), dtype="int32")
    embedding = layers.Embedding(7, 4, name="fc")
    y = layers.ReLU()(embedding(x))
    return keras.Model(x, ops.einsum("btc,vc->btv", y, embedding.embeddings))


TIED = {
    "an operation": lambda: tied(ops.matmul),
    "a word of an operation": lambda: tied(lambda x, kernel: ops.matmul(x, x2=kernel)),
    "an operator": lambda: tied(lambda x, kernel: x @ kernel),
    "a layer": lambda: tied(lambda x, kernel: Times()(x, kernel=kernel)),
    "a list": lambda: tied(lambda x, kernel: ops.einsum("bc,cd,de->be", x, kernel, kernel)),
    "a nested model": in_a_nested_model,
    "one before the layer": read_before_it_is_called,
    "an embedding": embedded,
    "what a variable holds": lambda: tied(lambda x, kernel: ops.matmul(x, kernel.value)),
}
# On JAX it is an array that never changes, and the model is none that reads a weight.
TIED_CASES = [
    pytest.param(case, marks=[pytest.mark.tensorflow] * (case == "what a variable holds")) for case in TIED
]


@pytest.mark.parametrize("transform", ["rewrite", "split", "fuse", "swap"])
@pytest.mark.parametrize("case", TIED_CASES)
def test_what_reads_a_weight_reads_that_of_the_copy(case, transform):
    model = TIED[case]()
    x = batch(model)
    copy = TRANSFORMS[transform](model)
    before = outputs(copy, x)
    assert same(outputs(model, x), before)
    weights = next(layer for layer in flatten_layers(model) if layer.name == "fc").weights
    weights[0].assign(0.5 * weights[0])
    assert same(before, outputs(copy, x))
    own = next(layer for layer in flatten_layers(copy) if layer.name == "fc").weights
    own[0].assign(weights[0])
    assert same(outputs(model, x), outputs(copy, x))


def test_a_weight_that_is_read_and_whose_layer_changes_is_refused():
    x = keras.Input((4,))
    fc = layers.Dense(4, name="fc")
    y = layers.BatchNormalization()(fc(x))
    model = keras.Model(x, ops.matmul(y, fc.kernel))
    with pytest.raises(
        ValueError, match=r"'matmul.* of the layer 'fc', and something else stands in the place"
    ):
        fold_batchnorm(model)
    with pytest.raises(ValueError, match=r"reads the variable .*fc/kernel.* something else stands"):
        rewrite(model, {fc: []})


@pytest.mark.parametrize("read", [ops.multiply, lambda x, scale: Times()(x, scale)])
def test_a_variable_of_no_layer_is_refused(read):
    x = keras.Input((4,))
    scale = keras.Variable(np.ones((4, 4), "float32"), name="scale")
    model = keras.Model(x, read(layers.Dense(4)(x), scale))
    with pytest.raises(
        ValueError, match=r"'scale', which is of no layer of the model that is copied.*with add_weight"
    ):
        rewrite(model)


def test_a_variable_that_a_layer_was_given_is_refused():
    class Given(layers.Layer):
        def __init__(self, scale, **options):
            super().__init__(**options)
            self.scale = scale

        def call(self, x):
            return ops.multiply(x, self.scale)

        def get_config(self):
            return super().get_config() | {"scale": self.scale}

    model = after(Given(keras.Variable(np.ones(4, "float32"), name="scale"), name="given"))
    with pytest.raises(ValueError, match=r"'given' and its copy would have one variable 'scale' together"):
        rewrite(model)
