"""Published rows as the records of a chart: one a seed and place, and one a mean."""

import math
from collections.abc import Iterable

from zoo.experiments.design.experiment import Arm, Chart, Dots, Factor
from zoo.experiments.publishing.metrics import PERFORMANCE, range_of
from zoo.experiments.publishing.outcomes import DIVERGED, TRAINED
from zoo.experiments.publishing.publication import Observation, Published
from zoo.experiments.publishing.statistics import t_interval

Seeds = dict[int, list[tuple[float, float]]]  # seed -> all (x, y)
# In Vega's words: means, runs that trained, runs that failed.
MEAN, SEED, FAILED = "datum.s == null && !datum.t", "datum.s != null && !datum.f", "datum.f == 1"


def seeds_of(figure: Chart, published: Published, arm: Arm) -> Seeds:
    """What a figure draws of an arm; nothing where it has not the figure's factor or metric."""
    if isinstance(figure, Factor) and figure.x not in arm.factors:
        return {}
    rows = [row for row in published.rows if row.arm == arm.label and row.metric == figure.metric]
    seeds: Seeds = {}
    for row in _last(rows) if isinstance(figure, (Factor, Dots)) else rows:
        x = float(arm.factors[figure.x]) if isinstance(figure, Factor) else row.x
        seeds.setdefault(row.seed, []).append((x, row.value))
    return seeds


def outcomes_of(figure: Chart, published: Published, label: str) -> dict[int, str]:
    """Seed -> outcome; a metric that is not of performance knows no failure but that there was nothing to measure."""
    found = published.outcomes(label)
    if figure.metric in PERFORMANCE:
        return found
    return {seed: DIVERGED if one == DIVERGED else TRAINED for seed, one in found.items()}


def curve_of(figure: Chart, arms: list[tuple[Seeds, dict[int, str]]], where: dict, points: int) -> list[dict]:
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


def counted(outcomes: list[str]) -> str:
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


def name_of(figure: Chart, arm: Arm) -> str:
    """What a line is called."""
    return _worded(figure.colour, arm.factors.get(figure.colour, arm.label) if figure.colour else arm.label)


def panel_of(figure: Chart, arm: Arm) -> str:
    """What the panel is called that an arm stands in; empty where a figure has none."""
    value = arm.factors.get(figure.panel, "") if figure.panel else ""
    return f"{value} layers" if figure.panel == "depth" else _worded(figure.panel, value)


def _worded(factor: str, value: object) -> str:
    """A number alone would say nothing, so its factor stands before it."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"{factor} {value:g}" if number else str(value)


def _last(rows: list[Observation]) -> Iterable[Observation]:
    return {row.seed: row for row in rows}.values()


def _thinned(items: list, points: int) -> list:
    """At most `points` of the items, evenly, first and last among them."""
    if len(items) <= points:
        return items
    return [items[round(i * (len(items) - 1) / (points - 1))] for i in range(points)]


def _four(value: float) -> float:
    return float(f"{value:.4g}")
