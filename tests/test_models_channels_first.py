"""Nets under `channels_first`: default shapes build, and shipped weights mean the same."""

import keras
import numpy as np
import pytest
from catalog_nets import outputs

import zoo


@pytest.mark.parametrize("name", ["resnet8", "resnet8v2", "resnet50", "convnet", "vgg11", "plain8", "mlp"])
def test_default_shapes_build_under_channels_first(name):
    keras.config.set_image_data_format("channels_first")
    try:
        # Of no net is a map as wide as it has channels, where Keras on TensorFlow goes wrong: tests/test_bias_axis.py.
        net = zoo.build(name, width=3)
        assert net.input_shape == (None, 3, 32, 32) and net.output_shape == (None, 10)
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.tensorflow
@pytest.mark.channels_first
def test_shipped_weights_mean_the_same_under_channels_first():
    x = np.random.default_rng(0).random((2, 28, 28, 1), dtype="float32")
    for name in ("convnet", "resnet20v2"):
        expected = outputs(zoo.build(name, weights="fashion_mnist"), x)
        keras.config.set_image_data_format("channels_first")
        try:
            received = outputs(zoo.build(name, weights="fashion_mnist"), np.moveaxis(x, -1, 1))
        finally:
            keras.config.set_image_data_format("channels_last")
        np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5)
