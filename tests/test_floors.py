"""The listing of the files is the flow of the data: a module imports only from lower floors."""

import ast
import functools
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Within a package its files may import one another, without a circle; towards the outside it has one floor.
FLOORS = {
    "placement": 0,
    "options": 0,
    "registration": -1,  # imports nothing of the zoo when it is imported itself
    "values": -1,
    "spec": 1,
    "naming": 0,
    "callers": 0,
    "wording": 0,
    "seeding": 0,
    "normalization": 0,
    "normalizer_free": 0,
    "pretrained": 0,
    "graph": 0,
    "bias_axis": 1,
    "factories": 1,
    "layers": 0,
    "activations": 1,
    "batches": 1,
    "catalog": 2,
    "conversion": 2,
    "blocks": 2,
    "rolled": 2,
    "weights": 3,
    "families": 3,
    "slimming": 2,
    "units": 3,
    "preprocessing": 3,
    "models": 4,
    "cards": 5,
    "feature_maps": 5,
    "precision": 3,
    "latency": 3,
    "tracing": 3,
    "settings": 4,
    "freezing": 4,
    "transforms": 3,
    "surgery": 4,
    "probes": 4,
    "callbacks": 5,
    "planning": 4,
    "__init__": 6,  # the public names
    "experiments": 7,
    "studies": 8,
    "site": 9,
}
# The same within zoo/experiments, where most of the code is: rooms, each a folder or a file, on floors of their own.
ROOMS = {
    "design": 0,
    "data": 1,
    "nets": 1,
    "losses": 1,
    "fingerprint": 1,
    "measurements": 2,
    "training": 3,
    "running": 4,
    "publishing": 5,
    "claims": 6,
    "command": 7,
    "__main__": 8,
    "__init__": 9,
}
# `python -m zoo.experiments` is a door of the house, not a room: it hands the studies to the command.
DOOR = "zoo.experiments.__main__"
LIBRARY = {part for part, floor in FLOORS.items() if floor <= FLOORS["__init__"]}

# Besides the standard library. h5py reads the weights files of Keras, rich draws progress: both come with it.
LIBRARY_NEEDS = {"keras", "numpy", "h5py", "ml_dtypes", "rich", "zoo"}
# A backend by name: imported inside the function that runs on it, or in a file that is.
ONE_BACKEND = {"tensorflow", "jax", "torch"}
# What an extra installs: imported inside the function that needs it.
EXTRAS = {"tensorboard", "safetensors"}
BACKEND_FILES = {f"zoo.rolled.{backend}_loop" for backend in ONE_BACKEND}

# What lists models, plans experiments or draws figures has no use for a backend: that takes seconds to start.
NO_KERAS = (
    "zoo.placement",
    "zoo.spec",
    "zoo.options",
    "zoo.registration",
    "zoo.naming",
    "zoo.catalog",
    "zoo.pretrained",
    "zoo.experiments.design",
    "zoo.experiments.running.results",
    "zoo.experiments.publishing.statistics",
    "zoo.experiments.publishing.differences",
    "zoo.experiments.publishing.power",
    "zoo.experiments.publishing.publication",
    "zoo.experiments.publishing.figures",
    "zoo.studies",
)


@dataclass(frozen=True)
class Import:
    """One imported module, and whether importing the file already imports it."""

    line: int
    module: str
    at_once: bool


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_of(path): path for path in sorted((ROOT / "zoo").rglob("*.py"))}


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[2] if len(parts) > 2 else "__init__"


@functools.cache  # what a file imports is asked by every file that reaches it
def imports(module: str) -> list[Import]:
    found = []

    def visit(node, at_once):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            at_once = False
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            return
        if isinstance(node, ast.Import):
            found.extend(Import(node.lineno, alias.name, at_once) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f"{module}, line {node.lineno}: absolute imports only, so that floors can be read"
            )
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.append(Import(node.lineno, name if name in FILES else node.module, at_once))
        for child in ast.iter_child_nodes(node):
            visit(child, at_once)

    visit(ast.parse(FILES[module].read_text(encoding="utf-8")), True)
    return found


def test_every_file_has_a_floor():
    assert {part_of(module) for module in FILES} <= set(FLOORS)


@pytest.mark.parametrize("module", FILES)
def test_imports_come_from_lower_floors(module):
    floor = FLOORS[part_of(module)]
    for i in imports(module):
        part = part_of(i.module)
        if (
            i.module.split(".")[0] == "zoo"
            and part != part_of(module)
            and (module, part) != (DOOR, "studies")
        ):
            assert FLOORS[part] < floor, (
                f"{module}, line {i.line}: on floor {floor}, imports {i.module} from floor {FLOORS[part]}"
            )


ENGINE = [module for module in FILES if part_of(module) == "experiments"]


def test_every_file_of_the_engine_is_in_a_room():
    assert {room_of(module) for module in ENGINE} == set(ROOMS)


@pytest.mark.parametrize("module", ENGINE)
def test_rooms_of_the_engine_import_from_lower_floors(module):
    floor = ROOMS[room_of(module)]
    for i in imports(module):
        if part_of(i.module) == "experiments" and room_of(i.module) != room_of(module):
            assert ROOMS[room_of(i.module)] < floor, (
                f"{module}, line {i.line}: on floor {floor} of the engine, imports {i.module} from floor "
                f"{ROOMS[room_of(i.module)]}"
            )


def test_the_engine_knows_no_study_by_name():
    """The studies are handed in by whoever runs the command, so that a folder of one's own works as well."""
    for module in ENGINE:
        text = FILES[module].read_text(encoding="utf-8")
        code = ast.parse(text)
        named = [i.module for i in imports(module) if part_of(i.module) == "studies"]
        named += [
            node.value
            for node in ast.walk(code)
            if isinstance(node, ast.Constant) and node.value == "zoo.studies"
        ]
        assert not named or module == DOOR, f"{module} names {named}"


def test_files_of_a_package_import_one_another_without_a_circle():
    graph = {module: {i.module for i in imports(module) if i.module in FILES} for module in FILES}
    done, trail = set(), []

    def walk(module):
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module in done:
            return
        trail.append(module)
        for needed in sorted(graph[module]):
            # A package that gathers the names of its files is imported by none of them.
            if needed != module:
                walk(needed)
        trail.pop()
        done.add(module)

    for module in sorted(graph):
        walk(module)


@pytest.mark.parametrize("module", [m for m in FILES if part_of(m) in LIBRARY])
def test_the_library_needs_keras_and_numpy_only(module):
    for i in imports(module):
        package = i.module.split(".")[0]
        if package in sys.stdlib_module_names or package in LIBRARY_NEEDS:
            continue
        assert package in ONE_BACKEND | EXTRAS, f"{module}, line {i.line}: imports {i.module}"
        assert module in BACKEND_FILES or not i.at_once, (
            f"{module}, line {i.line}: imports {i.module} for everyone"
        )


@pytest.mark.parametrize("module", [m for m in FILES if m.startswith(NO_KERAS)])
def test_what_needs_no_backend_starts_none(module):
    def reached(module, seen):
        for i in imports(module):
            assert i.module.split(".")[0] not in {"keras", *ONE_BACKEND} or not i.at_once, (
                f"{module}, line {i.line}: imports {i.module}"
            )
            if i.at_once and i.module in FILES and i.module not in seen:
                reached(i.module, seen | {i.module})

    reached(module, {module})


# Rewriting a graph moves activations that are there; it does not decide where one belongs.
REWRITES = {"transforms", "surgery", "activations", "graph", "rolled"}
ACTIVATION_LAYERS = {"Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax"}


@pytest.mark.parametrize("module", [m for m in FILES if part_of(m) in LIBRARY - REWRITES - {"blocks"}])
def test_only_blocks_places_an_activation(module):
    def visit(node, function):
        if isinstance(node, ast.FunctionDef):
            function = node.name
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            places = name.split(".")[-1] in ACTIVATION_LAYERS or name.startswith("keras.ops.relu")
            # The classifier's activation ends the net and belongs to no ordering.
            built_in = name.startswith(("layers.", "keras.layers.")) and any(
                keyword.arg == "activation" for keyword in node.keywords
            )
            assert not (places or built_in) or function == "_head", (
                f"{module}, line {node.lineno}: {ast.unparse(node)} belongs into zoo/blocks.py"
            )
        for child in ast.iter_child_nodes(node):
            visit(child, function)

    visit(ast.parse(FILES[module].read_text(encoding="utf-8")), None)


def test_only_the_engine_trains():
    """`fit` and `train_on_batch` are called under zoo/experiments, where seeds, threads and records are."""
    for module in FILES:
        for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                trains = node.func.attr in ("fit", "train_on_batch", "apply_gradients")
                assert not trains or part_of(module) == "experiments", f"{module}, line {node.lineno}"


def test_the_page_on_the_code_lists_every_module_on_its_floor():
    page = (ROOT / "docs" / "use" / "architecture.md").read_text()
    listed = re.findall(r"^\| (-?\d) \| `zoo/(\w+)(?:\.py|/)` \|", page, re.MULTILINE)
    assert dict((name, int(floor)) for floor, name in listed) == FLOORS
    assert len(listed) == len(FLOORS)
