import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zoo.experiments.running.results import RunFolder, RunFolderError, write_atomically

ROOT = Path(__file__).parents[2]


def test_lines_end_at_the_first_that_is_not_whole(tmp_path):
    folder = RunFolder(tmp_path, "a")
    folder.create()
    assert folder.lines() == []
    for line in range(3):
        folder.append({"line": line})
    with (folder.path / "lines.jsonl").open("ab") as file:
        file.write(b'{"line": 3')
    assert [line["line"] for line in folder.lines()] == [0, 1, 2]
    folder.rewind(2)
    folder.append({"line": 2, "again": True})
    assert [line.get("again") for line in folder.lines()] == [None, None, True]


def test_the_claim_is_exclusive_and_let_go(tmp_path):
    folder, same = RunFolder(tmp_path, "a"), RunFolder(tmp_path, "a")
    with folder.claim() as first:
        assert first
        with same.claim() as second:
            assert not second
    with same.claim() as third:
        assert third


def test_a_killed_process_holds_nothing(tmp_path):
    code = (
        "import os, sys; from zoo.experiments.running.results import RunFolder\n"
        "with RunFolder(sys.argv[1], 'a').claim() as mine:\n"
        "    print(mine, flush=True); os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("True", -9)
    with RunFolder(tmp_path, "a").claim() as mine:
        assert mine


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def broken(*arguments):
        raise RuntimeError("power cut")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(RuntimeError):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


FULL = """
import sys
import numpy as np
from zoo.experiments.running.results import RunFolder, RunFolderError
folder = RunFolder(sys.argv[1], "a")
folder.create()
folder.append({"line": 0})
folder.save_checkpoint({"step": np.arange(10)})
try:
    folder.save_checkpoint({"step": np.zeros(10**6)})
except RunFolderError as error:
    print(error)
filler = open(sys.argv[1] + "/filler", "wb", buffering=0)
try:
    while True:
        filler.write(bytes(4096))
except OSError:
    pass
try:
    for line in range(1, 10**4):
        folder.append({"line": line, "rows": "x" * 1000})
except RunFolderError as error:
    print(error)
whole = (folder.path / "lines.jsonl").read_bytes().endswith(b"}\\n")
print(folder.load_checkpoint()["step"].sum(), len(folder.lines()) == folder.lines()[-1]["line"] + 1, whole)
"""


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path):
    """On a file system of 256 KiB in memory, mounted in a namespace of its own."""
    for unshare in (["unshare", "--mount"], ["unshare", "--mount", "--user", "--map-root-user"]):
        probe = [*unshare, "sh", "-c", f"mount -t tmpfs none {tmp_path}"]
        try:
            permitted = subprocess.run(probe, capture_output=True).returncode == 0
        except FileNotFoundError:
            permitted = False
        if permitted:
            break
    else:
        pytest.skip("this machine does not permit mounting a tmpfs, even in a namespace of its own")
    script = FULL.replace("'", '"')
    mount = f"mount -t tmpfs -o size=256k none {tmp_path} && exec {sys.executable} -c '{script}' {tmp_path}"
    done = subprocess.run([*unshare, "sh", "-c", mount], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    full, full_again, kept = done.stdout.splitlines()
    for said in (full, full_again):
        assert "the disk is full; free some space, then give the same command again" in said
    assert kept == "45 True True"


def test_a_folder_without_permission_is_said(tmp_path):
    """As another user, since root may write anywhere."""
    tmp_path.chmod(0o555)
    code = (
        "import os, sys\n"
        "from zoo.experiments.running.results import RunFolder, RunFolderError\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n    RunFolder(sys.argv[1], 'a').create()\n"
        "except RunFolderError as error:\n    print(error)\n"
    )
    open_to_all = tmp_path.parent
    while open_to_all != Path("/tmp") and open_to_all != Path("/"):
        open_to_all.chmod(0o755)
        open_to_all = open_to_all.parent
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True)
    tmp_path.chmod(0o755)
    assert "may not be written; change its permissions or choose another with --runs" in done.stdout, (
        done.stderr
    )


@pytest.mark.parametrize(
    "act",
    [
        lambda folder: folder.create(),
        lambda folder: folder.save_weights({"0000": np.ones(3)}),
        lambda folder: folder.append({"line": 0}),
    ],
)
@pytest.mark.parametrize("runs", ["a file", "a file/within"])
def test_a_file_instead_of_a_folder_is_said(tmp_path, act, runs):
    (tmp_path / "a file").write_text("mine")
    with pytest.raises(
        RunFolderError, match="a file is where a folder is expected; name a folder with --runs"
    ):
        act(RunFolder(tmp_path / runs, "a"))
    folder = RunFolder(tmp_path / runs, "a")
    assert folder.result() is None and folder.lines() == []


def test_what_may_not_be_read_is_said(tmp_path, monkeypatch):
    def forbidden(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    for read in (RunFolder.result, RunFolder.lines, RunFolder.environment, RunFolder.damage):
        with pytest.raises(RunFolderError, match=r"reading .*may not be read; change its permissions"):
            read(RunFolder(tmp_path, "a"))


def test_any_other_error_of_a_file_system_is_a_sentence_too(tmp_path):
    folder = RunFolder(tmp_path, "a")
    (folder.path / "lines.jsonl").mkdir(parents=True)
    with pytest.raises(
        RunFolderError, match="Is a directory; mend that or choose another folder with --runs"
    ):
        folder.lines()


def test_an_error_while_a_run_is_held_is_not_the_locks(tmp_path):
    with pytest.raises(FileExistsError, match="of the run"), RunFolder(tmp_path, "a").claim():
        raise FileExistsError(errno.EEXIST, "of the run")


def finished(tmp_path, steps=2, **result):
    """A run of so many steps with a line each, and one before the first."""
    folder = RunFolder(tmp_path, "a")
    folder.create()
    for step in range(steps + 1):
        folder.append({"line": step, "step": step})
    folder.finish({"status": "done", "steps": steps} | result)
    return folder


def test_a_result_whose_lines_were_lost_counts_for_nothing(tmp_path):
    folder = finished(tmp_path)
    path = folder.path / "lines.jsonl"
    whole = path.read_bytes()
    assert folder.result()["steps"] == 2 and folder.damage() is None
    for kept, end in ((2, 1), (0, 0)):
        path.write_bytes(b"".join(whole.splitlines(keepends=True)[:kept]))
        assert folder.result() is None
        assert folder.damage().startswith(
            f"its result says 2 steps, and its lines, which are damaged, end at step {end}"
        )
    path.unlink()
    assert folder.result() is None and folder.damage() is not None
    path.write_bytes(whole)
    assert folder.result() is not None


def test_of_a_run_that_trains_nothing_the_one_line_is_needed_too(tmp_path):
    folder = finished(tmp_path, steps=0)
    assert folder.result() is not None
    (folder.path / "lines.jsonl").write_bytes(b"")
    assert folder.result() is None


def test_a_result_that_counts_no_steps_is_read_as_ever(tmp_path):
    folder = RunFolder(tmp_path, "a")
    folder.create()
    folder.finish({"status": "done"})
    assert folder.result() == {"id": "a", "status": "done"} and folder.damage() is None


def test_lines_reach_the_disk_before_the_mark_that_vouches_for_them(tmp_path, monkeypatch):
    synced, real = [], os.fsync

    def fsync(number):
        synced.append(Path(os.readlink(f"/proc/self/fd/{number}")).name)
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    finished(tmp_path)
    assert synced[0] == "lines.jsonl" and synced[1].startswith(".result.json")


def test_weights_are_kept(tmp_path):
    folder = RunFolder(tmp_path, "a")
    folder.create()
    folder.save_weights({"0000": np.ones(3)})
    assert np.load(folder.path / "weights.npz")["0000"].sum() == 3
    folder.restart()  # a result that comes later, from here or from an archive, is of another end
    assert not (folder.path / "weights.npz").exists()


def test_the_error_names_the_folder(tmp_path):
    (tmp_path / "runs").write_text("a file, not a folder")
    with pytest.raises((RunFolderError, NotADirectoryError, FileExistsError), match="runs"):
        RunFolder(tmp_path / "runs", "a").create()
