"""Milliseconds a picture for every model of the catalog, as the table of all models shows them."""

from __future__ import annotations

import gc
import json
import statistics
import time

from benchmarks.worker import _images

QUESTION = "How long does every model of the catalog take for one picture?"

SMALL, LARGE = 64, 8  # pictures in a batch, of up to 64 x 64 pixels and of more


def measure(quick=False, only=()):
    """A row a model: inference on the size of picture the table of all models shows."""
    import keras

    import zoo
    from zoo.site.place import DOCS

    for entry in json.loads((DOCS / "data" / "zoo_table.json").read_text()):
        name, shape = entry["name"], tuple(entry["input_shape"])
        if (only and name not in only) or (quick and entry["depth"] > 20):
            continue
        keras.backend.clear_session()
        gc.collect()
        classes = {"classes": 1000} if shape[0] > 64 else {}
        model = zoo.build(name, input_shape=shape, **classes)
        model.compile()
        batch = LARGE if shape[0] > 64 else SMALL
        x, _ = _images(batch, shape)
        model.predict_on_batch(x)
        times = []
        for _ in range(3 if quick else 7):
            began = time.perf_counter()
            model.predict_on_batch(x)
            times.append((time.perf_counter() - began) * 1000 / batch)
        yield {
            "net": name,
            "input": "x".join(map(str, shape)),
            "batch": batch,
            "milliseconds": statistics.median(times),
            "fastest": min(times),
            "slowest": max(times),
        }
