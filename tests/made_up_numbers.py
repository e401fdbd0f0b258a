"""Published numbers with known answers, for the tests of rules."""

from zoo.experiments.publishing.numbers import Numbers
from zoo.experiments.publishing.publication import Observation, Published


def numbers(values, *, metric="test_accuracy", outcomes=None, weights=None, comparisons=()):
    """Published numbers of arms given as {arm: {seed: value or [(x, value), ...]}}."""
    rows = []
    for arm, seeds in values.items():
        for seed, value in seeds.items():
            points = value if isinstance(value, list) else [(1.0, value)]
            rows += [Observation(arm, seed, metric, x, y) for x, y in points]
    arms = [
        {
            "label": arm,
            "learning_rate": 0.1,
            "runs": [
                {
                    "seed": seed,
                    "status": "diverged" if (outcomes or {}).get((arm, seed)) == "diverged" else "done",
                    "outcome": (outcomes or {}).get((arm, seed), "trained"),
                    "weights": (weights or {}).get((arm, seed), "same"),
                }
                for seed in seeds
            ],
        }
        for arm, seeds in values.items()
    ]
    pairs = [{"a": a, "b": b, "metric": metric} for a, b in comparisons]
    return Numbers(Published(name="made up", about={"arms": arms, "comparisons": pairs}, rows=tuple(rows)))


HIGH = {0: 0.91, 1: 0.92, 2: 0.93}
LOW = {0: 0.81, 1: 0.82, 2: 0.82}
MIXED = {0: 0.90, 1: 0.93, 2: 0.93}
