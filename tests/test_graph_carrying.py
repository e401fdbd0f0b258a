"""What a copy is given belongs to it: no function of somebody else's is changed, and the copy's own parts stay."""

import functools
import threading

import keras
import numpy as np
import pytest
from keras import layers, ops
from state_nets import ROWS, after
from transform_nets import outputs, same

from zoo.graph import rewrite
from zoo.graph.held import equal

# Layers of one's own may hide activations: that is said, and not what is tested here.
# A backend has its own ways of keeping what is no weight.
pytestmark = [pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning"), pytest.mark.backend]


def times(factor):
    return lambda x: factor * x


DOUBLE = times(2.0)


class Applies(layers.Layer):
    """Has a function of the module as default, which its configuration forgets."""

    def __init__(self, function=DOUBLE, **options):
        super().__init__(**options)
        self.function = function

    def call(self, x):
        return self.function(x)

    def get_config(self):
        return super().get_config()


def test_a_function_of_the_module_is_left_as_it_is():
    model = after(Applies(times(3.0), name="applies"))
    copy = rewrite(model)
    assert DOUBLE(1.0) == 2.0
    assert copy.get_layer("applies").function(1.0) == 3.0
    assert same(outputs(model, ROWS), outputs(copy, ROWS))


def with_default(factor):
    def scaled(x, factor=factor, *, shift=factor):
        return factor * x + shift

    return scaled


PLAIN = with_default(2.0)


def test_the_defaults_of_a_function_of_the_module_are_left_as_they_are():
    class AppliesPlain(Applies):
        def __init__(self, function=PLAIN, **options):
            super().__init__(function, **options)

    own = with_default(3.0)
    own.note = "mine"
    model = after(AppliesPlain(own, name="applies"))
    copy = rewrite(model).get_layer("applies")
    assert PLAIN(1.0) == 4.0 and not hasattr(PLAIN, "note")
    assert copy.function(1.0) == 6.0
    assert copy.function.__qualname__ == own.__qualname__ and copy.function.note == "mine"


class Helper:
    def __init__(self, factor):
        self.factor = factor

    def apply(self, x):
        return self.factor * x


class ByMethods(layers.Layer):
    """Keeps methods of a layer in it, and of a helper."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense = layers.Dense(4)
        self.mix = self.dense.call
        self.helper = Helper(2.0)
        self.scale = self.helper.apply
        self.twice = lambda x, mix=self.mix: mix(x)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.twice(self.mix(self.scale(x)))


def test_methods_of_what_a_layer_holds_are_those_of_what_its_copy_holds():
    layer = ByMethods(name="own")
    model = after(layer)
    copy = rewrite(model).get_layer("own")
    assert copy.mix.__self__ is copy.dense
    assert copy.scale.__self__ is copy.helper is not layer.helper
    layer.helper.factor = layer.scale.__self__.factor = 3.0  # set later, it comes along
    assert rewrite(model).get_layer("own").scale.__self__.factor == 3.0
    expected = outputs(rewrite(model), ROWS)
    copy = rewrite(model)
    layer.dense.kernel.assign(0 * layer.dense.kernel)
    assert same(expected, outputs(copy, ROWS))


class Remembers(layers.Layer):
    """Collects what it was called on."""

    def __init__(self, **options):
        super().__init__(**options)
        self.skips = []

    def call(self, x):
        self.skips.append(x)
        return 2.0 * x


def test_a_list_of_tensors_that_were_traced_is_left_alone():
    layer = Remembers(name="remembers")
    model = after(layer)
    model.predict(ROWS, verbose=0)
    copy = rewrite(model).get_layer("remembers")
    assert not any(skip is None for skip in copy.skips)


class Noted(layers.Layer):
    """Somebody may note things on it; `used` is what its call reads."""

    def __init__(self, **options):
        super().__init__(**options)
        self.used = None

    def call(self, x):
        return x if self.used is None else self.used(x)

    def get_config(self):
        return super().get_config()


NOTES = {
    "a tensor of the graph": lambda layer: layer.output,
    "two of them": lambda layer: [layer.input, layer.output],
    "a metric": lambda layer: keras.metrics.Mean(name="seen"),
    "a model": lambda layer: keras.Sequential([keras.Input((4,)), layers.ReLU()], name="teacher"),
    "a layer": lambda layer: layers.ReLU(),
}


def note(layer, name, value):
    """Set it in the way that is left after a layer was built, when Keras takes no new part of it."""
    vars(layer)[name] = value


@pytest.mark.parametrize("case", NOTES)
def test_what_was_noted_on_a_layer_and_is_not_used_is_left_out(case):
    layer = Noted(name="noted")
    model = after(layer)
    note(layer, "tap", NOTES[case](layer))
    copy = rewrite(model)
    assert getattr(copy.get_layer("noted"), "tap", None) is None
    assert same(outputs(model, ROWS), outputs(copy, ROWS))


def test_a_layer_that_the_call_reads_is_not_left_out():
    layer = Noted(name="noted")
    model = after(layer)
    note(layer, "used", layers.ReLU())
    with pytest.raises(ValueError, match=r"layer 'noted' \(Noted\) keeps under 'used'"):
        rewrite(model)


class Typed(layers.Layer):
    """Keeps its dtype policy under a name of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner_policy = self.dtype_policy
        self.inner_spec = keras.layers.InputSpec(dtype=self.compute_dtype)

    def call(self, x):
        return ops.cast(x, self.inner_policy.compute_dtype)


def test_a_dtype_policy_is_that_of_the_copy():
    model = after(Typed(name="typed"))
    copy = rewrite(model, settings={"dtype": "bfloat16"}, probe=False).get_layer("typed")
    assert copy.inner_policy.name == copy.inner_spec.dtype == "bfloat16"
    assert rewrite(model).get_layer("typed").inner_policy.name == "float32"


class Adjustable(keras.regularizers.Regularizer):
    """Has its number in a variable, of which its configuration knows nothing."""

    def __init__(self, factor=0.0):
        self.factor = keras.Variable(factor)

    def __call__(self, w):
        return self.factor * ops.sum(w * w)

    def get_config(self):
        return {}


def test_a_regularizer_keeps_the_number_in_its_variable():
    model = after(layers.Dense(4, kernel_regularizer=Adjustable(0.5)))
    expected = float(sum(model.losses))
    assert expected > 0
    assert float(sum(rewrite(model).losses)) == pytest.approx(expected, rel=1e-6)


class Percent(keras.Model):
    def predict_step(self, *arguments):
        return super().predict_step(*arguments)


def test_what_compile_made_does_not_come_along():
    x = keras.Input((4,))
    model = Percent(x, layers.Dense(2, name="fc")(x))
    model.compile("sgd", "mse")
    model.fit(ROWS, np.zeros((len(ROWS), 2)), verbose=0)
    copy = rewrite(model)
    assert not copy.compiled
    fresh = vars(Percent(x, layers.Dense(2)(x)))
    assert vars(copy).keys() - fresh.keys() == set()


class FallsBack(layers.Layer):
    """Takes something of the module where it is given nothing, and its configuration forgets what it was given."""

    def __init__(self, gate, **options):
        super().__init__(**options)
        self.gate = gate

    def get_config(self):
        return super().get_config()

    def call(self, x):
        return self.gate(x) if callable(self.gate) else self.gate * x


@pytest.mark.parametrize("kind", ["variable", "raw variable", "built layer", "layer"])
def test_what_the_module_has_is_not_written_to(kind):
    if kind == "raw variable" and keras.backend.backend() != "tensorflow":
        pytest.skip("a variable of TensorFlow")
    common, given = {
        "variable": lambda: (keras.Variable(1.0), keras.Variable(3.0)),
        "raw variable": lambda: (keras.Variable(1.0).value, keras.Variable(3.0).value),
        "layer": lambda: (layers.Dense(4), layers.Dense(4)),
        "built layer": lambda: (after(layers.Dense(4)).layers[-1], layers.Dense(4)),
    }[kind]()
    weights = common.weights if isinstance(common, layers.Layer) else [common]
    before = [np.array(ops.convert_to_numpy(w)) for w in weights]

    class Own(FallsBack):
        def __init__(self, gate=common, **options):
            super().__init__(gate, **options)

    model = after(Own(given, name="own"))
    with pytest.raises(
        ValueError, match=r"layer 'own' \(Own\) would be copied into the .*gives to every layer"
    ):
        rewrite(model)
    assert all(np.array_equal(a, ops.convert_to_numpy(b)) for a, b in zip(before, weights, strict=True))


def compiled(function):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return pytest.skip("nothing compiles a function of Python and keeps it")


class Compiles(layers.Layer):
    """Compiles in its constructor, what it computes by a number or a weight of its own."""

    def __init__(self, base=2.0, **options):
        super().__init__(**options)
        self.base = base
        self.dense = layers.Dense(4)
        self.by_method = compiled(self.step)
        self.by_lambda = compiled(lambda x: self.base * x)

    def build(self, shape):
        self.dense.build(shape)

    def step(self, x):
        return self.dense(x) * self.base

    def get_config(self):
        return super().get_config() | {"base": self.base}

    def call(self, x):
        return self.by_method(x) + self.by_lambda(x)


def test_what_a_layer_compiled_of_its_own_is_that_of_the_copy():
    model = after(Compiles(3.0, name="own"))
    layer, copied = model.get_layer("own"), rewrite(model)
    own = copied.get_layer("own")
    assert own.by_method is not layer.by_method and own.by_lambda is not layer.by_lambda
    expected = outputs(model, ROWS)
    assert same(expected, outputs(copied, ROWS))
    layer.base = 0.0
    layer.dense.kernel.assign(0 * layer.dense.kernel)
    assert same(expected, outputs(copied, ROWS))


class Mixes(layers.Layer):
    """Calls a layer of the module, which is no part of it and which it may be given another of."""

    def __init__(self, mix, **options):
        super().__init__(**options)
        self.mix = mix.call

    def get_config(self):
        return super().get_config()

    def call(self, x):
        return self.mix(x)


def test_a_method_of_a_layer_that_is_no_part_is_of_that_layer():
    first, second = (after(layers.Dense(4)).layers[-1] for _ in range(2))

    class Own(Mixes):
        def __init__(self, mix=first, **options):
            super().__init__(mix, **options)

    copy = rewrite(after(Own(second, name="own"))).get_layer("own")
    assert copy.mix.__self__ is second


class Halves(layers.Layer):
    """Holds things that belong together."""

    def __init__(self, **options):
        super().__init__(**options)
        self.helper = Helper(2.0)
        self.scale = self.helper.apply
        count = 0

        def step():
            nonlocal count
            count += 1

        self.step, self.read = step, lambda: count

    def call(self, x):
        return self.scale(x)


def test_what_two_attributes_have_together_two_of_the_copy_have_together():
    layer = Halves(name="own")
    model = after(layer)
    layer.helper.factor = 3.0
    layer.step()
    copy = rewrite(model).get_layer("own")
    assert copy.scale.__self__ is copy.helper is not layer.helper and copy.helper.factor == 3.0
    copy.step()
    assert (copy.read(), layer.read()) == (2, 1)
    layer.step()
    assert (copy.read(), layer.read()) == (2, 2)


class UsesModules(Helper):
    def __init__(self, factor):
        super().__init__(factor)
        self.modules = {"np": np, "keras": keras}


def test_an_object_that_holds_modules_is_copied_without_them():
    layer = Halves(name="own")
    layer.helper = UsesModules(2.0)
    model = after(layer)
    layer.helper.factor = 3.0
    copy = rewrite(model).get_layer("own").helper
    assert copy is not layer.helper and (copy.factor, copy.modules) == (3.0, {"np": np, "keras": keras})


@pytest.mark.parametrize("of", ["method", "partial"])
def test_a_layer_in_a_function_in_an_object_is_not_copied_by_the_way(of):
    layer = Halves(name="own")
    model = after(layer)
    call = layers.Dense(4).call
    layer.helper.more = call if of == "method" else functools.partial(max, key=call)
    with pytest.raises(ValueError, match=r"layer 'own' \(Halves\) keeps under .* holds a Dense, which stays"):
        rewrite(model)


def test_a_policy_that_was_set_on_purpose_comes_along():
    layer = Typed(name="typed")
    model = after(layer)
    layer.inner_policy = keras.DTypePolicy("float16")
    assert rewrite(model).get_layer("typed").inner_policy.name == "float16"


class SetsNone(layers.Layer):
    def call(self, x):
        return x if self.limit is None else ops.minimum(x, self.limit)


def test_a_none_that_was_set_from_outside_comes_along():
    layer = SetsNone(name="own")
    layer.limit = None
    model = after(layer)
    assert same(outputs(model, ROWS), outputs(rewrite(model), ROWS))


class HasOptions(keras.Model):
    """Trains by an object that cannot be copied."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.options = Helper(2.0)
        self.options.lock = threading.Lock()


def test_an_object_of_a_model_that_cannot_be_copied_is_named_where_it_differs():
    x = keras.Input((4,))
    model = HasOptions(x, layers.Dense(2)(x), name="mine")
    assert rewrite(model).options.factor == 2.0
    model.options.factor = 5.0
    with pytest.raises(ValueError, match=r"model 'mine' \(HasOptions\) keeps under 'options'"):
        rewrite(model)


def test_the_variable_of_a_regularizer_is_a_variable_of_the_copy():
    dense = layers.Dense(4, kernel_regularizer=Adjustable(0.5), name="regularized")
    model = after(dense)
    copy = rewrite(model)
    expected = float(sum(copy.losses))
    dense.kernel_regularizer.factor.assign(0.0)
    assert float(sum(copy.losses)) == pytest.approx(expected) and float(sum(model.losses)) == 0.0


class Grid:
    """Objects with neighbours."""

    def __init__(self, side):
        self.cells = [[Helper(float(i + j)) for i in range(side)] for j in range(side)]
        for j in range(side):
            for i in range(side):
                near = [(j + 1, i), (j, i + 1), (j - 1, i), (j, i - 1)]
                self.cells[j][i].near = [self.cells[a % side][b % side] for a, b in near]


def chain(length):
    end = None
    for _ in range(length):
        link = Helper(1.0)
        link.next, end = end, link
    return end


@pytest.mark.parametrize("make", [lambda: Grid(12), lambda: chain(3000)], ids=["grid", "chain"])
def test_objects_that_lead_to_one_another_are_compared_once(make):
    one, other = Helper(make()), Helper(make())
    assert equal(one, other)
    other.factor = make
    assert not equal(one, other)


class Timed:
    """Counts how often a function is called."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *arguments):
        self.calls += 1
        return self.function(*arguments)


class CallsThrough(layers.Layer):
    """Computes by objects that lead back to it."""

    def __init__(self, how, **options):
        super().__init__(**options)
        self.how = how
        self.run = WAYS[how](self._run)

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 3))
        self.built = True

    def _run(self, x):
        return x @ self.w

    def get_config(self):
        return super().get_config() | {"how": self.how}

    def call(self, x):
        return self.run(x)


WAYS = {
    "object": Timed,
    "partial": lambda method: functools.partial(method),
    "wrapped": lambda method: functools.wraps(method)(lambda x: method(x)),
    "compiled": lambda method: compiled(method),
}


@pytest.mark.parametrize("how", WAYS)
def test_an_object_that_leads_to_its_layer_leads_to_the_copy(how):
    model = after(CallsThrough(how, name="own"))
    copy = rewrite(model)
    expected = outputs(model, ROWS)
    model.get_layer("own").w.assign(0 * model.get_layer("own").w)
    assert same(expected, outputs(copy, ROWS))
    copy.get_layer("own").w.assign(0 * copy.get_layer("own").w)
    # What jax.jit compiled goes on with the weights that it was traced with, in the original too.
    if (how, keras.backend.backend()) != ("compiled", "jax"):
        assert not np.any(outputs(copy, ROWS))


class Caches(layers.Layer):
    def __init__(self, base=2.0, **options):
        super().__init__(**options)
        self.base = base
        self.power = functools.lru_cache(None)(self._power)

    def _power(self, n):
        return self.base**n

    def get_config(self):
        return super().get_config() | {"base": self.base}

    def call(self, x):
        return self.power(3) * x


def test_a_cache_of_a_method_is_the_copy_s_own():
    layer = Caches(3.0, name="own")
    copy = rewrite(after(layer)).get_layer("own")
    assert copy.power.__wrapped__.__self__ is copy and copy.power(3) == 27.0


class Block(layers.Layer):
    """Stock layers in one of somebody's own, without a configuration of theirs."""

    def __init__(self, **options):
        super().__init__(**options)
        self.drop, self.norm, self.noise = (
            layers.Dropout(0.1),
            layers.BatchNormalization(),
            layers.GaussianNoise(0.1),
        )

    def build(self, shape):
        self.norm.build(shape)

    def call(self, x, training=None):
        return self.noise(self.drop(self.norm(x, training=training), training=training), training=training)


def test_what_was_set_on_a_stock_layer_inside_another_comes_along():
    block = Block(name="own")
    model = after(block)
    block.drop.rate, block.norm.momentum, block.noise.stddev = 0.5, 0.5, 0.3
    copy = rewrite(model).get_layer("own")
    assert (copy.drop.rate, copy.norm.momentum, copy.noise.stddev) == (0.5, 0.5, 0.3)


@pytest.mark.parametrize(
    "value",
    [threading.Lock(), keras.optimizers.Adam(), Helper(threading.Lock())],
    ids=["lock", "Adam", "helper"],
)
def test_what_no_method_reads_is_left_out(value):
    layer = Block(name="own")
    model = after(layer)
    layer.put_down = value
    assert not hasattr(rewrite(model).get_layer("own"), "put_down")
