"""What a class keeps and its configuration forgets comes along: constants, settings, names, flags, parts of a model."""

import dataclasses
import enum

import keras
import numpy as np
import pytest
from keras import layers, ops
from state_nets import ROWS, TRANSFORMS, Gated, adapted, after
from transform_nets import batch, outputs, same

from zoo.activations import unseen
from zoo.graph import flatten_layers, rewrite
from zoo.transforms import (
    collapse_linear,
    fold_batchnorm,
    fuse_activations,
    split_activations,
    swap_activation,
)

# Layers of one's own, and loops, may hide activations: that is said, and not what is tested here.
# A backend has its own ways of keeping what is no weight.
pytestmark = [pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning"), pytest.mark.backend]


class Fourier(layers.Layer):
    """Draws a constant from an initialiser of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.frequencies_initializer = keras.initializers.RandomNormal(stddev=3.0)

    def build(self, shape):
        self.frequencies = self.frequencies_initializer((shape[-1], 8))

    def call(self, x):
        return ops.sin(ops.matmul(x, self.frequencies))


class Table(layers.Layer):
    """Keeps a list of arrays, made when it is built."""

    def build(self, shape):
        self.tables = [np.random.default_rng().normal(size=shape[-1]).astype("float32") for _ in range(2)]

    def call(self, x):
        return ops.add(ops.multiply(x, self.tables[0]), self.tables[1])


class Scale(layers.Layer):
    """Its configuration forgets its number."""

    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, x):
        return self.factor * x


def set_later():
    layer = Scale()
    layer.factor = 5.0
    return layer


CONSTANTS = {
    "drawn from an initialiser": Fourier,
    "drawn as arrays": Table,
    "a number that get_config forgets": lambda: Scale(5.0),
    "a number set later": set_later,
}


@pytest.mark.parametrize("case", CONSTANTS)
def test_constants_of_a_layer_of_ones_own_come_along(case):
    model = after(CONSTANTS[case]())
    x = batch(model)
    assert same(outputs(model, x), outputs(split_activations(model), x))


class Percent(keras.Model):
    def predict_step(self, *arguments):
        result = super().predict_step(*arguments)
        # On JAX states come and go along with the data.
        return (100 * result[0], *result[1:]) if isinstance(result, tuple) else 100 * result


class Scorer(keras.Model):
    """A constructor and a step of its own."""

    def __init__(self, units, **options):
        x = keras.Input((4,))
        super().__init__(x, layers.Dense(units, activation="relu")(x), **options)

    def predict_step(self, data):
        return 100 * super().predict_step(data)


class Backbone(keras.Model):
    """A constructor of its own and nothing else."""

    def __init__(self, units, **options):
        x = keras.Input((4,))
        super().__init__(x, layers.Dense(units, activation="relu")(x), **options)


class Chain(keras.Sequential):
    def predict_step(self, data):
        return 100 * super().predict_step(data)


def test_a_model_keeps_its_class_or_is_refused():
    x = keras.Input((4,))
    model = Percent(x, layers.Dense(2, activation="sigmoid")(x))
    copy = split_activations(model)
    assert type(copy) is Percent
    assert np.array_equal(model.predict(ROWS, verbose=0), copy.predict(ROWS, verbose=0))
    assert type(rewrite(Chain([keras.Input((4,)), layers.Dense(2)]))) is Chain
    outer = keras.Model(x, Percent(x, layers.Dense(2)(x), name="inner")(x))
    assert type(rewrite(outer).get_layer("inner")) is Percent
    with pytest.raises(TypeError, match=r"Scorer, which has predict_step of its own.*keras\.Model\(model"):
        rewrite(Scorer(2))
    assert same(outputs(Backbone(2), ROWS)[1:], outputs(rewrite(Backbone(2)), ROWS)[1:])


def frozen_but_two():
    inner = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(4, name="a"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="act"),
            layers.Dense(4, activation="relu", name="c"),
        ],
        name="inner",
    )
    inner.trainable = False
    inner.get_layer("a").trainable = inner.get_layer("c").trainable = True
    x = keras.Input((4,))
    return keras.Model(x, inner(x))


@pytest.mark.parametrize(
    "transform",
    [
        rewrite,
        split_activations,
        lambda model: fuse_activations(split_activations(model)),
        lambda model: swap_activation(model, "relu", "gelu").model,
        lambda model: swap_activation(model, "relu", layers.LeakyReLU).model,
        lambda model: fold_batchnorm(model).model,
        lambda model: collapse_linear(model).model,
    ],
)
def test_layers_enabled_again_in_a_frozen_model_stay_so(transform):
    new = transform(frozen_but_two())
    flags = {layer.name: layer.trainable for layer in new.get_layer("inner").layers}
    expected = {"a": True, "norm": False, "act": False, "c": True, "c_act": True}
    assert flags == {name: expected[name] for name in flags}
    assert len(new.trainable_variables) == 4


def test_remat_scopes_are_kept_and_none_is_caught():
    with keras.RematScope(mode="full"):
        model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu", name="fc")])
    for copy in (rewrite(model), split_activations(model)):
        assert copy.get_layer("fc")._remat_mode == model.get_layer("fc")._remat_mode is not None
    plain = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="fc")])
    with keras.RematScope(mode="full"):
        assert rewrite(plain).get_layer("fc")._remat_mode is None


class Noise(layers.Layer):
    """What it keeps shows in training alone, and no configuration has it."""

    def __init__(self, kept=None, **options):
        super().__init__(**options)
        self.kept = kept

    def call(self, x, training=None):
        return x * self.factor() if training else x

    def factor(self):
        kept = self.kept
        match kept:
            case Rates():
                return kept.first * float(kept.table[0])
            case Size.LARGE:
                return 5.0
            case set():
                return float(len(kept))
            case dict():
                return 7.0 if "strong" in kept else 1.0
        return 1.0

    def get_config(self):
        return super().get_config()


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


@dataclasses.dataclass
class Rates:
    first: float
    table: np.ndarray


KEPT = {
    "an object of options": (Rates(3.0, np.array([2.0])), 6.0),
    "an enumeration": (Size.LARGE, 5.0),
    "a set": ({"a", "b", "c"}, 3.0),
    "a dict of another key": ({"strong": True}, 7.0),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_only_training_shows_comes_along_and_is_not_shared(case):
    kept, factor = KEPT[case]
    x = keras.Input((4,))
    layer = Noise(kept, name="noise")
    model = keras.Model(x, layers.Dense(2, activation="relu", name="fc")(layer(x)))
    for copy in (rewrite(model), split_activations(model)):
        new = copy.get_layer("noise")
        assert new.factor() == factor
        assert same(outputs(model, ROWS, training=True), outputs(copy, ROWS, training=True))
        if case == "an object of options":
            new.kept.table[0] = 0.0
            assert layer.factor() == factor


class Forgetful(layers.Layer):
    """Without its argument it cannot be called."""

    def __init__(self, kernel=None, **options):
        super().__init__(**options)
        self.kernel = [kernel]

    def call(self, x):
        return ops.matmul(x, self.kernel[0])

    def get_config(self):
        return super().get_config()


def test_a_copy_that_cannot_be_called_is_named():
    x = keras.Input((4,))
    kernel = keras.Variable(np.ones((4, 2), "float32"))
    model = keras.Model(x, Forgetful(kernel, name="own")(x))
    with pytest.raises(
        ValueError, match=r"copy of layer 'own' \(Forgetful\).*Complete get_config of Forgetful"
    ):
        rewrite(model)


SET_LATER = {
    "a regulariser that came too late": lambda layer: setattr(
        layer, "kernel_regularizer", keras.regularizers.L2(0.1)
    ),
    "a constraint that came too late": lambda layer: setattr(
        layer, "kernel_constraint", keras.constraints.NonNeg()
    ),
    "a regulariser of one variable": lambda layer: setattr(
        layer.kernel, "regularizer", keras.regularizers.L1(0.1)
    ),
}


@pytest.mark.parametrize("case", SET_LATER)
def test_a_step_moves_the_copy_as_it_moves_the_model(case):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu", name="fc")])
    SET_LATER[case](model.get_layer("fc"))
    copy = split_activations(model)
    assert len(copy.losses) == len(model.losses)
    assert (copy.get_layer("fc").kernel.constraint is None) == (
        model.get_layer("fc").kernel.constraint is None
    )


class Distilled(keras.Model):
    def predict_step(self, data):
        return self.teacher(data) + super().predict_step(data)


class Hot(keras.Model):
    """Takes inputs and outputs, and more."""

    def __init__(self, inputs, outputs, temperature=1.0, **options):
        super().__init__(inputs, outputs, **options)
        self.temperature = temperature

    def predict_step(self, *arguments):
        result = super().predict_step(*arguments)
        if isinstance(result, tuple):  # on JAX
            return (self.temperature * result[0], *result[1:])
        return self.temperature * result


def test_a_model_keeps_what_its_steps_need_or_is_refused():
    x = keras.Input((4,))
    y = layers.Dense(2, activation="relu", name="fc")(x)
    hot = Hot(x, y, temperature=7.0)
    copy = split_activations(hot)
    assert type(copy) is Hot
    assert np.array_equal(hot.predict(ROWS, verbose=0), copy.predict(ROWS, verbose=0))

    model = Distilled(x, y)
    model.teacher = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="old")
    with pytest.raises(TypeError, match=r"Distilled and keeps under 'teacher' the Sequential 'old'"):
        split_activations(model)
    del model.teacher
    model.trackers = [keras.metrics.Mean(name="seen")]
    with pytest.raises(TypeError, match=r"'trackers' the Mean 'seen'"):
        rewrite(model)
    del model.trackers
    model.teacher = model.get_layer("fc")  # a part of the graph: the copy has its own
    copy = rewrite(model)
    assert copy.teacher is copy.get_layer("fc") is not model.teacher


def test_a_new_activation_layer_is_computed_again_as_what_it_comes_from():
    with keras.RematScope(mode="full"):
        x = keras.Input((4,))
        y = layers.ReLU(name="act")(layers.Dense(4, activation="relu", name="fc")(x))
        model = keras.Model(x, layers.Dense(2, name="top")(y))
    mode = model.get_layer("fc")._remat_mode.mode
    assert split_activations(model).get_layer("fc_act")._remat_mode.mode == mode
    assert swap_activation(model, "relu", "tanh").model.get_layer("act")._remat_mode.mode == mode
    assert swap_activation(model, "relu", layers.PReLU).model.get_layer("fc_act")._remat_mode.mode == mode
    assert (
        split_activations(swap_activation(model, "relu", "tanh").model).get_layer("top")._remat_mode.mode
        == mode
    )


class Pair(layers.Layer):
    """Layers that nobody named, which Keras numbers."""

    def __init__(self, **options):
        super().__init__(**options)
        self.parts = [layers.Dense(4), layers.ReLU()]

    def build(self, shape):
        self.parts[0].build(shape)

    def call(self, x):
        return self.parts[1](self.parts[0](x))


@pytest.mark.parametrize(
    "make",
    [
        Pair,
        lambda **options: layers.TimeDistributed(layers.Dense(4, activation="tanh"), **options),
        lambda **options: layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], **options),
    ],
)
def test_layers_inside_layers_keep_the_names_that_keras_counted(make):
    x = keras.Input((5, 3))
    layer = make(name="own")
    model = keras.Model(x, layer(x))
    found = [inner.name for inner in flatten_layers(layer)]
    for copy in (rewrite(model), rewrite(rewrite(model))):
        assert [inner.name for inner in flatten_layers(copy.get_layer("own"))] == found
        assert list(unseen(copy)) == list(unseen(model))


class Centred(layers.Layer):
    """Learns its numbers from data, in a method of its own; its configuration knows nothing of them."""

    def __init__(self, **options):
        super().__init__(**options)
        self.mean = None

    def adapt(self, data):
        self.mean = data.mean(axis=0)
        self.width = int(data.shape[0])

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.width), name="kernel")

    def call(self, x):
        return ops.matmul(x - ops.cast(self.mean, x.dtype), self.kernel)


class Around(layers.Layer):
    """Holds such a layer."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = Centred()

    def adapt(self, data):
        self.inner.adapt(data)

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x)


class BuildsOnce(layers.Layer):
    """Makes its weights in a method of its own, and remembers that it did."""

    def __init__(self, **options):
        super().__init__(**options)
        self.is_ready = False

    def adapt(self, data):
        self.factor = float(data.max())

    def build(self, shape):
        self.prepare(shape[-1])

    def prepare(self, width):
        if not self.is_ready:
            self.kernel = self.add_weight(shape=(width, 4), name="kernel")
            self.is_ready = True

    def call(self, x):
        return self.factor * ops.matmul(x, self.kernel)


@pytest.mark.parametrize("in_a_row", [False, True])
@pytest.mark.parametrize("make", [Centred, BuildsOnce, Around, lambda: Gated(4, activation="tanh")])
def test_what_a_layer_of_ones_own_needs_to_be_called_is_there_when_it_is_called(make, in_a_row):
    layer = adapted(make(), ROWS[:7])
    if in_a_row:
        model = keras.Sequential([keras.Input((4,)), layer, layers.Dense(3, activation="relu", name="fc")])
    else:
        model = after(layer)
    x = batch(model)
    for name in ("rewrite", "split", "swap"):
        assert same(outputs(model, x), outputs(TRANSFORMS[name](model), x))
