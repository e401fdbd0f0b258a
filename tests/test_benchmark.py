"""The benchmark script apart from measuring: its parts, its data files, the verdicts of the page."""

import csv
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
benchmark = importlib.import_module("benchmark")
page = importlib.import_module("benchmarks.page")
race = importlib.import_module("benchmarks.race").race
worker = importlib.import_module("benchmarks.worker")


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


@pytest.mark.deep  # processes of its own
def test_contenders_take_turns_and_failures_are_rows():
    rows = list(race({"product": ("matmul", {"size": 8}), "nonsense": ("matmul", {"size": "x"})}, rounds=3))
    assert rows[0]["contender"] == "product"
    assert 0 < rows[0]["fastest"] <= rows[0]["seconds"] <= rows[0]["slowest"]
    assert rows[0]["peak_gb"] > 0.05
    assert rows[1]["contender"] == "nonsense"
    assert "contender ended" in rows[1]["failed"]


def test_onnx_runtime_pools_the_zeros_of_the_padding():
    """Its Pad_Fusion would give -1: it pads with minus infinity, which no maximum is."""
    pads = onnx.numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "pads")
    nodes = [
        onnx.helper.make_node("Pad", ["x", "pads"], ["padded"], mode="constant"),
        onnx.helper.make_node("MaxPool", ["padded"], ["y"], kernel_shape=[3, 3], strides=[3, 3]),
    ]
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 1, 4, 4]), ("y", [1, 1, 2, 2]))
    )
    graph = onnx.helper.make_graph(nodes, "padded", [x], [y], [pads])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    session = worker.onnx_session(model.SerializeToString())
    (result,) = session.run(None, {"x": -np.ones((1, 1, 4, 4), "float32")})
    np.testing.assert_array_equal(result, np.zeros((1, 1, 2, 2)))


def test_what_computes_something_else_is_not_timed():
    expected = np.array([[0.5, 2.0]])
    worker.refuse_unequal(expected, expected + 1e-5)
    for wrong in (expected + 1e-3, expected * np.nan):
        with pytest.raises(RuntimeError, match="not timed"):
            worker.refuse_unequal(expected, wrong)
