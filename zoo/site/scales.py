"""What small and full-scale experiments say of the same question: on a question's page, and all of it on a page of its own."""

from __future__ import annotations

from html import escape

from markdown import Markdown

from zoo.experiments.claims.scales import FLIPS, Judged, Twins, both_scales
from zoo.experiments.design.experiment import Chart, Experiment
from zoo.experiments.design.study import PHOTOGRAPHS, SMALL, world_of
from zoo.experiments.publishing.publication import names
from zoo.experiments.publishing.waiting import waiting
from zoo.experiments.running.durations import minutes
from zoo.site import charts, place, tables
from zoo.studies import STUDIES

#: What a chart shows whose page says no more.
_LEGEND = {
    "curves": "Lines are means over the runs, bands their 95 % intervals.",
    "dots": "Small dots are runs, bars the 95 % intervals of their means.",
    "factor": "Lines are means over the runs, bands their 95 % intervals.",
}
#: In the place of a caption: the page shows this figure elsewhere, or a link to it.
LEFT_OUT = "left out"


def photographs(source: str, md: Markdown) -> str:
    """What a study has published on photographs; nothing where that is nothing.

    The first line names the study; each further one is `FIGURE: CAPTION`, also of what is not published yet, or
    `FIGURE: left out` of a figure that the page shows elsewhere, or links to.

    Raises:
        ValueError: There is no such study, or it has no such figure on photographs; names those that there are.
    """
    name, *lines = source.splitlines()
    captions = dict((part.strip() for part in line.split(":", 1)) for line in lines)
    drawn = [file for one in _on_photographs(name) for file in _charts(STUDIES.lookup(one))]
    if unknown := [file for file in captions if file not in drawn]:
        raise ValueError(f"no figure {unknown[0]!r} on photographs; expected one of {', '.join(drawn)}")
    return "".join(_shown(one, captions, md) for one in _published(name))


def in_tables(source: str, md: Markdown) -> str:
    """The same without figures, for a notebook.

    Raises:
        ValueError: As above.
    """
    return "".join(
        f"<h3>On photographs: {escape(one.question)}</h3>{tables.results(one.name, md)}"
        for one in _published(source.splitlines()[0])
    )


def _on_photographs(name: str) -> list[str]:
    studies = {study.name: study for study in STUDIES.studies()}
    if name not in studies:
        raise ValueError(f"unknown study {name!r}; expected one of {', '.join(studies)}")
    return [one.name for one in studies[name].experiments if world_of(one) == PHOTOGRAPHS]


def _published(name: str) -> list[Experiment]:
    return [STUDIES.lookup(one) for one in names(_on_photographs(name), place.DOCS / "data")]


def _charts(experiment: Experiment) -> dict[str, Chart]:
    """File -> figure, of those that are drawn."""
    return {
        f"{experiment.name}-{figure.name}" if figure.name else experiment.name: figure
        for figure in experiment.figures
        if isinstance(figure, Chart)
    }


def _shown(experiment: Experiment, captions: dict[str, str], md: Markdown) -> str:
    drawn = _charts(experiment)
    return (
        f'<section class="zoo-photographs"><h3 id="{experiment.name}">On photographs: {escape(experiment.question)}</h3>'
        + "".join(
            charts.chart(file, md, captions.get(file, _LEGEND[figure.kind]))
            for file, figure in drawn.items()
            if captions.get(file) != LEFT_OUT
        )
        + tables.results(experiment.name, md)
        + tables.reproduce(experiment.name, md)
        + "</section>"
    )


def side_by_side(md: Markdown) -> str:
    """Every difference and every claim that is measured at both scales, and how many are not yet."""
    found = both_scales(STUDIES, place.DOCS / "data")
    if not found.twins:
        return f"<p>No difference is measured at both scales yet; {found.waiting} are planned.</p>"
    waits = f"{found.waiting} more are planned and not measured at full scale yet" if found.waiting else ""
    counts = f"{len(found.twins)} differences measured at both scales, {_flipped(found.twins)}"
    differences = tables.table(
        ["question", "difference", "metric", SMALL, PHOTOGRAPHS, "reading"],
        [
            [
                one.study,
                f"{one.first} − {one.second}",
                one.metric.replace("_", " "),
                *one.texts(),
                one.reading,
            ]
            for one in found.twins
        ],
        "; ".join(filter(None, (counts, waits))),
        numeric={3, 4},
    )
    claims = tables.table(
        ["what people say", SMALL, PHOTOGRAPHS, "flips"],
        [[one.sentence, one.small, one.full, "yes" if one.flips else "no"] for one in found.judged],
        f"{len(found.judged)} sentences judged at both scales, {_flipped(found.judged)}",
    )
    return differences + (claims if found.judged else "")


def _flipped(found: tuple[Twins, ...] | tuple[Judged, ...]) -> str:
    flipped = sum(one.flips if isinstance(one, Judged) else one.reading == FLIPS for one in found)
    return f"{flipped or 'none'} of which flip{'s' if flipped < 2 else ''}"


def to_be_run() -> str:
    """What is specified and not published, or not with all seeds, in the order in which to run it, with what it takes."""
    rows, total = [], 0.0
    for one in waiting(STUDIES, place.DOCS / "data"):
        total += one.minutes
        question = f"{one.question} ({one.so_far} are published)" if one.so_far else one.question
        rows.append([one.name, question, one.runs, f"{one.minutes:.0f}", minutes(total)])
    if not rows:
        return "<p>Everything that is specified is published.</p>"
    return tables.table(
        ["experiment", "question", "runs", "minutes of one core", "with all above"],
        rows,
        "Specified and not published yet, or not with all seeds, in the order of priority. Runs that an earlier one has "
        "are not counted again; "
        "minutes are estimated from the time that an epoch takes",
        numeric={2, 3},
    )
