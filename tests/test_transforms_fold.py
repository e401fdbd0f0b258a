"""Folding: within rounding of the model, or kept with the reason; nothing in between."""

import re

import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import batch, error, outputs, randomised

import zoo
from zoo.normalization import BatchNormalization
from zoo.transforms import fold_batchnorm


def norms(model):
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def behind(layer, shape=(12, 12, 4), axis=-1, **norm):
    x = keras.Input(shape)
    y = layers.BatchNormalization(axis=axis, name="norm", **norm)(layer(x))
    return keras.Model(x, layers.ReLU()(y))


BEHIND = {
    "strided and dilated shapes": lambda: behind(layers.Conv2D(6, 3, strides=2, padding="same")),
    "dilation": lambda: behind(layers.Conv2D(6, 3, dilation_rate=2)),
    "groups": lambda: behind(layers.Conv2D(6, 3, groups=2)),
    "no bias": lambda: behind(layers.Conv2D(6, 3, use_bias=False)),
    "no scale": lambda: behind(layers.Conv2D(6, 3), scale=False),
    "no centre": lambda: behind(layers.Conv2D(6, 3), center=False),
    "neither": lambda: behind(layers.Conv2D(6, 3), center=False, scale=False),
    "its own epsilon": lambda: behind(layers.Conv2D(6, 3), epsilon=0.5),
    "dense": lambda: behind(layers.Dense(5), shape=(7,)),
    "dense over rows": lambda: behind(layers.Dense(5), shape=(3, 7)),
    "conv1d causal": lambda: behind(layers.Conv1D(5, 3, padding="causal"), shape=(9, 4)),
    "conv3d": lambda: behind(layers.Conv3D(3, 2), shape=(4, 4, 4, 2)),
    "depthwise": lambda: behind(layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "depthwise 1d": lambda: behind(layers.DepthwiseConv1D(3, depth_multiplier=3), shape=(9, 4)),
    "separable": lambda: behind(layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same")),
    "transposed": lambda: behind(layers.Conv2DTranspose(5, 3, strides=2, padding="same")),
    "fused normalisation": lambda: _fused(),
}


def _fused():
    x = keras.Input((8, 8, 3))
    y = BatchNormalization(name="norm", epsilon=1e-5)(layers.Conv2D(4, 3)(x))
    return keras.Model(x, layers.ReLU()(y))


@pytest.mark.parametrize("case", BEHIND)
def test_behind_every_kind_of_layer(case):
    model = randomised(BEHIND[case]())
    result = fold_batchnorm(model)
    assert (result.folded, result.kept, norms(result.model)) == (("norm",), {}, [])
    assert error(outputs(model, batch(model)), outputs(result.model, batch(model))) < 2e-6


def front(layer, shape=(12, 12, 4), **norm):
    x = keras.Input(shape)
    y = layers.ReLU()(x)
    return keras.Model(x, layer(layers.BatchNormalization(name="norm", **norm)(y)))


FRONT = {
    "valid": lambda: front(layers.Conv2D(6, 3, strides=2, activation="relu")),
    "dilation": lambda: front(layers.Conv2D(6, 3, dilation_rate=2, use_bias=False)),
    "groups": lambda: front(layers.Conv2D(6, 3, groups=2)),
    "size one under 'same'": lambda: front(layers.Conv2D(6, 1, padding="same", strides=2)),
    "dense": lambda: front(layers.Dense(5, activation="tanh")),
    "depthwise": lambda: front(layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "separable": lambda: front(layers.SeparableConv2D(5, 3, depth_multiplier=2)),
    "conv3d": lambda: front(layers.Conv3D(3, 2), shape=(4, 4, 4, 2)),
}


@pytest.mark.parametrize("case", FRONT)
def test_in_front_of_what_sees_no_border(case):
    model = randomised(FRONT[case]())
    result = fold_batchnorm(model)
    assert (result.folded, result.kept) == (("norm",), {})
    assert error(outputs(model, batch(model)), outputs(result.model, batch(model))) < 2e-6


def test_in_front_of_a_padded_or_transposed_convolution_without_a_shift():
    for layer in (layers.Conv2D(6, 3, padding="same"), layers.Conv2DTranspose(5, 3, strides=2)):
        model = randomised(front(layer, center=False))
        model.get_layer("norm").moving_mean.assign(np.zeros(4))
        result = fold_batchnorm(model)
        assert result.folded == ("norm",)
        assert error(outputs(model, batch(model)), outputs(result.model, batch(model))) < 2e-6


def test_two_in_a_row_and_both_sides_of_one_convolution():
    x = keras.Input((9, 9, 3))
    y = layers.BatchNormalization(name="before")(x)
    y = layers.Conv2D(4, 3, name="conv")(y)
    y = layers.BatchNormalization(name="first")(y)
    y = layers.BatchNormalization(name="second")(y)
    model = randomised(keras.Model(x, y))
    result = fold_batchnorm(model)
    assert result.folded == ("before", "first", "second")
    assert [layer.name for layer in result.model.layers[1:]] == ["conv"]
    assert error(outputs(model, batch(model)), outputs(result.model, batch(model))) < 2e-6


def conv(**options):
    return layers.Conv2D(4, 3, name="conv", **options)


def norm(**options):
    return layers.BatchNormalization(name="norm", **options)


def kept_cases():
    x = keras.Input((8, 8, 4))
    yield "applies relu first", keras.Model(x, norm()(conv(activation="relu")(x)))
    yield "applies LeakyReLU first", keras.Model(x, norm()(conv(activation=layers.LeakyReLU())(x)))
    yield r"reads 'act' \(ReLU\)", keras.Model(x, norm()(layers.ReLU(name="act")(conv()(x))))
    y = conv()(x)
    yield "also read by 'other'", keras.Model(x, layers.Add()([norm()(y), layers.ReLU(name="other")(y)]))
    y = conv()(x)
    yield "also an output of the model", keras.Model(x, [norm()(y), y])
    yield "normalises axis 1.*axis 3", keras.Model(x, norm(axis=1)(conv()(x)))
    yield "training=True", keras.Model(x, norm()(conv()(x), training=True))
    both = norm()
    yield "called 2 times", keras.Model(x, layers.Add()([both(conv()(x)), both(layers.Conv2D(4, 3)(x))]))
    c = conv()
    yield "'conv' is shared: called 2 times", keras.Model(x, layers.Add()([norm()(c(x)), c(x)]))
    yield "computes in float16", keras.Model(x, norm(dtype="mixed_float16")(conv(dtype="mixed_float16")(x)))
    yield "activity_regularizer of 'conv'", keras.Model(x, norm()(conv(activity_regularizer="l2")(x)))
    lora = conv()
    y = norm()(lora(x))
    lora.enable_lora(2)
    yield "LoRA", keras.Model(x, y)
    yield r"pads \('same'\)", keras.Model(x, conv(padding="same")(norm()(layers.ReLU()(x))))
    yield "transposed", keras.Model(x, layers.Conv2DTranspose(4, 3)(norm()(layers.ReLU()(x))))
    yield "output is an output of the model", keras.Model(x, norm()(layers.ReLU()(x)))
    y = norm()(layers.ReLU()(x))
    yield (
        "read by 'a', 'b'",
        keras.Model(x, [layers.Conv2D(2, 1, name="a")(y), layers.Conv2D(2, 1, name="b")(y)]),
    )
    yield "no kernel", keras.Model(x, layers.ZeroPadding2D()(norm()(layers.ReLU()(x))))
    inner = keras.Model(x, norm()(conv()(x)), name="inner")
    outer = keras.Input((8, 8, 4))
    yield "inner.*training=True", keras.Model(outer, inner(outer, training=True))


KEPT = list(kept_cases())


@pytest.mark.parametrize(("reason", "model"), KEPT, ids=[reason for reason, _ in KEPT])
def test_what_would_not_be_exact_is_kept_with_the_reason(reason, model):
    randomised(model)
    result = fold_batchnorm(model)
    assert result.folded == ()
    (name,) = result.kept
    assert re.search(reason, f"{name}: {result.kept[name]}")
    x = batch(model)
    assert all(map(np.array_equal, outputs(model, x), outputs(result.model, x)))
    assert result.max_error == 0.0


def test_values_that_do_not_fit_are_kept():
    model = randomised(behind(layers.Conv2D(4, 3)))
    model.get_layer("norm").moving_variance.assign(np.full(4, -1.0))
    assert "not finite" in fold_batchnorm(model).kept["norm"]
    model.get_layer("norm").moving_variance.assign(np.zeros(4))
    model.get_layer("norm").gamma.assign(np.full(4, 3e38))
    assert "finite in float32" in fold_batchnorm(model).kept["norm"]


def test_inside_nested_and_sequential_models():
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same"), layers.BatchNormalization(name="norm")],
        name="inner",
    )
    x = keras.Input((8, 8, 3))
    model = randomised(keras.Model(x, inner(inner(x))))
    result = fold_batchnorm(model)
    assert result.folded == ("inner/norm",)
    assert isinstance(result.model.get_layer("inner"), keras.Sequential)
    assert error(outputs(model, batch(model)), outputs(result.model, batch(model))) < 2e-6


def test_channels_first():
    # TensorFlow has no such convolution on the CPU, so the weights are compared with those of the usual
    # layout.
    def make(data_format, axis):
        x = keras.Input((4, 4, 4))
        y = layers.BatchNormalization(axis=axis, name="front")(layers.ReLU()(x))
        y = layers.Conv2D(6, 3, groups=2, data_format=data_format, name="conv")(y)
        return randomised(keras.Model(x, layers.BatchNormalization(axis=axis, name="behind")(y)))

    usual, first = make("channels_last", -1), make("channels_first", 1)
    result = fold_batchnorm(first, probe=False)
    assert result.folded == ("front", "behind")
    assert np.isnan(result.max_error)
    expected, received = fold_batchnorm(usual).model.get_weights(), result.model.get_weights()
    assert all(map(np.array_equal, expected, received))
    assert fold_batchnorm(make("channels_first", -1), probe=False).folded == ()


def test_the_measured_error_is_that_of_the_probe():
    model = randomised(behind(layers.Conv2D(6, 3)))
    x = batch(model, size=5, seed=9)
    result = fold_batchnorm(model, probe=x)
    assert result.max_error == pytest.approx(error(outputs(model, x), outputs(result.model, x)))
    assert 0 < result.max_error < 1e-5


def test_unknown_sizes_are_probed_or_refused():
    x = keras.Input((None, None, 3))
    y = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 60)(x))
    model = randomised(keras.Model(x, y))
    assert fold_batchnorm(model).max_error < 1e-5
    x = keras.Input((None, None, 3))
    y = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3)(layers.Reshape((5, 5, 3))(x)))
    with pytest.raises(ValueError, match="Pass probe="):
        fold_batchnorm(keras.Model(x, y))


def test_the_argument_is_left_untouched_and_the_result_saves(tmp_path):
    model = randomised(behind(layers.Conv2D(6, 3)))
    weights = model.get_weights()
    folded = fold_batchnorm(model).model
    assert all(map(np.array_equal, weights, model.get_weights()))
    folded.save(tmp_path / "folded.keras")
    loaded = keras.models.load_model(tmp_path / "folded.keras")
    assert np.array_equal(outputs(folded, batch(model))[0], outputs(loaded, batch(model))[0])


def test_the_result_unpacks_model_first():
    result = fold_batchnorm(zoo.build("resnet8", width=2))
    model, folded, kept, max_error = result
    assert (model, folded, kept, max_error) == (result.model, result.folded, result.kept, result.max_error)
    assert isinstance(model, keras.Model) and folded and max_error < 1e-5
