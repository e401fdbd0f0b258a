"""Every example in a docstring is run, and prints what stands below it."""

import doctest
import importlib
from pathlib import Path

import keras
import pytest

import zoo.normalization

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "zoo").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
EXAMPLES = [
    example
    for module in MODULES
    for example in doctest.DocTestFinder().find(importlib.import_module(module))
    if example.examples
]
# It calls itself `keras.layers.BatchNormalization`, for the sake of saved files, and is not found by its module.
EXAMPLES += doctest.DocTestFinder().find(
    zoo.normalization.BatchNormalization, "zoo.normalization.BatchNormalization", module=False, globs={}
)[:1]


def failures(example) -> str:
    """What did not print as it stands there; empty where all did."""
    said = []
    doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    return "".join(said)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_runs(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    said = failures(example)
    keras.backend.clear_session()
    assert not said, said


def test_each_module_with_an_example_is_run():
    run = {
        module for module in MODULES for example in EXAMPLES if f"{example.name}.".startswith(f"{module}.")
    }
    # The example within `zoo.site.docstrings` is text that the tests of the site read.
    assert set(MODULES) - run <= {"zoo.site.docstrings"}


def test_a_wrong_example_is_found():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", "here.py", 1)
    assert "Expected:\n    3\nGot:\n    2" in failures(wrong)
