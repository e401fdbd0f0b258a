"""The rules that judge a claim: each turns published rows into a verdict and the effect behind it.

A claim stands in its study, with a rule for each experiment that bears on it; a rule names arms by their labels.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from zoo.experiments.publishing.differences import EQUAL, HIGHER, LOWER, NEITHER, TOO_FEW, Difference
from zoo.experiments.publishing.metrics import POINTS
from zoo.experiments.publishing.numbers import Numbers, difference_text, interval_text, number
from zoo.experiments.publishing.statistics import ALPHA, t_interval

PROVEN = "proven"
HOLDS = "holds here"
FAILS = "does not hold here"
REFUTED = "refuted"
IN_PART = "holds in part"
NO_DIFFERENCE = "no difference detected"
UNMEASURABLE = "not measurable at this scale"
MISSING = "not measured yet"
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
        metric: Which.
        arm: Whose; empty inside `Each`, which says it for all of its checks.
        least: Lower bound; `None` is none.
        most: Upper bound; `None` is none.
        first: The first recorded value instead of the last.
        words: What the number is, for the page; empty is the metric's name.
    """

    metric: str
    arm: str = ""
    least: float | None = None
    most: float | None = None
    first: bool = False
    words: str = ""

    @classmethod
    def exactly(cls, arm: str, metric: str, value: float) -> Self:
        """A number that has to be this one."""
        return cls(arm=arm, metric=metric, least=value, most=value)

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
        return f"{words}: {measured} (required: {bounds})"


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

    def __post_init__(self):
        if unnamed := [check.metric for check in self.checks if not check.arm]:
            raise ValueError(f"each check of Facts needs an arm; those of {', '.join(unnamed)} have none")

    def __call__(self, numbers: Numbers) -> Evidence:
        """Judge."""
        fine = sum(check.holds(numbers) for check in self.checks)
        return Evidence(
            self.true if fine == len(self.checks) else self.false,
            tuple(check.text(numbers) for check in self.checks),
            f"{fine} of {len(self.checks)} numbers are as required",
        )


@dataclass(frozen=True, kw_only=True)
class Each:
    """A sentence about several arms, each of which passes all of its checks or does not.

    Attributes:
        arms: What each is called -> its label.
        checks: What each arm is held against; they name no arm of their own.

    The claim holds where all pass, holds in part where some do, and else does not.
    """

    arms: Mapping[str, str]
    checks: tuple[Check, ...]

    def __post_init__(self):
        if named := [check.arm for check in self.checks if check.arm]:
            raise ValueError(f"checks of Each must name no arm, Each has them; received {', '.join(named)}")

    def of(self, name: str) -> tuple[Check, ...]:
        """The checks of one arm."""
        return tuple(replace(check, arm=self.arms[name]) for check in self.checks)

    def __call__(self, numbers: Numbers) -> Evidence:
        """Judge."""
        passed = {name: all(check.holds(numbers) for check in self.of(name)) for name in self.arms}
        fine = [name for name, passes in passed.items() if passes]
        effect = tuple(
            f"{name} {'passes' if passes else 'does not pass'}: "
            + "; ".join(check.text(numbers) for check in self.of(name))
            for name, passes in passed.items()
        )
        summary = f"{len(fine)} of {len(self.arms)} pass" + (f": {', '.join(fine)}" if fine else "")
        verdict = HOLDS if len(fine) == len(self.arms) else IN_PART if fine else FAILS
        return Evidence(verdict, effect, summary)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Paired differences that should all have a sign.

    Attributes:
        pairs: Arms, first and second.
        sign: What the first should be against the second: `higher`, `lower` or `not lower`.
        metric: In which.

    A sign counts where Holm's adjusted p is below 0.05: of the values of runs that trained or, where runs failed,
    of the rates of success. The claim holds where every difference has the sign, fails where one has the other sign
    (or, for `not lower`, where one is lower), holds in part where some have the sign and for the others no difference
    was detected, and else none was detected. Where too few runs trained to compare, and their rates do not tell
    either, it is not measurable.
    """

    pairs: tuple[tuple[str, str], ...]
    sign: str
    metric: str = "test_accuracy"

    @classmethod
    def one(cls, first: str, second: str, sign: str, metric: str = "test_accuracy") -> Self:
        """Of a claim about two arms alone."""
        return cls(pairs=((first, second),), sign=sign, metric=metric)

    def __call__(self, numbers: Numbers) -> Evidence:
        """Judge."""
        differences = numbers.all_differences([(a, b, self.metric) for a, b in self.pairs])
        signs = [d.signs or ({EQUAL} if d.words == EQUAL else set()) for d in differences]
        against = {"higher": LOWER, "lower": HIGHER, "not lower": LOWER}[self.sign]
        wanted = {EQUAL, HIGHER} if self.sign == "not lower" else {self.sign}
        if any(against in found for found in signs):
            verdict = FAILS
        elif all(found and found <= wanted for found in signs):
            verdict = HOLDS
        elif any(
            d.words in (NEITHER, TOO_FEW) and not found for d, found in zip(differences, signs, strict=True)
        ):
            verdict = UNMEASURABLE
        elif all(found == {EQUAL} for found in signs):
            verdict = FAILS
        elif any(found & wanted - {EQUAL} for found in signs):
            verdict = IN_PART
        else:
            verdict = NO_DIFFERENCE
        counts = Counter(d.words for d in differences)
        summary = f"{len(differences)} differences: " + ", ".join(
            f"{'all' if count == len(differences) else count} {words}"
            for words, count in counts.most_common()
        )
        return Evidence(verdict, tuple(_effects(self.pairs, differences)), summary)


_AGAINST = {"either": {LOWER, HIGHER}, LOWER: {LOWER}, HIGHER: {HIGHER}}


@dataclass(frozen=True, kw_only=True)
class Within:
    """Paired differences that should all be small, which a difference that was not detected need not be.

    Attributes:
        pairs: Arms, first and second.
        margin: What counts as small.
        metric: In which.
        against: The differences that count against the claim: `either`, or only `lower` or only `higher` ones, where
            the first arm may be as much on the other side as it likes.

    The claim holds where every 95 % interval lies within the margin (of a sentence about all, each part may be
    tested at the full level), fails where one lies wholly beyond it at a level of 1 - 0.05 / m (the sentence is
    refuted by any of m), holds in part where some lie within, and is not measurable where none does.

    Arms that do not train, or too few of whose runs do, show no small difference. Nor do arms of which one trained less
    often than the other, on the side that counts: a detected difference in these rates refutes the claim.
    """

    pairs: tuple[tuple[str, str], ...]
    margin: float
    metric: str = "test_accuracy"
    against: str = "either"

    def __post_init__(self):
        if self.against not in _AGAINST:
            raise ValueError(
                f"Within.against must be one of {', '.join(_AGAINST)}; received {self.against!r}"
            )

    def __call__(self, numbers: Numbers) -> Evidence:
        """Judge."""
        differences = numbers.all_differences([(a, b, self.metric) for a, b in self.pairs])
        small = sum(map(self._small, differences))
        if any(self._beyond(d, 1 - ALPHA / len(differences)) for d in differences):
            verdict = FAILS
        else:
            verdict = HOLDS if small == len(differences) else IN_PART if small else UNMEASURABLE
        return Evidence(verdict, tuple(_effects(self.pairs, differences)), self._summary(differences, small))

    @property
    def _bounds(self) -> tuple[float, float]:
        """What a difference may be."""
        return (
            -math.inf if self.against == HIGHER else -self.margin,
            math.inf if self.against == LOWER else self.margin,
        )

    def _small(self, d: Difference) -> bool:
        least, most = self._bounds
        return self._told(d) and (d.words == EQUAL or (least <= d.low and d.high <= most))

    def _told(self, d: Difference) -> bool:
        """Whether the runs that trained are enough, and, on the side that counts, no fewer of one arm than of the other."""
        return d.words not in (NEITHER, TOO_FEW) and not d.trains_otherwise & _AGAINST[self.against]

    def _beyond(self, d: Difference, level: float) -> bool:
        if d.rates_words and d.trains_otherwise & _AGAINST[self.against]:
            return True
        if d.words in (NEITHER, TOO_FEW):
            return False
        least, most = self._bounds
        low, high = d.interval(level)
        return low > most or high < least

    def _summary(self, differences: list[Difference], small: int) -> str:
        points = 100 * self.margin
        margin = f"{points:g} point{'s' * (points != 1)}" if self.metric in POINTS else f"{self.margin:g}"
        where = f"within {margin}" if self.against == "either" else f"at most {margin} {self.against}"
        summary = f"{small} of {len(differences)} intervals lie {where}"
        untold = sum(not self._told(d) for d in differences)
        if small + untold < len(differences):
            summary += ", the others reach beyond"
        if untold:
            summary += f", of {untold} too few runs trained to tell"
        return summary


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
        """Judge by the t interval of the mean ratio over the seeds: wholly above, wholly below, or neither."""
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
        low, high = t_interval(ratios, limits=(0.0, math.inf))
        mean = sum(ratios) / len(ratios)
        text = (
            f"epochs to {reached}, {self.slow} over {self.fast}: "
            f"{interval_text(mean, low, high, 'ratio')} (required: at least {self.times:g})"
        )
        verdict = HOLDS if low >= self.times else FAILS if high < self.times else NO_DIFFERENCE
        return Evidence(verdict, (text,))


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

    @classmethod
    def one(cls, first: str, second: str, *, true: str, false: str) -> Self:
        """Of a claim about two arms alone."""
        return cls(pairs=((first, second),), true=true, false=false)

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


def judge(rule: Callable[[Numbers], Evidence], numbers: Numbers | None) -> Evidence:
    """What data say, by a rule.

    Args:
        rule: Of a claim.
        numbers: What is published of the rule's experiment; `None` where nothing is.
    """
    if numbers is None:
        return Evidence(MISSING, ())
    return rule(numbers)


def _effects(pairs: tuple[tuple[str, str], ...], differences: list[Difference]) -> list[str]:
    return [
        f"“{a}” minus “{b}”, {d.metric.replace('_', ' ')}: {difference_text(d)}"
        for (a, b), d in zip(pairs, differences, strict=True)
    ]
