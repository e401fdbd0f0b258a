"""A style sheet without the rules that no page of this site can match.

The theme styles whatever its readers may use: comments, badges, task lists, a dozen kinds of boxes. That is a third of
what the first page of a visit would load.
"""

from __future__ import annotations

import re

#: Within these, rules stand as they do outside.
_NESTING = ("@media", "@supports", "@layer")
_NAMED = re.compile(r"[.#]([A-Za-z_][\w-]*)")
#: A class that must be absent need not occur.
_ABSENT = re.compile(r":not\([^()]*\)")
_WORD = re.compile(r"[A-Za-z_][\w-]*")
#: Of the theme's twenty colours a site takes one or two.
_COLOUR = re.compile(r"""(data-md-color-(?:primary|accent)=)["']?([\w-]+)""")
#: The theme styles twenty tabs in a row; a page has two or three.
_TAB = re.compile(r"\btabbed-[^,]*:nth-(?:last-)?child\((\d+)\)")
_TABS = re.compile(r'id="__tabbed_\d+_(\d+)"')


def words(text: str) -> set[str]:
    """All that could be the name of a class or an id, in a page or in a script that makes one; colours and tabs as well."""
    tabs = (f"tab {number}" for number in _TABS.findall(text))
    return {*_WORD.findall(text), *map("".join, _COLOUR.findall(text)), *tabs}


def purge(css: str, known: set[str]) -> str:
    """The rules of a style sheet whose classes and ids are all among the known words, without comments."""
    kept = []
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    for rule in _split(css, ";}", closing=True):
        selectors, brace, body = rule.partition("{")
        if not brace or (selectors.lstrip().startswith("@") and not selectors.lstrip().startswith(_NESTING)):
            kept.append(rule)
        elif selectors.lstrip().startswith(_NESTING):
            inner = purge(body.rstrip()[:-1], known)
            kept += [f"{selectors}{{{inner}}}"] if inner.strip() else []
        elif left := [each for each in _split(selectors, ",") if _can_match(each, known)]:
            kept.append(f"{','.join(left)}{{{body}")
    return "".join(kept)


def _can_match(selector: str, known: set[str]) -> bool:
    present = _ABSENT.sub("", selector)
    tabs = (f"tab {number}" for number in _TAB.findall(present))
    return known.issuperset([*_NAMED.findall(present), *map("".join, _COLOUR.findall(present)), *tabs])


def _split(text: str, ends: str, *, closing: bool = False) -> list[str]:
    """The parts between these characters, wherever they stand outside strings, brackets and braces."""
    parts, start, depth, quote, at = [], 0, 0, "", 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        else:
            depth += (char in "([{") - (char in ")]}")
            if char in ends and not depth:
                parts.append(text[start : at + closing])
                start = at + 1
        at += 1
    return [*parts, text[start:]] if text[start:].strip() else parts
