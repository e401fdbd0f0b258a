"""Which tests stand apart: those of nets so deep that a few of them take as long as all the others."""

import pytest

from zoo.catalog import specify

DEEPEST = 60


def marked(names, deep=()):
    """The names as parameters; those of deep nets, and those in `deep`, run by `scripts/test -m deep` alone."""
    return [
        pytest.param(name, marks=[pytest.mark.deep] if name in deep or _layers(name) > DEEPEST else [])
        for name in names
    ]


def one(*values):
    """A row of parameters that `scripts/test -m deep` alone runs: a smaller one beside it shows the kind."""
    return pytest.param(*values, marks=pytest.mark.deep)


def _layers(name):
    return specify(name).depth if name[0].islower() else 0
