"""How many runs it takes to see a difference: exact power of Student's test."""

MOST = 100_000
EFFECTS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)  # difference over standard deviation
GOALS = (0.8, 0.9)
# Points between the first and the last ordering of ResNet-110 in the table of `zoo.studies.ordering`, and from run to run.
FAMOUS_STEP, FAMOUS_SPREAD = 0.24, 0.16


def power(
    runs: int, difference: float, deviation: float, *, paired: bool = True, alpha: float = 0.05
) -> float:
    r"""Probability that Student's two-sided test finds a true difference d.

    Of n pairs whose differences have the standard deviation s, or of two groups of n whose values have it, t has
    a non-central distribution:

    $$\text{pairs: } \delta = \frac{d}{s} \sqrt{n}, \; n - 1 \text{ degrees of freedom}, \qquad
    \text{groups: } \delta = \frac{d}{s} \sqrt{n / 2}, \; 2n - 2.$$

    The rule n = 2 (2.8 s / d)^2 takes t for normal and promises too much where runs are few.

    Args:
        runs: Pairs, or runs of each group, n, at least 2.
        difference: True difference d, in any unit.
        deviation: Standard deviation s, in the same unit: of the differences if paired, else of single runs.
        paired: Whether the runs are pairs.
        alpha: Level of the test.

    Raises:
        ValueError: Fewer than two runs, or no positive deviation.

    Example:
        >>> from zoo.experiments.publishing.power import power
        >>> round(power(5, 0.5, 0.25), 3)
        0.909
    """
    from scipy import stats

    if runs < 2 or not deviation > 0:
        raise ValueError(
            f"power needs runs >= 2 and deviation > 0; received runs={runs!r}, deviation={deviation!r}"
        )
    freedom = runs - 1 if paired else 2 * runs - 2
    shift = abs(difference) / deviation * (runs if paired else runs / 2) ** 0.5
    critical = stats.t.ppf(1 - alpha / 2, freedom)
    return float(stats.nct.sf(critical, freedom, shift) + stats.nct.cdf(-critical, freedom, shift))


def runs_needed(
    difference: float, deviation: float, *, paired: bool = False, goal: float = 0.8, alpha: float = 0.05
) -> int:
    """The fewest runs an arm with which Student's test finds a difference with a given probability.

    Args:
        difference: True difference, not zero.
        deviation: Standard deviation: of the differences if paired, else of single runs.
        paired: Whether the runs are pairs.
        goal: Power to reach.
        alpha: Level of the test.

    Raises:
        ValueError: The difference is zero, or more than 100,000 runs are needed.

    Example:
        >>> from zoo.experiments.publishing.power import runs_needed
        >>> runs_needed(0.24, 0.16)  # points of test error
        9
    """
    if not difference:
        raise ValueError(
            f"difference must not be zero, which no number of runs finds; received {difference!r}"
        )
    low, high = 1, 2
    while power(high, difference, deviation, paired=paired, alpha=alpha) < goal:
        low, high = high, 2 * high
        if low > MOST:
            raise ValueError(
                f"difference must be larger: {difference!r} at a deviation of {deviation!r} takes more than {MOST:,} runs"
            )
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(middle, difference, deviation, paired=paired, alpha=alpha) >= goal
        low, high = (low, middle) if enough else (middle, high)
    return high


def table() -> str:
    """Runs an arm for a difference given in standard deviations, as a Markdown table."""
    heads = [f"{kind}, {100 * goal:.0f} %" for kind in ("pairs", "two groups") for goal in GOALS]
    lines = [f"| difference / standard deviation | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for effect in EFFECTS:
        cells = [
            runs_needed(effect, 1.0, paired=paired, goal=goal) for paired in (True, False) for goal in GOALS
        ]
        lines.append(f"| {effect:g} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def famous() -> str:
    """The famous step of ResNet-110 at the spread of its runs, n by n, as a Markdown table."""
    step, spread = FAMOUS_STEP, FAMOUS_SPREAD
    lines = ["| runs an arm | power, two groups | pairs, r = 0 | pairs, r = 0.5 |", "|---|---|---|---|"]
    for runs in range(3, 12):
        cells = [power(runs, step, spread, paired=False)]
        # The differences of pairs with correlation r have the deviation s sqrt(2 (1 - r)).
        cells += [power(runs, step, spread * (2 * (1 - r)) ** 0.5) for r in (0.0, 0.5)]
        lines.append(f"| {runs} | {' | '.join(f'{100 * cell:.1f} %' for cell in cells)} |")
    return "\n".join(lines) + "\n"
