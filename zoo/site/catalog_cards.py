"""A card for each model, on a page for each kind of net: from the file that `scripts/make_docs.py` writes."""

from __future__ import annotations

import itertools
import json
import re
from html import escape
from typing import Any

from zoo.placement import FAMILIES
from zoo.site import diagrams, measured, tables
from zoo.site.place import DOCS

#: The kinds of nets, each a page `docs/models/KIND.md` of cards; all that are neither residual nor of a family of their own are plain.
KINDS = ("plain", "residual", "families")


def read(name: str) -> Any:
    """What `scripts/make_docs.py` wrote to a file of `docs/data`."""
    return json.loads((DOCS / "data" / f"{name}.json").read_text())


def kind_of(family: str) -> str:
    """On which page the cards of a family are."""
    return "residual" if family == "resnet" else "families" if family in FAMILIES else "plain"


def address(family: str) -> str:
    """Where that page is, seen from the page of all models."""
    return f"models/{kind_of(family)}.html"


def cards(kind: str) -> str:
    """The cards of the models of a kind, and each drawing that they refer to once.

    Raises:
        ValueError: There is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"expected a kind of nets, one of {', '.join(KINDS)}; got {kind!r}")
    models = [model for model in read("zoo_table") if kind_of(model["family"]) == kind]
    first = {model["family"]: model["name"] for model in reversed(models)}
    shown = "".join(_card(model, like=_like(model, first)) for model in models)
    drawings = "".join(_symbol(name) for name in sorted({_diagram(model) for model in models}))
    return (
        f'<svg class="zoo-drawings" data-search-exclude aria-hidden="true">{drawings}</svg>'
        f'<section class="zoo-cards" aria-label="Cards" data-search-exclude>{shown}</section>'
    )


def _symbol(name: str) -> str:
    """A drawing to refer to: many cards show it, and the page holds it once."""
    text = (DOCS / "diagrams" / f"{name}.svg").read_text()
    box = re.search(r'viewBox="([^"]+)"', text)[1]
    body = re.search(r"</style>(.*)</svg>", text, re.S)[1]
    return f'<symbol id="drawing-{name}" viewBox="{box}">{body}</symbol>'


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
