"""Some stretches as one layer each, and which of several choices no other one beats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Trade-offs kept between two chains; beyond it those of almost the same latency count as one.
MOST_KEPT = 4000


@dataclass(frozen=True)
class Choice:
    """Some stretches as one layer each: by how much the latency changes, and what is expected to be lost."""

    change: float
    cost: float
    drop: tuple[str, ...]
    stretches: tuple[tuple[str, ...], ...]

    def then(self, other: Choice) -> Choice:
        """Both."""
        return Choice(
            self.change + other.change,
            self.cost + other.cost,
            self.drop + other.drop,
            self.stretches + other.stretches,
        )


def best(choices: list[Choice]) -> list[Choice]:
    """Those that no other one beats in latency and cost, fastest first."""
    front: list[Choice] = []
    for choice in sorted(choices, key=lambda c: (c.change, c.cost, len(c.drop))):
        if not front or choice.cost < front[-1].cost:
            front.append(choice)
    if len(front) > MOST_KEPT:
        edges = np.linspace(front[0].change, front[-1].change, MOST_KEPT)
        places = np.searchsorted(edges, [c.change for c in front])
        front = [c for c, here, after in zip(front, places, [*places[1:], -1], strict=True) if here != after]
    return front
