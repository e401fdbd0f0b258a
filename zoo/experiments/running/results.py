"""A run on disk: its folder, what may be in it, and what is made of a folder that was damaged.

runs/<id>/spec.json         what is run, the fingerprint of its graph, the hash of its data
          environment.json  where it ran
          lines.jsonl       one line of JSON an interval, flushed
          checkpoint.npz    everything needed to go on after the last line, replaced atomically
          weights.npz       what was trained
          result.json       written last and atomically: the done mark
          lock              held by the process at work, and let go by the kernel when that dies
"""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

DEFAULT_FOLDER = Path("runs")
READING = "reading"


class RunFolderError(RuntimeError):
    """A run folder cannot be used; the message says why and what to do."""


@contextlib.contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn the errors of a file system into sentences."""
    try:
        yield
    except OSError as error:
        forbidden = (
            f"the folder may not be {'read' if doing == READING else 'written'}; change its permissions or choose "
            "another with --runs"
        )
        no_folder = "a file is where a folder is expected; name a folder with --runs"
        reasons = {
            errno.ENOSPC: "the disk is full; free some space",
            errno.EDQUOT: "the disk quota is used up; free some space",
            errno.EACCES: forbidden,
            errno.EPERM: forbidden,
            errno.EROFS: "the file system is read-only; choose another folder with --runs",
            errno.EEXIST: no_folder,
            errno.ENOTDIR: no_folder,
        }
        if error.errno is None:
            raise
        reason = reasons.get(error.errno, f"{error.strerror}; mend that or choose another folder with --runs")
        raise RunFolderError(
            f"{doing} {path} failed: {reason}, then give the same command again; "
            "finished runs and recorded intervals are kept"
        ) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file so that whoever reads it, whenever, finds the old content or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with explained(path, "writing"):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


class RunFolder:
    """The folder of one run."""

    def __init__(self, runs: Path | str, run_id: str):
        self.id = run_id
        self.path = Path(runs) / run_id

    def create(self) -> None:
        """Make the folder if it is not there."""
        with explained(self.path, "creating"):
            self.path.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def claim(self) -> Iterator[bool]:
        """Hold the run, for this process alone, as long as the `with` block lasts.

        The lock is the kernel's (`flock`): a process that is killed holds nothing, so no lock is ever stale.

        Yields:
            Whether the claim succeeded; `False` means that another process is at work on this run.
        """
        self.create()
        with explained(self.path, "locking"):
            lock = (self.path / "lock").open("a")
        with lock:  # what goes wrong while it is held is not the lock's
            yield self._locked(lock)

    def _locked(self, lock: IO) -> bool:
        with explained(self.path, "locking"):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def write_spec(self, spec: dict, environment: dict) -> None:
        """Store what is run and where."""
        write_atomically(self.path / "spec.json", _pretty(spec))
        write_atomically(self.path / "environment.json", _pretty(environment))

    def environment(self) -> dict | None:
        """Where the run was begun; `None` where that is not known."""
        return self._read("environment.json")

    def result(self) -> dict | None:
        """The result of a finished run; `None` while there is none, where it cannot be read, or where lines are lost."""
        result = self._marked()
        return None if result is None or self._ends_at(result) is not None else result

    def damage(self) -> str | None:
        """Why a run with a result does not count as finished, in words; `None` where all is well or nothing is there."""
        result = self._marked()
        if result is None or (end := self._ends_at(result)) is None:
            return None
        return (
            f"its result says {result['steps']} steps, and its lines, which are damaged, end at step {end}; it is to be "
            "done again"
        )

    def _marked(self) -> dict | None:
        result = self._read("result.json")
        return result if result is not None and result.get("id") == self.id else None

    def _ends_at(self, result: dict) -> int | None:
        """The step at which lines that were cut end; `None` where they reach what the result says, if it does."""
        if "steps" not in result:
            return None
        lines = self.lines()
        end = lines[-1].get("step") if lines else 0
        return end if not lines or end != result["steps"] else None

    def _read(self, name: str) -> dict | None:
        try:
            with explained(self.path, READING):
                content = _content(self.path / name)
            found = json.loads(content) if content is not None else None
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def finish(self, result: dict) -> None:
        """Write the done mark, then drop the checkpoint, which nothing needs any more.

        The lines reach the disk before it: a mark that outlives them in a power cut would vouch for what is lost.
        """
        path = self.path / "lines.jsonl"
        if path.exists():
            with explained(path, "writing"), path.open("ab") as file:
                os.fsync(file.fileno())
        write_atomically(self.path / "result.json", _pretty({"id": self.id, **result}))
        with explained(self.path, "writing"):
            (self.path / "checkpoint.npz").unlink(missing_ok=True)

    def lines(self) -> list[dict]:
        """The recorded lines, up to the first one that is not whole: after it nothing can be trusted."""
        whole = []
        with explained(self.path, READING):
            content = _content(self.path / "lines.jsonl")
        if content is None:
            return whole
        for text in content.split(b"\n")[:-1]:
            try:
                line = json.loads(text)
            except ValueError:
                break
            if not isinstance(line, dict) or line.get("line") != len(whole):
                break
            whole.append(line)
        return whole

    def append(self, line: dict) -> None:
        """Add a line, and leave no half of it behind where the disk is full."""
        path = self.path / "lines.jsonl"
        with explained(path, "writing"):
            size = path.stat().st_size if path.exists() else 0
            try:
                with path.open("ab") as file:
                    file.write(json.dumps(line).encode() + b"\n")
            except OSError:
                with contextlib.suppress(OSError):
                    os.truncate(path, size)
                raise

    def rewind(self, count: int) -> None:
        """Keep the first `count` lines: those the checkpoint knows of."""
        kept = self.lines()[:count]
        write_atomically(
            self.path / "lines.jsonl", b"".join(json.dumps(line).encode() + b"\n" for line in kept)
        )

    def save_checkpoint(self, state: dict[str, np.ndarray]) -> None:
        """Store everything needed to go on, replacing the last checkpoint."""
        self._save("checkpoint.npz", state)

    def save_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Keep what was trained, in the order of `model.get_weights()`."""
        self._save("weights.npz", weights)

    def _save(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        path = self.path / name
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with explained(path, "writing"):
            try:
                with temporary.open("wb") as file:
                    np.savez(file, **arrays)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)

    def load_checkpoint(self) -> dict[str, np.ndarray] | None:
        """The last checkpoint; `None` where there is none or where it is damaged (zip checksums tell)."""
        return self._load("checkpoint.npz")

    def load_weights(self) -> list[np.ndarray] | None:
        """What was trained, in the order of `model.get_weights()`; `None` as for a checkpoint."""
        arrays = self._load("weights.npz")
        return None if arrays is None else [arrays[name] for name in sorted(arrays)]

    def adopt_weights(self, other: "RunFolder") -> None:
        """Take the weights of a run that was done once more, and forget the rest of it."""
        with explained(self.path, "writing"):
            (other.path / "weights.npz").replace(self.path / "weights.npz")
            shutil.rmtree(other.path.parent)

    def _load(self, name: str) -> dict[str, np.ndarray] | None:
        try:
            with (
                (self.path / name).open("rb") as file,
                np.load(file, allow_pickle=False) as stored,
            ):
                return {name: stored[name] for name in stored.files}
        except FileNotFoundError:
            return None
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
            return None

    def restart(self) -> None:
        """Forget lines, checkpoint, result and the weights of another end."""
        # The result first: without its lines it says nothing.
        with explained(self.path, "writing"):
            for name in ("result.json", "checkpoint.npz", "lines.jsonl", "weights.npz"):
                (self.path / name).unlink(missing_ok=True)


def _content(path: Path) -> bytes | None:
    """What a file holds; `None` where there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _pretty(content: Any) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"
