"""Collapsing: one layer where that is exact, an error that says why where it is not."""

import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import batch, error, outputs, randomised, same

from zoo.graph import sample
from zoo.slimming.neighbours import chains
from zoo.transforms import affine_map, collapse_linear


def chain(shape, *parts):
    return randomised(keras.Sequential([keras.Input(shape), *parts], name="chain"))


def conv(size=3, filters=3, **options):
    return layers.Conv2D(filters, size, **options)


IMAGE = (17, 18, 3)
COLLAPSES = {
    # name: (input shape, layers, what is left: layer classes)
    "dense": ((7,), [layers.Dense(5), layers.Dense(6, use_bias=False), layers.Dense(4)], ["Dense"]),
    "dense over rows": ((3, 7), [layers.Dense(5), layers.BatchNormalization(), layers.Dense(4)], ["Dense"]),
    "three of size 3": (IMAGE, [conv(), conv(), conv()], ["Conv2D"]),
    "strides": (IMAGE, [conv(3, strides=2), conv(2, strides=(2, 1)), conv((2, 3))], ["Conv2D"]),
    "dilation": (IMAGE, [conv(3, dilation_rate=2), conv(2, dilation_rate=(4, 2))], ["Conv2D"]),
    "stride then dilation": (IMAGE, [conv(2, strides=2), conv(2, dilation_rate=3)], ["Conv2D"]),
    "groups": ((9, 9, 4), [conv(3, 6, groups=2), conv(2, 4, groups=2)], ["Conv2D"]),
    "depthwise and separable": (
        IMAGE,
        [layers.DepthwiseConv2D(3, depth_multiplier=2), layers.SeparableConv2D(4, 3, depth_multiplier=2)],
        ["Conv2D"],
    ),
    "depthwise keeps its class": (
        IMAGE,
        [layers.DepthwiseConv2D(3, padding="same"), layers.BatchNormalization()],
        ["DepthwiseConv2D"],
    ),
    "average pooling": (IMAGE, [conv(), layers.AveragePooling2D(3, strides=2), conv(2)], ["Conv2D"]),
    "pooling twice": (IMAGE, [layers.AveragePooling2D(2), layers.AveragePooling2D(2)], ["Conv2D"]),
    "normalisation everywhere": (
        IMAGE,
        [layers.BatchNormalization(), conv(), layers.BatchNormalization(scale=False), conv(1)],
        ["Conv2D"],
    ),
    "padded first, size 1 behind": (IMAGE, [conv(3, padding="same", strides=2), conv(1)], ["Conv2D"]),
    "size 1 with a stride under 'same'": (IMAGE, [conv(1, padding="same", strides=2), conv(2)], ["Conv2D"]),
    "padded first, then valid": (
        IMAGE,
        [conv(3, padding="same"), conv(3), conv(1, strides=2)],
        ["ZeroPadding2D", "Conv2D"],
    ),
    "size 1 without bias, then padded": (
        IMAGE,
        [conv(1, use_bias=False), conv(3, padding="same", strides=2)],
        ["Conv2D"],
    ),
    "'same' that pads nothing": ((16, 16, 3), [conv(), conv(2, padding="same", strides=2)], ["Conv2D"]),
    "one dimension": ((20, 3), [layers.Conv1D(4, 3, padding="causal"), layers.Dense(2)], ["Conv1D"]),
    "three dimensions": ((6, 6, 6, 2), [layers.Conv3D(3, 2), layers.Conv3D(2, 3)], ["Conv3D"]),
    "linear layers and dropout between": (
        IMAGE,
        [conv(), layers.Activation("linear"), layers.Dropout(0.5), conv()],
        ["Conv2D"],
    ),
    "a whole padded net with a dense head": (
        (8, 9, 2),
        [
            conv(3, padding="same"),
            layers.BatchNormalization(),
            layers.AveragePooling2D(3, strides=2, padding="same"),
            conv(3, padding="same", strides=2),
            layers.Flatten(),
            layers.Dense(5),
            layers.Dense(4),
        ],
        ["Flatten", "Dense"],
    ),
    "a whole padded net with global pooling": (
        (8, 9, 2),
        [conv(3, padding="same"), conv(3, padding="same"), layers.GlobalAveragePooling2D(), layers.Dense(4)],
        ["Flatten", "Dense"],
    ),
    "the last activation stays": (IMAGE, [conv(), conv(activation="tanh")], ["Conv2D"]),
    "runs between activations": (
        IMAGE,
        [conv(), conv(), layers.ReLU(), conv(), conv()],
        ["Conv2D", "ReLU", "Conv2D"],
    ),
}


@pytest.mark.parametrize("case", COLLAPSES)
def test_what_collapses_is_exact(case, tmp_path):
    shape, parts, left = COLLAPSES[case]
    model = chain(shape, *parts)
    names = [layer.name for layer in model.layers]
    collapsed = collapse_linear(model).model
    assert [type(layer).__name__ for layer in collapsed.layers] == left
    assert [layer.name for layer in model.layers] == names
    x = batch(model)
    assert error(outputs(model, x), outputs(collapsed, x)) < 5e-6
    collapsed.save(tmp_path / "collapsed.keras")
    loaded = keras.models.load_model(tmp_path / "collapsed.keras")
    assert np.array_equal(outputs(collapsed, x)[0], outputs(loaded, x)[0])


def test_the_formula_by_hand():
    model = keras.Sequential([keras.Input((3, 1)), layers.Conv1D(1, 2), layers.Conv1D(1, 2, name="last")])
    kernels = np.array([[[1.0]], [[2.0]]]), np.array([[[5.0]], [[7.0]]])
    model.set_weights([kernels[0], np.array([3.0]), kernels[1], np.array([11.0])])
    last = collapse_linear(model).model.get_layer("last")
    kernel, bias = last.get_weights()
    assert np.array_equal(kernel[:, 0, 0], [5.0, 7.0 + 10.0, 14.0])
    assert np.array_equal(bias, [11.0 + (5.0 + 7.0) * 3.0])


def test_sizes_and_strides_of_the_result():
    def result(*parts):
        layer = collapse_linear(chain((40, 40, 2), *parts)).model.layers[-1]
        return layer.kernel_size, layer.strides, layer.dilation_rate

    assert result(*[conv() for _ in range(4)]) == ((9, 9), (1, 1), (1, 1))
    assert result(conv(3, strides=2), conv(3, strides=2)) == ((7, 7), (4, 4), (1, 1))
    assert result(conv(3, dilation_rate=2), conv(3, dilation_rate=4)) == ((7, 7), (1, 1), (2, 2))


def test_the_collapsed_layer_has_the_matrix_of_the_stack():
    model = chain((6, 6, 2), conv(), layers.AveragePooling2D(2), layers.Flatten(), layers.Dense(3))
    matrix, offset = affine_map(model)
    dense = collapse_linear(model).model.layers[-1]
    assert np.allclose(np.asarray(dense.kernel).T, matrix, atol=1e-6)
    assert np.allclose(np.asarray(dense.bias), offset, atol=1e-6)


def test_branches_end_runs_and_models_around_stay():
    x = keras.Input(IMAGE)
    y = conv(name="a")(x)
    y = conv(name="b")(y)
    z = conv(name="c")(y)
    model = randomised(keras.Model(x, [layers.Flatten()(conv(name="d")(z)), layers.Flatten(name="side")(y)]))
    collapsed = collapse_linear(model).model
    assert [la.name for la in collapsed.layers if isinstance(la, layers.Conv2D)] == ["b", "d"]
    assert error(outputs(model, batch(model)), outputs(collapsed, batch(model))) < 5e-6


@pytest.mark.tensorflow  # of full depth, and the same pairs of layers as in the nets above: JAX compiles each
def test_a_transformed_applications_model():
    make = keras.applications.MobileNetV2
    model = randomised(make(weights=None, input_shape=(32, 32, 3), classes=5, alpha=0.35))
    collapsed = collapse_linear(model).model
    assert not [la for la in collapsed.layers if isinstance(la, layers.BatchNormalization)]
    # Where no addition follows, a linear bottleneck and the expansion behind it are one convolution.
    assert len(collapsed.layers) < len(model.layers) - 52
    assert error(outputs(model, batch(model)), outputs(collapsed, batch(model))) < 1e-5


def padded():
    return conv(3, padding="same", name="padded")


REFUSED = {
    "pads its input with 2 zeros.*ZeroPadding2D.*'valid'": [conv(name="first"), padded()],
    "a bias of 'first' reaches every pixel but": [conv(1, name="first"), padded()],
    "'pool' .MaxPooling2D.*not linear itself": [conv(), layers.MaxPooling2D(name="pool"), conv()],
    "'pad' .ZeroPadding2D.*Pad once": [conv(), layers.ZeroPadding2D(name="pad"), conv()],
    "averages fewer pixels": [conv(), layers.AveragePooling2D(2, padding="same", name="pool")],
    "nothing to collapse.*'a' applies relu": [conv(activation="relu", name="a"), conv()],
    "nothing to collapse.*Conv2DTranspose": [conv(), layers.Conv2DTranspose(2, 3)],
    "no convolution, dense layer": [layers.ReLU()],
    "nothing to collapse.*'rows' normalises axis 1": [
        layers.BatchNormalization(1, name="rows"),
        layers.BatchNormalization(1),
    ],
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_not_exact_is_refused_with_the_reason(reason):
    with pytest.raises(ValueError, match=reason):
        collapse_linear(chain((17, 17, 3), *REFUSED[reason]))


def test_the_refused_stack_collapses_as_the_error_says():
    stack = [layers.ZeroPadding2D(2), conv(), conv()]
    model = chain(IMAGE, *stack)
    collapsed = collapse_linear(model).model
    assert [type(layer).__name__ for layer in collapsed.layers] == ["ZeroPadding2D", "Conv2D"]
    assert error(outputs(model, batch(model)), outputs(collapsed, batch(model))) < 5e-6


def test_runs_that_end_in_a_normalisation_of_a_functional_model():
    x = keras.Input(IMAGE)
    y = layers.BatchNormalization(name="norm")(conv(1, name="b")(conv(name="a")(x)))
    model = randomised(keras.Model(x, y))
    collapsed = collapse_linear(model).model
    assert [layer.name for layer in collapsed.layers[1:]] == ["b"]
    assert error(outputs(model, batch(model)), outputs(collapsed, batch(model))) < 5e-6


def test_unknown_sizes_are_refused_where_they_matter():
    model = chain((None, None, 3), conv(), conv())
    assert collapse_linear(model).model.layers[-1].kernel_size == (5, 5)
    with pytest.raises(ValueError, match="depends on the size of the image"):
        collapse_linear(chain((None, None, 3), conv(padding="same", strides=2, name="p"), conv(1)))


def test_training_calls_and_shared_layers_end_runs():
    x = keras.Input((9, 9, 3))
    y = layers.BatchNormalization()(conv()(x), training=True)
    with pytest.raises(ValueError, match="nothing to collapse"):
        collapse_linear(keras.Model(x, y))
    shared = layers.Dense(3, name="shared")
    x = keras.Input((3,))
    with pytest.raises(ValueError, match="nothing to collapse"):
        collapse_linear(keras.Model(x, shared(shared(x))))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", [layers.AveragePooling2D, layers.Dropout, layers.BatchNormalization])
def test_what_rounds_coarsely_ends_a_run_and_stops_no_other(kind, dtype):
    between = {layers.AveragePooling2D: 2, layers.Dropout: 0.5, layers.BatchNormalization: -1}[kind]
    model = keras.Sequential(
        [
            keras.Input((19, 19, 3)),
            layers.Conv2D(4, 3, name="c"),
            kind(between, dtype=dtype),
            layers.Conv2D(4, 3, name="d"),
            layers.Conv2D(4, 3, name="e"),
        ]
    )
    assert collapse_linear(model).collapsed == {"e": ("d", "e")}


@pytest.mark.tensorflow  # JAX has no float64 until it is told to have it
@pytest.mark.parametrize(
    "parts",
    [
        lambda: [layers.Conv2D(4, 3), layers.BatchNormalization(dtype="float64", name="other")],
        lambda: [layers.Conv2D(4, 3), layers.AveragePooling2D(2, dtype="float64", name="other")],
        lambda: [layers.Conv2D(4, 3, dtype="float64"), layers.Conv2D(4, 1, name="other")],
    ],
)
def test_a_run_has_one_precision(parts):
    """Merged, the model would put out numbers of another type than before."""
    ends = [layers.Conv2D(2, 1, name="d"), layers.Conv2D(2, 1, name="e")]
    alone, more = keras.Sequential([keras.Input((8, 8, 3)), *parts()]), [keras.Input((8, 8, 3)), *parts()]
    with pytest.raises(ValueError, match=r"cannot collapse .* and 'other': the first puts out float"):
        collapse_linear(alone)
    model = keras.Sequential([*more, layers.ReLU(), *ends])
    found = collapse_linear(model)
    assert found.collapsed == {"e": ("d", "e")} and "the second float" in found.kept["other"]
    assert found.model.outputs[0].dtype == model.outputs[0].dtype


def averaging():
    """A model that averages over the steps between two linear layers."""
    z = keras.Input((10, 8))
    y = layers.GlobalAveragePooling1D(name="mean")(layers.Dense(4, name="a")(z))
    return keras.Model(z, layers.Dense(3, name="b")(y), name="inner")


@pytest.mark.filterwarnings("ignore:Layer '.*' .of type .*. was passed an input with a mask")
def test_an_average_under_a_mask_from_outside_is_left():
    """The nested model was made without the mask, so nothing in it tells of one."""
    x = keras.Input((10, 8))
    for outside in (layers.Masking(), keras.Sequential([layers.Masking(), layers.Dropout(0.1)])):
        model = keras.Model(x, averaging()(outside(x)))
        with pytest.raises(
            ValueError, match=r"'mean' \(.*\) follows 'a', and it averages over what its mask"
        ):
            collapse_linear(model)
    passing = keras.Model(x, averaging()(layers.LSTM(8)(layers.Masking()(x))[:, None] + x))
    for free in (keras.Model(x, averaging()(x)), passing):
        assert collapse_linear(free, probe=False).collapsed == {"inner/b": ("inner/a", "inner/b")}


def test_an_average_under_a_mask_from_a_nested_model_is_left():
    words, z = keras.Input((6,), dtype="int32"), keras.Input((6,), dtype="int32")
    embedded = keras.Model(z, layers.Embedding(5, 4, mask_zero=True)(z))(words)
    y = layers.GlobalAveragePooling1D()(layers.Dense(4)(embedded))
    with pytest.raises(ValueError, match="it averages over what its mask leaves"):
        collapse_linear(keras.Model(words, layers.Dense(3)(y)))


def test_the_batch_to_compare_on_has_steps_that_are_left_out():
    model = keras.Sequential([keras.Input((10, 8)), layers.Masking(3.0), layers.Dense(2)])
    (x,) = sample(model)
    assert (x[:, 8:] == 3.0).all() and not (x[:, :8] == 3.0).any()
    (x,) = sample(keras.Sequential([keras.Input((8,)), layers.Dense(2)]))
    assert np.array_equal(x, np.random.default_rng(0).normal(size=(2, 8)).astype("float32"))


def test_what_is_too_large_for_one_layer_is_kept_and_stops_no_other(monkeypatch):
    monkeypatch.setattr("zoo.transforms.one_layer.LARGEST_KERNEL", 150)
    head = [layers.AveragePooling2D(2), layers.Flatten(), layers.Dense(12, name="head")]
    with pytest.raises(
        ValueError, match=r"would map \(4, 4, 1\) to 12 values; fix the input size, keep it small"
    ):
        collapse_linear(chain((4, 4, 1), *head))
    model = chain((4, 4, 1), *head, layers.ReLU(), layers.Dense(3, name="c"), layers.Dense(2, name="d"))
    _, collapsed, kept = collapse_linear(model)
    assert collapsed == {"d": ("c", "d")} and "would map (4, 4, 1) to 12 values" in kept["head"]


@pytest.mark.parametrize(
    "kind", [lambda: layers.Dropout(0.5, name="x"), lambda: layers.BatchNormalization(name="x")]
)
def test_a_nested_model_that_is_called_in_training_trains(kind):
    z, x = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(z, layers.Dense(3)(kind()(layers.Dense(4)(z))), name="inner")
    around = keras.Model(z, inner(z))
    for model in (keras.Model(x, inner(x, training=True)), keras.Model(x, around(x, training=True))):
        with pytest.raises(ValueError, match=r"nothing to collapse.*called with training=True"):
            collapse_linear(model)
        assert not chains(model)
    assert len(chains(keras.Model(x, inner(x)))) == 1


@pytest.mark.parametrize("shape", [(4,), (5, 5, 2)])
def test_an_activation_layer_is_copied_with_its_slopes(shape):
    slopes = layers.PReLU(name="slopes")
    last = layers.Dense(3, activation=slopes) if len(shape) == 1 else layers.Conv2D(3, 1, activation=slopes)
    model = chain(shape, layers.Dense(4), last)
    outputs(model, batch(model))
    slopes.alpha.assign(np.random.default_rng(0).uniform(0.1, 0.9, slopes.alpha.shape))
    found = collapse_linear(model)
    (one,) = found.model.layers
    assert one.activation is not slopes and same([one.activation.alpha], [slopes.alpha])
    assert error(outputs(model, batch(model)), outputs(found.model, batch(model))) < 1e-6
    one.activation.alpha.assign(0 * one.activation.alpha)
    assert np.all(slopes.alpha)


def test_an_activation_layer_is_shared_with_nobody():
    relu = layers.ReLU(max_value=2.0)
    model = chain((4, 4, 1), layers.Conv2D(2, 2), layers.Flatten(), layers.Dense(3, activation=relu))
    one = collapse_linear(model).model.layers[-1]
    assert one.activation is not relu and one.activation.max_value == 2.0
    slopes = layers.PReLU(name="slopes")
    ends = [layers.Dense(3, activation=slopes, name=name) for name in "ab"]
    model = chain((4,), layers.Dense(4), ends[0], layers.Dense(4), ends[1])
    outputs(model, batch(model))
    with pytest.raises(ValueError, match=r"'a' and 'b' share the variable .*alpha"):
        collapse_linear(model)


def channels_first(*parts, shape=(3, 6, 6)):
    made = [make(data_format="channels_first", **options) for make, options in parts]
    return keras.Sequential([keras.Input(shape), *made])


def first_conv(filters, size, **options):
    return layers.Conv2D, {"filters": filters, "kernel_size": size, **options}


def first_norm(data_format, **options):
    return layers.BatchNormalization(axis=1, **options)


@pytest.mark.tensorflow
def test_no_bias_is_added_along_the_width():
    """Where a map is as wide as it has channels; nothing is computed here: that takes another processor."""
    wide = "as many channels as it is wide, channels first, and Keras"
    bare = {"use_bias": False}
    model = channels_first(first_conv(4, 3, name="a", **bare), (first_norm, {"name": "n"}))
    model.get_layer("n").beta.assign(np.ones(4))
    assert collapse_linear(channels_first(first_conv(5, 3, **bare), (first_norm, {})), probe=False).collapsed
    with pytest.raises(ValueError, match=f"'a' puts out {wide}"):
        collapse_linear(model, probe=False)
    model = channels_first(first_conv(8, 3, name="a"), first_conv(2, 3, name="b"))
    model.get_layer("a").bias.assign(np.ones(8))
    with pytest.raises(ValueError, match=f"'b' puts out {wide}"):
        collapse_linear(model, probe=False)
    model = channels_first(first_conv(8, 3, name="a", **bare), first_conv(2, 3, name="b", **bare))
    (one,) = collapse_linear(model, probe=False).model.layers
    assert one.kernel_size == (5, 5) and not np.any(one.bias)


def test_normalisations_that_a_cut_leaves_are_no_dense_layer():
    norms = [(first_norm, {"name": "m"}), (first_norm, {"name": "n"})]
    model = channels_first(*norms, first_conv(3, 3, padding="same", name="a"), first_conv(2, 1, name="b"))
    for name in "mn":
        model.get_layer(name).beta.assign(np.ones(3))
    found = collapse_linear(model, probe=False)
    assert found.collapsed == {"b": ("a", "b")}
    assert found.kept["n"] == "'n' normalises axis 1, and no layer here has its channels there."


ENDS = {
    "flattened": [lambda: layers.Conv2D(3, 2, data_format="channels_last", name="a"), layers.Flatten],
    "averaged": [
        lambda: layers.Conv2D(3, 2, data_format="channels_last", name="a"),
        layers.GlobalAveragePooling2D,
    ],
    "of sequences": [
        lambda: layers.Conv1D(3, 2, data_format="channels_last", name="a"),
        layers.GlobalAveragePooling1D,
    ],
}


@pytest.mark.parametrize("case", ENDS)
@pytest.mark.usefixtures("channels_first")
def test_what_is_flattened_is_so_where_its_channels_are(case):
    """Not where they are by default."""
    convolution, gather = ENDS[case]
    shape = (6, 2) if "sequences" in case else (4, 5, 2)
    parts = [convolution(), gather(data_format="channels_last"), layers.Dense(2, name="d")]
    model = chain(shape, *parts)
    found = collapse_linear(model, probe=False)
    assert found.collapsed == {"d": ("a", "d")}
    x = batch(model)
    assert error(outputs(model, x), outputs(found.model, x)) < 1e-5
