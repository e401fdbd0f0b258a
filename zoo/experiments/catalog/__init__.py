"""The experiments, as data: one module each, found by its name.

A module `NAME.py` in this folder defines `EXPERIMENT = Experiment(name="NAME", ...)` and imports nothing but
`zoo.experiments.spec`, so that listing the experiments costs no backend.
"""

import difflib
import importlib
import pkgutil

from zoo.experiments.spec import Experiment


class UnknownExperimentError(ValueError):
    """No experiment has this name."""


def names() -> list[str]:
    """The names of all experiments, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def lookup(name: str) -> Experiment:
    """The experiment with this name.

    Raises:
        UnknownExperimentError: There is none; names the nearest ones.

    Example:
        >>> from zoo.experiments import catalog
        >>> catalog.lookup("form").question.endswith("?")
        True
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(names())}"
        raise UnknownExperimentError(f"unknown experiment {name!r}; {hint}")
    experiment = importlib.import_module(f"{__name__}.{name}").EXPERIMENT
    if experiment.name != name:
        raise ValueError(
            f"{name}.py defines an experiment named {experiment.name!r}; file and name must agree"
        )
    return experiment


def experiments() -> list[Experiment]:
    """All experiments, by name."""
    return [lookup(name) for name in names()]
