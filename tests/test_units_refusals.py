"""What a unit refuses: the text of each refusal, by its own argument's name."""

import functools

import keras
import numpy as np
import pytest
from keras import layers
from unit_nets import group, net, refusal

import zoo

CONV = [
    (
        dict(ordering="conv relu"),
        ValueError,
        "ordering='conv relu': 'relu' is no operation; a row is made of the words 'conv', 'norm', 'act'.",
    ),
    (
        dict(ordering="act norm"),
        ValueError,
        "ordering='act norm': a row has exactly one 'conv', and 'act norm' has none.",
    ),
    (
        dict(ordering=""),
        ValueError,
        "ordering='': a row has exactly one 'conv', and '' has none.",
    ),
    (
        dict(ordering="conv act conv"),
        ValueError,
        "ordering='conv act conv': a row has exactly one 'conv', and 'conv act conv' has 2.",
    ),
    (
        dict(ordering="conv_norm_atc"),
        ValueError,
        "ordering='conv_norm_atc' is neither one of the plain orderings 'conv_act', 'conv_norm_act', 'conv_act_norm', "
        "'norm_act_conv' and 'act_conv_norm' nor a row of the words 'conv', 'norm' and 'act', such as 'act conv norm'. "
        "Did you mean 'conv_norm_act' or 'conv_act_norm'?",
    ),
    (
        dict(ordering="original"),
        ValueError,
        "ordering='original' is neither one of the plain orderings 'conv_act', 'conv_norm_act', 'conv_act_norm', "
        "'norm_act_conv' and 'act_conv_norm' nor a row of the words 'conv', 'norm' and 'act', such as 'act conv norm'. "
        "It is a residual one, for zoo.residual_unit.",
    ),
    (
        dict(ordering=("conv", "act")),
        TypeError,
        "ordering must be a name or a row of words, received ('conv', 'act').",
    ),
    (
        dict(form="builtin"),
        ValueError,
        "form='builtin' cannot put BatchNormalization between convolution and activation (ordering='conv_norm_act'); use "
        "form='separate' or ordering='conv_act_norm'.",
    ),
    (
        dict(form="builtin", ordering="act conv norm"),
        ValueError,
        "form='builtin' cannot put an activation before a convolution (ordering='act conv norm'); use form='separate'.",
    ),
    (
        dict(form="builtin", ordering="conv norm"),
        ValueError,
        "form='builtin' cannot put an activation into a row that has none (ordering='conv norm'); use form='separate'.",
    ),
    (
        dict(form="inside"),
        ValueError,
        "form='inside' is not known; expected one of 'separate', 'builtin'.",
    ),
    (
        dict(form="builtin", ordering="conv_act", activation=layers.PReLU()),
        ValueError,
        "form='builtin' takes activation as a function or its name, received the layer PReLU, which is a site of its own; "
        "use form='separate'.",
    ),
    (dict(filters=0), ValueError, "filters must be an integer of at least 1, received 0."),
    (dict(filters=-4), ValueError, "filters must be an integer of at least 1, received -4."),
    (dict(filters=4.0), TypeError, "filters must be an integer of at least 1, received 4.0 of type float."),
    (dict(filters=True), TypeError, "filters must be an integer of at least 1, received True of type bool."),
    (
        dict(filters=(4, 4)),
        TypeError,
        "filters must be an integer of at least 1, received (4, 4) of type tuple.",
    ),
    (dict(kernel_size=0), ValueError, "kernel_size must be an integer of at least 1, received 0."),
    (
        dict(kernel_size=(3, 0)),
        ValueError,
        "each number of kernel_size=(3, 0) must be an integer of at least 1, received 0.",
    ),
    (
        dict(kernel_size="3"),
        TypeError,
        "kernel_size must be an integer of at least 1, received '3' of type str.",
    ),
    (
        dict(kernel_size=()),
        ValueError,
        "kernel_size must be one number or one for each spatial axis, received ().",
    ),
    (dict(strides=0), ValueError, "strides must be an integer of at least 1, received 0."),
    (
        dict(strides=(1, -1)),
        ValueError,
        "each number of strides=(1, -1) must be an integer of at least 1, received -1.",
    ),
    (
        dict(padding="full"),
        ValueError,
        "padding='full' is not known; expected one of 'same', 'valid', 'causal'.",
    ),
    (dict(use_bias=1), TypeError, "use_bias must be True, False or None, received 1."),
    (dict(use_bias="no"), TypeError, "use_bias must be True, False or None, received 'no'."),
    (
        dict(norm="batch"),
        TypeError,
        "norm must be a factory, which makes a layer for each place, such as "
        "lambda name: keras.layers.GroupNormalization(8, name=name); received 'batch'.",
    ),
    (
        dict(conv=2),
        TypeError,
        "conv must be a factory, which makes a layer for each place, such as keras.layers.SeparableConv2D; received 2.",
    ),
    (
        dict(activation="rleu"),
        ValueError,
        "activation='rleu' is not what keras.activations.get takes: ",
    ),
    (
        dict(activation=layers.ReLU),
        TypeError,
        "activation must be a name, a function or a layer, received the class ",
    ),
    (
        dict(kernel_initializer="he"),
        ValueError,
        "kernel_initializer='he' does not initialise a kernel: ",
    ),
    (dict(name="a/b"), ValueError, "name='a/b': a Keras layer's name is a non-empty string without '/'."),
    (dict(name=""), ValueError, "name='': a Keras layer's name is a non-empty string without '/'."),
    (dict(name=3), TypeError, "name must be a string or None, received 3."),
]


@pytest.mark.parametrize(("options", "kind", "text"), CONV, ids=lambda v: str(v)[:50])
def test_refusals_of_a_unit(options, kind, text):
    said = refusal(kind, lambda: zoo.conv_unit(**{"filters": 4} | options))
    assert said.startswith(text) if text.endswith((": ", " class ")) else said == text


def test_one_normalisation_cannot_serve_several_places():
    shared = layers.BatchNormalization()
    assert refusal(TypeError, lambda: zoo.conv_unit(4, norm=shared)).startswith("norm must be a factory")
    built = layers.LayerNormalization(name="unit_norm")
    built.build((None, 8, 8, 4))
    unit = zoo.conv_unit(4, norm=lambda name: built, name="unit")
    assert "returned a layer that is in use, 'unit_norm'." in refusal(ValueError, lambda: net(unit))


def test_factories_that_are_none():
    def text(kind, **options):
        return refusal(kind, lambda: net(zoo.conv_unit(4, name="unit", **options)))

    assert text(TypeError, norm=lambda: None).startswith(
        "norm must be a factory of layers that can be called with (name=): got an unexpected keyword argument 'name'"
    )
    assert "returned None." in text(TypeError, norm=lambda name: None)
    assert "returned a layer called 'other'." in text(ValueError, norm=lambda name: group("other"))
    assert "returned a layer called 'group_normalization" in text(
        ValueError, norm=lambda name: layers.GroupNormalization(2)
    )
    odd = text(ValueError, norm=lambda name: layers.GroupNormalization(3, name=name))
    assert odd.startswith("norm=") and "that does not take a tensor of shape (None, 8, 8, 4)" in odd
    assert text(TypeError, conv=layers.Dense).startswith(
        "conv must be a factory of layers that can be called with (4, 3, "
    )
    assert text(TypeError, conv=layers.DepthwiseConv2D).startswith(
        "conv must be a factory of layers that can be called"
    )
    assert "that does not take a tensor of shape (None, 8, 8, 3)" in text(ValueError, conv=layers.Conv1D)
    assert "called with (4, 3, " in text(ValueError, conv=functools.partial(layers.Conv2D, groups=3))


RESIDUAL_REFUSALS = [
    *(
        (
            dict(ordering=row),
            ValueError,
            f"ordering={row!r} is not one of the residual orderings 'original', 'bn_after_addition', 'relu_before_addition', "
            "'relu_only_pre_activation' and 'full_pre_activation'. A row of your own words is for zoo.conv_unit.",
        )
        for row in ("act conv norm", "norm act conv | norm act conv | add", "conv relu")
    ),
    (
        dict(ordering="conv_act"),
        ValueError,
        "ordering='conv_act' is not one of the residual orderings 'original', 'bn_after_addition', 'relu_before_addition', "
        "'relu_only_pre_activation' and 'full_pre_activation'. It is a plain one, for zoo.conv_unit.",
    ),
    (
        dict(ordering="full_preactivation"),
        ValueError,
        "ordering='full_preactivation' is not one of the residual orderings 'original', 'bn_after_addition', "
        "'relu_before_addition', 'relu_only_pre_activation' and 'full_pre_activation'. Did you mean 'full_pre_activation' "
        "or 'relu_only_pre_activation'?",
    ),
    (dict(ordering=None), TypeError, "ordering must be a name or a row of words, received None."),
    (
        dict(block="wide"),
        ValueError,
        "block='wide' is not known; expected one of 'basic', 'bottleneck'.",
    ),
    (dict(block=None), ValueError, "block=None is not known; expected one of 'basic', 'bottleneck'."),
    (dict(filters=0), ValueError, "filters must be an integer of at least 1, received 0."),
    (dict(strides=0), ValueError, "strides must be an integer of at least 1, received 0."),
    (
        dict(strides=(2, 2)),
        TypeError,
        "strides must be an integer of at least 1, received (2, 2) of type tuple.",
    ),
    (
        dict(block="bottleneck", filters=6),
        ValueError,
        "filters=6: the inner convolutions of a bottleneck have a quarter of the channels; use a multiple of 4 or "
        "block='basic'.",
    ),
    (
        dict(shortcut="identity"),
        ValueError,
        "shortcut='identity' is not known; expected one of None, 'identity_pad', 'projection', 'constant_scaling', "
        "'exclusive_gating', 'shortcut_only_gating', 'conv1x1', 'dropout'.",
    ),
    (
        dict(gate_bias=-3.0),
        ValueError,
        "gate_bias=-3.0 belongs to shortcut='exclusive_gating' or 'shortcut_only_gating', but shortcut=None.",
    ),
    (
        dict(shortcut="dropout", dropout_rate=1.0),
        ValueError,
        "dropout_rate must be in [0, 1), received 1.0.",
    ),
    (
        dict(layout="keras"),
        ValueError,
        "layout='keras' has bottleneck units only, received block='basic'; use block='bottleneck' or "
        "layout='he2016'.",
    ),
    (
        dict(layout="timm", shortcut="identity_pad"),
        ValueError,
        "layout='timm' fixes shortcut='projection', received shortcut='identity_pad'; use layout='he2016' to vary the "
        "shortcut.",
    ),
    (
        dict(layout="torch"),
        ValueError,
        "layout='torch' is not known; expected one of 'he2016', 'keras', 'kerashub', 'timm', 'torchvision', "
        "'keras_resnet', 'keras_cifar10'.",
    ),
    (
        dict(layout="torchvision", ordering="relu_only_pre_activation"),
        ValueError,
        "layout='torchvision' has no net that activates before its convolutions, received ordering="
        "'relu_only_pre_activation'; use layout='timm' or ordering='original'.",
    ),
    (dict(opens=1), TypeError, "opens must be True or False, received 1."),
]


@pytest.mark.parametrize(("options", "kind", "text"), RESIDUAL_REFUSALS, ids=lambda v: str(v)[:50])
def test_refusals_of_a_residual_unit(options, kind, text):
    assert refusal(kind, lambda: zoo.residual_unit(**{"filters": 4} | options)) == text


@pytest.mark.parametrize(
    "shortcut",
    ["identity_pad", "constant_scaling", "exclusive_gating", "shortcut_only_gating", "dropout"],
)
def test_a_shortcut_that_cannot_fit(shortcut):
    unit = zoo.residual_unit(2, shortcut=shortcut)
    assert refusal(ValueError, lambda: net(unit)) == (
        f"shortcut={shortcut!r} can add channels of zeros and not take 1 of 3 channels away; use shortcut='projection'."
    )
    for fits in (None, "projection", "conv1x1"):
        assert net(zoo.residual_unit(2, shortcut=fits)).output_shape == (None, 8, 8, 2)


def test_a_branch_that_cannot_fit():
    unit = zoo.residual_unit(4, conv=layers.Conv2DTranspose, strides=2)
    assert refusal(ValueError, lambda: net(unit)).startswith(
        "shortcut and branch do not fit each other: their shapes are "
    )


@pytest.mark.parametrize("make", [zoo.conv_unit, zoo.residual_unit], ids=["conv_unit", "residual_unit"])
def test_what_a_unit_is_called_on(make):
    unit = make(4)
    text = refusal(TypeError, lambda: unit(np.ones((2, 8, 8, 3), "float32")))
    assert text.startswith(
        "x must be a symbolic tensor, from keras.Input or a layer called on one, received ndarray"
    )
    assert refusal(ValueError, lambda: unit(keras.Input((8,)))).endswith("its shape is (None, 8).")
    assert refusal(ValueError, lambda: unit(keras.Input((8, 8, None)))) == (
        "x must have a known number of channels; its shape is (None, 8, 8, None)."
    )


def test_an_activation_that_changes_the_shape_is_refused():
    halves = zoo.conv_unit(4, activation=keras.activations.glu)
    assert refusal(ValueError, lambda: net(halves)).startswith("activation=<function glu")
    assert "changes the shape" in refusal(
        ValueError, lambda: net(zoo.unit_end(activation=keras.activations.glu), shape=(8, 8, 4))
    )


def test_refusals_of_an_end():
    assert "Did you mean 'full_pre_activation'" in refusal(
        ValueError, lambda: zoo.unit_end("full_preactivation")
    )
    assert refusal(ValueError, lambda: zoo.unit_end(layout="torch")).startswith("layout='torch' is not known")
    assert refusal(TypeError, lambda: zoo.unit_end(norm=3)).startswith("norm must be a factory")
    assert refusal(TypeError, lambda: zoo.unit_end("original")(3)).startswith("x must be a symbolic tensor")


def test_sizes_are_one_for_each_axis_of_the_input():
    def text(shape, **options):
        return refusal(ValueError, lambda: net(zoo.conv_unit(4, **options), shape=shape))

    for conv in (None, layers.Conv1D):
        assert text((8, 3), kernel_size=(3, 3), conv=conv) == (
            "kernel_size must be one number or one for each of the 1 spatial axes of x, whose shape is (None, 8, 3); "
            "received (3, 3)."
        )
    assert text((8, 8, 3), strides=[2]).startswith("strides must be one number or one for each of the 2 ")
    assert text((8, 8, 3), padding="causal").startswith(
        "padding='causal' is for one spatial axis, and x has 2"
    )
    assert text((8, 8, 3), padding="valid", kernel_size=(3, 9)).startswith(
        "kernel_size=(3, 9) does not fit into x"
    )
    assert net(zoo.conv_unit(4, (8, 3), padding="valid"), shape=(8, None, 3)).output_shape == (
        None,
        1,
        None,
        4,
    )


def test_a_numpy_truth_is_no_word_of_a_saved_layer():
    assert refusal(TypeError, lambda: zoo.conv_unit(4, use_bias=np.True_)).startswith("use_bias must be True")


def test_layers_of_two_kernels_and_of_none_get_a_recipe():
    def text(conv, kind=ValueError):
        return refusal(kind, lambda: net(zoo.conv_unit(3, conv=conv)))

    for made in (layers.SeparableConv2D, lambda f, k, **s: layers.DepthwiseConv2D(k, **s)):
        said = text(lambda filters, kernel, made=made, **settings: made(filters, kernel, **settings))
        assert "name what it has as arguments of the function" in said
    said = text(layers.DepthwiseConv2D, TypeError)
    assert (
        "conv=lambda filters, kernel, kernel_initializer, **settings: keras.layers.DepthwiseConv2D(kernel"
        in said
    )


@pytest.mark.parametrize(
    "conv",
    [
        lambda f, k, kernel_initializer, **s: layers.DepthwiseConv2D(
            k, depthwise_initializer=kernel_initializer, **s
        ),
        lambda f, k, depthwise_initializer, **s: layers.DepthwiseConv2D(
            k, depthwise_initializer=depthwise_initializer, **s
        ),
        lambda f, k, depthwise_initializer, pointwise_initializer, **s: layers.SeparableConv2D(
            f,
            k,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            **s,
        ),
    ],
)
def test_what_the_recipes_say_is_taken(conv):
    model = net(zoo.conv_unit(3, conv=conv, kernel_initializer="ones", name="unit"), shape=(8, 8, 3))
    kernels = [w for w in model.get_layer("unit").weights if "kernel" in w.name]
    assert kernels and all(np.all(np.asarray(kernel) == 1) for kernel in kernels)


def test_padding_that_does_not_know_the_dilation_is_blamed():
    dilated = functools.partial(layers.Conv2D, dilation_rate=2)
    unit = zoo.residual_unit(8, block="bottleneck", layout="keras", conv=dilated)
    assert refusal(ValueError, lambda: net(unit, shape=(8, 8, 8))).endswith(
        "give dilated ones layout='he2016'."
    )
    net(zoo.residual_unit(8, block="bottleneck", layout="he2016", conv=dilated), shape=(8, 8, 8))


@pytest.mark.parametrize(
    "unit",
    [
        lambda n: zoo.conv_unit(n(4), n(3), strides=n(2)),
        lambda n: zoo.conv_unit(n(4), (n(3), n(1)), strides=[n(1), n(2)]),
        lambda n: zoo.conv_unit(n(4), conv=layers.SeparableConv2D, kernel_initializer="ones"),
        lambda n: zoo.residual_unit(n(8), strides=n(2), block="bottleneck", shortcut="identity_pad"),
    ],
    ids=["conv", "each axis", "separable", "residual"],
)
@pytest.mark.parametrize("number", [np.int64, np.uint8], ids=lambda n: n.__name__)
def test_sizes_of_numpy_are_saved_as_those_of_python(unit, number):
    of_numpy, of_python = (net(unit(n)).get_config()["layers"] for n in (number, int))
    sizes = [layer["config"].get(key) for layer in of_numpy for key in ("filters", "kernel_size", "strides")]
    assert {type(n) for size in sizes for n in (size if isinstance(size, tuple) else [size])} <= {
        int,
        type(None),
    }
    for ours, expected in zip(of_numpy, of_python, strict=True):
        for key in ("filters", "kernel_size", "strides", "groups"):
            assert ours["config"].get(key) == expected["config"].get(key)
