"""A file of a rolled net loads after `import zoo`, before or after Keras, and that import still starts no backend."""

import subprocess
import sys

import pytest

import zoo

pytestmark = pytest.mark.tensorflow


def run(program, *arguments, folder=None):
    path = f"sys.path.insert(0, {str(folder)!r})\n" if folder else ""
    return subprocess.run(
        [sys.executable, "-c", f"import sys\n{path}{program}", *arguments],
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip


@pytest.fixture(scope="module")
def rolled_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("rolled") / "rolled.keras"
    zoo.build("resnet26", rolled=True, width=2, input_shape=(8, 8, 3)).save(path)
    return path


@pytest.mark.parametrize(
    "way", ["import zoo; assert 'keras' not in sys.modules; import keras", "import keras, zoo"]
)
def test_import_zoo_is_enough_to_load_a_rolled_file(way, rolled_file):
    done = run(f"{way}\nprint(len(keras.models.load_model(sys.argv[1]).layers))", rolled_file)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 10


@pytest.mark.parametrize("first", ["zoo.graph", "zoo.activations", "zoo.activations.inside"])
def test_a_package_that_is_imported_before_keras_is_whole_and_so_is_the_rest(first, rolled_file):
    done = run(
        f"import {first}, keras\nprint(len(keras.models.load_model(sys.argv[1]).layers))\n"
        "from zoo.activations import sites; from zoo.graph import rewrite",
        rolled_file,
    )
    assert done.returncode == 0, done.stderr


def test_without_zoo_it_does_not_load(rolled_file):
    done = run("import keras; keras.models.load_model(sys.argv[1])", rolled_file)
    assert "Could not locate class 'RolledUnits'" in done.stderr


def test_listing_specifying_and_registering_start_no_backend():
    done = run(
        "import zoo; zoo.list_models(); zoo.register('mine', zoo.specify('resnet20v2', width=8))\n"
        "print({'keras', 'tensorflow', 'numpy'} & {*sys.modules})"
    )
    assert done.stdout.strip() == "set()", done.stderr


# ------------------------- the watched import, with a package of the name `keras`

WAYS = {
    "zoo first": "import keras",
    "a part of it": "from keras import part\nfrom keras.part import VALUE",
    "looked for, then imported": (
        "import importlib.util\nassert importlib.util.find_spec('keras').origin\nimport keras"
    ),
    "asked for by other names": "try:\n    import kerass\nexcept ImportError:\n    import keras",
    "the second try succeeds": (
        "import os\nos.environ['BROKEN'] = '1'\n"
        "try:\n    import keras\nexcept RuntimeError:\n    del os.environ['BROKEN']\n    import keras\n"
        "else:\n    raise SystemExit('the first try should have failed')"
    ),
    "zoo imported again": ("import importlib\nimportlib.reload(zoo)\nimport keras\nimportlib.reload(zoo)"),
    "keras imported again": "import importlib\nimport keras\nimportlib.reload(keras)",
}


@pytest.mark.parametrize("way", WAYS)
def test_the_layer_is_registered_once_keras_is_there_and_nothing_stays_behind(way, tmp_path):
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text(
        "import os\nif 'BROKEN' in os.environ:\n    raise RuntimeError\nfrom keras import part\nDONE = True\n"
    )
    (tmp_path / "keras" / "part.py").write_text("VALUE = 1\n")
    # It stands for zoo.rolled, and like it needs all of keras.
    (tmp_path / "witness.py").write_text("import keras\nprint('registered', keras.DONE)\n")
    program = f"import zoo.registration\nzoo.registration.REGISTERS = ('witness',)\n{WAYS[way]}"
    done = run(
        f"{program}\nprint([f for f in sys.meta_path if type(f).__name__ == 'AfterKeras'], "
        "'exec_module' in vars(sys.modules['keras'].__spec__.loader))",
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    said, left = done.stdout.splitlines()
    assert said == "registered True"
    assert left == "[] False"
