"""What users get: the wheel, the public names, the README, and an import that costs nothing."""

import json
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

import zoo

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_works_outside_the_checkout(tmp_path):
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"activation_zoo-{zoo.__version__}-py3-none-any.whl"

    packed = set(zipfile.ZipFile(wheel).namelist())
    tracked = set(run("git", "ls-files", "zoo", cwd=ROOT).split())
    site = {name for name in tracked if name.startswith("zoo/site/")}
    assert site and tracked - site <= packed
    assert not {name for name in packed if name.startswith("zoo/site/")}, "builds pages that no wheel has"
    assert {name.split("/")[0] for name in packed} == {"zoo", f"activation_zoo-{zoo.__version__}.dist-info"}
    assert f"activation_zoo-{zoo.__version__}.dist-info/licenses/LICENSE" in packed

    place = tmp_path / "elsewhere"
    run(*pip, "install", "--no-deps", "--target", place, wheel)
    program = (
        "import zoo, numpy as np; print(zoo.__file__);"
        "model = zoo.build('resnet8v2', input_shape=(8, 8, 1), width=2);"
        "print(zoo.transforms.split_activations(model).predict(np.zeros((1, 8, 8, 1)), verbose=0).shape);"
        "print(zoo.describe('resnet20v2'))"
    )
    # The target comes before the checkout, which .venv knows by its editable installation.
    there = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(place)}}
    said = run(sys.executable, "-c", program, **there).splitlines()
    assert said[0] == str(place / "zoo" / "__init__.py")
    assert said[1] == "(1, 10)"
    assert "He et al. 2016" in "".join(said[2:])

    command = [sys.executable, "-m", "zoo.experiments"]
    listed = run(*command, "list", **there)
    assert "form         Does it matter whether the activation" in listed
    done = run(*command, "run", "algebra", "--quick", "--workers", "1", **there)
    assert "a convolution" in done and "an activation" in done and not (tmp_path / "docs").exists()
    status = subprocess.run([*command, "status"], capture_output=True, text=True, timeout=200, **there)
    assert status.returncode == 1 and status.stdout.count(" missing  ") == len(listed.splitlines()) // 2
    assert (
        "nothing is published in docs/data here: give this command in a checkout of the project"
        in status.stderr
    )
    assert "python -m zoo.experiments run form makes it" in status.stdout
    drawn = subprocess.run([*command, "check", "form"], capture_output=True, text=True, timeout=200, **there)
    assert drawn.returncode == 2 and "nothing is published of 'form'" in drawn.stderr
    for said in (listed, done, status.stdout, status.stderr, drawn.stderr):
        for name in re.findall(r"\b(?:scripts|docs|zoo|tests)/[\w/.]*\.(?:py|md)\b", said):
            assert (place / name).exists(), f"{name} is named and not installed"


def test_import_and_list_start_no_backend_and_take_no_time():
    program = (
        "import time; start = time.process_time()\n"
        "import zoo; names = zoo.list_models(); seconds = time.process_time() - start\n"
        "import json, sys; print(json.dumps([len(names), seconds, sorted(sys.modules)]))"
    )
    # The least of three: another process may have been at work on the same core.
    tries = [json.loads(run(sys.executable, "-c", program)) for _ in range(3)]
    count, _, modules = tries[0]
    assert count == len(zoo.list_models()) > 0
    assert not {"keras", "tensorflow", "jax", "torch", "numpy"} & set(modules)
    assert min(seconds for _, seconds, _ in tries) < 1  # 0.1 on a machine at rest


def test_exported_names_are_those_that_are_there():
    assert len(set(zoo.__all__)) == len(zoo.__all__)
    for name in zoo.__all__:
        assert getattr(zoo, name) is not None
    assert set(zoo.__all__) <= set(dir(zoo))
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'biuld'; it has "):
        _ = zoo.biuld


def exported() -> dict[str, object]:
    """`module.name` of every public object, where it is defined; submodules by their own name."""
    found = {}
    for name in zoo.__all__:
        value = getattr(zoo, name)
        if name == "__version__":
            continue
        module = getattr(value, "__module__", None)
        found[f"{module}.{name}" if module else value.__name__] = value
    return found


def test_exported_names_are_documented_and_documented_names_exist():
    pages = "\n".join(
        page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs" / "api").rglob("*.md"))
    )
    documented = set(re.findall(r"^::: (\S+)$", pages, re.MULTILINE))
    # Under the file that defines it or the package that gathers its files: what counts is that it is the same thing.
    things = {name: pkgutil.resolve_name(name) for name in documented}

    def is_documented(value):
        if any(value is thing for thing in things.values()):
            return True
        # A module stands on several pages, name by name.
        names = getattr(value, "__all__", ()) if isinstance(value, ModuleType) else ()
        return bool(names) and all(is_documented(getattr(value, name)) for name in names)

    missing = [name for name, value in exported().items() if not is_documented(value)]
    assert not missing, f"docs/api: add ::: {' and ::: '.join(sorted(missing))}"
    # The reference also shows what a reader meets without importing it: layers, results, the parts of an experiment.
    for name, thing in things.items():
        assert thing.__doc__, name


def test_every_public_function_says_what_it_does():
    for name, value in exported().items():
        assert value.__doc__, name
        for inner in getattr(value, "__all__", ()):
            assert getattr(value, inner).__doc__, f"{name}.{inner}"


def test_the_versions_agree():
    assert PYPROJECT["project"]["version"] == zoo.__version__
    assert f"## {zoo.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {zoo.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_constraints_are_versions_and_nothing_else():
    """No host, path, hash or build of one machine; and each package that is asked for by name is pinned."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    for pin in pins:
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", pin), pin
    assert pins == sorted(pins, key=lambda pin: pin.split("==")[0])
    pinned = {pin.split("==")[0] for pin in pins}
    project = PYPROJECT["project"]
    asked = [
        *project["dependencies"],
        *(r for extra in project["optional-dependencies"].values() for r in extra),
    ]
    assert {re.match(r"[A-Za-z0-9-]+", requirement)[0].lower() for requirement in asked} <= pinned


def test_warnings_are_errors_and_every_exception_is_dated():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lines = text.partition("filterwarnings = [\n")[2].partition("\n]")[0].splitlines()
    assert lines[0].strip() == '"error",'
    for comment, line in pairwise(lines):
        if not line.strip().startswith("#"):
            assert re.match(r" +# 20\d\d-\d\d: \S", comment), (
                f"{line}: a line '# YEAR-MONTH: why' goes before it"
            )


def from_an_index(text: str) -> list[str]:
    """The commands that ask an index for the package, which none has; those with a path or an address are right."""
    joined = re.sub(r"[\"'][ \t]*\n\s*f?[\"']", "", text)  # a message may go on in the next string
    name = PYPROJECT["project"]["name"].replace("-", "[-_]")
    command = rf"(?:pip3? install|uv add)\b[^\n`;|&]*?(?<![\w./=-]){name}(?![\w/.-])(?!(?:\[[^\]]*\])? *@)(?:\[[^\]]*\])?"
    return re.findall(command, joined)


def test_nothing_tells_to_install_the_package_from_an_index():
    kinds = {".md", ".py", ".toml", ".yml", ".cff", ".txt", ".sh", ".js", ".html", ""}
    for path in map(Path, run("git", "ls-files", cwd=ROOT).splitlines()):
        if path.suffix in kinds and path.name != Path(__file__).name and (ROOT / path).is_file():
            wrong = from_an_index((ROOT / path).read_text(encoding="utf-8"))
            assert not wrong, (
                f"{path}: {wrong}: no index has the package; name the one that is missing, or install from a clone"
            )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pip install activation-zoo", ["pip install activation-zoo"]),
        ("pip install -U 'activation-zoo[torch]'.", ["pip install -U 'activation-zoo[torch]"]),
        ('"Needs it: pip install "\n    f"activation_zoo[jax]"', ["pip install activation_zoo[jax]"]),
        ('pip install ".[benchmark]"', []),
        ('pip install "git+https://example.org/someone/activation-zoo"', []),
        ('pip install "activation-zoo[torch] @ git+https://example.org/someone/zoo"', []),
        ("pip install dist/activation_zoo-0.1.0-py3-none-any.whl", []),
        ("`pip install .` installs activation-zoo", []),
    ],
)
def test_what_counts_as_a_command_that_asks_an_index(text, found):
    assert from_an_index(text) == found


@pytest.mark.parametrize("source", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_readme_code_runs(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(source, "README.md", "exec"), {"__name__": "__main__"})


def test_readme_begins_with_exactly_two_commands():
    first = re.search(r"```bash\n(.*?)```", README, re.DOTALL)[1]
    assert [line.split()[0] for line in first.splitlines()] == ["scripts/demo", "scripts/test"]
    assert all(os.access(ROOT / name, os.X_OK) for name in ("scripts/demo", "scripts/test", ".ci/run"))


def test_readme_names_the_placements_that_there_are():
    from zoo.spec import FORMS, PLAIN_ORDERINGS, RESIDUAL_ORDERINGS

    rows = re.findall(r'^\| `(\w+)="(\w+)"`', README, re.MULTILINE)
    assert {value for option, value in rows if option == "form"} == set(FORMS)
    assert {value for option, value in rows if option == "ordering"} == {
        *PLAIN_ORDERINGS,
        *RESIDUAL_ORDERINGS,
    }


def test_readme_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_readme_ends_with_the_files_as_they_are():
    """One line a file; the packages, docs and tests by their folders. Add a line for what is missing here."""
    listed, folder = set(), ""
    for line in README.rpartition("```text\n")[2].removesuffix("```\n").splitlines():
        name, comment = line.split(maxsplit=1) if " " in line.strip() else (line, "")
        if line.startswith("  "):
            assert comment, f"{name}: say in a few words what it is for"
            listed.add(folder + name.rstrip("/"))
        else:
            folder = name
            if comment:
                listed.add(name.rstrip("/"))
    tracked = set()
    for path in run("git", "ls-files", cwd=ROOT).splitlines():
        parts = path.split("/")
        if (ROOT / path).exists() and path not in (".gitignore", "README.md"):
            tracked.add("/".join(parts[:2]) if parts[0] in ("zoo", "scripts", "docs", ".ci") else parts[0])
    assert tracked <= listed, f"README.md, the files: add a line for {sorted(tracked - listed)}"
    gone = {name for name in listed if not (ROOT / name).exists()}
    assert not gone, f"README.md, the files: take out {sorted(gone)}"
