"""Functions, and objects that can be called, come along under whichever key a class keeps them."""

import functools

import keras
import pytest
from keras import layers, ops
from state_nets import after
from transform_nets import batch, outputs, same

from zoo.graph import copy_layer, rewrite
from zoo.transforms import (
    split_activations,
)

# Layers of one's own, and loops, may hide activations: that is said, and not what is tested here.
# A backend has its own ways of keeping what is no weight.
pytestmark = [pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning"), pytest.mark.backend]


def triple(t):
    return 3 * t


class Block(layers.Layer):
    """Keeps a function under keys of its own, one of them nested."""

    def __init__(self, act="relu", key="act", **options):
        super().__init__(**options)
        self.key = key
        self.activation = keras.activations.get(act)
        self.options = {"fn": [self.activation]}

    def call(self, x):
        return self.activation(x) + self.options["fn"][0](x)

    def get_config(self):
        config = {**super().get_config(), "key": self.key}
        function = keras.activations.serialize(self.options["fn"][0])
        return config | {"act": {"options": {"fn": function}} if self.key == "nested" else function}

    @classmethod
    def from_config(cls, config):
        if config["key"] == "nested":
            config = config | {"act": keras.activations.get(config["act"]["options"]["fn"])}
        return cls(**config)


class Forgets(layers.Layer):
    """Its configuration forgets its function."""

    def __init__(self, nonlinearity="relu", **options):
        super().__init__(**options)
        self.nonlinearity = keras.activations.get(nonlinearity)

    def call(self, x):
        return self.nonlinearity(x)

    def get_config(self):
        return super().get_config()  # Keras' own would refuse


@pytest.mark.parametrize("function", [triple, lambda t: 3 * t, functools.partial(triple)])
@pytest.mark.parametrize("make", [Block, functools.partial(Block, key="nested"), Forgets])
def test_a_function_of_ones_own_comes_along_under_any_key(make, function):
    model = after(make(function))
    x = batch(model)
    before = dict(vars(model.layers[1]))
    copy = split_activations(model)
    assert same(outputs(model, x), outputs(copy, x))
    assert all(vars(model.layers[1])[name] is value for name, value in before.items())


def test_a_function_named_like_a_stock_one_is_not_it():
    def relu(t):
        return 2 * t

    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(3, activation=relu, name="fc")(x))
    copy = rewrite(model)
    assert copy.get_layer("fc").activation is relu
    assert same(outputs(model, batch(model)), outputs(copy, batch(model)))


RECURRENT = {
    "LSTM": lambda f: layers.LSTM(4, activation=f),
    "GRU, inner": lambda f: layers.GRU(4, recurrent_activation=f),
    "RNN of a cell": lambda f: layers.RNN(layers.LSTMCell(4, activation=f)),
    "ConvLSTM": lambda f: layers.TimeDistributed(layers.Dense(3, activation=f)),
}


@pytest.mark.parametrize("case", RECURRENT)
def test_functions_inside_loops_and_wrappers_come_along(case):
    x = keras.Input((5, 3))
    y = RECURRENT[case](lambda t: ops.tanh(2 * t))(x)
    model = keras.Model(x, layers.Dense(2, activation="relu", name="fc")(y))
    assert same(outputs(model, batch(model)), outputs(split_activations(model), batch(model)))


def test_a_function_in_both_directions():
    def double_tanh(t):
        return ops.tanh(2 * t)

    x = keras.Input((5, 3))
    with keras.saving.CustomObjectScope({"double_tanh": double_tanh}):
        y = layers.Bidirectional(layers.GRU(4, activation=double_tanh))(x)
    model = keras.Model(x, y)
    copy = rewrite(model)
    assert same(outputs(model, batch(model)), outputs(copy, batch(model)))
    assert copy.layers[1].forward_layer.activation is double_tanh


class Scaled:
    """A function with a setting."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x


class Applies(layers.Layer):
    """Is given such a function later."""

    def __init__(self, **options):
        super().__init__(**options)
        self.function = Scaled(1.0)

    def call(self, x):
        return self.function(x)


def applies():
    layer = Applies()
    layer.function = Scaled(3.0)
    return layer


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Dense(4, activation=Scaled(3.0)),
        lambda: layers.Activation(Scaled(3.0)),
        lambda: layers.Lambda(Scaled(3.0)),
        applies,
    ],
)
def test_an_object_that_can_be_called_comes_along_as_a_function_does(make):
    model = after(make())
    x = batch(model)
    assert same(outputs(model, x), outputs(split_activations(model), x))


class Described(Scaled):
    """Such a function that says of itself how to make it, and is registered nowhere."""

    def get_config(self):
        return {"factor": self.factor}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class Halved(keras.constraints.Constraint):
    """A constraint of one's own, and so on."""

    def __call__(self, w):
        return 0.5 * w


class Sum(keras.regularizers.Regularizer):
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, w):
        return self.factor * keras.ops.sum(w)

    def get_config(self):
        return {"factor": self.factor}


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Activation(Described(3.0)),
        lambda: layers.Dense(4, kernel_constraint=Halved()),
        lambda: layers.Dense(4, bias_regularizer=Sum(0.3)),
        lambda: layers.TimeDistributed(
            layers.Dense(4, activation=Described(3.0), kernel_regularizer=Sum(0.3))
        ),
    ],
)
def test_objects_of_classes_that_are_registered_nowhere_come_along(make):
    x = keras.Input((2, 3))
    model = keras.Model(x, layers.Dense(2, activation="relu")(make()(x)))
    data = batch(model)
    new = split_activations(model)
    assert same(outputs(model, data), outputs(new, data))
    assert [float(loss) for loss in new.losses] == [float(loss) for loss in model.losses]
    kinds = [[type(v.constraint) for v in m.trainable_variables] for m in (model, new)]
    assert kinds[0] == kinds[1]


@pytest.mark.tensorflow
@pytest.mark.parametrize("setting", ["standardize", "split"])
def test_a_function_that_prepares_words_comes_along(setting):
    import tensorflow as tf

    def letters(text):
        return tf.strings.unicode_split(tf.strings.lower(text), "UTF-8")

    functions = {"standardize": lambda text: tf.strings.regex_replace(text, "b", " "), "split": letters}
    layer = layers.TextVectorization(output_sequence_length=4, **{setting: functions[setting]})
    layer.adapt(["aba", "bca"])
    model = after(lambda words: ops.cast(layer(words), "float32"), keras.Input((), dtype="string"))
    x = tf.constant(["aba", "cab"])
    assert same(outputs(model, x), outputs(split_activations(model), x))


def call_of(function):
    """A layer of one's own, the code of which encloses what it calls."""

    class Calls(layers.Layer):
        def call(self, x):
            return function(x)

    return Calls(name="odd")


class Holder:
    def __init__(self, held):
        self.held = held


class Hides(layers.Layer):
    """Keeps a layer where Keras does not look for it."""

    def __init__(self, holder, **options):
        super().__init__(**options)
        self.holder = holder

    def call(self, x):
        return ops.matmul(x, self.holder.held.kernel)

    def get_config(self):
        return super().get_config() | {"holder": self.holder}


GLOBAL = layers.Dense(4, name="fc")


def reads_a_global(x):
    return ops.matmul(x, GLOBAL.kernel)


def with_default(x, kernel=None):
    return ops.matmul(x, kernel)


def defaults(fc):
    return lambda x, layer=fc: layer(x)


REACHES = {
    "enclosed layer": lambda fc: layers.Lambda(lambda x: ops.matmul(x, fc.kernel), name="odd"),
    "enclosed in a list": lambda fc: layers.Lambda((lambda held: lambda x: held[0](x))([fc]), name="odd"),
    "enclosed twice": lambda fc: layers.Lambda((lambda f: lambda x: f(x))(lambda x: fc(x)), name="odd"),
    "enclosed variable": lambda fc: (lambda kernel: layers.Lambda(lambda x: x @ kernel, name="odd"))(
        fc.kernel
    ),
    "default": lambda fc: layers.Lambda(defaults(fc), name="odd"),
    "argument": lambda fc: layers.Lambda(with_default, arguments={"kernel": fc.kernel}, name="odd"),
    "partial": lambda fc: layers.Activation(functools.partial(with_default, kernel=fc.kernel), name="odd"),
    "method": lambda fc: layers.Lambda(fc.call, name="odd"),
    "global": lambda fc: layers.Lambda(reads_a_global, name="odd"),
    "activation": lambda fc: layers.Dense(4, activation=lambda x: ops.matmul(x, fc.kernel), name="odd"),
    "code": lambda fc: call_of(lambda x: fc(x)),
    "object": lambda fc: Hides(Holder(fc), name="odd"),
}


@pytest.mark.parametrize("case", REACHES)
def test_a_function_that_leads_to_another_layer_of_the_model_is_refused(case):
    x = keras.Input((4,))
    y = GLOBAL(x)
    model = keras.Model(x, REACHES[case](GLOBAL)(layers.ReLU(name="act")(y)))
    with pytest.raises(
        ValueError, match=r"layer 'odd' .*(reaches the layer|reaches the variable|have one variable) '.*fc"
    ):
        rewrite(model)
    if case == "argument":  # Keras counts it among the layer's own
        return
    # Of another model it is what any function is, and both copies share it.
    alone = keras.Model(x, REACHES[case](GLOBAL)(layers.ReLU(name="act")(x)))
    assert same(outputs(alone, batch(alone)), outputs(rewrite(alone), batch(alone)))


def test_the_function_that_an_operation_is_given_is_looked_at_too():
    x = keras.Input((4,))
    fc = layers.Dense(4, name="fc")
    y = fc(x)
    model = keras.Model(x, ops.map(lambda row: row * fc.bias, y))
    with pytest.raises(ValueError, match="reaches the layer 'fc'"):
        rewrite(model)


def test_a_function_that_encloses_what_only_holds_the_model_is_none_of_its():
    x = keras.Input((4,))
    trainer = Holder(layers.Dense(4))
    trainer.factor = 3.0
    model = keras.Model(x, layers.Lambda(lambda t: trainer.factor * t)(trainer.held(x)))
    assert same(outputs(model, batch(model)), outputs(rewrite(model), batch(model)))


class Weighted(keras.regularizers.Regularizer):
    """Its configuration forgets its number."""

    def __init__(self, factor=0.0):
        self.factor = factor

    def __call__(self, w):
        return self.factor * ops.sum(w * w)

    def get_config(self):
        return {}


class Clipped(keras.constraints.Constraint):
    def __init__(self, largest=9.0):
        self.largest = largest

    def __call__(self, w):
        return ops.clip(w, -self.largest, self.largest)

    def get_config(self):
        return {}


class Owns(layers.Layer):
    """Keeps such a regularizer under a name of its own."""

    def __init__(self, term=None, **options):
        super().__init__(**options)
        self.term = term or Weighted()

    def call(self, x):
        self.add_loss(self.term(x))
        return x

    def get_config(self):
        return super().get_config()


FORGETS = {
    "kernel": lambda: layers.Dense(4, activation="relu", kernel_regularizer=Weighted(0.5)),
    "bias": lambda: layers.Conv1D(4, 1, bias_initializer="ones", bias_regularizer=Weighted(0.5)),
    "activity": lambda: layers.Dense(4, activity_regularizer=Weighted(0.5)),
    "activity of an activation": lambda: layers.ReLU(activity_regularizer=Weighted(0.5)),
    "inside a loop": lambda: layers.LSTM(4, return_sequences=True, recurrent_regularizer=Weighted(0.5)),
    "inside a wrapper": lambda: layers.TimeDistributed(layers.Dense(4, kernel_regularizer=Weighted(0.5))),
    "a layer's own": lambda: Owns(Weighted(0.5)),
}


@pytest.mark.parametrize("case", FORGETS)
def test_a_regularizer_that_forgets_its_number_keeps_it(case):
    x = keras.Input((5, 4))
    model = keras.Model(x, layers.Dense(2, activation="relu", name="top")(FORGETS[case]()(x)))
    data = batch(model)
    model(data)
    expected = float(sum(model.losses))
    assert expected > 0
    for transform in (rewrite, split_activations, lambda m: rewrite(rewrite(m))):
        copy = transform(model)
        copy(data)
        assert float(sum(copy.losses)) == pytest.approx(expected, rel=1e-6)


def test_a_constraint_that_forgets_its_number_keeps_it():
    x = keras.Input((4,))
    layer = layers.Dense(4, kernel_constraint=Clipped(0.01), name="fc")
    copy = rewrite(rewrite(keras.Model(x, layer(x)))).get_layer("fc")
    assert copy.kernel.constraint.largest == copy.kernel_constraint.largest == 0.01


class Mute(keras.regularizers.Regularizer):
    """It says nothing of itself: Keras' own get_config refuses."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, w):
        return self.factor * ops.sum(ops.abs(w))


class MuteBound(keras.constraints.Constraint):
    """Keras' own get_config says that there is nothing to say, and so with the next."""

    def __init__(self, largest):
        self.largest = largest

    def __call__(self, w):
        return ops.clip(w, -self.largest, self.largest)


class MuteStart(keras.initializers.Initializer):
    def __init__(self, bound):
        self.bound = bound

    def __call__(self, shape, dtype=None):
        return keras.random.uniform(shape, -self.bound, self.bound, dtype=dtype)


MUTE = {
    "regularizer": lambda: layers.Dense(4, activation="relu", kernel_regularizer=Mute(0.1)),
    "of what it returns": lambda: layers.Dense(4, activity_regularizer=Mute(0.1)),
    "a function of what it returns": lambda: layers.Dense(4, activity_regularizer=lambda y: 0.1 * ops.sum(y)),
    "constraint": lambda: layers.Dense(4, kernel_constraint=MuteBound(0.1)),
    "initializer": lambda: layers.Dense(4, kernel_initializer=MuteStart(0.1)),
    "inside a wrapper": lambda: layers.TimeDistributed(
        layers.Dense(4, kernel_regularizer=Mute(0.1), kernel_initializer=MuteStart(0.2))
    ),
    "inside a loop": lambda: layers.LSTM(
        4, return_sequences=True, recurrent_regularizer=Mute(0.1), kernel_initializer=MuteStart(0.2)
    ),
}


@pytest.mark.parametrize("case", MUTE)
def test_what_says_nothing_of_itself_is_handed_over_as_it_is(case):
    x = keras.Input((5, 4))
    model = keras.Model(x, layers.Dense(2, activation="relu", name="top")(MUTE[case]()(x)))
    copy = rewrite(rewrite(model))
    data = batch(model)
    assert same(outputs(model, data), outputs(copy, data))
    model(data)
    copy(data)
    assert [float(loss) for loss in copy.losses] == [float(loss) for loss in model.losses]
    kinds = ("regularizer", "constraint", "initializer")
    for old, new in zip(model._flatten_layers(), copy._flatten_layers(), strict=True):
        for name, value in vars(old).items():
            if name.endswith(kinds) and (value is None or isinstance(value, (Mute, MuteBound, MuteStart))):
                assert vars(new)[name] is value


def test_what_says_nothing_of_itself_and_holds_a_variable_is_named():
    class Annealed(Mute):
        def __init__(self, factor):
            self.factor = keras.Variable(factor)

    model = after(layers.Dense(4, kernel_regularizer=Annealed(0.1), name="odd"))
    with pytest.raises(ValueError, match=r"layer 'odd' .*under 'kernel_regularizer' it has a Annealed"):
        rewrite(model)


class Few(layers.Layer):
    """Its constructor takes nothing of what Keras writes into every configuration."""

    def __init__(self, factor, width=4):
        super().__init__()
        self.factor = factor
        self.inner = layers.Dense(width)

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.factor * self.inner(x)

    def compute_output_shape(self, shape):
        return self.inner.compute_output_shape(shape)


class FewNamed(Few):
    """It takes a name, and writes its configuration itself."""

    def __init__(self, factor, name=None):
        super().__init__(factor)
        self.name = name or self.name

    def get_config(self):
        return {**layers.Layer.get_config(self), "factor": self.factor}


class FewCell(layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.units = self.state_size = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units))

    def call(self, x, states):
        h = ops.tanh(ops.matmul(x, self.kernel) + states[0])
        return h, [h]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Few(2.0),
        lambda: FewNamed(2.0),
        lambda: layers.TimeDistributed(Few(2.0)),
        lambda: layers.RNN(FewCell(3)),
    ],
)
def test_a_constructor_may_take_less_than_keras_writes(make):
    x = keras.Input((5, 4))
    model = keras.Model(x, layers.Dense(2, activation="relu")(make()(x)))
    copy = split_activations(model)
    assert same(outputs(model, batch(model)), outputs(copy, batch(model)))
    assert [layer.name for layer in copy.layers[:2]] == [layer.name for layer in model.layers[:2]]


@pytest.mark.parametrize("kind", [Few, FewNamed])
def test_what_a_constructor_does_not_take_is_set_afterwards(kind):
    layer = kind(2.0)
    layer.name, layer.trainable, layer.dtype_policy = "own", False, "mixed_bfloat16"
    layer.activity_regularizer = keras.regularizers.L2(0.5)
    copy = copy_layer(layer)
    assert (copy.name, copy.trainable, copy.dtype_policy) == ("own", False, layer.dtype_policy)
    assert copy.factor == 2.0 and copy.activity_regularizer.l2 == 0.5
    other = copy_layer(layer, name="other", dtype="float64")
    assert (other.name, other.trainable, other.dtype_policy.name) == ("other", False, "float64")


class Parts(layers.Layer):
    """Its configuration gives what it holds as it is."""

    def __init__(self, parts, **options):
        super().__init__(**options)
        self.parts = parts

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return x

    def get_config(self):
        return super().get_config() | {"parts": self.parts}


class Noise(layers.Layer):
    """So does this one with its generator."""

    def __init__(self, generator, **options):
        super().__init__(**options)
        self.generator = generator

    def call(self, x, training=False):
        return x + keras.random.normal(ops.shape(x), seed=self.generator) if training else x

    def get_config(self):
        return super().get_config() | {"generator": self.generator}


class Common(layers.Layer):
    """Each of them has one layer: the default of an argument is made once."""

    def __init__(self, norm=layers.LayerNormalization(), **options):  # noqa: B008
        super().__init__(**options)
        self.norm = norm

    def call(self, x):
        return self.norm(x)

    def get_config(self):
        return super().get_config()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Parts([layers.Dense(4), layers.ReLU(), layers.Dropout(0.3, seed=1)]),
        lambda: Parts([layers.Dense(4, activation=lambda t: 3 * t, kernel_regularizer=Mute(0.1))]),
        lambda: Parts([Parts([layers.Dense(4)]), Few(2.0)]),
        lambda: Noise(keras.random.SeedGenerator(3)),
    ],
)
def test_layers_that_a_configuration_gives_as_they_are_are_copied(make):
    model = after(make())
    copy = rewrite(rewrite(model))
    assert same(outputs(model, batch(model)), outputs(copy, batch(model)))
    assert [v.path for v in copy.weights] == [v.path for v in model.weights]
    mine, others = ({id(part) for part in m._flatten_layers()} for m in (model, copy))
    assert not mine & others and not {id(v) for v in model.variables} & {id(v) for v in copy.variables}
    data = batch(model)
    assert same(*(keras.ops.convert_to_numpy(m(data, training=True)) for m in (model, copy)))


def of_a_model():
    x = keras.Input((4,))
    return after(Parts([keras.Model(x, layers.Dense(4)(x), name="inner")], name="odd"))


def of_one_generator():
    generator = keras.random.SeedGenerator(3)
    x = keras.Input((4,))
    return keras.Model(x, Noise(generator, name="odd")(Noise(generator, name="first")(x)))


@pytest.mark.parametrize(
    "make, text",
    [
        (of_a_model, "Functional that 'odd' keeps under 'parts'.*serialize_keras_object"),
        (lambda: after(Common(name="odd")), "LayerNormalization.*constructor"),
        (of_one_generator, "SeedGenerator that 'odd' keeps under 'generator'.*generator of its own"),
    ],
)
def test_variables_that_two_layers_would_have_are_traced_to_who_holds_them(make, text):
    with pytest.raises(ValueError, match=f"'odd'.*{text}"):
        rewrite(make())
