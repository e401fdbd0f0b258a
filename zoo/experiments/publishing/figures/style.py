"""How charts look: font, legend, marks, and colours that stand on light and on dark."""

from typing import Any

from zoo.experiments.publishing.figures.widths import LETTER
from zoo.experiments.publishing.inks import INK

# It comes with vl-convert, so the widths of words do not depend on the fonts of a machine.
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
# Samples of line, long enough to show the dashes.
LEGEND = {
    "title": None,
    "orient": "bottom",
    "labelLimit": 340,
    "columnPadding": 20,
    "labelFontSize": LETTER,
    "symbolType": "stroke",
    "symbolSize": 1200,
    "symbolStrokeWidth": 2.5,
    "symbolOpacity": 1,
}
PADDING = 6
BASELINE = [3, 3]
CROSS = {"shape": "cross", "angle": 45, "size": 70, "filled": True}
AWAY = {"size": 60, "filled": True}  # a triangle at the edge that a run lies beyond


def themed(whole: Any) -> Any:
    """An Altair chart in colours that stand on light and on dark, and a font that widths are known of."""
    text = {"labelColor": INK, "titleColor": INK, "labelFont": FONT, "titleFont": FONT}
    size = {"labelFontSize": LETTER, "titleFontSize": LETTER}
    return (
        whole.configure(background="transparent", font=FONT, padding=PADDING)
        .configure_axis(
            **text,
            **size,
            gridColor=INK,
            gridOpacity=0.25,
            domainColor=INK,
            tickColor=INK,
            titleFontWeight="normal",
            labelOverlap=False,
        )
        .configure_legend(**LEGEND, labelColor=INK, labelFont=FONT)
        .configure_title(
            color=INK,
            font=FONT,
            fontWeight="normal",
            anchor="start",
            fontSize=14,
            subtitleColor=INK,
            subtitleFont=FONT,
            subtitleFontSize=LETTER,
        )
        .configure_view(stroke=None)
    )
