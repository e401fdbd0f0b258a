"""The studies: one question a file, as data.

A module `NAME.py` in this folder defines `EXPERIMENT = Experiment(name="NAME", ...)` and imports nothing but what an
experiment is made of, so that listing the experiments costs no backend. Its page is `docs/questions/NAME.md`.
"""

from zoo.experiments.design.registry import Registry

STUDIES = Registry(__name__)
