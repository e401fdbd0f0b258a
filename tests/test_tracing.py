"""The step of a model whose variables are all there is traced once, and trains as it would have."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo

# Compiled how -> traces of the step without `trace_once`.
COMPILED = {
    "adam": ({"optimizer": "adam"}, 2),
    "metrics": ({"optimizer": "sgd", "metrics": ["accuracy"]}, 2),
    "both": (
        {"optimizer": keras.optimizers.SGD, "metrics": ["accuracy", "sparse_top_k_categorical_accuracy"]},
        2,
    ),
    "accumulation": ({"optimizer": keras.optimizers.AdamW, "weighted_metrics": ["accuracy"]}, 2),
    "nothing to make": ({"optimizer": "sgd"}, 1),
}
SETTINGS = {
    keras.optimizers.SGD: {"momentum": 0.9},
    keras.optimizers.AdamW: {"gradient_accumulation_steps": 2},
}


class Traced(layers.Layer):
    """Counts how often it is called, which in a compiled step is how often it is traced."""

    traces = 0

    def call(self, x):
        type(self).traces += 1
        return x


def net(dtype=None):
    """With dropout, whose draws would tell if anything had been drawn on the way, and moving statistics."""
    keras.utils.set_random_seed(5)
    image = keras.Input((8, 8, 3))
    x = zoo.residual_unit(4, name="unit")(layers.Conv2D(4, 3, padding="same", dtype=dtype)(image))
    x = layers.Dropout(0.3)(Traced()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(3, activation="softmax", dtype="float32")(x))


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(24, 8, 8, 3)).astype("float32"), rng.integers(0, 3, 24)


def trained(ahead, compiled, dtype=None):
    """Traces of the step, and everything that training came to."""
    model = net(dtype)
    optimizer = compiled["optimizer"]
    if optimizer in SETTINGS:
        compiled = {**compiled, "optimizer": optimizer(**SETTINGS[optimizer])}
    x, y = data()
    model.compile(**compiled, loss="sparse_categorical_crossentropy", jit_compile=False)
    if ahead:
        zoo.trace_once(model, y)
    Traced.traces = 0
    history = model.fit(x, y, batch_size=8, epochs=3, verbose=0).history
    return Traced.traces, history, [*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)]


@pytest.mark.tensorflow  # how often a step is traced
@pytest.mark.parametrize("how", COMPILED)
def test_one_trace_and_the_same_bits(how):
    compiled, without = COMPILED[how]
    before, history, weights = trained(False, compiled)
    after, same_history, same_weights = trained(True, compiled)
    assert (before, after) == (without, 1)
    assert history == same_history
    assert all(np.array_equal(a, b) for a, b in zip(weights, same_weights, strict=True))


@pytest.mark.tensorflow  # how often a step is traced
def test_a_scaled_loss_too():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        compiled = {"optimizer": "adam", "metrics": ["accuracy"]}
        (before, history, _), (after, same, _) = (trained(ahead, compiled) for ahead in (False, True))
    finally:
        keras.config.set_dtype_policy("float32")
    assert (before, after) == (2, 1) and history == same


def test_a_rolled_net_is_the_same_too():
    x, y = data()

    def losses(ahead):
        keras.utils.set_random_seed(1)
        model = zoo.build("resnet14v2", input_shape=(8, 8, 3), width=2, classes=3, rolled=True)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        if ahead:
            zoo.trace_once(model, y)
        return model.fit(x, y, batch_size=8, verbose=0).history

    assert losses(True) == losses(False)


def test_metrics_start_from_nothing_and_training_goes_on():
    model = net()
    x, y = data()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    zoo.trace_once(model, y[:1])
    assert all(float(value) == 0 for metric in model.metrics for value in metric.variables)
    model.fit(x, y, verbose=0)
    before = [v.numpy() for v in model.optimizer.variables]
    zoo.trace_once(model, y)  # nothing left to make
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.optimizer.variables, strict=True))


def test_several_outputs_are_told_by_their_targets():
    x = keras.Input((4,))
    model = keras.Model(x, {"a": layers.Dense(2)(x), "b": layers.Dense(1)(x)})
    model.compile("adam", {"a": "mse", "b": "mse"}, metrics={"a": ["mae"], "b": ["mse"]})
    y = {"a": np.zeros((6, 2)), "b": np.zeros((6, 1))}
    zoo.trace_once(model, y)
    assert {"a_mae", "b_mse"} <= set(model.fit(np.zeros((6, 4)), y, verbose=0).history)


class Subclassed(keras.Model):
    def call(self, x):
        return x


def uncompiled():
    return net()


def open_sizes():
    x = keras.Input((None, None, 1))
    model = keras.Model(x, layers.Conv2D(2, 1)(x))
    model.compile("sgd", "mse")
    return model


def subclassed():
    model = Subclassed()
    model.compile("sgd", "mse")
    return model


def compiled():
    model = net()
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize(
    "make, y, error, words",
    [
        (
            lambda: "resnet20",
            [0],
            TypeError,
            r"expected a keras\.Model, received .resnet20.: .*zoo\.build builds",
        ),
        (uncompiled, [0], ValueError, r"no optimiser and no metrics yet: call model\.compile"),
        (subclassed, [0], TypeError, "is subclassed, so the shape of its output is not known"),
        (
            open_sizes,
            np.zeros((2, 3, 3, 2)),
            ValueError,
            r"has the shape \(None, None, None, 2\): build the model",
        ),
        (compiled, np.zeros(0), ValueError, "y must hold one target at least"),
    ],
)
def test_what_cannot_be_made_is_refused(make, y, error, words):
    with pytest.raises(error, match=words):
        zoo.trace_once(make(), np.asarray(y))


class Stream(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return data()


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (None, r"y must be arrays of targets, as fit takes them; received None of type NoneType"),
        (3, "received 3 of type int"),
        (np.float64(3), "of type float64"),
        (keras.KerasTensor((None,)), "of type KerasTensor"),
        ("classes", "received 'classes' of type str"),
        ([0, 1, 2], r"received 0 of type int\. Of a list, make an array: numpy\.asarray\(y\)"),
        ([[0.0, 1.0], [1.0, 0.0]], "received 0.0 of type float"),
        (iter([0, 1]), "y is a list_iterator, which yields batches: pass the targets of one of them"),
        (Stream(), "y is a Stream, which yields batches"),
    ],
    ids=["None", "number", "numpy", "place", "word", "numbers", "rows", "iterator", "PyDataset"],
)
def test_targets_that_are_no_arrays_are_refused(y, words):
    with pytest.raises(TypeError, match=words):
        zoo.trace_once(compiled(), y)


@pytest.mark.tensorflow
def test_targets_in_a_dataset_are_refused():
    import tensorflow as tf

    with pytest.raises(TypeError, match="y is a _BatchDataset, which yields batches"):
        zoo.trace_once(compiled(), tf.data.Dataset.from_tensor_slices(data()).batch(2))


def test_tensors_are_targets_too():
    model = compiled()
    zoo.trace_once(model, keras.ops.convert_to_tensor(data()[1]))
    assert model.optimizer.built


def test_an_output_without_a_loss_has_no_targets():
    x = keras.Input((4,))
    shared = layers.Dense(2)(x)
    model = keras.Model(x, [shared, layers.ReLU()(shared)])
    model.compile("adam", ["mse", None], metrics=[["mae"], None], run_eagerly=True)
    y = [np.zeros((6, 2)), None]
    zoo.trace_once(model, y)
    assert len(model.fit(np.zeros((6, 4)), y, verbose=0).history) == 2


def test_a_sequential_model_that_was_never_called():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    model.compile("adam", "mse", metrics=["mae"], run_eagerly=True)
    zoo.trace_once(model, np.zeros((6, 2)))
    assert model.optimizer.built and "mae" in model.fit(np.zeros((6, 4)), np.zeros((6, 2)), verbose=0).history
