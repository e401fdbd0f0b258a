"""Which activations to take away so that the merged net meets a latency budget at the least expected loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

import keras

from zoo.graph import seeds_untouched
from zoo.latency import Stopwatch
from zoo.planning.choices import Choice, best
from zoo.planning.costs import costs_of_sites
from zoo.planning.plan import DepthPlan, dropped, merged
from zoo.planning.savings import LookedUp, Measured, Savings
from zoo.planning.timing import Latency, latencies
from zoo.slimming.neighbours import Chain, chains
from zoo.values import as_integer, as_number

Border = Literal["keep", "move"]
BORDERS = get_args(Border)
# Whole nets that are built and timed before a budget is given up.
TRIES = 5


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

    A stretch whose layers cannot be one layer exactly is no choice, and the reason is in `kept`. Biases, shifts of
    normalisations and those of dropped activations count as other than zero, as training and `fit` make them. With
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
        TypeError: `model` is subclassed, so its computation is not a graph; a budget, a cost or a latency of the table is
            no number; or a key of the table is no tuple of names.
        ValueError: rows without the keys, with a site that `model` does not have, or twice the same; a budget that
            is not positive or that no choice meets: the message says the best there is; a size of the model
            that is not known where it has to be measured; a table that lacks a block, or has a latency below 0.

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
    budget = as_number("budget", budget, 0, above=True)
    if border not in BORDERS:
        raise ValueError(f"border must be one of {', '.join(map(repr, BORDERS))}; received {border!r}.")
    batch_size = as_integer("batch_size", batch_size)
    costs = costs_of_sites(model, importance, cost)
    how = latency if latency is not None else Stopwatch(batch_size)
    if not isinstance(how, Mapping) and not callable(how):
        raise ValueError(f"latency must be a function of a model, a table or None, received {latency!r}.")
    savings = (LookedUp if isinstance(how, Mapping) else Measured)(how, border, costs)
    found = [chain for chain in chains(model, set(costs)) if chain.sites]
    before = savings.before(model, found)
    front = [Choice(0.0, 0.0, (), ())]
    for chain in found:
        front = best([a.then(b) for a in front for b in _trade_offs(chain, savings)])
    whole = Choice(0.0, 0.0, (), ())
    for chain in found:
        for block in range(chain.blocks()):
            whole = whole.then(savings.alone(chain, block))
    order = {name: place for place, name in enumerate(costs)}

    def planned(choice: Choice) -> DepthPlan:
        return DepthPlan(
            drop=tuple(sorted(choice.drop, key=order.__getitem__)),
            stretches=choice.stretches,
            cost=choice.cost,
            budget=budget,
            before=before,
            expected=before + choice.change,
            estimated=before + choice.change,
            border=border,
            kept=savings.kept,
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
        nets = [model, merged(plan, dropped(plan, model), probe=False)]
        if plan.drop:
            nets.append(merged(whole, model, probe=False))
        before, expected, *with_all = latencies(latency, nets)
        # The machine may have another speed than when the parts were timed: what was found out is the ratio.
        plan = replace(plan, expected=expected * plan.before / before)
        timed.append(plan)
        if plan.expected <= plan.budget and not (with_all and expected >= with_all[0]):
            return plan
        if plan.estimated < plan.before:
            share = min(share, max((plan.before - plan.expected) / (plan.before - plan.estimated), 0.0))
    raise _unmet(min(timed, key=lambda plan: plan.expected))


def _trade_offs(chain: Chain, savings: Savings) -> list[Choice]:
    fronts = [[Choice(0.0, 0.0, (), ())]]
    for end in range(chain.blocks()):
        found = [choice.then(savings.alone(chain, end)) for choice in fronts[end]]
        for begin in range(end):
            option = savings.together(chain, begin, end)
            if option is not None:
                found += [choice.then(option) for choice in fronts[begin]]
        fronts.append(best(found))
    return fronts[-1]
