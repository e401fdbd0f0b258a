"""Numbers as pages print them, and where a curve crosses a level."""

import math

import pytest

from zoo.experiments.publishing.differences import Runs, paired_difference
from zoo.experiments.publishing.numbers import Numbers, crossing, difference_text, interval_text, number


@pytest.mark.parametrize("every", [1.0, 0.5])
def test_a_mean_over_a_stretch_stands_for_its_middle(monkeypatch, every):
    """Accuracy that grows by 0.2 an epoch from 0.1 on is at 0.5 after two, however often it is recorded."""
    ends = [every * k for k in range(1, round(4 / every) + 1)]
    grown = [(end, 0.1 + 0.2 * (end - every / 2)) for end in ends]
    twice = [(end, 0.1 + 0.1 * (end - every / 2)) for end in ends]
    monkeypatch.setattr(Numbers, "series", lambda self, arm, metric: {0: {"fast": grown, "slow": twice}[arm]})
    numbers = Numbers(None)
    assert numbers.epochs_to("fast", 0.3)[0] == pytest.approx(1.0)
    assert numbers.epochs_to("fast", 0.5)[0] == pytest.approx(2.0)
    assert numbers.slowdown("slow", "fast", 0.4)[0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    "points, level, expected",
    [([(0, 0.1), (2, 0.9)], 0.5, 1.0), ([(0, 0.1), (2, 0.4)], 0.5, math.inf), ([(0, 0.6)], 0.5, 0)],
)
def test_crossing(points, level, expected):
    assert crossing(points, level) == pytest.approx(expected)


@pytest.mark.parametrize(
    "value, text",
    [
        (0.012345, "0.0123"),
        (1234.5, "1,230"),
        (-3.2e-7, "−3.2e-07"),
        (0.0, "0"),
        (99.95, "100"),
        (2.7e12, "2.7e+12"),
        (math.nan, "not finite"),
        (-math.inf, "not finite"),
    ],
)
def test_number(value, text):
    assert number(value) == text


def test_interval_text():
    assert interval_text(0.5, 0.4, 0.6, "test_accuracy") == "50 % [40, 60]"
    assert interval_text(-0.5, -0.6, -0.4, "train_loss", signed=True) == "−0.5 [−0.6, −0.4]"
    assert interval_text(2.0, 2.0000001, 1.9999999, "growth") == "2"


def test_two_arms_at_chance_have_no_p_to_print():
    lost = dict.fromkeys(range(3), "at chance")
    first, second = ({seed: 0.1 + 0.001 * step * seed for seed in range(3)} for step in (1, -1))
    said = difference_text(
        paired_difference(Runs(values=first, outcomes=lost), Runs(values=second, outcomes=lost))
    )
    assert (
        said.startswith("+0.2 points [") and "p nan" not in said and "trained: 0 of 3 against 0 of 3" in said
    )
