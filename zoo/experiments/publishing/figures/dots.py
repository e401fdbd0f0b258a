"""An arm a row, a run a dot."""

import json
from typing import Any

from zoo.experiments.publishing.figures.records import MEAN, SEED
from zoo.experiments.publishing.figures.sheet import Sheet
from zoo.experiments.publishing.figures.style import AWAY, BASELINE, CROSS, FONT, LEGEND
from zoo.experiments.publishing.figures.widths import APART, LETTER, NAME, beside_names, fewer, wrapped
from zoo.experiments.publishing.inks import INK

ROW, LINE = 22, 15  # pixels of a row of dots, and of each further line of its name


def dots(sheet: Sheet) -> Any:
    """An arm a row: a dot a run, a tick and a rule for the mean and its interval, words for runs that failed."""
    import altair as alt

    lines = {name: wrapped(name, NAME) for name in sheet.order}
    several = any(len(one) > 1 for one in lines.values())
    words = {"labelExpr": f"{json.dumps(lines, ensure_ascii=False)}[datum.label]"} if several else {}
    step = ROW + LINE * (max(map(len, lines.values())) - 1)
    y = alt.Y("arm:N", sort=sheet.order, title=None, axis=alt.Axis(labelLimit=LEGEND["labelLimit"], **words))
    width = beside_names(sheet.order)
    along = next(iter(sheet.axes.values()))
    scale = along.scale()
    x = alt.X("y:Q", title=None, scale=scale, axis=fewer(along, width).axis())
    colour = sheet.colour()
    low = alt.X("l:Q", scale=scale)
    tooltip = sheet.tooltip()
    layers = [
        sheet.rows(MEAN).mark_rule(strokeWidth=2).encode(y=y, x=low, x2="h:Q", color=colour),
        sheet.rows(SEED).mark_point(filled=True, size=28, opacity=0.45).encode(y=y, x=x, color=colour),
        sheet.rows(MEAN).mark_tick(thickness=3, size=16).encode(y=y, x=x, color=colour, tooltip=tooltip),
    ]
    if sheet.any("f"):
        inside = sheet.rows("datum.f == 1 && !datum.o && !datum.t")
        layers.append(inside.mark_point(**CROSS).encode(y=y, x=x, color=colour))
    for side, shape in ((-1, "triangle-left"), (1, "triangle-right")):
        if sheet.any("o", side):
            away = sheet.rows(f"datum.o == {side}").mark_point(**AWAY, shape=shape)
            layers.append(away.encode(y=y, x=x, color=colour))
    for side, align in ((-1, "left"), (1, "right")):
        if sheet.any("a", side):
            said = sheet.rows(f"datum.a == {side}")
            text = said.mark_text(align=align, dx=-APART * side, color=INK, font=FONT, fontSize=LETTER)
            layers.append(text.encode(y=y, x=x, text="t:N"))
    if sheet.figure.baseline is not None:
        rule = (
            sheet.rows()
            .transform_aggregate(n="count()")
            .transform_calculate(base=repr(sheet.figure.baseline))
        )
        layers.append(rule.mark_rule(color=INK, strokeDash=BASELINE).encode(x=alt.X("base:Q", scale=scale)))
    whole = alt.layer(*layers).properties(width=round(width), height=alt.Step(step))
    if len(sheet.panels) > 1:
        header = alt.Header(labelColor=INK, labelFont=FONT, labelFontSize=LETTER)
        # One above the other: side by side the dots of a panel would lie on each other.
        whole = whole.facet(
            facet=alt.Facet("p:N", title=None, sort=sheet.panels, header=header), columns=1, spacing=14
        )
    return whole
