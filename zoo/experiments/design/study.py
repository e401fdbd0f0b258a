"""What a study is: a question with all that answers it, in one file; its page is the other.

A module `zoo/studies/NAME.py` defines `STUDY = Study(name="NAME", ...)`, and `docs/questions/NAME.md` is read by people.
Nothing here imports Keras.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.experiments.design.experiment import Experiment

# The headings of the ledger, in the order in which a reader meets them.
ALGEBRA = "What is plain algebra"
NEEDED = "Is an activation needed, and as what"
FUNCTIONS = "Which function"
ORDER = "In which order"
RESIDUAL_NETS = "Residual nets"
GROUPS = (ALGEBRA, NEEDED, FUNCTIONS, ORDER, RESIDUAL_NETS)
SMALL, PHOTOGRAPHS = "Fashion-MNIST, small nets", "photographs, full width"
# A world is where a claim is judged: what holds for narrow nets on small images need not hold for others.
WORLDS = (SMALL, PHOTOGRAPHS)
_WORLD_OF = {"cifar10": PHOTOGRAPHS, "cifar10_jpeg": PHOTOGRAPHS, "cifar100": PHOTOGRAPHS}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence that people repeat, and what judges it.

    Attributes:
        sentence: As people say it.
        group: One of `GROUPS`.
        rules: Experiment -> what turns its published numbers into evidence. A claim may be judged by several
            experiments, each in a world of its own; the ledger shows where their verdicts differ.
        figure: Published figure to look at; empty where the evidence is a table.
        page: Page that explains, without `.md`; empty is the study's own.
    """

    sentence: str
    group: str
    rules: Mapping[str, Callable[[Any], Any]]
    figure: str = ""
    page: str = ""

    def __post_init__(self):
        if self.group not in GROUPS:
            raise ValueError(
                f"Claim.group must be one of {', '.join(map(repr, GROUPS))}; received {self.group!r}"
            )
        if not self.rules:
            raise ValueError(f"the claim {self.sentence!r} has no rule: give {{experiment: rule}}")


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One table of somebody else's numbers.

    Attributes:
        caption: What was measured, on what, and how often.
        source: Who reports it, with address.
        columns: Headings; the first column names the row.
        rows: Cells as printed in the source.
    """

    caption: str
    source: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self):
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"Reported.rows must have a cell for each of the columns {self.columns}; received {row}"
                )

    def cell(self, row: str, column: str) -> str:
        """One cell, by the name of its row and its heading.

        Raises:
            KeyError: There is no such row or column, or the name stands in several rows.
        """
        named = [cells for cells in self.rows if cells[0] == row]
        if len(named) != 1 or column not in self.columns:
            raise KeyError(
                f"{self.caption!r} has no single cell at row {row!r}, column {column!r}; its rows are "
                f"{[cells[0] for cells in self.rows]}, its columns {list(self.columns)}"
            )
        return named[0][self.columns.index(column)]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question: experiments that bear on it, what others report, and what people claim.

    Attributes:
        name: Of the file and of its page.
        experiments: What is run, the one named like the study first. Others hold the same question in another world.
        reported: The literature's tables, as printed.
        claims: Sentences judged from what is published.
        page: Page that explains, without `.md`; empty is `questions/NAME`.
    """

    name: str
    experiments: tuple[Experiment, ...]
    reported: tuple[Reported, ...] = ()
    claims: tuple[Claim, ...] = ()
    page: str = ""

    def __post_init__(self):
        names = [experiment.name for experiment in self.experiments]
        if not names or names[0] != self.name or len(set(names)) != len(names):
            raise ValueError(
                f"study {self.name!r} needs experiments with different names, the first named like the study; "
                f"received {names}"
            )
        for claim in self.claims:
            if unknown := sorted(set(claim.rules) - set(names)):
                raise ValueError(
                    f"the claim {claim.sentence!r} of study {self.name!r} is judged by {unknown}; the experiments of "
                    f"the study are {names}"
                )
            judges = [(world_of(self.experiment(name)), name) for name in claim.rules]
            for world in WORLDS:
                # Only one verdict of a world is told, so another one would be lost in silence.
                if len(told := [name for judged_in, name in judges if judged_in == world]) > 1:
                    raise ValueError(
                        f"the claim {claim.sentence!r} of study {self.name!r} is judged by {' and by '.join(map(repr, told))}, "
                        f"all of the world {world!r}, which has one verdict: keep one rule, or make two claims of it"
                    )

    @property
    def explained(self) -> str:
        """The page that explains, without `.md`."""
        return self.page or f"questions/{self.name}"

    def experiment(self, name: str) -> Experiment:
        """The experiment with this name.

        Raises:
            KeyError: The study has no such experiment.
        """
        for one in self.experiments:
            if one.name == name:
                return one
        raise KeyError(f"study {self.name!r} has no experiment {name!r}")


def world_of(experiment: Experiment) -> str:
    """Where an experiment judges a claim: one of `WORLDS`.

    Example:
        >>> from zoo.experiments.design.study import world_of
        >>> from zoo.studies import STUDIES
        >>> world_of(STUDIES.lookup("ordering"))
        'Fashion-MNIST, small nets'
    """
    return _WORLD_OF.get(experiment.data.name, SMALL)
