"""The fused layer against the stock one, and both against the formula."""

import copy
import json
import pickle
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.normalization import BatchNormalization

STOCK = keras.layers.BatchNormalization
RNG = np.random.default_rng(7)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_numbers_whatever_ran_before():
    RNG.bit_generator.state = START


def twins(shape, **options):
    """A stock and a fused layer with the same, non-trivial weights."""
    layers = [cls(momentum=0.9, epsilon=1e-5, **options) for cls in (STOCK, BatchNormalization)]
    for layer in layers:
        layer.build(shape)
    weights = [RNG.uniform(0.5, 1.5, w.shape).astype("float32") for w in layers[0].weights]
    for layer in layers:
        layer.set_weights(weights)
    return layers


def step(layer, x, training, jit_compile=False):
    """Outputs and gradients by input and weights, then the weights after the call, as float32 arrays."""

    @tf.function(jit_compile=jit_compile)
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
            loss = tf.reduce_sum(tf.cast(y, "float32") ** 3)
        return y, tape.gradient(loss, [x, *(w.value for w in layer.trainable_variables)])

    results = tf.nest.flatten(run(tf.constant(x)))
    return [np.asarray(tf.cast(r, "float32")) for r in results] + layer.get_weights()


def assert_agree(expected, received, tolerance=1e-5, spacing=0.0):
    """Within `tolerance` of the largest value; `spacing` is one unit in the last place of a narrower dtype."""
    assert len(expected) == len(received)
    for e, r in zip(expected, received, strict=True):
        assert np.all(np.abs(e - r) <= tolerance * max(np.max(np.abs(e)), 1e-3) + spacing * np.abs(e))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"axis": 1},
        {"scale": False},
        {"center": False},
        {"dtype": "mixed_float16"},
        {"dtype": "mixed_bfloat16"},
        {"axis": 1, "dtype": "mixed_float16"},
    ],
    ids=str,
)
def test_agrees_with_the_stock_layer(options, training):
    x = RNG.normal(2.0, 3.0, (4, 5, 6, 3) if options.get("axis") is None else (4, 3, 5, 6)).astype("float32")
    stock, fused = twins(x.shape, **options)
    assert fused._fused_data_format(tf.cast(x, fused.compute_dtype), None) is not None
    # Two float32 results a last bit apart may round to neighbouring half-precision numbers.
    spacing = {"float16": 2.0**-10, "bfloat16": 2.0**-7}.get(fused.compute_dtype, 0.0)
    assert_agree(step(stock, x, training), step(fused, x, training), spacing=spacing)


@pytest.mark.parametrize("training", [True, False])
def test_agrees_under_xla(training):
    x = RNG.normal(2.0, 3.0, (4, 5, 6, 3)).astype("float32")
    stock, fused = twins(x.shape)
    assert_agree(step(stock, x, training, jit_compile=True), step(fused, x, training, jit_compile=True))


def test_formula_in_numpy():
    x = RNG.normal(2.0, 3.0, (3, 2, 2, 5)).astype("float32")
    _, layer = twins(x.shape)
    gamma, beta, moving_mean, moving_variance = layer.get_weights()
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    y = np.asarray(layer(x, training=True))
    np.testing.assert_allclose(y, gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, 0.9 * moving_mean + 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, 0.9 * moving_variance + 0.1 * variance, rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
def test_moving_variance_is_uncorrected_on_any_batch_size(batch):
    """Few positions make Bessel's correction large: 4/3 here, and infinite for a single position."""
    x = RNG.normal(size=(batch, 1, 1, 4)).astype("float32")
    stock, fused = twins((None, 1, 1, 4))
    signature = [tf.TensorSpec((None, 1, 1, 4))]
    for layer in (stock, fused):
        tf.function(lambda x, layer=layer: layer(x, training=True), input_signature=signature)(x)
    assert_agree(stock.get_weights(), fused.get_weights())


@pytest.mark.parametrize("shape", [(6, 3), (6, 4, 3), (2, 3, 3, 3, 3)], ids=str)
def test_other_ranks_take_the_stock_path(shape):
    x = RNG.normal(2.0, 3.0, shape).astype("float32")
    stock, fused = twins(shape)
    assert_agree(step(stock, x, True), step(fused, x, True), tolerance=0)


@pytest.mark.parametrize("options", [{"axis": 2}, {"renorm": True}, {"dtype": "float64"}], ids=str)
def test_what_the_kernel_cannot_do_takes_the_stock_path(options):
    x = RNG.normal(2.0, 3.0, (2, 4, 5, 3)).astype(options.get("dtype", "float32"))
    stock, fused = twins(x.shape, **options)
    assert_agree(step(stock, x, True), step(fused, x, True), tolerance=0)


def test_masked_positions_do_not_count():
    x = RNG.normal(2.0, 3.0, (2, 3, 4, 3)).astype("float32")
    mask = RNG.uniform(size=(2, 3, 4)) > 0.5
    stock, fused = twins(x.shape)
    assert_agree(
        [np.asarray(stock(x, training=True, mask=mask)), *stock.get_weights()],
        [np.asarray(fused(x, training=True, mask=mask)), *fused.get_weights()],
        tolerance=0,
    )


def test_frozen_layer_keeps_its_statistics():
    x = RNG.normal(2.0, 3.0, (2, 3, 4, 3)).astype("float32")
    stock, fused = twins(x.shape)
    stock.trainable = fused.trainable = False
    before = fused.get_weights()
    y = fused(x, training=True)
    assert_agree([np.asarray(stock(x, training=True))], [np.asarray(y)])
    assert_agree(before, fused.get_weights(), tolerance=0)


@pytest.fixture(scope="module")
def small_net():
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(3, 3, name="conv")(inputs)
    x = BatchNormalization(name="norm", momentum=0.8)(x)
    model = keras.Model(inputs, x)
    model.compile("sgd", "mse", jit_compile=False)
    x = np.random.default_rng(0).normal(size=(8, 6, 6, 2)).astype("float32")
    model.fit(x, np.ones((8, 4, 4, 3)), batch_size=3, verbose=0)
    return model, x


def test_saved_file_names_the_stock_layer(small_net, tmp_path):
    model, x = small_net
    model.save(tmp_path / "net.keras")
    config = zipfile.ZipFile(tmp_path / "net.keras").read("config.json").decode()
    assert "zoo" not in config
    norm = next(layer for layer in json.loads(config)["config"]["layers"] if layer["name"] == "norm")
    assert (norm["module"], norm["class_name"]) == ("keras.layers", "BatchNormalization")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    assert type(loaded.get_layer("norm")) is STOCK
    assert_agree([model.predict(x, verbose=0)], [loaded.predict(x, verbose=0)])
    again = keras.models.load_model(
        tmp_path / "net.keras", custom_objects={"BatchNormalization": BatchNormalization}
    )
    assert type(again.get_layer("norm")) is BatchNormalization


@pytest.mark.always
def test_saved_file_loads_in_a_process_without_zoo(small_net, tmp_path):
    model, x = small_net
    model.save(tmp_path / "net.keras")
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, keras, numpy as np; m = keras.models.load_model('net.keras');"
        "np.save('y.npy', m.predict(np.load('x.npy'), verbose=0)); assert 'zoo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert_agree([model.predict(x, verbose=0)], [np.load(tmp_path / "y.npy")])


def test_clone_keeps_the_fused_layer(small_net):
    model, _ = small_net
    assert type(keras.models.clone_model(model).get_layer("norm")) is BatchNormalization


@pytest.mark.parametrize(
    "activation", ["relu", "relu6", "elu", "tanh", "sigmoid", "mish", "silu", "leaky_relu"]
)
def test_every_activation_behind_a_convolution_and_a_normalisation_predicts(activation):
    """In one compiled function, where TensorFlow joins operations: with tanh into one that it cannot run."""
    image = keras.Input((14, 14, 1))
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(image)
    x = keras.layers.Activation(activation)(BatchNormalization()(x))
    model = keras.Model(image, x)
    x = RNG.normal(size=(4, 14, 14, 1)).astype("float32")
    np.testing.assert_allclose(model.predict_on_batch(x), model(x), rtol=1e-5, atol=1e-5)


# --------------------------------------------------------- pickle and copies


@pytest.mark.parametrize(
    "options", [{}, {"axis": 1, "scale": False, "name": "mine"}, {"trainable": False}], ids=str
)
@pytest.mark.parametrize("copied", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy, copy.copy])
def test_the_layer_is_pickled_and_copied_as_what_it_is(options, copied):
    _, layer = twins((2, 4, 4, 3) if options.get("axis") is None else (2, 3, 4, 4), **options)
    again = copied(layer)
    assert type(again) is BatchNormalization
    assert again.get_config() == layer.get_config() and again.built
    for a, b in zip(again.get_weights(), layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_layer_that_is_not_built_is_pickled_too():
    again = pickle.loads(pickle.dumps(BatchNormalization(momentum=0.8, name="young")))
    assert type(again) is BatchNormalization
    assert (again.momentum, again.name, again.built, again.weights) == (0.8, "young", False, [])


def test_the_class_is_pickled_by_its_own_name():
    assert pickle.loads(pickle.dumps(BatchNormalization)) is BatchNormalization
    assert pickle.loads(pickle.dumps([STOCK, BatchNormalization])) == [STOCK, BatchNormalization]
    assert copy.deepcopy(BatchNormalization) is BatchNormalization


def test_pickled_in_one_process_and_read_in_another():
    program = "import pickle, sys; print(type(pickle.load(sys.stdin.buffer)).__qualname__)"
    _, layer = twins((2, 4, 4, 3))
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(layer), capture_output=True, timeout=200
    )
    assert done.stdout.split() == [b"BatchNormalization"], done.stderr.decode()
