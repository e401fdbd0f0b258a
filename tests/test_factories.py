"""What a factory makes is what was asked of it: size, bias, activation and axis; anything else is refused by its argument."""

import functools

import keras
import numpy as np
import pytest
from keras import layers
from unit_nets import array, net, refusal

import zoo


def conv_of(*, shape=(8, 8, 3), **options):
    return net(zoo.conv_unit(4, name="unit", **options), shape=shape)


def more_filters(filters, kernel, **settings):
    return layers.Conv2D(filters + 1, kernel, **settings)


def no_strides(filters, kernel, strides, **settings):
    return layers.Conv2D(filters, kernel, **settings)


def always_valid(filters, kernel, padding, **settings):
    return layers.Conv2D(filters, kernel, padding="valid", **settings)


def depthwise(filters, kernel, kernel_initializer, **settings):
    return layers.DepthwiseConv2D(kernel, depthwise_initializer=kernel_initializer, **settings)


def flat(filters, kernel, name, **settings):
    return layers.Flatten(name=name)


@pytest.mark.parametrize(
    ("conv", "options", "received", "expected"),
    [
        (more_filters, {}, (None, 8, 8, 5), (None, 8, 8, 4)),
        (no_strides, {"strides": 2}, (None, 8, 8, 4), (None, 4, 4, 4)),
        (no_strides, {"strides": (1, 2)}, (None, 8, 8, 4), (None, 8, 4, 4)),
        (always_valid, {}, (None, 6, 6, 4), (None, 8, 8, 4)),
        (depthwise, {}, (None, 8, 8, 3), (None, 8, 8, 4)),
        (flat, {}, (None, 192), (None, 8, 8, 4)),
    ],
)
def test_a_convolution_of_another_size_is_refused(conv, options, received, expected):
    said = refusal(ValueError, lambda: conv_of(conv=conv, **options))
    assert said.startswith("conv=<function ") and "filters=4, strides=" in said
    assert f"gives shape {received} from (None, 8, 8, 3)" in said and f"ask for {expected}" in said


@pytest.mark.parametrize(
    ("conv", "strides"), [(more_filters, 1), (no_strides, 2), (no_strides, (1, 2)), (always_valid, 1)]
)
def test_the_same_where_sides_are_open(conv, strides):
    said = refusal(ValueError, lambda: conv_of(conv=conv, strides=strides, shape=(None, None, 3)))
    assert said.startswith("conv=<function ") and "filters=4, strides=" in said


@pytest.mark.parametrize("conv", [more_filters, no_strides])
def test_a_residual_unit_says_which_convolution_does_not_fit(conv):
    said = refusal(ValueError, lambda: net(zoo.residual_unit(4, strides=2, conv=conv)))
    assert said.startswith("conv=<function ") and "ask for (None, 4, 4, 4)" in said


def test_sizes_that_keras_gives_are_taken():
    """Every stock convolution, padding, stride and dilation: what Keras makes of it is what was asked for."""
    for side in (7, None):
        for conv in (layers.Conv2D, layers.Conv2DTranspose):
            for padding, strides in (("same", (2, 1)), ("valid", (2, 1)), ("valid", (3, 4))):
                conv_of(conv=conv, padding=padding, strides=strides, shape=(side, 9, 3))
        dilated = functools.partial(layers.Conv2D, dilation_rate=2)
        conv_of(conv=dilated, padding="valid", kernel_size=(3, 2), shape=(side, 9, 3))
        causal = conv_of(conv=layers.Conv1D, padding="causal", strides=2, shape=(side, 3))
        assert causal.output_shape == (None, side and 4, 4)
    longer = functools.partial(layers.Conv2DTranspose, output_padding=1)
    assert conv_of(conv=longer, strides=2).output_shape == (None, 16, 16, 4)

    def in_each_row(filters, kernel, name, **settings):
        return layers.TimeDistributed(layers.Conv1D(filters, kernel, **settings), name=name)

    assert conv_of(conv=in_each_row).output_shape == (None, 8, 8, 4)

    def spectral(filters, kernel, name, **settings):
        return layers.SpectralNormalization(layers.Conv2D(filters, kernel, **settings), name=name)

    model = net(zoo.residual_unit(4, strides=2, conv=spectral, name="unit"))
    assert not model.get_layer("unit_conv1").layer.use_bias


@pytest.mark.parametrize(
    ("fixed", "options", "text"),
    [
        ({"use_bias": True}, {}, "was called with use_bias=False and made a Conv2D with use_bias=True"),
        (
            {"use_bias": False},
            {"ordering": "conv_act"},
            "use_bias=True and made a Conv2D with use_bias=False",
        ),
        ({"activation": "tanh"}, {}, "was called with activation=None and made a Conv2D with activation="),
        ({"activation": None}, {"ordering": "conv_act", "form": "builtin"}, "made a Conv2D with activation="),
    ],
)
@pytest.mark.parametrize("wraps", [False, True])
def test_what_stands_beside_a_convolution_the_row_says(fixed, options, text, wraps):
    def conv(filters, kernel, name, **settings):
        inner = layers.Conv2D(filters, kernel, **(settings | fixed), **({} if wraps else {"name": name}))
        return layers.SpectralNormalization(inner, name=name) if wraps else inner

    assert text in refusal(ValueError, lambda: conv_of(conv=conv, **options))


@pytest.mark.parametrize(
    "fixed",
    [
        *({"padding": "valid"}, {"strides": 2}, {"activation": "tanh"}, {"name": "mine"}),
        *({"use_bias": True}, {"kernel_initializer": "zeros"}),
    ],
)
def test_what_the_unit_sets_cannot_be_fixed_before(fixed):
    """The call would overrule it, and nothing is ignored in silence."""
    (word,) = fixed
    conv = functools.partial(layers.Conv2D, **fixed)
    for make in (lambda: conv_of(conv=conv), lambda: net(zoo.residual_unit(4, conv=conv))):
        assert f"sets {word}, which the unit sets itself" in refusal(ValueError, make)
    norm = functools.partial(layers.BatchNormalization, name="mine")
    assert "sets name, which" in refusal(ValueError, lambda: conv_of(norm=norm))


@pytest.mark.parametrize(
    "norm",
    [
        lambda name: layers.Dense(7, name=name),
        lambda name: layers.Flatten(name=name),
        lambda name: layers.MaxPooling2D(name=name),
    ],
)
def test_a_normalisation_keeps_the_shape(norm):
    assert "changes the shape of a feature map from (None, 8, 8, 4) to" in refusal(
        ValueError, lambda: conv_of(norm=norm)
    )
    assert refusal(ValueError, lambda: net(zoo.unit_end(norm=norm))).startswith("norm=")


def test_a_layer_with_several_outputs_has_no_place_in_a_row():
    class Two(layers.Layer):
        def call(self, x):
            return x, x

    assert "a place in a row has one tensor" in refusal(ValueError, lambda: conv_of(norm=Two))


NORMS = {
    "batch": layers.BatchNormalization,
    "group": functools.partial(layers.GroupNormalization, 2),
    "layer": layers.LayerNormalization,
    "rms": layers.RMSNormalization,
    "unit": layers.UnitNormalization,
}


@pytest.mark.parametrize("kind", NORMS)
def test_a_normalisation_over_the_width_is_refused_where_channels_come_first(channels_first, kind):
    said = refusal(ValueError, lambda: conv_of(norm=NORMS[kind], shape=(3, 8, 6)))
    assert "-1" in said and said.endswith(
        "the channels are on axis 1 under image_data_format 'channels_first'; make it with axis=1."
    )
    right = conv_of(norm=functools.partial(NORMS[kind], axis=1), shape=(3, 8, 6))
    whole = conv_of(norm=functools.partial(layers.LayerNormalization, axis=[1, 2, 3]), shape=(3, 8, 6))
    assert right.output_shape == whole.output_shape == (None, 4, 8, 6)


@pytest.mark.parametrize("kind", ["batch", "group"])
def test_a_normalisation_of_another_axis_is_refused_where_channels_come_last(kind):
    wrong = functools.partial(NORMS[kind], axis=1)
    assert "with axis=1, and the channels are on axis 3" in refusal(ValueError, lambda: conv_of(norm=wrong))


def test_an_activation_is_tried_where_it_stands():
    """The site has other channels than the input, and a function may fit the one and not the other."""
    cut = [lambda x: x[..., :3], layers.Dense(3), layers.Conv2D(3, 1)]
    for activation in cut:
        said = refusal(ValueError, lambda activation=activation: conv_of(activation=activation))
        assert said.startswith("activation=") and "from (None, 8, 8, 4) to (None, 8, 8, 3)" in said
        opening = net(zoo.conv_unit(4, ordering="act conv", activation=activation))
        assert opening.output_shape == (None, 8, 8, 4)
    said = refusal(ValueError, lambda: conv_of(activation=cut[0], ordering="conv_act", form="builtin"))
    assert "from (None, 8, 8, 4) to (None, 8, 8, 3)" in said

    def pairs(x):
        a, b = keras.ops.split(x, 2, axis=-1)
        return keras.ops.concatenate([keras.ops.maximum(a, b), keras.ops.minimum(a, b)], axis=-1)

    assert conv_of(activation=pairs).output_shape == (None, 8, 8, 4)  # though the image has three channels


def test_a_net_tries_its_activation_on_more_than_one_size():
    for activation in (lambda x: x[..., :8], layers.Dense(8)):
        said = refusal(
            ValueError, lambda activation=activation: zoo.build("resnet8", activation=activation, width=8)
        )
        assert said.startswith("activation=") and "changes the shape of a feature map" in said


def test_a_copy_of_an_activation_takes_its_name():
    class Fixed(layers.Layer):
        def __init__(self, **settings):
            super().__init__(name="fixed")

        def call(self, x):
            return x

    for make in (
        lambda: conv_of(activation=Fixed()),
        lambda: zoo.build("resnet8", width=2, activation=Fixed()),
    ):
        assert "must pass `name` on to keras.layers.Layer." in refusal(ValueError, make)


def test_convolutions_of_a_factory_compute_what_they_do_by_hand():
    """A unit of somebody's layers against the same layers, called one after the other."""
    model = conv_of(conv=layers.SeparableConv2D, norm=NORMS["group"], strides=2, ordering="act conv norm")
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    x = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    by_hand = layers.SeparableConv2D(4, 3, strides=2, padding="same", use_bias=False)
    norm = layers.GroupNormalization(2)
    by_hand.build(x.shape)
    norm.build((2, 4, 4, 4))
    by_hand.set_weights(model.get_layer("unit").get_weights())
    norm.set_weights(model.get_layer("unit_norm").get_weights())
    np.testing.assert_allclose(array(model(x)), array(norm(by_hand(np.maximum(x, 0)))), rtol=0, atol=1e-5)


def test_somebodys_own_normalisation_may_mean_anything_by_its_words():
    class Own(layers.Layer):
        axis, data_format, bias = None, "channels_first", 3

        def call(self, x):
            return x / 2

    class Makes:
        keywords = None

        def __call__(self, name):
            return Own(name=name)

    assert conv_of(norm=Own).output_shape == conv_of(norm=Makes()).output_shape == (None, 8, 8, 4)


def test_a_callable_that_does_not_say_how_it_is_called():
    said = refusal(TypeError, lambda: conv_of(norm=dict))
    assert said == "norm must be a factory of layers, and <class 'dict'> returned {'name': 'unit_norm'}."
