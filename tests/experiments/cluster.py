"""A Dask cluster of real processes on loopback."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def dask(tmp_path, *arguments):
    """A Dask scheduler or worker as a process of its own, on loopback."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s",
        "DASK_TEMPORARY_DIRECTORY": str(tmp_path / "dask"),
    }
    log = (tmp_path / f"dask-{arguments[0]}-{time.monotonic_ns()}.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments], env=environment, stdout=log, stderr=log, cwd=tmp_path
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        log.close()


def dask_worker(tmp_path, address):
    return dask(
        tmp_path, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"
    )


def wait_for(port):
    """Until the scheduler listens, which takes it a moment."""
    deadline = time.monotonic() + 120
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert time.monotonic() < deadline
        time.sleep(0.2)
