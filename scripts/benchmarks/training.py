"""Training: images a second on the same nets."""

from __future__ import annotations

from benchmarks.race import race

QUESTION = "How many images a second do the same nets train at, in stock Keras, here and in PyTorch?"

BFLOAT16 = "mixed_bfloat16"
# net: batch, input, steps in a turn, name in keras.applications
NETS = {
    "convnet": (128, (32, 32, 3), 4, None),
    "resnet20v2": (128, (32, 32, 3), 1, None),
    "resnet50v2": (16, (64, 64, 3), 1, "ResNet50V2"),
}


def measure(quick=False, only=()):
    """A row a net and contender; speed-ups are over stock Keras with its defaults: without XLA where there is no accelerator."""
    for net, (batch, shape, steps, application) in NETS.items():
        if set(only) & set(NETS) and net not in only:
            continue
        common = {"batch": batch, "steps": 1 if quick else steps}
        stock = (
            {"source": "applications", "net": application} if application else {"source": "stock", "net": net}
        )
        ours = {"source": "zoo", "net": net, "shape": shape, **common}
        contenders = {
            "stock Keras": ("keras_step", {**stock, "shape": shape, "jit": "auto", **common}),
            "stock Keras with XLA": ("keras_step", {**stock, "shape": shape, "jit": True, **common}),
            "zoo": ("keras_step", {**ours, "jit": "auto"}),
            "stock Keras, mixed bfloat16": (
                "keras_step",
                {**stock, "shape": shape, "policy": BFLOAT16, **common},
            ),
            "zoo, mixed bfloat16": ("keras_step", {**ours, "policy": BFLOAT16}),
            "PyTorch eager": ("torch_step", {"net": net, "shape": shape, **common}),
            "PyTorch compiled": ("torch_step", {"net": net, "shape": shape, "compiled": True, **common}),
        }
        wanted = set(only) & set(contenders)
        if wanted:
            contenders = {name: contenders[name] for name in contenders if name in wanted | {"stock Keras"}}
        rows = list(race(contenders, rounds=3 if quick else 9))
        seconds = {row["contender"]: row.get("seconds") for row in rows}
        fastest = {row["contender"]: row.get("fastest") for row in rows}
        for row in rows:
            if "failed" in row:
                yield {"net": net, **row}
                continue
            yield {
                "net": net,
                "contender": row["contender"],
                "batch": batch,
                "input": "x".join(map(str, shape)),
                "images_per_s": batch / row["seconds"],
                "step_s": row["seconds"],
                "fastest_s": row["fastest"],
                "slowest_s": row["slowest"],
                "over_stock": seconds["stock Keras"] / row["seconds"],
                "jit_compile": row.get("jit_compile", ""),
                "over_stock_fastest": fastest["stock Keras"] / row["fastest"],
                "first_step_s": row["first_step_s"],
                "peak_gb": row["peak_gb"],
                "parameters": row["parameters"],
            }
