"""A slow and obvious forward pass in NumPy, in float64, from a spec and the weights by their names."""

import itertools

import deep
import keras
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from zoo.catalog import specify
from zoo.models import assemble
from zoo.spec import LAYOUTS, PLAIN_ORDERINGS, RESIDUAL_ORDERINGS, SHORTCUTS

RNG = np.random.default_rng(7)
RELATIVE = 1e-5


def relu(x):
    return np.maximum(x, 0.0)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def windows(x, size, stride):
    return sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]


def pad(x, amount, value=0.0):
    before, after = amount
    return np.pad(x, ((0, 0), (before, after), (before, after), (0, 0)), constant_values=value)


def same(size, kernel, stride):
    """The 'same' padding of TensorFlow: what is missing, the larger half on the right."""
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


class Forward:
    """The forward pass of one net: the arrays of its layers by name, in float64."""

    def __init__(self, net, spec):
        self.spec = spec
        self.arrays = {layer.name: [w.astype("float64") for w in layer.get_weights()] for layer in net.layers}
        example = spec.layout.startswith("keras_")
        self.epsilon = 1e-3 if example else 1e-5
        self.explicit_padding = not example
        self.used = set()

    def take(self, name):
        self.used.add(name)
        return self.arrays[name]

    def conv(self, x, name, stride=1, padding="same"):
        kernel, *bias = self.take(name)
        size = kernel.shape[0]
        if padding == "same" and size > 1:
            centred = self.explicit_padding and stride > 1
            x = pad(x, (size // 2, size // 2) if centred else same(x.shape[1], size, stride))
        y = np.einsum("bhwcij,ijco->bhwo", windows(x, size, stride), kernel)
        return y + bias[0] if bias else y

    def dense(self, x, name):
        kernel, *bias = self.take(name)
        y = x @ kernel
        return y + bias[0] if bias else y

    def norm(self, x, name):
        gamma, beta, mean, variance = self.take(name)
        return gamma * (x - mean) / np.sqrt(variance + self.epsilon) + beta

    def finish(self, x):
        """Classifier; and every weight of the net has been used."""
        y = self.dense(x, "predictions")
        y = softmax(y) if self.spec.classifier_activation == "softmax" else y
        assert self.used == {name for name, arrays in self.arrays.items() if arrays}
        return y


# ------------------------------------------------------------------ plain nets


def serve(f, ordering, linear, x, name, first, between=lambda x: x):
    """One weight layer in its ordering; `between` is the pooling that stands before the activation."""
    if ordering == "conv_act":
        return relu(between(linear(x)))
    if ordering == "conv_norm_act":
        return relu(between(f.norm(linear(x), f"{name}_norm")))
    if ordering == "conv_act_norm":
        return f.norm(relu(linear(x)), f"{name}_norm")
    if ordering == "act_conv_norm":
        return f.norm(linear(x if first else relu(x)), f"{name}_norm")
    return linear(x) if first else linear(relu(f.norm(x, f"{name}_norm")))


def close(f, x):
    if f.spec.ordering == "act_conv_norm":
        return relu(x)
    return relu(f.norm(x, "head_norm")) if f.spec.ordering == "norm_act_conv" else x


def mlp(f, x):
    x = x.reshape(len(x), -1)
    for k in range(1, f.spec.stages[0]):
        name = f"dense{k}"
        x = serve(f, f.spec.ordering, lambda v, n=name: f.dense(v, n), x, name, k == 1)
    return f.finish(close(f, x))


def pooled(x, how):
    blocks = windows(x, 2, 2)
    return blocks.max(axis=(-1, -2)) if how == "max_pool" else blocks.mean(axis=(-1, -2))


def convnet(f, x):
    spec = f.spec
    for k in range(spec.stages[0]):
        name, last = f"stage{k // 2 + 1}_conv{k % 2 + 1}", k % 2 == 1
        stride = 2 if last and spec.downsampling == "stride" else 1
        pools = last and spec.downsampling.endswith("pool")
        early = pools and spec.pooling_order == "pool_act"
        x = serve(
            f,
            spec.ordering,
            lambda v, n=name, s=stride: f.conv(v, n, s, spec.padding),
            x,
            name,
            k == 0,
            (lambda v: pooled(v, spec.downsampling)) if early else (lambda v: v),
        )
        if pools and not early:
            x = pooled(x, spec.downsampling)
    return f.finish(close(f, x).reshape(len(x), -1))


def vgg(f, x):
    names = [(f"block{s}_conv{k}", k == n) for s, n in enumerate(f.spec.stages, 1) for k in range(1, n + 1)]
    for name, last in names:
        x = serve(f, f.spec.ordering, lambda v, n=name: f.conv(v, n), x, name, name == "block1_conv1")
        x = pooled(x, "max_pool") if last else x
    x = x.reshape(len(x), -1)
    for name in ("fc1", "fc2"):
        x = serve(f, f.spec.ordering, lambda v, n=name: f.dense(v, n), x, name, False)
    return f.finish(close(f, x))


def plain(f, x):
    x = serve(f, f.spec.ordering, lambda v: f.conv(v, "stem_conv"), x, "stem_conv", True)
    for s, n in enumerate(f.spec.stages, 1):
        for k in range(1, n + 1):
            name, stride = f"stage{s}_conv{k}", 2 if k == 1 and s > 1 else 1
            x = serve(f, f.spec.ordering, lambda v, n=name, t=stride: f.conv(v, n, t), x, name, False)
    return f.finish(close(f, x).mean(axis=(1, 2)))


# --------------------------------------------------------------- residual nets


def branch(f, x, unit, ordering, strides):
    """The residual branch, each ordering written out; `x` has what both paths share behind it already."""
    last = len(strides)
    for k, stride in enumerate(strides, start=1):
        conv, norm = f"{unit}_conv{k}", f"{unit}_conv{k}_norm"
        if ordering == "original":
            x = f.norm(f.conv(x, conv, stride), norm)
            x = relu(x) if k < last else x
        elif ordering == "bn_after_addition":
            x = f.conv(x, conv, stride)
            x = relu(f.norm(x, norm)) if k < last else x
        elif ordering == "relu_before_addition":
            x = relu(f.norm(f.conv(x, conv, stride), norm))
        elif ordering == "relu_only_pre_activation":
            x = relu(x) if k > 1 else x
            x = f.norm(f.conv(x, conv, stride), norm)
        else:
            x = relu(f.norm(x, norm)) if k > 1 else x
            x = f.conv(x, conv, stride)
    return x


def enter(f, x, norm):
    if f.spec.ordering == "full_pre_activation":
        return relu(f.norm(x, norm))
    return relu(x) if f.spec.ordering == "relu_only_pre_activation" else x


def identity_or_zeros(x, channels, stride):
    x = x[:, ::stride, ::stride]
    missing = channels - x.shape[-1]
    return np.pad(x, ((0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2)))


def residual_unit(f, x, unit, channels, strides, skip):
    spec, stride = f.spec, max(strides)
    ordering = spec.ordering
    shared = x if skip else enter(f, x, f"{unit}_conv1_norm")
    y = branch(f, shared, unit, ordering, strides)
    if spec.shortcut == "conv1x1" or (spec.shortcut == "projection" and x.shape[-1] != channels):
        source = x if spec.layout.startswith("keras_") else shared
        short = f.conv(source, f"{unit}_shortcut_conv", stride)
        if ordering in ("original", "relu_before_addition", "relu_only_pre_activation"):
            short = f.norm(short, f"{unit}_shortcut_norm")
    else:
        short = identity_or_zeros(x, channels, stride)
        if spec.shortcut == "constant_scaling":
            short, y = spec.shortcut_scale * short, spec.branch_scale * y
        elif spec.shortcut.endswith("gating"):
            gate = sigmoid(f.conv(x, f"{unit}_shortcut_gate", stride))
            short = (1 - gate) * short
            y = gate * y if spec.shortcut == "exclusive_gating" else y
    x = short + y
    if ordering == "original":
        return relu(x)
    return relu(f.norm(x, f"{unit}_add_norm")) if ordering == "bn_after_addition" else x


def resnet(f, x):
    spec = f.spec
    pre = spec.ordering.endswith("pre_activation")
    torch = spec.layout in ("kerashub", "timm", "torchvision")
    late = pre and torch
    imagenet = spec.stem == "imagenet"
    x = f.conv(x, "stem_conv", 2 if imagenet else 1)
    if not late:
        x = relu(f.norm(x, "stem_conv_norm"))
    elif spec.ordering == "relu_only_pre_activation":
        x = f.norm(x, "stem_conv_norm")
    if imagenet:
        centred = not spec.layout.startswith("keras_")
        amount = (1, 1) if centred else same(x.shape[1], 3, 2)
        zeros = centred and not late and spec.layout not in ("timm", "torchvision")
        x = windows(pad(x, amount, 0.0 if zeros else -np.inf), 3, 2).max(axis=(-1, -2))
    for s, n in enumerate(spec.stages, 1):
        channels = spec.width * 2 ** (s - 1) * (4 if spec.block == "bottleneck" else 1)
        for k in range(1, n + 1):
            stride = 2 if k == 1 and s > 1 else 1
            if spec.block == "basic":
                strides = (stride, 1)
            else:
                strides = (1, stride, 1) if torch else (stride, 1, 1)
            skip = pre and not late and s == k == 1
            x = residual_unit(f, x, f"stage{s}_unit{k}", channels, strides, skip)
    return f.finish(enter(f, x, "head_norm").mean(axis=(1, 2)))


# ------------------------------------------------------------------ the check

NETS = {"mlp": mlp, "convnet": convnet, "vgg": vgg, "plain": plain, "resnet": resnet}


def scramble(net):
    """Give every weight a value of its own: gains near 1, offsets, means and variances as after training."""
    for layer in net.layers:
        values = []
        for w in layer.weights:
            shape = tuple(w.shape)
            if len(shape) > 1:
                values.append(RNG.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape))
            elif w.name in ("gamma", "moving_variance"):
                values.append(RNG.uniform(0.5, 1.5, shape))
            else:
                values.append(RNG.normal(0, 0.3, shape))
        layer.set_weights(values)


def check(name, **options):
    """Whether Keras in float32 computes what NumPy computes in float64."""
    size = options.pop("size", 8)
    # Logits: of classes that saturate there is nothing to see.
    options = {"classifier_activation": None} | options
    spec = specify(name, input_shape=(size, size, 3), classes=5, **options)
    net = assemble(spec)
    scramble(net)
    x = RNG.normal(size=(2, size, size, 3))
    expected = NETS[spec.family](Forward(net, spec), x)
    received = keras.ops.convert_to_numpy(net(x.astype("float32"), training=False))
    assert received.shape == expected.shape == (2, 5)
    np.testing.assert_allclose(received, expected, rtol=0, atol=RELATIVE * np.abs(expected).max())


@pytest.mark.parametrize(
    ("ordering", "block", "shortcut"),
    [
        # Each ordering and each shortcut every time; the pairs of others with -m deep.
        (*pair, shortcut) if "original" in pair or shortcut == SHORTCUTS[0] else deep.one(*pair, shortcut)
        for pair in itertools.product(RESIDUAL_ORDERINGS, ("basic", "bottleneck"))
        for shortcut in SHORTCUTS
    ],
)
def test_residual_net(ordering, block, shortcut):
    depth = {"basic": 14, "bottleneck": 20}[block]
    check(f"resnet{depth}", block=block, ordering=ordering, shortcut=shortcut, width=4)


@pytest.mark.parametrize("ordering", PLAIN_ORDERINGS)
@pytest.mark.parametrize("name", ["mlp", "convnet", "vgg11", "plain14"])
def test_plain_net(name, ordering):
    size, width = {"vgg11": (32, 2), "mlp": (4, 8)}.get(name, (8, 4))
    check(name, ordering=ordering, width=width, size=size)


@pytest.mark.parametrize("ordering", ["conv_act", "conv_act_norm"])
@pytest.mark.parametrize("name", ["mlp", "convnet", "vgg11", "plain14"])
def test_builtin_form(name, ordering):
    size, width = {"vgg11": (32, 2), "mlp": (4, 8)}.get(name, (8, 4))
    check(name, form="builtin", ordering=ordering, width=width, size=size)


@pytest.mark.parametrize(
    "options",
    [
        {"downsampling": "average_pool"},
        {"downsampling": "stride"},
        {"downsampling": "none"},
        {"padding": "valid", "size": 16},
        {"pooling_order": "pool_act", "downsampling": "average_pool"},
        {"pooling_order": "pool_act", "ordering": "conv_norm_act"},
    ],
    ids=str,
)
def test_downsampling_of_a_convnet(options):
    check("convnet", width=4, **options)


@pytest.mark.parametrize("ordering", ["original", "relu_only_pre_activation", "full_pre_activation"])
@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout != "keras"])
def test_layout_on_cifar(layout, ordering):
    if layout == "torchvision":
        ordering = "original" if ordering == "original" else "bn_after_addition"  # none with pre-activation
    check("resnet20", block="bottleneck", shortcut="projection", layout=layout, ordering=ordering, width=4)


@pytest.mark.parametrize("name", ["resnet18", "resnet18v2"])
@pytest.mark.parametrize("layout", ["he2016", "kerashub", "timm", "keras_resnet"])
def test_layout_on_imagenet(layout, name):
    check(name, layout=layout, size=32, width=4)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("size", [32, 45])
def test_layout_of_torchvision_on_imagenet(size, activation, monkeypatch):
    # Where activations may be negative, a border of zeros and one of minus infinity are not the same.
    if activation == "tanh":
        monkeypatch.setitem(globals(), "relu", np.tanh)
    check("resnet18", layout="torchvision", activation=activation, size=size, width=4)


@pytest.mark.parametrize("form", ["separate", "builtin"])
def test_softmax(form):
    check("mlp", form=form, classifier_activation="softmax", size=4, width=8)
