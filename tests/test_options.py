"""What a type checker sees is what there is: the options, the public names, and the calls that are wrong."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import zoo
from zoo import options
from zoo.options import Options
from zoo.placement import FAMILIES, LAYOUT, PLAIN, RESIDUAL
from zoo.spec import OPTIONS, ModelSpec

ROOT = Path(__file__).resolve().parent.parent


def test_the_options_are_the_fields_of_the_spec_names_and_types():
    fields, options = get_type_hints(ModelSpec), get_type_hints(Options)
    assert [*options] == [*OPTIONS]
    # None asks for the default of the net, whatever the type.
    assert options == {name: Any if fields[name] is Any else fields[name] | None for name in OPTIONS}
    assert Options.__required_keys__ == frozenset()


def _of_families(what: str) -> set:
    return {name for family in FAMILIES.values() for name in getattr(family, what)}


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("PlainOrderingName", PLAIN),
        ("ResidualOrderingName", RESIDUAL),
        ("UnitLayout", LAYOUT),
        ("OrderingName", {*PLAIN, *RESIDUAL} | _of_families("orderings")),
        ("NetLayout", {*LAYOUT} | _of_families("layouts")),
        ("NetNormalization", {*get_args(options.UnitNormalization)} | _of_families("normalizations")),
    ],
)
def test_types_that_list_rows_list_all_and_no_other(words, rows):
    """A checker reads no table, so these names stand twice; a new row is added to its type too."""
    listed = get_args(getattr(options, words))
    assert sorted(listed, key=str) == sorted(rows, key=str)


def test_type_checkers_are_told_of_every_public_name_and_of_no_other():
    tree = ast.parse((ROOT / "zoo" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    told = {}
    for line in block.body:
        for alias in line.names:
            assert alias.asname == alias.name, f"{alias.name}: only 'x as x' is public to a checker"
            told[alias.name] = None if line.module == "zoo" else line.module
    assert told == zoo._LAZY


RIGHT = """
import keras
import zoo

model: keras.Model = zoo.build("resnet20", ordering="original", input_shape=(None, None, 3), weights=None)
swapped, sites = zoo.transforms.swap_activation(model, "relu", "gelu")
first: str = sites[0]
folded, gone, kept, error = zoo.transforms.fold_batchnorm(model)
print(error + 1.0, kept["x"].upper(), folded.layers, zoo.transforms.fold_batchnorm(model).max_error)
zoo.register("mine", zoo.specify("resnet20v2", width=8))
for residual in zoo.orderings("residual"):
    zoo.build("resnet20", ordering=residual, normalization=None, rolled=True, layout="he2016", form="separate")
x = keras.Input((8, 8, 4))
for plain, row in zoo.orderings("plain").items():
    x = zoo.conv_unit(8, ordering=plain, padding="causal")(zoo.conv_unit(4, ordering=row)(x))
x = zoo.unit_end("act conv norm")(zoo.residual_unit(8, shortcut="conv1x1", block="basic")(x))
maps = zoo.features("resnet20v2", at="stage*", tap="before_act", width=8)
for row in zoo.probes.activation_stats(model, maps):
    print(row["site"])
print(zoo.describe("mine").flops, zoo.list_models()[0].upper(), zoo.__version__)
"""
# what is wrong -> what the checker says
WRONG = {
    'zoo.build("resnet20", activaton="relu")': 'Unexpected keyword argument "activaton" for "build"',
    'zoo.build("resnet20", classes="ten")': 'Argument "classes" to "build" has incompatible type "str"',
    'zoo.build("resnet20", ordering="orginal")': 'Argument "ordering" to "build" has incompatible type',
    'zoo.build("resnet20", form="builtins")': 'Argument "form" to "build" has incompatible type',
    'zoo.conv_unit(8, padding="sane")': 'Argument "padding" to "conv_unit" has incompatible type',
    'zoo.residual_unit(8, ordering="conv_act")': 'Argument "ordering" to "residual_unit" has incompatible type',
    'zoo.residual_unit(8, layout="cifar")': 'Argument "layout" to "residual_unit" has incompatible type',
    'zoo.orderings("plane")': 'No overload variant of "orderings" matches argument type "str"',
    'zoo.features("resnet20", tap="after")': 'Argument "tap" to "features" has incompatible type',
    "zoo.build()": "Too few arguments",
    'zoo.build(name="resnet20")': "Too few arguments",
    'zoo.biuld("resnet20")': 'Module has no attribute "biuld"',
    'zoo.describe("resnet20", widht=3)': 'Unexpected keyword argument "widht" for "describe"',
    'zoo.features("resnet20", "stage*", tip="after_act")': 'Unexpected keyword argument "tip" for "features"',
    'zoo.register("mine", "resnet20")': 'Argument 2 to "register" has incompatible type "str"',
    'a, b, c = zoo.transforms.swap_activation(zoo.build("resnet20"), "relu", "gelu")': "Need more than 2 values",
}


@pytest.mark.tensorflow
def test_a_type_checker_knows_the_public_names(tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "readme.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", readme, re.DOTALL)))
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text("import zoo\n" + "\n".join(WRONG))
    config = [f"--config-file={ROOT / 'pyproject.toml'}", f"--cache-dir={tmp_path / 'cache'}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *config, *(str(tmp_path / f"{n}.py") for n in ("readme", "right", "wrong"))],
        capture_output=True, text=True, timeout=250, cwd=ROOT,
    )  # fmt: skip
    said = {}
    for file, line, text in re.findall(r"(\w+)\.py:(\d+): error: (.*)", done.stdout):
        said.setdefault((file, int(line)), []).append(text)
    assert {file for file, _ in said} == {"wrong"}, done.stdout + done.stderr
    for line, (code, text) in enumerate(WRONG.items(), start=2):
        assert any(text in message for message in said.pop(("wrong", line), [])), f"{code}\n{done.stdout}"
    assert not said, said


def test_exceptions_of_the_type_checker_are_dated_and_spare_the_library():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    exceptions = re.findall(r"\n([^\n]*)\nmodule = (\[[^\]]*\])\nignore_errors = true", text)
    assert len(exceptions) == len(re.findall(r"^ignore_errors\b", text, re.MULTILINE)), (
        "one is written in another way"
    )
    for before, modules in exceptions:
        assert re.match(r"# 20\d\d-\d\d: \S", before), f"{modules}: a line '# YEAR-MONTH: why' goes before it"
        assert set(ast.literal_eval(modules)) <= {"zoo.experiments.*", "zoo.studies.*", "zoo.site.*"}
