"""What single pages say, held against the published data: if the data change, the answer has to."""

import csv
import math
import re

import pytest
from claimed import DATA, ROOT, RULES

from zoo.experiments.claims.page import numbers_of
from zoo.experiments.claims.rules import FAILS, IN_PART, NO_DIFFERENCE, Slower, judge
from zoo.experiments.publishing import power, publication
from zoo.experiments.publishing.numbers import Numbers
from zoo.studies import STUDIES
from zoo.studies.ordering import TABLE_2


def verdict(sentence):
    """What the published data say of a claim, on small images."""
    ((name, rule),) = [(name, rule) for name, claim, rule in RULES if claim.sentence == sentence]
    return judge(rule, numbers_of(STUDIES.lookup(name), DATA))


SENTENCE = (
    "The magnitude of the effect demonstrated here varies with network architecture, but networks with ReLUs "
    "consistently learn several times faster than equivalents with saturating neurons."
)


def test_the_paper_on_speed_is_quoted_whole():
    """Both halves, wherever it is quoted: the second is the one that is measured here and does not hold for tanh."""
    for path in (ROOT / "docs").rglob("*.md"):
        text = " ".join(path.read_text().split())
        assert text.count("magnitude of the effect") == text.count(SENTENCE), path
    assert SENTENCE in " ".join((ROOT / "docs/questions/which.md").read_text().split())
    assert SENTENCE in (ROOT / "docs/claims.md").read_text()


ANSWERS = {
    "questions/ordering": ("at any depth", "at 56 layers"),
    "questions/why": ("within a point", "Yes, between any two layers"),
    "questions/dead": ("or through weight decay", "Weight decay does not bring it back"),
    "questions/which": ("ahead by a point", "no activation"),
    "learn/choosing-a-placement": ("but the last one, behind", "the last one too"),
    "learn/the-algebra": ("cannot equal one on an interval", "degree two or more"),
    "learn/how-many-runs": ("7 seeds an arm", "non-central"),
    "try/depth-slider": ("one of them hardly trains", "geometric means"),
}


@pytest.mark.parametrize("page", ANSWERS)
def test_what_a_page_was_wrong_about_does_not_come_back(page):
    wrong, right = ANSWERS[page]
    text = " ".join((ROOT / "docs" / f"{page}.md").read_text().split())
    assert wrong not in text and right in text


def test_the_page_on_why_says_what_its_table_says():
    """No difference between all and the last alone at any depth; if the data change, the answer has to."""
    numbers = Numbers(publication.load("why", DATA))
    for layers in range(2, 7):
        assert numbers.difference(f"{layers} conv, all", f"{layers} conv, last").words == NO_DIFFERENCE
    assert [numbers.trained(f"{layers} conv, all") for layers in (5, 6)] == [(4, 5), (4, 5)]


def test_the_page_on_orderings_says_what_its_table_says():
    numbers = Numbers(publication.load("ordering", DATA))
    ahead = numbers.difference("full_pre_activation, 110 layers", "original, 110 layers")
    assert ahead.words == "higher" and round(100 * ahead.mean) == 4
    avoid = numbers.difference("full_pre_activation, 56 layers", "bn_after_addition, 56 layers")
    assert avoid.words == "higher" and avoid.mean > 0.2
    for ordering in ("original", "bn_after_addition", "relu_before_addition", "relu_only_pre_activation"):
        for depth in (20, 56):
            found = numbers.difference(f"full_pre_activation, {depth} layers", f"{ordering}, {depth} layers")
            assert (found.words == NO_DIFFERENCE) is ((ordering, depth) != ("bn_after_addition", 56))


def test_at_56_layers_every_run_falls_in_line():
    """The page on orderings says so: pre-activations above the original with each seed, the other two below it."""
    data = publication.load("ordering_56", DATA)
    ends = {
        arm["label"].split(",")[0]: data.last(arm["label"], "test_accuracy") for arm in data.about["arms"]
    }
    original = ends.pop("original")
    above = ("full_pre_activation", "relu_only_pre_activation")
    assert len(original) == 3
    for name, values in ends.items():
        assert all((values[seed] > original[seed]) is (name in above) for seed in original), name
    # Six and ten points on average, and no verdict on any single pair.
    mean = {name: sum(values.values()) / 3 for name, values in (*ends.items(), ("original", original))}
    behind = [
        round(100 * (mean["original"] - mean[name])) for name in ("relu_before_addition", "bn_after_addition")
    ]
    assert behind == [6, 10]
    numbers = Numbers(data)
    assert all(
        numbers.difference(f"{name}, 56 layers", "original, 56 layers").words == NO_DIFFERENCE
        for name in ends
    )
    curves = {}
    for row in data.rows:
        if row.metric == "test_accuracy":
            curves.setdefault(row.arm.split(",")[0], {}).setdefault(row.x, []).append(row.value)
    for name in ("relu_before_addition", "bn_after_addition"):
        for epoch in curves[name]:  # behind the other three from the first epoch on
            others = [sum(curves[other][epoch]) for other in ("original", *above)]
            assert sum(curves[name][epoch]) < min(others), (name, epoch)
    behind_both = [
        epoch
        for epoch in sorted(curves["original"])
        if sum(curves["original"][epoch]) < min(sum(curves[name][epoch]) for name in above)
    ]
    assert behind_both[-3:] == sorted(curves["original"])[-3:]


def test_who_leads_half_way_ends_last():
    """The page on orderings says so of 20 layers on photographs; two orderings end below every run of the others."""
    data = publication.load("ordering_20", DATA)
    curves = {}
    for row in data.rows:
        if row.metric == "test_accuracy" and row.x is not None:
            curves.setdefault(row.arm.split(",")[0], {}).setdefault(row.x, []).append(row.value)
    ends = {name: curve[max(curve)] for name, curve in curves.items()}
    half = {name: sum(curve[sorted(curve)[len(curve) // 2 - 1]]) for name, curve in curves.items()}
    assert max(half, key=half.__getitem__) == "bn_after_addition"
    assert min(ends, key=lambda name: sum(ends[name])) == "bn_after_addition"
    behind = ("bn_after_addition", "relu_before_addition")
    best = max(max(ends[name]) for name in behind)
    assert all(min(values) > best for name, values in ends.items() if name not in behind)


def test_no_linear_model_is_bound_to_chance_in_accuracy_only_in_cross_entropy():
    page = " ".join((ROOT / "docs/questions/why.md").read_text().split())
    page = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", page)  # words, without where they link to
    assert "gets above chance on both" not in page
    assert "no linear model has a lower cross-entropy than a model that ignores the image" in page


def test_six_times_is_asked_of_tanh_alone():
    six = [rule for _, _, rule in RULES if isinstance(rule, Slower) and rule.times == 6]
    assert six and all(rule.slow.startswith("tanh") for rule in six)


def test_near_zero_is_judged_function_by_function():
    near = verdict("Activations keep values near zero.")
    assert near.verdict == IN_PART and near.summary.endswith("pass: selu, tanh, softsign")
    gaussian = verdict("Activations keep values roughly Gaussian.")
    assert gaussian.verdict == FAILS


def test_the_hidden_winner_of_which_is_named():
    """Without any activation the net of `which` is the fastest: answer, reading and ledger have to say so."""
    published = Numbers(publication.load("which", DATA))
    ratios = published.slowdown("none, no BN", "relu, no BN", 0.8).values()
    assert max(ratios) < 1
    slower = "Without any activation but max-pooling a net trains slower than with ReLU (no BN)."
    assert verdict(slower).verdict == FAILS
    page = (ROOT / "docs/questions/which.md").read_text()
    assert "fastest of all is no activation" in page
    answer = page.split("## The picture")[0]
    assert "no activation" in answer and "max-pooling" in answer


def test_the_tables_of_power_are_computed():
    for name, text in (("power", power.table()), ("power_resnet110", power.famous())):
        assert (ROOT / "docs" / "snippets" / f"{name}.md").read_text() == text


def test_the_famous_step_is_that_of_the_reported_table():
    first, last = (float(TABLE_2.cell(row, "ResNet-110")) for row in ("original", "full_pre_activation"))
    assert power.FAMOUS_STEP == pytest.approx(first - last)


def test_what_follows_from_the_growth_per_layer_on_the_page_on_depth():
    """The growth itself is filled in from these data; what it comes to over 20 and 110 layers is said in words."""
    gradients = Numbers(publication.load("signal", DATA)).series("plain, BN", "gradient_norm").values()
    per_layer = [points[0][1] ** (1 / (points[-1][0] - points[0][0])) for points in gradients]
    page = " ".join((ROOT / "docs/questions/depth.md").read_text().split())
    assert "That makes about 20 over 20 layers and more than ten million over 110." in page
    assert all(18 < growth**20 < 26 and growth**110 > 1e7 for growth in per_layer)


def test_the_growth_per_place_that_the_ledger_tells_is_that_of_the_places_it_names():
    """Recomputed from the rows: a root or a logarithm takes the distance between the places whose values are told."""
    rows = list(csv.DictReader((DATA / "signal.csv").read_text().splitlines()))

    def mean(arm, metric, x):
        values = [
            float(row["value"])
            for row in rows
            if (row["arm"], row["metric"], float(row["x"])) == (arm, metric, x)
        ]
        assert len(values) == 3
        return sum(values) / 3

    ledger = (ROOT / "docs/claims.md").read_text().replace("\\", "").replace("−", "-")
    each = (mean("plain, no BN, Glorot", "variance", 20) / mean("plain, no BN, Glorot", "variance", 1)) ** (
        1 / 19
    )
    assert f"{each:.3g}" == "0.406"
    assert f"variance of layer 20 over layer 1: 3.7e-08, a factor of {each:.3g} a layer" in ledger
    told = []
    for arm in ("original", "relu_only_pre_activation", "full_pre_activation"):
        before, after = (mean(arm, "gradient_norm", x) for x in (32, 333))
        told.append(f"{arm} as l^{math.log(after / before) / math.log(333 / 32):.3g}")
    assert f"from unit 32 to 333: {'; '.join(told)} |" in ledger
