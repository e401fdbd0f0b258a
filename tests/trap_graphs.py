"""Small nets in which taking an activation out, or merging what is left, is easily wrong in silence."""

import keras
from keras import layers

IMAGE = (9, 10, 4)


def conv(filters=4, size=3, **options):
    return layers.Conv2D(filters, size, **options)


def chain(*parts, shape=IMAGE):
    return keras.Sequential([keras.Input(shape), *parts])


def functional(build, *shapes):
    inputs = [keras.Input(shape) for shape in shapes or (IMAGE,)]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], build(*inputs))


def two_readers():
    def build(x):
        y = layers.ReLU(name="act")(conv(name="a")(x))
        return layers.Add()([conv(name="b")(y), conv(name="c")(y)])

    return functional(build)


def before_is_read_too():
    def build(x):
        z = conv(name="a")(x)
        return layers.Add()([z, layers.ReLU(name="act")(z)])

    return functional(build)


def before_is_an_output():
    def build(x):
        z = conv(name="a")(x)
        return {"z": z, "y": conv(name="b")(layers.ReLU(name="act")(z))}

    return functional(build)


def after_is_an_output():
    def build(x):
        y = layers.ReLU(name="act")(conv(name="a")(x))
        return [y, conv(1, name="b")(y)]

    return functional(build)


def shared_convolution():
    def build(x, y):
        a = conv(padding="same", activation="relu", name="a")
        return layers.Add()([a(a(x)), a(y)])

    return functional(build, IMAGE, IMAGE)


def shared_activation():
    def build(x):
        act = layers.ReLU(name="act")
        return conv(name="c")(act(conv(name="b")(act(conv(name="a")(x)))))

    return functional(build)


def batch_statistics():
    def build(x):
        y = layers.BatchNormalization(name="norm")(conv(name="a")(x), training=True)
        return conv(name="b")(layers.ReLU(name="act")(y))

    return functional(build)


def nested(times):
    def build(x):
        z = keras.Input(IMAGE)
        y = conv(padding="same", activation="relu", name="a")(z)
        inner = keras.Model(z, layers.LeakyReLU(name="act")(conv(size=1, name="b")(y)), name="inner")
        for _ in range(times):
            x = inner(x)
        return conv(name="c")(x)

    return functional(build)


def nested_in_training():
    def build(x):
        z = keras.Input(IMAGE)
        inner = keras.Model(z, layers.BatchNormalization(name="norm")(conv(name="a")(z)), name="inner")
        return conv(name="b")(layers.ReLU(name="act")(inner(x, training=True)))

    return functional(build)


def sum_and_join():
    def build(x):
        y = layers.ReLU(name="act1")(layers.Add()([conv(padding="same", name="a")(x), x]))
        y = layers.Concatenate()([y, layers.Activation("tanh", name="act2")(y)])
        return conv(name="b")(layers.Activation("elu", name="act3")(y))

    return functional(build)


def attention():
    def build(x):
        q, k = layers.Dense(5, name="q")(x), layers.Dense(5, name="k")(x)
        scores = layers.Softmax(name="weights")(layers.Dot(axes=2)([q, k]))
        return layers.Dense(2, name="top")(layers.Dot(axes=(2, 1))([scores, x]))

    return functional(build, (6, 3))


def bare_operation():
    def build(x):
        return conv(name="b")(keras.ops.relu(conv(name="a")(x)))

    return functional(build)


def twice_activated():
    return chain(conv(activation="relu", name="a"), layers.Activation("tanh", name="act"), conv(name="b"))


def half_precision(policy="mixed_bfloat16"):
    return chain(
        conv(dtype=policy, activation="relu", name="a"),
        layers.BatchNormalization(dtype=policy, name="norm"),
        layers.ReLU(dtype=policy, name="act"),
        conv(dtype=policy, name="b"),
        layers.Activation("tanh", dtype="float32", name="last"),
    )


# name: model. All of its sites go at once, with the best map.
TRAPS = {
    "two layers read the activation": two_readers,
    "the value before is read by an addition": before_is_read_too,
    "the value before is an output": before_is_an_output,
    "the value after is an output": after_is_an_output,
    "shared convolution with an activation": shared_convolution,
    "one activation layer at two places": shared_activation,
    "batch statistics before it": batch_statistics,
    "nested model": lambda: nested(1),
    "nested model called twice": lambda: nested(2),
    "nested model called in training mode": nested_in_training,
    "residual sum, concatenation": sum_and_join,
    "softmax inside": attention,
    "bare operation": bare_operation,
    "built in, then separate": twice_activated,
    "reads the input": lambda: chain(layers.ReLU(name="act"), conv(name="a")),
    "is all there is": lambda: chain(layers.Activation("tanh", name="act")),
    "zero padding after it": lambda: chain(layers.ReLU(name="act"), conv(padding="same", name="a")),
    "zero padding layer after it": lambda: chain(
        layers.ReLU(name="act"), layers.ZeroPadding2D(1), conv(name="a")
    ),
    "padded convolutions on both sides": lambda: chain(
        conv(padding="same", activation="relu", name="a"), conv(padding="same", name="b")
    ),
    "size 1 with a bias, then padded": lambda: chain(
        conv(size=1, activation="relu", name="a"), conv(padding="same", name="b")
    ),
    "strides under 'same'": lambda: chain(
        conv(padding="same", strides=2, activation="relu", name="a"),
        conv(padding="same", strides=2, activation="relu", name="b"),
        conv(size=1, name="c"),
    ),
    "groups": lambda: chain(
        conv(groups=2, activation="relu", name="a"), conv(8, groups=4, name="b"), layers.ReLU(name="act")
    ),
    "groups after it": lambda: chain(layers.ReLU(name="act"), conv(8, groups=2, name="a")),
    "dilation": lambda: chain(
        conv(size=2, dilation_rate=2, activation="elu", name="a"), conv(size=2, dilation_rate=3, name="b")
    ),
    "max-pooling between": lambda: chain(
        conv(activation="relu", name="a"), layers.MaxPooling2D(2), conv(name="b")
    ),
    "max-pooling, then it": lambda: chain(
        conv(name="a"), layers.MaxPooling2D(2), layers.ReLU(name="act"), conv(padding="same", name="b")
    ),
    "average pooling over fewer pixels": lambda: chain(
        conv(activation="relu", name="a"), layers.AveragePooling2D(2, padding="same"), conv(name="b")
    ),
    "depthwise with a multiplier": lambda: chain(
        layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu", name="a"), conv(size=1, name="b")
    ),
    "depthwise after it": lambda: chain(
        layers.ReLU(name="act"), layers.DepthwiseConv2D(3, depth_multiplier=2, name="a")
    ),
    "separable": lambda: chain(
        layers.ReLU(name="act1"),
        layers.SeparableConv2D(5, 3, depth_multiplier=2, name="a"),
        layers.Activation("gelu", name="act2"),
        layers.SeparableConv2D(3, 3, padding="same", activation="relu", name="b"),
    ),
    "transposed after it": lambda: chain(
        layers.ReLU(name="act"), layers.Conv2DTranspose(3, 3, activation="relu", name="a"), conv(name="b")
    ),
    "normalisation without scale": lambda: chain(
        layers.BatchNormalization(scale=False, name="norm"), layers.ReLU(name="act"), conv(padding="same")
    ),
    "normalisation without anything": lambda: chain(
        layers.BatchNormalization(scale=False, center=False, name="norm"), layers.ReLU(name="act")
    ),
    "dropout and noise between": lambda: chain(
        conv(activation="relu", name="a"), layers.Dropout(0.5), layers.GaussianNoise(1.0), conv(name="b")
    ),
    "slopes of its own": lambda: chain(
        conv(name="a"), layers.PReLU(shared_axes=[1, 2], name="act"), conv(name="b")
    ),
    "slopes of its own, built in": lambda: chain(
        conv(activation=layers.PReLU(shared_axes=[1, 2]), name="a"), conv(name="b")
    ),
    "features": lambda: chain(
        layers.Flatten(),
        layers.Dense(5, activation="selu", name="a"),
        layers.LeakyReLU(name="act"),
        layers.Dense(3, use_bias=False, name="b"),
        shape=(3, 4, 2),
    ),
    "rows": lambda: chain(
        layers.Dense(5, activation="relu", name="a"), layers.Dense(3, name="b"), shape=(6, 4)
    ),
    "causal": lambda: chain(
        layers.Conv1D(4, 3, padding="causal", activation="relu", name="a"),
        layers.Conv1D(4, 3, padding="causal", activation="relu", name="b"),
        layers.Conv1D(2, 1, name="c"),
        shape=(12, 3),
    ),
    "regulariser on the output": lambda: chain(
        conv(activation="relu", activity_regularizer="l2", name="a"), conv(name="b")
    ),
    "no kernel that is known": lambda: chain(
        layers.EinsumDense("abc,cd->abd", (6, 5), bias_axes="d", activation="relu", name="a"),
        layers.Dense(3, name="b"),
        shape=(6, 4),
    ),
    "half precision": half_precision,
}


def several_widths():
    def build(x):
        act = layers.ReLU(name="act")
        return conv(2, name="b")(act(conv(6, name="a")(act(x))))

    return functional(build)


def masked():
    def build(x):
        return layers.LSTM(3)(layers.ReLU(name="act")(layers.Masking()(x)))

    return functional(build, (5, 3))


# name: (model, what the refusal says)
REFUSED = {
    "different widths": (several_widths, r"'act' is one layer called on tensors of \[4, 6\] channels"),
    "a mask goes through it": (masked, "goes through the site 'act', and a mask does not cross"),
    "its own regulariser": (
        lambda: chain(conv(), layers.ReLU(activity_regularizer="l2", name="act")),
        "cannot drop 'act': its activity_regularizer would be lost",
    ),
}
