"""What is known of a metric by its name: unit, range, whether it measures how well a run trained; p in words."""

import math

POINTS = (
    "test_accuracy",
    "train_accuracy",
    "collapsed_accuracy",
    "untrained_accuracy",
)  # shown in points of a hundred
# Of these a run that failed says nothing but that it failed. Other metrics, such as the share of dead units, may
# measure the failing itself: leaving failed runs out of them would leave out what is asked.
PERFORMANCE = (*POINTS, "train_loss", "test_loss")
SHARES = (
    *POINTS,
    "dead_units",
    "silent_fraction",
    "cheap_share",
    "zero_fraction",
    "straight_fraction",
    "same_predictions",
    "equal_to_the_bit",
)
SIGNED = (
    "skewness",
    "excess_kurtosis",
    "mean_over_std",
    "points_lost",
    "loss_cost",
    "first_margin",
    "depth_correlation",
)


def range_of(metric: str) -> tuple[float, float]:
    """The values that a metric can take: a share lies between 0 and 1, most others are not negative.

    Example:
        >>> from zoo.experiments.publishing.metrics import range_of
        >>> range_of("test_accuracy"), range_of("test_loss"), range_of("skewness")
        ((0.0, 1.0), (0.0, inf), (-inf, inf))
    """
    if metric in SHARES:
        return 0.0, 1.0
    return (-math.inf if metric in SIGNED else 0.0), math.inf


def p_text(p: float) -> str:
    """A p value as it is read: two digits, and no more zeros than mean something; "none" where there was no test.

    Example:
        >>> from zoo.experiments.publishing.metrics import p_text
        >>> p_text(0.0312), p_text(0.42), p_text(3e-7), p_text(1.0)
        ('0.031', '0.42', '< 0.0001', '1')
    """
    if math.isnan(p):
        return "none"
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"
