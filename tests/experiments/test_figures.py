import dataclasses
import json
import math
import re

import pytest

from tests.experiments import toys
from zoo.experiments.design.experiment import Curves, Dots, Factor, Series, Table
from zoo.experiments.publishing.figures import DASHES, INK, LARGEST, PALETTE, _name, chart, draw, svg
from zoo.experiments.publishing.publication import Observation, Published

vl_convert = pytest.importorskip("vl_convert")
alt = pytest.importorskip("altair")

WIDTHS = (4, 8)
KINDS = ("none", "all")
EXPERIMENT = toys.experiment(
    arms=tuple(
        toys.arm(f"{width} {kind}", factors={"width": width, "kind": kind, "net": "mlp"})
        for width in WIDTHS
        for kind in KINDS
    )
)


def published(epochs=4, diverged=None, failed="diverged"):
    rows = [
        Observation(arm.label, seed, "test_accuracy", float(x), 0.5 + 0.01 * seed + 0.1 * i - 0.2 / x)
        for i, arm in enumerate(EXPERIMENT.arms)
        for seed in range(5)
        for x in range(1, epochs + 1)
    ]
    if diverged and failed == "diverged":
        rows = [
            Observation(row.arm, row.seed, row.metric, row.x, math.nan)
            if row.arm == diverged and row.seed == 0 and row.x == epochs
            else row
            for row in rows
        ]
    arms = [
        {
            "label": arm.label,
            "runs": [
                {"seed": seed, "outcome": failed if arm.label == diverged and seed == 0 else "trained"}
                for seed in range(5)
            ],
        }
        for arm in EXPERIMENT.arms
    ]
    return Published(name="toy", about={"arms": arms, "checksum": "0"}, rows=tuple(rows))


FIGURES = {
    "curves": Curves(title="Curves", x_title="epoch", y_title="test accuracy"),
    "panels": Curves(colour="kind", panel="width", title="Panels"),
    "dots": Dots(title="Dots"),
    "factor": Factor(x="width", colour="kind", baseline=0.1, baseline_label="chance"),
    "series": Series(x_scale="log", arms=("4 none",)),
}


def values(specification):
    text = specification.get("data", {}).get("values")
    return text or next(iter(specification["datasets"].values()))


@pytest.mark.parametrize("name", FIGURES)
def test_charts_are_valid_and_the_bytes_are_stable(name):
    specification = chart(EXPERIMENT, FIGURES[name], published())
    alt.Chart.from_dict(specification)
    first = svg(specification)
    assert first == svg(chart(EXPERIMENT, FIGURES[name], published()))
    assert first.startswith("<svg") and "NaN" not in first
    assert "background" not in specification or specification["background"] == "transparent"


def test_bands_and_seeds_are_those_of_the_rows():
    records = values(chart(EXPERIMENT, FIGURES["curves"], published()))
    mine = [record for record in records if record["arm"] == "4 none" and record["x"] == 2]
    assert [record["y"] for record in mine if record["s"] is not None] == pytest.approx(
        [0.4, 0.41, 0.42, 0.43, 0.44]
    )
    (mean,) = [record for record in mine if record["s"] is None]
    assert mean["y"] == pytest.approx(0.42)
    # Student's t: 2.776 * 0.01581 / sqrt(5).
    assert (mean["l"], mean["h"]) == pytest.approx((0.42 - 0.01963, 0.42 + 0.01963), abs=1e-4)


def test_a_factor_is_drawn_over_the_last_values():
    records = values(chart(EXPERIMENT, FIGURES["factor"], published()))
    means = [(r["arm"], r["x"], r["y"]) for r in records if r["s"] is None]
    assert means == [("none", 4, 0.47), ("none", 8, 0.67), ("all", 4, 0.57), ("all", 8, 0.77)]


def test_every_arm_has_a_colour_and_a_dash_of_its_own():
    text = json.dumps(chart(EXPERIMENT, FIGURES["curves"], published()))
    scales = [json.loads(found) for found in re.findall(r'"range": (\[\[.*?\]\]|\["#.*?\])', text)]
    colours = next(scale for scale in scales if isinstance(scale[0], str))
    dashes = next(scale for scale in scales if isinstance(scale[0], list))
    assert len(set(colours)) == len(set(map(tuple, dashes))) == 4
    both = {(PALETTE[i % len(PALETTE)], tuple(DASHES[i % len(DASHES)])) for i in range(24)}
    assert len(both) == 24


def inks(figure):
    """The colour of each name in a chart."""
    scale = chart(EXPERIMENT, figure, published())["layer"][0]["encoding"]["color"]["scale"]
    return dict(zip(scale["domain"], scale["range"], strict=True))


def test_a_value_has_one_colour_in_every_chart():
    whole = inks(FIGURES["factor"])
    part = inks(Curves(colour="kind", arms=("8 all",)))
    assert list(whole) == ["none", "all"] and list(part) == ["all"]
    assert part["all"] == whole["all"] != whole["none"]


@pytest.mark.parametrize(
    ("value", "words"), [("relu", "relu"), (0.05, "f 0.05"), (8, "f 8"), (True, "True"), (None, "None")]
)
def test_a_number_is_named_with_its_factor(value, words):
    arm = dataclasses.replace(EXPERIMENT.arms[0], factors={"f": value})
    assert _name(Curves(colour="f"), arm) == words


def test_few_places_are_all_named_on_the_axis():
    few = chart(EXPERIMENT, FIGURES["curves"], published(epochs=3))["layer"][2]["encoding"]["x"]["axis"]
    many = chart(EXPERIMENT, FIGURES["curves"], published(epochs=30))["layer"][2]["encoding"]["x"]["axis"]
    assert few["values"] == [1, 2, 3] and "values" not in many


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colour", [INK, *PALETTE])
@pytest.mark.parametrize("page", ["#ffffff", "#1e2129"])
def test_colours_stand_out_on_light_and_dark_pages(colour, page):
    light, dark = sorted((luminance(colour), luminance(page)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_divergence_is_in_the_legend_and_marked():
    specification = chart(EXPERIMENT, FIGURES["curves"], published(diverged="8 all"))
    records = values(specification)
    assert "8 all (1 diverged)" in {record["arm"] for record in records}
    assert sum(record.get("e", 0) for record in records) == 1
    assert "8 all (1 diverged)" in svg(specification)


@pytest.mark.parametrize("kind", ["factor", "dots", "curves"])
def test_a_failed_run_is_marked_and_not_averaged(kind):
    figure = {"factor": Factor(x="width", colour="kind"), "dots": Dots(), "curves": Curves()}[kind]
    specification = chart(EXPERIMENT, figure, published(diverged="8 all", failed="at chance"))
    drawn = [r for r in values(specification) if r["arm"].endswith("(1 at chance)") and r["x"] in (8, 4)]
    mine = [r for r in drawn if kind != "factor" or r["x"] == 8]
    (mean,) = [r for r in mine if r["s"] is None]
    seeds = {r["s"]: r["y"] for r in mine if r["s"] is not None}
    assert mean["y"] == pytest.approx(sum(y for s, y in seeds.items() if s) / 4)
    assert [r["s"] for r in mine if r.get("f")] == [0]
    assert sum(r.get("e", 0) for r in values(specification)) == 1
    assert "Crosses: runs that failed" in specification["description"]
    svg(specification)


def test_where_no_run_trained_all_are_of_a_kind():
    about = published()
    for arm in about.about["arms"]:
        for run in arm["runs"]:
            run["outcome"] = "at chance"
    records = values(chart(EXPERIMENT, FIGURES["dots"], about))
    means = [record["y"] for record in records if record["s"] is None]
    assert means == pytest.approx([0.47, 0.57, 0.67, 0.77])


def test_a_metric_that_counts_failing_leaves_nothing_out():
    about = published(diverged="8 all", failed="at chance")
    rows = tuple(dataclasses.replace(row, metric="dead_units") for row in about.rows)
    about = dataclasses.replace(about, rows=rows)
    records = values(chart(EXPERIMENT, Dots(metric="dead_units"), about))
    assert not any(record.get("f") for record in records)


def test_a_logarithmic_axis_has_geometric_means_and_bands_above_zero():
    specification = chart(EXPERIMENT, Dots(y_scale="log", arms=("4 none",)), published())
    (mean,) = [record for record in values(specification) if record["s"] is None]
    logs = [math.log(0.45 + 0.01 * seed) for seed in range(5)]
    assert mean["y"] == pytest.approx(math.exp(sum(logs) / 5), abs=1e-4)
    assert 0 < mean["l"] < mean["y"] < mean["h"] and "geometric mean" in specification["description"]


def test_long_curves_are_thinned_out_to_a_size_a_page_can_carry():
    specification = chart(EXPERIMENT, FIGURES["curves"], published(epochs=500))
    assert len(json.dumps(specification, separators=(",", ":"))) <= LARGEST
    places = sorted({record["x"] for record in values(specification)})
    assert places[0] == 1 and places[-1] == 500


def test_axes_carry_their_titles_and_the_text_its_description():
    specification = chart(EXPERIMENT, FIGURES["curves"], published())
    drawn = svg(specification)
    assert "epoch" in drawn and "test accuracy" in drawn
    assert specification["description"].startswith("Curves. Thin lines: single seeds. Thick: mean of 5 seeds")


def test_drawing_writes_both_files_and_needs_no_keras(tmp_path):
    import dataclasses
    import subprocess
    import sys

    experiment = dataclasses.replace(EXPERIMENT, figures=(Curves(), Table(name="proof", metrics=("speed",))))
    assert [path.name for path in draw(experiment, published(), tmp_path)] == ["toy.vl.json", "toy.svg"]
    code = "import sys, zoo.experiments.publishing.figures; assert not {'keras', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_metric_that_nobody_measured_is_refused():
    with pytest.raises(ValueError, match="draws 'speed', of which nothing is published"):
        chart(EXPERIMENT, Curves(metric="speed"), published())


@pytest.mark.parametrize(
    "figure, axis", [(Dots(baseline=0.5), "x"), (Curves(baseline=0.5), "y"), (Series(baseline=0.5), "y")]
)
def test_a_baseline_lies_across_the_axis_of_the_metric(figure, axis):
    rule = chart(EXPERIMENT, figure, published())["layer"][-1]
    assert {"x", "y"} & set(rule["encoding"]) == {axis}
