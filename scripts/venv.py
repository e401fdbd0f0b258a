"""Make .venv hold this package, the extras asked for and the pinned versions; return at once if it does.

    python3 scripts/venv.py EXTRA...

Uses the standard library only: it runs before anything is installed. What .venv holds is written down in
.venv/state.json: first that an installation began, at its very end what it gave. A state that says "began" is
therefore an installation that was cut short, and is thrown away, because pip can leave half a package behind.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STATE = VENV / "state.json"


def wanted_fingerprint() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    # Another setting of the linter is no reason to install anything.
    wishes = [project["build-system"], project.get("project"), (ROOT / "constraints.txt").read_text()]
    # Scripts in .venv/bin carry absolute paths, so a checkout that was moved needs a new .venv.
    return hashlib.sha256(json.dumps([*wishes, str(ROOT)]).encode()).hexdigest()


def read_state() -> dict:
    try:
        return json.loads(STATE.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        return {"began": True}


def write_state(state: dict) -> None:
    draft = STATE.with_suffix(".draft")
    draft.write_text(json.dumps(state) + "\n")
    draft.replace(STATE)


def is_ready(extras: set[str], fingerprint: str) -> bool:
    state = read_state()
    ready = state.get("fingerprint") == fingerprint and extras <= set(state.get("extras", []))
    return ready and runs(PYTHON, "-c", "")


def runs(*command) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def pip_for_venv() -> list[str]:
    """The pip inside .venv, else the one beside the Python that runs this file."""
    if runs(PYTHON, "-m", "pip", "--version"):
        return [str(PYTHON), "-m", "pip"]
    outer = [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    if runs(*outer, "--version"):
        return outer
    sys.exit(
        f"error: expected pip for {sys.executable}, found neither ensurepip nor pip >= 22.3. "
        "On Debian: apt-get install python3-venv. Elsewhere: python3 -m ensurepip"
    )


def create() -> None:
    shutil.rmtree(VENV, ignore_errors=True)
    if not runs(sys.executable, "-m", "venv", str(VENV)):
        # Debian splits ensurepip off into python3-venv; a pip outside .venv does as well.
        shutil.rmtree(VENV, ignore_errors=True)
        made = subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", str(VENV)], capture_output=True, text=True
        )
        if made.returncode:
            sys.exit(f"error: could not make {VENV}: {made.stdout}{made.stderr}")


def install(extras: list[str]) -> None:
    """Run pip: its last words on one line of the terminal, all of them in .venv/install.log."""
    package = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    pip = [*pip_for_venv(), "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    command = [*pip, "--constraint", str(ROOT / "constraints.txt"), "--editable", package]
    started = time.monotonic()
    print(f"Installing {', '.join(['zoo', *extras])} into .venv: once, a few minutes.", file=sys.stderr)
    log = VENV / "install.log"
    width = shutil.get_terminal_size().columns - 1
    with (
        log.open("w") as sink,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
    ):
        for line in process.stdout:
            sink.write(line)
            if sys.stderr.isatty():
                words = " ".join(line.replace(str(ROOT), ".").split())[: width - 2]
                print(f"\r\033[K  {words}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    if process.returncode:
        tail = log.read_text().splitlines()[-15:]
        sys.exit("\n".join([*tail, "error: pip failed; above, its last words. Run the command again."]))
    print(f"Installed in {time.monotonic() - started:.0f} s.", file=sys.stderr)


def main(extras: set[str]) -> None:
    fingerprint = wanted_fingerprint()
    if is_ready(extras, fingerprint):
        return
    with (ROOT / ".venv.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another command is making .venv: waiting for it.", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if is_ready(extras, fingerprint):  # made by the one we waited for
            return
        state = read_state()
        if state.get("began") or state.get("root", str(ROOT)) != str(ROOT) or not runs(PYTHON, "-c", ""):
            create()
            state = {}
        # What an earlier command added stays in step with the pins.
        extras = extras | set(state.get("extras", []))
        write_state({"began": True})
        install(sorted(extras))
        write_state({"fingerprint": fingerprint, "extras": sorted(extras), "root": str(ROOT)})


if __name__ == "__main__":
    main({extra for argument in sys.argv[1:] for extra in argument.split(",") if extra})
