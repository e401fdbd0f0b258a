"""Which tests are costly: measured, written down in `costly.txt`, and run by `scripts/test -m deep` alone.

    scripts/test --costs -m ""      # measures every test and writes the list anew: half an hour, nothing beside it
    scripts/test --costs FILE       # only what runs; what the list says of others stays

A case of a test is costly when it takes more than LEAST seconds of a processor, its child processes and its browser
included and what it shares with others in fixtures left out. The cheapest case of each test is not, unless it takes more than ALONE: so
what `scripts/test` leaves out has a smaller sibling that it runs, but for a few. CI runs them all. What is the heart of
the project is marked `always`, and stays. What takes more than LONG seconds is begun first, by as many workers as
there are: begun last, it would run by itself while the others wait.
"""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("costly.txt")
LEAST, ALONE, LONG = 0.15, 0.8, 20
HEADER = f"""\
# Tests that take more than {LEAST} seconds of a processor, but for the cheapest case of each function up to {ALONE};
# after its seconds, what takes more than {LONG}. `scripts/test -m deep` runs them. Written by `scripts/test --costs -m ""`;
# the rule stands in costs.py.
"""


def costly(seconds: Mapping[str, float]) -> list[str]:
    """The names, sorted, of the tests that the rule above sets apart."""
    cases = defaultdict(list)
    for name, cost in seconds.items():
        cases[name.partition("[")[0]].append((cost, name))
    return sorted(
        name
        for row in cases.values()
        for position, (cost, name) in enumerate(sorted(row))
        if cost > (LEAST if position else ALONE)
    )


def written(seconds: Mapping[str, float], before: Mapping[str, float] | None = None) -> str:
    """The list: names, after their seconds where the order of a run asks for them.

    Args:
        seconds: What was measured now.
        before: What the list held; a test that was not measured keeps its row.
    """
    rows = {name: took for name, took in (before or {}).items() if name not in seconds}
    rows |= {name: seconds[name] for name in costly(seconds)}
    return HEADER + "".join(
        f"{took:.0f} {name}\n" if took > LONG else f"{name}\n" for name, took in sorted(rows.items())
    )


def listed(text: str) -> dict[str, float]:
    """The names of the list, and the seconds of the long ones; 0 for the others."""
    found = {}
    for line in text.splitlines():
        first, _, rest = line.partition(" ")
        if first.isdigit():
            found[rest] = float(first)
        elif line and not line.startswith("#"):
            found[line] = 0.0
    return found


def longest_first(names: Sequence[str], seconds: Mapping[str, float], workers: int) -> list[int]:
    """The order in which to run: of the equal shares that the workers get, each begins with its part of the long ones."""
    long = sorted(
        (place for place, name in enumerate(names) if seconds.get(name, 0) > LONG),
        key=lambda place: -seconds[names[place]],
    )
    others = [place for place in range(len(names)) if place not in set(long)]
    order = []
    for worker in range(workers):
        share = (len(names) - len(order)) // (workers - worker)
        first = long[worker::workers]
        more = max(0, share - len(first))
        order += first + others[:more]
        del others[:more]
    return order


def processor_seconds() -> float:
    """Of this process, of its children that have ended, and of all that have not: a browser lives on between tests."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system + _of_the_living()


def _of_the_living(processes: Path = Path("/proc")) -> float:
    """Seconds of the processor that the living descendants of this process have taken; Linux tells."""
    ticks, parents = {}, {}
    for file in processes.glob("[0-9]*/stat"):
        try:
            # Not by a method of Path: the test that has just run may have put another in its place.
            with open(file) as stat:
                number, fields = int(file.parent.name), stat.read().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        parents[number] = int(fields[1])
        ticks[number] = int(fields[11]) + int(fields[12])
    own = {os.getpid()}
    while more := {number for number, parent in parents.items() if parent in own} - own:
        own |= more
    return sum(ticks.get(number, 0) for number in own - {os.getpid()}) / os.sysconf("SC_CLK_TCK")


def pytest_addoption(parser):
    parser.addoption("--costs", action="store_true", help="measure each test and write tests/costly.txt anew")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items):
    # What JAX and Torch find costly is something else, and there a test runs its first case only.
    apart = {}
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        apart = listed(LIST.read_text(encoding="utf-8"))
        for item in items:
            if item.nodeid in apart and not item.get_closest_marker("always"):
                item.add_marker("deep")
    result = yield  # what the marks leave out is gone
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    items[:] = [items[place] for place in longest_first([item.nodeid for item in items], apart, workers)]
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    # From here, not from the fixtures: what tests share is paid by whichever of them comes first.
    if item.config.option.costs:
        item.began = processor_seconds()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """In the worker: the seconds travel with the report."""
    outcome = yield
    if call.when == "call" and item.config.option.costs:
        outcome.get_result().processor_seconds = processor_seconds() - item.began


class Measuring:
    """In the process that the workers report to: gathers the seconds, and writes the list at the end."""

    def __init__(self):
        self.seconds = {}

    def pytest_runtest_logreport(self, report):
        if hasattr(report, "processor_seconds"):
            self.seconds[report.nodeid] = report.processor_seconds

    def pytest_sessionfinish(self, exitstatus):
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            before = listed(LIST.read_text(encoding="utf-8"))
            LIST.write_text(written(self.seconds, before), encoding="utf-8")


def pytest_configure(config):
    if config.option.costs and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Measuring(), "measuring")
