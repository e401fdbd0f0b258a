"""What small experiments got wrong: twins are found by their factors, and read as what they are."""

import dataclasses

import pytest

from tests.experiments import toys
from zoo.experiments.claims import scales
from zoo.experiments.claims.rules import Pairs
from zoo.experiments.claims.scales import READINGS, both_scales
from zoo.experiments.design.experiment import Comparison, Dataset
from zoo.experiments.design.registry import Registry
from zoo.experiments.design.study import GROUPS, PHOTOGRAPHS, SMALL, Claim, Study
from zoo.experiments.publishing.numbers import Numbers
from zoo.experiments.publishing.publication import Observation, Published

ARMS = tuple(toys.arm(f"kind {kind}", factors={"kind": kind}) for kind in "abc")
PAIRS = tuple(Comparison(first=f"kind {kind}", second="kind a") for kind in "bc")
FIVE = {"seeds": (0, 1, 2, 3, 4), "arms": ARMS, "comparisons": PAIRS}
LITTLE = toys.experiment(name="toy", data=Dataset(name="digits"), **FIVE)
LARGE = toys.experiment(name="toy_large", data=Dataset(name="cifar10_jpeg"), **FIVE)
HIGHER = Pairs(pairs=(("kind b", "kind a"),), sign="higher")
STUDY = Study(
    name="toy",
    experiments=(LITTLE, LARGE),
    claims=(
        Claim(sentence="b is better.", group=GROUPS[0], rules={"toy": HIGHER, "toy_large": HIGHER}),
        Claim(sentence="b is better at first.", group=GROUPS[0], rules={"toy": HIGHER}),
    ),
)
NOISE = (0.001, -0.001, 0.002, 0.0, -0.002)


def numbers(name, b, c=0.0):
    """Five seeds in which b and c are so much better than a, give or take a little that is not the same for each."""
    gains = {"kind a": 0.0, "kind b": b, "kind c": c}
    rows = tuple(
        Observation(arm, seed, "test_accuracy", 1.0, 0.8 + 0.01 * seed + gain + (NOISE[seed] if gain else 0))
        for arm, gain in gains.items()
        for seed in range(5)
    )
    runs = [{"seed": seed, "status": "done", "weights": "w", "outcome": "trained"} for seed in range(5)]
    about = {
        "arms": [{"label": arm, "learning_rate": 0.1, "runs": runs} for arm in gains],
        "comparisons": [{"a": pair.first, "b": pair.second, "metric": pair.metric} for pair in PAIRS],
    }
    return Numbers(Published(name=name, about=about, rows=rows))


@pytest.fixture
def found(monkeypatch):
    def hold(small, full, study=STUDY):
        class One(Registry):
            def studies(self):
                return [study]

        known = {"toy": small, "toy_large": full}
        monkeypatch.setattr(scales, "numbers_of", lambda experiment, folder: known[experiment.name])
        return both_scales(One("zoo.studies"))

    return hold


@pytest.mark.parametrize(
    "small, full, reading",
    [
        (0.05, -0.05, scales.FLIPS),
        (-0.05, 0.05, scales.FLIPS),
        (0.05, 0.02, scales.SAME_SIGN),
        (0.05, 1e-4, scales.ONLY_SMALL),
        (1e-4, 0.05, scales.ONLY_FULL),
        (1e-4, -1e-4, scales.NEITHER),
        (0.0, 0.05, scales.UNTOLD),  # equal, seed by seed, is no estimate of a difference
    ],
)
def test_a_difference_is_read_from_both_of_its_signs(found, small, full, reading):
    twins = found(numbers("toy", small), numbers("toy_large", full)).twins
    (one,) = [twin for twin in twins if twin.first == "kind b"]
    assert one.reading == reading and one.names == ("toy", "toy_large")


def test_what_flips_stands_first_in_both_tables(found):
    held = found(numbers("toy", 1e-4, c=0.05), numbers("toy_large", 0.05, c=-0.05))
    assert [one.first for one in held.twins] == ["kind c", "kind b"]
    assert [READINGS.index(one.reading) for one in held.twins] == [0, 2]
    (claim,) = held.judged  # the sentence that only one world is asked is not held against the other
    assert (claim.sentence, claim.flips) == ("b is better.", False)
    assert found(numbers("toy", 0.05), numbers("toy_large", -0.05)).judged[0].flips


def test_what_is_not_measured_at_full_scale_is_counted(found):
    held = found(numbers("toy", 0.05), None)
    assert (held.twins, held.judged, held.waiting) == ((), (), 2)


@pytest.mark.parametrize(
    "change",
    [
        {"arms": (*ARMS[:1], *(dataclasses.replace(a, factors={**a.factors, "depth": 3}) for a in ARMS[1:]))},
        {"comparisons": tuple(dataclasses.replace(pair, metric="train_loss") for pair in PAIRS)},
        {"data": Dataset(name="digits")},
    ],
)
def test_other_factors_another_metric_and_the_same_world_are_no_twins(found, change):
    study = dataclasses.replace(STUDY, experiments=(LITTLE, dataclasses.replace(LARGE, **change)), claims=())
    held = found(numbers("toy", 0.05), numbers("toy_large", 0.05), study)
    assert (held.twins, held.waiting) == ((), 0)


def test_worlds_are_those_of_the_ledger():
    assert (scales.SMALL, scales.PHOTOGRAPHS) == (SMALL, PHOTOGRAPHS)
