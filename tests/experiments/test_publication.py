import csv
import json
import math

import pytest

from tests.experiments import toys
from zoo.experiments.design.experiment import Comparison, Dataset, Figure, Recipe
from zoo.experiments.publishing import publication
from zoo.experiments.publishing.publication import PublicationError, describe_data, load
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
    figures=(Figure(), Figure(name="proof", kind="table", metrics=("weights_sha256", "weight_norm"))),
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
    assert published.about["comparisons"][3]["verdict"] == "not comparable: a run diverged"


def test_comparisons_say_what_they_come_to(folder):
    same, bits, other, _ = load("toy", folder).about["comparisons"]
    assert (same["verdict"], same["difference"]) == ("equal", 0)
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


def test_publishing_again_changes_nothing(folder):
    before = [(folder / name).read_bytes() for name in ("toy.csv", "toy.json")]
    toys.published(folder, EXPERIMENT)
    assert before == [(folder / name).read_bytes() for name in ("toy.csv", "toy.json")]


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


def test_all_that_is_published_is_whole():
    for name in publication.names(STUDIES.names()):
        assert load(name).about["name"] == name


def test_words_for_data():
    assert describe_data(Dataset(size=14, train=6000, test=2000, signs="both")) == (
        "fashion_mnist, 14 x 14 pixels, 6,000 training and 2,000 test images, each with both signs"
    )
