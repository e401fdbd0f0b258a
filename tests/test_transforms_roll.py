"""Rolling: units that compute the same become one layer, units that only look the same do not."""

import functools
import re

import keras
import numpy as np
import pytest
from keras import layers, ops
from transform_nets import batch, error, outputs, randomised, same

from zoo.rolled import RolledUnits
from zoo.transforms import roll, unroll


def chain(unit, count=3, shape=(8,)):
    x = y = keras.Input(shape)
    for k in range(1, count + 1):
        y = unit(y, k)
    return keras.Model(x, y, name="chain")


def rolled_layers(model):
    return [layer for layer in model.layers if isinstance(layer, RolledUnits)]


def scaled(factor):
    def act(z):
        return factor * ops.tanh(z)

    return act


class Act:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, z):
        return self.factor * ops.tanh(z)


class Signs(layers.Layer):
    """Multiplies by numbers drawn from an initialiser, which are no weights."""

    def __init__(self, signs_initializer="random_normal", **options):
        super().__init__(**options)
        self.signs_initializer = keras.initializers.get(signs_initializer)

    def build(self, shape):
        self.signs = self.signs_initializer((shape[-1],))

    def call(self, x):
        return x * self.signs

    def get_config(self):
        config = {"signs_initializer": keras.initializers.serialize(self.signs_initializer)}
        return {**super().get_config(), **config}


class Scale(layers.Layer):
    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, x):
        return self.factor * x

    def get_config(self):
        return super().get_config()


def table(k):
    """Arrays that differ in the middle, where their repr has an ellipsis."""
    values = np.zeros((64, 64), "float32")
    values[20:40, 20:40] = k
    return values


def normal(k):
    return keras.initializers.RandomNormal(seed=k)


DIFFERENT = {
    "closures in Dense": lambda y, k: layers.Dense(8, activation=scaled(k))(y),
    "closures in Activation": lambda y, k: layers.Activation(scaled(k))(layers.Dense(8)(y)),
    "closures in Lambda": lambda y, k: layers.Lambda(scaled(k))(layers.Dense(8)(y)),
    "partials": lambda y, k: layers.Dense(8, activation=functools.partial(ops.multiply, float(k)))(y),
    "bound methods": lambda y, k: layers.Dense(8, activation=Act(k).__call__)(y),
    "initialisers of constants": lambda y, k: Signs(normal(k))(layers.Dense(8)(y)),
    "constants drawn anew": lambda y, k: Signs()(layers.Dense(8)(y)),
    "numbers that get_config forgets": lambda y, k: Scale(float(k))(layers.Dense(8)(y)),
    "numbers in operations": lambda y, k: layers.Dense(8)(y) * float(k),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_units_that_only_look_alike_are_not_rolled(case):
    with pytest.raises(ValueError, match="'chain' has no two identical units in a row"):
        roll(chain(DIFFERENT[case]))


@pytest.mark.parametrize(
    "unit",
    [
        lambda y, k: layers.Dense(64)(y) + table(k),
        lambda y, k: ops.multiply(layers.Dense(64)(y), table(k)),
        lambda y, k: layers.Lambda(lambda z, t: z + t, arguments={"t": table(k)})(layers.Dense(64)(y)),
    ],
)
def test_constants_are_compared_by_every_number(unit):
    with pytest.raises(ValueError, match="no two identical units"):
        roll(chain(unit, shape=(64, 64)))


shared = scaled(2.0)
EQUAL = {
    "one function": lambda y, k: layers.Dense(8, activation=shared)(y),
    "equal closures": lambda y, k: layers.Dense(8, activation=scaled(2.0))(y),
    "equal partials": lambda y, k: layers.Dense(8, activation=functools.partial(ops.multiply, 0.5))(y),
    "equal constants": lambda y, k: layers.Dense(8)(y) + np.arange(8, dtype="float32"),
    "seeds of weights": lambda y, k: layers.Dense(8, kernel_initializer=normal(k))(y),
    "equal numbers": lambda y, k: Scale(3.0)(layers.Dense(8)(y)),
    "an addition": lambda y, k: y + layers.Dense(8, activation="relu")(y),
    "two halves": lambda y, k: functools.reduce(
        lambda a, b: a * ops.sigmoid(b), ops.split(layers.Dense(16)(y), 2, axis=-1)
    ),
    "three parts of a stack": lambda y, k: sum(
        ops.unstack(layers.Reshape((3, 8))(layers.Dense(24)(y)), 3, axis=1)
    ),
}


@pytest.mark.parametrize("case", EQUAL)
def test_units_that_are_alike_are_rolled_and_unrolled(case):
    model = randomised(chain(EQUAL[case]))
    rolled = roll(model)
    assert len(rolled_layers(rolled)) == 1
    x = batch(model)
    assert same(outputs(model, x), outputs(rolled, x))
    assert same(outputs(model, x), outputs(unroll(rolled), x))


def residual(layer):
    return lambda y, k: layers.Add(name=f"u{k}_add")([y, layer(f"u{k}_x")(y)])


class LayerScale(layers.Layer):
    """A weight whose initialiser goes by another name."""

    def build(self, shape):
        self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")

    def call(self, x):
        return x * self.gamma


KERNELS = {
    "depthwise": ((6, 6, 4), lambda n: layers.DepthwiseConv2D(3, padding="same", name=n)),
    "separable": ((6, 6, 4), lambda n: layers.SeparableConv2D(4, 3, padding="same", name=n)),
    "depthwise 1d": ((6, 4), lambda n: layers.DepthwiseConv1D(3, padding="same", name=n)),
    "layer scale": ((6, 4), lambda n: LayerScale(name=n)),
    "einsum": ((6, 4), lambda n: layers.EinsumDense("btc,cd->btd", (6, 4), name=n)),
}


@pytest.mark.parametrize("case", KERNELS)
def test_weights_under_other_names_are_stacked(case, tmp_path):
    shape, layer = KERNELS[case]
    model = randomised(chain(residual(layer), shape=shape))
    rolled = roll(model)
    x = batch(model)
    assert same(outputs(model, x), outputs(rolled, x))
    assert same(outputs(model, x), outputs(unroll(rolled), x))
    rolled.save(tmp_path / "rolled.keras")
    custom = {"LayerScale": LayerScale}
    loaded = keras.models.load_model(tmp_path / "rolled.keras", custom_objects=custom)
    assert same(outputs(rolled, x), outputs(loaded, x))


def test_attention_is_stacked_with_a_name_for_each_weight():
    def unit(y, k):
        attended = layers.MultiHeadAttention(2, 4, name=f"u{k}_att")(y, y)
        return layers.Add(name=f"u{k}_add")([y, attended])

    model = randomised(chain(unit, shape=(5, 8)))
    rolled = roll(model)
    (layer,) = rolled_layers(rolled)
    parts = ("query", "key", "value", "attention_output")
    assert list(layer.stacks) == [f"att_{p}_{w}" for p in parts for w in ("kernel", "bias")]
    x = batch(model)
    assert same(outputs(model, x), outputs(rolled, x))
    assert same(outputs(model, x), outputs(unroll(rolled), x))


def test_fresh_copies_of_a_unit_start_apart():
    x = keras.Input((6, 6, 4))
    unit = keras.Model(x, layers.DepthwiseConv2D(3, padding="same", name="u0_x")(x))
    run = RolledUnits(unit, ["u0_", "u1_", "u2_"])
    run.build((None, 6, 6, 4))
    kernels = np.asarray(keras.ops.convert_to_numpy(run.stacks["x_kernel"]))
    assert len({kernel.tobytes() for kernel in kernels}) == 3
    assert np.abs(kernels).max() <= np.sqrt(6 / (9 * 4 + 9 * 1))  # the bound of glorot_uniform


OPEN = {
    "valid": (lambda y, k: layers.Conv2D(4, 3)(y), False),
    "larger": (lambda y, k: layers.UpSampling2D()(layers.Conv2D(4, 1)(y)), False),
    "strided": (lambda y, k: layers.Conv2D(4, 3, strides=2, padding="same")(y), False),
    "pooled": (lambda y, k: layers.AveragePooling2D(2)(layers.Conv2D(4, 1)(y)), False),
    "there and back": (lambda y, k: layers.Conv2D(4, 2, strides=2)(layers.UpSampling2D()(y)), True),
    "same": (lambda y, k: layers.Conv2D(4, 3, padding="same")(y), True),
    "valid and padded": (lambda y, k: layers.ZeroPadding2D(1)(layers.Conv2D(4, 3)(y)), True),
}


@pytest.mark.parametrize("case", OPEN)
def test_units_of_open_sizes_are_asked_whether_they_keep_them(case):
    unit, keeps = OPEN[case]
    model = randomised(chain(unit, shape=(None, None, 4)))
    if not keeps:
        with pytest.raises(ValueError, match="no two identical units"):
            roll(model)
        return
    x = np.random.default_rng(0).normal(size=(1, 17, 16, 4)).astype("float32")
    assert same(outputs(model, x), outputs(roll(model), x))


def normalised(k, frozen=False):
    parts = [
        layers.Conv2D(4, 3, padding="same", name=f"u{k}_conv"),
        layers.BatchNormalization(name=f"u{k}_norm", trainable=not frozen),
        layers.ReLU(name=f"u{k}_act"),
    ]
    return lambda y: functools.reduce(lambda value, layer: layer(value), parts, y)


def test_a_frozen_run_is_rolled_and_stays_frozen():
    model = randomised(chain(lambda y, k: normalised(k)(y), shape=(6, 6, 4)))
    model.trainable = False
    rolled = roll(model)
    assert rolled.trainable_variables == []
    x = batch(model)
    assert error(outputs(model, x), outputs(rolled, x)) < 1e-6
    assert error(outputs(model, x, training=True), outputs(rolled, x, training=True)) < 1e-6
    assert unroll(rolled).trainable_variables == []


def test_a_unit_that_is_half_frozen_is_named():
    model = chain(lambda y, k: normalised(k, frozen=True)(y), shape=(6, 6, 4))
    with pytest.raises(ValueError, match=r"'u1_conv' 'u1_norm' is frozen and the rest is not"):
        roll(model)


@pytest.mark.tensorflow  # of a run that is no loop nothing depends on the backend
@pytest.mark.parametrize("mode", ["int8", "float8"])
def test_a_quantized_run_does_not_stop_the_others(mode):
    x = y = keras.Input((8,))
    for name, activation in [("a", "relu"), ("b", "tanh")]:
        for k in range(3):
            y = layers.Dense(8, activation=activation, name=f"{name}{k}_fc")(y)
    model = randomised(keras.Model(x, y, name="both"))
    for layer in model.layers[1:4]:
        layer.quantize(mode)
    with pytest.warns(UserWarning, match=f"leaves a part of 'both' as it is.* is quantized to {mode}"):
        rolled = roll(model)
    assert len(rolled.layers) == len(model.layers) - 2
    assert same(outputs(model, batch(model)), outputs(rolled, batch(model)))


def test_a_run_that_cannot_be_one_layer_does_not_stop_the_others():
    x = y = keras.Input((8,))
    for k in range(3):
        y = layers.Dense(8, name=f"a{k}_fc", activity_regularizer="l2")(y)
    y = layers.LayerNormalization()(y)
    for k in range(3):
        y = layers.Dense(8, name=f"b{k}_fc", activation="tanh")(y)
    model = randomised(keras.Model(x, y, name="both"))
    with pytest.warns(UserWarning, match="leaves a part of 'both' as it is.*activity_regularizer"):
        rolled = roll(model)
    assert [layer.name for layer in rolled.layers][-1].startswith("b0")
    assert len(rolled.layers) == len(model.layers) - 2
    assert same(outputs(model, batch(model)), outputs(rolled, batch(model)))


@pytest.mark.parametrize(
    ("options", "what"),
    [({"depthwise_constraint": "non_neg"}, "constraint"), ({"activity_regularizer": "l2"}, "activity")],
)
def test_what_a_stack_cannot_keep_is_refused_whatever_it_is_called(options, what):
    def unit(y, k):
        return layers.DepthwiseConv2D(3, padding="same", name=f"u{k}_x", **options)(y)

    with pytest.raises(ValueError, match=re.compile(what)):
        roll(chain(unit, shape=(6, 6, 4)))


def test_models_beside_the_run_keep_what_they_hold():
    data = np.random.default_rng(0).normal(5, 3, (50, 8)).astype("float32")
    statistics = layers.Normalization()
    statistics.adapt(data)
    x = keras.Input((8,))
    inner = keras.Model(x, layers.Dense(8, name="fc")(statistics(x)), name="inner")
    y = inner(x)
    for k in range(3):
        y = layers.Dense(8, name=f"u{k}_fc", activation="tanh")(y)
    model = keras.Model(x, y)
    inner.trainable = False
    rolled = roll(model)
    assert same(outputs(model, data), outputs(rolled, data))
    assert len(rolled.trainable_variables) == 2


def tower(name, units=3, kind=keras.Model):
    z = w = keras.Input((8,))
    parts = [layers.Dense(8, name=f"u{k}_fc", activation="tanh") for k in range(units)]
    if kind is keras.Sequential:
        return keras.Sequential([z, *parts], name=name)
    return keras.Model(z, functools.reduce(lambda value, layer: layer(value), parts, w), name=name)


def test_runs_in_nested_models_are_rolled_and_come_back():
    x = keras.Input((8,))
    left, right = tower("left"), tower("right", units=4)
    deep = keras.Model(right.input, right.output, name="middle")
    z = keras.Input((8,))
    outer = keras.Model(z, deep(left(left(z))), name="outer")
    model = randomised(keras.Model(x, layers.Dense(8, name="top")(outer(x))))
    rolled = roll(model)
    inner = rolled.get_layer("outer")
    assert [layer.name for layer in inner.get_layer("left").layers[1:]] == ["u0_fc_to_3"]
    assert [layer.name for layer in inner.get_layer("middle").layers[1:]] == ["u0_fc_to_4"]
    assert same(outputs(model, batch(model)), outputs(rolled, batch(model)))
    again = unroll(rolled)
    assert [w.path for w in again.weights] == [w.path for w in model.weights]
    assert same(model.get_weights(), again.get_weights())


def test_a_run_in_a_nested_sequential_model_is_named():
    x = keras.Input((8,))
    model = keras.Model(x, tower("inner", kind=keras.Sequential)(x))
    with pytest.raises(ValueError, match="the run from 'inner/u0_fc': it is in the Sequential model 'inner'"):
        roll(model)
    both = randomised(keras.Model(x, tower("plain")(model(x)), name="both"))
    with pytest.warns(UserWarning, match="leaves a part of 'both' as it is: the run from '.*inner/u0_fc'"):
        rolled = roll(both)
    assert len(rolled_layers(rolled.get_layer("plain"))) == 1
    assert same(outputs(both, batch(both)), outputs(rolled, batch(both)))


@pytest.mark.backend  # which has a loop of its own
@pytest.mark.parametrize("remat", [False, True])
def test_a_step_moves_a_rolled_net_as_it_moves_the_separate_layers(remat):
    model = randomised(chain(lambda y, k: normalised(k)(y), count=6, shape=(6, 6, 4)))
    rolled, before = roll(model, remat=remat), model.get_weights()
    x = batch(model, 5)
    y = np.random.default_rng(1).normal(size=(5, 6, 6, 4))
    for net in (model, rolled):
        net.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        net.train_on_batch(x, y)
    after, expected = unroll(rolled).get_weights(), model.get_weights()
    assert not any(
        np.array_equal(old, new) for old, new in zip(before, expected, strict=True) if old.ndim > 1
    )
    assert error(expected, after) < 1e-5


class Trains(layers.Layer):
    """What it keeps shows in training alone, and no configuration has it."""

    def __init__(self, kept=None, **options):
        super().__init__(**options)
        self.kept = kept

    def call(self, x, training=None):
        return x * len(str(self.kept)) if training else x

    def get_config(self):
        return super().get_config()


class Options:
    def __init__(self, rate):
        self.rate = rate


UNLIKE_IN_TRAINING = {
    "words": lambda k: "abc"[:k],
    "objects": lambda k: Options(k),
    "sets": lambda k: set(range(k)),
    "nested numbers": lambda k: {"rates": [k]},
}


@pytest.mark.parametrize("case", UNLIKE_IN_TRAINING)
def test_units_that_differ_in_training_alone_are_not_rolled(case):
    kept = UNLIKE_IN_TRAINING[case]
    with pytest.raises(ValueError, match="no two identical units"):
        roll(chain(lambda y, k: Trains(kept(k))(layers.Dense(8)(y))))
    assert rolled_layers(roll(chain(lambda y, k: Trains(kept(2))(layers.Dense(8)(y)))))


class Penalised(layers.Layer):
    def call(self, x):
        self.add_loss(ops.mean(ops.square(x)))
        return x


class Delegates(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.inner = Penalised()

    def call(self, x):
        return self.inner(x)


class Helped(layers.Layer):
    def call(self, x):
        return self.helped(x)

    def helped(self, x):
        self.add_loss(ops.mean(x))
        return x


@pytest.mark.parametrize("kind", [Penalised, Delegates, Helped])
def test_units_that_add_losses_are_named(kind):
    with pytest.raises(ValueError, match=rf"\({kind.__name__}\) calls add_loss"):
        roll(chain(lambda y, k: kind(name=f"u{k}_own")(layers.Dense(8, name=f"u{k}_fc")(y))))


def test_units_with_a_frozen_variable_are_named_and_others_are_rolled():
    model = randomised(chain(lambda y, k: layers.Dense(8, name=f"u{k}_fc")(y), count=4))
    for layer in model.layers[1:3]:
        layer.kernel.trainable = False
    with pytest.warns(UserWarning, match="'u1_fc' is frozen and the rest"):
        rolled = roll(model)
    assert [layer.name for layer in rolled.layers[1:3]] == ["u1_fc", "u2_fc"] and len(
        rolled_layers(rolled)
    ) == 1
    assert [v.path for v in rolled.trainable_variables][:2] == ["u1_fc/bias", "u2_fc/bias"]
    for layer in model.layers[3:]:
        layer.kernel.trainable = False
    with pytest.raises(ValueError, match="'u1_fc' is frozen and the rest"):
        roll(model)


def scoped(every):
    x = y = keras.Input((8,))
    for k in range(4):
        with keras.RematScope(mode="full" if k % every == 0 else None):
            y = layers.Dense(8, activation="tanh", name=f"u{k}_fc")(y)
    return keras.Model(x, y)


def test_units_that_are_computed_again_stay_so_and_are_no_others():
    (all_again,) = rolled_layers(roll(scoped(every=1)))
    assert all_again.remat and len(all_again.units) == 4
    (pairs,) = rolled_layers(roll(scoped(every=2)))
    assert pairs.remat and len(pairs.units) == 2
    (none,) = rolled_layers(roll(scoped(every=5)))  # all but the first
    assert not none.remat and len(none.units) == 3


def alike(change=None, unit=lambda y, k: y):
    x = y = keras.Input((4,))
    for k in range(3):
        y = layers.Add(name=f"u{k}_add")([y, unit(layers.Dense(4, activation="tanh", name=f"u{k}_fc")(y), k)])
    model = keras.Model(x, y)
    if change is not None:
        change(model.get_layer("u1_fc").kernel)
    return model


@pytest.mark.parametrize("what", ["regularizer", "constraint"])
def test_a_weight_that_was_given_something_of_its_own_is_not_alike(what):
    value = {"regularizer": keras.regularizers.L2(0.5), "constraint": keras.constraints.NonNeg()}[what]
    assert len(rolled_layers(roll(alike()))) == 1
    with pytest.raises(ValueError, match="no two identical units"):
        roll(alike(lambda kernel: setattr(kernel, what, value)))


def test_a_unit_that_reads_a_variable_of_no_layer_is_not_rolled():
    variable = keras.Variable(2.0, name="gain")

    def scaled(t):
        return t * variable

    units = [lambda y, _: y * variable, lambda y, k: layers.Lambda(scaled, name=f"u{k}_by")(y)]
    for unit in units:
        with pytest.raises(ValueError, match="reads the variable 'gain', which belongs to no layer"):
            roll(alike(unit=unit))


class Bounded(keras.initializers.Initializer):
    """It says nothing of itself."""

    def __init__(self, bound):
        self.bound = bound

    def __call__(self, shape, dtype=None):
        return keras.random.uniform(shape, -self.bound, self.bound, dtype=dtype)


class Mute(keras.regularizers.Regularizer):
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, w):
        return self.factor * ops.sum(w)


def recursive(factor):
    def act(z, turns=2):
        return act(factor * z, turns - 1) if turns else ops.tanh(z)

    return act


def mutual(factor):
    def act(z, turns=2):
        return other(factor * z, turns) if turns else ops.tanh(z)

    def other(z, turns):
        return act(z, turns - 1)

    return act


class Tree:
    """Objects that lead to one another, many ways."""

    def __init__(self, factor):
        self.factor = factor
        self.below = []
        for _ in range(30):
            self.below = [Node(self, self.below), Node(self, self.below)]


class Node:
    def __init__(self, tree, below):
        self.tree, self.below = tree, below


def held_by_a_tree(factor):
    tree = Tree(factor)
    return lambda z: ops.tanh(tree.factor * z)


@pytest.mark.parametrize("make", [recursive, mutual, held_by_a_tree])
def test_functions_that_lead_to_themselves_are_compared(make):
    model = randomised(chain(lambda y, k: layers.Dense(8, activation=make(2.0))(y)))
    rolled = roll(model)
    assert len(rolled_layers(rolled)) == 1
    assert same(outputs(model, batch(model)), outputs(rolled, batch(model)))
    with pytest.raises(ValueError, match="no two identical units"):
        roll(chain(lambda y, k: layers.Dense(8, activation=make(float(k)))(y)))


@pytest.mark.parametrize("name", ["gelu", "swish", "leaky_relu"])
def test_functions_of_tensorflow_are_compared(name):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("they take tensors of TensorFlow")
    model = randomised(chain(lambda y, k: layers.Dense(8, activation=getattr(tf.nn, name))(y)))
    rolled = roll(model)
    assert len(rolled_layers(rolled)) == 1
    assert same(outputs(model, batch(model)), outputs(rolled, batch(model)))


def test_an_initialiser_that_says_nothing_of_itself_is_handed_over():
    model = chain(lambda y, k: layers.Dense(8, kernel_initializer=Bounded(0.1 * k))(y))
    rolled = roll(model)
    assert same(outputs(model, batch(model)), outputs(rolled, batch(model)))
    assert same(outputs(model, batch(model)), outputs(unroll(rolled), batch(model)))


@pytest.mark.parametrize("option", ["kernel_regularizer", "activity_regularizer"])
@pytest.mark.parametrize("alike", [True, False])
def test_a_regularizer_that_says_nothing_of_itself_is_compared_and_named(option, alike):
    model = chain(lambda y, k: layers.Dense(8, **{option: Mute(2.0 if alike else float(k))})(y))
    with pytest.raises(ValueError, match=f"has (the|an) {option}" if alike else "must repeat with the same"):
        roll(model)


class Inner(layers.Layer):
    """Without a build: what it holds is built where it is called."""

    def __init__(self, width=8, **options):
        super().__init__(**options)
        self.inner = layers.Dense(width, use_bias=False)

    def call(self, x):
        return self.inner(x)


class Outer(Inner):
    def __init__(self, **options):
        super().__init__(**options)
        self.below = [Inner(), layers.Dense(8, activation=lambda z: ops.tanh(2 * z))]

    def call(self, x):
        for layer in self.below:
            x = layer(x)
        return x + self.inner(x)


class Half(layers.Layer):
    """With a build that builds the half."""

    def __init__(self, **options):
        super().__init__(**options)
        self.first, self.second = layers.Dense(8), layers.Dense(8)

    def build(self, shape):
        self.second.build(shape)

    def call(self, x):
        return self.first(x) * self.second(x)


class Forgets(layers.Layer):
    """Its configuration forgets how wide it is."""

    def __init__(self, width=3, **options):
        super().__init__(**options)
        self.width = width

    def build(self, shape):
        self.down = self.add_weight(shape=(shape[-1], self.width), name="down")
        self.up = self.add_weight(shape=(self.width, shape[-1]), name="up")

    def call(self, x):
        return ops.matmul(ops.matmul(x, self.down), self.up)

    def get_config(self):
        return super().get_config()


class Few(layers.Layer):
    """Its constructor takes nothing of what Keras writes into every configuration."""

    def __init__(self, width):
        super().__init__()
        self.inner = layers.Dense(width)

    def call(self, x):
        return self.inner(x)


CALLED = {
    "inner": lambda: Inner(),
    "half": lambda: Half(),
    "outer": lambda: Outer(),
    "forgets": lambda: Forgets(5),
    "few": lambda: Few(8),
}


@pytest.mark.parametrize("case", CALLED)
def test_units_that_only_their_call_builds_are_rolled(case):
    model = randomised(chain(lambda y, k: CALLED[case]()(y), shape=(5, 8)))
    rolled = roll(model)
    assert len(rolled_layers(rolled)) == 1
    assert same(outputs(model, batch(model)), outputs(rolled, batch(model)))
    assert same(outputs(model, batch(model)), outputs(unroll(rolled), batch(model)))


def test_what_has_no_weights_freezes_no_run():
    def unit(y, k):
        return layers.ReLU(name=f"u{k}_act", trainable=False)(layers.Dense(8, name=f"u{k}_fc")(y))

    model = randomised(chain(unit))
    rolled = roll(model)
    assert [tuple(v.shape) for v in rolled.trainable_variables] == [(3, 8, 8), (3, 8)]
    flags = [layer.trainable for layer in model.layers]
    assert [layer.trainable for layer in unroll(rolled).layers] == flags and not all(flags)
    for k in range(1, 4):
        model.get_layer(f"u{k}_fc").trainable = False
    assert roll(model).trainable_variables == []


@pytest.mark.parametrize("kind", [lambda: layers.Dropout(0.5), lambda: layers.BatchNormalization()])
def test_units_that_are_called_in_training_are_not_rolled(kind):
    def told(training):
        return chain(lambda y, k: kind()(layers.Dense(8)(y), training=training))

    for open_ in (None, False):
        assert len(rolled_layers(roll(told(open_), probe=False))) == 1
    with pytest.raises(ValueError, match=r"calls layer '.*' with training=True"):
        roll(told(True))


def recurrent(y, k):
    return layers.Conv1D(8, 3, padding="same")(layers.GRU(8, return_sequences=True, name=f"u{k}_gru")(y))


def dense(y, k):
    return layers.Dense(8, name=f"u{k}_fc")(y)


def convolution(y, k):
    return layers.Conv1D(8, 3, padding="same", name=f"u{k}_conv")(y)


@pytest.mark.filterwarnings("ignore:Layer '.*' .of type .*. was passed an input with a mask")
@pytest.mark.parametrize(
    ("unit", "reader"), [(recurrent, "'u1_gru'"), (dense, "the output of 'chain'"), (convolution, None)]
)
def test_a_mask_from_outside_goes_through_no_loop(unit, reader):
    """In a compiled loop it would be lost, in a loop of Python it is not."""
    x = keras.Input((6, 8))
    masked = keras.Model(x, chain(unit, shape=(6, 8))(layers.Masking()(x)))
    if reader is None:  # it passes none on
        assert len(rolled_layers(roll(masked, probe=False).get_layer("chain"))) == 1
        return
    with pytest.raises(ValueError, match=f"a mask goes through it to {reader}, and a loop passes none on"):
        roll(masked, probe=False)
    plain = keras.Model(x, chain(unit, shape=(6, 8))(layers.ReLU()(x)))
    assert len(rolled_layers(roll(plain, probe=False).get_layer("chain"))) == 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (False, "a mask goes through it to '.*', and a loop passes none on"),
        (True, "the run from 'u1_attention': a mask goes into it, and a loop passes none on"),
    ],
)
def test_a_mask_that_keeps_units_apart_is_the_reason(given, reason):
    """Keras records it as an argument of every call, so that no unit reads one tensor alone."""
    ids = keras.Input((5,), dtype="int32")
    x = layers.Embedding(9, 8, mask_zero=not given)(ids)
    seen = {"attention_mask": keras.ops.not_equal(ids, 0)[:, None]} if given else {}
    for k in (1, 2, 3):
        y = layers.MultiHeadAttention(2, 4, name=f"u{k}_attention")(x, x, **seen)
        x = layers.LayerNormalization(name=f"u{k}_norm")(layers.Add(name=f"u{k}_add")([x, y]))
    model = keras.Model(ids, layers.GlobalAveragePooling1D()(x))
    with pytest.raises(ValueError, match=reason):
        roll(model, probe=False)
