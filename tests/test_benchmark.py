"""The benchmark script apart from measuring: its parts, its data files, the verdicts of the page."""

import csv
import importlib
import json
import sys
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from keras import layers

import zoo
from zoo.normalization import BatchNormalization

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
benchmark = importlib.import_module("benchmark")
page = importlib.import_module("benchmarks.page")
module = importlib.import_module("benchmarks.race")
race = module.race
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
            ("zoo, rolled, traced once", "8", "8", "2", ""),
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
    first, second, *_ = table
    assert first[1:] == ["at least 40", "16.25", "**no**"]
    assert second[0] == "the same without `zoo.trace_once`" and second[2] == "13.00"


def test_building_has_a_verdict_for_each_net_that_keras_has_too():
    shares = {net: (number + 5) / 10 for number, net in enumerate(page.TWINS)}
    rows = [{"net": net, "source": "zoo", "over_reference": str(share)} for net, share in shares.items()]
    for found, expected in (
        ({"build": rows}, [[f"{share:.2f}", "yes" if share <= 1 else "**no**"] for share in shares.values()]),
        ({}, [[page.MISSING, ""]] * len(shares)),
    ):
        _, table = page.targets(found)
        named = {row[0]: row[2:] for row in table if row[0].startswith("building ")}
        assert list(named.values()) == expected
        assert all(net.lower() in figure for net, figure in zip(shares, named, strict=True))
    assert all(hasattr(keras.applications, net) for net in page.TWINS)
    assert {net.lower() for net in page.TWINS} <= set(zoo.list_models())


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
    run, steps, ready = worker.timed(lambda: expected + 1e-5, expected, 3, {"layers": 2})
    assert steps == 3 and ready == {"layers": 2, "difference": pytest.approx(5e-6, rel=0.01)}
    run()
    for wrong, by in (
        (expected + 1e-3, 5e-4),
        (expected * np.nan, np.inf),
        (np.array([[0.5, np.inf]]), np.inf),
    ):
        run, _, ready = worker.timed(lambda wrong=wrong: wrong, expected, 3, {})
        assert run is None and ready["difference"] == pytest.approx(by, rel=0.01)


def test_what_differs_is_listed_with_its_difference(monkeypatch):
    class Told:
        """A contender whose process is played."""

        def __init__(self, kind, **options):
            self.ready, self.turns = options, 0

        def go(self):
            assert not self.ready.get("differs")
            self.turns += 1
            return 0.5

        def end(self):
            return {"peak_gb": 1.0}

        stop = module.Contender.stop

    monkeypatch.setattr(module, "Contender", Told)
    contenders = {"right": ("", {"difference": 1e-7}), "wrong": ("", {"difference": 0.25, "differs": True})}
    right, wrong = race(contenders, rounds=2)
    assert right == {
        "contender": "right", "seconds": 0.5, "fastest": 0.5, "slowest": 0.5, "difference": 1e-7, "peak_gb": 1.0
    }  # fmt: skip
    said = "its outputs differ by 0.25 of the largest: not timed"
    assert wrong == {"contender": "wrong", "difference": 0.25, "failed": said}


def branched():
    """Two branches without activation, a stretch of two linear layers, and normalisation of the zoo's own class."""
    inputs = keras.Input((8, 8, 3))
    branches = [layers.Conv2D(4, k, padding="same", use_bias=False)(inputs) for k in (1, 3)]
    x = layers.Add()([BatchNormalization()(b) for b in branches])
    x = layers.Conv2D(5, 1, name="narrow")(layers.ReLU()(x))
    x = layers.Conv2D(6, 1, name="wide")(x)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.ReLU()(x)))


def test_folded_and_merged_nets_compute_what_stock_keras_does(monkeypatch):
    monkeypatch.setattr(worker, "make", lambda *given, **options: branched())
    cases = {
        "as it is": ({}, {}),
        "one call": ({"call": True}, {}),
        "folded": ({"fold": True}, {"folded": 2, "kept": 0}),
        "merged": ({"merge": True}, {"merged": 1, "folded": 0, "kept": 0, "collapsed": 1}),
    }
    for name, (options, found) in cases.items():
        run, _, ready = worker.keras_predict("zoo", "any", 2, shape=(8, 8, 3), **options)
        assert ready["difference"] < 1e-5, name
        assert {key: ready[key] for key in found} == found
        run()
    # What a net begins with would hide a transform that forgets the statistics.
    monkeypatch.setattr(worker, "prepared", lambda model, *given: (forgetful(model), {}))
    assert worker.keras_predict("zoo", "any", 2, shape=(8, 8, 3))[0] is None


def test_a_softmax_does_not_hide_a_difference():
    inputs = keras.Input((3,))
    sure = keras.Model(inputs, layers.Dense(2, activation="softmax", kernel_initializer="ones")(inputs))
    sure.layers[-1].kernel.assign(1e4 * np.ones((3, 2)))
    x = np.ones((1, 3), "float32")
    assert worker.as_keras_computes(worker.stirred(sure), x) == pytest.approx(np.full((1, 2), 3e4))


def forgetful(model):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for layer in copy.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(0 * layer.moving_mean)
    return copy


def test_every_net_of_the_inference_part_has_its_contenders(monkeypatch):
    inference, asked = importlib.import_module("benchmarks.inference"), {}

    def told(contenders, rounds):
        asked[len(asked)] = contenders
        times = {
            name: {"contender": name, "seconds": 1.0, "peak_gb": 1.0, "difference": 0.0}
            for name in contenders
        }
        first, *rest = times.values()
        yield from (
            first,
            *rest[:-1],
            {"contender": rest[-1]["contender"], "difference": 0.5, "failed": "differs"},
        )

    monkeypatch.setattr(inference, "race", told)
    rows = list(inference.measure(quick=True))
    assert {row["net"] for row in rows} == set(inference.NETS)
    assert sum("failed" in row for row in rows) == len(inference.NETS)
    for net, contenders in zip(inference.NETS, asked.values(), strict=True):
        kinds = {kind for kind, _ in contenders.values()}
        assert all(callable(getattr(worker, kind)) for kind in kinds)
        assert ("zoo, merged" in contenders) == (net in inference.MERGED)
        assert net.startswith("resnet56") or {"onnx_predict", "openvino_predict"} <= kinds


class Played:
    """A contender whose process is played: 3 processor seconds at once, 2 for each activation one by one."""

    asked = ()

    def __init__(self, kind, every=1, **options):
        Played.asked = (*Played.asked, (kind, options["images"], every))
        some = len(range(0, 49, every))
        one_by_one = kind == "one_by_one"
        self.ready = {"sites": 49, "asked": some} if one_by_one else {"sites": 49}
        self.cpu_seconds = 2.0 * some if one_by_one else 3.0

    def go(self):
        return 0.0

    def end(self):
        return {"peak_gb": 1.0}


def test_importance_is_held_against_all_activations_one_by_one(monkeypatch):
    importance = importlib.import_module("benchmarks.importance")
    monkeypatch.setattr(importance, "Contender", Played)
    monkeypatch.setattr(Played, "asked", ())
    (row,) = importance.measure(quick=True)
    assert (row["images"], row["sites"], row["asked_one_by_one"]) == (16, 49, 7)
    # Seven were measured and stand for 49.
    assert row["one_by_one_cpu_s"] == pytest.approx(98) and row["ratio"] == pytest.approx(3 / 98)
    assert [row["images"] for row in importance.measure()] == [16, 256]
    (row,) = importance.measure(only=["32", "all sites"])
    assert (row["asked_one_by_one"], row["one_by_one_cpu_s"], row["images"]) == (49, 98, 32)
    assert Played.asked[-1] == ("one_by_one", 32, 1)


def test_both_sides_ask_for_the_same_activations(monkeypatch):
    monkeypatch.setattr(worker, "make", lambda *_: zoo.build("plain8", input_shape=(8, 8, 3), width=2))
    given = {"net": "plain8", "images": 4, "shape": (8, 8, 3)}
    at_once, _, ready = worker.importance(**given)
    one_by_one, _, few = worker.one_by_one(**given, every=3)
    assert ready == {"sites": 7} and few == {"sites": 7, "asked": 3}
    assert len(at_once()) == 7
    one_by_one()


def test_every_part_names_its_own_machine_and_equal_machines_have_one_number(tmp_path):
    """Parts are measured on different days, and not all on one machine."""
    for part, processor in (("build", "A"), ("depth", "B"), ("training", "A")):
        about = {
            **{"processor": processor, "processors": 2, "memory_gb": 24.6, "versions": {"keras": "3.15"}},
            **{"command": f"benchmark.py {part}", "threads": 2, "load_before": 0.1, "load_after": 1.5},
            **{"date": "2026-11-22", "seconds": 10},
        }
        (tmp_path / f"performance_{part}.json").write_text(json.dumps(about))
    said = page._machine(tmp_path)
    numbers = {cells[0]: cells[2] for line in said.splitlines() if len(cells := cells_of(line)) == 6}
    assert [numbers[part] for part in ("build", "depth", "training")] == ["1", "2", "1"]
    assert "1. A, 2 processors, 25 GB" in said and "2. B, 2 processors, 25 GB" in said


def cells_of(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_answer_on_merging_has_the_range_of_each_kind():
    rows = [
        {"operation": "1x1 and 3x3 as 3x3", "times_faster": "1.5"},
        {"operation": "3x3 and 3x3 as 5x5", "times_faster": "0.9"},
        {"operation": "1x1 and 3x3 as 3x3", "times_faster": "1.25"},
    ]
    said = page._merged(rows)
    assert "1x1 and 3x3 as 3x3: 1.25 to 1.5; 3x3 and 3x3 as 5x5: 0.9 to 0.9" in said
    assert "not been measured" in page._merged([])


def test_cases_of_another_machine_do_not_join(tmp_path):
    """A ratio over both would have a machine on each side."""
    about = {"load_before": 0.0, "load_after": 0.0, "seconds": 1, "processor": "p", "threads": 2}
    rows = [{"net": "a", "images": 16, "step_s": 1.0}, {"net": "a", "images": 256, "step_s": 2.0}]
    benchmark._write(tmp_path, "importance", rows, about, merge=False)
    benchmark._write(tmp_path, "importance", [{"net": "a", "images": 16, "step_s": 3.0}], about, merge=True)
    with (tmp_path / "performance_importance.csv").open() as file:
        assert sorted((r["images"], r["step_s"]) for r in csv.DictReader(file)) == [
            ("16", "3.0"),
            ("256", "2.0"),
        ]
    for other in ({"processor": "q"}, {"threads": 1}, {"versions": {"keras": "4"}}):
        with pytest.raises(SystemExit, match=r"was measured with other .*measure the whole part"):
            benchmark._write(tmp_path, "importance", rows, about | other, merge=True)


def test_a_look_is_not_what_is_published(monkeypatch):
    written, asked = [], importlib.import_module("benchmarks.merging")
    monkeypatch.setattr(asked, "measure", lambda quick, only: iter([{"operation": "a"}]))
    monkeypatch.setattr(benchmark, "_write", lambda folder, *_, **__: written.append(folder.name))
    for arguments in (["--quick"], []):
        monkeypatch.setattr(sys, "argv", ["benchmark.py", "merging", *arguments])
        monkeypatch.setattr(benchmark, "_threads", lambda count: {})
        benchmark.main()
    assert written == ["performance", "data"]


def test_data_older_than_the_comparison_say_so(tmp_path):
    for folder in ("data", "snippets", "figures"):
        (tmp_path / folder).mkdir()
    for columns, said in (("net,contender,difference\na,b,0\n", False), ("net,contender\na,b\n", True)):
        (tmp_path / "data" / "performance_inference.csv").write_text(columns)
        page.write(tmp_path / "data")
        text = (tmp_path / "snippets" / "performance_inference.md").read_text()
        assert ("older than that comparison" in text) is said
