"""Which functions lead to the original, and which only look as if they did."""

import collections
import functools
import logging
import os
import sys
import types
import weakref

import keras
import pytest
from keras import layers, ops
from state_nets import ROWS
from transform_nets import batch, outputs, same

from zoo.graph import read, rewrite
from zoo.graph.code import stored, taken_from_outside
from zoo.graph.ties import reached
from zoo.graph.twins import owners

pytestmark = [pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning"), pytest.mark.backend]

EMBEDDING = layers.Embedding(10, 4, name="embedding")
NORM = layers.Dense(4, name="norm")


def by_a_global(t):
    return t * EMBEDDING.output_dim**0.5


def nested(fc):
    def outer(t):
        return (lambda row: row * fc.units)(t)

    return outer


NUMBERS = {
    "a number": lambda fc, conv, pool: lambda t: t * fc.units**0.5,
    "in a function inside": lambda fc, conv, pool: nested(fc),
    "several numbers": lambda fc, conv, pool: lambda t: t * conv.strides[0] + conv.filters,
    "a name": lambda fc, conv, pool: lambda t: t * len(fc.name),
    "of a global": lambda fc, conv, pool: by_a_global,
    "a layer without variables": lambda fc, conv, pool: lambda t: pool(t),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_a_function_that_reads_a_number_of_a_layer_is_none_that_leads_to_it(case):
    fc, conv = layers.Dense(4, name="fc"), layers.Conv1D(4, 3, strides=2, padding="same", name="conv")
    pool = layers.MaxPooling1D(1, name="pool")
    x = keras.Input((6,), dtype="int32")
    y = pool(conv(fc(EMBEDDING(x))))
    model = keras.Model(x, layers.Lambda(NUMBERS[case](fc, conv, pool), output_shape=(3, 4))(y))
    assert same(outputs(model, batch(model)), outputs(rewrite(model), batch(model)))


READS = {
    "the layer too": lambda fc: lambda t: fc(t) * fc.units,
    "a variable": lambda fc: lambda t: t * fc.units * fc.bias,
    "by a name made up": lambda fc: lambda t: t * fc.units + getattr(fc, "bi" + "as"),
    "in a function inside": lambda fc: lambda t: (lambda row: fc.units * fc(row))(t),
    "a layer of ones own": lambda fc: lambda t: fc.units * t + OWN(t),
    "in a bag": lambda fc: functools.partial(lambda bag, t: bag.fc(t), types.SimpleNamespace(fc=fc)),
}


class Own(layers.Layer):
    """It has no variables and may yet be changed."""

    def call(self, x):
        return x


OWN = Own(name="own")


@pytest.mark.parametrize("case", READS)
def test_a_function_that_reads_more_of_a_layer_than_numbers_leads_to_it(case):
    fc = layers.Dense(4, name="fc")
    x = keras.Input((4,))
    model = keras.Model(x, layers.Lambda(READS[case](fc), name="odd")(OWN(fc(x))))
    with pytest.raises(ValueError, match=r"layer 'odd' .* reaches the layer '(fc|own)'"):
        rewrite(model)


def test_a_function_may_read_the_name_of_the_model():
    model = keras.Sequential([layers.Dense(4), layers.Lambda(lambda t: t * len(model.name))], name="four")
    model.build((None, 4))
    assert same(outputs(model, batch(model)), outputs(rewrite(model), batch(model)))


class Handler(logging.Handler):
    """Holds the model for which it writes."""


LOGGER = logging.getLogger("zoo.tests.ties")
MODULES = {"os": os, "sys": sys, "logger": LOGGER}


class Keeps(layers.Layer):
    """Keeps a module, or a logger."""

    def __init__(self, key=None, **options):
        super().__init__(**options)
        self.key = key
        self.kept = MODULES.get(key)

    def call(self, x):
        return x

    def get_config(self):
        return super().get_config() | {"key": self.key}


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("key", MODULES)
def test_modules_and_loggers_are_not_searched(key, later):
    layer = Keeps(None if later else key, name="keeps")
    x = keras.Input((4,))
    model = keras.Model(x, layer(NORM(x)))
    layer.kept = MODULES[key]
    handler = Handler()
    handler.model = model
    LOGGER.addHandler(handler)
    try:
        assert rewrite(model).get_layer("keeps").kept is MODULES[key]
    finally:
        LOGGER.removeHandler(handler)


class Link:
    def __init__(self, next_one):
        self.next_one = next_one


def test_a_long_chain_of_objects_is_named_and_does_not_overflow():
    chain = None
    for _ in range(20_000):
        chain = Link(chain)
    layer = Keeps(name="keeps")
    model = keras.Model(x := keras.Input((4,)), layer(x))
    layer.kept = chain
    with pytest.raises(ValueError, match=r"layer 'keeps' \(Keeps\) keeps under 'kept'"):
        rewrite(model)


class Outer(keras.regularizers.Regularizer):
    def __init__(self, function=None):
        self.function = function

    def __call__(self, a):
        return self.function(a)

    def get_config(self):
        return {}


def test_a_term_on_what_a_layer_returns_is_looked_at():
    fc = layers.Dense(4, name="fc")
    x = keras.Input((4,))
    odd = layers.Dense(4, activity_regularizer=Outer(lambda a: ops.sum(ops.matmul(a, fc.kernel))), name="odd")
    model = keras.Model(x, odd(fc(x)))
    with pytest.raises(ValueError, match=r"layer 'odd' .* reaches the layer 'fc'"):
        rewrite(model)


@pytest.mark.tensorflow
def test_a_function_that_was_compiled_is_looked_at():
    import tensorflow as tf

    fc = layers.Dense(4, name="fc")
    x = keras.Input((4,))
    model = keras.Model(x, layers.Lambda(tf.function(lambda t: t @ fc.kernel), name="odd")(fc(x)))
    with pytest.raises(ValueError, match=r"layer 'odd' .* reaches the layer 'fc'"):
        rewrite(model)


# What a user's other module has: a class, a function, layers.
NETS = types.ModuleType("nets_of_a_user")
NETS.deeper = types.ModuleType("nets_of_a_user.deeper")


@pytest.fixture
def nets_that_can_be_imported(monkeypatch):
    """`import nets_of_a_user` gives `NETS`."""
    NETS.__path__ = []
    for module in (NETS, NETS.deeper):
        monkeypatch.setitem(sys.modules, module.__name__, module)


class Namespace:
    """A class that holds things by name."""


class Builder:
    """An object beside the model, of which functions read one thing."""

    def __init__(self, fc):
        self.fc = fc
        self.factor = 2.0

    def apply(self, t):
        return self.fc(t)

    def scaled(self, t):
        return t * self.factor


def called(fc):
    class Calls:
        def __call__(self, t):
            return fc(t)

    return Calls()


def decorated(fc):
    def multiplied(call):
        @functools.wraps(call)
        def run(self, t):
            return call(self, t) * ops.sum(fc.kernel)

        return run

    class Decorated(layers.Layer):
        @multiplied
        def call(self, t):
            return t

    return Decorated(name="odd")


def of_a_class(**held):
    def call(self, t):
        found = self.shared
        found = found.fc if isinstance(found, Builder) else found
        return (found[0] if isinstance(found, list) else found)(t)

    return type("Odd", (layers.Layer,), {"call": call, **held})(name="odd")


def by_module(fc):
    NETS.FC = fc
    return lambda t: NETS.FC(t)


def by_an_import_inside(fc):
    NETS.FC = fc

    def call(t):
        import nets_of_a_user

        return nets_of_a_user.FC(t)

    return call


def by_an_import_from(fc):
    NETS.FC = fc

    def call(t):
        from nets_of_a_user import FC as head

        return (lambda row: head(row))(t)

    return call


def by_a_deeper_import(fc):
    NETS.deeper.FC = fc

    def call(t):
        import nets_of_a_user.deeper as nets

        return nets.FC(t)

    return call


def by_its_package(fc):
    NETS.deeper.FC = fc

    def call(t):
        import nets_of_a_user.deeper

        return nets_of_a_user.deeper.FC(t)

    return call


def by_a_relative_import(fc):
    NETS.deeper.FC = fc
    names = {"__package__": "nets_of_a_user", "__name__": "nets_of_a_user.others"}
    exec("def call(t):\n    from . import deeper\n    from .deeper import FC\n    return FC(t)", names)
    return names["call"]


def by_a_method_that_imports(fc):
    NETS.FC = fc

    class Imports(layers.Layer):
        def call(self, t):
            from nets_of_a_user import FC

            return FC(t)

    return Imports(name="odd")


def by_class(fc):
    Namespace.fc = fc
    return lambda t: Namespace.fc(t)


class Scale(layers.Layer):
    def build(self, shape):
        self.g = self.add_weight(shape=(), initializer="ones", name="g")

    @property
    def factor(self):
        return float(self.g)

    def call(self, t):
        return t * self.g


def odd(function):
    return layers.Lambda(function, name="odd", output_shape=(4,))


WAYS = {
    "a model round it": lambda fc: odd((lambda enc: lambda t: enc(t))(keras.Model(fc.input, fc.output))),
    "a Sequential round it": lambda fc: odd((lambda enc: lambda t: enc(t))(keras.Sequential([fc]))),
    "a wrapper round it": lambda fc: odd(
        (lambda td: lambda t: td(t[:, None])[:, 0])(layers.TimeDistributed(fc))
    ),
    "a model of a model": lambda fc: odd(
        (lambda enc: lambda t: enc(t))(keras.Sequential([keras.Sequential([fc])]))
    ),
    "a layer of a model round it": lambda fc: odd(
        (lambda enc: lambda t: enc.layers[-1](t))(keras.Model(fc.input, fc.output))
    ),
    "a callable object": lambda fc: odd(called(fc)),
    "a callable activation": lambda fc: layers.Activation(called(fc), name="odd"),
    "an enclosed callable object": lambda fc: odd((lambda f: lambda t: f(t))(called(fc))),
    "a decorator": decorated,
    "a class attribute": lambda fc: of_a_class(shared=fc),
    "a list of a class": lambda fc: of_a_class(shared=[fc]),
    "an object of a class": lambda fc: of_a_class(shared=Builder(fc)),
    "another module": lambda fc: odd(by_module(fc)),
    "an import inside": lambda fc: odd(by_an_import_inside(fc)),
    "a name imported inside": lambda fc: odd(by_an_import_from(fc)),
    "a deeper module imported inside": lambda fc: odd(by_a_deeper_import(fc)),
    "a package imported inside": lambda fc: odd(by_its_package(fc)),
    "a relative import inside": lambda fc: odd(by_a_relative_import(fc)),
    "an import in a method": by_a_method_that_imports,
    "a class by name": lambda fc: odd(by_class(fc)),
    "an attribute of an object": lambda fc: odd((lambda b: lambda t: b.fc(t))(Builder(fc))),
    "a method of an object": lambda fc: odd((lambda b: lambda t: b.apply(t))(Builder(fc))),
    "a deque": lambda fc: odd((lambda row: lambda t: row[0](t))(collections.deque([fc]))),
    "a proxy of a dict": lambda fc: odd((lambda d: lambda t: d["fc"](t))(types.MappingProxyType({"fc": fc}))),
    "a weak reference": lambda fc: odd((lambda ref: lambda t: ref()(t))(weakref.ref(fc))),
    "a UserDict": lambda fc: odd((lambda d: lambda t: d["fc"](t))(collections.UserDict(fc=fc))),
    "a UserList": lambda fc: odd((lambda row: lambda t: row[0](t))(collections.UserList([fc]))),
    "a ChainMap": lambda fc: odd((lambda d: lambda t: d["fc"](t))(collections.ChainMap({}, {"fc": fc}))),
    "a dict by value": lambda fc: odd(
        (lambda d: lambda t: d["fc"]()(t))(weakref.WeakValueDictionary(fc=fc).data)
    ),
    "keys": lambda fc: odd((lambda d: lambda t: sum(k(t) * v for k, v in d.items()))({fc: 0.5})),
}


@pytest.mark.usefixtures("nets_that_can_be_imported")
@pytest.mark.parametrize("case", WAYS)
def test_whichever_way_leads_to_a_layer_is_followed(case):
    fc = layers.Dense(4, name="fc")
    x = keras.Input((4,))
    y = fc(x)
    model = keras.Model(x, WAYS[case](fc)(y))
    with pytest.raises(ValueError, match=r"layer 'odd' .* reaches the (layer|variable) 'fc"):
        rewrite(model)
    # Of another layer it is what any function is, and both copies share it.
    other = layers.Dense(4, name="other")
    other(x)
    alone = keras.Model(x, WAYS[case](other)(fc(x)))
    assert same(outputs(alone, batch(alone)), outputs(rewrite(alone), batch(alone)))


def test_a_property_that_reads_a_weight_is_no_number():
    scale = Scale(name="own")
    x = keras.Input((4,))
    model = keras.Model(x, odd(lambda t: t * scale.factor)(scale(x)))
    with pytest.raises(ValueError, match=r"layer 'odd' .* reaches the layer 'own'"):
        rewrite(model)


class Sized(layers.Dense):
    """Has numbers by property, and one that nobody may ask for."""

    scale = 2.0

    @property
    def half(self):
        return float(self.units // 2)

    @property
    def forbidden(self):
        raise AssertionError("a property was run")

    def doubled(self, t):
        return t * self.scale


SIZED = {
    "a property of numbers": lambda fc: lambda t: t * fc.half,
    "of the class": lambda fc: lambda t: t * fc.scale,
    "of Keras": lambda fc: lambda t: ops.cast(t, fc.compute_dtype),
    "the shape of a weight": lambda fc: lambda t: t * fc.kernel.shape[0],
    "its axes": lambda fc: lambda t: t * fc.kernel.ndim,
    "its type": lambda fc: lambda t: ops.cast(t, fc.bias.dtype),
    "the shape of an enclosed weight": lambda fc: (lambda kernel: lambda t: t * kernel.shape[0])(fc.kernel),
    "a number of an object": lambda fc: (lambda b: lambda t: t * b.factor)(Builder(fc)),
    "a method of numbers": lambda fc: (lambda b: lambda t: b.scaled(t))(Builder(fc)),
    "a layer beside the model": lambda fc: (lambda whole: lambda t: whole.second(t))(
        Whole(fc, layers.Identity(), name="whole")
    ),
}


class Whole(layers.Layer):
    """Holds layers of which a function reads one."""

    def __init__(self, first, second, **options):
        super().__init__(**options)
        self.first, self.second = first, second


@pytest.mark.parametrize("case", SIZED)
def test_a_function_that_reads_what_no_training_changes_is_none_that_leads_there(case):
    fc = Sized(4, name="fc")
    x = keras.Input((4,))
    y = fc(x)
    model = keras.Model(x, odd(SIZED[case](fc))(y))
    assert same(outputs(model, batch(model)), outputs(rewrite(model), batch(model)))


def test_no_property_of_somebodys_own_is_run():
    fc = Sized(4, name="fc")
    x = keras.Input((4,))
    y = fc(x)
    model = keras.Model(x, odd(lambda t: t if t.shape else fc.forbidden)(y))
    with pytest.raises(ValueError, match=r"reaches the layer 'fc'"):
        rewrite(model)


class Twice(layers.Layer):
    """Holds one object twice: at one place it is searched, at the other it is a function's."""

    def __init__(self, **options):
        super().__init__(**options)
        self.a_function = self.z_held = None

    def call(self, x):
        return x


@pytest.mark.parametrize("names", [("a_function", "z_held"), ("z_held", "a_function")])
def test_what_is_met_twice_is_searched_as_deep_as_it_is_at_either_place(names):
    fc = layers.Dense(4, name="fc")
    fc(keras.Input((4,)))
    bag = Builder(fc)
    layer = Twice(name="odd")
    for name, value in zip(names, (lambda t: bag, bag), strict=True):
        setattr(layer, name, value)
    assert any(thing is fc for thing in reached(layer))


def test_a_nested_model_is_read_once_however_often_it_is_called(monkeypatch):
    x = keras.Input((4,))
    fc = layers.Dense(4, name="fc")
    model = keras.Model(x, fc(x))
    for _ in range(12):
        model = keras.Model(x, model(model(x)))
    reads = []
    monkeypatch.setattr("zoo.graph.twins.read", lambda *args: reads.append(args) or read(*args))
    (node,) = owners(read(model))[id(fc.kernel)]
    assert node.operation is fc and len(reads) == 12


def test_functions_that_many_layers_have_are_searched_once(monkeypatch):
    looks = []

    def counted(function):
        looks.append(function)
        return taken_from_outside(function)

    monkeypatch.setattr("zoo.graph.ties.taken_from_outside", counted)
    x = y = keras.Input((4,))
    for number in range(8):
        y = layers.Activation(by_a_helper, name=f"act_{number}")(y)
    rewrite(keras.Model(x, y))
    assert sorted(function.__name__ for function in looks) == ["by_a_helper", "helper"]


def helper(t):
    return t * 2.0


def by_a_helper(t):
    return helper(t)


def test_a_function_inside_sets_attributes_too():
    def call(self, t):
        def inner():
            self.seen = t

        self.last = t
        return inner()

    assert stored(call) == {"seen", "last"}


class Chooses(layers.Layer):
    """Takes a method by its name."""

    def call(self, x):
        return getattr(self, f"_{self.name}")(x)

    def _tied(self, x):
        return ops.matmul(x, TOOLS.fc.kernel)


TOOLS = types.SimpleNamespace(fc=None)


def test_a_method_that_is_chosen_by_name_is_searched():
    x = keras.Input((4,))
    TOOLS.fc = layers.Dense(4, name="fc")
    model = keras.Model(x, Chooses(name="tied")(TOOLS.fc(x)))
    with pytest.raises(ValueError, match=r"layer 'tied'.* reaches the layer 'fc'"):
        rewrite(model)


class Named(layers.Layer):
    """Has methods that are called like functions of a module, and are not called themselves."""

    def call(self, x):
        return ops.log(1.0 + ops.exp(x))

    def log(self):
        return TOOLS.fc

    def exp(self):
        return TOOLS.fc


class Trainer:
    """Holds what it trains, of which the function that it gives reads nothing."""

    beta, model = 0.1, None

    def bent(self, x):
        return ops.tanh(x) * self.beta


def test_what_code_does_not_read_makes_no_tie():
    x, trainer = keras.Input((4,)), Trainer()
    TOOLS.fc = layers.Dense(4, name="fc")
    h = layers.Activation(trainer.bent)(Named(name="own")(TOOLS.fc(x)))
    fc = TOOLS.fc
    h = layers.Lambda(lambda t: t / fc.get_config()["units"] / fc.output.shape[-1])(h)
    trainer.model = model = keras.Model(x, h)
    assert same(outputs(model, ROWS), outputs(rewrite(model), ROWS))
