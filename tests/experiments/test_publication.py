import csv
import dataclasses
import json
import math
from types import SimpleNamespace

import pytest
from scipy import stats

from tests.experiments import toys
from zoo.experiments.design.experiment import Comparison, Curves, Dataset, Recipe, Table
from zoo.experiments.publishing import publication
from zoo.experiments.publishing.again import publish_again
from zoo.experiments.publishing.publication import PublicationError, describe_data, load, published_number
from zoo.experiments.running.environment import DEFAULT_BACKEND
from zoo.studies import STUDIES

EXPERIMENT = toys.experiment(
    arms=(
        toys.arm("small", options={"width": 6}),
        toys.arm("same", options={"width": 6}),
        toys.arm("large", options={"width": 12}),
        toys.arm("diverging", model=f"{toys.HERE}:exploding"),
    ),
    recipe=Recipe(learning_rates=(0.1, 0.001), epochs=3, batch=50),
    hooks=(toys.hook("weight_norm"),),
    comparisons=(
        Comparison(first="small", second="same"),
        Comparison(first="small", second="same", metric="weights_sha256"),
        Comparison(first="small", second="large", metric="weights_sha256"),
        Comparison(first="small", second="diverging", metric="test_loss"),
    ),
    figures=(Curves(), Table(name="proof", metrics=("weights_sha256", "weight_norm"))),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    toys.published(folder, EXPERIMENT)
    return folder


def test_rows_are_tidy(folder):
    with (folder / "toy.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["arm", "seed", "metric", "x", "value"]
    accuracies = [row for row in rows if row["arm"] == "small" and row["metric"] == "test_accuracy"]
    assert [(row["seed"], row["x"]) for row in accuracies] == [(s, x) for s in "01" for x in "123"]
    assert {row["x"] for row in rows if row["arm"] == "small" and row["metric"] == "layer_norm"} == set(
        "0123456"
    )


def test_the_grid_is_published_and_the_rate_chosen_from_it(folder):
    published = load("toy", folder)
    about = {arm["label"]: arm for arm in published.about["arms"]}
    assert about["small"]["learning_rate"] == 0.1
    assert [(run["rate"], run["seed"]) for run in about["small"]["grid"]] == [(0.1, 1000), (0.001, 1000)]
    grid = [row for row in published.rows if row.metric == "tuning_train_loss" and row.arm == "small"]
    assert [(row.seed, row.x) for row in grid] == [(1000, 0.1), (1000, 0.001)]
    assert not any(row.seed == 1000 and row.metric != "tuning_train_loss" for row in published.rows)


def test_divergence_is_kept_and_shown(folder):
    published = load("toy", folder)
    assert all(run["status"] == "diverged" for run in published.about["arms"][3]["runs"])
    assert all(not math.isfinite(value) for value in published.last("diverging", "train_loss").values())
    (row,) = [
        r for r in published.about["table"] if r["arm"] == "diverging" and r["metric"] == "test_accuracy"
    ]
    assert row["diverged"] == 2 and row["runs"] == 2
    assert row["trained"] == 0 and row["success_low"] == 0 and row["success_high"] < 0.9
    assert published.about["comparisons"][3]["verdict"] == (
        "too few runs trained to compare (trained: 2 of 2 against 0 of 2)"
    )
    assert {run["outcome"] for run in published.about["arms"][3]["runs"]} == {"diverged"}


def test_the_level_of_chance_is_published(folder):
    arm = load("toy", folder).about["arms"][0]
    assert arm["chance"] == {"classes": 10, "images": 100, "at_most": 0.2}
    assert [run["outcome"] for run in arm["runs"]] == ["trained", "trained"]


def test_comparisons_say_what_they_come_to(folder):
    same, bits, other, _ = load("toy", folder).about["comparisons"]
    assert (same["verdict"], same["difference"]) == ("equal to the bit", 0)
    assert bits["verdict"] == "equal to the bit in 2 of 2 seeds"
    assert other["verdict"] == "different in 2 of 2 seeds"
    proof = load("toy", folder).about["proof"]
    assert proof[0]["weights"] == proof[1]["weights"] != proof[2]["weights"]


def test_how_it_came_about_is_recorded(folder):
    about = json.loads((folder / "toy.json").read_text(), parse_constant=pytest.fail)
    assert about["command"] == "a test" and about["environment"]["threads"] == 1
    assert about["cost"].startswith("12 runs")  # `small` and `same` are the same runs
    for arm in about["arms"]:
        assert len(arm["graph"]) == len(arm["data"]) == 64
        assert len(arm["trace"]["losses"]) == 5
        assert [run["seed"] for run in arm["runs"]] == [0, 1]


def collected_on(*processors):
    """Three runs of an arm, one on each of these processors, as `conduct` would have collected them."""

    def run(seed, processor):
        result = {
            **dict.fromkeys(("graph", "data"), "hash"),
            **dict.fromkeys(("parameters", "layers", "steps", "finished"), 1),
            "environment": {"device": "cpu", "processor": processor},
            "cpu_seconds": 60.0,
            "status": "done",
            "diverged_at": None,
            "weights_sha256": str(seed),
            "trace": [float(seed)],
        }
        lines = [{"rows": [("test_accuracy", 1.0, 0.5)]}]
        return SimpleNamespace(id=f"run {seed}", label="a", seed=seed, rate=0.1, result=result, lines=lines)

    experiment = toys.experiment(arms=(toys.arm("a"),), seeds=tuple(range(len(processors))), figures=())
    runs = [run(*one) for one in enumerate(processors)]
    return SimpleNamespace(experiment=experiment, runs=runs, tuning=[], rates={"a": 0.1})


@pytest.mark.parametrize(
    "processors, counts, traced",
    [
        (("AMD", "Intel", "Intel"), [(2, "Intel"), (1, "AMD")], 1),
        (("Intel", "AMD", "Intel"), [(2, "Intel"), (1, "AMD")], 0),
        (("Intel", "AMD"), [(1, "AMD"), (1, "Intel")], 1),
        (("Intel", "Intel"), [(2, "Intel")], 0),
    ],
)
def test_the_environment_is_that_of_most_runs(tmp_path, processors, counts, traced):
    """Also the first losses come from there: they are compared to the bit with what is computed there again."""
    about = publication.publish(collected_on(*processors), command="a test", folder=tmp_path).about
    assert about["environment"] == {"device": "cpu", "processor": counts[0][1]}
    assert [(one["runs"], one["processor"]) for one in about["runs_of_environments"]] == counts
    assert about["environments"] == len(counts)
    assert about["arms"][0]["trace"] == {"seed": traced, "losses": [float(traced)]}
    assert [run["seed"] for run in about["arms"][0]["runs"]] == list(range(len(processors)))


def test_a_run_that_arms_share_is_counted_once(tmp_path):
    collected = collected_on("AMD", "Intel", "Intel")
    collected.runs[2].id = collected.runs[1].id
    collected.tuning = [
        SimpleNamespace(**vars(collected.runs[0]) | {"id": "tuned", "series": lambda _: [(1, 0.5)]})
    ]
    about = publication.publish(collected, command="a test", folder=tmp_path).about
    assert [(one["runs"], one["processor"]) for one in about["runs_of_environments"]] == [
        (2, "AMD"),
        (1, "Intel"),
    ]
    assert about["cost"].startswith("3 runs")


def test_publishing_again_changes_nothing(folder):
    before = [(folder / name).read_bytes() for name in ("toy.csv", "toy.json")]
    toys.published(folder, EXPERIMENT)
    assert before == [(folder / name).read_bytes() for name in ("toy.csv", "toy.json")]


def test_intervals_and_p_of_a_comparison_are_those_of_its_rows(tmp_path):
    """Made-up rows through the same door: t interval, Holm over both comparisons, the failed run left out."""
    seeds = range(5)
    values = {
        "small": [0.81, 0.83, 0.82, 0.84, 0.80],
        "same": [0.71, 0.74, 0.10, 0.75, 0.70],
        "large": [0.8, 0.84, 0.81, 0.85, 0.79],
        "diverging": [0.1] * 5,
    }
    experiment = dataclasses.replace(
        EXPERIMENT,
        seeds=tuple(seeds),
        comparisons=(Comparison(first="small", second="same"), Comparison(first="small", second="large")),
        figures=(),
    )
    rows = [
        publication.Observation(arm, seed, "test_accuracy", 3.0, value)
        for arm, column in values.items()
        for seed, value in zip(seeds, column, strict=True)
    ]
    facts = {
        **dict.fromkeys(("command", "cost", "wall_time", "published"), ""),
        "cpu_minutes": 1.0,
        "environment": {},
        "environments": 1,
        "arms": [
            {
                "label": arm,
                "runs": [
                    {"seed": seed, "status": "diverged" if arm == "diverging" else "done", "weights": arm}
                    for seed in seeds
                ],
            }
            for arm in values
        ],
    }
    about = publication.write(experiment, rows, facts, tmp_path).about
    failing, close = about["comparisons"]
    assert failing["runs"] == 4 and failing["trained"] == [[5, 5], [4, 5]] and failing["bootstrap"]
    differences = [values["small"][seed] - values["same"][seed] for seed in (0, 1, 3, 4)]
    theirs = stats.ttest_1samp(differences, 0)
    assert failing["p"] == pytest.approx(theirs.pvalue, rel=1e-4)
    assert failing["holm"] == pytest.approx(2 * theirs.pvalue, rel=1e-4)
    assert (failing["low"], failing["high"]) == pytest.approx(tuple(theirs.confidence_interval()), rel=1e-4)
    assert close["verdict"] == "no difference detected" and close["trained"] is None
    table = {row["arm"]: row for row in about["table"]}
    assert table["same"]["mean"] == pytest.approx(0.725) and table["same"]["least"] == 0.7
    assert (table["same"]["trained"], table["same"]["of"], table["same"]["runs"]) == (4, 5, 4)
    assert (table["diverging"]["trained"], table["diverging"]["mean"]) == (0, pytest.approx(0.1))


def test_publishing_again_from_rows_trains_nothing_and_changes_nothing(folder, tmp_path):
    for name in ("toy.csv", "toy.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    publish_again(EXPERIMENT, tmp_path)
    for name in ("toy.csv", "toy.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_publishing_again_takes_new_comparisons_and_refuses_new_runs(folder, tmp_path):
    for name in ("toy.csv", "toy.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    more = (*EXPERIMENT.comparisons, Comparison(first="large", second="small"))
    again = publish_again(dataclasses.replace(EXPERIMENT, comparisons=more), tmp_path)
    assert (
        len(again.about["comparisons"]) == 5
        and (tmp_path / "toy.csv").read_bytes() == (folder / "toy.csv").read_bytes()
    )
    longer = dataclasses.replace(EXPERIMENT, recipe=dataclasses.replace(EXPERIMENT.recipe, epochs=4))
    with pytest.raises(PublicationError, match=r"asks for other runs.*recipe.epochs was 3 and is 4"):
        publish_again(longer, tmp_path)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("toy.csv", b"small,0,test_accuracy,3,0.", b"small,0,test_accuracy,3,1."),
        ("toy.json", b"a test", b"a jest"),
    ],
)
def test_data_edited_by_hand_are_refused(folder, tmp_path, name, old, new):
    for one in ("toy.csv", "toy.json"):
        content = (folder / one).read_bytes()
        (tmp_path / one).write_bytes(content.replace(old, new, 1) if one == name else content)
    with pytest.raises(PublicationError, match="changed after it was published"):
        load("toy", tmp_path)


def test_missing_and_damaged(tmp_path):
    with pytest.raises(PublicationError, match=r"nothing is published of 'toy'.*run toy makes it"):
        load("toy", tmp_path)
    (tmp_path / "toy.csv").write_text("")
    (tmp_path / "toy.json").write_text("{")
    with pytest.raises(PublicationError, match="damaged"):
        load("toy", tmp_path)


@pytest.mark.parametrize("half", [0.5638005, 0.4283275, 77.45125, 0.1234565])
def test_the_last_bit_decides_no_digit(half):
    """Sums that processors add in another order end on either side of the middle between two published numbers."""
    assert len({published_number(half + bits * math.ulp(half)) for bits in range(-3, 4)}) == 1


def test_all_that_is_published_is_whole():
    for name in publication.names(STUDIES.names()):
        assert load(name).about["name"] == name


@pytest.mark.parametrize("name", publication.names(STUDIES.names()))
def test_what_is_published_is_what_its_rows_say_today(name, tmp_path):
    """`scripts/reproduce.py publish` was run after the last change of statistics or catalog."""
    for suffix in ("csv", "json"):
        (tmp_path / f"{name}.{suffix}").write_bytes((publication.FOLDER / f"{name}.{suffix}").read_bytes())
    publish_again(STUDIES.lookup(name), tmp_path)
    for suffix in ("csv", "json"):
        now, then = tmp_path / f"{name}.{suffix}", publication.FOLDER / f"{name}.{suffix}"
        assert now.read_bytes() == then.read_bytes()


@pytest.mark.parametrize("name", publication.names(STUDIES.names()))
def test_a_published_command_names_the_backend_that_a_reader_would_not_get(name):
    about = json.loads((publication.FOLDER / f"{name}.json").read_bytes())
    backend = about["environment"]["backend"]
    expected = "" if backend == DEFAULT_BACKEND else f"KERAS_BACKEND={backend} "
    assert about["command"] == f"{expected}scripts/reproduce.py run {name}"


def test_words_for_data():
    assert describe_data(Dataset(size=14, train=6000, test=2000, signs="both")) == (
        "fashion_mnist, 14 x 14 pixels, 6,000 training and 2,000 test images, each with both signs"
    )
