"""A folder of studies, one module each, as experiments found by their names.

The engine imports no study: whoever runs a command hands a registry in, so a folder of one's own works as
`zoo.studies` does.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass

from zoo.experiments.design.experiment import Experiment
from zoo.experiments.design.study import Study
from zoo.wording import did_you_mean


class UnknownExperimentError(ValueError):
    """No experiment has this name."""


@dataclass(frozen=True)
class Registry:
    """The studies of a package: each module `NAME.py` of it defines `STUDY = Study(name="NAME", ...)`.

    Attributes:
        package: The package's name.
        priority: Names of experiments in the order in which they should be run; those that it leaves out come last.

    Example:
        >>> from zoo.experiments.design.registry import Registry
        >>> Registry("zoo.studies").lookup("form").question.endswith("?")
        True
    """

    package: str
    priority: tuple[str, ...] = ()

    def studies(self) -> list[Study]:
        """All studies, by name.

        Raises:
            ValueError: A module defines no study of its own name, or two studies have experiments of one name.
        """
        folders = importlib.import_module(self.package).__path__
        studies = [self._study(name) for name in sorted(m.name for m in pkgutil.iter_modules(folders))]
        names = [experiment.name for study in studies for experiment in study.experiments]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"experiments of {self.package} share the names {twice}; rename one of each")
        return studies

    def _study(self, name: str) -> Study:
        study = getattr(importlib.import_module(f"{self.package}.{name}"), "STUDY", None)
        if not isinstance(study, Study) or study.name != name:
            found = f"a study named {study.name!r}" if isinstance(study, Study) else repr(study)
            raise ValueError(
                f"{self.package}/{name}.py must define STUDY = Study(name={name!r}, ...); received {found}"
            )
        return study

    def _by_name(self) -> Mapping[str, Experiment]:
        return {one.name: one for study in self.studies() for one in study.experiments}

    def names(self) -> list[str]:
        """The names of all experiments, sorted."""
        return sorted(self._by_name())

    def in_order(self) -> list[str]:
        """The names of all experiments in the order in which they should be run.

        Raises:
            UnknownExperimentError: The priority names one that does not exist.
        """
        for name in self.priority:
            self.lookup(name)
        return [*self.priority, *(name for name in self.names() if name not in self.priority)]

    def lookup(self, name: str) -> Experiment:
        """The experiment with this name.

        Raises:
            UnknownExperimentError: There is none; names the nearest ones.
        """
        return self.study_of(name).experiment(name)

    def study_of(self, name: str) -> Study:
        """The study that an experiment belongs to.

        Raises:
            UnknownExperimentError: There is no such experiment; names the nearest ones.
        """
        for study in self.studies():
            if any(one.name == name for one in study.experiments):
                return study
        hint = did_you_mean(name, self.names(), cutoff=0.5)
        raise UnknownExperimentError(f"unknown experiment {name!r}; {hint}")

    def experiments(self) -> list[Experiment]:
        """All experiments, by name."""
        return [one for _, one in sorted(self._by_name().items())]
