"""A later training step of rolled and of separate layers, in turn."""

from __future__ import annotations

from benchmarks.race import race

QUESTION = "What does a training step cost in rolled units, next to the same net in separate layers?"

CONTENDERS = {"zoo, rolled": {"source": "zoo", "rolled": True}, "zoo": {"source": "zoo"}}
# (depth, batch): what fits twice into the memory of a small machine
SIZES = ((164, 8), (164, 32), (1001, 32))


def measure(quick=False, only=()):
    """A row a contender and size: the median of steps taken in turn."""
    for depth, batch in SIZES:
        if (only and str(depth) not in only) or (quick and depth > 164):
            continue
        given = {"net": f"resnet{depth}v2", "batch": batch}
        contenders = {name: ("keras_step", {**given, **options}) for name, options in CONTENDERS.items()}
        rows = list(race(contenders, rounds=3 if quick else 8))
        separate = next((row.get("seconds") for row in rows if row["contender"] == "zoo"), None)
        for row in rows:
            measured = {key: row[key] for key in ("seconds", "fastest", "slowest", "failed") if key in row}
            over = row["seconds"] / separate if separate and "seconds" in row else None
            yield {
                "contender": row["contender"],
                "depth": depth,
                "batch": batch,
                **measured,
                "over_separate": over,
            }
