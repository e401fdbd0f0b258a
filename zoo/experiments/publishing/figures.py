"""Published data -> charts: a Vega-Lite specification and its SVG, the same bytes on every machine.

No Keras here: a changed colour costs a second. Colours and dashes are those of `inks`, ranges and ticks those of
`axes`. The SVG is narrow enough for a phone; in a page a script draws the specification as wide as there is room.
"""

import functools
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.experiments.design.experiment import Arm, Chart, Curves, Dots, Experiment, Factor, Strip
from zoo.experiments.publishing.axes import Axis, axis, beside, common, places
from zoo.experiments.publishing.inks import INK, LIGHT, ink
from zoo.experiments.publishing.metrics import PERFORMANCE, POINTS, range_of
from zoo.experiments.publishing.outcomes import DIVERGED, TRAINED
from zoo.experiments.publishing.publication import Observation, Published
from zoo.experiments.publishing.statistics import t_interval
from zoo.experiments.running.results import write_atomically

FOLDER = Path("docs/figures")
# It comes with vl-convert, so the widths of words do not depend on the fonts of a machine.
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
LETTER = 12  # size of all text but titles, which are larger
# Where text of 12 is 9 pixels high and more on a phone, whose column is 358 wide.
WIDEST = 470
ADVANCE = 7.0  # pixels of a letter of that size, in the widest of the usual fonts
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
SAMPLE = 62  # pixels of a legend's entry besides its words
PADDING = 6
BASELINE = [3, 3]
# Records of a chart: means, runs that trained, runs that failed.
MEAN, SEED, FAILED = "datum.s == null && !datum.t", "datum.s != null && !datum.f", "datum.f == 1"
CROSS = {"shape": "cross", "angle": 45, "size": 70, "filled": True}
AWAY = {"size": 60, "filled": True}  # a triangle at the edge that a run lies beyond
# Of a strip: squares from pale to the ink of activations, and words that are read on both.
PALE, DEEP, ON_PALE, ON_DEEP = LIGHT["act-box"], LIGHT["act"], "#000000", "#ffffff"
ROW, LINE = 22, 15  # pixels of a row of dots, and of each further line of its name
NAME = 32  # letters of a line of it
FEW = 6  # places that are all named on an axis
OWN_AXES = 0.25  # panels part their axis where one would take up less than this share of it
LARGEST = 40_000  # bytes of a specification
POINTS_DRAWN = (200, 100, 60, 40, 25, 15, 8)


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
    """Draw a specification, without what only a script or a screen reader of single marks would read."""
    import vl_convert

    opening, rest = vl_convert.vegalite_to_svg(json.dumps(specification), vl_version="6.4").split(">", 1)
    # Clips are counted through all drawings of a process.
    clips = {name: f"clip{i}" for i, name in enumerate(dict.fromkeys(re.findall(r"\bclip\d+\b", rest)))}
    rest = re.sub(r"\bclip\d+\b", lambda found: clips[found[0]], rest)
    return f'{opening} font-family="{FONT}">{re.sub("<[^>]+>", _slim, rest)}'


def _slim(tag: re.Match[str]) -> str:
    text = re.sub(
        r' (?:(?:role|aria-[a-z]+|pointer-events)="[^"]*"|opacity="1"|font-weight="normal")', "", tag[0]
    )
    text = text.replace(f' font-family="{FONT}"', "")
    if re.match(r'<path class="(?:back|fore)ground"(?: d="(?:M0,0h0v0h0Z)?"| display="none")*/>', text):
        return ""
    return re.sub(r"(\.\d\d)\d+", r"\1", text)


def chart(experiment: Experiment, figure: Chart, published: Published) -> dict[str, Any]:
    """The Vega-Lite specification of a figure, thinned out until it is small enough to send.

    Raises:
        ValueError: Nothing published has the figure's metric, or a series has no colour in the table of `inks`.
    """
    for points in POINTS_DRAWN:
        specification = _chart(experiment, figure, published, points)
        if len(json.dumps(specification, separators=(",", ":"))) <= LARGEST:
            break
    return specification


@dataclass(frozen=True)
class _Sheet:
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
        return self.figure.y_title or self.figure.metric.replace("_", " ")

    @property
    def own_axes(self) -> bool:
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

        names = list(dict.fromkeys(_said(record) for record in self.records if "arm" in record))
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
        return "c" if self.any("c") else "arm"

    def colour(self) -> Any:
        import altair as alt

        legend = None if isinstance(self.figure, Dots) else self._legend()
        return alt.Color(f"{self.field}:N", scale=self._scales[0], legend=legend)

    def dash(self) -> Any:
        import altair as alt

        return alt.StrokeDash("arm:N", scale=self._scales[1], legend=self._legend())

    def _legend(self) -> Any:
        import altair as alt

        longest = max(map(len, self._scales[0].domain))
        columns = int(WIDEST // (longest * ADVANCE + SAMPLE))
        return alt.Legend(columns=max(1, min(columns, len(self._scales[0].domain))))

    def title(self) -> Any:
        import altair as alt

        said = self.failed.get("", []) if len(self.panels) == 1 and not isinstance(self.figure, Dots) else []
        lines = [line for text in (self.measured, *said) for line in wrapped(text, int(WIDEST / ADVANCE))]
        heading = wrapped(self.figure.title, int(WIDEST / (ADVANCE * 14 / LETTER)))
        return alt.Title(text=heading, subtitle=lines)


def _chart(experiment: Experiment, figure: Chart, published: Published, points: int) -> dict[str, Any]:

    sheet = _sheet(experiment, figure, published, points)
    whole = {Dots: _dots, Strip: _strip}.get(type(figure), _lines)(sheet)
    said = [f"{panel}: {text}".removeprefix(": ") for panel, texts in sheet.failed.items() for text in texts]
    words = [
        f"{figure.title or experiment.question}.",
        _reading(figure, published),
        *(f"{text}." for text in said),
    ]
    whole = whole.properties(title=sheet.title(), description=" ".join(words).strip())
    specification = themed(whole).to_dict()
    meta: dict[str, Any] = {"experiment": experiment.name, "checksum": published.about["checksum"]}
    if isinstance(figure, Dots):
        # Names stand left of the drawing, and are wider where its font is missing.
        meta["letters"] = max(len(line) for name in sheet.order for line in wrapped(name, NAME))
        room = meta["letters"] * 0.7
        specification["padding"] = {
            "left": PADDING + room,
            "right": PADDING,
            "top": PADDING,
            "bottom": PADDING,
        }
    specification["usermeta"] = meta
    return specification


def _dots(sheet: _Sheet) -> Any:
    """An arm a row: a dot a run, a tick and a rule for the mean and its interval, words for runs that failed."""
    import altair as alt

    lines = {name: wrapped(name, NAME) for name in sheet.order}
    several = any(len(one) > 1 for one in lines.values())
    words = {"labelExpr": f"{json.dumps(lines, ensure_ascii=False)}[datum.label]"} if several else {}
    step = ROW + LINE * (max(map(len, lines.values())) - 1)
    y = alt.Y("arm:N", sort=sheet.order, title=None, axis=alt.Axis(labelLimit=LEGEND["labelLimit"], **words))
    room = max(len(line) for one in lines.values() for line in one) * ADVANCE
    width = WIDEST - room - 30
    along = next(iter(sheet.axes.values()))
    scale = along.scale()
    x = alt.X("y:Q", title=None, scale=scale, axis=_fewer(along, width).axis())
    colour = sheet.colour()
    low = alt.X("l:Q", scale=scale)
    tooltip = _tooltip(sheet.figure, sheet.y_title)
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
            text = said.mark_text(align=align, dx=-8 * side, color=INK, font=FONT, fontSize=LETTER)
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


def _strip(sheet: _Sheet) -> Any:
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
        tooltip=_tooltip(sheet.figure, sheet.y_title),
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


def _fewer(along: Axis, width: float) -> Axis:
    """With every second tick, or less, where labels would touch."""
    letters = max(len(f"{tick:g}") for tick in along.labelled)
    fit = max(2, int(width / ((letters + 2) * ADVANCE)))
    every = -(-len(along.labelled) // fit)
    if every == 1 or along.kind == "log":
        return along
    return Axis(along.low, along.high, along.ticks[::every], along.labelled[::every], along.kind)


def _lines(sheet: _Sheet) -> Any:
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


def _layers(sheet: _Sheet, panel: str, width: float) -> list[Any]:
    import altair as alt

    figure, up = sheet.figure, sheet.axes[panel]
    x = _along(sheet, width)
    scale, ruler = up.scale(), up.axis()
    y = alt.Y("y:Q", title=None, scale=scale, axis=ruler)
    low = alt.Y("l:Q", title=None, scale=scale, axis=ruler)
    colour, tooltip = sheet.colour(), _tooltip(figure, sheet.y_title)
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


def _along(sheet: _Sheet, width: float) -> Any:
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
    along = _fewer(axis(found, kind), width)
    scale = alt.Scale(type=kind, domain=[found[0], found[-1]])
    if kind == "log":
        return alt.X("x:Q", title=title, scale=scale, axis=along.axis())
    ticks = [tick for tick in along.ticks if found[0] <= tick <= found[-1]]
    return alt.X("x:Q", title=title, scale=scale, axis=alt.Axis(values=ticks, format="~f"))


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


def wrapped(text: str, letters: int) -> list[str]:
    """Text in lines of at most so many letters, unless a word is longer."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and len(lines[-1]) + 1 + len(word) <= letters:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


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
    if isinstance(figure, Strip):
        return f"The number in each square is the mean of {seeds} seeds; the larger, the darker."
    text = "Thin lines: single seeds. " if not isinstance(figure, Dots) else "Dots: single seeds. "
    mean = "geometric mean" if figure.y_scale == "log" else "mean"
    text += f"Thick: {mean} of {seeds} seeds, with its 95 % t interval."
    if _fails(figure, published):
        text += (
            " Crosses, and triangles at the edge they lie beyond: runs that failed, which no mean includes where "
            "others of their arm trained."
        )
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


Curve = tuple[str, str]  # name of the series, panel
Seeds = dict[int, list[tuple[float, float]]]  # seed -> all (x, y)


def _sheet(experiment: Experiment, figure: Chart, published: Published, points: int) -> _Sheet:
    """Data of a chart: one record a seed and place, and one a mean; names, panels, what failed, axes."""
    curves: dict[Curve, list[tuple[Arm, Seeds, dict[int, str]]]] = {}
    shown = [arm for arm in experiment.arms if not figure.arms or arm.label in figure.arms]
    rows = isinstance(figure, Dots) and _share_values(figure, shown)
    for arm in shown:
        if seeds := _seeds_of(figure, published, arm):
            panel = str(arm.factors.get(figure.panel, "")) if figure.panel else ""
            panel += " layers" if figure.panel == "depth" else ""
            name = arm.label if rows else _name(figure, arm)
            curves.setdefault((name, panel), []).append((arm, seeds, _outcomes(figure, published, arm.label)))
    if not curves:
        raise ValueError(
            f"figure {figure.name!r} of {experiment.name!r} draws {figure.metric!r}, of which nothing is "
            f"published"
        )
    records: list[dict] = []
    failed: dict[str, list[str]] = {}
    for (name, panel), arms in curves.items():
        where = {"arm": name, **({"p": panel} if figure.panel else {})}
        where |= {"c": _name(figure, arms[0][0])} if rows else {}
        records += _curve(figure, [(seeds, outcomes) for _, seeds, outcomes in arms], where, points)
        outcomes = [one for _, _, found in arms for one in found.values()]
        if lost := _counted(outcomes):
            failed.setdefault(panel, []).append(f"{name}: {lost}")
            if isinstance(figure, Dots):
                records.append({**where, "t": lost})
    panels = list(dict.fromkeys(panel for _, panel in curves))
    axes = _axes(figure, records, panels)
    order = list(dict.fromkeys(name for name, _ in curves))
    return _Sheet(figure, _placed(figure, records, axes), order, panels, failed, axes)


def _said(record: dict) -> str:
    """By what a record has its colour."""
    return record.get("c", record["arm"])


def _share_values(figure: Dots, arms: list[Arm]) -> bool:
    """Whether arms of one panel have the same value: a row has the arm's own name then, and the value's colour."""
    found = [(_name(figure, arm), arm.factors.get(figure.panel)) for arm in arms]
    return len(set(found)) < len(found)


def _axes(figure: Chart, records: list[dict], panels: list[str]) -> dict[str, Axis]:
    """Panel -> axis of the metric: one for all, unless it would squeeze what one of them shows."""
    seen = {
        panel: _seen(figure, [r for r in records if r.get("p", "") == panel], records) for panel in panels
    }
    least = range_of(figure.metric)[0]
    if not isinstance(figure, Dots) and not common(list(seen.values()), OWN_AXES, figure.y_scale):
        return {panel: axis(values, figure.y_scale, at_least=least) for panel, values in seen.items()}
    together = [value for values in seen.values() for value in values]
    return dict.fromkeys(panels, axis(together, figure.y_scale, at_least=least))


def _seen(figure: Chart, records: list[dict], everywhere: list[dict]) -> list[float]:
    """What the axis of a panel is for."""
    seen = [r for r in records if "f" not in r and "y" in r]
    if isinstance(figure, Dots):
        seen = [r for r in seen if "n" not in r] or seen
    if isinstance(figure, Curves) and figure.metric in POINTS:
        # Of many epochs the first may lie below: the axis is for what tells the curves apart.
        epochs = sorted({r["x"] for r in everywhere if "x" in r})
        begin = epochs[len(epochs) // 2] if len(epochs) > FEW else epochs[0]
        seen = [r for r in seen if r["x"] >= begin]
    values = [r[key] for r in seen for key in ("y", "l", "h") if key in r]
    if figure.baseline is not None and beside(figure.baseline, values, figure.y_scale):
        values.append(figure.baseline)
    return values


def _placed(figure: Chart, records: list[dict], axes: dict[str, Axis]) -> list[dict]:
    """Runs that failed beyond the axis at its edge, and words about them where their row has room."""
    placed = []
    for record in records:
        ruler = axes[record.get("p", "")]
        if "t" in record:
            row = [r["y"] for r in records if _row(r) == _row(record) and r.get("y") is not None]
            row = [y for y in row if ruler.low <= y <= ruler.high] or [ruler.high]
            side = -1 if min(row) - ruler.low >= ruler.high - max(row) else 1
            record = {**record, "a": side, "y": ruler.low if side < 0 else ruler.high}
        elif "e" in record or (isinstance(figure, Dots) and "n" in record):
            low = record["y"] < ruler.low if record["y"] is not None else figure.metric in POINTS
            high = record["y"] is None or record["y"] > ruler.high
            if low or high:
                if record["s"] is None:  # no mean of runs that are not shown
                    continue
                record = {**record, "y": ruler.low if low else ruler.high, "o": -1 if low else 1}
        placed.append({key: value for key, value in record.items() if key != "n"})
    return placed


def _row(record: dict) -> tuple:
    return record["arm"], record.get("p")


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
    nothing: set[float] = set()
    for seeds, outcomes in arms:
        trained = {seed for seed in seeds if outcomes.get(seed, TRAINED) == TRAINED}
        for seed, values in seeds.items():
            (single if seed in trained else lost).setdefault(seed, []).extend(values)
        # Where no run of an arm trained, all are of a kind.
        for seed in trained or seeds:
            for x, y in seeds[seed]:
                if math.isfinite(y):
                    means.setdefault(x, []).append(y)
                    nothing |= set() if trained else {x}
    records = []
    for x, y in _thinned(sorted(means.items()), points):
        mean, low, high = _centre(figure, y)
        record = {**where, "x": _four(x), "y": _four(mean), "l": _four(low), "h": _four(high), "s": None}
        records.append({**record, "n": 1} if x in nothing else record)
    for seed, values in single.items():
        records += _drawn(where, seed, values, points)
    # Over a factor every point is the end of a run.
    each = isinstance(figure, Factor)
    for seed, values in lost.items():
        drawn = [{**record, "f": 1} for record in _drawn(where, seed, values, points)]
        for record in drawn if each else drawn[-1:]:
            record["e"] = 1
        records += drawn
        gone = [x for x, y in values if not math.isfinite(y)]
        for x in gone if each else gone[-1:] if not drawn else []:
            records.append({**where, "x": _four(x), "y": None, "s": seed, "f": 1, "e": 1})
    return records


def _drawn(where: dict, seed: int, values: list[tuple[float, float]], points: int) -> list[dict]:
    """The records of a single run, as far as it is finite."""
    kept = _thinned(sorted((x, y) for x, y in values if math.isfinite(y)), points)
    return [{**where, "x": _four(x), "y": _four(y), "s": seed} for x, y in kept]


def _counted(outcomes: list[str]) -> str:
    """`2 diverged, 1 at chance, of 5`; nothing where all trained."""
    lost = [one for one in outcomes if one != TRAINED]
    found = [f"{lost.count(one)} of {len(outcomes)} {one}" for one in dict.fromkeys(lost)]
    return ", ".join(found)


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


def _last(rows: list[Observation]) -> Iterable[Observation]:
    return {row.seed: row for row in rows}.values()


def _thinned(items: list, points: int) -> list:
    """At most `points` of the items, evenly, first and last among them."""
    if len(items) <= points:
        return items
    return [items[round(i * (len(items) - 1) / (points - 1))] for i in range(points)]


def _four(value: float) -> float:
    return float(f"{value:.4g}")
