"""By how much the latency changes where a stretch of a chain becomes one layer: looked up or measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from zoo.latency import Stopwatch
from zoo.planning.choices import Choice
from zoo.planning.stretches import (
    as_they_are,
    calls_before_last,
    layer_names,
    multiplications,
    small_model,
    start_with_shifts,
    without_activations,
)
from zoo.planning.timing import latencies, latency_of
from zoo.slimming.neighbours import Chain, has_numbers
from zoo.slimming.work import kind_of
from zoo.transforms.collapse import collapsed
from zoo.transforms.pad import pad_once
from zoo.transforms.signature import shape_of, signature
from zoo.values import as_number

# A merged kernel that multiplies this many times as often as its parts is not timed: no machine makes up for it.
HOPELESS = 4.0


class Savings:
    """By how much the latency changes where a stretch of a chain becomes one layer."""

    def __init__(self, latency: Any, border: str, costs: dict[str, float]):
        self.latency, self.border, self.costs = latency, border, costs
        self.kept: dict[str, str] = {}

    def before(self, model: keras.Model, found: list[Chain]) -> float:
        """Latency of the model as it is."""
        raise NotImplementedError

    def alone(self, chain: Chain, block: int) -> Choice:
        """One block as one layer, where it is several and that is faster; else as it is."""
        raise NotImplementedError

    def change(self, chain: Chain, begin: int, end: int) -> float:
        """By how much the latency changes where blocks `begin` to `end` become one layer.

        Raises:
            ValueError: They cannot be one.
        """
        raise NotImplementedError

    def together(self, chain: Chain, begin: int, end: int) -> Choice | None:
        """Several blocks as one layer; None where they cannot be one, or one is not faster."""
        if not (chain.stretch(begin, begin) and chain.stretch(end, end)):
            return None  # two activations in a row have no layers between them: one would go for nothing
        drop = chain.sites[begin:end]
        names = layer_names(chain, begin, end)
        apart = sum(self.alone(chain, block).change for block in range(begin, end + 1))
        try:
            change = self.change(chain, begin, end)
            if change >= apart:
                raise ValueError(
                    f"as one layer it takes {change - apart:.3g} more than in {end - begin + 1} blocks"
                )
        except ValueError as error:
            self.kept[f"{names[0]} to {names[-1]}"] = str(error)
            return None
        return Choice(change, sum(self.costs[name] for name in drop), drop, (names,))

    def _merged(self, chain: Chain, begin: int, end: int) -> keras.Model:
        nodes = chain.stretch(begin, end)
        separate = small_model(nodes[0], without_activations(chain, begin, end))
        start_with_shifts(separate)
        if self.border == "move":
            separate = pad_once(separate).model
        # What is only timed needs no comparison with what it came from.
        names = [node.operation.name for node in nodes if has_numbers(node)]
        return collapsed(separate, [names], probe=False)[0].model


class LookedUp(Savings):
    """Looked up."""

    def __init__(self, latency: Any, border: str, costs: dict[str, float]):
        super().__init__(_checked(latency), border, costs)

    def before(self, model: keras.Model, found: list[Chain]) -> float:
        """Of everything that the table has."""
        blocks = [self._block(chain, block) for chain in found for block in range(chain.blocks())]
        return sum(blocks) + self.latency.get((), 0.0)

    def alone(self, chain: Chain, block: int) -> Choice:
        """As it is: the table has each block as one layer."""
        return Choice(0.0, 0.0, (), ())

    def change(self, chain: Chain, begin: int, end: int) -> float:
        """From the table, if they can be one."""
        self._merged(chain, begin, end)
        found = self.latency.get(layer_names(chain, begin, end))
        if found is None:
            raise ValueError("it is not in the table")
        return found - sum(self._block(chain, block) for block in range(begin, end + 1))

    def _block(self, chain: Chain, block: int) -> float:
        names = layer_names(chain, block, block)
        if not names:
            return 0.0
        if names not in self.latency:
            raise ValueError(
                f"the table of latencies lacks {names!r}, a block of {chain.graph.model.name!r}."
            )
        return self.latency[names]


def _checked(table: Mapping[Any, Any]) -> dict[tuple[str, ...], float]:
    """A table of latencies, with numbers of Python."""
    for key in table:
        if not isinstance(key, tuple) or not all(isinstance(name, str) for name in key):
            write = f" Write {(key,)!r}." if isinstance(key, str) else ""
            raise TypeError(
                f"the table of latencies must have tuples of the names of layers as keys, received {key!r}.{write}"
            )
    return {key: as_number(f"the latency of {key!r} in the table", value, 0) for key, value in table.items()}


class Measured(Savings):
    """Measured, each kind of stretch once: what it is called changes nothing."""

    def __init__(self, latency: Any, border: str, costs: dict[str, float]):
        super().__init__(latency, border, costs)
        self._known: dict[Any, float] = {}
        self._alone: dict[tuple[int, int], Choice] = {}

    def before(self, model: keras.Model, found: list[Chain]) -> float:
        """Measured."""
        return latency_of(self.latency, model)

    def alone(self, chain: Chain, block: int) -> Choice:
        """As one layer where that is faster, found out once."""
        # Every stretch asks for all of its blocks.
        place = id(chain), block
        if place not in self._alone:
            self._alone[place] = self._one(chain, block)
        return self._alone[place]

    def _one(self, chain: Chain, block: int) -> Choice:
        as_it_is = Choice(0.0, 0.0, (), ())
        if len(chain.stretch(block, block)) < 2:
            return as_it_is
        try:
            change = self.change(chain, block, block)
        except ValueError:
            return as_it_is
        return Choice(change, 0.0, (), (layer_names(chain, block, block),)) if change < 0 else as_it_is

    def change(self, chain: Chain, begin: int, end: int) -> float:
        """Both timed in turn, once for each kind of stretch."""
        nodes = chain.stretch(begin, end)
        separate = small_model(nodes[0], as_they_are(chain, nodes))
        calls = calls_before_last(chain, nodes)
        # The last layer counts without its activation.
        key = shape_of(separate.inputs[0]), *map(signature, calls), kind_of(separate.layers[-1:])
        if key not in self._known:
            merged = self._merged(chain, begin, end)
            more = multiplications(merged) / max(multiplications(separate), 1)
            if isinstance(self.latency, Stopwatch) and more > HOPELESS:
                raise ValueError(f"as one layer it multiplies {more:.1f} times as often")
            now, then = latencies(self.latency, [separate, merged])
            self._known[key] = then - now
        return self._known[key]
