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


def test_weights_are_kept(tmp_path):
    folder = RunFolder(tmp_path, "a")
    folder.create()
    folder.save_weights({"0000": np.ones(3)})
    assert np.load(folder.path / "weights.npz")["0000"].sum() == 3


def test_the_error_names_the_folder(tmp_path):
    (tmp_path / "runs").write_text("a file, not a folder")
    with pytest.raises((RunFolderError, NotADirectoryError, FileExistsError), match="runs"):
        RunFolder(tmp_path / "runs", "a").create()
