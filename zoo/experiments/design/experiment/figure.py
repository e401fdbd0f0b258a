"""Pictures and tables of the published rows, a class a kind."""

from dataclasses import dataclass, field

from zoo.experiments.design.experiment.values import SCALES, choice


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture, or a table, of the published rows: what all kinds share. A kind is a class of its own.

    Attributes:
        name: Suffix of the file name; empty for an experiment's main figure.
        title: Says what is to be seen, in a sentence without a verdict.
        arms: Labels of the arms shown; empty is all.
    """

    name: str = ""
    title: str = ""
    arms: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Chart(Figure):
    """A figure that is drawn, of one metric.

    Attributes:
        metric: What is drawn.
        y_title: Title of the axis of the metric, with unit.
        y_scale: `linear`, `log` or `symlog`.
        colour: Name of a factor; empty is a colour an arm.
        panel: Name of a factor by which the figure is split in panels.
        baseline: A value drawn as a rule, such as chance.
        baseline_label: What it is.
    """

    metric: str = "test_accuracy"
    y_title: str = ""
    y_scale: str = "linear"
    colour: str = ""
    panel: str = ""
    baseline: float | None = None
    baseline_label: str = ""

    def __post_init__(self):
        choice(self, "y_scale", SCALES)


@dataclass(frozen=True, kw_only=True)
class Curves(Chart):
    """A metric over training, an arm a curve.

    Attributes:
        x_title: Axis title with unit; empty is the epoch.
    """

    kind: str = field(default="curves", init=False)
    x_title: str = ""


@dataclass(frozen=True, kw_only=True)
class Dots(Chart):
    """The last value of a metric, an arm a row, a run a dot."""

    kind: str = field(default="dots", init=False)


@dataclass(frozen=True, kw_only=True)
class Factor(Chart):
    """The last value of a metric over a factor.

    Attributes:
        x: Name of the factor.
        x_title: Axis title with unit; empty is the factor's name.
        x_scale: `linear`, `log` or `symlog`.
    """

    kind: str = field(default="factor", init=False)
    x: str
    x_title: str = ""
    x_scale: str = "linear"

    def __post_init__(self):
        super().__post_init__()
        choice(self, "x_scale", SCALES)


@dataclass(frozen=True, kw_only=True)
class Series(Chart):
    """Rows of a measurement over their own x, such as a layer.

    Attributes:
        x_title: Axis title with unit.
        x_scale: `linear`, `log` or `symlog`.
    """

    kind: str = field(default="series", init=False)
    x_title: str = ""
    x_scale: str = "linear"

    def __post_init__(self):
        super().__post_init__()
        choice(self, "x_scale", SCALES)


@dataclass(frozen=True, kw_only=True)
class Strip(Chart):
    """Rows of a measurement over their own x, a place in a net: a net a row, a place a square with its colour and number.

    Attributes:
        x_title: What the places are.
    """

    kind: str = field(default="strip", init=False)
    x_title: str = ""


@dataclass(frozen=True, kw_only=True)
class Table(Figure):
    """The last values of several metrics, an arm a row.

    Attributes:
        metrics: The columns.
    """

    kind: str = field(default="table", init=False)
    metrics: tuple[str, ...]
