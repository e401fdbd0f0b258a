"""The plan against an exhaustive search over a table of latencies; budgets nobody can meet; carried out and measured."""

import itertools
import types

import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import batch, error, outputs, randomised

import zoo
from zoo.latency import Stopwatch, compiled
from zoo.transforms import drop_activations, harden, soften


def plain(count=5):
    parts = [layers.Dense(6, activation="relu", name=f"fc{i}") for i in range(count)]
    return randomised(keras.Sequential([keras.Input((6,)), *parts, layers.Dense(3, name="top")]))


def rows_of(count=5, seed=0):
    cost = np.random.default_rng(seed).uniform(0.1, 1.0, count)
    return [{"site": f"fc{i}", "loss_change": float(c)} for i, c in enumerate(cost)]


def table_of(count=5, seed=1):
    rng = np.random.default_rng(seed)
    names = [*(f"fc{i}" for i in range(count)), "top"]
    table = {(): 1.5}
    for first, last in itertools.combinations_with_replacement(range(count + 1), 2):
        table[tuple(names[first : last + 1])] = float(rng.uniform(1, 2) * (1 + 0.6 * (last - first)))
    return names, table


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("budget", [5.0, 6.5, 8.0, 30.0])
def test_no_choice_is_better(seed, budget):
    rows, (names, table) = rows_of(seed=seed), table_of(seed=seed + 10)
    best = {}
    for kept in itertools.product((True, False), repeat=5):
        ends = [i for i, stays in enumerate(kept) if stays] + [5]
        starts = [0, *(e + 1 for e in ends[:-1])]
        time = table[()] + sum(table[tuple(names[a : b + 1])] for a, b in zip(starts, ends, strict=True))
        cost = sum(row["loss_change"] for row, stays in zip(rows, kept, strict=True) if not stays)
        best[cost] = min(time, best.get(cost, np.inf))
    possible = [cost for cost, time in best.items() if time <= budget]
    if not possible:
        fastest = min(best.values())
        with pytest.raises(
            ValueError, match=f"no plan meets budget={budget:g}: .* the best there is {fastest:.4g}"
        ):
            zoo.plan_depth(plain(), rows, budget=budget, latency=table)
        return
    plan = zoo.plan_depth(plain(), rows, budget=budget, latency=table)
    assert plan.cost == pytest.approx(min(possible))
    assert plan.expected <= budget
    assert plan.cost == pytest.approx(sum(r["loss_change"] for r in rows if r["site"] in plan.drop))
    assert plan.before == pytest.approx(table[()] + sum(table[(name,)] for name in names))
    inner = {name for stretch in plan.stretches for name in stretch[:-1]}
    assert inner == set(plan.drop)


def test_the_plan_is_carried_out():
    rows, (_, table) = rows_of(), table_of()
    model = plain()
    x = batch(model, 20)
    plan = zoo.plan_depth(model, rows, budget=8.0, latency=table)
    assert plan.drop
    short, measured = plan.apply(model, fit=x)
    assert np.isnan(measured)
    assert len(short.layers) == 6 - len(plan.drop)
    assert error(outputs(drop_activations(model, plan.drop, fit=x).model, x), outputs(short, x)) < 1e-5
    soft, _ = soften(model, plan.drop, amount=1.0)
    annealed = harden(soft).model
    assert error(outputs(annealed, x), outputs(plan.merge(annealed).model, x)) < 1e-5
    with pytest.raises(
        ValueError, match=r"has no stretch without activation from .*drop the sites of the plan first"
    ):
        plan.merge(model)


def image_net():
    parts = []
    for i in range(3):
        parts += [
            layers.Conv2D(4, 3, padding="same", use_bias=False, name=f"conv{i}"),
            layers.BatchNormalization(name=f"norm{i}"),
            layers.ReLU(name=f"act{i}"),
        ]
    head = [layers.GlobalAveragePooling2D(), layers.Dense(3, name="top")]
    return randomised(keras.Sequential([keras.Input((12, 12, 4)), *parts, *head]))


def by_layers(model):
    """A latency in which every layer takes one."""
    return float(len(model.layers))


IMAGE_ROWS = [{"site": f"act{i}", "accuracy_change": -float(i)} for i in range(3)]


def test_padded_stretches_are_merged_only_where_the_border_may_move():
    model, x = image_net(), batch(image_net(), 4)
    rows = [{"site": row["site"], "cost": -row["accuracy_change"]} for row in IMAGE_ROWS]
    arguments = {"latency": by_layers, "cost": "cost"}
    # Folding is free: three normalisations of eleven layers.
    plan = zoo.plan_depth(model, rows, budget=8, **arguments)
    assert (plan.drop, plan.before, plan.expected) == ((), 11.0, 8.0)
    assert plan.stretches == (("conv0", "norm0"), ("conv1", "norm1"), ("conv2", "norm2"))
    assert "pads its input" in plan.kept["conv0 to norm1"]
    assert plan.apply(model).measured == 8.0
    with pytest.raises(ValueError, match=r"the best there is 8, without dropping anything.*border='move'"):
        zoo.plan_depth(model, rows, budget=7, **arguments)
    moved = zoo.plan_depth(model, rows, budget=9, border="move", **arguments)
    assert moved.cost == 0
    moved = zoo.plan_depth(model, rows, budget=7.5, border="move", **arguments)
    short, measured = moved.apply(model, fit=x)
    assert moved.drop and measured <= moved.before
    assert all(type(layer).__module__.startswith("keras.") for layer in short.layers)


def test_latencies_are_measured_here():
    model = image_net()
    rows = [{"site": row["site"], "cost": 1.0} for row in IMAGE_ROWS]
    plan = zoo.plan_depth(model, rows, budget=1e6, cost="cost", batch_size=4)
    assert plan.drop == () and 0 < plan.expected < 1e6 and plan.before > 0
    measured = plan.apply(model).measured
    assert 0 < measured < 1e6
    unknown = keras.Sequential([keras.Input((None, None, 4)), *image_net().layers[:6], layers.Conv2D(2, 1)])
    with pytest.raises(ValueError, match=r"latency cannot be measured.*Fix its size"):
        zoo.plan_depth(unknown, rows[:2], budget=1.0, cost="cost")


def layers_with_weights(start):
    """A latency in which calling takes `start`, and every layer with weights one."""

    def fake(self, models):
        return [start + sum(bool(layer.weights) for layer in model.layers) for model in models]

    return fake


UNIT_ROWS = [{"site": f"act{i}", "cost": 1.0} for i in range(3)]


def test_the_time_of_a_call_is_not_saved_with_every_merge(monkeypatch):
    monkeypatch.setattr("zoo.latency.Stopwatch.in_turn", layers_with_weights(5.0))
    plan = zoo.plan_depth(image_net(), UNIT_ROWS, budget=9, cost="cost")
    assert (plan.before, plan.estimated, plan.expected) == (12.0, 9.0, 9.0)
    assert plan.apply(image_net()).measured == 9.0
    moved = zoo.plan_depth(image_net(), UNIT_ROWS, budget=8, cost="cost", border="move")
    assert len(moved.drop) == 1
    assert (moved.estimated, moved.expected, moved.apply(image_net()).measured) == (8.0, 8.0, 8.0)


def in_a_net(whole, small):
    """Latencies in which a layer with weights takes otherwise in a whole net, which has a classifier, than by itself."""

    def fake(self, models):
        times = []
        for model in models:
            each = whole if any(layer.name == "top" for layer in model.layers) else small
            times.append(10.0 + each * sum(bool(layer.weights) for layer in model.layers))
        return times

    return fake


def test_what_is_expected_is_measured_on_the_whole_net(monkeypatch):
    """By themselves merged layers save 1 each, in the net a half: of the plans tried, the one that meets the budget."""
    monkeypatch.setattr("zoo.latency.Stopwatch.in_turn", in_a_net(whole=0.5, small=1.0))
    tight = zoo.plan_depth(image_net(), UNIT_ROWS, budget=11.0, cost="cost", border="move")
    # Three convolutions as one, and the classifier; the parts promised 13.5 - 5.
    assert (tight.before, tight.expected, tight.estimated) == (13.5, 11.0, 8.5)
    assert len(tight.drop) == 2 and tight.apply(image_net()).measured == 11.0
    loose = zoo.plan_depth(image_net(), UNIT_ROWS, budget=11.6, cost="cost", border="move")
    assert len(loose.drop) == 1 and loose.expected == 11.5
    with pytest.raises(ValueError, match=r"budget=10\.9.*the best there is 11, without 'act0', 'act1'"):
        zoo.plan_depth(image_net(), UNIT_ROWS, budget=10.9, cost="cost", border="move")


def test_a_slower_layer_is_no_choice(monkeypatch):
    """Latencies by the numbers of kernels: one of 5 by 5 has more than two of 3 by 3."""

    def fake(self, models):
        return [
            float(sum(np.prod(w.shape) for la in m.layers for w in la.weights if len(w.shape) > 1))
            for m in models
        ]

    monkeypatch.setattr("zoo.latency.Stopwatch.in_turn", fake)
    plan = zoo.plan_depth(image_net(), UNIT_ROWS, budget=1e4, cost="cost", border="move")
    assert plan.drop == ()
    assert "as one layer it takes 112 more than in 2 blocks" in plan.kept["conv0 to norm1"]
    gains = [{**row, "cost": -1.0} for row in UNIT_ROWS]
    assert zoo.plan_depth(image_net(), gains, budget=1e4, cost="cost", border="move").drop == ()


def test_a_stretch_that_would_multiply_many_times_as_often_is_not_timed():
    parts = [layers.Dense(units, activation="relu", name=f"fc{units}") for units in (1, 64)]
    model = randomised(keras.Sequential([keras.Input((64,)), *parts, layers.Dense(3, name="top")]))
    rows = [{"site": part.name, "cost": 1.0} for part in parts]
    plan = zoo.plan_depth(model, rows, budget=1e6, cost="cost")
    assert plan.kept["fc1 to fc64"] == "as one layer it multiplies 32.0 times as often"


def test_a_plan_that_is_not_faster_is_not_returned(monkeypatch):
    """Small models promise much, the whole net gains nothing from a merge, only from folding; and costs invite to drop."""

    def fake(self, models):
        times = []
        for model in models:
            norms = sum(isinstance(layer, layers.BatchNormalization) for layer in model.layers)
            kernels = sum(isinstance(layer, layers.Conv2D) for layer in model.layers)
            whole = any(layer.name == "top" for layer in model.layers)
            times.append(10.0 + norms + (0 if whole else kernels))
        return times

    monkeypatch.setattr("zoo.latency.Stopwatch.in_turn", fake)
    gains = [{**row, "cost": -1.0} for row in UNIT_ROWS]
    plan = zoo.plan_depth(image_net(), gains, budget=20.0, cost="cost", border="move")
    assert (plan.drop, plan.expected) == ((), 10.0)
    with pytest.raises(ValueError, match=r"no plan meets budget=9\.5: .*the best there is 10, "):
        zoo.plan_depth(image_net(), UNIT_ROWS, budget=9.5, cost="cost", border="move")


def test_other_speed_of_the_machine_is_no_saving(monkeypatch):
    """Between parts and whole nets the machine got twice as fast: the plan is judged by the ratio."""
    calls = []

    def fake(self, models):
        calls.append(models)
        faster = 0.5 if len(calls) > 1 and any(layer.name == "top" for layer in models[0].layers) else 1.0
        return [faster * (5.0 + sum(bool(layer.weights) for layer in model.layers)) for model in models]

    monkeypatch.setattr("zoo.latency.Stopwatch.in_turn", fake)
    plan = zoo.plan_depth(image_net(), UNIT_ROWS, budget=9, cost="cost")
    assert (plan.before, plan.expected) == (12.0, 9.0)


def test_the_least_of_calls_in_turn(monkeypatch):
    """A clock that is told: interruptions do not count, and it goes on until three calls agree."""
    taken = iter([0.010, 0.5, 0.030, 0.020, 0.0101, 0.020, 0.0102, 0.0201, *[1.0] * 1000])
    now = [0.0]

    def run(inputs):
        now[0] += next(taken)

    monkeypatch.setattr("zoo.latency.time", types.SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr("zoo.latency._predictor", lambda model: run)
    monkeypatch.setattr("zoo.latency.WARM_UP", 0)
    # Of the first model: 10, 30, 10.1 and 10.2 ms; of the second 500, 20, 20 and 20.1.
    assert Stopwatch(2).in_turn([image_net(), image_net()]) == pytest.approx([10.0, 20.0])
    assert now[0] == pytest.approx(0.6204)


BAD = {
    "budget must be a finite number of more than 0, received 0": {"budget": 0},
    "budget must be a finite number of more than 0, received nan": {"budget": float("nan")},
    "budget must be a number of more than 0, received '4'": {"budget": "4"},
    "border must be one of 'keep', 'move'; received 'same'": {"border": "same"},
    "batch_size must be an integer of at least 1, received 1.5": {"batch_size": 1.5},
    "rows with the keys 'site' and 'price'; received one with 'site', 'loss_change'": {"cost": "price"},
    "importance has two rows of 'fc0'": {"importance": [*rows_of(), *rows_of()]},
    "importance has no rows": {"importance": []},
    "importance names 'fc5', which is no activation site": {"importance": rows_of(8)},
    "loss_change of 'fc0' in importance must be a finite number, received nan": {
        "importance": [{"site": "fc0", "loss_change": float("nan")}]
    },
    "loss_change of 'fc0' in importance must be a finite number, received -inf": {
        "importance": [{"site": "fc0", "loss_change": -np.inf}]
    },
    "loss_change of 'fc0' in importance must be a number, received 'much'": {
        "importance": [{"site": "fc0", "loss_change": "much"}]
    },
    "latency must be a function of a model, a table or None": {"latency": 3},
    "latency must return a positive finite number, .* it returned 0.0": {"latency": lambda model: 0.0},
    "latency must return a positive finite number, .* it returned -1": {"latency": lambda model: -1},
    "latency must return a positive finite number, .* it returned None": {"latency": lambda model: None},
    "latency must return a positive finite number, .* it returned 'a'": {"latency": lambda model: "a"},
    "latency must return a positive finite number, .* it returned nan": {
        "latency": lambda model: float("nan")
    },
    "importance must be rows, .* received None": {"importance": None},
    "importance must be rows, .* received 3": {"importance": 3},
    r"the table of latencies lacks \('fc0',\), a block of": {"latency": {(): 1.0}},
    r"the latency of \('fc0',\) in the table must be a number of at least 0, received '2 ms'": {
        "latency": table_of()[1] | {("fc0",): "2 ms"}
    },
    r"the latency of \('fc0',\) in the table must be a number of at least 0, received None": {
        "latency": table_of()[1] | {("fc0",): None}
    },
    r"the latency of \('fc0', 'fc1'\) in the table must be a finite number of at least 0, received -1": {
        "latency": table_of()[1] | {("fc0", "fc1"): -1}
    },
    r"the latency of \(\) in the table must be a finite number of at least 0, received nan": {
        "latency": table_of()[1] | {(): float("nan")}
    },
    r"must have tuples of the names of layers as keys, received 'fc0'\. Write \('fc0',\)\.": {
        "latency": table_of()[1] | {"fc0": 2.0}
    },
    r"must have tuples of the names of layers as keys, received \(0, 1\)": {
        "latency": table_of()[1] | {(0, 1): 2.0}
    },
}


@pytest.mark.parametrize("message", BAD)
def test_wrong_arguments_are_named(message):
    given = {"importance": rows_of(), "budget": 5.0, "latency": table_of()[1]} | BAD[message]
    with pytest.raises((TypeError, ValueError), match=message):
        zoo.plan_depth(plain(), given.pop("importance"), **given)


def test_numbers_of_numpy_are_numbers():
    (_, table), rows = table_of(1), rows_of(1)
    of_numpy = {names: np.float64(value) for names, value in table.items()}
    of_rows = [{**row, "loss_change": np.float32(row["loss_change"])} for row in rows]
    given = [(np.float32(4.5), of_rows, of_numpy), (np.int64(5), rows, table)]
    plans = [
        zoo.plan_depth(plain(1), some, budget=budget, latency=latency, batch_size=np.int64(4))
        for budget, some, latency in given
    ]
    for plan in plans:
        assert [type(n) for n in (plan.budget, plan.cost, plan.before, plan.expected)] == [float] * 4


def test_a_loss_without_end_is_a_cost():
    table = {("fc0",): 2.0, ("fc1",): 2.0, ("top",): 2.0, ("fc0", "fc1"): 1.0, ("fc1", "top"): 3.0}
    rows = [{"site": "fc0", "loss_change": np.inf}, {"site": "fc1", "loss_change": 0.5}]
    plan = zoo.plan_depth(plain(2), rows, budget=5.0, latency=table)
    assert (plan.drop, plan.cost, plan.expected) == (("fc1",), 0.5, 5.0)


def of_indices(dtype, entries=3):
    x = keras.Input((6,), dtype=dtype)
    return keras.Model(x, layers.Embedding(entries, 2)(x))


def of_words():
    x = keras.Input((1,), dtype="string")
    return keras.Model(x, layers.StringLookup(vocabulary=["here", "there"])(x))


def of_bytes():
    x = keras.Input((4, 4, 3), dtype="uint8")
    return keras.Model(x, layers.Rescaling(1 / 255)(x))


def by_name():
    b, a = keras.Input((2,), name="b"), keras.Input((3,), name="a")
    return keras.Model({"b": b, "a": a}, [layers.Dense(2)(a), layers.Dense(3)(b)])


def fixed_in_part():
    a, b = keras.Input(batch_shape=(3, 2)), keras.Input((2,))
    return keras.Model([a, b], layers.Add()([a, b]))


@pytest.mark.parametrize(
    ("make", "samples", "fits"),
    [
        (lambda: of_indices("int32"), 5, lambda x: x.min() >= 0 and x.max() < 3),
        (lambda: of_indices("int32", 100), 5, lambda x: x.min() >= 0 and x.max() < 100),
        (of_bytes, 5, lambda x: x.dtype == "uint8" and x.max() > 99),
        (by_name, 5, lambda x: x.dtype == "float32" and x.std() > 0),
        (fixed_in_part, 3, lambda x: x.dtype == "float32"),
        pytest.param(of_words, 5, lambda x: x.dtype == object, marks=pytest.mark.tensorflow),
    ],
    ids=["few indices", "many indices", "bytes", "by name", "fixed in part", "words"],
)
def test_what_is_timed_are_inputs_that_the_model_takes(monkeypatch, make, samples, fits):
    monkeypatch.setattr("zoo.latency.SECONDS", 0.0)
    monkeypatch.setattr("zoo.latency.MOST_SECONDS", 0.0)
    given = []

    class Watched(Stopwatch):
        def _inputs(self, model):
            given.extend(super()._inputs(model))
            return given

    model = make()
    assert Watched(np.int64(5))(model) > 0
    assert len(given) == len(model.inputs)
    arrays = [keras.ops.convert_to_numpy(x) for x in given]
    assert all(len(x) == samples and fits(x) for x in arrays)


@pytest.mark.parametrize(("batch_size", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError)])
def test_a_batch_to_time_has_a_size(batch_size, error):
    with pytest.raises(error, match="batch_size must be an integer of at least 1"):
        Stopwatch(batch_size)


@pytest.mark.tensorflow
def test_on_an_accelerator_a_call_is_timed_until_it_is_done(monkeypatch):
    """There a call returns when its work stands in a queue."""
    import tensorflow as tf

    waited = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["one"])
    monkeypatch.setattr(tf.test.experimental, "sync_devices", lambda: waited.append(True))
    run = compiled(lambda x: 2 * x)
    assert run(tf.ones(3)).numpy().tolist() == [2, 2, 2] and len(waited) == 1


def one_by_one(site="a", **options):
    """A layer that sees one pixel, an activation, and one that pads: one layer without a shift between them."""
    first = layers.Conv2D(8, 1, name="a", activation="relu" if site == "a" else None, **options)
    between = [] if site == "a" else [layers.BatchNormalization(name="norm"), layers.ReLU(name=site)]
    last = layers.Conv2D(8, 3, padding="same", name="b")
    return keras.Sequential([keras.Input((6, 6, 8)), first, *between, last])


@pytest.mark.parametrize(
    ("options", "trained"),
    [({}, False), ({}, True), ({"use_bias": False}, True), ({"site": "act", "use_bias": False}, True)],
)
def test_what_a_shift_keeps_apart_is_no_choice(options, trained):
    """A trained bias, the shift of a normalisation, and what `fit` leaves of an activation."""
    model, site = one_by_one(**options), options.get("site", "a")
    if trained:
        model = randomised(model)
    names = [layer.name for layer in model.layers if not isinstance(layer, layers.ReLU)]
    table = {(*names[:-1],): 2, ("b",): 2, tuple(names): 1, (): 0}
    rows = [{"site": site, "loss_change": 0.1}]
    plan = zoo.plan_depth(model, rows, budget=5, latency=table)
    assert plan.drop == () and plan.expected == 4
    assert f"{names[-2]!r} reaches every pixel but the padded ones" in plan.kept["a to b"]
    moved = zoo.plan_depth(model, rows, budget=1.5, latency=table, border="move")
    assert moved.stretches == (tuple(names),)
    short = moved.apply(model, fit=batch(model)).model
    assert sum(isinstance(layer, layers.Conv2D) for layer in short.layers) == 1


def test_a_dropout_that_is_on_is_in_no_stretch():
    z, x = keras.Input((4,)), keras.Input((4,))
    parts = [layers.Dense(4, activation="relu", name="a"), layers.Dropout(0.5), layers.Dense(4, name="b")]
    y = z
    for part in parts:
        y = part(y)
    inner = keras.Model(z, y, name="inner")
    rows = [{"site": "inner/a", "loss_change": 0.1}]

    def planned(model):
        return zoo.plan_depth(model, rows, budget=3, latency=lambda net: float(len(net.weights)))

    assert planned(keras.Model(x, inner(x))).drop == ("inner/a",)
    with pytest.raises(ValueError, match=r"no plan meets budget=3: .* without dropping anything"):
        planned(keras.Model(x, inner(x, training=True)))


def dense(name, activation=None):
    return lambda: layers.Dense(8, activation=activation, name=name)


def named(kind, name):
    return lambda: kind(name=name)


RELU, LEAKY = named(layers.ReLU, "r"), named(layers.LeakyReLU, "l")
IN_A_ROW = {
    "built in, then a layer": [dense("a", "relu"), LEAKY, dense("c")],
    "two layers": [dense("a"), RELU, LEAKY, dense("c")],
    "three, then more than one layer": [
        dense("a", "relu"), RELU, LEAKY, dense("c"), named(layers.BatchNormalization, "n"),
    ],
}  # fmt: skip


def with_activations_in_a_row(case):
    return keras.Sequential([keras.Input((8,)), *(make() for make in IN_A_ROW[case])])


@pytest.mark.parametrize("case", IN_A_ROW)
def test_there_is_nothing_to_merge_between_two_activations_in_a_row(case):
    model = with_activations_in_a_row(case)
    after = ("c", "n") if "more" in case else ("c",)
    rows = [{"site": site.name, "loss_change": 0.1} for site in zoo.activations.sites(model)]
    table = {("a",): 2.0, after: 2.0, ("a", *after): 2.5, (): 1.0}
    plan = zoo.plan_depth(model, rows, budget=4, latency=table)
    assert (plan.before, plan.expected, plan.stretches) == (5.0, 3.5, (("a", *after),))
    assert plan.drop == tuple(row["site"] for row in rows) and not plan.kept

    def seconds(net):
        return 1.0 + sum(isinstance(layer, layers.Dense) for layer in net.layers)

    plan = zoo.plan_depth(model, rows, budget=2.5, latency=seconds)
    assert (plan.before, plan.expected, plan.stretches) == (3.0, 2.0, (("a", *after),))


BETWEEN = {
    "two operations": (keras.ops.gelu, keras.ops.relu),
    "two arguments": (
        lambda x: keras.ops.leaky_relu(x, negative_slope=0.1),
        lambda x: keras.ops.leaky_relu(x, negative_slope=0.2),
    ),
    "two functions of one name": (
        layers.Activation(lambda x: keras.ops.gelu(x)),
        layers.Activation(lambda x: keras.ops.tanh(x)),
    ),
    "one operation": (keras.ops.gelu, keras.ops.gelu),
}


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize("case", BETWEEN)
def test_stretches_that_differ_in_what_lies_between_are_timed_apart(case):
    x = keras.Input((8,))
    first, second = BETWEEN[case]
    y = layers.Dense(8, name="b")(first(layers.Dense(8, name="a")(x)))
    y = layers.Dense(8, name="c")(layers.Reshape((8,))(layers.ReLU(name="r")(y)))
    model = keras.Model(x, layers.Dense(8, name="d")(second(y)))
    rows = [{"site": s.name, "loss_change": 0.1} for s in zoo.activations.sites(model) if s.name != "r"]
    timed = []

    def latency(net):
        timed.append(len(net.operations))
        return 1.0 + len(net.operations)

    zoo.plan_depth(model, rows, budget=100, latency=latency)
    assert timed.count(4) == (1 if case == "one operation" else 2)
