"""A file of a rolled net loads after `import zoo`, before or after Keras, and that import still starts no backend."""

import subprocess
import sys

import pytest

import zoo

pytestmark = pytest.mark.tensorflow

LOAD = "print(len(keras.models.load_model(path).layers))"
WAYS = {
    "zoo first": "import zoo; assert 'keras' not in sys.modules; import keras",
    "keras first": "import keras, zoo",
    "from keras": "import zoo; from keras import models; import keras",
    "looked for, then imported": "import zoo, importlib.util as u; assert u.find_spec('keras'); import keras",
    "a module of zoo alone": "import zoo.catalog; import keras",
    "by TensorFlow": "import zoo, tensorflow as tf; tf.keras.layers.Layer; import keras",
    "after a failed import": (
        "import zoo; keep = sys.modules; sys.modules['h5py'] = None\n"
        "try:\n    import keras\nexcept ImportError:\n    pass\nelse:\n    raise SystemExit('keras needs no h5py')\n"
        "del sys.modules['h5py']; [sys.modules.pop(m) for m in list(sys.modules) if m.split('.')[0] == 'keras']\n"
        "import keras"
    ),
    "imported twice": "import zoo, importlib, keras; importlib.reload(zoo)",
}


@pytest.fixture(scope="module")
def rolled_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("rolled") / "rolled.keras"
    zoo.build("resnet26", rolled=True, width=2, input_shape=(8, 8, 3)).save(path)
    return path


def run(program, path):
    return subprocess.run(
        [sys.executable, "-c", f"import sys; path = sys.argv[1]\n{program}", path],
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_import_zoo_is_enough_to_load_a_rolled_file(way, rolled_file):
    done = run(f"{WAYS[way]}\n{LOAD}", rolled_file)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 10
    watching = "[f for f in sys.meta_path if type(f).__name__ == 'AfterKeras']"
    left = run(
        f"{WAYS[way]}\nprint(len({watching}), 'exec_module' in vars(keras.__spec__.loader))", rolled_file
    )
    assert left.stdout.split()[-2:] == ["0", "False"], left.stderr


def test_without_zoo_it_does_not_load(rolled_file):
    done = run(f"import keras\n{LOAD}", rolled_file)
    assert "Could not locate class 'RolledUnits'" in done.stderr


def test_listing_and_specifying_start_no_backend(rolled_file):
    done = run(
        "import zoo; zoo.list_models(); zoo.register('mine', zoo.specify('resnet20v2', width=8))\n"
        "print({'keras', 'tensorflow', 'numpy'} & {*sys.modules})",
        rolled_file,
    )
    assert done.stdout.strip() == "set()", done.stderr
