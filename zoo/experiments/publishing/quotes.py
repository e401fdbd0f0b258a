"""Published numbers asked for in words: what a page, or an expectation, has as a hole in its text.

A hole says what is asked, of which metric, and of which arms, each by its factors in brackets:

    mean test_accuracy (activation=relu, normalisation=BN)
    difference train_loss (net=plain, depth=110) - (net=plain, depth=8)
    at variance (ordering=original) x=333

A value that holds a comma or a bracket stands in quotes; alternatives are parted by `|`.

| ask | of | answer |
|---|---|---|
| `mean` | metric, arm; `digits=`, `first=yes` | mean over the runs that trained, with its interval |
| `value` | metric, arm; `digits=`, `first=yes` | the bare mean; accuracies in per cent |
| `percent` | metric, arm; `digits=`, `first=yes` | a share in per cent |
| `largest` | metric, arms; `digits=` | the largest of all arms and seeds |
| `range` | metric, arms | the lowest and the highest mean, and whose |
| `count` | metric, arms; `is=` | in how many of the arms every seed has this value |
| `difference` | metric, arm - arm; `is=` | paired difference, its interval, p, and what it comes to |
| `gap` | metric, arm - arm; `is=` | the same without p |
| `slowdown` | arm / arm; `level=` | how many times as many epochs to a training accuracy |
| `at` | metric, arm; `x=` | mean of a measurement at its own x, which must be a recorded one |
| `growth` | metric, arm; `from=`, `to=` | its value at one x over that at another |
| `growth_each` | metric, arm; `from=`, `to=` | the same for one step of x |
| `power` | metric, arm; `from=`, `to=` | k where it goes as x^k between two places |
| `last_finite` | metric, arm | the largest x at which the value is finite on every seed |
| `rate` | arm / arm | ratio of the learning rates that were chosen |
| `trained`, `diverged` | arm | in how many runs |
| `same_weights` | arm - arm | in how many seeds the weights agree to the bit |
| `twins` | arm | which arms end with its weights, to the bit, on every seed |
| `graphs` | arms | how many different graphs they are |
| `failures` | nothing | how many runs failed where others of their arm trained |
| `grid` | nothing | how many arms took a learning rate at an end of their grid |
| `device` | nothing | the accelerator that trained it, else "a processor" |
| `runs_needed` | nothing; `difference=`, `deviation=` | runs an arm that find it in four cases of five |

A sentence round a hole says more than the number: "not six times", "was not detected". So that it cannot become
untrue unnoticed, a hole says what it counts on, and what is published otherwise is an error: `below=` and `above=` of
a bare number, `is=higher|lower|equal|bits|undetected` of a difference. A bare number that is not finite is an error, too.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.experiments.design.experiment import Experiment, label_of, select
from zoo.experiments.publishing.differences import (
    EQUAL,
    EQUAL_TO_THE_BIT,
    HIGHER,
    LOWER,
    NO_DIFFERENCE,
    Difference,
)
from zoo.experiments.publishing.metrics import POINTS
from zoo.experiments.publishing.numbers import Numbers, difference_text, interval_text, number
from zoo.experiments.publishing.power import runs_needed

_BRACKETS = re.compile(r'\(((?:[^()"]|"[^"]*")*)\)')
_PIECE = r'(?:"[^"]*"|[^,|()"=]+)'
_FACTOR = re.compile(rf"\s*([^=,()\"]+?)\s*=\s*({_PIECE}(?:\|{_PIECE})*)\s*(?:,|$)")


@dataclass(frozen=True)
class Question:
    """A hole, read.

    Attributes:
        ask: What is asked; one of the table above.
        metric: Of what; empty where an ask needs none.
        arms: The arms, each as factors.
        sign: What stands between two arms, `-` or `/`; empty where there are not two.
        options: What else is said.
    """

    ask: str
    metric: str
    arms: tuple[Mapping[str, Any], ...]
    sign: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def parse(text: str) -> Question:
    """Read a hole.

    Raises:
        ValueError: It is not one; says what was expected.

    Example:
        >>> from zoo.experiments.publishing.quotes import parse
        >>> parse('at variance (ordering=original|"a, b") x=3').arms
        ({'ordering': ('original', 'a, b')},)
    """
    arms = tuple(_factors(found, text) for found in _BRACKETS.findall(text))
    words = _BRACKETS.sub(" () ", text).split()
    options = dict(word.split("=", 1) for word in words if "=" in word)
    words = [word for word in words if "=" not in word]
    first = words.index("()") if "()" in words else len(words)
    head, tail = words[:first], words[first:]
    if not head or head[0] not in ASKS:
        raise ValueError(f"cannot read {text!r}: expected it to begin with one of {', '.join(ASKS)}")
    ask = ASKS[head[0]]
    if len(head) != 1 + ask.has_metric:
        expected = "a metric" if ask.has_metric else "no metric"
        raise ValueError(f"cannot read {text!r}: {head[0]!r} takes {expected} before the arms")
    shape = " ".join(tail)
    if shape != ask.shape:
        raise ValueError(
            f"cannot read {text!r}: after {' '.join(head)!r} expected {ask.shape or 'no arm'!r}, where () are the "
            f"factors of an arm; received {shape!r}"
        )
    must, may = set(ask.needs), {*ask.needs, *ask.takes}
    if not must <= set(options) <= may:
        raise ValueError(
            f"cannot read {text!r}: {head[0]!r} needs {sorted(must) or 'no option'} and takes {sorted(may) or 'none'}; "
            f"received {sorted(options)}"
        )
    return Question(head[0], head[1] if ask.has_metric else "", arms, shape.strip("() "), options)


def _factors(text: str, whole: str) -> dict[str, Any]:
    """`a=1, b=x|"y, z"` as a dict, a tuple where there are alternatives."""
    factors: dict[str, Any] = {}
    rest = text
    while rest.strip():
        found = _FACTOR.match(rest)
        if not found:
            raise ValueError(
                f"cannot read {whole!r}: expected FACTOR=VALUE, FACTOR=VALUE in brackets, a value with a comma or a "
                f"bracket in quotes; received ({text})"
            )
        values = tuple(piece.strip().strip('"') for piece in re.findall(_PIECE, found[2]))
        factors[found[1]] = values[0] if len(values) == 1 else values
        rest = rest[found.end() :]
    return factors


def quote(experiment: Experiment, numbers: Numbers | None, text: str) -> str:
    """What a hole is filled with.

    Args:
        experiment: Whose arms are asked for.
        numbers: What is published of it; `None` where nothing is: then the hole is read and its arms are looked up,
            so that a mistake shows, and the answer is "not measured yet".
        text: The hole.

    Raises:
        ValueError: It cannot be read, there is no such arm, or it asks for a difference that is no comparison of the
            experiment.
        KeyError: Nothing is published under these names.
    """
    question = parse(text)
    ask = ASKS[question.ask]
    if ask.several:
        chosen = [[arm.label for arm in select(experiment.arms, factors)] for factors in question.arms]
    else:
        chosen = [[label_of(experiment.arms, **factors)] for factors in question.arms]
    if ask.tested:
        _refuse_unplanned(experiment, (chosen[0][0], chosen[1][0], question.metric), text)
    if numbers is None:
        return NOT_YET
    if ask.several and question.metric:
        chosen = [[arm for arm in arms if numbers.has(arm, question.metric)] for arms in chosen]
        if not all(chosen):
            raise KeyError(f"{experiment.name} publishes no {question.metric!r} of the arms in {text!r}")
    arms = [arms if ask.several else arms[0] for arms in chosen]
    return ask.answer(numbers, question, *arms)


def _refuse_unplanned(experiment: Experiment, asked: tuple[str, str, str], text: str) -> None:
    """A pair that was not planned would enlarge the family, and one difference would have two adjusted p."""
    first, second, metric = asked
    planned = {(frozenset((one.first, one.second)), one.metric) for one in experiment.comparisons}
    if (frozenset((first, second)), metric) not in planned:
        raise ValueError(
            f"{text!r} is no planned comparison: {experiment.name} compares no {metric} of {first!r} and {second!r}. "
            "Quote the two means, or plan the comparison before there are data"
        )


def filled(experiment: Experiment, numbers: Numbers | None, text: str) -> str:
    """A text with all its holes, in braces, filled.

    Args:
        experiment: As in `quote`.
        numbers: As in `quote`.
        text: With holes such as `{mean test_accuracy (activation=relu)}`.
    """
    return re.sub(r"\{([^{}]+)\}", lambda hole: quote(experiment, numbers, hole[1]), text)


NOT_YET = "not measured yet"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What can be asked.

    Attributes:
        answer: From numbers, question and arms to words.
        shape: The arms, `()` each, with the sign between them.
        has_metric: Whether a metric stands before the arms.
        several: Whether brackets stand for all arms that have these factors.
        tested: Whether it is a difference with an interval, which must be a comparison of the experiment.
        needs: Options that must be given.
        takes: Options that may be.
    """

    answer: Callable[..., str]
    shape: str = "()"
    has_metric: bool = True
    several: bool = False
    tested: bool = False
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


def _digits(question: Question) -> int:
    return int(question.options.get("digits", 3))


def _first(question: Question) -> bool:
    return question.options.get("first") == "yes"


def _mean(n: Numbers, q: Question, arm: str) -> str:
    return n.mean_text(arm, q.metric, first=_first(q), digits=_digits(q))


def _bare(q: Question, value: float) -> str:
    """A number with nothing round it, if it is one, and is where the text counts on it."""
    if not math.isfinite(value):
        raise ValueError(
            f"{q.ask} of {q.metric or 'this'} comes to {value}, which is no number to print: a run has none, so ask for "
            "something that every run has, or say in words what became of it"
        )
    below, above = (float(q.options.get(name, math.nan)) for name in ("below", "above"))
    if value >= below or value <= above:
        raise ValueError(
            f"the text counts on {q.ask} being {' and '.join(f'{k} {q.options[k]}' for k in _BOUNDS if k in q.options)}, "
            f"and {value:g} is published: write the sentence again"
        )
    return number(value, digits=_digits(q))


def _value(n: Numbers, q: Question, arm: str) -> str:
    if q.metric in POINTS:
        return _percent(n, q, arm)
    return _bare(q, n.summary(arm, q.metric, first=_first(q)).mean)


def _percent(n: Numbers, q: Question, arm: str) -> str:
    return f"{_bare(q, 100 * n.summary(arm, q.metric, first=_first(q)).mean)} %"


def _largest(n: Numbers, q: Question, arms: list[str]) -> str:
    values = [value for arm in arms for value in n.values(arm, q.metric).values()]
    # What `max` makes of NaN depends on the order.
    return _bare(q, max(values) if all(map(math.isfinite, values)) else math.nan)


def _range(n: Numbers, q: Question, arms: list[str]) -> str:
    means = {arm: n.summary(arm, q.metric).mean for arm in arms}
    low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    return f"from {n.mean_text(low, q.metric)} ({low}) to {n.mean_text(high, q.metric)} ({high})"


def _count(n: Numbers, q: Question, arms: list[str]) -> str:
    wanted = float(q.options["is"])
    return f"{sum(set(n.values(arm, q.metric).values()) == {wanted} for arm in arms)} of {len(arms)}"


def _difference(n: Numbers, q: Question, first: str, second: str) -> str:
    about = n.difference(first, second, q.metric)
    return _judged(q, about, difference_text(about))


def _gap(n: Numbers, q: Question, first: str, second: str) -> str:
    about = n.difference(first, second, q.metric)
    if not about.n:
        return _judged(q, about, difference_text(about))
    text = interval_text(about.mean, about.low, about.high, q.metric, signed=True)
    return _judged(q, about, ", ".join(filter(None, (text, about.failures))))


def _judged(q: Question, about: Difference, text: str) -> str:
    """A difference with what it comes to; without it where the text says so itself, and then it must be so."""
    if "is" not in q.options:
        return f"{text} ({about.well})"
    if q.options["is"] not in _WORDS:
        raise ValueError(f"is= must be one of {', '.join(_WORDS)}; received {q.options['is']!r}")
    wanted = _WORDS[q.options["is"]]
    if wanted not in {about.words, about.well, *about.signs}:
        raise ValueError(
            f"the text counts on a difference that is {wanted!r}, and {text} ({about.well}) is published: write the "
            "sentence again"
        )
    return text


def _slowdown(n: Numbers, q: Question, slow: str, fast: str) -> str:
    ratios = list(n.slowdown(slow, fast, float(q.options["level"])).values())
    return _bare(q, sum(ratios) / len(ratios))


def _at(n: Numbers, q: Question, arm: str) -> str:
    return _bare(q, n.at(arm, q.metric, float(q.options["x"])))


def _growth_between(n: Numbers, q: Question, arm: str) -> tuple[float, float, float]:
    """Where from, where to, and how many times as large the metric is there; a root or a logarithm of it can be taken."""
    begin, end = (float(q.options[name]) for name in ("from", "to"))
    before, after = (n.at(arm, q.metric, x) for x in (begin, end))
    growth = after / before if before else math.nan
    if begin == end or not (math.isfinite(growth) and growth > 0):
        raise ValueError(
            f"{q.ask} needs two places, with finite values of one sign; received {q.metric} {before:g} at {begin:g} and "
            f"{after:g} at {end:g}"
        )
    return begin, end, growth


def _growth(n: Numbers, q: Question, arm: str) -> str:
    return _bare(q, _growth_between(n, q, arm)[2])


def _growth_each(n: Numbers, q: Question, arm: str) -> str:
    begin, end, growth = _growth_between(n, q, arm)
    return _bare(q, growth ** (1 / abs(end - begin)))


def _power(n: Numbers, q: Question, arm: str) -> str:
    begin, end, growth = _growth_between(n, q, arm)
    if begin <= 0 or end <= 0:
        raise ValueError(f"power needs places above zero; received from={begin:g} to={end:g}")
    return _bare(q, math.log(growth) / math.log(end / begin))


def _last_finite(n: Numbers, q: Question, arm: str) -> str:
    finite = [
        {x for x, value in points if math.isfinite(value)} for points in n.series(arm, q.metric).values()
    ]
    return _bare(q, max(set.intersection(*finite), default=math.nan))


def _rate(n: Numbers, q: Question, first: str, second: str) -> str:
    return _bare(q, n.rate(first) / n.rate(second))


def _trained(n: Numbers, q: Question, arm: str) -> str:
    good, runs = n.trained(arm)
    return f"{good} of {runs}"


def _diverged(n: Numbers, q: Question, arm: str) -> str:
    return f"{n.diverged(arm)} of {n.trained(arm)[1]}"


def _weights(n: Numbers, arm: str) -> dict[int, str]:
    return {run["seed"]: run["weights"] for run in n.published.arm(arm)["runs"]}


def _same_weights(n: Numbers, q: Question, first: str, second: str) -> str:
    one, other = _weights(n, first), _weights(n, second)
    return f"{sum(one[seed] == other.get(seed) for seed in one)} of {len(one)}"


def _twins(n: Numbers, q: Question, arm: str) -> str:
    trained = [about["label"] for about in n.published.about["arms"] if about["learning_rate"] is not None]
    alike = [one for one in trained if _weights(n, one) == _weights(n, arm)]
    return f"{len(alike)} of {len(trained)} ({'; '.join(alike)})"


def _graphs(n: Numbers, q: Question, arms: list[str]) -> str:
    return str(len({n.published.arm(arm)["graph"] for arm in arms}))


def _failures(n: Numbers, q: Question) -> str:
    """Runs that failed where others of their arm trained; where none of an arm trained, the arm itself is the reason."""
    mixed, runs = [], 0
    for arm in n.published.about["arms"]:
        good, all_runs = n.trained(arm["label"])
        if arm["learning_rate"] is not None and 0 < good < all_runs:
            mixed.append(f"{arm['label']}: {good} of {all_runs} trained")
            runs += all_runs - good
    if not mixed:
        return "no run"
    return f"{runs} run{'s' * (runs > 1)} of {len(mixed)} arm{'s' * (len(mixed) > 1)} ({'; '.join(mixed)})"


def _grid(n: Numbers, q: Question) -> str:
    tuned = [arm for arm in n.published.about["arms"] if arm["grid"]]
    rates = {arm["label"]: {run["rate"] for run in arm["grid"]} for arm in tuned}
    at_end = [
        arm for arm in tuned if arm["learning_rate"] in (min(rates[arm["label"]]), max(rates[arm["label"]]))
    ]
    return f"{len(at_end)} of {len(tuned)}"


def _device(n: Numbers, q: Question) -> str:
    device = n.published.about["environment"]["device"]
    return "a processor" if device == "cpu" else f"one {device}"


def _runs_needed(n: Numbers, q: Question) -> str:
    return str(runs_needed(float(q.options["difference"]), float(q.options["deviation"])))


_BOUNDS = ("below", "above")
_STATISTIC = ("digits", "first")
_BARE = ("digits", *_BOUNDS)
_WORDS = {
    "higher": HIGHER,
    "lower": LOWER,
    "equal": EQUAL,
    "bits": EQUAL_TO_THE_BIT,
    "undetected": NO_DIFFERENCE,
}
ASKS: dict[str, Ask] = {
    "mean": Ask(answer=_mean, takes=_STATISTIC),
    "value": Ask(answer=_value, takes=(*_STATISTIC, *_BOUNDS)),
    "percent": Ask(answer=_percent, takes=(*_STATISTIC, *_BOUNDS)),
    "largest": Ask(answer=_largest, several=True, takes=_BARE),
    "range": Ask(answer=_range, several=True),
    "count": Ask(answer=_count, several=True, needs=("is",)),
    "difference": Ask(answer=_difference, shape="() - ()", tested=True, takes=("is",)),
    "gap": Ask(answer=_gap, shape="() - ()", tested=True, takes=("is",)),
    "slowdown": Ask(answer=_slowdown, shape="() / ()", has_metric=False, needs=("level",), takes=_BARE),
    "at": Ask(answer=_at, needs=("x",), takes=_BARE),
    "growth": Ask(answer=_growth, needs=("from", "to"), takes=_BARE),
    "growth_each": Ask(answer=_growth_each, needs=("from", "to"), takes=_BARE),
    "power": Ask(answer=_power, needs=("from", "to"), takes=_BARE),
    "last_finite": Ask(answer=_last_finite),
    "rate": Ask(answer=_rate, shape="() / ()", has_metric=False, takes=_BARE),
    "trained": Ask(answer=_trained, has_metric=False),
    "diverged": Ask(answer=_diverged, has_metric=False),
    "same_weights": Ask(answer=_same_weights, shape="() - ()", has_metric=False),
    "twins": Ask(answer=_twins, has_metric=False),
    "graphs": Ask(answer=_graphs, has_metric=False, several=True),
    "failures": Ask(answer=_failures, shape="", has_metric=False),
    "grid": Ask(answer=_grid, shape="", has_metric=False),
    "device": Ask(answer=_device, shape="", has_metric=False),
    "runs_needed": Ask(answer=_runs_needed, shape="", has_metric=False, needs=("difference", "deviation")),
}
