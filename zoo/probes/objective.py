"""The loss of a batch by what is added to the values at every site, for one output or several."""

from __future__ import annotations

import functools
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.graph.reasons import reason
from zoo.probes.computation import compute
from zoo.probes.losses import BatchLoss
from zoo.probes.watching import Call, Place, Watched


class Objective:
    """The losses of the outputs of a model.

    Args:
        model: With one output or several.
        loss: One for each output, None for one that does not count.

    Attributes:
        sums: Whether the losses are sums over the samples, and not their means.
        groups: The numbers of the outputs whose losses count alike where batches are put together.

    Raises:
        ValueError: They are not as many as the outputs, are none, or are sums and means.
    """

    def __init__(self, model: keras.Model, loss: Any):
        self.names = _output_names(model)
        self.model = model
        found = self._by_output("loss", loss)
        if all(f is None for f in found):
            raise ValueError("loss is missing: pass a name, a function or a keras.losses.Loss.")
        self.losses = [
            None if f is None else _loss(f, name) for f, name in zip(found, self.names, strict=True)
        ]
        sums = {f.sums for f in self.losses if f is not None}
        if len(sums) > 1:
            raise ValueError("loss mixes losses that are sums over the samples with losses that are means.")
        self.sums = sums.pop()
        self.groups = [[number for number, f in enumerate(self.losses) if f is not None]]
        self._grouped = False

    @property
    def dtypes(self) -> set[str]:
        """In which the losses are computed."""
        return {f.dtype for f in self.losses if f is not None}

    def targets(self, y: Any, predicted: list[Any], samples: int) -> list[Any]:
        """`y` as a list, one entry for each output.

        Args:
            y: As it was given.
            predicted: The outputs.
            samples: How many the batch has.

        Raises:
            ValueError: It has not one target for each sample.
        """
        found = self._by_output("y", y)
        if samples == len(found) == 1 and isinstance(y, (list, tuple)) and np.shape(found[0])[:1] != (1,):
            found = [y]  # the one sample in a list, and not the one output
        for loss, target, output, name in zip(self.losses, found, predicted, self.names, strict=True):
            if loss is None:
                continue
            # Samples may lie in other rows of an output, such as all steps of all of them.
            rows = {samples, *output.shape[:1]}
            shape = np.shape(target)
            if not shape or shape[0] not in rows:
                raise ValueError(
                    f"y must have one target for each of the {samples} samples of x; received shape {shape} for the output "
                    f"{name!r} of {self.model.name!r}, whose shape is {tuple(output.shape)}."
                )
        return found

    def entries(self, predicted: list[Any]) -> int:
        """Of how many values a loss is the mean, at most."""
        return 1 if self.sums else max(math.prod(output.shape) for output in predicted)

    def weights(self, targets: list[Any], predicted: list[Any], samples: int, *, alone: bool) -> list[float]:
        """What a batch counts among others, one number for each of the `groups`, which the first batch makes.

        A mean over the samples counts by their number; one that leaves out masked positions by that of the others.

        Args:
            targets: One for each output.
            predicted: The outputs.
            samples: How many the batch has.
            alone: Whether there are no others.
        """
        if self.sums or alone:
            return [1.0 if self.sums else float(samples)]
        unmasked = {}
        for number in (number for group in self.groups for number in group):
            self._of(number, targets[number], predicted[number])
            unmasked[number] = self.losses[number].unmasked(predicted[number])  # type: ignore[union-attr]
        if not self._grouped:
            plain = [number for number, count in unmasked.items() if count is None]
            masked = [[number] for number, count in unmasked.items() if count is not None]
            self.groups, self._grouped = [group for group in (plain, *masked) if group], True
        counts = (unmasked[group[0]] for group in self.groups)
        return [samples if count is None else count for count in counts]

    def __call__(
        self,
        watched: Watched,
        arrays: list[Any],
        targets: list[Any],
        shifts: list[Any],
        unseen: dict[str, str],
        group: list[int],
    ) -> Any:
        """The sum of the losses of `group` with `shifts` added, one to each visit that can be seen."""
        pending = iter(shifts)

        def shift(place: Place, call: Call, _: Any, after: Any) -> Any:
            return None if call.site in unseen else after + ops.cast(next(pending), after.dtype)

        with watched.watch(shift):
            predicted = compute(self.model, arrays, before=watched.count)
        return functools.reduce(ops.add, [self._of(n, targets[n], predicted[n]) for n in group])

    def _of(self, number: int, target: Any, output: Any) -> Any:
        try:
            return self.losses[number](target, output)  # type: ignore[misc]
        except Exception as error:
            raise ValueError(
                f"the loss of output {self.names[number]!r} of {self.model.name!r}, whose shape is {tuple(output.shape)}, "
                f"cannot be computed with y of shape {np.shape(target)}: {reason(error)}"
            ) from error

    def _by_output(self, what: str, given: Any) -> list[Any]:
        """`given` as a list, one entry for each output."""
        flat = keras.tree.flatten(given)
        if _is_nested(self.model) and isinstance(given, (list, tuple, dict)) and len(flat) == len(self.names):
            return flat
        if len(self.names) == 1:
            nested = isinstance(given, (list, tuple)) and len(given) == 1
            return [given[0] if nested else given] if not isinstance(given, dict) else list(given.values())
        if isinstance(given, dict) and set(given) <= set(self.names):
            return [given.get(name) for name in self.names]
        if isinstance(given, (list, tuple)) and len(given) == len(self.names):
            return list(given)
        raise ValueError(
            f"{self.model.name!r} has the outputs {self.names}: {what} takes a list or a dict with one entry for "
            f"each of them (None for a loss that does not count); received {type(given).__name__}."
        )


def _loss(given: Any, name: str) -> BatchLoss:
    try:
        return BatchLoss(given)
    except Exception as error:
        raise ValueError(
            f"loss={given!r} of output {name!r} is none: it has to be a name, a function or a keras.losses.Loss. "
            f"{reason(error)}"
        ) from error


def _is_nested(model: keras.Model) -> bool:
    """Whether the outputs are a structure of more than one level."""
    if isinstance(model, keras.Sequential) or not isinstance(model.output, (list, tuple, dict)):
        return False
    first = model.output.values() if isinstance(model.output, dict) else model.output
    return any(isinstance(item, (list, tuple, dict)) for item in first)


def _output_names(model: keras.Model) -> list[str]:
    if isinstance(model, keras.Sequential):
        return [model.name]
    if _is_nested(model):
        return list(model.output_names)
    if isinstance(model.output, dict):
        return sorted(model.output)  # the order in which Keras flattens a dict
    return list(model.output_names)
