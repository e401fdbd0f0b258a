"""Nets put together by hand, for the tests of surgery, and what surgery must not touch."""

import keras
import numpy as np
from keras import layers, ops

from zoo.graph import flatten_layers, inbound_nodes


def array(tensor):
    return ops.convert_to_numpy(tensor)


def draw(model):
    """Weights and statistics that no two layers share."""
    rng = np.random.default_rng(3)
    for variable in model.weights:
        if "seed" not in variable.path:
            low = 0.5 if "variance" in variable.path else -0.7
            variable.assign(rng.uniform(low, 1.2, variable.shape))
    return model


def backbone(name="base", size=8):
    """Two convolutions, a residual addition, pooling."""
    image = keras.Input((size, size, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", name="conv")(image)
    x = layers.BatchNormalization(name="norm")(x)
    shortcut = x = layers.ReLU(name="act")(x)
    x = layers.Conv2D(4, 3, padding="same", name="conv2")(x)
    x = layers.Add(name="add")([x, shortcut])
    x = layers.MaxPooling2D(2, name="pool")(x)
    return draw(keras.Model(image, x, name=name))


def nested(training=None):
    """A backbone inside a model: what transfer learning makes."""
    photo = keras.Input((8, 8, 3), name="photo")
    x = layers.Rescaling(0.5, name="scale")(photo)
    x = backbone()(x) if training is None else backbone()(x, training=training)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    head = layers.Dense(3, name="head")
    model = keras.Model(photo, head(x), name="outer")
    return draw(model)


def chain():
    parts = [layers.Dense(size, name=name) for size, name in ((4, "a"), (4, "b"), (3, "c"))]
    return draw(keras.Sequential([keras.Input((5,)), *parts], name="chain"))


def shared():
    """A Dense layer called before and after a ReLU; the model returns both and the input."""
    dense = layers.Dense(4, name="fc")
    x = keras.Input((4,), name="x")
    first = dense(x)
    second = dense(layers.ReLU(name="act")(first))
    return draw(keras.Model(x, {"first": first, "second": second}, name="shared"))


def towers():
    """One tower for two inputs, which the model takes by name."""
    tower = draw(keras.Sequential([keras.Input((4,)), layers.Dense(3, name="fc")], name="tower"))
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    difference = layers.Subtract(name="difference")([tower(a), tower(b)])
    return keras.Model({"a": a, "b": b}, difference, name="towers")


class Scale(layers.Layer):
    """A layer whose configuration does not say what it multiplies by."""

    factor = 1.0

    def call(self, inputs):
        return inputs * self.factor


class Net(keras.Model):
    """A model of a class of its own, made of inputs and outputs."""

    def train_step(self, *args):
        return super().train_step(*args)


def images(size=8, seed=0):
    return np.random.default_rng(seed).normal(size=(2, size, size, 3)).astype("float32")


def vectors(size, seed=0):
    return np.random.default_rng(seed).normal(size=(3, size)).astype("float32")


def names(model):
    return [layer.name for layer in model.layers if not isinstance(layer, layers.InputLayer)]


def state(model):
    """All that surgery must not touch."""
    parts = flatten_layers(model)
    operations = getattr(model, "operations", parts)
    return (
        model.to_json(),
        [array(weight).tobytes() for weight in model.weights],
        [(part.name, part.trainable) for part in parts],
        [len(inbound_nodes(operation)) for operation in operations],
    )


def same_weights(new, old, layer, other=None):
    a, b = new.get_layer(layer).get_weights(), old.get_layer(other or layer).get_weights()
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
