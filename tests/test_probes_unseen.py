"""Activations inside layers: rows where they have a name, a name and a warning where they have none."""

import dis
import inspect
import re

import keras
import numpy as np
import pytest
from keras import layers, ops
from probed_nets import Residual, residual
from transform_nets import batch, outputs, randomised

from zoo.activations import UnseenWarning, sites, unseen
from zoo.activations.code import doubts_of
from zoo.activations.sizes import is_of_sizes, single, sizes, within
from zoo.graph import producer
from zoo.probes import activation_stats, gradient_stats
from zoo.transforms import fold_batchnorm

# A backend has its own ways of keeping layers inside layers.
pytestmark = pytest.mark.backend


def means(model, x, **options):
    return {row["site"]: row["mean"] for row in activation_stats(model, x, **options)}


def frame():
    parts = [
        layers.Conv2D(4, 3, activation="tanh", name="conv"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(name="act"),
        layers.GlobalAveragePooling2D(name="pool"),
    ]
    return keras.Sequential([keras.Input((6, 6, 3)), *parts], name="frame")


def test_a_wrapped_model_has_rows_over_all_steps():
    inner = frame()
    x = keras.Input((5, 6, 6, 3))
    model = randomised(keras.Model(x, layers.TimeDistributed(inner, name="td")(x)))
    data = batch(model, size=2)
    rows = activation_stats(model, data)
    assert [row["site"] for row in rows] == ["td/frame/conv", "td/frame/act"] and rows.unseen == {}
    flat = data.reshape(-1, 6, 6, 3)
    alone = activation_stats(inner, flat)
    for wrapped, row in zip(rows, alone, strict=True):
        for key, value in row.items():
            if key not in ("site", "activation"):
                assert wrapped[key] == pytest.approx(value, rel=1e-4), key


@pytest.mark.parametrize("kind", ["dense", "layer", "norm"])
def test_other_wrappers(kind):
    x = keras.Input((5, 3))
    inner = {
        "dense": layers.TimeDistributed(layers.Dense(4, activation="tanh", name="fc"), name="w"),
        "layer": layers.TimeDistributed(layers.Activation("tanh", name="fc"), name="w"),
        "norm": layers.SpectralNormalization(layers.Dense(4, activation="tanh", name="fc"), name="w"),
    }[kind]
    model = randomised(keras.Model(x, inner(x)))
    data = batch(model, size=3)
    assert means(model, data) == pytest.approx({"w/fc": outputs(model, data)[0].mean()}, rel=1e-4)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_by_hand(layer, x):
    """Values of every gate at every step, shape (steps, batch, units)."""
    cell = layer.cell
    kernel, recurrent, bias = (
        np.asarray(v, "float64") for v in (cell.kernel, cell.recurrent_kernel, cell.bias)
    )
    h = c = np.zeros((len(x), cell.units))
    found = {name: [] for name in ("input_gate", "forget_gate", "candidate", "output_gate", "output")}
    for step in range(x.shape[1]):
        i, f, g, o = np.split(x[:, step] @ kernel + h @ recurrent + bias, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        c = f * c + i * g
        for name, value in zip(found, (i, f, g, o, np.tanh(c)), strict=True):
            found[name].append(value)
        h = o * np.tanh(c)
    return {name: np.stack(values) for name, values in found.items()}


@pytest.mark.parametrize("implementation", [1, 2])
def test_the_gates_of_an_lstm(implementation):
    x = keras.Input((4, 3))
    layer = layers.LSTM(5, name="lstm", implementation=implementation)
    model = randomised(keras.Model(x, layer(x)))
    data = batch(model, size=6)
    rows = {row["site"]: row for row in activation_stats(model, data)}
    expected = lstm_by_hand(layer, data)
    assert set(rows) == {f"lstm/{name}" for name in expected}
    for name, values in expected.items():
        assert rows[f"lstm/{name}"]["mean"] == pytest.approx(values.mean(), rel=1e-4, abs=1e-6)
        assert rows[f"lstm/{name}"]["std"] == pytest.approx(values.std(), rel=1e-4)
        assert rows[f"lstm/{name}"]["units"] == 5


def test_the_gates_of_other_cells_and_of_both_directions():
    x = keras.Input((4, 3))
    y = layers.Bidirectional(layers.GRU(2, name="gru", return_sequences=True), name="both")(x)
    cells = [layers.SimpleRNNCell(3, activation="relu", name="one"), layers.LSTMCell(2, name="two")]
    y = layers.RNN(cells, name="stack")(y)
    model = keras.Model(x, y)
    rows = activation_stats(model, np.random.default_rng(0).normal(size=(2, 4, 3)))
    gru = ["update_gate", "reset_gate", "candidate"]
    lstm = ["input_gate", "forget_gate", "candidate", "output_gate", "output"]
    assert [row["site"] for row in rows] == [
        *(f"both/forward_gru/{gate}" for gate in gru),
        *(f"both/backward_gru/{gate}" for gate in gru),
        "stack/one/output",
        *(f"stack/two/{gate}" for gate in lstm),
    ]
    assert rows.unseen == {}


def test_a_simple_recurrent_layer_and_a_convolutional_one():
    x = keras.Input((4, 3))
    model = keras.Model(x, layers.SimpleRNN(5, activation="relu", return_sequences=True, name="rnn")(x))
    data = batch(model, size=3)
    assert means(model, data) == pytest.approx({"rnn/output": outputs(model, data)[0].mean()}, rel=1e-5)
    x = keras.Input((2, 3, 6, 6))
    first = layers.ConvLSTM2D(4, 3, data_format="channels_last", name="conv")
    model = keras.Model(x, first(layers.Permute((1, 3, 4, 2))(x)))
    rows = activation_stats(model, batch(model, size=2))
    assert [row["units"] for row in rows] == [4] * 5


def test_a_function_of_ones_own_in_a_recurrent_layer():
    x = keras.Input((4, 3))
    for layer in (layers.LSTM, layers.GRU, layers.SimpleRNN):
        own = keras.Model(x, layer(2, activation=lambda z: ops.tanh(z), name="rnn")(x))
        stock = keras.Model(x, layer(2, name="rnn")(x))
        stock.set_weights(own.get_weights())
        data = batch(own, size=2)
        assert means(own, data) == pytest.approx(means(stock, data))


def test_a_shared_recurrent_layer_has_its_calls_apart():
    x = keras.Input((4, 3))
    shared = layers.SimpleRNN(3, return_sequences=True, name="rnn")
    model = keras.Model(x, shared(shared(x)))
    assert list(means(model, batch(model))) == ["rnn/output", "rnn/output:2"]


def test_what_a_block_written_as_a_layer_holds():
    model = randomised(residual())
    data = batch(model, size=3)
    rows = activation_stats(model, data)
    assert rows.unseen == {}
    assert means(model, data) == pytest.approx({"res/act": outputs(model, data)[0].mean()}, rel=1e-4)


class Keyed(layers.Layer):
    """Its function under a key of its own."""

    def __init__(self, key, function, **kwargs):
        super().__init__(**kwargs)
        self.key = key
        setattr(self, key, function)

    def call(self, x):
        return getattr(self, self.key)(x)


class SubDense(layers.Dense):
    def call(self, x):
        return super().call(x)


@pytest.mark.parametrize("key", ["activation", "act", "activation_fn", "nonlinearity"])
def test_functions_that_a_layer_keeps_under_any_key(key):
    x = keras.Input((4,))
    model = keras.Model(x, Keyed(key, lambda z: 3 * z, name="own")(x))
    data = batch(model, size=3)
    name = "own" if key == "activation" else f"own/{key}"
    with pytest.warns(UnseenWarning, match="getattr"):  # it might call something else, too
        assert means(model, data) == pytest.approx({name: outputs(model, data)[0].mean()})


def test_a_dense_layer_with_a_call_of_its_own_that_calls_the_stock_one():
    x = keras.Input((4,))
    model = keras.Model(x, SubDense(3, activation="relu", name="own")(x))
    data = batch(model, size=3)
    assert means(model, data) == pytest.approx({"own": outputs(model, data)[0].mean()})


def test_the_softmax_of_attention_is_a_row_where_keras_computes_it_and_named_where_not():
    x = keras.Input((5, 4))
    attention = layers.MultiHeadAttention(2, 3, name="mha")
    model = randomised(keras.Model(x, attention(x, x, return_attention_scores=True)))
    data = batch(model, size=2)
    (row,) = activation_stats(model, data)
    assert row["mean"] == pytest.approx(0.2)  # five weights that add up to one
    y = layers.ReLU(name="act")(layers.MultiHeadAttention(2, 3, name="mha")(x, x))
    with pytest.warns(UnseenWarning, match="dot_product_attention"):
        rows = activation_stats(keras.Model(x, y), data)
    assert [row["site"] for row in rows] == ["act"] and list(rows.unseen) == ["mha/softmax"]
    y = layers.ReLU(name="act")(layers.Attention(name="plain")([x, x]))
    with pytest.warns(UnseenWarning, match=r"'plain' \(Attention applies softmax\)"):
        activation_stats(keras.Model(x, y), data)


class HandMade(layers.Layer):
    def call(self, x):
        return ops.maximum(x, 0.0)


class Compared(layers.Layer):
    def call(self, x):
        return x * ops.cast(x > 0, x.dtype)


class Scaled(layers.Layer):
    def __init__(self, scale, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, x):
        return ops.reshape(self.scale * x, ops.shape(x)) + 1


HIDING = {
    "hand-made": lambda: HandMade(name="own"),
    "compared": lambda: Compared(name="own"),
    "lambda": lambda: layers.Lambda(lambda z: ops.tanh(z), name="own"),
    "partial": lambda: layers.Lambda(__import__("functools").partial(ops.clip, x_min=0, x_max=1), name="own"),
}


@pytest.mark.parametrize("probe", ["activation_stats", "gradient_stats"])
@pytest.mark.parametrize("kind", HIDING)
def test_code_that_may_hide_an_activation_is_named(kind, probe):
    x = keras.Input((4,))
    y = layers.Dense(3, activation="relu", name="fc")(HIDING[kind]()(x))
    model = keras.Model(x, y)
    with pytest.warns(UnseenWarning, match="'own'"):
        if probe == "activation_stats":
            rows = activation_stats(model, np.ones((2, 4)))
        else:
            rows = gradient_stats(model, np.ones((2, 4)), np.ones((2, 3)), "mse")
    assert list(rows.unseen) == ["own"] and "fc" in {row.get("site", row.get("name")) for row in rows}


@pytest.mark.parametrize("kind", HIDING)
def test_nothing_visible_at_all_is_refused(kind):
    x = keras.Input((4,))
    model = keras.Model(x, HIDING[kind]()(x))
    with pytest.raises(ValueError, match=r"sees no activation in .* Not seen: 'own'"):
        activation_stats(model, np.ones((2, 4)))


def test_a_model_without_activations_is_refused():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    with pytest.raises(ValueError, match="which has none"):
        activation_stats(model, np.ones((2, 4)))


def test_code_that_hides_nothing_is_not_named():
    x = keras.Input((4,))
    harmless = [Scaled(2.0, name="scaled"), layers.Lambda(lambda z: 2 * z, name="double")]
    y = x
    for layer in harmless:
        y = layer(y)
    assert activation_stats(keras.Model(x, layers.ReLU()(y)), np.ones((2, 4))).unseen == {}


def test_operations_that_people_make_activations_of_are_named():
    x = keras.Input((4,))
    for operation in (
        lambda z: ops.maximum(z, 0),
        ops.amax,
        ops.amin,
        lambda z: ops.clip(z, 0, 6),
        ops.exp,
        ops.abs,
        ops.square,
    ):
        y = layers.ReLU(name="act")(operation(x))
        with pytest.warns(UnseenWarning, match="is not linear"):
            rows = activation_stats(keras.Model(x, y), np.ones((2, 4)))
        assert len(rows.unseen) == 1


def test_a_lambda_round_a_stock_function_is_a_site():
    x = keras.Input((4,))
    model = keras.Model(x, layers.Lambda(keras.activations.tanh, name="own")(x))
    assert means(model, np.ones((2, 4))) == pytest.approx({"own": np.tanh(1.0)})


def test_a_place_that_is_not_called_is_named():
    class Sometimes(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.used, self.unused = layers.ReLU(name="used"), layers.ReLU(name="unused")

        def call(self, x):
            return self.used(x)

    x = keras.Input((4,))
    with pytest.warns(UnseenWarning, match=r"'own/unused' \(it was not called\)"):
        rows = activation_stats(keras.Model(x, Sometimes(name="own")(x)), np.ones((2, 4)))
    assert list(rows.unseen) == ["own/unused"]


def test_layers_inside_layers_inside_layers():
    block = keras.Sequential([keras.Input((6, 6, 4)), Residual(name="res")], name="block")
    x = keras.Input((3, 6, 6, 4))
    model = randomised(keras.Model(x, layers.TimeDistributed(block, name="td")(x)))
    data = batch(model, size=2)
    expected = {"td/block/res/act": outputs(model, data)[0].mean()}
    assert means(model, data) == pytest.approx(expected, rel=1e-4)


@pytest.mark.tensorflow
def test_a_rolled_model_says_what_to_do():
    import zoo

    model = zoo.build("resnet26", input_shape=(8, 8, 3), width=4, rolled=True)
    with pytest.warns(UnseenWarning, match=r"zoo\.transforms\.unroll"):
        activation_stats(model, np.zeros((1, 8, 8, 3)))


def split(x):
    """Under the name of an operation that only moves values."""
    return ops.relu(x)


def normal(x):
    return ops.tanh(x)


class Misnamed(layers.Layer):
    def call(self, x):
        return split(x)


class Doubly(layers.Layer):
    def call(self, x):
        return ops.concatenate([normal(part) for part in ops.split(x, 2, axis=-1)], axis=-1)


class Method(layers.Layer):
    def add(self, x):
        return ops.relu(x)

    def call(self, x):
        return self.add(x)


class Constant(layers.Layer):
    act = staticmethod(ops.relu)

    def call(self, x):
        return self.act(x)


def closing_over(layer):
    layer.build((None, 4))
    return layers.Lambda(lambda z: layer(z), name="own")


MISNAMED = {
    "function": lambda: Misnamed(name="own"),
    "function in a loop": lambda: Doubly(name="own"),
    "method": lambda: Method(name="own"),
    "of the class": lambda: Constant(name="own"),
    "layer in a closure": lambda: closing_over(layers.Dense(4, activation="relu")),
    "list of layers in a closure": lambda: (lambda kept: layers.Lambda(lambda z: kept[0](z), name="own"))(
        [layers.ReLU()]
    ),
}


@pytest.mark.parametrize("case", MISNAMED)
def test_a_harmless_name_is_no_promise(case):
    x = keras.Input((4,))
    y = layers.Dense(3, activation="relu", name="fc")(MISNAMED[case]()(x))
    assert list(unseen(keras.Model(x, y))) == ["own"]


FACTOR = 3.0


class Plain(layers.Layer):
    def call(self, x):
        return FACTOR * ops.concatenate(ops.split(x, 2, axis=-1), axis=-1) + float(len(ops.shape(x)))


def test_functions_of_keras_and_numbers_of_the_module_are_harmless():
    x = keras.Input((4,))
    gated = layers.Multiply()([x, layers.Dense(4, activation="sigmoid")(x)]) * layers.Dense(4)(x)
    assert unseen(keras.Model(x, layers.ReLU()(Plain()(gated)))) == {}


NOT_OPERATIONS = {
    "maxout": lambda x: layers.Maximum(name="own")([layers.Dense(3)(x), layers.Dense(3)(x)]),
    "minimum": lambda x: layers.Minimum(name="own")([x, layers.Dense(4)(x)]),
    "square": lambda x: layers.Multiply(name="own")([x, x]),
    "length": lambda x: layers.Dot(-1, name="own")([x, x]),
}


@pytest.mark.parametrize("case", NOT_OPERATIONS)
@pytest.mark.parametrize("nested", [False, True])
def test_layers_that_people_make_activations_of_are_named(case, nested):
    x = keras.Input((4,))
    y = NOT_OPERATIONS[case](x)
    inner = keras.Model(x, y, name="inner")
    z = keras.Input((4,))
    if nested:
        model = keras.Model(z, layers.ReLU()(layers.TimeDistributed(inner)(ops.expand_dims(z, 1))))
        assert [name.endswith("inner/own") for name in unseen(model)] == [True]
    else:
        assert list(unseen(keras.Model(z, layers.ReLU()(inner(z))))) == ["inner/own"]


SQUARES = {
    "multiply": lambda x: x * x,
    "einsum": lambda x: ops.einsum("bi,bi->bi", x, x),
    "matmul": lambda x: ops.matmul(ops.expand_dims(x, 1), ops.expand_dims(x, 2)),
    "same matmul": lambda x: ops.matmul(y := ops.reshape(x, (-1, 2, 2)), y),
    "tensordot": lambda x: ops.tensordot(x, x, axes=((0, 1), (0, 1))),
}


@pytest.mark.parametrize("case", SQUARES)
def test_a_product_of_a_tensor_with_itself_is_no_linear_operation(case):
    x = keras.Input((4,), batch_size=4)
    found = unseen(keras.Model(x, SQUARES[case](layers.ReLU()(x))))
    # Two views of a tensor are two tensors.
    assert list(found.values()) == ([] if case == "matmul" else ["a tensor times itself is not linear"])


@pytest.mark.parametrize("operation", ["bi,ij->bj", "bi,bi->bi"])
def test_a_product_of_two_tensors_gates_one_by_the_other(operation):
    x = keras.Input((4,), batch_size=4)
    y = ops.einsum(operation, layers.Dense(4)(x), layers.ReLU()(x))
    assert unseen(keras.Model(x, y)) == {}


@pytest.mark.tensorflow
def test_a_model_of_another_framework_is_named(tmp_path):
    keras.Sequential([keras.Input((4,)), layers.ReLU()]).export(tmp_path, verbose=False)
    x = keras.Input((4,))
    y = layers.TFSMLayer(str(tmp_path), call_endpoint="serve", name="own")(x)
    assert unseen(keras.Model(x, layers.ReLU()(y))) == {
        "own": "TFSMLayer holds a function of another framework"
    }


@pytest.mark.parametrize(
    "activation",
    [
        lambda: layers.BatchNormalization(name="norm"),
        lambda: keras.Sequential([layers.ReLU(), layers.BatchNormalization(name="norm")]),
        lambda: layers.Activation(layers.BatchNormalization(name="norm")),
    ],
)
@pytest.mark.parametrize("kind", [layers.Dense, layers.Activation])
def test_a_normalisation_given_as_activation_is_kept_with_the_reason(kind, activation):
    x = keras.Input((4,))
    options = {"units": 4} if kind is layers.Dense else {}
    model = keras.Model(x, kind(activation=activation(), name="own", **options)(x))
    folded = fold_batchnorm(model, probe=False)
    assert folded.folded == () and list(folded.kept) == ["own/norm"]


# Roots, which people normalise by.
LEFT_OUT = {"sqrt", "rsqrt"}
VALUES = np.array([[-2.3, -0.7, 0.4, 1.9]], "float32")


def bends(function):
    """Whether a function of one tensor is not linear; not where it takes more, or returns another kind."""
    try:
        with np.errstate(all="ignore"):
            once, twice, third = (
                ops.convert_to_numpy(function(ops.convert_to_tensor(factor * VALUES))) for factor in (1, 2, 3)
            )
    except Exception:
        return False
    if once.shape != VALUES.shape or once.dtype.kind != "f" or "empty" in function.__name__:
        return False  # what is empty holds whatever was there
    return not np.allclose(third - twice, twice - once, atol=1e-4, equal_nan=True)


def test_every_operation_of_keras_that_bends_a_value_is_named():
    functions = {name: function for name, function in vars(ops).items() if inspect.isfunction(function)}
    x = keras.Input((4,))
    results = {name: function(x) for name, function in functions.items() if bends(function)}
    model = keras.Model(x, list(results.values()))
    named = {*unseen(model), *(site.name for site in sites(model))}
    assert {name for name, y in results.items() if producer(y).operation.name not in named} == LEFT_OUT
    assert len(results) > 50


def add_up(sums, row):
    return sums + row, sums


def bend(row):
    return ops.relu(row)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("operation", "named"),
    [
        (lambda x: ops.vectorized_map(bend, x), True),
        (lambda x: ops.vectorized_map(lambda row: 2 * row, x), False),
        (lambda x: ops.scan(lambda c, r: (c, ops.tanh(r)), ops.sum(x, axis=0), x)[1], True),
        (lambda x: ops.scan(add_up, ops.sum(x, axis=0), x)[1], False),
        (lambda x: ops.cond(ops.sum(x) > 0, lambda: ops.relu(x), lambda: x), True),
    ],
)
def test_a_function_that_an_operation_calls_is_read(operation, named):
    x = keras.Input(batch_shape=(3, 4))
    found = unseen(keras.Model(x, layers.ReLU()(operation(x))))
    assert any("Python code and uses" in reason for reason in found.values()) == named


OF_SEVERAL = {
    "fmax": lambda x: ops.fmax(x, 0.0),
    "fmin": lambda x: ops.fmin(x, 0.0),
    "select": lambda x: ops.select([ops.ones_like(x) == 1], [x], 0.0),
    "segment_max": lambda x: ops.segment_max(x, np.array([0, 0]), 1),
    "saturate_cast": lambda x: ops.cast(ops.saturate_cast(x, "int8"), "float32"),
    "dot_product_attention": lambda x: ops.squeeze(
        ops.dot_product_attention(*[ops.reshape(x, (-1, 2, 1, 2))] * 3), 2
    ),
}


@pytest.mark.parametrize("name", OF_SEVERAL)
def test_operations_of_several_tensors_that_bend_a_value_are_named(name):
    x = keras.Input((4,))
    assert unseen(keras.Model(x, OF_SEVERAL[name](x)))[name] == f"keras.ops.{name} is not linear"


def test_a_cap_on_the_scores_of_a_reversed_embedding_is_named():
    for cap, count in ((None, 0), (2.0, 1)):
        x = keras.Input((4,), dtype="int32")
        table = layers.ReversibleEmbedding(5, 3, logit_soft_cap=cap, name="table")
        found = unseen(keras.Model(x, table(table(x), reverse=True)))
        assert list(found) == ["table"][:count]


def halved_in_place(z):
    z //= 2
    return z


def squared_in_place(z):
    z *= z
    return z


class Squared(layers.Layer):
    def call(self, inputs):
        shifted = inputs + 1.0
        return shifted * shifted


BENDING = {
    "quotient": (lambda z: z // 1, "//"),
    "quotient in place": (halved_in_place, "//="),
    "remainder": (lambda z: z % 1, "%"),
    "square": (lambda z: z * z, r"z \* z"),
    "square in place": (squared_in_place, r"z \*= z"),
    "square in a root": (lambda z: z * ops.rsqrt(1 + z * z), r"z \* z"),
    "product of matrices": (lambda z: z @ z, "z @ z"),
    "product by name": (lambda z: ops.multiply(z, z), r"multiply\(z, z\)"),
    "sum of products": (lambda z: ops.einsum("bi,bi->bi", z, z), r"einsum\(z, z\)"),
    "whole numbers": (lambda z: ops.cast(ops.cast(z, "int32"), "float32"), "cast to int32"),
    "layer": (Squared, r"shifted \* shifted"),
}


@pytest.mark.parametrize("case", BENDING)
def test_code_that_bends_by_an_operator_is_named(case):
    function, text = BENDING[case]
    x = keras.Input((4,), batch_size=4)
    layer = function(name="own") if function is Squared else layers.Lambda(function, name="own")
    found = unseen(keras.Model(x, layers.ReLU()(layer(x))))
    assert list(found) == ["own"] and re.search(f"uses {text}$", found["own"])


@pytest.mark.parametrize(
    "function",
    [
        lambda z: ops.concatenate([z, z], axis=-1),
        lambda z: ops.add(z, z) * 2.0,
        lambda z: ops.multiply(ops.add(z, z), 0.5) - z,
        lambda z: ops.cast(ops.cast(z, "float32"), "bfloat16"),
    ],
)
def test_code_that_names_a_tensor_twice_and_multiplies_it_by_a_number_is_not(function):
    x = keras.Input((4,))
    assert unseen(keras.Model(x, layers.ReLU()(layers.Lambda(function)(x)))) == {}


def test_a_cast_to_whole_numbers_is_no_linear_operation():
    x = keras.Input((4,))
    y = ops.cast(ops.cast(x, "int8"), "float32")
    assert list(unseen(keras.Model(x, layers.ReLU()(y))).values()) == ["keras.ops.cast to int8 is not linear"]
    for kind, other in (
        ("int32", "float32"),
        ("int32", "int64"),
        ("float32", "float16"),
        ("float32", "bool"),
    ):
        x = keras.Input((4,), dtype=kind)
        assert unseen(keras.Model(x, ops.cast(x, other))) == {}


@pytest.mark.parametrize(
    ("kind", "functions"), [(layers.Attention, "softmax"), (layers.AdditiveAttention, "tanh and softmax")]
)
def test_what_attention_applies_is_named(kind, functions):
    x = keras.Input((5, 4))
    model = keras.Model(x, layers.ReLU()(kind(name="own")([x, x])))
    assert unseen(model) == {"own": f"{kind.__name__} applies {functions}"}


class Shuffled(layers.Layer):
    """Channels in groups, as in ShuffleNet: a size is divided, and no value."""

    def call(self, x):
        height, width, channels = x.shape[1:]
        x = ops.reshape(x, (-1, height, width, 2, channels // 2))
        return ops.reshape(ops.transpose(x, (0, 1, 2, 4, 3)), (-1, height, width, channels))


class Windows(layers.Layer):
    def __init__(self, size=2, **options):
        super().__init__(**options)
        self.size = size

    def call(self, x):
        rows, columns = x.shape[1] // self.size, x.shape[2] // self.size
        if ops.shape(x)[1] % self.size:
            return x
        area = self.size * self.size
        return ops.reshape(x, (-1, rows, columns, area * x.shape[-1]))


class PixelShuffled(layers.Layer):
    def call(self, x):
        r = 2
        height, width, channels = x.shape[1], x.shape[2], x.shape[3]
        return ops.reshape(x, (-1, height * r, width * r, channels // (r * r)))


@pytest.mark.parametrize("layer", [Shuffled, Windows, PixelShuffled])
def test_arithmetic_of_sizes_is_no_activation(layer):
    image = keras.Input((4, 4, 4))
    assert unseen(keras.Model(image, layers.ReLU()(layer()(image)))) == {}


def test_one_type_in_a_function_with_another_cast_is_no_cast():
    image = keras.Input((4,))
    place = layers.Lambda(lambda z: z + ops.cast(ops.zeros((4,), dtype="int32"), "float32"))
    assert unseen(keras.Model(image, layers.ReLU()(place(image)))) == {}
    rounds = layers.Lambda(lambda z: ops.cast(ops.cast(z, "int32"), "float32"), name="rounds")
    assert "cast to int32" in unseen(keras.Model(image, layers.ReLU()(rounds(image))))["rounds"]


@pytest.mark.parametrize(
    "bends",
    [
        lambda z: z // 2,
        lambda z: z % z.shape[-1],
        lambda z: z.shape[-1] * z // 2,
        lambda z: ops.reshape(z, (-1, z.shape[-1])) * z // 1,
    ],
)
def test_a_size_beside_a_value_excuses_nothing(bends):
    image = keras.Input((4,))
    model = keras.Model(image, layers.ReLU()(layers.Lambda(bends, name="bends")(image)))
    assert "bends" in unseen(model)


def stored_later(z):
    y = z // 1
    z = y.shape[-1]
    return ops.reshape(y, (-1, z))


def a_parameter(z, n=1):
    if n is None:
        n = z.shape[-1]
    return z + n // 2


def one_of_two(z):
    n = z.shape[-1]
    if n > 9:
        n = z
    return z + n // 2


def in_a_loop(z):
    n = m = 1
    for _ in range(2):
        m = n
        n = z
    return z + m // 2


def second(_, z):
    return z


@pytest.mark.parametrize(
    "bends", [stored_later, a_parameter, one_of_two, in_a_loop, lambda z: second(z.shape, z) // 1]
)
def test_a_variable_that_is_not_always_a_size_excuses_nothing(bends):
    image = keras.Input((4,))
    model = keras.Model(image, layers.ReLU()(layers.Lambda(bends, name="bends")(image)))
    assert "//" in unseen(model)["bends"]


def halved_in_turn(z):
    n = z.shape[-1]
    for _ in range(1):
        n = n // 2
    return ops.reshape(z, (-1, n, 4 // n))


def by_branch(z):
    if len(z.shape) - 3:
        n = z.shape[1]
    else:
        n = z.shape[2] // 2
    return ops.reshape(z, (-1, 2, n // 2))


@pytest.mark.parametrize(
    "function",
    [
        halved_in_turn,
        by_branch,
        lambda z: ops.reshape(z, (-1, 2, len(z[0]) // 2)),
        lambda z: ops.reshape(z, (-1, 2, ops.shape(z + z)[1] // 2)),
    ],
)
def test_a_variable_that_is_always_a_size_is_no_activation(function):
    assert doubts_of(function) == []


def named_before(z):
    kind = "int32"
    return ops.cast(ops.cast(z, kind), "float32")


def one_of_two_kinds(z):
    if z.ndim > 1:
        kind = "int32"
    else:
        kind = "float32"
    return ops.cast(ops.cast(z, dtype=kind), "float32")


def by_a_call(z):
    kind = keras.backend.standardize_dtype("int32")
    return ops.cast(ops.cast(z, kind), "float32")


@pytest.mark.parametrize(
    "rounds",
    [
        named_before,
        one_of_two_kinds,
        by_a_call,
        lambda z: ops.cast(ops.cast(z, "int32" if z.ndim else "float32"), "float32"),
        lambda z: ops.cast(ops.cast(z, "float32" if z.ndim > 5 else "int8"), "float32"),
        lambda z: ops.cast(ops.cast(ops.relu(z), dtype="uint8"), "float32"),
    ],
)
def test_a_cast_to_a_type_that_is_named_elsewhere_is_seen(rounds):
    image = keras.Input((4,))
    model = keras.Model(image, layers.ReLU()(layers.Lambda(rounds, name="rounds")(image)))
    assert "cast to " in unseen(model)["rounds"]


def whole_numbers_beside(z):
    kind = z.dtype
    row = ops.zeros((4,), dtype="int32")
    return z + ops.cast(row, kind) + ops.cast(row, z.dtype)


def test_whole_numbers_that_are_no_type_of_a_cast_are_none():
    image = keras.Input((4,))
    assert unseen(keras.Model(image, layers.ReLU()(layers.Lambda(whole_numbers_beside)(image)))) == {}


def in_pairs(function):
    """The instructions of `function` as Python 3.13 has them, which stores and loads two variables in one."""
    steps = []
    for step in dis.get_instructions(function):
        kinds = (steps[-1].opname if steps else None), step.opname
        if kinds in (("STORE_FAST", "LOAD_FAST"), ("LOAD_FAST", "LOAD_FAST")):
            first = steps.pop()
            steps.append(first._replace(opname="_".join(kinds), argval=(first.argval, step.argval)))
        else:
            steps.append(step)
    return steps


def on_one_line(x, z):
    k = x.shape[1]; y = z; n = x.shape[0]  # fmt: skip # noqa: E702
    return k, y, n, second(z, x // k), second(z, k // x.shape[0])


def test_two_variables_in_one_instruction_are_taken_apart():
    steps = single(in_pairs(on_one_line))
    assert sizes(on_one_line.__code__, steps) == {"k", "n"}
    quotients = [step for step in steps if step.argrepr == "//"]
    assert [is_of_sizes(within(steps, step), {"k", "n"}) for step in quotients] == [False, True]
