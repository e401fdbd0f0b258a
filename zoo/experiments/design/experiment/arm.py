"""What is compared: a model and how it is treated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from zoo.experiments.design.experiment.dataset import Dataset
from zoo.experiments.design.experiment.hook import Hook
from zoo.experiments.design.experiment.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One thing compared: a model and how it is treated. Arms differ in what the experiment asks about alone.

    Attributes:
        label: Its name in tables and legends.
        model: A name for `zoo.build`, or `package.module:function` of a function that takes `input_shape`,
            `classes` and the options and returns a Keras model, or `None` for an arm that only measures.
        options: Options of the model.
        factors: What this arm is in the terms of the question, for example `{"layers": 3}`; figures lay
            arms out by them.
        recipe: Instead of the experiment's.
        data: Instead of the experiment's.
        hooks: Besides the experiment's.
        trains: `False` for an arm that is only built (or not even that) and measured by its `start` hooks.
    """

    label: str
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    factors: Mapping[str, Any] = field(default_factory=dict)
    recipe: Recipe | None = None
    data: Dataset | None = None
    hooks: tuple[Hook, ...] = ()
    trains: bool = True

    def __post_init__(self):
        if self.trains and self.model is None:
            raise ValueError(
                f"arm {self.label!r} has no model: give one, or trains=False for an arm that only measures"
            )

    @classmethod
    def measuring(cls, label: str, *hooks: Hook, factors: Mapping[str, Any], **model: Any) -> Self:
        """An arm that is measured and not trained.

        Args:
            label: As of any arm.
            *hooks: The measurements, see `Hook.at_start`.
            factors: As of any arm.
            **model: `model` and `options`, if it is measured on one.
        """
        return cls(label=label, factors=factors, hooks=hooks, trains=False, **model)


@dataclass(frozen=True, kw_only=True)
class Continuation(Arm):
    """An arm that begins with the trained net of another arm, seed by seed; that arm is trained for its own sake too.

    Its options are those of its function alone: the experiment's belong to nets that are built.

    Attributes:
        after: Label of the arm whose net it begins with.
        model: `package.module:function` of a function that takes `trained`, the net, `images`, `seed` and the options,
            and returns the net that is measured or trained on; `None` is `trained` itself.
    """

    after: str

    def __post_init__(self):
        if self.model is not None and ":" not in self.model:
            raise ValueError(
                f"arm {self.label!r} goes on after {self.after!r}, so its model must be None or 'package.module:function' "
                f"of a function of the trained net; received {self.model!r}"
            )
