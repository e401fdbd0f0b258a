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


def test_left_between_is_refused_by_name():
    soft, _ = soften(net(), ["a", "act"], amount=0.75)
    with pytest.raises(ValueError, match=r"between 0 and 1: 'a_act' at 0.75, 'act' at 0.75. Go on annealing"):
        harden(soft)
    soft.get_layer("act").amount.assign(0.1)
    _, dropped, restored = harden(soft, threshold=0.5)
    assert (dropped, restored) == (("a_act",), ("act",))


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"amount must be a number from 0 to 1, received 1.5"):
        BlendedActivation("relu", 1.5)
    with pytest.raises(ValueError, match=r"which is the identity: there is nothing to blend"):
        BlendedActivation("linear")
    for wrong in ({}, {"steps": 3, "penalty": 1.0}):
        with pytest.raises(ValueError, match=r"exactly one of steps=, schedule= and penalty="):
            ActivationAnnealing(**wrong)
    with pytest.raises(ValueError, match=r"steps must be a positive integer, received 0"):
        ActivationAnnealing(0)
    with pytest.raises(ValueError, match=r"schedule must be a function of the steps done, received 0.5"):
        ActivationAnnealing(schedule=0.5)
    with pytest.raises(ValueError, match=r"penalty\['a'\] must be a finite number from 0 up, received -1"):
        ActivationAnnealing(penalty={"a": -1})
    with pytest.raises(ValueError, match=r"penalty must be a finite number from 0 up, received inf"):
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
    with pytest.raises(ValueError, match=r"threshold must be a number from 0 to 1 or None, received 2"):
        harden(soften(net(), "act").model, threshold=2)
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
