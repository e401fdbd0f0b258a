"""Finished runs in one file, so that an experiment of many hours can go on on another machine.

NAME.jsonl holds one finished run a line: what `spec.json`, `environment.json`, `lines.jsonl` and `result.json` of its
folder say, and a hash of all that. Weights are not in it: their hash is, and a run's id and seed make them again.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from zoo.experiments.running.results import RunFolder, write_atomically

FOLDER = Path("docs/data/runs")
PARTS = ("spec", "environment", "lines", "result")


class ArchiveError(ValueError):
    """An archive is damaged or was edited by hand."""


def pack(ids: Iterable[str], runs: Path, archive: Path) -> int:
    """Write the finished runs among `ids`, those that the archive holds already included.

    Args:
        ids: Runs of one experiment.
        runs: Folder of all runs.
        archive: File to write.

    Returns:
        How many finished runs the archive holds.
    """
    records = {record["result"]["id"]: record for record in _records(archive)}
    for run_id in ids:
        folder = RunFolder(runs, run_id)
        if folder.result() is not None:
            spec, environment = (
                json.loads((folder.path / f"{name}.json").read_bytes()) for name in ("spec", "environment")
            )
            records[run_id] = dict(
                zip(PARTS, (spec, environment, folder.lines(), folder.result()), strict=True)
            )
    archive.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(records[i] | {"sha256": _hash(records[i])}, sort_keys=True) for i in sorted(records)]
    write_atomically(archive, "".join(f"{line}\n" for line in lines).encode())
    return len(records)


def unpack(archive: Path, runs: Path) -> int:
    """Make folders of the archive's runs that are not finished in `runs`; they count as done there.

    Returns:
        How many were made.

    Raises:
        ArchiveError: A line was damaged or edited.
    """
    made = 0
    for record in _records(archive):
        folder = RunFolder(runs, record["result"]["id"])
        with folder.claim() as mine:
            if not mine or folder.result() is not None:
                continue
            folder.restart()
            folder.write_spec(record["spec"], record["environment"])
            for line in record["lines"]:
                folder.append(line)
            folder.finish(record["result"])
            made += 1
    return made


def described(archive: Path) -> list[dict]:
    """The finished runs of an archive as they were described when they began; none where there is no archive.

    Raises:
        ArchiveError: A line was damaged or edited.
    """
    return [record["spec"]["run"] for record in _records(archive)]


def _records(archive: Path) -> list[dict]:
    if not archive.exists():
        return []
    records = []
    for number, text in enumerate(archive.read_text().splitlines(), start=1):
        try:
            record = json.loads(text)
            claimed = record.pop("sha256")
            whole = set(record) == set(PARTS) and claimed == _hash(record)
        except (ValueError, KeyError, AttributeError):
            whole = False
        if not whole:
            raise ArchiveError(
                f"{archive}, line {number}, is damaged or was edited (its hash does not fit); restore it from git"
            )
        records.append(record)
    return records


def _hash(record: dict) -> str:
    return hashlib.sha256(
        json.dumps({part: record[part] for part in PARTS}, sort_keys=True).encode()
    ).hexdigest()
