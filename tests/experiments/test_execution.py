"""Many runs: workers die, commands share a folder, a cluster loses a worker; nothing is lost."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.experiments import toys
from tests.experiments.cluster import dask, dask_worker, free_port, wait_for
from zoo.experiments.design.plan import run_of
from zoo.experiments.running import execution
from zoo.experiments.running.execution import ExecutionError, Job, execute, pool
from zoo.experiments.running.results import RunFolder, RunFolderError
from zoo.experiments.running.run import identify

ROOT = Path(__file__).parents[2]


def jobs(marks, seeds=range(4), seconds=0.1, **changes):
    hooks = (
        toys.hook("mark", when="start", arguments={"path": str(marks)}),
        toys.hook("sleep", when="interval", arguments={"seconds": seconds}),
        *changes.pop("hooks", ()),
    )
    experiment = toys.experiment(hooks=hooks, seeds=tuple(seeds), **changes)
    runs = [run_of(experiment, experiment.arms[0], seed, backend="tensorflow") for seed in seeds]
    return [Job(run, identify(run), f"seed {run.seed}") for run in runs]


def begun(marks):
    """Seeds whose run was begun, one entry each time."""
    return sorted(int(line.split()[0]) for line in marks.read_text().splitlines())


def test_a_worker_that_dies_is_replaced_and_its_run_goes_on(tmp_path):
    killer = toys.hook("die_once", when="interval", arguments={"path": str(tmp_path / "died")})
    todo = jobs(tmp_path / "marks", seeds=(0, 1), hooks=(killer,))
    with pool(workers=1) as workers:
        execute(todo, runs=tmp_path / "runs", workers=workers)
    assert (tmp_path / "died").exists()
    assert all(RunFolder(tmp_path / "runs", job.id).result() for job in todo)
    assert set(begun(tmp_path / "marks")) == {0, 1}


def test_runs_that_fail_are_named_and_the_others_are_done(tmp_path, monkeypatch):
    """One raises an error, one kills every worker that tries it, whatever else is at work then."""
    monkeypatch.setattr(execution, "ATTEMPTS", 2)  # a new worker takes seconds to start
    (good,) = jobs(tmp_path / "marks", seeds=(0,))
    (bad,) = jobs(tmp_path / "marks", seeds=(1,), hooks=(toys.hook("fails"),))
    (deadly,) = jobs(tmp_path / "marks", seeds=(2,), hooks=(toys.hook("die", when="interval"),))
    with pool(workers=2) as workers, pytest.raises(ExecutionError) as failed:
        execute([deadly, bad, good], runs=tmp_path, workers=workers)
    first, *others = str(failed.value).splitlines()
    assert first == "2 of 3 runs failed; the others are done and kept:"
    assert sorted(line.strip()[:26] for line in others) == [
        "seed 1: RuntimeError: this",
        "seed 2: its worker was kil",
    ]
    assert "killed 2 times, probably out of memory; try --workers 1, or" in str(failed.value)
    assert RunFolder(tmp_path, good.id).result()
    assert not RunFolder(tmp_path, bad.id).result() and not RunFolder(tmp_path, deadly.id).result()


SHARE = """
import sys
from pathlib import Path
from tests.experiments.test_execution import jobs
from zoo.experiments.running.execution import execute, pool
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with pool(workers=1) as workers:
        execute(jobs(folder / "marks"), runs=folder / "runs", workers=workers)
"""


@pytest.mark.deep  # processes of its own
def test_two_commands_on_one_folder_share_the_work(tmp_path):
    script = tmp_path / "share.py"
    script.write_text(SHARE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen([sys.executable, script, tmp_path], env=environment) for _ in range(2)]
    assert [process.wait(timeout=240) for process in both] == [0, 0]
    assert begun(tmp_path / "marks") == [0, 1, 2, 3], "each run was begun once"
    processes = {line.split()[1] for line in (tmp_path / "marks").read_text().splitlines()}
    assert len(processes) == 2, "both commands' workers did some"


def alive(pid):
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_no_worker_outlives_a_killed_command(tmp_path):
    script = tmp_path / "share.py"
    script.write_text(SHARE)
    marks = tmp_path / "marks"
    command = subprocess.Popen(
        [sys.executable, script, tmp_path], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    deadline = time.monotonic() + 120
    while not marks.exists() or not marks.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    worker = int(marks.read_text().split()[1])
    command.kill()
    command.wait()
    while alive(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.deep  # processes of its own
def test_a_dask_worker_killed_midway_loses_nothing_and_doubles_nothing(tmp_path):
    pytest.importorskip("distributed")
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    todo = jobs(tmp_path / "marks", seconds=0.3)
    scheduler = dask(tmp_path, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    with scheduler, dask_worker(tmp_path, address) as first, dask_worker(tmp_path, address):
        killed = []

        def kill_the_first_at_work(*, running, finished):
            """In the midst of a run: its first checkpoint is written, and it is not about to begin the next run."""
            for job in todo:
                folder = RunFolder(tmp_path / "runs", job.id)
                mine = [line for line in folder.lines() if line["process"] == first.pid]
                if not killed and 3 <= len(mine) <= 5:
                    first.send_signal(signal.SIGKILL)
                    killed.append(job)

        wait_for(port)
        with pool(scheduler=address) as workers:
            execute(todo, runs=tmp_path / "runs", workers=workers, watch=kill_the_first_at_work)
    assert killed
    assert begun(tmp_path / "marks") == [0, 1, 2, 3], (
        "the run of the killed worker was resumed, not begun again"
    )
    for job in todo:
        lines = RunFolder(tmp_path / "runs", job.id).lines()
        assert [line["line"] for line in lines] == list(range(7))
    assert {line["process"] for line in RunFolder(tmp_path / "runs", killed[0].id).lines()} > {first.pid}


def test_workers_that_do_not_see_the_folder_are_found_out(tmp_path, monkeypatch):
    """They have another one of the same name."""

    class Elsewhere(toys.Here):
        def submit(self, job, runs):
            done.append(job)
            return super().submit(job, tmp_path / "of the workers")

    done = []
    monkeypatch.setattr(execution, "SEEN_SECONDS", 0.0)
    monkeypatch.setattr(execution, "POLL_SECONDS", 0.01)
    with pytest.raises(
        RunFolderError, match=r"seed 0: a worker has finished run .* the workers do not see this folder"
    ):
        execute(jobs(tmp_path / "marks", seconds=0.0), runs=tmp_path / "here", workers=Elsewhere())
    assert len(done) == 1  # not after all of them


def test_a_result_that_shows_late_is_waited_for(tmp_path, monkeypatch):
    """As over a network file system, which looks into a folder again after a while."""
    looks, real = [], RunFolder.result

    def late(self):
        looks.append(self.id)
        return real(self) if len(looks) > 4 else None

    monkeypatch.setattr(execution, "POLL_SECONDS", 0.01)
    (job,) = jobs(tmp_path / "marks", seeds=(0,), seconds=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(execution.RunFolder, "result", late)
        execute([job], runs=tmp_path, workers=toys.Here())
    assert RunFolder(tmp_path, job.id).result() and len(looks) > 4


def test_a_scheduler_without_dask_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ExecutionError, match=r"^--scheduler needs Dask: pip install "):
        execution.DaskPool("tcp://127.0.0.1:1")


def test_workers_of_more_than_one_thread_are_refused(monkeypatch):
    distributed = pytest.importorskip("distributed")

    class Client:
        def __init__(self, *arguments, **options):
            pass

        def nthreads(self):
            return {"tcp://one:1": 1, "tcp://two:1": 2}

        def close(self):
            pass

    monkeypatch.setattr(distributed, "Client", Client)
    with pytest.raises(ExecutionError, match=r"received tcp://two:1 with more; .* --nthreads 1"):
        execution.DaskPool("tcp://127.0.0.1:1")


def test_no_scheduler_is_said():
    pytest.importorskip("distributed")
    from zoo.experiments.running.execution import DaskPool

    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(ExecutionError, match=re.escape(f"no Dask scheduler answers at '{address}'")):
        DaskPool(address, timeout=0.5)
