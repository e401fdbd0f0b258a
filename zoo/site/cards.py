"""The zoo table and its cards, from `docs/data/zoo_table.json` and `docs/data/options.json`."""

from __future__ import annotations


def table() -> str:
    return '<div class="admonition zoo-missing"><p class="admonition-title">Table not generated yet</p><p>Run <code>scripts/make_docs.py</code>.</p></div>'


def options() -> str:
    return table()
