"""A style sheet without the rules that no page of this site can match, and without the variables that nothing reads.

The theme styles whatever its readers may use: comments, badges, task lists, a dozen kinds of boxes, writing from right
to left. That is two fifths of what the first page of a visit would load.
"""

from __future__ import annotations

import re

#: Within these, rules stand as they do outside.
_NESTING = ("@media", "@supports", "@layer")
_NAMED = re.compile(r"[.#]([A-Za-z_][\w-]*)")
#: Of these, one must occur.
_ANY = re.compile(r":(?:is|where)\(([^()]*)\)")
#: A class that must be absent need not occur.
_ABSENT = re.compile(r":not\([^()]*\)")
_WORD = re.compile(r"[A-Za-z_][\w-]*")
#: Of the theme's twenty colours a site takes one or two, and it is written in one direction.
_CHOSEN = re.compile(r"""\b(data-md-color-(?:primary|accent)=|dir=)["']?([\w-]+)""")
#: The theme styles twenty tabs in a row; a page has two or three.
_TAB = re.compile(r"\btabbed-[^,]*:nth-(?:last-)?child\((\d+)\)")
_TABS = re.compile(r'id="__tabbed_\d+_(\d+)"')
#: A variable where it is given its value, where a style asks for it, and where a script may.
_SET = re.compile(r"\s*(--[\w-]+)\s*:")
_ASKED = re.compile(r"\bvar\(\s*(--[\w-]+)")
_NAMES = re.compile(r"--[\w-]+")


def words(text: str) -> set[str]:
    """All that could be the name of a class or an id, in a page or in a script that makes one; colours, directions and tabs as well."""
    tabs = (f"tab {number}" for number in _TABS.findall(text))
    return {*_WORD.findall(text), *map("".join, _CHOSEN.findall(text)), *tabs}


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


def variables(text: str, *, script: bool = False) -> set[str]:
    """The variables that a style sheet or a page asks for, or that a script names; `--zoo-` is the beginning of some."""
    return set((_NAMES if script else _ASKED).findall(text))


def without_unread(css: str, read: set[str]) -> str:
    """A style sheet that sets no variable but those that are read somewhere."""
    # A script may put a name together.
    begun = tuple(name for name in read if name.endswith("-"))
    kept = []
    for rule in _split(css, ";}", closing=True):
        selectors, brace, body = rule.partition("{")
        if not brace:
            kept.append(rule)
        elif selectors.lstrip().startswith(_NESTING):
            kept.append(f"{selectors}{{{without_unread(body.rstrip()[:-1], read)}}}")
        else:
            said = _split(body.rstrip()[:-1], ";")
            needed = [
                each
                for each in said
                if not (name := _SET.match(each)) or name[1] in read or name[1].startswith(begun)
            ]
            kept += [f"{selectors}{{{';'.join(needed)}}}"] if needed else []
    return "".join(kept)


def _can_match(selector: str, known: set[str]) -> bool:
    present = _ABSENT.sub("", selector)
    for choice in _ANY.finditer(present):
        if not any(_can_match(one, known) for one in _split(choice[1], ",")):
            return False
    present = _ANY.sub("", present)
    tabs = (f"tab {number}" for number in _TAB.findall(present))
    return known.issuperset([*_NAMED.findall(present), *map("".join, _CHOSEN.findall(present)), *tabs])


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
