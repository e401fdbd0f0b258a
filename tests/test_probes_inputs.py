"""What a probe takes as `x`: arrays by order and name, Datasets, loaders and generators."""

import keras
import numpy as np
import pytest
from keras import layers
from probed_nets import dense
from transform_nets import batch, branching, outputs

from zoo.callbacks import ActivationMonitor
from zoo.probes import activation_importance, activation_stats, gradient_stats, signal_propagation
from zoo.transforms import drop_activations


def test_wrong_arguments_are_named():
    model = branching()
    with pytest.raises(ValueError, match=r"one array for each of \['left', 'right'\]"):
        activation_stats(model, np.zeros((2, 8, 8, 3)))
    with pytest.raises(ValueError, match="loss takes a list or a dict"):
        gradient_stats(model, batch(model), np.zeros(2), "mse")
    one = dense("relu", [[1.0]], [0.0])
    with pytest.raises(ValueError, match=r"x holds float. Make arrays"):
        activation_stats(one, [[1.0], [2.0]])
    with pytest.raises(ValueError, match="no samples"):
        activation_stats(one, np.zeros((0, 1)))
    for name in ("batch_size", "batches"):
        for wrong, error in ((0, ValueError), (1.5, TypeError), (True, TypeError)):
            with pytest.raises(error, match=f"{name} must be an integer of at least 1, received {wrong}"):
                activation_stats(one, np.ones((2, 1)), **{name: wrong})


@pytest.mark.parametrize("order", ["za", "az"])
@pytest.mark.parametrize("built", ["list", "dict"])
def test_nested_models_take_dicts_by_name(built, order):
    z, a = keras.Input((4,), name="z"), keras.Input((4,), name="a")
    rows = [layers.Activation("relu", name="rz")(z), layers.Activation("tanh", name="ra")(a)]
    inner = keras.Model([z, a] if built == "list" else {"z": z, "a": a}, layers.Subtract()(rows), name="in")
    p, q = keras.Input((4,)), keras.Input((4,))
    given = {"z": p, "a": q}
    model = keras.Model([p, q], inner({key: given[key] for key in order}))
    data = [np.full((2, 4), 1.0, "float32"), np.full((2, 4), 5.0, "float32")]
    means = {row["site"]: row["mean"] for row in activation_stats(model, data)}
    assert means == pytest.approx({"in/rz": 1.0, "in/ra": np.tanh(5.0)})
    target = np.zeros((2, 4))
    rows = {row["name"]: row for row in gradient_stats(model, data, target, "mse")}
    by_hand = np.linalg.norm(2 * outputs(model, data)[0] / 8)
    assert rows["in/rz"]["norm"] == pytest.approx(by_hand, rel=1e-5)


def test_inputs_by_name_at_the_top():
    z, a = keras.Input((4,), name="z"), keras.Input((4,), name="a")
    outs = layers.Subtract()([layers.ReLU(name="rz")(z), layers.ReLU(name="ra")(a)])
    data = {"a": np.full((2, 4), 5.0), "z": np.full((2, 4), 1.0)}
    for inputs in ([z, a], {"z": z, "a": a}, {"a": a, "z": z}):
        means = {row["site"]: row["mean"] for row in activation_stats(keras.Model(inputs, outs), data)}
        assert means == {"rz": 1.0, "ra": 5.0}


class Resized(layers.Layer):
    """Takes no `training`; its preprocessing layer has True for a default."""

    def __init__(self, first, **kwargs):
        super().__init__(**kwargs)
        self.first, self.norm, self.drop = first, layers.BatchNormalization(), layers.Dropout(0.5)

    def build(self, shape):
        self.norm.build((None, 4, 4, shape[-1]))

    def call(self, x):
        return self.drop(self.norm(self.first(x)))


@pytest.mark.parametrize(
    "first", [lambda: layers.Resizing(4, 4), lambda: layers.RandomFlip(), lambda: layers.RandomContrast(0.5)]
)
def test_inference_reaches_layers_without_a_training_argument(first):
    x = keras.Input((4, 4, 3))
    model = keras.Model(x, layers.ReLU(name="act")(Resized(first())(x)))
    data = np.random.default_rng(0).normal(5, 2, (8, 4, 4, 3)).astype("float32")
    (row,) = activation_stats(model, data)
    assert row["mean"] == pytest.approx(model.predict(data, verbose=0).mean(), rel=1e-5)


X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")


def model_of_four():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu", name="fc")])


class Loader(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        part = X[5 * index : 5 * index + 5]
        return part, part[:, :3]


class Endless(Loader):
    num_batches = None


class Iterable:
    """As a loader of another library: a length and batches."""

    def __len__(self):
        return 4

    def __iter__(self):
        return ((X[i : i + 5], None) for i in range(0, 20, 5))


STREAMS = {"py dataset": Loader, "loader": Iterable}


@pytest.mark.parametrize("kind", STREAMS)
def test_streams_give_the_rows_of_the_arrays(kind):
    model = model_of_four()
    assert activation_stats(model, STREAMS[kind]()) == activation_stats(model, X, batch_size=5)
    assert activation_stats(model, STREAMS[kind](), batches=2) == activation_stats(
        model, X[:10], batch_size=5
    )
    assert activation_stats(model, X, batch_size=5, batches=2) == activation_stats(
        model, X[:10], batch_size=5
    )


@pytest.mark.tensorflow
def test_datasets_of_tensorflow():
    import tensorflow as tf

    model = model_of_four()
    expected = activation_stats(model, X, batch_size=5)
    data = tf.data.Dataset.from_tensor_slices(X)
    labelled = tf.data.Dataset.from_tensor_slices((X, X[:, :3])).batch(5)
    assert activation_stats(model, data.batch(5)) == expected
    assert activation_stats(model, labelled) == expected
    assert activation_stats(model, labelled.repeat(), batches=4) == expected
    with pytest.raises(ValueError, match="may never end: pass batches="):
        activation_stats(model, labelled.repeat())
    with pytest.raises(ValueError, match=r"a dimension is missing.*dataset\.batch"):
        activation_stats(model, data)
    with pytest.raises(ValueError, match="batch_size=5 is for arrays"):
        activation_stats(model, labelled, batch_size=5)
    rows = gradient_stats(model, labelled, loss="mse")
    whole = gradient_stats(model, X, X[:, :3], "mse")
    assert [row["norm"] for row in rows] == pytest.approx([row["norm"] for row in whole], rel=1e-5)


def test_generators_need_a_number_and_are_read_once():
    model = model_of_four()
    stream = (X[i : i + 5] for i in range(0, 20, 5))
    with pytest.raises(ValueError, match="which may never end"):
        activation_stats(model, stream)
    assert activation_stats(model, stream, batches=4) == activation_stats(model, X, batch_size=5)
    with pytest.raises(ValueError, match=r"x, a generator, has no batches;.* has to be made again"):
        activation_stats(model, stream, batches=4)
    with pytest.raises(ValueError, match=r"batches=9, but x has 4 of 5"):
        activation_stats(model, X, batch_size=5, batches=9)
    with pytest.raises(ValueError, match="yields no targets"):
        gradient_stats(model, (X for _ in range(2)), loss="mse", batches=2)
    with pytest.raises(ValueError, match="brings the targets"):
        gradient_stats(model, Loader(), X[:, :3], "mse")


def test_a_fixed_batch_size_is_kept():
    x = keras.Input(batch_shape=(4, 6))
    model = keras.Model(x, layers.ReLU(name="act")(keras.ops.reshape(x, (4, 3, 2))))
    data = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    assert activation_stats(model, data)[0]["mean"] == pytest.approx(np.maximum(data, 0).mean(), rel=1e-5)
    for wrong, options in ((data[:6], {}), (data, {"batch_size": 2})):
        with pytest.raises(ValueError, match="takes batches of 4 samples"):
            activation_stats(model, wrong, **options)


@pytest.mark.tensorflow
@pytest.mark.parametrize("probe", [activation_stats, signal_propagation])
@pytest.mark.parametrize("kind", ["sparse", "ragged", "empty"])
def test_arrays_without_a_value_at_each_place_are_named(probe, kind):
    import tensorflow as tf

    x = keras.Input((2,))
    y = layers.Add()([x, layers.ReLU()(x)])
    data = {
        "sparse": tf.sparse.from_dense(np.eye(2, dtype="float32")),
        "ragged": tf.ragged.constant([[1.0, 2.0], [3.0]]),
        "empty": np.zeros((0, 2)),
    }[kind]
    with pytest.raises(ValueError, match={"empty": "has no samples"}.get(kind, "only dense arrays")):
        probe(keras.Model(x, y), data)


@keras.saving.register_keras_serializable("test_probes_inputs")
class PlusIfThere(layers.Layer):
    def call(self, a, b=None):
        return a if b is None else a + b


def of_one_or_two():
    """With an addition, activations and an output of three classes."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), optional=True, name="b")
    x = PlusIfThere(name="plus")(a, b)
    y = layers.Add(name="add")([x, layers.Dense(4, activation="relu", name="fc")(x)])
    return keras.Model([a, b], layers.Dense(3, name="scores")(layers.ReLU(name="act")(y)), name="optional")


@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")
def test_an_optional_input_may_be_left_out():
    model = of_one_or_two()
    x = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    y, zeros = np.arange(6) % 3, np.zeros_like(x)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for probe in (
        activation_stats,
        signal_propagation,
        lambda m, data: gradient_stats(m, data, y, loss),
        lambda m, data: activation_importance(m, data, y),
    ):
        left_out, with_zeros = probe(model, [x, None]), probe(model, [x, zeros])
        for row, other in zip(left_out, with_zeros, strict=True):
            numbers = {key: value for key, value in row.items() if isinstance(value, float)}
            assert numbers and {key: other[key] for key in numbers} == pytest.approx(numbers, abs=1e-6)
    (means,) = ({r["site"]: r["mean"] for r in activation_stats(model, {"a": x, "b": None}, batch_size=2)},)
    assert means == pytest.approx({r["site"]: r["mean"] for r in activation_stats(model, [x, zeros])})
    assert activation_stats(model, iter([((x, None), y)]), batches=1)[0]["mean"] == pytest.approx(means["fc"])


def test_none_for_an_input_that_is_not_optional_is_refused():
    model, x = of_one_or_two(), np.ones((2, 4))
    text = r"x has None for input 'a' of 'optional', which is not optional\. Pass an array"
    for data in ([None, x], [None, None], {"a": None, "b": x}):
        with pytest.raises(ValueError, match=text):
            activation_stats(model, data)
    with pytest.raises(ValueError, match="which is not optional"):
        activation_stats(dense("relu", [[1.0]], [0.0]), None)
    with pytest.raises(ValueError, match=r"one array for each of \['a', 'b'\].*received \[None\]"):
        activation_stats(model, [None])
    alone = keras.Input((4,), optional=True)
    with pytest.raises(ValueError, match="x has no samples: it is None for every input"):
        activation_stats(keras.Model(alone, layers.ReLU()(alone)), [None])


@keras.saving.register_keras_serializable("test_probes_inputs")
class Remembering(layers.Layer):
    """Changes Python attributes of its own wherever it is called."""

    def __init__(self, **options):
        super().__init__(**options)
        self.count, self.seen, self.by_name, self.kinds, self.cache = 0, [], {}, set(), [0.0]

    def call(self, x):
        self.count += 1
        self.seen.append(1)
        self.by_name[f"call{self.count}"] = self.count
        self.kinds.add(self.count)
        self.last, self.cache[0] = x, x
        return x


@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")
def test_what_a_call_keeps_as_attributes_is_as_before():
    x = keras.Input((4,))
    own = Remembering(name="own")
    y = layers.Add()([own(x), layers.Dense(4, activation="relu")(x)])
    model = keras.Model(x, layers.ReLU()(y))
    own.cache[0] = 0.0
    before = own.count, list(own.seen), dict(own.by_name), set(own.kinds), id(own.last)
    data = np.ones((3, 4), "float32")
    for probe in (
        activation_stats,
        signal_propagation,
        lambda m, data: gradient_stats(m, data, data, "mse"),
    ):
        probe(model, data)
        assert (own.count, list(own.seen), dict(own.by_name), set(own.kinds), id(own.last)) == before
        assert list(own.cache) == [0.0]
    model(data)
    assert own.count == before[0] + 1 and len(own.seen) == len(before[1]) + 1


# Input shape -> shape of an array -> that of the batch that it is, or why it is none.
MISSING = r"received \(.*\): a dimension is missing\. Single samples have to be batched: x\[None\]"
OTHER = r"takes arrays of shape \(None, .*\), received \(.*\)\.$"
SHAPES = {
    (28, 28, 1): {
        (28, 28, 1): MISSING,
        (28, 28): MISSING,
        (2, 28, 28): (2, 28, 28, 1),
        (2, 28, 28, 1, 1): (2, 28, 28, 1),
        (2, 28, 27, 1, 1): OTHER,
        (2, 28, 28, 1, 2): OTHER,
    },
    (None, None, 1): {
        (9, 8, 1): MISSING,
        (1, 8, 1): (1, 8, 1, 1),
        (2, 9, 8): (2, 9, 8, 1),
        (2, 9, 8, 1): (2, 9, 8, 1),
    },
    (6, 1): {(6, 1): MISSING, (6,): MISSING, (3, 6): (3, 6, 1), (3, 6, 1, 1): (3, 6, 1), (3, 5): MISSING},
    (4,): {(4,): MISSING, (3, 4, 1): (3, 4), (3, 4, 2): OTHER, (3, 5, 1): OTHER, (3, 5): OTHER},
    (1,): {(3,): (3, 1), (3, 1, 1): (3, 1), (3, 2): OTHER},
}


@pytest.mark.parametrize(
    ("inputs", "shape", "taken"),
    [(i, s, taken) for i, shapes in SHAPES.items() for s, taken in shapes.items()],
)
def test_a_last_axis_of_one_may_be_missing_or_too_much_and_no_other(inputs, shape, taken):
    """A single grey image is no batch of its rows."""
    x = keras.Input(inputs)
    model = keras.Model(x, layers.Add()([x, layers.ReLU(name="act")(x)]))
    data = np.random.default_rng(0).normal(size=shape).astype("float32")
    if isinstance(taken, str):
        for probe in (activation_stats, signal_propagation):
            with pytest.raises(ValueError, match=taken):
                probe(model, data)
    else:
        assert activation_stats(model, data) == activation_stats(model, data.reshape(taken))


class Nothing(keras.utils.PyDataset):
    def __len__(self):
        return 0

    def __getitem__(self, index):
        raise IndexError(index)


class NoneInside(Iterable):
    def __len__(self):
        return 0

    def __iter__(self):
        return iter(())


def of_one_addition():
    x = keras.Input((4,))
    y = layers.Add()([x, layers.Dense(4, activation="relu", name="fc")(x)])
    return keras.Model(x, layers.Dense(3, name="top")(y))


READERS = {
    "activation_stats": activation_stats,
    "signal_propagation": signal_propagation,
    "activation_importance": activation_importance,
    "gradient_stats": lambda model, x, batches: gradient_stats(model, x, loss="mse", batches=batches),
    "drop_activations": lambda model, x, batches: drop_activations(model, "fc", fit=x, batches=batches),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_stream_without_batches_is_refused_by_one_error(reader):
    model = of_one_addition()
    for stream, batches in ((Nothing(), None), (Nothing(), 2), (NoneInside(), None), (iter(()), 2)):
        with pytest.raises(ValueError, match=r"^(x|fit), a \w+, has no batches; expected one at least\."):
            READERS[reader](model, stream, batches=batches)


@pytest.mark.tensorflow
def test_an_empty_dataset_is_refused():
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((X, X[:, :3])).batch(5)
    unknown = data.filter(lambda x, y: False)
    for empty, batches in ((data.take(0), None), (data.take(0), 2), (data.skip(9), None), (unknown, 2)):
        with pytest.raises(ValueError, match=r"x, a \w+, has no batches; expected one at least\.$"):
            signal_propagation(of_one_addition(), empty, batches=batches)


@pytest.mark.tensorflow
@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("kind", ["sparse", "ragged"])
def test_batches_without_a_value_at_each_place_are_refused(kind, labelled):
    """As the same tensor is that is in no Dataset; what the targets are is no matter."""
    import tensorflow as tf

    ragged = tf.data.Dataset.from_tensor_slices(tf.ragged.constant([[1.0, 2.0], [3.0]])).ragged_batch(2)
    sparse = tf.data.Dataset.from_tensors(tf.sparse.from_dense(np.eye(2, dtype="float32")))
    values = tf.data.Dataset.from_tensors(np.eye(2, dtype="float32"))
    data = {"ragged": ragged, "sparse": sparse}[kind]
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, activation="relu", name="fc")])
    for read in (activation_stats, lambda model, x: ActivationMonitor(x)):
        with pytest.raises(ValueError, match=r"x holds a (Ragged|Sparse)Tensor; only dense arrays"):
            read(model, tf.data.Dataset.zip(data, values) if labelled else data)
        read(model, tf.data.Dataset.zip(values, data))


@pytest.mark.parametrize("as_stream", [False, True])
def test_what_is_sparse_of_scipy_is_refused(as_stream):
    model, x = model_of_four(), pytest.importorskip("scipy.sparse").csr_matrix(np.eye(4))
    with pytest.raises(ValueError, match="x holds a csr_matrix; only dense arrays"):
        activation_stats(model, *([iter([x])] if as_stream else [x]), batches=1)


def test_a_place_in_a_model_is_no_array():
    model = model_of_four()
    for x in (*model.inputs, *model.outputs, model.inputs):
        with pytest.raises(
            ValueError, match="x holds a KerasTensor, a place in a model, which has no values"
        ):
            activation_stats(model, x)


def test_numbers_of_numpy_are_numbers():
    model = model_of_four()
    of_numpy = activation_stats(model, X, batch_size=np.int64(5), batches=np.int32(2))
    assert of_numpy == activation_stats(model, X, batch_size=5, batches=2)
    assert activation_stats(model, Loader(), batches=np.uint8(2)) == of_numpy
