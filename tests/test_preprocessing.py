"""Each net gets the input range its weights were trained for."""

import dataclasses

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


def torch_range(x):
    # The means and deviations of ImageNet, red, green, blue, written out.
    return (x / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])


def caffe_range(x):
    return x[..., ::-1] - np.array([103.939, 116.779, 123.68])


def minus_one_to_one(x):
    return x / 127.5 - 1


def zero_to_one(x):
    return x / 255


# What the published weights of each layout were trained on. timm says it in the `default_cfgs` of resnet.py and resnetv2.py.
RANGES = [
    *[("resnet50", layout, torch_range) for layout in ("torchvision", "timm", "kerashub")],
    *[("resnet50v2", layout, minus_one_to_one) for layout in ("timm", "kerashub", "keras", None)],
    *[("resnet50", layout, caffe_range) for layout in ("keras", "he2016", None)],
    ("resnet18", "torchvision", torch_range),
    ("resnet18", None, zero_to_one),
    ("resnet18v2", "kerashub", minus_one_to_one),
    ("vgg16", "torchvision", torch_range),
    ("vgg16", "he2016", caffe_range),
    *[("resnet20", layout, zero_to_one) for layout in ("timm", "torchvision")],  # no library has one
    ("mobilenetv2", "keras", minus_one_to_one),
    *[
        (name, "cifar", zero_to_one)
        for name in ("mobilenetv2_0.5", "xception", "densenet121", "convnexttiny")
    ],
    ("convnexttiny", None, torch_range),
    ("repvgg", "imagenet", zero_to_one),
]


@pytest.mark.parametrize(("name", "layout", "expected"), RANGES)
def test_the_range_follows_the_layout(name, layout, expected):
    y = zoo.preprocess_input(name, IMAGES, layout=layout)
    np.testing.assert_allclose(y, expected(IMAGES.astype("float64")), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("resnet18", {"layout": "torchvision"}, torch_range),
        ("resnet18v2", {"layout": "timm"}, minus_one_to_one),
        ("vgg11", {"layout": "torchvision", "include_top": False}, torch_range),
        ("mobilenetv2", {}, zero_to_one),
        # The graph of ResNet50V2, by either name.
        ("resnet50", {"ordering": "full_pre_activation"}, minus_one_to_one),
    ],
)
def test_the_range_in_the_graph_follows_the_layout(name, options, expected):
    net = zoo.build(name, include_preprocessing=True, width=8, input_shape=(32, 32, 3), **options)
    *_, last = [layer for layer in net.layers if layer.name.startswith("image_")]
    x = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype("float32")
    y = keras.ops.convert_to_numpy(keras.Model(net.input, last.output)(x))
    np.testing.assert_allclose(y, expected(x.astype("float64")), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["mobilenetv2", "mobilenetv2_0.9", "xception"])
def test_a_name_whose_weights_are_of_another_layout_has_to_be_told_which(name):
    with pytest.raises(
        ValueError, match=f"^name='{name}' does not say the range of its images.*layout='keras'"
    ):
        zoo.preprocess_input(name, IMAGES)


@pytest.mark.parametrize(
    ("name", "layout", "text"),
    [
        ("resnet50", "torch", "layout='torch' is not known"),
        ("resnet50v2", "torchvision", "layout='torchvision' is not known"),
        ("mobilenetv2", "timm", "layout='timm' is not known; expected one of 'cifar', 'keras'"),
        ("convnet", "timm", "layout='timm' is not known; expected one of 'he2016'"),
    ],
)
def test_a_layout_that_a_net_has_not_has_no_range(name, layout, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        zoo.preprocess_input(name, IMAGES, layout=layout)


@pytest.mark.parametrize("name", ["convnexttiny", "densenet121", "mobilenetv2"])
@pytest.mark.usefixtures("shapes_alone")
def test_grey_images_of_a_net_for_small_ones_are_scaled(name):
    net = zoo.build(name, layout="cifar", include_preprocessing=True, width=8, input_shape=(32, 32, 1))
    assert [layer.name for layer in net.layers if layer.name.startswith("image_")] == ["image_scaled"]


def test_a_registered_net_has_the_ranges_of_its_origin_unless_it_says_one():
    white = np.full((1, 2, 2, 3), 255.0)
    zoo.register("theirs", zoo.specify("resnet50", layout="timm"))
    np.testing.assert_allclose(zoo.preprocess_input("theirs", white), torch_range(white))
    np.testing.assert_allclose(
        zoo.preprocess_input("theirs", white, layout="keras"), caffe_range(white), atol=1e-4
    )
    zoo.register("small", zoo.specify("mobilenetv2"))
    assert zoo.preprocess_input("small", white).max() == 1.0
    own = dataclasses.replace(zoo.specify("resnet50", layout="timm"), name="own", stages=(2, 3, 4, 2))
    zoo.register("own", own)  # made from no net that is published
    assert zoo.preprocess_input("own", white).max() == 1.0
    zoo.register("said", zoo.specify("resnet50", layout="timm"), preprocessing="unit")
    zoo.register("said_again", zoo.specify("said", width=8))
    for name in ("said", "said_again"):
        assert (
            zoo.preprocess_input(name, white).max()
            == zoo.preprocess_input(name, white, layout="keras").max()
            == 1.0
        )


def test_unknown_net():
    with pytest.raises(ValueError, match="depth 51 fits no resnet"):
        zoo.preprocess_input("resnet51", IMAGES)


# XLA divides by a constant by multiplying with its reciprocal, rounded.
ROUNDING = 0 if keras.backend.backend() == "tensorflow" else 1.2e-7

MODES = ["resnet8", "plain8", "convnet", "vgg11", "resnet50", "resnet50v2", "resnet18"]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("name", MODES)
def test_layers_give_the_numbers_of_the_function_to_the_bit(name, data_format):
    every_value = np.arange(256 * 3).reshape(2, 8, 16, 3).astype("float32") % 256
    x = every_value if data_format == "channels_last" else np.moveaxis(every_value, -1, 1).copy()
    keras.config.set_image_data_format(data_format)
    try:
        image = keras.Input(x.shape[1:])
        model = keras.Model(image, zoo.preprocess_input(name, image))
        expected = zoo.preprocess_input(name, x)
        assert model.output_shape == model.input_shape
        eager = keras.ops.convert_to_numpy(model(x.astype("uint8")))
        for received in (model.predict(x, verbose=0), eager):
            np.testing.assert_allclose(received, expected, rtol=0, atol=ROUNDING)
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize(
    "name", ["resnet8", "vgg11", pytest.param("resnet50v2", marks=[pytest.mark.tensorflow, pytest.mark.deep])]
)
def test_a_net_that_includes_its_preprocessing_takes_raw_images(name, tmp_path):
    options = dict(width=4, input_shape=(32, 32, 3))
    x = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    raw, bare = (zoo.build(name, include_preprocessing=given, **options) for given in (True, False))
    assert all(type(layer).__module__.startswith("keras.") for layer in raw.layers)
    raw.set_weights(bare.get_weights())  # scaling has no weights
    expected = keras.ops.convert_to_numpy(bare(zoo.preprocess_input(name, x)))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(raw(x)), expected, rtol=0, atol=ROUNDING)
    for ending in ("keras", "h5"):
        raw.save(tmp_path / f"raw.{ending}")
        loaded = keras.models.load_model(tmp_path / f"raw.{ending}", compile=False)
        received = keras.ops.convert_to_numpy(loaded(x))
        np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5)
    bare.save_weights(tmp_path / "bare.weights.h5")
    again = zoo.build(name, include_preprocessing=True, weights=tmp_path / "bare.weights.h5", **options)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(again(x)), expected, rtol=0, atol=ROUNDING)


def test_scaling_stays_in_float32_under_half_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        net = zoo.build("resnet50v2", include_preprocessing=True, width=4)
        assert {net.get_layer(n).compute_dtype for n in ("image_scaled", "image_centred")} == {"float32"}
        assert net.get_layer("conv1_conv").compute_dtype == "float16"
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("shape", [(32, 32, 1), (32, 32), (32, 32, None)], ids=str)
@pytest.mark.parametrize("name", ["resnet50", "resnet50v2", "vgg11"])
def test_symbolic_images_without_three_channels_are_refused(name, shape):
    with pytest.raises(
        ValueError, match=f"x for '{name}' must be RGB images with 3 channels, received shape"
    ):
        zoo.preprocess_input(name, keras.Input(shape))


def test_scaling_that_cannot_be_known_or_is_no_switch():
    with pytest.raises(ValueError, match="x for 'resnet50' must be RGB images with 3 channels"):
        zoo.build("resnet50", include_preprocessing=True, input_shape=(32, 32, 1))
    with pytest.raises(TypeError, match="include_preprocessing must be True or False, received 'tf'"):
        zoo.build("resnet50", include_preprocessing="tf")
    spec = dataclasses.replace(zoo.specify("resnet8", include_preprocessing=True), name="nobody's")
    with pytest.raises(
        ValueError, match=r"the catalog has no \"nobody's\".*zoo.register\(name, spec, prepro"
    ):
        zoo.assemble(spec)


@pytest.mark.parametrize("name", ["resnet20", "resnet50"])
@pytest.mark.parametrize("x", ["image.png", None, [[1, 2], [3, 4]]], ids=repr)
def test_what_is_no_array_is_refused(name, x):
    with pytest.raises(TypeError, match="x must be an array or a tensor of images, received"):
        zoo.preprocess_input(name, x)


@pytest.mark.parametrize("name", ["resnet20", "resnet50", "resnet50v2", "densenet121", "convnexttiny"])
@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_tensors_of_integers_are_the_same_as_arrays(name, dtype):
    """As a Dataset of decoded images gives them; 0 minus a mean is no unsigned number."""
    expected = zoo.preprocess_input(name, IMAGES)
    y = zoo.preprocess_input(name, keras.ops.convert_to_tensor(IMAGES.astype(dtype)))
    assert keras.backend.standardize_dtype(y.dtype) == "float32"
    np.testing.assert_allclose(keras.ops.convert_to_numpy(y), expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet20", "resnet50"])
def test_an_array_of_words_is_refused(name):
    with pytest.raises(
        TypeError, match=r"^x must be an array or a tensor of numbers, received an array of dtype"
    ):
        zoo.preprocess_input(name, np.array([[["red"]]]))


@pytest.mark.parametrize(
    "names", [("resnet20", "resnet20"), ("resnet50v2", "resnet50"), ("convnexttiny", "resnet20")]
)
def test_a_model_may_scale_several_images(names):
    """A net of two inputs, and one with two ranges: the layers have names of their own."""
    images = [keras.Input(IMAGES.shape[1:]) for _ in names]
    scaled = [zoo.preprocess_input(name, image) for name, image in zip(names, images, strict=True)]
    values = keras.Model(images, scaled)([IMAGES] * 2)
    for name, y in zip(names, values, strict=True):
        expected = zoo.preprocess_input(name, IMAGES)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(y), expected, rtol=1e-6, atol=1e-5)


def test_the_range_of_a_depth_that_only_other_units_fit():
    """Thirteen layers are no wide net of two convolutions a unit, and one of three."""
    assert zoo.preprocess_input("wrn13_2", np.full((1, 2, 2, 3), 255.0)).max() == 1.0
    with pytest.raises(
        ValueError, match=r"depth 27 fits no wrn with 2 convolutions a unit, whose depths are 6n\+4"
    ):
        zoo.preprocess_input("wrn27_10", np.full((1, 2, 2, 3), 255.0))
    net = zoo.build("wrn13_2", convolutions=3, include_preprocessing=True)
    assert net.get_layer("image_scaled")


@pytest.mark.parametrize("name", ["resnet20", "resnet50", "resnet50v2", "densenet121"])
def test_a_tensor_that_is_given_stays_as_it_is(name):
    for dtype in ("float32", "uint8"):
        x = keras.ops.convert_to_tensor(IMAGES.astype(dtype))
        zoo.preprocess_input(name, x)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(x), IMAGES.astype(dtype))


def test_tensors_that_torch_changes_in_place_are_copied():
    """Whatever the backend: Keras' own function, which divides them so, gets another tensor."""
    received = []
    stock = keras.applications.imagenet_utils.preprocess_input
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            keras.applications.imagenet_utils,
            "preprocess_input",
            lambda x, mode: received.append(x) or stock(x, mode=mode),
        )
        x = keras.ops.convert_to_tensor(IMAGES.astype("float32"))
        zoo.preprocess_input("resnet50v2", x)
    assert len(received) == 1 and received[0] is not x
