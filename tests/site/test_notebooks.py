"""Each question page has a notebook twin that is sound, is linked, and runs."""

import functools
import json
import re

import keras
import pytest

from zoo.site import notebooks
from zoo.site.place import DOCS

PAGES = notebooks.question_pages()
NAMES = [page.stem for page in PAGES]
# The quickest here: tabs, folded answers and surgery. The others, in one process, among the deep tests.
RUN = ["form", pytest.param("others", marks=pytest.mark.deep)]


@functools.cache
def twin_of(name):
    return notebooks.notebook(DOCS / "questions" / f"{name}.md")


def sources(twin, kind):
    return ["".join(cell["source"]) for cell in twin["cells"] if cell["cell_type"] == kind]


@pytest.mark.parametrize("which", RUN)
def test_the_cells_run_in_order(which, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in NAMES if name != "form"] if which == "others" else [which]:
        namespace = {"__name__": "__main__"}
        for number, source in enumerate(notebooks.code(twin_of(name))):
            exec(compile(source, f"{name}, code cell {number}", "exec"), namespace)
        keras.backend.clear_session()


def test_a_notebook_of_a_published_site_works_away_from_it():
    page = DOCS / "questions" / "why.md"
    published = notebooks.notebook(page, "https://zoo.example/en/", "https://code.example/zoo")
    assert 'clone = "git+https://code.example/zoo"' in notebooks.code(published)[0]
    links = re.findall(r"\]\(([^)\s]+)\)", "".join(sources(published, "markdown")))
    assert "https://zoo.example/en/learn/the-algebra.html" in links
    assert all(re.match(r"https?:|attachment:", link) for link in links)
    here = re.findall(r"\]\(([^)\s]+)\)", "".join(sources(twin_of("why"), "markdown")))
    assert "../learn/the-algebra.html" in here and len(here) == len(links)
    assert 'clone = "."' in notebooks.code(twin_of("why"))[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_format_is_that_of_notebooks(name):
    """The requirements of nbformat 4.5 on what is used here."""
    twin = json.loads(json.dumps(twin_of(name)))
    assert (twin["nbformat"], twin["nbformat_minor"]) == (4, 5)
    assert set(twin) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    identities = [cell["id"] for cell in twin["cells"]]
    assert len(set(identities)) == len(identities)
    for cell in twin["cells"]:
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell["id"])
        assert all(isinstance(line, str) for line in cell["source"])
        wanted = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            assert set(cell) == {*wanted, "execution_count", "outputs"}
            assert cell["execution_count"] is None and cell["outputs"] == []
        else:
            assert cell["cell_type"] == "markdown" and set(cell) - {"attachments"} == wanted
            shown = set(re.findall(r"\(attachment:([^)]+)\)", "".join(cell["source"])))
            assert shown == set(cell.get("attachments", {}))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_sites_own_language_is_left(name):
    prose = re.sub(r"```.*?```", "", "\n".join(sources(twin_of(name), "markdown")), flags=re.DOTALL)
    for marker in ("--8<--", "`#!", "\n=== ", "\n??? ", "```chart", "data-search-exclude"):
        assert marker not in prose, marker
    assert re.findall(r"\]\((?!\w+:)[^)]*\.md\b", prose) == []
    assert "--8<--" not in "\n".join(sources(twin_of(name), "code"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_twin_has_all_the_code_and_all_the_figures_of_its_page(page):
    text = page.read_text()
    twin = twin_of(page.stem)
    assert len(sources(twin, "code")) == 1 + len(re.findall(r"^ *```python$", text, re.MULTILINE))
    drawn = sum(len(cell.get("attachments", {})) for cell in twin["cells"])
    named = re.findall(r"^```diagrams\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    single = len(re.findall(r"^```(?:chart|diagram)$", text, re.MULTILINE))
    assert drawn == single + sum(len(names.split()) for names in named)


def test_ids_are_those_of_the_words_and_not_of_the_place(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nOne.\n\n```python\na = 1\n```\n\n```python\na = 1\n```\n")
    before = [cell["id"] for cell in notebooks.notebook(page)["cells"]]
    page.write_text(page.read_text().replace("One.", "One.\n\n```python\nb = 2\n```\n"))
    after = [cell["id"] for cell in notebooks.notebook(page)["cells"]]
    assert len(set(after)) == len(after) == len(before) + 1
    assert set(before) < set(after)


def test_prose_as_plain_markdown(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "---\nsearch: {boost: 2}\n---\n# Title\n\n## Why? { #why }\n\nSee [it](../use/tour.md#here), `#!math x^2`.\n\n"
        '??? question "Is `a` one?"\n\n    Yes.\n\n    ```python\n    if True:\n        a = 1\n    ```\n'
    )
    cells = notebooks.notebook(page)["cells"]
    said = ["".join(cell["source"]) for cell in cells]
    assert said[0] == "# Title"
    assert said[2] == "## Why?\n\nSee [it](../use/tour.html#here), $x^2$."
    assert said[3].startswith("**Is `a` one?**") and "Yes." in said[4] and "<summary>" in said[4]
    assert said[5] == "if True:\n    a = 1" and cells[5]["metadata"] == {"jupyter": {"source_hidden": True}}


def test_a_fence_that_no_cell_can_show_stops_the_build(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```zoo-table\n```\n")
    with pytest.raises(ValueError, match="zoo-table"):
        notebooks.notebook(page)


def test_each_question_page_links_to_its_twin(site):
    for page in PAGES:
        where = page.relative_to(DOCS)
        html = (site.folder / where.with_suffix(".html")).read_text()
        assert (
            html.count(f'href="{page.stem}.ipynb" download>Open as a notebook</a> for Jupyter or Colab') == 1
        ), where
        assert json.loads((site.folder / where.with_suffix(".ipynb")).read_text()) == twin_of(page.stem)
    assert len(list(site.folder.rglob("*.ipynb"))) == len(PAGES) >= 15
