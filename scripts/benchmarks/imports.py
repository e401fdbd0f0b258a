"""Time to import and to list models."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

QUESTION = "How long until zoo is imported and its models are listed, next to importing Keras?"

STATEMENTS = {
    "python": "pass",
    "import zoo": "import zoo",
    "import zoo; zoo.list_models()": "import zoo; zoo.list_models()",
    "import keras": "import keras",
    "import zoo; zoo.build('resnet20')": "import zoo; zoo.build('resnet20')",
}


def measure(quick=False, only=()):
    """A row a statement: seconds of a fresh process, and seconds beyond starting Python."""
    times = {name: [] for name in STATEMENTS}
    for _ in range(3 if quick else 9):
        for name, code in STATEMENTS.items():
            if quick and "build" in name and times[name]:
                continue
            began = time.perf_counter()
            subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True)
            times[name].append(time.perf_counter() - began)
    start = statistics.median(times["python"])
    for name, seconds in times.items():
        median = statistics.median(seconds)
        yield {"statement": name, "seconds": median, "beyond_python_s": median - start}
