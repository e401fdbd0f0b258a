"""The zoo table, and families x options: from the files that `scripts/make_docs.py` writes."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from zoo.site import catalog_cards, measured, tables
from zoo.site.catalog_cards import read

_COLUMNS = (
    ("name", "model"),
    ("family", "family"),
    ("depth", "depth"),
    ("ordering", "placement"),
    ("parameters", "parameters"),
    ("flops", "GFLOPs"),
    ("foldable", "BNs that fold"),
    ("milliseconds", "ms a picture"),
    ("accuracy", "accuracy with our weights, %"),
)
_NUMBERS = {"depth", "parameters", "flops", "foldable", "milliseconds", "accuracy"}


def table() -> str:
    """Every model, sortable and filterable where scripts run; a row leads to the card of its model."""
    models = [model | measured.of(model["name"]) for model in read("zoo_table")]
    columns = [(key, title) for key, title in _COLUMNS if any(model.get(key) is not None for model in models)]
    heads = "".join(f'<th scope="col"{_number(key)}>{escape(title)}</th>' for key, title in columns)
    aligned = tables.numeric_columns({i for i, (key, _) in enumerate(columns) if key in _NUMBERS})
    body = "".join(_row(model, [key for key, _ in columns]) for model in models)
    return (
        '<div class="zoo-table" data-search-exclude tabindex="0" role="group" aria-label="All models">'
        f'<table class="zoo-rows{aligned}" data-sortable><caption><span>{len(models)} models. Parameters include moving statistics; FLOPs '
        f"count a multiply-add as two, for one picture of the size on the card.{_timed()}</span></caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _timed() -> str:
    if not measured.milliseconds():
        return ""
    return (
        " Milliseconds are those of the machine on the Performance page, in batches. "
        "A dash: no BatchNormalization in the net, not timed yet, or no weights shipped."
    )


def _number(key: str) -> str:
    return ' class="zoo-number"' if key in _NUMBERS else ""


def _row(model: dict[str, Any], columns: list[str]) -> str:
    cells = ""
    for key in columns[1:]:
        value, shown = escape(str(_sort_value(model, key))), escape(_shown(model, key))
        sorted_by = "" if value == shown else f' data-value="{value}"'
        cells += f"<td{sorted_by}>{shown}</td>"
    name = escape(model["name"])
    # The row has the name too: links from outside lead to this page, where the cards once were.
    card = f"{catalog_cards.address(model['family'])}#{name}"
    return f'<tr id="{name}"><th scope="row"><a href="{card}">{name}</a></th>{cells}</tr>'


def _sort_value(model: dict[str, Any], key: str) -> Any:
    value = model.get(key)
    return -1 if value is None else value


def _shown(model: dict[str, Any], key: str) -> str:
    value = model.get(key)
    if value is None:
        return "–"
    if key == "parameters":
        return f"{value:,}"
    if key == "flops":
        return f"{value / 1e9:.3g}"
    if key == "foldable":
        return f"{value} of {model['norms']}" if model["norms"] else "–"
    return f"{value:g}" if isinstance(value, float) else str(value)


def options() -> str:
    """Which family takes which value; where one refuses, its reason is the text of the cell."""
    data = read("options")
    heads = "".join(f'<th scope="col">{escape(f)}</th>' for f in data["families"])
    body, notes = [], {}
    for row in data["rows"]:
        cells = []
        for family in data["families"]:
            reason = row["families"][family]
            if not reason:
                cells.append('<td class="zoo-yes">yes</td>')
                continue
            # Refusals that differ in the value or the net alone are one reason.
            kind = re.sub(rf"'[\w-]+'|\b({'|'.join(data['families'])})\w*\b|True|[0-9.]+", "", reason)
            number = notes.setdefault(kind, (len(notes) + 1, reason))[0]
            cells.append(f'<td class="zoo-no"><a href="#why-{number}">no<sup>{number}</sup></a></td>')
        title = f"<code>{escape(row['option'])}={escape(row['value'])}</code>"
        body.append(f'<tr><th scope="row">{title}</th>{"".join(cells)}</tr>')
    listed = "".join(f'<li id="why-{number}">{escape(reason)}</li>' for number, reason in notes.values())
    return (
        '<div class="zoo-table" data-search-exclude tabindex="0" role="group" aria-label="Families and options">'
        '<table class="zoo-rows">'
        "<caption><span>Which family takes which value. A refusal is an error that gives this reason.</span></caption>"
        f'<thead><tr><th scope="col">option</th>{heads}</tr></thead><tbody>{"".join(body)}</tbody>'
        "</table></div>"
        f'<details class="zoo-more" data-search-exclude><summary>The {len(notes)} reasons</summary><ol>{listed}</ol></details>'
    )
