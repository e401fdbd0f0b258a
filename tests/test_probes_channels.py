"""Channels are where the layers have them, whatever the global setting, the rank and the nesting."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops
from probed_nets import Residual
from transform_nets import batch, outputs, randomised

import zoo
from zoo.activations import UnseenWarning
from zoo.probes import activation_stats, signal_propagation

FIRST = "channels_first"
CONVOLUTIONS = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}

# A processor has no convolution with the channels first in three dimensions.
pytestmark = pytest.mark.tensorflow


def unit_of(rank, data_format):
    """A convolution of five channels, two of which can never fire, and what normalises them."""
    conv = CONVOLUTIONS[rank](5, 1, data_format=data_format, name="conv", bias_initializer="zeros")
    x = keras.Input((3, *(6, 7, 8)[:rank]) if data_format == FIRST else (*(6, 7, 8)[:rank], 3))
    y = conv(x)
    conv.bias.assign([-100, -100, 0, 0, 0])
    return x, y


@pytest.fixture(params=["channels_last", FIRST])
def setting(request):
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(request.param)
    yield request.param
    keras.config.set_image_data_format(before)


def dead(model):
    x = np.random.default_rng(0).normal(size=(4, *model.inputs[0].shape[1:])).astype("float32")
    return [(row["dead_units"], row["units"]) for row in activation_stats(model, x)]


@pytest.mark.parametrize(
    "data_format", ["channels_last", pytest.param(FIRST, marks=pytest.mark.channels_first)]
)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_separate_activations_follow_the_convolution(setting, rank, data_format):
    x, y = unit_of(rank, data_format)
    assert dead(keras.Model(x, layers.ReLU()(y))) == [(2, 5)]
    assert dead(keras.Model(x, ops.relu(y))) == [(2, 5)]
    spread = layers.ReLU()(layers.Dropout(0.5)(y + 0.0))
    assert dead(keras.Model(x, spread)) == [(2, 5)]


@pytest.mark.channels_first
def test_through_permutations_nesting_and_normalisation(setting):
    x, y = unit_of(2, FIRST)
    turned = layers.Permute((2, 3, 1))(y)
    assert dead(keras.Model(x, layers.ReLU()(turned))) == [(2, 5)]
    assert dead(keras.Model(x, layers.ReLU()(ops.transpose(y, (0, 2, 1, 3))))) == [(2, 5)]
    z = keras.Input(y.shape[1:])
    inner = keras.Model(z, layers.ReLU()(z))
    assert dead(keras.Model(x, inner(y))) == [(2, 5)]
    p = keras.Input((5, 6, 7))
    norm = layers.BatchNormalization(axis=1, beta_initializer=keras.initializers.Constant(0))
    model = keras.Model(p, layers.ReLU()(norm(p)))
    norm.beta.assign([-100, -100, 0, 0, 0])
    assert dead(model) == [(2, 5)]


@pytest.mark.channels_first
def test_the_next_layer_speaks_where_none_came_before(setting):
    x = keras.Input((5, 6, 7))
    y = layers.ReLU(name="act")(x)
    model = keras.Model(x, layers.Conv2D(2, 1, data_format=FIRST)(y))
    data = np.ones((2, 5, 6, 7), "float32")
    data[:, :2] = -1
    (row,) = activation_stats(model, data)
    assert (row["dead_units"], row["units"]) == (2, 5)


@pytest.mark.channels_first
def test_one_activation_layer_at_several_places(setting):
    x, y = unit_of(2, FIRST)
    act = layers.ReLU()
    z = layers.Dense(3, bias_initializer=keras.initializers.Constant(-1e6))(layers.Flatten()(act(y)))
    assert dead(keras.Model(x, act(z))) == [(2, 5), (3, 3)]


@pytest.mark.channels_first
def test_inside_layers(setting):
    x = keras.Input((4, 6, 7))
    block = Residual(data_format=FIRST)
    model = randomised(keras.Model(x, block(x)))
    (row,) = activation_stats(model, batch(model))
    assert row["units"] == 4
    inner = keras.Sequential([keras.Input((3, 6, 7)), layers.Conv2D(5, 1, data_format=FIRST), layers.ReLU()])
    x = keras.Input((2, 3, 6, 7))
    model = keras.Model(x, layers.TimeDistributed(inner)(x))
    assert [row["units"] for row in activation_stats(model, batch(model))] == [5]
    after = layers.ReLU()(layers.TimeDistributed(layers.Conv2D(5, 1, data_format=FIRST))(x))
    assert [row["units"] for row in activation_stats(keras.Model(x, after), batch(model))] == [5]


@pytest.mark.channels_first
@pytest.mark.parametrize("rank", [1, 2])
def test_the_signal_is_taken_by_channel(setting, rank):
    x = keras.Input((3, *(6, 7)[:rank]))
    y = CONVOLUTIONS[rank](3, 1, data_format=FIRST)(x)
    model = randomised(keras.Model(x, layers.Add()([x, y])))
    data = batch(model, size=5)
    (row,) = signal_propagation(model, data, training=False)
    values = np.moveaxis(outputs(model, data)[0].astype("float64"), 1, -1).reshape(-1, 3)
    assert row["variance"] == pytest.approx(values.var(0).mean(), rel=1e-4)
    assert row["squared_mean"] == pytest.approx(np.square(values.mean(0)).mean(), rel=1e-4)


def test_features_of_sequences_come_last(setting):
    x = keras.Input((7, 4))
    y = layers.ReLU()(layers.LSTM(5, return_sequences=True)(x))
    rows = activation_stats(keras.Model(x, y), np.random.default_rng(0).normal(size=(2, 7, 4)))
    assert {row["units"] for row in rows} == {5}


@pytest.mark.parametrize("ordering", ["original", "full_pre_activation"])
def test_a_shortcut_that_pads_channels_moves_none(ordering):
    """Zeros are added to the channels by a padding layer of the other format: the sites behind keep their axis."""
    model = zoo.build("resnet8", input_shape=(14, 14, 1), width=4, ordering=ordering, shortcut="identity_pad")
    assert any(isinstance(layer, layers.ZeroPadding2D) for layer in model.layers)
    rows = activation_stats(model, np.ones((2, 14, 14, 1), "float32"))
    assert {row["site"]: row["units"] for row in rows if row["site"] != "predictions"} == {
        row["site"]: model.get_layer(row["site"]).output.shape[-1]
        for row in rows
        if row["site"] != "predictions"
    }


@pytest.mark.parametrize("padding", [((1, 2), (0, 0)), 1])
def test_a_padding_layer_speaks_where_nobody_else_does(padding):
    """An image that is padded first, and nothing else in the net says where its channels are."""
    x = keras.Input((3, 6, 7))
    padded = layers.ZeroPadding2D(padding, data_format=FIRST)(x)
    assert dead(keras.Model(x, layers.ReLU(name="act")(padded)))[0][1] == 3


# What a convolution of five channels first is followed by.
RESHAPED = {
    "joined pixels": lambda y: layers.Reshape((5, 42))(y),
    "joined pixels, an operation": lambda y: ops.reshape(y, (-1, 5, 42)),
    "mean over rows": lambda y: ops.mean(y, axis=2),
    "mean over columns": lambda y: ops.mean(y, axis=-1),
    "squeezed": lambda y: ops.squeeze(ops.sum(y, axis=2, keepdims=True), axis=2),
    "one axis more": lambda y: ops.expand_dims(y, 1),
    "channels moved to the end": lambda y: ops.moveaxis(y, 1, -1),
    "channels moved between": lambda y: ops.moveaxis(y, 1, 2),
    "exchanged": lambda y: ops.swapaxes(y, 1, 2),
}


@pytest.mark.channels_first
@pytest.mark.parametrize("case", RESHAPED)
def test_channels_are_followed_through_reshapes(setting, case):
    x, y = unit_of(2, FIRST)
    assert dead(keras.Model(x, ops.relu(RESHAPED[case](y)))) == [(2, 5)]


def test_channels_last_are_followed_through_reshapes(setting):
    x, y = unit_of(2, "channels_last")
    assert dead(keras.Model(x, ops.relu(ops.reshape(y, (-1, 42, 5))))) == [(2, 5)]
    assert dead(keras.Model(x, ops.relu(ops.mean(y, axis=1)))) == [(2, 5)]
    assert dead(keras.Model(x, ops.relu(ops.moveaxis(y, -1, 1)))) == [(2, 5)]


@pytest.mark.parametrize(
    ("equation", "shape"),
    [
        ("bsd,df->bfs", (5, 6)),
        ("bsd,df->bsf", (6, 5)),
        ("...d,df->...f", 5),
        ("bsd,dhf->bhsf", (2, 6, 5)),
    ],
)
@pytest.mark.parametrize("built_in", [True, False])
def test_the_features_of_an_einsum_are_where_its_equation_has_them(equation, shape, built_in):
    dense = layers.EinsumDense(equation, shape, bias_axes="f", activation="relu" if built_in else None)
    x = keras.Input((6, 3))
    y = dense(x)
    dense.bias.assign(np.reshape([-100.0, -100.0, 0.0, 0.0, 0.0], dense.bias.shape))
    assert dead(keras.Model(x, y if built_in else layers.ReLU()(y))) == [(2, 5)]


@pytest.mark.channels_first
def test_wrappers_have_the_axis_of_what_they_hold(setting):
    conv = layers.Conv2D(5, 1, data_format=FIRST)
    x = keras.Input((3, 6, 7))
    y = layers.SpectralNormalization(conv)(x)
    conv.bias.assign([-100, -100, 0, 0, 0])
    assert dead(keras.Model(x, layers.ReLU()(y))) == [(2, 5)]


@pytest.mark.channels_first
@pytest.mark.parametrize("both_ways", [False, True])
def test_the_gates_of_a_loop_over_images_have_its_format(setting, both_ways):
    layer = layers.ConvLSTM2D(5, 1, data_format=FIRST, name="loop")
    x = keras.Input((2, 3, 6, 7))
    y = layers.Bidirectional(layer)(x) if both_ways else layer(x)
    rows = dead(keras.Model(x, layers.LeakyReLU(name="act")(y)))
    assert {units for _, units in rows[:-1]} == {5}
    # Keras joins both directions on the last axis, whatever the format.
    assert both_ways or rows[-1][1] == 5


# What takes axes away or adds some, written for the channels first.
THROUGH = {
    "one row": lambda y: y[:, :, 0],
    "one column": lambda y: y[..., 0],
    "a new axis": lambda y: y[:, None],
    "all at once": lambda y: y[:, :, 1:3, None, 2],
    "take": lambda y: ops.take(y, 0, axis=2),
    "unstack": lambda y: ops.unstack(y, axis=3)[0],
    "median": lambda y: ops.median(y, axis=2),
    "stack before": lambda y: ops.stack([y, y], axis=1),
    "stack behind": lambda y: ops.stack([y, y], axis=-1),
}


@pytest.mark.channels_first
@pytest.mark.parametrize("case", THROUGH)
def test_through_indices_and_new_axes(setting, case):
    x, y = unit_of(2, FIRST)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnseenWarning)
        assert dead(keras.Model(x, ops.relu(THROUGH[case](y)))) == [(2, 5)]
