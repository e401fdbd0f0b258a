"""Padding once: the same inside, another net in a border that is as wide as it says, and one convolution after that."""

import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import batch, configuration, error, outputs, randomised, same

from zoo.transforms import collapse_linear, pad_once


def conv(name, size=3, filters=4, **options):
    return layers.Conv2D(filters, size, name=name, **({"padding": "same"} | options))


def chain(*parts, shape=(17, 18, 4)):
    return randomised(keras.Sequential([keras.Input(shape), *parts]))


# layers: (what is left to be one layer, border)
STRETCHES = {
    "two of size 3": (lambda: [conv("a"), conv("b")], 1),
    "four of size 3": (lambda: [conv(name) for name in "abcd"], 3),
    "even sizes": (lambda: [conv("a", 2), conv("b", 4)], 2),
    "strides": (lambda: [conv("a", strides=2), conv("b", strides=2), conv("c")], 2),
    "strides that skip": (lambda: [conv("a", 1, strides=2), conv("b", 2, strides=3), conv("c")], 1),
    "dilation": (lambda: [conv("a", dilation_rate=2), conv("b", dilation_rate=3)], 3),
    "normalisation between": (lambda: [conv("a"), layers.BatchNormalization(name="n"), conv("b")], 1),
    "normalisation first": (lambda: [layers.BatchNormalization(name="n"), conv("a")], 1),
    "size 1 with a bias": (lambda: [conv("a", 1), conv("b", 5)], 2),
    "depthwise": (
        lambda: [conv("a", 1), layers.DepthwiseConv2D(3, padding="same", name="b"), conv("c", 1)],
        1,
    ),
    "padding layers": (
        lambda: [
            layers.ZeroPadding2D(1),
            conv("a", padding="valid"),
            layers.ZeroPadding2D(((2, 1), (0, 1)), name="z"),
            conv("b", padding="valid"),
        ],
        2,
    ),
    "average pooling": (lambda: [conv("a"), layers.AveragePooling2D(2), conv("b")], 1),
}


@pytest.mark.parametrize("case", STRETCHES)
def test_the_inside_stays_and_the_border_is_as_wide_as_it_says(case):
    parts, border = STRETCHES[case]
    model = chain(*parts())
    x, before, weights = batch(model), configuration(model), model.get_weights()
    padded, names, borders, kept = pad_once(model)
    assert configuration(model) == before and same(weights, model.get_weights())
    assert list(borders.values()) == [border] and not kept and len(names) == 1
    (old,), (new,) = outputs(model, x), outputs(padded, x)
    assert old.shape == new.shape
    inside = (slice(None), slice(border, -border), slice(border, -border))
    assert error([old[inside]], [new[inside]]) < 1e-5
    differs = np.abs(old - new).max((0, 3)) > 1e-3 * np.abs(old).max()
    rows, columns = np.nonzero(differs)
    edge = np.minimum.reduce([rows, columns, old.shape[1] - 1 - rows, old.shape[2] - 1 - columns])
    assert edge.max() == border - 1  # not narrower either
    short, merged, _ = collapse_linear(padded)
    assert len(merged) == 1 and len(short.layers) == 2
    assert error([new], outputs(short, x)) < 1e-5


def test_what_pads_only_once_is_left_alone():
    model = chain(conv("a"), conv("b", 1), layers.ReLU(), conv("c"), layers.ReLU())
    padded, names, borders, kept = pad_once(model)
    assert (names, borders, kept) == ({}, {}, {})
    assert same(outputs(model, batch(model)), outputs(padded, batch(model)))


def test_causal_sequences():
    parts = [layers.Conv1D(3, 3, padding="causal", name=n) for n in "ab"]
    model = chain(*parts, shape=(14, 3))
    padded = pad_once(model)
    x = batch(model)
    (old,), (new,) = outputs(model, x), outputs(padded.model, x)
    assert error([old[:, 2:]], [new[:, 2:]]) < 1e-5 and np.abs(old - new)[:, :2].max() > 1e-3
    assert padded.border == {"a_pad": 2}


def test_only_named_stretches_and_what_cannot():
    model = chain(conv("a"), conv("b"), layers.ReLU(), conv("c"), conv("d", activation="tanh"))
    assert list(pad_once(model, [("c", "d")]).padded) == ["c_pad"]
    with pytest.raises(ValueError, match="stretches names 'x', which is in no stretch"):
        pad_once(model, [("a", "x")])
    pooled = chain(conv("a"), layers.AveragePooling2D(2, padding="same", name="p"), conv("b"), conv("c"))
    result = pad_once(pooled)
    assert "averages fewer pixels" in result.kept["p"] and list(result.padded) == ["b_pad"]
    rows = [layers.Conv1D(3, 3, padding="same", name=name) for name in "ab"]
    rows.insert(1, layers.ZeroPadding1D(1, data_format="channels_first", name="pad"))
    assert "its channels are on another axis" in pad_once(chain(*rows, shape=(3, 9))).kept["pad"]
    unknown = chain(conv("a"), conv("b", strides=2), shape=(None, None, 4))
    assert "depends on the size of the image" in pad_once(unknown).kept["b"]
    taken = [layers.ReLU(name="a_pad"), layers.ReLU(name="a_pad_once")]
    assert list(pad_once(chain(conv("a"), conv("b"), taken[0])).padded) == ["a_pad_once"]
    with pytest.raises(ValueError, match="the model already has a 'a_pad' and a 'a_pad_once'"):
        pad_once(chain(conv("a"), conv("b"), *taken))


def test_a_second_time_nothing_is_left_to_pad():
    """Also where a padding layer of the net stands in front, as before the strided convolutions of a residual net."""
    model = chain(layers.ReLU(), layers.ZeroPadding2D(1, name="a_pad"), conv("a", padding="valid"), conv("b"))
    names = [("a", "b")]
    once = pad_once(model, names)
    assert once.border == {"a_pad_once": 1}
    again = pad_once(once.model, names)
    assert again.padded == {} and collapse_linear(again.model, names).collapsed == {"b": ("a", "b")}
    inside = (slice(None), slice(1, -1), slice(1, -1))
    (old,), (new,) = outputs(model, batch(model)), outputs(once.model, batch(model))
    assert error([old[inside]], [new[inside]]) < 1e-5


@pytest.mark.parametrize("quiet", [layers.Dropout(0.5), layers.Identity(), layers.Activation("linear")])
def test_what_leaves_zeros_zero_is_no_layer_that_computes(quiet):
    model = chain(layers.ReLU(), quiet, conv("a"), conv("b", 1))
    assert pad_once(model).padded == {}


@pytest.mark.parametrize("axis", [1, 2])
def test_what_normalises_along_an_axis_that_padding_makes_longer_ends_a_stretch(axis):
    norm = layers.BatchNormalization(axis=axis, name="norm")
    model = chain(conv("a"), conv("b"), norm, conv("c"), conv("d"))
    result = pad_once(model)
    assert result.padded == {"a_pad": ("a", "b"), "c_pad": ("c", "d")}
    assert "norm" in result.kept
    (old,), (new,) = outputs(model, batch(model)), outputs(result.model, batch(model))
    assert old.shape == new.shape


def test_features_are_no_pixels():
    """BatchNormalization and Dense behind Flatten have no window, and no channels on an axis of their own."""
    parts = [layers.Flatten(), layers.BatchNormalization(), layers.Dense(2), layers.Dense(2)]
    model = chain(conv("a"), conv("b"), *parts)
    result = pad_once(model)
    assert result.padded == {"a_pad": ("a", "b")} and result.kept == {}


def test_a_padding_layer_with_a_loss_stays():
    pad = layers.ZeroPadding2D(1, activity_regularizer="l2", name="z")
    model = chain(conv("a"), pad, conv("b", padding="valid"), conv("c"), conv("d"))
    result = pad_once(model)
    assert result.kept == {"z": "its activity_regularizer acts on its output."}
    assert list(result.padded) == ["b_pad"] and result.model.get_layer("z").activity_regularizer is not None


NOT_STRETCHES = [
    (["a", "b"], TypeError, r"received the name 'a' for one\. Write \[\['a', 'b'\]\] for one stretch"),
    (("a", "b"), TypeError, r"received the name 'a' for one\. Write \[\['a', 'b'\]\]"),
    ([("a", "b"), "c"], TypeError, r"received the name 'c' for one\. Write \[\['c'\]\]"),
    ({"a": 1, "b": 2}.keys(), TypeError, r"Write \[\['a', 'b'\]\]"),
    (
        "ab",
        TypeError,
        r"must be stretches, each the names of its layers, \[\['a', 'b'\]\]; received 'ab' of type str",
    ),
    (3, TypeError, r"must be stretches, .* received 3 of type int"),
    ({"b": ("a", "b")}, TypeError, r"must be stretches, .* of type dict"),
    (conv("a"), TypeError, r"must be stretches, .* Pass its name, 'a'"),
    (
        [conv("a"), conv("b")],
        TypeError,
        r"each of stretches must be the names of its layers, .* Pass its name, 'a'",
    ),
    (
        [[conv("a"), conv("b")]],
        TypeError,
        r"must hold names of layers, received .* of type Conv2D\. Pass its name, 'a'",
    ),
    ([], ValueError, r"stretches names no stretch: there is nothing to do"),
    ([[]], ValueError, r"stretches holds a stretch without names"),
]


@pytest.mark.parametrize(("stretches", "error", "text"), NOT_STRETCHES, ids=lambda v: str(v)[:30])
def test_what_is_no_stretches_is_refused(stretches, error, text):
    model = chain(conv("a"), conv("b"), layers.ReLU(), conv("c"))
    for transform in (pad_once, collapse_linear):
        with pytest.raises(error, match=text):
            transform(model, stretches)


def test_stretches_may_be_any_rows_of_names():
    model = chain(conv("a"), conv("b"), layers.ReLU(), conv("c"))
    for stretches in (
        [["a", "b"]],
        (("a", "b"),),
        iter([iter("ab")]),
        [np.array(["a", "b"])],
        {"b": ("a", "b")}.values(),
    ):
        assert list(pad_once(model, stretches).padded.values()) == [("a", "b")]


@pytest.mark.parametrize("case", ["told", "by default", "sequences of the default"])
def test_sequences_are_padded_where_their_steps_are(case, request):
    """Whatever the default is: the layer that pads is told."""
    if case != "told":
        request.getfixturevalue("channels_first")
    if case == "sequences of the default":
        options, shape, axis = {}, (4, 9), 1
    else:
        options = {"data_format": "channels_first" if case == "told" else "channels_last"}
        shape, axis = ((4, 9), 1) if case == "told" else ((9, 4), -1)
    model = chain(
        layers.BatchNormalization(axis=axis, name="m"),
        layers.ZeroPadding1D(1, name="z", **options),
        layers.BatchNormalization(axis=axis, name="n"),
        shape=shape,
    )
    padded, names, border, kept = pad_once(model)
    assert (names, border, kept) == ({"m_pad": ("z",)}, {"m_pad": 1}, {})
    x = batch(model)
    old, new = (np.moveaxis(outputs(net, x)[0], axis, -1) for net in (model, padded))
    assert error([old[:, 1:-1]], [new[:, 1:-1]]) < 1e-5 and np.abs(old - new).max() > 1e-3
