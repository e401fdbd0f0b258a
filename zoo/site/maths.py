"""LaTeX to MathML at build time, so that a formula needs no script and no font from elsewhere."""

from __future__ import annotations

from latex2mathml.converter import convert


def block(latex: str) -> str:
    """A formula on a line of its own; it scrolls by itself where the screen is narrower than it."""
    formula = convert(latex.strip(), display="block")
    return f'<div class="zoo-math" tabindex="0" role="group" aria-label="formula">{formula}</div>'


def inline(latex: str) -> str:
    """A formula within a sentence."""
    return convert(latex.strip())
