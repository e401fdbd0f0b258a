"""Swapping: every site of the old activation is found, wherever it hides, and nothing else changes."""

import functools

import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import batch, branching, configuration, outputs, randomised, same

import zoo
from zoo.activations import sites
from zoo.layers import BlendedActivation
from zoo.transforms import harden, split_activations, swap_activation


def gelu_instead(model, x):
    """The outputs of `model` with relu replaced by hand: every layer with one, one by one."""
    for layer in model.layers:
        if getattr(layer, "activation", None) is keras.activations.relu:
            layer.activation = keras.activations.gelu
    return outputs(model, x)


@pytest.mark.tensorflow  # 40 million weights ask another backend nothing that the nets below do not
def test_vgg16_swaps_all_of_its_sites():
    model = randomised(keras.applications.VGG16(weights=None, input_shape=(32, 32, 3), classes=10))
    result = swap_activation(model, "relu", "gelu")
    # Thirteen convolutions and two dense layers, where looking for activation layers finds none.
    assert len(result.sites) == 15
    assert result.model.get_layer("predictions").activation is keras.activations.softmax
    x = batch(model)
    swapped = outputs(result.model, x)
    assert not same(outputs(model, x), swapped)
    assert same(gelu_instead(model, x), swapped)


def test_weights_and_names_stay():
    model = randomised(branching())
    result = swap_activation(model, "relu", "silu")
    assert result.sites == ("inner/inner_conv",)
    assert [v.path for v in result.model.weights] == [v.path for v in model.weights]
    assert same(model.get_weights(), result.model.get_weights())
    assert configuration(result.model).replace("'silu'", "'relu'") == configuration(model)


def family():
    x = keras.Input((6,))
    y = layers.Dense(6, activation="relu", name="argument")(x)
    y = layers.ReLU(name="layer")(y)
    y = layers.Activation("relu", name="activation")(y)
    y = keras.ops.relu(y)
    y = layers.ReLU(max_value=6, name="six")(y)
    y = layers.Activation("relu6", name="six_function")(y)
    y = layers.LeakyReLU(0.3, name="leaky")(y)
    y = layers.ReLU(negative_slope=0.1, name="sloped")(y)
    y = layers.ReLU(threshold=1.0, name="thresholded")(y)
    y = layers.PReLU(name="slopes")(y)
    y = layers.ELU(name="elu")(y)
    return keras.Model(x, layers.Dense(3, activation="softmax", name="top")(y), name="family")


FAMILIES = {
    "relu": ["argument", "layer", "activation", "relu"],
    "relu6": ["six", "six_function"],
    "leaky_relu": ["leaky", "sloped"],
    "prelu": ["slopes"],
    "elu": ["elu"],
    keras.activations.relu: ["argument", "layer", "activation", "relu"],
    layers.ReLU: ["layer", "six", "sloped", "thresholded"],
    layers.LeakyReLU: ["leaky"],
    layers.ReLU(threshold=1.0): ["thresholded"],
}


@pytest.mark.parametrize("old", FAMILIES, ids=lambda old: str(getattr(old, "__name__", old)))
def test_a_name_covers_functions_layers_and_operations(old):
    model = randomised(family())
    result = swap_activation(model, old, "tanh")
    assert [name.rstrip("_0123456789") for name in result.sites] == FAMILIES[old]
    changed = [site.name for site in sites(result.model) if site.function is keras.activations.tanh]
    assert changed == list(result.sites)


def test_the_classifier_is_changed_only_when_asked():
    model = family()
    with pytest.raises(ValueError, match=r"classifier 'top'.*include_classifier=True"):
        swap_activation(model, "softmax", "sigmoid")
    assert swap_activation(model, "softmax", "sigmoid", include_classifier=True).sites == ("top",)


@pytest.mark.parametrize("nested", [False, True])
def test_a_classifier_is_recognised_behind_a_reshape_and_a_nested_model(nested):
    x = keras.Input((6,))
    gate = layers.Dense(6, activation="sigmoid", name="gate")(x)
    y = layers.Dense(4, name="scores")(layers.Multiply()([x, gate]))
    y = layers.Activation("sigmoid", name="probabilities")(y)
    model = keras.Model(x, y)
    if nested:
        outer = keras.Input((6,))
        model = keras.Model(outer, layers.Reshape((2, 2))(model(outer)))
    result = swap_activation(model, "sigmoid", "hard_sigmoid")
    assert [name.split("/")[-1] for name in result.sites] == ["gate"]


def test_the_last_relu_of_a_backbone_is_no_classifier():
    x = keras.Input((6,))
    model = keras.Model(x, layers.Activation("relu", name="out")(layers.Dense(6)(x)))
    assert swap_activation(model, "relu", "gelu").sites == ("out",)


def test_a_layer_with_weights_is_cloned_for_every_site():
    shared = layers.ReLU(name="shared")
    x = keras.Input((6, 6, 2))
    y = shared(layers.Conv2D(3, 3, name="first")(x))
    y = shared(layers.Conv2D(4, 3, name="second")(y))
    model = randomised(keras.Model(x, layers.Conv2D(2, 1, activation="relu", name="third")(y)))
    result = swap_activation(model, "relu", layers.PReLU(shared_axes=[1, 2], alpha_initializer="ones"))
    assert result.sites == ("shared", "third")
    slopes = [layer for layer in result.model.layers if isinstance(layer, layers.PReLU)]
    assert [layer.name for layer in slopes] == ["shared", "shared_2", "third_act"]
    assert [tuple(layer.alpha.shape) for layer in slopes] == [(1, 1, 3), (1, 1, 4), (1, 1, 2)]
    assert result.model.get_layer("third").activation is keras.activations.linear
    # With slopes of one PReLU is the identity.
    expected = swap_activation(model, "relu", "linear").model
    assert np.allclose(outputs(result.model, batch(model))[0], outputs(expected, batch(model))[0])


def test_both_forms_swap_to_the_same_model_to_the_bit():
    model = randomised(branching())
    x = batch(model)
    one = swap_activation(split_activations(model), "sigmoid", "mish").model
    two = split_activations(swap_activation(model, "sigmoid", "mish").model)
    assert configuration(one) == configuration(two)
    assert same(outputs(one, x), outputs(two, x))


def test_half_precision_sites_stay_half():
    x = keras.Input((4,))
    y = layers.ReLU(dtype="mixed_float16", name="act")(layers.Dense(4, dtype="mixed_float16")(x))
    for new in ("gelu", layers.PReLU()):
        result = swap_activation(keras.Model(x, y), "relu", new)
        assert result.model.get_layer("act").compute_dtype == "float16"


def test_zero_changes_and_wrong_names_are_errors():
    model = family()
    with pytest.raises(ValueError, match=r"no site of 'family' applies 'selu'.*relu \(4\)"):
        swap_activation(model, "selu", "relu")
    with pytest.raises(ValueError, match=r"old='rellu'.*'relu'"):
        swap_activation(model, "rellu", "gelu")
    with pytest.raises(ValueError, match=r"new='gellu'.*'gelu'"):
        swap_activation(model, "relu", "gellu")
    with pytest.raises(ValueError, match=r"keras\.layers\.PReLU"):
        swap_activation(model, "relu", "prelu")
    with pytest.raises(ValueError, match="absence"):
        swap_activation(model, "linear", "relu")
    with pytest.raises(TypeError, match=r"old must be.*received 3"):
        swap_activation(model, 3, "relu")
    with pytest.raises(TypeError, match=r"new=Dense cannot be made without arguments: pass a layer\."):
        swap_activation(model, "relu", layers.Dense)
    with pytest.raises(TypeError, match=r"new must be.*received None"):
        swap_activation(model, "relu", None)


def test_the_result_saves_and_loads(tmp_path):
    model = swap_activation(randomised(family()), "relu", layers.LeakyReLU(0.2)).model
    model.save(tmp_path / "swapped.keras")
    assert same(
        outputs(model, batch(model)),
        outputs(keras.models.load_model(tmp_path / "swapped.keras"), batch(model)),
    )


def test_the_result_unpacks_model_first():
    model = zoo.build("resnet8", width=2)
    result = swap_activation(model, "relu", "gelu")
    new, sites = result
    assert new is result.model and sites is result.sites and len(sites) == 7


def swish(z):
    return z * keras.ops.sigmoid(z) * 3


def hard_swish(z):
    return z * keras.ops.relu6(z + 3)


def mine(z):
    return keras.ops.tanh(z) * 2


@pytest.mark.parametrize("function", [swish, hard_swish, mine], ids=lambda f: f.__name__)
@pytest.mark.parametrize("built_in", [True, False])
def test_a_function_of_ones_own_is_swapped_by_the_name_it_is_listed_under(function, built_in):
    x = keras.Input((4,))
    y = layers.Dense(3, activation=function if built_in else None, name="site")(x)
    y = y if built_in else layers.Activation(function, name="site_act")(y)
    model = randomised(keras.Model(x, layers.Dense(2, name="top")(y)))
    name, site = function.__name__, "site" if built_in else "site_act"
    with pytest.raises(ValueError, match=rf"the activations it has are: {name} \(1\)"):
        swap_activation(model, "relu", "tanh")
    dense, top = model.get_layer("site"), model.get_layer("top")
    hidden = batch(model) @ np.asarray(dense.kernel) + np.asarray(dense.bias)
    expected = keras.ops.convert_to_numpy(top(np.maximum(hidden, 0)))
    for old in (name, function):
        result = swap_activation(model, old, "relu")
        assert result.sites == (site,)
        assert np.allclose(expected, outputs(result.model, batch(model))[0], atol=1e-6)


@pytest.mark.parametrize("function", [swish, hard_swish], ids=lambda f: f.__name__)
def test_a_stock_function_takes_its_name_before_one_of_ones_own(function):
    x = keras.Input((4,))
    y = layers.Dense(3, activation=function, name="own")(x)
    model = keras.Model(x, layers.Dense(2, activation=function.__name__, name="stock")(y))
    assert swap_activation(model, function.__name__, "relu").sites == ("stock",)
    assert swap_activation(model, function, "relu").sites == ("own",)


def test_a_name_that_nobody_has_is_unknown_and_a_known_one_lists_what_is_there():
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(2, activation=mine)(x))
    with pytest.raises(ValueError, match=r"old='swich'; did you mean 'swish'"):
        swap_activation(model, "swich", "relu")
    with pytest.raises(ValueError, match=r"no site of .* applies 'swish'; .*: mine \(1\)"):
        swap_activation(model, "swish", "relu")


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        (lambda z: 2 * z, lambda z: 3 * z, "<lambda>"),
        *(
            (functools.partial(f, **{key: 0.1}), functools.partial(f, **{key: 0.2}), f"partial({f.__name__})")
            for f, key in ((keras.activations.leaky_relu, "negative_slope"), (keras.activations.elu, "alpha"))
        ),
    ],
)
def test_a_name_of_two_functions_is_refused_and_either_is_swapped_by_itself(first, second, name):
    x = keras.Input((4,))
    y = layers.Dense(3, activation=first, name="first")(x)
    model = keras.Model(x, layers.Dense(3, activation=second, name="second")(y))
    with pytest.raises(ValueError, match=r"name of 2 different functions, at 'first', 'second'"):
        swap_activation(model, name, "relu")
    assert swap_activation(model, second, "relu").sites == ("second",)
    both = layers.Dense(3, activation=first, name="both")(y)
    assert swap_activation(keras.Model(x, both), name, "relu").sites == ("first", "both")


def image_and_dense(shape=(6, 6, 2)):
    x = keras.Input(shape)
    y = layers.Conv2D(3, 3, activation="relu", name="conv")(x)
    y = layers.GlobalAveragePooling2D()(y)
    return keras.Model(x, layers.Dense(2, name="top")(layers.Dense(4, activation="relu", name="fc")(y)))


def test_slopes_shared_along_an_axis_that_a_site_lacks_are_refused_by_name():
    with pytest.raises(
        ValueError, match=r"PReLU\(shared_axes=\[1, 2\]\) at 'fc'.*\(None, 4\).*no axis 2 to share"
    ):
        swap_activation(image_and_dense(), "relu", layers.PReLU(shared_axes=[1, 2]))
    x = keras.Input((4,))
    layer = keras.Model(x, layers.ReLU(name="act")(layers.Dense(3)(x)))
    with pytest.raises(ValueError, match=r"at 'act'.*\(None, 3\).*no axis 2 to share"):
        swap_activation(layer, "relu", layers.PReLU(shared_axes=[2]))
    x = keras.Input((5, 4))
    rows = keras.Model(x, layers.Dense(3, activation="relu", name="rows")(x))
    with pytest.raises(ValueError, match=r"at 'rows'.*\(None, 5, 3\).*no axis 3 to share"):
        swap_activation(rows, "relu", layers.PReLU(shared_axes=[1, 3]))
    # As the error says: without shared axes, or where they are.
    assert swap_activation(image_and_dense(), "relu", layers.PReLU).sites == ("conv", "fc")
    assert swap_activation(rows, "relu", layers.PReLU(shared_axes=[1])).sites == ("rows",)


def called_twice(layer, kinds=(6, 3), channels=(4, 4)):
    a, b = (keras.Input((size, size, c)) for size, c in zip(kinds, channels, strict=True))
    return keras.Model([a, b], [layer(a), layer(b)])


@pytest.mark.parametrize("probe", [None, False])
def test_slopes_of_one_layer_at_calls_of_different_shapes_are_refused_by_name(probe):
    conv = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")
    model = called_twice(conv)
    with pytest.raises(
        ValueError, match=r"'conv'.*\(None, 6, 6, 4\) and on \(None, 3, 3, 4\).*shared_axes=\[1, 2\]"
    ):
        swap_activation(model, "relu", layers.PReLU, probe=probe)
    with pytest.raises(ValueError, match=r"'conv'.*shared_axes=\[1, 2\]"):
        swap_activation(model, "relu", layers.PReLU(shared_axes=[1]), probe=probe)
    slopes = called_twice(layers.PReLU(shared_axes=[1, 2], name="slopes"))
    with pytest.raises(ValueError, match=r"'slopes'.*shared_axes=\[1, 2\]"):
        swap_activation(slopes, "prelu", layers.PReLU, probe=probe)
    # As the error says; and a layer without weights becomes one for each place.
    for case, old in ((model, "relu"), (slopes, "prelu")):
        assert len(swap_activation(case, old, layers.PReLU(shared_axes=[1, 2]), probe=probe).sites) == 1
    assert swap_activation(called_twice(layers.ReLU(name="r")), "relu", layers.PReLU).sites == ("r",)


@pytest.mark.parametrize("old", ["relu", "tanh", "elu"])
def test_a_mask_crosses_a_site_that_becomes_a_layer(old):
    x = keras.Input((5, 3))
    h = layers.Dense(4, activation=old, name="site")(layers.Masking()(x))
    model = randomised(keras.Model(x, layers.GlobalAveragePooling1D()(h)))
    data = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    data[0, 3:], data[1, 1] = 0, 0
    by_layer = swap_activation(model, old, layers.LeakyReLU(negative_slope=0.5), probe=data).model
    by_function = swap_activation(model, old, lambda z: keras.ops.leaky_relu(z, 0.5), probe=data).model
    assert same(outputs(by_layer, data), outputs(by_function, data))


def test_slopes_along_sizes_that_are_not_known_are_refused_by_name():
    with pytest.raises(
        ValueError, match=r"at 'conv'.*\(None, None, None, 3\).*along the axes \[1, 2\].*shared_axes=\[1, 2\]"
    ):
        swap_activation(image_and_dense((None, None, 2)), "relu", layers.PReLU)
    with pytest.raises(ValueError, match=r"at 'conv'.*along the axes \[2\].*shared_axes=\[1, 2\]"):
        swap_activation(image_and_dense((None, None, 2)), "relu", layers.PReLU(shared_axes=[1]))
    x = keras.Input((None, 4))
    rows = keras.Model(x, layers.ReLU(name="act")(x))
    with pytest.raises(ValueError, match=r"at 'act'.*along the axes \[1\].*shared_axes=\[1\]"):
        swap_activation(rows, "relu", layers.PReLU())
    # As the error says.
    swapped = swap_activation(rows, "relu", layers.PReLU(shared_axes=[1], alpha_initializer="zeros")).model
    data = np.random.default_rng(0).normal(size=(2, 7, 4)).astype("float32")
    assert same(outputs(rows, data), outputs(swapped, data))


def tower(name, activation="relu"):
    z = keras.Input((4,))
    return keras.Model(z, layers.Dense(4, activation=activation, name="fc")(z), name=name)


def test_equal_names_in_different_nested_models_are_allowed():
    x = keras.Input((4,))
    pair = randomised(keras.Model(x, layers.Add()([tower("left")(x), tower("right")(x)])))
    result = swap_activation(pair, "relu", layers.PReLU(alpha_initializer="zeros"))
    assert result.sites == ("left/fc", "right/fc")
    for side in ("left", "right"):
        assert [layer.name for layer in result.model.get_layer(side).layers[1:]] == ["fc", "fc_act"]
    assert same(outputs(pair, batch(pair)), outputs(result.model, batch(pair)))
    outside = layers.Dense(4, activation="relu", name="fc")
    deep = keras.Model(x, tower("inner")(x), name="middle")
    for model in (keras.Model(x, tower("inner")(outside(x))), keras.Model(x, outside(deep(x)))):
        split = split_activations(randomised(model))
        assert same(outputs(model, batch(model)), outputs(split, batch(model)))
        assert not [site for site in sites(split) if site.built_in]
    # In one and the same model they would meet.
    z = keras.Input((4,))
    y = layers.Dropout(0.1, name="fc_act")(layers.Dense(4, activation="relu", name="fc")(z))
    inner = keras.Model(z, y, name="inner")
    with pytest.raises(ValueError, match=r"cannot put a layer at 'fc'.*'fc_act'.*Rename"):
        swap_activation(keras.Model(x, inner(x)), "relu", layers.PReLU)


def scaled(factor):
    def act(z):
        return factor * keras.ops.tanh(z)

    return act


def test_a_layer_stands_for_its_function_and_not_for_one_of_the_same_name():
    first, second = scaled(1.0), scaled(2.0)
    x = keras.Input((4,))
    y = layers.Activation(second, name="other")(layers.Activation(first, name="this")(x))
    y = layers.Dense(4, activation=layers.Activation(first), name="built_in")(y)
    model = keras.Model(x, layers.Dense(2, activation=second, name="last")(y))
    assert swap_activation(model, layers.Activation(first), "relu").sites == ("this", "built_in")
    assert swap_activation(model, layers.Activation(second), "relu").sites == ("other", "last")
    with pytest.raises(ValueError, match="no site of"):
        swap_activation(model, layers.Activation(scaled(1.0)), "relu")
    stock = keras.Model(x, layers.ReLU(name="relu")(layers.Activation("relu", name="named")(x)))
    assert swap_activation(stock, layers.Activation("relu"), "tanh").sites == ("named", "relu")


PASSING = {
    "cropped": lambda y: layers.Cropping2D(1)(y),
    "padded": lambda y: layers.ZeroPadding2D(1)(y),
    "enlarged": lambda y: layers.UpSampling2D(2)(y),
    "masked": lambda y: layers.Masking()(layers.Reshape((36, 2))(y)),
    "flipped": lambda y: keras.ops.flip(y, axis=1),
    "split": lambda y: keras.ops.split(y, 2, axis=-1),
    "taken": lambda y: keras.ops.take(y, 0, axis=-1),
    "repeated": lambda y: keras.ops.repeat(y, 2, axis=1),
}


@pytest.mark.parametrize("case", PASSING)
def test_a_classifier_is_recognised_behind_what_only_moves_its_values(case):
    x = keras.Input((6, 6, 3))
    gate = layers.Conv2D(4, 1, activation="sigmoid", name="gate")(x)
    scores = layers.Conv2D(2, 1, activation="sigmoid", name="scores")(gate)
    model = keras.Model(x, PASSING[case](scores))
    assert swap_activation(model, "sigmoid", "tanh").sites == ("gate",)


def test_values_that_are_computed_of_those_of_an_activation_are_no_probabilities_of_its():
    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(2, 1, activation="sigmoid", name="last")(x)
    model = keras.Model(x, layers.UpSampling2D(2, interpolation="bilinear")(y))
    assert swap_activation(model, "sigmoid", "tanh").sites == ("last",)


@pytest.mark.parametrize("new", ["relu", layers.ReLU, lambda z: keras.ops.relu(z)])
def test_what_an_activation_layer_adds_to_the_loss_stays(new):
    x = keras.Input((4,))
    model = keras.Model(x, layers.ReLU(activity_regularizer="l2", name="act")(x))
    swapped = swap_activation(model, "relu", new).model
    data = np.ones((3, 4), "float32")
    model(data), swapped(data)
    assert [float(loss) for loss in swapped.losses] == [float(loss) for loss in model.losses] != []


class Wavy(layers.Activation):
    """Code of its own under the name of a stock class."""

    def __init__(self, **settings):
        super().__init__(**{"activation": "linear"} | settings)

    def call(self, x):
        return x + keras.ops.square(keras.ops.sin(x))


class Named(layers.Activation):
    """Another constructor, and the code of the stock class."""

    def __init__(self, **settings):
        super().__init__(**{"activation": "silu"} | settings)


@pytest.mark.parametrize(
    ("new", "built_in"), [(Wavy, True), (Wavy(), True), (Wavy(), False), (Named(), True), (Named(), False)]
)
def test_an_activation_layer_with_code_of_its_own_is_no_function(new, built_in):
    parts = [layers.Dense(4, activation="relu", name="a")]
    parts = parts if built_in else [layers.Dense(4, name="a"), layers.ReLU(name="act")]
    model = randomised(keras.Sequential([keras.Input((4,)), *parts]))
    swapped = swap_activation(model, "relu", new).model
    kernel, bias = model.get_layer("a").get_weights()
    x = batch(model)
    z = x.astype("float64") @ kernel + bias
    wavy = new is Wavy or isinstance(new, Wavy)
    expected = z + np.sin(z) ** 2 if wavy else z / (1 + np.exp(-z))
    np.testing.assert_allclose(outputs(swapped, x)[0], expected, atol=1e-6)
    assert len(swapped.layers) == (2 if wavy or not built_in else 1)  # what is a function is built in


@pytest.mark.parametrize("built_in", [True, False])
def test_the_loss_that_a_given_activation_layer_adds_comes_with_it(built_in):
    parts = [layers.Dense(4, activation="relu", name="a")]
    parts = parts if built_in else [layers.Dense(4, name="a"), layers.ReLU(name="act")]
    model = randomised(keras.Sequential([keras.Input((4,)), *parts]))
    new = layers.Activation("tanh", activity_regularizer=keras.regularizers.L2(0.5))
    swapped = swap_activation(model, "relu", new).model
    x = batch(model)
    (y,) = outputs(swapped, x)
    assert [float(loss) for loss in swapped.losses] == pytest.approx([0.5 * np.square(y).sum() / len(x)])


def three():
    x = keras.Input((4,))
    y = layers.Dense(4, activation="relu", name="first")(x)
    y = layers.ReLU(name="second")(y)
    y = layers.Dense(4, activation="tanh", name="other")(y)
    y = layers.Dense(4, activation="relu", name="third")(y)
    return randomised(keras.Model(x, layers.Dense(3, activation="softmax", name="top")(y), name="three"))


@pytest.mark.parametrize(
    "names", ["second", ["first", "third"], ("third", "first"), ["first", "second", "third"]]
)
def test_only_the_sites_that_are_named_change(names):
    result = swap_activation(three(), "relu", "gelu", sites=names)
    wanted = [name for name in ("first", "second", "third") if name == names or name in list(names)]
    assert list(result.sites) == wanted
    assert [site.name for site in sites(result.model) if site.function is keras.activations.gelu] == wanted
    x = batch(three())
    if len(wanted) == 3:
        assert same(outputs(swap_activation(three(), "relu", "gelu").model, x), outputs(result.model, x))


def test_a_stem_stays_and_each_other_site_gets_its_own_copy():
    model = three()
    rest = swap_activation(model, "relu", "gelu").sites[1:]
    result = swap_activation(model, "relu", layers.PReLU(), sites=rest)
    assert result.model.get_layer("first").activation is keras.activations.relu
    assert [layer.name for layer in result.model.layers if isinstance(layer, layers.PReLU)] == [
        "second",
        "third_act",
    ]


@pytest.mark.parametrize(
    ("names", "kind", "text"),
    [
        ("other", ValueError, "sites names 'other', which applies tanh, not 'relu'; leave it out."),
        ("top", ValueError, "sites names 'top', which applies softmax, not 'relu'; leave it out."),
        ("frist", ValueError, "no activation site of 'three'; did you mean 'first'?"),
        ([], ValueError, "sites names no site"),
        (["first", "first"], ValueError, "sites names 'first' more than once"),
        (3, TypeError, "sites must be a name or several names of activation sites, received 3."),
    ],
)
def test_sites_that_cannot_change_are_refused(names, kind, text):
    with pytest.raises(kind) as error:
        swap_activation(three(), "relu", "gelu", sites=names)
    assert text in str(error.value)


def test_the_classifier_among_the_sites_has_to_be_asked_for():
    x = keras.Input((4,))
    y = layers.Dense(4, activation="sigmoid", name="hidden")(x)
    model = keras.Model(x, layers.Dense(1, activation="sigmoid", name="top")(y))
    with pytest.raises(ValueError, match=r"sites names 'top', the classifier; .*include_classifier=True"):
        swap_activation(model, "sigmoid", "tanh", sites="top")
    result = swap_activation(model, "sigmoid", "tanh", sites="top", include_classifier=True)
    assert result.sites == ("top",)


class Own(layers.Layer):
    def call(self, x):
        return keras.ops.sin(x)


@pytest.mark.filterwarnings("ignore:swap_activation does not see")
def test_a_layer_class_that_is_no_activation_is_led_to_surgery():
    x = keras.Input((4,))
    model = keras.Model(x, Own(name="own")(layers.Dense(4, activation="relu")(x)))
    with pytest.raises(
        ValueError, match=r"zoo.surgery.replace\(model, old, new\) replaces the layers of any class"
    ):
        swap_activation(model, Own, "relu")
    new, _ = zoo.surgery.replace(model, Own, layers.ReLU())
    assert isinstance(new.layers[-1], layers.ReLU)
    with pytest.raises(ValueError, match=r"relu \(1\)\.$"):
        with pytest.warns():
            swap_activation(model, layers.ELU, "relu")


@pytest.mark.parametrize("amount", [0.0, 1.0])
def test_a_blended_activation_with_a_loss_is_not_taken_out(amount):
    act = BlendedActivation("relu", amount, name="act", activity_regularizer="l2")
    with pytest.raises(ValueError, match="cannot take out 'act': the activity_regularizer would be lost"):
        harden(keras.Sequential([keras.Input((3,)), act]))
