"""The notebook twin of a page: its prose and figures in Markdown cells, its code in code cells that run in order.

A page stays the one source: `scripts/make_notebooks.py` writes the twins into a folder, the build of the site writes
them beside the pages. Ids are made of a cell's own words, so that two versions of a notebook can be compared.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from markdown import Markdown

from zoo.site import holes, scales, tables, trim
from zoo.site.place import DOCS

_FENCE = re.compile(
    r"^(?P<margin> *)```(?P<kind>[\w-]*)\n(?P<body>.*?)^(?P=margin)```$", re.DOTALL | re.MULTILINE
)
_INCLUDED = re.compile(r'^ *--8<-- "([^":]+)(?::([^"]+))?" *$', re.MULTILINE)
_MARKER = re.compile(r"^ *# --8<-- \[.*\n", re.MULTILINE)
_HOLE = re.compile(r"`#!n ([^`]+)`")
_FORMULA = re.compile(r"`#!math ([^`]+)`")
_PAGE_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*?)\.md(#[^)\s]*)?\)")
#: To another page or place of the site, as it stands in a finished cell.
_LINK = re.compile(r"\]\((?!\w+:)([^)\s]+)\)")
_FRONT_MATTER = re.compile(r"\A---\n.*?^---\n", re.DOTALL | re.MULTILINE)
#: "=== "Tab"", '??? question "Why?"', '!!! note "Title"': what follows, indented, belongs to it.
_TITLED = re.compile(r'^(===|\?\?\?\+?|!!!)(?: \w+)? "(.+)"$')
_DRAWN = ("chart", "diagram", "diagrams")
_MEASURED = {
    "results": tables.results,
    "proof": tables.proof,
    "paper": tables.paper,
    "reproduce": tables.reproduce,
    "photographs": scales.in_tables,
    "side-by-side": lambda body, md: scales.side_by_side(md),
    "to-be-run": lambda body, md: scales.to_be_run(),
}

_INSTALL = """# Where the zoo is missing, it is installed from a clone of its repository.
import importlib.util
import subprocess
import sys

clone = "."  # the folder of the clone, or an address that pip understands
if importlib.util.find_spec("zoo") is None:
    pip = [sys.executable, "-m", "pip", "install"]
    subprocess.run([*pip, clone], check=True)

import keras
import numpy as np

import zoo

keras.utils.set_random_seed(0)"""


@dataclass(kw_only=True)
class Cell:
    """One cell before it has an id."""

    kind: str
    source: str
    pictures: dict[str, str] = field(default_factory=dict)
    hidden: bool = False


def question_pages() -> list[Path]:
    """The pages that get a twin: a question each."""
    return sorted(page for page in (DOCS / "questions").glob("*.md") if page.name != "index.md")


def write(folder: Path, site: str = "", repository: str = "") -> list[Path]:
    """Every twin as `questions/NAME.ipynb` below the folder; the addresses are those of `notebook`."""
    written = []
    for page in question_pages():
        path = folder / page.relative_to(DOCS).with_suffix(".ipynb")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps(notebook(page, site, repository), indent=1, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )
        written.append(path)
    return written


def notebook(page: Path, site: str = "", repository: str = "") -> dict[str, Any]:
    """A page as a notebook of format 4.5.

    Args:
        page: A Markdown file below `docs/`.
        site: The address of the published site, to which links lead then: a notebook is opened elsewhere. Empty: links are as
            on the page.
        repository: The address that the first cell installs the zoo from. Empty: from a clone.

    Raises:
        ValueError: The page has a fence that no cell can show.
    """
    text = _FRONT_MATTER.sub("", page.read_text(encoding="utf-8"))
    title, _, rest = text.lstrip().partition("\n")
    install = _INSTALL.replace('clone = "."', f'clone = "git+{repository}"') if repository else _INSTALL
    cells = [Cell(kind="markdown", source=title), Cell(kind="code", source=install)]
    cells += _cells(rest, Markdown())
    if site:
        here = urljoin(site, page.relative_to(DOCS).with_suffix(".html").as_posix())
        for cell in cells:
            if cell.kind == "markdown":
                cell.source = _LINK.sub(lambda link: f"]({urljoin(here, link[1])})", cell.source)
    taken: set[str] = set()
    return {
        "cells": [_finished(cell, taken) for cell in cells],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def code(twin: dict[str, Any]) -> list[str]:
    """The code cells of a notebook, in order."""
    return ["".join(cell["source"]) for cell in twin["cells"] if cell["cell_type"] == "code"]


def _finished(cell: Cell, taken: set[str]) -> dict[str, Any]:
    digest = hashlib.sha256(f"{cell.kind}\n{cell.source}".encode()).hexdigest()
    # Cells that say the same get longer and longer names.
    identity = next(name for length in range(8, 65) if (name := digest[:length]) not in taken)
    taken.add(identity)
    finished: dict[str, Any] = {
        "cell_type": cell.kind,
        "id": identity,
        "metadata": {"jupyter": {"source_hidden": True}} if cell.hidden else {},
        "source": cell.source.splitlines(keepends=True),
    }
    if cell.kind == "code":
        finished |= {"execution_count": None, "outputs": []}
    if cell.pictures:
        finished["attachments"] = {
            name: {"image/svg+xml": base64.b64encode(svg.encode()).decode()}
            for name, svg in cell.pictures.items()
        }
    return finished


def _cells(text: str, md: Markdown) -> Iterator[Cell]:
    """Prose up to a title that owns what is indented below it, then that, and so on."""
    prose: list[str] = []
    lines = text.splitlines(keepends=True)
    at = 0
    while at < len(lines):
        titled = _TITLED.match(lines[at].rstrip("\n"))
        if not titled:
            prose.append(lines[at])
            at += 1
            continue
        end = at + 1
        while end < len(lines) and (not lines[end].strip() or lines[end].startswith("    ")):
            end += 1
        yield from _plain("".join(prose), md)
        prose = []
        owned = textwrap.dedent("".join(lines[at + 1 : end]))
        if titled[1].startswith("?"):
            yield from _answer(titled[2], owned, md)
        else:
            yield from _plain(f"**{titled[2]}**\n\n{owned}", md)
        at = end
    yield from _plain("".join(prose), md)


def _answer(question: str, answer: str, md: Markdown) -> Iterator[Cell]:
    """The question is seen; words and code of the answer open on a click."""
    yield Cell(kind="markdown", source=f"**{_worded(question)}** Think first; the answer is below.")
    for cell in _plain(answer, md):
        if cell.kind == "code":
            cell.hidden = True
        else:
            cell.source = f"<details><summary>Answer</summary>\n\n{cell.source}\n\n</details>"
        yield cell


def _plain(text: str, md: Markdown) -> Iterator[Cell]:
    """Text without titled parts: its fences, and what is between them."""
    at = 0
    for fence in _FENCE.finditer(text):
        yield from _prose(text[at : fence.start()])
        yield from _fenced(fence["kind"], textwrap.dedent(fence["body"]), md)
        at = fence.end()
    yield from _prose(text[at:])


def _prose(text: str) -> Iterator[Cell]:
    if text.strip():
        yield Cell(kind="markdown", source=_worded(text).strip("\n"))


def _worded(text: str) -> str:
    """What the site's extensions would make of a sentence, in plain Markdown."""
    text = _INCLUDED.sub(lambda found: _snippet(found[1]), text)
    text = _HOLE.sub(lambda found: re.sub(r"<[^>]+>", "", holes.hole(found[1])), text)
    text = _FORMULA.sub(lambda found: f"${found[1]}$", text)
    text = re.sub(r"^(#+ .*?) *\{ *#[\w-]+ *\}$", r"\1", text, flags=re.MULTILINE)
    return _PAGE_LINK.sub(lambda found: f"]({found[1]}.html{found[2] or ''})", text)


def _snippet(name: str) -> str:
    return (DOCS / "snippets" / name).read_text(encoding="utf-8")


def _fenced(kind: str, body: str, md: Markdown) -> Iterator[Cell]:
    if kind == "python":
        yield Cell(kind="code", source=_resolved(body))
    elif kind in _DRAWN:
        yield _drawn(kind, body)
    elif kind in _MEASURED:
        if shown := _short_table(_MEASURED[kind](body.strip(), md)):
            yield Cell(kind="markdown", source=shown)
    elif kind == "math":
        yield Cell(kind="markdown", source=f"$$\n{body.strip()}\n$$")
    elif kind in ("", "text", "bash", "console"):
        yield Cell(kind="markdown", source=f"```{kind}\n{body.rstrip()}\n```")
    else:
        raise ValueError(
            f"expected a fence that a notebook can show, got {kind!r}; say how in zoo/site/notebooks.py"
        )


def _resolved(body: str) -> str:
    """Code with each included file in its place: the whole file, since a part alone would not run."""

    def whole(found: re.Match[str]) -> str:
        source = _MARKER.sub("", _snippet(found[1]))
        tree = ast.parse(source)
        if ast.get_docstring(tree):
            source = "".join(source.splitlines(keepends=True)[tree.body[0].end_lineno :])
        return source.strip("\n")

    return _INCLUDED.sub(whole, body).rstrip()


def _drawn(kind: str, body: str) -> Cell:
    """Figures as attachments: a notebook that is downloaded alone still shows them."""
    first, *rest = body.strip().splitlines()
    names = body.split() if kind == "diagrams" else [first.strip()]
    caption = " ".join(line.partition(":")[2].strip() for line in rest) if kind != "diagrams" else ""
    folder = "figures" if kind == "chart" else "diagrams"
    if kind == "chart" and not (DOCS / folder / f"{names[0]}.svg").exists():
        return Cell(kind="markdown", source=tables.not_measured(names[0]))
    pictures = {}
    for name in names:
        svg = (DOCS / folder / f"{name}.svg").read_text(encoding="utf-8")
        pictures[f"{name}.svg"] = trim.trim(svg) if kind == "chart" else svg
    shown = "\n".join(f"![{caption or name}](attachment:{name}.svg)" for name in names)
    return Cell(kind="markdown", source=f"{shown}\n\n{caption}".strip(), pictures=pictures)


def _short_table(html: str) -> str:
    """The tables of a fence that are open on the page, without what only a style sheet or a script reads."""
    html = re.sub(r"<details.*?</details>", "", html, flags=re.DOTALL)
    html = re.sub(r"<(\w+)[^>]*>", lambda tag: f"<{tag[1]}>", html)
    html = re.sub(r"</?(?:div|span|section|a)>", "", html)
    return html.replace("</tr>", "</tr>\n").replace("</caption>", "</caption>\n").strip()


def link(page: Path) -> str:
    """What a page says of its twin."""
    name = escape(page.with_suffix(".ipynb").name)
    return (
        f'<p class="zoo-notebook"><a href="{name}" download>Open as a notebook</a> for Jupyter or Colab</p>'
    )
