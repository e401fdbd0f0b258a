"""Each net gets the input range its weights were trained for."""

import keras
import numpy as np
import pytest

import zoo

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3)).astype("uint8")


@pytest.mark.parametrize(
    "name", ["resnet20", "resnet20v2", "convnet", "mlp", "plain20", "resnet18", "resnet200v2"]
)
def test_nets_trained_here_take_zero_to_one(name):
    y = zoo.preprocess_input(name, IMAGES)
    assert y.dtype == "float32"
    np.testing.assert_allclose(y, IMAGES / 255, rtol=1e-6)


@pytest.mark.parametrize("name", ["vgg16", "vgg19", "resnet50", "resnet101", "resnet152"])
def test_caffe_nets_take_bgr_without_its_mean(name):
    y = zoo.preprocess_input(name, IMAGES)
    # The means of ImageNet, blue, green, red, written out.
    expected = IMAGES[..., ::-1].astype("float64") - np.array([103.939, 116.779, 123.68])
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet50v2", "resnet101v2", "resnet152v2"])
def test_v2_nets_take_minus_one_to_one(name):
    y = zoo.preprocess_input(name, IMAGES)
    np.testing.assert_allclose(y, IMAGES / 127.5 - 1, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("vgg16", keras.applications.vgg16),
        ("vgg19", keras.applications.vgg19),
        ("resnet50", keras.applications.resnet),
        ("resnet152v2", keras.applications.resnet_v2),
    ],
)
def test_the_same_as_keras_applications(name, theirs):
    x = IMAGES.astype("float32")
    np.testing.assert_array_equal(zoo.preprocess_input(name, x), theirs.preprocess_input(x.copy()))


@pytest.mark.parametrize("name", ["resnet20", "resnet50", "resnet50v2"])
def test_one_image_tensors_and_floats(name):
    x = IMAGES.astype("float32")
    batch = zoo.preprocess_input(name, x)
    np.testing.assert_allclose(zoo.preprocess_input(name, x[0]), batch[0], rtol=1e-6)
    tensor = zoo.preprocess_input(name, keras.ops.convert_to_tensor(x))
    assert keras.ops.is_tensor(tensor)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(tensor), batch, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet20", "resnet50", "resnet50v2"])
def test_what_is_given_stays_as_it_is(name):
    for x in (IMAGES.copy(), IMAGES.astype("float32")):
        before = x.copy()
        zoo.preprocess_input(name, x)
        np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("shape", [(2, 4, 4, 1), (4, 4), (2, 3, 4, 4), ()])
def test_images_without_three_channels_are_refused_where_the_mean_has_three(shape):
    with pytest.raises(ValueError) as error:
        zoo.preprocess_input("resnet50", np.zeros(shape, "float32"))
    assert str(error.value) == f"x for 'resnet50' must be RGB images with 3 channels, received shape {shape}."


def test_unknown_net():
    with pytest.raises(ValueError, match="depth 51 fits no resnet"):
        zoo.preprocess_input("resnet51", IMAGES)


@pytest.mark.parametrize("name", ["resnet20", "resnet50"])
@pytest.mark.parametrize("x", ["image.png", None, [[1, 2], [3, 4]]], ids=repr)
def test_what_is_no_array_is_refused(name, x):
    with pytest.raises(TypeError, match="x must be an array or a tensor of images, received"):
        zoo.preprocess_input(name, x)
