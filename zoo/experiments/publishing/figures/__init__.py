"""Published data -> charts: a Vega-Lite specification and its SVG, the same bytes on every machine.

No Keras here: a changed colour costs a second. Colours and dashes are those of `inks`, ranges and ticks those of
`axes`. The SVG is narrow enough for a phone; in a page a script draws the specification as wide as there is room.

From published rows to records (`records`), the axis of the metric (`ranges`) and all that a drawing is made of (`sheet`),
by a file for each kind of drawing (`dots`, `strip`, `lines`), to the specification (`specification`, with its `reading` in
words) and the files (`drawing`). How wide text is (`widths`), in which fonts (`fonts`), and how all charts look (`style`)
stand below.
"""

from zoo.experiments.publishing.figures.drawing import FOLDER, draw, svg
from zoo.experiments.publishing.figures.specification import LARGEST, chart
from zoo.experiments.publishing.figures.style import FONT, themed
from zoo.experiments.publishing.figures.widths import LETTER, wrapped

__all__ = ["FOLDER", "FONT", "LARGEST", "LETTER", "chart", "draw", "svg", "themed", "wrapped"]
