"""Numbers within a sentence: a page is prose, a number in it is a hole that published data fill.

    `#!n ordering: difference test_accuracy (ordering=full_pre_activation, depth=110) - (ordering=original, depth=110)`

    `#!n ordering: reported original -> ResNet-110`

`zoo.experiments.publishing.quotes` says what may be asked of what was measured here; `reported` asks the study's
tables of what others report, which stand nowhere else. An experiment, an arm, a factor, a metric that does not
exist stops the build; where nothing is published yet, the hole says "not measured yet".
"""

from __future__ import annotations

from functools import cache
from html import escape

from zoo.experiments.claims.page import numbers_of
from zoo.experiments.design.study import Study
from zoo.experiments.publishing.numbers import Numbers
from zoo.experiments.publishing.quotes import quote
from zoo.site.place import DOCS
from zoo.studies import STUDIES


def hole(source: str) -> str:
    """What stands in the place of `EXPERIMENT: QUESTION`, as HTML.

    Raises:
        ValueError: It cannot be read, or names an experiment or an arm that does not exist.
        KeyError: Nothing is published under these names.
    """
    name, colon, question = source.partition(":")
    if not colon:
        raise ValueError(f"expected 'EXPERIMENT: QUESTION', got {source!r}")
    experiment = STUDIES.lookup(name.strip())
    if question.split()[:1] == ["reported"]:
        return escape(_reported(STUDIES.study_of(experiment.name), question.split(maxsplit=1)[1]))
    filled = quote(experiment, _numbers(experiment.name), question.strip())
    return f'<span class="zoo-hole">{escape(filled)}</span>'


def _reported(study: Study, asked: str) -> str:
    """`ROW -> COLUMN` of the only table of the study's literature that has both."""
    row, arrow, column = (part.strip() for part in asked.partition("->"))
    there = [table for table in study.reported if column in table.columns]
    if not arrow or len(there) != 1:
        columns = [table.columns for table in study.reported]
        raise ValueError(f"expected 'reported ROW -> COLUMN' of one of the tables {columns}, got {asked!r}")
    return there[0].cell(row, column)


@cache
def _numbers(name: str) -> Numbers | None:
    return numbers_of(STUDIES.lookup(name), DOCS / "data")
