"""`docs/claims.md`: every claim with its verdict, and what was expected against what was measured."""

from pathlib import Path

from zoo.experiments.claims.expected import held
from zoo.experiments.claims.readings import READINGS, reading, unread
from zoo.experiments.claims.rules import MISSING, Claim, judge
from zoo.experiments.claims.sentences import GROUPS
from zoo.experiments.design.experiment import Experiment
from zoo.experiments.design.registry import Registry
from zoo.experiments.publishing import power, publication
from zoo.experiments.publishing.numbers import Numbers
from zoo.experiments.publishing.publication import FOLDER

HEAD = """---
description: The sentences people repeat about activation functions, each with a verdict from published data.
---

<!-- Written by scripts/make_claims.py from docs/data; do not edit. -->

# What people say, and what the data say

Each sentence is judged by a rule that was written down as data, from numbers that are published, by a command
anybody can run. An effect is a mean with its 95 % interval by [Student's t](learn/how-many-runs.md#what-to-print);
differences are paired over the same seeds. A difference counts where its p, adjusted by Holm for all comparisons of
its experiment, is below 0.05; so an interval may leave zero out and the verdict still be that none was detected. Runs
that stay at chance or diverge are counted and left out of the means.

| verdict | meaning |
|---|---|
| proven | follows from the definition, and the numbers agree for every seed |
| refuted | the contrary follows from the definition, and the numbers agree for every seed |
| holds here | the measured effect is as claimed, adjusted p below 0.05 |
| does not hold here | the measured effect has the other sign, or the claimed one is refuted |
| holds in part | some of the parts are as claimed, the others not, or they cannot be told |
| no difference detected | the adjusted p is 0.05 and more: at this scale |
| not measurable at this scale | the runs do not get far enough, or are too few, to tell |
| not yet measured here | no published run; the command makes one |
"""

EXPECTED = """What the literature, or algebra, leads one to expect of each experiment; what was measured
here; and why the two differ where they do. Numbers of others are theirs, on their data.

The scale is another throughout. Here: Fashion-MNIST at 8 x 8 or 14 x 14 pixels, a few thousand images, nets of a
quarter of the width, some hundred steps. There: CIFAR-10 or ImageNet, trained to the end.
"""

LONGEST = 3  # phrases that a cell shows without a click


def claims_page(registry: Registry, data: Path = FOLDER) -> str:
    """The page as Markdown.

    Args:
        registry: The experiments.
        data: Folder of published data; the figures lie in `figures` beside it.
    """
    parts = [HEAD]
    for title, claims in GROUPS.items():
        parts += [
            f"\n## {title}\n",
            '<div class="zoo-claims" markdown="1">\n',
            "| people say | verdict | effect, with 95 % t interval | evidence |",
            "|---|---|---|---|",
            *(_row(claim, data) for claim in claims),
            "\n</div>",
        ]
    parts += ["\n## Expected and measured\n", EXPECTED]
    parts += [_expected(experiment, data) for experiment in registry.experiments()]
    return "\n".join(parts)


def write(docs: Path, registry: Registry) -> list[Path]:
    """Write the page and the readings from what is published.

    Args:
        docs: Folder with `data` and `figures` in it.
        registry: The experiments.

    Returns:
        The files written: `claims.md`, `snippets/readings/NAME.md` of every experiment, and the tables of power.
    """
    data, texts = docs / "data", docs / "snippets" / "readings"
    texts.mkdir(parents=True, exist_ok=True)
    written = {docs / "claims.md": claims_page(registry, data)}
    for name in READINGS:
        there = (data / f"{name}.json").exists()
        text = reading(Numbers(publication.load(name, data))) if there else unread(name)
        written[texts / f"{name}.md"] = text
    written[docs / "snippets" / "power.md"] = power.table()
    written[docs / "snippets" / "power_resnet110.md"] = power.famous()
    for path, text in written.items():
        path.write_text(text)
    return list(written)


def _row(claim: Claim, data: Path) -> str:
    evidence = judge(claim, data)
    effect = "<br>".join(map(_cell, evidence.effect))
    if len(evidence.effect) > LONGEST:
        summary = evidence.summary or f"{len(evidence.effect)} numbers"
        effect = f'<details class="zoo-more"><summary>{_cell(summary)}</summary>{effect}</details>'
    page = claim.page or f"questions/{claim.experiment}"
    links = [f"[explained]({page}.md)"]
    if claim.figure and (data.parent / "figures" / f"{claim.figure}.svg").exists():
        links.append(f"[figure](figures/{claim.figure}.svg)")
    links.append(f"`scripts/reproduce.py run {claim.experiment}`")
    return f"| {_cell(claim.sentence)} | **{evidence.verdict}** | {effect} | {'<br>'.join(links)} |"


def _expected(experiment: Experiment, data: Path) -> str:
    """What was expected of one experiment, behind a click: sixty rows at once nobody reads."""
    there = (data / f"{experiment.name}.json").exists()
    numbers = Numbers(publication.load(experiment.name, data)) if there else None
    page = "learn/the-algebra" if experiment.name == "algebra" else f"questions/{experiment.name}"
    rows = []
    for expectation in experiment.expectations:
        against = held(experiment.name, expectation)
        measured, why = MISSING, ""
        if numbers is not None and against is not None:
            try:
                measured, why = against.measured(numbers), against.why
            except KeyError as error:
                measured = str(error.args[0])
        expected = f"{expectation.what}: {expectation.value}"
        cells = map(_cell, (expected, expectation.source, measured, why))
        rows.append("| " + " | ".join(cells) + " |")
    count = f"{len(rows)} expectation{'s' * (len(rows) != 1)}"
    return "\n".join(
        [
            '<details class="zoo-more zoo-claims" markdown="1">',
            f"<summary>{experiment.question} {count}</summary>",
            "",
            # An experiment may be asked before its page is written.
            f"[The measurement, and what follows]({page}.md)"
            if (data.parent / f"{page}.md").exists()
            else f"`scripts/reproduce.py run {experiment.name}` measures it.",
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
