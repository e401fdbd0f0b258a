"""A folder of studies, one module each, as experiments found by their names.

The engine imports no study: whoever runs a command hands a registry in, so a folder of one's own works as
`zoo.studies` does.
"""

import difflib
import importlib
import pkgutil
from dataclasses import dataclass

from zoo.experiments.design.experiment import Experiment


class UnknownExperimentError(ValueError):
    """No experiment has this name."""


@dataclass(frozen=True)
class Registry:
    """The experiments of a package: each module `NAME.py` of it defines `EXPERIMENT = Experiment(name="NAME", ...)`.

    Attributes:
        package: The package's name.

    Example:
        >>> from zoo.experiments.design.registry import Registry
        >>> Registry("zoo.studies").lookup("form").question.endswith("?")
        True
    """

    package: str

    def names(self) -> list[str]:
        """The names of all experiments, sorted."""
        folders = importlib.import_module(self.package).__path__
        return sorted(module.name for module in pkgutil.iter_modules(folders))

    def lookup(self, name: str) -> Experiment:
        """The experiment with this name.

        Raises:
            UnknownExperimentError: There is none; names the nearest ones.
        """
        names = self.names()
        if name not in names:
            near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
            hint = (
                f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(names)}"
            )
            raise UnknownExperimentError(f"unknown experiment {name!r}; {hint}")
        experiment = importlib.import_module(f"{self.package}.{name}").EXPERIMENT
        if experiment.name != name:
            raise ValueError(
                f"{name}.py defines an experiment named {experiment.name!r}; file and name must agree"
            )
        return experiment

    def experiments(self) -> list[Experiment]:
        """All experiments, by name."""
        return [self.lookup(name) for name in self.names()]
