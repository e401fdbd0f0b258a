#!/usr/bin/env python
"""Take activations out of the nets that ship, one by one and together, and write what is left of them.

    scripts/make_surgeon.py [--draw]

For each net: every activation alone; all of them in order of importance, in the reverse order and in a random
one; every pair; every combination of the EVERY cheapest; stages and places as a whole. Where a net has few
activations, every combination there is. Once with the best affine map in its place, once with the identity.

Order and maps come from training images, accuracy and loss from test images that neither has seen. What is
taken out together shares its computation up to the first activation that differs.

Writes docs/data/surgeon.json (about five minutes on one core), and from it docs/javascripts/surgeon-data.js,
docs/snippets/surgeon_answer.md, docs/snippets/surgeon_table.md and docs/diagrams/surgeon-*.svg; `--draw` writes
only these.
"""

import argparse
import itertools
import json
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402
import numpy as np  # noqa: E402

import zoo  # noqa: E402
from zoo.experiments.data.sets import SOURCES  # noqa: E402
from zoo.graph import graphs  # noqa: E402
from zoo.pretrained import Pretrained, manifest  # noqa: E402
from zoo.probes import activation_importance  # noqa: E402
from zoo.site import from_sites  # noqa: E402
from zoo.site.place import DOCS  # noqa: E402
from zoo.slimming.execution import Execution  # noqa: E402
from zoo.slimming.linear_fit import AffineMap  # noqa: E402
from zoo.transforms.fold import plan  # noqa: E402

OUTPUT = from_sites.DATA
# The same for the page, as a script: a page opened from a folder may not fetch a JSON file.
SCRIPT = DOCS / "javascripts" / "surgeon-data.js"
HEAD, TAIL = "globalThis.zooSurgeonData =\n", ";\n"
ANSWER, TABLE = (DOCS / "snippets" / f"surgeon_{name}.md" for name in ("answer", "table"))
FITS = ("affine", "identity")
TRAIN, TEST = 500, 1000  # the first images of each set
ALL = 10  # up to so many activations, every combination is measured
EVERY = 8  # of more, every combination of so many of the cheapest
BATCH = 250
# Names of what goes as a whole -> what the names of its activations match.
WHOLES = {
    "stage 1": r"stage1_",
    "stage 2": r"stage2_",
    "stage 3": r"stage3_",
    "before first convolutions": r"stage\d_unit\d_conv1_act",
    "before second convolutions": r"stage\d_unit\d_conv2_act",
    "all": r"",
}


def images() -> tuple:
    """Training images to fit on and test images to judge by, each with their labels."""
    x_train, y_train, x_test, y_test = SOURCES["fashion_mnist"]()
    scaled = (x.astype("float32") / 255 for x in (x_train[:TRAIN], x_test[:TEST]))
    return tuple(zip(scaled, (y_train[:TRAIN], y_test[:TEST]), strict=True))


def build(shipped: Pretrained) -> keras.Model:
    return zoo.build(shipped.model, weights=shipped.weights, **shipped.options)


def mask(sites) -> int:
    """A set of sites as one number: bit i stands for site i."""
    return sum(1 << site for site in set(sites))


def orders(importance: list[float]) -> dict[str, list[int]]:
    """Sites from the first to go to the last, in three orders."""
    cheapest = [int(site) for site in np.argsort(importance, kind="stable")]
    drawn = np.random.default_rng(0).permutation(len(importance))
    return {"importance": cheapest, "reverse": cheapest[::-1], "random": [int(site) for site in drawn]}


def wholes(names: list[str]) -> dict[str, list[int]]:
    """What goes as a whole in a net with sites of these names."""
    found = {
        title: [i for i, name in enumerate(names) if re.match(pattern, name)]
        for title, pattern in WHOLES.items()
    }
    return {title: sites for title, sites in found.items() if len(sites) > 1}


def combinations(names: list[str], importance: list[float]) -> list[int]:
    """The masks to measure."""
    count = len(names)
    if count <= ALL:
        return list(range(1 << count))
    found = {0} | {mask(pair) for pair in itertools.combinations_with_replacement(range(count), 2)}
    for order in orders(importance).values():
        found |= {mask(order[:k]) for k in range(count + 1)}
    cheapest = orders(importance)["importance"][:EVERY]
    found |= {mask(chosen) for k in range(EVERY + 1) for chosen in itertools.combinations(cheapest, k)}
    return sorted(found | {mask(sites) for sites in wholes(names).values()})


def measure(execution: Execution, maps: list[AffineMap], masks: list[int], x, y) -> dict[int, tuple]:
    """For each mask which images are right, and the loss on each, of the net with those sites linear."""
    cuts, seen = execution.cuts, {m: ([], []) for m in masks}
    if [cut.site for cut in cuts] != list(range(len(maps))):
        raise ValueError(f"expected one call of each activation, in order; got {[cut.site for cut in cuts]}")

    def walk(values, position: int, left: list[int], labels) -> None:
        gone = [m for m in left if position < len(cuts) and m >> position & 1]
        stays = [m for m in left if m not in set(gone)]
        if position == len(cuts):
            (output,) = execution.finish(values, position)
            output = keras.ops.convert_to_numpy(output).astype("float64")
            (m,) = left
            seen[m][0].extend(output.argmax(axis=1) == labels)
            seen[m][1].extend(-np.log(np.maximum(output[np.arange(len(labels)), labels], 1e-7)))
            return
        after, before = execution.advance(values, position, look=bool(gone))
        if stays:
            walk(after, position + 1, stays, labels)
        if gone:
            cut = cuts[position]
            walk(after | {cut.writes: maps[position].on(before, cut.axis)}, position + 1, gone, labels)

    for start in range(0, len(x), BATCH):
        some = slice(start, start + BATCH)
        walk(execution.start([x[some]]), 0, masks, y[some])
    return {m: tuple(map(np.array, both)) for m, both in seen.items()}


def look(shipped: Pretrained, train: tuple, test: tuple, say=print) -> dict:
    """All that the page knows of one net."""
    model, (x, y) = build(shipped), train
    rows = {fit: activation_importance(model, x, y, fit=fit, batch_size=BATCH) for fit in FITS}
    names = [row["site"] for row in rows["affine"]]
    execution = Execution(model, names, plan(graphs(model)).replacements())
    some = ([x[start : start + BATCH]] for start in range(0, len(x), BATCH))
    best = [moments.best() for moments in execution.measure(some)]
    net = {"sites": names, "wholes": wholes(names), "importance": {}, "orders": {}, "measured": {}}
    for fit in FITS:
        maps = best if fit == "affine" else [AffineMap.identity(len(m.scale)) for m in best]
        importance = [round(row["loss_change"], 4) for row in rows[fit]]
        masks = combinations(names, importance)
        say(f"{shipped.model}, {fit}: {len(masks)} combinations", flush=True)
        found = measure(execution, maps, masks, *test)
        right, loss = found[0]
        net["whole"] = [int(right.sum()), round(float(loss.mean()), 4)]
        net["importance"][fit], net["orders"][fit] = importance, orders(importance)
        # Images that only the whole net has right, that only this one has right, and the loss.
        net["measured"][fit] = {
            str(m): [int((right & ~r).sum()), int((r & ~right).sum()), round(float(z.mean()), 4)]
            for m, (r, z) in found.items()
        }
    return net


def text(content: dict) -> str:
    """The JSON file: a line for each order, list or group of results, so that a change shows where it is."""
    whole = json.dumps(content, indent=1)
    return re.sub(r"[\[{][^\[\]{}]*[\]}]", lambda flat: re.sub(r"\n *", "", flat[0]), whole) + "\n"


def share(content: dict, name: str, fit: str, sites) -> float:
    """Test images that are right without these activations, in percent."""
    net = content["nets"][name]
    lost, won, _ = net["measured"][fit][str(mask(sites))]
    return 100 * (net["whole"][0] - lost + won) / content["test"]


def answer(content: dict) -> str:
    """The page's answer in numbers: a column for each net, with the affine map in the place of what goes."""
    columns = []
    for name, net in content["nets"].items():
        count = len(net["sites"])
        costs = [from_sites.points(net, site, content["test"]) for site in range(count)]
        order = net["orders"]["affine"]["importance"]
        shares = [share(content, name, "affine", order[:k]) for k in range(count + 1)]
        together = max(k for k in range(count + 1) if min(shares[: k + 1]) > shares[0] - 1)
        dearest = int(np.argmax(costs))
        columns.append(
            (
                f"`{name}`",
                str(count),
                f"{shares[0]:.1f} %",
                str(sum(cost < 1 for cost in costs)),
                str(together),
                f"`{net['sites'][dearest]}`, {costs[dearest]:.1f} points",
                f"{shares[-1]:.1f} %",
            )
        )
    titles = (
        "net",
        "activations before the softmax",
        "accuracy with all of them",
        "removed alone, cost less than a point",
        "can be removed together for less than a point, the least important first",
        "removed alone, costs most",
        "accuracy without any of them",
    )
    rows = [f"| {' | '.join(row)} |" for row in zip(titles, *columns, strict=True)]
    rows.insert(1, "|---" * (1 + len(columns)) + "|")
    return "\n".join(rows) + "\n"


def table(content: dict) -> str:
    """What stands in the page without JavaScript: each activation alone."""
    lines = ["| net | without | affine map in its place | identity in its place |", "|---|---|---|---|"]
    for name, net in content["nets"].items():
        for sites in ([], *([site] for site in range(len(net["sites"])))):
            cells = []
            for fit in FITS:
                loss = net["measured"][fit][str(mask(sites))][2]
                cells.append(f"{share(content, name, fit, sites):.1f} %, loss {loss:.2f}")
            gone = f"`{net['sites'][sites[0]]}`" if sites else "nothing"
            lines.append(f"| `{name}` | {gone} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def made(content: dict) -> dict[Path, str]:
    """Each file that is drawn from the measured data, and its text."""
    files = {
        SCRIPT: HEAD + json.dumps(content, separators=(",", ":")) + TAIL,
        ANSWER: answer(content),
        TABLE: table(content),
    }
    for shipped in manifest():
        path = DOCS / "diagrams" / f"surgeon-{shipped.model}.svg"
        files[path] = from_sites.drawing(build(shipped), content["nets"][shipped.model], content["test"])
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw what was measured")
    if not parser.parse_args().draw:
        train, test = images()
        nets = {shipped.model: look(shipped, train, test) for shipped in manifest()}
        content = {"command": "scripts/make_surgeon.py", "train": TRAIN, "test": TEST, "nets": nets}
        OUTPUT.write_text(text(content))
    for path, words in made(json.loads(OUTPUT.read_text())).items():
        path.write_text(words)


if __name__ == "__main__":
    main()
