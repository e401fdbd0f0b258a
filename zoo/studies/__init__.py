"""The studies: one question a file, as data.

A module `NAME.py` in this folder defines `STUDY = Study(name="NAME", ...)`: one experiment or several, the literature's
tables, the claims with their rules. Its page, `docs/questions/NAME.md`, is the other half: prose, in which numbers are
holes that published data fill. The two are all there is to a question. A study imports nothing but what it is made of, so
that listing the experiments costs no backend.
"""

from zoo.experiments.design.registry import Registry

STUDIES = Registry(__name__)
