"""The list of costly tests: what the rule sets apart, and that each line still names a test."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest
from costs import ALONE, HEADER, LEAST, LIST, LONG, costly, listed, longest_first, processor_seconds, written

TESTS = Path(__file__).parent
LITTLE, MUCH = LEAST / 2, (LEAST + ALONE) / 2


@pytest.mark.parametrize(
    ("seconds", "apart"),
    [
        ({"a::f[0]": LITTLE, "a::f[1]": MUCH, "a::f[2]": MUCH}, ["a::f[1]", "a::f[2]"]),
        ({"a::f[0]": MUCH + 0.1, "a::f[1]": MUCH}, ["a::f[0]"]),  # the cheapest case stays
        ({"a::f[0]": ALONE + 1, "a::f[1]": ALONE + 2}, ["a::f[0]", "a::f[1]"]),  # unless it is dear as well
        ({"a::f": MUCH, "b::f": MUCH, "b::g": ALONE + 1}, ["b::g"]),  # each function by itself
        ({"a::f[x]": LITTLE, "a::f[[]]": MUCH}, ["a::f[[]]"]),  # a case may hold a bracket
        ({}, []),
    ],
)
def test_the_cheapest_case_of_a_test_stays(seconds, apart):
    assert costly(seconds) == apart


@pytest.mark.parametrize(
    ("workers", "order"),
    [(1, "cfabdeg"), (2, "cab fdeg"), (3, "ca fb deg"), (9, "cfabdeg")],
)
def test_long_tests_begin_the_shares_of_the_workers(workers, order):
    """Shares are what xdist makes them: as equal as can be, the last the largest."""
    seconds = {"c": LONG + 9, "f": LONG + 1, "b": LONG - 1, "elsewhere": LONG + 2}
    assert "".join("abcdefg"[place] for place in longest_first("abcdefg", seconds, workers)) == order.replace(
        " ", ""
    )


def test_the_list_is_read_as_it_was_written():
    seconds = {"a::f[two words]": LONG + 3, "a::g": ALONE + 1, "a::h": LITTLE}
    assert listed(written(seconds)) == {"a::f[two words]": LONG + 3, "a::g": 0}


def test_what_was_not_measured_keeps_its_row():
    before = {"a::slow": LONG + 1.0, "a::gone[0]": 0.0, "b::quick": 0.0}
    rows = written({"b::quick": LITTLE, "c::new": ALONE + 1}, before)
    assert listed(rows) == {"a::slow": LONG + 1, "a::gone[0]": 0, "c::new": 0}


@pytest.mark.skipif(not Path("/proc").exists(), reason="read from /proc")
def test_the_processor_of_a_process_that_lives_on_counts():
    before = processor_seconds()
    # A child of a child, as a browser is one.
    busy = "import sys; n = sum(i * i for i in range(3_000_000)); print(n, flush=True); sys.stdin.read()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        assert processor_seconds() - before > 0.03
        process.stdin.close()


@functools.cache  # a file has many lines in the list
def functions(path: Path) -> set[str]:
    """The tests of a file, as `name` and `Class::name`."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {prefix + one.name for one in inner if isinstance(one, ast.FunctionDef)}
    return found


def test_every_line_names_a_test_that_is_there():
    text = LIST.read_text(encoding="utf-8")
    assert text.startswith(HEADER), "the rule has changed: run `scripts/test --costs -m ''`"
    names = listed(text)
    assert names, "an empty list would let this test pass"
    gone = set()
    for name in names:
        file, _, function = name.partition("[")[0].partition("::")
        path = TESTS.parent / file
        if not path.exists() or function not in functions(path):
            gone.add(name)
    assert not gone, f"rename them in {LIST.name}, or run `scripts/test --costs -m ''`: {sorted(gone)}"


@pytest.mark.tensorflow  # elsewhere the list says nothing
def test_a_costly_test_is_deep(request):
    """The mark is set when tests are collected: one of this run that is listed has it, or is marked `always`."""
    apart = listed(LIST.read_text(encoding="utf-8"))
    for item in request.session.items:
        excepted = item.get_closest_marker("deep") or item.get_closest_marker("always")
        assert item.nodeid not in apart or excepted, item.nodeid


def test_seconds_are_read_whatever_a_test_has_patched(monkeypatch):
    """A test's patches are still in place when its cost is taken."""
    before = processor_seconds()
    monkeypatch.setattr(Path, "read_text", lambda path: ": no numbers")
    assert processor_seconds() >= before > 0
