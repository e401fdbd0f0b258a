"""Many runs at once: on this machine's cores, or on a Dask cluster."""

import collections
import concurrent.futures
import contextlib
import math
import multiprocessing
import multiprocessing.connection
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from zoo.experiments.design.plan import Run
from zoo.experiments.running.environment import pin_threads
from zoo.experiments.running.results import RunFolder, RunFolderError
from zoo.experiments.running.run import BUSY, perform

ATTEMPTS = 3  # of a run whose worker died
POLL_SECONDS = 0.5
SEEN_SECONDS = 60.0  # until a file that was written on one machine shows on another one, at most


class ExecutionError(RuntimeError):
    """Some runs could not be done; the others are."""


@dataclass(frozen=True)
class Job:
    """A run and what it is called in messages."""

    run: Run
    id: str
    title: str


class Watcher(Protocol):
    """Who is told how runs get on."""

    def __call__(self, *, running: Sequence[Job], finished: Sequence[Job]) -> None:
        """Called every half second."""


class LocalPool:
    """Worker processes on this machine, started afresh (`spawn`), with one thread each."""

    def __init__(self, workers: int):
        pin_threads()  # children inherit it
        # No more at a time than can run: what waits in a pool that breaks would be suspected too.
        self.workers = self.capacity = workers
        self._open()

    def _open(self) -> None:
        self._pool = concurrent.futures.ProcessPoolExecutor(
            self.workers, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
        )

    def submit(self, job: Job, runs: Path) -> concurrent.futures.Future:
        """Queue a job; a pool that broke because a worker died is replaced."""
        try:
            return self._pool.submit(perform, job.run, job.id, str(runs))
        except BrokenProcessPool:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._open()
            return self._pool.submit(perform, job.run, job.id, str(runs))

    def close(self) -> None:
        """Let the workers finish what they are at, drop the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """Let no worker outlive the command: a killed parent cannot tell its children to stop."""

    def wait():
        multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


class DaskPool:
    """A Dask cluster whose workers see the same folder of runs and the same code."""

    capacity = math.inf

    def __init__(self, address: str, *, timeout: float = 10.0):
        try:
            from distributed import Client
        except ImportError as error:
            raise ExecutionError("--scheduler needs Dask: pip install 'dask[distributed]'") from error
        try:
            self._client = Client(address, timeout=timeout, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise ExecutionError(
                f"no Dask scheduler answers at {address!r} ({type(error).__name__}); start one with `dask "
                f"scheduler`, give "
                "its address as tcp://HOST:PORT, or leave --scheduler out to run on this machine"
            ) from error
        if more := [worker for worker, threads in self._client.nthreads().items() if threads > 1]:
            self._client.close()
            raise ExecutionError(
                f"expected workers of one thread each, received {', '.join(more)} with more; seeds, threads and caches "
                "belong to a process: start each with `dask worker ADDRESS --nthreads 1 --nworkers N`"
            )
        # A run is done once whoever asks: not pure, or Dask would hand out an old answer, and a worker that
        # is killed is not held against the run until it happened ATTEMPTS times.
        self._executor = self._client.get_executor(pure=False, retries=0)
        self.workers = max(1, sum(self._client.nthreads().values()))

    def submit(self, job: Job, runs: Path) -> concurrent.futures.Future:
        """Queue a job; Dask gives it to another worker when its worker dies."""
        return self._executor.submit(perform, job.run, job.id, str(runs.resolve()))

    def close(self) -> None:
        """Leave the cluster; it belongs to whoever started it."""
        self._executor.shutdown(wait=False)
        self._client.close()


@contextlib.contextmanager
def pool(*, workers: int | None = None, scheduler: str | None = None) -> Iterator[LocalPool | DaskPool]:
    """Workers for as long as the `with` block lasts.

    Args:
        workers: Processes on this machine; by default one a core.
        scheduler: Address of a Dask scheduler to use instead, such as `tcp://127.0.0.1:8786`.

    Raises:
        ExecutionError: No scheduler there.
    """
    opened = DaskPool(scheduler) if scheduler else LocalPool(workers or cores())
    try:
        yield opened
    finally:
        opened.close()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def execute(
    jobs: Sequence[Job], *, runs: Path, workers: LocalPool | DaskPool, watch: Watcher | None = None
) -> None:
    """Do all jobs; those done before, by whomever, cost nothing.

    A job that another process is at work on is asked about again later, so two commands on one folder share
    the work. A job at work when a worker died is tried again alone, so that a run which kills its worker is
    found and fails by itself.

    Args:
        jobs: What to do.
        runs: Folder of all runs.
        workers: From `pool`.
        watch: Told how it goes.

    Raises:
        RunFolderError: The folder cannot be used; nothing more is started.
        ExecutionError: Some jobs failed, after all others were done; says which and why.
    """
    unique = {job.id: job for job in jobs}
    finished, waiting = [], collections.deque()
    for job in unique.values():
        (waiting if RunFolder(runs, job.id).result() is None else finished).append(job)
    futures: dict[concurrent.futures.Future, Job] = {}
    busy: list[Job] = []  # elsewhere at work
    suspects: collections.deque[Job] = (
        collections.deque()
    )  # at work when a worker died, one of them the cause
    alone = False
    deaths, failures = dict.fromkeys(unique, 0), {}

    try:
        while futures or waiting or suspects or busy:
            if not futures:
                alone = bool(suspects)
                if busy and not waiting and not suspects:
                    time.sleep(POLL_SECONDS)
                    waiting.extend(busy)
                    busy.clear()
            queue, most = (suspects, 1) if alone else (waiting, workers.capacity)
            while queue and len(futures) < most:
                job = queue.popleft()
                futures[workers.submit(job, runs)] = job
            done, _ = concurrent.futures.wait(
                futures, timeout=POLL_SECONDS, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                job = futures.pop(future)
                try:
                    status = _status(future, job, runs)
                except RunFolderError:
                    raise
                except Exception as error:
                    deaths[job.id] += 1
                    if _worker_died(error) and deaths[job.id] < ATTEMPTS:
                        suspects.append(job)
                    else:
                        failures[job.id] = f"{job.title}: {_failure(error, deaths[job.id])}"
                else:
                    (busy if status == BUSY else finished).append(job)
            if watch is not None:
                watch(running=list(futures.values()), finished=finished)
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    if failures:
        raise ExecutionError(
            f"{len(failures)} of {len(unique)} runs failed; the others are done and kept:\n  "
            + "\n  ".join(failures.values())
        )


def _failure(error: Exception, attempts: int) -> str:
    if not _worker_died(error):
        return f"{type(error).__name__}: {error}"
    return (
        f"its worker was killed {attempts} times, probably out of memory; try --workers 1, or a machine with more "
        f"memory ({type(error).__name__})"
    )


def _status(future: concurrent.futures.Future, job: Job, runs: Path) -> str:
    """What a worker says of a job, once what it has finished shows here.

    Raises:
        RunFolderError: It does not.
    """
    status = future.result()["status"]
    until = time.monotonic() + SEEN_SECONDS
    while status != BUSY and RunFolder(runs, job.id).result() is None:
        if time.monotonic() > until:
            raise RunFolderError(
                f"{job.title}: a worker has finished run {job.id}, and its result is not in {runs.resolve()}: the workers "
                "do not see this folder; name one with --runs that they share with this machine, by the same path"
            )
        time.sleep(POLL_SECONDS)
    return status


def _worker_died(error: Exception) -> bool:
    return isinstance(error, BrokenProcessPool) or type(error).__name__ == "KilledWorker"
