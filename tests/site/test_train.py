"""The net that trains in the page: its numbers against Keras, and what the reader can do with it."""

import sys

import keras
import numpy as np
import pytest

from zoo.site.place import DOCS

sys.path.insert(0, str(DOCS.parent / "scripts"))
import make_try

NARROW = {"width": 390, "height": 844}
FUNCTIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "linear")
CHOICES = [
    ("none", "relu"),
    ("second", "relu"),
    *((place, function) for place in ("first", "both") for function in FUNCTIONS),
]
# A net of the page as plain lists; its first biases are moved off zero, or their part would go untested.
START = """([seed, sizes]) => {
    const net = zooDense.start(seed, sizes);
    net.forEach((layer) => layer.bias.forEach((_, u) => { layer.bias[u] = 0.1 * Math.sin(u + 1); }));
    globalThis.testNet = net;
    return net.map((l) => ({ shape: [l.inputs, l.units], kernel: Array.from(l.kernel), bias: Array.from(l.bias) }));
}"""
GRADIENT = """([placement, activation, points, labels]) => {
    const choice = { placement, activation };
    const { loss, slopes } = zooDense.gradient(testNet, choice, points, labels);
    const functions = zooDense.activations(choice);
    return {
        loss, logits: points.map((p) => Array.from(zooDense.forward(testNet, functions, p).logits)),
        slopes: slopes.flatMap((l) => [Array.from(l.kernel), Array.from(l.bias)]),
    };
}"""
STEPS = """([placement, activation, points, labels, rate, steps]) => {
    for (let s = 0; s < steps; s += 1) zooDense.step(testNet, { placement, activation }, points, labels, rate);
    return testNet.flatMap((l) => [Array.from(l.kernel), Array.from(l.bias)]);
}"""


def slowed(page):
    """From now on, half a second between two pictures of a training: time for a reader to press a button."""
    page.evaluate(
        "() => { const real = setTimeout; globalThis.testBreak = 500; "
        "globalThis.setTimeout = (f, ms, ...all) => real(f, ms && testBreak, ...all); }"
    )


@pytest.fixture
def train(visit):
    page = visit("try/train.html")
    page.wait_for_selector("#train.zoo-try-live")
    return page


def keras_net(start, placement, activation, rate):
    """The same net in Keras, in double precision, with the weights of the page."""
    used = {
        "none": (False, False),
        "first": (True, False),
        "second": (False, True),
        "both": (True, True),
    }[placement]
    names = [activation if on else "linear" for on in used] + ["linear"]
    layers = [
        keras.layers.Dense(layer["shape"][1], activation=name, dtype="float64")
        for layer, name in zip(start, names, strict=True)
    ]
    inputs = keras.Input((start[0]["shape"][0],), dtype="float64")
    model = keras.Sequential([inputs, *layers])
    model.set_weights(
        [
            value
            for layer in start
            for value in (np.reshape(layer["kernel"], layer["shape"]), np.array(layer["bias"]))
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")
    model.compile(keras.optimizers.SGD(rate), loss, jit_compile=False, run_eagerly=True)
    return model


def points_of(page, name, count):
    data = page.evaluate("([name, seed]) => zooDense.dataSet(name, seed)", [name, 3])
    return data["points"][:count], data["labels"][:count]


@pytest.mark.parametrize(("placement", "activation"), CHOICES)
def test_loss_gradients_and_steps_equal_keras(train, placement, activation):
    start = train.evaluate(START, [5, [2, 16, 16, 2]])
    points, labels = points_of(train, "spiral", 20)
    x, y = np.array(points), np.array(labels)
    # A step at rate 1 is the gradient.
    model = keras_net(start, placement, activation, 1.0)
    before = model.get_weights()
    logits = keras.ops.convert_to_numpy(model(x))
    loss = float(model.train_on_batch(x, y))
    gradients = [(old - new).ravel() for old, new in zip(before, model.get_weights(), strict=True)]
    seen = train.evaluate(GRADIENT, [placement, activation, points, labels])
    np.testing.assert_allclose(seen["logits"], logits, atol=1e-9, rtol=0)
    assert seen["loss"] == pytest.approx(loss, abs=1e-5)
    assert max(np.abs(g).max() for g in gradients) > 0.01
    for received, expected in zip(seen["slopes"], gradients, strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-6, rtol=0)
    model = keras_net(start, placement, activation, 0.3)
    for _ in range(20):
        model.train_on_batch(x, y)
    received = train.evaluate(STEPS, [placement, activation, points, labels, 0.3, 20])
    for one, other in zip(received, model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other.ravel(), atol=1e-5, rtol=0)


# Steps of the page's own epoch; it returns the digits of each batch and the loss before each step.
DIGIT_STEPS = """([placement, activation, steps]) => {
    const data = zooDense.images(zooDigits.learned), choice = { placement, activation }, seed = 3;
    const places = zooDense.order(seed, 0, data.points.length), batches = [], losses = [];
    for (let s = 0; s < steps; s += 1) {
        const batch = places.slice(s * zooDense.BATCH, (s + 1) * zooDense.BATCH), take = (values) => batch.map((p) => values[p]);
        losses.push(zooDense.gradient(testNet, choice, take(data.points), take(data.labels)).loss);
        batches.push([take(data.points).map((p) => Array.from(p)), take(data.labels)]);
        zooDense.epoch(testNet, choice, data, 0.3, seed, 0, s, s + 1);
    }
    return { batches, losses };
}"""


@pytest.fixture
def digits(train):
    train.select_option("#train-set", "digits")
    train.wait_for_function("document.querySelector('#train-now').textContent.includes('new digits')")
    return train


@pytest.mark.parametrize(
    ("placement", "activation"), [("none", "relu"), ("second", "tanh"), ("both", "relu")]
)
def test_digits_are_learned_as_keras_learns_them(digits, placement, activation):
    """The same first weights and the same batches give the same losses, step by step."""
    start = digits.evaluate(START, [5, list(make_try.LAYERS)])
    model = keras_net(start, placement, activation, 0.3)
    seen = digits.evaluate(DIGIT_STEPS, [placement, activation, 20])
    losses = [float(model.train_on_batch(np.array(x), np.array(y))) for x, y in seen["batches"]]
    assert losses[0] > 2 and min(losses) < 1.9
    np.testing.assert_allclose(seen["losses"], losses, atol=1e-5, rtol=0)


def test_the_digits_are_those_of_scikit_learn(digits):
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    fifth = np.arange(len(images)) % 5 == 4
    kept, count = [], [0] * 10
    for place in np.flatnonzero(fifth):
        if count[labels[place]] < 20:
            kept.append(place)
            count[labels[place]] += 1
    assert count == [20] * 10  # one answer for all is right about one in ten, where the page draws guessing
    for part, places in (("learned", np.flatnonzero(~fifth)[:600]), ("unseen", kept)):
        seen = digits.evaluate(
            f"(({{ points, labels }}) => ({{ points: points.map((p) => Array.from(p)), labels }}))(zooDense.images(zooDigits.{part}))"
        )
        np.testing.assert_array_equal(seen["points"], images[places] / 16)
        assert seen["labels"] == labels[places].tolist()


def test_digits_are_fetched_when_they_are_chosen_and_learned(train):
    fetched = []
    train.on("request", lambda request: fetched.append(request.url.rpartition("/")[2]))
    train.select_option("#train-set", "moons")
    assert fetched == []
    train.focus("#train-set")
    train.keyboard.press("End")
    train.wait_for_function("document.querySelector('#train-now').textContent.includes('new digits')")
    assert fetched == ["digits-data.js"]
    train.select_option("#train-rate", "0.1")
    plane = "document.querySelector('#train-plane').toDataURL()"
    before = train.evaluate(plane)
    train.click("#train-epoch")
    assert float(train.get_attribute("#train-now", "data-accuracy")) > 0.6
    assert train.evaluate(plane) != before
    assert "Forty new digits" in train.get_attribute("#train-plane", "aria-label")
    # A rate that kills, as the page says.
    train.select_option("#train-placement", "both")
    train.select_option("#train-rate", "1")
    train.click("#train-go")
    line = finished(train)
    assert line["epoch"] == make_try.DIGIT_EPOCHS and line["accuracy"] < 0.2
    assert min(map(int, train.get_attribute("#train-now", "data-dead").split())) > 25
    # A plane again: its own layers, its own axis.
    train.select_option("#train-set", "spiral")
    assert "of 16" in train.inner_text("#train-now") and "300 epochs" in train.text_content(".zoo-train-loss")


def test_a_run_that_is_stopped_by_a_choice_is_told_with_the_settings_it_had(train):
    train.click("#train-go")
    train.wait_for_function("Number(document.querySelector('#train-now').dataset.epoch) > 0")
    train.select_option("#train-set", "moons")
    told = train.locator("#train-runs tbody tr").first.inner_text()
    assert "two spirals" in told and "none" in told


@pytest.mark.parametrize("name", ["spiral", "circles", "moons"])
def test_the_points_depend_on_the_seed_alone(train, name):
    draw = "([name, seed]) => zooDense.dataSet(name, seed)"
    first, again, other = (train.evaluate(draw, [name, seed]) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first["points"]) == 200 and sum(first["labels"]) == 100
    every = [train.evaluate(draw, [name, seed])["points"] for seed in range(1, 11)]
    assert np.abs(every).max() < 1.65  # what the plane shows


def test_each_epoch_reads_every_point_once_in_an_order_of_its_own(train):
    orders = [train.evaluate("(epoch) => zooDense.order(1, epoch)", epoch) for epoch in (0, 1)]
    assert orders[0] != orders[1]
    assert [sorted(order) for order in orders] == [list(range(200))] * 2


def test_dead_units_are_those_without_a_slope_at_any_point(train):
    """Biases of -100 kill: three units of layer 1, and leaky ReLU saves them."""
    count = """(activation) => {
        const net = zooDense.start(1);
        [2, 5, 11].forEach((u) => { net[0].bias[u] = -100; });
        return zooDense.judge(net, { placement: "first", activation }, zooDense.dataSet("moons", 1)).dead;
    }"""
    alive = train.evaluate(
        "zooDense.judge(zooDense.start(1), {placement: 'first', activation: 'relu'}, zooDense.dataSet('moons', 1)).dead"
    )
    assert train.evaluate(count, "relu") == [alive[0] + 3, 0]
    assert train.evaluate(count, "leaky_relu") == [0, 0]


def printed(page, canvas):
    """Which picture a canvas has on a light page, on a dark one, on paper printed from it, and after that."""
    picture = f"document.querySelector('{canvas}').toDataURL()"
    scheme = "(name) => document.body.setAttribute('data-md-color-scheme', name)"
    seen = []
    for name in ("default", "slate"):
        page.evaluate(scheme, name)
        seen.append(page.evaluate(picture))
    assert seen[0] != seen[1]
    page.evaluate(f"() => addEventListener('beforeprint', () => {{ globalThis.testPaper = {picture}; }})")
    page.pdf()
    seen += [page.evaluate("testPaper"), page.evaluate(picture)]
    return [{seen[0]: "light", seen[1]: "dark"}.get(one, "another") for one in seen]


def finished(page):
    page.wait_for_function("document.querySelector('#train-go').textContent === 'Train'", timeout=60_000)
    return {
        key: float(page.get_attribute("#train-now", f"data-{key}")) for key in ("epoch", "loss", "accuracy")
    }


def test_without_an_activation_the_spiral_stays_and_with_one_it_is_learned(train):
    train.click("#train-go")
    line = finished(train)
    assert line["epoch"] == 300 and line["accuracy"] < 0.7 and line["loss"] > 0.6
    assert "one straight line" in train.inner_text("#train-verdict")
    train.select_option("#train-placement", "first")
    train.click("#train-go")
    assert finished(train)["accuracy"] > 0.99
    assert train.locator("#train-runs tbody tr").count() == 2
    assert "ReLU after layer 1" in train.locator("#train-runs tbody tr").first.inner_text()


def test_what_the_page_tells_to_try_happens(train):
    """Sigmoid on the ring at two rates; a rate that kills."""
    accuracies = {}
    train.select_option("#train-set", "circles")
    train.select_option("#train-placement", "both")
    train.select_option("#train-activation", "sigmoid")
    for rate in ("0.1", "1"):
        train.select_option("#train-rate", rate)
        train.click("#train-go")
        accuracies[rate] = finished(train)["accuracy"]
    assert accuracies["0.1"] < 0.6 and accuracies["1"] > 0.99
    train.select_option("#train-rate", "3")
    train.select_option("#train-set", "spiral")
    train.select_option("#train-activation", "relu")
    train.click("#train-go")
    assert finished(train)["accuracy"] == 0.5
    assert train.get_attribute("#train-now", "data-dead").endswith(" 16")
    train.select_option("#train-activation", "leaky_relu")
    train.click("#train-go")
    assert not finished(train)["accuracy"] > 0.9
    assert train.get_attribute("#train-now", "data-dead") == "0 0"


def test_too_large_a_rate_is_called_diverged(train):
    train.select_option("#train-rate", "3")
    train.click("#train-go")
    train.wait_for_function("document.querySelector('#train-verdict').textContent.includes('diverged')")
    assert "no longer a number" in train.inner_text("#train-now")
    assert "diverged" in train.inner_text("#train-runs")


def test_it_is_operated_by_keyboard(train):
    train.focus("#train-placement")
    train.keyboard.press("ArrowDown")
    assert train.input_value("#train-placement") == "first"
    train.focus("#train-step")
    plane = "document.querySelector('#train-plane').toDataURL()"
    before = train.evaluate(plane)
    train.keyboard.press("Enter")
    assert "step 1" in train.inner_text("#train-now")
    assert train.evaluate(plane) != before
    train.focus("#train-epoch")
    train.keyboard.press("Space")
    assert train.get_attribute("#train-now", "data-epoch") == "1"
    slowed(train)
    train.focus("#train-go")
    train.keyboard.press("Enter")
    assert train.inner_text("#train-go") == "Pause"
    train.keyboard.press("Enter")
    assert train.inner_text("#train-go") == "Train"
    assert 1 <= int(train.get_attribute("#train-now", "data-epoch")) < 300
    train.focus("#train-reset")
    train.keyboard.press("Enter")
    assert train.get_attribute("#train-now", "data-epoch") == "0"


def test_single_steps_and_an_epoch_are_the_same_training(train):
    train.select_option("#train-placement", "both")
    for _ in range(10):
        train.click("#train-step")
    by_steps = train.get_attribute("#train-now", "data-loss")
    train.click("#train-reset")
    train.click("#train-epoch")
    assert train.get_attribute("#train-now", "data-loss") == by_steps


@pytest.mark.parametrize(("choices", "most"), [({"placement": "first"}, 300), ({"rate": "3"}, None)])
def test_the_curve_ends_where_its_axis_does(train, choices, most):
    """At the end, and where the loss is no number any more, the buttons that would go further say so and do nothing."""
    train.emulate_media(reduced_motion="reduce")  # fewer pictures: it takes less time
    for name, value in choices.items():
        train.select_option(f"#train-{name}", value)
    further = [train.locator(f"#train-{name}") for name in ("step", "epoch")]
    assert [it.get_attribute("aria-disabled") for it in further] == ["false", "false"]
    train.click("#train-go")
    before = finished(train)
    assert most in (None, before["epoch"])
    assert [it.get_attribute("aria-disabled") for it in further] == ["true", "true"]
    assert train.evaluate("getComputedStyle(document.querySelector('#train-epoch')).opacity") == "0.5"
    for it in further:
        it.focus()
        for _ in range(5):
            train.keyboard.press("Enter")
        assert it.evaluate("it => it === document.activeElement")
    assert train.get_attribute("#train-now", "data-epoch") == f"{before['epoch']:.0f}"
    end = "(({ x, width }) => x + width)(document.querySelector('.zoo-train-loss .net').getBBox())"
    assert train.evaluate(end) < 300.1
    train.click("#train-reset")
    assert [it.get_attribute("aria-disabled") for it in further] == ["false", "false"]


def test_what_is_told_counts_epochs_steps_and_dead_units(train):
    told = []
    for placement in ("none", "first"):
        train.select_option("#train-placement", placement)
        for press in ("step", "step", "epoch", "step", "epoch"):
            train.click(f"#train-{press}")
            told.append(train.inner_text("#train-verdict").partition(" right after ")[2].partition(".")[0])
    assert told == ["1 step", "2 steps", "1 epoch", "1 epoch and 1 step", "2 epochs"] * 2
    # A unit of tanh whose slope is zero is not zero itself.
    train.evaluate("""() => {
        const { judge } = zooDense;
        globalThis.testDead = [0, 0];
        zooDense.judge = (...all) => ({ ...judge(...all), dead: testDead });
    }""")
    train.select_option("#train-activation", "tanh")
    for dead, words in (
        ([0, 0], "No unit is dead."),
        ([1, 0], "1 of 32 units is dead: its slope is zero at every point."),
        ([2, 1], "3 of 32 units are dead: their slope is zero at every point."),
    ):
        train.evaluate("(dead) => { testDead = dead; }", dead)
        train.click("#train-step")
        assert train.inner_text("#train-verdict").endswith(words)


@pytest.mark.parametrize("data", ["spiral", "digits"])
def test_on_paper_the_pictures_have_the_inks_of_light_pages(train, data):
    train.select_option("#train-set", data)
    if data == "digits":
        train.wait_for_function("document.querySelector('#train-now').textContent.includes('new digits')")
    assert printed(train, "#train-plane") == ["light", "dark", "light", "dark"]


def in_view(page, selector):
    box, height = page.locator(selector).bounding_box(), page.viewport_size["height"]
    return box["y"] >= 0 and box["y"] + box["height"] <= height


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_answer_is_on_the_screen_of_a_phone_when_train_is_tapped(browser, address, motion):
    context = browser.new_context(viewport=NARROW, has_touch=True, is_mobile=True, reduced_motion=motion)
    page = context.new_page()
    page.goto(f"{address}/try/train.html")
    page.select_option("#train-placement", "first")
    page.locator("#train-go").scroll_into_view_if_needed()
    page.tap("#train-go")
    assert finished(page)["accuracy"] > 0.99
    for part in ("#train-go", "#train-plane", "#train-now"):
        assert in_view(page, part), part
    context.close()


def test_what_stands_there_without_scripts_is_a_run_of_the_page(browser):
    page = browser.new_page()
    for name in make_try.SCRIPTS:
        page.add_script_tag(path=DOCS / "javascripts" / name)
    for path, content in make_try.made(page).items():
        assert path.read_text() == content, f"run scripts/make_try.py; {path.name} differs"
    page.close()
