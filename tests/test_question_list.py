"""The list of all questions answers each question that has a page, in a line."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INDEX = "questions/index.md"
LONGEST = 200
ENTRY = re.compile(r"^- \[([^\]]+)\]\(([^)#]+)[^)]*\)(.*?)(?=^- |^#|^\n|\Z)", re.MULTILINE | re.DOTALL)


def answers(text: str) -> dict[str, str]:
    """The file that an entry links to, seen from the list -> its answer, without the other names of the question."""
    found = {}
    for _, page, said in ENTRY.findall(text):
        answer = re.split(r"\bAlso(?: asked as)?:", said)[0]
        found.setdefault(page, " ".join(answer.split()).lstrip(": "))
    return found


LISTED = answers((ROOT / "docs" / INDEX).read_text(encoding="utf-8"))
PAGES = [
    page
    for page in re.findall(
        r"^ +- (questions/[\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE
    )
    if page != INDEX
]


@pytest.mark.parametrize("page", PAGES)
def test_a_question_of_the_navigation_is_answered_in_the_list(page):
    name = page.removeprefix("questions/")
    assert name in LISTED, f"docs/{INDEX}: add a line for {name}, with its answer"
    answer = LISTED[name]
    assert len(answer.split()) >= 3 and answer.endswith("."), f"docs/{INDEX}: {name} has no answer"
    assert len(answer) <= LONGEST, f"docs/{INDEX}: the answer of {name} is no line: {len(answer)} characters"


def test_each_question_page_is_in_the_navigation():
    assert {f"questions/{path.name}" for path in (ROOT / "docs/questions").glob("*.md")} == {INDEX, *PAGES}


def test_other_names_of_a_question_are_no_answer():
    text = "# All\n\n- [A?](a.md) Yes, it\n  is. Also asked as: b, c.\n- [D?](d.md) Also asked as: e.\n- [F?](f.md)\n\nText.\n"
    assert answers(text) == {"a.md": "Yes, it is.", "d.md": "", "f.md": ""}
