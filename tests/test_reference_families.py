"""The families beyond plain and residual nets, written out in NumPy a second time, in float64."""

import math
from dataclasses import replace

import keras
import numpy as np
import pytest
from test_reference import RELATIVE, RNG, Forward, pad, relu, same, scramble, windows

from zoo.catalog import specify
from zoo.models import assemble


def relu6(x):
    return np.clip(x, 0.0, 6.0)


def elu(x):
    return np.where(x > 0, x, np.exp(np.minimum(x, 0.0)) - 1.0)


def gelu(x):
    return x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0))) / 2.0


class Net(Forward):
    """What these families have besides: depthwise convolutions, layer normalisation, averages."""

    def depthwise(self, x, name, stride=1, kernel=None, bias=()):
        if kernel is None:
            kernel, *bias = self.take(name)
        size = kernel.shape[0]
        x = pad(x, (size // 2, size // 2) if stride > 1 else same(x.shape[1], size, 1))
        y = np.einsum("bhwcij,ijc->bhwc", windows(x, size, stride), kernel[..., 0])
        return y + bias[0] if len(bias) else y

    def separable(self, x, name):
        depthwise, pointwise = self.take(name)
        return self.depthwise(x, name, kernel=depthwise) @ pointwise[0, 0]

    def layer_norm(self, x, name):
        gamma, beta = self.take(name)
        centred = x - x.mean(axis=-1, keepdims=True)
        return gamma * centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6) + beta


def mobilenetv2(f, x, narrow=None, depthwise=relu6):
    def normed(x, name):
        return f.norm(x, f"{name}_norm")

    x = relu6(normed(f.conv(x, "stem_conv"), "stem_conv"))
    table = [(1, 1), (6, 1), (6, 2), (6, 2), (6, 1), (6, 2), (6, 1)]
    for s, ((expansion, first), n) in enumerate(zip(table, f.spec.stages, strict=True), 1):
        for k in range(1, n + 1):
            unit, stride, start = f"stage{s}_unit{k}", first if k == 1 else 1, x
            if expansion > 1:
                x = relu6(normed(f.conv(x, f"{unit}_expand"), f"{unit}_expand"))
            x = normed(f.depthwise(x, f"{unit}_depthwise", stride), f"{unit}_depthwise")
            x = depthwise(x) if depthwise else x
            x = normed(f.conv(x, f"{unit}_project"), f"{unit}_project")
            x = narrow(x) if narrow else x
            x = x + start if x.shape == start.shape else x
    x = relu6(normed(f.conv(x, "last_conv"), "last_conv"))
    return f.finish(x.mean(axis=(1, 2)))


def xception(f, x, between=None):
    def unit(x, name):
        if between:
            x = f.conv(between(f.depthwise(x, f"{name}_depthwise")), name)
        else:
            x = f.separable(x, name)
        return f.norm(x, f"{name}_bn")

    for k in (1, 2):
        x = relu(f.norm(f.conv(x, f"block1_conv{k}"), f"block1_conv{k}_bn"))
    last = 5 + f.spec.stages[3]
    for b in range(2, last + 1):
        strided, count = b in (2, 3, 4, last), 2 if b in (2, 3, 4, last) else 3
        stride = 2 if b in (3, 4, last) else 1
        short = x
        if strided:
            short = f.norm(f.conv(x, f"block{b}_shortcut_conv", stride), f"block{b}_shortcut_norm")
        for k in range(1, count + 1):
            x = x if (b, k) == (2, 1) else relu(x)
            x = unit(x, f"block{b}_sepconv{k}")
        if strided:
            x = windows(pad(x, same(x.shape[1], 3, stride), -np.inf), 3, stride).max(axis=(-1, -2))
        x = short + x
    for k in (1, 2):
        x = relu(unit(x, f"block{last + 1}_sepconv{k}"))
    return f.finish(x.mean(axis=(1, 2)))


def densenet(f, x):
    spec, before = f.spec, f.spec.ordering == "norm_act_conv"

    def unit(x, name):
        if before:
            return f.conv(relu(f.norm(x, f"{name}_norm")), name)
        return relu(f.norm(f.conv(x, name), f"{name}_norm"))

    x = f.conv(x, "stem_conv") if before else relu(f.norm(f.conv(x, "stem_conv"), "stem_conv_norm"))
    for s, n in enumerate(spec.stages, 1):
        for k in range(1, n + 1):
            y = unit(x, f"stage{s}_unit{k}_conv1")
            y = unit(y, f"stage{s}_unit{k}_conv2") if spec.block == "bottleneck" else y
            x = np.concatenate([x, y], axis=-1)
        if s < len(spec.stages):
            x = windows(unit(x, f"stage{s}_transition_conv"), 2, 2).mean(axis=(-1, -2))
    x = relu(f.norm(x, "head_norm")) if before else x
    return f.finish(x.mean(axis=(1, 2)))


def convnext(f, x):
    spec = f.spec
    acts, norms, number = spec.activations_per_block, spec.norms_per_block, spec.normalization
    normed = f.layer_norm if number == "layer" else f.norm
    x = normed(f.conv(x, "stem_conv"), "stem_conv_norm")
    for s, n in enumerate(spec.stages, 1):
        if s > 1:
            name = f"stage{s}_downsample_conv"
            kernel, bias = f.take(name)
            x = np.einsum("bhwcij,ijco->bhwo", windows(normed(x, f"{name}_norm"), 2, 2), kernel) + bias
        for k in range(1, n + 1):
            unit = f"stage{s}_unit{k}"
            y = normed(f.depthwise(x, f"{unit}_depthwise"), f"{unit}_depthwise_norm")
            y = gelu(y) if acts >= 2 else y
            y = f.dense(y, f"{unit}_expand")
            y = gelu(normed(y, f"{unit}_expand_norm") if norms >= 2 else y)
            y = f.dense(y, f"{unit}_project")
            y = normed(y, f"{unit}_project_norm") if norms == 3 else y
            (scale,) = f.take(f"{unit}_scale")
            x = x + scale * y
            x = gelu(x) if acts == 3 else x
    return f.finish(normed(x.mean(axis=(1, 2)), "head_norm"))


def wrn(f, x):
    spec = f.spec
    x = f.conv(x, "stem_conv")
    for s, n in enumerate(spec.stages, 1):
        for k in range(1, n + 1):
            unit, stride = f"stage{s}_unit{k}", 2 if k == 1 and s > 1 else 1
            shared = relu(f.norm(x, f"{unit}_conv1_norm"))
            short = x if k > 1 else f.conv(shared, f"{unit}_shortcut_conv", stride)
            y = f.conv(shared, f"{unit}_conv1", stride)
            for c in range(2, spec.convolutions + 1):
                y = f.conv(relu(f.norm(y, f"{unit}_conv{c}_norm")), f"{unit}_conv{c}")
            x = short + y
    return f.finish(relu(f.norm(x, "head_norm")).mean(axis=(1, 2)))


def repvgg(f, x):
    spec, small = f.spec, f.spec.layout == "cifar"
    units = [("stem", 1 if small else 2)]
    for s, n in enumerate(spec.stages, 1):
        units += [
            (f"stage{s}_unit{k}", 2 if k == 1 and not (small and s == 1) else 1) for k in range(1, n + 1)
        ]
    for unit, stride in units:
        y = f.conv(x, f"{unit}_conv", stride)
        if not spec.merged:
            y = f.norm(y, f"{unit}_conv_norm")
            y = y + f.norm(f.conv(x, f"{unit}_pointwise", stride), f"{unit}_pointwise_norm")
            if y.shape == x.shape:
                y = y + f.norm(x, f"{unit}_identity_norm")
        x = relu(y)
    return f.finish(x.mean(axis=(1, 2)))


CASES = [
    (mobilenetv2, "mobilenetv2", {}, {}),
    (mobilenetv2, "mobilenetv2_0.5", {"narrow_activation": "relu"}, {"narrow": relu}),
    (mobilenetv2, "mobilenetv2", {"depthwise_activation": None}, {"depthwise": None}),
    (mobilenetv2, "mobilenetv2", {"depthwise_activation": "elu"}, {"depthwise": elu}),
    (xception, "xception", {}, {}),
    (xception, "xception", {"between_activation": "elu"}, {"between": elu}),
    (densenet, "densenet22", {}, {}),
    (densenet, "densenet22", {"ordering": "conv_norm_act"}, {}),
    (densenet, "densenet22", {"block": "bottleneck"}, {}),
    (densenet, "densenet22", {"block": "bottleneck", "ordering": "conv_norm_act"}, {}),
    *[
        (convnext, "convnexttiny", {"layout": "cifar", "activations_per_block": a, "norms_per_block": n}, {})
        for a, n in ((1, 1), (2, 1), (3, 2), (1, 3))
    ],
    (convnext, "convnexttiny", {"layout": "cifar", "normalization": "batch", "norms_per_block": 2}, {}),
    (wrn, "wrn16_1", {}, {}),
    (wrn, "wrn13_1", {"convolutions": 3, "dropout_rate": 0.3}, {}),
    (wrn, "wrn10_1", {"convolutions": 1}, {}),
    (repvgg, "repvgg", {}, {}),
    (repvgg, "repvgg", {"merged": True}, {}),
    (repvgg, "repvgg", {"layout": "imagenet"}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("forward", "name", "options", "words"), CASES)
def test_family(forward, name, options, words):
    size = 33 if options.get("layout") == "imagenet" else 9
    width = 6 if forward is repvgg else 4
    options = {
        "classifier_activation": None,
        "width": width,
        "input_shape": (size, size, 3),
        "classes": 5,
    } | options
    spec = specify(name, **options)
    spec = replace(spec, stages=tuple(min(n, 2 if k == 1 else 1) for k, n in enumerate(spec.stages)))
    net = assemble(spec)
    scramble(net)
    x = RNG.normal(size=(2, size, size, 3))
    expected = forward(Net(net, spec), x, **words)
    received = keras.ops.convert_to_numpy(net(x.astype("float32"), training=False))
    assert received.shape == expected.shape == (2, 5)
    np.testing.assert_allclose(received, expected, rtol=0, atol=RELATIVE * np.abs(expected).max())
