"""Graphs in which a naive surgeon is wrong in silence: ours is right, measured without its own code, or refuses."""

import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import Silent, batch, configuration, doubled, error, outputs, randomised, same
from trap_graphs import REFUSED, TRAPS, chain, conv

from zoo.activations import sites
from zoo.probes import activation_importance
from zoo.slimming.linear_fit import AffineMap, Moments, batch_moments
from zoo.transforms import (
    collapse_linear,
    drop_activations,
    fold_batchnorm,
    harden,
    soften,
    swap_activation,
)
from zoo.transforms.drop import _Dropping as Dropping


def replaced(model, x, maps):
    """Outputs of a copy in which Python functions stand at the sites; with `maps` None, what goes in and comes out."""
    copy = keras.models.clone_model(model)
    outputs(copy, x)  # the weights of a built-in activation layer are made by the first call
    copy.set_weights(model.get_weights())
    recorded = {}

    def layer_at(name):
        place = copy
        for part in name.split("/"):
            place = place.get_layer(part)
        return place

    def function_at(name, original):
        def act(z, **_):
            if maps is None:
                a = original(z)
                pair = (keras.ops.convert_to_numpy(value).astype("float64") for value in (z, a))
                recorded.setdefault(name, []).append(tuple(pair))
                return a
            scale, shift = maps[name]
            return z * keras.ops.cast(scale, z.dtype) + keras.ops.cast(shift, z.dtype)

        return act

    for site in sites(model):
        layer = layer_at(site.name)
        if site.built_in:
            inner = layer.activation
            if isinstance(inner, layers.Layer):
                (weights,) = [v for v in site.operation.activation.variables]
                inner = slopes(keras.ops.convert_to_numpy(weights))
            object.__setattr__(layer, "activation", function_at(site.name, inner))
        elif site.function is not site.operation:
            object.__setattr__(layer, "activation", function_at(site.name, layer.activation))
        else:
            object.__setattr__(layer, "call", function_at(site.name, layer.call))
    found = outputs(copy, x)
    return recorded if maps is None else found


def slopes(s):
    return lambda z: keras.ops.where(z > 0, z, s * z)


def collapsed(model):
    """One layer for each run; the model itself where no two layers are one, which is an error with a reason."""
    try:
        return collapse_linear(model).model
    except ValueError as found:
        assert str(found).startswith(("nothing to collapse", "cannot collapse"))
        return model


def made(name):
    model = TRAPS[name]()
    outputs(model, batch(model))
    return randomised(model)


def least_squares(pairs):
    """The best map of each channel, the channels last, by the normal equations of numpy."""
    z = np.concatenate([z.reshape(-1, z.shape[-1]) for z, _ in pairs])
    a = np.concatenate([a.reshape(-1, a.shape[-1]) for _, a in pairs])
    fits = [np.polyfit(z[:, c], a[:, c], 1) for c in range(z.shape[1])]
    return np.array([f[0] for f in fits]), np.array([f[1] for f in fits])


def is_patchable(model):
    return all(isinstance(site.operation, layers.Layer) for site in sites(model))


@pytest.mark.parametrize("name", TRAPS)
def test_right_or_nothing(name, tmp_path):
    model = made(name)
    x = batch(model, size=5)
    before, weights = configuration(model), model.get_weights()
    tolerance = 5e-2 if name == "half precision" else 1e-5
    names = [site.name for site in sites(model)]

    plain, dropped = drop_activations(model, names, fit=x, batch_size=2)
    assert list(dropped) == names
    if is_patchable(model):
        maps = {site: least_squares(pairs) for site, pairs in replaced(model, x, None).items()}
        expected = replaced(model, x, maps)
    else:
        expected = outputs(plain, x)
    assert error(expected, outputs(plain, x)) < tolerance

    short = collapsed(plain)
    assert error(expected, outputs(short, x)) < tolerance
    assert len(short.layers) <= len(plain.layers)

    identity = drop_activations(model, names).model
    if is_patchable(model):
        ones = {site: (1.0, 0.0) for site in names}
        assert error(replaced(model, x, ones), outputs(identity, x)) < tolerance

    short.save(tmp_path / "short.keras")
    loaded = keras.models.load_model(tmp_path / "short.keras")
    assert same(outputs(short, x), outputs(loaded, x))
    assert not any(type(layer).__module__.startswith("zoo") for layer in short._flatten_layers())
    assert configuration(model) == before and same(weights, model.get_weights())


@pytest.mark.parametrize("name", TRAPS)
def test_importance_is_that_of_the_dropped_model(name):
    model = made(name)
    if len(keras.tree.flatten(model.outputs)) > 1:
        with pytest.raises(ValueError, match="takes a model with one output"):
            activation_importance(model, batch(model), np.zeros(2))
        return
    x = batch(model, size=5)
    y = np.random.default_rng(4).normal(size=(5, *model.output_shape[1:])).astype("float32")
    tolerance = 5e-2 if name == "half precision" else 1e-5
    for fit in ("affine", "identity"):
        rows = activation_importance(
            model, x, y, fit=fit, loss="mse", metric="mae", batch_size=2, include_classifier=True
        )
        assert [row["site"] for row in rows] == [site.name for site in sites(model)]
        base = float(np.square(outputs(model, x)[0] - y).mean())
        for row in rows:
            plain = drop_activations(
                model, row["site"], fit=x if fit == "affine" else None, include_classifier=True
            )
            off = outputs(plain.model, x)[0] - y
            assert row["loss"] == pytest.approx(np.square(off).mean(), rel=tolerance)
            assert row["mean_absolute_error"] == pytest.approx(np.abs(off).mean(), rel=tolerance)
            assert row["loss_change"] == pytest.approx(
                row["loss"] - base, abs=tolerance * (row["loss"] + base)
            )


@pytest.mark.parametrize("name", TRAPS)
def test_softened_and_hardened_at_both_ends(name, tmp_path):
    model = made(name)
    x = batch(model)
    names = [site.name for site in sites(model)]
    if name == "regulariser on the output":
        with pytest.raises(ValueError, match="cannot soften 'a': its activity_regularizer"):
            soften(model, names)
        return
    soft, softened = soften(model, names)
    assert list(softened) == names
    expected = outputs(model, x)
    assert error(expected, outputs(soft, x)) < 1e-6
    again, _, restored = harden(soft)
    assert len(restored) == len(names) and same(outputs(again, x), expected)

    at_one = soften(model, names, amount=1.0).model
    stock, gone, _ = harden(at_one)
    assert len(gone) == len(names)
    assert error(outputs(drop_activations(model, names).model, x), outputs(stock, x)) < 1e-6
    stock.save(tmp_path / "stock.keras")
    assert b"zoo" not in (tmp_path / "stock.keras").read_bytes()


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name):
    build, message = REFUSED[name]
    model = build()
    with pytest.raises(ValueError, match=message):
        drop_activations(model, "act", fit=batch(model))


@pytest.mark.parametrize("after", [True, False])
def test_channels_first_is_seen_through_layers_that_have_no_format(after):
    """An axis as long as the channels: taken for them, nothing would fail."""
    first = {"data_format": "channels_first"}
    act, quiet = layers.ReLU(name="act"), layers.Dropout(0.1)
    pool = layers.AveragePooling2D(1, **first)
    model = chain(*([act, quiet, pool] if after else [pool, quiet, act]), shape=(4, 4, 4))
    x = batch(model, size=6) + np.arange(4)[:, None, None]
    z = x.astype("float64")
    (row,) = activation_importance(model, x, x, loss="mse", metric="mae")
    plain = drop_activations(model, "act", fit=x).model
    scale, shift = least_squares([(np.moveaxis(z, 1, -1), np.moveaxis(np.maximum(z, 0), 1, -1))])
    expected = z * scale[:, None, None] + shift[:, None, None]
    assert error([expected], outputs(plain, x)) < 1e-5
    assert row["loss"] == pytest.approx(np.square(expected - x).mean(), rel=1e-5)
    (norm,) = [layer for layer in plain.layers if isinstance(layer, layers.BatchNormalization)]
    assert norm.axis == 1 and not norm.trainable


def test_a_channel_that_never_varies_becomes_a_constant():
    model = chain(layers.Dense(2, activation="sigmoid", name="a"), shape=(1,))
    model.set_weights([np.array([[0.0, 1.0]]), np.array([3.0, 0.0])])
    plain = drop_activations(model, "a", fit=np.array([[-1.0], [0.0], [1.0]]), include_classifier=True).model
    kernel, bias = plain.get_weights()
    assert kernel[0, 0] == 0 and bias[0] == pytest.approx(1 / (1 + np.exp(-3)))
    assert bias[1] == pytest.approx(0.5)


@pytest.mark.parametrize("value, axis", [(0.1, 1), (7.7, 0), (123.456, 1)])
@pytest.mark.backend
def test_a_channel_of_equal_numbers_is_a_constant_however_many_they_are(value, axis):
    """Their mean in float32 is not that number, and neither are the differences zero."""
    z = np.stack([np.full(100_000, value), np.linspace(-1, 1, 100_000)], axis=axis).astype("float32")
    moments = Moments()
    for _ in range(2):
        a = np.float32(0.7) * np.abs(z)
        moments.add(100_000, *batch_moments(*map(keras.ops.convert_to_tensor, (z, a)), axis))
    found = moments.best()
    assert found.scale[0] == 0 and found.shift[0] == pytest.approx(0.7 * value)
    assert found.shift[1] == pytest.approx(0.35, rel=1e-4)


def test_rounding_is_no_variance():
    """A channel that a convolution computes from equal numbers may differ in the last digit from place to place."""
    rng = np.random.default_rng(0)
    z = (5 * (1 + 2.0**-23 * rng.integers(-2, 3, size=(1000, 1)))).astype("float32")
    moments = Moments()
    moments.add(1000, *batch_moments(z, (z - 4).astype("float32"), 1))
    assert moments.best().scale[0] == 0 and moments.best().shift[0] == pytest.approx(1)
    assert moments.unexplained() == 0


def test_a_map_that_is_the_identity_keeps_what_was_folded_into_its_layer_before():
    parts = [layers.ReLU(name="act"), layers.Dense(3, activation="relu", name="a")]
    model = randomised(chain(*parts, shape=(4,)))
    model.get_layer("a").bias.assign([50.0, 50.0, 50.0])  # never below zero: the best map changes nothing
    x = batch(model, 9)
    plain, dropped = drop_activations(model, ["act", "a"], fit=x)
    assert dropped == {"act": "into 'a'", "a": "identity"}
    maps = {site: least_squares(pairs) for site, pairs in replaced(model, x, None).items()}
    assert error(replaced(model, x, maps), outputs(plain, x)) < 1e-5


class Halved(layers.Conv2D):
    """Its kernel is computed: it can be read, not set."""

    @property
    def kernel(self):
        return super().kernel / 2


@pytest.mark.parametrize("parts", ["before", "built in", "after"])
def test_a_kernel_that_its_class_computes_is_left_alone(parts):
    act = layers.ReLU(name="act")
    stack = {
        "before": [Halved(4, 3, name="a"), act, conv(padding="same")],
        "built in": [Halved(4, 3, activation="relu", name="a"), conv(padding="same")],
        "after": [layers.MaxPooling2D(2), act, Halved(4, 3, name="a")],
    }[parts]
    model = randomised(chain(*stack))
    x, site = batch(model, 9), "a" if parts == "built in" else "act"
    plain, dropped = drop_activations(model, site, fit=x)
    assert dropped[site].startswith("layer")
    maps = {name: least_squares(pairs) for name, pairs in replaced(model, x, None).items()}
    assert error(replaced(model, x, maps), outputs(plain, x)) < 1e-5


def test_what_is_computed_again_in_training_is_measured_as_any_layer():
    with keras.RematScope(mode="full"):
        parts = [layers.Dense(3, activation="tanh", name=name) for name in "ab"]
        model = randomised(keras.Sequential([keras.Input((4,)), *parts]))
    plain = keras.models.clone_model(model)
    plain.set_weights(model.get_weights())
    x, y = batch(model, 6), np.ones((6, 3), "float32")
    rows, expected = (
        activation_importance(net, x, y, metric="mse", loss="mse", progress=False) for net in (model, plain)
    )
    assert [row["loss"] for row in rows] == [row["loss"] for row in expected]
    first, second = (drop_activations(net, ["a"], fit=x) for net in (model, plain))
    assert first.dropped == second.dropped
    assert same(outputs(first.model, x), outputs(second.model, x))
    assert first.model.get_layer("b")._remat_mode.mode == "full"


def test_a_dropped_layer_is_compared_with_its_activation_put_back():
    x = keras.Input((4,))
    layer = layers.Dense(3, activation="relu", name="a")
    model = keras.Model(x, layer(x))
    doubled(layer)
    with pytest.raises(ValueError, match=r"the copy of layer 'a' \(Dense\) does not compute"):
        drop_activations(model, "a")


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Dense(4, activation="relu", name="site"),
        lambda: layers.Dense(4, activation="tanh", use_bias=False, name="site"),
        lambda: layers.Dense(4, activation=lambda z: keras.ops.maximum(z, 0.3 * z), name="site"),
    ],
)
def test_a_mask_crosses_a_site_that_becomes_the_identity(make):
    site = make()
    x = keras.Input((5, 3))
    model = randomised(keras.Model(x, layers.GlobalAveragePooling1D()(site(layers.Masking()(x)))))
    data = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    data[0, 3:], data[1, 1] = 0, 0
    new = drop_activations(model, "site").model
    site.activation = keras.activations.linear
    assert error(outputs(model, data), outputs(new, data)) < 1e-6


@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")  # a product of the data with itself
@pytest.mark.parametrize("sizes", [(5, 7), (7, 5)])
@pytest.mark.parametrize("fit", ["affine", "identity"])
def test_channels_that_are_others_in_another_batch_are_refused(sizes, fit):
    """The softmax of attention has the steps of the sequence on its last axis."""
    x = keras.Input((None, 4))
    a = layers.Softmax(name="scores")(layers.Dot((2, 2))([x, x]))
    model = keras.Model(x, layers.GlobalAveragePooling1D()(layers.Dot((2, 1))([a, x])))
    data = [np.ones((2, size, 4), "float32") for size in sizes]
    message = f"'scores' has {sizes[0]} channels in one batch and {sizes[1]} in another.*pad all batches"
    with pytest.raises(ValueError, match=message):
        stream = ((part, np.zeros((2, 4))) for part in data)
        activation_importance(model, stream, fit=fit, loss="mse", metric="mae", batches=2)
    with pytest.raises(ValueError, match=message):
        drop_activations(model, "scores", fit=iter(data), batches=2)


def with_slopes(*parts, slopes, shape=(4,)):
    """A stack that ends with the layer 'b', whose built-in PReLU has these slopes."""
    model = chain(*parts, layers.Dense(3, activation=layers.PReLU(), name="b"), shape=shape)
    outputs(model, batch(model))  # the first call makes them
    randomised(model).get_layer("b").activation.alpha.assign(slopes)
    return model


@pytest.mark.parametrize("front", ["activation", "normalisation"])
def test_the_layer_that_takes_a_map_in_keeps_the_slopes_of_its_activation(front):
    first = layers.ReLU(name="front") if front == "activation" else layers.BatchNormalization(name="front")
    model = with_slopes(first, slopes=[0.3, 0.4, 0.5])
    inner = model.get_layer("b").activation
    inner.alpha.trainable = False
    x = batch(model, 50)
    if front == "activation":
        new, dropped = drop_activations(model, "front", fit=x)
        assert dropped == {"front": "into 'b'"}
        scale, shift = least_squares([(x.astype("float64"), np.maximum(x, 0).astype("float64"))])
    else:
        new = fold_batchnorm(model).model
        gamma, beta, mean, variance = (w.astype("float64") for w in model.get_layer("front").get_weights())
        scale = gamma / np.sqrt(variance + 1e-3)
        shift = beta - scale * mean
    assert [layer.name for layer in new.layers] == ["b"]
    kernel, bias = (keras.ops.convert_to_numpy(v) for v in model.get_layer("b").variables[:2])
    z = (x * scale + shift) @ kernel + bias
    assert error([np.where(z > 0, z, z * [0.3, 0.4, 0.5])], outputs(new, x)) < 1e-5
    copied = new.get_layer("b").activation
    assert copied is not inner and not copied.alpha.trainable


def test_slopes_that_another_layer_has_too_are_not_taken_apart():
    shared = layers.PReLU()
    x = keras.Input((4,))
    y = layers.Dense(4, activation=shared, name="b")(layers.ReLU(name="act")(x))
    model = keras.Model(x, layers.Dense(4, activation=shared, name="c")(y))
    outputs(model, batch(model))
    with pytest.raises(ValueError, match=r"layers 'b' and .* share the variable .*alpha"):
        drop_activations(model, "act", fit=batch(model, 9))
    for names in ("b", ["b", "c"]):
        with pytest.raises(ValueError, match=r"layers 'b' and .* share the variable .*alpha"):
            soften(model, names)


@pytest.mark.parametrize("place", ["before", "built in", "after", "normalisation"])
def test_a_variable_that_is_frozen_or_bound_stays_so(place):
    act, bound = layers.ReLU(name="act"), keras.constraints.NonNeg()
    stack = {
        "before": [layers.Dense(3, name="a"), act],
        "built in": [layers.Dense(3, activation="relu", name="a")],
        "after": [act, layers.Dense(3, name="a")],
        "normalisation": [layers.Dropout(0.1), layers.BatchNormalization(name="a"), act],
    }[place]
    model = randomised(chain(*stack, layers.Dense(2, name="top"), shape=(4,)))
    first = model.get_layer("a").trainable_variables[0]
    first.trainable, first.constraint = False, bound
    new, dropped = drop_activations(model, "a" if place == "built in" else "act", fit=batch(model, 9))
    assert list(dropped.values()) == ["into 'a'"]
    frozen = [(v.trainable, v.constraint) for v in new.get_layer("a").variables[:2]]
    assert frozen == [(False, bound), (True, None)]
    assert len(new.trainable_variables) == 3


@pytest.mark.tensorflow
@pytest.mark.parametrize("place", ["before", "built in", "after"])
@pytest.mark.parametrize("size", [8, 7])
def test_no_map_goes_where_its_shift_would_be_added_along_the_width(place, size):
    """What is decided: TensorFlow need not have such a convolution on this processor."""
    first, act = {"data_format": "channels_first", "name": "a"}, layers.ReLU(name="act")
    stack = {
        "before": [conv(8, 1, **first), act],
        "built in": [conv(8, 1, activation="relu", **first)],
        "after": [act, conv(8, 1, **first)],
    }[place]
    dropping = Dropping(chain(*stack, shape=(3, size, size)))
    (site,) = sites(dropping.found[0].model)
    channels = 3 if place == "after" else 8
    dropping.drop(site, AffineMap(np.full(channels, 0.5), np.arange(1.0, channels + 1)))
    if size == 7:
        assert dropping.dropped == {site.name: "into 'a'"}
        return
    assert dropping.dropped == {site.name: f"layer '{'a_act' if place == 'built in' else 'act'}'"}
    norm = dropping.replace[site.operation][-1].layer
    assert isinstance(norm, layers.BatchNormalization) and norm.axis == 1


def test_what_the_activation_in_a_layer_adds_to_the_loss_is_not_lost():
    inner = layers.PReLU(activity_regularizer="l2")
    model = chain(layers.Dense(3, activation=inner, name="a"), layers.Dense(2), shape=(4,))
    x = batch(model)
    for fit in (None, x):
        with pytest.raises(ValueError, match="cannot drop 'a': its activity_regularizer would be lost"):
            drop_activations(model, "a", fit=fit)
    for new in ("relu", layers.LeakyReLU):
        with pytest.raises(
            ValueError, match="cannot swap 'a': the activity_regularizer of the layer that is"
        ):
            swap_activation(model, layers.PReLU, new)
    with pytest.raises(ValueError, match="cannot take out 'a_act': the activity_regularizer would be lost"):
        harden(soften(model, "a", amount=1.0).model)


def embedded(ids):
    return layers.Embedding(10, 4, mask_zero=True)(ids)


def pooled_elsewhere(x):
    """In a nested model, which was made without the mask."""
    y = keras.Input((9, 4))
    return keras.Model(y, layers.GlobalAveragePooling1D()(y))(x)


def gated(x):
    gate = layers.Reshape((1, 4))(layers.Dense(4, "tanh", name="gate")(layers.GlobalMaxPooling1D()(x)))
    return layers.Multiply()([x, gate])


def attended(x):
    return layers.Add()([x, layers.MultiHeadAttention(2, 3)(x, x)])


MASKED = {
    "loop": lambda ids: layers.LSTM(4)(embedded(ids)),
    "average": lambda ids: layers.GlobalAveragePooling1D()(embedded(ids)),
    "attention": lambda ids: layers.GlobalAveragePooling1D()(attended(embedded(ids))),
    "nested": lambda ids: pooled_elsewhere(embedded(ids)),
    "past a site": lambda ids: layers.GlobalAveragePooling1D()(gated(embedded(ids))),
    "past a site, to a nested model": lambda ids: pooled_elsewhere(gated(embedded(ids))),
    "after a site": lambda ids: layers.LSTM(3)(layers.Masking()(layers.ReLU()(layers.Embedding(10, 4)(ids)))),
}


@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")  # inside of loops and attention
@pytest.mark.filterwarnings("ignore:Layer '.*' .of type .*. was passed an input with a mask")
@pytest.mark.parametrize("case", MASKED)
def test_a_mask_that_goes_through_no_site_is_that_of_evaluate(case):
    ids = np.random.default_rng(0).integers(1, 10, (12, 9))
    for row, length in zip(ids, [9, 1, 2, 5, 7, 3] * 2, strict=True):
        row[length:] = 0
    x, labels = keras.Input((9,)), np.arange(12) % 2
    y = layers.Dense(5, activation="relu", name="fc")(MASKED[case](x))
    model = randomised(keras.Model(x, layers.Dense(2, activation="softmax", name="top")(y)))
    rows = activation_importance(model, ids, labels, batch_size=4, progress=False)
    assert rows[-1]["site"] == "fc"
    shorter = [drop_activations(model, row["site"], fit=ids).model for row in rows]
    expected = [rows[0]["loss"] - rows[0]["loss_change"], *(row["loss"] for row in rows)]
    for net, loss in zip([model, *shorter], expected, strict=True):
        net.compile(loss="sparse_categorical_crossentropy")
        assert abs(net.evaluate(ids, labels, verbose=0) - loss) < 1e-5


def test_a_masked_output_is_refused_where_a_loss_needs_the_mask_alone():
    x = keras.Input((5, 3))
    y = layers.Masking()(layers.Dense(4, activation="relu", name="site")(x))
    model = keras.Model(x, layers.Dense(2, activation="softmax")(y))
    data = np.ones((2, 5, 3), "float32")
    with pytest.raises(ValueError, match=r"the output of .* has a mask, which a loss and metrics would need"):
        activation_importance(model, data, np.zeros((2, 5, 2)), loss="mse", metric="mae", sites="site")
    assert list(drop_activations(model, "site", fit=data).dropped) == ["site"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Silent(layers.RandomContrast(0.9, value_range=(-9, 9), seed=1)),
        lambda: Silent(layers.RandomBrightness(0.9, value_range=(-9, 9), seed=1)),
        lambda: Silent(Silent(layers.RandomFlip(seed=1))),
    ],
)
@pytest.mark.backend
def test_what_augments_in_a_layer_is_measured_in_inference(make):
    """These take a call without a word on training for training."""
    model = chain(make(), layers.Conv2D(3, 2, name="a"), layers.ReLU(name="act"), shape=(4, 4, 3))
    x = batch(model, size=20)
    z = np.asarray(outputs(keras.Model(model.inputs[0], model.get_layer("a").output), x)[0], "float64")
    scale, shift = least_squares([(z, np.maximum(z, 0))])
    plain = drop_activations(model, "act", fit=x).model
    assert error([z * scale + shift], outputs(plain, x)) < 1e-4
    (row,) = activation_importance(model, x, np.maximum(z, 0), loss="mse", metric="mae")
    assert row["loss"] == pytest.approx(np.square(z * scale + shift - np.maximum(z, 0)).mean(), rel=1e-3)


OPERATIONS = {
    "slope": (lambda t: keras.ops.leaky_relu(t, negative_slope=0.3), layers.LeakyReLU),
    "bounds": (lambda t: keras.activations.relu(t, max_value=2.0, negative_slope=0.1), layers.ReLU),
    "threshold": (lambda t: keras.activations.relu(t, threshold=0.5), layers.ReLU),
    "alpha": (lambda t: keras.ops.elu(t, 0.7), layers.ELU),
}


@pytest.mark.parametrize("case", OPERATIONS)
def test_a_bare_operation_with_the_settings_of_a_stock_layer_is_softened(case, tmp_path):
    function, kind = OPERATIONS[case]
    x = keras.Input((5,))
    model = randomised(keras.Model(x, layers.Dense(2)(function(layers.Dense(4)(x)))))
    (site,), data = sites(model), 3 * batch(model)
    soft = soften(model, site.name).model
    soft.save(tmp_path / "soft.keras")
    hard = harden(keras.models.load_model(tmp_path / "soft.keras")).model
    assert type(hard.layers[2]) is kind
    assert same(outputs(model, data), outputs(soft, data))
    assert same(outputs(model, data), outputs(hard, data))


def test_a_bare_operation_with_settings_that_no_layer_takes_is_refused():
    x = keras.Input((5,))
    model = keras.Model(x, keras.ops.leaky_relu(layers.Dense(4)(x), negative_slope=-0.5))
    with pytest.raises(ValueError, match=r"bare operation, LeakyRelu with \{'negative_slope': -0\.5\}"):
        soften(model, sites(model)[0].name, include_classifier=True)
