"""One run: it survives what can happen to a process."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.experiments import toys
from zoo.experiments.design.plan import run_of
from zoo.experiments.running import conduct
from zoo.experiments.running.results import RunFolder, RunFolderError
from zoo.experiments.running.run import BUSY, DIVERGED, DONE, identify, perform

ROOT = Path(__file__).parents[2]

WORKER = """
import sys
from tests.experiments import test_run
test_run.work(sys.argv[1], sys.argv[2])
"""


def toy_run(seed=0, **changes):
    experiment = toys.experiment(**changes)
    return run_of(experiment, experiment.arms[0], seed, backend="tensorflow")


def slow_run(marks=""):
    """A run of 24 intervals, each long enough to be interrupted in."""
    hooks = [toys.hook("sleep", when="interval", arguments={"seconds": 0.05})]
    if marks:
        hooks.append(toys.hook("mark", when="start", arguments={"path": marks}))
    recipe = toys.Recipe(learning_rates=(0.05,), steps=72, record_every=3, batch=50)
    return toy_run(recipe=recipe, hooks=tuple(hooks))


def work(runs, marks=""):
    run = slow_run(marks)
    print(perform(run, identify(run), runs)["status"], flush=True)


def start(runs, marks=""):
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(runs), str(marks)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_lines(folder, count, process):
    deadline = time.monotonic() + 120
    while len(folder.lines()) < count:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def done(run, runs):
    run_id = identify(run)
    assert perform(run, run_id, runs)["status"] == DONE
    return RunFolder(runs, run_id)


@pytest.mark.always
def test_killed_at_random_moments_it_ends_as_if_nothing_had_happened(tmp_path):
    run = slow_run()
    whole = done(run, tmp_path / "whole")
    folder = RunFolder(tmp_path / "killed", whole.id)
    # Moments of its own each time the test runs; printed, so that a failure can be looked into.
    seed = random.SystemRandom().randrange(2**32)
    print("moments from seed", seed)
    moments = random.Random(seed)
    for kill in (3, 9, 15):
        process = start(tmp_path / "killed")
        wait_for_lines(folder, kill, process)
        time.sleep(moments.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert folder.result() is None
    assert perform(run, whole.id, tmp_path / "killed")["status"] == DONE
    a, b = whole.result(), folder.result()
    assert a["weights_sha256"] == b["weights_sha256"]
    assert a["trace"] == b["trace"]
    assert [line["rows"] for line in whole.lines()] == [line["rows"] for line in folder.lines()]
    assert len({line["process"] for line in folder.lines()}) == 4, "each of the four processes got somewhere"


def test_two_processes_on_one_run_do_it_once(tmp_path):
    marks = tmp_path / "marks"
    processes = [start(tmp_path / "runs", marks) for _ in range(2)]
    said = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    # Whoever came second found it locked, or, where it was late, done.
    assert sorted(out.strip() for out, _ in said) in ([BUSY, DONE], [DONE, DONE])
    assert len(marks.read_text().splitlines()) == 1


def test_a_done_run_is_not_done_again(tmp_path):
    marks = tmp_path / "marks"
    run = toy_run(hooks=(toys.hook("mark", when="start", arguments={"path": str(marks)}),))
    done(run, tmp_path)
    done(run, tmp_path)
    assert len(marks.read_text().splitlines()) == 1


@pytest.fixture(scope="module")
def halfway(tmp_path_factory):
    """Files of a run that stopped after its fourth line, and what it ends with."""
    runs = tmp_path_factory.mktemp("runs")
    run = toy_run()
    run_id = identify(run)
    folder = RunFolder(runs, run_id)

    class Stop(Exception):
        pass

    def stop(self, state, *, real=RunFolder.save_checkpoint):
        real(self, state)
        if int(state["lines"]) == 4:
            raise Stop

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr(RunFolder, "save_checkpoint", stop)
        perform(run, run_id, runs)
    files = {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    whole = done(run, tmp_path_factory.mktemp("whole"))
    return run, run_id, files, whole


DAMAGE = {
    "half a line": lambda files: {"lines.jsonl": files["lines.jsonl"] + b'{"line": 4, "step"'},
    "a line the checkpoint does not know": lambda files: {
        "lines.jsonl": files["lines.jsonl"]
        + files["lines.jsonl"].splitlines()[3].replace(b'"line": 3', b'"line": 4')
        + b"\n"
    },
    "a line gone": lambda files: {"lines.jsonl": b"\n".join(files["lines.jsonl"].splitlines()[:2]) + b"\n"},
    "rubbish in the middle": lambda files: {
        "lines.jsonl": files["lines.jsonl"].replace(b'"line": 1', b"\x00\xff")
    },
    "half a checkpoint": lambda files: {"checkpoint.npz": files["checkpoint.npz"][:2000]},
    "an empty checkpoint": lambda files: {"checkpoint.npz": b""},
    "a flipped byte": lambda files: {"checkpoint.npz": _flipped(files["checkpoint.npz"])},
    "no checkpoint": lambda files: {"checkpoint.npz": None},
    "half a result": lambda files: {"result.json": b'{"id": "'},
    "another run's result": lambda files: {"result.json": b'{"id": "0123", "status": "done"}'},
    "nothing": lambda files: {},
}


def _flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_resumed_or_begun_anew_and_ends_the_same(tmp_path, halfway, damage):
    run, run_id, files, whole = halfway
    folder = RunFolder(tmp_path, run_id)
    folder.create()
    for name, content in {**files, **DAMAGE[damage](files)}.items():
        if content is not None:
            (folder.path / name).write_bytes(content)
    perform(run, run_id, tmp_path)
    assert folder.result()["weights_sha256"] == whole.result()["weights_sha256"]
    assert [line["rows"] for line in folder.lines()] == [line["rows"] for line in whole.lines()]
    assert sorted(path.name for path in folder.path.iterdir()) == sorted(
        path.name for path in whole.path.iterdir()
    )


def test_a_finished_run_that_lost_lines_is_done_again(tmp_path, halfway):
    run, run_id, _, whole = halfway
    folder = RunFolder(tmp_path, run_id)
    shutil.copytree(whole.path, folder.path)
    path = folder.path / "lines.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    perform(run, run_id, tmp_path)
    assert [line["rows"] for line in folder.lines()] == [line["rows"] for line in whole.lines()]


def test_a_run_goes_on_only_where_its_bits_do(tmp_path, halfway, capsys):
    """What stopped elsewhere would be credited to the machine that ends it."""
    run, run_id, files, whole = halfway
    ends = {}
    for change in ({"system": "another"}, {"processor": "another"}):
        folder = RunFolder(tmp_path / str(len(ends)), run_id)
        folder.create()
        for name, content in files.items():
            (folder.path / name).write_bytes(content)
        there = json.loads(files["environment.json"]) | change
        (folder.path / "environment.json").write_text(json.dumps(there))
        lines = folder.lines()
        lines[0]["time"] = "2020"
        (folder.path / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        perform(run, run_id, folder.path.parent)
        ends[tuple(change)] = folder.lines()[0]["time"] == "2020"
        assert folder.result()["environment"] == whole.result()["environment"] == folder.environment()
    assert ends == {("system",): True, ("processor",): False}
    said = capsys.readouterr().err
    assert said.count("is begun anew") == 1 and "processor was 'another' and is" in said


def test_divergence_is_a_result(tmp_path):
    run = toy_run(arms=(toys.arm(model=f"{toys.HERE}:exploding"),))
    run_id = identify(run)
    assert perform(run, run_id, tmp_path)["status"] == DIVERGED
    result = RunFolder(tmp_path, run_id).result()
    assert result["diverged_at"] is not None
    json.loads((tmp_path / run_id / "result.json").read_text(), parse_constant=pytest.fail)
    json.loads((tmp_path / run_id / "lines.jsonl").read_text().splitlines()[-1], parse_constant=pytest.fail)


def test_a_worker_with_other_code_refuses(tmp_path):
    with pytest.raises(RunFolderError, match="builds another graph or reads other images"):
        perform(toy_run(), "0123456789abcdef", tmp_path)


def test_an_arm_without_training_only_measures(tmp_path):
    run = toy_run(
        arms=(toys.arm(trains=False, hooks=(toys.hook("weight_norm", when="start"),)),), recipe=None
    )
    folder = done(run, tmp_path)
    assert folder.result()["steps"] == 0
    finished = conduct.Finished(
        label="toy", seed=0, rate=None, id=folder.id, result=folder.result(), lines=folder.lines()
    )
    assert [x for x, _ in finished.series("layer_norm")] == list(range(7))


def test_the_environment_is_recorded(tmp_path):
    folder = done(toy_run(), tmp_path)
    environment = json.loads((folder.path / "environment.json").read_text())
    assert environment["threads"] == 1
    assert environment["backend"] == "tensorflow" and environment["keras"]
    assert folder.result()["cpu_seconds"] > 0
    assert not any(os.fspath(ROOT) in path.read_text() for path in folder.path.glob("*.json*"))
