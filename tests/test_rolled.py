"""Rolled units against the separate layers they stand for: outputs, gradients, states, files, errors."""

import ast
import inspect
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import deep
import keras
import numpy as np
import pytest
import tensorflow as tf
from transform_nets import Silent

import zoo
from zoo.rolled import RolledUnits
from zoo.rolled.loop import LOOPS, Loop
from zoo.transforms import roll, unroll

RNG = np.random.default_rng(3)
IMAGES = RNG.normal(size=(5, 8, 8, 3)).astype("float32")
LABELS = np.arange(5) % 3


def small(name="resnet20v2", **options):
    return zoo.build(name, input_shape=(8, 8, 3), width=4, classes=3, **options)


def rolled_layers(model):
    return [layer for layer in model.layers if isinstance(layer, RolledUnits)]


def step(model):
    """Loss and gradients of one training step, which also moves the states."""

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            outputs = tf.cast(model(IMAGES, training=True), "float32")
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(LABELS, outputs))
        return outputs, tape.gradient(loss, [v.value for v in model.trainable_variables])

    outputs, gradients = run()
    return outputs.numpy(), {
        v.path: g.numpy() for v, g in zip(model.trainable_variables, gradients, strict=True)
    }


def by_unit(layer, variable, values, index):
    owner = layer.unit.owners[id(variable)]
    return values[f"{layer.layer_name(owner, index)}/{variable.name}"]


def assert_close(expected, received, tolerance=1e-5):
    assert np.max(np.abs(expected - received)) <= tolerance * max(np.max(np.abs(expected)), 1e-6)


def assert_same_net(rolled, separate, tolerance=1e-5):
    """Outputs in inference, then outputs, gradients and states of one training step."""
    assert rolled.count_params() == separate.count_params()
    assert_close(separate(IMAGES).numpy(), rolled(IMAGES).numpy(), tolerance)
    before = [v.numpy() for layer in rolled_layers(rolled) for v in layer.non_trainable_variables]
    expected, expected_gradients = step(separate)
    received, gradients = step(rolled)
    assert_close(expected, received, tolerance)
    for layer in rolled_layers(rolled):
        for variable, stack in layer._pairs():
            if stack.path not in gradients:
                continue
            for i in range(len(layer.units)):
                assert_close(
                    by_unit(layer, variable, expected_gradients, i), gradients[stack.path][i], tolerance
                )
        for variable, stack in layer._pairs():
            owner = layer.unit.owners[id(variable)]
            for i in range(len(layer.units)):
                own = {v.name: v for v in separate.get_layer(layer.layer_name(owner, i)).variables}
                assert_close(own[variable.name].numpy(), stack.numpy()[i], tolerance)
    others = [v for v in rolled.trainable_variables if v.path in expected_gradients]
    assert others
    for v in others:
        assert_close(expected_gradients[v.path], gradients[v.path], tolerance)
    after = [v.numpy() for layer in rolled_layers(rolled) for v in layer.non_trainable_variables]
    assert all(np.any(a != b) for a, b in zip(before, after, strict=True))


NETS = [
    *({"name": "resnet14", "ordering": ordering} for ordering in zoo.spec.RESIDUAL_ORDERINGS[:3]),
    # Under pre-activation the first unit of the net differs from the rest.
    *({"name": "resnet20", "ordering": ordering} for ordering in zoo.spec.RESIDUAL_ORDERINGS[3:]),
    {"name": "resnet29v2", "block": "bottleneck"},
    *({"name": "resnet14", "shortcut": s} for s in ("exclusive_gating", "shortcut_only_gating", "conv1x1")),
    {"name": "resnet14", "shortcut": "constant_scaling", "activation": "tanh"},
    {"name": "resnet14", "shortcut": "dropout"},
    {"name": "resnet14", "activation": keras.layers.PReLU(shared_axes=[1, 2])},
]


def named(options):
    # A layer by its class: its name counts the layers that were made before it.
    return "-".join(v if isinstance(v, str) else type(v).__name__ for v in options.values())


@pytest.mark.parametrize("options", [pytest.param(NETS[0], marks=pytest.mark.always), *NETS[1:]], ids=named)
def test_same_net_as_separate_layers(options):
    model = small(**options, rolled=True)
    assert rolled_layers(model)
    assert_same_net(model, unroll(model))


# What is recomputed can go wrong in what is random, in what has a state, and in how a unit's values fork and join.
@pytest.mark.parametrize("options", [NETS[0], *map(deep.one, NETS[4:7]), *NETS[-2:]], ids=named)
def test_same_net_when_activations_are_recomputed(options):
    model = small(**options, rolled="remat")
    assert rolled_layers(model)
    assert_same_net(model, unroll(model))


def toy(units=5, rate=0.3, **options):
    """Units with everything that is special: statistics, dropout, a regulariser."""
    x = keras.Input((8, 8, 3))
    y = keras.layers.BatchNormalization(momentum=0.5, name="norm")(x)
    y = keras.layers.Dropout(rate, name="drop")(y)
    decay = keras.regularizers.L2(0.1)
    y = keras.layers.Conv2D(3, 3, padding="same", kernel_regularizer=decay, name="conv")(y)
    pattern = keras.Model(x, keras.layers.Add(name="add")([x, y]))
    layer = RolledUnits(pattern, [f"unit{i}_" for i in range(1, units + 1)], name="run", **options)
    x = keras.Input((8, 8, 3))
    y = keras.layers.GlobalAveragePooling2D()(layer(x))
    return keras.Model(x, keras.layers.Dense(3, activation="softmax", name="head")(y))


@pytest.mark.parametrize(
    "options", [{"units_per_iteration": 2}, {"remat": True, "units_per_iteration": 3}], ids=str
)
def test_units_that_do_not_fill_an_iteration(options):
    model = toy(**options)
    separate = unroll(model)
    assert_same_net(model, separate)
    assert_close(np.asarray(tf.add_n(separate.losses)), np.asarray(tf.add_n(model.losses)))


def test_one_unit_and_eager_execution():
    model = toy(units=1)
    separate = unroll(model)
    tf.config.run_functions_eagerly(True)
    try:
        assert_same_net(model, separate)
    finally:
        tf.config.run_functions_eagerly(False)


def test_frozen_layer_stays_as_it_is():
    model = toy()
    run = model.get_layer("run")
    run.trainable = False
    separate = unroll(model)
    assert not separate.get_layer("unit3_norm").trainable
    before = run.get_weights()
    (expected, _), (received, gradients) = step(separate), step(model)
    assert_close(expected, received)
    assert all(np.array_equal(a, b) for a, b in zip(before, run.get_weights(), strict=True))
    assert not any(path.startswith("run/") for path in gradients)


def test_each_unit_starts_from_its_own_draw():
    kernels = small("resnet38v2", rolled=True).get_layer("stage3_unit2_to_6").stacks["conv2_kernel"].numpy()
    assert kernels.shape == (5, 3, 3, 16, 16)
    assert len({k.tobytes() for k in kernels}) == 5
    # He et al. 2015, fan-out: the variance is 2 / (9 * 16).
    np.testing.assert_allclose(kernels.std(axis=(1, 2, 3, 4)), np.sqrt(2 / 144), rtol=0.06)


def test_size_does_not_depend_on_depth():
    def size(name):
        model = small(name, rolled=True)

        @tf.function
        def run(x):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(model(x, training=True))
            return tape.gradient(loss, [v.value for v in model.trainable_variables])

        graph = run.get_concrete_function(tf.TensorSpec((2, 8, 8, 3))).graph
        return len(model.layers), len(graph.get_operations())

    (layers, operations), deep = size("resnet20v2"), size("resnet110v2")
    assert deep[0] == layers == 37
    assert abs(deep[1] - operations) < 0.02 * operations


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = small("resnet14", rolled=True)
        separate = unroll(model)
    finally:
        keras.config.set_dtype_policy("float32")
    (layer,) = rolled_layers(model)
    assert layer.compute_dtype == policy.removeprefix("mixed_")
    assert {v.dtype for v in layer.weights} == {"float32"}
    assert_same_net(model, separate, tolerance=2e-2)


def test_fit_evaluate_predict_and_files(tmp_path):
    model = toy(rate=0.0)
    separate = unroll(model)
    for net in (model, separate):
        net.compile(keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
        net.fit(IMAGES, LABELS, batch_size=2, epochs=2, shuffle=False, verbose=0)
    assert not model.jit_compile
    assert_close(
        separate.predict(IMAGES, verbose=0, batch_size=2),
        model.predict(IMAGES, verbose=0, batch_size=2),
        1e-4,
    )
    assert model.evaluate(IMAGES, LABELS, verbose=0) == pytest.approx(
        separate.evaluate(IMAGES, LABELS, verbose=0), rel=1e-4
    )
    model.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    assert_close(model(IMAGES).numpy(), loaded(IMAGES).numpy(), 1e-6)
    assert loaded.train_on_batch(IMAGES, LABELS) == pytest.approx(model.train_on_batch(IMAGES, LABELS))
    model.save_weights(tmp_path / "net.weights.h5")
    other = toy(rate=0.0)
    other.load_weights(tmp_path / "net.weights.h5")
    assert_close(model(IMAGES).numpy(), other(IMAGES).numpy(), 1e-6)
    unroll(model).save(tmp_path / "stock.keras")
    assert b"zoo" not in zipfile.ZipFile(tmp_path / "stock.keras").read("config.json")


@pytest.mark.parametrize("name, options", [("resnet20", {}), ("resnet29v2", {"block": "bottleneck"})])
def test_roll_finds_what_build_rolls(name, options):
    separate = small(name, **options)
    found, built = roll(separate), small(name, **options, rolled=True)
    assert [layer.name for layer in found.layers] == [layer.name for layer in built.layers]
    assert [layer.units for layer in rolled_layers(found)] == [layer.units for layer in rolled_layers(built)]
    assert [w.shape for w in found.weights] == [w.shape for w in built.weights]
    assert_close(separate(IMAGES).numpy(), found(IMAGES).numpy())
    back = unroll(found)
    assert [w.path for w in back.weights] == [w.path for w in separate.weights]
    assert all(np.array_equal(a, b) for a, b in zip(back.get_weights(), separate.get_weights(), strict=True))


def test_roll_a_net_that_zoo_did_not_build():
    x = keras.Input((8, 8, 3), name="image")
    y = keras.layers.Conv2D(4, 3)(x)
    for _ in range(4):
        y = keras.layers.Conv2D(4, 3, padding="same", activation="gelu")(y)
        y = keras.layers.BatchNormalization()(y)
    y = keras.layers.GlobalAveragePooling2D()(y)
    separate = keras.Model(x, keras.layers.Dense(3, activation="softmax", name="head")(y))
    model = roll(separate, remat=True)
    (layer,) = rolled_layers(model)
    assert (len(layer.units), len(model.layers), layer.remat) == (4, 5, True)
    assert_same_net(model, unroll(model))
    again = roll(separate)
    assert_close(separate(IMAGES).numpy(), again(IMAGES).numpy())


def test_seeds_of_dropout_move_with_the_weights():
    model = toy()
    separate = unroll(model)
    first = separate.get_layer("unit2_drop").seed_generator.state.numpy()
    step(model)
    assert np.any(unroll(model).get_layer("unit2_drop").seed_generator.state.numpy() != first)


def test_on_jax():
    """In a process of its own, since a backend is chosen once."""
    pytest.importorskip("jax")
    code = """
import sys; sys.path.insert(0, "tests")
import jax, keras, numpy as np, zoo
from zoo.transforms import unroll
x = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32"); y = np.arange(4) % 3
for rolled in (True, "remat"):
    model = zoo.build("resnet14", input_shape=(8, 8, 3), width=4, classes=3, rolled=rolled)
    separate = unroll(model)
    def loss(net):
        def f(trainable):
            out, state = net.stateless_call(trainable, net.non_trainable_variables, x, training=True)
            return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, out)), state
        values = [v.value for v in net.trainable_variables]
        (l, state), g = jax.jit(jax.value_and_grad(f, has_aux=True))(values)
        for v, new in zip(net.non_trainable_variables, state): v.assign(new)
        return l, {v.path: np.asarray(k) for v, k in zip(net.trainable_variables, g)}
    (a, ga), (b, gb) = loss(separate), loss(model)
    assert abs(a - b) <= 1e-5 * abs(a), (a, b)
    own = {v.path: np.asarray(v) for v in separate.variables}
    for layer in model.layers:
        if not hasattr(layer, "stacks"): continue
        for variable, stack in layer._pairs():
            for i in range(len(layer.units)):
                path = f"{layer.layer_name(layer.unit.owners[id(variable)], i)}/{variable.name}"
                pairs = [(own[path], np.asarray(stack)[i])]
                if stack.path in gb: pairs.append((ga[path], gb[stack.path][i]))
                for p, q in pairs:
                    assert np.max(np.abs(p - q)) <= 2e-5 * max(np.max(np.abs(p)), 1e-3), path
model.compile("sgd", "sparse_categorical_crossentropy")
before = model.get_weights()
model.fit(x, y, batch_size=2, verbose=0)
assert all(np.any(p != q) for p, q in zip(before, model.get_weights()))
np.testing.assert_allclose(np.asarray(unroll(model)(x)), np.asarray(model(x)), rtol=1e-4)
print("ok")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True
    )
    assert done.stdout.decode().strip().endswith("ok"), done.stderr.decode()[-2000:]


def pattern_of(*layers, shape=(4, 4, 2)):
    x = y = keras.Input(shape)
    for layer in layers:
        y = layer(y)
    return keras.Model(x, y)


def conv(**options):
    return keras.layers.Conv2D(2, 3, **{"padding": "same", "name": "conv", **options})


class RootOfL2(keras.regularizers.L2):
    """Of a stack, the root of a sum is not the sum of the roots."""

    def __call__(self, w):
        return keras.ops.sqrt(super().__call__(w))


class RootOfL1(keras.regularizers.L1):
    def __call__(self, w):
        return keras.ops.sqrt(super().__call__(w))


class RootOfBoth(keras.regularizers.L1L2):
    def __call__(self, w):
        return keras.ops.sqrt(super().__call__(w))


class Renamed(keras.regularizers.L2):
    """The sum of squares under another name."""


def quantized(layer, mode):
    layer.build((None, 2) if isinstance(layer, keras.layers.Dense) else (None, 4, 4, 2))
    getattr(layer, "layer", layer).quantize(mode)
    return layer


def test_a_regularizer_that_only_has_another_name_is_kept():
    layer = RolledUnits(pattern_of(conv(kernel_regularizer=Renamed(0.5))), ["a", "b"])
    layer.build((None, 4, 4, 2))
    kernel = np.asarray(layer.stacks["conv_kernel"].value)
    assert float(layer.losses[0]) == pytest.approx(0.5 * np.square(kernel).sum(), rel=1e-5)


@pytest.mark.parametrize(
    "pattern, units, options, error, text",
    [
        (lambda: pattern_of(conv()), [], {}, ValueError, "loop over zero units"),
        (lambda: pattern_of(conv()), ["a", "a"], {}, ValueError, "names that differ"),
        (lambda: pattern_of(conv()), ["a"], {"remat": "yes"}, TypeError, "remat must be True or False"),
        (
            lambda: pattern_of(conv()),
            ["a"],
            {"units_per_iteration": 0},
            ValueError,
            "an integer of at least 1",
        ),
        (
            lambda: pattern_of(conv()),
            ["a"],
            {"units_per_iteration": True},
            TypeError,
            "an integer of at least 1",
        ),
        (lambda: conv(), ["a"], {}, TypeError, r"expected a Functional keras\.Model .* received Conv2D"),
        (lambda: pattern_of(conv(strides=2)), ["a"], {}, ValueError, "can follow itself only if"),
        (lambda: pattern_of(keras.layers.ReLU()), ["a"], {}, ValueError, "no trainable weights"),
        (
            lambda: pattern_of(conv(activity_regularizer="l2")),
            ["a"],
            {},
            ValueError,
            "cannot add losses of its own",
        ),
        (
            lambda: pattern_of(conv(kernel_constraint=keras.constraints.MaxNorm())),
            ["a"],
            {},
            ValueError,
            "kernel_constraint, which stacked weights cannot keep",
        ),
        (
            lambda: pattern_of(conv(kernel_regularizer=keras.regularizers.OrthogonalRegularizer())),
            ["a"],
            {},
            ValueError,
            "only L1, L2 and L1L2 mean the same",
        ),
        *(
            (
                lambda own=own: pattern_of(conv(kernel_regularizer=own)),
                ["a"],
                {},
                ValueError,
                f"kernel_regularizer {type(own).__name__}; on stacked weights only L1, L2 and L1L2",
            )
            for own in (RootOfL2(0.1), RootOfL1(0.1), RootOfBoth(0.1, 0.1))
        ),
        *(
            (
                lambda mode=mode: pattern_of(quantized(keras.layers.Dense(2, name="fc"), mode)),
                ["a"],
                {},
                ValueError,
                f"'fc' is quantized to {mode}, which stacked weights cannot keep; roll a model that is not",
            )
            for mode in ("int8", "int4", "float8")
        ),
        (
            lambda: pattern_of(
                quantized(keras.layers.TimeDistributed(keras.layers.Dense(2, name="fc")), "int8"),
            ),
            ["a"],
            {},
            ValueError,
            "'fc' is quantized to int8",
        ),
        (
            lambda: pattern_of(
                keras.layers.TimeDistributed(conv(activity_regularizer="l2")), shape=(3, 4, 4, 2)
            ),
            ["a"],
            {},
            ValueError,
            "'conv' has an activity_regularizer",
        ),
        (
            lambda: pattern_of(conv(), lambda y: keras.layers.Dropout(0.5, name="off")(y, training=True)),
            ["a"],
            {},
            ValueError,
            "calls layer 'off' with training=True",
        ),
    ],
)
def test_refuses(pattern, units, options, error, text):
    with pytest.raises(error, match=text):
        RolledUnits(pattern(), units, **options)


def test_refuses_another_input_shape():
    layer = RolledUnits(pattern_of(conv()), ["a", "b"])
    with pytest.raises(ValueError, match=r"made for inputs of shape \(4, 4, 2\), received \(5, 5, 2\)"):
        layer.build((None, 5, 5, 2))


def test_transforms_refuse_what_they_cannot_do():
    stock = small("resnet8")
    with pytest.raises(ValueError, match="no RolledUnits layer, so there is nothing to unroll"):
        unroll(stock)
    with pytest.raises(ValueError, match="no two identical units in a row"):
        roll(zoo.build("convnet2", input_shape=(8, 8, 3)))
    with pytest.raises(TypeError, match=r"is a keras\.Sequential"):
        roll(keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)]))


@pytest.mark.parametrize("backend", LOOPS)
def test_the_file_of_each_backend_is_a_loop(backend):
    """Read and not imported: only one of the backends is here."""
    file = Path(zoo.rolled.loop.__file__).with_name(f"{LOOPS[backend].rpartition('.')[2]}.py")
    found = {
        node.name: [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    asked = {name: thing for name, thing in vars(Loop).items() if not name.startswith("_")}
    assert asked and found == {
        name: [*inspect.signature(method).parameters][1:] for name, method in asked.items()
    }


def test_a_backend_without_a_loop_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    with pytest.raises(ValueError, match="runs on tensorflow, jax, torch; the backend is numpy"):
        RolledUnits(pattern_of(conv()), ["a", "b"], remat=True)


class Interrupting(keras.layers.Layer):
    """Interrupts once, in the middle of tracing."""

    armed = True

    def call(self, x):
        if Interrupting.armed and not isinstance(x, keras.KerasTensor):
            Interrupting.armed = False
            raise KeyboardInterrupt
        return x


def test_an_interrupted_compile_leaves_nothing_behind():
    Interrupting.armed = False
    x = keras.Input((8, 8, 3))
    pattern = pattern_of(keras.layers.Conv2D(3, 3, padding="same"), Interrupting(), shape=(8, 8, 3))
    model = keras.Model(x, RolledUnits(pattern, ["a", "b", "c"])(x))
    model.compile("sgd", "mse")
    before = model.get_weights()
    Interrupting.armed = True
    with pytest.raises(KeyboardInterrupt):
        model.train_on_batch(IMAGES, IMAGES)
    assert not Interrupting.armed
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    model.train_on_batch(IMAGES, IMAGES)
    assert all(np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True))


def test_the_second_net_of_a_process_has_the_same_configuration():
    # Automatic names count up through a process; a saved net, and the hash of its graph, must not depend on them.
    first, second = (small(rolled=True).get_config() for _ in range(2))
    assert first == second
    rolled_once, rolled_again = (roll(small()).get_config() for _ in range(2))
    assert rolled_once == rolled_again


def test_units_of_a_seeded_net_start_unlike_one_another():
    """A stack drawn with one seed would be one unit many times."""
    given = keras.initializers.HeNormal(seed=1)
    net = zoo.build("resnet32v2", rolled=True, kernel_initializer=given, input_shape=(8, 8, 3), width=4)
    kernels = []
    for layer in net.layers:
        for weight in layer.weights if "_to_" in layer.name else ():
            if "kernel" in weight.name:
                kernels += [k.tobytes() for k in keras.ops.convert_to_numpy(weight)]
    assert len(kernels) > 8 and len(set(kernels)) == len(kernels)


def test_a_stack_draws_as_many_seeds_as_it_has_units():
    """The first unit's weights come from the initialiser given: a seed more or fewer, and published runs start anew."""
    model = zoo.build("resnet20v2", rolled=True, input_shape=(8, 8, 3), width=4)
    unit = rolled_layers(model)[0].unit
    kernel = next(v for v in unit.trainable if v.path.endswith("kernel"))
    given = unit.owners[id(kernel)].kernel_initializer
    keras.utils.set_random_seed(3)
    expected = [given(kernel.shape), *(given.clone()(kernel.shape) for _ in range(2))]
    keras.utils.set_random_seed(3)
    drawn = unit.initializer(kernel, 3)((3, *kernel.shape), dtype="float32")
    np.testing.assert_array_equal(drawn, np.stack(expected))


class CalledInner(keras.layers.Layer):
    """Without a build: what it holds is built where it is called."""

    def __init__(self, **options):
        super().__init__(**options)
        self.first = keras.layers.Dense(2, kernel_initializer="ones", use_bias=False)
        self.second = keras.layers.Dense(2, use_bias=False)

    def call(self, x):
        return self.second(self.first(x))


class HalfBuilt(CalledInner):
    """With a build for the half alone, so that the second stood where the first should."""

    def build(self, shape):
        self.second.build(shape)


@pytest.mark.parametrize("kind", [CalledInner, HalfBuilt])
def test_each_unit_starts_from_its_own_draw_where_only_a_call_builds(kind):
    layer = RolledUnits(pattern_of(kind(name="block")), ["a", "b", "c"])
    layer.build((None, 4, 4, 2))
    first, second = (np.asarray(stack.value) for stack in layer.stacks.values())
    np.testing.assert_array_equal(first, np.ones((3, 2, 2)))
    assert len({kernel.tobytes() for kernel in second}) == 3


def test_a_layer_of_which_another_has_other_variables_is_named():
    class Odd(keras.layers.Layer):
        widths = iter([2, 3])

        def build(self, shape):
            self.kernel = self.add_weight(shape=(2, next(self.widths)), name="kernel")

        def call(self, x):
            return x * keras.ops.sum(self.kernel)

    layer = RolledUnits(pattern_of(Odd(name="odd")), ["a", "b"])
    with pytest.raises(
        ValueError, match=r"'odd' \(Odd\) has variables of the shapes \[\(2, 2\)\].*\[\(2, 3\)\]"
    ):
        layer.build((None, 4, 4, 2))


def norm_and_dense(**options):
    parts = keras.layers.Dense(4, name="a_fc"), keras.layers.BatchNormalization(name="a_norm", **options)
    return pattern_of(*parts, shape=(4,))


@pytest.mark.parametrize("frozen", [["a_norm"], ["a_fc"], ["a_fc", "a_norm"]], ids=str)
def test_a_unit_that_is_frozen_is_refused_and_left_as_it_is(frozen):
    unit = norm_and_dense()
    for name in frozen:
        unit.get_layer(name).trainable = False
    with pytest.raises(ValueError, match=f"{', '.join(map(repr, frozen))} is frozen, and rolled units are"):
        RolledUnits(unit, ["a_", "b_"])
    assert [layer.name for layer in unit.layers[1:] if not layer.trainable] == frozen


def test_a_frozen_run_leaves_its_unit_as_it_is_and_is_saved(tmp_path):
    unit = norm_and_dense()
    run = RolledUnits(unit, ["a_", "b_"])
    model = pattern_of(run, shape=(4,))
    run.trainable = False
    x = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(model(x, training=True), model(x))
    assert all(layer.trainable for layer in unit.layers) and all(
        v.trainable for v in unit.trainable_variables
    )
    model.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    assert not loaded.layers[1].trainable


@pytest.mark.parametrize("units", ["unit", b"unit", 3, None, {"a"}], ids=str)
def test_units_that_are_no_list_of_names(units):
    with pytest.raises(TypeError, match=r"units must be a list of names, one a unit, such as .* received"):
        RolledUnits(pattern_of(conv()), units)


def test_a_unit_of_half_precision_that_begins_with_a_norm_of_full_precision():
    x = keras.Input((4,), dtype="float16")
    y = keras.layers.BatchNormalization(name="a_norm", dtype="float32")(x)
    unit = keras.Model(x, keras.layers.Dense(4, name="a_fc", dtype="mixed_float16")(y))
    run = RolledUnits(unit, ["a_", "b_"])
    data = np.ones((2, 4), "float16")
    assert run.compute_dtype == "float16"
    assert run(data).dtype == run(data, training=True).dtype == tf.float16


RANDOM = {
    "in a layer": lambda: Silent(keras.layers.Dropout(0.5, seed=3), name="u0_inner"),
    "in a layer in a layer": lambda: Silent(
        Silent(keras.layers.SpatialDropout1D(0.5, seed=3)), name="u0_inner"
    ),
    "of a batch, in a layer": lambda: Silent(keras.layers.BatchNormalization(epsilon=1e-9), name="u0_inner"),
    "as it is": lambda: keras.layers.Dropout(0.5, seed=3, name="u0_inner"),
}


@pytest.mark.parametrize("remat", [False, True])
@pytest.mark.parametrize("kind", RANDOM)
@pytest.mark.backend
def test_the_gradient_is_that_of_the_loss_that_was_drawn(kind, remat):
    """Also where a backward pass computes units again: what is linear in its input is the gradient times the input."""
    x = keras.Input((3, 4))
    y = keras.layers.Dense(4, use_bias=False, name="u0_dense")(x)
    run = RolledUnits(keras.Model(x, RANDOM[kind]()(y)), units=["u0_", "u1_", "u2_"], remat=remat)
    model = keras.Sequential([keras.Input((3, 4)), run])
    value = RNG.normal(size=(5, 3, 4)).astype("float32")
    outputs, found = output_and_gradient(model, value)
    # What is normalised by its batch does not depend on how large that is.
    expected = 0 if "batch" in kind else np.sum(outputs * WEIGHT)
    assert np.sum(found * value) == pytest.approx(expected, abs=1e-2)
    assert np.max(np.abs(found)) > 1e-3


WEIGHT = RNG.normal(size=(5, 3, 4)).astype("float32")


def output_and_gradient(model, value):
    """Of the sum of the outputs times `WEIGHT` in training."""
    if keras.backend.backend() == "tensorflow":
        x = tf.constant(value)
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = model(x, training=True)
            loss = tf.reduce_sum(outputs * WEIGHT)
        return outputs.numpy(), tape.gradient(loss, x).numpy()
    if keras.backend.backend() == "torch":
        import torch

        x = torch.tensor(value, requires_grad=True)
        outputs = model(x, training=True)
        (outputs * torch.tensor(WEIGHT)).sum().backward()
        return outputs.detach().numpy(), x.grad.numpy()
    import jax

    def loss(x):
        states = [v.value for v in model.non_trainable_variables]
        outputs, _ = model.stateless_call(
            [v.value for v in model.trainable_variables], states, x, training=True
        )
        return (outputs * WEIGHT).sum(), outputs

    gradient, outputs = jax.grad(loss, has_aux=True)(value)
    return np.asarray(outputs), np.asarray(gradient)
