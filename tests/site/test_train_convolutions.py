"""The convolutional nets that learn in the page: their numbers against Keras, and what the reader can do with them."""

import json
import sys

import keras
import numpy as np
import pytest

import zoo
from zoo.site.place import DOCS

sys.path.insert(0, str(DOCS.parent / "scripts"))
import make_train_graphs

CONTENT = json.loads(
    make_train_graphs.OUTPUT.read_text()
    .removeprefix(make_train_graphs.HEAD)
    .removesuffix(make_train_graphs.TAIL)
)
NETS = CONTENT["nets"]
#: Every graph of the page, as kind, ordering and value of the kind's option.
GRAPHS = [
    (kind, *key.split("|"))
    for kind, net in NETS.items()
    for key, graph in net["graphs"].items()
    if not isinstance(graph, str)
]
FUNCTIONS = ("relu", "leaky_relu", "tanh", "sigmoid")
# Each graph with ReLU; each function and each choice of activations with one graph of each kind.
CASES = [
    *((*graph, "relu", "all") for graph in GRAPHS),
    *((*GRAPHS[2], function, "all") for function in FUNCTIONS[1:]),
    *((*graph, "relu", which) for graph in (GRAPHS[4], GRAPHS[-3]) for which in ("none", "first", "last")),
]
BATCH = 20
# The net of the page; its biases, shifts and factors are moved off what they begin with, or their part would go untested.
START = """([kind, key, seed]) => {
    const net = zooConv.start(zooTrainGraphs.nets[kind].graphs[key], seed);
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
    for name in ("dense-net.js", "conv-net.js", "digits-data.js", "train-graphs.js"):
        page.add_script_tag(path=DOCS / "javascripts" / name)
    yield page
    page.close()


@pytest.fixture
def double():
    """Keras in double precision, as the page counts."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


def digits(part):
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    places = np.arange(len(images)) % 5
    learned = {"learned": places != 4, "unseen": places == 4}[part]
    return images[learned].reshape(-1, 8, 8, 1) / 16, labels[learned]


def keras_net(kind, ordering, value, activation, activated):
    """The same net as the library builds it, with the function at those of its activations."""
    model = make_train_graphs.build(kind, ordering, None if value == "None" else value, activation=activation)
    sites = [layer for layer in model.layers if isinstance(layer, keras.layers.Activation)]
    kept = {"none": [], "first": sites[:1], "last": sites[-1:], "all": sites}[activated]
    for layer in sites:
        if layer not in kept:
            layer.activation = keras.activations.linear
    return model


def named(model, values=None):
    """The weights by the names that the page gives them, flat."""
    return {
        w.path: np.ravel(value if values is not None else keras.ops.convert_to_numpy(w))
        for w, value in zip(model.weights, values or model.weights, strict=True)
    }


def put(model, weights):
    for w in model.weights:
        w.assign(np.reshape(weights[w.path], w.shape))


def compiled(model, rate):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss, jit_compile=False, run_eagerly=True)
    return model


def close(received, expected, atol):
    assert set(received) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(received[name], value, atol=atol, rtol=0, err_msg=name)


@pytest.mark.parametrize(("kind", "ordering", "value", "activation", "activated"), CASES)
def test_loss_gradients_and_steps_equal_keras(bare, double, kind, ordering, value, activation, activated):
    start = bare.evaluate(START, [kind, f"{ordering}|{value}", 5])
    seen = bare.evaluate(LEARN, [activation, activated, 0.1, 3, 6])
    x, y = digits("learned")
    batches = np.reshape(seen["places"][: 6 * BATCH], (6, BATCH))
    model = keras_net(kind, ordering, value, activation, activated)
    put(model, start)
    logits = keras.ops.convert_to_numpy(model(x[batches[0]], training=True))
    # A step at rate 1 is the gradient.
    put(compiled(model, 1.0), start)
    loss = float(model.train_on_batch(x[batches[0]], y[batches[0]]))
    gradients = {w.path: np.ravel(start[w.path] - np.ravel(w)) for w in model.trainable_weights}
    print("LOGITS", np.abs(np.array(seen["logits"])-logits).max(), seen["loss"]-loss)
    print("GRAD", max(np.abs(np.array(seen["slopes"][n])-g).max() for n,g in gradients.items()), max(np.abs(g).max() for g in gradients.values()))
    put(compiled(model, 0.1), start)
    losses = [float(model.train_on_batch(x[b], y[b])) for b in batches]
    print("LOSSES", np.abs(np.array(losses)-seen["losses"]).max(), losses)
    print("WEIGHTS", max(np.abs(np.array(seen["weights"][w.path])-np.ravel(w)).max() for w in model.weights))
    xu, yu = digits("unseen"); xu,yu=xu[:200],yu[:200]
    if activated!="none": rows = zoo.probes.activation_stats(model, xu)
    print([(r["site"],r["zero_fraction"],r["dead_units"],r["units"]) for r in rows][:3], seen["judged"])
