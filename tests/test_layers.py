"""The blended activation, and the callback that moves it."""

import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import doubled

from zoo.callbacks import ActivationAnnealing
from zoo.layers import BlendedActivation
from zoo.transforms import drop_activations, harden, soften

X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(24, 2)).astype("float32")
array = keras.ops.convert_to_numpy


def net():
    keras.utils.set_random_seed(3)
    parts = [layers.Dense(5, activation="relu", name="a"), layers.Dense(5, name="b")]
    return keras.Sequential([keras.Input((3,)), *parts, layers.ReLU(name="act"), layers.Dense(2, name="top")])


def trained(model, *callbacks, epochs=2, loss="mse", **options):
    model.compile(keras.optimizers.SGD(0.05), loss, jit_compile=False, **options)
    return model.fit(X, Y, batch_size=6, epochs=epochs, verbose=0, shuffle=False, callbacks=list(callbacks))


@pytest.mark.parametrize("amount", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("activation", ["tanh", layers.LeakyReLU(0.1)])
def test_formula(amount, activation):
    layer = BlendedActivation(activation, amount)
    expected = amount * X + (1 - amount) * np.asarray(keras.activations.get(activation)(X))
    assert np.allclose(layer(X), expected, atol=1e-6)


INFINITE = np.array([[-np.inf, 1.0, 2.0, 800.0], [3.0, -np.inf, -np.inf, 0.5]], "float32")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("activation", ["softmax", "exponential", "relu", layers.Softmax(), layers.ELU()])
@pytest.mark.backend
def test_at_both_ends_the_other_side_is_gone_though_it_is_infinite(activation, dtype):
    function = keras.activations.get(activation)
    x = keras.ops.cast(INFINITE, dtype)
    blended = BlendedActivation(activation, 0.0, dtype=dtype)
    np.testing.assert_array_equal(
        array(keras.ops.cast(blended(x), "float32")), array(keras.ops.cast(function(x), "float32"))
    )
    blended.amount.assign(1.0)
    np.testing.assert_array_equal(
        array(keras.ops.cast(blended(x), "float32")), array(keras.ops.cast(x, "float32"))
    )


@pytest.mark.backend
def test_an_end_is_reached_in_a_compiled_graph():
    model = keras.Sequential([keras.Input((4,)), BlendedActivation("softmax", name="act")])
    for amount, expected in (
        (0.0, keras.ops.softmax(INFINITE)),
        (1.0, INFINITE),
        (0.0, keras.ops.softmax(INFINITE)),
    ):
        model.get_layer("act").amount.assign(amount)
        np.testing.assert_array_equal(model.predict_on_batch(INFINITE), array(expected))


def scores(*parts):
    """Scores of a dense layer, to which a mask adds -inf, and a softmax after some more layers; all weights are 1."""
    x, mask = keras.Input((2,)), keras.Input((4,))
    y = layers.Add()([layers.Dense(4, use_bias=False, kernel_initializer="ones")(x), mask])
    for part in parts:
        y = part(y)
    model = keras.Model([x, mask], layers.Softmax()(y))
    model.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=False)
    return model


ENDS = [(1.0, name, 300.0) for name in ("exponential", "tanh", "gelu", "elu", "softmax")]
ENDS += [
    (1.0, layers.Activation("exponential"), 300.0),
    (1.0, layers.ELU(), 300.0),
    (1.0, layers.Softmax(), 1.0),
]
# Without those that have no finite slope themselves where a score is infinite, or so large.
ENDS += [(0.0, name, 1.0) for name in ("exponential", "tanh", "elu", "softmax")]


@pytest.mark.parametrize(("amount", "activation", "scale"), ENDS)
@pytest.mark.backend
def test_no_slope_comes_from_the_side_that_is_gone(amount, activation, scale):
    x = scale * np.array([[0.1, 0.2], [0.3, -0.1]], "float32")
    mask = np.array([[0, -np.inf, 0, 0], [0, 1, 0, -np.inf]], "float32")
    y = np.array([[1, 0, 0, 0], [0, 1, 0, 0]], "float32")
    plain = scores(*([] if amount else [layers.Activation(activation)]))
    blended = scores(BlendedActivation(activation, amount))
    for model in (plain, blended):
        model.train_on_batch([x, mask], y)
    expected, received = (array(model.trainable_weights[0].value) for model in (plain, blended))
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(received, expected, rtol=1e-6)


@pytest.mark.parametrize(("amount", "target", "reached"), [(0.0, -1.0, 0.4), (1.0, 0.0, 0.2)])
@pytest.mark.backend
def test_a_learned_amount_leaves_the_ends(amount, target, reached):
    """y = -2 a: the loss (2 a + target)^2 has slope -4 at a = 0 for the target -1, and slope 8 at a = 1 for 0."""
    model = keras.Sequential([keras.Input((1,)), BlendedActivation("relu", amount, learned=True, name="act")])
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    model.train_on_batch(np.array([[-2.0]]), np.array([[target]]))
    assert float(array(model.get_layer("act").amount)) == pytest.approx(reached)


@pytest.mark.backend
def test_what_is_infinite_does_not_move_a_learned_amount():
    model = keras.Sequential([keras.Input((4,)), BlendedActivation("softmax", learned=True, name="act")])
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    x = np.array([[-np.inf, 1.0, -2.0, -1.0]])
    model.train_on_batch(x, np.zeros((1, 4)))
    finite = x[0, 1:]
    after = np.exp(finite) / np.exp(finite).sum()
    slope = (2 * after * (finite - after) / 4).sum()
    assert slope < 0 or slope > 0
    assert float(array(model.get_layer("act").amount)) == pytest.approx(
        min(max(-0.1 * slope, 0), 1), rel=1e-5
    )


class Marked(layers.Layer):
    """Says that zeros are masked."""

    supports_masking = True

    def call(self, x):
        return x + 1.0

    def compute_mask(self, x, previous=None):
        return keras.ops.not_equal(x, 0.0)


def test_a_mask_reaches_the_activation():
    start = keras.Input((4,))
    model, blended = (
        keras.Model(start, layer(Marked()(start)))
        for layer in (layers.Softmax(), BlendedActivation(layers.Softmax(), name="act"))
    )
    x = np.array([[1.0, 0.0, 2.0, 0.0]], "float32")
    expected = array(model(x))
    assert expected[0, 1] == 0
    np.testing.assert_array_equal(array(blended(x)), expected)


def test_numbers_of_numpy_are_numbers():
    soft = soften(net(), ["a", "act"], amount=np.float32(0.5)).model
    config = soft.get_layer("act").get_config()
    assert config["amount"] == 0.5 and type(config["amount"]) is float
    assert harden(soft, threshold=np.float64(0.5)).dropped == ("a_act", "act")
    assert harden(soft, threshold=np.int64(1)).restored == ("a_act", "act")


def test_saved_and_loaded_with_the_amount_reached(tmp_path):
    soft = soften(net(), ["a", "act"]).model
    soft.get_layer("act").amount.assign(0.4)
    soft.save(tmp_path / "soft.keras")
    loaded = keras.models.load_model(tmp_path / "soft.keras")
    assert float(loaded.get_layer("act").amount) == pytest.approx(0.4)
    assert np.array_equal(array(soft(X)), array(loaded(X)))


def test_linear_in_steps_and_exactly_one_at_the_end():
    soft, _ = soften(net(), ["a", "act"])
    anneal = ActivationAnnealing(steps=6)  # of eight
    trained(soft, anneal)
    assert [(row["epoch"], row["site"]) for row in anneal.rows] == [
        (0, "a_act"), (0, "act"), (1, "a_act"), (1, "act"),
    ]  # fmt: skip
    assert [row["amount"] for row in anneal.rows] == pytest.approx([4 / 6, 4 / 6, 1, 1])
    stock, dropped, restored = harden(soft)
    assert dropped == ("a_act", "act") and restored == ()
    assert np.allclose(array(stock(X)), array(soft(X)), atol=1e-6)
    assert [type(layer) for layer in stock.layers] == [layers.Dense] * 3


def test_a_step_is_taken_with_the_amount_of_its_schedule():
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(float(self.model.get_layer("act").amount))

    soft, _ = soften(net(), ["a", "act"], amount=0.25)
    trained(soft, ActivationAnnealing(schedule={"act": lambda done: done / 5}), Look())
    assert seen == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1])
    assert float(soft.get_layer("a_act").amount) == 0.25


def test_a_resumed_training_goes_on_where_it_was():
    soft, _ = soften(net(), "act")
    schedule = ActivationAnnealing(schedule=lambda done: done / 8)
    trained(soft, schedule, epochs=1)
    assert float(soft.get_layer("act").amount) == pytest.approx(0.5)
    soft.fit(X, Y, batch_size=6, epochs=1, verbose=0, callbacks=[schedule])
    assert float(soft.get_layer("act").amount) == 1.0


def amounts_after_each_fit(anneal, soft, epochs, between=lambda model: None):
    found = []
    trained(soft, anneal, epochs=epochs[0])
    for number in (*epochs[1:], 0):
        found.append(float(soft.get_layer("act").amount))
        between(soft)
        soft.fit(X, Y, batch_size=6, epochs=number, verbose=0, callbacks=[anneal])
    return found


@pytest.mark.parametrize(
    "epochs, begin, expected",
    [((1, 1), 0.0, [4 / 8, 1]), ((1, 1, 1), 0.0, [4 / 8, 1, 1]), ((1, 0, 1), 0.5, [0.75, 0.75, 1])],
)
def test_steps_go_on_in_the_next_fit(epochs, begin, expected):
    soft, _ = soften(net(), "act", amount=begin)
    assert amounts_after_each_fit(ActivationAnnealing(steps=8), soft, epochs) == pytest.approx(expected)


def test_steps_begin_anew_where_a_model_is_compiled_again_or_is_another():
    def compiled(model):
        model.compile("sgd", "mse", jit_compile=False)

    anneal = ActivationAnnealing(steps=8)
    soft, _ = soften(net(), "act")
    assert amounts_after_each_fit(anneal, soft, (1, 1), compiled) == pytest.approx([0.5, 0.75])
    other, _ = soften(net(), "act")
    assert amounts_after_each_fit(anneal, other, (1, 1)) == pytest.approx([0.5, 1])


class Weighed(keras.callbacks.Callback):
    """The amount at each batch of the validation."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_test_batch_begin(self, batch, logs=None):
        self.seen.append(float(self.model.get_layer("act").amount))


@pytest.mark.parametrize(
    "how, options",
    [
        ({"steps": 8}, {}),
        ({"schedule": lambda done: done / 8}, {}),
        ({"schedule": {"act": lambda done: done / 8}}, {"steps_per_execution": 3}),
    ],
    ids=["steps", "schedule", "several steps"],
)
def test_an_epoch_is_validated_with_the_amount_of_its_row(how, options):
    soft, _ = soften(net(), "act")
    anneal, weighed = ActivationAnnealing(**how), Weighed()
    soft.compile("sgd", "mse", jit_compile=False, **options)
    fit = {"x": X, "y": Y, "batch_size": 6, "epochs": 2, "verbose": 0}
    found = soft.fit(**fit, validation_data=(X[:6], Y[:6]), callbacks=[anneal, weighed])
    assert [row["amount"] for row in anneal.rows] == pytest.approx([0.5, 1])
    assert weighed.seen == pytest.approx([0.5, 1])
    assert found.history["val_loss"][-1] == pytest.approx(soft.evaluate(X[:6], Y[:6], verbose=0))


def test_what_is_evaluated_outside_a_training_keeps_its_amount():
    soft, _ = soften(net(), "act")
    anneal = ActivationAnnealing(steps=8)
    trained(soft, anneal, epochs=1)
    soft.get_layer("act").amount.assign(0.3)
    soft.evaluate(X, Y, verbose=0, callbacks=[anneal])
    assert float(soft.get_layer("act").amount) == pytest.approx(0.3)


def test_the_penalty_is_in_the_loss_and_pushes():
    soft, _ = soften(net(), ["a", "act"], amount=0.5, learned=True)
    (first,) = trained(soft, ActivationAnnealing(penalty=0.0), epochs=1).history["loss"]
    softer, _ = soften(net(), ["a", "act"], amount=0.5, learned=True)
    (second,) = trained(softer, ActivationAnnealing(penalty={"a_act": 3.0}), epochs=1).history["loss"]
    assert second > first + 3.0 * 0.75 * 0.5
    amounts = [float(m.get_layer("a_act").amount) for m in (soft, softer)]
    assert amounts[1] > amounts[0] + 0.1
    assert float(softer.get_layer("act").penalty) == 0.0
    trained(softer, ActivationAnnealing(penalty=30.0), epochs=2)
    assert float(softer.get_layer("a_act").amount) == 1.0  # held there by the constraint
    assert "a_act" in harden(softer, threshold=0.9).dropped


def test_one_gradient_step_by_hand():
    layer = BlendedActivation("relu", 0.5, learned=True, name="act")
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    anneal = ActivationAnnealing(penalty=0.25)
    model.fit(np.array([[-2.0]]), np.array([[0.0]]), verbose=0, callbacks=[anneal])
    # y = -2 a; the loss is 4 a^2 + 0.25 (1 - a^2), its slope 2 (4 - 0.25) a = 3.75 at a = 0.5.
    assert float(layer.amount) == pytest.approx(0.5 - 0.1 * 3.75)


def test_the_weights_of_an_activation_are_copied_both_ways():
    parts = [layers.PReLU(name="act"), layers.Dense(2, activation=layers.PReLU(), name="a")]
    model = keras.Sequential([keras.Input((3,)), *parts])
    model(X)
    model.set_weights([np.full(w.shape, 0.5 + i) for i, w in enumerate(model.get_weights())])
    weights, y = model.get_weights(), array(model(X))
    soft = soften(model, ["act", "a"]).model
    assert np.allclose(array(soft(X)), y, atol=1e-6)
    back = harden(soft).model
    for other in (soft, back):
        for variable in other.variables:
            variable.assign(np.zeros(variable.shape))
    assert all(map(np.array_equal, weights, model.get_weights()))


class Wavy(layers.Activation):
    """Code of its own, and perhaps weights, under the name of a stock class."""

    def __init__(self, weights=False, **settings):
        super().__init__(**{"activation": "linear"} | settings)
        self.weighs = weights

    def build(self, shape):
        self.factor = self.add_weight(shape=shape[-1:], initializer="ones") if self.weighs else 1.0

    def call(self, x):
        return self.factor * keras.ops.square(keras.ops.sin(x))

    def get_config(self):
        return super().get_config() | {"weights": self.weighs}


@pytest.mark.parametrize(
    "make",
    [Wavy, lambda **name: Wavy(True, **name), lambda **name: layers.Activation(layers.PReLU(), **name)],
)
def test_the_layer_of_the_original_stays_with_it(make):
    model = keras.Sequential([keras.Input((3,)), make(name="act"), layers.Dense(2, name="top")])
    model(X)
    model.set_weights([np.full(w.shape, 0.5 + i) for i, w in enumerate(model.get_weights())])
    y, kernel = array(model(X)), array(model.get_layer("top").kernel)
    soft = soften(model, "act", amount=0.5).model
    without = X @ kernel + array(model.get_layer("top").bias)
    assert np.allclose(array(soft(X)), 0.5 * y + 0.5 * without, atol=1e-5)
    back = harden(soft, threshold=0.6).model
    assert np.allclose(array(back(X)), y, atol=1e-6)
    layer = {id(part) for part in model._flatten_layers()}
    assert not any(id(part) in layer for other in (soft, back) for part in other._flatten_layers())


def test_left_between_is_refused_by_name():
    soft, _ = soften(net(), ["a", "act"], amount=0.75)
    with pytest.raises(ValueError, match=r"between 0 and 1: 'a_act' at 0.75, 'act' at 0.75. Go on annealing"):
        harden(soft)
    soft.get_layer("act").amount.assign(0.1)
    _, dropped, restored = harden(soft, threshold=0.5)
    assert (dropped, restored) == (("a_act",), ("act",))


def test_wrong_arguments():
    for wrong, error in ((1.5, ValueError), (float("nan"), ValueError), ("1", TypeError), (True, TypeError)):
        with pytest.raises(
            error, match=r"amount must be a (finite )?number of at least 0 and at most 1, received"
        ):
            BlendedActivation("relu", wrong)
        with pytest.raises(error, match=r"threshold must be a (finite )?number of at least 0 and at most 1"):
            harden(soften(net(), "act").model, threshold=wrong)
    with pytest.raises(ValueError, match=r"which is the identity: there is nothing to blend"):
        BlendedActivation("linear")
    for wrong in ({}, {"steps": 3, "penalty": 1.0}):
        with pytest.raises(ValueError, match=r"exactly one of steps=, schedule= and penalty="):
            ActivationAnnealing(**wrong)
    with pytest.raises(ValueError, match=r"steps must be an integer of at least 1, received 0"):
        ActivationAnnealing(0)
    with pytest.raises(ValueError, match=r"schedule must be a function of the steps done, received 0.5"):
        ActivationAnnealing(schedule=0.5)
    with pytest.raises(
        ValueError, match=r"penalty\['a'\] must be a finite number of at least 0, received -1"
    ):
        ActivationAnnealing(penalty={"a": -1})
    with pytest.raises(ValueError, match=r"penalty must be a finite number of at least 0, received inf"):
        ActivationAnnealing(penalty=float("inf"))
    for wrong in ("schedule", "penalty"):
        with pytest.raises(ValueError, match=rf"{wrong}={{}} names no layer"):
            ActivationAnnealing(**{wrong: {}})
    for drop in (soften, drop_activations):
        with pytest.raises(
            TypeError, match=r"^sites must be a name or several names of activation sites, received None\."
        ):
            drop(net(), None)
    with pytest.raises(ValueError, match=r"has no BlendedActivation; zoo.transforms.soften puts them in"):
        harden(net())
    with pytest.raises(ValueError, match=r"blended activations: 'act'"):
        soften(soften(net(), "act").model, "a")


def test_callbacks_that_do_not_fit_the_model():
    with pytest.raises(ValueError, match=r"has no BlendedActivation to anneal"):
        trained(net(), ActivationAnnealing(3))
    with pytest.raises(ValueError, match=r"'act' is not learned, so a penalty does not move it"):
        trained(soften(net(), "act").model, ActivationAnnealing(penalty=1.0))
    with pytest.raises(ValueError, match=r"'act' is learned, so a schedule does not move it"):
        trained(soften(net(), "act", learned=True).model, ActivationAnnealing(3))
    with pytest.raises(ValueError, match=r"'b' is no BlendedActivation of .*; it has 'act'"):
        trained(soften(net(), "act").model, ActivationAnnealing(schedule={"b": lambda done: 1.0}))
    with pytest.raises(
        ValueError, match=r"the schedule of 'act' must return a number; after 0 steps it returned nan"
    ):
        trained(soften(net(), "act").model, ActivationAnnealing(schedule=lambda done: float("nan")))
    with pytest.raises(ValueError, match=r"must return a number; after 0 steps it returned None"):
        trained(soften(net(), "act").model, ActivationAnnealing(schedule=lambda done: None))


def test_a_copy_that_computes_something_else_is_no_soft_or_hard_model():
    x = keras.Input((4,))
    layer = layers.Dense(4, activation="relu", name="a")
    model = keras.Model(x, layer(x))
    doubled(layer)
    with pytest.raises(ValueError, match=r"does not compute what the original does: from layer 'a' on"):
        soften(model, "a")
    x = keras.Input((4,))
    act = BlendedActivation("relu", 0.0, name="act")
    model = keras.Model(x, act(x))
    act.call = lambda z, training=None: 2 * z
    with pytest.raises(ValueError, match=r"does not compute what the original does: from layer 'act' on"):
        harden(model)
