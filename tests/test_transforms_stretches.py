"""Collapsing inside a net: as much as is exact, and the reason for the rest."""

import keras
import pytest
from keras import layers
from transform_nets import batch, configuration, error, outputs, randomised, same

from zoo.transforms import collapse_linear, drop_activations, soften


def conv(name, size=3, filters=4, **options):
    return layers.Conv2D(filters, size, name=name, **options)


def chain(*parts, shape=(12, 13, 4)):
    return randomised(keras.Sequential([keras.Input(shape), *parts]))


def checked(model, *arguments):
    before, weights, x = configuration(model), model.get_weights(), batch(model)
    result = collapse_linear(model, *arguments)
    assert error(outputs(model, x), outputs(result.model, x)) < 1e-5
    assert configuration(model) == before and same(weights, model.get_weights())
    return result


def norm(name):
    return layers.BatchNormalization(name=name)


# what stands in the net: (layers, what is merged, what is kept and a word of the reason)
CASES = {
    "goes on after what does not fit": (
        lambda: [conv("a"), conv("b"), conv("c", padding="same"), conv("d", 1), layers.ReLU(), conv("e")],
        {"b": ("a", "b"), "d": ("c", "d")},
        {"c": "pads its input with 2 zeros"},
    ),
    "two obstacles in one run": (
        lambda: [conv("a"), conv("b", padding="same"), conv("c", padding="same"), norm("n"), conv("d", 1)],
        {"d": ("c", "n", "d")},
        {"b": "pads its input with 2 zeros", "c": "pads its input with 2 zeros"},
    ),
    "one bad run of three": (
        lambda: [
            *(conv("a"), conv("b", 1), layers.ReLU()),
            *(layers.AveragePooling2D(2, padding="same", name="p"), conv("c", 2), norm("n"), layers.ReLU()),
            *(conv("d", 2), norm("m")),
        ],
        {"b": ("a", "b"), "c": ("c", "n"), "d": ("d", "m")},
        {"c": "'p' (AveragePooling2D): with padding='same' it averages fewer pixels"},
    ),
    "maximum": (
        lambda: [conv("a"), conv("b"), layers.MaxPooling2D(2, name="max"), conv("c", 2), conv("d", 1)],
        {"b": ("a", "b"), "d": ("c", "d")},
        {"max": "not linear itself"},
    ),
    "padding layer between": (
        lambda: [conv("a"), norm("n"), layers.ZeroPadding2D(1, name="pad"), conv("b"), conv("c", 1)],
        {"a": ("a", "n"), "c": ("b", "c")},
        {"pad": "its zeros are not what"},
    ),
    "normalisation in front of padding": (
        lambda: [norm("m"), conv("a", padding="same"), norm("n"), layers.ReLU(), conv("b")],
        {"a": ("a", "n")},
        {"a": "padding='same'"},
    ),
    "average over fewer pixels": (
        lambda: [conv("a"), norm("n"), layers.AveragePooling2D(2, padding="same", name="p"), conv("b", 2)],
        {"a": ("a", "n")},
        {"p": "averages fewer pixels", "b": "averages fewer pixels"},
    ),
    "normalisations and pooling": (
        lambda: [norm("m"), norm("n"), layers.AveragePooling2D(2, name="p"), layers.ReLU(), conv("a")],
        {"p": ("m", "n", "p")},
        {},
    ),
    "the last activation is built in": (
        lambda: [conv("a"), conv("b", activation="tanh"), conv("c"), conv("d", 1)],
        {"b": ("a", "b"), "d": ("c", "d")},
        {},
    ),
    "regularised output": (
        lambda: [conv("a"), conv("b", activity_regularizer="l2"), conv("c"), conv("d", 1)],
        {"d": ("c", "d")},
        {"b": "activity_regularizer"},
    ),
    "half precision in front": (
        lambda: [conv("a", dtype="mixed_bfloat16"), conv("b"), conv("c", 1)],
        {"c": ("b", "c")},
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_merged_and_kept(case):
    parts, merged, kept = CASES[case]
    _, found, reasons = checked(chain(*parts()))
    assert found == merged
    assert set(reasons) == set(kept)
    for name, word in kept.items():
        assert word in reasons[name]


def test_where_nothing_becomes_one_layer_every_obstacle_is_named():
    coarse = chain(*(conv(name, dtype="mixed_bfloat16") for name in "ab"))
    with pytest.raises(
        ValueError, match=r"'a' computes in bfloat16, which rounds too coarsely; 'b' computes"
    ):
        collapse_linear(coarse)


def test_inside_a_net_with_branches_and_nested_models():
    z = keras.Input((12, 12, 4))
    inner = keras.Model(z, conv("q", 1)(norm("n")(conv("p")(z))), name="inner")
    x = keras.Input((14, 14, 4))
    y = conv("b", 1)(conv("a")(x))
    y = layers.Add()([inner(y), conv("d", 1)(conv("c")(y))])
    merged = checked(randomised(keras.Model(x, y))).collapsed
    assert merged == {"b": ("a", "b"), "inner/q": ("inner/p", "inner/n", "inner/q"), "d": ("c", "d")}


def test_only_the_stretches_that_are_named():
    model = chain(conv("a"), conv("b", 1), layers.ReLU(), conv("c"), norm("n"), conv("d", 1))
    assert checked(model, [("c", "n", "d")]).collapsed == {"d": ("c", "n", "d")}
    assert checked(model, [("c", "n")]).collapsed == {"c": ("c", "n")}
    for wrong in (("a", "c"), ("c", "d"), ("a", "x"), ("a",), ("b", "a")):
        with pytest.raises(ValueError, match=r"do not follow one another in one run"):
            collapse_linear(model, [wrong])
    padded = chain(conv("a"), conv("b", padding="same"))
    with pytest.raises(ValueError, match=r"the stretch 'a', 'b' is not one layer: .*pads its input"):
        collapse_linear(padded, [("a", "b")])


def test_a_layer_in_two_stretches_and_a_kernel_beyond_use_are_refused(monkeypatch):
    model = chain(conv("a"), conv("b", 1), conv("c"))
    with pytest.raises(ValueError, match=r"stretches names a layer of 'b', 'c' twice"):
        collapse_linear(model, [("a", "b"), ("b", "c")])
    monkeypatch.setattr("zoo.transforms.one_layer.LARGEST_KERNEL", 3 * 3 * 4 * 4)
    _, found, reasons = checked(model)
    assert found == {"b": ("a", "b")} and "5 x 5 x 4 x 4 = 400 numbers" in reasons["c"]


def test_shared_layers_and_those_with_several_readers_stay():
    shared = conv("a", padding="same")
    x = keras.Input((8, 8, 4))
    y = shared(shared(x))
    z = conv("b", 1)(y)
    model = randomised(keras.Model(x, [conv("c", 1)(z), z]))
    with pytest.raises(
        ValueError,
        match=r"nothing to collapse .*the output of 'b' has|nothing to collapse .*'b' is an output",
    ):
        collapse_linear(model)
    with pytest.raises(ValueError, match=r"do not follow one another"):
        collapse_linear(model, [("b", "c")])


def test_after_activations_went():
    model = chain(
        conv("a", activation="relu"), conv("b", 1, activation="relu"), layers.Flatten(), layers.Dense(2)
    )
    plain = drop_activations(model, "a", fit=batch(model)).model
    assert checked(plain).collapsed == {"b": ("a", "b")}
    with pytest.raises(ValueError, match=r"blended activations: 'a_act'"):
        collapse_linear(soften(model, "a").model)


def test_a_bad_run_in_a_nested_model_stops_no_other_and_is_named_with_its_path():
    z = keras.Input((10, 11, 4))
    y = conv("q", padding="same")(conv("p")(z))
    inner = keras.Model(z, conv("s", 1)(conv("r")(layers.ReLU()(y))), name="inner")
    x = keras.Input((12, 13, 4))
    y = conv("b", padding="same")(conv("a")(x))
    model = randomised(keras.Model(x, conv("d", 1)(conv("c", 1)(layers.ReLU()(inner(y))))))
    _, found, reasons = checked(model)
    assert found == {"inner/s": ("inner/r", "inner/s"), "d": ("c", "d")}
    assert [*reasons] == ["b", "inner/q"]
    for name, (first, second) in {"b": ("a", "b"), "inner/q": ("p", "q")}.items():
        assert f"'{first}'" in reasons[name] and f"'{second}'" in reasons[name]


def test_an_average_over_padded_images_beside_other_branches():
    """The block of an Inception net: three branches of convolutions, one that averages first."""
    x = keras.Input((12, 13, 4))

    def cell(y, name, **options):
        y = conv(name, use_bias=False, padding="same", **options)(y)
        return layers.ReLU(name=f"{name}_act")(norm(f"{name}_norm")(y))

    pooled = layers.AveragePooling2D(3, strides=1, padding="same", name="pool")(x)
    branches = [cell(x, "a", size=1), cell(cell(x, "b", size=1), "c"), cell(pooled, "d", size=1)]
    _, found, reasons = checked(randomised(keras.Model(x, layers.Concatenate()(branches))))
    assert found == {name: (name, f"{name}_norm") for name in "abcd"}
    assert [*reasons] == ["d"] and "'pool' (AveragePooling2D): with padding='same' it" in reasons["d"]
