"""Which tests are costly: measured, written down in `costly.txt`, and run by `scripts/test -m deep` alone.

    scripts/test --costs -m ""      # measures every test and writes the list anew: twenty minutes, nothing beside it

A case of a test is costly when it takes more than LEAST seconds of a processor, its child processes included and what
it shares with others in fixtures left out. The cheapest case of each test is not, unless it takes more than ALONE: so
what `scripts/test` leaves out has a smaller sibling that it runs, but for a few. CI runs them all. What is the heart of
the project is marked `always`, and stays.
"""

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("costly.txt")
LEAST, ALONE = 0.7, 2.0
HEADER = f"""\
# Tests that take more than {LEAST} seconds of a processor, but for the cheapest case of each function up to {ALONE}.
# `scripts/test -m deep` runs them. Written by `scripts/test --costs -m ""`; the rule stands in costs.py.
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


def listed(text: str) -> set[str]:
    return {line for line in text.splitlines() if line and not line.startswith("#")}


def processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def pytest_addoption(parser):
    parser.addoption("--costs", action="store_true", help="measure each test and write tests/costly.txt anew")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    # What JAX and Torch find costly is something else, and there a test runs its first case only.
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        apart = listed(LIST.read_text(encoding="utf-8"))
        for item in items:
            if item.nodeid in apart and not item.get_closest_marker("always"):
                item.add_marker("deep")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    # From here, not from the fixtures: what tests share is paid by whichever of them comes first.
    item.began = processor_seconds()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """In the worker: the seconds travel with the report."""
    outcome = yield
    if call.when == "call":
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
            LIST.write_text(HEADER + "\n".join(costly(self.seconds)) + "\n", encoding="utf-8")


def pytest_configure(config):
    if config.option.costs and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Measuring(), "measuring")
