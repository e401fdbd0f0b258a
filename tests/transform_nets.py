"""Models to transform, with weights that hide nothing: random kernels and BatchNormalization statistics."""

import keras
import numpy as np
from keras import layers

# name: (constructor, smallest input it takes)
APPLICATIONS = {
    "VGG16": (keras.applications.VGG16, (32, 32, 3)),
    "ResNet50": (keras.applications.ResNet50, (32, 32, 3)),
    "ResNet50V2": (keras.applications.ResNet50V2, (32, 32, 3)),
    "MobileNetV2": (keras.applications.MobileNetV2, (32, 32, 3)),
    "EfficientNetB0": (keras.applications.EfficientNetB0, (32, 32, 3)),
    "DenseNet121": (keras.applications.DenseNet121, (32, 32, 3)),
    "InceptionV3": (keras.applications.InceptionV3, (75, 75, 3)),
    "Xception": (keras.applications.Xception, (71, 71, 3)),
}


def application(name):
    """A `keras.applications` model on its smallest input, ten classes, randomised."""
    make, shape = APPLICATIONS[name]
    return randomised(make(weights=None, input_shape=shape, classes=10))


def randomised(model, seed=0):
    """Give every variable of `model` a value that no default has, at a scale that keeps deep nets finite."""
    rng = np.random.default_rng(seed)
    # Each addition multiplies the variance by one plus that of its branch, which goes with the fourth power of the
    # scale of two kernels: more than a hundred additions grow as much as a hundred do.
    additions = sum(isinstance(layer, layers.Add) for layer in model.layers)
    scale = (100 / max(100, additions)) ** 0.25
    for variable in model.weights:
        name, shape = variable.path.rsplit("/", 1)[-1], tuple(variable.shape)
        if not keras.backend.is_float_dtype(variable.dtype):
            continue
        if "variance" in name or "gamma" in name:
            value = rng.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            fan_in = np.prod(shape[:-1]) if "depthwise" not in name else np.prod(shape[:-2])
            value = rng.normal(0, scale * np.sqrt(1 / fan_in), shape)
        else:
            value = rng.normal(0, 0.2, shape)
        variable.assign(value.astype("float32"))
    return model


def batch(model, size=2, seed=1):
    """Inputs for `model`, one array or a list of them."""
    rng = np.random.default_rng(seed)
    arrays = [
        rng.normal(size=(size, *t.shape[1:])).astype("float32") for t in keras.tree.flatten(model.inputs)
    ]
    return arrays if len(arrays) > 1 else arrays[0]


def outputs(model, x, training=False):
    """The outputs of `model` as a list of numpy arrays."""
    result = model(x, training=training)
    return [keras.ops.convert_to_numpy(t) for t in keras.tree.flatten(result)]


def gradients(model, x):
    """The gradient of the sum of squared outputs by every trainable weight, by path of the weight."""
    backend = keras.backend.backend()
    variables = model.trainable_variables
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = sum(tf.reduce_sum(tf.square(y)) for y in keras.tree.flatten(model(x)))
        found = tape.gradient(loss, variables)
    elif backend == "torch":
        import torch

        loss = sum((y**2).sum() for y in keras.tree.flatten(model(x)))
        found = torch.autograd.grad(loss, [v.value for v in variables])
        found = map(keras.ops.convert_to_numpy, found)
    else:
        import jax

        fixed = [v.value for v in model.non_trainable_variables]

        def loss(values):
            y, _ = model.stateless_call(values, fixed, x)
            return sum((t**2).sum() for t in keras.tree.flatten(y))

        found = jax.grad(loss)([v.value for v in variables])
    # The order of the weights is that of the layers, which a new activation layer between them may change.
    return [
        np.asarray(g)
        for _, g in sorted(zip((v.path for v in variables), found, strict=True), key=lambda pair: pair[0])
    ]


def doubled(layer):
    """The layer, which from now on gives twice what it gave: of that no copy knows."""
    call = layer.call
    layer.call = lambda z, training=None: 2 * call(z)
    return layer


def same(a, b):
    """Whether two lists of arrays are equal to the bit."""
    return len(a) == len(b) and all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


def error(a, b):
    """The largest difference between two lists of arrays, relative to the largest value of the first; nan where one is."""
    assert [p.shape for p in a] == [q.shape for q in b]
    return float(np.max([np.abs(p - q).max() / np.abs(p).max() for p, q in zip(a, b, strict=True)]))


def configuration(model):
    """What tells two models apart: class, names, graph and configuration; without built shapes."""

    def clean(value):
        if isinstance(value, dict):
            return {k: clean(v) for k, v in value.items() if k not in ("build_config", "compile_config")}
        if isinstance(value, (list, tuple)):
            return [clean(v) for v in value]
        return value

    config = clean(model.get_config())
    text = repr((type(model).__name__, config))
    return text


def branching():
    """Two inputs, two outputs, a shared convolution, a nested model called twice, a bare operation."""
    inner_input = keras.Input((8, 8, 4))
    y = layers.Conv2D(4, 3, padding="same", activation="relu", name="inner_conv")(inner_input)
    y = layers.BatchNormalization(name="inner_norm")(y)
    inner = keras.Model(inner_input, layers.Activation("tanh", name="inner_conv_out")(y), name="inner")
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")
    shared = layers.Conv2D(4, 3, padding="same", activation="sigmoid", name="shared")
    a, b = shared(left), shared(right)
    a, b = inner(a), inner(b)
    padded = keras.ops.pad(a, ((0, 0), (0, 0), (0, 0), (0, 2)))[..., :4]
    z = layers.Add(name="sum")([padded, b])
    top = layers.Dense(5, activation="softmax", name="top")(layers.Flatten(name="flat")(z))
    return keras.Model([left, right], {"classes": top, "map": z}, name="branching")


@keras.saving.register_keras_serializable("transform_nets")
class Silent(layers.Layer):
    """Takes no `training`, and holds a layer that does."""

    def __init__(self, inner, **options):
        super().__init__(**options)
        self.inner = inner

    def build(self, shape):
        if not self.inner.built:
            self.inner.build(shape)

    def call(self, x):
        return self.inner(x)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "inner": keras.saving.serialize_keras_object(self.inner)}

    @classmethod
    def from_config(cls, config):
        return cls(**config | {"inner": keras.saving.deserialize_keras_object(config["inner"])})
