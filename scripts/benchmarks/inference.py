"""Inference: stock, folded, exported to ONNX Runtime."""

from __future__ import annotations

from benchmarks.race import race

QUESTION = "How long does a prediction take, before and after folding the normalisation, and in ONNX Runtime?"

# net: pictures in a batch. ResNet-56 comes in the zoo's two orderings alone: what folds in each, and what it saves.
NETS = {"ResNet50": 8, "ResNet50V2": 8, "resnet20v2": 128, "resnet56": 128, "resnet56v2": 128}


def measure(quick=False, only=()):
    """A row a net and contender; speed-ups are over stock Keras with its defaults: without XLA where there is no accelerator."""
    for net, batch in NETS.items():
        if only and net not in only:
            continue
        cifar = net.startswith("resnet")
        shape = (32, 32, 3) if cifar else (224, 224, 3)
        common = {"batch": batch, "shape": shape, "steps": (10 if cifar else 2) // (2 if quick else 1)}
        stock = {"source": "stock" if cifar else "applications", "net": net, **common}
        zoo = {**stock, "source": "zoo", "net": net.lower()} | ({} if cifar else {"layout": "keras"})
        contenders = {
            "stock Keras": ("keras_predict", stock),
            "stock Keras with XLA": ("keras_predict", {**stock, "jit": True}),
            "zoo": ("keras_predict", zoo),
            "stock Keras, folded": ("keras_predict", {**stock, "fold": True}),
            "zoo, folded": ("keras_predict", {**zoo, "fold": True}),
            "ONNX Runtime": ("onnx_predict", stock),
            "ONNX Runtime, folded": ("onnx_predict", {**stock, "fold": True}),
        }
        if net.startswith("resnet56"):
            contenders = {name: contenders[name] for name in ("zoo", "zoo, folded")}
        rows = list(race(contenders, rounds=3 if quick else 7))
        reference = rows[0]["seconds"]
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
                "over_stock": reference / row["seconds"] if "stock Keras" in contenders else None,
                "layers": row.get("layers"),
                "folded": row.get("folded"),
                "kept": row.get("kept"),
                "parameters": row.get("parameters"),
                "peak_gb": row["peak_gb"],
            }
