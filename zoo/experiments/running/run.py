"""One run, as a worker executes it: claimed, resumed where it stopped, trained, and marked done."""

import functools
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from zoo.experiments.design.experiment import Dataset, canonical, plain
from zoo.experiments.design.plan import ContinuedRun, Run
from zoo.experiments.running import environment
from zoo.experiments.running.results import RunFolder, RunFolderError

DONE, DIVERGED, BUSY = "done", "diverged", "busy"


@dataclass(frozen=True)
class Beginning:
    """What a run that goes on begins with.

    Attributes:
        weights: Those that the run before ended with, in the order of `model.get_weights()`.
        diverged: Whether it diverged, so that there is nothing to go on with.
    """

    weights: list[np.ndarray]
    diverged: bool


def perform(run: Run, run_id: str, runs: str | Path) -> dict:
    """Do a run that is not done yet, alone.

    Args:
        run: What to do.
        run_id: Its id as `identify` gives it; a worker whose code builds another graph refuses.
        runs: Folder of all runs, the same for every worker.

    Returns:
        `{"id": ..., "status": ...}`: `done`, `diverged`, or `busy` where another process is at work on it, or on the
        run that it goes on after.

    Raises:
        RunFolderError: The folder cannot be written, or this worker's code is not the command's.
    """
    folder = RunFolder(runs, run_id)
    with folder.claim() as mine:
        if not mine:
            return {"id": run_id, "status": BUSY}
        result, begins = folder.result(), None
        if result is None and isinstance(run, ContinuedRun):
            begins = beginning(run.before, folder.path.parent)
            if begins is None:
                return {"id": run_id, "status": BUSY}
        result = result or _train(run, folder, begins)
        return {"id": run_id, "status": result["status"]}


def _train(run: Run, folder: RunFolder, begins: Beginning | None = None) -> dict:
    environment.pin_threads()
    environment.start_backend()
    from zoo.experiments.training.loop import Training, forget_graphs

    forget_graphs()
    lost = begins is not None and begins.diverged
    training = Training(run, begins_with=begins.weights if begins and not lost else None)
    if training.id != folder.id:
        raise RunFolderError(
            f"run {folder.id}: this worker builds another graph or reads other images than the command "
            f"that sent it "
            f"(here the run would be {training.id}); use the same code and data everywhere and restart "
            f"the workers"
        )
    here = environment.describe()
    if run.backend != here["backend"]:
        raise RunFolderError(
            f"run {folder.id} is one of {run.backend} and this worker computes with {here['backend']}; set "
            f"KERAS_BACKEND={run.backend} where the workers are started"
        )
    # Before the new environment replaces that of the lines there are.
    lines = _resume(training, folder, here)
    if lines is None:
        folder.restart()
    folder.write_spec(
        {"run": plain(run), "graph": training.graph, "data": training.images and training.images.sha256}, here
    )
    if lines is None:
        begun, wall, cpu = datetime.now(UTC), time.perf_counter(), time.process_time()
        rows = [] if lost else training.placed_start()
        lines = [
            {
                "step": 0,
                "total": training.total,
                "epoch": 0.0,
                "rows": rows,
                "diverged_at": 0 if lost else None,
                "train_seconds": 0.0,
                "train_cpu_seconds": 0.0,
                "wall_seconds": time.perf_counter() - wall,
                "cpu_seconds": time.process_time() - cpu,
                "line": 0,
                "process": os.getpid(),
                "time": begun.isoformat(timespec="seconds"),
            }
        ]
        folder.append(lines[0])
    while training.step < training.total and lines[-1]["diverged_at"] is None:
        line = training.advance() | {"line": len(lines), "process": os.getpid(), "time": _now()}
        folder.append(line)
        lines.append(line)
        if training.step < training.total and line["diverged_at"] is None:
            folder.save_checkpoint(training.state() | {"lines": len(lines)})
    if training.model is not None:
        folder.save_weights(training.weights())
    diverged_at = lines[-1]["diverged_at"]
    result = {
        "status": DONE if diverged_at is None else DIVERGED,
        "diverged_at": diverged_at,
        "steps": training.step,
        "trace": [repr(loss) for loss in training.trace],
        "weights_sha256": training.weights_sha256() if training.model is not None else None,
        "parameters": training.model.count_params() if training.model is not None else None,
        "layers": len(training.model.layers) if training.model is not None else None,
        "graph": training.graph,
        "data": training.images.sha256 if training.images else None,
        "environment": here,
        "commit": environment.commit(),
        "finished": _now(),
        **{
            name: round(sum(line[name] for line in lines), 3)
            for name in ("train_seconds", "train_cpu_seconds", "wall_seconds", "cpu_seconds")
        },
    }
    folder.finish(result)
    return result


def beginning(run: Run, runs: Path) -> Beginning | None:
    """What another run begins with that goes on after this one; this one is done first where it is not.

    Of a run from an archive there are no weights: it is done once more, beside its result, and has to end with the same
    bits.

    Args:
        run: The run before.
        runs: Folder of all runs.

    Returns:
        Its end, or `None` while another process is at work on it.

    Raises:
        RunFolderError: Done once more it ends with other weights.
    """
    folder = RunFolder(runs, identify(run))
    if (there := _end_of(folder)) is not None:
        return there
    with folder.claim() as mine:
        if not mine:
            return None
        if _end_of(folder) is None:
            _train_for_weights(run, folder)
        return _end_of(folder)


def _end_of(folder: RunFolder) -> Beginning | None:
    result = folder.result()
    weights = folder.load_weights() if result is not None else None
    return None if weights is None else Beginning(weights, result["status"] == DIVERGED)


def _train_for_weights(run: Run, folder: RunFolder) -> None:
    recorded = folder.result()
    if recorded is None:
        _train(run, folder)
        return
    again = RunFolder(folder.path / "again", folder.id)
    again.create()
    result = again.result() or _train(run, again)
    if result["weights_sha256"] != recorded["weights_sha256"]:
        other = "; ".join(environment.differences(recorded["environment"], result["environment"]))
        raise RunFolderError(
            f"run {folder.id} was done elsewhere and ends with other weights here ({other or 'in the same environment'}), "
            f"so nothing can go on with them; go on where it was done, or choose another folder with --runs"
        )
    folder.adopt_weights(again)


def _resume(training: Any, folder: RunFolder, here: dict) -> list[dict] | None:
    """Bring a half-done run back to its last checkpoint; `None` where it has to start anew.

    A run is of one environment, which is published with it. So it goes on only where its bits do.
    """
    state = folder.load_checkpoint()
    if state is None or "lines" not in state:
        return None
    if other := environment.differences(folder.environment() or {}, here):
        print(
            f"run {folder.id} is begun anew: it was begun where the same step may give other numbers ({'; '.join(other)})",
            file=sys.stderr,
            flush=True,
        )
        return None
    count = int(state.pop("lines"))
    lines = folder.lines()
    if len(lines) < count:
        return None
    try:
        training.restore(state)
    except (ValueError, KeyError):
        return None
    folder.rewind(count)
    return lines[:count]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def identify(run: Run) -> str:
    """The run's id, which takes building its model and reading its images."""
    return run.id(*fingerprints_of(run))


def fingerprints_of(run: Run, *, earlier: bool = False) -> tuple[str | None, str | None]:
    """Hash of the graph that a run builds, or that it goes on with, and of its images.

    Args:
        run: Which.
        earlier: As in `fingerprints`.
    """
    origin = run.origin
    return fingerprints(origin.model, canonical(origin.options), run.data, earlier=earlier)


@functools.cache
def fingerprints(
    model: str | None, options: str, data: Dataset | None, *, earlier: bool = False
) -> tuple[str | None, str | None]:
    """Hash of a model's graph and of its images.

    Args:
        model: As in an arm.
        options: Its options as canonical JSON.
        data: What it sees.
        earlier: Whether the graph is hashed as `earlier_fingerprint` does.
    """
    import json

    from zoo.experiments.data.sets import load

    environment.start_backend()
    images = load(data) if data is not None else None
    if model is None:
        return None, images and images.sha256
    import keras

    from zoo.experiments.fingerprint import earlier_fingerprint, graph_fingerprint
    from zoo.experiments.training.loop import build_model

    # A graph needs no weights, and to draw them is most of the time that a deep net takes to build.
    with keras.StatelessScope(initialize_variables=False):
        built = build_model(model, images=images, seed=0, **json.loads(options))
    hashed = earlier_fingerprint if earlier else graph_fingerprint
    return hashed(built), images.sha256
