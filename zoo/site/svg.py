"""Putting an SVG file into a page: named for people who cannot see it, and free of clashing ids."""

from __future__ import annotations

import re
from html import escape


def inline(svg: str, name: str, title: str, description: str) -> str:
    """The `<svg>` element of a file with `<title>` and `<desc>`, its ids prefixed by `name`.

    Two charts of one page both call their first clip path `clip0`: one would be cut by the other's.
    """
    start = svg.index("<svg")
    svg = svg[start:]
    ids = set(re.findall(r'\bid="([^"]+)"', svg))
    for identifier in ids:
        new = f"{name}-{identifier}"
        svg = svg.replace(f'id="{identifier}"', f'id="{new}"').replace(f"url(#{identifier})", f"url(#{new})")
        svg = svg.replace(f'href="#{identifier}"', f'href="#{new}"')
    opening = re.match(r"<svg[^>]*>", svg).group(0)
    bare = re.sub(r'\s(role|aria-[a-z]+)="[^"]*"', "", opening)
    body = svg[len(opening) :]
    # A chart is one picture to a screen reader; its rows are in the table beside it.
    body = re.sub(r'\s(role|aria-[a-z]+)="[^"]*"', "", body)
    body = re.sub(r"^\s*<title>.*?</title>\s*(<desc>.*?</desc>)?", "", body, flags=re.S)
    named = f'{bare[:-1]} role="img" aria-labelledby="{name}-t {name}-d">'
    words = f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(description)}</desc>'
    return named + words + body
