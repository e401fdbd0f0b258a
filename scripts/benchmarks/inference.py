"""Inference: stock, folded, exported to ONNX Runtime."""

from __future__ import annotations

from benchmarks.race import race

QUESTION = "How long does a prediction take, before and after folding the normalisation, and in ONNX Runtime?"

NETS = {"ResNet50": 8, "ResNet50V2": 8, "resnet20v2": 128}


def measure(quick=False, only=()):
    """A row a net and contender; speed-ups are over stock Keras with its defaults: without XLA where there is no accelerator."""
    for net, batch in NETS.items():
        if only and net not in only:
            continue
        cifar = net == "resnet20v2"
        shape = (32, 32, 3) if cifar else (224, 224, 3)
        common = {"batch": batch, "shape": shape, "steps": (10 if cifar else 2) // (2 if quick else 1)}
        stock = {"source": "stock" if cifar else "applications", "net": net, **common}
        zoo = {**stock, "source": "zoo", "net": net.lower()} | ({} if cifar else {"layout": "keras"})
        contenders = {
            "stock Keras": ("keras_predict", stock),
            "stock Keras with XLA": ("keras_predict", {**stock, "jit": True}),
            "zoo": ("keras_predict", zoo),
            "stock Keras, folded": ("keras_predict", {**stock, "fold": True}),
            "ONNX Runtime": ("onnx_predict", stock),
            "ONNX Runtime, folded": ("onnx_predict", {**stock, "fold": True}),
        }
        rows = list(race(contenders, rounds=3 if quick else 7))
        reference = next(row["seconds"] for row in rows if row["contender"] == "stock Keras")
        for row in rows:
            if "failed" in row:
                yield {"net": net, **row}
                continue
            yield {
                "net": net,
                "contender": row["contender"],
                "batch": batch,
                "batch_s": row["seconds"],
                "images_per_s": batch / row["seconds"],
                "over_stock": reference / row["seconds"],
                "layers": row.get("layers"),
                "parameters": row.get("parameters"),
                "peak_gb": row["peak_gb"],
            }
