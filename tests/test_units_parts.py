"""What a unit is made of: any normalisation, convolution, initialiser, kernel size and activation."""

import functools

import keras
import numpy as np
import pytest
from keras import layers
from unit_nets import IMAGE, SHAPES, array, group, net

import zoo


@pytest.mark.parametrize(
    "norm", [group, layers.LayerNormalization, layers.BatchNormalization], ids=lambda norm: norm.__name__
)
@pytest.mark.parametrize("axes", SHAPES)
def test_any_normalisation(norm, axes):
    model = net(
        zoo.conv_unit(4, norm=norm, name="stem"),
        zoo.residual_unit(8, norm=norm, strides=2, ordering="original", name="unit"),
        zoo.residual_unit(8, norm=norm, ordering="full_pre_activation"),
        zoo.unit_end(norm=norm),
        shape=SHAPES[axes],
    )
    kind = type(norm(name="x"))
    found = [layer for layer in model.layers if "Normalization" in type(layer).__name__]
    # stem; two and that of the projection; two; the end
    assert len(found) == 7 and {type(layer) for layer in found} == {kind}
    assert model.get_layer("unit_shortcut_norm") and model.get_layer("stem_norm")
    x = np.random.default_rng(0).normal(size=(2, *SHAPES[axes])).astype("float32")
    assert np.all(np.isfinite(array(model(x))))


@pytest.mark.parametrize(
    ("conv", "kind", "shape", "expected"),
    [
        (layers.Conv1D, layers.Conv1D, (8, 3), (None, 4, 4)),
        (layers.Conv3D, layers.Conv3D, (4, 4, 4, 3), (None, 2, 2, 2, 4)),
        (layers.SeparableConv2D, layers.SeparableConv2D, IMAGE, (None, 4, 4, 4)),
        (layers.SeparableConv1D, layers.SeparableConv1D, (8, 3), (None, 4, 4)),
        (layers.Conv2DTranspose, layers.Conv2DTranspose, IMAGE, (None, 16, 16, 4)),
        (functools.partial(layers.Conv2D, groups=1), layers.Conv2D, IMAGE, (None, 4, 4, 4)),
        (lambda f, k, **rest: layers.Conv2D(f, k, **rest), layers.Conv2D, IMAGE, (None, 4, 4, 4)),
    ],
)
def test_any_convolution(conv, kind, shape, expected):
    x = keras.Input(shape)
    y = zoo.conv_unit(4, conv=conv, strides=2, ordering="act conv norm", name="unit")(x)
    assert y.shape == expected
    model = keras.Model(x, y)
    assert [layer.name for layer in model.layers[1:]] == ["unit_act", "unit", "unit_norm"]
    assert type(model.get_layer("unit")) is kind and not model.get_layer("unit").use_bias


def test_the_initialiser_reaches_every_kernel():
    model = net(zoo.conv_unit(4, conv=layers.SeparableConv2D, kernel_initializer="ones", name="unit"))
    for weight in model.get_layer("unit").weights:
        np.testing.assert_array_equal(weight, np.ones(weight.shape))
    model = net(zoo.residual_unit(4, kernel_initializer="ones", name="unit"))
    for name in ("unit_conv1", "unit_conv2", "unit_shortcut_conv"):
        np.testing.assert_array_equal(
            model.get_layer(name).kernel, np.ones_like(model.get_layer(name).kernel)
        )


def test_separable_convolutions_in_a_residual_unit():
    model = net(zoo.residual_unit(8, conv=layers.SeparableConv2D, strides=2, name="unit"))
    assert {type(model.get_layer(f"unit_conv{k}")) for k in (1, 2)} == {layers.SeparableConv2D}
    assert type(model.get_layer("unit_shortcut_conv")) is layers.Conv2D
    assert model.output_shape == (None, 4, 4, 8)


def test_kernel_and_strides_may_differ_by_axis():
    x = zoo.conv_unit(4, (1, 5), strides=(1, 2), padding="valid")(keras.Input(IMAGE))
    assert x.shape == (None, 8, 2, 4)
    assert zoo.conv_unit(4, padding="causal")(keras.Input((8, 3))).shape == (None, 8, 4)


def test_a_stateful_activation_is_copied_for_each_site():
    given = layers.PReLU(shared_axes=[1, 2])
    units = [
        zoo.conv_unit(4, activation=given),
        zoo.residual_unit(4, activation=given, ordering="original"),
        zoo.residual_unit(4, activation=given),
        zoo.unit_end(activation=given),
    ]
    sites = [layer for layer in net(*units).layers if isinstance(layer, layers.PReLU)]
    assert len(sites) == len({id(site.alpha) for site in sites}) == 6
    assert given not in sites and not given.built
    assert {tuple(site.shared_axes) for site in sites} == {(1, 2)}


def test_no_activation_and_any_function():
    model = net(zoo.conv_unit(4, activation=None, ordering="conv_act", name="unit"))
    assert model.get_layer("unit_act").activation is keras.activations.linear
    model = net(zoo.conv_unit(4, activation=keras.ops.tanh, ordering="conv_act", form="builtin", name="unit"))
    assert model.get_layer("unit").activation is keras.ops.tanh


@pytest.mark.parametrize("norm", [layers.Identity, layers.UnitNormalization, layers.Dropout])
def test_layers_without_weights_may_stand_in_the_place_of_a_normalisation(norm):
    options = {"rate": 0.5} if norm is layers.Dropout else {}
    x = keras.Input((8, 8, 3))

    def make(name):
        return norm(name=name, **options)

    y = zoo.residual_unit(4, norm=make, name="unit")(zoo.conv_unit(4, norm=make, name="stem")(x))
    kinds = [type(layer) for layer in keras.Model(x, y).layers]
    assert kinds.count(norm) == 3
