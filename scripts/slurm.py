#!/usr/bin/env python
"""Workers for the experiments from a Slurm cluster.

    scripts/slurm.py --jobs 16 --queue cpu &    # prints the scheduler's address and stays until it is stopped
    scripts/reproduce.py run all --scheduler tcp://HOST:PORT

The repository and the folder of runs must lie on a file system that all nodes see. Each job is one worker
with one thread: one and two threads differ in the fifth digit. A job that ends midway loses nothing: another
worker goes on from its last recorded interval.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def cluster(options: argparse.Namespace):
    """A cluster of Slurm jobs, none asked for yet."""
    from dask_jobqueue import SLURMCluster

    prologue = [f"cd {ROOT}", f"export PYTHONPATH={ROOT}"]
    # As the command has it: a run belongs to its backend. Where none is set, all have the same default.
    if backend := os.environ.get("KERAS_BACKEND"):
        prologue.append(f"export KERAS_BACKEND={backend}")
    return SLURMCluster(
        queue=options.queue,
        walltime=options.walltime,
        memory=options.memory,
        cores=1,
        processes=1,
        python=sys.executable,
        job_script_prologue=prologue,
        scheduler_options={"dashboard_address": None},
    )


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=8, metavar="N", help="Slurm jobs, one worker each (8)")
    parser.add_argument("--queue", metavar="NAME", help="Slurm partition")
    parser.add_argument("--memory", default="4GB", help="of a job (4GB)")
    parser.add_argument("--walltime", default="04:00:00", help="of a job (04:00:00)")
    return parser


def main() -> int:
    options = parser().parse_args()
    with cluster(options) as workers:
        workers.scale(jobs=options.jobs)
        print(f"scripts/reproduce.py run NAME --scheduler {workers.scheduler_address}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
