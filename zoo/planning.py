"""Which activations to take away so that the merged net meets a latency budget at the least expected loss."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import keras
import numpy as np

from zoo.activations import takes_activation
from zoo.graph import copy_layer, rewrite, seeds_untouched
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
WARM_UP, SECONDS = 2, 0.15


class CarriedOut(NamedTuple):
    """What `DepthPlan.apply` and `DepthPlan.merge` return; it unpacks, the model first.

    Attributes:
        model: The merged model.
        measured: Its latency, by the same measure and in the same unit as `DepthPlan.expected`; nan where the plan
            was made from a table, which holds no whole models.
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
        expected: Latency of the merged net: `before`, with every stretch replaced.
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
        if self.drop:
            model = drop_activations(model, self.drop, fit=fit, batches=batches).model
        return self.merge(model)

    def merge(self, model: keras.Model) -> CarriedOut:
        """Merge what the plan says in a model whose activations are gone already, by `harden` say, and measure.

        With `border="move"` the stretches are padded once first, where that was not done before training.

        Args:
            model: The model without the sites of `drop`. It is left untouched.

        Raises:
            ValueError: a stretch of the plan still has an activation in it, or is not there.
        """
        named = self.named(model)
        if self.border == "move" and named:
            model = pad_once(model, named).model
            named = self.named(model)
        computing = _computing(chains(model, set()))
        wanted = [[name for name in stretch if name in computing] for stretch in named]
        merged = collapse_linear(model, wanted).model if wanted else rewrite(model)
        measured = float("nan") if isinstance(self.latency, Mapping) else float(self.latency(merged))
        return CarriedOut(merged, measured)

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
    every choice of sites that stay, the layers between two of them become one layer; its latency is measured, or
    looked up. With $t_{ij}$ the latency of layers $i$ to $j$ as one and $c_k$ the cost of dropping site $k$, the
    best cost for the first $j$ layers of a chain within time $T$ is

    $$C_j(T) = \min_{i \le j} C_{i-1}(T - t_{ij}) + \sum_{k=i}^{j-1} c_k,$$

    and chains are put together the same way: dynamic programming over all trade-offs, not only one budget. Costs
    are taken to add up, which untrained nets do not quite do; `DepthPlan.apply` says what came of it.

    A stretch whose layers cannot be one layer exactly is no choice, and the reason is in `kept`. With
    `border="move"` padded stretches are, by `zoo.transforms.pad_once`, which changes the net at the border: train
    it on before you merge.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        importance: Rows with `site` and `cost`, as `zoo.probes.activation_importance` returns them. Sites
            without a row stay.
        budget: Latency to meet, in the unit of `latency`: by default milliseconds a batch.
        latency: A function from a model to its latency, called with small models of single stretches and with
            the whole one; or a table from the names of the layers of a stretch to its latency as one layer, and
            from `()` to that of everything that belongs to no stretch. A stretch of several blocks that is not in
            the table is no choice. By default measured here: the least of repeated predictions of one batch.
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
    how = latency if latency is not None else _Stopwatch(batch_size)
    if not isinstance(how, Mapping) and not callable(how):
        raise ValueError(f"latency must be a function of a model, a table or None, received {latency!r}.")
    options = _Options(how, border, costs)
    fronts, apart = [], 0.0
    for chain in chains(model, set(costs)):
        if chain.sites:
            apart += sum(options.apart(chain, block) for block in range(chain.blocks()))
            fronts.append(_trade_offs(chain, options))
    before = apart + float(how.get((), 0.0)) if isinstance(how, Mapping) else float(how(model))
    front = [_Choice(before - apart, 0.0, (), ())]
    for other in fronts:
        front = _best([a.then(b) for a in front for b in other])
    meets = [choice for choice in front if choice.latency <= budget]
    if not meets:
        best = min(front, key=lambda choice: choice.latency)
        raise ValueError(
            f"no plan meets budget={budget:g}: the model takes {before:.4g}, the best there is {best.latency:.4g}, without "
            f"{', '.join(map(repr, best.drop)) or 'dropping anything'}. Raise the budget"
            + (", or allow border='move'." if border == "keep" else ".")
        )
    chosen = min(meets, key=lambda choice: (choice.cost, choice.latency))
    order = {name: place for place, name in enumerate(costs)}
    return DepthPlan(
        drop=tuple(sorted(chosen.drop, key=order.__getitem__)),
        stretches=chosen.stretches,
        cost=chosen.cost,
        budget=float(budget),
        before=before,
        expected=chosen.latency,
        border=border,
        kept=options.kept,
        latency=how,
    )


@dataclass(frozen=True)
class _Choice:
    latency: float
    cost: float
    drop: tuple[str, ...]
    stretches: tuple[tuple[str, ...], ...]

    def then(self, other: _Choice) -> _Choice:
        return _Choice(
            self.latency + other.latency,
            self.cost + other.cost,
            self.drop + other.drop,
            self.stretches + other.stretches,
        )


def _best(choices: list[_Choice]) -> list[_Choice]:
    """Those that no other one beats in latency and cost, fastest first."""
    front: list[_Choice] = []
    for choice in sorted(choices, key=lambda c: (c.latency, c.cost, len(c.drop))):
        if not front or choice.cost < front[-1].cost:
            front.append(choice)
    if len(front) > MOST_KEPT:
        edges = np.linspace(front[0].latency, front[-1].latency, MOST_KEPT)
        places = np.searchsorted(edges, [c.latency for c in front])
        front = [c for c, here, after in zip(front, places, [*places[1:], -1], strict=True) if here != after]
    return front


def _trade_offs(chain: Chain, options: _Options) -> list[_Choice]:
    fronts = [[_Choice(0.0, 0.0, (), ())]]
    for end in range(chain.blocks()):
        found = []
        for begin in range(end + 1):
            option = options.choice(chain, begin, end)
            if option is not None:
                found += [choice.then(option) for choice in fronts[begin]]
        fronts.append(_best(found))
    return fronts[-1]


class _Options:
    """What each stretch of a chain costs and takes, as one layer."""

    def __init__(self, latency: Any, border: str, costs: dict[str, float]):
        self.latency, self.border, self.costs = latency, border, costs
        self.kept: dict[str, str] = {}
        self._known: dict[str, float] = {}
        self._overhead: float | None = None

    def apart(self, chain: Chain, block: int) -> float:
        """Latency of one block as it is."""
        nodes = chain.stretch(block, block)
        if isinstance(self.latency, Mapping):
            return self._looked_up(chain, nodes, needed=True)
        return self._timed(_small_model(nodes))

    def choice(self, chain: Chain, begin: int, end: int) -> _Choice | None:
        """Blocks `begin` to `end` as one layer; a single block may stay as it is; None where they cannot be one."""
        nodes = chain.stretch(begin, end)
        drop = chain.sites[begin:end]
        cost = sum(self.costs[name] for name in drop)
        names = tuple(chain.graph.path + node.operation.name for node in nodes)
        if isinstance(self.latency, Mapping):
            found = self._looked_up(chain, nodes, needed=begin == end)
            if begin == end:
                return _Choice(found, cost, drop, ())
            reason = self._reason(nodes)
            if reason is not None or found is None:
                self.kept[f"{names[0]} to {names[-1]}"] = reason or "it is not in the table"
                return None
            return _Choice(found, cost, drop, (names,))
        alone = self.apart(chain, begin) if begin == end else float("inf")
        if len(nodes) == 1:
            return _Choice(alone, cost, drop, ())
        separate = _small_model(nodes)
        try:
            merged = self._merged(separate, [node.operation.name for node in nodes if has_numbers(node)])
        except ValueError as error:
            if begin < end:
                self.kept[f"{names[0]} to {names[-1]}"] = str(error)
                return None
            return _Choice(alone, cost, drop, ())
        more = _multiplications(merged) / max(_multiplications(separate), 1)
        if isinstance(self.latency, _Stopwatch) and more > HOPELESS:
            if begin == end:
                return _Choice(alone, cost, drop, ())
            self.kept[f"{names[0]} to {names[-1]}"] = f"as one layer it multiplies {more:.1f} times as often"
            return None
        together = self._timed(merged)
        if alone <= together:
            return _Choice(alone, cost, drop, ())
        return _Choice(together, cost, drop, (names,))

    def _looked_up(self, chain: Chain, nodes: list[Any], *, needed: bool) -> Any:
        names = tuple(chain.graph.path + node.operation.name for node in nodes)
        if names not in self.latency and needed:
            raise ValueError(
                f"the table of latencies lacks {names!r}, a block of {chain.graph.model.name!r}."
            )
        return self.latency.get(names)

    def _reason(self, nodes: list[Any]) -> str | None:
        try:
            self._merged(_small_model(nodes), [node.operation.name for node in nodes if has_numbers(node)])
        except ValueError as error:
            return str(error)
        return None

    def _merged(self, separate: keras.Model, names: list[str]) -> keras.Model:
        if self.border == "move":
            separate = pad_once(separate).model
        # What is only timed needs no comparison with what it came from.
        return collapse_linear(separate, [names], probe=False).model

    def _timed(self, model: keras.Model) -> float:
        key = repr(
            [(type(la).__name__, _shape_of(la), {**la.get_config(), "name": ""}) for la in model.layers]
        )
        if isinstance(self.latency, _Stopwatch):
            # Blocks of one kind take the same time, whatever they are called.
            if key not in self._known:
                # Calling any model takes a while, which a net pays once and not for each of its stretches.
                self._known[key] = max(self.latency(model) - self._calling(), 0.0)
            return self._known[key]
        return float(self.latency(model))

    def _calling(self) -> float:
        overhead = self._overhead
        if overhead is None:
            nothing = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
            overhead = self._overhead = float(self.latency(nothing))
        return overhead


def _computing(found: list[Chain]) -> set[str]:
    """Names of the layers in chains that compute something in inference."""
    return {c.graph.path + n.operation.name for c in found for n in c.nodes if has_numbers(n)}


def _shape_of(layer: Any) -> Any:
    return tuple(layer.input.shape)


def _small_model(nodes: list[Any]) -> keras.Model:
    """The layers of a stretch as a model of their own, without activations; their weights do not matter."""
    tensor = nodes[0].input_tensors[0]
    copies = [
        copy_layer(n.operation, activation=None) if takes_activation(n.operation) else copy_layer(n.operation)
        for n in nodes
    ]
    return keras.Sequential([keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype), *copies])


def _multiplications(model: keras.Model) -> float:
    total = 0.0
    for layer in model.layers:
        pixels = np.prod([n or 1 for n in layer.output.shape[1:]]) / max(layer.output.shape[-1] or 1, 1)
        if getattr(layer, "data_format", None) == "channels_first":
            pixels = np.prod([n or 1 for n in layer.output.shape[2:]])
        total += pixels * sum(np.prod(w.shape) for w in layer.weights if len(w.shape) > 1)
    return float(total)


def measured_latency(model: keras.Model, batch_size: int = 32) -> float:
    """The least time that `model` takes to predict one batch here, in milliseconds.

    Args:
        model: A built model of known sizes; its inputs are drawn.
        batch_size: Samples in the batch.

    Raises:
        ValueError: a size of an input is not known.
    """
    return _Stopwatch(batch_size)(model)


class _Stopwatch:
    """The least time that a model takes to predict one batch, in milliseconds."""

    def __init__(self, batch_size: int):
        self.batch_size = batch_size

    def __call__(self, model: keras.Model) -> float:
        rng, inputs = np.random.default_rng(0), []
        for tensor in keras.tree.flatten(model.inputs):
            if None in tensor.shape[1:]:
                raise ValueError(
                    f"latency cannot be measured: the input {tensor.name!r} of {model.name!r} has the shape "
                    f"{tensor.shape}. Fix its size in keras.Input, or pass latency=."
                )
            shape = (tensor.shape[0] or self.batch_size, *tensor.shape[1:])
            inputs.append(keras.ops.convert_to_tensor(rng.normal(size=shape), dtype=tensor.dtype))
        run = _predictor(model)
        for _ in range(WARM_UP):
            run(inputs)
        least, stop = float("inf"), time.perf_counter() + SECONDS
        while time.perf_counter() < stop or least == float("inf"):
            start = time.perf_counter()
            run(inputs)
            least = min(least, time.perf_counter() - start)
        return 1000.0 * least


def _predictor(model: keras.Model) -> Callable[[list[Any]], Any]:
    def call(inputs: list[Any]) -> Any:
        given = inputs if len(inputs) > 1 else inputs[0]
        return model(given, training=False)

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(functools.partial(call))  # one each: TensorFlow would warn of many traces of one
    if backend == "jax":
        import jax

        compiled = jax.jit(call)
        return lambda inputs: jax.block_until_ready(compiled(inputs))
    if backend == "torch":
        import torch

        def run(inputs: list[Any]) -> Any:
            with torch.no_grad():
                return call(inputs)

        return run
    return call


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
