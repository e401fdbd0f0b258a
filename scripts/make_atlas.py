#!/usr/bin/env python
"""Write the placement atlas: what every transform does on a net of each family of keras.applications.

    scripts/make_atlas.py [NET ...] [--again]

Runs each transform, compared with the original on a batch, on nets with drawn weights; a few minutes on one core.
Writes docs/data/atlas.json after each net, so that a run that was stopped goes on where it was (`--again` starts
over), and docs/snippets/atlas.md and atlas_kept.md, the tables that docs/use/other-peoples-models.md shows.
"""

import argparse
import collections
import json
import os
import re
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

DATA = ROOT / "docs" / "data" / "atlas.json"
SNIPPETS = ROOT / "docs" / "snippets"

# A net for each family, the smallest, and the side of the image: the smallest that it takes.
NETS = {
    "VGG16": 32,
    "ResNet50": 32,
    "ResNet50V2": 32,
    "InceptionV3": 75,
    "InceptionResNetV2": 75,
    "Xception": 71,
    "DenseNet121": 32,
    "MobileNet": 32,
    "MobileNetV2": 32,
    "MobileNetV3Small": 32,
    "NASNetMobile": 32,
    "EfficientNetB0": 32,
    "EfficientNetV2B0": 32,
    "ConvNeXtTiny": 32,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"of {', '.join(NETS)}; all by default")
    parser.add_argument("--again", action="store_true", help="also nets that were done before")
    arguments = parser.parse_args()
    if unknown := set(arguments.nets) - set(NETS):
        parser.error(f"unknown nets {', '.join(sorted(unknown))}; known: {', '.join(NETS)}")
    found = json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else {}
    for name in arguments.nets or NETS:
        if name in found and not arguments.again:
            continue
        began = time.perf_counter()
        found[name] = look(name, NETS[name])
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
        ordered = {net: found[net] for net in NETS if net in found}
        DATA.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    rows = {net: found[net] for net in NETS if net in found}
    (SNIPPETS / "atlas.md").write_text(table(rows), encoding="utf-8")
    (SNIPPETS / "atlas_kept.md").write_text(kept_table(rows), encoding="utf-8")


def look(name: str, side: int) -> dict:
    """What each transform does on one net."""
    import keras

    from zoo import transforms
    from zoo.activations import label, sites, unseen

    keras.utils.set_random_seed(0)
    with warnings.catch_warnings():
        # Keras says that the loaded weights and the size of the image do not go together: there are none.
        warnings.simplefilter("ignore")
        model = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=10)
    as_trained(model)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    kinds = collections.Counter((place(site), label(site.function)) for site in sites(model))
    functions = collections.Counter(label(site.function) for site in sites(model))
    classifiers = ("softmax", "sigmoid")
    main_function = next(function for function, _ in functions.most_common() if function not in classifiers)
    row = {
        "side": side,
        "layers": len(model.layers),
        "sites": [[*kind, count] for kind, count in kinds.items()],
        "unseen": unseen(model, norms=True),
    }
    split = transforms.split_activations(model)
    row["split"] = len(split.layers) - len(model.layers)
    fused = transforms.fuse_activations(model)
    row["fused"] = len(model.layers) - len(fused.layers)
    swapped = transforms.swap_activation(model, main_function, "tanh")
    row["swapped"] = [main_function, len(swapped.sites)]
    folded = transforms.fold_batchnorm(model)
    row["norms"] = len(norms)
    row["folded"] = len(folded.folded)
    row["fold_error"] = folded.max_error
    row["fold_kept"] = grouped(folded.kept)
    try:
        collapsed = transforms.collapse_linear(model)
        row["collapsed"] = [len(collapsed.collapsed), len(model.layers) - len(collapsed.model.layers)]
        row["collapse_kept"] = grouped(collapsed.kept)
    except ValueError as error:
        row["collapsed"], row["collapse_refused"] = None, first_sentence(error)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            rolled = transforms.roll(model)
            runs = [layer for layer in rolled.layers if isinstance(layer, zoo_rolled())]
            row["rolled"] = [[layer.name, len(layer.units)] for layer in runs]
        except ValueError as error:
            row["rolled"], row["roll_refused"] = [], first_sentence(error)
    row["roll_kept"] = [first_sentence(w.message) for w in said if str(w.message).startswith("roll leaves")]
    return row


def zoo_rolled() -> type:
    from zoo.rolled import RolledUnits

    return RolledUnits


def as_trained(model) -> None:
    """Statistics and biases as training leaves them: at the initial ones some things fold that never would."""
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 0.2, shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, shape))
            if layer.beta is not None:
                layer.beta.assign(rng.normal(0, 0.2, shape))
            if layer.gamma is not None:
                layer.gamma.assign(rng.uniform(0.5, 1.5, shape))
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(0, 0.05, layer.bias.shape))


def place(site) -> str:
    import keras

    if site.built_in:
        return "argument"
    return "layer" if isinstance(site.operation, keras.layers.Layer) else "operation"


def first_sentence(error) -> str:
    return str(error).split(". ")[0].rstrip(".")


def grouped(reasons: dict[str, str]) -> list[list]:
    """Reasons that differ in names and shapes alone, counted, each with the first layer that has it."""
    groups: dict[str, list] = {}
    for name, reason in reasons.items():
        sentence = first_sentence(reason)
        key = re.sub(r"'[^']*'(, '[^']*')*|\([^)]*\)|\d+", "…", sentence)
        groups.setdefault(key, [0, name, sentence])[0] += 1
    return sorted(groups.values(), key=lambda group: -group[0])


def table(rows: dict) -> str:
    head = "net | layers | activations | split adds | fuse takes | BN folded | linear runs | units rolled | not seen"
    lines = [f"| {head} |", "|" + " --- |" * 9]
    for name, row in rows.items():
        lines.append("| " + " | ".join(cells(name, row)) + " |")
    return "\n".join(lines) + "\n"


def cells(name: str, row: dict) -> list[str]:
    activations = "<br>".join(f"{count} {function} ({where})" for where, function, count in row["sites"])
    collapsed = "–" if row["collapsed"] is None else f"{row['collapsed'][0]} (−{row['collapsed'][1]} layers)"
    rolled = "<br>".join(f"{units}: {layer}" for layer, units in row["rolled"]) or "–"
    folded = f"{row['folded']} of {row['norms']}" if row["norms"] else "–"
    return [
        name,
        str(row["layers"]),
        activations,
        str(row["split"]),
        str(row["fused"]),
        folded,
        collapsed,
        rolled,
        str(len(row["unseen"]) or "–"),
    ]


def kept_table(rows: dict) -> str:
    lines = ["| net | transform | how many | first | reason |", "| --- | --- | --- | --- | --- |"]
    for name, row in rows.items():
        for transform, key in (("fold", "fold_kept"), ("collapse", "collapse_kept")):
            for count, first, reason in row.get(key, ()):
                lines.append(f"| {name} | {transform} | {count} | `{first}` | {reason} |")
        for transform in ("collapse", "roll"):
            if reason := row.get(f"{transform}_refused"):
                # The rest lists layer by layer.
                short = reason.split("; ")[0].split(": what would")[0]
                lines.append(f"| {name} | {transform} | – | – | {short} |")
        for reason in row["roll_kept"]:
            lines.append(f"| {name} | roll | 1 | – | {reason} |")
        for layer, reason in row["unseen"].items():
            lines.append(f"| {name} | all | 1 | `{layer}` | not seen: {reason} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
