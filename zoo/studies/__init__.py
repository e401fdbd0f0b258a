"""The studies: one question a file, as data.

A module `NAME.py` in this folder defines `STUDY = Study(name="NAME", ...)`: one experiment or several, the literature's
tables, the claims with their rules. Its page, `docs/questions/NAME.md`, is the other half: prose, in which numbers are
holes that published data fill. The two are all there is to a question. A study imports nothing but what it is made of, so
that listing the experiments costs no backend.
"""

from zoo.experiments.design.registry import Registry

# What is answered first where time is short: the questions of the most pages, then those that only the families ask.
STUDIES = Registry(
    __name__,
    priority=(
        "ordering_20",
        "ordering_56",
        "why_photographs",
        "which_photographs",
        "norm_order_photographs",
        "depth_photographs",
        "shortcut_20",
        "ordering_110",
        "depth_110",
        "needed",
        "norm_free",
        "precision",
        "narrow",
        "mixed",
        "concatenation",
        "between",
        "per_block",
        "which_speed",
        "shortcut_56",
        "norm_free_56",
    ),
)
