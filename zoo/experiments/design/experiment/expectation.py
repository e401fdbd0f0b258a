"""Which differences are reported, and what the literature leads one to expect."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two arms held against each other, seed by seed: `metric` of `first` minus that of `second`."""

    first: str
    second: str
    metric: str = "test_accuracy"
    claim: str = ""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What the literature leads one to expect, what was measured here, and why the two differ where they do.

    Attributes:
        what: Of what.
        value: As the source has it.
        source: Where it says so.
        measured: Words with numbers as holes, `{mean test_accuracy (activation=relu)}`; `zoo.experiments.publishing.quotes`
            says what a hole may ask.
        why: The explanation, of agreement or of difference.
    """

    what: str
    value: str
    source: str
    measured: str = ""
    why: str = ""
