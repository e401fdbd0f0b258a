"""The weights that ship: small, whole, as good as they say, and at home in either form."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from zoo import pretrained
from zoo.catalog import specify
from zoo.experiments.data.sets import SOURCES
from zoo.pretrained import Pretrained

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "zoo" / "pretrained"
SHIPPED = pretrained.manifest()


@pytest.fixture(scope="module")
def test_images():
    _, _, x, y = SOURCES["fashion_mnist"]()
    return x, y


def entry(tmp_path, monkeypatch, **changes):
    """A manifest with one small convnet in it, whose weights lie in another folder."""
    net = zoo.build("convnet2", input_shape=(8, 8, 1), width=4)
    file = tmp_path / "small.weights.h5"
    net.save_weights(file)
    options = {"input_shape": [8, 8, 1], "width": 4}
    one = Pretrained(
        **{
            "model": "convnet2",
            "weights": "tiny",
            "file": file.name,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "options": options,
            "accuracy": 0.5,
            "command": "none",
            **changes,
        }
    )
    monkeypatch.setattr(pretrained, "_FOLDER", tmp_path)
    monkeypatch.setattr(pretrained, "manifest", lambda: (one,))
    return net


class TestOptions:
    def test_those_of_the_weights_are_the_defaults(self, tmp_path, monkeypatch):
        net = entry(tmp_path, monkeypatch)
        loaded = zoo.build("convnet2", weights="tiny")
        assert loaded.input_shape == (None, 8, 8, 1)
        for a, b in zip(net.get_weights(), loaded.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_an_option_given_wins(self, tmp_path, monkeypatch):
        entry(tmp_path, monkeypatch)
        assert specify("convnet2", weights="tiny", classifier_activation=None).classifier_activation is None
        with pytest.raises(ValueError, match="does not fit"):
            zoo.build("convnet2", weights="tiny", width=8)

    def test_other_nets_and_names_keep_theirs(self, tmp_path, monkeypatch):
        entry(tmp_path, monkeypatch)
        assert specify("convnet2").input_shape == (32, 32, 3)
        assert specify("convnet4", weights="tiny").input_shape == (32, 32, 3)

    def test_both_forms_predict_alike(self, tmp_path, monkeypatch):
        entry(tmp_path, monkeypatch)
        x = np.random.default_rng(0).random((4, 8, 8, 1), dtype="float32")
        separate, builtin = (
            zoo.build("convnet2", weights="tiny", form=form) for form in ("separate", "builtin")
        )
        np.testing.assert_array_equal(separate.predict(x, verbose=0), builtin.predict(x, verbose=0))

    def test_a_damaged_file_is_refused(self, tmp_path, monkeypatch):
        entry(tmp_path, monkeypatch, sha256="0" * 64)
        with pytest.raises(ValueError, match="damaged"):
            zoo.build("convnet2", weights="tiny")


def test_nothing_lies_about_that_is_not_in_the_manifest():
    files = {path.name for path in FOLDER.glob("*.h5")}
    assert files == {shipped.file for shipped in SHIPPED}


def test_small_and_whole():
    for shipped in SHIPPED:
        assert Path(shipped.checked_path()).stat().st_size < 2 * 2**20, shipped


def test_the_run_that_made_it_is_beside_it():
    for shipped in SHIPPED:
        curve = json.loads((FOLDER / shipped.file.replace(".weights.h5", ".json")).read_text())
        tested = [value for metric, _, value in curve["curve"] if metric == "test_accuracy"]
        assert curve["command"] == shipped.command
        assert curve["run"]["model"] == shipped.model
        assert curve["test_accuracy"] == pytest.approx(shipped.accuracy, abs=5e-5)
        assert tested[-1] == pytest.approx(shipped.accuracy, abs=5e-5)


def test_it_is_as_good_as_it_says(test_images):
    """On 1,000 of the 10,000 test images: within three standard deviations of a share."""
    x, y = (part[:1000] for part in test_images)
    for shipped in SHIPPED:
        net = zoo.build(shipped.model, weights=shipped.weights)
        outputs = net.predict(zoo.preprocess_input(shipped.model, x), batch_size=250, verbose=0)
        accuracy = (outputs.argmax(-1) == y).mean()
        deviation = (shipped.accuracy * (1 - shipped.accuracy) / 1000) ** 0.5
        assert abs(accuracy - shipped.accuracy) < 3 * deviation, shipped
        keras.backend.clear_session()


def test_it_is_where_a_good_net_is():
    least = {"resnet20v2": 0.93, "convnet": 0.88}
    for shipped in SHIPPED:
        assert shipped.accuracy >= least[shipped.model], shipped


def test_the_script_knows_its_nets():
    done = subprocess.run(
        [sys.executable, "scripts/train_pretrained.py", "resnet1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and re.search("no recipe for 'resnet1'; there are resnet20v2", done.stderr)
