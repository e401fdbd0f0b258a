"""What stock layers were given or had set on them, and Keras leaves out of their configuration, comes along."""

import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import outputs, same

import zoo
from zoo.graph import is_function, rewrite

pytestmark = [pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning"), pytest.mark.backend]
BACKEND = keras.backend.backend()


def copied(layer, x=None):
    x = keras.Input((4,)) if x is None else x
    return rewrite(keras.Model(x, layer(x))).layers[-1]


SETTINGS = {
    "autocast": lambda: (layers.Dense(3, autocast=False), keras.Input((4,))),
    "use_cudnn": lambda: (layers.LSTM(3, use_cudnn=False), keras.Input((3, 4))),
    "seed": lambda: (layers.RandomGrayscale(0.5, seed=3), keras.Input((8, 8, 3))),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_no_configuration_says_come_along(name):
    layer, x = SETTINGS[name]()
    assert getattr(copied(layer, x), name) == getattr(layer, name)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="sparse tensors")
def test_a_sparse_encoding_stays_sparse():
    x = keras.Input((3,), dtype="int32")
    model = keras.Model(x, layers.CategoryEncoding(4, "multi_hot", sparse=True)(x))
    new = rewrite(model)
    assert new.layers[-1].sparse and new.outputs[0].sparse


def test_a_layer_that_was_told_to_pass_masks_on_does():
    x = keras.Input((5,), dtype="int32")
    double = layers.Lambda(lambda t: t * 2)
    double.supports_masking = True
    y = layers.LSTM(2)(double(layers.Embedding(7, 4, mask_zero=True)(x)))
    model = keras.Model(x, y)
    indices = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 0]])
    same(outputs(model, indices), outputs(rewrite(model), indices))


class Turning(layers.Layer):
    """Has stock layers whose settings are changed later."""

    def __init__(self, **options):
        super().__init__(**options)
        self.rotate = layers.RandomRotation(0.1)
        self.pad = layers.ZeroPadding2D(1)

    def call(self, x):
        return self.pad(self.rotate(x))


@pytest.mark.parametrize("transform", ["swap", "fuse"])
def test_a_layer_made_with_another_activation_keeps_what_it_was_told(transform):
    x = keras.Input((5, 3))
    conv = layers.Conv1D(4, 3, padding="same", activation="relu" if transform == "swap" else None, name="c")
    conv.supports_masking, conv.autocast = True, False
    y = conv(layers.Masking()(x))
    y = y if transform == "swap" else layers.ReLU(name="r")(y)
    model = keras.Model(x, layers.GlobalAveragePooling1D()(y))
    if transform == "swap":
        new = zoo.transforms.swap_activation(model, "relu", "gelu").model
    else:
        new = zoo.transforms.fuse_activations(model)
    assert new.get_layer("c").supports_masking and not new.get_layer("c").autocast


def test_tuples_set_on_layers_inside_come_along():
    layer = Turning()
    layer.rotate.factor, layer.pad.padding = (-0.3, 0.3), ((0, 2), (2, 0))
    new = copied(layer, keras.Input((8, 8, 3), batch_size=2))
    assert new.rotate.factor == (-0.3, 0.3) and new.pad.padding == ((0, 2), (2, 0))


def test_projections_of_attention_keep_their_initializers():
    x = keras.Input((3, 4))
    layer = layers.MultiHeadAttention(2, 2, kernel_initializer="he_normal", bias_initializer="ones")
    new = rewrite(keras.Model(x, layer(x, x))).layers[-1]
    for part in new._layers:
        if hasattr(part, "kernel_initializer"):
            assert isinstance(part.kernel_initializer, keras.initializers.HeNormal)
            assert isinstance(part.bias_initializer, keras.initializers.Ones)


class Compiled:
    """An object of a framework that stands for a function, as that of `jax.custom_jvp` does."""

    def __init__(self, function):
        self.__wrapped__ = function

    def __call__(self, x):
        return self.__wrapped__(x)


Compiled.__module__ = "jax._src.custom_derivatives"


def test_a_function_that_a_framework_wraps_may_be_an_activation():
    halved = Compiled(lambda x: x / 2)
    assert is_function(halved, None)
    assert copied(layers.Dense(3, activation=halved)).activation is halved


@pytest.mark.skipif(BACKEND != "jax", reason="functions of JAX")
def test_activations_of_jax_come_along():
    import jax

    assert copied(layers.Dense(3, activation=jax.nn.relu)).activation is jax.nn.relu


@pytest.mark.skipif(BACKEND != "jax", reason="keys of JAX")
def test_keys_of_jax_come_along():
    import jax

    class Noise(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.key = jax.random.key(0)

        def call(self, x):
            return x + jax.random.normal(self.key, (4,))

    layer = Noise()
    layer.key = jax.random.key(7)
    assert copied(layer).key == layer.key


@pytest.mark.skipif(BACKEND != "tensorflow", reason="objects of TensorFlow")
def test_tables_and_generators_of_tensorflow_come_along():
    import tensorflow as tf

    class Looks(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, -1.0)
            self.table.insert(tf.constant([9], tf.int64), tf.constant([9.0]))
            self.generator = tf.random.Generator.from_seed(5)

        def call(self, x):
            return self.table.lookup(tf.cast(x, tf.int64))

        def compute_output_spec(self, x):
            return keras.KerasTensor(x.shape, "float32")

    layer = Looks()
    layer.table.remove(tf.constant([9], tf.int64))
    layer.table.insert(tf.constant([1, 2], tf.int64), tf.constant([3.0, 4.0]))
    layer.generator.normal((3,))
    x = keras.Input((4,), dtype="int32")
    model = keras.Model(x, layer(x))
    new = rewrite(model)
    same([np.array([[3.0, 4.0, -1.0, -1.0]])], outputs(new, np.array([[1, 2, 3, 9]])))
    same([layer.generator.normal((3,))], [new.layers[-1].generator.normal((3,))])
    layer.table.insert(tf.constant([3], tf.int64), tf.constant([5.0]))
    assert outputs(new, np.array([[1, 2, 3, 9]]))[0][0, 2] == -1


@pytest.mark.skipif(BACKEND != "torch", reason="generators of Torch")
def test_generators_of_torch_come_along():
    import torch

    class Draws(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.generator = torch.Generator()

        def call(self, x):
            return x

    layer = Draws()
    layer.generator.manual_seed(7)
    new = copied(layer)
    assert torch.equal(new.generator.get_state(), layer.generator.get_state())
