"""Which activations to take away so that the merged net meets a latency budget at the least expected loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args

import keras
import numpy as np

from zoo.activations import takes_activation
from zoo.graph import copy_layer, rewrite, seeds_untouched
from zoo.latency import Stopwatch
from zoo.slimming.neighbours import Chain, chains, has_numbers
from zoo.slimming.selection import choose
from zoo.transforms.collapse import collapse_linear
from zoo.transforms.drop import drop_activations
from zoo.transforms.pad import pad_once

Latency = Callable[[keras.Model], float]

Border = Literal["keep", "move"]
BORDERS = get_args(Border)
# A merged kernel that multiplies this many times as often as its parts is not timed: no machine makes up for it.
HOPELESS = 4.0
# Trade-offs kept between two chains; beyond it those of almost the same latency count as one.
MOST_KEPT = 4000
# Whole nets that are built and timed before a budget is given up.
TRIES = 5


class CarriedOut(NamedTuple):
    """What `DepthPlan.apply` and `DepthPlan.merge` return; it unpacks, the model first.

    Attributes:
        model: The merged model.
        measured: Its latency, by the same measure and in the same unit as `DepthPlan.expected`, but later, and a busy
            machine may have slowed down since: `zoo.latency.Stopwatch.in_turn` compares. nan where the plan was made
            from a table, which holds no whole models.
    """

    model: keras.Model
    measured: float


@dataclass(frozen=True)
class DepthPlan:
    """What `plan_depth` returns.

    Attributes:
        drop: Names of the sites to drop, in the order of the computation.
        stretches: For each layer that is to be made of several, their names in order.
        cost: The sum of the costs of the dropped sites: what is expected to be lost if they add up.
        budget: What was asked for, in milliseconds.
        before: Latency of the model as it is, in milliseconds a batch.
        expected: Latency of the merged net: measured on all of it, as it comes out with weights that are not trained
            on; where the plan was made from a table, `estimated`.
        estimated: `before`, with what every stretch by itself saves taken away.
        border: "keep" or "move".
        kept: Stretches that cannot be one layer, by their first and last layer -> the reason.
        latency: How latencies were found, or the table of them.
    """

    drop: tuple[str, ...]
    stretches: tuple[tuple[str, ...], ...]
    cost: float
    budget: float
    before: float
    expected: float
    estimated: float
    border: str
    kept: dict[str, str] = field(repr=False)
    latency: Any = field(repr=False)

    def apply(self, model: keras.Model, *, fit: Any = None, batches: int | None = None) -> CarriedOut:
        """Drop the activations of `model`, merge what the plan says, and measure.

        Args:
            model: The model that was planned for. It is left untouched.
            fit: As in `zoo.transforms.drop_activations`.
            batches: As there.

        Raises:
            ValueError: `model` does not have the sites or layers of the plan.
        """
        return self.merge(self._dropped(model, fit, batches))

    def _dropped(self, model: keras.Model, fit: Any = None, batches: int | None = None) -> keras.Model:
        return drop_activations(model, self.drop, fit=fit, batches=batches).model if self.drop else model

    def merge(self, model: keras.Model) -> CarriedOut:
        """Merge what the plan says in a model whose activations are gone already, by `harden` say, and measure.

        With `border="move"` the stretches are padded once first, where that was not done before training.

        Args:
            model: The model without the sites of `drop`. It is left untouched.

        Raises:
            ValueError: a stretch of the plan still has an activation in it, or is not there.
        """
        merged = self._merged(model)
        measured = float("nan") if isinstance(self.latency, Mapping) else float(self.latency(merged))
        return CarriedOut(merged, measured)

    def _merged(self, model: keras.Model, probe: Any = None) -> keras.Model:
        named = self.named(model)
        if self.border == "move" and named:
            model = pad_once(model, named).model
            named = self.named(model)
        computing = _computing(chains(model, set()))
        wanted = [[name for name in stretch if name in computing] for stretch in named]
        return collapse_linear(model, wanted, probe=probe).model if wanted else rewrite(model, probe=probe)

    def named(self, model: keras.Model) -> list[tuple[str, ...]]:
        """The stretches as they are in `model`, with layers that came in since, such as a normalisation for a fit."""
        linear = [[c.graph.path + n.operation.name for n in c.nodes] for c in chains(model, set())]
        found = []
        for stretch in self.stretches:
            whole = next((names for names in linear if {stretch[0], stretch[-1]} <= set(names)), None)
            if whole is None:
                raise ValueError(
                    f"{model.name!r} has no stretch without activation from {stretch[0]!r} to {stretch[-1]!r}: drop the "
                    f"sites of the plan first, {', '.join(map(repr, self.drop))}."
                )
            found.append(tuple(whole[whole.index(stretch[0]) : whole.index(stretch[-1]) + 1]))
        return found


@seeds_untouched()
def plan_depth(
    model: keras.Model,
    importance: Iterable[Mapping[str, Any]],
    *,
    budget: float,
    latency: Latency | Mapping[tuple[str, ...], float] | None = None,
    cost: str = "loss_change",
    border: Border = "keep",
    batch_size: int = 32,
) -> DepthPlan:
    r"""Choose the activations to drop so that the merged net takes at most `budget`, at the least expected cost.

    Between two places where the graph branches, the net is a chain of linear layers and activation sites. For
    every choice of sites that stay, the layers between two of them become one layer. With $s_{ij}$ what that saves for
    layers $i$ to $j$, their latency as they are minus that as one layer, and $c_k$ the cost of dropping site $k$, the
    best cost for the first $j$ layers of a chain that saves $S$ is

    $$C_j(S) = \min_{i \le j} C_{i-1}(S - s_{ij}) + \sum_{k=i}^{j-1} c_k,$$

    and chains are put together the same way: dynamic programming over all trade-offs, not only one budget. Costs
    are taken to add up, which untrained nets do not quite do; `DepthPlan.apply` says what came of it.

    Savings are measured in turn: the stretch as it is, one function, and the one layer, another. (A layer by itself takes
    longer than inside a net, by what calling and starting any function costs; in the difference that cancels.) Whole nets
    add up only roughly. So the plan that should do is built and timed in full, on untrained weights, which take as long
    as trained ones: `expected` is what came out. Where that misses the budget, the savings of all others are scaled
    down alike, and the next best is tried. A stretch that is not faster as one layer is no choice, and a plan that
    drops activations and is not faster than the net with all of them, its normalisation folded, is never returned.

    A stretch whose layers cannot be one layer exactly is no choice, and the reason is in `kept`. With
    `border="move"` padded stretches are, by `zoo.transforms.pad_once`, which changes the net at the border: train
    it on before you merge.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        importance: Rows with `site` and `cost`, as `zoo.probes.activation_importance` returns them. Sites
            without a row stay.
        budget: Latency to meet, in the unit of `latency`: by default milliseconds a batch.
        latency: A function from a model to its latency, called with small models of single stretches, as they are
            and merged, and with whole ones; or a table from the names of the layers of a stretch to its latency as one
            layer, and from `()` to that of everything that belongs to no stretch. A stretch of several blocks that is
            not in the table is no choice. By default measured here, by `zoo.latency.Stopwatch`.
        cost: Key of the rows: what dropping the site costs.
        border: "keep" or "move".
        batch_size: Samples in the batch that is measured.

    Returns:
        The plan, with what it expects. Nothing is changed yet.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph.
        ValueError: rows without the keys, with a site that `model` does not have, or twice the same; a budget that
            is no positive number or that no choice meets: the message says the best there is; a size of the model
            that is not known where it has to be measured; a table that lacks a block.

    Reference:
        Kim et al. 2023, "Efficient Latency-Aware CNN Depth Compression via Two-Stage Dynamic Programming", arXiv
        2301.12187.

    Example:
        >>> import keras, zoo
        >>> from keras import layers
        >>> parts = [layers.Dense(8, activation="relu", name=n) for n in "ab"]
        >>> model = keras.Sequential([keras.Input((8,)), *parts])
        >>> rows = [{"site": "a", "loss_change": 0.1}]
        >>> table = {("a",): 2.0, ("b",): 2.0, ("a", "b"): 2.5, (): 1.0}
        >>> plan = zoo.plan_depth(model, rows, budget=4.0, latency=table)
        >>> plan.drop, plan.stretches, plan.before, plan.expected
        (('a',), (('a', 'b'),), 5.0, 3.5)
    """
    if isinstance(budget, bool) or not isinstance(budget, (int, float)) or not 0 < budget < float("inf"):
        raise ValueError(f"budget must be a positive number, received {budget!r}.")
    if border not in BORDERS:
        raise ValueError(f"border must be one of {', '.join(map(repr, BORDERS))}; received {border!r}.")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a positive integer, received {batch_size!r}.")
    costs = _costs(model, importance, cost)
    how = latency if latency is not None else Stopwatch(batch_size)
    if not isinstance(how, Mapping) and not callable(how):
        raise ValueError(f"latency must be a function of a model, a table or None, received {latency!r}.")
    options = (_Table if isinstance(how, Mapping) else _Measured)(how, border, costs)
    found = [chain for chain in chains(model, set(costs)) if chain.sites]
    before = options.before(model, found)
    front = [_Choice(0.0, 0.0, (), ())]
    for chain in found:
        front = _best([a.then(b) for a in front for b in _trade_offs(chain, options)])
    whole = _Choice(0.0, 0.0, (), ())
    for chain in found:
        for block in range(chain.blocks()):
            whole = whole.then(options.alone(chain, block))
    order = {name: place for place, name in enumerate(costs)}

    def planned(choice: _Choice) -> DepthPlan:
        return DepthPlan(
            drop=tuple(sorted(choice.drop, key=order.__getitem__)),
            stretches=choice.stretches,
            cost=choice.cost,
            budget=float(budget),
            before=before,
            expected=before + choice.change,
            estimated=before + choice.change,
            border=border,
            kept=options.kept,
            latency=how,
        )

    others = [choice for choice in front if choice.drop or choice.stretches != whole.stretches]
    candidates = [planned(choice) for choice in (*others, whole)]
    if not isinstance(how, Mapping):
        return _tried(model, candidates, how)
    chosen = _cheapest(candidates, 1.0)
    if chosen is None:
        raise _unmet(min(candidates, key=lambda plan: plan.expected))
    return chosen


def _cheapest(candidates: list[DepthPlan], share: float) -> DepthPlan | None:
    """The one that loses least among those that meet the budget, if only `share` of what they save comes true."""

    def hoped(plan: DepthPlan) -> float:
        return plan.before - share * (plan.before - plan.estimated)

    meets = [plan for plan in candidates if hoped(plan) <= plan.budget]
    return min(meets, key=lambda plan: (plan.cost, hoped(plan)), default=None)


def _unmet(best: DepthPlan) -> ValueError:
    dropped = ", ".join(map(repr, best.drop)) or "dropping anything"
    return ValueError(
        f"no plan meets budget={best.budget:g}: the model takes {best.before:.4g}, the best there is {best.expected:.4g}, "
        f"without {dropped}. Raise the budget"
        + (", or allow border='move'." if best.border == "keep" else ".")
    )


def _tried(model: keras.Model, candidates: list[DepthPlan], latency: Latency) -> DepthPlan:
    """The cheapest plan whose whole net meets the budget and is faster than the one that keeps all activations.

    Raises:
        ValueError: None does; the one that promised most was timed, too.
    """
    whole, fastest = candidates[-1], min(candidates, key=lambda plan: plan.estimated)
    left, share = list(candidates), 1.0
    timed: list[DepthPlan] = []
    while left:
        plan = (_cheapest(left, share) if len(timed) < TRIES else None) or fastest
        if not any(other is plan for other in left):
            break
        left = [other for other in left if other is not plan]
        nets = [model, plan._merged(plan._dropped(model), probe=False)]
        if plan.drop:
            nets.append(whole._merged(model, probe=False))
        before, expected, *with_all = latencies(latency, nets)
        # The machine may have another speed than when the parts were timed: what was found out is the ratio.
        plan = replace(plan, expected=expected * plan.before / before)
        timed.append(plan)
        if plan.expected <= plan.budget and not (with_all and expected >= with_all[0]):
            return plan
        if plan.estimated < plan.before:
            share = min(share, max((plan.before - plan.expected) / (plan.before - plan.estimated), 0.0))
    raise _unmet(min(timed, key=lambda plan: plan.expected))


def latencies(latency: Latency, models: list[keras.Model]) -> list[float]:
    """The latencies of several models, in turn where `latency` can do that."""
    if isinstance(latency, Stopwatch):
        return latency.in_turn(models)
    return [float(latency(model)) for model in models]


@dataclass(frozen=True)
class _Choice:
    """Some stretches as one layer each: by how much the latency changes, and what is expected to be lost."""

    change: float
    cost: float
    drop: tuple[str, ...]
    stretches: tuple[tuple[str, ...], ...]

    def then(self, other: _Choice) -> _Choice:
        return _Choice(
            self.change + other.change,
            self.cost + other.cost,
            self.drop + other.drop,
            self.stretches + other.stretches,
        )


def _best(choices: list[_Choice]) -> list[_Choice]:
    """Those that no other one beats in latency and cost, fastest first."""
    front: list[_Choice] = []
    for choice in sorted(choices, key=lambda c: (c.change, c.cost, len(c.drop))):
        if not front or choice.cost < front[-1].cost:
            front.append(choice)
    if len(front) > MOST_KEPT:
        edges = np.linspace(front[0].change, front[-1].change, MOST_KEPT)
        places = np.searchsorted(edges, [c.change for c in front])
        front = [c for c, here, after in zip(front, places, [*places[1:], -1], strict=True) if here != after]
    return front


def _trade_offs(chain: Chain, options: _Options) -> list[_Choice]:
    fronts = [[_Choice(0.0, 0.0, (), ())]]
    for end in range(chain.blocks()):
        found = [choice.then(options.alone(chain, end)) for choice in fronts[end]]
        for begin in range(end):
            option = options.together(chain, begin, end)
            if option is not None:
                found += [choice.then(option) for choice in fronts[begin]]
        fronts.append(_best(found))
    return fronts[-1]


class _Options:
    """By how much the latency changes where a stretch of a chain becomes one layer."""

    def __init__(self, latency: Any, border: str, costs: dict[str, float]):
        self.latency, self.border, self.costs = latency, border, costs
        self.kept: dict[str, str] = {}

    def before(self, model: keras.Model, found: list[Chain]) -> float:
        """Latency of the model as it is."""
        raise NotImplementedError

    def alone(self, chain: Chain, block: int) -> _Choice:
        """One block as one layer, where it is several and that is faster; else as it is."""
        raise NotImplementedError

    def change(self, chain: Chain, begin: int, end: int) -> float:
        """By how much the latency changes where blocks `begin` to `end` become one layer.

        Raises:
            ValueError: They cannot be one.
        """
        raise NotImplementedError

    def together(self, chain: Chain, begin: int, end: int) -> _Choice | None:
        """Several blocks as one layer; None where they cannot be one, or one is not faster."""
        drop = chain.sites[begin:end]
        names = _names(chain, begin, end)
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
        return _Choice(change, sum(self.costs[name] for name in drop), drop, (names,))

    def _merged(self, chain: Chain, begin: int, end: int) -> keras.Model:
        nodes = chain.stretch(begin, end)
        separate = _small_model(nodes[0], [_without_activation(node.operation) for node in nodes])
        if self.border == "move":
            separate = pad_once(separate).model
        # What is only timed needs no comparison with what it came from.
        names = [node.operation.name for node in nodes if has_numbers(node)]
        return collapse_linear(separate, [names], probe=False).model


class _Table(_Options):
    """Looked up."""

    def before(self, model: keras.Model, found: list[Chain]) -> float:
        blocks = [self._block(chain, block) for chain in found for block in range(chain.blocks())]
        return float(sum(blocks) + self.latency.get((), 0.0))

    def alone(self, chain: Chain, block: int) -> _Choice:
        return _Choice(0.0, 0.0, (), ())

    def change(self, chain: Chain, begin: int, end: int) -> float:
        self._merged(chain, begin, end)
        found = self.latency.get(_names(chain, begin, end))
        if found is None:
            raise ValueError("it is not in the table")
        return float(found - sum(self._block(chain, block) for block in range(begin, end + 1)))

    def _block(self, chain: Chain, block: int) -> float:
        names = _names(chain, block, block)
        if names not in self.latency:
            raise ValueError(
                f"the table of latencies lacks {names!r}, a block of {chain.graph.model.name!r}."
            )
        return self.latency[names]


class _Measured(_Options):
    """Measured, each kind of stretch once: what it is called changes nothing."""

    def __init__(self, latency: Any, border: str, costs: dict[str, float]):
        super().__init__(latency, border, costs)
        self._known: dict[str, float] = {}
        self._alone: dict[tuple[int, int], _Choice] = {}

    def before(self, model: keras.Model, found: list[Chain]) -> float:
        return float(self.latency(model))

    def alone(self, chain: Chain, block: int) -> _Choice:
        # Every stretch asks for all of its blocks.
        place = id(chain), block
        if place not in self._alone:
            self._alone[place] = self._one(chain, block)
        return self._alone[place]

    def _one(self, chain: Chain, block: int) -> _Choice:
        as_it_is = _Choice(0.0, 0.0, (), ())
        if len(chain.stretch(block, block)) == 1:
            return as_it_is
        try:
            change = self.change(chain, block, block)
        except ValueError:
            return as_it_is
        return _Choice(change, 0.0, (), (_names(chain, block, block),)) if change < 0 else as_it_is

    def change(self, chain: Chain, begin: int, end: int) -> float:
        nodes = chain.stretch(begin, end)
        separate = _small_model(nodes[0], _as_they_are(chain, nodes))
        key = repr([(type(la).__name__, {**la.get_config(), "name": ""}) for la in separate.layers])
        if key not in self._known:
            merged = self._merged(chain, begin, end)
            more = _multiplications(merged) / max(_multiplications(separate), 1)
            if isinstance(self.latency, Stopwatch) and more > HOPELESS:
                raise ValueError(f"as one layer it multiplies {more:.1f} times as often")
            now, then = latencies(self.latency, [separate, merged])
            self._known[key] = then - now
        return self._known[key]


def _names(chain: Chain, begin: int, end: int) -> tuple[str, ...]:
    return tuple(chain.graph.path + node.operation.name for node in chain.stretch(begin, end))


def _computing(found: list[Chain]) -> set[str]:
    """Names of the layers in chains that compute something in inference."""
    return {c.graph.path + n.operation.name for c in found for n in c.nodes if has_numbers(n)}


def _without_activation(layer: Any) -> Any:
    return copy_layer(layer, activation=None) if takes_activation(layer) else copy_layer(layer)


def _as_they_are(chain: Chain, nodes: list[Any]) -> list[Any]:
    """Copies of the layers of a stretch with the activations between them, without the one after the last."""
    copies = []
    for node, following in pairwise(nodes):
        while node is not following:
            copies.append(copy_layer(node.operation))
            (node,) = chain.graph.readers(node.outputs[0])
    return [*copies, _without_activation(nodes[-1].operation)]


def _small_model(first: Any, layers: list[Any]) -> keras.Model:
    """Layers one after the other, on what the first call reads, as a model; their weights do not matter."""
    tensor = first.input_tensors[0]
    inputs = outputs = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype)
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


def _multiplications(model: keras.Model) -> float:
    total = 0.0
    for layer in model.layers:
        pixels = np.prod([n or 1 for n in layer.output.shape[1:]]) / max(layer.output.shape[-1] or 1, 1)
        if getattr(layer, "data_format", None) == "channels_first":
            pixels = np.prod([n or 1 for n in layer.output.shape[2:]])
        total += pixels * sum(np.prod(w.shape) for w in layer.weights if len(w.shape) > 1)
    return float(total)


def _costs(model: keras.Model, importance: Iterable[Mapping[str, Any]], cost: str) -> dict[str, float]:
    rows = list(importance)
    found: dict[str, float] = {}
    for row in rows:
        if not isinstance(row, Mapping) or "site" not in row or cost not in row:
            has = ", ".join(map(repr, row)) if isinstance(row, Mapping) else repr(row)
            raise ValueError(
                f"importance must hold rows with the keys 'site' and {cost!r}; received one with {has}."
            )
        if row["site"] in found:
            raise ValueError(f"importance has two rows of {row['site']!r}.")
        value = row[cost]
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or value != value:
            raise ValueError(f"importance has {cost}={value!r} for {row['site']!r}; expected a number.")
        found[row["site"]] = float(value)
    if not found:
        raise ValueError("importance has no rows: there is no activation to choose from.")
    chosen = choose(model, list(found), include_classifier=False, argument="importance")
    return {site.name: found[site.name] for site in chosen}
