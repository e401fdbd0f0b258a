"""Curves over training, over a factor, or over the places of a measurement."""

import json
from typing import Any

from zoo.experiments.design.experiment import Curves, Factor
from zoo.experiments.publishing.axes import axis, places
from zoo.experiments.publishing.figures.ranges import FEW
from zoo.experiments.publishing.figures.records import FAILED, MEAN, SEED
from zoo.experiments.publishing.figures.sheet import Sheet
from zoo.experiments.publishing.figures.style import AWAY, BASELINE, CROSS
from zoo.experiments.publishing.figures.widths import ADVANCE, LETTER, fewer, wrapped
from zoo.experiments.publishing.inks import INK


def lines(sheet: Sheet) -> Any:
    """A panel or more of means with their bands, single runs, runs that failed with a mark where they ended."""
    import altair as alt

    several = len(sheet.panels) > 1
    size = {"width": 170, "height": 150} if several else {"width": 400, "height": 240}
    drawn = []
    for panel in sheet.panels:
        one = alt.layer(*_layers(sheet, panel, size["width"])).properties(**size)
        if several:
            failed = [line for text in sheet.failed.get(panel, []) for line in wrapped(text, 28)]
            heading = {"subtitle": failed} if failed else {}
            title = alt.Title(
                text=panel, anchor="middle", fontSize=LETTER, subtitleFontSize=LETTER, **heading
            )
            one = one.properties(title=title).transform_filter(f"datum.p === {json.dumps(panel)}")
        drawn.append(one)
    return alt.concat(*drawn, columns=2, spacing=14) if several else drawn[0]


def _layers(sheet: Sheet, panel: str, width: float) -> list[Any]:
    import altair as alt

    figure, up = sheet.figure, sheet.axes[panel]
    x = _along(sheet, width)
    scale, ruler = up.scale(), up.axis()
    y = alt.Y("y:Q", title=None, scale=scale, axis=ruler)
    low = alt.Y("l:Q", title=None, scale=scale, axis=ruler)
    colour, tooltip = sheet.colour(), sheet.tooltip()
    means, seeds, failed = (sheet.rows(words) for words in (MEAN, SEED, FAILED))
    dots = alt.OverlayMarkDef(size=30) if isinstance(figure, Factor) else False
    layers = [
        means.mark_area(opacity=0.16, clip=True).encode(x=x, y=low, y2="h:Q", color=colour),
        seeds.mark_line(strokeWidth=0.7, opacity=0.45, clip=True).encode(
            x=x, y=y, color=colour, detail="s:N"
        ),
        means.mark_line(strokeWidth=2.2, point=dots, clip=True).encode(
            x=x, y=y, color=colour, strokeDash=sheet.dash(), tooltip=tooltip
        ),
    ]
    if sheet.any("f", panel=panel):
        line = failed.mark_line(strokeWidth=0.9, strokeDash=[2, 3], opacity=0.7, clip=True)
        layers.append(line.encode(x=x, y=y, color=colour, detail="s:N"))
    if sheet.any("e", panel=panel):
        ends = sheet.rows("datum.e == 1 && !datum.o")
        layers.append(ends.mark_point(**CROSS).encode(x=x, y=y, color=colour))
    for side, shape in ((-1, "triangle-down"), (1, "triangle-up")):
        if sheet.any("o", side, panel):
            away = sheet.rows(f"datum.o == {side}").mark_point(**AWAY, shape=shape)
            layers.append(away.encode(x=x, y=y, color=colour))
    if figure.baseline is not None and up.low <= figure.baseline <= up.high:
        rule = sheet.rows().transform_aggregate(n="count()").transform_calculate(base=repr(figure.baseline))
        rule = rule.mark_rule(color=INK, strokeDash=BASELINE, strokeWidth=1.5)
        layers.append(rule.encode(y=alt.Y("base:Q", title=None, scale=scale)))
    return layers


def _along(sheet: Sheet, width: float) -> Any:
    """The horizontal axis: epochs or steps, the places of a factor, or a measurement's own."""
    import altair as alt

    figure, found = sheet.figure, sorted({record["x"] for record in sheet.records})
    kind = getattr(figure, "x_scale", "linear")
    name = {Curves: "epoch", Factor: getattr(figure, "x", "")}.get(type(figure), "x")
    title = wrapped(figure.x_title or name, int(width / ADVANCE))
    named = len(found) <= FEW or (isinstance(figure, Factor) and kind == "log")
    if named:
        along = places(found, kind)
        scale = alt.Scale(type=kind, domain=[along.low, along.high])
        if isinstance(figure, Factor):
            scale = alt.Scale(type=kind, nice=False, padding=8, **({} if kind == "log" else {"zero": False}))
        ruler = alt.Axis(values=[*along.ticks], format="~f")
        return alt.X("x:Q", title=title, scale=scale, axis=ruler)
    along = fewer(axis(found, kind), width)
    scale = alt.Scale(type=kind, domain=[found[0], found[-1]])
    if kind == "log":
        return alt.X("x:Q", title=title, scale=scale, axis=along.axis())
    ticks = [tick for tick in along.ticks if found[0] <= tick <= found[-1]]
    return alt.X("x:Q", title=title, scale=scale, axis=alt.Axis(values=ticks, format="~f"))
