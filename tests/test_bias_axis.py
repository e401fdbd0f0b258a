"""A convolution whose bias Keras would add along the width is refused; what is built adds it to the channels."""

import numpy as np
import pytest
from keras import layers
from unit_nets import array, net, refusal

import zoo


def with_bias(size, **options):
    unit = zoo.conv_unit(4, 1, ordering="conv_act", activation=None, name="unit", **options)
    return net(unit, shape=(3, size, size))


@pytest.mark.tensorflow
@pytest.mark.parametrize("conv", [None, layers.SeparableConv2D])
def test_a_map_as_wide_as_it_has_channels_is_refused(channels_first, conv):
    said = refusal(ValueError, lambda: with_bias(4, conv=conv))
    assert said.startswith(
        "image_data_format 'channels_first': 'unit' puts out (None, 4, 4, 4), as many channels as it is wide"
    )
    assert "keras.config.set_image_data_format('channels_last')" in said
    for size, options in ((5, {}), (4, {"use_bias": False})):
        assert with_bias(size, conv=conv, **options).output_shape == (None, 4, size, size)


class Within(layers.Wrapper):
    """Computes what the layer in it does."""

    def call(self, x):
        return self.layer(x)

    def compute_output_shape(self, shape):
        return self.layer.compute_output_shape(shape)


@pytest.mark.tensorflow
@pytest.mark.parametrize("depth", [1, 2])
def test_a_convolution_in_wrappers_is_refused_too(channels_first, depth):
    def conv(*args, name, **settings):
        layer = layers.Conv2D(*args, **settings)
        for _ in range(depth - 1):
            layer = Within(layer)
        return Within(layer, name=name)

    assert "'unit' puts out (None, 4, 4, 4)" in refusal(ValueError, lambda: with_bias(4, conv=conv))
    assert with_bias(5, conv=conv).output_shape == (None, 4, 5, 5)


@pytest.mark.tensorflow
def test_nets_and_gates_are_refused_too(channels_first):
    assert "'stage1_conv1' puts out (None, 32, 32, 32)" in refusal(ValueError, lambda: zoo.build("convnet"))
    gated = zoo.residual_unit(4, shortcut="exclusive_gating", name="gated")
    assert "'gated_shortcut_gate'" in refusal(ValueError, lambda: net(gated, shape=(4, 4, 4)))


@pytest.mark.parametrize("size", [3, 5, None])
def test_what_is_built_adds_the_bias_to_the_channels(channels_first, size):
    model = with_bias(size)
    bias = np.array([1.0, 2.0, 3.0, 4.0], "float32")
    model.set_weights([np.zeros((1, 1, 3, 4), "float32"), bias])
    x = np.zeros((1, 3, 5, size or 6), "float32") if size is None else np.zeros((1, 3, size, size), "float32")
    y = array(model(x))
    np.testing.assert_array_equal(y, np.broadcast_to(bias.reshape(1, 4, 1, 1), y.shape))


def test_channels_last_may_be_as_wide_as_they_are_many():
    unit = zoo.conv_unit(4, 1, ordering="conv_act", activation=None)
    model = net(unit, shape=(4, 4, 3))
    bias = np.array([1.0, 2.0, 3.0, 4.0], "float32")
    model.set_weights([np.zeros((1, 1, 3, 4), "float32"), bias])
    y = array(model(np.zeros((1, 4, 4, 3), "float32")))
    np.testing.assert_array_equal(y, np.broadcast_to(bias, y.shape))


@pytest.mark.tensorflow
def test_nothing_is_folded_where_its_shift_would_go_along_the_width(channels_first):
    rng = np.random.default_rng(0)
    narrow, wide = zoo.conv_unit(4, name="narrow"), zoo.conv_unit(6, name="wide")
    model = net(narrow, wide, shape=(3, 4, 4))
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, tuple(weight.shape)))
    folded, names, kept, error = zoo.transforms.fold_batchnorm(model)
    assert names == ("wide_norm",) and error < 1e-5
    assert kept["narrow_norm"].startswith(
        "'narrow' puts out as many channels as it is wide, and Keras would add"
    )
    x = rng.normal(size=(2, 3, 4, 4)).astype("float32")
    np.testing.assert_allclose(array(folded(x)), array(model(x)), rtol=1e-4, atol=1e-4)
