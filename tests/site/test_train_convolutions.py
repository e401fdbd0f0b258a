"""The page where convolutional nets learn: what the reader can do with it. `test_conv_net.py` has the numbers."""

import sys

import numpy as np
import pytest
from test_train import printed, slowed

import zoo
from zoo.site.place import DOCS

sys.path.insert(0, str(DOCS.parent / "scripts"))
import make_try

NARROW = {"width": 390, "height": 844}
IMAGES = np.random.default_rng(0).normal(size=(8, 8, 8, 1))


@pytest.fixture
def conv(visit):
    page = visit("try/train-convolutions.html")
    page.wait_for_selector("#train-convolutions.zoo-try-live")
    return page


def finished(page):
    page.wait_for_function("document.querySelector('#conv-go').textContent === 'Train'", timeout=120_000)
    return {
        key: float(page.get_attribute("#conv-now", f"data-{key}"))
        for key in ("epoch", "loss", "accuracy", "dead")
    }


def begun(page):
    page.wait_for_function("document.querySelector('#conv-go').textContent === 'Pause'")


def choose(page, **options):
    for name, value in options.items():
        page.select_option(f"#conv-{name}", value)


def test_graphs_and_digits_are_fetched_when_the_page_is_touched(visit):
    page = visit("try/train-convolutions.html")
    page.wait_for_load_state("networkidle")
    scripts = "performance.getEntriesByType('resource').map((file) => file.name.replace(/.*[/]/, ''))"
    before = set(page.evaluate(scripts))
    page.focus("#conv-kind")
    page.wait_for_selector("#conv-maps:visible")
    fetched = {"digits-data.js", "train-graphs.js"}
    assert not fetched & before and fetched <= set(page.evaluate(scripts))


def test_a_net_is_trained_and_drawn_while_it_learns(conv):
    choose(conv, ordering="conv_act_norm", activation="sigmoid")
    slowed(conv)
    conv.click("#conv-go")
    begun(conv)
    # Live: a part of the run is drawn before its end.
    conv.wait_for_function("document.querySelector('#conv-right').getAttribute('d').includes('L')")
    assert conv.inner_text("#conv-go") == "Pause"
    conv.evaluate("testBreak = 0")
    end = finished(conv)
    assert end["epoch"] == make_try.CONVOLUTIONS_EPOCHS and end["accuracy"] > 0.85
    points = {name: conv.get_attribute(f"#conv-{name}", "d").count("L") + 1 for name in ("loss", "right")}
    assert points == {"loss": 3 * make_try.CONVOLUTIONS_EPOCHS, "right": make_try.CONVOLUTIONS_EPOCHS + 1}
    colour = conv.evaluate("getComputedStyle(document.querySelector('#conv-loss')).stroke")
    ink = conv.evaluate("zooInks.conv_act_norm[0]").lstrip("#")
    assert colour == f"rgb({int(ink[:2], 16)}, {int(ink[2:4], 16)}, {int(ink[4:], 16)})"
    first = conv.locator("#conv-runs tbody tr").first.inner_text()
    assert "conv_act_norm" in first and "sigmoid" in first
    # The run stays in the pictures when the next one begins.
    choose(conv, ordering="conv_act")
    assert conv.locator("#conv-plots .zoo-conv-old").count() == 2
    assert conv.get_attribute("#conv-loss", "d") == ""


def test_a_rate_that_kills_is_seen_in_the_table_of_activations(conv):
    choose(conv, ordering="conv_act", rate="0.3")
    conv.click("#conv-epoch")
    conv.wait_for_function("document.querySelector('#conv-now').dataset.epoch === '1'")
    last = conv.locator("#conv-sites tbody tr").last
    assert "8 of 8" in last.inner_text() and "100.0 %" in last.inner_text()
    assert "channels are dead" in conv.inner_text("#conv-verdict")


def test_activations_that_are_taken_out_are_told_and_the_code_takes_them_out(conv):
    for activated, kept in (("all", 7), ("first", 1), ("last", 1), ("none", 0)):
        choose(conv, kind="residual", ordering="full_pre_activation", activated=activated)
        conv.wait_for_selector("#conv-sites tbody tr")
        assert conv.locator("#conv-sites .zoo-conv-out").count() == 7 - kept
        assert conv.is_disabled("#conv-activation") is (activated == "none")
        names = {"zoo": zoo}
        exec(conv.text_content("#conv-code"), names)
        rows = zoo.probes.activation_stats(names["model"], IMAGES) if kept else []
        shown = conv.locator("#conv-sites tbody tr:not(.zoo-conv-out) th").all_inner_texts()
        assert [row["site"] for row in rows] == shown and len(shown) == kept
        assert names["model"].input_shape == (None, 8, 8, 1)


def test_a_net_that_means_nothing_is_refused_with_the_librarys_reason(conv):
    choose(conv, kind="residual", ordering="bn_after_addition")
    conv.wait_for_selector("#conv-maps:visible")
    choose(conv, normalization="None")
    assert "is about where the normalisation stands" in conv.inner_text("#conv-verdict")
    assert all(button.is_disabled() for button in conv.locator(".zoo-train-buttons button").all())
    choose(conv, ordering="original")
    assert conv.is_enabled("#conv-go") and "Not trained yet" in conv.inner_text("#conv-verdict")


def test_too_large_a_rate_is_called_diverged(conv):
    choose(conv, ordering="conv_act", activated="none", rate="3")
    conv.click("#conv-go")
    conv.wait_for_function("document.querySelector('#conv-verdict').textContent.includes('diverged')")
    assert "no longer a number" in conv.inner_text("#conv-now")
    assert "diverged" in conv.inner_text("#conv-runs")


def test_it_is_operated_by_keyboard(conv):
    conv.focus("#conv-ordering")
    conv.keyboard.press("ArrowDown")
    conv.wait_for_selector("#conv-maps:visible")
    assert conv.input_value("#conv-ordering") == "conv_act_norm"
    assert "conv act norm" in conv.inner_text("#conv-unit")
    maps = "document.querySelector('#conv-maps').toDataURL()"
    before = conv.evaluate(maps)
    conv.focus("#conv-step")
    conv.keyboard.press("Enter")
    conv.wait_for_function("document.querySelector('#conv-now').dataset.step === '1'")
    assert "step 1" in conv.inner_text("#conv-now") and conv.evaluate(maps) != before
    conv.focus("#conv-epoch")
    conv.keyboard.press("Space")
    conv.wait_for_function("document.querySelector('#conv-now').dataset.epoch === '1'")
    slowed(conv)
    conv.focus("#conv-go")
    conv.keyboard.press("Enter")
    begun(conv)
    conv.keyboard.press("Enter")
    assert 1 <= finished(conv)["epoch"] < make_try.CONVOLUTIONS_EPOCHS
    before = conv.evaluate(maps)
    conv.focus("#conv-digit")
    conv.keyboard.press("ArrowDown")
    assert "A new digit, 4," in conv.get_attribute("#conv-maps", "aria-label")
    assert conv.evaluate(maps) != before and conv.get_attribute("#conv-now", "data-epoch") != "0"
    conv.focus("#conv-reset")
    conv.keyboard.press("Enter")
    conv.wait_for_function("document.querySelector('#conv-now').dataset.epoch === '0'")


def test_single_steps_and_an_epoch_are_the_same_training(conv):
    conv.click("#conv-epoch")
    conv.wait_for_function("document.querySelector('#conv-now').dataset.epoch === '1'")
    whole = finished(conv)
    conv.click("#conv-reset")
    conv.wait_for_function("document.querySelector('#conv-now').dataset.epoch === '0'")
    for step in range(1, make_try.LEARNED // 20):
        conv.click("#conv-step")
        conv.wait_for_function(f"document.querySelector('#conv-now').dataset.step === '{step}'")
    conv.click("#conv-step")
    conv.wait_for_function("document.querySelector('#conv-now').dataset.epoch === '1'")
    assert finished(conv) == whole


def test_the_curves_end_where_their_axes_do(conv):
    """At the end the buttons that would go further say so and do nothing."""
    conv.emulate_media(reduced_motion="reduce")  # fewer pictures: it takes less time
    choose(conv, activated="none", downsampling="stride")
    further = [conv.locator(f"#conv-{name}") for name in ("step", "epoch")]
    conv.focus("#conv-kind")
    conv.wait_for_selector("#conv-maps:visible")
    assert [it.get_attribute("aria-disabled") for it in further] == ["false", "false"]
    conv.click("#conv-go")
    conv.wait_for_function("document.querySelector('#conv-now').dataset.epoch === '12'", timeout=60_000)
    before = finished(conv)
    assert before["epoch"] == make_try.CONVOLUTIONS_EPOCHS
    assert [it.get_attribute("aria-disabled") for it in further] == ["true", "true"]
    for it in further:
        it.focus()
        for _ in range(5):
            conv.keyboard.press("Enter")
        assert it.evaluate("it => it === document.activeElement")
    conv.wait_for_timeout(100)  # a press is answered after a promise
    assert finished(conv) == before
    for name in ("loss", "right"):
        end = f"(({{ x, width }}) => x + width)(document.querySelector('#conv-{name}').getBBox())"
        assert conv.evaluate(end) == pytest.approx(300, abs=0.1)
    conv.click("#conv-reset")
    conv.wait_for_function("document.querySelector('#conv-now').dataset.epoch === '0'")
    assert [it.get_attribute("aria-disabled") for it in further] == ["false", "false"]


def test_what_is_told_counts_epochs_steps_and_dead_channels(conv):
    told = "document.querySelector('#conv-verdict').textContent.endsWith(words)"
    conv.focus("#conv-kind")
    conv.wait_for_selector("#conv-maps:visible")
    conv.evaluate("""() => {
        const { judge } = zooConv;
        globalThis.testDead = 0;
        zooConv.judge = (...all) => {
            const found = judge(...all);
            found.sites.forEach((site, i) => { site.dead = i ? 0 : testDead; });
            return found;
        };
    }""")
    for dead, press, words in (
        (0, "step", "right after 1 step. No channel is dead."),
        (0, "step", "right after 2 steps. No channel is dead."),
        (1, "epoch", "right after 1 epoch. 1 of 24 channels is dead: its slope is zero for every new digit."),
        (
            2,
            "step",
            "1 epoch and 1 step. 2 of 24 channels are dead: their slope is zero for every new digit.",
        ),
    ):
        conv.evaluate("(dead) => { testDead = dead; }", dead)
        conv.click(f"#conv-{press}")
        conv.wait_for_function(f"(words) => {told}", arg=words, timeout=10_000)


def test_on_paper_the_maps_have_the_inks_of_light_pages(conv):
    conv.focus("#conv-kind")
    conv.wait_for_selector("#conv-maps:visible")
    assert printed(conv, "#conv-maps") == ["light", "dark", "light", "dark"]


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_answer_is_on_the_screen_of_a_phone_when_train_is_tapped(browser, address, motion):
    context = browser.new_context(viewport=NARROW, has_touch=True, is_mobile=True, reduced_motion=motion)
    page = context.new_page()
    page.goto(f"{address}/try/train-convolutions.html")
    page.locator("#conv-go").scroll_into_view_if_needed()
    page.tap("#conv-go")
    begun(page)
    # The way there may be smooth; a tap on the way would stop it, so the page has to stand still first.
    page.wait_for_function(
        """() => {
            const before = globalThis.testAt;
            globalThis.testAt = scrollY;
            const shown = document.querySelector('#conv-plots').getBoundingClientRect();
            return scrollY === before && shown.bottom <= innerHeight;
        }""",
        polling=250,
    )
    page.tap("#conv-go")
    finished(page)
    for part in ("#conv-go", "#conv-plots", "#conv-verdict"):
        box = page.locator(part).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= NARROW["height"], part
    # Large enough for a finger (WCAG 2.2, 2.5.8), and their text for an eye.
    for control in page.locator("#train-convolutions :is(select, .zoo-try-button)").all():
        if control.is_visible():
            box = control.bounding_box()
            assert min(box["width"], box["height"]) >= 24
    sizes = page.evaluate(
        """() => [...document.querySelectorAll("#conv-plots text")].map((text) => text.getBoundingClientRect().height)"""
    )
    assert sizes and min(sizes) >= 9
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    context.close()
