"""The formatters that `mkdocs.yml` names: fence in, HTML out. `zoo.site` says what each fence means."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from markdown import Markdown
from pymdownx.inlinehilite import InlineHiliteException
from pymdownx.superfences import SuperFencesException

from zoo.site import catalog_cards, catalog_tables, charts, diagrams, holes, maths, reference, scales, tables


def _strict(render: Callable[..., str]) -> Callable[..., str]:
    # pymdownx shows a fence whose formatter failed as plain code; a misspelt name has to stop the build.
    @wraps(render)  # found by its name: Zensical pickles its configuration
    def formatter(source, language, css_class, options, md, **_) -> str:
        try:
            return render(source, md)
        except Exception as error:
            raise SuperFencesException(f"```{language} {source.splitlines()[:1]}: {error}") from error

    return formatter


def _body(source: str) -> tuple[str, dict[str, str]]:
    first, *rest = source.strip().splitlines() or [""]
    options = {}
    for line in rest:
        key, colon, value = line.partition(":")
        if not colon or key.strip() != "caption":
            raise ValueError(f"expected 'caption: TEXT' below the name, got {line!r}")
        options[key.strip()] = value.strip()
    return first.strip(), options


@_strict
def chart(source: str, md: Markdown) -> str:
    """A published figure."""
    name, options = _body(source)
    return charts.chart(name, md, **options)


@_strict
def results(source: str, md: Markdown) -> str:
    """The arms of an experiment with their intervals."""
    return tables.results(_body(source)[0], md)


@_strict
def paper(source: str, md: Markdown) -> str:
    """What the literature reports on the question of an experiment."""
    return tables.paper(_body(source)[0], md)


@_strict
def reproduce(source: str, md: Markdown) -> str:
    """How to make the numbers of an experiment again."""
    return tables.reproduce(_body(source)[0], md)


@_strict
def proof(source: str, md: Markdown) -> str:
    """What is equal and what is not."""
    return tables.proof(_body(source)[0], md)


@_strict
def photographs(source: str, md: Markdown) -> str:
    """What a study has published on photographs."""
    return scales.photographs(source.strip(), md)


@_strict
def side_by_side(source: str, md: Markdown) -> str:
    """Small experiments beside those at full scale."""
    return scales.side_by_side(md)


@_strict
def to_be_run(source: str, md: Markdown) -> str:
    """What is specified and not published yet."""
    return scales.to_be_run()


@_strict
def diagram(source: str, md: Markdown) -> str:
    """One block diagram."""
    name, options = _body(source)
    return diagrams.figure(name, **options)


@_strict
def diagram_row(source: str, md: Markdown) -> str:
    """Several block diagrams side by side."""
    return diagrams.row(source.split())


@_strict
def zoo_table(source: str, md: Markdown) -> str:
    """Every model of the catalog."""
    return catalog_tables.table()


@_strict
def zoo_cards(source: str, md: Markdown) -> str:
    """The cards of one kind of nets."""
    return catalog_cards.cards(source.strip())


@_strict
def api_index(source: str, md: Markdown) -> str:
    """What stands on some API pages, in a line each."""
    return reference.index(source.split(), md)


@_strict
def options_table(source: str, md: Markdown) -> str:
    """Families against options."""
    return catalog_tables.options()


@_strict
def math(source: str, md: Markdown) -> str:
    """A displayed formula."""
    return maths.block(source)


def inline_number(source: str, language: str, css_class: str, md: Markdown) -> str:
    """A published number within a sentence."""
    try:
        return holes.hole(source)
    except Exception as error:
        # As above: pymdownx would show what it could not fill as plain code.
        raise InlineHiliteException(f"`#!{language} {source}`: {error}") from error


def inline_math(source: str, language: str, css_class: str, md: Markdown) -> str:
    """A formula within a sentence."""
    return maths.inline(source)
