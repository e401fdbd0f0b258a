"""How a chart is read, in words for those who cannot see it."""

from zoo.experiments.design.experiment import Chart, Dots, Strip
from zoo.experiments.publishing.figures.records import outcomes_of
from zoo.experiments.publishing.outcomes import TRAINED
from zoo.experiments.publishing.publication import Published


def reading(figure: Chart, published: Published) -> str:
    """What the marks of a chart are."""
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
        for outcome in outcomes_of(figure, published, about["label"]).values()
    )
