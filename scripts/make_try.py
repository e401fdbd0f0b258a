#!/usr/bin/env python
"""Run the scripts of the pages "train", "train-convolutions" and "spiral", and write what a reader without
JavaScript sees there; and the digits that the first two learn.

    scripts/make_try.py

The pages' own scripts run in a browser (Chromium, by Playwright): the pictures and tables are what the page
shows, not a second implementation. Writes docs/javascripts/digits-data.js, docs/snippets/train_table.md,
docs/snippets/train_digits_table.md, docs/snippets/train_convolutions_table.md, docs/snippets/spiral_table.md,
docs/diagrams/train-*.svg and docs/diagrams/spiral.svg. Graphs come from scripts/make_train_graphs.py.
"""

import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from zoo.experiments.data.sets import SOURCES, balanced  # noqa: E402
from zoo.placement import PLAIN  # noqa: E402
from zoo.site import shapes  # noqa: E402
from zoo.site.place import DOCS  # noqa: E402

SCRIPTS = ("dense-net.js", "conv-net.js", "digits-data.js", "train-nets.js", "train-graphs.js", "spiral.js")
CHROMIUM = "/usr/bin/chromium"
TABLE = DOCS / "snippets" / "train_table.md"
SPIRAL_TABLE = DOCS / "snippets" / "spiral_table.md"
SET, RATE, SEED, EPOCHS = "spiral", 0.3, 1, 300
CELLS, EXTENT = 48, 1.65
PLACEMENTS = {"none": "no activation", "first": "after layer 1", "both": "after layers 1 and 2"}
FUNCTIONS = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "tanh": "tanh", "sigmoid": "sigmoid"}
# Digits: how many the page learns from and how many it has not seen; its layers, its epochs, the runs of the table.
DIGITS = DOCS / "javascripts" / "digits-data.js"
DIGITS_TABLE = DOCS / "snippets" / "train_digits_table.md"
LEARNED, UNSEEN = 600, 200
LAYERS, DIGIT_EPOCHS = (64, 32, 32, 10), 40
DIGIT_RUNS = (("none", 0.1), ("first", 0.1), ("both", 0.1), ("both", 1))
# Convolutional nets: kind, ordering, value of the kind's option, activations, function, learning rate.
CONVOLUTIONS_TABLE = DOCS / "snippets" / "train_convolutions_table.md"
CONVOLUTIONS_EPOCHS = 12
CONVOLUTIONS_RUNS = (
    *(("plain", ordering, "max_pool", "all", "sigmoid", 0.1) for ordering in PLAIN),
    ("plain", "conv_norm_act", "max_pool", "all", "relu", 0.1),
    ("plain", "conv_norm_act", "stride", "none", "relu", 0.1),
    *(("residual", "original", normalization, "all", "relu", 1) for normalization in ("batch", "None")),
)
RUN = """([choice, set, rate, seed, epochs, cells, extent]) => {
    const data = zooDense.dataSet(set, seed), net = zooDense.start(seed);
    for (let e = 0; e < epochs; e += 1) zooDense.epoch(net, choice, data, rate, seed, e);
    const at = (k) => extent * (2 * (k + 0.5) / cells - 1), every = Array.from({length: cells}, (_, k) => k);
    return {
        ...data, ...zooDense.judge(net, choice, data),
        regions: every.map((r) => every.map((c) => zooDense.probability(net, choice, [at(c), -at(r)]))),
    };
}"""

RUN_DIGITS = """([choice, rate, seed, epochs, layers]) => {
    const learned = zooDense.images(zooDigits.learned), net = zooDense.start(seed, layers);
    for (let e = 0; e < epochs; e += 1) zooDense.epoch(net, choice, learned, rate, seed, e);
    return { ...zooDense.judge(net, choice, learned), unseen: zooDense.judge(net, choice, zooDense.images(zooDigits.unseen)) };
}"""

RUN_CONVOLUTIONS = """([kind, ordering, value, activated, activation, rate, seed, epochs]) => {
    const learned = zooDense.images(zooDigits.learned), unseen = zooDense.images(zooDigits.unseen);
    const net = zooConv.start(zooTrainGraphs[kind][`${ordering}|${value}`], seed), choice = { activated, activation };
    const steps = learned.points.length / zooDense.BATCH, losses = [];
    for (let e = 0; e < epochs; e += 1) for (let s = 0; s < steps; s += 1) {
        losses.push(zooConv.stepOf(net, choice, learned, rate, seed, e, s));
    }
    const last = losses.slice(-steps);
    return { ...zooConv.judge(net, choice, unseen), trained: last.reduce((a, b) => a + b, 0) / steps, ...zooTrainNets.nets[kind] };
}"""

WIDTHS, MATRIX_SEED = (2, 3, 5, 15, 30), 3  # those of the paper; the seed with which the page opens
PUSH = """([widths, seed]) => {
    const curve = zooSpiral.curve();
    return { curve, widths: Object.fromEntries(widths.map((n) => {
        const there = zooSpiral.there(curve, zooSpiral.matrix(n, seed), "relu");
        return [n, { ...there, lost: zooSpiral.lost(there.alive), expected: zooSpiral.expected(n) }];
    })) };
}"""


def open_page(playwright):
    """A page with the scripts of the interactives, and nothing else."""
    page = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]).new_page()
    for name in SCRIPTS:
        page.add_script_tag(path=DOCS / "javascripts" / name)
    return page


def train(page, placement: str, activation: str) -> dict:
    """Points, regions and result of one run of the page's own net."""
    choice = {"placement": placement, "activation": activation}
    return page.evaluate(RUN, [choice, SET, RATE, SEED, EPOCHS, CELLS, EXTENT])


def regions(placement: str, run: dict) -> str:
    """The plane after training: the class at each place, and the points."""
    size = 216
    cell = size / CELLS
    sure = np.array(run["regions"]) * 2 - 1
    # Half strength, so that the points stand out.
    parts = [
        shapes.heat(0, 0, sure, cell, largest=1, strongest=0.5),
        shapes.box(0.5, 0.5, size - 1, size - 1, "zoo-d-frame"),
    ]
    for (x, y), label in zip(run["points"], run["labels"], strict=True):
        px, py = (x / EXTENT + 1) / 2 * size, (1 - y / EXTENT) / 2 * size
        if label:
            parts.append(f'<circle class="zoo-d-plus zoo-d-edge" cx="{px:.1f}" cy="{py:.1f}" r="2.8"/>')
        else:
            parts.append(
                f'<rect class="zoo-d-minus zoo-d-edge" x="{px - 2.4:.1f}" y="{py - 2.4:.1f}" width="4.8" height="4.8"/>'
            )
    where = "No activation" if placement == "none" else f"ReLU {PLACEMENTS[placement]}"
    border = "straight" if placement == "none" else "bent"
    title = f"{where}: {100 * run['accuracy']:.0f} % right"
    return shapes.picture(
        size, size, title, f"Two spirals. The border between the classes is {border}.", parts
    )


def table(runs: dict) -> str:
    """Loss, accuracy and dead units of every run."""
    lines = ["| activations | loss | accuracy | dead units, layers 1 and 2 |", "|---|---|---|---|"]
    for (placement, activation), run in runs.items():
        name = (
            PLACEMENTS["none"] if placement == "none" else f"{FUNCTIONS[activation]} {PLACEMENTS[placement]}"
        )
        lines.append(
            f"| {name} | {run['loss']:.2f} | {100 * run['accuracy']:.0f} % | {run['dead'][0]} and {run['dead'][1]} of 16 |"
        )
    return "\n".join(lines) + "\n"


def digits() -> str:
    """The script with the digits of scikit-learn: a letter a pixel, "a" for 0 to "q" for 16, as `images` reads it.

    The unseen are as many of each class, so that a net with one answer is right about one in ten.
    """
    x_train, y_train, x_test, y_test = SOURCES["digits"]()

    def part(images, labels, chosen) -> dict:
        levels = np.round(images[chosen].ravel() * (16 / 255)).astype(int)  # 0 to 16 in the file
        return {"pixels": "".join(chr(97 + z) for z in levels), "labels": "".join(map(str, labels[chosen]))}

    content = {
        "learned": part(x_train, y_train, np.arange(LEARNED)),
        "unseen": part(x_test, y_test, balanced(y_test, UNSEEN)),
    }
    return f"globalThis.zooDigits =\n{json.dumps(content, separators=(',', ':'))};\n"


def digits_table(page) -> str:
    """Loss, accuracy and dead units of some runs on digits."""
    lines = [
        "| activations | learning rate | loss | right | right of new digits | dead units, layers 1 and 2 |",
        "|---|---|---|---|---|---|",
    ]
    for placement, rate in DIGIT_RUNS:
        choice = {"placement": placement, "activation": "relu"}
        run = page.evaluate(RUN_DIGITS, [choice, rate, SEED, DIGIT_EPOCHS, LAYERS])
        name = PLACEMENTS["none"] if placement == "none" else f"ReLU {PLACEMENTS[placement]}"
        lines.append(
            f"| {name} | {rate} | {run['loss']:.2f} | {100 * run['accuracy']:.0f} % | "
            f"{100 * run['unseen']['accuracy']:.0f} % | {run['dead'][0]} and {run['dead'][1]} of {LAYERS[1]} |"
        )
    return "\n".join(lines) + "\n"


def convolutions_row(page, run: tuple) -> str:
    """One line of the table of convolutional nets."""
    _, ordering, value, activated, activation, rate = run
    found = page.evaluate(RUN_CONVOLUTIONS, [*run, SEED, CONVOLUTIONS_EPOCHS])
    function = "none" if activated == "none" else FUNCTIONS[activation]
    dead, units = (sum(site[count] for site in found["sites"]) for count in ("dead", "units"))
    cells = (
        f"{found['model']}, {found['option']} {value}",
        f"`{ordering}`",
        function,
        str(rate),
        f"{found['trained']:.2f}",
        f"{100 * found['accuracy']:.0f} %",
        f"{dead} of {units}" if units else "-",
    )
    return f"| {' | '.join(cells)} |"


def convolutions_table(page) -> str:
    """Loss, accuracy and dead channels of some convolutional nets."""
    lines = [
        "| net | ordering | activation | learning rate | loss | right of new digits | dead channels |",
        "|---|---|---|---|---|---|---|",
        *(convolutions_row(page, run) for run in CONVOLUTIONS_RUNS),
    ]
    return "\n".join(lines) + "\n"


def push(page) -> dict:
    """The curve, and for each width where it comes back and how many channels are above zero at each point."""
    return page.evaluate(PUSH, [WIDTHS, MATRIX_SEED])


def spiral(pushed: dict) -> str:
    """The curve and what comes back of it, a panel a width."""
    side, half = 138, 69  # the box around it leaves less room than the page does
    panels = [("the curve", pushed["curve"])]
    panels += [(f"n = {n}: {100 * p['lost']:.0f} % lost", p["images"]) for n, p in pushed["widths"].items()]
    parts = []
    for i, (words, points) in enumerate(panels):
        left, top = (side + 6) * (i % 3), (side + 30) * (i // 3)
        scale = 0.88 * half / np.abs(points).max()
        parts.append(shapes.text(left + half, top + 14, words))
        parts.append(shapes.box(left + 0.5, top + 20.5, side - 1, side - 1, "zoo-d-frame"))
        parts.append(
            shapes.line(
                ((left + half + x * scale, top + 20 + half - y * scale) for x, y in points[::2]),
                "zoo-d-curve",
            )
        )
    lost = "; ".join(words for words, _ in panels[1:])
    return shapes.picture(
        3 * side + 12,
        2 * (side + 30),
        "A spiral after a random matrix to n channels, ReLU, and the way back",
        f"{lost}. Lost: fewer than two channels are above zero.",
        parts,
    )


def _percent(share: float) -> str:
    return "below 0.1 %" if share < 0.001 else f"{100 * share:.0f} %"


def spiral_table(pushed: dict) -> str:
    """What is lost for each width: with this matrix, and on average."""
    lines = ["| channels n | lost with this matrix | over all matrices, (n + 1) / 2ⁿ |", "|---|---|---|"]
    for n, p in pushed["widths"].items():
        lines.append(f"| {n} | {100 * p['lost']:.0f} % | {_percent(p['expected'])} |")
    return "\n".join(lines) + "\n"


def made(page) -> dict[Path, str]:
    """Each file and its text, but for the table of convolutional nets, which takes its time."""
    choices = [("none", "relu"), *((p, f) for f in FUNCTIONS for p in ("first", "both"))]
    runs = {choice: train(page, *choice) for choice in choices}
    files = {DOCS / "diagrams" / f"train-{p}.svg": regions(p, runs[p, "relu"]) for p in PLACEMENTS}
    pushed = push(page)
    return files | {
        DIGITS: digits(),
        TABLE: table(runs),
        DIGITS_TABLE: digits_table(page),
        DOCS / "diagrams" / "spiral.svg": spiral(pushed),
        SPIRAL_TABLE: spiral_table(pushed),
    }


def main() -> None:
    from playwright.sync_api import sync_playwright

    DIGITS.write_text(digits())  # the page learns them
    with sync_playwright() as playwright:
        page = open_page(playwright)
        for path, content in (made(page) | {CONVOLUTIONS_TABLE: convolutions_table(page)}).items():
            path.write_text(content)


if __name__ == "__main__":
    main()
