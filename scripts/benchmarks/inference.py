"""Inference: stock, folded, merged, and exported to ONNX Runtime and OpenVINO; timed is only what computes the same."""

from __future__ import annotations

from benchmarks.race import race

QUESTION = (
    "How long does a prediction take, before and after folding and merging, and in ONNX Runtime and OpenVINO?"
)

# net: pictures in a batch. ResNet-56 comes in the zoo's two orderings alone: what folds in each, and what it saves.
NETS = {
    "ResNet50": 8,
    "ResNet50V2": 8,
    "MobileNetV2": 8,
    "resnet20v2": 128,
    "repvgg": 128,
    "resnet56": 128,
    "resnet56v2": 128,
}
# In which branches can be merged, or linear layers meet.
MERGED = ("MobileNetV2", "repvgg")
# What stock Keras has no net of, and what is asked for in the zoo's.
ZOO_ALONE = {"repvgg": {"width": 16}}


def measure(quick=False, only=()):
    """A row a net and contender; speed-ups are over stock Keras with its defaults: without XLA where there is no accelerator.

    Whose outputs differ from those of stock Keras has the difference instead of a time.
    """
    for net, batch in NETS.items():
        if only and net not in only:
            continue
        cifar = not net[0].isupper()
        shape = (32, 32, 3) if cifar else (224, 224, 3)
        common = {"batch": batch, "shape": shape, "steps": (10 if cifar else 2) // (2 if quick else 1)}
        stock = {"source": "stock" if cifar else "applications", "net": net, **common}
        zoo = {**stock, "source": "zoo", "net": net.lower()} | ({} if cifar else {"layout": "keras"})
        zoo |= ZOO_ALONE.get(net, {})
        contenders = {
            "stock Keras": ("keras_predict", stock),
            "stock Keras, one compiled call": ("keras_predict", {**stock, "call": True}),
            "stock Keras with XLA": ("keras_predict", {**stock, "jit": True}),
            "zoo": ("keras_predict", zoo),
            "stock Keras, folded": ("keras_predict", {**stock, "fold": True}),
            "zoo, folded": ("keras_predict", {**zoo, "fold": True}),
            "ONNX Runtime": ("onnx_predict", stock),
            "ONNX Runtime, folded": ("onnx_predict", {**stock, "fold": True}),
            "OpenVINO": ("openvino_predict", stock),
            "OpenVINO, folded": ("openvino_predict", {**stock, "fold": True}),
        }
        if net in MERGED:
            contenders |= {
                "zoo, merged": ("keras_predict", {**zoo, "merge": True}),
                "ONNX Runtime, merged": ("onnx_predict", {**zoo, "merge": True}),
                "OpenVINO, merged": ("openvino_predict", {**zoo, "merge": True}),
            }
        if net in ZOO_ALONE:
            contenders = {
                name: (kind, {**options, **zoo})
                for name, (kind, options) in contenders.items()
                if "stock" not in name
            }
        if net.startswith("resnet56"):
            contenders = {name: contenders[name] for name in ("zoo", "zoo, folded")}
        rows = list(race(contenders, rounds=3 if quick else 7))
        reference = rows[0].get("seconds")
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
                "over_stock": reference / row["seconds"]
                if reference and "stock Keras" in contenders
                else None,
                "difference": row["difference"],
                "layers": row.get("layers"),
                "folded": row.get("folded"),
                "kept": row.get("kept"),
                "merged": row.get("merged"),
                "collapsed": row.get("collapsed"),
                "parameters": row.get("parameters"),
                "peak_gb": row["peak_gb"],
            }
