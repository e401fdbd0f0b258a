"""What a drawing of any kind is made of."""

import functools
from dataclasses import dataclass
from typing import Any

from zoo.experiments.design.experiment import Arm, Chart, Dots, Experiment, Strip
from zoo.experiments.publishing.axes import Axis
from zoo.experiments.publishing.figures.ranges import axes_of, placed
from zoo.experiments.publishing.figures.records import (
    Seeds,
    counted,
    curve_of,
    name_of,
    outcomes_of,
    panel_of,
    seeds_of,
)
from zoo.experiments.publishing.figures.style import BASELINE
from zoo.experiments.publishing.figures.widths import ADVANCE, LETTER, WIDEST, beside_names, wrapped
from zoo.experiments.publishing.inks import INK, ink
from zoo.experiments.publishing.publication import Published

SAMPLE = 62  # pixels of a legend's entry besides its words
Curve = tuple[str, str]  # name of the series, panel


@dataclass(frozen=True)
class Sheet:
    """What a drawing of any kind is made of.

    Attributes:
        figure: What is drawn.
        records: One a seed and place, and one a mean.
        order: Names of the series, or of the rows of dots, in their order.
        panels: Names of the panels.
        failed: Panel -> what failed in it, a sentence a series.
        axes: Panel -> axis of the metric.
    """

    figure: Chart
    records: list[dict]
    order: list[str]
    panels: list[str]
    failed: dict[str, list[str]]
    axes: dict[str, Axis]

    @property
    def y_title(self) -> str:
        """What the axis of the metric is called."""
        return self.figure.y_title or self.figure.metric.replace("_", " ")

    @property
    def own_axes(self) -> bool:
        """Whether panels part their axis."""
        return len(set(self.axes.values())) > 1

    @property
    def measured(self) -> str:
        """What the metric's axis shows, and where it begins unless at zero."""
        if isinstance(self.figure, Strip):
            return self.y_title
        note = ""
        if self.own_axes:
            away = "" if all(one.from_zero for one in self.axes.values()) else ", not from 0"
            note = f" (each panel has an axis of its own{away})"
        elif not (one := next(iter(self.axes.values()))).from_zero:
            note = f" (axis from {one.low:g})"
        return f"{'→' if isinstance(self.figure, Dots) else '↑'} {self.y_title}{note}"

    def rows(self, words: str = "") -> Any:
        """The records, or those for which an expression is true."""
        return self._whole.transform_filter(words) if words else self._whole

    @functools.cached_property
    def _whole(self) -> Any:
        # One object: panels are cut from data that all layers share.
        import altair as alt

        return alt.Chart(alt.Data(values=self.records))

    def any(self, key: str, value: Any = None, panel: str | None = None) -> bool:
        """Whether a record carries a mark: `f` a run that failed, `e` its end, `o` one beyond the axis."""
        return any(
            key in record
            and (value is None or record[key] == value)
            and (panel is None or record.get("p", "") == panel)
            for record in self.records
        )

    @functools.cached_property
    def _scales(self) -> tuple[Any, Any]:
        import altair as alt

        names = list(dict.fromkeys(coloured_by(record) for record in self.records if "arm" in record))
        names.sort(key=lambda name: self.order.index(name) if name in self.order else 0)
        if not self.figure.colour and isinstance(self.figure, Dots):
            colours, dashes = [INK] * len(names), [[1, 0]] * len(names)
        else:
            colours = [ink(name).colour for name in names]
            dashes = [list(ink(name).dash) for name in names]
        if label := self.baseline_label:
            names, colours, dashes = [*names, label], [*colours, INK], [*dashes, BASELINE]
        return alt.Scale(domain=names, range=colours), alt.Scale(domain=names, range=dashes)

    @property
    def baseline_label(self) -> str:
        """Its words stand in the legend: in the drawing a curve would cross them."""
        lines = not isinstance(self.figure, Dots)
        return self.figure.baseline_label if lines and self.figure.baseline is not None else ""

    @property
    def field(self) -> str:
        """What has the colours: what a record says of it, or the series."""
        return "c" if self.any("c") else "arm"

    def colour(self) -> Any:
        """A colour a series, with a legend where the drawing does not name them."""
        import altair as alt

        legend = None if isinstance(self.figure, Dots) else self._legend()
        return alt.Color(f"{self.field}:N", scale=self._scales[0], legend=legend)

    def dash(self) -> Any:
        """A dash a series."""
        import altair as alt

        return alt.StrokeDash("arm:N", scale=self._scales[1], legend=self._legend())

    def _legend(self) -> Any:
        import altair as alt

        longest = max(map(len, self._scales[0].domain))
        columns = int(WIDEST // (longest * ADVANCE + SAMPLE))
        return alt.Legend(columns=max(1, min(columns, len(self._scales[0].domain))))

    def title(self) -> Any:
        """What is to be seen, what the axis shows, and what failed."""
        import altair as alt

        said = self.failed.get("", []) if len(self.panels) == 1 and not isinstance(self.figure, Dots) else []
        lines = [line for text in (self.measured, *said) for line in wrapped(text, int(WIDEST / ADVANCE))]
        heading = wrapped(self.figure.title, int(WIDEST / (ADVANCE * 14 / LETTER)))
        return alt.Title(text=heading, subtitle=lines)

    def tooltip(self) -> list[Any]:
        """What a mean says of itself when it is pointed at."""
        import altair as alt

        x_title = "" if isinstance(self.figure, Dots) else self.figure.x_title or "x"
        place = [alt.Tooltip("x:Q", title=x_title, format="~f")] if x_title else []
        return [
            alt.Tooltip("arm:N", title="arm"),
            *place,
            alt.Tooltip("y:Q", title=self.y_title, format=".4g"),
            alt.Tooltip("l:Q", title="95 % from", format=".4g"),
            alt.Tooltip("h:Q", title="to", format=".4g"),
        ]


def sheet_of(experiment: Experiment, figure: Chart, published: Published, points: int) -> Sheet:
    """Data of a chart: one record a seed and place, and one a mean; names, panels, what failed, axes."""
    curves: dict[Curve, list[tuple[Arm, Seeds, dict[int, str]]]] = {}
    shown = [arm for arm in experiment.arms if not figure.arms or arm.label in figure.arms]
    rows = isinstance(figure, Dots) and _share_values(figure, shown)
    for arm in shown:
        if seeds := seeds_of(figure, published, arm):
            panel = "" if rows else panel_of(figure, arm)
            name = arm.label if rows else name_of(figure, arm)
            curves.setdefault((name, panel), []).append(
                (arm, seeds, outcomes_of(figure, published, arm.label))
            )
    if not curves:
        raise ValueError(
            f"figure {figure.name!r} of {experiment.name!r} draws {figure.metric!r}, of which nothing is "
            f"published"
        )
    records: list[dict] = []
    failed: dict[str, list[str]] = {}
    for (name, panel), arms in curves.items():
        where = {"arm": name, **({"p": panel} if panel else {})}
        where |= {"c": name_of(figure, arms[0][0])} if rows else {}
        records += curve_of(figure, [(seeds, outcomes) for _, seeds, outcomes in arms], where, points)
        outcomes = [one for _, _, found in arms for one in found.values()]
        if lost := counted(outcomes):
            failed.setdefault(panel, []).append(f"{name}: {lost}")
            if isinstance(figure, Dots):
                records.append({**where, "t": lost})
    panels = list(dict.fromkeys(panel for _, panel in curves))
    axes = axes_of(figure, records, panels)
    order = list(dict.fromkeys(name for name, _ in curves))
    return Sheet(figure, placed(figure, records, axes, beside_names(order)), order, panels, failed, axes)


def coloured_by(record: dict) -> str:
    """By what a record has its colour."""
    return record.get("c", record["arm"])


def _share_values(figure: Dots, arms: list[Arm]) -> bool:
    """Whether arms of one panel have the same value: a row has the arm's own name then, and the value's colour.

    That name says all that a panel's would, so there are no panels.
    """
    found = [(name_of(figure, arm), arm.factors.get(figure.panel)) for arm in arms]
    return len(set(found)) < len(found)
