"""What the reader sees while runs are at work: bars in a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from zoo.experiments.running.durations import minutes
from zoo.experiments.running.execution import Job
from zoo.experiments.running.results import RunFolder

PLAIN_SECONDS = 30.0


class Bars:
    """One bar for all runs and one a worker, in a terminal."""

    def __init__(self, progress: Progress, total: int, workers: int, runs: Path):
        self.progress, self.runs = progress, runs
        self.all = progress.add_task("all runs", total=total)
        self.slots = [progress.add_task("idle", total=1.0) for _ in range(workers)]
        self.jobs: list[Job | None] = [None] * workers

    def __call__(self, *, running: Sequence[Job], finished: Sequence[Job]) -> None:
        """Give every running job a slot of its own for as long as it runs."""
        self.jobs = [job if job in running else None for job in self.jobs]
        new = [job for job in running if job not in self.jobs]
        for slot, job in enumerate(self.jobs):
            if job is None and new:
                self.jobs[slot] = job = new.pop(0)
                self.progress.reset(self.slots[slot], description=job.title)
            elif job is None:
                self.progress.update(self.slots[slot], description="idle", completed=0.0)
            if job is not None:
                self.progress.update(self.slots[slot], completed=_share(job, self.runs))
        partial = sum(_share(job, self.runs) for job in self.jobs if job is not None)
        self.progress.update(self.all, completed=len(finished) + partial)


class Lines:
    """A line now and then, for logs."""

    def __init__(self, total: int):
        self.total, self.last, self.begun, self.before = total, 0.0, time.monotonic(), None

    def __call__(self, *, running: Sequence[Job], finished: Sequence[Job]) -> None:
        """Say how far it is, at most every half minute."""
        now = time.monotonic()
        if self.before is None:
            self.before = len(finished)
        if now - self.last < PLAIN_SECONDS:
            return
        self.last = now
        new = len(finished) - self.before
        left = (now - self.begun) / new * (self.total - len(finished)) if new else None
        rest = f", about {minutes(left / 60)} left" if left is not None else ""
        print(f"{len(finished)} of {self.total} runs done{rest}", flush=True)


@contextlib.contextmanager
def watching(total: int, workers: int, runs: Path) -> Iterator[Bars | Lines]:
    """Somebody to tell how runs get on.

    Args:
        total: Number of runs.
        workers: Number of workers.
        runs: Their folder.
    """
    if not sys.stdout.isatty():
        yield Lines(total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console()) as progress:
        yield Bars(progress, total, workers, runs)


def _share(job: Job, runs: Path) -> float:
    """How much of a run is done."""
    folder = RunFolder(runs, job.id)
    if folder.result() is not None:
        return 1.0
    lines = folder.lines()
    total = lines[0].get("total", 0) if lines else 0
    return lines[-1]["step"] / total if total else 0.0
