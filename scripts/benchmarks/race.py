"""Contenders that take turns, each in a process of its own: isolated and yet measured side by side."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator

WORKER = "benchmarks.worker"


class Contender:
    """A process that has one thing to time ready, and times it when told to.

    Args:
        kind: Name of a function of `benchmarks.worker`.
        **options: Its arguments.
    """

    def __init__(self, kind: str, **options):
        command = [sys.executable, "-W", "ignore", "-m", WORKER, kind, json.dumps(options)]
        folder = __file__.rsplit("/benchmarks/", 1)[0]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
        )
        self.ready = self._answer()
        self.cpu_seconds = 0.0

    def go(self) -> float:
        """One turn; seconds per step. `cpu_seconds` is then what the processors spent on all of it."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        took = self._answer()
        self.cpu_seconds = took["cpu_seconds"]
        return took["seconds"]

    def end(self) -> dict:
        """Stop the process; what it reports at the end, such as its peak memory."""
        self._process.stdin.write("end\n")
        self._process.stdin.flush()
        last = self._answer()
        self._process.communicate()
        return last

    def stop(self) -> dict:
        """End the process without a turn; what it said when it was ready."""
        self.end()
        return self.ready

    def _answer(self) -> dict:
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        _, error = self._process.communicate()
        error = error.strip().splitlines()
        raise RuntimeError(f"contender ended: {error[-1] if error else 'killed, most likely for memory'}")


def race(contenders: dict[str, tuple[str, dict]], rounds: int) -> Iterator[dict]:
    """Time all contenders in turn, `rounds` times round; yields a row for each: the median and the spread.

    A contender that cannot run is a row that says why, and so is one whose outputs differ from those expected: it has
    its difference instead of a time.
    """
    running, rows = {}, {}
    for name, (kind, options) in contenders.items():
        try:
            running[name] = Contender(kind, **options)
        except RuntimeError as error:
            rows[name] = {"contender": name, "failed": str(error)[:200]}
            continue
        if running[name].ready.get("differs"):
            ready = running.pop(name).stop()
            said = f"its outputs differ by {ready['difference']:.2g} of the largest: not timed"
            rows[name] = {"contender": name, "difference": ready["difference"], "failed": said}
    times = {name: [] for name in running}
    for _ in range(rounds):
        for name, contender in running.items():
            times[name].append(contender.go())
    for name, contender in running.items():
        seconds = times[name]
        rows[name] = {
            "contender": name,
            "seconds": statistics.median(seconds),
            "fastest": min(seconds),
            "slowest": max(seconds),
            **{k: v for k, v in contender.ready.items() if k != "seconds"},
            **contender.end(),
        }
    yield from (rows[name] for name in contenders)
