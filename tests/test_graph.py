"""Reading and rebuilding: what comes back is the same model, in every way that can be asked."""

import random
import sys

import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import batch, branching, configuration, gradients, outputs, randomised, same

from zoo.graph import Part, copy_layer, graphs, names, producer, read, rewrite


def chain():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.PReLU(name="act"),
            layers.Dropout(0.5, seed=3, name="drop"),
            layers.Flatten(name="flat"),
            layers.Dense(2, name="fc"),
        ],
        name="chain",
    )


@pytest.mark.parametrize("make", [chain, branching])
def test_the_copy_is_the_model(make):
    model = randomised(make())
    before = configuration(model)
    copy = rewrite(model)
    x = batch(model)
    assert configuration(copy) == before == configuration(model)
    assert [v.path for v in copy.weights] == [v.path for v in model.weights]
    assert same(outputs(model, x), outputs(copy, x))
    assert same(gradients(model, x), gradients(copy, x))
    assert not {id(v) for v in copy.variables} & {id(v) for v in model.variables}


def test_the_copy_saves_and_loads(tmp_path):
    model = randomised(branching())
    copy = rewrite(model)
    copy.save(tmp_path / "copy.keras")
    loaded = keras.models.load_model(tmp_path / "copy.keras")
    assert same(outputs(model, batch(model)), outputs(loaded, batch(model)))


def test_order_is_that_of_the_computation():
    graph = read(branching())
    made = set(map(id, graph.model.inputs))
    for node in graph.nodes:
        assert all(id(t) in made for t in node.input_tensors)
        made.update(map(id, node.outputs))
    assert graph.outputs <= made


def test_nested_graphs_are_found_once_and_all_names_known():
    found = graphs(branching())
    assert [graph.model.name for graph in found] == ["branching", "inner"]
    assert {"left", "right", "shared", "inner", "inner_conv", "top"} <= names(found)


def test_readers_count_every_use():
    x = keras.Input((3,))
    y = layers.Dense(3, name="fc")(x)
    graph = read(keras.Model(x, [layers.Add()([y, y]), y]))
    assert len(graph.readers(y)) == 2
    assert graph.is_output(y)
    assert not graph.is_output(x)


@pytest.mark.deep
def test_thousands_of_layers_on_the_usual_stack():
    # Keras itself cannot build a chain this long; it is built the way a reader would, with a larger stack.
    limit = sys.getrecursionlimit()
    x = y = keras.Input((2,))
    for i in range(1500):
        y = layers.Activation("tanh", name=f"act{i}")(y)
        y = layers.Add(name=f"add{i}")([y, x])
    sys.setrecursionlimit(10_000)
    try:
        model = keras.Model(x, y)
    finally:
        sys.setrecursionlimit(limit)
    copy = rewrite(model)
    assert sys.getrecursionlimit() == limit
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]
    assert len(read(copy).nodes) == 3000


def test_a_layer_is_replaced_and_another_removed():
    model = randomised(chain())
    new = rewrite(
        model, {model.get_layer("act"): [], model.get_layer("fc"): [Part(layers.Dense(7, name="wide"))]}
    )
    assert [layer.name for layer in new.layers] == ["conv", "norm", "drop", "flat", "wide"]
    assert new.output_shape == (None, 7)
    assert np.any(
        keras.ops.convert_to_numpy(new.get_layer("wide").kernel)
    )  # its initialiser was put back in time?


def test_one_call_of_a_shared_layer_is_replaced():
    x = keras.Input((4,))
    shared = layers.Dense(4, name="shared")
    y = shared(x)
    z = shared(y)
    model = keras.Model(x, z)
    new = rewrite(model, {producer(z): [Part(layers.Dense(2, name="other"))]})
    assert [layer.name for layer in new.layers[1:]] == ["shared", "other"]


def test_trainable_flags_survive_at_every_level():
    model = branching()
    model.get_layer("inner").trainable = False
    model.get_layer("inner").get_layer("inner_norm").trainable = True
    model.get_layer("shared").trainable = False
    copy = rewrite(model)
    inner, copied = model.get_layer("inner"), copy.get_layer("inner")
    assert [layer.trainable for layer in copied.layers] == [layer.trainable for layer in inner.layers]
    assert (copied.trainable, copy.get_layer("shared").trainable) == (False, False)
    assert [v.path for v in copy.trainable_variables] == [v.path for v in model.trainable_variables]


def test_dtype_policies_survive():
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3, dtype="mixed_float16", name="half")(x)
    y = layers.Dense(2, dtype="float32", name="full")(y)
    copy = rewrite(randomised(keras.Model(x, y)))
    assert copy.get_layer("half").dtype_policy.name == "mixed_float16"
    assert copy.get_layer("full").compute_dtype == "float32"


def test_seeds_of_dropout_survive_and_no_random_state_is_used():
    model = chain()
    x = batch(model)
    random.seed(5)
    np.random.seed(5)
    expected = random.random(), np.random.random()
    random.seed(5)
    np.random.seed(5)
    copy = rewrite(model)
    assert (random.random(), np.random.random()) == expected
    assert same(outputs(model, x, training=True), outputs(copy, x, training=True))


def test_initialisers_are_as_before():
    x = keras.Input((3,))
    model = keras.Model(x, layers.Dense(2, kernel_initializer="he_normal", name="fc")(x))
    assert type(rewrite(model).get_layer("fc").kernel_initializer).__name__ == "HeNormal"
    assert type(model.get_layer("fc").kernel_initializer).__name__ == "HeNormal"


def test_functions_that_cannot_be_serialised_are_passed_on():
    def double(t):
        return t * 2

    x = keras.Input((3,))
    y = layers.Dense(3, activation=lambda t: t * 3, name="fc")(x)
    y = layers.Lambda(double, name="double")(y)
    model = keras.Model(x, y)
    assert same(outputs(model, batch(model)), outputs(rewrite(model), batch(model)))


def test_an_activation_layer_as_argument_keeps_its_weights():
    x = keras.Input((3,))
    model = keras.Model(x, layers.Dense(3, activation=layers.PReLU(name="slopes"), name="fc")(x))
    model(batch(model))  # only now does Keras make the slopes
    randomised(model)
    assert len(model.variables) == 3
    assert same(outputs(model, batch(model)), outputs(rewrite(model), batch(model)))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="mine")
        self.fc = layers.Dense(2)

    def call(self, x):
        return self.fc(x)


class OwnCall(keras.Model):
    """Built like a Functional model, computing something else."""

    def call(self, x, training=None):
        return super().call(x, training=training) * 2


class Unconfigured(layers.Layer):
    def __init__(self, matrix):
        super().__init__(name="unconfigured")
        self.matrix = matrix

    def call(self, x):
        return x * 2


def test_refusals_name_the_model_and_what_to_do():
    with pytest.raises(TypeError, match=r"mine.*Subclassed.*functional API"):
        rewrite(Subclassed())
    x = keras.Input((3,))
    with pytest.raises(TypeError, match=r"own.*OwnCall.*functional API"):
        rewrite(OwnCall(x, layers.Dense(2)(x), name="own"))
    with pytest.raises(TypeError, match=r"mine.*functional API"):
        rewrite(keras.Model(x, Subclassed()(x)))
    with pytest.raises(ValueError, match=r"lazy.*keras\.Input"):
        rewrite(keras.Sequential([layers.Dense(2)], name="lazy"))
    with pytest.raises(TypeError, match=r"keras\.Model.*Dense"):
        rewrite(layers.Dense(2))
    with pytest.raises(ValueError, match=r"unconfigured.*get_config"):
        rewrite(keras.Model(x, Unconfigured(np.eye(3))(x)))


LONG = " ".join(f"the reason has the word {number}" for number in range(100))


class Explains(layers.Layer):
    """Says at length why it cannot be made again."""

    def call(self, x):
        return x

    def get_config(self):
        raise NotImplementedError(LONG)


class ExplainsLater(layers.Layer):
    """As `Explains`, where it is read back, over several lines."""

    def call(self, x):
        return x

    @classmethod
    def from_config(cls, config):
        raise ValueError(f"First line.\n    {LONG}")


class TakesLess(layers.Layer):
    """Writes down what its constructor does not take: Keras puts the reason after the whole configuration."""

    def call(self, x):
        return x

    def get_config(self):
        return super().get_config() | {"num_patches": 7, "filler": "x" * 2000}


def refusal(layer):
    x = keras.Input((3,))
    with pytest.raises(ValueError) as caught:
        rewrite(keras.Model(x, layer(x)))
    return str(caught.value)


@pytest.mark.parametrize("kind", [Explains, ExplainsLater, TakesLess])
def test_the_reason_comes_first_and_whole(kind):
    message = refusal(kind(name="odd"))
    begin = f"layer 'odd' ({kind.__name__}) cannot be copied from its configuration: "
    reason = {
        Explains: LONG + ".",
        ExplainsLater: f"First line. {LONG}.",
        TakesLess: "Unrecognized keyword arguments passed to TakesLess: {'num_patches': 7, 'filler': 'x",
    }[kind]
    assert message.startswith(begin + reason)
    assert message.endswith(
        "Give the class a get_config and a from_config that restore it, or use a stock layer."
    )


def test_the_reason_of_a_layer_inside_another_comes_through_whole():
    message = refusal(Wraps(name="loop"))
    assert message.startswith(f"layer 'loop' (Wraps) cannot be copied from its configuration: {LONG}.")


class Wraps(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.inner = Explains()

    def call(self, x):
        return self.inner(x)

    def get_config(self):
        return super().get_config() | {"inner": keras.saving.serialize_keras_object(self.inner)}


def test_a_lazily_built_sequential_is_read():
    model = keras.Sequential([layers.Dense(2, name="fc")])
    model.build((None, 3))
    assert same(outputs(model, batch(model)), outputs(rewrite(model), batch(model)))


def test_operations_are_copied_without_their_history():
    pad = next(node.operation for node in read(branching()).nodes if type(node.operation).__name__ == "Pad")
    copy = copy_layer(pad)
    assert (copy.name, copy.pad_width, copy._inbound_nodes) == (pad.name, pad.pad_width, [])


def test_a_model_cut_from_the_middle_of_another():
    model = randomised(chain())
    cut = keras.Model(model.get_layer("norm").output, model.get_layer("flat").output)
    assert same(outputs(cut, batch(cut)), outputs(rewrite(cut), batch(cut)))
