"""The spiral through narrow layers: its numbers against NumPy, and what the reader can move."""

import re

import numpy as np
import pytest

from zoo.site.place import DOCS

NUMBERS = """([n, seed, activation]) => {
    const curve = zooSpiral.curve(), rows = zooSpiral.matrix(n, seed);
    return { curve, rows, ...zooSpiral.there(curve, rows, activation) };
}"""
FUNCTIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.2 * z),
    "tanh": np.tanh,
    "linear": lambda z: z,
}


@pytest.fixture
def spiral(visit):
    page = visit("try/spiral.html")
    page.wait_for_selector("#spiral.zoo-try-live")
    return page


def move(page, n):
    page.locator("#spiral-n").evaluate(
        "(box, n) => { box.value = n; box.dispatchEvent(new Event('input')); }", str(n)
    )


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("n", [2, 3, 5, 15, 30])
def test_what_comes_back_equals_numpy(spiral, n, activation):
    seen = spiral.evaluate(NUMBERS, [n, 4, activation])
    curve, rows = np.array(seen["curve"]).T, np.array(seen["rows"])
    assert curve.shape == (2, 400) and rows.shape == (n, 2)
    expected = np.linalg.pinv(rows) @ FUNCTIONS[activation](rows @ curve)
    # Two rows that are nearly parallel come back large: the error is measured by the size.
    close = 1e-10 * max(1, np.abs(expected).max())
    np.testing.assert_allclose(np.array(seen["images"]).T, expected, atol=close, rtol=0)
    assert seen["alive"] == (rows @ curve > 0).sum(axis=0).tolist()
    if activation == "linear":
        np.testing.assert_allclose(expected, curve, atol=1e-10)


def test_the_matrices_are_normal_and_their_average_loss_is_the_formula(spiral):
    rows = np.array(spiral.evaluate("Array.from({length: 3000}, (_, s) => zooSpiral.matrix(4, s))"))
    assert abs(rows.mean()) < 0.02 and rows.std() == pytest.approx(1, abs=0.02)
    curve = np.array(spiral.evaluate("zooSpiral.curve()")).T
    lost = ((rows @ curve > 0).sum(axis=1) < 2).mean()
    assert lost == pytest.approx(spiral.evaluate("zooSpiral.expected(4)"), abs=0.02)


def test_few_channels_lose_and_many_keep(spiral):
    lost = {}
    for n in (2, 3, 15, 30):
        move(spiral, n)
        assert spiral.inner_text("#spiral-count") == str(n)
        lost[n] = float(spiral.get_attribute("#spiral-status", "data-lost"))
    assert lost[2] > 0.4 and lost[2] > lost[3] > lost[15] == lost[30] == 0
    move(spiral, 2)
    assert spiral.locator("#spiral .gone").first.get_attribute("d")
    spiral.select_option("#spiral-activation", "linear")
    assert "All of it comes back" in spiral.inner_text("#spiral-status")
    assert not spiral.locator("#spiral .gone").first.get_attribute("d")


def test_no_share_is_rounded_to_none_or_to_all(spiral):
    """The page and its table without scripts write the average of all matrices alike."""
    table = (DOCS / "snippets" / "spiral_table.md").read_text()
    averages = dict(re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", table, re.MULTILINE))
    assert averages["3"] == "50 %" and averages["30"] == "below 0.1 %"
    for n, words in (averages | {"12": "0.32 %", "19": "below 0.1 %"}).items():
        move(spiral, int(n))
        assert f"Over all random matrices: {words}." in spiral.inner_text("#spiral-status"), n
    assert "0 % of the curve is lost" in spiral.inner_text("#spiral-status")
    # A matrix that leaves one or two of the 400 points: not all is lost.
    seed = spiral.evaluate("""() => {
        const curve = zooSpiral.curve();
        const share = (seed) => zooSpiral.lost(zooSpiral.there(curve, zooSpiral.matrix(2, seed), "relu").alive);
        return Array.from({ length: 2000 }, (_, i) => i + 3).find((seed) => share(seed) > 0.995 && share(seed) < 1);
    }""")
    move(spiral, 2)
    spiral.evaluate(
        "(times) => { for (let i = 0; i < times; i += 1) document.querySelector('#spiral-again').click(); }",
        seed - 3,
    )
    share = float(spiral.get_attribute("#spiral-status", "data-lost"))
    assert 0.995 < share < 1
    assert f"{100 * share:.2f} % of the curve is lost" in spiral.inner_text("#spiral-status")


def test_another_matrix_is_another_result(spiral):
    before = spiral.locator("#spiral .net").last.get_attribute("d")
    spiral.click("#spiral-again")
    assert spiral.locator("#spiral .net").last.get_attribute("d") != before


def test_it_is_operated_by_keyboard_and_by_touch(spiral, browser, address):
    spiral.focus("#spiral-n")
    spiral.keyboard.press("End")
    assert spiral.inner_text("#spiral-count") == "30"
    spiral.keyboard.press("ArrowLeft")
    assert spiral.inner_text("#spiral-count") == "29"
    spiral.focus("[data-n='5']")
    spiral.keyboard.press("Enter")
    assert spiral.input_value("#spiral-n") == "5"
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{address}/try/spiral.html")
    page.locator("#spiral-n").scroll_into_view_if_needed()
    page.tap("[data-n='2']")
    assert page.inner_text("#spiral-count") == "2"
    # Slider and answer are on the screen together.
    top = page.evaluate("document.querySelector('#spiral-n').getBoundingClientRect().top")
    bottom = page.evaluate("document.querySelector('#spiral-status').getBoundingClientRect().bottom")
    assert bottom - top < 700
    context.close()
