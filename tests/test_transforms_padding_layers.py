"""A padding layer told the other data format than its neighbours pads channels: exact, refused or kept, by name."""

import re

import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import batch, error, outputs, randomised, same

from zoo.transforms import affine_map, collapse_linear, fold_batchnorm

FIRST = {"data_format": "channels_first", "name": "pad"}

# class of the convolutions, shape, a layer that pads channels in it
PADS = {
    "images": (layers.Conv2D, (6, 7, 2), lambda: layers.ZeroPadding2D(1, **FIRST)),
    "images, channels alone": (
        layers.Conv2D,
        (6, 7, 2),
        lambda: layers.ZeroPadding2D(((0, 0), (1, 2)), **FIRST),
    ),
    "rows": (layers.Conv1D, (8, 3), lambda: layers.ZeroPadding1D((1, 2), **FIRST)),
    "volumes": (layers.Conv3D, (4, 5, 4, 2), lambda: layers.ZeroPadding3D(1, **FIRST)),
}


def chain(shape, *parts):
    return randomised(keras.Sequential([keras.Input(shape), *parts]))


def exact(model, new, tolerance=1e-5):
    assert error(outputs(model, batch(model)), outputs(new, batch(model))) < tolerance


@pytest.mark.parametrize("case", PADS)
def test_its_matrix_is_exact(case):
    conv, shape, pad = PADS[case]
    model = chain(shape, conv(3, 2), pad(), conv(2, 1))
    assert model.get_layer("pad").output.shape[-1] > 3
    matrix, offset = affine_map(model)
    x = batch(model, size=3)
    expected = outputs(model, x)[0].reshape(3, -1)
    assert np.allclose(x.reshape(3, -1) @ matrix.T + offset, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", PADS)
def test_two_layers_do_not_collapse_across_it(case):
    conv, shape, pad = PADS[case]
    alone = chain(shape, conv(3, 2, name="a"), pad(), conv(2, 1, name="b"))
    kind = type(alone.get_layer("pad")).__name__
    reason = rf"'a' and 'b': 'pad' \({kind}, data_format='channels_first'\) stands between .* adds channels of zeros"
    with pytest.raises(ValueError, match=f"^cannot collapse {reason}"):
        collapse_linear(alone)
    more = chain(shape, conv(3, 1, name="z"), conv(3, 2, name="a"), pad(), conv(2, 1, name="b"))
    result = collapse_linear(more)
    assert result.collapsed == {"a": ("z", "a")}
    assert [*result.kept] == ["pad"] and re.search(reason, result.kept["pad"])
    exact(more, result.model)


@pytest.mark.parametrize("case", PADS)
def test_a_normalisation_beside_it_is_kept_and_others_fold(case):
    conv, shape, pad = PADS[case]
    model = chain(
        shape,
        conv(3, 1, name="a"),
        layers.BatchNormalization(name="folds"),
        pad(),
        layers.BatchNormalization(name="after"),
        layers.ReLU(),
        layers.BatchNormalization(name="before"),
        type(pad())(1, data_format="channels_first", name="again"),
        conv(2, 1, name="b"),
    )
    result = fold_batchnorm(model)
    assert result.folded == ("folds",)
    assert "it reads 'pad'" in result.kept["after"] and "has no kernel to fold into" in result.kept["after"]
    assert "its output is read by 'again'" in result.kept["before"]
    exact(model, result.model)


def test_padding_the_channels_of_the_input_is_left_in_front():
    model = chain(
        (6, 7, 2), layers.ZeroPadding2D(1, **FIRST), layers.Conv2D(3, 2), layers.Conv2D(2, 2, name="b")
    )
    result = collapse_linear(model)
    assert [layer.name for layer in result.model.layers] == ["pad", "b"]
    exact(model, result.model)


def test_the_other_format_that_pads_no_channel_is_told_as_padding():
    """Told channels_first, it pads the second size of the image alone: the advice of every padding layer holds."""
    pad = layers.ZeroPadding2D(((1, 1), (0, 0)), **FIRST)
    with pytest.raises(ValueError, match=r"'pad' \(ZeroPadding2D\) stands .* Pad once"):
        collapse_linear(chain((6, 7, 2), layers.Conv2D(3, 2), pad, layers.Conv2D(2, 2)))


def test_nothing_moves_where_nothing_folds():
    model = chain((6, 7, 2), layers.ZeroPadding2D(1, **FIRST), layers.BatchNormalization(name="norm"))
    result = fold_batchnorm(model)
    assert [*result.kept] == ["norm"] and result.max_error == 0.0
    assert same(outputs(model, batch(model)), outputs(result.model, batch(model)))
