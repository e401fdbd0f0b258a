"""scripts/slim.py on a small net and one epoch: its files say what its table says, and the net loads without zoo."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import deep
import keras
import numpy as np
import pytest
from keras import layers

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "slim.py"


@pytest.fixture
def slim():
    spec = importlib.util.spec_from_file_location("slim", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(48) % 3
    x = (rng.normal(size=(48, 8, 8, 2)) + y[:, None, None, None]).astype("float32")
    parts = [layers.Conv2D(6, 3, padding="same", name=n, activation="relu") for n in "abc"]
    head = [layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax", name="top")]
    net = keras.Sequential([keras.Input((8, 8, 2)), *parts, *head])
    net.save(tmp_path / "net.keras")
    np.savez(tmp_path / "data.npz", x=x[:40], y=y[:40], x_test=x[40:], y_test=y[40:])
    return tmp_path


def fake_latencies(self, models):
    """A layer with weights takes 1: on no machine does the budget hang on its mood."""
    return [1.0 + sum(bool(layer.weights) for layer in model.layers) for model in models]


@pytest.mark.parametrize("border", ["keep", deep.one("move")])
def test_the_whole_way(slim, files, monkeypatch, capsys, caplog, border):
    monkeypatch.setattr("zoo.latency.Stopwatch.in_turn", fake_latencies)
    out, net = files / "out", keras.models.load_model(files / "net.keras")
    share = "1.0" if border == "keep" else "0.8"
    options = ["--share", share, "--border", border, "--epochs", "1", "--samples", "16", "--out", str(out)]
    slim.main([str(files / "net.keras"), "--data", str(files / "data.npz"), *options])
    assert "Execution.advance" not in caplog.text  # TensorFlow would warn of traces
    said = capsys.readouterr().out
    assert "Importance" in said and "On 8 test images" in said and "Merged against unmerged" in said
    expected = 100 * float(share)
    assert f"Expected {expected:.0f} % of the time of the folded net, measured {expected:.0f} %." in said
    rows = list(csv.DictReader((out / "importance.csv").read_text().splitlines()))
    assert [row["site"] for row in rows] == ["a", "b", "c"]
    assert (out / "importance.svg").read_text().startswith("<svg")
    found = keras.models.load_model(out / "slim.keras")
    kernels = sum(bool(layer.weights) for layer in net.layers)
    assert sum(bool(layer.weights) for layer in found.layers) == kernels - (border == "move")
    x_test = np.load(files / "data.npz")["x_test"]
    code = (
        "import json, sys, keras, numpy as np; net = keras.models.load_model(sys.argv[1]); x = np.load(sys.argv[2]);"
        "assert 'zoo' not in sys.modules; print(json.dumps(net.predict(x['x_test'], verbose=0).tolist()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, out / "slim.keras", files / "data.npz"],
        capture_output=True,
        text=True,
        cwd=files,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    expected = found.predict(x_test, verbose=0)
    assert np.allclose(json.loads(done.stdout.splitlines()[-1]), expected, atol=1e-6)


def test_a_share_that_no_plan_meets_is_refused(slim, files, monkeypatch, capsys):
    """Every net takes as long as every other here: nothing is faster, and nothing is trained or written."""
    monkeypatch.setattr("zoo.latency.Stopwatch.in_turn", lambda self, models: [1.0 for _ in models])
    options = ["--share", "0.9", "--border", "move", "--samples", "16", "--out", str(files / "out")]
    with pytest.raises(SystemExit) as left:
        slim.main([str(files / "net.keras"), "--data", str(files / "data.npz"), *options])
    assert left.value.code == 1
    said = capsys.readouterr().err
    assert (
        "no plan meets budget=0.9: the model takes 1, the best there is 1, without dropping anything" in said
    )
    assert not (files / "out/slim.keras").exists()


def test_what_is_wrong_is_said(slim, files, capsys):
    np.savez(files / "half.npz", x=np.zeros(1), y=np.zeros(1))
    numbers = "must hold numbers, received shape"
    wrong = {
        "half.npz lacks x_test, y_test; it holds x, y": ["--data", str(files / "half.npz")],
        "--share must be positive, received 0.0": ["--data", str(files / "data.npz"), "--share", "0"],
        "--epochs must be 1 or more, received 0": ["--data", str(files / "data.npz"), "--epochs", "0"],
        "--samples must be 1 or more, received -90": ["--data", str(files / "data.npz"), "--samples", "-90"],
        "--batch must be 1 or more, received 0": ["--data", str(files / "data.npz"), "--batch", "0"],
        "--rate must be positive, received nan": ["--data", str(files / "data.npz"), "--rate", "nan"],
        "nowhere.npz is no .npz file of numbers (": ["--data", str(files / "nowhere.npz")],
        "junk.npz is no .npz file of numbers (": ["--data", str(files / "junk.npz")],
        "one.npy holds one array; expected an .npz file, as np.savez writes it": [
            "--data",
            str(files / "one.npy"),
        ],
        f"y in {files}/objects.npz {numbers} (4,) of dtype <U1": ["--data", str(files / "objects.npz")],
        "short.npz has 4 images in x and 3 labels in y; expected as many": [
            "--data",
            str(files / "short.npz"),
        ],
        "other.npz has images of shape (8, 8, 3) in x and (8, 8, 1) in x_test; expected one shape": [
            "--data",
            str(files / "other.npz"),
        ],
        f"x in {files}/empty.npz {numbers} (0, 8, 8, 3) of dtype float64": [
            "--data",
            str(files / "empty.npz"),
        ],
    }
    images, labels = np.zeros((4, 8, 8, 3)), np.zeros(4, int)
    whole = {"x": images, "y": labels, "x_test": images, "y_test": labels}
    (files / "junk.npz").write_text("no zip file")
    np.save(files / "one.npy", images)
    np.savez(files / "objects.npz", **whole | {"y": np.array(["a", "b", "c", "d"])})
    np.savez(files / "short.npz", **whole | {"y": labels[:3]})
    np.savez(files / "other.npz", **whole | {"x_test": images[..., :1]})
    np.savez(files / "empty.npz", **whole | {"x": images[:0], "y": labels[:0]})
    for message, options in wrong.items():
        with pytest.raises(SystemExit) as left:
            slim.main([str(files / "net.keras"), *options])
        said = capsys.readouterr().err.partition(": error: ")[2].removeprefix(f"{files}/").removesuffix("\n")
        if message.endswith("("):  # what NumPy says, in brackets
            said = said[: len(message)]
        assert (left.value.code, said) == (2, message)


@pytest.mark.parametrize("net", ["nowhere.keras", "junk.keras"])
def test_a_file_that_is_no_net(slim, files, capsys, net):
    (files / "junk.keras").write_text("no zip file")
    with pytest.raises(SystemExit):
        slim.main([str(files / net), "--data", str(files / "data.npz")])
    assert f"{net} is no .keras file that loads here" in capsys.readouterr().err


def test_a_net_without_activations_has_nothing_to_take_away(slim, files, capsys):
    image = keras.Input(np.load(files / "data.npz")["x"].shape[1:])
    y = keras.layers.Dense(10)(keras.layers.Flatten()(image))
    keras.Model(image, y).save(files / "straight.keras")
    with pytest.raises(SystemExit):
        slim.main([str(files / "straight.keras"), "--data", str(files / "data.npz")])
    assert "no activation" in capsys.readouterr().err


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("one_hot", [False, True])
def test_probabilities_and_logits_are_trained_by_the_same_loss(slim, classes, one_hot):
    """A net that ends in scores, and the same net with softmax or sigmoid after it: the loss is the same number."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)).astype("float32"), rng.integers(0, max(classes, 2), 20)
    if one_hot:
        y = np.eye(classes)[y] if classes > 1 else y[:, None]
    inputs = keras.Input((4,))
    scores = keras.layers.Dense(classes)(keras.layers.Dense(5, activation="relu")(inputs))
    ends = keras.layers.Activation("sigmoid" if classes == 1 else "softmax")(scores)
    nets = [keras.Model(inputs, scores), keras.Model(inputs, ends)]
    for row in zip(
        *(slim.compiled(net, slim.judged(net, y), 0.1, 1).evaluate(x, y, verbose=0) for net in nets),
        strict=True,
    ):
        np.testing.assert_allclose(*row, rtol=1e-5)


def test_classes_that_go_together_are_judged_one_by_one(slim):
    """Sigmoids of several outputs are no distribution: dividing by their sum would be another loss."""
    inputs = keras.Input((4,))
    net = keras.Model(inputs, keras.layers.Dense(3, activation="sigmoid")(inputs))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)).astype("float32"), rng.integers(0, 2, (20, 3)).astype("float32")
    loss, right = slim.compiled(net, slim.judged(net, y), 0.1, 1).evaluate(x, y, verbose=0)
    p = net.predict(x, verbose=0)
    assert loss == pytest.approx(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), rel=1e-4)
    assert right == pytest.approx(np.mean((p > 0.5) == y))


def test_images_of_all_classes_are_drawn_though_the_file_is_sorted(slim):
    y = np.repeat(np.arange(10), 100)
    counts = np.bincount(y[slim.drawn(len(y), 200)], minlength=10)
    # 20 of each expected; the deviation of a draw without replacement is 3.8.
    assert counts.sum() == 200 and counts.min() >= 8 and counts.max() <= 32
    assert np.array_equal(slim.drawn(len(y), 200), slim.drawn(len(y), 200))
    assert sorted(slim.drawn(5, 512)) == [0, 1, 2, 3, 4]


def test_they_are_what_the_importance_is_measured_on(slim, files, monkeypatch):
    seen = []

    def measured(net, x, y, **options):
        seen.append(y)
        raise ValueError("seen")

    order = np.argsort(np.load(files / "data.npz")["y"], kind="stable")
    whole = dict(np.load(files / "data.npz"))
    np.savez(files / "sorted.npz", **whole | {"x": whole["x"][order], "y": whole["y"][order]})
    monkeypatch.setattr("zoo.probes.activation_importance", measured)
    with pytest.raises(SystemExit):
        slim.main([str(files / "net.keras"), "--data", str(files / "sorted.npz"), "--samples", "13"])
    (labels,) = seen
    assert len(labels) == 13 and set(labels) == {0, 1, 2}
