"""The matrix of a model without activations, and the proof that one with them has none."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from transform_nets import batch, outputs, randomised

from zoo.transforms import NotAffineError, affine_map


def affine_nets():
    def chain(shape, *parts):
        return keras.Sequential([keras.Input(shape), *parts])

    yield "dense", chain((5,), layers.Dense(4), layers.BatchNormalization(), layers.Dense(3))
    yield (
        "image",
        chain(
            (6, 7, 2),
            layers.Rescaling(0.5, 1.0),
            layers.Conv2D(3, 3, padding="same", strides=2),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(2),
            layers.Conv2DTranspose(2, 3, strides=2),
            layers.AveragePooling2D(2, padding="same"),
            layers.Dropout(0.5),
            layers.UpSampling2D(2),
            layers.GlobalAveragePooling2D(),
        ),
    )
    x = keras.Input((4, 4, 2))
    y = layers.Conv2D(2, 3, padding="same", activation="linear")(x)
    z = keras.ops.pad(x[:, ::2, ::2], ((0, 0), (1, 1), (1, 1), (0, 0))) * 2.0
    yield "branches and operations", keras.Model(x, layers.Add()([y, z / 3.0]))
    a, b = keras.Input((3,)), keras.Input((2,))
    yield (
        "several inputs and outputs",
        keras.Model([a, b], [layers.Dense(2)(b), layers.Concatenate()([b, a])]),
    )


NETS = dict(affine_nets())


@pytest.mark.parametrize("case", NETS)
def test_the_matrix_is_the_model(case):
    model = randomised(NETS[case])
    matrix, offset = affine_map(model, batch_size=7)
    x = batch(model, size=3)
    arrays = x if isinstance(x, list) else [x]
    flat = np.concatenate([array.reshape(3, -1) for array in arrays], axis=1)
    expected = np.concatenate([y.reshape(3, -1) for y in outputs(model, x)], axis=1)
    assert (matrix.dtype, matrix.shape) == (np.float64, (expected.shape[1], flat.shape[1]))
    assert np.allclose(flat @ matrix.T + offset, expected, rtol=1e-5, atol=1e-5)


def test_the_matrix_of_a_convolution_by_hand():
    model = keras.Sequential([keras.Input((4, 1)), layers.Conv1D(1, 2)])
    model.set_weights([np.array([[[2.0]], [[3.0]]]), np.array([1.0])])
    matrix, offset = affine_map(model)
    assert np.allclose(matrix, [[2, 3, 0, 0], [0, 2, 3, 0], [0, 0, 2, 3]], atol=1e-6)
    assert np.allclose(offset, [1, 1, 1])


def test_the_weights_alone_are_rounded():
    if keras.backend.backend() != "tensorflow":
        return  # JAX computes in float32 unless it was started otherwise
    model = randomised(keras.Sequential([keras.Input((5,)), layers.Dense(4), layers.Dense(3)]))
    first, b1, second, b2 = (w.astype("float64") for w in model.get_weights())
    matrix, offset = affine_map(model)
    assert np.allclose(matrix, (first @ second).T, rtol=1e-14, atol=1e-14)
    assert np.allclose(offset, b1 @ second + b2, rtol=1e-14, atol=1e-14)


NOT_AFFINE = {
    "applies relu": [layers.Dense(4, activation="relu", name="named")],
    "Activation applies tanh": [layers.Activation("tanh", name="named")],
    "MaxPooling1D is not affine": [layers.Reshape((6, 1)), layers.MaxPooling1D(2, name="named")],
    "LeakyReLU is not affine": [layers.LeakyReLU(name="named")],
    "applies relu6": [layers.Dense(4, activation="relu6", bias_initializer="ones", name="named")],
    "LayerNormalization is not affine": [layers.LayerNormalization(name="named")],
}


@pytest.mark.parametrize("reason", NOT_AFFINE)
def test_a_violating_pair_is_shown(reason):
    model = keras.Sequential([keras.Input((6,)), *NOT_AFFINE[reason]], name="curved")
    with pytest.raises(
        NotAffineError, match=rf"'curved' is not affine \(named: .*{reason}.*f\(u \+ v\)"
    ) as caught:
        affine_map(model)
    u, v = (np.asarray(a, "float32") for a in (caught.value.u, caught.value.v))
    f = [outputs(model, x)[0] for x in (u + v, np.zeros_like(u), u, v)]
    assert np.abs(f[0] + f[1] - f[2] - f[3]).max() == pytest.approx(abs(caught.value.gap), rel=1e-2, abs=1e-4)
    assert abs(caught.value.gap) > 1e-3


def test_a_relu_that_never_bends_on_trial_is_still_refused():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, activation="relu", name="high")])
    model.set_weights([np.eye(2), np.full(2, 1e12)])
    with pytest.raises(NotAffineError, match=r"high.*proves nothing"):
        affine_map(model)


def test_open_sizes_are_refused():
    with pytest.raises(ValueError, match="fixed sizes"):
        affine_map(keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(1, 3)]))


def test_training_statistics_are_not_affine():
    x = keras.Input((4,))
    with pytest.raises(NotAffineError, match="training=True"):
        affine_map(keras.Model(x, layers.BatchNormalization(name="norm")(x, training=True)))


def whole_numbers():
    x = keras.Input((4,), dtype="uint8")
    yield "pixels", keras.Model(x, layers.Dense(2)(layers.Rescaling(1 / 255, 0.5)(x)))
    x = keras.Input((5, 4, 2), dtype="uint8")
    y = layers.Conv2D(3, 2)(layers.Rescaling(1 / 127.5, -1)(x))
    yield "an image of pixels", keras.Model(x, layers.Flatten()(layers.AveragePooling2D(2)(y)))
    x = keras.Input((4,), dtype="int32")
    yield "counts", keras.Model(x, layers.Dense(3)(layers.Rescaling(0.01)(x)))
    a, b = keras.Input((3,), dtype="uint8"), keras.Input((2,))
    yield (
        "beside real numbers",
        keras.Model([a, b], layers.Dense(2)(layers.Concatenate()([layers.Rescaling(0.5)(a), b]))),
    )


WHOLE = dict(whole_numbers())


@pytest.mark.parametrize("case", WHOLE)
def test_inputs_of_whole_numbers_have_a_matrix(case):
    model = randomised(WHOLE[case])
    dtypes = [tensor.dtype for tensor in model.inputs]
    matrix, offset = affine_map(model)
    rng = np.random.default_rng(0)
    x = [rng.integers(0, 256, (3, *tensor.shape[1:])).astype(tensor.dtype) for tensor in model.inputs]
    flat = np.concatenate([array.reshape(3, -1).astype("float64") for array in x], axis=1)
    expected = outputs(model, x if len(x) > 1 else x[0])[0]
    assert np.allclose(flat @ matrix.T + offset, expected, rtol=1e-5, atol=1e-5)
    assert [tensor.dtype for tensor in model.inputs] == dtypes


def test_the_matrix_of_pixels_by_hand():
    model = keras.Sequential([keras.Input((2,), dtype="uint8"), layers.Rescaling(1 / 255), layers.Dense(1)])
    model.layers[-1].set_weights([np.array([[255.0], [510.0]]), np.array([3.0])])
    matrix, offset = affine_map(model)
    assert np.allclose(matrix, [[1, 2]], rtol=1e-6) and np.allclose(offset, [3])


def test_an_activation_on_whole_numbers_is_named():
    x = keras.Input((4,), dtype="uint8")
    y = layers.Dense(3, activation="tanh", name="curved")(layers.Rescaling(1 / 255)(x))
    with pytest.raises(NotAffineError, match="curved: Dense applies tanh"):
        affine_map(keras.Model(x, y))


@pytest.fixture
def nothing_computed(monkeypatch):
    def computed(*_, **__):
        raise AssertionError("the model is copied or called before its activation is named")

    monkeypatch.setattr("zoo.transforms.affine.rewrite", computed)
    monkeypatch.setattr("zoo.transforms.affine._Flat.__call__", computed)


def large(activation):
    x = keras.Input((130, 130, 1))
    return keras.Model(x, layers.Conv2D(2, 3, activation=activation, name="conv")(x), name="large")


def test_a_large_net_is_refused_before_anything_is_computed(nothing_computed):
    convnext = keras.applications.ConvNeXtTiny(weights=None, name="convnext")
    with pytest.raises(NotAffineError, match=r"'convnext' cannot be shown.*gelu.*150528 numbers") as caught:
        affine_map(convnext)
    assert (caught.value.u, caught.value.v, caught.value.gap) == (None, None, 0.0)
    with pytest.raises(
        NotAffineError, match=r"'large' cannot be shown.*conv: Conv2D applies relu.*16900 numbers"
    ):
        affine_map(large("relu"))
    with pytest.raises(NotAffineError, match=r"conv: Conv2D applies exponential"):
        affine_map(large("exponential"))


def test_a_small_net_shows_the_pair_without_a_copy(monkeypatch):
    def copied(*_, **__):
        raise AssertionError("a copy is made of what is refused")

    monkeypatch.setattr("zoo.transforms.affine.rewrite", copied)
    x = keras.Input((4,))
    with pytest.raises(NotAffineError, match=r"fc: Dense applies gelu.*f\(u \+ v\)") as caught:
        affine_map(randomised(keras.Model(x, layers.Dense(3, activation="gelu", name="fc")(x))))
    assert abs(caught.value.gap) > 0


@pytest.mark.parametrize("model", [None, "resnet20", layers.Dense(2)])
def test_what_is_no_model_is_named(model):
    with pytest.raises(TypeError, match=r"expected a keras\.Model, received"):
        affine_map(model)


def test_a_model_without_a_graph_says_so():
    with pytest.raises(ValueError, match="has no graph yet"):
        affine_map(keras.Sequential([layers.Dense(2)]))


@pytest.mark.parametrize("size", [1, 3])
def test_a_fixed_batch_size_is_kept_to(size):
    x = keras.Input((4, 4, 1), batch_size=size)
    y = keras.ops.reshape(layers.Conv2D(2, 3)(x), (size, 8))
    model = randomised(keras.Model(x, layers.Dense(3)(y)))
    matrix, offset = affine_map(model)
    data = batch(model, size)
    expected = outputs(model, data)[0]
    assert np.abs(data.reshape(size, -1) @ matrix.T + offset - expected).max() < 1e-5


MIXING = {
    "centred by the batch": lambda x: x - keras.ops.mean(x, axis=0),
    "another order of samples": lambda x: keras.ops.flip(x, axis=0),
    "one number for all": lambda x: keras.ops.sum(x),
    "more samples": lambda x: keras.ops.reshape(x, (-1, 2)),
}


@pytest.mark.parametrize("case", MIXING)
def test_a_model_that_mixes_samples_has_no_matrix(case):
    x = keras.Input((4,))
    model = keras.Model(x, MIXING[case](layers.Dense(4)(x)))
    with pytest.raises(ValueError, match="mixes the samples of a batch"):
        affine_map(model)


@pytest.mark.tensorflow
def test_inputs_that_are_no_numbers_or_indices_are_refused_with_the_reason():
    x = keras.Input((1,), dtype="string")
    words = layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")
    with pytest.raises(ValueError, match=r"needs numbers.*are strings"):
        affine_map(keras.Model(x, layers.Dense(2)(words(x))))
    x = keras.Input((3,), dtype="int32")
    model = keras.Model(x, layers.CategoryEncoding(num_tokens=5, output_mode="count", name="counts")(x))
    with pytest.raises(
        NotAffineError, match=r"counts: CategoryEncoding is not affine\. It does not take the numbers"
    ):
        affine_map(model)


def cast_inputs():
    for dtype in ("uint8", "int32", "bool"):
        x = keras.Input((3,), dtype=dtype)
        yield dtype, keras.Model(x, layers.Dense(2)(ops.cast(x, "float32")))
    x = keras.Input((3,), dtype="uint8")
    yield "twice", keras.Model(x, layers.Dense(2)(ops.cast(ops.cast(x, "int32") * 3, "float32")))
    x = keras.Input((3,))
    yield "real numbers", keras.Model(x, layers.Dense(2)(ops.cast(ops.cast(x, "float64"), "float32")))
    a, b = keras.Input((3,), dtype="bool"), keras.Input((2,))
    yield "several", keras.Model([a, b], layers.Dense(2)(layers.Concatenate()([ops.cast(a, "float32"), b])))


CAST = dict(cast_inputs())


@pytest.mark.parametrize("case", CAST)
def test_a_cast_to_a_float_dtype_is_affine(case):
    model = randomised(CAST[case])
    matrix, offset = affine_map(model)
    rng = np.random.default_rng(0)
    x = [
        rng.integers(0, 2 if t.dtype == "bool" else 100, (5, *t.shape[1:])).astype(t.dtype)
        for t in model.inputs
    ]
    flat = np.concatenate([array.astype("float64") for array in x], axis=1)
    expected = outputs(model, x if len(x) > 1 else x[0])[0]
    assert np.allclose(flat @ matrix.T + offset, expected, rtol=1e-5, atol=1e-5)


def casts_that_bend():
    x = keras.Input((3,))
    yield "Cast makes int32 of float32", x, ops.cast(ops.cast(x, "int32"), "float32")
    x = keras.Input((3,), dtype="int32")
    yield "Cast makes uint8 of int32", x, ops.cast(ops.cast(x, "uint8"), "float32")
    x = keras.Input((3,), dtype="uint8")
    yield "Add computes in uint8", x, ops.cast(x + x, "float32")
    x = keras.Input((3,), dtype="uint8")
    yield "Add computes in uint8", x, ops.cast(layers.Add()([x, x]), "float32")
    x = keras.Input((3,), dtype="bool")
    yield "All is not affine", x, ops.cast(ops.all(x, axis=-1, keepdims=True), "float32")
    x = keras.Input((3,), dtype="int32")
    yield "FloorDivide is not affine", x, ops.cast(x // 2, "float32")


@pytest.mark.parametrize(("reason", "x", "y"), list(casts_that_bend()))
def test_a_violating_pair_is_one_that_the_inputs_can_have(reason, x, y):
    model = keras.Model(x, layers.Dense(2)(y))
    with pytest.raises(NotAffineError, match=reason) as caught:
        affine_map(model)
    u, v = caught.value.u, caught.value.v
    assert u.dtype == v.dtype == x.dtype and caught.value.gap != 0
    total = u | v if x.dtype == "bool" else u + v
    assert np.allclose(total.astype("float64"), u.astype("float64") + v)  # no overflow
    f = [outputs(model, z)[0] for z in (total, np.zeros_like(u), u, v)]
    assert not np.allclose(f[0] + f[1], f[2] + f[3], atol=1e-3)


@pytest.mark.parametrize(
    ("batch_size", "error"),
    [(0, ValueError), (-1, ValueError), (None, TypeError), (2.5, TypeError), (True, TypeError)],
)
def test_a_batch_size_is_a_whole_number(batch_size, error):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    with pytest.raises(error, match=f"batch_size must be an integer of at least 1, received {batch_size}"):
        affine_map(model, batch_size=batch_size)
    assert affine_map(model, batch_size=np.int64(2))[0].shape == (2, 3)
