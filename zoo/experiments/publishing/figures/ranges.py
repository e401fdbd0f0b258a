"""The axis of the metric, a panel or all panels; runs that failed beyond it stand at its edge."""

from zoo.experiments.design.experiment import Chart, Curves, Dots
from zoo.experiments.publishing.axes import Axis, axis, beside, common
from zoo.experiments.publishing.figures.widths import have_room
from zoo.experiments.publishing.metrics import POINTS, range_of

FEW = 6  # places that are all named on an axis, and epochs that all count for one
OWN_AXES = 0.25  # panels part their axis where one would take up less than this share of it


def axes_of(figure: Chart, records: list[dict], panels: list[str]) -> dict[str, Axis]:
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


def placed(figure: Chart, records: list[dict], axes: dict[str, Axis], width: float) -> list[dict]:
    """Runs that failed beyond the axis at its edge, and words about them where their row has room.

    Args:
        figure: What is drawn.
        records: What is drawn in it; rows of a drawing may have words.
        axes: Panel -> axis of the metric.
        width: Pixels of a row.
    """
    placed = []
    for record in records:
        ruler = axes[record.get("p", "")]
        if "t" in record:
            row = [r["y"] for r in records if _row(r) == _row(record) and r.get("y") is not None]
            shares = [ruler.share(y) for y in row if ruler.low <= y <= ruler.high] or [1.0]
            before, after = min(shares), 1 - max(shares)
            if not have_room(record["t"], max(before, after) * width):  # the description says it anyway
                continue
            side = -1 if before >= after else 1
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
