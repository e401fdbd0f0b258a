"""Share of the machine's matrix-multiply peak, and what a step of ResNet-20 spends its time on."""

from __future__ import annotations

from benchmarks.race import race

QUESTION = (
    "What share of the machine's measured matrix-multiply rate does a training step of resnet20v2 reach?"
)

BATCH = 128


def measure(quick=False, only=()):
    """The rates of the matrix product and of the net, then the operations of the step one by one."""
    import zoo

    rounds, steps = (3, 1) if quick else (7, 3)
    forward = zoo.describe("resnet20v2").flops * BATCH
    step = {"source": "zoo", "net": "resnet20v2", "batch": BATCH, "jit": False, "steps": steps}
    rows = list(
        race(
            {
                "matrix product, 2048": ("matmul", {"size": 2048, "steps": 4}),
                "training step": ("keras_step", step),
            },
            rounds,
        )
    )
    peak = rows[0]["flops"] / rows[0]["seconds"]
    yield _row("matrix product, 2048", 1, rows[0]["seconds"], rows[0]["flops"], peak)
    # A convolution's backward pass is two convolutions of the same size.
    yield _row("training step", 1, rows[1]["seconds"], 3 * forward, peak)

    cases = {}
    for stage, (size, width) in enumerate(((32, 16), (16, 32), (8, 64)), start=1):
        shape = (BATCH, size, size, width)
        convs = 6 if stage == 1 else 5
        cases[f"conv 3x3, stage {stage}"] = (
            convs,
            {"name": "conv", "shape": shape, "kernel": (3, 3, width, width)},
        )
        cases[f"norm, stage {stage}"] = (6, {"name": "norm", "shape": shape})
        cases[f"relu, stage {stage}"] = (6, {"name": "relu", "shape": shape})
        cases[f"add, stage {stage}"] = (3, {"name": "add", "shape": shape})
    times = {}
    for backward in (False, True):
        contenders = {
            n: ("operation", {**o, "backward": backward, "steps": steps}) for n, (_, o) in cases.items()
        }
        times[backward] = {r["contender"]: r["seconds"] for r in race(contenders, rounds)}
    for name, (count, options) in cases.items():
        forward_s = times[False][name]
        # Gradients of ReLU and addition need no second forward pass; of the others the graph runs both.
        both = times[True][name] + (forward_s if name.startswith(("relu", "add", "conv")) else 0)
        flops = 0
        if "kernel" in options:
            b, h, w, c = options["shape"]
            flops = 3 * 2 * b * h * w * 9 * c * c
        yield _row(name, count, both, flops, peak)


def _row(name, count, seconds, flops, peak):
    return {
        "operation": name,
        "times_a_step": count,
        "seconds_each": seconds,
        "seconds_a_step": seconds * count,
        # Normalisation, ReLU and addition multiply no matrices: no rate, which is not a rate of zero.
        "gflops_per_s": flops / seconds / 1e9 if flops else None,
        "share_of_peak": flops / seconds / peak if flops else None,
    }
