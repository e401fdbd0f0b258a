"""Take away the activations that a trained net does not need, and merge what is left.

    scripts/slim.py NET.keras --data DATA.npz --share 0.75 [--border move] [--epochs 3] [--out FOLDER]

NET is a classifier; DATA holds `x`, `y` to train and fit on and `x_test`, `y_test` to judge by. The whole way:
importance of every activation on a part of the training images; a plan that meets a share of the latency of the
folded net, measured here; the activations annealed away while the net trains on; stretches padded once, where
the border may move, and trained on; merged; compared. Writes the table of importance, a chart of it and the net,
which loads without zoo.
"""

import argparse
import csv
import os
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import altair as alt
import keras
import numpy as np
from rich.console import Console
from rich.table import Table

import zoo
from zoo.callbacks import ActivationAnnealing
from zoo.latency import Stopwatch
from zoo.planning import BORDERS
from zoo.probes.labels import read_labels

console = Console()


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("net", type=Path, help="a .keras file of a classifier")
    parser.add_argument("--data", type=Path, required=True, help="an .npz file with x, y, x_test, y_test")
    parser.add_argument(
        "--share", type=float, default=0.75, help="latency to meet, as a share of the folded net's"
    )
    parser.add_argument("--border", choices=BORDERS, default="keep", help="move: pad stretches once")
    parser.add_argument(
        "--epochs", type=int, default=3, help="to anneal in; as many again where the border moves"
    )
    parser.add_argument("--rate", type=float, default=0.01, help="learning rate of the training")
    parser.add_argument(
        "--samples",
        type=int,
        default=512,
        help="training images, drawn at random, for the importance and the fits",
    )
    parser.add_argument("--batch", type=int, default=32, help="images in a batch")
    parser.add_argument("--out", type=Path, default=Path("slim"), help="folder to write to")
    given = parser.parse_args(words)
    for option in ("share", "rate"):
        if not 0 < getattr(given, option) < float("inf"):
            parser.error(f"--{option} must be positive, received {getattr(given, option)}")
    for option in ("epochs", "samples", "batch"):
        if getattr(given, option) < 1:
            parser.error(f"--{option} must be 1 or more, received {getattr(given, option)}")
    return parser, given


def images(parser, path):
    """Images and labels to train on and to judge by; numbers, as many labels as images, of one shape."""
    try:
        with open(path, "rb") as file:
            data = np.load(file)
            if not isinstance(data, np.lib.npyio.NpzFile):
                parser.error(f"{path} holds one array; expected an .npz file, as np.savez writes it")
            missing = {"x", "y", "x_test", "y_test"} - set(data)
            if missing:
                parser.error(f"{path} lacks {', '.join(sorted(missing))}; it holds {', '.join(data)}")
            arrays = {name: data[name] for name in ("x", "y", "x_test", "y_test")}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        parser.error(f"{path} is no .npz file of numbers ({error})")
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or not array.ndim or not len(array):
            parser.error(
                f"{name} in {path} must hold numbers, received shape {array.shape} of dtype {array.dtype}"
            )
    for x, y in (("x", "y"), ("x_test", "y_test")):
        if len(arrays[x]) != len(arrays[y]):
            parser.error(
                f"{path} has {len(arrays[x])} images in {x} and {len(arrays[y])} labels in {y}; expected as many"
            )
    if arrays["x"].shape[1:] != arrays["x_test"].shape[1:]:
        parser.error(
            f"{path} has images of shape {arrays['x'].shape[1:]} in x and {arrays['x_test'].shape[1:]} in x_test; "
            "expected one shape"
        )
    return tuple(arrays.values())


def drawn(total, count):
    """Positions of some of the images, at random and the same each time: a file may be sorted by class."""
    return np.random.default_rng(0).permutation(total)[:count]


def loaded(parser, path):
    """The net in a file."""
    try:
        return keras.models.load_model(path)
    except (OSError, KeyError, ValueError, TypeError) as error:
        parser.error(f"{path} is no .keras file that loads here ({error})")


def judged(net, y):
    """The loss and the accuracy that the last function of a net and its labels ask for."""
    labels = read_labels(net, y)
    kinds = {
        "one": (keras.losses.SparseCategoricalCrossentropy, keras.metrics.SparseCategoricalAccuracy),
        "shares": (keras.losses.CategoricalCrossentropy, keras.metrics.CategoricalAccuracy),
        "each": (keras.losses.BinaryCrossentropy, keras.metrics.BinaryAccuracy),
    }
    loss, right = kinds[labels.kind]
    more = {"threshold": labels.threshold} if labels.kind == "each" else {}
    return loss(from_logits=not labels.probabilities), right("accuracy", **more)


def compiled(net, judges, rate, steps):
    """The net ready to train."""
    loss, right = judges
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9)
    net.compile(optimizer, loss, metrics=[right], jit_compile=False)
    return net


def accuracy(net, judges, x, y):
    return compiled(net, judges, 1.0, 1).evaluate(x, y, verbose=0)[1]


def importance_table(rows):
    table = Table("site", "activation", "accuracy change", "unexplained", "would merge", title="Importance")
    for row in sorted(rows, key=lambda row: row["loss_change"]):
        merges = ", ".join(row["merges"])
        table.add_row(
            row["site"],
            row["activation"],
            f"{100 * row['accuracy_change']:+.1f} points",
            f"{row['unexplained']:.2f}",
            merges,
        )
    return table


def chart(rows, dropped):
    values = [
        {
            "site": r["site"],
            "place": i,
            "points": -100 * r["accuracy_change"],
            "dropped": r["site"] in dropped,
        }
        for i, r in enumerate(rows)
    ]
    return (
        alt.Chart(alt.Data(values=values), title="What the net loses without each activation, untrained")
        .mark_bar()
        .encode(
            x=alt.X("points:Q", title="accuracy lost, in points"),
            y=alt.Y("site:N", sort=alt.SortField("place"), title=None),
            color=alt.Color("dropped:N", title="taken away"),
        )
    )


def main(words=None):
    parser, given = arguments(words)
    x, y, x_test, y_test = images(parser, given.data)
    net = loaded(parser, given.net)
    given.out.mkdir(parents=True, exist_ok=True)
    few = drawn(len(x), given.samples)

    try:
        judges = judged(net, y)
        rows = zoo.probes.activation_importance(net, x[few], y[few], batch_size=given.batch)
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    if not rows:
        parser.error(f"{given.net} has no activation that could be taken away")
    console.print(importance_table(rows))
    with (given.out / "importance.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "merges": " ".join(row["merges"])} for row in rows)

    folded = zoo.transforms.fold_batchnorm(net).model
    stopwatch = Stopwatch(given.batch)
    before = stopwatch(folded)
    try:
        plan = zoo.plan_depth(
            net, rows, budget=given.share * before, border=given.border, batch_size=given.batch
        )
    except ValueError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    console.print(
        f"Without {', '.join(plan.drop) or 'anything'}: {plan.expected:.2f} ms expected, {before:.2f} ms folded."
    )
    chart(rows, set(plan.drop)).save(given.out / "importance.svg")

    trained = net
    steps = -(-len(x) // given.batch) * given.epochs
    if plan.drop:
        soft, _ = zoo.transforms.soften(net, plan.drop)
        compiled(soft, judges, given.rate, steps)
        anneal = ActivationAnnealing(steps=max(1, steps // 2))
        soft.fit(x, y, batch_size=given.batch, epochs=given.epochs, verbose=0, callbacks=[anneal])
        trained = zoo.transforms.harden(soft).model
    if given.border == "move" and plan.stretches:
        trained = zoo.transforms.pad_once(trained, plan.named(trained)).model
        compiled(trained, judges, given.rate, steps)
        trained.fit(x, y, batch_size=given.batch, epochs=given.epochs, verbose=0)
    slim = plan.merge(trained).model
    slim.save(given.out / "slim.keras")
    # In turn: the training may have taken long, and a machine changes its speed.
    now, measured = stopwatch.in_turn([folded, slim])

    table = Table("net", "layers", "ms a batch", "accuracy", title=f"On {len(x_test)} test images")
    for name, model, time in (("folded", folded, now), ("slim", slim, measured)):
        table.add_row(
            name,
            str(len(model.layers)),
            f"{time:.2f}",
            f"{100 * accuracy(model, judges, x_test, y_test):.2f} %",
        )
    console.print(table)
    some = x_test[: given.samples]
    gap = np.abs(trained.predict(some, verbose=0) - slim.predict(some, verbose=0)).max()
    console.print(f"Merged against unmerged: {gap:.1e} at most.")
    console.print(
        f"Expected {100 * plan.expected / before:.0f} % of the time of the folded net, "
        f"measured {100 * measured / now:.0f} %."
    )


if __name__ == "__main__":
    main()
