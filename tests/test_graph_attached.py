"""What is set on a model beside its graph comes along, and what the constructor of its class makes of the graph is no copy."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from transform_nets import batch, outputs, same

from zoo.graph import rewrite

pytestmark = [pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning"), pytest.mark.backend]


def net(sequential=False, kind=None):
    if sequential:
        return (kind or keras.Sequential)([keras.Input((4,)), layers.Dense(3, name="dense")])
    x = keras.Input((4,))
    return (kind or keras.Model)(x, layers.Dense(3, name="dense")(x))


@pytest.mark.parametrize("sequential", [False, True], ids=["functional", "sequential"])
def test_what_is_set_on_a_stock_model_comes_along(sequential):
    model = net(sequential)
    model.extra = layers.Dense(2, trainable=False)
    model.extra.build((None, 5))
    model.scaling = layers.Normalization()
    model.scaling.adapt(np.arange(12.0).reshape(4, 3))
    model.temperature = model.add_weight(shape=(), initializer="ones", name="temperature", trainable=False)
    model.temperature.assign(7.0)
    model.seen = keras.metrics.Mean(name="seen")
    model.seen.update_state([1.0, 4.0])
    model.class_names, model.size = ["cat", "dog"], {"width": 4}
    model.head = model.layers[-1]
    new = rewrite(model)
    same(model.get_weights(), new.get_weights())
    same(model.extra.get_weights(), new.extra.get_weights())
    assert new.extra is not model.extra and not new.extra.trainable
    assert float(new.temperature) == 7.0 and new.temperature is not model.temperature
    assert not new.temperature.trainable and new.temperature.name == "temperature"
    assert float(new.seen.result()) == 2.5 and new.seen is not model.seen
    same([model.scaling(np.ones((1, 3)))], [new.scaling(np.ones((1, 3)))])
    assert new.class_names == ["cat", "dog"] and new.size == {"width": 4}
    assert new.head is new.layers[-1]


class Subclassed(keras.Model):
    """Has no graph to copy."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def used(part, *inputs):
    part(*inputs)
    return part


@pytest.mark.parametrize(
    "part",
    [
        lambda: keras.Sequential([layers.Dropout(0.5)]),
        lambda: used(Subclassed(), np.ones((1, 3), "float32")),
        lambda: used(keras.metrics.F1Score(), np.eye(3, dtype="float32"), np.eye(3, dtype="float32")),
    ],
    ids=["no graph yet", "subclassed", "a metric whose variables come late"],
)
def test_what_cannot_be_copied_and_no_graph_calls_is_left_out(part):
    model = net()
    model.part = part()
    new = rewrite(model)
    same(model.get_weights()[:2], new.get_weights())
    assert not hasattr(new, "part")


def test_what_is_set_under_two_names_is_one():
    model = net()
    teacher, other = net(sequential=True), layers.Dense(1)
    other.build((None, 3))
    model.teacher, model.stages = teacher, [teacher, other]
    new = rewrite(model)
    assert new.teacher is new.stages[0] is not teacher
    assert new.stages[1] is not other


def test_a_weight_set_on_a_model_keeps_its_regularizer():
    model = net()
    model.t = model.add_weight(shape=(2,), initializer="ones", regularizer=keras.regularizers.L2(0.5))
    new = rewrite(model)
    assert [float(loss) for loss in new.losses] == [float(loss) for loss in model.losses] == [1.0]


def test_a_nested_model_keeps_what_is_set_on_it():
    inner = net()
    inner.labels = ["a"]
    x = keras.Input((4,))
    new = rewrite(keras.Model(x, inner(x)))
    assert new.layers[-1].labels == ["a"]


@pytest.mark.parametrize("sequential", [False, True], ids=["functional", "sequential"])
def test_what_training_leaves_on_a_model_is_no_part_of_it(sequential):
    model = net(sequential)
    model.compile("adam", "mse", metrics=["mae"])
    x, y = batch(model, 8), np.zeros((8, 3), "float32")
    model.fit(x, y, verbose=0, callbacks=[keras.callbacks.EarlyStopping("loss")])
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    new = rewrite(model)
    assert not new.compiled and getattr(new, "history", None) is None
    same(outputs(model, x), outputs(new, x))


def test_a_view_of_the_graph_set_on_a_model_is_left_out():
    model = net()
    model.features = keras.Model(model.inputs, model.layers[-1].output)
    same(outputs(model, batch(model)), outputs(rewrite(model), batch(model)))


@pytest.mark.parametrize("sequential", [False, True], ids=["functional", "sequential"])
def test_a_model_set_on_a_model_is_copied(sequential):
    model = net()
    model.teacher = net(sequential)
    model.teacher.trainable = False
    new = rewrite(model)
    assert new.teacher is not model.teacher and not new.teacher.trainable
    same(outputs(model.teacher, batch(model)), outputs(new.teacher, batch(model)))
    same(model.get_weights(), new.get_weights())


def test_what_shares_layers_with_the_graph_and_has_others_is_refused():
    model = net()
    model.second = keras.Model(model.inputs, layers.Dense(2)(model.layers[-1].output))
    with pytest.raises(TypeError, match="keeps under 'second' the Functional"):
        rewrite(model)


def test_what_no_code_reads_and_cannot_be_copied_is_left_out():
    class Run:
        def __init__(self, optimizer):
            self.optimizer = optimizer

    model = net()
    model.run = Run(keras.optimizers.SGD())
    same(outputs(model, batch(model)), outputs(rewrite(model), batch(model)))


class Softened(keras.Model):
    """Puts a softmax after what it is given."""

    def __init__(self, inputs, outputs, **options):
        super().__init__(inputs, ops.softmax(outputs), **options)


class Scaled(keras.Model):
    """Scales what it is given first."""

    def __init__(self, inputs, outputs, **options):
        new = keras.Input(inputs.shape[1:])
        super().__init__(new, keras.Model(inputs, outputs)(new * 2), **options)


class Longer(keras.Sequential):
    """Puts a softmax after what it is given."""

    def __init__(self, layers=None, **options):
        super().__init__([*layers, keras.layers.Softmax()], **options)


@pytest.mark.parametrize("kind", [Softened, Scaled, Longer])
def test_a_constructor_that_changes_the_graph_is_refused(kind):
    model = net(issubclass(kind, keras.Sequential), kind)
    with pytest.raises(TypeError, match=f"{kind.__name__}, whose constructor changes the graph"):
        rewrite(model)


class Accumulating(keras.Model):
    """Takes a number before its graph."""

    def __init__(self, steps, *args, **options):
        super().__init__(*args, **options)
        self.steps = steps

    def train_step(self, *args):
        return super().train_step(*args)


class Named(Accumulating):
    """Takes a number by its name."""

    def __init__(self, *args, steps, **options):
        super().__init__(steps, *args, **options)


class Optional(Accumulating):
    """Has a number where none is given."""

    def __init__(self, *args, steps=1, **options):
        super().__init__(steps, *args, **options)


class OutputsUnnamed(keras.Model):
    """Takes the outputs among what else there may be."""

    def __init__(self, inputs, *args, **options):
        super().__init__(inputs, *args, **options)

    def train_step(self, *args):
        return super().train_step(*args)


class AfterTheGraph(Accumulating):
    """Takes inputs and outputs by name, and what else there may be."""

    def __init__(self, inputs, outputs, *args, **options):
        super().__init__(3, inputs, outputs, *args, **options)


@pytest.mark.parametrize("kind", [Accumulating, Named])
def test_a_constructor_that_wants_more_than_a_graph_is_refused_by_name(kind):
    x = keras.Input((4,))
    y = layers.Dense(3)(x)
    model = kind(2, x, y) if kind is Accumulating else kind(x, y, steps=2)
    with pytest.raises(TypeError, match=f"{kind.__name__}, which has train_step of its own"):
        rewrite(model)


@pytest.mark.parametrize("kind", [Optional, AfterTheGraph, OutputsUnnamed])
def test_a_constructor_that_wants_a_graph_alone_is_used(kind):
    model = net(kind=kind)
    model.steps = 5
    new = rewrite(model)
    assert type(new) is kind and new.steps == 5
