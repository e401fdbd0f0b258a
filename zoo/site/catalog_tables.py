"""The zoo table with its cards, and families x options: from the files that `scripts/make_docs.py` writes."""

from __future__ import annotations

import itertools
import json
import re
from html import escape
from typing import Any

from zoo.placement import FAMILIES
from zoo.site import diagrams, measured, tables
from zoo.site.place import DOCS

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


def _read(name: str) -> Any:
    return json.loads((DOCS / "data" / f"{name}.json").read_text())


def table() -> str:
    """Every model, sortable and filterable where scripts run; below it a card each, which a row links to."""
    models = [model | measured.of(model["name"]) for model in _read("zoo_table")]
    columns = [(key, title) for key, title in _COLUMNS if any(model.get(key) is not None for model in models)]
    heads = "".join(f'<th scope="col"{_number(key)}>{escape(title)}</th>' for key, title in columns)
    aligned = tables.numeric_columns({i for i, (key, _) in enumerate(columns) if key in _NUMBERS})
    body = "".join(_row(model, [key for key, _ in columns]) for model in models)
    first = {model["family"]: model["name"] for model in reversed(models)}
    cards = "".join(_card(model, like=_like(model, first)) for model in models)
    drawings = "".join(_symbol(name) for name in sorted({_diagram(model) for model in models}))
    return (
        '<div class="zoo-models"><div class="zoo-table" data-search-exclude tabindex="0" role="group" aria-label="All models">'
        f'<table class="zoo-rows{aligned}" data-sortable><caption><span>{len(models)} models. Parameters include moving statistics; FLOPs '
        f"count a multiply-add as two, for one picture of the size on the card.{_timed()}</span></caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        f'<svg class="zoo-drawings" data-search-exclude aria-hidden="true">{drawings}</svg>'
        f'<h2 id="cards">Cards</h2><section class="zoo-cards" aria-labelledby="cards" data-search-exclude>{cards}</section></div>'
    )


def _timed() -> str:
    if not measured.milliseconds():
        return ""
    return (
        " Milliseconds are those of the machine on the Performance page, in batches. "
        "A dash: no BatchNormalization in the net, not timed yet, or no weights shipped."
    )


def _symbol(name: str) -> str:
    """A drawing to refer to: many cards show it, and the page holds it once."""
    text = (DOCS / "diagrams" / f"{name}.svg").read_text()
    box = re.search(r'viewBox="([^"]+)"', text)[1]
    body = re.search(r"</style>(.*)</svg>", text, re.S)[1]
    return f'<symbol id="drawing-{name}" viewBox="{box}">{body}</symbol>'


def _number(key: str) -> str:
    return ' class="zoo-number"' if key in _NUMBERS else ""


def _row(model: dict[str, Any], columns: list[str]) -> str:
    cells = ""
    for key in columns[1:]:
        value, shown = escape(str(_sort_value(model, key))), escape(_shown(model, key))
        sorted_by = "" if value == shown else f' data-value="{value}"'
        cells += f"<td{sorted_by}>{shown}</td>"
    name = escape(model["name"])
    return f'<tr><th scope="row"><a href="#{name}">{name}</a></th>{cells}</tr>'


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


def _like(model: dict[str, Any], first: dict[str, str]) -> str | None:
    """The net whose card shows the layers of this one too: the first of a family that comes in sizes."""
    name = first[model["family"]]
    return name if model["family"] in FAMILIES and name != model["name"] else None


def _card(model: dict[str, Any], *, like: str | None) -> str:
    name = escape(model["name"])
    facts = (
        ("placement in words", model["placement"]),
        ("layout", model["layout"]),
        ("unit", model["block"]),
        ("shortcut", model["shortcut"]),
        ("input", " × ".join(map(str, model["input_shape"]))),
        ("layers in the graph", f"{model['layers']:,}"),
        ("parameters, trainable", f"{model['parameters']:,}, {model['trainable']:,}"),
        ("published in", model["reference"]),
    )
    listed = "".join(f"<div><dt>{k}</dt><dd>{escape(str(v))}</dd></div>" for k, v in facts if v)
    rows = [
        [
            units[0]["first"] if (count := sum(u["count"] for u in units)) == 1 else _span(units),
            count,
            " → ".join(_folded(units[0]["layers"])),
            " × ".join("?" if s is None else str(s) for s in units[-1]["shape"]),
            " to ".join(dict.fromkeys(f"{u['parameters']:,}" for u in (units[0], units[-1]))),
        ]
        for _, group in itertools.groupby(model["units"], key=_alike)
        for units in [list(group)]
    ]
    columns = ["unit", "times", "layers, in order of the graph", "output", "parameters each"]
    layers = tables.table(columns, rows, f"Layers of {model['name']}", numeric={1, 4})
    if like:
        layers = f'<p>The layers are those of <a href="#{like}"><code>{like}</code></a>, in other numbers and widths.</p>'
    code = f'import zoo\n\nmodel = zoo.build("{name}")'
    # The drawing of a placement is on its own page once; sixty inline copies would be most of this page.
    drawing = _diagram(model)
    title = escape(diagrams.picture(drawing)[1])
    return (
        f'<details class="zoo-card" id="{name}"><summary><code>{name}</code> '
        f"<span>{escape(model['family'])}, {escape(model['ordering'])}</span></summary>"
        f'<div class="zoo-card-body"><div class="zoo-card-facts"><pre><code>{code}</code></pre>'
        f'<dl>{listed}</dl></div><svg class="zoo-card-drawing" role="img" aria-label="{title}">'
        f'<use href="#drawing-{drawing}"/></svg></div>{measured.curve(model["name"])}{layers}</details>'
    )


def _alike(unit: dict[str, Any]) -> tuple:
    """Equal for units that differ in their channels alone: a DenseNet has dozens, each a little wider."""
    return re.sub(r"[\d,]+", "", " ".join(unit["layers"])), tuple(unit["shape"][:-1]), len(unit["shape"])


def _folded(layers: list[str]) -> list[str]:
    """The same with "(a → b) × 14" for what is repeated at once."""
    shown, at = [], 0
    while at < len(layers):
        best, times = 1, 1
        for length in range(1, (len(layers) - at) // 2 + 1):
            part, count = layers[at : at + length], 1
            while layers[at + count * length : at + (count + 1) * length] == part:
                count += 1
            if count > 1 and count * length > best * times:
                best, times = length, count
        part = " → ".join(layers[at : at + best])
        shown.append(part if times == 1 else f"({part}) × {times}" if best > 1 else f"{part} × {times}")
        at += best * times
    return shown


def _span(units: list[dict[str, Any]]) -> str:
    return f"{units[0]['first']} to {units[-1]['last']}"


def _diagram(model: dict[str, Any]) -> str:
    if model["family"] == "resnet":
        return f"unit-{model['ordering']}"
    if model["family"] in FAMILIES:
        variant = "-bottleneck" if model["family"] == "densenet" and model["block"] == "bottleneck" else ""
        return f"family-{model['family']}{variant}"
    return f"plain-{model['ordering']}"


def options() -> str:
    """Which family takes which value; where one refuses, its reason is the text of the cell."""
    data = _read("options")
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
