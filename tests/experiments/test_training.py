import dataclasses
import math
import os
import random
import subprocess
import sys
import threading
import types

import keras
import numpy as np
import pytest

from tests.experiments import toys
from zoo.experiments.design.experiment import Dataset, Recipe
from zoo.experiments.design.plan import run_of
from zoo.experiments.losses import loss_of
from zoo.experiments.training import steps
from zoo.experiments.training.loop import Training, build_model, shift_flip
from zoo.experiments.training.schedule import rate_number
from zoo.experiments.training.seeds import seeded
from zoo.experiments.training.steps import Rate
from zoo.settings import fit_settings


def training(experiment=None, seed=0, **changes):
    experiment = experiment or toys.experiment(**changes)
    return Training(run_of(experiment, experiment.arms[0], seed, backend="tensorflow"))


def finish(run):
    lines = []
    while run.step < run.total:
        lines.append(run.advance())
    return lines


def test_steps_equal_those_of_stock_keras():
    """Against `train_on_batch` with Keras' own optimiser, regulariser and loss, on the same batches."""
    decay = 0.01
    recipe = Recipe(learning_rates=(0.1,), schedule="constant", steps=5, batch=50, decay=decay, nesterov=True)
    ours = training(recipe=recipe, arms=(toys.arm(options={"rate": 0.0, "normalised": False}),))
    stock = keras.models.clone_model(ours.model)
    for layer in stock.layers:
        if isinstance(layer, keras.layers.Dense):
            layer.kernel_regularizer = keras.regularizers.L2(decay / 2)
    stock = keras.models.clone_model(stock)
    stock.set_weights(ours.model.get_weights())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    stock.compile(keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), loss, jit_compile=False)
    for step in range(5):
        stock.train_on_batch(*ours.batch(step))
    finish(ours)
    for a, b in zip(ours.model.get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


SHAPED = types.SimpleNamespace(shape=(16, 16, 3), classes=10)


def decaying(model):
    """Paths of the variables of which weights decay."""
    chosen = zip(model.trainable_variables, steps.decayed(model), strict=True)
    return {variable.path for variable, decays in chosen if decays}


@pytest.mark.parametrize(
    "name, options",
    [
        ("plain8", {}),
        ("resnet8", {"ordering": "full_pre_activation"}),
        ("zoo.experiments.nets:inverted_residuals", {"expansion": 2, "narrow_activation": None}),
        ("mlp1", {}),
        (
            "zoo.experiments.nets:staged",
            {"net": "convnexttiny", "input_shape": (32, 32, 3), "width": 8, "stages": (1, 1, 1, 1)},
        ),
        ("densenet10", {}),
        (f"{toys.HERE}:net", {}),
    ],
)
def test_without_prelu_what_decays_is_what_has_two_axes(name, options):
    """As it was when the published runs were made, which are retraced."""
    with keras.StatelessScope(initialize_variables=False):
        model = build_model(name, images=SHAPED, seed=0, **options)
    matrices = {variable.path for variable in model.trainable_variables if len(variable.shape) > 1}
    assert decaying(model) == matrices != set()


def test_of_rolled_units_what_decays_is_what_decays_unrolled():
    """Their gains are stacked, so that they have the rank of a matrix."""
    with keras.StatelessScope(initialize_variables=False):
        rolled, plain = (
            build_model("resnet20", images=SHAPED, seed=0, rolled=one, width=4) for one in (True, False)
        )
    counts = [
        sum(math.prod(v.shape) for v in model.trainable_variables if v.path in decaying(model))
        for model in (rolled, plain)
    ]
    assert counts[0] == counts[1] > 0


def test_slopes_of_prelu_do_not_decay():
    model = build_model("zoo.experiments.nets:convnet_prelu", images=SHAPED, seed=0)
    slopes = [variable for variable in model.trainable_variables if variable.name == "alpha"]
    assert slopes and {len(slope.shape) for slope in slopes} == {3}
    assert not decaying(model) & {slope.path for slope in slopes}
    assert len(decaying(model)) == sum(variable.name == "kernel" for variable in model.trainable_variables)


def test_a_slope_that_no_image_moves_stays_where_it_is():
    """Of positive values the slope has no gradient; what moved it was decay alone, by rate times decay of itself a step."""
    image = keras.Input((8, 8, 1))
    x = keras.layers.Lambda(abs)(image)
    x = keras.layers.PReLU(shared_axes=[1, 2], alpha_initializer=keras.initializers.Constant(0.25))(x)
    model = keras.Model(image, keras.layers.Dense(10)(keras.layers.Flatten()(x)))
    recipe = dataclasses.replace(toys.RECIPE, steps=3, epochs=None, decay=0.5)
    taken = steps.make_steps(model, recipe, 3)
    for _ in range(3):
        taken.train(np.ones((50, 8, 8, 1), np.float32), np.zeros(50, np.int32))
    taken.settle()
    (slope,) = (variable for variable in model.trainable_variables if variable.name == "alpha")
    assert np.asarray(slope).ravel().tolist() == [0.25]


def test_fit_settings_decide_on_xla(monkeypatch):
    run = training()
    asked = []

    def favoured(model, *, measure):
        asked.append(model)
        assert not measure  # a run does not wait for what it would not use
        return dataclasses.replace(fit_settings(model, measure=False), jit_compile=True)

    monkeypatch.setattr(steps, "fit_settings", favoured)
    assert asked == []
    compiled = run.steps.train
    assert asked == [run.model]
    assert compiled._jit_compile is True
    assert not fit_settings(run.model, measure=False).jit_compile  # on a CPU


@pytest.mark.always
def test_every_interval_resumes_to_the_bit():
    whole = training()
    states, lines = [], []
    while whole.step < whole.total:
        lines.append(whole.advance())
        states.append(whole.state())
    expected = whole.weights_sha256()
    for index, state in enumerate(states[:-1]):
        again = training()
        again.restore(state)
        rest = finish(again)
        assert again.weights_sha256() == expected
        assert again.trace == whole.trace
        assert [line["rows"] for line in rest] == [line["rows"] for line in lines[index + 1 :]]


def test_a_checkpoint_of_another_net_is_refused():
    run = training()
    state = run.state()
    variables = len(state) - 2  # besides them, the step and the trace
    state.pop(f"variable{variables - 1}")
    with pytest.raises(
        ValueError, match=f"^the checkpoint holds {variables - 1} variables, the run has {variables}$"
    ):
        run.restore(state)


def test_the_state_is_complete():
    """Leaving out dropout's seeds, or momentum, must show: otherwise the test above tests nothing."""
    whole = training()
    whole.advance()
    state = whole.state()
    finish(whole)
    names = [variable.path for variable in whole.variables()]
    forgotten = [i for i, name in enumerate(names) if "seed_generator" in name or "momentum" in name]
    assert len(forgotten) >= 3
    fresh = training()
    for index in forgotten:
        broken = {**state, f"variable{index}": np.asarray(fresh.variables()[index].value)}
        if np.array_equal(broken[f"variable{index}"], state[f"variable{index}"]):
            continue
        again = training()
        again.restore(broken)
        finish(again)
        assert again.weights_sha256() != whole.weights_sha256(), names[index]


def test_a_seed_sets_everything_and_another_seed_other_things():
    a, b, c = training(), training(), training(seed=1)
    assert a.weights_sha256() == b.weights_sha256() != c.weights_sha256()
    finish(a), finish(b)
    assert a.weights_sha256() == b.weights_sha256()


def test_other_threads_draw_numbers_of_their_own():
    """A Dask worker draws random numbers in threads of its own, while a run builds its model."""
    expected, stop, drawn = training().model.get_weights(), threading.Event(), []

    def draw():
        while not stop.is_set():
            drawn.append(random.randint(1, 9))

    other = threading.Thread(target=draw)
    other.start()
    try:
        models = [training().model for _ in range(5)]
    finally:
        stop.set()
        other.join()
    assert len(drawn) > 100
    for model in models:
        for ours, theirs in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def draws(count=3):
    return [random.randint(1, 10**9) for _ in range(count)]


def test_seeds_are_those_of_keras_in_a_process_with_one_thread():
    keras.utils.set_random_seed(7)
    drawn = draws(), random.getstate()
    with seeded(7):
        again = draws()
    assert (again, random.getstate()) == drawn


def test_seeds_of_threads_that_overlap():
    """Two threads within at once, the first to come the first to leave."""
    with seeded(1):
        first = draws(4)
    with seeded(2):
        second = draws(4)
    both_in, one_out, found = threading.Barrier(2), threading.Event(), {}

    def one():
        with seeded(1):
            both_in.wait()
            found["one"] = draws(4)
        one_out.set()

    def two():
        with seeded(2):
            both_in.wait()
            begun = draws(2)
            one_out.wait()
            found["two"] = begun + draws(2)

    threads = [threading.Thread(target=work) for work in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"one": first, "two": second}


def test_the_functions_of_random_are_given_back():
    """By the last thread to leave, after an error too, and no sooner: a thread within still draws its own."""
    before = {name: getattr(random, name) for name in ("randint", "seed", "getstate", "setstate")}

    def given_back():
        return {name: getattr(random, name) for name in before} == before

    with pytest.raises(ZeroDivisionError), seeded(1):
        with seeded(2):
            assert not given_back()
        assert not given_back()
        1 / 0  # noqa: B018
    assert given_back()

    inside, go_on = threading.Event(), threading.Event()

    def stay():
        with seeded(3):
            inside.set()
            go_on.wait()

    other = threading.Thread(target=stay)
    other.start()
    inside.wait()
    with seeded(1):
        pass
    assert not given_back()
    go_on.set()
    other.join()
    assert given_back()


def test_seeds_within_seeds_and_after_an_error():
    with seeded(1):
        expected = draws()
    with pytest.raises(ZeroDivisionError), seeded(1):
        draws(1)
        1 / 0  # noqa: B018
    with seeded(1):
        begun = draws(1)
        with seeded(2):
            keras.utils.set_random_seed(1)  # as a builder may
            assert draws() == expected
        random.seed(1)
        assert begun + draws(3)[1:] == expected
    random.seed(1)
    assert draws() == expected


@pytest.mark.tensorflow  # only there an output knows what made it
def test_a_head_that_does_not_fit_its_loss_is_no_reason_to_warn():
    """The recipe says so, and `head` compares what comes of it; elsewhere Keras warns, and a warning is an error here."""
    outputs = keras.activations.softmax(keras.ops.convert_to_tensor([[1.0, 2.0, 3.0]]))
    with pytest.warns(UserWarning, match="argument was produced by a Softmax"):
        keras.ops.sparse_categorical_crossentropy(np.array([0]), outputs, from_logits=True)
    assert float(loss_of("crossentropy_from_logits", np.array([0]), outputs)) > 0


def test_an_epoch_sees_every_image_once_in_an_order_of_its_own():
    run = training()
    epochs = [np.concatenate([run.batch(8 * e + i)[0] for i in range(8)]) for e in range(2)]
    assert not np.array_equal(*epochs)
    assert not np.array_equal(run.batch(0)[0], training(seed=1).batch(0)[0])
    ordered = [sorted(map(bytes, epoch)) for epoch in epochs]
    assert ordered[0] == ordered[1] == sorted(map(bytes, run.images.x_train))


def test_lines_say_where_and_how_well():
    run = training(hooks=(toys.hook("weight_norm", when="end"),))
    lines = finish(run)
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5, 6]
    rows = {name: value for name, _, value in lines[-1]["rows"]}
    assert {"train_loss", "train_accuracy", "test_loss", "test_accuracy", "weight_norm"} <= set(rows)
    x = run.images.x_test
    logits = run.model.predict_on_batch(x)
    assert rows["test_accuracy"] == pytest.approx((logits.argmax(-1) == run.images.y_test).mean())
    assert rows["test_accuracy"] > 0.5
    assert [x for name, x, _ in lines[-1]["rows"] if name == "layer_norm"] == list(range(7))


def test_steps_instead_of_epochs_and_lines_in_between():
    recipe = Recipe(learning_rates=(0.05,), steps=19, record_every=8, batch=50)
    lines = finish(training(recipe=recipe))
    assert [line["step"] for line in lines] == [8, 16, 19]
    assert [x for name, x, _ in lines[1]["rows"] if name == "train_loss"] == [16]


def test_divergence_is_recorded():
    run = training(arms=(toys.arm(model=f"{toys.HERE}:exploding"),))
    line = run.advance()
    assert line["diverged_at"] is not None
    assert ["train_loss", 1.0, "nan"] in line["rows"] or ["train_loss", 1.0, "inf"] in line["rows"]


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(steps=100, warmup=10),
        Recipe(steps=100, schedule="constant", warmup=3),
        Recipe(steps=100, schedule="steps", milestones=(0.5, 0.75)),
    ],
    ids=lambda recipe: recipe.schedule,
)
def test_the_rate_in_the_graph_is_the_rate_in_the_formula(recipe):
    schedule = Rate(recipe, 0.3, 100)
    for step in (0, 1, 5, 49, 50, 75, 99):
        plain = rate_number(step, recipe=recipe, rate=0.3, total=100)
        assert float(schedule(step)) == pytest.approx(plain, rel=1e-5, abs=1e-8)


def test_rates_by_hand():
    assert rate_number(0, recipe=Recipe(steps=100), rate=1, total=100) == 1
    assert rate_number(25, recipe=Recipe(steps=100), rate=1, total=100) == pytest.approx(
        (1 + math.cos(math.pi / 4)) / 2
    )
    steps = Recipe(steps=100, schedule="steps", milestones=(0.5, 0.75), warmup=4)
    found = [rate_number(step, recipe=steps, rate=1, total=100) for step in (0, 3, 49, 50, 74, 75)]
    assert found == pytest.approx([0.25, 1, 1, 0.1, 0.1, 0.01])


def test_shift_and_flip_by_hand():
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    same, right, mirrored = (
        shift_flip(image, np.array([drawn]), background=-1)[0, :, :, 0]
        for drawn in ([1, 1, 0], [1, 0, 0], [1, 1, 1])
    )
    assert np.array_equal(same, image[0, :, :, 0])
    assert np.array_equal(right[:, 1:], image[0, :, :-1, 0]) and (right[:, 0] == -1).all()
    assert np.array_equal(mirrored, image[0, :, ::-1, 0])


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="a batch of 500 is more than the 400 training images"):
        training(recipe=dataclasses.replace(toys.RECIPE, batch=500))


def test_no_affine_model_beats_ignorance_on_both_signs():
    data = Dataset(name="digits", train=400, test=100, signs="both")
    recipe = Recipe(learning_rates=(0.1,), epochs=10, batch=50)
    affine = training(
        data=data, recipe=recipe, arms=(toys.arm(model="mlp1"),), options={"classifier_activation": None}
    )
    losses = [v for line in finish(affine) for name, _, v in line["rows"] if name == "test_loss"]
    assert all(loss >= math.log(10) - 1e-6 for loss in losses)


JAX = """
from tests.experiments.test_training import training, finish
whole = training()
states = []
while whole.step < whole.total:
    whole.advance(); states.append(whole.state())
again = training(); again.restore(states[2]); finish(again)
assert again.weights_sha256() == whole.weights_sha256()
print(float(whole.test()[1]))
"""


# Dropout, another seed, another rate and another length: none of them may come from the run that was compiled for.
PROGRAMS = """
from tests.experiments.test_training import Recipe, finish, toys, training
from zoo.experiments.training import steps
def hashed(rate, seed, length, forget, decay=0.01):
    if forget:
        steps._programs.clear()
    recipe = Recipe(learning_rates=(rate,), schedule="cosine", warmup=3, steps=length, batch=50, decay=decay)
    run = training(recipe=recipe, seed=seed)
    finish(run)
    return run.weights_sha256(), run.steps.program
runs = [(0.1, 0, 8), (0.3, 1, 5), (0.1, 2, 8)]
anew = [hashed(*run, True) for run in runs]
first, *others = [hashed(*run, forget) for run, forget in zip(runs, (True, False, False))]
assert all(program is first[1] for _, program in others), "compiled again"
assert len({program for _, program in anew}) == 3
assert [bits for bits, _ in anew] == [first[0], *(bits for bits, _ in others)]
assert len({bits for bits, _ in anew}) == 3
assert first[1].train._cache_size() == 1, "one rate, seed and length was compiled for"
assert hashed(0.1, 0, 8, False, decay=0.0)[1] is not first[1], "another loss has the same program"
print(1.0)
"""


@pytest.mark.parametrize("code", [JAX, PROGRAMS], ids=["resumed", "programs"])
def test_jax_trains_to_the_bit(code):
    """Resumed as in one go; and with a program that an earlier run of the process compiled as with one of its own."""
    pytest.importorskip("jax")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0.5
