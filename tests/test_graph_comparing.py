"""Every rewrite is compared with its original: what differs is named, what cannot be compared is said."""

from typing import ClassVar

import keras
import numpy as np
import pytest
from keras import layers, ops
from transform_nets import batch, error, outputs, randomised, same

from zoo.graph import Part, copy_layer, copy_variables, difference, rewrite, sample
from zoo.graph.internals import carry_mask, mask_of
from zoo.transforms import (
    affine_map,
    collapse_linear,
    fold_batchnorm,
    fuse_activations,
    roll,
    split_activations,
    swap_activation,
    unroll,
)

# Layers of one's own, and loops, may hide activations: that is said, and not what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")


class Counted(layers.Layer):
    """Each object is another function, and nothing tells."""

    made = 0
    numbers: ClassVar = {}

    def __init__(self, **options):
        super().__init__(**options)
        Counted.made += 1
        self.numbers[id(self)] = Counted.made

    def call(self, x):
        return x * self.numbers[id(self)]


class Noisy(layers.Layer):
    """Draws in inference without a seed of its own."""

    def call(self, x):
        return x + keras.random.normal(ops.shape(x))


def net(layer):
    x = keras.Input((6,))
    y = layers.Dense(4, name="first")(x)
    y = layer(y)
    y = layers.Dense(4, activation="relu", name="second")(y)
    y = layers.ReLU()(layers.Dense(4, name="third")(y))
    y = layers.BatchNormalization(name="norm")(layers.Dense(4, name="fourth")(y))
    return randomised(keras.Model(x, layers.Dense(2, name="fifth")(y), name="net"))


TRANSFORMS = {
    "split": split_activations,
    "fuse": fuse_activations,
    "swap": lambda model, **options: swap_activation(model, "relu", "gelu", **options),
    "fold": fold_batchnorm,
    "collapse": collapse_linear,
    "rewrite": rewrite,
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("kind", [Counted, Noisy])
def test_a_copy_that_computes_something_else_is_named(kind, transform):
    model = net(kind(name="odd"))
    with pytest.raises(ValueError, match=rf"the copy of layer 'odd' \({kind.__name__}\) does not compute"):
        TRANSFORMS[transform](model)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_the_comparison_can_be_switched_off(transform):
    new = TRANSFORMS[transform](net(Counted(name="odd")), probe=False)
    assert type(getattr(new, "model", new).get_layer("odd")) is Counted


def test_the_layer_in_a_nested_model_is_named_with_its_path():
    x = keras.Input((4,))
    inner = keras.Model(x, Counted(name="odd")(x), name="inner")
    with pytest.raises(ValueError, match="'inner/odd'"):
        rewrite(keras.Sequential([keras.Input((4,)), inner]))


def test_a_difference_that_only_some_inputs_show_is_found_on_a_probe_that_shows_it():
    class Gate(layers.Layer):
        """Forgets its threshold, in a place that is not looked at."""

        def __init__(self, threshold=1e6, **options):
            super().__init__(**options)
            self.bounds = {0: threshold}.values()

        def call(self, x):
            return ops.where(x > next(iter(self.bounds)), 0.0, x)

        def get_config(self):
            return super().get_config()

    x = keras.Input((4,))
    model = keras.Model(x, Gate(100.0, name="gate")(x))
    rewrite(model)  # nothing drawn is that large
    with pytest.raises(ValueError, match="'gate'"):
        rewrite(model, probe=np.full((1, 4), 1000.0))


def test_parts_that_claim_to_be_exact_and_are_not_are_named():
    model = net(layers.ReLU(name="act"))
    first = model.get_layer("first")

    def off(layer):
        copy_variables(first)(layer)
        layer.bias.assign(layer.bias + 1e-3)

    replace = {first: [Part(copy_layer(first), off)]}
    with pytest.raises(ValueError, match=r"from layer 'first' on it differs.*'act' reads"):
        rewrite(model, replace, exact=True)
    changed = rewrite(model, replace)  # on purpose
    assert not same(outputs(model, batch(model)), outputs(changed, batch(model)))


def test_an_exact_output_has_to_agree():
    model = net(layers.ReLU(name="act"))
    with pytest.raises(ValueError, match=r"from layer 'fifth' on it differs.*an output of 'net'"):
        rewrite(model, {model.get_layer("fifth"): [Part(layers.Dense(2, name="fifth"))]}, exact=True)


def test_the_part_that_a_swap_keeps_is_compared():
    model = net(layers.ReLU(name="act"))
    second = model.get_layer("second")
    replace = {second: [Part(copy_layer(second, activation="gelu"), None)]}  # its weights are forgotten
    undone = {second: lambda x: ops.relu(replace[second][0].layer(x))}
    with pytest.raises(ValueError, match="'second'"):
        rewrite(
            model, replace, undone={second: lambda x: ops.relu(ops.matmul(x, np.ones((4, 4), "float32")))}
        )
    rewrite(model, {second: [Part(copy_layer(second, activation="gelu"), copy_variables(second))]})
    del undone


def test_nothing_changes_in_the_model_that_is_looked_at():
    x = keras.Input((8, 8, 3))
    y = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, activation=layers.PReLU())(x))
    y = layers.Dropout(0.5)(y, training=True)
    y = layers.GaussianNoise(0.1)(y, training=True)
    model = keras.Model(x, layers.GlobalAveragePooling2D()(y))
    paths = [v.path for v in model.variables]
    values = [keras.ops.convert_to_numpy(v) for v in model.variables]
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    for transform in (split_activations, fuse_activations, fold_batchnorm):
        transform(model)
    assert [v.path for v in model.variables] == paths
    assert same(values, [keras.ops.convert_to_numpy(v) for v in model.variables])
    assert [len(layer._inbound_nodes) for layer in model.layers] == nodes


def inputs():
    """Models with inputs of every kind, each with an activation to split."""

    def end(y):
        return layers.Dense(3, activation="relu")(y)

    x = keras.Input((5,), dtype="int32")
    yield "indices", keras.Model(x, end(layers.Flatten()(layers.Embedding(3, 2)(x))))
    yield "masks", keras.Model(x, end(layers.LSTM(3)(layers.Embedding(4, 2, mask_zero=True)(x))))
    x = keras.Input((1,), dtype="int32")
    yield "categories", keras.Model(x, end(layers.CategoryEncoding(4)(x)))
    x = keras.Input((4, 4, 3), dtype="uint8")
    yield "pixels", keras.Model(x, end(layers.Rescaling(1 / 255)(x)))
    x = keras.Input((3,), dtype="bool")
    yield "truths", keras.Model(x, end(ops.cast(x, "float32")))
    x = keras.Input((None, None, 3))
    yield (
        "open sizes",
        keras.Model(x, end(layers.GlobalAveragePooling2D()(layers.Conv2D(2, 50, activation="tanh")(x)))),
    )
    x = {"b": keras.Input((3,), name="b"), "a": keras.Input((4,), name="a")}
    yield "names", keras.Model(x, {"out": end(layers.Concatenate()([x["b"], x["a"]]))})
    x = keras.Input(batch_shape=(7, 3))
    yield "a fixed batch", keras.Model(x, end(ops.reshape(x, (7, 3))))
    a, b = keras.Input((4,), name="z"), keras.Input((4,), name="a")
    inner = keras.Model([a, b], layers.Subtract()([layers.Dense(4)(a), layers.ReLU()(b)]), name="inner")
    p, q = keras.Input((4,)), keras.Input((4,))
    yield "a nested model called by names", keras.Model([p, q], end(inner({"z": p, "a": q})))
    yield "a nested model called by keyword", keras.Model([p, q], end(inner(inputs=[p, q])))


INPUTS = dict(inputs())


@pytest.mark.parametrize("case", INPUTS)
def test_inputs_of_every_kind_are_drawn(case):
    model = INPUTS[case]
    split = split_activations(model)
    x = list(sample(model))[-1]
    assert same(outputs(model, x), outputs(split, x))
    for layer in model.layers:  # and a forgotten layer is found with them
        if isinstance(layer, layers.Dense):
            with pytest.raises(ValueError, match=rf"from layer '{layer.name}' on"):
                replaced = copy_layer(layer, activation="sigmoid")
                rewrite(model, {layer: [Part(replaced, copy_variables(layer))]}, exact=True)


def test_a_model_that_takes_nothing_drawn_asks_for_a_probe():
    x = keras.Input((None, None, 3))
    y = layers.Dense(2, activation="relu")(layers.Reshape((5, 5, 3))(x))
    model = keras.Model(x, y)
    with pytest.raises(ValueError, match=r"does not take a batch drawn.*'reshape.*Pass probe="):
        split_activations(model)
    split_activations(model, probe=np.ones((1, 5, 5, 3)))
    split_activations(model, probe=False)
    with pytest.raises(ValueError, match=r"does not take the probe"):
        split_activations(model, probe=np.ones((1, 4, 5, 3)))


def test_what_is_not_a_number_and_what_is_infinite_are_compared():
    values = np.array([1.0, np.nan, np.inf, -2.0])
    assert difference(values, values.copy()) == 0.0
    assert difference(values, values + np.array([0, 0, 0, 2e-3])) == pytest.approx(1e-3)
    assert difference(values, np.array([1.0, 0.0, np.inf, -2.0])) == np.inf
    assert difference(values, np.array([1.0, np.nan, -np.inf, -2.0])) == np.inf
    assert difference(values, np.array([np.nan, np.nan, np.inf, -2.0])) == np.inf
    assert difference(values, values[:2]) == np.inf
    assert difference(np.array(["a"], object), np.array(["b"], object)) == np.inf


def test_half_precision_models_are_compared_as_they_round():
    x = keras.Input((6,))
    y = layers.Dense(4, activation="relu", dtype="mixed_float16", name="half")(x)
    model = randomised(keras.Model(x, layers.Dense(2, dtype="float32")(y)))
    assert same(outputs(model, batch(model)), outputs(split_activations(model), batch(model)))


def test_rounding_that_a_net_makes_much_of_is_reported_and_not_refused():
    # The difference of two nearly equal numbers, ten thousand times: what conv and norm round becomes large.
    x = keras.Input((6,))
    y = layers.BatchNormalization(name="norm")(layers.Dense(4, name="fc")(x))
    z = layers.Rescaling(1e4)(layers.Subtract()([y, layers.Rescaling(1.0)(ops.round(y * 1e4) / 1e4)]))
    model = randomised(keras.Model(x, z))
    result = fold_batchnorm(model)
    assert result.folded == ("norm",)
    assert result.max_error > 1e-5
    x = next(iter(sample(model)))
    assert result.max_error == pytest.approx(error(outputs(model, x), outputs(result.model, x)))


@pytest.mark.tensorflow
def test_rolled_units_are_compared():
    x = y = keras.Input((8,))
    for k in range(3):
        y = layers.Add(name=f"u{k}_add")([y, layers.Dense(8, activation="tanh", name=f"u{k}_fc")(y)])
    model = keras.Model(x, Counted(name="odd")(y))
    with pytest.raises(ValueError, match="'odd'"):
        roll(model)
    with pytest.raises(ValueError, match="'odd'"):
        unroll(roll(model, probe=False))


def test_the_matrix_is_that_of_a_model_that_was_compared():
    class Weighted(layers.Dense):
        """A dense layer whose configuration forgets its weight."""

    x = keras.Input((3,))
    model = randomised(keras.Model(x, Weighted(2)(x)))
    matrix, offset = affine_map(model)
    data = batch(model)
    assert np.allclose(data @ matrix.T + offset, outputs(model, data)[0], atol=1e-6)


def test_what_a_model_warns_of_itself_does_not_stop_its_copy():
    """A softmax over one class warns at every call; as an error, as in this suite, it is no difference."""
    x = keras.Input((3,))
    model = keras.Model(x, layers.Activation("softmax", name="one")(layers.Dense(1, activation="relu")(x)))
    assert [layer.name for layer in split_activations(model).layers][-1] == "one"


ATTENTION = {
    "to itself": lambda y: layers.MultiHeadAttention(2, 3)(y, y),
    "twice by one layer": lambda y: (lambda a: a(a(y, y), y))(layers.MultiHeadAttention(2, 4)),
    "beside a loop": lambda y: (
        layers.SimpleRNN(4, return_sequences=True)(y) + layers.MultiHeadAttention(2, 4)(y, y)
    ),
}


@pytest.mark.parametrize("case", ATTENTION)
def test_layers_that_take_the_mask_from_what_they_read_are_compared_with_it(case):
    x = keras.Input((5,), dtype="int32")
    y = ATTENTION[case](layers.Embedding(10, 4, mask_zero=True)(x))
    y = layers.GlobalAveragePooling1D()(layers.Dense(3, activation="relu", name="fc")(y))
    model = keras.Model(x, y)
    data = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 0]])
    for transform in (split_activations, lambda m: swap_activation(m, "relu", "relu").model):
        assert error(outputs(model, data), outputs(transform(model), data)) == 0.0


def test_a_probe_of_another_number_of_arrays_than_the_model_takes():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    x = np.ones((1, 4), "float32")
    two = keras.Model([a, b], layers.Add()([a, b]), name="two")
    one = keras.Model(a, layers.Dense(2)(a), name="one")
    with pytest.raises(ValueError, match=r"^probe holds 1 array, and 'two' takes 2: 'a', 'b'\. Pass a batch"):
        rewrite(two, probe=[x])
    with pytest.raises(ValueError, match=r"^probe holds 2 arrays, and 'one' takes 1: 'a'\. Pass a batch"):
        rewrite(one, probe=[x, x])
    assert rewrite(two, probe={"a": x, "b": x, "c": x}) and rewrite(one, probe=x)


def test_numbers_that_an_embedding_reads_are_drawn_as_indices():
    x, other = keras.Input((64,)), keras.Input((64,))
    inner = keras.Input((32, 2))
    table = keras.Model(inner, layers.Embedding(2, 3)(layers.Flatten()(inner)))
    y = table(layers.Reshape((32, 2))(x))
    model = keras.Model([x, other], [y, layers.Dense(2)(other)])
    indices, numbers = next(iter(sample(model)))
    assert indices.dtype == "float32" and set(indices.flatten()) == {0.0, 1.0}
    assert not set(numbers.flatten()) <= {0.0, 1.0}


def test_the_mask_of_a_tensor_is_found_on_every_backend():
    """Some keep it on the tensor, some beside it."""
    steps = np.array([[[1.0], [0.0], [2.0]]], "float32")
    found = mask_of(layers.Masking()(ops.convert_to_tensor(steps)))
    assert ops.convert_to_numpy(found).tolist() == [[True, False, True]]
    other = ops.convert_to_tensor(steps + 1)
    assert mask_of(other) is None
    assert mask_of(carry_mask(layers.Masking()(ops.convert_to_tensor(steps)), other)) is not None
