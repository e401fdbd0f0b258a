"""LaTeX to MathML at build time, so that a formula needs no script and no font from elsewhere.

As a Markdown extension it also reads `$formula$` and, in a paragraph of its own, `$$formula$$`, which docstrings use.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as etree

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.blockprocessors import BlockProcessor
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor

# Neither blank just within the dollars nor a digit after them: "$5 and $6" is no formula.
_DOLLARS = r"(?<![\\$])\$(?![\s$])([^$]+?)(?<![\s\\])\$(?![\d$])"

_LONG = 25  # characters of LaTeX, well below what a screen of 360 pixels holds


def block(latex: str) -> str:
    """A formula on a line of its own; it scrolls by itself where the screen is narrower than it.

    Formulas parted by a double quad stand side by side where there is room, else below each other.
    """
    formulas = "".join(
        f'<div class="zoo-math" tabindex="0" role="group" aria-label="formula">{convert(part, display="block")}</div>'
        for part in map(str.strip, latex.split(r"\qquad"))
    )
    return f'<div class="zoo-math-row">{formulas}</div>'


def inline(latex: str) -> str:
    """A formula within a sentence; a long one scrolls by itself, because a formula does not wrap."""
    formula = convert(latex.strip())
    if len(latex) < _LONG:
        return formula
    return f'<span class="zoo-math-long" tabindex="0" role="group" aria-label="formula">{formula}</span>'


class _Dollars(InlineProcessor):
    def handleMatch(self, m, data):
        placeholder = self.md.htmlStash.store(inline(m.group(1)))
        return placeholder, m.start(0), m.end(0)


class _DoubleDollars(BlockProcessor):
    PATTERN = re.compile(r"\s*\$\$(.+?)\$\$\s*", re.DOTALL)

    def test(self, parent, block):
        return self.PATTERN.fullmatch(block) is not None

    def run(self, parent, blocks):
        html = block(self.PATTERN.fullmatch(blocks.pop(0)).group(1))
        etree.SubElement(parent, "p").text = self.parser.md.htmlStash.store(html)


class Dollars(Extension):
    """`$formula$` within a sentence and `$$formula$$` by itself."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the patterns, before emphasis would read the underscores."""
        md.parser.blockprocessors.register(_DoubleDollars(md.parser), "zoo-double-dollars", 95)
        md.inlinePatterns.register(_Dollars(_DOLLARS, md), "zoo-dollars", 185)


def makeExtension(**options) -> Dollars:
    """What Markdown calls to find the extension of this module."""
    return Dollars(**options)
