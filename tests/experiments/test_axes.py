"""Axes of charts: round ticks, decades, ranges."""

import math

import pytest

from zoo.experiments.publishing.axes import axis, beside, common


@pytest.mark.parametrize(
    ("values", "low", "ticks"),
    [
        ([0.1, 0.9], 0, (0, 0.2, 0.4, 0.6, 0.8)),  # near zero: from zero
        ([0.82, 0.88], 0.82, (0.82, 0.84, 0.86, 0.88)),
        ([0, 200], 0, (0, 50, 100, 150, 200)),
        ([-3, 2], -3, (-3, -2, -1, 0, 1, 2)),
        ([5, 5], 2, (2, 3, 4, 5, 6, 7)),
    ],
)
def test_linear_axes_have_round_ticks(values, low, ticks):
    found = axis(values)
    assert found.low == low and found.ticks == pytest.approx(ticks)
    assert found.low <= min(values) and max(values) <= found.high
    assert found.from_zero is (low <= 0)


@pytest.mark.parametrize(
    ("values", "labelled"),
    [
        ([0.6, 55], (1, 10)),
        ([0.05, 1500], (0.1, 1, 10, 100, 1000)),
        ([1e-3, 1e3], tuple(10.0**e for e in range(-3, 4))),
        ([2e-41, 1], tuple(float(f"1e{e}") for e in range(-40, 1, 5))),
        ([0.5, 3], (0.5, 1, 2)),
        ([0.45, 0.49], (0.45, 0.46, 0.47, 0.48, 0.49)),
        ([2.1, 4.6], (3, 4)),
    ],
)
def test_logarithmic_axes_are_labelled_at_decades(values, labelled):
    found = axis(values, "log")
    assert found.labelled == labelled
    assert set(found.labelled) <= set(found.ticks)
    assert all(math.isfinite(tick) and found.low <= tick <= found.high for tick in found.ticks)


def test_between_few_decades_the_numbers_have_ticks_without_words():
    found = axis([0.9, 200], "log")
    assert found.labelled == (1, 10, 100)
    assert set(range(2, 10)) <= set(found.ticks)
    described = found.axis().to_dict()
    assert "indexof([1.0, 10.0, 100.0], datum.value)" in described["labelExpr"]


def test_a_share_does_not_begin_below_zero():
    assert axis([0.02, 0.95], at_least=0).low == 0
    assert axis([0.0, 1e-9], at_least=0).low == 0


@pytest.mark.parametrize("values", [[], [0.0, 1.0]])
def test_what_has_no_logarithmic_axis_is_refused(values):
    with pytest.raises(ValueError, match=r"received (none|0\.0)"):
        axis(values, "log")


def test_panels_have_one_axis_unless_it_hides_one():
    assert common([[0.1, 0.9], [0.5, 0.8]], 0.25)
    assert not common([[0.1, 0.9], [0.80, 0.86]], 0.25)
    assert common([[1, 1e6], [1e3, 1e6]], 0.25, "log") and not common([[1, 1e6], [1e5, 2e5]], 0.25, "log")


@pytest.mark.parametrize(("value", "near"), [(0.1, True), (2.3, False)])
def test_a_baseline_counts_where_it_lies_beside_the_values(value, near):
    assert beside(value, [0.4, 0.8]) is near
