"""A plan as data: what is dropped and merged, what that is expected to cost and to save; and carrying it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras

from zoo.graph import leads_to_its_model, rewrite
from zoo.planning.stretches import computing_layers
from zoo.planning.timing import latency_of
from zoo.slimming.neighbours import chains
from zoo.transforms.collapse import collapse_linear
from zoo.transforms.drop import drop_activations
from zoo.transforms.pad import pad_once


@leads_to_its_model
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
        return self.merge(dropped(self, model, fit, batches))

    def merge(self, model: keras.Model) -> CarriedOut:
        """Merge what the plan says in a model whose activations are gone already, by `harden` say, and measure.

        With `border="move"` the stretches are padded once first, where that was not done before training.

        Args:
            model: The model without the sites of `drop`. It is left untouched.

        Raises:
            ValueError: a stretch of the plan still has an activation in it, or is not there.
        """
        net = merged(self, model)
        measured = float("nan") if isinstance(self.latency, Mapping) else latency_of(self.latency, net)
        return CarriedOut(net, measured)

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


def dropped(plan: DepthPlan, model: keras.Model, fit: Any = None, batches: int | None = None) -> keras.Model:
    """The model without the activations that the plan drops."""
    return drop_activations(model, plan.drop, fit=fit, batches=batches).model if plan.drop else model


def merged(plan: DepthPlan, model: keras.Model, probe: Any = None) -> keras.Model:
    """The model with each stretch of the plan as one layer; `probe` as in `zoo.transforms.collapse_linear`."""
    named = plan.named(model)
    if plan.border == "move" and named:
        model = pad_once(model, named).model
        named = plan.named(model)
    computing = computing_layers(chains(model, set()))
    wanted = [[name for name in stretch if name in computing] for stretch in named]
    return collapse_linear(model, wanted, probe=probe).model if wanted else rewrite(model, probe=probe)
