"""Where did the small experiments mislead? Each difference and each claim that is measured in both worlds, side by side.

A comparison has a twin where an experiment of the same study in the other world compares, in the same metric, arms with
the same factors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.experiments.claims.page import flips, numbers_of, verdicts
from zoo.experiments.claims.rules import MISSING
from zoo.experiments.design.experiment import Comparison, Experiment
from zoo.experiments.design.registry import Registry
from zoo.experiments.design.study import PHOTOGRAPHS, SMALL, Study, world_of
from zoo.experiments.publishing.differences import HIGHER, LOWER, NO_DIFFERENCE, Difference
from zoo.experiments.publishing.numbers import Numbers, interval_text
from zoo.experiments.publishing.publication import FOLDER

FLIPS = "flips"
SAME_SIGN = "the same sign"
ONLY_SMALL = "not found again"
ONLY_FULL = "found at full scale only"
NEITHER = "not found in either"
UNTOLD = "cannot be told"
READINGS = (FLIPS, ONLY_SMALL, ONLY_FULL, SAME_SIGN, NEITHER, UNTOLD)


@dataclass(frozen=True, kw_only=True)
class Twins:
    """One difference in both worlds.

    Attributes:
        study: Name of the study.
        names: Of the experiments: on small images, on photographs.
        first: Label of the arm whose values count as positive, on photographs.
        second: Label of the other.
        metric: Of what.
        small: What it is on small images.
        full: What it is on photographs.
    """

    study: str
    names: tuple[str, str]
    first: str
    second: str
    metric: str
    small: Difference
    full: Difference

    @property
    def reading(self) -> str:
        """What became of the small experiment's finding; one of `READINGS`.

        A difference that was not found need not be absent.
        """
        small, full = self.small.words, self.full.words
        signs, found = {HIGHER, LOWER}, {HIGHER, LOWER, NO_DIFFERENCE}
        if not {small, full} <= found:
            return UNTOLD
        if {small, full} <= signs:
            return SAME_SIGN if small == full else FLIPS
        if small == full:
            return NEITHER
        return ONLY_SMALL if small in signs else ONLY_FULL

    def texts(self) -> tuple[str, str]:
        """Both differences with their intervals."""
        one, other = (
            interval_text(d.mean, d.low, d.high, d.metric, signed=True) for d in (self.small, self.full)
        )
        return one, other


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One claim judged in both worlds.

    Attributes:
        study: Name of the study.
        sentence: As people say it.
        small: Verdict on small images.
        full: Verdict on photographs.
        flips: Whether it holds in one and does not in the other.
    """

    study: str
    sentence: str
    small: str
    full: str
    flips: bool


@dataclass(frozen=True, kw_only=True)
class Scales:
    """All that can be held side by side.

    Attributes:
        twins: Differences measured in both worlds; those that flip first.
        judged: Claims judged in both worlds; those that flip first.
        waiting: How many differences have a twin that is not measured yet.
    """

    twins: tuple[Twins, ...]
    judged: tuple[Judged, ...]
    waiting: int


def both_scales(registry: Registry, folder: Path = FOLDER) -> Scales:
    """Hold everything that is published in both worlds side by side.

    Args:
        registry: The studies.
        folder: Of published data.
    """
    studies = registry.studies()
    known = {one.name: numbers_of(one, folder) for study in studies for one in study.experiments}
    twins, missing = [], 0
    for study, small, full, pair, twin in _pairs(studies):
        here, there = known[small.name], known[full.name]
        if here is None or there is None:
            missing += 1
            continue
        twins.append(
            Twins(
                study=study.name,
                names=(small.name, full.name),
                first=pair.first,
                second=pair.second,
                metric=pair.metric,
                small=_difference(here, twin),
                full=_difference(there, pair),
            )
        )
    twins.sort(key=lambda one: READINGS.index(one.reading))
    judged = sorted(_judged(studies, known), key=lambda one: not one.flips)
    return Scales(twins=tuple(twins), judged=tuple(judged), waiting=missing)


def _pairs(studies: list[Study]) -> Iterator[tuple[Study, Experiment, Experiment, Comparison, Comparison]]:
    """Comparisons on photographs with their twins on small images."""
    for study in studies:
        for small in (one for one in study.experiments if world_of(one) == SMALL):
            twins = {_meaning(small, pair): pair for pair in small.comparisons}
            for full in (one for one in study.experiments if world_of(one) == PHOTOGRAPHS):
                for pair in full.comparisons:
                    if twin := twins.get(_meaning(full, pair)):
                        yield study, small, full, pair, twin


def _meaning(experiment: Experiment, pair: Comparison) -> tuple:
    """What a comparison compares: the factors of both arms, and the metric."""
    factors = [
        tuple(sorted((name, str(value)) for name, value in experiment.arm(label).factors.items()))
        for label in (pair.first, pair.second)
    ]
    return (*factors, pair.metric)


def _difference(numbers: Numbers, pair: Comparison) -> Difference:
    return numbers.difference(pair.first, pair.second, pair.metric)


def _judged(studies: list[Study], known: dict[str, Numbers | None]) -> Iterator[Judged]:
    for study in studies:
        for claim in study.claims:
            found = verdicts(study, claim, known)
            if all(one.verdict != MISSING for one in found.values()):
                yield Judged(
                    study=study.name,
                    sentence=claim.sentence,
                    small=found[SMALL].verdict,
                    full=found[PHOTOGRAPHS].verdict,
                    flips=flips(found),
                )
