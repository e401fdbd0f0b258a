"""The signal by depth: as calculated, in nested models, with statistics of the batch wherever they are."""

import keras
import numpy as np
import pytest
from keras import layers
from probed_nets import dense, residual
from transform_nets import outputs, randomised

import zoo
from zoo.activations import UnseenWarning
from zoo.probes import signal_propagation


def test_a_model_without_additions_is_refused_with_what_is_not_seen():
    with pytest.raises(ValueError, match="no additions that can be seen"):
        signal_propagation(dense("relu", [[1.0]], [0.0]), np.zeros((2, 1)))

    class Own(layers.Layer):
        def call(self, x):
            return x + keras.ops.relu(x)

    frame = keras.Sequential([keras.Input((4,)), layers.Dense(4)])
    wrapped = keras.Model(frame.inputs, layers.Add()([frame.inputs[0], frame.outputs[0]]))

    x = keras.Input((4,))
    with pytest.raises(ValueError, match=r"Not seen: 'own' \(Own adds, in its call\)"):
        signal_propagation(keras.Model(x, Own(name="own")(x)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"Not seen: 'res' \(Residual adds"):
        signal_propagation(residual(), np.zeros((2, 6, 6, 4)))
    x = keras.Input((3, 4))
    with pytest.raises(ValueError, match=r"Not seen: 'td' \(Add adds, inside TimeDistributed"):
        model = keras.Model(x, layers.TimeDistributed(wrapped, name="td")(x))
        signal_propagation(model, np.zeros((2, 3, 4)))


def test_units_of_nested_models_are_rows():
    inner = zoo.build("resnet8", input_shape=(16, 16, 3), include_top=False, name="inner")
    x = np.random.default_rng(0).normal(size=(4, 16, 16, 3)).astype("float32")
    plain = signal_propagation(inner, x)
    image = keras.Input((16, 16, 3))
    h = inner(image)
    model = keras.Model(image, layers.Add(name="out")([h, layers.Dense(h.shape[-1])(h)]))
    rows = signal_propagation(model, x)
    assert [row["name"] for row in rows] == [*(f"inner/{row['name']}" for row in plain), "out"]
    assert [row["unit"] for row in rows] == [1, 2, 3, 4]
    for a, b in zip(plain, rows, strict=False):
        assert a["variance"] == pytest.approx(b["variance"])


def test_a_nested_model_called_twice_has_two_of_each():
    x = keras.Input((4,))
    inner = keras.Model(x, layers.Add(name="sum")([x, x]), name="inner")
    p = keras.Input((4,))
    rows = signal_propagation(keras.Model(p, inner(inner(p))), np.random.normal(size=(500, 4)))
    assert [row["name"] for row in rows] == ["inner/sum", "inner/sum:2"]
    assert rows[1]["variance"] == pytest.approx(4 * rows[0]["variance"], rel=1e-4)


class Normed(layers.Layer):
    """Takes no `training`: learns of it from the call it is part of."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = layers.BatchNormalization()

    def build(self, shape):
        self.norm.build(shape)

    def call(self, x):
        return self.norm(x)

    def compute_output_shape(self, shape):
        return shape


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_layers_without_a_training_argument_are_in_training_as_asked(training, depth):
    x = keras.Input((6,))
    layer = Normed()
    if depth == 1:
        layer = keras.Sequential([keras.Input((6,)), layer])
    if depth == 2:
        layer = layers.TimeDistributed(layer)
    inputs = keras.Input((3, 6)) if depth == 2 else x
    model = randomised(keras.Model(inputs, layers.Add()([inputs, layer(inputs)])))
    data = np.random.default_rng(0).normal(5, 2, (64, *inputs.shape[1:])).astype("float32")
    weights = model.get_weights()
    (row,) = signal_propagation(model, data, training=training)
    assert all(map(np.array_equal, weights, model.get_weights()))
    expected = outputs(model, data, training=training)[0].reshape(-1, 6).var(0).mean()
    assert row["variance"] == pytest.approx(expected, rel=1e-4)


def test_a_stream_of_batches_is_measured_as_a_whole():
    x = keras.Input((4,))
    model = keras.Model(x, layers.Add(name="sum")([x, layers.Dense(4, name="fc")(x)]))
    data = np.random.default_rng(0).normal(3, 1, size=(70, 4)).astype("float32")
    whole = signal_propagation(model, data)
    parts = signal_propagation(model, (data[i : i + 30] for i in (0, 30, 60)), batches=3)
    for key in ("variance", "squared_mean", "branch_variance", "branch_squared_mean"):
        assert parts[0][key] == pytest.approx(whole[0][key], rel=1e-5)


def test_what_may_hold_additions_is_said():
    class Own(layers.Layer):
        def call(self, x):
            return keras.ops.add(x, 1.0)

    x = keras.Input((4,))
    model = keras.Model(x, layers.Add()([x, Own(name="own")(x)]))
    with pytest.warns(UnseenWarning, match="'own'"):
        rows = signal_propagation(model, np.zeros((2, 4)))
    assert list(rows.unseen) == ["own"]


def he_initialised(ordering, units=6):
    """A stage of residual units of 64 channels on noise."""
    options = {
        "shortcut": "identity_pad",
        "include_top": False,
        "kernel_initializer": "he_normal",
        "width": 64,
    }
    return zoo.build(f"resnet{6 * units + 2}", input_shape=(32, 32, 3), ordering=ordering, **options)


def slope(values):
    return np.polyfit(np.arange(len(values)), values, 1)[0]


def first_stage(ordering, units=6):
    keras.utils.set_random_seed(1)
    model = he_initialised(ordering, units)
    x = np.random.default_rng(0).normal(size=(8, 32, 32, 3)).astype("float32")
    rows = signal_propagation(model, x)
    assert [row["unit"] for row in rows] == list(range(1, 3 * units + 1))
    return rows[:units]


@pytest.mark.tensorflow  # the margin is that of the weights it draws
def test_the_signal_of_full_pre_activation_grows_as_calculated():
    rows = first_stage("full_pre_activation")
    # A 3x3 convolution on 32x32 sees zeros in 1 - (94/96)^2 of its inputs: 4 % less than in the calculation.
    assert slope([row["variance"] for row in rows]) == pytest.approx(0.68, rel=0.15)
    assert slope([row["squared_mean"] for row in rows]) == pytest.approx(0.32, rel=0.15)


def test_the_signal_of_relu_only_pre_activation_grows_as_calculated():
    rows = first_stage("relu_only_pre_activation")
    assert slope([row["variance"] for row in rows]) == pytest.approx(1.0, rel=0.15)
    squared = [row["squared_mean"] for row in rows]
    assert max(squared) - min(squared) < 0.05


def test_relu_before_addition_lets_the_mean_grow_quadratically():
    rows = first_stage("relu_before_addition")
    roots = np.sqrt([row["squared_mean"] for row in rows])
    assert slope(roots) == pytest.approx(0.4, rel=0.15)


def test_normalisation_after_the_addition_bounds_the_signal():
    rows = first_stage("bn_after_addition")
    assert all(row["variance"] < 1.0 and row["squared_mean"] < 1.0 for row in rows)


def test_original_grows_linearly():
    variance = [row["variance"] for row in first_stage("original")]
    assert np.all(np.diff(variance) > 0)
    assert np.corrcoef(np.arange(len(variance)), variance)[0, 1] > 0.98


@keras.saving.register_keras_serializable("test_probes_signal")
class Renamed(layers.Add):
    """Adds as the stock layer does."""


@keras.saving.register_keras_serializable("test_probes_signal")
class Halved(layers.Add):
    def call(self, inputs):
        return super().call(inputs) / 2


@keras.saving.register_keras_serializable("test_probes_signal")
class Product(layers.Add):
    def _merge_function(self, inputs):
        return inputs[0] * inputs[1]


Namesake = type("Add", (layers.Layer,), {"call": lambda self, inputs: inputs[0] * inputs[1]})


@pytest.mark.parametrize(
    ("kind", "shown", "hidden"),
    [(Renamed, ["own"], []), (Halved, [], ["own"]), (Product, [], ["own"]), (Namesake, [], [])],
)
@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")
def test_an_addition_is_what_adds_whatever_its_name(kind, shown, hidden):
    x = keras.Input((4,))
    y = kind(name="own")([x, layers.Dense(4)(x)])
    model = keras.Model(x, layers.Add(name="last")([y, layers.Dense(4)(y)]))
    rows = signal_propagation(model, np.random.default_rng(0).normal(size=(6, 4)))
    assert [row["name"] for row in rows] == [*shown, "last"]
    assert list(rows.unseen) == hidden


def units(after, count=2):
    """Units of one convolution, an addition and what follows it."""
    x = y = keras.Input((6, 6, 4))
    for number in range(count):
        branch = layers.Conv2D(4, 3, padding="same", name=f"conv{number}")(y)
        y = after(layers.Add(name=f"add{number}")([y, branch]), number)
    return randomised(keras.Model(x, y))


FOLLOWERS = {
    "layer": lambda z, n: layers.ReLU()(z),
    "operation": lambda z, n: keras.ops.relu(z),
    "operation of another kind": lambda z, n: keras.ops.gelu(z),
    "softmax": lambda z, n: layers.Softmax()(z),
    "layer normalisation": lambda z, n: layers.LayerNormalization()(z),
    "group normalisation": lambda z, n: layers.GroupNormalization(2)(z),
    "rms normalisation": lambda z, n: layers.RMSNormalization()(z),
    "unit normalisation": lambda z, n: layers.UnitNormalization()(z),
    "normalisation as an operation": lambda z, n: keras.ops.rms_normalization(z),
    "normalisation by its name": lambda z, n: layers.Rescaling(3.0, name=f"unit{n}_norm")(z),
    "activation by its name": lambda z, n: layers.Lambda(keras.ops.square, name=f"unit{n}_act")(z),
    "both": lambda z, n: keras.ops.silu(layers.LayerNormalization()(z)),
    "the other way round": lambda z, n: layers.GroupNormalization(2)(keras.ops.tanh(z)),
}


@pytest.mark.backend
@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")
@pytest.mark.parametrize("case", FOLLOWERS)
def test_a_unit_ends_after_what_normalises_and_activates_its_sum(case):
    model = units(FOLLOWERS[case])
    data = np.random.default_rng(0).normal(size=(5, 6, 6, 4)).astype("float32")
    rows = signal_propagation(model, data)
    assert [row["name"] for row in rows] == ["add0", "add1"]
    (values,) = outputs(model, data)
    flat = values.reshape(-1, 4).astype("float64")
    assert rows[-1]["variance"] == pytest.approx(flat.var(0).mean(), rel=1e-4)
    assert rows[-1]["squared_mean"] == pytest.approx(np.square(flat.mean(0)).mean(), rel=1e-4, abs=1e-9)


def test_what_follows_some_additions_alone_is_not_of_their_unit():
    model = units(lambda z, n: keras.ops.relu(z) if n else z)
    data = np.random.default_rng(0).normal(size=(5, 6, 6, 4)).astype("float32")
    (values,) = outputs(keras.Model(model.inputs[0], model.get_layer("add1").output), data)
    assert signal_propagation(model, data)[-1]["variance"] == pytest.approx(
        values.reshape(-1, 4).var(0).mean(), rel=1e-4
    )


@pytest.mark.parametrize("sizes", [(5, 7), (1, 7), (7, 1)])
def test_channels_that_are_others_in_another_batch_are_refused(sizes):
    x = keras.Input((3, None))
    model = keras.Model(x, layers.Add(name="sum")([x, layers.ReLU()(x)]))
    stream = (np.ones((2, 3, size)) for size in sizes)
    with pytest.raises(
        ValueError, match=f"'sum' has {sizes[0]} channels in one batch and {sizes[1]} in another"
    ):
        signal_propagation(model, stream, batches=2)
