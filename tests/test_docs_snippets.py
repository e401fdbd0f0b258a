"""Every piece of Python the site shows is run: the files of docs/snippets, and the blocks within the pages.

The blocks of one page run in order in one namespace, as a reader would type them.
"""

import re
import textwrap
from pathlib import Path

import keras
import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
SNIPPETS = sorted((DOCS / "snippets").glob("*.py"))
# A fence at the margin is a page's own code, and so is one in a folded answer. Any other indented one lies in a
# tab: it includes a snippet file, or shows a fragment that is not meant to stand alone.
BLOCK = re.compile(r"^(    )?```python\n(.*?)^\1?```$", re.DOTALL | re.MULTILINE)
FOLDED = "??? "
INCLUDED = re.compile(r'--8<-- "([^":]+)(?::([^"]+))?"')


def blocks(page: Path) -> list[tuple[int, str]]:
    """The page's own Python blocks, each with the line it starts on."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, match.start(2)) + 1, textwrap.dedent(match.group(2)))
        for match in BLOCK.finditer(text)
        if "--8<--" not in match.group(2) and (not match.group(1) or folded(text[: match.start()]))
    ]


def folded(text: str) -> bool:
    """Whether what follows the text, indented, belongs to a folded answer."""
    margin = [line for line in text.splitlines() if line.strip() and not line.startswith(" ")]
    return bool(margin) and margin[-1].startswith(FOLDED)


PAGES = sorted(page for page in DOCS.rglob("*.md") if blocks(page))


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    yield
    keras.backend.clear_session()


@pytest.mark.parametrize("path", SNIPPETS, ids=lambda path: path.stem)
def test_snippet_runs(path):
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS).with_suffix("")))
def test_python_blocks_of_a_page_run_in_order(page):
    namespace = {"__name__": "__main__"}
    for line, source in blocks(page):
        # Blank lines in front, so that a traceback names the line of the page.
        exec(compile("\n" * (line - 1) + source, str(page), "exec"), namespace)


def test_every_snippet_is_shown_and_every_included_section_exists():
    shown = set()
    for page in DOCS.rglob("*.md"):
        for name, section in INCLUDED.findall(page.read_text(encoding="utf-8")):
            text = (DOCS / "snippets" / name).read_text(encoding="utf-8")
            assert not section or f"# --8<-- [start:{section}]" in text, f"{page}: no {section!r} in {name}"
            shown.add(name)
    shown = {name for name in shown if name.endswith(".py")}
    assert shown == {path.name for path in SNIPPETS}


def test_code_in_a_folded_answer_is_run_and_code_in_a_tab_is_not(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        'Text.\n\n=== "Tab"\n\n    ```python\n    tab\n    ```\n\n'
        '??? question "Why?"\n\n    So.\n\n    ```python\n    if True:\n        answer\n    ```\n\n'
        "```python\nmargin\n```\n"
    )
    assert blocks(page) == [(14, "if True:\n    answer\n"), (19, "margin\n")]


def test_the_pages_are_found():
    assert len(PAGES) >= 15 and len(SNIPPETS) >= 20
