#!/usr/bin/env python
"""Train the weights that ship with the package.

    scripts/train_pretrained.py [resnet20v2] [convnet] [--runs FOLDER]     default: all of them

Writes zoo/pretrained/NET-fashion_mnist.weights.h5, beside it a .json with the spec, the environment and the
curve of the run, and the net's entry in zoo/pretrained/manifest.json. An interrupted run goes on after its
last epoch. Images are scaled to 0..1, as `zoo.preprocess_input` does it, so the weights need nothing else to
be used.
"""

import argparse
import dataclasses
import hashlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


from zoo.experiments.design.experiment import Dataset, Recipe, plain  # noqa: E402
from zoo.experiments.design.plan import Run  # noqa: E402
from zoo.experiments.running import environment  # noqa: E402
from zoo.experiments.running.results import RunFolder, write_atomically  # noqa: E402

FOLDER = ROOT / "zoo" / "pretrained"
SMALL_ENOUGH = 2 * 2**20  # bytes; what a package may carry without anybody noticing
WHOLE = Dataset(name="fashion_mnist")


def _run(model: str, options: dict, recipe: Recipe) -> Run:
    return Run(
        model=model,
        options={"input_shape": [28, 28, 1], **options},
        data=WHOLE,
        recipe=recipe,
        hooks=(),
        seed=0,
        backend="tensorflow",
    )


NETS = {
    "resnet20v2": _run(
        "resnet20v2",
        {},
        Recipe(
            learning_rates=(0.1,),
            nesterov=True,
            warmup=200,
            decay=5e-4,
            batch=128,
            epochs=12,
            loss="crossentropy_from_probabilities",
            augmentation="shift_flip",
        ),
    ),
    "convnet": _run(
        "convnet",
        {"width": 16},
        Recipe(
            learning_rates=(0.05,),
            nesterov=True,
            warmup=200,
            decay=5e-4,
            batch=128,
            epochs=8,
            loss="crossentropy_from_probabilities",
            augmentation="shift_flip",
        ),
    ),
}


def train(name: str, runs: Path) -> None:
    """Train one net, or go on with it, and put everything about it where the package looks for it."""
    environment.pin_threads()
    from zoo.experiments.training.loop import Training

    training = Training(NETS[name])
    # The engine standardises; the shipped weights take what zoo.preprocess_input gives.
    training.images = unit_range(training.images)
    training.background = 0.0
    folder = RunFolder(runs, f"pretrained-{name}")
    with folder.claim() as mine:
        if not mine:
            raise SystemExit(f"another process is training {name} in {folder.path}")
        state = folder.load_checkpoint()
        lines = folder.lines()
        if state is not None and len(lines) >= int(state["lines"]):
            lines = lines[: int(state.pop("lines"))]
            training.restore(state)
            folder.rewind(len(lines))
        else:
            folder.restart()
            lines = []
        while training.step < training.total:
            line = training.advance() | {"line": len(lines)}
            folder.append(line)
            lines.append(line)
            folder.save_checkpoint(training.state() | {"lines": len(lines)})
            print(name, f"epoch {line['epoch']:g}", *(f"{m} {v:.4g}" for m, _, v in line["rows"]), flush=True)
        publish(name, training, lines)


def unit_range(images):
    """The same images with values from 0 to 1 instead of standardised."""
    import numpy as np

    low, high = images.x_train.min(), images.x_train.max()  # 0 and 255 are both in the training images

    def scaled(x):
        return np.round((x - low) / (high - low) * 255).astype(np.float32) / 255

    return dataclasses.replace(images, x_train=scaled(images.x_train), x_test=scaled(images.x_test))


def publish(name: str, training, lines: list[dict]) -> None:
    """Weights, curve and manifest."""
    run = NETS[name]
    weights = FOLDER / f"{name}-{WHOLE.name}.weights.h5"
    training.model.save_weights(weights)
    content = weights.read_bytes()
    if len(content) > SMALL_ENOUGH:
        weights.unlink()
        raise SystemExit(f"the weights of {name} are {len(content):,} bytes; {SMALL_ENOUGH:,} may be shipped")
    loss, accuracy = training.test()
    command = f"scripts/train_pretrained.py {name}"
    curve = {
        "command": command,
        "run": plain(run),
        "input": "values from 0 to 1",
        "test_loss": loss,
        "test_accuracy": accuracy,
        "cpu_seconds": round(sum(line["cpu_seconds"] for line in lines), 1),
        "environment": environment.describe(),
        "commit": environment.commit(),
        "curve": [row for line in lines for row in line["rows"]],
    }
    beside = weights.with_name(f"{name}-{WHOLE.name}.json")
    write_atomically(beside, json.dumps(curve, indent=1).encode() + b"\n")
    entry = {
        "model": name,
        "weights": WHOLE.name,
        "file": weights.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "options": dict(run.options),
        "accuracy": round(accuracy, 4),
        "command": command,
    }
    manifest = FOLDER / "manifest.json"
    others = [e for e in json.loads(manifest.read_text()) if (e["model"], e["weights"]) != (name, WHOLE.name)]
    whole = sorted([*others, entry], key=lambda e: (e["model"], e["weights"]))
    write_atomically(manifest, json.dumps(whole, indent=1).encode() + b"\n")
    print(f"{name}: test accuracy {accuracy:.4f}, {len(content):,} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("nets", nargs="*", default=list(NETS), help=f"of {', '.join(NETS)}")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of half-done runs")
    given = parser.parse_args()
    for net in given.nets:
        if net not in NETS:
            parser.error(f"no recipe for {net!r}; there are {', '.join(NETS)}")
        train(net, given.runs)
