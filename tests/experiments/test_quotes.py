"""Holes in a text: what may be asked, what is answered, and that nothing wrong is filled."""

import math

import pytest

from tests.experiments import toys
from zoo.experiments.design.experiment import Comparison
from zoo.experiments.publishing.numbers import Numbers
from zoo.experiments.publishing.publication import Observation, Published
from zoo.experiments.publishing.quotes import ASKS, NOT_YET, filled, parse, quote

EXPERIMENT = toys.experiment(
    arms=(
        toys.arm("a 1", factors={"kind": "a", "width": 1}),
        toys.arm("a 2", factors={"kind": "a", "width": 2}),
        toys.arm("b 1", factors={"kind": "b, bias (0)", "width": 1}),
    ),
    comparisons=tuple(
        Comparison(first="a 1", second="a 2", metric=metric) for metric in ("test_accuracy", "speed")
    ),
)


def numbers():
    values = {"a 1": (0.8, 0.9), "a 2": (0.6, 0.7), "b 1": (0.8, 0.9)}
    rows = [
        Observation(arm, seed, "test_accuracy", 1.0, value)
        for arm, both in values.items()
        for seed, value in enumerate(both)
    ]
    rows += [Observation("a 1", seed, "size", float(x), 3.0 * x**2) for seed in (0, 1) for x in (1, 2, 10)]
    rows += [Observation("a 1", seed, "train_accuracy", float(x), 0.4 * x) for seed in (0, 1) for x in (1, 2)]
    rows += [Observation("a 2", seed, "train_accuracy", float(x), 0.2 * x) for seed in (0, 1) for x in (2, 4)]
    arms = [
        {
            "label": arm,
            "learning_rate": rate,
            "grid": [{"rate": 0.1}, {"rate": 0.2}, {"rate": 0.4}],
            "graph": graph,
            "runs": [
                {"seed": seed, "status": "done", "weights": weights + str(seed), "outcome": outcome}
                for seed, outcome in enumerate(outcomes)
            ],
        }
        for arm, rate, graph, weights, outcomes in (
            ("a 1", 0.1, "g", "w", ("trained", "trained")),
            ("a 2", 0.2, "h", "v", ("trained", "trained")),
            ("b 1", 0.4, "g", "w", ("trained", "diverged")),
        )
    ]
    arms[2]["runs"][1]["status"] = "diverged"
    return Numbers(
        Published(
            name="toy", about={"arms": arms, "environment": {"device": "NVIDIA H200"}}, rows=tuple(rows)
        )
    )


A1, A2, B1 = "(kind=a, width=1)", "(kind=a, width=2)", '(kind="b, bias (0)")'


@pytest.mark.parametrize(
    "question, answer",
    [
        (f"value test_accuracy {A1}", "85 %"),
        (f"percent size {A1} first=yes", "300 %"),
        (f"value size {A1} digits=1 above=200 below=400", "300"),
        (f"largest size {A1}", "300"),
        ("count test_accuracy (kind=a) is=0.5", "0 of 2"),
        (f"at size {A1} x=2", "12"),
        (f"growth size {A1} from=1 to=10", "100"),
        (f"growth_each size {A1} from=1 to=2", "4"),
        (f"power size {A1} from=1 to=10", "2"),
        (f"last_finite size {A1}", "10"),
        (f"rate {A2} / {A1}", "2"),
        (f"trained {B1}", "1 of 2"),
        (f"diverged {B1}", "1 of 2"),
        (f"same_weights {A1} - {B1}", "2 of 2"),
        (f"same_weights {A1} - {A2}", "0 of 2"),
        (f"twins {A1}", "2 of 3 (a 1; b 1)"),
        ("graphs (width=1|2)", "2"),
        ("graphs (width=1)", "1"),
        ("failures", "1 run of 1 arm (b 1: 1 of 2 trained)"),
        ("grid", "2 of 3"),
        ("device", "one NVIDIA H200"),
        ("runs_needed difference=0.24 deviation=0.16", "9"),
    ],
)
def test_answers(question, answer):
    assert quote(EXPERIMENT, numbers(), question) == answer


def published_as(values, metric="size", *, arm="a 1"):
    """Only this metric of one arm: {seed: [(x, value), ...]}."""
    rows = [Observation(arm, seed, metric, float(x), y) for seed, points in values.items() for x, y in points]
    return Numbers(Published(name="toy", about=numbers().published.about, rows=tuple(rows)))


@pytest.mark.parametrize(
    "question",
    [
        f"at size {A1} x=9",
        f"growth size {A1} from=9 to=10",
        f"growth_each size {A1} from=1 to=9",
        f"power size {A1} from=1 to=9",
    ],
)
def test_a_place_that_was_not_recorded_is_refused(question):
    """The nearest one would be told under the name of another, and roots and powers take the distance that was asked for."""
    with pytest.raises(
        ValueError, match=r"seed 0, at x = 9; the nearest that are recorded are 2 and 10: ask"
    ):
        quote(EXPERIMENT, numbers(), question)


def test_a_place_must_be_recorded_on_every_seed():
    with pytest.raises(ValueError, match="seed 1, at x = 2; the nearest that are recorded are 1 and 3"):
        quote(
            EXPERIMENT, published_as({0: [(1, 1), (2, 1)], 1: [(1, 1), (3, 1), (9, 1)]}), f"at size {A1} x=2"
        )


def test_a_place_is_found_as_it_is_published():
    """Six digits of a third."""
    assert published_as({0: [(0.333333, 7.0)]}).at("a 1", "size", 1 / 3) == 7


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "question",
    [
        f"at size {A1} x=2 below=12",
        f"at size {A1} x=2 above=12",
        f"at size {A1} x=2",
        f"value size {A1} first=yes",
        f"largest size {A1}",
        f"growth size {A1} from=1 to=2",
        f"growth_each size {A1} from=1 to=2",
        f"power size {A1} from=1 to=2",
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_what_is_not_finite_is_refused_whatever_the_order_of_the_seeds(question, value, seed):
    first = 5.0 if "first" not in question else value
    values = {one: [(1, 5.0), (2, 5.0)] for one in (0, 1)} | {seed: [(1, first), (2, value)]}
    with pytest.raises(ValueError, match=r"no number to print|finite values of one sign"):
        quote(EXPERIMENT, published_as(values), question)


def test_a_slowdown_against_an_arm_that_never_gets_there_is_refused():
    for slow, fast in ((A1, A2), (A2, A1)):
        with pytest.raises(ValueError, match="no number to print"):
            quote(EXPERIMENT, numbers(), f"slowdown {slow} / {fast} level=0.81 below=1")


@pytest.mark.parametrize(
    "question, said",
    [
        (f"growth size {A1} from=1 to=2", "received size -2 at 1 and 3 at 2"),
        (f"growth_each size {A1} from=1 to=2", "received size -2 at 1 and 3 at 2"),
        (f"power size {A1} from=3 to=2", "received size 0 at 3 and 3 at 2"),
        (f"power size {A1} from=2 to=2", "two places.* 3 at 2 and 3 at 2"),
        (f"power size {A1} from=0 to=2", "places above zero; received from=0 to=2"),
    ],
)
def test_a_growth_has_two_places_and_one_sign(question, said):
    values = published_as({0: [(0, 1.0), (1, -2.0), (2, 3.0), (3, 0.0)]})
    with pytest.raises(ValueError, match=said):
        quote(EXPERIMENT, values, question)


def test_the_last_finite_place_is_that_of_all_seeds():
    short, long = [(1, 1.0), (2, math.nan)], [(1, 1.0), (2, 1.0)]
    for seeds in ((short, long), (long, short)):
        values = published_as(dict(enumerate(seeds)))
        assert quote(EXPERIMENT, values, f"last_finite size {A1}") == "1"
    with pytest.raises(ValueError, match="no number to print"):
        quote(EXPERIMENT, published_as({0: [(1, math.nan)]}), f"last_finite size {A1}")


def test_a_slowdown_is_a_ratio_of_epochs():
    # From 0.1 at the start, by straight lines: two thirds of an epoch, and twice that.
    assert quote(EXPERIMENT, numbers(), f"slowdown {A2} / {A1} level=0.3") == "2"


def test_every_ask_is_listed_and_every_listed_one_can_be_asked():
    from zoo.experiments.publishing import quotes

    listed = [
        name.strip("` ")
        for line in quotes.__doc__.splitlines()
        if line.startswith("| `")
        for name in line.split("|")[1].split(",")
    ]
    assert sorted(listed) == sorted(ASKS)


def test_a_difference_says_what_it_comes_to():
    asked = f"difference test_accuracy {A1} - {A2}"
    assert quote(EXPERIMENT, numbers(), asked).endswith("(higher)")
    said = quote(EXPERIMENT, numbers(), asked.replace("difference", "gap") + " is=higher")
    assert said == "+20 points"


@pytest.mark.parametrize("published", [numbers(), None], ids=["published", "not yet"])
@pytest.mark.parametrize(
    "asked",
    [
        f"gap test_accuracy {A1} - {B1}",
        f"difference test_accuracy {B1} - {A2}",
        f"gap train_accuracy {A1} - {A2}",
    ],
)
def test_a_difference_that_was_not_planned_is_refused_before_it_is_computed(asked, published):
    """Else the family of tests would be larger than the plan says, and the adjusted p of all others too small."""
    with pytest.raises(ValueError, match=r"no planned comparison.*Quote the two means"):
        quote(EXPERIMENT, published, asked)


def test_a_planned_difference_may_be_asked_for_the_other_way_round():
    assert (
        quote(EXPERIMENT, numbers(), f"gap test_accuracy {A2} - {A1} is=lower") == "\N{MINUS SIGN}20 points"
    )


@pytest.mark.parametrize(
    "question, said",
    [
        (f"gap test_accuracy {A1} - {A2} is=lower", "counts on a difference that is 'lower'"),
        (
            f"gap test_accuracy {A1} - {A2} is=undetected",
            "counts on a difference that is 'no difference detected'",
        ),
        (f"gap test_accuracy {A1} - {A2} is=better", "is= must be one of higher, lower"),
        (f"at size {A1} x=2 below=12", "the text counts on at being below 12, and 12 is published"),
        (f"at size {A1} x=2 above=12", "the text counts on at being above 12, and 12 is published"),
        (f"value test_accuracy {A1} above=90", "counts on value being above 90, and 85"),
    ],
)
def test_what_a_sentence_counts_on_is_checked(question, said):
    with pytest.raises(ValueError, match=said):
        quote(EXPERIMENT, numbers(), question)


@pytest.mark.parametrize(
    "question, said",
    [
        ("", "expected it to begin with one of mean"),
        ("avarage test_accuracy (kind=a)", "expected it to begin with one of mean"),
        ("mean (kind=a)", "takes a metric before the arms"),
        ("trained test_accuracy (kind=a)", "takes no metric"),
        ("mean test_accuracy", "expected '\\(\\)'"),
        (f"mean test_accuracy {A1} - {A2}", "received '\\(\\) - \\(\\)'"),
        (f"difference test_accuracy {A1} {A2}", "expected '\\(\\) - \\(\\)'"),
        (f"at size {A1}", "needs \\['x'\\]"),
        (f"mean size {A1} digit=3", "takes \\['digits', 'first'\\]; received \\['digit'\\]"),
        ("mean size (kind)", "expected FACTOR=VALUE"),
        ("mean size (kind=b, bias)", "expected FACTOR=VALUE"),
        ("mean size (knd=a)", "no arm has the factor 'knd'"),
        ("mean size (kind=c)", "no arm has kind=c; there are"),
        ("mean size (kind=a)", "expected one arm with .* there are"),
    ],
)
@pytest.mark.parametrize("published", [True, False])
def test_what_cannot_be_read_is_refused_whether_or_not_there_are_data(question, said, published):
    with pytest.raises(ValueError, match=said):
        quote(EXPERIMENT, numbers() if published else None, question)


@pytest.mark.parametrize(
    "question",
    [
        f"mean speed {A1}",
        "largest speed (kind=a)",
        f"gap speed {A1} - {A2}",
        f"at speed {A1} x=1",
        f"last_finite speed {A1}",
    ],
)
def test_a_metric_that_nobody_measured_is_refused(question):
    with pytest.raises(KeyError, match="publishes no 'speed'"):
        quote(EXPERIMENT, numbers(), question)


def test_where_nothing_is_published_it_says_so():
    assert quote(EXPERIMENT, None, f"mean test_accuracy {A1}") == NOT_YET
    assert filled(EXPERIMENT, None, f"here {{mean test_accuracy {A1}}}.") == f"here {NOT_YET}."


def test_a_text_is_filled_hole_by_hole():
    text = f"from {{at size {A1} x=1}} to {{at size {A1} x=10}}"
    assert filled(EXPERIMENT, numbers(), text) == "from 3 to 300"


def test_alternatives_and_quotes_are_read():
    assert parse('graphs (kind=a|"b, bias (0)", width=1)').arms == (
        {"kind": ("a", "b, bias (0)"), "width": "1"},
    )
