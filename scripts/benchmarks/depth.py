"""Building, first step, steady step and memory against depth."""

from __future__ import annotations

from benchmarks.race import Contender

QUESTION = (
    "What does a net of up to a thousand layers cost until its first step, in steady state and in memory?"
)

CONTENDERS = {
    "zoo, rolled": {"source": "zoo", "rolled": True},
    "zoo, rolled with remat": {"source": "zoo", "rolled": "remat"},
    "zoo, rolled, traced once": {"source": "zoo", "rolled": True, "ahead": True},
    "zoo": {"source": "zoo"},
    "stock Keras": {"source": "stock"},
    "stock Keras, optimiser built first": {"source": "stock", "ahead": True},
    "stock Keras with XLA": {"source": "stock", "jit": True},
}
# depth: batches. Batch 8 for times, 32 for the memory of a step.
DEPTHS = {20: (8,), 56: (8,), 110: (8,), 164: (8, 32), 1001: (8, 32)}
# More than this takes too long or too much memory on a small machine; such rows are left out, not estimated.
XLA_UP_TO = 110


def measure(quick=False, only=()):
    """A row a contender, depth and batch; each in a process of its own."""
    wanted = [o for o in only if o.isdigit()]
    named = [o for o in only if not o.isdigit()]
    for depth, batches in DEPTHS.items():
        if (wanted and str(depth) not in wanted) or (quick and depth > 164):
            continue
        for batch in batches[:1] if quick else batches:
            for name, options in CONTENDERS.items():
                if named and name not in named:
                    continue
                if options.get("ahead") and batch > 8:
                    continue  # a matter of tracing, which knows no batch
                if "XLA" in name and ((depth > XLA_UP_TO and not named) or batch > 8):
                    continue
                yield {
                    "contender": name,
                    "depth": depth,
                    "batch": batch,
                    **_run(depth, batch, options, quick),
                }


def _run(depth, batch, options, quick):
    try:
        contender = Contender("keras_step", net=f"resnet{depth}v2", batch=batch, **options)
        steps = sorted(contender.go() for _ in range(2 if quick or depth > 500 else 4))
    except RuntimeError as error:
        return {"failed": str(error)[:200]}
    ready = contender.ready
    return {
        "layers": ready["layers"],
        "build_s": ready["build_s"],
        "first_step_s": ready["first_step_s"],
        "until_first_step_s": ready["build_s"] + ready["first_step_s"],
        "step_s": steps[0],
        "peak_gb": contender.end()["peak_gb"],
        "parameters": ready["parameters"],
    }
