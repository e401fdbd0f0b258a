"""Random small graphs: every transform is exact, or refuses."""

import keras
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers
from transform_nets import batch, error, gradients, outputs, randomised, same

from zoo.graph import rewrite
from zoo.transforms import (
    affine_map,
    collapse_linear,
    fold_batchnorm,
    fuse_activations,
    split_activations,
    swap_activation,
)

CHANNELS = 4
SIZE = 7

step = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(
            "conv conv conv norm norm norm act add dense depthwise separable up average max pad linear".split()
        ),
        "source": st.integers(0, 3),  # how far back the input stands: 0 is the newest tensor
        "other": st.integers(0, 9),
        "size": st.integers(1, 3),
        "stride": st.integers(1, 2),
        "dilation": st.integers(1, 2),
        "groups": st.sampled_from([1, 1, 2]),
        "padding": st.sampled_from(["same", "valid"]),
        "activation": st.sampled_from([None, None, "relu", "tanh"]),
        "bias": st.booleans(),
        "scale": st.booleans(),
        "center": st.booleans(),
        "axis": st.sampled_from([-1, -1, -1, 1]),
        "training": st.sampled_from([None, None, None, True]),
    }
)
graph = st.tuples(st.lists(step, min_size=2, max_size=7), st.booleans())


def build(description):
    steps, second_output = description
    tensors = [keras.Input((SIZE, SIZE, CHANNELS))]
    for number, s in enumerate(steps):
        x = tensors[-1 - min(s["source"], len(tensors) - 1)]
        y = apply(s, x, tensors, f"{s['kind']}{number}")
        tensors.append(y)
    results = [tensors[-1]]
    if second_output and len(tensors) > 2:
        results.append(tensors[-2])
    return randomised(keras.Model(tensors[0], results, name="random"))


def apply(s, x, tensors, name):
    fits = x.shape[1] > s["dilation"] * (s["size"] - 1)
    common = {"padding": s["padding"] if fits else "same", "activation": s["activation"], "name": name}
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
            return layers.Dense(CHANNELS, activation=s["activation"], use_bias=s["bias"], name=name)(x)
        case "norm":
            layer = layers.BatchNormalization(s["axis"], scale=s["scale"], center=s["center"], name=name)
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
    alike = [t for t in tensors if t.shape == x.shape]
    return layers.Add(name=name)([x, alike[s["other"] % len(alike)]])


def computing(model):
    """Layers, without the one that a collapsed run may pad its input with."""
    return sum(not isinstance(layer, layers.ZeroPadding2D) for layer in model.layers)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(graph)
def test_every_transform_is_exact_or_refuses(description):
    model = build(description)
    x = batch(model)
    expected = outputs(model, x)
    weights = model.get_weights()

    split = split_activations(model)
    fused = fuse_activations(model)
    for other in (split, fused, fuse_activations(split)):
        assert same(expected, outputs(other, x))
    # On copies: a call that trains moves statistics.
    assert same(gradients(rewrite(model), x), gradients(split_activations(model), x))

    folded = fold_batchnorm(model)
    names = [layer.name for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    assert sorted([*folded.folded, *folded.kept]) == sorted(names)
    assert error(expected, outputs(folded.model, x)) < 1e-5

    try:
        collapsed = collapse_linear(model).model
    except ValueError as refusal:
        assert str(refusal).startswith(("cannot collapse", "nothing to collapse"))
    else:
        assert computing(collapsed) < computing(model)
        assert error(expected, outputs(collapsed, x)) < 1e-5

    try:
        swapped = swap_activation(model, "relu", "gelu")
    except ValueError as refusal:
        assert "no site" in str(refusal)
    else:
        assert same(outputs(swapped.model, x), outputs(swap_activation(split, "relu", "gelu").model, x))

    assert same(weights, model.get_weights())


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(graph)
def test_a_matrix_is_the_model_or_there_is_none(description):
    model = build(description)
    curved = any(
        getattr(layer, "activation", None) in (keras.activations.relu, keras.activations.tanh)
        or isinstance(layer, (layers.ReLU, layers.LeakyReLU, layers.MaxPooling2D))
        for layer in model.layers
    )
    x = batch(model)
    try:
        matrix, offset = affine_map(model)
    except ValueError as refusal:
        assert curved or "training=True" in str(refusal)
        return
    assert not curved
    expected = np.concatenate([y.reshape(len(x), -1) for y in outputs(model, x)], axis=1)
    assert error([expected], [x.reshape(len(x), -1) @ matrix.T + offset]) < 1e-5
