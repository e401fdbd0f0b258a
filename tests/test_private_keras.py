"""What Keras keeps to itself is read in one file, so that a new version of Keras is checked by reading that one."""

import ast
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).resolve().parent.parent
HOME = "zoo/graph/internals.py"
FILES = {
    path.relative_to(ROOT).as_posix(): path
    for folder in ("zoo", "scripts")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
# Documented names of the standard library that begin with an underscore all the same; 2026-11.
DOCUMENTED = {"sys._getframe", "os._exit"}
NAMED_TUPLES = {"_replace", "_asdict", "_fields"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def names_of_keras() -> set[str]:
    """Private attributes of layers, models, operations, tensors and nodes, by which a string may ask for one."""
    x = keras.Input((1,))
    layer = keras.layers.Dense(1)
    y = layer(x)
    models = keras.Model(x, y), keras.Sequential([x, keras.layers.Dense(1)])
    node = layer._inbound_nodes[0]
    found = (layer, y, *models, node, keras.metrics.Mean(), keras.optimizers.SGD(), layer.variables[0])
    # Set by a scope, or only where there is a mask.
    return {name for one in found for name in dir(one) if is_private(name)} | {"_remat_mode", "_keras_mask"}


def own_names(code: ast.Module) -> set[str]:
    """What a file itself defines: functions, classes, variables, and attributes that its classes set on themselves."""
    found = set()
    for node in ast.walk(code):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                found.add(node.attr)
    return found


def pieces_of_names(node: ast.AST) -> list[ast.expr]:
    """Strings that are part of a name and none: f"{weight}_initializer", name.endswith("_initializer")."""
    if isinstance(node, ast.JoinedStr):
        return node.values
    asks = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    return node.args if asks and node.func.attr in ("endswith", "removesuffix") else []


def private_names(text: str, keras_names: set[str]) -> list[str]:
    """Line by line, what a file takes of the private names of others."""
    code = ast.parse(text)
    own, found = own_names(code), []
    pieces = {id(piece) for node in ast.walk(code) for piece in pieces_of_names(node)}
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            private = any(alias.name.startswith("keras.src") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            private = module.startswith("keras.src") or (
                module.split(".")[0] == "keras"
                and any(a.name == "src" or is_private(a.name) for a in node.names)
            )
        elif isinstance(node, ast.Attribute):
            private = node.attr == "src" and ast.unparse(node) == "keras.src"
            if is_private(node.attr) and node.attr not in own and node.attr not in NAMED_TUPLES:
                private = ast.unparse(node) not in DOCUMENTED
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in pieces:
            private = node.value.startswith("keras.src") or (
                node.value in keras_names and node.value not in own
            )
        else:
            continue
        if private:
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


@pytest.fixture(scope="module")
def keras_names():
    return names_of_keras()


def test_private_names_of_keras_stand_in_one_file(keras_names):
    found = {
        name: private_names(path.read_text(encoding="utf-8"), keras_names) for name, path in FILES.items()
    }
    assert found.pop(HOME)
    assert {name: lines for name, lines in found.items() if lines} == {}, f"these belong into {HOME}"


@pytest.mark.parametrize(
    "line",
    [
        "from keras.src.utils.naming import to_snake_case",
        "import keras.src.backend as backend",
        "from keras import src",
        "keras.src.backend.compute_output_spec(f, x)",
        "nodes = layer._inbound_nodes",
        "tensor._keras_history.operation",
        "getattr(operation, '_call_has_training_arg', False)",
        "vars(layer)['_remat_mode'] = None",
        "type(operation).__module__ == 'keras.src.ops.numpy'",
        "class Mine(keras.layers.Layer):\n    def call(self, x):\n        return self._tracker",
    ],
)
def test_a_second_file_with_one_is_found(line, keras_names):
    assert private_names(line, keras_names)


@pytest.mark.parametrize(
    "line",
    [
        "from keras import layers",
        "sys._getframe(1)",
        "result._replace(model=None)",
        "class Own:\n    def __init__(self):\n        self._kept = 1\n    def same(self, other):\n        return other._kept",
        "name = '_features'",
        "name = f'{weight}_initializer'",
        "name.endswith('_initializer')",
        "import keras.ops as ops",
    ],
)
def test_names_of_its_own_and_public_ones_are_not(line, keras_names):
    assert not private_names(line, keras_names)
