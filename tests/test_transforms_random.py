"""Random small graphs: every transform is exact, or refuses."""

import functools
from collections import Counter

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers, ops
from transform_nets import error, gradients, outputs, randomised, same

from zoo.activations import sites, unseen
from zoo.graph import rewrite
from zoo.transforms import (
    affine_map,
    collapse_linear,
    fold_batchnorm,
    fuse_activations,
    split_activations,
    swap_activation,
)

# Layers of one's own may hide activations: that is said, and not what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")

CHANNELS = 4
SIZE = 7
KINDS = "conv conv conv norm norm norm act add dense depthwise separable up average max pad linear".split()
# What other people's models have besides.
FOREIGN = "half square doubled forgets clipped masked nested nested".split()

step = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(KINDS + FOREIGN),
        "source": st.integers(0, 3),  # how far back the input stands: 0 is the newest tensor
        "other": st.integers(0, 9),
        "size": st.integers(1, 3),
        "stride": st.integers(1, 2),
        "dilation": st.integers(1, 2),
        "groups": st.sampled_from([1, 1, 2]),
        "padding": st.sampled_from(["same", "valid"]),
        "activation": st.sampled_from([*[None] * 4, "relu", "tanh", "closure", "partial", "named relu"]),
        "frozen": st.sampled_from(["", "all", "but the first"]),
        "bias": st.booleans(),
        "scale": st.booleans(),
        "center": st.booleans(),
        "axis": st.sampled_from([-1, -1, -1, 1]),
        "training": st.sampled_from([None, None, None, True]),
    }
)
# The steps, whether there is a second output, whether the sizes of the image are open.
graph = st.tuples(
    st.lists(step, min_size=2, max_size=7), st.booleans(), st.sampled_from([False, False, False, True])
)
# Graphs of fixed sizes in which nothing is curved, of layers that every transform knows.
STRAIGHT = [kind for kind in KINDS if kind not in ("act", "max")]
straight = graph.map(
    lambda drawn: (
        [
            {**s, "activation": None, "training": None}
            | ({} if s["kind"] in STRAIGHT else {"kind": STRAIGHT[s["other"]]})
            for s in drawn[0]
        ],
        drawn[1],
        False,
    )
)


class Half(layers.ReLU):
    def call(self, x):
        return super().call(x) / 2


class Square(layers.Activation):
    def call(self, x):
        return super().call(x) ** 2


class Doubled(layers.Identity):
    """Computes something round Keras' own call."""

    def __call__(self, x, **options):
        return 2 * super().__call__(x, **options)


class Forgets(layers.Layer):
    """Keeps an array, a number and a function that no configuration has."""

    def build(self, shape):
        self.signs = np.random.default_rng().choice([-1.0, 1.0], shape[-1]).astype("float32")
        self.factor = 1.5
        self.apply = scaled(0.5)

    def call(self, x):
        return self.apply(ops.multiply(x, self.signs) * self.factor)


class Clipped(layers.Dense):
    def call(self, x, training=None):
        return ops.clip(super().call(x, training=training), -1, 1)


class Masked(layers.Dense):
    @property
    def kernel(self):
        return self._kernel * ops.cast(ops.abs(self._kernel) > 0.2, "float32")


def scaled(factor):
    def scaled_tanh(x):
        return factor * ops.tanh(x)

    return scaled_tanh


def relu(x):
    """Not the stock function of that name."""
    return 2 * ops.relu(x)


def activation_of(s):
    match s["activation"]:
        case "closure":
            return scaled(1 + s["other"])
        case "partial":
            return functools.partial(keras.activations.leaky_relu, negative_slope=0.1 * s["other"])
        case "named relu":
            return relu
    return s["activation"]


def build(description):
    steps, second_output, open_sizes = description
    tensors = [keras.Input((None, None, CHANNELS) if open_sizes else (SIZE, SIZE, CHANNELS))]
    for number, s in enumerate(steps):
        x = tensors[-1 - min(s["source"], len(tensors) - 1)]
        y = apply(s, x, tensors, f"{s['kind']}{number}")
        tensors.append(y)
    results = [tensors[-1]]
    if second_output and len(tensors) > 2:
        results.append(tensors[-2])
    return randomised(keras.Model(tensors[0], results, name="random"))


def apply(s, x, tensors, name):
    # An open size has to hold all that follows, which cannot be known: nothing shrinks there but by strides.
    fits = x.shape[1] is not None and x.shape[1] > s["dilation"] * (s["size"] - 1)
    activation = activation_of(s)
    common = {"padding": s["padding"] if fits else "same", "activation": activation, "name": name}
    common["use_bias"] = s["bias"]
    stride = s["stride"]
    dilation = s["dilation"] if stride == 1 else 1
    match s["kind"]:
        case "conv":
            options = {"strides": stride, "dilation_rate": dilation, "groups": s["groups"]}
            return layers.Conv2D(CHANNELS, s["size"], **options, **common)(x)
        case "depthwise":
            return layers.DepthwiseConv2D(s["size"], strides=stride, **common)(x)
        case "separable":
            return layers.SeparableConv2D(CHANNELS, s["size"], strides=stride, **common)(x)
        case "up":
            return layers.Conv2DTranspose(CHANNELS, s["size"], strides=stride, **common)(x)
        case "dense":
            return layers.Dense(CHANNELS, activation=activation, use_bias=s["bias"], name=name)(x)
        case "norm":
            axis = s["axis"] if x.shape[s["axis"]] is not None else -1
            layer = layers.BatchNormalization(axis, scale=s["scale"], center=s["center"], name=name)
            return layer(x, training=s["training"])
        case "act":
            return [
                layers.ReLU(name=name),
                layers.LeakyReLU(name=name),
                layers.Activation("tanh", name=name),
            ][s["other"] % 3](x)
        case "linear":
            return layers.Activation("linear", name=name)(x)
        case "average":
            return layers.AveragePooling2D(2, strides=stride, padding="same", name=name)(x)
        case "max":
            return layers.MaxPooling2D(2, strides=stride, padding="same", name=name)(x)
        case "pad":
            return layers.ZeroPadding2D(1, name=name)(x)
        case "add":
            # Two tensors of open sizes may differ.
            alike = [t for t in tensors if t.shape == x.shape] if None not in x.shape[1:] else [x]
            return layers.Add(name=name)([x, alike[s["other"] % len(alike)]])
    return foreign(s, x, activation, name)


def foreign(s, x, activation, name):
    match s["kind"]:
        case "half":
            return Half(name=name)(x)
        case "square":
            return layers.Dense(CHANNELS, activation=Square("linear"), name=name)(x)
        case "doubled":
            return Doubled(name=name)(x)
        case "forgets":
            return Forgets(name=name)(x)
        case "clipped":
            return Clipped(CHANNELS, name=name)(x)
        case "masked":
            return Masked(CHANNELS, activation=activation, name=name)(x)
    return nested(s, x.shape[1:], activation, name)(x)


def nested(s, shape, activation, name):
    """A model inside the model, with a convolution, a normalisation and an activation; frozen, or in part."""
    z = keras.Input(shape)
    y = layers.Conv2D(CHANNELS, 1, use_bias=s["bias"], name="inner_conv")(z)
    y = layers.BatchNormalization(scale=s["scale"], center=s["center"], name="inner_norm")(y)
    y = layers.Dense(CHANNELS, activation=activation, name="inner_dense")(y)
    inner = keras.Model(z, y, name=name)
    if s["frozen"]:
        inner.trainable = False
        inner.get_layer("inner_conv").trainable = s["frozen"] == "but the first"
    return inner


def everything(model):
    """All layers of `model` and of the models in it, by path."""
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found.update((f"{layer.name}/{name}", inner) for name, inner in everything(layer).items())
        else:
            found[layer.name] = layer
    return found


def computing(model):
    """Layers, without the one that a collapsed run may pad its input with."""
    return sum(not isinstance(layer, layers.ZeroPadding2D) for layer in everything(model).values())


def flags(model):
    """Whether each layer trains, by path; of activations that moved into a layer, or out of it, nothing is asked."""
    return {name: layer.trainable for name, layer in everything(model).items() if layer.weights}


def images(model, size=2):
    """Inputs, of some size where `model` leaves it open."""
    rng = np.random.default_rng(1)
    shape = [SIZE if dimension is None else dimension for dimension in model.inputs[0].shape[1:]]
    return rng.normal(size=(size, *shape)).astype("float32")


def swapped(model):
    return swap_activation(model, "relu", "gelu").model


def exact_or_refused(description, compared):
    """Judge every transform of one graph; what was compared, and not refused, is counted."""
    model = build(description)
    x = images(model)
    expected = outputs(model, x)
    weights, trains = model.get_weights(), flags(model)

    if unseen(model) and not sites(model):
        for transform in (split_activations, fuse_activations, swapped):
            with pytest.raises(ValueError, match="sees no activation in 'random'"):
                transform(model)
    else:
        split = split_activations(model)
        fused = fuse_activations(model)
        for other in (split, fused, fuse_activations(split)):
            assert same(expected, outputs(other, x))
            assert flags(other) == trains
        # On copies: a call that trains moves statistics.
        assert same(gradients(rewrite(model), x), gradients(split_activations(model), x))
        compared["split"] += bool(sites(model))
        try:
            result = swapped(model)
        except ValueError as refusal:
            assert "no site" in str(refusal)
        else:
            assert same(outputs(result, x), outputs(swapped(split), x))
            compared["swapped"] += 1

    folded = fold_batchnorm(model)
    assert flags(folded.model).items() <= trains.items()
    norm = layers.BatchNormalization
    names = [name for name, layer in everything(model).items() if isinstance(layer, norm)]
    assert sorted([*folded.folded, *folded.kept]) == sorted(names)
    assert error(expected, outputs(folded.model, x)) < 1e-5
    compared["folded"] += bool(folded.folded)

    try:
        collapsed = collapse_linear(model).model
    except ValueError as refusal:
        assert str(refusal).startswith(("cannot collapse", "nothing to collapse"))
    else:
        assert flags(collapsed).items() <= trains.items()
        assert computing(collapsed) < computing(model)
        assert error(expected, outputs(collapsed, x)) < 1e-5
        compared["collapsed"] += 1

    assert same(weights, model.get_weights())


@pytest.mark.always
def test_every_transform_is_exact_or_refuses():
    compared = Counter()

    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(graph | straight)
    def judge(description):
        exact_or_refused(description, compared)

    judge()
    assert min(compared[what] for what in ("split", "swapped", "folded", "collapsed")) >= 3, compared


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(graph)
def test_a_matrix_is_the_model_or_there_is_none(description):
    model = build(description)
    curved = any(
        getattr(layer, "activation", None) not in (None, keras.activations.linear)
        or isinstance(layer, (layers.ReLU, layers.LeakyReLU, layers.MaxPooling2D, Forgets, Clipped))
        for layer in everything(model).values()
    )
    own = any(isinstance(layer, Doubled) for layer in everything(model).values())
    try:
        matrix, offset = affine_map(model)
    except ValueError as refusal:
        known = ("training=True", "fixed sizes", "Doubled is not affine" if own else "training=True")
        assert curved or any(word in str(refusal) for word in known)
        return
    assert not curved
    is_the_matrix_of(model, matrix, offset)


@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(straight)
def test_a_straight_net_is_its_matrix(description):
    """Nothing in it is refused: a map that refuses everything would pass the test above."""
    model = build(description)
    is_the_matrix_of(model, *affine_map(model))


def is_the_matrix_of(model, matrix, offset):
    x = images(model)
    expected = np.concatenate([y.reshape(len(x), -1) for y in outputs(model, x)], axis=1)
    assert error([expected], [x.reshape(len(x), -1) @ matrix.T + offset]) < 1e-5
