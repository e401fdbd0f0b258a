"""A net a row, a place in it a square."""

from typing import Any

from zoo.experiments.publishing.figures.dots import ROW
from zoo.experiments.publishing.figures.records import MEAN
from zoo.experiments.publishing.figures.sheet import Sheet
from zoo.experiments.publishing.figures.style import FONT
from zoo.experiments.publishing.figures.widths import ADVANCE, LETTER, WIDEST
from zoo.experiments.publishing.inks import INK, LIGHT

# Squares from pale to the ink of activations, and words that are read on both.
PALE, DEEP, ON_PALE, ON_DEEP = LIGHT["act-box"], LIGHT["act"], "#000000", "#ffffff"


def strip(sheet: Sheet) -> Any:
    """A net a row, a place a square: its colour and the number in it are the mean, rounded."""
    import altair as alt

    means = [record for record in sheet.records if record["s"] is None]
    most = max(max(record["y"] for record in means), 1.0)
    x = alt.X("x:O", title=sheet.figure.x_title, axis=alt.Axis(labelAngle=0, ticks=False, domain=False))
    y = alt.Y("arm:N", sort=sheet.order, title=None, axis=alt.Axis(ticks=False, domain=False))
    fill = alt.Scale(domain=[0, most], range=[PALE, DEEP], clamp=True)
    rows = sheet.rows(MEAN)
    squares = rows.mark_rect(stroke=INK, strokeWidth=0.5).encode(
        x=x,
        y=y,
        color=alt.Color("y:Q", scale=fill, legend=None),
        tooltip=sheet.tooltip(),
    )
    words = rows.mark_text(font=FONT, fontSize=LETTER).encode(
        x=x,
        y=y,
        text=alt.Text("y:Q", format=".0f"),
        color=alt.condition(f"datum.y < {most / 2:g}", alt.value(ON_PALE), alt.value(ON_DEEP)),
    )
    room = max(map(len, sheet.order)) * ADVANCE
    places = len({record["x"] for record in means})
    step = min(ROW, (WIDEST - room - 30) / places)
    return alt.layer(squares, words).properties(width=round(step * places), height=alt.Step(ROW))
