"""What a page loads, when; how it prints; how it fits a narrow screen without scripts."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from test_built import HEAVY_DATA, LOADS_AT_MOST

PHONE = {"width": 390, "height": 844}
PRINTS_ON_AT_MOST = 8
#: The page with most drawings, and the one with a chart in its first view; every other page among the deep tests.
FIRST = ("questions/signal.html", "index.html")
SAMPLE = [*FIRST, pytest.param("others", marks=pytest.mark.deep)]


def chosen(site, which, apart):
    """The page that is named, or all pages but those that are tested apart."""
    return [name for name in site.pages if name not in apart] if which == "others" else [which]


@pytest.fixture
def turn(browser, site, address):
    """Open a page in a context of its own; what was loaded is the sizes of the files, by name."""
    contexts = []

    def open_page(name, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page, loaded = context.new_page(), {}

        def note(request):
            file = site.folder / unquote(urlsplit(request.url).path).lstrip("/")
            if file.is_file():
                loaded[file.name] = file.stat().st_size

        context.on("request", note)
        page.goto(f"{address}/{name}", wait_until="networkidle")
        return page, loaded

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("which", SAMPLE)
def test_a_page_loads_little_before_anything_is_touched(site, turn, which):
    heavy = {}
    for name in chosen(site, which, FIRST):
        page, loaded = turn(name, viewport={"width": 1280, "height": 800})
        assert Path(name).name in loaded
        if sum(loaded.values()) - loaded.get(HEAVY_DATA, 0) > LOADS_AT_MOST:
            heavy[name] = loaded
        page.context.close()
    assert heavy == {}


def test_the_search_starts_with_its_first_use_and_answers(turn):
    page, loaded = turn("questions/form.html")
    search = {"search_index.json"}
    assert not search & set(loaded) and not any(name.startswith("search.") for name in loaded)
    box = page.locator("input.md-search__input")
    box.click()
    box.fill("pooling")
    box.press("End")
    page.wait_for_selector(".md-search-result__item")
    assert search <= set(loaded) and any(name.startswith("search.") for name in loaded)


def test_words_that_a_search_found_are_marked(turn):
    page, loaded = turn("questions/form.html?h=argument")
    page.wait_for_selector("article mark")
    assert "search_index.json" in loaded


@pytest.mark.parametrize("touch", ["hover", "focus", "scroll"])
def test_a_chart_in_the_first_view_waits_to_be_touched(turn, touch):
    page, loaded = turn("index.html", viewport={"width": 1280, "height": 900})
    figure = page.locator("[id^=chart-]").first
    name = figure.get_attribute("id")
    assert figure.bounding_box()["y"] < 900 and "vega.js" not in loaded
    if touch == "hover":
        figure.hover()
    elif touch == "focus":
        figure.locator(".zoo-chart-view").focus()
    else:
        page.mouse.wheel(0, 40)
    page.wait_for_selector(f"#{name}[data-state=live]")
    assert "vega.js" in loaded


NARROWEST = ("index.html", "try/placement-lab.html")


@pytest.mark.parametrize("which", [*NARROWEST, pytest.param("others", marks=pytest.mark.deep)])
def test_without_scripts_no_page_scrolls_sideways_on_a_phone(site, turn, address, which):
    wide, page = {}, None
    for name in chosen(site, which, NARROWEST):
        if page is None:
            page, _ = turn(name, viewport=PHONE, java_script_enabled=False)
        else:
            page.goto(f"{address}/{name}", wait_until="load")
        excess = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if excess > 0:
            wide[name] = excess
    assert wide == {}


@pytest.mark.parametrize("which", [FIRST[0], pytest.param("others", marks=pytest.mark.deep)])
def test_a_question_prints_on_a_few_pages_with_its_answers_open(site, turn, address, which):
    long, cut, page = {}, {}, None
    for name in chosen(site, which, FIRST[:1]):
        if not name.startswith(("questions/", "learn/", "use/", "try/", "claims", "performance")):
            continue
        if page is None:
            page, _ = turn(name)
        else:
            page.goto(f"{address}/{name}", wait_until="load")
        paper = page.pdf(format="A4")
        printed = len(re.findall(rb"/Type\s*/Page\b", paper))
        assert printed
        if printed > PRINTS_ON_AT_MOST:
            long[name] = printed
        # A link is an annotation of the page that it is printed on: one that is missing was cut off, and what is near it.
        page.emulate_media(media="print")
        links = page.evaluate("""() => [...document.querySelectorAll('article a[href^=http]')]
            .filter((link) => link.checkVisibility() && link.textContent).map((link) => link.href)""")
        page.emulate_media(media="null")  # not "screen": it would be printed so
        if missing := [link for link in links if f"/URI ({link})".encode() not in paper]:
            cut[name] = missing
    assert long == {}
    assert cut == {}


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_answers_are_open_on_paper_and_closed_again(turn, scripts):
    page, _ = turn("questions/form.html", java_script_enabled=scripts)
    answer = page.locator("details.question p:last-of-type").first
    tall = "e => e.getBoundingClientRect().height > 0 && e.checkVisibility({contentVisibilityAuto: true})"
    assert not answer.evaluate(tall)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert answer.evaluate(tall)
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not answer.evaluate(tall)
