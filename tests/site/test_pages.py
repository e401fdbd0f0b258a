"""Every page in a real browser: clean, readable, narrow, dark, accessible, on paper, without scripts."""

import re

import axe_playwright_python
import pytest

AXE = axe_playwright_python.__path__[0] + "/axe.min.js"
PARTS = 8
# Some pages by themselves; every other page among the deep tests, a part each.
KINDS = (
    "index",
    "questions/ordering",
    "questions/narrow",
    "learn/the-algebra",
    "try/train",
    "models/plain",
    "api/transforms/fold",
)
LOOKS = [*KINDS, *(pytest.param(part, marks=pytest.mark.deep) for part in range(PARTS))]
NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 900}  # where the header has tabs, and menus stand beside the page
# Colours depend on the scheme and the rest does not, so the second look is at colours alone.
RULES = {
    "light": "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']",
    "dark": "['color-contrast']",
}
WIDER_THAN_THE_SCREEN = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CUT_FORMULAS = (
    "[...document.querySelectorAll('.zoo-math')].filter(box => box.scrollHeight > box.clientHeight).length"
)


def findings(page, scheme):
    """All findings of axe-core but the minor ones, with the elements they are about."""
    options = f"{{resultTypes: ['violations'], runOnly: {RULES[scheme]}}}"
    violations = page.evaluate(f"axe.run(document, {options}).then(found => found.violations)")
    return [
        f"{v['id']}: {node['target']} {node['failureSummary'][:160]}"
        for v in violations
        if v["impact"] != "minor"
        for node in v["nodes"][:3]
    ]


def turn_through(site, visit, address, part, **options):
    """One page of the site after the other in one window: the one that is named, or a part of the others."""
    window = None
    kinds = [f"{name}.html" for name in KINDS]
    others = [name for name in site.pages if name not in kinds]
    chosen = [f"{part}.html"] if part in KINDS else others[part::PARTS]
    for name in chosen:
        if window is None:
            window = visit(name, **options)
        else:
            window.goto(f"{address}/{name}", wait_until="load")
        yield name, window


@pytest.mark.parametrize("part", LOOKS)
def test_pages_are_accessible_and_fit_a_narrow_screen(site, visit, address, part):
    wrong = {}
    for name, page in turn_through(site, visit, address, part, viewport=NARROW, color_scheme="light"):
        page.add_script_tag(path=AXE)
        page.add_style_tag(content="* { transition: none !important }")  # no colour between two schemes
        found = []
        for scheme, shown in (("light", "default"), ("dark", "slate")):
            page.evaluate(f"document.querySelector('input[data-md-color-scheme={shown}]').click()")
            assert page.evaluate("document.body.dataset.mdColorScheme") == shown
            found += [f"{scheme}: {finding}" for finding in findings(page, scheme)]
            if (wide := page.evaluate(WIDER_THAN_THE_SCREEN)) > 0:
                found.append(f"{scheme}: scrolls sideways by {wide} pixels")
            if cut := page.evaluate(CUT_FORMULAS):
                found.append(f"{scheme}: {cut} formulas are higher than their boxes")
        if found:
            wrong[name] = found
    assert wrong == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_menus_and_tabs_of_a_wide_screen_are_accessible(visit, address, scheme):
    page = visit("index.html", viewport=WIDE, color_scheme=scheme)
    found = {}
    for name in ("index.html", "questions/which.html", "try/placement-lab.html"):
        page.goto(f"{address}/{name}", wait_until="load")
        page.add_script_tag(path=AXE)
        assert page.locator(".md-tabs__link").first.is_visible()
        if wrong := findings(page, "light"):
            found[name] = wrong
    assert found == {}


@pytest.mark.parametrize("part", LOOKS)
def test_figures_are_visible_without_scripts(site, visit, address, part):
    hidden, expected, seen = [], 0, 0
    for name, page in turn_through(site, visit, address, part, java_script_enabled=False):
        expected += len(re.findall(r'<figure class="zoo-(?:chart|diagram)', (site.folder / name).read_text()))
        for figure in page.locator("figure.zoo-chart, figure.zoo-diagram").all():
            box = figure.locator("svg").first.bounding_box()
            seen += 1
            if not box or min(box["width"], box["height"]) < 40:
                hidden.append((name, box))
    assert hidden == []
    assert seen == expected
    assert seen or part not in ("questions/ordering", "questions/narrow", *range(PARTS)), (
        "there are figures here"
    )


def test_on_paper_the_drawings_stay_and_the_navigation_goes(visit):
    page = visit("questions/form.html")
    figure = page.locator("figure.zoo-chart").first
    figure.scroll_into_view_if_needed()
    page.wait_for_selector("figure.zoo-chart[data-state=live]")
    page.emulate_media(media="print")
    assert figure.locator(".zoo-chart-static svg").is_visible()
    assert not figure.locator(".zoo-chart-live").is_visible()
    assert not page.locator(".md-sidebar--primary").is_visible()
    assert len(page.pdf()) > 10_000
