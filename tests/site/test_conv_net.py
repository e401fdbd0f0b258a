"""The convolutional nets that learn in the page: their numbers against Keras, and their files against the library."""

import sys

import keras
import numpy as np
import pytest

import zoo
from zoo.site.place import DOCS

sys.path.insert(0, str(DOCS.parent / "scripts"))
import make_train_graphs
import make_try

GRAPHS = make_train_graphs.read(make_train_graphs.GRAPHS)
CHOICES = make_train_graphs.read(make_train_graphs.CHOICES)
#: Every net of the page, as kind, ordering and value of the kind's option.
BUILT = [
    (kind, *key.split("|"))
    for kind, graphs in GRAPHS.items()
    for key, graph in graphs.items()
    if not isinstance(graph, str)
]
# Each net with ReLU; each function with one net, each choice of activations with one of each kind.
CASES = [
    *((*net, "relu", "all") for net in BUILT),
    *((*BUILT[2], function, "all") for function in make_try.FUNCTIONS if function != "relu"),
    *((*net, "relu", which) for net in (BUILT[4], BUILT[-3]) for which in ("none", "first", "last")),
]
# Together they have every operation: pooling and flattening, padding, addition and the mean; biases and normalisations.
ALWAYS = {("plain", "conv_act", "max_pool"), ("residual", "original", "batch")}
CASES = [case if case[:3] in ALWAYS else pytest.param(*case, marks=pytest.mark.deep) for case in CASES]
BATCH, STEPS = 20, 6
# The net of the page; its biases, shifts and factors are moved off what they begin with, or their part would go untested.
START = """([kind, key, seed]) => {
    const net = zooConv.start(zooTrainGraphs[kind][key], seed);
    for (const [name, values] of Object.entries(net.weights)) {
        if (!name.endsWith("/kernel")) values.forEach((z, i) => { values[i] = z + 0.1 * Math.sin(i + 1); });
    }
    globalThis.testNet = net;
    return Object.fromEntries(Object.entries({ ...net.weights, ...net.moving }).map(([name, z]) => [name, Array.from(z)]));
}"""
LEARN = """([activation, activated, rate, seed, steps]) => {
    const data = zooDense.images(zooDigits.learned), choice = { activation, activated };
    const places = zooDense.order(seed, 0, data.points.length), take = (values) => places.slice(0, zooDense.BATCH).map((p) => values[p]);
    const { moving } = testNet, kept = structuredClone(moving);
    const { loss, slopes, logits } = zooConv.gradient(testNet, choice, take(data.points), take(data.labels));
    Object.assign(moving, kept);  // looking is not learning
    const plain = (all) => Object.fromEntries(Object.entries(all).map(([name, z]) => [name, Array.from(z)]));
    const losses = Array.from({ length: steps }, (_, s) => zooConv.stepOf(testNet, choice, data, rate, seed, 0, s));
    const unseen = zooDense.images(zooDigits.unseen);
    return {
        places, loss, losses, logits: logits.map((z) => Array.from(z)), slopes: plain(slopes),
        weights: plain({ ...testNet.weights, ...moving }), judged: zooConv.judge(testNet, choice, unseen),
    };
}"""


@pytest.fixture
def bare(browser):
    """A page with the nets and the digits, and nothing to look at."""
    page = browser.new_page()
    for name in make_try.SCRIPTS:
        page.add_script_tag(path=DOCS / "javascripts" / name)
    yield page
    page.close()


@pytest.fixture
def double():
    """Keras in double precision, as the page counts."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])
    keras.backend.clear_session()


def digits(part):
    """Images and labels that the page learns from, or judges by."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    fifth = np.arange(len(images)) % 5 == 4
    if part == "learned":
        chosen = np.flatnonzero(~fifth)[: make_try.LEARNED]
    else:
        each = make_try.UNSEEN // 10
        chosen = np.sort(
            [place for digit in range(10) for place in np.flatnonzero(fifth & (labels == digit))[:each]]
        )
    return images[chosen].reshape(-1, 8, 8, 1) / 16, labels[chosen]


def keras_net(kind, ordering, value, activation, activated):
    """The same net as the library builds it, with the function at those of its activations."""
    model = make_train_graphs.build(kind, ordering, None if value == "None" else value, activation=activation)
    sites = [layer for layer in model.layers if isinstance(layer, keras.layers.Activation)]
    kept = {"none": [], "first": sites[:1], "last": sites[-1:], "all": sites}[activated]
    for layer in sites:
        if layer not in kept:
            layer.activation = keras.activations.linear
    return model


def put(model, weights):
    for w in model.weights:
        w.assign(np.reshape(weights[w.path], w.shape))


def compiled(model, rate):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss, jit_compile=False, run_eagerly=True)
    return model


def close(received, expected, within=1e-10):
    """Equal but for the rounding of double precision."""
    np.testing.assert_allclose(received, expected, atol=within, rtol=0)


# --- the numbers


@pytest.mark.parametrize(("kind", "ordering", "value", "activation", "activated"), CASES)
def test_logits_loss_gradients_and_steps_equal_keras(
    bare, double, kind, ordering, value, activation, activated
):
    start = bare.evaluate(START, [kind, f"{ordering}|{value}", 5])
    seen = bare.evaluate(LEARN, [activation, activated, 0.1, 3, STEPS])
    x, y = digits("learned")
    batches = np.reshape(seen["places"][: STEPS * BATCH], (STEPS, BATCH))
    first = batches[0]
    # TensorFlow keeps the slope 0.2 of leaky ReLU in single precision, whatever the tensors are.
    within = 1e-6 if activation == "leaky_relu" else 1e-10
    model = keras_net(kind, ordering, value, activation, activated)
    assert {w.path for w in model.weights} == set(start)
    put(model, start)
    close(seen["logits"], keras.ops.convert_to_numpy(model(x[first], training=True)), within)
    # A step at rate 1 is the gradient.
    put(compiled(model, 1.0), start)
    assert seen["loss"] == pytest.approx(float(model.train_on_batch(x[first], y[first])), abs=within)
    gradients = {w.path: start[w.path] - np.ravel(w) for w in model.trainable_weights}
    assert set(seen["slopes"]) == set(gradients)
    assert max(np.abs(g).max() for g in gradients.values()) > 0.01
    for name, gradient in gradients.items():
        close(seen["slopes"][name], gradient, within)
    put(compiled(model, 0.1), start)
    losses = [float(model.train_on_batch(x[batch], y[batch])) for batch in batches]
    assert max(losses) - min(losses) > 0.05
    close(seen["losses"], losses, within)
    for w in model.weights:
        close(seen["weights"][w.path], np.ravel(w), within)
    # On new digits: the moving statistics, and what the probe sees of the activations.
    x, y = digits("unseen")
    scores = keras.ops.convert_to_numpy(model(x, training=False))
    assert seen["judged"]["accuracy"] == (scores.argmax(1) == y).mean()
    rows = zoo.probes.activation_stats(model, x) if activated != "none" else []
    judged = [(site["site"], site["units"]) for site in seen["judged"]["sites"]]
    assert judged == [(row["site"], row["units"]) for row in rows]
    close(
        [site["zeros"] for site in seen["judged"]["sites"]],
        [row["zero_fraction"] if activation == "relu" else 0 for row in rows],
    )


def test_dead_channels_are_those_that_the_probe_calls_dead(bare, double):
    """Biases of -100 kill: three channels of the first activation."""
    start = bare.evaluate(START, ["plain", "conv_act|stride", 5])
    start["stage1_conv1/bias"][:3] = [-100] * 3
    dead = """(activation) => {
        testNet.weights["stage1_conv1/bias"].fill(-100, 0, 3);
        const unseen = zooDense.images(zooDigits.unseen);
        return zooConv.judge(testNet, { activation, activated: "all" }, unseen).sites.map((site) => site.dead);
    }"""
    model = keras_net("plain", "conv_act", "stride", "relu", "all")
    put(model, start)
    rows = zoo.probes.activation_stats(model, digits("unseen")[0])
    assert bare.evaluate(dead, "relu") == [row["dead_units"] for row in rows]
    assert rows[0]["dead_units"] == 3
    assert bare.evaluate(dead, "leaky_relu") == [0, 0, 0, 0]


@pytest.mark.parametrize(("kind", "key"), [("plain", "conv_norm_act|stride"), ("residual", "original|None")])
def test_the_first_weights_are_drawn_as_kerass(bare, kind, key):
    """Mean, spread and largest value of many draws; the same for the same seed."""
    start = """([kind, key, seeds]) => seeds.map((seed) => {
        const { weights } = zooConv.start(zooTrainGraphs[kind][key], seed);
        return Object.fromEntries(Object.entries(weights).map(([name, z]) => [name, Array.from(z)]));
    })"""
    once, again = bare.evaluate(start, [kind, key, [7, 7]])
    assert once == again
    many = bare.evaluate(start, [kind, key, list(range(100, 160))])
    assert many[0] != once
    ordering, value = key.split("|")
    model = make_train_graphs.build(kind, ordering, None if value == "None" else value)
    for layer in model.layers:
        if not layer.weights:
            continue
        drawn = {w.path: np.array([net[w.path] for net in many]).ravel() for w in layer.trainable_weights}
        for w in layer.trainable_weights:
            if not w.path.endswith("/kernel"):
                assert set(drawn[w.path]) == set(keras.ops.convert_to_numpy(w))
                continue
            draw, count = layer.kernel_initializer, 60
            theirs = np.ravel([draw.clone()(w.shape) for _ in range(count)])
            assert abs(drawn[w.path].mean()) < 5 * theirs.std() / np.sqrt(theirs.size)
            # Two estimates of one spread, each with a relative error of about 1 / sqrt(2 n).
            assert drawn[w.path].std() == pytest.approx(theirs.std(), rel=6 / np.sqrt(theirs.size))
            if getattr(draw, "distribution", "") != "untruncated_normal":
                assert np.abs(drawn[w.path]).max() == pytest.approx(np.abs(theirs).max(), rel=0.05)


LOSSES = """([kind, key, activated, steps]) => {
    const net = zooConv.start(zooTrainGraphs[kind][key], 1), data = zooDense.images(zooDigits.learned);
    return Array.from({ length: steps }, (_, s) => zooConv.stepOf(net, { activation: "relu", activated }, data, 0.1, 1, 0, s));
}"""


def test_three_plain_orderings_are_one_net_with_strides_and_two_with_max_pooling(bare):
    names = ("conv_norm_act", "act_conv_norm", "norm_act_conv", "conv_act_norm")
    curves = {n: bare.evaluate(LOSSES, ["plain", f"{n}|stride", "all", 8]) for n in names}
    assert curves["conv_norm_act"] == curves["act_conv_norm"] == curves["norm_act_conv"]
    assert curves["conv_norm_act"] != curves["conv_act_norm"]
    pooled = {n: bare.evaluate(LOSSES, ["plain", f"{n}|max_pool", "all", 8]) for n in names}
    assert pooled["conv_norm_act"] != pooled["norm_act_conv"]
    # Max-pooling and ReLU commute: where the pooling stands shows only if a normalisation stands between.
    close(pooled["conv_norm_act"], pooled["act_conv_norm"])


def test_two_residual_orderings_are_one_net_without_normalisation(bare):
    names = ("relu_only_pre_activation", "full_pre_activation", "original")
    first, second, third = (bare.evaluate(LOSSES, ["residual", f"{n}|None", "all", 8]) for n in names)
    assert first == second != third


@pytest.mark.parametrize(
    ("kind", "key", "linear"),
    [
        ("plain", "conv_norm_act|stride", True),
        ("plain", "conv_norm_act|max_pool", False),
        ("residual", "original|batch", True),
    ],
)
def test_without_activations_all_layers_are_one_matrix_unless_they_pool(bare, kind, key, linear):
    difference = bare.evaluate(
        """([kind, key]) => {
            const net = zooConv.start(zooTrainGraphs[kind][key], 1), [a, b] = zooDense.images(zooDigits.unseen).points;
            const of = (point) => zooConv.run(net, { activation: "relu", activated: "none" }, [point]).logits[0];
            const zero = of(a.map(() => 0)), sum = of(a.map((z, i) => z + b[i])), [fa, fb] = [a, b].map(of);
            return Math.max(...sum.map((z, u) => Math.abs(z + zero[u] - fa[u] - fb[u])));
        }""",
        [kind, key],
    )
    assert (difference < 1e-10) is linear
    assert linear or difference > 0.01


def test_what_is_unknown_is_refused_with_what_is_known(bare):
    for choice, words in (
        ({"activation": "relo", "activated": "all"}, "unknown activation relo; known: relu"),
        (
            {"activation": "relu", "activated": "most"},
            "unknown activated most; known: none, first, last, all",
        ),
    ):
        with pytest.raises(Exception, match=words):
            bare.evaluate(
                "(choice) => zooConv.functions(zooTrainGraphs.plain['conv_act|stride'], choice)", choice
            )


# --- what is committed


def test_the_graphs_are_those_of_the_library():
    for path, content in make_train_graphs.made().items():
        assert path.read_text() == content, f"run scripts/make_train_graphs.py; {path.name} differs"


def test_the_page_offers_what_the_library_and_the_table_of_inks_have(bare):
    assert set(CHOICES["activated"]) == set(bare.evaluate("Object.keys(zooConv.ACTIVATED)"))
    for kind, net in CHOICES["nets"].items():
        assert net["words"] == {name: str(row) for name, row in zoo.orderings(kind).items()}
        assert len(GRAPHS[kind]) == len(net["words"]) * len(net["values"])


def test_what_the_page_says_of_its_runs_is_in_the_table():
    """The sentences under the panel, as numbers."""
    lines = make_try.CONVOLUTIONS_TABLE.read_text().splitlines()[2:]
    rows = dict(
        zip(make_try.CONVOLUTIONS_RUNS, ([c.strip() for c in line.split("|")] for line in lines), strict=True)
    )
    loss, right = ({run: float(row[at].split()[0]) for run, row in rows.items()} for at in (5, 6))
    sigmoid = {run[1]: run for run in rows if run[4] == "sigmoid"}
    assert right[sigmoid["conv_act"]] == 10 and loss[sigmoid["conv_act"]] > 2.2
    assert min(sigmoid, key=lambda ordering: loss[sigmoid[ordering]]) == "conv_act_norm"
    assert 40 < right[sigmoid["conv_norm_act"]] < 80 < 90 < right[sigmoid["norm_act_conv"]]
    (none,) = (run for run in rows if run[3] == "none")
    assert 90 < right[none] <= 95
    with_norm, without = (run for run in rows if run[0] == "residual")
    assert right[with_norm] > 90 and right[without] == 10
    dead, channels = map(int, rows[without][7].split(" of "))
    assert dead > channels / 2


@pytest.mark.parametrize(
    ("ordering", "seed"),
    [
        ("conv_act", 2),
        *(pytest.param(*run, marks=pytest.mark.deep) for run in (("conv_act", 3), ("conv_norm_act", 1))),
    ],
)
def test_what_dies_with_one_seed_learns_with_others_and_with_normalisation(bare, ordering, seed):
    choice = ["plain", ordering, "max_pool", "all", "relu", 0.3, seed, make_try.CONVOLUTIONS_EPOCHS]
    assert bare.evaluate(make_try.RUN_CONVOLUTIONS, choice)["accuracy"] > 0.5


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(run, marks=[pytest.mark.deep] if place else [], id="-".join(map(str, run)))
        for place, run in enumerate(make_try.CONVOLUTIONS_RUNS)
    ],
)
def test_the_table_without_scripts_is_what_the_page_computes(bare, run):
    lines = make_try.CONVOLUTIONS_TABLE.read_text().splitlines()[2:]
    assert len(lines) == len(make_try.CONVOLUTIONS_RUNS)
    line = lines[make_try.CONVOLUTIONS_RUNS.index(run)]
    assert make_try.convolutions_row(bare, run) == line, "run scripts/make_try.py"
