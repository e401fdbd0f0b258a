"""The benchmark script apart from measuring: its parts, its data files, the verdicts of the page."""

import csv
import importlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
benchmark = importlib.import_module("benchmark")
page = importlib.import_module("benchmarks.page")
race = importlib.import_module("benchmarks.race").race


def test_every_part_asks_a_question():
    for part in benchmark.PARTS:
        module = importlib.import_module(f"benchmarks.{part}")
        assert module.QUESTION.endswith("?")
        assert callable(module.measure)
        assert part in page.TABLES


def test_an_unknown_part_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "speed"])
    with pytest.raises(SystemExit):
        benchmark.main()
    assert "unknown part 'speed'; expected some of imports, build" in capsys.readouterr().err


def test_cases_measured_later_join_those_measured_before(tmp_path):
    about = {"load_before": 0.0, "load_after": 0.0, "seconds": 1, "processor": "p", "command": "c"}
    first = [{"net": "a", "batch": 8, "step_s": 1.0}, {"net": "b", "batch": 8, "step_s": 2.0}]
    benchmark._write(tmp_path, "depth", first, about, merge=False)
    again = [{"net": "b", "batch": 8, "step_s": 3.123456, "peak_gb": 1.0}]
    benchmark._write(tmp_path, "depth", again, about, merge=True)
    with (tmp_path / "performance_depth.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["net"], r["step_s"], r["peak_gb"]) for r in rows] == [("a", "1.0", ""), ("b", "3.123", "1.0")]
    assert json.loads((tmp_path / "performance_depth.json").read_text())["command"] == "c"


def test_verdicts():
    rows = [
        {"contender": c, "depth": "1001", "batch": b, "until_first_step_s": u, "step_s": s, "peak_gb": p}
        for c, b, u, s, p in (
            ("zoo, rolled", "8", "10", "2", ""),
            ("stock Keras", "8", "130", "2", ""),
            ("zoo", "8", "100", "1.6", ""),
            ("zoo, rolled", "32", "", "", "4"),
            ("zoo", "32", "", "", "10"),
        )
    ]
    steps = [{"contender": "zoo, rolled", "depth": "1001", "batch": "32", "over_separate": "1.25"}]
    _, table = page.targets({"depth": rows, "steps": steps})
    verdicts = {figure: (measured, reached) for figure, _, measured, reached in table}
    assert verdicts["peak memory at batch 32, resnet1001v2: rolled over separate layers"] == ("0.40", "yes")
    assert verdicts["a later step of resnet1001v2, batch 32, taken in turn: rolled over separate layers"] == (
        "1.25",
        "**no**",
    )
    assert verdicts["the same, rolled with remat"] == (page.MISSING, "")
    (first, *_) = table
    assert first[1:] == ["at least 12", "13.00", "yes"]


def test_contenders_take_turns_and_failures_are_rows():
    rows = list(race({"product": ("matmul", {"size": 8}), "nonsense": ("matmul", {"size": "x"})}, rounds=3))
    assert rows[0]["contender"] == "product"
    assert 0 < rows[0]["fastest"] <= rows[0]["seconds"] <= rows[0]["slowest"]
    assert rows[0]["peak_gb"] > 0.05
    assert rows[1]["contender"] == "nonsense"
    assert "contender ended" in rows[1]["failed"]
