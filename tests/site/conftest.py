"""One site for all workers, and a server and a browser for the tests of each."""

import fcntl
import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What a machine that only builds the site does not have.
NOT_NEEDED = ("tensorflow", "keras", "altair", "vl_convert", "jax", "torch")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The site, built strictly by a Python that cannot import TensorFlow; its folder and the seconds it took.

    One worker builds it; the others wait, and read what it built.
    """
    parallel = "PYTEST_XDIST_WORKER" in os.environ
    shared = tmp_path_factory.getbasetemp().parent if parallel else tmp_path_factory.getbasetemp()
    folder, took = shared / "site", shared / "site.seconds"
    with open(shared / "site.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not took.exists():
            took.write_text(str(_build(folder, shared / "blocked")))
    pages = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.html") if p.name != "404.html")
    return SimpleNamespace(folder=folder, seconds=float(took.read_text()), pages=pages)


def _build(folder, blocked):
    """Build the site and return the processor's seconds that it took: other workers do not count."""
    blocked.mkdir(exist_ok=True)
    for name in NOT_NEEDED:
        (blocked / f"{name}.py").write_text(f'raise ImportError("{name} is not needed to build the site")\n')
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(blocked), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def address(site):
    """Where the site is served."""
    handler = functools.partial(_Quiet, directory=str(site.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, address):
    """Open a page; at the end, whatever it asked of another machine or complained of is a failure."""
    opened, outside, complaints = [], [], []

    def go(path="index.html", **options):
        context = browser.new_context(**options)
        page = context.new_page()
        page.on(
            "request",
            lambda r: None if r.url.startswith((address, "data:", "blob:")) else outside.append(r.url),
        )
        page.on(
            "console",
            lambda m: complaints.append(f"{path}: {m.text}") if m.type == "error" else None,
        )
        page.on("pageerror", lambda e: complaints.append(f"{path}: {e}"))
        page.goto(f"{address}/{path}", wait_until="load")
        opened.append(context)
        return page

    yield go
    for context in opened:
        context.close()
    assert outside == []
    assert complaints == []
