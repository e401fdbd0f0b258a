"""What can be recorded of a run besides loss and accuracy.

A measurement is a function `measure(context, **arguments)` that returns rows. A spec names it:
`module.function` for a module in this folder, or `package.module:function` for one anywhere else.
"""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from zoo.experiments.data.sets import Images
from zoo.wording import did_you_mean


class Row(NamedTuple):
    """One measured number.

    Attributes:
        metric: What was measured.
        value: The number.
        x: Where on its own axis (unit, layer, epoch ...); `None` stands for the current position in training.
    """

    metric: str
    value: float
    x: float | None = None


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a measurement gets to see.

    Attributes:
        model: The model with its current weights, or `None` for an arm without one.
        images: Training and test images, or `None` for an arm without a data set of its own.
        seed: The run's seed.
        step: Optimiser steps made so far.
        epoch: The same in passes over the training images.
        loss: Name of the recipe's loss; `None` without training.
        build: `build(name, **options)`, which builds further models by the rules for an arm's own.
    """

    model: Any
    images: Images | None
    seed: int
    step: int
    epoch: float
    loss: str | None
    build: Callable[..., Any]


def resolve(name: str, home: str = __name__) -> Callable:
    """The function a spec names.

    Args:
        name: `module.function`, looked up in `home`, or `package.module:function`.
        home: Package of the short names.

    Raises:
        ValueError: There is no such module or function; names the nearest ones.
    """
    path, _, function = name.rpartition(":") if ":" in name else name.rpartition(".")
    module_name = path if ":" in name else f"{home}.{path}"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not module_name.startswith(error.name):
            raise
        raise ValueError(f"{name!r} names the module {module_name}, which does not exist") from error
    if not callable(getattr(module, function, None)):
        public = [key for key in vars(module) if callable(getattr(module, key)) and not key.startswith("_")]
        raise ValueError(f"{module_name} has no function {function!r}; {did_you_mean(function, public)}")
    return getattr(module, function)


def take(hook: Any, context: Context) -> Iterable[Row]:
    """The rows of one `zoo.experiments.design.experiment.Hook`.

    Raises:
        TypeError: The function returned something else than rows.
    """
    for row in resolve(hook.name)(context, **hook.arguments):
        if not isinstance(row, tuple) or not 2 <= len(row) <= 3:
            raise TypeError(f"measurement {hook.name!r} must return Row(metric, value, x); received {row!r}")
        yield Row(*row)
