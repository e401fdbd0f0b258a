#!/usr/bin/env python
"""Pick the curves of the depth slider from the published data of the experiment `signal`.

    scripts/make_depth.py

Reads docs/data/signal.csv, writes docs/javascripts/depth-slider-data.js: for each net the geometric mean over
the seeds, at the depths that were recorded.
"""

import csv
import json
import math
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "docs" / "data" / "signal.csv"
OUTPUT = ROOT / "docs" / "javascripts" / "depth-slider-data.js"
# A script and not a JSON file, because a page opened from a folder may not fetch one.
HEAD, TAIL = "globalThis.zooDepthData =\n", "\n;\n"
ARMS = (
    "plain, no BN, Glorot",
    "plain, no BN, He",
    "plain, BN",
    "original",
    "bn_after_addition",
    "relu_before_addition",
    "relu_only_pre_activation",
    "full_pre_activation",
)
METRICS = ("variance", "squared_mean", "gradient_norm")


def pick(rows: list[dict]) -> dict:
    """`{arm: {metric: [[depth, value], ...]}}` of the rows of a published CSV file."""
    found = defaultdict(list)
    for row in rows:
        if row["arm"] in ARMS and row["metric"] in METRICS:
            found[row["arm"], row["metric"], round(float(row["x"]))].append(float(row["value"]))
    curves = {}
    for arm in ARMS:
        xs = sorted({x for a, _, x in found if a == arm})
        if not xs:
            raise ValueError(f"{SOURCE.name} has no rows of {arm!r}; run scripts/reproduce.py run signal")
        curves[arm] = {
            metric: [[x, float(f"{_geometric_mean(found[arm, metric, x]):.4g}")] for x in xs]
            for metric in METRICS
        }
    return curves


def _geometric_mean(values: list[float]) -> float:
    if min(values) <= 0:  # a mean of exactly zero has no logarithm
        return sum(values) / len(values)
    return math.exp(sum(map(math.log, values)) / len(values))


def text() -> str:
    """The content of the file that the page reads."""
    with SOURCE.open(newline="", encoding="utf-8") as file:
        curves = pick(list(csv.DictReader(file)))
    return HEAD + json.dumps(curves, separators=(",", ":")) + TAIL


if __name__ == "__main__":
    OUTPUT.write_text(text(), encoding="utf-8")
