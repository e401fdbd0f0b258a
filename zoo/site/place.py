"""Where the site's files lie, and how one page links to them."""

from __future__ import annotations

import posixpath
from pathlib import Path

from markdown import Markdown

DOCS = Path(__file__).resolve().parents[2] / "docs"


def link(md: Markdown, target: str) -> str:
    """Relative URL of `target` (a path below `docs/`) seen from the page that `md` is rendering.

    MkDocs rewrites links that Markdown made, but not those inside HTML that a fence returns.
    """
    if "relpath" not in md.treeprocessors:  # rendered outside MkDocs, as in a unit test
        return target
    page = md.treeprocessors["relpath"].file.url
    return posixpath.relpath(target, posixpath.dirname(page) or ".")
