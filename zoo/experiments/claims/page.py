"""`docs/claims.md`: every claim with its verdict in each world, and what was expected against what was measured."""

from pathlib import Path

from zoo.experiments.claims.rules import FAILS, HOLDS, MISSING, PROVEN, REFUTED, Evidence, judge
from zoo.experiments.design.experiment import Experiment
from zoo.experiments.design.registry import Registry
from zoo.experiments.design.study import GROUPS, WORLDS, Claim, Study, world_of
from zoo.experiments.publishing import power, publication
from zoo.experiments.publishing.numbers import Numbers
from zoo.experiments.publishing.publication import FOLDER
from zoo.experiments.publishing.quotes import filled

HEAD = """---
description: The sentences people repeat about activation functions, each with a verdict from published data.
---

<!-- Written by scripts/make_claims.py from docs/data; do not edit. -->

# What people say, and what the data say
"""

JUDGED = """
## How a sentence is judged

For each sentence there is a rule, written down as data. It turns published numbers into a verdict, and anybody can
run its command. An effect is a mean with its 95 % interval by [Student's t](learn/how-many-runs.md#what-to-print);
differences are paired over the same seeds. A difference counts if its p, adjusted by Holm for all comparisons of its
experiment, is below 0.05. So an interval may exclude zero, and the verdict still be that no difference was detected.
Runs that stay at chance or diverge are counted and left out of the means.

Each sentence is judged at two scales: by narrow nets that see a few thousand small images of Fashion-MNIST, and by nets
of full width trained to the end on photographs. What holds at one scale need not hold at the other. If the two verdicts
contradict each other, the row says **flips**.

| verdict | meaning |
|---|---|
| proven | follows from the definition, and the numbers agree for every seed |
| refuted | the opposite follows from the definition, and the numbers agree for every seed |
| holds here | the measured effect is as claimed, adjusted p below 0.05 |
| does not hold here | the measured effect has the other sign, or the claimed one is refuted |
| holds in part | some parts are as claimed, and others are not or cannot be told |
| no difference detected | the adjusted p is 0.05 or more, at this scale |
| not measurable at this scale | the runs do not get far enough, or are too few, to tell |
| not measured yet | no published run, or no experiment at this scale so far |
"""

WAITING = """
{count} will be judged once their experiments have run: `scripts/reproduce.py list --missing` names them.
"""

EXPECTED = """For each experiment, this is what the literature or algebra leads one to expect, what was measured here, and why the
two differ where they do. The numbers of others are theirs, on their data.

The scales differ throughout. Here, nets with a quarter of the width see a few thousand images of Fashion-MNIST, of
8 x 8 or 14 x 14 pixels, for some hundred steps. There, nets are trained to the end on CIFAR-10 or ImageNet.
"""

LONGEST = 3  # phrases that a cell shows without a click
YES, NO = {PROVEN, HOLDS}, {REFUTED, FAILS}
STORY = {
    "They say so, and it holds": "These are proven, or were measured here.",
    "They say so, and it does not hold here": "These are refuted, or were measured to be otherwise.",
    "They say so, and it depends": "It holds in one kind of net or of data, and not in the other.",
    "They say so, and it cannot be told at this scale": "No difference was detected, or only in part, or the runs do "
    "not get far enough. That does not prove the opposite.",
    "They say so, and it is not measured here yet": "",
}
SAME = "the same: it follows from the definition"


def claims_page(registry: Registry, data: Path = FOLDER) -> str:
    """The page as Markdown.

    Args:
        registry: The studies.
        data: Folder of published data; the figures lie in `figures` beside it.
    """
    studies = registry.studies()
    known = {one.name: numbers_of(one, data) for study in studies for one in study.experiments}
    asked = [(study, claim) for study in studies for claim in study.claims]
    measured = [(study, claim) for study, claim in asked if any(known[name] for name in claim.rules)]
    judged = [(study, claim, verdicts(study, claim, known)) for study, claim in measured]
    parts = [HEAD, *([_story(judged)] if judged else []), JUDGED]
    if waiting := len(asked) - len(measured):
        parts.append(WAITING.format(count=f"{waiting} more sentence{'s' * (waiting > 1)}"))
    for group in GROUPS:
        rows = [_row(study, claim, known, data) for study, claim in measured if claim.group == group]
        if not rows:
            continue
        parts += [
            f"\n## {group}\n",
            '<div class="zoo-claims" markdown="1">\n',
            f"| people say | {' | '.join(WORLDS)} | evidence |",
            "|---|" + "---|" * len(WORLDS) + "---|",
            *rows,
            "\n</div>",
        ]
    parts += ["\n## Expected and measured\n", EXPECTED]
    parts += [
        _expected(study, experiment, numbers)
        for study in studies
        for experiment in study.experiments
        if (numbers := known[experiment.name])
    ]
    return "\n".join(parts)


def write(docs: Path, registry: Registry) -> list[Path]:
    """Write the page and the tables of power.

    Args:
        docs: Folder with `data` and `figures` in it.
        registry: The studies.

    Returns:
        The files written: `claims.md`, and the tables of power in `snippets`.
    """
    written = {
        docs / "claims.md": claims_page(registry, docs / "data"),
        docs / "snippets" / "power.md": power.table(),
        docs / "snippets" / "power_resnet110.md": power.famous(),
    }
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return list(written)


def numbers_of(experiment: Experiment, data: Path = FOLDER) -> Numbers | None:
    """What is published of an experiment; `None` where nothing is.

    Args:
        experiment: Of a study.
        data: Folder of published data.
    """
    if not publication.names([experiment.name], data):
        return None
    return Numbers(publication.load(experiment.name, data))


def verdicts(study: Study, claim: Claim, known: dict[str, Numbers | None]) -> dict[str, Evidence]:
    """World -> what its experiment says of a claim; a world without an experiment, or without data, has no verdict.

    Args:
        study: That the claim stands in.
        claim: What is judged.
        known: Experiment -> what is published of it.
    """
    found = {world: Evidence(MISSING, ()) for world in WORLDS}
    for name, rule in claim.rules.items():
        found[world_of(study.experiment(name))] = judge(rule, known[name])
    return found


def flips(found: dict[str, Evidence]) -> bool:
    """Whether a claim holds in one world and does not in another."""
    said = {evidence.verdict for evidence in found.values()}
    return bool(said & YES and said & NO)


def _story(judged: list[tuple[Study, Claim, dict[str, Evidence]]]) -> str:
    """The answer first: how many sentences hold, as bars, and which they are."""
    chapters: dict[str, list[str]] = {chapter: [] for chapter in STORY}
    for study, claim, found in judged:
        chapters[_chapter(found)].append(f"- [{_cell(claim.sentence)}]({claim.page or study.explained}.md)")
    told = {chapter: sentences for chapter, sentences in chapters.items() if sentences}
    most = max(map(len, told.values()))
    bars = "".join(
        f'<li><span>{chapter}</span><b style="width: {100 * len(sentences) / most:.0f}%">{len(sentences)}</b></li>'
        for chapter, sentences in told.items()
    )
    lists = "\n\n".join(
        "\n".join([f"## {chapter}", "", *[STORY[chapter], ""] * bool(STORY[chapter]), *sentences])
        for chapter, sentences in told.items()
    )
    return (
        f"**Answer.** Of {len(judged)} sentences that people repeat about activation functions, {_some(chapters, 0)} hold "
        f"and {_some(chapters, 1)} do not. For {_some(chapters, 3)} the nets here are too small, or the runs too few, to "
        f'tell.\n\n<ul class="zoo-verdicts">{bars}</ul>\n\n{lists}'
    )


def _some(chapters: dict[str, list[str]], at: int) -> int:
    return len(list(chapters.values())[at])


def _chapter(found: dict[str, Evidence]) -> str:
    """The part of the story that a claim belongs to; a world that has no verdict has no say."""
    holds, fails, depends, open_, missing = STORY
    said = {evidence.verdict for evidence in found.values()} - {MISSING}
    if not said:
        return missing
    if flips(found):
        return depends
    return holds if said & YES else fails if said & NO else open_


def _row(study: Study, claim: Claim, known: dict[str, Numbers | None], data: Path) -> str:
    found = verdicts(study, claim, known)
    links = [f"[explained]({claim.page or study.explained}.md)"]
    if claim.figure and (data.parent / "figures" / f"{claim.figure}.svg").exists():
        links.append(f"[figure](figures/{claim.figure}.svg)")
    links += [f"`{numbers.published.about['command']}`" for name in claim.rules if (numbers := known[name])]
    sentence = _cell(claim.sentence) + (" **flips**" if flips(found) else "")
    # What follows from a definition follows in every world.
    elsewhere = SAME if any(one.verdict in (PROVEN, REFUTED) for one in found.values()) else MISSING
    judged = [elsewhere if one.verdict == MISSING else _judged(one) for one in found.values()]
    cells = [sentence, *judged, "<br>".join(links)]
    return f"| {' | '.join(cells)} |"


def _judged(evidence: Evidence) -> str:
    """A verdict with the effect behind it; a long one behind a click."""
    effect = "<br>".join(map(_cell, evidence.effect))
    if len(evidence.effect) > LONGEST:
        summary = evidence.summary or f"{len(evidence.effect)} numbers"
        effect = f'<details class="zoo-more"><summary>{_cell(summary)}</summary>{effect}</details>'
    return "<br>".join(filter(None, (f"**{evidence.verdict}**", effect)))


def _expected(study: Study, experiment: Experiment, numbers: Numbers) -> str:
    """What was expected of one experiment, behind a click: sixty rows at once nobody reads."""
    rows = []
    for one in experiment.expectations:
        cells = (f"{one.what}: {one.value}", one.source, filled(experiment, numbers, one.measured), one.why)
        rows.append(f"| {' | '.join(map(_cell, cells))} |")
    count = f"{len(rows)} expectation{'s' * (len(rows) != 1)}"
    where = "" if experiment.name == study.name else f" ({world_of(experiment)})"
    return "\n".join(
        [
            '<details class="zoo-more zoo-claims" markdown="1">',
            f"<summary>{experiment.question}{where} {count}</summary>",
            "",
            f"[The measurement, and what follows]({study.explained}.md)",
            "",
            "| expected | source | measured here | explanation |",
            "|---|---|---|---|",
            *rows,
            "",
            "</details>",
            "",
        ]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_") if "`" not in text else text
