"""The sentences people repeat, each with a rule that judges it from published data.

A claim is data: the sentence, the experiment that bears on it, and a rule. A rule turns published rows into
a verdict and the effect behind it. `docs/claims.md` is written from this by `scripts/make_claims.py`.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zoo.experiments.publishing import publication
from zoo.experiments.publishing.numbers import POINTS, Numbers, interval_text, number
from zoo.experiments.publishing.publication import FOLDER
from zoo.experiments.publishing.statistics import Difference, bootstrap_interval

PROVEN = "proven"
HOLDS = "holds here"
FAILS = "does not hold here"
REFUTED = "refuted"
IN_PART = "holds in part"
NO_DIFFERENCE = "no difference detected"
UNMEASURABLE = "not measurable at this scale"
MISSING = "not yet measured here"
VERDICTS = (PROVEN, REFUTED, HOLDS, IN_PART, FAILS, NO_DIFFERENCE, UNMEASURABLE, MISSING)


@dataclass(frozen=True)
class Evidence:
    """What data say about a claim.

    Attributes:
        verdict: One of `VERDICTS`.
        effect: The size of it with its interval, a phrase for each number.
        summary: What all of `effect` comes to, where it is long.
    """

    verdict: str
    effect: tuple[str, ...]
    summary: str = ""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One number that has to lie within bounds for every seed.

    Attributes:
        arm: Whose.
        metric: Which.
        least: Lower bound; `None` is none.
        most: Upper bound; `None` is none.
        first: The first recorded value instead of the last.
        words: What the number is, for the page; empty is the metric's name.
    """

    arm: str
    metric: str
    least: float | None = None
    most: float | None = None
    first: bool = False
    words: str = ""

    def holds(self, numbers: Numbers) -> bool:
        """Whether every seed is within the bounds."""
        values = numbers.values(self.arm, self.metric, first=self.first).values()
        return all(
            (self.least is None or value >= self.least) and (self.most is None or value <= self.most)
            for value in values
        )

    def text(self, numbers: Numbers) -> str:
        """The number with its interval, and the bounds it is held against."""
        scale, unit = (100, " %") if self.metric in POINTS else (1, "")
        mean = scale * numbers.summary(self.arm, self.metric, first=self.first).mean
        limits = [scale * bound for bound in (self.least, self.most) if bound is not None]
        # Three digits do not tell a number from the bound it keeps.
        close = self.least != self.most and number(mean) in map(number, limits)
        digits = 5 if close else 3
        bounds = " and ".join(
            f"at {side} {number(scale * bound, digits=digits)}{unit}"
            for side, bound in (("least", self.least), ("most", self.most))
            if bound is not None
        )
        if self.least == self.most:
            bounds = f"exactly {number(scale * self.least)}{unit}"
        words = self.words or self.metric.replace("_", " ")
        measured = numbers.mean_text(self.arm, self.metric, first=self.first, digits=digits)
        return f"{words}: {measured} (asked: {bounds})"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All checks pass, or not: for what needs no statistics.

    Attributes:
        checks: What is checked.
        true: The verdict if all pass: `proven` for algebra, `holds here` for what was only measured, `refuted`
            where passing says the contrary.
        false: The verdict otherwise.
    """

    checks: tuple[Check, ...]
    true: str = PROVEN
    false: str = FAILS

    def __call__(self, numbers: Numbers) -> Evidence:
        """Judge."""
        fine = sum(check.holds(numbers) for check in self.checks)
        return Evidence(
            self.true if fine == len(self.checks) else self.false,
            tuple(check.text(numbers) for check in self.checks),
            f"{fine} of {len(self.checks)} numbers are as asked",
        )


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Paired differences that should all have a sign.

    Attributes:
        pairs: Arms, first and second.
        sign: What the first should be against the second: `higher`, `lower` or `not lower`.
        metric: In which.

    The claim holds where every difference has the sign, fails where one has the other sign (or, for `not
    lower`, where one is lower), holds in part where some have the sign and for the others no difference was
    detected, and else none was detected. Where a run
    diverged it is learning rates that were compared, and the claim is not measurable.
    """

    pairs: tuple[tuple[str, str], ...]
    sign: str
    metric: str = "test_accuracy"

    def __call__(self, numbers: Numbers) -> Evidence:
        """Judge."""
        differences = [numbers.difference(a, b, self.metric) for a, b in self.pairs]
        words = {d.words for d in differences}
        against = {"higher": "lower", "lower": "higher", "not lower": "lower"}[self.sign]
        if against in words:
            verdict = FAILS
        elif words == {self.sign} or (self.sign == "not lower" and words <= {"equal", "higher"}):
            verdict = HOLDS
        elif words == {"equal"}:
            verdict = FAILS
        elif self.sign in words:
            verdict = IN_PART
        else:
            verdict = NO_DIFFERENCE
        lost = _lost(numbers, self.pairs)
        if lost:
            verdict = UNMEASURABLE
        counts = Counter(d.words for d in differences)
        summary = f"{len(differences)} differences: " + ", ".join(
            f"{'all' if count == len(differences) else count} {words}"
            for words, count in counts.most_common()
        )
        return Evidence(verdict, (*_effects(self.pairs, differences, self.metric), *lost), summary)


@dataclass(frozen=True, kw_only=True)
class Within:
    """Paired differences that should all be small, which a difference that was not detected need not be.

    Attributes:
        pairs: Arms, first and second.
        margin: What counts as small.
        metric: In which.

    The claim holds where every interval lies within the margin, fails where one lies wholly beyond it, holds in part
    where some lie within, and is not measurable where all reach beyond, or where runs diverged.
    """

    pairs: tuple[tuple[str, str], ...]
    margin: float
    metric: str = "test_accuracy"

    def __call__(self, numbers: Numbers) -> Evidence:
        """Judge."""
        differences = [numbers.difference(a, b, self.metric) for a, b in self.pairs]
        small = sum(-self.margin <= d.low and d.high <= self.margin for d in differences)
        if any(d.low > self.margin or d.high < -self.margin for d in differences):
            verdict = FAILS
        else:
            verdict = HOLDS if small == len(differences) else IN_PART if small else UNMEASURABLE
        lost = _lost(numbers, self.pairs)
        if lost:
            verdict = UNMEASURABLE
        points = 100 * self.margin
        margin = f"{points:g} point{'s' * (points != 1)}" if self.metric in POINTS else f"{self.margin:g}"
        summary = f"{small} of {len(differences)} intervals lie within {margin}"
        if small < len(differences):
            summary += ", the others reach beyond"
        return Evidence(verdict, (*_effects(self.pairs, differences, self.metric), *lost), summary)


@dataclass(frozen=True, kw_only=True)
class Slower:
    """One arm takes at least so many times as many epochs to a training accuracy as another.

    Attributes:
        slow: Arm that should be slow.
        fast: Arm that should be fast.
        times: How many times.
        level: Training accuracy that both have to reach.
    """

    slow: str
    fast: str
    times: float
    level: float

    def __call__(self, numbers: Numbers) -> Evidence:
        """Judge by the interval of the mean ratio over the seeds."""
        ratios = list(numbers.slowdown(self.slow, self.fast, self.level).values())
        reached = f"{100 * self.level:g} % training accuracy"
        if not all(map(math.isfinite, ratios)):
            missed = sum(not math.isfinite(ratio) for ratio in ratios)
            longest = max(
                x for points in numbers.series(self.slow, "train_accuracy").values() for x, _ in points
            )
            fast = numbers.epochs_to(self.fast, self.level).values()
            if all(map(math.isfinite, fast)) and missed == len(ratios) and longest / max(fast) >= self.times:
                times = number(longest / max(fast))
                return Evidence(
                    HOLDS, (f"{self.slow} never reaches {reached}: more than {times} times as long",)
                )
            return Evidence(UNMEASURABLE, (f"{missed} of {len(ratios)} runs do not reach {reached}",))
        low, high = bootstrap_interval(ratios)
        mean = sum(ratios) / len(ratios)
        text = (
            f"epochs to {reached}, {self.slow} over {self.fast}: "
            f"{interval_text(mean, low, high, 'ratio')} (asked: at least {self.times:g})"
        )
        return Evidence(HOLDS if high >= self.times else FAILS, (text,))


@dataclass(frozen=True, kw_only=True)
class Bits:
    """Two arms end with the same weights, to the bit.

    Attributes:
        pairs: Arms.
        true: The verdict where all are equal.
        false: The verdict where one is not.
    """

    pairs: tuple[tuple[str, str], ...]
    true: str
    false: str

    def __call__(self, numbers: Numbers) -> Evidence:
        """Judge by the hashes of the trained weights."""
        runs = {
            arm["label"]: {run["seed"]: run["weights"] for run in arm["runs"]}
            for arm in numbers.published.about["arms"]
        }
        effect, all_equal = [], True
        for a, b in self.pairs:
            equal = sum(runs[a][seed] == runs[b][seed] for seed in runs[a])
            all_equal = all_equal and equal == len(runs[a])
            effect.append(f"{a} and {b}: weights equal to the bit in {equal} of {len(runs[a])} seeds")
        return Evidence(self.true if all_equal else self.false, tuple(effect))


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence and what judges it.

    Attributes:
        sentence: As people say it.
        experiment: Whose data judge it.
        rule: How.
        figure: Published figure to look at; empty where the evidence is a table.
        page: Question page, without `.md`; empty is the experiment's own.
    """

    sentence: str
    experiment: str
    rule: Callable[[Numbers], Evidence]
    figure: str = ""
    page: str = ""


def judge(claim: Claim, folder: Path = FOLDER) -> Evidence:
    """The verdict on a claim from what is published; `not yet measured here` where nothing is."""
    if not (folder / f"{claim.experiment}.json").exists():
        return Evidence(MISSING, (f"`scripts/reproduce.py run {claim.experiment}` measures it",))
    try:
        return claim.rule(Numbers(publication.load(claim.experiment, folder)))
    except KeyError as error:
        return Evidence(MISSING, (str(error.args[0]),))


def _effects(pairs: tuple[tuple[str, str], ...], differences: list[Difference], metric: str) -> list[str]:
    name = metric.replace("_", " ")
    return [
        f"“{a}” minus “{b}”, {name}: {_difference(d, metric)}"
        for (a, b), d in zip(pairs, differences, strict=True)
    ]


def _lost(numbers: Numbers, pairs: tuple[tuple[str, str], ...]) -> list[str]:
    """Which arms have runs that diverged: there it is learning rates that were compared."""
    counts = {arm: numbers.diverged(arm) for pair in pairs for arm in pair}
    return [f"{count} runs of {arm} diverged" for arm, count in counts.items() if count]


def _difference(difference, metric: str) -> str:
    unit = metric if metric in POINTS else "plain"
    return interval_text(difference.mean, difference.low, difference.high, unit, signed=True)
