"""Statistics of the values at every activation: one row of numbers a site."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from zoo.activations import label
from zoo.batches import read_batches
from zoo.graph import seeds_untouched
from zoo.probes.computation import as_array, by_channel, compute
from zoo.probes.rows import Rows, complete
from zoo.probes.saturation import saturated
from zoo.probes.watching import Call, Place, Watched, is_value
from zoo.slimming.linear_fit import require_channels


def activation_stats(
    model: keras.Model, x: Any, *, batch_size: int | None = None, batches: int | None = None
) -> Rows:
    r"""Statistics of every activation site of `model` on `x`, in one pass, in inference.

    With $a$ the values after the activation, over samples, pixels and channels, and $\bar a_c$ the mean of
    channel $c$ over samples and pixels, each row has

    - `site`: name of the layer, after the names of those it stands in; `name:2` for its second call
    - `activation`, `built_in`: name of the function; whether the layer does something else too
    - `mean`, `std`: mean and standard deviation of $a$
    - `squared_mean`: mean over channels of $\bar a_c^2$
    - `zero_fraction`: fraction of $a$ that is exactly zero
    - `saturated_fraction`: fraction where the slope of the activation is below 0.01 in absolute value
    - `dead_units`, `units`: channels (of a dense layer: neurons) that are zero for all of `x`; all channels
    - `before_mean`, `before_std`, `before_squared_mean`: the same of the values before the activation

    All are numbers without unit. The slope is the derivative, at a kink the mean of both sides; of softmax it
    is $a (1 - a)$, of log_softmax $1 - e^a$, and nan for other activations that mix channels.

    Sites are built-in arguments, activation layers and bare operations, in nested models too; activations in
    wrappers (`wrapper/layer`), in recurrent layers (`lstm/input_gate`, `forget_gate`, `output_gate`,
    `candidate`, `output`; `gru/update_gate`, `reset_gate`, `candidate`; over all steps) and, where they are
    layers or attributes, in layers of one's own. Channels are on the axis on which the layers around a site
    have them.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        x: Inputs, as `model.predict` takes arrays: one array, or a list or dict of them; or a `tf.data`
            Dataset, a PyDataset, a loader or a generator of batches `x`, `(x, y)` or `(x, y, weights)`.
        batch_size: Samples of arrays computed at a time; bounds the memory. By default 32, or what the model
            is fixed to.
        batches: Number of batches to read; all by default. Required where `x` may have no end.

    Returns:
        One row per site, in the order of the computation; a list with an attribute `unseen`, a dict: name of
        a place that could not be seen -> the reason. A warning says the same.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph; `batch_size` or `batches` is no
            integer.
        ValueError: it has no graph yet, no activation of it can be seen, `x` does not have one array for each input, has
            less than `batches` or no end, or a site has other channels in one batch than in another.

    Reference:
        Brock, De and Smith 2021, "Characterizing signal propagation to close the performance gap in
        unnormalized ResNets", arXiv 2101.08692 (squared mean); Lu et al. 2019, "Dying ReLU and
        Initialization", arXiv 1903.06733.

    Example:
        >>> import keras, numpy as np
        >>> from zoo.probes import activation_stats
        >>> fc = keras.layers.Dense(2, activation="relu", name="fc")
        >>> model = keras.Sequential([keras.Input((3,)), fc])
        >>> model.set_weights([np.zeros((3, 2)), np.array([1.0, -1.0])])
        >>> rows = activation_stats(model, np.ones((5, 3), "float32"))
        >>> row = rows[0]
        >>> row["site"], row["mean"], row["dead_units"], row["units"]
        ('fc', 0.5, 1, 2)
        >>> rows.unseen
        {}
    """
    records, unseen = measure(model, x, batch_size=batch_size, batches=batches)
    return complete("activation_stats", model, [record.row() for record in records], unseen)


@seeds_untouched()
def measure(
    model: keras.Model,
    x: Any,
    *,
    batch_size: int | None = None,
    batches: int | None = None,
    look: Callable[[str, np.ndarray], None] | None = None,
) -> tuple[list[Record], dict[str, str]]:
    """The sums behind `activation_stats`, and what was not seen.

    Args:
        model: As in `activation_stats`.
        x: As in `activation_stats`.
        batch_size: As in `activation_stats`.
        batches: As in `activation_stats`.
        look: Called with the name of each site and its values, as often as it is computed.
    """
    watched = Watched(model)
    found: dict[str, Record] = {}
    called: set[str] = set()
    unseen = dict(watched.unseen)
    others: list[tuple[str, int, int]] = []

    def visit(place: Place, call: Call, before: Any, after: Any) -> None:
        called.add(call.site)
        if not (is_value(before) and is_value(after)):
            unseen[call.site] = "it is computed in a compiled loop"
            return
        record = found.setdefault(call.name, Record(place, call))
        if not record.takes(after):
            others.append((call.name, int(np.size(record.alive)), record.channels(after)))
            return
        record.add(before, after)
        if look is not None:
            look(call.name, as_array(after))

    # All batches in one scope: the state of a stateful layer goes on from one to the next, as in predict.
    with keras.StatelessScope(), contextlib.ExitStack() as stack:
        for number, (arrays, _) in enumerate(read_batches(model, x, batch_size=batch_size, batches=batches)):
            if not number:
                stack.enter_context(watched.watch(visit))
            watched.begin()
            compute(model, arrays, before=watched.count)
            for other in others:  # not where it was seen: Keras tells errors within a call in its own words
                require_channels(*other)
    unseen.update(watched.not_called(called))
    return list(found.values()), unseen


@dataclass
class Record:
    """Sums over the batches seen so far, for one call of one site."""

    place: Place
    call: Call
    count: list[int] = field(default_factory=lambda: [0, 0])
    entries: int = 0
    zeros: int = 0
    saturated: float = 0.0
    alive: Any = False
    before: list[Any] = field(default_factory=lambda: [0.0, 0.0])
    after: list[Any] = field(default_factory=lambda: [0.0, 0.0])

    def channels(self, after: Any) -> int:
        """How many channels the values have."""
        return after.shape[self._axis(after)] if len(after.shape) > 1 else 1

    def takes(self, after: Any) -> bool:
        """Whether the values have the channels of those before."""
        return not self.entries or self.channels(after) == np.size(self.alive)

    def _axis(self, after: Any) -> int:
        return self.place.axis(self.call.number, len(after.shape))

    def add(self, before: Any, after: Any) -> None:
        """Take in the values of one batch, or of one step of it."""
        axis = self._axis(after)
        a = by_channel(after, axis)
        self.entries += a.size
        self.zeros += int((a == 0).sum())
        self.alive = self.alive | (a != 0).any(axis=0)
        place = self.place
        self.saturated += saturated(
            place.function,
            place.apply,
            before,
            after,
            has_weights=place.has_weights,
            keeps_dtype=place.keeps_dtype,
        )
        for position, (sums, values) in enumerate(((self.before, by_channel(before, axis)), (self.after, a))):
            self.count[position] += len(values)
            sums[0] = sums[0] + values.sum(axis=0)
            sums[1] = sums[1] + np.square(values).sum(axis=0)

    def row(self) -> dict[str, Any]:
        """The row of `activation_stats`."""
        row: dict[str, Any] = {
            "site": self.call.name,
            "activation": label(self.place.function),
            "built_in": self.place.built_in,
        }
        for position, prefix in ((1, ""), (0, "before_")):
            total, squares = self.after if position else self.before
            mean = float(np.mean(total) / self.count[position])
            row[f"{prefix}mean"] = mean
            row[f"{prefix}std"] = math.sqrt(
                max(float(np.mean(squares) / self.count[position]) - mean**2, 0.0)
            )
            row[f"{prefix}squared_mean"] = float(np.mean(np.square(total / self.count[position])))
        row["zero_fraction"] = self.zeros / self.entries
        row["saturated_fraction"] = self.saturated / self.entries
        row["dead_units"] = int(np.size(self.alive) - np.count_nonzero(self.alive))
        row["units"] = int(np.size(self.alive))
        return row
