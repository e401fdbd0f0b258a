"""scripts/venv.sh and venv.py on a package of three lines, so that nothing is downloaded."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

# The smallest build backend that pip accepts; it notes each installation, and is slow when told to be.
BACKEND = """
import time, zipfile
from pathlib import Path

METADATA = "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\nProvides-Extra: one\\nProvides-Extra: two\\n"

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    here = Path(__file__).parent
    with open(here / "installations", "a") as log:
        log.write("x")
    while (here / "slow").exists():
        time.sleep(0.05)
    with zipfile.ZipFile(Path(wheel_directory) / "tiny-1-py3-none-any.whl", "w") as wheel:
        info = "tiny-1.dist-info"
        wheel.writestr("tiny.pth", str(here))
        wheel.writestr(info + "/METADATA", METADATA)
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "/RECORD", f"tiny.pth,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n")
    return "tiny-1-py3-none-any.whl"
"""


class Checkout:
    def __init__(self, root: Path):
        self.root = root
        (root / "scripts").mkdir(parents=True)
        for name in ("venv.sh", "venv.py"):
            shutil.copy(SCRIPTS / name, root / "scripts" / name)
        (root / "pyproject.toml").write_text(PYPROJECT)
        (root / "constraints.txt").write_text("tiny==1\n")
        (root / "backend.py").write_text(BACKEND)
        (root / "tiny.py").write_text("answer = 42\n")

    def start(self, *extras, **environment):
        command = f". scripts/venv.sh && use_venv {' '.join(extras)} && .venv/bin/python -c 'import tiny'"
        settings = {"PATH": os.environ["PATH"], "PYTHON": sys.executable, "PIP_NO_INDEX": "1"} | environment
        return subprocess.Popen(
            ["bash", "-euc", command],
            cwd=self.root,
            env=settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def use(self, *extras, **environment):
        process = self.start(*extras, **environment)
        said = process.communicate(timeout=120)[0]
        return process.returncode, said

    @property
    def installations(self) -> int:
        log = self.root / "installations"
        return len(log.read_text()) if log.exists() else 0

    @property
    def state(self) -> dict:
        return json.loads((self.root / ".venv" / "state.json").read_text())


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path / "a checkout")  # with a space, which unquoted shell would trip over


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_made_once_then_at_once_and_again_when_something_changed(checkout):
    status, said = checkout.use("one")
    assert status == 0, said
    assert "Installing zoo, one into .venv" in said

    status, said = checkout.use("one")
    assert (status, said, checkout.installations) == (0, "", 1)

    # Another extra is added to those that are there, so that two commands do not undo each other's work.
    assert checkout.use("two")[0] == 0
    assert checkout.state["extras"] == ["one", "two"]
    assert checkout.use("one")[0] == 0
    assert checkout.installations == 2

    (checkout.root / "constraints.txt").write_text("tiny==1\nother==2\n")
    assert checkout.use("one")[0] == 0
    assert checkout.installations == 3

    # The scripts in .venv/bin name their interpreter by an absolute path.
    moved = checkout.root.with_name("moved")
    checkout.root.rename(moved)
    checkout.root = moved
    assert checkout.use("one")[0] == 0
    assert str(moved) in (moved / ".venv" / "bin" / "pip").read_text()


def test_an_installation_that_was_killed_is_thrown_away(checkout):
    slow = checkout.root / "slow"
    slow.touch()
    process = checkout.start("one")
    wait_for(lambda: checkout.installations)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    half = checkout.root / ".venv" / "half-a-package"
    half.touch()
    slow.unlink()

    status, said = checkout.use("one")
    assert status == 0, said
    assert not half.exists()
    assert checkout.installations == 2


def test_two_commands_at_once_share_one_installation(checkout):
    slow = checkout.root / "slow"
    slow.touch()
    first = checkout.start("one")
    wait_for(lambda: checkout.installations)
    second = checkout.start("one")
    assert second.stdout.readline() == "Another command is making .venv: waiting for it.\n"
    slow.unlink()
    for process in (first, second):
        said = process.communicate(timeout=120)[0]
        assert process.returncode == 0, said
    assert checkout.installations == 1


def test_pip_fails_with_its_last_words_and_the_next_call_mends_it(checkout):
    pyproject = checkout.root / "pyproject.toml"
    pyproject.write_text(PYPROJECT.replace("requires = []", 'requires = ["no-such-package"]'))
    status, said = checkout.use("one")
    assert status == 1
    assert "No matching distribution found for no-such-package" in said
    assert said.endswith("error: pip failed; above, its last words. Run the command again.\n")
    pyproject.write_text(PYPROJECT)
    assert checkout.use("one")[0] == 0


def test_an_old_python_is_refused_with_what_to_do(checkout, tmp_path):
    old = tmp_path / "bin"
    old.mkdir()
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        (old / name).write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'Python 3.9.2' && exit\nexit 1\n")
        (old / name).chmod(0o755)
    status, said = checkout.use("one", PYTHON="", PATH=f"{old}:/usr/bin:/bin")
    assert status == 1
    assert "expected Python 3.11, 3.12 or 3.13; python3 is Python 3.9.2" in said
    assert "PYTHON=/path/to/python3.11" in said
    assert not (checkout.root / ".venv").exists()
