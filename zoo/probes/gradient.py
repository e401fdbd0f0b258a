"""The gradient of the loss at every activation and every weight: one row of numbers a place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from zoo.batches import fixed_size, input_arrays, read_labelled, refuse_targets, sample_count
from zoo.graph import seeds_untouched
from zoo.probes.computation import compute
from zoo.probes.derivatives import gradients, powers_of
from zoo.probes.objective import Objective
from zoo.probes.rows import Rows, complete
from zoo.probes.watching import Call, Place, Watched, is_value
from zoo.probes.weights import weight_names
from zoo.values import as_integer


@seeds_untouched()
def gradient_stats(
    model: keras.Model,
    x: Any,
    y: Any = None,
    loss: Any = None,
    *,
    batches: int | None = None,
) -> Rows:
    r"""The gradient of the loss at every activation site and every trainable weight, in inference.

    With $L$ the mean loss over the samples, a row has the norm $\lVert \partial L / \partial a \rVert_2$ of the
    gradient by the values $a$ after an activation, or by a weight, over all of its entries, and its root
    mean square. Of several batches, $L$ is the mean over the samples of all; where an output or a loss masks positions,
    over the other positions of all. A loss with `reduction="sum"` is their sum, whatever the batches.

    The loss is computed as `fit` computes it, in float32 where it is given as a name or function. Where a part of the
    model computes in float16, which knows no number below $6 \cdot 10^{-8}$, the loss is multiplied by the largest power of
    two, in steps of 16, with which no gradient overflows, and the gradients are divided by it.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        x: Inputs, as `model.predict` takes arrays; one batch. Or a `tf.data` Dataset, a PyDataset, a loader or
            a generator of batches `(x, y)`; then `y` is left out, and sample weights do not count.
        y: Targets, as the loss takes them, one for each sample; with several outputs a list or dict of them, or the
            structure of the outputs.
        loss: Name, function or `keras.losses.Loss`; what an output masks does not count, as in `fit`. With several outputs
            a list or dict of them, one for each output, None for one that does not count; $L$ is their sum.
        batches: Number of batches to read; all by default. Required where `x` may have no end.

    Returns:
        Rows in the order of the computation, the weights of a layer before the site after it, with the keys
        `kind` ("site" or "weight"), `name` (of the site as in `activation_stats`, or the path of the weight; where
        several have one path, after the models and layers that they stand in), `norm`, `rms`, `size` (number of entries).
        A list with the attribute `unseen`, as in `activation_stats`.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph; `batches` is no integer.
        ValueError: it has no graph yet; targets or losses do not fit its outputs or are not as many as the samples, or a
            loss cannot be computed; a stream has no targets, less than `batches`, or no end.
        NotImplementedError: the Keras backend is neither TensorFlow, JAX nor Torch.

    Reference:
        Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".

    Example:
        >>> import keras, numpy as np
        >>> from zoo.probes import gradient_stats
        >>> fc = keras.layers.Dense(1, activation="relu", name="fc")
        >>> model = keras.Sequential([keras.Input((1,)), fc])
        >>> model.set_weights([np.array([[2.0]]), np.array([0.0])])
        >>> rows = gradient_stats(model, np.ones((1, 1)), np.zeros((1, 1)), "mse")
        >>> [(row["kind"], row["norm"]) for row in rows]
        [('weight', 4.0), ('weight', 4.0), ('site', 4.0)]
    """
    watched = Watched(model)
    objective = Objective(model, loss)
    names = weight_names(model)
    parts: dict[Any, _Part] = {}
    called: set[str] = set()
    unseen = dict(watched.unseen)
    totals: list[float] = []
    for arrays, given in _pairs(model, x, y, batches):
        samples = sample_count(arrays)
        visits, predicted = _survey(watched, arrays, names, parts, called, unseen)
        targets = objective.targets(given, predicted, samples)
        counts = objective.weights(targets, predicted, samples, alone=y is not None)
        totals = (
            counts if objective.sums or not totals else [a + b for a, b in zip(totals, counts, strict=True)]
        )
        weights = [part for part in parts.values() if part.variable is not None]
        powers = powers_of(model, objective.dtypes, objective.entries(predicted))
        found = [
            gradients(
                lambda shifts, arrays=arrays, targets=targets, group=group: objective(  # type: ignore[misc]
                    watched, arrays, targets, shifts, unseen, group
                ),
                [np.zeros(shape, "float32") for _, shape in visits],
                [part.variable for part in weights],
                powers,
            )
            for group in objective.groups
        ]
        for part, *by_group in zip(weights, *(by_weight for _, by_weight in found), strict=True):
            part.add(by_group, counts)
        for (name, _), *by_group in zip(visits, *(by_shift for by_shift, _ in found), strict=True):
            parts[name].add(by_group, counts)
    unseen.update(watched.not_called(called))
    return complete("gradient_stats", model, [part.row(totals) for part in parts.values()], unseen)


@dataclass(eq=False)
class _Part:
    """The gradient at one place over the batches: that of a weight is added up, that of a site lies side by side.

    The loss is a sum of groups of which each is a mean over something else, so that each has sums of its own.
    """

    name: str
    variable: Any = None
    size: int = 0
    sums: Any = 0.0
    products: Any = 0.0

    def add(self, by_group: Sequence[np.ndarray], counts: list[float]) -> None:
        """Take in the gradient of each group, a mean over `counts`."""
        wide = [np.asarray(g, "float64") * count for g, count in zip(by_group, counts, strict=True)]
        if self.variable is not None:
            self.sums = wide if not self.size else [a + b for a, b in zip(self.sums, wide, strict=True)]
            self.size = wide[0].size
        else:
            self.products = self.products + np.array([[(a * b).sum() for a in wide] for b in wide])
            self.size += wide[0].size

    def row(self, totals: list[float]) -> dict[str, Any]:
        """The row, where each group is the mean over a number in `totals`; 0 of a group that counts nowhere."""
        first = totals[0] or 1.0
        shares = [first / (total or 1.0) for total in totals]
        if self.variable is not None:
            squares = np.square(sum(share * s for share, s in zip(shares, self.sums, strict=True))).sum()
        else:
            squares = np.array(shares) @ self.products @ np.array(shares)
        norm = math.sqrt(max(float(squares), 0.0)) / first
        return {
            "kind": "site" if self.variable is None else "weight",
            "name": self.name,
            "norm": norm,
            "rms": norm / math.sqrt(self.size),
            "size": self.size,
        }


def _survey(
    watched: Watched,
    arrays: list[Any],
    names: dict[int, str],
    parts: dict[Any, _Part],
    called: set[str],
    unseen: dict[str, str],
) -> tuple[list[tuple[str, tuple[int, ...]]], list[Any]]:
    """Compute once without gradients: the order of the places, the shape of each visit of a site, and the outputs."""
    visits: list[tuple[str, tuple[int, ...]]] = []

    def before(operation: Any) -> None:
        watched.count(operation)
        if isinstance(operation, layers.Layer) and not isinstance(operation, keras.Model):
            for variable in operation.trainable_variables:
                # What is enabled inside a frozen model does not train.
                if id(variable) in names:
                    parts.setdefault(id(variable), _Part(names[id(variable)], variable))

    def visit(place: Place, call: Call, _: Any, after: Any) -> None:
        called.add(call.site)
        if not is_value(after):
            unseen[call.site] = "it is computed in a compiled loop"
            return
        parts.setdefault(call.name, _Part(call.name))
        visits.append((call.name, tuple(after.shape)))

    with keras.StatelessScope(), watched.watch(visit):
        predicted = compute(watched.model, arrays, before=before)
    return visits, predicted


def _pairs(model: keras.Model, x: Any, y: Any, batches: int | None) -> Iterator[tuple[list[Any], Any]]:
    refuse_targets(x, y)
    if y is None:
        yield from read_labelled(model, x, batches=batches)
        return
    if batches is not None and as_integer("batches", batches) > 1:
        raise ValueError(f"batches={batches}, but x holds arrays, which are one batch: leave batches out.")
    yield input_arrays(model, x, fixed_size(model)), y
