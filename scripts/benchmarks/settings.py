"""Execution settings: XLA, steps per execution and threads on the nets the experiments train."""

from __future__ import annotations

from benchmarks.race import race

QUESTION = "Which execution settings train fastest on this machine?"


def measure(quick=False, only=()):
    """A row a net and setting; speed-ups are over Keras' defaults."""
    for net, shape, batch in (("convnet", (8, 8, 1), 32), ("resnet20v2", (28, 28, 1), 64)):
        common = {"source": "zoo", "net": net, "shape": shape, "batch": batch, "steps": 2 if quick else 5}
        contenders = {
            "Keras' defaults": ("keras_step", common),
            "with XLA": ("keras_step", {**common, "jit": True}),
        }
        for steps in (1, 8, 32):
            contenders[f"fit, {steps} step{'s' * (steps > 1)} per execution"] = (
                "keras_fit",
                {**common, "per_execution": steps},
            )
        rows = list(race(contenders, rounds=3 if quick else 7))
        for row in rows:
            if "failed" in row:
                yield {"net": net, **row}
                continue
            yield {
                "net": net,
                "input": "x".join(map(str, shape)),
                "batch": batch,
                "setting": row["contender"],
                "step_s": row["seconds"],
                "over_defaults": rows[0]["seconds"] / row["seconds"],
                "first_step_s": row["first_step_s"],
            }
