"""Measure the zoo against stock Keras and PyTorch, side by side in one run, and write what was found as data.

    python scripts/benchmark.py                     # everything, with the settings of the published page
    python scripts/benchmark.py training depth      # some parts
    python scripts/benchmark.py training --quick    # less of it, for a look

Every part writes docs/data/performance_PART.csv (one row a measurement, medians over interleaved rounds) and
.json (command, machine, versions, load). Timings on a shared machine are worth little alone: read the ratios,
whose two sides were measured in turn within one run.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

PARTS = (
    "imports",
    "build",
    "training",
    "inference",
    "transforms",
    "merging",
    "importance",
    "peak",
    "depth",
    "steps",
    "settings",
    "engine",
    "catalog",
)


def main() -> None:
    """Run the parts named on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; none means all")
    parser.add_argument("--quick", action="store_true", help="smaller nets and fewer rounds")
    parser.add_argument(
        "--only", nargs="*", default=[], help="cases of a part, such as resnet20v2; none means all"
    )
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of a process"
    )
    parser.add_argument(
        "--page", action="store_true", help="draw the tables and charts again; measures nothing"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="folder to write to; docs/data, with --quick runs/performance: a look is not what is published",
    )
    arguments = parser.parse_args()
    arguments.output = arguments.output or ROOT / ("runs/performance" if arguments.quick else "docs/data")
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}; expected some of {', '.join(PARTS)}")
    if arguments.page:
        importlib.import_module("benchmarks.page").write(arguments.output)
        return
    given = dict(os.environ)
    for part in arguments.parts or PARTS:
        os.environ.clear()
        os.environ.update(given | _threads(arguments.threads))
        load = os.getloadavg()[0]
        began = time.time()
        module = importlib.import_module(f"benchmarks.{part}")
        print(f"\n{part}: {module.QUESTION}", flush=True)
        rows = []
        for row in module.measure(quick=arguments.quick, only=arguments.only):
            row["load"] = round(os.getloadavg()[0], 1)
            rows.append(row)
            print("  " + "  ".join(f"{k}={_short(v)}" for k, v in row.items()), flush=True)
        if rows:
            about = {
                "question": module.QUESTION,
                "command": _command(arguments),
                "date": time.strftime("%Y-%m-%d", time.gmtime(began)),
                "seconds": round(time.time() - began),
                "load_before": round(load, 2),
                "load_after": round(os.getloadavg()[0], 2),
                "threads": arguments.threads,
                **machine(),
            }
            _write(arguments.output, part, rows, about, merge=bool(arguments.only))


def _command(arguments) -> str:
    """What to type for the same measurement; where it was written to is nobody's business."""
    given = [*arguments.parts, *(["--quick"] if arguments.quick else [])]
    if arguments.only:
        given += ["--only", *(f'"{name}"' if " " in name else name for name in arguments.only)]
    return " ".join(["python scripts/benchmark.py", *given])


def machine() -> dict:
    """Processor, memory and versions."""
    from importlib.metadata import PackageNotFoundError, version

    from zoo.experiments.running.environment import processor

    versions = {"python": sys.version.split()[0]}
    for package in ("keras", "tensorflow", "jax", "torch", "onnxruntime", "openvino", "numpy"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "processor": processor(),
        "processors": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "versions": versions,
    }


def _threads(count: int) -> dict[str, str]:
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {name: str(count) for name in names} | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}


# What a row is about; the other columns are what was measured.
KEYS = (
    "net",
    "source",
    "contender",
    "depth",
    "batch",
    "statement",
    "transform",
    "setting",
    "operation",
    "what",
    "images",
)
# What must be equal where cases measured later join earlier ones: a ratio has one machine on both sides.
OF_A_MACHINE = ("processor", "processors", "threads", "versions")


def _merged(path: Path, rows: list[dict]) -> list[dict]:
    """The rows of an earlier run of other cases, followed by the new ones."""

    def key(row):
        return tuple(str(row.get(k, "")) for k in KEYS)

    new = {key(row) for row in rows}
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if key(row) not in new] + rows


def _write(folder: Path, part: str, rows: list[dict], about: dict, merge: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if merge and (folder / f"performance_{part}.csv").exists():
        _refuse_other_machine(folder / f"performance_{part}.json", about)
        rows = _merged(folder / f"performance_{part}.csv", rows)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (folder / f"performance_{part}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: _plain(v) for k, v in row.items()} for row in rows)
    (folder / f"performance_{part}.json").write_text(json.dumps(about, indent=2) + "\n")
    print(
        f"  load {about['load_before']} -> {about['load_after']}; {about['seconds']} s; {about['processor']}"
    )


def _refuse_other_machine(path: Path, about: dict) -> None:
    then = json.loads(path.read_text())
    if other := [name for name in OF_A_MACHINE if then.get(name) != about.get(name)]:
        raise SystemExit(
            f"error: {path.name} was measured with other {', '.join(other)}: measure the whole part, or give --output another "
            "folder"
        )


def _plain(value):
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _short(value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
