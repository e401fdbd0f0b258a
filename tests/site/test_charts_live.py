"""A figure comes to life when it scrolls into view, follows the scheme, and answers the keyboard."""

from itertools import pairwise

import pytest

from zoo.experiments.publishing.inks import ink

FIGURE = "#chart-form"


@pytest.fixture
def page(visit):
    page = visit("questions/form.html", viewport={"width": 1000, "height": 400})
    return page


def test_the_bundle_is_loaded_only_when_a_figure_is_scrolled_to(page):
    loaded = (
        "performance.getEntriesByType('resource').map(e => e.name).filter(n => n.endsWith('vega.js')).length"
    )
    assert page.evaluate(loaded) == 0
    page.locator(FIGURE).scroll_into_view_if_needed()
    page.wait_for_selector(f"{FIGURE}[data-state=live]")
    assert page.evaluate(loaded) == 1
    assert page.locator(f"{FIGURE} .zoo-chart-live svg").is_visible()
    assert not page.locator(f"{FIGURE} .zoo-chart-static").is_visible()


def test_the_live_chart_follows_the_scheme(page):
    page.locator(FIGURE).scroll_into_view_if_needed()
    page.wait_for_selector(f"{FIGURE}[data-state=live]")
    ink = f"document.querySelector('{FIGURE} .zoo-chart-live svg text').getAttribute('fill')"
    light = page.evaluate(ink)
    page.evaluate("document.body.setAttribute('data-md-color-scheme', 'slate')")
    page.wait_for_function(f"{ink} !== {light!r}")


def test_the_arrow_keys_read_the_values(page):
    page.locator(FIGURE).scroll_into_view_if_needed()
    page.wait_for_selector(f"{FIGURE}[data-state=live]")
    page.locator(f"{FIGURE} .zoo-chart-view").focus()
    page.keyboard.press("ArrowRight")
    first = page.locator(f"{FIGURE} .zoo-chart-now").inner_text()
    page.keyboard.press("ArrowRight")
    second = page.locator(f"{FIGURE} .zoo-chart-now").inner_text()
    assert "separate" in first and first != second


def test_the_arrow_keys_read_the_values_of_a_chart_that_the_keyboard_woke(page):
    """Its box has the focus before there is anything that waits for the focus."""
    now, box = page.locator(f"{FIGURE} .zoo-chart-now"), page.locator(f"{FIGURE} .zoo-chart-view")
    page.evaluate(
        """(box) => {
        const before = document.createElement("button");
        document.querySelector(box).before(before);
        before.focus({ preventScroll: true });
        before.remove(); // the next tab goes on from here
    }""",
        FIGURE,
    )
    assert page.get_attribute(FIGURE, "data-state") is None
    page.keyboard.press("Tab")
    assert box.evaluate("it => it === document.activeElement")
    page.wait_for_selector(f"{FIGURE}[data-state=live]")
    assert now.is_visible() and now.inner_text() == "Press the arrow keys to read the values."
    page.keyboard.press("ArrowRight")
    assert now.inner_text().startswith("At ") and "separate" in now.inner_text()
    first = now.inner_text()
    page.keyboard.press("Control+ArrowRight")
    assert now.inner_text() == first


def test_a_chart_that_the_mouse_woke_says_nothing_of_keys(page):
    page.locator(FIGURE).dispatch_event("pointerenter")
    page.wait_for_selector(f"{FIGURE}[data-state=live]")
    assert not page.locator(f"{FIGURE} .zoo-chart-now").is_visible()


def test_a_click_in_the_legend_fades_the_others_in_every_panel(page):
    page.locator(FIGURE).scroll_into_view_if_needed()
    page.wait_for_selector(f"{FIGURE}[data-state=live]")
    means = f"""[...document.querySelectorAll('{FIGURE} .zoo-chart-live path[stroke-width="2.2"]')]
        .filter((line) => line.getAttribute("stroke") === "{ink("separate").colour}" && line.closest(".mark-line"))
        .map((line) => Number(line.getAttribute("opacity") ?? 1))"""
    panels = page.evaluate(means)
    assert len(panels) == 3 and set(panels) == {1}
    page.locator(f"{FIGURE} .zoo-chart-live text", has_text="builtin").click()
    page.wait_for_function(f"{means}.every((opacity) => opacity < 0.1)")


def test_live_text_is_nine_pixels_high_on_a_phone(visit):
    page = visit("questions/form.html", viewport={"width": 390, "height": 844})
    page.locator(FIGURE).scroll_into_view_if_needed()
    page.wait_for_selector(f"{FIGURE}[data-state=live]")
    heights = page.evaluate(f"""[...document.querySelectorAll('{FIGURE} .zoo-chart-live svg')].flatMap((svg) => {{
        const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
        return [...svg.querySelectorAll("text")].map((text) => scale * parseFloat(getComputedStyle(text).fontSize));
    }})""")
    assert len(heights) > 20 and min(heights) >= 9


def test_the_numbers_along_a_short_axis_do_not_run_into_each_other(visit):
    page = visit("questions/ordering.html", viewport={"width": 390, "height": 844})
    figure = "#chart-ordering_20-last"
    page.locator(figure).scroll_into_view_if_needed()
    page.wait_for_selector(f"{figure}[data-state=live]")
    numbers = page.evaluate(f"""[...document.querySelectorAll('{figure} .zoo-chart-live text')]
        .filter((text) => /^[\\d.]+$/.test(text.textContent))
        .map((text) => text.getBoundingClientRect()).map(({{ left, right }}) => [left, right])""")
    assert len(numbers) >= 2
    assert all(right + 4 <= left for (_, right), (left, _) in pairwise(sorted(numbers)))


def test_the_data_are_beside_the_chart(page):
    page.locator(f"{FIGURE} summary").click()
    assert page.locator(f"{FIGURE} details tbody tr").count() > 2
    with page.expect_download() as download:
        page.locator(f"{FIGURE} figcaption a").first.click()
    assert download.value.suggested_filename == "form.csv"


def test_a_missing_specification_leaves_the_drawing(visit):
    page = visit("questions/form.html", viewport={"width": 1000, "height": 400}, offline=False)
    page.evaluate(f"document.querySelector('{FIGURE}').dataset.spec = 'data:application/json,broken'")
    page.locator(FIGURE).scroll_into_view_if_needed()
    page.wait_for_selector(f"{FIGURE}[data-state=static]")
    assert page.locator(f"{FIGURE} .zoo-chart-static svg").is_visible()
