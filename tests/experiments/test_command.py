import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.progress import Progress

from tests.experiments import cluster
from zoo.experiments import command
from zoo.experiments.command import REFUSED, main
from zoo.experiments.publishing import publication
from zoo.experiments.running import archive
from zoo.experiments.running.durations import minutes
from zoo.experiments.running.execution import Job
from zoo.experiments.running.progress import Bars, Lines
from zoo.experiments.running.results import RunFolder
from zoo.studies import STUDIES

ROOT = Path(__file__).parents[2]


def test_list_names_every_experiment_with_its_cost_and_needs_no_backend():
    code = (
        "import sys; from zoo.experiments.command import main; from zoo.studies import STUDIES; main(STUDIES, ['list']); "
        "assert not {'keras', 'tensorflow', 'altair'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in STUDIES.names():
        assert name in done.stdout
    assert "30 runs, about" in done.stdout and "on " in done.stdout


def test_what_is_missing_is_listed_in_the_order_in_which_to_run_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(STUDIES, ["list", "--missing"]) == 0
    said = capsys.readouterr().out
    named = [line.split()[0] for line in said.splitlines() if not line.startswith(" ")]
    assert named == STUDIES.in_order() and named[0] == STUDIES.priority[0]
    assert re.search(r", [1-9]\d* more shared or archived", said) and said.count(" so far") == len(named)


def test_what_is_published_in_part_says_so_and_what_is_left(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs/data").mkdir(parents=True)
    (tmp_path / "docs/data/ordering_20.json").write_text(
        '{"spec": {"seeds": [0, 1, 2, 3]}, "environment": {"backend": "tensorflow"}}'
    )
    assert main(STUDIES, ["list", "--missing"]) == 0
    name, seeds, *left = capsys.readouterr().out.splitlines()[:8]
    assert name.startswith("ordering_20 ") and seeds.strip() == "4 of 5 seeds are published; left are"
    assert left[0].strip() == "original, 20 layers: seed 4" and left[4].strip().endswith("20 layers: seed 4")
    assert left[5].strip().startswith("5 runs, about 32 min of one core")


def test_what_another_backend_has_run_is_not_run_again_unasked(capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    for asked in (["run", "ordering_56"], ["check", "ordering_56"]):
        assert main(STUDIES, asked) == REFUSED
        assert "is published from runs on jax, and KERAS_BACKEND is tensorflow; set KERAS_BACKEND=jax" in (
            capsys.readouterr().err
        )


def test_of_all_what_another_backend_has_run_is_left_out_and_named(capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    known = STUDIES.experiments()
    left = command._made_here(known, SimpleNamespace(names=["all"]))
    made_on = {
        name: publication.load(name).about["environment"]["backend"]
        for name in publication.names(STUDIES.names())
    }
    elsewhere = {name for name, backend in made_on.items() if backend != "tensorflow"}
    assert (
        "ordering_56" in elsewhere and {one.name for one in left} == {one.name for one in known} - elsewhere
    )
    said = capsys.readouterr().out.splitlines()
    assert "left out: ordering_56 is published from runs on jax, and KERAS_BACKEND is tensorflow" in said
    assert len(said) == len(elsewhere)


def test_only_what_one_backend_has_run(tmp_path, monkeypatch, capsys):
    """A gate that judges nothing is no gate; and what is damaged may have been run there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs/data").mkdir(parents=True)
    assert main(STUDIES, ["status", "--made-on", "jax"]) == REFUSED
    assert "nothing is published from runs on jax" in capsys.readouterr().err
    (tmp_path / "docs/data/ordering_56.json").write_text("{")
    (tmp_path / "docs/data/ordering_56.csv").write_text("")
    assert main(STUDIES, ["status", "--made-on", "jax"]) == 1
    assert capsys.readouterr().out.startswith("ordering_56  stale    ")


def test_a_run_that_another_experiment_archived_is_not_done_again(tmp_path, monkeypatch, capsys):
    """Of an arm that two experiments have in common; what --quick asks for is never archived."""
    kept = (ROOT / archive.FOLDER / "ordering_20.jsonl").read_text().splitlines()[0]
    monkeypatch.chdir(tmp_path)
    archive.FOLDER.mkdir(parents=True)
    (archive.FOLDER / "ordering_20.jsonl").write_text(kept + "\n")
    monkeypatch.setattr(command, "pool", lambda **_: contextlib.nullcontext(SimpleNamespace(workers=1)))
    found = []

    def conduct(experiment, *, runs, **_):
        found.extend(path.name for path in runs.glob("*") if RunFolder(runs, path.name).result())
        raise ValueError("as far as is asked here")

    monkeypatch.setattr("zoo.experiments.running.conduct.conduct", conduct)
    assert main(STUDIES, ["run", "precision", "--quick"]) == 2 and found == []
    assert main(STUDIES, ["run", "precision"]) == 2
    assert found == [json.loads(kept)["result"]["id"]]
    assert "ordering_20.jsonl: 1 finished" in capsys.readouterr().out


def test_an_unknown_name_is_answered_with_the_nearest(capsys):
    assert main(STUDIES, ["run", "fom"]) == 2
    assert "reproduce: unknown experiment 'fom'; did you mean 'form'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["figures", "publish"])
def test_where_nothing_is_published_it_is_said(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for arguments in ([command], [command, "all"]):
        assert main(STUDIES, arguments) == 2
        assert (
            "nothing is published in docs/data here: give this command in a checkout"
            in capsys.readouterr().err
        )
    assert main(STUDIES, [command, "form"]) == 2
    assert "nothing is published of 'form'" in capsys.readouterr().err
    assert main(STUDIES, ["check", "all"]) == 2
    assert "nothing is published in docs/data here" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["run"], ["run", "form", "--workers", "0"], ["fly"], []])
def test_wrong_arguments_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(STUDIES, arguments)
    assert stopped.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_an_unreachable_scheduler_is_said(capsys, monkeypatch):
    pytest.importorskip("distributed")
    from zoo.experiments.running import execution

    monkeypatch.setattr(execution.DaskPool.__init__, "__kwdefaults__", {"timeout": 0.5})
    assert main(STUDIES, ["run", "form", "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "no Dask scheduler answers at 'tcp://127.0.0.1:9'" in capsys.readouterr().err


@pytest.mark.deep  # processes of its own
def test_a_dask_cluster_does_the_runs_of_a_whole_command(tmp_path):
    """Through the script itself, as a reader gives it, in a folder that is not the repository; a quick run on
    another data set answers and publishes nothing.
    """
    pytest.importorskip("distributed")
    port = cluster.free_port()
    address = f"tcp://127.0.0.1:{port}"
    command = [sys.executable, ROOT / "scripts/reproduce.py", "run", "form", "--quick", "--dataset", "digits"]
    scheduler = cluster.dask(
        tmp_path, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"
    )
    with (
        scheduler,
        cluster.dask_worker(tmp_path, address) as one,
        cluster.dask_worker(tmp_path, address) as two,
    ):
        cluster.wait_for(port)
        done = subprocess.run(
            [*command, "--seeds", "1", "--scheduler", address], cwd=tmp_path, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    assert "form: 6 runs, about" in done.stdout
    # Each pair of forms, whichever of the two workers did which.
    assert " ".join(done.stdout.split()).count("equal to the bit in 1 of 1") == 3
    assert not (tmp_path / "docs").exists()
    runs = [RunFolder(tmp_path / "runs", folder.name) for folder in (tmp_path / "runs").iterdir()]
    results = [run for run in runs if run.result() is not None]
    assert len(results) == 6
    assert {line["process"] for run in results for line in run.lines()} == {one.pid, two.pid}


# Another line on standard error, written while Keras is imported.
LOUD = (
    "import importlib; real = importlib.import_module; "
    "importlib.import_module = lambda name: (name == 'keras' and os.write(2, b'W0 of another\\n'), real(name))[1]; "
)


@pytest.mark.parametrize("loud, said", [("", []), (LOUD, ["W0 of another"])])
def test_start_up_lines_are_left_out_and_others_are_not(loud, said):
    code = (
        f"import os, sys; {loud}from zoo.experiments.running import environment; environment.pin_threads(); "
        "os.write(2, b'before\\n'); environment.start_backend(); assert 'tensorflow' in sys.modules; "
        "import keras; keras.ops.ones(2) + 1; os.write(2, b'after\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["before", *said, "after"]


@pytest.mark.deep  # retraces an experiment
def test_status_says_nothing_but_its_answer():
    """Neither start-up lines of its workers, nor Keras on the mistakes that `head` makes on purpose."""
    done = subprocess.run(
        [sys.executable, "scripts/reproduce.py", "status", "head"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stderr == "" and done.stdout.startswith("head         fresh    ")


def test_times_in_words():
    assert [minutes(m) for m in (0.1, 1, 41.4, 100)] == ["6 s", "1 min", "41 min", "1 h 40 min"]


def test_plain_lines_tell_what_is_left(capsys, monkeypatch):
    now = iter([0.0, 100.0, 110.0, 200.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    lines = Lines(8)
    for finished in ([], ["a"], ["a", "b"]):
        lines(running=[], finished=finished)
    assert capsys.readouterr().out.splitlines() == ["0 of 8 runs done", "2 of 8 runs done, about 10 min left"]


def test_bars_show_each_worker_its_run(tmp_path):
    jobs = [Job(None, name, f"run {name}") for name in "abc"]
    for job, step in zip(jobs, (5, 2, 0), strict=True):
        folder = RunFolder(tmp_path, job.id)
        folder.create()
        folder.append({"line": 0, "step": 0, "total": 10})
        folder.append({"line": 1, "step": step})
    with Progress(console=Console(file=io.StringIO())) as progress:
        bars = Bars(progress, total=3, workers=2, runs=tmp_path)
        bars(running=jobs[:2], finished=[])
        all_runs, *slots = progress.tasks
        assert [(task.description, task.completed) for task in slots] == [("run a", 0.5), ("run b", 0.2)]
        assert all_runs.completed == pytest.approx(0.7)
        bars(running=[jobs[1], jobs[2]], finished=jobs[:1])
        all_runs, *slots = progress.tasks
        assert [task.description for task in slots] == ["run c", "run b"]
        assert all_runs.completed == pytest.approx(1.2)
        bars(running=[], finished=jobs)
        assert [task.description for task in progress.tasks[1:]] == ["idle", "idle"]
        assert progress.tasks[0].completed == 3
