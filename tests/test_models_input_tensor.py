"""A net on a tensor of one's own: the same net, with what lies in front of it."""

import re

import keras
import numpy as np
import pytest
from catalog_nets import images, outputs, shallow

import zoo


@pytest.mark.parametrize("name", ["resnet8", "convnet2", "vgg11", "mlp", "resnet50v2"])
def test_a_net_on_an_input_of_ones_own_is_the_same_net(name):
    spec = shallow(name, input_shape=(32, 32, 3))
    mine = keras.Input((32, 32, 3), name="mine")
    ours, plain = zoo.assemble(spec, input_tensor=mine), zoo.assemble(spec)
    assert (
        ours.input is mine and [layer.name for layer in ours.layers][1:] == [x.name for x in plain.layers][1:]
    )
    ours.set_weights(plain.get_weights())
    x = images(32, 32, 3)
    np.testing.assert_array_equal(outputs(ours, x), outputs(plain, x))


def test_layers_in_front_belong_to_the_model_and_stay_in_the_graph():
    image, flag = keras.Input((30, 30, 3), name="photo"), keras.Input((1,), name="flag")
    x = keras.layers.ZeroPadding2D(1, name="frame")(image)
    x = keras.layers.Conv2D(1, 1, name="grey")(x)
    net = zoo.build("resnet8", width=4, input_tensor=x)
    assert net.input_shape == (None, 30, 30, 3) and net.get_layer("stem_conv").input.shape == (
        None,
        32,
        32,
        1,
    )
    assert [layer.name for layer in net.layers][:4] == ["photo", "frame", "grey", "stem_conv"]
    two = zoo.build("mlp", input_tensor=keras.layers.Concatenate()([keras.layers.Flatten()(image), flag]))
    assert [i.name for i in two.inputs] == ["photo", "flag"] and two.output_shape == (None, 10)


@pytest.mark.parametrize("rolled", [False, pytest.param(True, marks=pytest.mark.tensorflow)])
def test_weights_are_for_the_net_and_not_for_what_lies_in_front(rolled, tmp_path):
    options = dict(width=4, rolled=rolled)
    file = zoo.build("resnet20", input_shape=(8, 8, 1), width=4)
    file.save_weights(tmp_path / "net.weights.h5")
    grey = keras.layers.Conv2D(1, 1, name="grey")
    x = grey(keras.Input((8, 8, 3)))
    before = grey.get_weights()
    net = zoo.build("resnet20", input_tensor=x, weights=tmp_path / "net.weights.h5", **options)
    for a, b in zip(grey.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    inner = keras.Model(x, net.output)
    greys = images(8, 8, 1)
    np.testing.assert_allclose(outputs(inner, greys), outputs(file, greys), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "options", "kind", "text"),
    [
        (
            keras.Input((32, 32, 3)),
            {"input_shape": (32, 32, 1)},
            ValueError,
            "contradicts input_tensor, whose images",
        ),
        (
            keras.Input((None, None, 3)),
            {"input_shape": (32, 32, 3)},
            ValueError,
            "input_shape=(32, 32, 3) contradicts",
        ),
        (keras.Input((2, 2, 3)), {}, ValueError, "is too small for the strides"),
        (keras.Input((32, 32)), {}, ValueError, "input_shape must have three entries"),
        (
            np.zeros((1, 32, 32, 3)),
            {},
            TypeError,
            "input_tensor must be a symbolic tensor such as keras.Input",
        ),
        ((32, 32, 3), {}, TypeError, "received (32, 32, 3) of type tuple"),
        ("image", {"input_shape": (32, 32, 3)}, TypeError, "received 'image' of type str"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_tensor_that_cannot_be_built_on(given, options, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        zoo.build("resnet8", input_tensor=given, **options)


def test_a_layer_below_that_is_called_as_one_of_the_net():
    image = keras.Input((32, 32, 3))
    for below, name in (
        (keras.layers.ReLU(name="stem_conv")(image), "stem_conv"),
        (keras.layers.Rescaling(1 / 255, name="image_scaled")(image), "image_scaled"),
        (keras.Input((32, 32, 3), name="stem_conv"), "stem_conv"),  # of its own layer Keras speaks first
        (keras.Input((32, 32, 3), name="predictions"), "predictions"),
    ):
        with pytest.raises(ValueError, match=rf"^input_tensor comes from a layer called '{name}', and so"):
            zoo.build("resnet8", width=2, input_tensor=below, include_preprocessing=True)
    assert zoo.build("resnet8", width=2, input_tensor=keras.Input((32, 32, 3), name="stem_conv_1")).built


def test_a_convolution_reads_floats():
    """Keras would take such a graph, and fail when it is first called."""
    image = keras.Input((32, 32, 3), dtype="uint8")
    for make in (
        lambda: zoo.build("resnet8", width=2, input_tensor=image),
        lambda: zoo.build("mobilenetv2", width=8, input_tensor=image),
        lambda: zoo.conv_unit(4, name="stem_conv")(image),
        lambda: zoo.conv_unit(4, conv=keras.layers.SeparableConv2D)(image),
        lambda: zoo.conv_unit(4, ordering="act conv")(image),
        lambda: zoo.residual_unit(4, ordering="relu_only_pre_activation")(image),
        lambda: zoo.unit_end("act_conv_norm")(image),
    ):
        with pytest.raises(
            ValueError, match=r"^x: '.*' would read numbers of dtype 'uint8', and a convolution reads floats"
        ):
            make()
    model = zoo.build("resnet8", width=2, input_tensor=image, include_preprocessing=True)
    assert model(np.zeros((1, 32, 32, 3), "uint8")).shape == (1, 10)
    opening = zoo.conv_unit(4, ordering="norm act conv")(image)  # a normalisation makes floats of them
    assert keras.Model(image, opening)(np.zeros((1, 32, 32, 3), "uint8")).shape == (1, 32, 32, 4)
