"""Where the site's files lie, and how one page links to them."""

from __future__ import annotations

import posixpath
from pathlib import Path

from markdown import Markdown

DOCS = Path(__file__).resolve().parents[2] / "docs"


def link(md: Markdown, target: str) -> str:
    """Relative URL of `target` (a path below `docs/`) seen from the page that `md` is rendering.

    MkDocs and Zensical rewrite links that Markdown made, but not those inside HTML that a fence returns.
    """
    page = _url(md)
    return posixpath.relpath(target, posixpath.dirname(page) or ".") if page else target


def _url(md: Markdown) -> str:
    """Where the page will be, as the builder says it; nothing outside of both, as in a unit test."""
    if "relpath" in md.treeprocessors:
        return md.treeprocessors["relpath"].file.url
    return md.preprocessors["rendering_context"].page.url if "rendering_context" in md.preprocessors else ""
