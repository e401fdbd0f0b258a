"""Published data -> charts: a Vega-Lite specification and its SVG, the same bytes on every machine.

No Keras here: a changed colour costs a second. Colours are legible on white and on dark pages alike (three to
one and more on both); an arm has a colour *and* a dash.
"""

import functools
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.experiments.design.experiment import Arm, Chart, Curves, Dots, Experiment, Factor, Series
from zoo.experiments.publishing.metrics import PERFORMANCE, range_of
from zoo.experiments.publishing.outcomes import DIVERGED, TRAINED
from zoo.experiments.publishing.publication import Observation, Published
from zoo.experiments.publishing.statistics import t_interval
from zoo.experiments.running.results import write_atomically

FOLDER = Path("docs/figures")
INK = "#808080"
PALETTE = (
    "#2b83d6",
    "#d9671f",
    "#1a9a70",
    "#b8659b",
    "#a8801a",
    "#8a7be0",
    "#c94f5d",
    "#2592a8",
    "#7a9a2a",
    "#8a8f98",
)
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [4, 2], [12, 3], [5, 2, 2, 2, 2, 2])
# It comes with vl-convert, so the widths of words do not depend on the fonts of a machine.
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
# Numbers of a logarithmic axis in one hand: plain where short, powers beyond.
POWERS = "datum.value >= 1e4 || datum.value < 1e-3 ? format(datum.value, '.0e') : format(datum.value, '~g')"
# Samples of line, long enough to show the dashes.
LEGEND = {
    "title": None,
    "orient": "bottom",
    "labelLimit": 340,
    "symbolType": "stroke",
    "symbolSize": 500,
    "symbolStrokeWidth": 2.5,
    "symbolOpacity": 1,
}
PADDING = 6
# Records of a chart: means, runs that trained, runs that failed.
MEAN, SEED, FAILED = "datum.s == null", "datum.s != null && datum.f == null", "datum.f == 1"
CROSS = {"shape": "cross", "angle": 45, "size": 70, "filled": True}
WIDER = 0.7  # pixels a letter of other fonts
FEW = 6  # places that are all named on an axis
LARGEST = 40_000  # bytes of a specification
POINTS = (200, 100, 60, 40, 25, 15, 8)


def draw(experiment: Experiment, published: Published, folder: Path = FOLDER) -> list[Path]:
    """Draw all figures of an experiment that are charts.

    Args:
        experiment: Says which.
        published: Its data.
        folder: Where to; NAME-PART.svg and NAME-PART.vl.json.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for figure in experiment.figures:
        if not isinstance(figure, Chart):
            continue
        name = f"{experiment.name}-{figure.name}" if figure.name else experiment.name
        specification = chart(experiment, figure, published)
        text = json.dumps(specification, separators=(",", ":"), sort_keys=True)
        for suffix, content in ((".vl.json", text + "\n"), (".svg", svg(specification))):
            write_atomically(folder / f"{name}{suffix}", content.encode())
            written.append(folder / f"{name}{suffix}")
    return written


def svg(specification: dict[str, Any]) -> str:
    """Draw a specification."""
    import vl_convert

    return vl_convert.vegalite_to_svg(json.dumps(specification), vl_version="6.4")


def chart(experiment: Experiment, figure: Chart, published: Published) -> dict[str, Any]:
    """The Vega-Lite specification of a figure, thinned out until it is small enough to send.

    Raises:
        ValueError: Nothing published has the figure's metric.
    """
    for points in POINTS:
        specification = _chart(experiment, figure, published, points)
        if len(json.dumps(specification, separators=(",", ":"))) <= LARGEST:
            break
    return specification


@dataclass(frozen=True)
class _Sheet:
    """What a drawing of any kind is made of: its figure, its records, the names and colours of its arms.

    Attributes:
        figure: What is drawn.
        records: One a seed and place, and one a mean.
        order: Names in the legend, in its order.
        panels: Names of the panels.
        inks: Number of the colour of each name.
    """

    figure: Chart
    records: list[dict]
    order: list[str]
    panels: list[str]
    inks: list[int]

    @property
    def y_title(self) -> str:
        return self.figure.y_title or self.figure.metric.replace("_", " ")

    def rows(self, words: str = "") -> Any:
        """The records, or those for which an expression is true."""
        return self._whole.transform_filter(words) if words else self._whole

    @functools.cached_property
    def _whole(self) -> Any:
        # One object: panels are cut from data that all layers share.
        import altair as alt

        return alt.Chart(alt.Data(values=self.records))

    def any(self, key: str) -> bool:
        """Whether a record carries a mark: `f` a run that failed, `e` its end."""
        return any(key in record for record in self.records)

    def colour(self, *, legend: bool) -> Any:
        import altair as alt

        scale = alt.Scale(domain=self.order, range=[PALETTE[i % len(PALETTE)] for i in self.inks])
        if not legend:
            return alt.Color("arm:N", scale=scale, legend=None)
        return alt.Color("arm:N", scale=scale, sort=self.order, legend=self._legend())

    def dash(self) -> Any:
        import altair as alt

        scale = alt.Scale(domain=self.order, range=[list(DASHES[i % len(DASHES)]) for i in self.inks])
        return alt.StrokeDash("arm:N", scale=scale, sort=self.order, legend=self._legend())

    def _legend(self) -> Any:
        import altair as alt

        return alt.Legend(**LEGEND, columns=_columns(self.order))


def _chart(experiment: Experiment, figure: Chart, published: Published, points: int) -> dict[str, Any]:
    import altair as alt

    records, shown, panels = _records(experiment, figure, published, points)
    sheet = _Sheet(figure, records, list(shown.values()), panels, _inks(experiment, figure, list(shown)))
    whole = alt.layer(*DRAWN_BY[type(figure)](sheet), *_baseline(sheet)).properties(**_size(sheet))
    if len(panels) > 1:
        header = alt.Header(labelColor=INK, labelFont=FONT, labelFontSize=12)
        whole = whole.facet(column=alt.Column("p:N", title=None, sort=panels, header=header))
    words = f"{figure.title}. {_reading(figure, published)}".strip()
    whole = whole.properties(title=figure.title or experiment.question, description=words)
    specification = themed(whole).to_dict()
    if isinstance(figure, Dots):
        # Names stand left of the drawing, and are wider where its font is missing.
        room = max(map(len, sheet.order)) * WIDER
        specification["padding"] = {
            "left": PADDING + room,
            "right": PADDING,
            "top": PADDING,
            "bottom": PADDING,
        }
    specification["usermeta"] = {"experiment": experiment.name, "checksum": published.about["checksum"]}
    return specification


def _size(sheet: _Sheet) -> dict[str, Any]:
    import altair as alt

    if isinstance(sheet.figure, Dots):
        return {"width": 420, "height": alt.Step(22)}
    return {"width": 300 if len(sheet.panels) > 1 else 460, "height": 260}


def _dots(sheet: _Sheet) -> list[Any]:
    """An arm a row: a dot a run, a tick and a rule for the mean and its interval."""
    import altair as alt

    y = alt.Y("arm:N", sort=sheet.order, title=None, axis=alt.Axis(labelLimit=LEGEND["labelLimit"]))
    scale = alt.Scale(type=sheet.figure.y_scale, zero=False)
    x = alt.X("y:Q", title=sheet.y_title, scale=scale)
    colour = sheet.colour(legend=False)
    low = alt.X("l:Q", title=sheet.y_title, scale=scale)
    tooltip = _tooltip(sheet.figure, sheet.y_title)
    layers = [
        sheet.rows(MEAN).mark_rule(strokeWidth=2).encode(y=y, x=low, x2="h:Q", color=colour),
        sheet.rows(SEED).mark_point(filled=True, size=28, opacity=0.45).encode(y=y, x=x, color=colour),
        sheet.rows(MEAN).mark_tick(thickness=3, size=16).encode(y=y, x=x, color=colour, tooltip=tooltip),
    ]
    if sheet.any("f"):
        layers.append(sheet.rows(FAILED).mark_point(**CROSS).encode(y=y, x=x, color=colour))
    return layers


def _curves(sheet: _Sheet) -> list[Any]:
    """A metric over training; few epochs are all named on the axis."""
    import altair as alt

    places = sorted({record["x"] for record in sheet.records})
    axis = alt.Axis(tickMinStep=1, format="~f")
    if len(places) <= FEW:
        axis = alt.Axis(values=places, format="~f")
    scale = alt.Scale(type="linear", zero=False, nice=True, padding=0)
    return _lines(sheet, alt.X("x:Q", title=sheet.figure.x_title or "epoch", scale=scale, axis=axis))


def _factor(sheet: _Sheet) -> list[Any]:
    """The last value over a factor, with a point at each place."""
    import altair as alt

    figure, places = sheet.figure, sorted({record["x"] for record in sheet.records})
    linear = figure.x_scale == "linear"
    axis = alt.Axis(tickMinStep=1, format="~f") if linear else alt.Axis()
    if figure.x_scale == "log" or (linear and len(places) <= FEW):
        axis = alt.Axis(values=places, format="~f" if linear else alt.Undefined)
    scale = alt.Scale(type=figure.x_scale, zero=False, nice=False, padding=8)
    x = alt.X("x:Q", title=figure.x_title or figure.x, scale=scale, axis=axis)
    return _lines(sheet, x, point=alt.OverlayMarkDef(size=30))


def _series(sheet: _Sheet) -> list[Any]:
    """Rows of a measurement over their own x."""
    import altair as alt

    figure = sheet.figure
    scale = alt.Scale(type=figure.x_scale, zero=False, nice=figure.x_scale == "linear", padding=0)
    return _lines(sheet, alt.X("x:Q", title=figure.x_title or "x", scale=scale, axis=alt.Axis()))


DRAWN_BY = {Curves: _curves, Dots: _dots, Factor: _factor, Series: _series}


def _lines(sheet: _Sheet, x: Any, *, point: Any = False) -> list[Any]:
    """Means with their bands, single runs, runs that failed with a cross where they ended."""
    import altair as alt

    figure = sheet.figure
    scale = alt.Scale(type=figure.y_scale, zero=False, nice=figure.y_scale == "linear")
    axis = alt.Axis(labelExpr=POWERS) if figure.y_scale == "log" else alt.Axis()
    y = alt.Y("y:Q", title=sheet.y_title, scale=scale, axis=axis)
    low = alt.Y("l:Q", title=sheet.y_title, scale=scale, axis=axis)
    colour, tooltip = sheet.colour(legend=True), _tooltip(figure, sheet.y_title)
    means, seeds, failed = (sheet.rows(words) for words in (MEAN, SEED, FAILED))
    layers = [
        means.mark_area(opacity=0.16).encode(x=x, y=low, y2="h:Q", color=colour),
        seeds.mark_line(strokeWidth=0.7, opacity=0.45).encode(x=x, y=y, color=colour, detail="s:N"),
        means.mark_line(strokeWidth=2.2, point=point).encode(
            x=x, y=y, color=colour, strokeDash=sheet.dash(), tooltip=tooltip
        ),
    ]
    if sheet.any("f"):
        line = failed.mark_line(strokeWidth=0.9, strokeDash=[2, 3], opacity=0.7)
        layers.append(line.encode(x=x, y=y, color=colour, detail="s:N"))
    if sheet.any("e"):
        ends = sheet.rows("datum.e == 1")
        layers.append(ends.mark_point(**CROSS).encode(x=x, y=y, color=colour))
    return layers


def _baseline(sheet: _Sheet) -> list[Any]:
    """A rule at a known value, named where the metric runs upwards."""
    import altair as alt

    figure = sheet.figure
    if figure.baseline is None:
        return []
    rule = sheet.rows().transform_aggregate(n="count()").transform_calculate(base=repr(figure.baseline))
    if isinstance(figure, Dots):
        return [rule.mark_rule(color=INK, strokeDash=[3, 3]).encode(x=alt.X("base:Q"))]
    base = {"y": alt.Y("base:Q")}
    layers = [rule.mark_rule(color=INK, strokeDash=[3, 3]).encode(**base)]
    if figure.baseline_label:
        said = rule.mark_text(align="right", baseline="bottom", dx=-3, dy=-2, color=INK, font=FONT)
        layers.append(said.encode(**base, x=alt.value("width"), text=alt.value(figure.baseline_label)))
    return layers


def themed(whole: Any) -> Any:
    """An Altair chart in colours that stand on light and on dark, and a font that widths are known of."""
    text = {"labelColor": INK, "titleColor": INK, "labelFont": FONT, "titleFont": FONT}
    return (
        whole.configure(background="transparent", font=FONT, padding=PADDING)
        .configure_axis(
            **text, gridColor=INK, gridOpacity=0.25, domainColor=INK, tickColor=INK, titleFontWeight="normal"
        )
        .configure_legend(labelColor=INK, labelFont=FONT)
        .configure_title(color=INK, font=FONT, fontWeight="normal", anchor="start", fontSize=14)
        .configure_view(stroke=None)
    )


def _tooltip(figure: Chart, y_title: str) -> list[Any]:
    import altair as alt

    x_title = "" if isinstance(figure, Dots) else figure.x_title or "x"
    place = [alt.Tooltip("x:Q", title=x_title, format="~f")] if x_title else []
    return [
        alt.Tooltip("arm:N", title="arm"),
        *place,
        alt.Tooltip("y:Q", title=y_title, format=".4g"),
        alt.Tooltip("l:Q", title="95 % from", format=".4g"),
        alt.Tooltip("h:Q", title="to", format=".4g"),
    ]


def _reading(figure: Chart, published: Published) -> str:
    seeds = len({row.seed for row in published.rows if row.metric == figure.metric})
    text = "Thin lines: single seeds. " if not isinstance(figure, Dots) else "Dots: single seeds. "
    mean = "geometric mean" if figure.y_scale == "log" else "mean"
    text += f"Thick: {mean} of {seeds} seeds, with its 95 % t interval."
    if _fails(figure, published):
        text += " Crosses: runs that failed, which no mean includes where others of their arm trained."
    if figure.baseline is not None and figure.baseline_label:
        text += f" Dashed rule: {figure.baseline_label}."
    return text


def _fails(figure: Chart, published: Published) -> bool:
    return any(
        outcome != TRAINED
        for about in published.about["arms"]
        if not figure.arms or about["label"] in figure.arms
        for outcome in _outcomes(figure, published, about["label"]).values()
    )


def _outcomes(figure: Chart, published: Published, label: str) -> dict[int, str]:
    """Seed -> outcome; a metric that is not of performance knows no failure but that there was nothing to measure."""
    found = published.outcomes(label)
    if figure.metric in PERFORMANCE:
        return found
    return {seed: DIVERGED if one == DIVERGED else TRAINED for seed, one in found.items()}


def _columns(order: list[str]) -> int:
    longest = max(map(len, order))
    return 1 if longest > 45 else 2 if longest > 24 else 3 if longest > 14 else 5


Curve = tuple[str, str]  # name in the legend, panel
Seeds = dict[int, list[tuple[float, float]]]  # seed -> all (x, y)


def _records(
    experiment: Experiment, figure: Chart, published: Published, points: int
) -> tuple[list[dict], dict[str, str], list[str]]:
    """Data of a chart: one record a seed and place, and one a mean; name -> words of the legend; the panels."""
    curves: dict[Curve, list[tuple[Seeds, dict[int, str]]]] = {}
    for arm in experiment.arms:
        seeds = _seeds_of(figure, published, arm)
        if seeds and (not figure.arms or arm.label in figure.arms):
            panel = str(arm.factors.get(figure.panel, "")) if figure.panel else ""
            panel += " layers" if figure.panel == "depth" else ""
            outcomes = _outcomes(figure, published, arm.label)
            curves.setdefault((_name(figure, arm), panel), []).append((seeds, outcomes))
    if not curves:
        raise ValueError(
            f"figure {figure.name!r} of {experiment.name!r} draws {figure.metric!r}, of which nothing is "
            f"published"
        )
    failed: dict[str, list[str]] = {}
    for (name, _), arms in curves.items():
        lost = [one for _, outcomes in arms for one in outcomes.values() if one != TRAINED]
        failed.setdefault(name, []).extend(lost)
    label = {name: f"{name} ({_counted(lost)})" if lost else name for name, lost in failed.items()}
    records = []
    for (name, panel), arms in curves.items():
        where = {"arm": label[name], **({"p": panel} if figure.panel else {})}
        records += _curve(figure, arms, where, points)
    return records, label, list(dict.fromkeys(panel for _, panel in curves))


def _seeds_of(figure: Chart, published: Published, arm: Arm) -> Seeds:
    """What a figure draws of an arm; nothing where it has not the figure's factor or metric."""
    if isinstance(figure, Factor) and figure.x not in arm.factors:
        return {}
    rows = [row for row in published.rows if row.arm == arm.label and row.metric == figure.metric]
    seeds: Seeds = {}
    for row in _last(rows) if isinstance(figure, (Factor, Dots)) else rows:
        x = float(arm.factors[figure.x]) if isinstance(figure, Factor) else row.x
        seeds.setdefault(row.seed, []).append((x, row.value))
    return seeds


def _curve(figure: Chart, arms: list[tuple[Seeds, dict[int, str]]], where: dict, points: int) -> list[dict]:
    """The records of one curve: means of runs of a kind, runs that trained, runs that failed."""
    single: Seeds = {}
    lost: Seeds = {}
    means: dict[float, list[float]] = {}
    for seeds, outcomes in arms:
        trained = {seed for seed in seeds if outcomes.get(seed, TRAINED) == TRAINED}
        for seed, values in seeds.items():
            (single if seed in trained else lost).setdefault(seed, []).extend(values)
        # Where no run of an arm trained, all are of a kind.
        for x, y in (point for seed in trained or seeds for point in seeds[seed] if math.isfinite(point[1])):
            means.setdefault(x, []).append(y)
    records = []
    for x, y in _thinned(sorted(means.items()), points):
        mean, low, high = _centre(figure, y)
        records.append(
            {**where, "x": _four(x), "y": _four(mean), "l": _four(low), "h": _four(high), "s": None}
        )
    for seed, values in single.items():
        records += _drawn(where, seed, values, points)
    for seed, values in lost.items():
        drawn = [{**record, "f": 1} for record in _drawn(where, seed, values, points)]
        # Over a factor every point is the end of a run.
        for record in drawn if isinstance(figure, Factor) else drawn[-1:]:
            record["e"] = 1
        records += drawn
    return records


def _drawn(where: dict, seed: int, values: list[tuple[float, float]], points: int) -> list[dict]:
    """The records of a single run, as far as it is finite."""
    kept = _thinned(sorted((x, y) for x, y in values if math.isfinite(y)), points)
    return [{**where, "x": _four(x), "y": _four(y), "s": seed} for x, y in kept]


def _counted(outcomes: list[str]) -> str:
    """`2 diverged, 1 at chance`."""
    return ", ".join(f"{outcomes.count(one)} {one}" for one in dict.fromkeys(outcomes))


def _centre(figure: Chart, values: list[float]) -> tuple[float, float, float]:
    """Mean and t interval; on a logarithmic axis those of the logarithms, so that the interval stays above zero."""
    logarithmic = figure.y_scale == "log" and min(values) > 0
    used = [math.log(value) for value in values] if logarithmic else values
    mean = sum(used) / len(used)
    low, high = t_interval(used)
    if not math.isfinite(low):  # a single run has no interval
        low = high = mean
    if logarithmic:
        return math.exp(mean), math.exp(low), math.exp(high)
    least, most = range_of(figure.metric)
    if figure.y_scale == "log":
        least = min(value for value in values if value > 0) if max(values) > 0 else least
    return mean, max(low, min(least, mean)), min(high, most)


def _name(figure: Chart, arm: Arm) -> str:
    """What a line is called; a number alone would say nothing, so its factor stands before it."""
    value = arm.factors.get(figure.colour, arm.label) if figure.colour else arm.label
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"{figure.colour} {value:g}" if number else str(value)


def _inks(experiment: Experiment, figure: Chart, names: list[str]) -> list[int]:
    """Which colour each name has: a value of a factor the same in every chart of the experiment."""
    if not figure.colour:
        return list(range(len(names)))
    everyone = list(
        dict.fromkeys(_name(figure, arm) for arm in experiment.arms if figure.colour in arm.factors)
    )
    everyone += [name for name in names if name not in everyone]
    return [everyone.index(name) for name in names]


def _last(rows: list[Observation]) -> Iterable[Observation]:
    return {row.seed: row for row in rows}.values()


def _thinned(items: list, points: int) -> list:
    """At most `points` of the items, evenly, first and last among them."""
    if len(items) <= points:
        return items
    return [items[round(i * (len(items) - 1) / (points - 1))] for i in range(points)]


def _four(value: float) -> float:
    return float(f"{value:.4g}")
