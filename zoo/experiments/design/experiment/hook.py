"""What is measured besides loss and accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from zoo.experiments.design.experiment.values import MOMENTS, choice


@dataclass(frozen=True, kw_only=True)
class Hook:
    """A measurement besides loss and accuracy, named, so that it can be stored and sent.

    Attributes:
        name: `module.function` inside `zoo.experiments.measurements`, or `package.module:function` anywhere.
        when: `start` (before the first step), `interval` (at every recorded line) or `end`.
        arguments: Keyword arguments of the function, plain values.
    """

    name: str
    when: str = "end"
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        choice(self, "when", MOMENTS)

    @classmethod
    def at_start(cls, name: str, **arguments: Any) -> Self:
        """A measurement before the first step, with the arguments of its function."""
        return cls(name=name, when="start", arguments=arguments)
