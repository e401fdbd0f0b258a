"""What stands on an API page, in a line each: read from the pages and from the source, without importing it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html import escape

import yaml
from markdown import Markdown

from zoo.site import maths
from zoo.site.place import DOCS, link

_ROOT = DOCS.parent
_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
#: A line `::: zoo.build` and the options below it.
_DIRECTIVE = re.compile(r"^::: (\S+)\n((?: .*\n|\n(?= ))*)", re.MULTILINE)
_MARKED = re.compile(r"`(?P<code>[^`]+)`|\$(?P<formula>[^$]+)\$")


@dataclass(frozen=True)
class Entry:
    """A documented name: where its anchor is, what it is called, what it does, and the anchors of what it has."""

    path: str
    name: str
    summary: str
    members: tuple[str, ...]


def index(pages: list[str], md: Markdown) -> str:
    """A table for each page of `docs/api`: the names on it, a line each.

    Each row has the anchor of the name it is about, so that an address keeps working where a name has moved to a page
    of its own.

    Raises:
        ValueError: There is no such page, or it documents nothing, or what has no docstring.
    """
    return "".join(_table(page, md) for page in pages)


def _table(page: str, md: Markdown) -> str:
    address = link(md, f"api/{page}.html")
    front = _front(page)
    title, body = escape(front["title"]), ""
    for entry in entries(page):
        also = "".join(f'<span id="{member}"></span>' for member in entry.members)
        body += (
            f'<tr id="{entry.path}"><th scope="row">{also}<a href="{address}#{entry.path}"><code>{entry.name.replace(".", ".<wbr>")}'
            f"</code></a></th><td>{_words(entry.summary)}</td></tr>"
        )
    return (
        f'<div class="zoo-table" data-search-exclude tabindex="0" role="group" aria-label="{title}">'
        f'<table class="zoo-rows"><caption><span><a href="{address}">{title}</a>: {escape(front["description"])}</span></caption>'
        f'<thead><tr><th scope="col">name<th scope="col">what it is</thead><tbody>{body}</tbody></table></div>'
    )


def _words(summary: str) -> str:
    """What a docstring says first, with its code and its formulas."""
    said, at = "", 0
    for marked in _MARKED.finditer(summary):
        code, formula = marked["code"], marked["formula"]
        shown = f"<code>{escape(code)}</code>" if code else maths.inline(formula)
        said += escape(summary[at : marked.start()]) + shown
        at = marked.end()
    return said + escape(summary[at:])


def _text(page: str) -> str:
    path = DOCS / "api" / f"{page}.md"
    if not path.is_file():
        raise ValueError(
            f"there is no page {path.relative_to(_ROOT)}; name one of docs/api without its ending"
        )
    return path.read_text(encoding="utf-8")


def _front(page: str) -> dict[str, str]:
    return yaml.safe_load(_FRONT.match(_text(page))[1])


def entries(page: str) -> list[Entry]:
    """What a page documents, in its order.

    Raises:
        ValueError: There is no such page, or it documents nothing, or what has no docstring.
    """
    found = [entry for path, options in _directives(page) for entry in _entries(path, options)]
    if not found:
        raise ValueError(f"docs/api/{page}.md documents nothing: it has no line '::: NAME'")
    return found


def _directives(page: str) -> Iterator[tuple[str, dict]]:
    for directive in _DIRECTIVE.finditer(_text(page)):
        yield directive[1], (yaml.safe_load(directive[2]) or {}).get("options", {})


def _entries(path: str, options: dict) -> Iterator[Entry]:
    node = _find(path)
    listed = isinstance(node, ast.Module) and options.get("show_root_heading") is False
    for each in [f"{path}.{name}" for name in options.get("members") or _public(node)] if listed else [path]:
        documented = _find(each)
        said = ast.get_docstring(documented)
        if not said:
            raise ValueError(f"{each} has no docstring")
        name = options.get("heading", each) if not listed else each.rpartition(".")[2]
        inside = _public(documented) if isinstance(documented, ast.ClassDef) else []
        yield Entry(each, name, said.splitlines()[0], tuple(f"{each}.{member}" for member in inside))


def _public(node: ast.AST) -> list[str]:
    """What a module says it offers, or the functions and classes that a module or a class defines."""
    for statement in node.body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "__all__":
            return ast.literal_eval(statement.value)
    defined = (ast.FunctionDef, ast.ClassDef)
    return [each.name for each in node.body if isinstance(each, defined) and not each.name.startswith("_")]


@cache
def _module(name: str) -> ast.Module | None:
    folder = _ROOT.joinpath(*name.split("."))
    for path in (folder.with_suffix(".py"), folder / "__init__.py"):
        if path.is_file():
            return ast.parse(path.read_text(encoding="utf-8"))
    return None


def _find(path: str) -> ast.Module | ast.ClassDef | ast.FunctionDef:
    """What a dotted name is, followed through the modules that import it from where it is defined."""
    where, _, name = path.rpartition(".")
    # From below: the last of overloads is the one with the docstring.
    for statement in reversed(module.body) if (module := _module(where)) else ():
        if isinstance(statement, (ast.ClassDef, ast.FunctionDef)) and statement.name == name:
            return statement
        if isinstance(statement, ast.ImportFrom) and name in {
            each.asname or each.name for each in statement.names
        }:
            return _find(f"{statement.module}.{name}")
    if module := _module(path):
        return module
    raise ValueError(
        f"there is no {path} in the source: expected a module, or what one defines or imports by name"
    )
