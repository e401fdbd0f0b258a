"""Every public name stands on one API page, with a docstring, and in the index; addresses from before still lead there."""

import html
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import zoo
from zoo.site import reference

OLD_ADDRESSES = (Path(__file__).parent / "old_addresses.txt").read_text().split()
#: Not below `zoo.__all__`, and documented all the same.
ALSO = ("zoo.experiments.design.experiment", "zoo.experiments.design.study")
HEADING = re.compile(r'<h[2-6] id="(zoo[^"]*)"')
ROW = re.compile(
    r'<tr id="([^"]+)"><th scope="row">.*?<a href="([^"]+)"><code>.*?</code></a><t?d?>?(.*?)(?=<tr|</tbody>)',
    re.S,
)


def of_module(where):
    """Public names of a module with what they are."""
    module = importlib.import_module(where)
    names = getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")])
    things = {f"{where}.{name}": getattr(module, name) for name in names}
    # Without __all__, what a module imports is not its own; and data have no docstrings.
    return {n: t for n, t in things.items() if getattr(t, "__module__", "").startswith(where)}


def public():
    """Public names of the package and of its public modules, with what they are."""
    found = {f"zoo.{name}": getattr(zoo, name) for name in zoo.__all__ if not name.startswith("__")}
    modules = [name for name, thing in found.items() if isinstance(thing, ModuleType)]
    for where in modules:
        del found[where]
    for where in [*modules, *ALSO]:
        found |= of_module(where)
    return found


def paths(name, thing):
    """Where a page may take it from: the public name, the file that defines it, a package that gathers its files."""
    yield name
    where = thing.__module__
    while "." in where:
        if getattr(importlib.import_module(where), thing.__name__, None) is thing:
            yield f"{where}.{thing.__qualname__}"
        where = where.rpartition(".")[0]


@pytest.fixture(scope="module")
def headings(site):
    """Page -> the names that it documents."""
    pages = [page for page in site.pages if page.startswith("api/")]
    return {page: HEADING.findall((site.folder / page).read_text()) for page in pages}


def test_public_names_have_docstrings():
    assert [name for name, thing in public().items() if not inspect.getdoc(thing)] == []


def test_each_public_name_stands_on_one_api_page(headings):
    where = {
        name: [page for page, shown in headings.items() for path in set(paths(name, thing)) if path in shown]
        for name, thing in public().items()
    }
    assert len(where) > 70
    assert {name: pages for name, pages in where.items() if len(pages) != 1} == {}


def test_the_index_says_in_a_line_what_each_public_name_is(site):
    shown = {
        path: html.unescape(re.sub(r"<math\b.*?</math>|<[^>]*>", "", said)).strip()
        for path, _, said in rows(site, "index")
    }
    for name, thing in public().items():
        (said,) = {shown[path] for path in set(paths(name, thing)) if path in shown}
        wanted = inspect.getdoc(thing).splitlines()[0]
        assert said == re.sub(r"\$[^$]*\$", "", wanted).replace("`", ""), name


def rows(site, page):
    """The rows of an API page's tables of names: name, link, what it is."""
    return ROW.findall((site.folder / f"api/{page}.html").read_text())


def test_a_row_leads_to_the_heading_of_its_name(site, headings):
    for page in ("index", "transforms", "build", "experiments"):
        found = rows(site, page)
        assert len(found) > 5
        for path, link, _ in found:
            where, _, anchor = link.partition("#")
            assert anchor == path and path in headings[f"api/{where}"], link


@pytest.mark.parametrize("page", sorted({address.partition("#")[0] for address in OLD_ADDRESSES}))
def test_old_addresses_are_still_there(site, page):
    text = (site.folder / page).read_text()
    anchors = [old.partition("#")[2] for old in OLD_ADDRESSES if old.startswith(f"{page}#")]
    assert [anchor for anchor in anchors if f'id="{anchor}"' not in text] == []


@pytest.mark.parametrize("page", ["index", "transforms", "build", "units", "probes", "experiments"])
def test_an_anchor_leads_to_one_place(site, page):
    ids = re.findall(r' id="(zoo[^"]*)"', (site.folder / f"api/{page}.html").read_text())
    assert sorted(ids) == sorted(set(ids))


def test_a_name_is_found_where_others_import_it_from():
    (entry,) = [each for each in reference.entries("transforms/roll") if each.path == "zoo.transforms.unroll"]
    assert entry.summary == inspect.getdoc(zoo.transforms.unroll).splitlines()[0]
    members = {each.name: each.members for each in reference.entries("transforms/plan")}[
        "zoo.planning.DepthPlan"
    ]
    assert "zoo.planning.DepthPlan.apply" in members


def test_a_line_shows_code_and_formulas():
    shown = reference._words("`a < b` becomes $f(z)$ & c")
    assert shown.startswith("<code>a &lt; b</code> becomes <") and shown.endswith("> &amp; c")
    assert "<math" in shown and "$" not in shown


@pytest.mark.parametrize(
    ("page", "refusal"),
    [("nowhere", r"no page docs/api/nowhere\.md"), ("transforms", r"transforms\.md documents nothing")],
)
def test_a_page_that_documents_nothing_is_refused(page, refusal):
    with pytest.raises(ValueError, match=refusal):
        reference.entries(page)


def test_a_name_that_is_not_in_the_source_is_refused():
    with pytest.raises(ValueError, match=r"there is no zoo\.models\.bild in the source"):
        reference._find("zoo.models.bild")
