"""One setting for all tests: backend, threads, seeds; and what is left out on another backend."""

import gc
import os
import random
import re
import sys
from pathlib import Path

# Before the first import of a backend, and inherited by the processes that tests start.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # equality to the bit is claimed for the CPU
# As many workers as cores and more; and one and two threads differ in the fifth digit.
os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
os.environ["TF_NUM_INTEROP_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
if os.environ["KERAS_BACKEND"] == "jax":
    # Every operation of every shape is compiled, and run a few times: optimising it costs more than it gives.
    os.environ["XLA_FLAGS"] += " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    # And compiled once, by whichever worker comes first: an entry is found by all that its compilation depends on.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(__file__).parents[1] / ".pytest_cache" / "d" / "jax")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import numpy as np
import pytest
from hypothesis import settings

pytest_plugins = ["costs"]
BACKEND = os.environ["KERAS_BACKEND"]
TESTS = Path(__file__).parent

# On another backend our code is the same and what computes is not. So there every test file of the library proper
# runs but those in LEFT_OUT (a subject stands for its files: `claims` for test_claims_page.py, too), and of each test
# function the first case: another net, ordering or size asks the backend nothing new. Where the cases are what asks it
# (a transform, a probe, a kind of layer each), the test is marked `backend`, and all of them run. A net without values
# (`shapes_alone`, below) asks it nothing. `--every-case` runs them all everywhere.
LEFT_OUT = {
    "the engine, the scripts and the pages, which run on TensorFlow": (
        "benchmark claims demo docs_snippets docstring_examples floors packaging pretrained slim venv"
    ),
    "starts no backend": "naming options placement spec",
    "builds net after net at random, to see which are refused before a backend computes": "properties",
    "TensorFlow's own kernels, loops and settings": "normalization precision registration rolled settings",
    "nets of full size, which JAX compiles for minutes": "applications transforms_applications",
}
ELSEWHERE = tuple(f"test_{subject}_" for subjects in LEFT_OUT.values() for subject in subjects.split())

PROCESSOR = Path("/proc/cpuinfo")  # Linux tells
if BACKEND == "torch" and PROCESSOR.exists() and "avx512f" not in PROCESSOR.read_text(encoding="utf-8"):
    # As TensorFlow's oneDNN below: without AVX-512, the one of torch 2.13 corrupts the heap in gradients of convolutions.
    os.environ["ONEDNN_MAX_CPU_ISA"] = "SSE41"

if BACKEND == "jax":
    import jax_draws

    jax_draws.install()

# A shared machine is slow at times, and CI has to say the same thing twice.
settings.register_profile("zoo", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("zoo")


def pytest_addoption(parser):
    parser.addoption(
        "--every-case",
        action="store_true",
        help="on another backend, all cases of each test: tens of minutes",
    )


def pytest_ignore_collect(collection_path):
    """On another backend, keep to the tests of the library proper."""
    if BACKEND == "tensorflow" or TESTS not in collection_path.parents:
        return None
    return collection_path.is_dir() or f"{collection_path.stem}_".startswith(ELSEWHERE) or None


def pytest_make_parametrize_id(config, val, argname):
    """Names of tests are the same in every worker: an address in memory is not."""
    text = str(val)
    if " at 0x" in text:
        return getattr(val, "__name__", None) or re.sub(r" at 0x\w+", "", text)[:60]
    return None


def pytest_collection_modifyitems(config, items):
    if BACKEND == "tensorflow":
        return
    kept, left_out, seen = [], [], set()
    for item in items:
        function = item.nodeid.split("[")[0]
        first = function not in seen and "shapes_alone" not in item.fixturenames
        asks = first or item.get_closest_marker("backend") or config.option.every_case
        out = not asks or item.get_closest_marker("tensorflow")
        (left_out if out else kept).append(item)
        if not out:
            seen.add(function)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def pytest_collection_finish():
    """What is imported by now stays: looking through it at every collection of garbage takes longer than many a test."""
    gc.collect()
    gc.freeze()


def reseed():
    random.seed(0)
    np.random.seed(0)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def seeds():
    """Every test starts from the same random state, whichever ran before it in its worker."""
    reseed()


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef):
    """So does what several tests share, which is made before `seeds`."""
    if fixturedef.scope != "function":
        reseed()


@pytest.fixture
def shapes_alone():
    """Nets that the test builds have layers, names and shapes, and no values: drawing them is most of the time."""
    import keras

    with keras.StatelessScope(initialize_variables=False):
        yield
    keras.backend.clear_session(free_memory=False)  # or the values were drawn by the next scope that ends


@pytest.fixture
def channels_first():
    """Tensors have their channels before their places while the test runs."""
    import keras

    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format(before)


@pytest.fixture(autouse=True)
def registered_names():
    """What a test or an example registers is gone after it."""
    from zoo.catalog import MODELS

    before = dict(MODELS)
    yield
    if before != MODELS:
        MODELS.clear()
        MODELS.update(before)


# TensorFlow turns oneDNN on by itself only where there is AVX-512, and without it convolves no channels-first images on a
# processor. Turned on by TF_ENABLE_ONEDNN_OPTS=1 elsewhere, TensorFlow 2.21 was seen to crash in gradients.
ONLY_CHANNELS_LAST = "only supports the NHWC tensor format on the CPU"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A test that convolves images with their channels first is left out where TensorFlow cannot: it says so itself."""
    says_so = item.get_closest_marker("channels_first") or "channels_first" in item.fixturenames
    try:
        return (yield)
    except Exception as error:
        if says_so and ONLY_CHANNELS_LAST in str(error):
            pytest.skip("TensorFlow convolves no channels-first images on this processor")
        raise
