"""The files of the built site, without a browser."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
PAGES_WEIGH_AT_MOST = 2_000_000
LOADS_AT_MOST = 400_000
#: The one interactive that brings trained weights along.
HEAVY_DATA = "placement-lab-data.js"


class Page(HTMLParser):
    """Ids, links and what the page loads by itself."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loads, self.headings = set(), [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.headings += tag == "h1"
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        for key in ("src", "data-spec", "data-bundle"):
            if given.get(key):
                self.loads.append(given[key])
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload"):
            self.loads.append(given["href"])


@pytest.fixture(scope="module")
def pages(site):
    return {name: Page((site.folder / name).read_text()) for name in site.pages}


def test_builds_strictly_without_tensorflow(site):
    assert site.seconds < 60  # of a processor: three times what it takes on a busy one
    assert len(site.pages) > 20


def test_each_page_has_one_heading_of_the_first_rank(pages):
    assert {name: page.headings for name, page in pages.items() if page.headings != 1} == {}


def test_no_class_of_our_own_style_sheets_is_lost(site):
    """What a script puts together letter by letter looks unused, and its rules would go."""
    lost = {}
    for source in (ROOT / "docs/stylesheets").glob("*.css"):
        ours, built = (
            set(re.findall(r"\.(zoo-[\w-]+)", path.read_text()))
            for path in (source, site.folder / "stylesheets" / source.name)
        )
        if gone := ours - built:
            lost[source.name] = gone
    assert lost == {}


def test_no_marker_of_the_source_is_left_in_a_page(site):
    left = []
    for name in site.pages:
        text = (site.folder / name).read_text()
        shown = re.sub(r"<(pre|code|script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
        for marker in ("--8<", "--8 <", "--8&lt;", "--8 &lt;", "$$", "```", ":::", "<!--zoo"):
            # Snippets are included in code as well, formulas and fences are not.
            if marker in (text if marker.startswith("--8") else shown):
                left.append(f"{name}: {marker}")
    assert not left


def test_internal_links_and_anchors_are_sound(site, pages):
    broken = []
    for name, page in pages.items():
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (site.folder / name).parent / unquote(parts.path) if parts.path else site.folder / name
            if target.is_dir():
                target = target / "index.html"
            if not target.exists():
                broken.append(f"{name}: {link}")
            elif parts.fragment and target.suffix == ".html":
                where = str(target.resolve().relative_to(site.folder.resolve()))
                if unquote(parts.fragment) not in pages[where].ids:
                    broken.append(f"{name}: {link} has no such anchor")
    assert broken == []


def test_nothing_is_loaded_from_another_machine(site, pages):
    assert [u for page in pages.values() for u in page.loads if urlsplit(u).netloc] == []
    for style in site.folder.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import\s+)[\"']?(?:https?:)?//[^)\"']+", style.read_text()) == [], style


def test_each_chart_says_what_to_see(site):
    captions = {
        name: re.findall(r"<figcaption>(.*?)<span", (site.folder / name).read_text()) for name in site.pages
    }
    assert sum(map(len, captions.values())) > 30
    assert {name: said for name, said in captions.items() if not all(words.strip() for words in said)} == {}


def test_no_page_weighs_more_than_two_megabytes(site):
    weights = {name: (site.folder / name).stat().st_size for name in site.pages}
    assert {name: weight for name, weight in weights.items() if weight > PAGES_WEIGH_AT_MOST} == {}


def loaded_at_first(site, name, page):
    """Bytes of a page and of what its tags load; the browser test sees that no script adds to them."""
    files = {((site.folder / name).parent / load).resolve() for load in page.loads}
    late = ("vega.js", ".vl.json")  # what a chart names for when it is touched
    return (site.folder / name).stat().st_size + sum(
        file.stat().st_size for file in files if not file.name.endswith((*late, HEAVY_DATA))
    )


def test_each_page_loads_little_at_first(site, pages):
    weights = {name: loaded_at_first(site, name, page) for name, page in pages.items()}
    assert {name: weight for name, weight in weights.items() if weight > LOADS_AT_MOST} == {}


def test_the_style_of_what_is_used_stays(site):
    """A rule for each of these is needed; of these others, no page has the class."""
    style = "".join(path.read_text() for path in (site.folder / "assets" / "stylesheets").glob("*.css"))
    for needed in (".md-search__", ".md-typeset details", ".tabbed-labels", ".md-nav--primary", "[data-md-color-scheme=slate]",
                   ".js .md-typeset", "@media print", "[data-md-color-primary=indigo]"):  # fmt: skip
        assert needed in style, needed
    for unused in (
        ".giscus",
        ".md-consent",
        ".task-list",
        "[data-md-color-primary=teal]",
        "[dir=rtl]",
        "--md-source-stars-icon",
        ".tabbed-labels>:nth-child(19)",
    ):
        assert unused not in style, unused


def test_a_page_without_charts_loads_no_script_for_them(pages):
    loads = {name: any(load.endswith("charts.js") for load in page.loads) for name, page in pages.items()}
    charts = {name: any(load.endswith(".vl.json") for load in page.loads) for name, page in pages.items()}
    assert loads == charts
    assert {True, False} == set(charts.values())


def test_no_page_shows_an_unread_fence(site):
    for name in site.pages:
        text = (site.folder / name).read_text()
        assert "--8&lt;--" not in text and "--8<--" not in text, name
        assert not re.search(r'class="language-(chart|results|reproduce|proof|diagram|math)', text), name
