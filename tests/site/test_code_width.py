"""Code on the pages is narrow enough to be read without scrolling sideways."""

import html
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
GENERATED = {"claims.md"}
COLUMNS = 79
FENCE = re.compile(r"^( *)(`{3,})(.*)$")
INCLUDED = re.compile(r'^ *--8<-- "([^":]+)(?::([^"]+))?"$')
PRE = re.compile(r"<pre[^>]*>(.*?)</pre>", re.DOTALL)


def shown(page):
    """The lines of Python and shell code on a page of docs/: where each is written, and its text."""
    opened = None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if fence and opened is None:
            opened = indent, ticks, language = len(fence[1]), fence[2], fence[3].split(" ")[0]
        elif fence and fence[2].startswith(ticks) and not fence[3].strip():
            opened = None
        elif opened and language in ("python", "bash"):
            if snippet := INCLUDED.match(line):
                yield from section(DOCS / "snippets" / snippet[1], snippet[2])
            else:
                yield f"{page.relative_to(DOCS)}:{number}", line[indent:]
    assert opened is None, f"{page}: a fence is not closed"


def section(path, name):
    """The lines of a section of a snippet file, or of all of it."""
    within = name is None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if f"--8<-- [start:{name}]" in line:
            within = True
        elif f"--8<-- [end:{name}]" in line:
            within = False
        elif within:
            yield f"{path.relative_to(DOCS)}:{number}", line


def wide(lines):
    """Where the lines beyond the width stand, with how long they are."""
    return [
        f"{where} has {len(line.rstrip())} columns: {line.strip()}"
        for where, line in lines
        if len(line.rstrip()) > COLUMNS
    ]


PAGES = sorted(page for page in DOCS.rglob("*.md") if page.name not in GENERATED)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS).with_suffix("")))
def test_code_of_a_page_fits(page):
    assert wide(shown(page)) == []


def test_examples_of_the_api_pages_fit(site):
    lines = [
        (f"{page}: example", line)
        for page in site.pages
        if page.startswith("api/")
        for block in PRE.findall((site.folder / page).read_text())
        for line in html.unescape(re.sub(r"<[^>]+>", "", block)).splitlines()
        if line.startswith((">>> ", "... "))
    ]
    assert len(lines) > 50
    assert wide(lines) == []


def test_code_is_found_where_it_is_shown():
    form = dict(shown(DOCS / "questions/form.md"))
    assert "import keras" in form.values()
    tabs = [where for where, _ in shown(DOCS / "learn/choosing-a-placement.md")]
    assert any(where.startswith("snippets/placement_builtin.py") for where in tabs)
    assert len([line for page in PAGES for line in shown(page)]) > 300


def test_a_wide_line_is_named():
    lines = [("here.md:3", "x" * COLUMNS), ("here.md:4", "y" * (COLUMNS + 1) + "  ")]
    assert wide(lines) == [f"here.md:4 has 80 columns: {'y' * 80}"]
