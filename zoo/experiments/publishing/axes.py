"""Axes of charts: ranges that show the point, round ticks, decades on logarithmic axes."""

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

STEPS = (1, 2, 5, 10)
NEAR_ZERO = 0.3  # below this share of its range a value is near enough to zero to begin the axis there
EDGE = 0.04  # above the highest value, where no tick is near
BESIDE = 1.0  # how far beyond the values, in their own range, something may lie that the axis still shows
DECADES = 9  # labelled at most
FEW_DECADES = 5  # up to here the numbers between the decades have ticks
# Plain numbers where short, powers beyond.
POWERS = (
    "datum.value >= 1e4 || datum.value < 1e-3 ? replace(format(datum.value, '.0e'), '+', '') "
    ": format(datum.value, '~g')"
)


@dataclass(frozen=True)
class Axis:
    """The stretch of numbers that a chart shows.

    Attributes:
        low: Its beginning.
        high: Its end.
        ticks: Places with a tick.
        labelled: Those of them that carry a number.
        kind: `linear`, `log` or `symlog`.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    labelled: tuple[float, ...]
    kind: str = "linear"

    @property
    def from_zero(self) -> bool:
        """Whether heights can be compared as they stand; none can on a logarithmic axis, which says so itself."""
        return self.kind == "log" or self.low <= 0

    def share(self, value: float) -> float:
        """How far along the axis a value lies: 0 at its beginning, 1 at its end."""
        low, high, at = (_drawn(one, self.kind) for one in (self.low, self.high, value))
        return (at - low) / (high - low)

    def scale(self) -> Any:
        """As a scale of Altair."""
        import altair as alt

        return alt.Scale(type=self.kind, domain=[self.low, self.high])

    def axis(self, **given: Any) -> Any:
        """As an axis of Altair."""
        import altair as alt

        if self.kind == "log":
            given["labelExpr"] = POWERS
        if self.labelled != self.ticks:
            known = f"indexof({[*self.labelled]}, datum.value) >= 0"
            given |= {
                "labelExpr": f"{known} ? ({POWERS}) : ''",
                "gridOpacity": {"condition": {"test": known, "value": 0.25}, "value": 0},
            }
        return alt.Axis(values=[*self.ticks], **given)


def axis(
    values: Iterable[float], kind: str = "linear", *, ticks: int = 6, at_least: float = -math.inf
) -> Axis:
    """The axis on which values are seen best.

    A linear axis begins at zero where the values come near it. A logarithmic one is labelled at the decades; where
    there is one decade or none in it, at 1, 2 and 5 of each; where these are too few as well, at round numbers.

    Args:
        values: All that is to be seen.
        kind: `linear`, `log` or `symlog`.
        ticks: About how many a linear axis has.
        at_least: Where the metric begins.

    Raises:
        ValueError: There is nothing to see, or something that is not above zero on a logarithmic axis.

    Example:
        >>> from zoo.experiments.publishing.axes import axis
        >>> axis([0.83, 0.89]).ticks
        (0.82, 0.84, 0.86, 0.88)
        >>> axis([0.03, 700.0], "log").labelled
        (0.1, 1.0, 10.0, 100.0)
    """
    found = sorted(values)
    if not found:
        raise ValueError("an axis needs values; received none")
    low, high = found[0], found[-1]
    if kind == "log":
        return _logarithmic(low, high)
    if 0 < low <= NEAR_ZERO * (high - low):
        low = 0.0
    span = high - low or abs(high) or 1.0
    low, high = (low - span / 2, high + span / 2) if high == low else (low, high)
    step = _step(span / (ticks - 1))
    low = max(_round(math.floor(low / step + 1e-9) * step), at_least)
    high = min(_round(math.ceil(high / step - 1e-9) * step), _round(high + EDGE * (high - low)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    places = tuple(_round(i * step) for i in range(first, last + 1))
    return Axis(low=low, high=high, ticks=places, labelled=places, kind=kind)


def _logarithmic(low: float, high: float) -> Axis:
    if low <= 0:
        raise ValueError(f"a logarithmic axis shows values above zero; received {low}")
    low, high = (low / 2, high * 2) if low == high else (low, high)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    decades = [power(e) for e in exponents if low <= power(e) <= high]
    fine = [_round(m * power(e)) for e in exponents for m in range(1, 10)]
    fine = [tick for tick in fine if low <= tick <= high]
    if len(decades) < 2:
        labelled = [tick for tick in fine if _leads(tick) in (1, 2, 5)]
        if len(labelled) < 2:  # a stretch so short that it is nearly linear
            step = _step((high - low) / 4)
            labelled = [_round(i * step) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
            fine = labelled
    else:
        every = -(-len(decades) // DECADES)
        # Counted from 1, which is the end of many a curve.
        labelled = [tick for tick in decades if round(math.log10(tick)) % every == 0]
    ticks = fine if len(decades) <= FEW_DECADES else labelled
    return Axis(low=low, high=high, ticks=tuple(ticks), labelled=tuple(labelled), kind="log")


def power(exponent: int) -> float:
    """A power of ten, to the bit what a reader of the file gets."""
    return float(f"1e{exponent}")


def places(values: Iterable[float], kind: str = "linear") -> Axis:
    """An axis of the few values that a factor takes: each is named."""
    found = tuple(sorted(set(values)))
    return Axis(low=found[0], high=found[-1], ticks=found, labelled=found, kind=kind)


def common(panels: list[list[float]], share: float, kind: str = "linear") -> bool:
    """Whether panels can have one axis: the values of none would take up less than a share of it."""
    drawn = [[_drawn(value, kind) for value in values] for values in panels]
    whole = max(map(max, drawn)) - min(map(min, drawn))
    return all(max(values) - min(values) >= share * whole for values in drawn)


def beside(value: float, values: Iterable[float], kind: str = "linear") -> bool:
    """Whether a value lies near enough to others to be shown with them: not further off than they are apart."""
    found = [_drawn(one, kind) for one in values]
    reach = BESIDE * (max(found) - min(found))
    return min(found) - reach <= _drawn(value, kind) <= max(found) + reach


@functools.cache
def _step(least: float) -> float:
    """The first round number that is no less."""
    scale = 10 ** math.floor(math.log10(least))
    return next(step * scale for step in STEPS if step * scale >= least * (1 - 1e-9))


def _drawn(value: float, kind: str) -> float:
    return math.log10(value) if kind == "log" else value


def _leads(value: float) -> int:
    return int(f"{value:e}"[0])


def _round(value: float) -> float:
    return float(f"{value:.10g}")
