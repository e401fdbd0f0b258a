"""What was measured as tables and charts of the Performance page; measures nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from benchmarks.build import TWINS
from zoo.experiments.publishing import axes
from zoo.experiments.publishing.figures import FONT, LETTER, svg, themed
from zoo.experiments.publishing.inks import INK, ink

MISSING = "not measured"
# Until the part is measured again: its first data are older than what the page says of it.
_UNCOMPARED = (
    'This table is older than that comparison. It was measured before "merged", "one compiled call" and OpenVINO took part, '
    "and with Pad_Fusion on: the times of ONNX Runtime for ResNet50V2 may be those of a wrong computation.\n\n"
)


def write(data: Path) -> None:
    """Write docs/snippets/performance_*.md and docs/figures/performance_*.{svg,vl.json} from docs/data."""
    snippets, figures = data.parent / "snippets", data.parent / "figures"
    found = {p.stem.removeprefix("performance_"): _rows(p) for p in sorted(data.glob("performance_*.csv"))}
    (snippets / "performance_targets.md").write_text(_table(*targets(found)))
    (snippets / "performance_machine.md").write_text(_machine(data))
    for part, columns in TABLES.items():
        measured = found.get(part, [])
        # A column that an earlier run did not have is none.
        columns = {c: title for c, title in columns.items() if any(row.get(c) for row in measured)}
        rows = [[_cell(row.get(c, "")) for c in columns] for row in measured]
        table = _table(list(columns.values()), rows) if rows else f"{MISSING.capitalize()}.\n"
        note = _UNCOMPARED if part == "inference" and rows and "difference" not in measured[0] else ""
        (snippets / f"performance_{part}.md").write_text(f"{note}{table}")
    (snippets / "performance_folding.md").write_text(_folding(found.get("inference", [])))
    (snippets / "performance_merged.md").write_text(_merged(found.get("merging", [])))
    for name, spec in charts(found).items():
        _draw(spec, figures / f"performance_{name}")


def _merged(rows: list[dict]) -> str:
    """How many times as fast one convolution is as the two that it stands for: from, to, for each kind of merge."""
    factors: dict[str, list[float]] = {}
    for row in rows:
        factors.setdefault(row["operation"], []).append(float(row["times_faster"]))
    if not factors:
        return "How much time that saves has not been measured yet.\n"
    found = [
        f"{operation}: {_cell(str(min(times)))} to {_cell(str(max(times)))}"
        for operation, times in factors.items()
    ]
    return f"Measured here, one merged convolution is so many times as fast as the two: {'; '.join(found)}.\n"


def _folding(rows: list[dict]) -> str:
    """What folds in each ordering, and what a prediction costs before and after."""
    found = {(row["net"], row["contender"]): row for row in rows}
    table = []
    for net, contender in found:
        plain = contender.removesuffix(", folded")
        before, after = found.get((net, plain)), found[net, contender]
        # A runtime folds by itself, and counts no layers; what differs has no time.
        if plain == contender or not before or not after.get("folded") or not before.get("batch_s"):
            continue
        folded, kept = int(after["folded"]), int(after["kept"])
        table.append(
            [
                net,
                plain,
                f"{folded} of {folded + kept}",
                f"{before['layers']} to {after['layers']}",
                *(_cell(str(1000 * float(r["batch_s"]) / float(r["batch"]))) for r in (before, after)),
                _cell(str(float(before["batch_s"]) / float(after["batch_s"]))),
                f"{_cell(before['peak_gb'])} to {_cell(after['peak_gb'])}",
            ]
        )
    head = [
        "net",
        "built by",
        "normalisations that fold",
        "Keras layers",
        "ms a picture",
        "folded, ms a picture",
    ]
    head += ["times faster", "peak memory, GB"]
    return _table(head, table) if table else f"{MISSING.capitalize()}.\n"


TABLES = {
    "depth": {
        "contender": "net built by",
        "depth": "depth",
        "batch": "batch",
        "layers": "Keras layers",
        "build_s": "build, s",
        "until_first_step_s": "until the first step is done, s",
        "step_s": "a later step, s",
        "peak_gb": "peak memory, GB",
        "failed": "",
    },
    "steps": {
        "depth": "depth",
        "batch": "batch",
        "contender": "net built by",
        "seconds": "a step, s",
        "fastest": "fastest, s",
        "slowest": "slowest, s",
        "over_separate": "times separate layers",
        "failed": "",
    },
    "training": {
        "net": "net",
        "contender": "run by",
        "batch": "batch",
        "input": "input",
        "images_per_s": "images a second",
        "over_stock": "times stock Keras",
        "first_step_s": "first step, s",
        "peak_gb": "peak memory, GB",
        "failed": "",
    },
    "inference": {
        "net": "net",
        "contender": "run by",
        "batch": "batch",
        "batch_s": "a batch, s",
        "over_stock": "times stock Keras",
        "difference": "differs from stock Keras by",
        "layers": "Keras layers",
        "peak_gb": "peak memory, GB",
        "failed": "",
    },
    "transforms": {
        "transform": "transform",
        "net": "net",
        "seconds": "s",
        "over_build": "times building it",
        "layers_before": "layers before",
        "layers_after": "layers after",
    },
    "merging": {
        "operation": "convolutions, all with ReLU",
        "what": "on",
        "two_ms": "two, ms",
        "one_ms": "one, ms",
        "times_faster": "times faster merged",
    },
    "importance": {
        "net": "net",
        "images": "images",
        "sites": "activations",
        "at_once_cpu_s": "all at once, processor s",
        "one_by_one_cpu_s": "one by one, processor s",
        "asked_one_by_one": "measured one by one",
        "ratio": "at once over one by one",
        "at_once_gb": "peak memory at once, GB",
        "one_by_one_gb": "one by one, GB",
    },
    "build": {
        "net": "net",
        "source": "built by",
        "build_s": "build, s",
        "layers": "Keras layers",
        "over_reference": "times the reference",
        "reference": "reference",
    },
    "peak": {
        "operation": "operation",
        "times_a_step": "times a step",
        "seconds_a_step": "s a step",
        "gflops_per_s": "GFLOP/s",
        "share_of_peak": "share of the matrix product's rate",
    },
    "settings": {
        "net": "net",
        "input": "input",
        "batch": "batch",
        "setting": "setting",
        "step_s": "a step, s",
        "over_defaults": "times Keras' defaults",
    },
    "catalog": {
        "net": "net",
        "input": "input",
        "batch": "batch",
        "milliseconds": "ms a picture",
        "fastest": "fastest, ms",
        "slowest": "slowest, ms",
    },
    "engine": {"what": "what", "seconds": "s", "ratio": "speed, the reference = 1"},
    "imports": {"statement": "statement", "seconds": "s", "beyond_python_s": "s beyond starting Python"},
}


def targets(found: dict[str, list[dict]]) -> tuple[list[str], list[list[str]]]:
    """The figures that were to be reached, each next to what was measured."""

    def one(part, column, **wanted):
        for row in found.get(part, []):
            if all(str(row.get(k)) == str(v) for k, v in wanted.items()) and row.get(column):
                return float(row[column])
        return None

    def depth(column, contender, batch, net=1001):
        return one("depth", column, contender=contender, depth=net, batch=batch)

    def over(a, b):
        return a / b if a is not None and b else None

    def training(column, contender):
        return one("training", column, net="resnet20v2", contender=contender)

    def epoch(net, contender):
        return one("engine", "ratio", what=f"{net}, an epoch of 50 steps on Fashion-MNIST: {contender}")

    def overhead(net):
        total, step = (depth(c, "zoo, rolled", 8, net) for c in ("until_first_step_s", "step_s"))
        return total - step if total is not None and step is not None else None

    ours, first = training("images_per_s", "zoo"), "until_first_step_s"
    rolled, remat, separate, stock = "zoo, rolled", "zoo, rolled with remat", "zoo", "stock Keras"
    xla, once = "stock Keras with XLA", "zoo, rolled, traced once"
    rows = [
        ("resnet1001v2 until its first step is done, batch 8: stock Keras over rolled, `zoo.trace_once`", 40, ">=",
         over(depth(first, stock, 8), depth(first, once, 8))),
        ("the same without `zoo.trace_once`", None, "",
         over(depth(first, stock, 8), depth(first, rolled, 8))),
        ("the same with it, the optimiser of stock Keras built first too", None, "",
         over(depth(first, "stock Keras, optimiser built first", 8), depth(first, once, 8))),
        ("the same at depth 110, stock Keras with XLA over rolled", None, "",
         over(depth(first, xla, 8, 110), depth(first, rolled, 8, 110))),
        ("rolled, building and compiling (first step less a later one): depth 1001 over 164", 2, "<=",
         over(overhead(1001), overhead(164))),
        ("peak memory at batch 32, resnet1001v2: rolled over separate layers", 0.5, "<=",
         over(depth("peak_gb", rolled, 32), depth("peak_gb", separate, 32))),
        ("the same, rolled with remat", 0.25, "<=",
         over(depth("peak_gb", remat, 32), depth("peak_gb", separate, 32))),
        ("the same at batch 8, rolled over stock Keras", None, "",
         over(depth("peak_gb", rolled, 8), depth("peak_gb", stock, 8))),
        *((f"a later step of resnet{net}v2, batch {batch}, taken in turn: rolled over separate layers", 1.15, "<=",
           one("steps", "over_separate", contender=rolled, depth=net, batch=batch))
          for net, batch in ((1001, 32), (164, 32), (164, 8))),
        ("resnet1001v2 until its first step is done, batch 32: separate layers over rolled", None, "",
         over(depth(first, separate, 32), depth(first, rolled, 32))),
        ("resnet20v2 training, images a second: zoo over stock Keras", 1.6, ">=",
         over(ours, training("images_per_s", "stock Keras"))),
        ("the same, over stock Keras with XLA", None, "",
         over(ours, training("images_per_s", xla))),
        ("the same, the zoo in mixed bfloat16, on a processor that has it", 2, ">=",
         over(training("images_per_s", "zoo, mixed bfloat16"), training("images_per_s", "stock Keras"))),
        ("the same, both in mixed bfloat16", None, "",
         over(training("images_per_s", "zoo, mixed bfloat16"),
              training("images_per_s", "stock Keras, mixed bfloat16"))),
        ("the same, over PyTorch eager, channels last", 1.45, ">=",
         over(ours, training("images_per_s", "PyTorch eager"))),
        ("the same, over PyTorch compiled", None, "", over(ours, training("images_per_s", "PyTorch compiled"))),
        ("share of the matrix product's rate in a step of resnet20v2", 0.75, ">=",
         one("peak", "share_of_peak", operation="training step")),
        *((f"building {net.lower()}: zoo over keras.applications", 1.0, "<=",
           one("build", "over_reference", net=net, source="zoo")) for net in TWINS),
        ("predicting with stock Keras' ResNet50, batch 8: folded over not folded", 1.15, ">=",
         one("inference", "over_stock", net="ResNet50", contender="stock Keras, folded")),
        ("`activation_importance` on ResNet50, 256 images of 224 pixels: processor time over dropping one by one", 0.25,
         "<=", one("importance", "ratio", net="ResNet50", images=256)),
        ("the slowest transform of ResNet152V2, over building it", 2, "<=",
         max((float(r["over_build"]) for r in found.get("transforms", []) if r.get("over_build")), default=None)),
        *(row for net in ("convnet", "resnet20v2") for row in (
            (f"an epoch of {net}, Keras' `fit` of the stock net over the engine", 1.3, ">=",
             over(1, epoch(net, "stock fit, Keras' defaults"))),
            ("the same, `fit` of the zoo's net", None, "",
             over(1, epoch(net, "fit of the zoo's net"))),
            (f"an epoch of {net}, the engine over a loop of one's own", 1.03, "<=",
             epoch(net, "a loop of one's own, nothing written")),
        )),
        ("runs of an experiment, two workers over one", 1.2, ">=",
         one("engine", "ratio", what="an experiment of equal runs, 2 workers")),
    ]  # fmt: skip
    head = ["figure", "to reach", "measured", "reached"]
    return head, [_verdict(*row) for row in rows]


def _verdict(figure, target, relation, measured) -> list[str]:
    wanted = {">=": f"at least {target}", "<=": f"at most {target}", "": "no figure set"}[relation]
    if measured is None:
        return [figure, wanted, MISSING, ""]
    reached = {">=": lambda: measured >= target, "<=": lambda: measured <= target, "": lambda: None}[
        relation
    ]()
    return [figure, wanted, f"{measured:.2f}", {True: "yes", False: "**no**", None: ""}[reached]]


def charts(found: dict[str, list[dict]]) -> dict[str, dict]:
    """Vega-Lite charts by name, in the look of the experiments' figures."""
    made = {}
    depth = [r for r in found.get("depth", []) if r.get("step_s") and str(r["batch"]) == "8"]
    # A line beside its own says little.
    depth = [r for r in depth if not r["contender"].endswith(("optimiser built first", "traced once"))]
    if len({row["depth"] for row in depth}) > 1:
        made["depth"] = _lines(depth)
    training = [r for r in found.get("training", []) if r.get("images_per_s")]
    if training:
        made["training"] = _bars(training)
    return made


def _lines(rows: list[dict]) -> dict:
    import altair as alt

    values = [
        {"arm": r["contender"], "x": float(r["depth"]), "y": float(r["until_first_step_s"])} for r in rows
    ]
    order = list(dict.fromkeys(value["arm"] for value in values))
    depths = sorted({value["x"] for value in values})
    up = axes.axis([value["y"] for value in values], "log")
    # A seventh of a decade apart at least, or their numbers would touch.
    named = [x for i, x in enumerate(depths) if i == 0 or x / depths[i - 1] > 1.4 or x == depths[-1]]
    drawn = alt.Chart(
        alt.Data(values=values),
        title=alt.Title(
            text=["From building to the end of the first training step,", "batch 8"], subtitle="↑ seconds"
        ),
        description="Seconds until the first training step of a pre-activation ResNet is done, batch 8, by depth.",
        width=400,
        height=260,
    ).mark_line(point=True)
    drawn = drawn.encode(
        x=alt.X(
            "x:Q",
            title="depth",
            scale=alt.Scale(type="log", nice=False, padding=8),
            axis=alt.Axis(values=named, format="~f"),
        ),
        y=alt.Y("y:Q", title=None, scale=up.scale(), axis=up.axis()),
        color=alt.Color("arm:N", legend=alt.Legend(columns=2), scale=_inked(order)),
        strokeDash=alt.StrokeDash(
            "arm:N",
            legend=alt.Legend(columns=2),
            scale=alt.Scale(domain=order, range=[list(ink(name).dash) for name in order]),
        ),
    )
    return themed(drawn).to_dict()


def _inked(order: list[str]):
    import altair as alt

    return alt.Scale(domain=order, range=[ink(name).colour for name in order])


def _bars(rows: list[dict]) -> dict:
    import altair as alt

    values = [{"arm": r["contender"], "p": r["net"], "y": float(r["over_stock"])} for r in rows]
    order = list(dict.fromkeys(value["arm"] for value in values))
    drawn = alt.Chart(
        alt.Data(values=values),
        title=alt.Title(text="Training speed over stock Keras", subtitle="→ times stock Keras"),
        description="Images a second over those of stock Keras, on the same net and machine.",
        width=280,
        height=alt.Step(18),
    ).mark_bar()
    header = alt.Header(
        labelColor=INK,
        labelFont=FONT,
        labelFontSize=LETTER,
        labelAngle=0,
        labelOrient="top",
        labelAnchor="start",
    )
    drawn = drawn.encode(
        y=alt.Y("arm:N", title=None, sort=order, axis=alt.Axis(labelLimit=200)),
        x=alt.X("y:Q", title=None),
        color=alt.Color("arm:N", legend=None, scale=_inked(order)),
        row=alt.Row("p:N", title=None, sort=None, header=header),
    )
    made = themed(drawn).to_dict()
    # Names stand left of the drawing, and are wider where its font is missing.
    made["padding"] = {"left": 24, "right": 6, "top": 6, "bottom": 6}
    return made


def _draw(spec: dict, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.with_name(path.name + ".vl.json").write_text(
        json.dumps(spec, separators=(",", ":"), sort_keys=True) + "\n"
    )
    path.with_name(path.name + ".svg").write_text(svg(spec))


def _machine(data: Path) -> str:
    """Where and when each part was measured; machines are numbered, for they differ."""
    machines: dict[str, int] = {}
    rows = []
    for path in sorted(data.glob("performance_*.json")):
        about = json.loads(path.read_text())
        versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
        machine = f"{about['processor']}, {about['processors']} processors, {about['memory_gb']:.0f} GB; {versions}."
        rows.append(
            [
                path.stem.removeprefix("performance_"),
                f"`{about['command']}`",
                str(machines.setdefault(machine, len(machines) + 1)),
                str(about["threads"]),
                f"{about['load_before']} to {about['load_after']}",
                about["date"],
            ]
        )
    head = ["part", "command", "machine", "threads", "load before and after", "date"]
    numbered = "\n".join(f"{number}. {machine}" for machine, number in machines.items())
    return f"{_table(head, rows)}\n{numbered}\n"


def _rows(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _cell(value: str) -> str:
    try:
        number = float(value)
    except ValueError:
        return value
    return f"{number:.0f}" if number == int(number) or abs(number) >= 100 else f"{number:.3g}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    keep = [i for i, title in enumerate(head) if title or any(row[i] for row in rows)]
    lines = [
        [head[i] or "note" for i in keep],
        ["---"] * len(keep),
        *([row[i] or "–" for i in keep] for row in rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
