"""The demo from its command line to its files, and that its proof of identity can fail."""

import csv
import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*arguments):
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"COLUMNS": "120"},
        timeout=280,
    )


@pytest.mark.deep  # processes of its own
def test_the_demo_trains_compares_and_writes(tmp_path):
    done = run("--quick", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""

    said = done.stdout
    for title in ("separate", "built-in", "pre-activation", "none (control)"):
        assert re.search(rf"^{re.escape(title)}: epoch 2 of 2: loss \d", said, re.MULTILINE)
        assert re.search(rf"^ {re.escape(title)} +\d+ +\d+ +[\d,]+ ", said, re.MULTILINE)
    assert "Separate and built-in are identical to the bit: 17,658 weights" in said
    assert "Without an activation five layers are one" in said
    last = " ".join(said.rstrip().rpartition("\n\n")[2].split())
    assert last.startswith(
        f"Wrote curves.png, curves.svg, curves.csv and results.json to {tmp_path}/out. Next: "
    )

    rows = list(csv.DictReader((tmp_path / "out" / "curves.csv").read_text().splitlines()))
    assert len(rows) == 4 * 2
    curves = {}
    for row in rows:
        curves.setdefault(row.pop("placement"), []).append(row)
    assert curves["separate"] == curves["built-in"] != curves["none (control)"]

    results = json.loads((tmp_path / "out" / "results.json").read_text())
    weights = {net["placement"]: net["sha256_of_weights"] for net in results["nets"]}
    assert weights["separate"] == weights["built-in"]
    assert len(set(weights.values())) == 3
    # A net that learned nothing would be identical to another one, too.
    assert all(net["test_accuracy"] > 0.5 for net in results["nets"])

    assert (tmp_path / "out" / "curves.png").read_bytes().startswith(b"\x89PNG")
    drawing = (tmp_path / "out" / "curves.svg").read_text()
    assert drawing.count('aria-roledescription="line mark"') == 2 * 4


@pytest.fixture
def demo():
    spec = importlib.util.spec_from_file_location("demo", ROOT / "scripts" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["demo"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seed", "-1"), "--seed: expected 0 to 2**32 - 1, received -1"),
        (("--out", "/dev/null/x"), "--out: cannot make the folder /dev/null/x: Not a directory"),
    ],
)
def test_bad_arguments(demo, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(sys, "argv", ["scripts/demo", *arguments])
    with pytest.raises(SystemExit) as stopped:
        demo.main()
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


class Net:
    def __init__(self, *weights):
        self.weights = list(weights)

    def get_weights(self):
        return self.weights


def test_one_different_bit_is_found(demo):
    from rich.console import Console

    one = np.ones(3, "float32")
    other = np.nextafter(one, np.float32(2))
    separate = demo.Run(demo.ARMS[0], Net(one), [one], 1.0, [{"loss": 0.5}], [one])
    console = Console(record=True)
    assert demo.report_identity(separate, separate, console)
    for change, found in (
        ({"initial": [other]}, "initial weights"),
        ({"model": Net(other)}, "final weights"),
        ({"logits": [other]}, "logits after an epoch"),
        ({"epochs": [{"loss": np.nextafter(0.5, 1)}]}, "losses"),
    ):
        assert not demo.report_identity(separate, replace(separate, **change), console)
        assert f"differ in: {found}." in console.export_text()


def test_every_placement_keeps_its_line_in_the_terminal(demo):
    assert demo.spark_line([0.6] * 30) == "█" * 9
    assert demo.spark_line([0.001, 0.6]) == "▁█"
