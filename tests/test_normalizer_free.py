"""Standardised kernels, the scale of a branch and the gains of activations, against NumPy and by hand."""

import math

import deep
import keras
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import zoo
from zoo.normalizer_free import BranchScale, ScaledStandardizedConv2D, activation_gain

shapes_alone = pytest.mark.usefixtures("shapes_alone")

array = keras.ops.convert_to_numpy


@pytest.mark.parametrize("groups", [1, 2])
def test_standardised_convolution_is_the_formula(groups):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 7, 6, 4))
    layer = ScaledStandardizedConv2D(6, 3, groups=groups)
    layer.build(x.shape)
    kernel, bias, gain = (rng.normal(0.3, 1.0, tuple(w.shape)) for w in layer.weights)
    layer.set_weights([kernel, bias, gain])
    ours = np.empty_like(kernel)
    for c in range(6):
        w = kernel[..., c]
        ours[..., c] = gain[c] * (w - w.mean()) / (w.std() * math.sqrt(w.size))
    expected = np.zeros((2, 5, 4, 6))
    for c in range(6):
        part = x if groups == 1 else x[..., 2 * (c // 3) : 2 * (c // 3) + 2]
        windows = sliding_window_view(part, (3, 3), axis=(1, 2))
        expected[..., c] = np.einsum("bhwcij,ijc->bhw", windows, ours[..., c]) + bias[c]
    received = keras.ops.convert_to_numpy(layer(x.astype("float32")))
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5)


# Half of the space between two numbers of the dtype, relative to them.
ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 1e-6}


@pytest.mark.parametrize("deviation", [1e-1, 1e-3, 1e-5])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float32"])
@pytest.mark.backend
def test_a_kernel_is_standardised_in_float32_and_rounded_once(policy, deviation):
    """A fan-in of 4608: the variance of small weights, and its least value, are no numbers of half precision."""
    rng = np.random.default_rng(0)
    layer = ScaledStandardizedConv2D(3, 3, use_bias=False, dtype=policy)
    layer.build((None, 3, 3, 512))
    layer.set_weights([rng.normal(deviation, deviation, (3, 3, 512, 3)), np.array([1.0, 0.5, 2.0])])
    kernel, gain = (array(keras.ops.cast(w.value, "float32")).astype("float64") for w in layer.weights)
    deviations = np.sqrt(np.maximum(kernel.var((0, 1, 2)) * 4608, 1e-4))
    expected = gain * (kernel - kernel.mean((0, 1, 2))) / deviations
    # Images of a single 1 read the kernel that the layer convolves with.
    channels = rng.integers(0, 512, 64)
    x = np.zeros((64, 3, 3, 512), "float32")
    x[range(64), 1, 2, channels] = 1.0
    received = array(keras.ops.cast(layer(x), "float32"))[:, 0, 0]
    np.testing.assert_allclose(
        received, expected[1, 2, channels], rtol=1.01 * ROUNDING[layer.compute_dtype], atol=1e-6
    )


def test_in_float32_the_standardised_kernel_keeps_its_bits():
    layer = ScaledStandardizedConv2D(6, 3)
    layer.build((None, 8, 8, 4))
    rng = np.random.default_rng(3)
    layer.set_weights([rng.normal(0.1, 0.02, (3, 3, 4, 6)), np.zeros(6), rng.normal(1.0, 0.1, 6)])
    kernel, _, gain = (w.value for w in layer.weights)
    axes = {"axis": (0, 1, 2), "keepdims": True}
    variance = keras.ops.var(kernel, **axes)
    scale = gain / keras.ops.sqrt(keras.ops.maximum(variance * 36, 1e-4))
    expected = (kernel - keras.ops.mean(kernel, **axes)) * scale
    np.testing.assert_array_equal(array(layer.standardized_kernel()), array(expected))


def test_the_least_value_of_the_variance_is_a_number():
    for wrong, error in ((-1.0, ValueError), (math.nan, ValueError), ("1e-4", TypeError), (None, TypeError)):
        with pytest.raises(error, match=r"epsilon must be a (finite )?number of at least 0"):
            ScaledStandardizedConv2D(2, 3, epsilon=wrong)
    assert type(ScaledStandardizedConv2D(2, 3, epsilon=np.float32(0.5)).get_config()["epsilon"]) is float


def test_a_constant_kernel_gives_zero_and_no_nan():
    layer = ScaledStandardizedConv2D(2, 3, kernel_initializer="ones")
    y = keras.ops.convert_to_numpy(layer(np.ones((1, 5, 5, 1), "float32")))
    np.testing.assert_array_equal(y, 0)


def test_variance_passes_through_whatever_the_mean():
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(2)
    x = rng.normal(5.0, 1.0, size=(4, 12, 12, 32)).astype("float32")
    y = keras.ops.convert_to_numpy(ScaledStandardizedConv2D(64, 3)(x))
    assert y.var() == pytest.approx(1, abs=0.1)
    z = rng.normal(size=100_000).astype("float32")
    for name in ("relu", "gelu", "tanh", "silu"):
        function = keras.activations.get(name)
        f = activation_gain(function) * keras.ops.convert_to_numpy(function(z))
        assert f.var() == pytest.approx(1, abs=0.02), name


@pytest.mark.parametrize(
    ("name", "gain"),
    [
        ("relu", math.sqrt(2 / (1 - 1 / math.pi))),
        ("linear", 1.0),
        ("tanh", 1.5925),
        ("selu", 1.0),
        ("sigmoid", 4.8),
    ],
)
def test_gains(name, gain):
    # An odd function has mean zero, so variance and mean square are one.
    assert activation_gain(keras.activations.get(name)) == pytest.approx(
        gain, rel=1e-2 if name == "sigmoid" else 1e-3
    )


def test_a_function_without_variance_has_no_gain():
    with pytest.raises(ValueError, match=r"has variance 0\.0 on a standard normal input; it has no gain"):
        activation_gain(keras.ops.zeros_like)


def test_scale_of_a_branch_starts_at_zero_and_learns():
    layer = BranchScale()
    x = np.full((2, 3, 3, 4), 2.0, "float32")
    np.testing.assert_array_equal(array(layer(x)), 0)
    (alpha,) = layer.trainable_weights
    assert tuple(alpha.shape) == ()
    alpha.assign(1.5)
    np.testing.assert_array_equal(array(layer(x)), 3)


def test_both_are_saved_and_come_back(tmp_path):
    image = keras.Input((6, 6, 3))
    y = BranchScale(name="scale")(ScaledStandardizedConv2D(4, 3, epsilon=1e-3, name="conv")(image))
    model = keras.Model(image, y)
    for w in model.weights:
        w.assign(np.random.default_rng(0).normal(size=tuple(w.shape)))
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert loaded.get_layer("conv").epsilon == 1e-3
    x = np.random.default_rng(1).normal(size=(2, 6, 6, 3)).astype("float32")
    np.testing.assert_array_equal(array(loaded(x)), array(model(x)))


# ------------------------------------------------------------ normalization=

SMALL = dict(width=4, input_shape=(16, 16, 3))
NORMS = (keras.layers.BatchNormalization, keras.layers.LayerNormalization, keras.layers.GroupNormalization)
WITHOUT = [
    (name, normalization)
    for name in ("resnet20", "resnet20v2", "resnet50", "plain20", "plain8")
    for normalization in (None, "skipinit", "scaled_ws")
    if not (name.startswith("plain") and normalization == "skipinit")
] + [("resnet20v2", "nf_resnet")]


def without(name, normalization, **options):
    layout = {"layout": "he2016", "input_shape": (32, 32, 3)} if name == "resnet50" else {}
    return zoo.build(name, normalization=normalization, **SMALL | layout | options)


@pytest.mark.parametrize(("name", "normalization"), WITHOUT)
@shapes_alone
def test_no_layer_normalises_and_every_convolution_has_a_bias(name, normalization):
    model = without(name, normalization)
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert convs and all(conv.use_bias for conv in convs)
    assert not [layer for layer in model.layers if isinstance(layer, NORMS)]
    assert {type(conv) for conv in convs} == {
        keras.layers.Conv2D if normalization in (None, "skipinit") else ScaledStandardizedConv2D
    }


def words(model, unit):
    """The layers of a unit in the order of the graph, in words."""
    said = {"Conv2D": "conv", "ScaledStandardizedConv2D": "conv", "Activation": "act", "Rescaling": "gain"}
    layers = [layer for layer in model.layers if f"{layer.name}_".startswith(f"{unit}_")]
    return " ".join(said.get(type(layer).__name__, type(layer).__name__.lower()) for layer in layers)


@pytest.mark.parametrize(
    ("name", "ordering", "normalization", "expected"),
    [
        ("resnet20", "original", None, "conv act conv add act"),
        ("resnet20", "original", "skipinit", "conv act conv branchscale add act"),
        ("resnet20", "original", "scaled_ws", "conv act gain conv add act gain"),
        ("resnet20", "full_pre_activation", None, "act conv act conv add"),
        ("resnet20", "relu_only_pre_activation", "skipinit", "act conv act conv branchscale add"),
        ("resnet20", "full_pre_activation", "scaled_ws", "act gain conv act gain conv add"),
        ("resnet20", "full_pre_activation", "nf_resnet", "gain act gain conv act gain conv gain add"),
        ("resnet20", "relu_only_pre_activation", "nf_resnet", "gain act gain conv act gain conv gain add"),
        ("resnet20", "relu_before_addition", "skipinit", "conv act conv act branchscale add"),
        ("plain20", "conv_norm_act", None, "conv act"),
        ("plain20", "conv_act_norm", "scaled_ws", "conv act gain"),
        ("plain20", "norm_act_conv", None, "act conv"),
    ],
)
@shapes_alone
def test_order_in_a_unit(name, ordering, normalization, expected):
    model = without(name, normalization, ordering=ordering)
    assert words(model, "stage1_unit2" if name == "resnet20" else "stage1_conv2") == expected


def test_a_net_of_skipinit_starts_as_its_shortcuts():
    model = without("resnet20", "skipinit", ordering="full_pre_activation")
    scales = [layer for layer in model.layers if isinstance(layer, BranchScale)]
    assert [layer.name for layer in scales][:2] == ["stage1_unit1_branch_alpha", "stage1_unit2_branch_alpha"]
    assert len(scales) == 9
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
    inside = keras.Model(
        model.input, [model.get_layer(n).output for n in ("stage1_unit1_add", "stage1_unit3_add")]
    )
    first, third = map(keras.ops.convert_to_numpy, inside(x))
    np.testing.assert_array_equal(first, third)
    for layer in scales:
        layer.alpha.assign(1.0)
    none = without("resnet20", None, ordering="full_pre_activation")
    none.set_weights([w for w in model.get_weights() if w.shape != ()])
    np.testing.assert_array_equal(array(model(x)), array(none(x)))


# Brock et al. 2021, section 3: what comes in has the variance of the shortcut plus alpha squared, and a projection reads
# x / beta. Worked out by hand for the units of 20 layers: three a stage, and where a stage begins, but for the first, the
# shortcut is projected, or half of its channels are zero.
PROJECTED = [1.0, 1.04, 1.08, 1.12, 1.04, 1.08, 1.12, 1.04, 1.08]
PADDED = [1.0, 1.04, 1.08, 1.12, 0.60, 0.64, 0.68, 0.38, 0.42]


@pytest.mark.parametrize(("shortcut", "expected"), [("projection", PROJECTED), ("identity_pad", PADDED)])
def test_a_unit_of_an_nf_resnet_divides_by_the_deviation_of_its_place(shortcut, expected):
    model = without("resnet20v2", "nf_resnet", shortcut=shortcut)
    scales = {layer.name: layer.scale for layer in model.layers if isinstance(layer, keras.layers.Rescaling)}
    units = [f"stage{stage}_unit{index}" for stage in (1, 2, 3) for index in (1, 2, 3)]
    betas = [scales.get(f"{unit}_beta", 1.0) for unit in units]
    np.testing.assert_allclose(betas, np.sqrt(1 / np.array(expected)), rtol=1e-12)
    assert {scales[f"{unit}_branch_alpha"] for unit in units} == {0.2}


def test_signals_of_an_nf_resnet_have_the_variance_that_is_expected():
    # Zeros at the border have no variance: of large images little is border.
    x = np.random.default_rng(0).normal(size=(3, 80, 80, 3)).astype("float32")

    def variances(normalization):
        keras.utils.set_random_seed(3)
        model = zoo.build("resnet20v2", normalization=normalization, width=32, input_shape=(80, 80, 3))
        added = [layer.output for layer in model.layers if isinstance(layer, keras.layers.Add)]
        return [array(one).var(axis=(0, 1, 2)).mean() for one in keras.Model(model.input, added)(x)]

    np.testing.assert_allclose(variances("nf_resnet")[:-1], PADDED[1:], rtol=0.1)
    measured = variances("scaled_ws")
    assert measured[2] > 3 * measured[0]  # without the two factors a unit doubles it


@shapes_alone
def test_the_gain_is_that_of_the_function():
    def gains(activation, **options):
        model = without("plain8", "scaled_ws", activation=activation, **options)
        return {round(layer.scale, 3) for layer in model.layers if isinstance(layer, keras.layers.Rescaling)}

    assert gains("relu") == {1.713}
    assert gains("tanh") == {1.593}
    assert gains(("relu", "tanh", "tanh")) == {1.713, 1.593}
    assert gains(None) == set()
    assert gains(keras.layers.LeakyReLU(0.2)) == {1.546}
    assert gains(keras.layers.PReLU(shared_axes=[1, 2], alpha_initializer="zeros")) == {1.713}
    assert gains("relu", form="builtin") == {1.713}


@pytest.mark.parametrize("normalization", [deep.one(None), "skipinit", deep.one("scaled_ws")])
def test_nets_without_normalisation_train_save_and_roll(normalization, tmp_path):
    model = without("resnet26", normalization)
    x = np.random.default_rng(0).normal(size=(4, 16, 16, 3)).astype("float32")
    y = np.arange(4)
    before = [keras.ops.convert_to_numpy(w).copy() for w in model.trainable_weights]
    if normalization == "skipinit":  # while it is 0, nothing of a branch learns but it
        for layer in model.layers:
            if isinstance(layer, BranchScale):
                layer.alpha.assign(0.5)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(x, y)
    assert all(
        not np.array_equal(a, keras.ops.convert_to_numpy(b))
        for a, b in zip(before, model.trainable_weights, strict=True)
    )
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(array(loaded(x)), array(model(x)))
    model.save_weights(tmp_path / "net.weights.h5")
    rolled = without("resnet26", normalization, rolled=True, weights=tmp_path / "net.weights.h5")
    assert len(rolled.layers) < len(model.layers)
    np.testing.assert_allclose(array(rolled(x)), array(model(x)), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("resnet20", {"normalization": "layer"}, "normalization='layer' is not known; expected one of 'batch', None, 'skipinit', "),
        ("resnet20", {"normalization": "none"}, "normalization='none' is not known"),
        ("plain20", {"normalization": "skipinit"}, "normalization='skipinit' scales the branch of a residual unit, and plain20 "
         "has none; use None or 'scaled_ws'."),
        ("vgg11", {"normalization": None}, "normalization=None is an option of plain and resnet; what vgg11 normalises, its "
         "ordering says."),
        ("mlp", {"normalization": "scaled_ws"}, "normalization='scaled_ws' is an option of plain and resnet"),
        ("resnet50", {"normalization": None}, "layout='keras' fixes normalization='batch', received normalization=None; use "
         "layout='he2016' to vary the normalisation."),
        ("resnet20", {"normalization": None, "ordering": "bn_after_addition"}, "ordering='bn_after_addition' is about where the "
         "normalisation stands, and normalization=None has none; use another ordering."),
        ("plain20", {"normalization": "nf_resnet"}, "normalization='nf_resnet' scales the branch of a residual unit, and plain20"),
        ("resnet20", {"normalization": "nf_resnet"}, "normalization='nf_resnet' expects a variance that grows from unit to unit "
         "by a known amount, and ordering='original' has an activation on the way; use ordering='relu_only_pre_activation' or "
         "'full_pre_activation'."),
        ("resnet20", {"normalization": "nf_resnet", "ordering": "relu_before_addition"}, "normalization='nf_resnet' expects"),
        ("resnet20v2", {"normalization": "nf_resnet", "shortcut": "dropout"}, "normalization='nf_resnet' does not know the "
         "variance that shortcut='dropout' brings; use shortcut=None, 'identity_pad' or 'projection'."),
        ("resnet20v2", {"normalization": "nf_resnet", "rolled": True}, "rolled=True rolls identical units, and those of "
         "normalization='nf_resnet' differ"),
        ("densenet40", {"normalization": None}, "normalization=None is none of those that densenet40, of family 'densenet'"),
        ("resnet20", {"normalization": "scaled_ws", "activation": keras.ops.zeros_like}, "activation"),
    ],
)  # fmt: skip
def test_what_is_refused(name, options, text):
    with pytest.raises(ValueError) as error:
        zoo.build(name, **options)
    assert str(error.value).startswith(text)
