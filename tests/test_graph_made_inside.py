"""What a class makes for itself comes along: the dtype policies, names and remat scopes of the layers in it."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from transform_nets import batch, outputs, same

from zoo.graph import rewrite
from zoo.surgery import remove

pytestmark = [pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning"), pytest.mark.backend]


@pytest.fixture(autouse=True)
def policy_kept():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


class Block(layers.Layer):
    """Makes a layer in its constructor, or when it is built."""

    def __init__(self, lazy=False, **options):
        super().__init__(**options)
        self.lazy = lazy
        if not lazy:
            self.fc = layers.Dense(3)

    def build(self, shape):
        if self.lazy:
            self.fc = layers.Dense(3)
        self.fc.build(shape)

    def call(self, x):
        return self.fc(x)

    def get_config(self):
        return super().get_config() | {"lazy": self.lazy}


class Silent(Block):
    """Its configuration forgets what every layer has."""

    def get_config(self):
        return {"lazy": self.lazy}


class Own(Block):
    """Makes a layer in a dtype of its own."""

    def __init__(self, lazy=False, **options):
        super().__init__(lazy, **options)
        self.last = layers.Dense(2, dtype="float32")

    def call(self, x):
        return self.last(super().call(x))


def net(kind, lazy, sequential=False):
    block = kind(lazy)
    if sequential:
        return keras.Sequential([keras.Input((4,)), block, layers.Dense(2)])
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(2)(block(x)))


@pytest.mark.parametrize(("kind", "sequential"), [(Block, False), (Silent, False), (Own, True)])
@pytest.mark.parametrize("lazy", [False, True], ids=["constructor", "build"])
@pytest.mark.parametrize(
    ("then", "now"), [("mixed_bfloat16", "float32"), ("float32", "mixed_bfloat16"), ("bfloat16", "float32")]
)
def test_dtype_policies_come_along(then, now, kind, lazy, sequential):
    keras.config.set_dtype_policy(then)
    model = net(kind, lazy, sequential)
    keras.config.set_dtype_policy(now)
    new = rewrite(model)
    old_block, block = model.layers[-2], new.layers[-2]
    assert block.fc.dtype_policy.name == block.dtype_policy.name == then
    assert [v.dtype for v in new.variables] == [v.dtype for v in model.variables]
    assert [x.dtype_policy.name for x in block._layers] == [x.dtype_policy.name for x in old_block._layers]
    assert new.outputs[0].dtype == model.outputs[0].dtype
    assert keras.config.dtype_policy().name == now


def test_a_dtype_that_is_asked_for_is_that_of_the_copy():
    keras.config.set_dtype_policy("bfloat16")
    model = net(Block, False)
    keras.config.set_dtype_policy("float32")
    new = rewrite(model, settings={"dtype": "float32"}, probe=False)
    assert {v.dtype for v in new.variables} == {"float32"}


class Mostly(layers.Layer):
    """Makes most layers in a dtype of its own, and the last in that of the day."""

    def build(self, shape):
        self.first = [layers.Dense(4, dtype="float32") for _ in range(2)]
        self.last = layers.Dense(4)

    def call(self, x):
        for dense in self.first:
            x = dense(x)
        return self.last(x)


def test_a_copy_that_returns_another_dtype_is_refused():
    keras.config.set_dtype_policy("bfloat16")
    x = keras.Input((4,))
    model = keras.Model(x, Mostly(name="mostly")(x))
    keras.config.set_dtype_policy("float32")
    with pytest.raises(
        ValueError,
        match=r"'mostly' \(Mostly\) returns float32 where the original returns bfloat16.*set_dtype_policy",
    ):
        rewrite(model)


@pytest.mark.parametrize("sequential", [False, True], ids=["functional", "sequential"])
def test_the_policy_of_the_model_itself_comes_along(sequential):
    keras.config.set_dtype_policy("mixed_float16")
    model = net(Block, False, sequential)
    keras.config.set_dtype_policy("float32")
    new = rewrite(model)
    assert new.dtype_policy.name == "mixed_float16"
    new.compile("sgd", "mse")
    assert isinstance(new.optimizer, keras.optimizers.LossScaleOptimizer)


class Half(layers.Layer):
    """Makes one layer in its constructor, another when it is built."""

    def __init__(self, **options):
        super().__init__(**options)
        with keras.RematScope(mode="full"):
            self.first = layers.Dense(4)

    def build(self, shape):
        with keras.RematScope(mode="activations"):
            self.second = layers.Dense(4)
        self.first.build(shape)
        self.second.build(shape)

    def call(self, x):
        return self.second(self.first(x))


class Transformer(layers.Layer):
    """As keras.io writes it, with a layer in it that is made in two steps."""

    def __init__(self, **options):
        super().__init__(**options)
        self.part = Half()
        self.attention = layers.MultiHeadAttention(2, 2)
        self.ffn = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(4)])
        self.norms = [layers.LayerNormalization(), layers.LayerNormalization()]
        self.dropout = layers.Dropout(0.1)

    def call(self, x):
        x = self.part(x)
        y = self.norms[0](x + self.dropout(self.attention(x, x)))
        return self.norms[1](y + self.ffn(y))


def tree(layer):
    remat = getattr(layer._remat_mode, "mode", None)
    return layer.name, remat, [tree(inner) for inner in layer._layers]


def test_layers_inside_keep_their_names_and_remat_scopes():
    x = keras.Input((3, 4))
    model = keras.Model(x, Transformer()(x))
    new = rewrite(model)
    assert tree(new.layers[1]) == tree(model.layers[1])
    same(outputs(model, batch(model)), outputs(new, batch(model)))


class MeanOver(layers.Layer):
    """Keeps what it made of its shape, a constant that it drew, and a number that was set on it."""

    def __init__(self, **options):
        super().__init__(**options)
        self.gain = 1.0

    def build(self, shape):
        self.n = shape[1] * shape[2]
        self.size = (shape[1], shape[2])
        self.window = np.ones(self.size, "float32")
        self.mean = lambda total, n=self.n: total / n
        self.drawn = np.random.default_rng().normal(size=shape[-1]).astype("float32")

    def call(self, x):
        weighted = ops.multiply(ops.multiply(x, self.window[None, :, :, None]), self.drawn)
        total = ops.sum(weighted, axis=(1, 2))
        return self.gain * (total / self.n + self.mean(total))


class Around(layers.Layer):
    """Has such a layer inside."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = MeanOver()

    def call(self, x):
        return self.inner(x)


@pytest.mark.parametrize("sequential", [False, True], ids=["functional", "sequential"])
@pytest.mark.parametrize("kind", [MeanOver, Around])
def test_what_a_layer_made_of_its_shape_is_made_again_for_another(kind, sequential):
    pool, mean = layers.MaxPooling2D(name="pool"), kind(name="mean")
    x = keras.Input((8, 8, 3))
    model = keras.Sequential([x, pool, mean]) if sequential else keras.Model(x, mean(pool(x)))
    old = getattr(mean, "inner", mean)
    old.gain = 3.0
    new = remove(model, "pool").model
    images = batch(model)
    expected = 3.0 * 2 * (images * old.drawn).mean((1, 2))
    same([expected], outputs(new, images))


def test_what_was_made_for_another_shape_than_that_of_the_model_is_carried():
    mean = MeanOver(name="mean")
    mean.build((None, 4, 4, 3))
    mean.window = np.ones((), "float32").reshape(1, 1)
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, mean(layers.ReLU(name="relu")(x)))
    new = remove(model, "relu").model
    assert new.layers[-1].n == 16
