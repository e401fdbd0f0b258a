"""What the builder refuses, by its text; what a spec refuses is in test_spec_refusals.py."""

import itertools
import re
from dataclasses import replace

import keras
import pytest
from catalog_nets import NAMES

import zoo
from zoo.catalog import lookup, specify
from zoo.models import smallest_input


def test_a_convnext_multiplies_channels_that_come_last(channels_first):
    with pytest.raises(
        ValueError, match=r"^convnexttiny multiplies the last axis.*set it to 'channels_last'\.$"
    ):
        zoo.build("convnexttiny")


@pytest.mark.parametrize(
    ("name", "options", "kind", "text"),
    [
        *[
            (
                name,
                {"input_shape": (size, 64, 3)},
                ValueError,
                rf"input_shape=\({size}, 64, 3\) is too small for the strides of {name}: height and width must be at least {least}\.",
            )
            for name, size, least in [
                ("vgg16", 31, 32),
                ("resnet20", 3, 4),
                ("resnet50", 31, 32),
                ("convnet", 3, 4),
            ]
        ],
        ("convnet", {"padding": "valid", "input_shape": (15, 15, 3)}, ValueError, "at least 16"),
        ("resnet20", {"input_shape": (32, 32, None)}, ValueError, "the number of channels must be known"),
        (
            "resnet20",
            {"activation": "rleu"},
            ValueError,
            "activation='rleu' is not what keras.activations.get takes: ",
        ),
        ("resnet20", {"activation": "rleu"}, ValueError, r": rleu\. Did you mean 'relu'.*\?$"),
        ("resnet20", {"activation": "ReLU"}, ValueError, r"\. Did you mean 'relu'.*\?$"),
        ("resnet20", {"activation": "leakyrelu"}, ValueError, r"\. Did you mean 'leaky_relu'.*\?$"),
        (
            "convnet",
            {"input_shape": (3, 64, 64)},
            ValueError,
            r"at least 4\. Channels come last here; keras.config.set_image_data_format\('channels_first'\) puts them first\.$",
        ),
        ("resnet50", {"input_shape": (1, 224, 224)}, ValueError, r"at least 32\. Channels come last here"),
        ("resnet20", {"input_shape": (2, 64, 64)}, ValueError, r"at least 4\.$"),
        (
            "resnet20",
            {"input_tensor": keras.ops.zeros((1, 32, 32, 3))},
            TypeError,
            r"received one with values, of shape \(1, 32, 32, 3\), of type \w+\.$",
        ),
        ("resnet20", {"activation": 3}, ValueError, "activation=3 is not what keras.activations.get takes"),
        (
            "resnet20",
            {"activation": keras.layers.ReLU},
            TypeError,
            "activation must be a name, a function or a layer, received the class ReLU; call it",
        ),
        (
            "convnet",
            {"activation": keras.layers.PReLU(), "form": "builtin"},
            ValueError,
            "form='builtin' takes activation as a function or its name, received the layer PReLU, which is a site of its "
            "own; use form='separate'",
        ),
        (
            "convnet",
            {"activation": keras.layers.Flatten()},
            ValueError,
            "changes the shape of a feature map from .* to .*; an activation acts on each value alone",
        ),
        ("convnet", {"activation": lambda: 3}, ValueError, "cannot be applied to a tensor of shape"),
        (
            "resnet20",
            {"classifier_activation": "sofmax"},
            ValueError,
            "classifier_activation='sofmax' is not what keras.activations.get takes",
        ),
        (
            "resnet20",
            {"classifier_activation": keras.layers.Softmax},
            TypeError,
            "classifier_activation must be a name or a function, received the class Softmax",
        ),
        (
            "resnet20",
            {"classifier_activation": "glu"},
            ValueError,
            r"classifier_activation='glu' makes \(None, 5\) of the scores of 10 classes, \(None, 10\); it must give one",
        ),
        (
            "densenet40",
            {"classifier_activation": "glu", "classes": 7},
            ValueError,
            "classifier_activation='glu' cannot be applied to a tensor of shape",
        ),
        (
            "mlp",
            {"classifier_activation": lambda x: keras.ops.mean(x, axis=-1)},
            ValueError,
            r"makes \(None,\) of the scores of 10 classes",
        ),
        (
            "resnet20",
            {"kernel_initializer": "he"},
            ValueError,
            "kernel_initializer='he' does not initialise a kernel: Could not interpret",
        ),
        (
            "resnet20",
            {"name": "a/b"},
            ValueError,
            "name='a/b': a Keras model's name is a non-empty string without '/'",
        ),
        ("resnet20", {"name": ""}, ValueError, "name='': a Keras model's name"),
        ("resnet20", {"name": 3}, TypeError, "name=3: a Keras model's name"),
    ],
    ids=lambda v: re.sub(" at 0x[0-9a-f]+", "", str(v))[:50],
)
def test_refusal(name, options, kind, text):
    with pytest.raises(kind, match=text) as error:
        zoo.build(name, **options)
    assert type(error.value) is kind


@pytest.mark.parametrize("name", NAMES)
def test_one_pixel_less_than_the_smallest_input_is_refused(name):
    size = smallest_input(specify(name))
    if size == 1:
        assert lookup(name).family == "mlp"
        return
    with pytest.raises(ValueError, match=f"the strides of {name}: height and width must be at least {size}"):
        zoo.build(name, input_shape=(size, size - 1, 3))


@pytest.mark.parametrize("layers", [1, 2, 3, 4, 6])
@pytest.mark.parametrize(
    ("padding", "downsampling"), [*itertools.product(["valid", "same"], ["stride", "max_pool", "none"])]
)
def test_the_smallest_input_of_a_convnet_is_the_least_that_leaves_a_map(layers, padding, downsampling):
    spec = specify(f"convnet{layers}", width=2, padding=padding, downsampling=downsampling)

    def map_of(size):
        for layer in range(1, layers + 1):
            halves = layer % 2 == 0 and downsampling != "none"
            size -= 2 if padding == "valid" else 0
            if halves:
                # A window at every second pixel, the first included; a pool wants both pixels of its window.
                size = (size + 1) // 2 if downsampling == "stride" and padding == "valid" else size // 2
        return size

    least = smallest_input(spec)
    assert map_of(least) >= 1 > map_of(least - 1)
    assert zoo.assemble(replace(spec, input_shape=(least, least, 3))).output_shape == (None, 10)
    if least > 1:
        with pytest.raises(ValueError, match=f"height and width must be at least {least}"):
            zoo.assemble(replace(spec, input_shape=(least - 1, least, 3)))


@pytest.mark.parametrize("given", ["resnet8", None, {"name": "resnet8"}], ids=str)
def test_what_is_assembled_is_a_spec(given):
    with pytest.raises(
        TypeError, match=r"^spec must be a ModelSpec such as zoo.specify.*zoo.build takes the name"
    ):
        zoo.assemble(given)


def test_a_name_of_the_assembled_model():
    with pytest.raises(ValueError, match=r"^name='a/b': a Keras model's name"):
        zoo.assemble(zoo.specify("mlp"), name="a/b")
