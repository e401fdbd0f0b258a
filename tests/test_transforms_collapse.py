"""Collapsing: one layer where that is exact, an error that says why where it is not."""

import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import batch, error, outputs, randomised

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
