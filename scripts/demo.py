"""Train one small net with its activations in four places, on real images, and compare.

    scripts/demo [--quick] [--seed N] [--out FOLDER]

Same images, same order of the batches, same optimiser and same seed for all four. Two of the four, activation
as a layer and activation as an argument, are one function: this is checked to the bit, and the exit status
is 1 where it does not hold.
"""

import argparse
import csv
import json
import os
import sys
import time
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

# Fixed before TensorFlow starts: with another number of threads, sums come out in another order.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "2")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import altair as alt
import numpy as np
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sklearn.datasets import load_digits

# TensorFlow's libraries greet on stderr, whatever its log level says, before the first line of ours.
stderr = os.dup(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
try:
    import keras
finally:
    os.dup2(stderr, 2)

import zoo  # noqa: E402  (imports nothing before it is used)

TEST_IMAGES = 597  # the last third of the file; 1200 are left to train on
BATCH = 40
ROOT = Path(__file__).resolve().parent.parent

# Average pooling and not max-pooling: max-pooling is not linear, and then the control would not be either.
CONVNET = {"width": 16, "downsampling": "average_pool"}


@dataclass(frozen=True)
class Arm:
    """One placement: how the net is built and how it is drawn."""

    title: str
    name: str
    options: dict
    colour: str
    dash: tuple[int, int]
    stroke: int


@dataclass(frozen=True)
class Run:
    """What training one arm gave: `epochs` holds a row an epoch, `logits` those of all images after each."""

    arm: Arm
    model: keras.Model
    initial: list[np.ndarray]
    seconds: float
    epochs: list[dict]
    logits: list[np.ndarray]


# The second line is drawn thin and dashed on the thick first one: they coincide, and both can be seen.
ARMS = (
    Arm("separate", "convnet", CONVNET | {"form": "separate"}, "#9ecae9", (1, 0), 7),
    Arm("built-in", "convnet", CONVNET | {"form": "builtin"}, "#1f4e79", (5, 4), 2),
    Arm("pre-activation", "resnet8v2", {"width": 16}, "#e07b00", (1, 0), 2),
    Arm("none (control)", "convnet", CONVNET | {"activation": "linear"}, "#555555", (2, 3), 2),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="2 epochs instead of 30: does it run at all?")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches (default: 0)")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "demo", help="default: runs/demo")
    arguments = parser.parse_args()
    if not 0 <= arguments.seed < 2**32:
        parser.error(f"argument --seed: expected 0 to 2**32 - 1, received {arguments.seed}")
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"argument --out: cannot make the folder {arguments.out}: {error.strerror}")
    epochs = 2 if arguments.quick else 30

    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype("float32").reshape(-1, 8, 8, 1)
    split = len(images) - TEST_IMAGES

    console = Console(highlight=False)
    console.print(
        f"[bold]Where does the activation belong?[/] Four small nets on {len(images)} real images of "
        f"handwritten digits, 8x8 pixels: {split} to train on, the last {TEST_IMAGES} to test on. "
        f"{epochs} epochs, seed {arguments.seed}.\n"
    )
    with progress_bars(console) as bars:
        runs = [train(arm, images, labels, split, epochs, arguments.seed, bars) for arm in ARMS]

    console.print(results_table(runs))
    identical = report_identity(runs[0], runs[1], console)
    report_linearity(runs, images, console)
    console.print(
        "This is one seed: the two statements above are exact, but a point of accuracy between two nets is "
        "noise. The same seed on the same machine gives the same numbers again.\n"
    )
    write(runs, arguments, epochs)
    here = Path.cwd()
    folder = arguments.out.relative_to(here) if arguments.out.is_relative_to(here) else arguments.out
    console.print(
        f"Wrote curves.png, curves.svg, curves.csv and results.json to {folder}. Next: look at curves.png, "
        "change ARMS in scripts/demo.py and run it again, or read the reasons: scripts/site"
    )
    return 0 if identical else 1


def train(arm: Arm, images, labels, split: int, epochs: int, seed: int, bars: Progress) -> Run:
    keras.utils.set_random_seed(seed)
    model = zoo.build(arm.name, input_shape=(8, 8, 1), classes=10, classifier_activation=None, **arm.options)
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,  # compiling would take longer than the training
    )
    run = Run(arm, model, model.get_weights(), time.perf_counter(), [], [])
    task = bars.add_task(arm.title, total=epochs * -(-split // BATCH), words="")
    plain = bars.disable

    class Record(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            bars.advance(task)

        def on_epoch_end(self, epoch, logs=None):
            # All images, in inference mode: training and test accuracy are measured alike.
            logits = model.predict_on_batch(images)
            right = logits.argmax(axis=1) == labels
            row = {
                "epoch": epoch + 1,
                "loss": logs["loss"],
                "train_accuracy": float(right[:split].mean()),
                "test_accuracy": float(right[split:].mean()),
            }
            run.logits.append(logits)
            run.epochs.append(row)
            words = f"loss {row['loss']:.4f}, test accuracy {row['test_accuracy']:.1%}"
            bars.update(task, words=words)
            if plain and row["epoch"] % 10 in (0, epochs % 10):
                bars.console.print(f"{arm.title}: epoch {row['epoch']} of {epochs}: {words}")

    model.fit(
        images[:split], labels[:split], batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[Record()]
    )
    return replace(run, seconds=time.perf_counter() - run.seconds)


def progress_bars(console: Console) -> Progress:
    """A bar for each net on a terminal; where the output is a file, `train` writes lines instead."""
    return Progress(
        TextColumn("{task.description:<14}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[words]}"),
        console=console,
        disable=not console.is_terminal,
        expand=True,
    )


def results_table(runs: list[Run]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("activation", no_wrap=True)
    for heading in ("sites", "layers", "weights", "train", "test", "time"):
        table.add_column(heading, justify="right")
    table.add_column("test error", no_wrap=True)
    for run in runs:
        last = run.epochs[-1]
        table.add_row(
            run.arm.title,
            str(activation_sites(run.model)),
            str(len(run.model.layers)),
            f"{run.model.count_params():,}",
            f"{last['train_accuracy']:.1%}",
            f"{last['test_accuracy']:.1%}",
            f"{run.seconds:.0f} s",
            spark_line([1 - row["test_accuracy"] for row in run.epochs]),
        )
    return table


def activation_sites(model: keras.Model) -> int:
    """Places at which the net is not linear."""
    functions = [getattr(layer, "activation", keras.activations.linear) for layer in model.layers]
    return sum(function is not keras.activations.linear for function in functions)


def spark_line(errors: list[float], width: int = 9) -> str:
    """Errors as bars of eight heights, on one logarithmic scale from 3 % to 60 % for all nets."""
    chosen = [errors[i] for i in np.linspace(0, len(errors) - 1, min(width, len(errors))).round().astype(int)]
    heights = np.log(np.clip(chosen, 0.03, 0.6) / 0.03) / np.log(0.6 / 0.03)
    return "".join("▁▂▃▄▅▆▇█"[int(height * 7.999)] for height in heights)


def report_identity(separate: Run, builtin: Run, console: Console) -> bool:
    """Compare the two forms bit by bit: all weights before and after, every epoch's loss and logits."""
    differences = []
    for what, ours, theirs in (
        ("initial weights", separate.initial, builtin.initial),
        ("final weights", separate.model.get_weights(), builtin.model.get_weights()),
        ("logits after an epoch", separate.logits, builtin.logits),
        ("losses", *([np.array(row["loss"]) for row in run.epochs] for run in (separate, builtin))),
    ):
        if [array.tobytes() for array in ours] != [array.tobytes() for array in theirs]:
            differences.append(what)
    if differences:
        console.print(
            f"[bold red]Separate and built-in differ in: {', '.join(differences)}.[/] They are one function; "
            "please report this with the versions in results.json."
        )
        return False
    count = sum(array.size for array in separate.initial)
    console.print(
        f"[bold]Separate and built-in are identical to the bit[/]: {count:,} weights before and after "
        f"training, loss and all {separate.logits[0].size:,} logits in each of {len(separate.epochs)} epochs."
    )
    return True


def report_linearity(runs: list[Run], images, console: Console) -> None:
    """Show which nets are affine: for those f(a) + f(b) = f(a + b) + f(0), up to rounding."""
    separate, control = runs[0], runs[-1]
    console.print(
        f"[bold]Without an activation five layers are one[/]: f(a) + f(b) - f(a+b) - f(0) is "
        f"{defect(control.model, images):.1g} of the logits' size for the control (rounding), and "
        f"{defect(separate.model, images):.1g} for the same net with its activations."
    )


def defect(model: keras.Model, images) -> float:
    a, b = images, images[::-1]
    f = model.predict_on_batch
    return float(np.abs(f(a) + f(b) - f(a + b) - f(np.zeros_like(a))).max() / np.abs(f(a)).max())


def write(runs: list[Run], arguments: argparse.Namespace, epochs: int) -> None:
    rows = [{"placement": run.arm.title, **row} for run in runs for row in run.epochs]
    with (arguments.out / "curves.csv").open("w", newline="") as sink:
        table = csv.DictWriter(sink, rows[0])
        table.writeheader()
        table.writerows(rows)
    results = {
        "command": f"scripts/demo --seed {arguments.seed}" + (" --quick" if arguments.quick else ""),
        "versions": {name: version(name) for name in ("keras", "tensorflow", "numpy", "scikit-learn")},
        "threads": int(os.environ["TF_NUM_INTRAOP_THREADS"]),
        "epochs": epochs,
        "nets": [
            {
                "placement": run.arm.title,
                "net": run.arm.name,
                "options": run.arm.options,
                "weights": run.model.count_params(),
                "sha256_of_weights": sha256(b"".join(map(bytes, run.model.get_weights()))).hexdigest(),
                "seconds": round(run.seconds, 1),
                **run.epochs[-1],
            }
            for run in runs
        ],
    }
    (arguments.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    chart = figure(rows)
    chart.save(arguments.out / "curves.svg")
    chart.save(arguments.out / "curves.png", ppi=144)


def figure(rows: list[dict]) -> alt.HConcatChart:
    def by_arm(looks):
        return alt.Scale(domain=[arm.title for arm in ARMS], range=list(looks))

    legend = alt.Legend(orient="bottom", title=None, symbolSize=900, symbolStrokeWidth=2, labelFontSize=12)
    lines = (
        alt.Chart(alt.Data(values=[row | {"test_error": 100 * (1 - row["test_accuracy"])} for row in rows]))
        .mark_line()
        .encode(
            alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, grid=False)),
            alt.Color("placement:N", scale=by_arm(a.colour for a in ARMS), legend=legend),
            alt.StrokeDash("placement:N", scale=by_arm(list(a.dash) for a in ARMS)),
            alt.StrokeWidth("placement:N", scale=by_arm(a.stroke for a in ARMS), legend=None),
        )
        .properties(width=340, height=260)
    )

    def y(name, title, values):
        axis = alt.Axis(values=values, gridColor="#eeeeee")
        return lines.encode(
            alt.Y(name, title=title, axis=axis, scale=alt.Scale(type="log", nice=False, padding=8))
        )

    loss = y("loss:Q", "training loss (nats)", [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3])
    error = y("test_error:Q", "test error (%)", [1, 2, 5, 10, 20, 50])
    return (loss | error).properties(
        title=alt.Title(
            "Separate and built-in are one curve; without an activation, five layers act as one",
            subtitle="scikit-learn digits, 1200 training and 597 test images, one seed",
            anchor="start",
            offset=14,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
