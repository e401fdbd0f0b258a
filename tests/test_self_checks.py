"""Each page that explains something asks its reader three questions, the answers folded.

Which pages those are is read from the navigation. `test_docs_snippets.py` runs the code of the answers.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SECTION = re.compile(r"^  - ([\w ]+):\n((?:      .*\n)+)", re.MULTILINE)
SECTIONS = ("Questions", "Learn", "Try", "Use")
# To look something up in: nothing is explained there.
LISTS = {"questions/index.md", "learn/glossary.md", "claims.md", "use/architecture.md"}
PART = re.compile(r"^## Check yourself\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
FOLDED = re.compile(r'^\?\?\? question "(.+)"\n\n((?:    .*\n|\n)+)', re.MULTILINE)


def pages(navigation: str) -> list[str]:
    """All pages of these sections but the lists."""
    return [
        name
        for title, entries in SECTION.findall(navigation)
        for name in re.findall(r"[\w/.-]+\.md", entries)
        if title in SECTIONS and name not in LISTS
    ]


def asked(page: str) -> dict[str, str]:
    """Each question that a page asks its reader -> the folded answer."""
    return {title: answer for part in PART.findall(page) for title, answer in FOLDED.findall(part)}


PAGES = pages((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_three_questions_and_shows_one_answer_in_code(name):
    answers = asked((DOCS / name).read_text(encoding="utf-8"))
    assert len(answers) == 3, f"expected three questions to the reader, got {list(answers)}"
    assert all("?" in title for title in answers)
    for title, answer in answers.items():
        assert not answer.strip().startswith("```"), f"{title}: the answer begins with words"
    assert any("    ```python\n" in answer for answer in answers.values())


def test_the_pages_come_from_the_navigation():
    assert {"questions/why.md", "learn/the-algebra.md", "try/surgeon.md", "use/tour.md"} <= set(PAGES)
    assert not LISTS & set(PAGES)


def test_a_new_page_is_asked_for_its_questions():
    navigation = (
        "nav:\n  - Home: index.md\n  - Use:\n      - use/mine.md\n      - use/architecture.md\n"
        "  - Performance: performance.md\n  - API reference:\n      - api/mine.md\n"
    )
    assert pages(navigation) == ["use/mine.md"]


def test_a_question_counts_with_its_answer_only():
    page = '## Check yourself\n\n??? question "A?"\n\n    Yes.\n\n??? question "B?"\n\n## Next\n\n??? question "C?"\n\n    No.\n'
    assert asked(page) == {"A?": "    Yes.\n\n"}
