"""Where a run was computed: what its bits may depend on."""

import contextlib
import importlib
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# One and two threads differ in the fifth digit, and two one-thread workers do more than one with two.
THREADS = 1
PINS = {
    "OMP_NUM_THREADS": str(THREADS),
    "TF_NUM_INTRAOP_THREADS": str(THREADS),
    "TF_NUM_INTEROP_THREADS": str(THREADS),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Without these JAX would use a thread a core and take the whole accelerator's memory.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    # An accelerator would round the factors of a product in float32 to eleven bits.
    "NVIDIA_TF32_OVERRIDE": "0",
    "JAX_DEFAULT_MATMUL_PRECISION": "highest",
}
# One thread, as above; and on an accelerator kernels that sum in one order, chosen by rule: a kernel chosen by timing it is
# another one in the next process, with other bits.
XLA_PINS = {
    "xla_cpu_multi_thread_eigen": "false",
    "xla_gpu_deterministic_ops": "true",
    "xla_gpu_autotune_level": "0",
}


#: What runs where nobody has set `KERAS_BACKEND`, and what published commands therefore do not name.
DEFAULT_BACKEND = "tensorflow"


def chosen_backend() -> str:
    """The Keras backend that runs are computed with here: a run belongs to its backend."""
    return os.environ.get("KERAS_BACKEND", DEFAULT_BACKEND)


def pin_threads() -> None:
    """Make this process, and those it starts, compute with one thread, and an accelerator in full float32 and in one order.

    Call it before a backend is imported. What is set already stays.
    """
    for name, value in PINS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("KERAS_BACKEND", DEFAULT_BACKEND)
    asked = os.environ.get("XLA_FLAGS", "")
    flags = [f"--{name}={value}" for name, value in XLA_PINS.items() if name not in asked]
    os.environ["XLA_FLAGS"] = " ".join([*asked.split(), *flags])


DECIDES = ("XLA_FLAGS", "JAX_DEFAULT_MATMUL_PRECISION", "NVIDIA_TF32_OVERRIDE")


# What TensorFlow writes while it is imported, whatever TF_CPP_MIN_LOG_LEVEL says: its log is not set up yet.
START_UP = re.compile(rb"WARNING: All log messages before absl::InitializeLog\(\)|[IW]\d{4} \d\d:\d\d:")


def start_backend() -> None:
    """Import Keras and its backend without the lines that TensorFlow writes at start-up; all others stay.

    The lines come from compiled code, so what is turned aside is the process's standard error itself.
    """
    if "keras" in sys.modules or sys.stderr is None:
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as said:
        ours = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            importlib.import_module("keras")
            # Where it is installed Keras imports it on every backend, as soon as a seed is set.
            with contextlib.suppress(ImportError):
                importlib.import_module("tensorflow")
        finally:
            sys.stderr.flush()
            os.dup2(ours, 2)
            os.close(ours)
            said.seek(0)
            for line in said:
                if not START_UP.match(line):
                    os.write(2, line)


def processor() -> str:
    """The processor as Linux gives it, else as Python does.

    With its family and model: a hypervisor calls several generations, which round otherwise, by one name.
    """
    try:
        found = _first_processor(Path("/proc/cpuinfo").read_text())
    except OSError:
        found = {}
    if "model name" not in found:
        return platform.processor() or platform.machine()
    numbers = (
        f"{name.removeprefix('cpu ')} {found[name]}" for name in ("cpu family", "model") if name in found
    )
    return ", ".join((found["model name"], *numbers))


def _first_processor(text: str) -> dict[str, str]:
    """What Linux says of the first processor, line by line."""
    pairs = (line.split(":", 1) for line in text.split("\n\n", 1)[0].splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def commit() -> str:
    """The commit of the source tree this package lies in; empty outside a git checkout."""
    here = Path(__file__).resolve().parents[3]
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def version(package: str) -> str:
    """Installed version of a package; empty where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def describe() -> dict[str, str | int]:
    """Versions, threads, processor and device, as plain values."""
    backend = chosen_backend()
    device = _device(backend)
    # They decide in which order an accelerator sums, and with how many bits it multiplies.
    flags = {} if device == "cpu" else {name.lower(): os.environ.get(name, "") for name in DECIDES}
    return {
        "python": platform.python_version(),
        "keras": version("keras"),
        "backend": backend,
        "backend_version": version(backend),
        "numpy": version("numpy"),
        "threads": int(os.environ.get("TF_NUM_INTRAOP_THREADS", "0")),
        "processor": processor(),
        "machine": platform.machine(),
        "system": platform.system(),
        "device": device,
        **flags,
    }


def _device(backend: str) -> str:
    """The accelerator in use, or `cpu`."""
    start_backend()
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return "cpu" if device.platform == "cpu" else device.device_kind
    if backend == "tensorflow":
        import tensorflow as tf

        accelerators = tf.config.list_physical_devices("GPU")
        return (
            tf.config.experimental.get_device_details(accelerators[0]).get("device_name", "gpu")
            if accelerators
            else "cpu"
        )
    return "cpu"


# What must agree for bits to agree; anything else (the commit, the host) may change.
SAME_BITS = (
    "keras",
    "backend",
    "backend_version",
    "numpy",
    "threads",
    "processor",
    "machine",
    "device",
    *(name.lower() for name in DECIDES),
)


def differences(published: dict, here: dict) -> list[str]:
    """What differs between two environments and may change bits, in words."""
    return [
        f"{name} was {published.get(name)!r} and is {here.get(name)!r}"
        for name in SAME_BITS
        if published.get(name) != here.get(name)
    ]
