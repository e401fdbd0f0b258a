"""One run, as a worker executes it: claimed, resumed where it stopped, trained, and marked done."""

import functools
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zoo.experiments.design.experiment import Dataset, canonical, plain
from zoo.experiments.design.plan import Run
from zoo.experiments.running import environment
from zoo.experiments.running.results import RunFolder, RunFolderError

DONE, DIVERGED, BUSY = "done", "diverged", "busy"


def perform(run: Run, run_id: str, runs: str | Path) -> dict:
    """Do a run that is not done yet, alone.

    Args:
        run: What to do.
        run_id: Its id as `identify` gives it; a worker whose code builds another graph refuses.
        runs: Folder of all runs, the same for every worker.

    Returns:
        `{"id": ..., "status": ...}`: `done`, `diverged`, or `busy` where another process is at work on it.

    Raises:
        RunFolderError: The folder cannot be written, or this worker's code is not the command's.
    """
    folder = RunFolder(runs, run_id)
    with folder.claim() as mine:
        if not mine:
            return {"id": run_id, "status": BUSY}
        result = folder.result() or _train(run, folder)
        return {"id": run_id, "status": result["status"]}


def _train(run: Run, folder: RunFolder) -> dict:
    environment.pin_threads()
    environment.start_backend()
    from zoo.experiments.training.loop import Training, forget_graphs

    forget_graphs()
    training = Training(run)
    if training.id != folder.id:
        raise RunFolderError(
            f"run {folder.id}: this worker builds another graph or reads other images than the command "
            f"that sent it "
            f"(here the run would be {training.id}); use the same code and data everywhere and restart "
            f"the workers"
        )
    here = environment.describe()
    folder.write_spec(
        {"run": plain(run), "graph": training.graph, "data": training.images and training.images.sha256}, here
    )
    lines = _resume(training, folder)
    if lines is None:
        folder.restart()
        begun, wall, cpu = datetime.now(UTC), time.perf_counter(), time.process_time()
        rows = training.placed_start()
        lines = [
            {
                "step": 0,
                "total": training.total,
                "epoch": 0.0,
                "rows": rows,
                "diverged_at": None,
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


def _resume(training: Any, folder: RunFolder) -> list[dict] | None:
    """Bring a half-done run back to its last checkpoint; `None` where it has to start anew."""
    state = folder.load_checkpoint()
    if state is None or "lines" not in state:
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
    graph, data = fingerprints(run.model, canonical(run.options), run.data)
    return run.id(graph, data)


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
