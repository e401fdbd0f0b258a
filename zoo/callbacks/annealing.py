"""Turn blended activations into the identity during `fit`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras

from zoo.callbacks.updates import steps_made
from zoo.graph import graphs
from zoo.layers import BlendedActivation
from zoo.values import as_integer, as_number

Schedule = Callable[[int], float]


class ActivationAnnealing(keras.callbacks.Callback):
    r"""Move the amount $a$ of every `zoo.layers.BlendedActivation`, by a schedule or by a penalty.

    With `steps=n`, $a$ goes up from where it is to 1 in equal parts and is exactly 1 from step $n$ on. With
    `schedule`, a function of the number of finished steps, $a$ is what it returns, cut to 0 to 1; a dict has
    one for each layer, and layers that it does not name stay as they are. Steps are those of the optimizer,
    so a training that is resumed goes on where it was. With `steps` that needs the same callback: another one, as in
    a new process, takes $n$ steps from where $a$ is then; a `schedule` needs nothing but the optimizer. In both
    cases $a$ moves before each step, with `steps_per_execution=k` before every $k$ of them, and after the last one of
    an epoch, before that is validated.

    With `penalty` $\lambda$ the optimizer moves $a$ itself: the loss has $\lambda \sum (1 - a^2)$ over the
    layers, which `zoo.transforms.soften(..., learned=True)` makes; a dict has one $\lambda$ for each layer.
    What is left between 0 and 1 in the end, `zoo.transforms.harden(model, threshold=...)` decides.

    Args:
        steps: Steps from the amount at the beginning to 1.
        schedule: Steps done -> amount; or layer name -> such a function.
        penalty: $\lambda$, in units of the loss; or layer name -> $\lambda$.

    Attributes:
        rows: What was reached, by the latest `fit`: one dict for each epoch and layer with `epoch`, from 0,
            `site` and `amount`.

    Raises:
        TypeError: `steps` is no integer, or a penalty no number.
        ValueError: not exactly one of the three is given, or it is out of range; and when training begins: the
            model has no blended activation, a name is none, or the layers are not learned where they have to be
            or are where a schedule moves them.

    Reference:
        Dror et al. 2021, "Layer Folding", arXiv 2106.09309 (penalty).

    Example:
        >>> import keras, numpy as np
        >>> from keras import layers
        >>> from zoo.callbacks import ActivationAnnealing
        >>> from zoo.transforms import harden, soften
        >>> fc = layers.Dense(1, activation="relu", name="fc")
        >>> model = keras.Sequential([keras.Input((3,)), fc])
        >>> soft, _ = soften(model, "fc")
        >>> soft.compile("sgd", "mse")
        >>> x, y = np.ones((8, 3)), np.ones((8, 1))
        >>> anneal = ActivationAnnealing(steps=3)
        >>> history = soft.fit(
        ...     x, y, batch_size=2, verbose=0, callbacks=[anneal]
        ... )
        >>> harden(soft).dropped
        ('fc_act',)
    """

    def __init__(
        self,
        steps: int | None = None,
        *,
        schedule: Schedule | Mapping[str, Schedule] | None = None,
        penalty: float | Mapping[str, float] | None = None,
    ):
        super().__init__()
        if sum(option is not None for option in (steps, schedule, penalty)) != 1:
            raise ValueError("ActivationAnnealing takes exactly one of steps=, schedule= and penalty=.")
        steps = None if steps is None else as_integer("steps", steps)
        for option, given in (("schedule", schedule), ("penalty", penalty)):
            if isinstance(given, Mapping) and not given:
                raise ValueError(f"{option}={given!r} names no layer, so nothing would be annealed.")
        for name, value in _each(schedule):
            if not callable(value):
                raise ValueError(f"schedule{name} must be a function of the steps done, received {value!r}.")
        for name, value in _each(penalty):
            as_number(f"penalty{name}", value, 0)
        self.steps, self.schedule, self.penalty = steps, schedule, penalty
        self.rows: list[dict[str, Any]] = []
        self._schedules: dict[str, Schedule] = {}
        self._annealed: Any = None
        self._done = 0
        self._fits = False

    def on_train_begin(self, logs: Any = None) -> None:
        """Find the layers, and set the penalties."""
        self.rows = []
        model = self.model
        found = {
            graph.path + node.operation.name: node.operation
            for graph in graphs(model)
            for node in graph.nodes
            if isinstance(node.operation, BlendedActivation)
        }
        if not found:
            raise ValueError(
                f"{model.name!r} has no BlendedActivation to anneal; zoo.transforms.soften(model, sites) puts them in."
            )
        option = self.penalty if self.penalty is not None else self.schedule
        named: dict[str, Any] = dict(option) if isinstance(option, Mapping) else dict.fromkeys(found, option)
        for name in named:
            if name not in found:
                raise ValueError(
                    f"{name!r} is no BlendedActivation of {model.name!r}; it has {', '.join(map(repr, found))}."
                )
        wanted = self.penalty is not None
        for name in named:
            if found[name].learned != wanted:
                raise ValueError(
                    f"{name!r} is {'not ' if wanted else ''}learned, so a {'penalty' if wanted else 'schedule'} does not "
                    f"move it: make it by zoo.transforms.soften(..., learned={wanted})."
                )
        self._layers = {name: found[name] for name in named}
        if wanted:
            for name, layer in self._layers.items():
                layer.penalty.assign(named[name])
            return
        self._fits = True
        start = steps_made(model)
        # A line goes on in the next fit; compiled again, the model counts its steps from 0.
        if self.steps is None or model is not self._annealed or start < self._done:
            self._schedules = {
                name: named[name] if self.steps is None else _line(_value(layer.amount), start, self.steps)
                for name, layer in self._layers.items()
            }
        self._annealed, self._done = model, start

    def on_train_end(self, logs: Any = None) -> None:
        """From here on only a training moves the amounts."""
        self._fits = False

    def on_test_begin(self, logs: Any = None) -> None:
        """Move them before the validation: on the last step of the epoch they have not moved."""
        if self._fits:
            self._move()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Move the amounts."""
        self._move()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Move them after the last step, and write down where they are."""
        self._move()
        self.rows += [
            {"epoch": epoch, "site": name, "amount": _value(layer.amount)}
            for name, layer in self._layers.items()
        ]

    def _move(self) -> None:
        if self.penalty is not None:
            return
        self._done = done = steps_made(self.model)  # on JAX this also brings the variables up to date
        for name, layer in self._layers.items():
            given: Any = self._schedules[name](done)
            try:
                amount = float(given)
            except (TypeError, ValueError):
                amount = math.nan
            if math.isnan(amount):
                raise ValueError(
                    f"the schedule of {name!r} must return a number; after {done} steps it returned {given!r}."
                )
            layer.amount.assign(min(max(amount, 0.0), 1.0))


def _line(first: float, start: int, steps: int) -> Schedule:
    def line(done: int) -> float:
        share = min((done - start) / steps, 1.0)
        return 1.0 if share == 1.0 else first + (1.0 - first) * share

    return line


def _each(option: Any) -> list[tuple[str, Any]]:
    if option is None:
        return []
    return [(f"[{k!r}]", v) for k, v in option.items()] if isinstance(option, Mapping) else [("", option)]


def _value(variable: Any) -> float:
    return float(keras.ops.convert_to_numpy(variable))
