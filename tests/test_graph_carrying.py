"""What a copy is given belongs to it: no function of somebody else's is changed, and the copy's own parts stay."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from state_nets import ROWS, after
from transform_nets import outputs, same

from zoo.graph import rewrite

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
