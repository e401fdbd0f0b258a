"""What a class keeps and its configuration forgets comes along: constants, settings, names, flags, parts of a model."""

import collections
import copy as copying
import dataclasses
import decimal
import enum
import fractions
import functools
import random
import threading

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


class Lazy(layers.Layer):
    """Makes a layer in its call, where it was not made before."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = None

    def make(self):
        self.inner = layers.Dense(4)
        self.inner.build((None, 4))
        return self

    def build(self, shape):
        super().build(shape)

    def call(self, x):
        return (self.inner or self.make().inner)(x)


def test_a_copy_that_makes_its_layers_too_late_is_told_where_to_make_them():
    x = keras.Input((4,))
    model = keras.Model(x, Lazy(name="late").make()(x))
    with pytest.raises(
        ValueError, match=r"copy of layer 'late' \(Lazy\).*Let Lazy make all .* in __init__ or build"
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


class Tempered(keras.Model):
    """Has a weight of its own."""

    def __init__(self, inputs, outputs, **options):
        super().__init__(inputs, outputs, **options)
        self.temperature = self.add_weight(shape=(), name="temperature")


def test_a_weight_of_a_model_itself_comes_along():
    x = keras.Input((4,))
    model = Tempered(x, layers.Dense(2, activation="relu", name="fc")(x))
    model.temperature.assign(7.0)
    copy = split_activations(model)
    assert float(copy.temperature) == 7.0
    model.temperature.assign(1.0)
    assert float(copy.temperature) == 7.0


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


class Slotted:
    __slots__ = ("stop",)

    def __init__(self, stop):
        self.stop = stop


class Late(layers.Layer):
    """Is given something later, which acts in training alone."""

    def __init__(self, start=None, **options):
        super().__init__(**options)
        self.option = start

    def call(self, x, training=False):
        return x * self.factor() if training else x

    def factor(self):
        option = self.option[0] if isinstance(self.option, list) else self.option
        option = getattr(option, "stop", option)
        if isinstance(option, (bytes, bytearray, collections.deque)):
            return float(option[0])
        if isinstance(option, (set, frozenset)):
            return float(sum(option))
        if isinstance(option, functools.partial):
            return option()
        return 1.0 if option is None else float(option)

    def get_config(self):
        return super().get_config()


LATE = {
    "a fraction": fractions.Fraction(7, 2),
    "a decimal number": decimal.Decimal("3.5"),
    "a range": range(5),
    "a slice": slice(1, 3),
    "bytes": b"\x05",
    "bytes that change": bytearray(b"\x05"),
    "a queue": collections.deque([3.0]),
    "an object with slots": Slotted(3.0),
    "one in a list": [Slotted(3.0)],
    "a set": {3.0},
    "a frozen set": frozenset({3.0}),
    "an object that holds a partial": Slotted(functools.partial(float, 3.0)),
}


START = {
    "a set": {2.0, 3.0},
    "an object that holds a partial": Slotted(functools.partial(float, 2.0)),
}


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("case", LATE)
def test_values_of_every_kind_come_along(case, started):
    value = LATE[case]
    x = keras.Input((4,))

    class Started(Late):
        def __init__(self, **options):
            super().__init__(**options)
            self.option = copying.deepcopy(START.get(case)) if started else None

    layer = Started(name="late")
    model = after(layer, x)
    layer.option = value
    assert layer.factor() != 1.0
    for copy in (rewrite(model), split_activations(rewrite(model))):
        assert copy.get_layer("late").factor() == layer.factor()
        assert same(outputs(model, ROWS, training=True), outputs(copy, ROWS, training=True))
    changes = isinstance(value, (bytearray, collections.deque, set, list, Slotted))
    assert (copy.get_layer("late").option is not layer.option) == changes
    if isinstance(value, list):
        assert copy.get_layer("late").option[0] is not value[0]


GENERATORS = {
    "NumPy's": lambda seed: np.random.default_rng(seed).normal,
    "NumPy's of old": lambda seed: np.random.RandomState(seed).normal,
    "Python's": lambda seed: random.Random(seed).random,
}


@pytest.mark.parametrize("case", GENERATORS)
def test_a_generator_of_random_numbers_goes_on_where_it_was(case):
    class Draws(layers.Layer):
        def __init__(self, seed=1, **options):
            super().__init__(**options)
            self.generator = GENERATORS[case](seed).__self__

        def call(self, x):
            return x

        def draw(self):
            return getattr(self.generator, GENERATORS[case](0).__name__)()

        def get_config(self):
            return super().get_config()

    layer = Draws(7, name="draws")
    x = keras.Input((4,))
    model = keras.Model(x, layer(x))
    layer.draw()
    copy = rewrite(model).get_layer("draws")
    assert [copy.draw() for _ in range(3)] == [layer.draw() for _ in range(3)]


class Drawn(layers.Layer):
    """Draws what its function encloses, when it is built."""

    def __init__(self, kind="function", **options):
        super().__init__(**options)
        self.kind = kind
        self.base = 2.0

    def build(self, shape):
        c, table = (
            float(np.random.default_rng().normal()),
            np.random.default_rng().normal(size=4).astype("float32"),
        )
        self.function = {
            "function": lambda x: x * c + ops.convert_to_tensor(table),
            "of the layer": lambda x: self.base * x * c,
            "default": lambda x, c=c: x * c,
            "named default": lambda x, *, c=c: x * c,
            "in a function": (lambda f: lambda x: f(x) + 1)(lambda x: x * c),
            "itself": self.recursive(c),
            "partial": functools.partial(self.scaled, c),
            "partial by name": functools.partial(ops.multiply, x2=c),
        }[self.kind]

    def recursive(self, c):
        def times(x, count=3):
            return self.base * x if count == 0 else c * times(x, count - 1)

        return times

    def scaled(self, c, x):
        return self.base * c * x

    def call(self, x, training=False):
        return self.function(x) if training else x

    def get_config(self):
        return super().get_config() | {"kind": self.kind}


DRAWN = (
    "itself",
    "function",
    "of the layer",
    "default",
    "named default",
    "in a function",
    "partial",
    "partial by name",
)


@pytest.mark.parametrize("kind", DRAWN)
def test_what_a_function_encloses_comes_along(kind):
    x = keras.Input((4,))
    model = keras.Model(x, Drawn(kind, name="drawn")(x))
    copy = rewrite(model)
    assert same(outputs(model, ROWS, training=True), outputs(copy, ROWS, training=True))
    expected = outputs(copy, ROWS, training=True)
    model.get_layer("drawn").base = 0.0  # what belongs to the original moves it alone
    assert same(expected, outputs(copy, ROWS, training=True))


class Locked:
    def __init__(self, factor):
        self.factor = factor
        self.lock = threading.Lock()


def hidden_layer():
    holder = Slotted(3.0)
    holder.stop = layers.Dense(4)
    return holder


@pytest.mark.parametrize(
    ("option", "why"),
    [
        (Locked(3.0), "a Locked cannot be copied"),
        (threading.Lock(), "a lock cannot be copied"),
        (hidden_layer(), "it holds a Dense"),
    ],
)
def test_what_differs_and_cannot_be_carried_is_named(option, why):
    x = keras.Input((4,))
    layer = Late(name="late")
    model = keras.Model(x, layer(x))
    layer.option = option
    with pytest.raises(ValueError, match=rf"layer 'late' \(Late\) keeps under 'option'.*{why}"):
        rewrite(model)


def test_what_a_class_makes_anew_and_nobody_can_copy_is_left_to_it():
    class Guarded(Late):
        def __init__(self, **options):
            super().__init__(**options)
            self.lock = threading.Lock()
            self.holder = Locked(2.0)

    x = keras.Input((4,))
    layer = Guarded(name="guarded")
    copy = rewrite(keras.Model(x, layer(x))).get_layer("guarded")
    assert copy.lock is not layer.lock and copy.holder is not layer.holder


class Counts(layers.Layer):
    """Counts its steps in a variable of the backend."""

    def __init__(self, where="build", steps=None, **options):
        super().__init__(**options)
        self.where, self.steps = where, [] if steps is None else steps
        if where == "constructor":
            self.steps = self.make()

    def make(self):
        import tensorflow as tf

        return tf.Variable(0)

    def build(self, shape):
        if self.where == "build":
            self.steps = self.make()
        if self.where == "list":
            self.steps = [self.make()]

    def call(self, x, training=False):
        if training:
            self.counter().assign_add(1)
        return x

    def counter(self):
        return self.steps[0] if self.where == "list" else self.steps

    def get_config(self):
        steps = {"steps": self.steps} if self.where == "given" else {}
        return super().get_config() | {"where": self.where} | steps


@pytest.mark.tensorflow
@pytest.mark.parametrize("where", ["build", "constructor", "list"])
def test_a_variable_of_the_backend_stays_one(where):
    model = after(Counts(where, name="counts"))
    for _ in range(3):
        model(ROWS, training=True)
    copy = rewrite(model)
    copy(ROWS, training=True)
    counters = [m.get_layer("counts").counter().numpy() for m in (model, copy)]
    assert counters == [3, 4]


@pytest.mark.tensorflow
def test_a_variable_of_the_backend_that_the_copy_lacks_is_named():
    import tensorflow as tf

    model = after(Counts("given", tf.Variable(0), name="counts"))
    with pytest.raises(ValueError, match=r"'counts' .*under 'steps'.* would write to the same one"):
        rewrite(model)
    layer = Late(name="late")
    model = after(layer)
    layer.option = tf.Variable(3.0)
    with pytest.raises(ValueError, match=r"'late' .*under 'option'.* the copy has none of that shape"):
        rewrite(model)
