"""The things to try, driven by mouse and by keyboard; their numbers against Keras and NumPy."""

import json
import sys

import keras
import numpy as np
import pytest

from zoo.site.place import DOCS

sys.path.insert(0, str(DOCS.parent / "scripts"))
import make_depth
import make_lab

PAGES = ["placement-lab", "collapse", "depth-slider", "train", "train-convolutions", "spiral", "surgeon"]
NARROW = {"width": 360, "height": 740}
CONTENT = make_lab.read()
# The graph that each set of weights was trained in, and how the page runs it.
RUNS = {
    key: (
        f"{net}|{ordering}|" + ("" if net == "residual" else pooling.partition(" ")[2] or "act_pool"),
        {"activation": activation, "pooling": "average" if pooling.startswith("average") else "max"},
    )
    for key in CONTENT["weights"]
    for net, ordering, pooling, activation in [key.split("|")]
}
IN_THE_PAGE = """([graph, key, settings]) => {
    const ops = zooLabData.graphs[graph], weights = zooNet.decode(zooLabData.weights[key]);
    const logits = (image) => zooNet.run(ops, weights, zooNet.pixels(image.pixels), settings).at(-1).data;
    return zooLabData.images.map((image) => Array.from(logits(image)));
}"""


@pytest.fixture
def lab(visit):
    page = visit("try/placement-lab.html")
    page.wait_for_selector("#placement-lab.zoo-try-live")
    return page


def logits(page):
    return [
        float(cell.get_attribute("data-logit")) for cell in page.locator("#lab-scores [data-logit]").all()
    ]


# --- placement lab: the numbers


def test_logits_equal_keras_for_every_trained_placement(lab):
    """What the page computes in double precision is what Keras computes in single precision."""
    images = make_lab.images(CONTENT)
    for key, (graph, settings) in RUNS.items():
        expected = keras.ops.convert_to_numpy(make_lab.load(key, CONTENT)(images))
        received = np.array(lab.evaluate(IN_THE_PAGE, [graph, key, settings]))
        assert received.shape == (10, 10) and np.ptp(expected) > 1
        np.testing.assert_allclose(received, expected, atol=1e-5, rtol=0, err_msg=key)


@pytest.mark.parametrize("activation", ["leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softsign"])
def test_logits_equal_keras_for_every_activation(lab, activation):
    key, graph = "plain|conv_norm_act|max|relu", "plain|conv_norm_act|act_pool"
    name, options = make_lab.TRAINED[key]
    model = make_lab.build((name, options | {"activation": activation}))
    model.set_weights(make_lab.load(key, CONTENT).get_weights())
    expected = keras.ops.convert_to_numpy(model(make_lab.images(CONTENT)))
    received = lab.evaluate(IN_THE_PAGE, [graph, key, {"activation": activation, "pooling": "max"}])
    np.testing.assert_allclose(received, expected, atol=2e-5, rtol=0)  # selu and softsign round more


def by_hand(ops, weights, image, activation):
    """The plain net with max-pooling, slowly and in double precision."""
    x = image.astype("float64")
    for op in ops:
        tensor = {
            name: value
            for path, value in weights.items()
            for name in [path.rpartition("/")[2]]
            if path == f"{op['name']}/{name}"
        }
        if op["op"] == "conv":
            padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
            kernel = tensor["kernel"]
            x = sum(
                padded[i : i + x.shape[0], j : j + x.shape[1]] @ kernel[i, j]
                for i in range(3)
                for j in range(3)
            ) + tensor.get("bias", 0)
        elif op["op"] == "norm":
            scale = tensor["gamma"] / np.sqrt(tensor["moving_variance"] + op["epsilon"])
            x = (x - tensor["moving_mean"]) * scale + tensor["beta"]
        elif op["op"] == "act":
            x = activation(x)
        elif op["op"] == "pool":
            x = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max(axis=(1, 3))
        elif op["op"] == "dense":
            x = x.reshape(-1) @ tensor["kernel"] + tensor["bias"]
    return x


@pytest.mark.parametrize("ordering", make_lab.PLAIN)
def test_logits_equal_a_slow_implementation_in_double_precision(lab, ordering):
    key, graph = f"plain|{ordering}|max|relu", f"plain|{ordering}|act_pool"
    model = make_lab.load(key, CONTENT)
    weights = {w.path: keras.ops.convert_to_numpy(w).astype("float64") for w in model.weights}
    image = make_lab.images(CONTENT)[3]
    pixels = (
        np.frombuffer(np.round(image * 255).astype(np.uint8).tobytes(), np.uint8).reshape(28, 28, 1) / 255
    )
    expected = by_hand(CONTENT["graphs"][graph], weights, pixels, lambda z: np.maximum(z, 0))
    received = lab.evaluate(IN_THE_PAGE, [graph, key, {"activation": "relu", "pooling": "max"}])[3]
    np.testing.assert_allclose(received, expected, atol=1e-10, rtol=0)


def test_the_graphs_of_the_page_are_those_of_build():
    for key, recipe in make_lab.GRAPHS.items():
        assert (
            json.loads(json.dumps(make_lab.operations(make_lab.build(recipe)))) == CONTENT["graphs"][key]
        ), key


def test_the_table_without_scripts_is_that_of_the_weights():
    assert make_lab.TABLE.read_text() == make_lab.table(CONTENT)


def test_the_weights_were_trained():
    for key, stored in CONTENT["weights"].items():
        assert stored["accuracy"] > 0.7, key


# --- placement lab: what the reader does


def test_max_pooling_and_relu_commute_to_the_bit_and_silu_does_not(lab):
    before = logits(lab)
    lab.select_option("#lab-order", "pool_act")
    assert logits(lab) == before
    assert lab.inner_text("#lab-change").startswith("0, equal to the bit")
    lab.select_option("#lab-function", "silu")
    before = logits(lab)
    lab.select_option("#lab-order", "act_pool")
    assert max(abs(a - b) for a, b in zip(logits(lab), before, strict=True)) > 1e-3


def test_moving_the_activation_changes_maps_zeros_and_scores(lab):
    zeros = "#lab-maps [data-name=stage1_conv1_act]"
    assert 0.05 < float(lab.get_attribute(zeros, "data-zeros")) < 0.95
    before, maps = logits(lab), lab.locator("#lab-maps canvas").count()
    lab.select_option(
        "#lab-placement", "conv_act"
    )  # without normalisation there is one step less at each site
    assert lab.locator("#lab-maps canvas").count() == maps - 4
    assert logits(lab) != before
    lab.select_option("#lab-function", "linear")
    assert float(lab.get_attribute(zeros, "data-zeros")) < 0.01
    lab.select_option("#lab-function", "relu")
    lab.select_option("#lab-net", "residual")
    assert lab.locator("#lab-maps [data-name=stage1_unit1_add]").count() == 1
    assert lab.locator("#lab-maps [data-name=stage1_unit1_add_act]").count() == 1
    lab.select_option("#lab-placement", "relu_before_addition")
    assert lab.locator("#lab-maps [data-name=stage1_unit1_add_act]").count() == 0


def test_weights_that_do_not_fit_are_refused_with_the_reason(lab):
    lab.select_option("#lab-weights", "kept")
    lab.select_option("#lab-placement", "conv_act_norm")
    assert lab.input_value("#lab-weights") == "kept"
    lab.select_option("#lab-placement", "norm_act_conv")
    assert lab.input_value("#lab-weights") == "own"
    assert "cannot be kept here" in lab.inner_text("#lab-status")


def test_an_image_is_picked_and_drawn_by_mouse(lab):
    lab.click("[data-image='1']")
    assert lab.get_attribute("[data-image='1']", "aria-pressed") == "true"
    assert "Trouser" in lab.inner_text("#lab-status")
    lab.click("#lab-clear")
    empty = logits(lab)
    box = lab.locator("#lab-paper").bounding_box()
    lab.mouse.move(box["x"] + 30, box["y"] + 30)
    lab.mouse.down()
    lab.mouse.move(box["x"] + 120, box["y"] + 120, steps=10)
    lab.mouse.up()
    assert logits(lab) != empty
    assert "your drawing" in lab.inner_text("#lab-status")


def test_an_image_is_picked_and_drawn_by_keyboard(lab):
    lab.focus("[data-image='2']")
    lab.keyboard.press("Enter")
    assert lab.get_attribute("[data-image='2']", "aria-pressed") == "true"
    lab.focus("#lab-paper")
    lab.keyboard.press("c")
    empty = logits(lab)
    for key in ("ArrowRight", "Space", "ArrowDown", "Space"):
        lab.keyboard.press(key)
    drawn = logits(lab)
    assert drawn != empty
    lab.keyboard.press("e")
    assert lab.is_checked("#lab-eraser")
    for key in ("Space", "ArrowUp", "Space"):
        lab.keyboard.press(key)
    assert logits(lab) != drawn


def test_one_pixel_is_followed_through_every_kind_of_step(lab):
    """The sum shown next to the products is the value of the map; checked against our own dot product."""
    lab.locator("#lab-maps [data-name=stage1_conv1] canvas").focus()
    for key in ("ArrowUp", "ArrowLeft", "PageDown"):
        lab.keyboard.press(key)
    assert "map 2 of 4, row 12, column 14" in lab.inner_text("#lab-trace")
    key = "plain|conv_norm_act|max|relu"
    kernel = keras.ops.convert_to_numpy(make_lab.load(key, CONTENT).get_layer("stage1_conv1").kernel)
    window = make_lab.images(CONTENT)[9, 10:13, 12:15, 0]
    expected = float(np.sum(window * kernel[:, :, 0, 1]))
    shown = lab.inner_text("#lab-traced").replace("−", "-")
    assert float(shown) == pytest.approx(expected, abs=6e-4)
    seen = set()
    for site in lab.locator("#lab-maps > div").all():
        seen.add(site.get_attribute("data-kind"))
        site.locator("canvas").click()
        assert lab.inner_text("#lab-traced") == lab.inner_text("#lab-value")
    assert seen == {"input", "conv", "norm", "act", "pool"}
    lab.select_option("#lab-net", "residual")
    lab.locator("#lab-maps [data-name=stage3_unit1_add] canvas").click()
    assert lab.inner_text("#lab-traced") == lab.inner_text("#lab-value")


def painted(page, name):
    """Row and column of every pixel of a map's canvas that has the colour of the mark."""
    return page.evaluate(
        """(name) => {
        const canvas = document.querySelector(`#lab-maps [data-name=${name}] canvas`);
        const here = getComputedStyle(document.body).getPropertyValue("--zoo-here").match(/[0-9a-f]{2}/gi);
        const ink = here.map((part) => parseInt(part, 16)), w = canvas.width;
        const { data } = canvas.getContext("2d").getImageData(0, 0, w, canvas.height), found = [];
        for (let i = 0; i < data.length / 4; i += 1)
            if ([...ink, 255].every((z, j) => data[4 * i + j] === z)) found.push([Math.floor(i / w), i % w]);
        return found;
    }""",
        name,
    )


def follow(page, name, row, column):
    """Click one pixel of the first map."""
    canvas = page.locator(f"#lab-maps [data-name={name}] canvas")
    canvas.evaluate("it => it.scrollIntoView({ block: 'end', behavior: 'instant' })")
    box, width = canvas.bounding_box(), canvas.evaluate("it => it.width")
    canvas.click(
        position={axis: (z + 0.5) * box["width"] / width for axis, z in {"x": column, "y": row}.items()}
    )


@pytest.mark.parametrize(("row", "kept"), [(20, 14), (5, 6)])
def test_a_pixel_stays_followed_when_its_map_moves_and_shrinks(lab, row, kept):
    """Pooling first makes the map of the activation 14 by 14, and puts it where the pooling was."""
    act = "stage1_conv2_act"
    follow(lab, act, row, 7)
    assert lab.inner_text("#lab-trace").startswith(f"{act}, map 1 of 4, row {row + 1}, column 8: ")
    assert painted(lab, act) == [[row, 7]]
    maps = lab.locator("#lab-maps canvas").count()
    lab.select_option("#lab-order", "pool_act")
    assert lab.inner_text("#lab-trace").startswith(f"{act}, map 1 of 4, row {kept}, column 8: ")
    assert lab.inner_text("#lab-traced") == lab.inner_text("#lab-value")
    assert lab.locator("#lab-maps canvas").count() == maps
    assert painted(lab, act) == [[kept - 1, 7]] and painted(lab, "stage1_pool") == []


def test_a_pixel_of_a_map_that_is_gone_gives_way_to_the_first(lab):
    follow(lab, "stage2_conv2_norm", 6, 6)
    lab.select_option("#lab-placement", "conv_act")
    assert lab.inner_text("#lab-trace").startswith("stage1_conv1, map 1 of 4, row 13, column 15: ")
    lab.select_option("#lab-net", "residual")
    assert lab.inner_text("#lab-trace").startswith("stem_conv, map 1 of ")
    for name in (
        "relu_before_addition",
        "full_pre_activation",
    ):  # a map of the units, then on to the next net
        last = lab.locator("#lab-maps canvas").last
        last.focus()
        lab.keyboard.press("Enter")
        lab.select_option("#lab-placement", name)
        assert lab.inner_text("#lab-traced") == lab.inner_text("#lab-value")


def test_following_a_pixel_is_said_and_leaves_the_maps_in_place(lab):
    """What is read aloud is one element that stays, and so does the canvas that has the focus."""
    canvas = lab.locator("#lab-maps [data-name=stage1_conv1] canvas")
    said, canvases = lab.query_selector("#lab-pixel"), lab.query_selector_all("#lab-maps canvas")
    assert said.get_attribute("role") == "status"
    assert canvas.get_attribute("role") == lab.get_attribute("#lab-paper", "role") == "application"
    canvas.focus()
    lab.keyboard.press("ArrowDown")
    assert said.inner_text().startswith("stage1_conv1, map 1 of 4, row 14, column 15: ")
    lab.keyboard.press("PageDown")
    assert said.inner_text().startswith("stage1_conv1, map 2 of 4, row 14, column 15: ")
    assert painted(lab, "stage1_conv1") == [[13, 29 + 14]]
    lab.select_option("#lab-function", "tanh")
    lab.click("[data-image='1']")
    assert all(it.evaluate("it => it.isConnected") for it in (said, *canvases))
    assert (
        lab.inner_text("#lab-maps [data-name=stage1_conv1_act] p b >> nth=0").lower() == "activation (tanh)"
    )


def test_keys_with_a_modifier_are_the_browsers(lab):
    lab.focus("#lab-paper")
    lab.keyboard.press("Space")
    drawn = logits(lab)
    lab.evaluate("addEventListener('keydown', (event) => { globalThis.swallowed = event.defaultPrevented; })")
    for key in ("Control+c", "Meta+c", "Alt+e", "Control+ArrowLeft", "Control+Space"):
        lab.keyboard.press(key)
        assert not lab.evaluate("swallowed"), key
    assert logits(lab) == drawn and not lab.is_checked("#lab-eraser")
    assert lab.inner_text("#lab-pen") == ""
    lab.keyboard.press("ArrowLeft")
    assert lab.evaluate("swallowed") and lab.inner_text("#lab-pen") == "Pen: row 15, column 14, paints."
    lab.focus("#lab-maps [data-name=stage1_conv1] canvas")
    before = lab.inner_text("#lab-pixel")
    for key in ("Control+ArrowUp", "Control+PageDown"):
        lab.keyboard.press(key)
        assert not lab.evaluate("swallowed"), key
    assert lab.inner_text("#lab-pixel") == before


@pytest.mark.parametrize("screen", [NARROW, {"width": 1280, "height": 800}])
def test_the_pixel_that_is_followed_and_its_map_are_on_the_screen_together(visit, screen):
    page = visit("try/placement-lab.html", viewport=screen)
    for name in ("stage1_conv1", "stage2_pool"):
        canvas = page.locator(f"#lab-maps [data-name={name}] canvas")
        canvas.evaluate("it => it.scrollIntoView({ block: 'end', behavior: 'instant' })")
        canvas.click()
        header = page.evaluate("document.querySelector('.md-header').getBoundingClientRect().bottom")
        answer, clicked = page.locator("#lab-trace").bounding_box(), canvas.bounding_box()
        assert header - 1 <= answer["y"] and answer["y"] + answer["height"] <= clicked["y"] + 1
        assert clicked["y"] + clicked["height"] <= screen["height"] + 1


def test_the_drawing_area_is_operated_by_touch(browser, address):
    context = browser.new_context(viewport=NARROW, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{address}/try/placement-lab.html")
    page.tap("#lab-clear")
    empty = logits(page)
    page.tap("#lab-paper")
    assert logits(page) != empty
    context.close()


# --- collapse


def set_slider(page, name, value):
    page.locator(f"#collapse-{name}").evaluate(
        "(box, value) => { box.value = value; box.dispatchEvent(new Event('input')); }", value
    )


def test_without_activation_two_layers_are_one_whatever_the_weights(visit):
    page = visit("try/collapse.html")
    rng = np.random.default_rng(0)
    for _ in range(5):
        p = {name: round(rng.uniform(-3, 3), 1) for name in ("w1", "b1", "w2", "b2", "v1", "v2", "c")}
        for name, value in p.items():
            set_slider(page, name, value)
        weight = p["v1"] * p["w1"] + p["v2"] * p["w2"]
        bias = p["v1"] * p["b1"] + p["v2"] * p["b2"] + p["c"]
        read = [float(page.inner_text(f"#collapse-{o}").replace("−", "-")) for o in ("W", "b")]
        assert read == pytest.approx([weight, bias], abs=0.006)
        assert float(page.get_attribute("#collapse-verdict", "data-difference")) < 1e-9


def test_a_relu_between_makes_folds(visit):
    page = visit("try/collapse.html")
    page.click("[data-preset='the absolute value']")
    page.select_option("#collapse-activation", "relu")
    assert "1 fold in view, so 2 straight pieces" in page.inner_text("#collapse-verdict")
    # |x| against the line 0 x + 0: 3 at the ends
    assert float(page.get_attribute("#collapse-verdict", "data-difference")) == pytest.approx(3)
    page.click("[data-preset='a ramp with two ends']")
    assert "2 folds in view, so 3 straight pieces" in page.inner_text("#collapse-verdict")
    path = page.get_attribute("#collapse .net", "d")
    page.click("[data-preset='a dead unit']")
    dead = page.get_attribute("#collapse .net", "d")
    assert dead != path
    set_slider(page, "v1", -2.5)
    assert page.get_attribute("#collapse .net", "d") == dead


@pytest.mark.parametrize(
    ("activation", "values", "folds"),
    [
        ("relu", {"w1": 1, "w2": -1, "v1": 1, "v2": -1}, 0),  # relu(x) - relu(-x) = x
        ("leaky_relu", {"w1": 1, "w2": -1, "v1": 1, "v2": -1}, 0),
        ("relu", {"w1": 2, "b1": 1, "w2": -1, "b2": -0.5, "v1": 1, "v2": -2}, 0),  # both at -0.5
        ("relu", {"w1": 1, "w2": -1, "v1": 1, "v2": -2}, 1),  # slopes 2 and 1
        ("relu", {"w1": 1, "w2": 1, "v1": 1, "v2": -1}, 0),  # the same unit twice
        ("relu", {"w1": 1, "b1": 1, "w2": -1, "v1": 1, "v2": -1}, 2),  # at two places nothing cancels
        ("relu", {"w1": 0.1, "b1": -0.3, "w2": 1, "v1": 1, "v2": 0}, 0),  # at 3, where the plot ends
        ("tanh", {"w1": 1, "w2": -1, "v1": 1, "v2": -1}, 0),
    ],
)
def test_a_fold_is_where_the_slope_changes(visit, activation, values, folds):
    page = visit("try/collapse.html")
    page.select_option("#collapse-activation", activation)
    for name, value in ({"b1": 0, "b2": 0, "c": 0} | values).items():
        set_slider(page, name, value)
    words = page.inner_text("#collapse-verdict")
    assert page.locator("#collapse .fold").count() == folds
    straight = float(page.get_attribute("#collapse-verdict", "data-miss")) < 1e-6
    if activation.endswith("relu"):
        assert straight is (folds == 0)
        assert (f"{folds} fold{'s' * (folds > 1)} in view" if folds else "No fold in view") in words
    assert ("cancel" in words) is (straight and activation.endswith("relu") and values["v2"] != 0)


@pytest.mark.parametrize(
    ("activation", "preset", "miss"),
    [
        (
            "relu",
            "the absolute value",
            1.5,
        ),  # |x| on [-3, 3]: the line 1.5 misses it by 1.5 everywhere it turns
        ("sigmoid", "the absolute value", 0),  # sigmoid(x) + sigmoid(-x) = 1
        ("tanh", "the absolute value", 0),  # odd: they cancel
        ("none", "any numbers", 0),
        ("leaky_relu", "the absolute value", 1.2),  # |x| and 0.2 |x| less
    ],
)
def test_the_verdict_is_about_the_best_line_and_not_about_the_merged_one(visit, activation, preset, miss):
    page = visit("try/collapse.html")
    page.click(f"[data-preset='{preset}']")
    page.select_option("#collapse-activation", activation)
    assert float(page.get_attribute("#collapse-verdict", "data-miss")) == pytest.approx(miss, abs=1e-6)
    assert ("No single layer does this" in page.inner_text("#collapse-verdict")) is (miss > 0)


def test_two_units_that_are_off_are_a_straight_line(visit):
    page = visit("try/collapse.html")
    page.select_option("#collapse-activation", "relu")
    for name, value in {"w1": 0.5, "b1": -3, "w2": 0.5, "b2": -3, "v1": 2, "v2": 1, "c": 0}.items():
        set_slider(page, name, value)
    words = page.inner_text("#collapse-verdict")
    assert (
        "No single layer" not in words
        and "A straight line all the same" in words
        and "No fold in view" in words
    )


def test_collapse_by_keyboard(visit):
    page = visit("try/collapse.html")
    page.focus("#collapse-activation")
    page.keyboard.press("ArrowDown")
    assert page.input_value("#collapse-activation") == "relu"
    page.focus("#collapse-w1")
    before = float(page.input_value("#collapse-w1"))
    path = page.get_attribute("#collapse .net", "d")
    page.keyboard.press("ArrowRight")
    assert float(page.input_value("#collapse-w1")) == pytest.approx(before + 0.1)
    assert page.get_attribute("#collapse .net", "d") != path


# --- depth slider


def test_the_depth_data_is_the_published_one():
    assert make_depth.OUTPUT.read_text() == make_depth.text()


def test_depth_slider_by_mouse_and_by_keyboard(visit):
    page = visit("try/depth-slider.html")
    curves = json.loads(make_depth.text().removeprefix(make_depth.HEAD).removesuffix(make_depth.TAIL))
    slider = page.locator("#depth-position")
    slider.focus()
    page.keyboard.press("End")
    last = max(x for x, _ in curves["original"]["variance"])
    assert page.inner_text("#depth-value") == f"{last} of {last}"
    cells = page.locator("[data-arm=full_pre_activation] td").all_inner_texts()
    shown = [float(cell.replace("−", "-")) for cell in cells]
    expected = [curves["full_pre_activation"][m][-1][1] for m in make_depth.METRICS]
    assert shown == pytest.approx(expected, rel=0.06)
    assert page.locator("[data-arm='plain, BN'] td").first.inner_text() == "no such layer"
    page.keyboard.press("Home")
    assert page.inner_text("#depth-value") == f"1 of {last}"
    for key, unit in (("ArrowLeft", 1), ("ArrowRight", 2), ("ArrowUp", 3), ("ArrowDown", 2)):
        page.keyboard.press(key)
        assert page.inner_text("#depth-value") == f"{unit} of {last}"
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert 10 < int(page.inner_text("#depth-value").split()[0]) < 40  # the middle of a logarithmic axis
    lines = page.locator("#depth-slider .curve").count()
    page.uncheck("#depth-show-bn-after-addition")
    assert page.locator("#depth-slider .curve").count() == lines - 1
    drawn = page.locator("#depth-slider .curve").first.get_attribute("d")
    page.select_option("#depth-axis", "linear")
    assert page.locator("#depth-slider .curve").first.get_attribute("d") != drawn
    page.select_option("#depth-metric", "variance")
    assert "variance" in page.inner_text("#depth-status")


def test_what_the_depth_slider_shows_is_what_the_page_says(visit):
    """The sentences under the slider, as numbers."""
    curves = json.loads(make_depth.text().removeprefix(make_depth.HEAD).removesuffix(make_depth.TAIL))
    end = {arm: {m: points[-1][1] for m, points in metrics.items()} for arm, metrics in curves.items()}
    start = {arm: metrics["gradient_norm"][0][1] for arm, metrics in curves.items()}
    assert start["bn_after_addition"] > 1e6 * start["full_pre_activation"]
    means = {arm: value["squared_mean"] for arm, value in end.items()}
    assert max(means, key=means.get) == "relu_before_addition"


# --- all of them


@pytest.mark.parametrize("name", PAGES)
def test_without_scripts_a_table_or_figure_stands_there(visit, name):
    page = visit(f"try/{name}.html", java_script_enabled=False)
    box = page.locator(f"#{name}")
    assert "needs JavaScript" in box.inner_text()
    assert box.locator("table tbody tr, figure svg").count() >= 1


@pytest.mark.parametrize("name", PAGES)
def test_with_scripts_it_fits_a_narrow_screen(visit, name):
    page = visit(f"try/{name}.html", viewport=NARROW)
    page.wait_for_selector(f"#{name}.zoo-try-live")
    assert "needs JavaScript" not in page.locator(f"#{name}").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
