import dataclasses
import json
import math
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.experiments import toys
from zoo.experiments.design.experiment import Curves, Dots, Factor, Series, Strip, Table
from zoo.experiments.publishing import inks, publication
from zoo.experiments.publishing.figures import FOLDER, LARGEST, chart, draw, fonts, svg, wrapped
from zoo.experiments.publishing.figures.records import name_of
from zoo.experiments.publishing.inks import INK, Ink, ink
from zoo.experiments.publishing.publication import Observation, Published
from zoo.studies import STUDIES

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


LOOKS = {
    arm.label: Ink(colour, dash)
    for arm, colour, dash in zip(
        EXPERIMENT.arms,
        (inks.BLUE, inks.ORANGE, inks.TEAL, inks.CRIMSON),
        (inks.SOLID, inks.LONG, inks.DOT, inks.SHORT),
        strict=True,
    )
}


@pytest.fixture(autouse=True)
def looks_of_the_toys(monkeypatch):
    for label, look in LOOKS.items():
        monkeypatch.setitem(inks._INKS, label, look)


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


def scales(specification):
    """Name -> (colour, dash) of the means of a chart of lines."""
    encoding = specification["layer"][2]["encoding"]
    names = encoding["color"]["scale"]["domain"]
    colours, dashes = (encoding[channel]["scale"]["range"] for channel in ("color", "strokeDash"))
    return {name: Ink(c, tuple(d)) for name, c, d in zip(names, colours, dashes, strict=True)}


def test_every_series_has_the_colour_and_dash_of_the_table():
    assert scales(chart(EXPERIMENT, Curves(), published())) == LOOKS
    both = scales(chart(EXPERIMENT, Curves(colour="kind"), published()))
    assert both == {"none": ink("none"), "all": ink("all")}
    assert scales(chart(EXPERIMENT, Curves(colour="kind", arms=("8 all",)), published())) == {
        "all": ink("all")
    }


@pytest.mark.parametrize(
    "figure", [Curves(colour="width"), Factor(x="width", colour="width"), Dots(colour="width")]
)
def test_a_value_without_an_entry_is_refused(figure):
    with pytest.raises(ValueError, match="no colour for 'width 4': give it a row of TABLE"):
        chart(EXPERIMENT, figure, published())


def test_rows_of_no_factor_need_no_colour():
    scale = chart(EXPERIMENT, Dots(), published())["layer"][0]["encoding"]["color"]["scale"]
    assert set(scale["range"]) == {INK}


def test_rows_that_share_a_value_have_names_of_their_own_and_one_colour():
    specification = chart(EXPERIMENT, Dots(colour="kind"), published())
    assert {r["arm"]: r["c"] for r in values(specification)} == {
        "4 none": "none",
        "4 all": "all",
        "8 none": "none",
        "8 all": "all",
    }
    color = specification["layer"][0]["encoding"]["color"]
    assert color["field"] == "c" and color["scale"]["range"] == [ink("none").colour, ink("all").colour]
    # Their names say what a panel would.
    named = chart(EXPERIMENT, Dots(colour="kind", panel="net"), published())
    assert "facet" not in named
    assert {r["arm"] for r in values(named)} == {arm.label for arm in EXPERIMENT.arms}
    # By themselves in a panel they are told apart by the value.
    panels = chart(EXPERIMENT, Dots(colour="kind", panel="width"), published())
    assert {r["arm"] for r in values(panels)} == {"none", "all"}


@pytest.mark.parametrize(
    ("value", "words"), [("relu", "relu"), (0.05, "f 0.05"), (8, "f 8"), (True, "True"), (None, "None")]
)
def test_a_number_is_named_with_its_factor(value, words):
    arm = dataclasses.replace(EXPERIMENT.arms[0], factors={"f": value})
    assert name_of(Curves(colour="f"), arm) == words


def test_few_places_are_all_named_on_the_axis():
    few = chart(EXPERIMENT, FIGURES["curves"], published(epochs=3))["layer"][2]["encoding"]["x"]["axis"]
    many = chart(EXPERIMENT, FIGURES["curves"], published(epochs=30))["layer"][2]["encoding"]["x"]["axis"]
    assert few["values"] == [1, 2, 3] and many["values"] == [10, 20, 30]


def test_divergence_is_said_and_marked():
    specification = chart(EXPERIMENT, FIGURES["curves"], published(diverged="8 all"))
    assert sum(record.get("e", 0) for record in values(specification)) == 1
    assert "8 all: 1 of 5 diverged" in specification["title"]["subtitle"]
    assert "8 all: 1 of 5 diverged." in specification["description"]
    assert "8 all: 1 of 5 diverged" in svg(specification)


def test_each_panel_says_what_failed_in_it():
    specification = chart(EXPERIMENT, FIGURES["panels"], published(diverged="8 all"))
    said = {panel["title"]["text"]: panel["title"].get("subtitle") for panel in specification["concat"]}
    assert said == {"width 4": None, "width 8": ["all: 1 of 5 diverged"]}
    assert not any("diverged" in line for line in specification["title"]["subtitle"])


def test_a_row_says_what_failed_where_it_has_room():
    specification = chart(EXPERIMENT, FIGURES["dots"], published(diverged="8 all", failed="at chance"))
    (words,) = [record for record in values(specification) if "t" in record]
    assert (words["arm"], words["t"]) == ("8 all", "1 of 5 at chance")
    # Its dots are at the upper end, so the words are at the lower.
    scale = specification["layer"][0]["encoding"]["x"]["scale"]
    assert words["y"] == scale["domain"][0] and words["a"] == -1


@pytest.mark.parametrize(("lowest", "words"), [(0.5, []), (0.9, ["1 of 5 at chance"])])
def test_a_row_that_fills_its_axis_leaves_what_failed_to_the_description(lowest, words):
    about = published(diverged="8 all", failed="at chance")
    along = {1: lowest, 2: 0.95, 3: 1.0, 4: 1.0}
    rows = tuple(
        dataclasses.replace(row, value=along.get(row.seed, lowest)) if row.arm == "8 all" else row
        for row in about.rows
    )
    specification = chart(EXPERIMENT, FIGURES["dots"], dataclasses.replace(about, rows=rows))
    assert [record["t"] for record in values(specification) if "t" in record] == words
    assert "8 all: 1 of 5 at chance" in specification["description"]
    assert ("1 of 5 at chance" in svg(specification).rpartition("</title>")[2]) is bool(words)


@pytest.mark.parametrize("kind", ["factor", "dots", "curves"])
def test_a_failed_run_is_marked_and_not_averaged(kind):
    figure = {"factor": Factor(x="width", colour="kind"), "dots": Dots(), "curves": Curves()}[kind]
    specification = chart(EXPERIMENT, figure, published(diverged="8 all", failed="at chance"))
    wanted = "all" if kind == "factor" else "8 all"
    drawn = [r for r in values(specification) if r["arm"] == wanted and r.get("x") in (8, 4) and "t" not in r]
    mine = [r for r in drawn if kind != "factor" or r["x"] == 8]
    (mean,) = [r for r in mine if r["s"] is None]
    seeds = {r["s"]: r["y"] for r in mine if r["s"]}
    assert mean["y"] == pytest.approx(sum(seeds.values()) / 4)
    assert [r["s"] for r in mine if r.get("f")] == [0]
    assert sum(r.get("e", 0) for r in values(specification)) == 1
    assert (
        "Crosses, and triangles at the edge they lie beyond: runs that failed" in specification["description"]
    )
    svg(specification)


def test_where_no_run_trained_all_are_of_a_kind():
    about = published()
    for arm in about.about["arms"]:
        for run in arm["runs"]:
            run["outcome"] = "at chance"
    records = values(chart(EXPERIMENT, FIGURES["dots"], about))
    means = [record["y"] for record in records if record.get("s", 0) is None]
    assert means == pytest.approx([0.47, 0.57, 0.67, 0.77])


def test_a_run_far_below_does_not_stretch_the_axis():
    about = published(diverged="8 all", failed="at chance")
    rows = [
        dataclasses.replace(row, value=0.1) if (row.arm, row.seed) == ("8 all", 0) else row
        for row in about.rows
    ]
    about = dataclasses.replace(about, rows=tuple(rows))
    dots = chart(EXPERIMENT, Dots(), about)
    low = dots["layer"][0]["encoding"]["x"]["scale"]["domain"][0]
    assert low == pytest.approx(0.4) and dots["title"]["subtitle"] == ["→ test accuracy (axis from 0.4)"]
    (away,) = [record for record in values(dots) if "o" in record]
    assert (away["arm"], away["s"], away["y"], away["o"]) == ("8 all", 0, low, -1)
    assert "triangle-left" in json.dumps(dots) and "1 of 5 at chance" in svg(dots)


def test_a_run_that_ends_without_a_number_is_marked_at_the_edge():
    specification = chart(EXPERIMENT, FIGURES["factor"], published(diverged="8 all"))
    (away,) = [record for record in values(specification) if "o" in record]
    assert (away["arm"], away["x"], away["o"]) == ("all", 8, -1)
    assert None not in [record["y"] for record in values(specification)]


def test_a_metric_that_counts_failing_leaves_nothing_out():
    about = published(diverged="8 all", failed="at chance")
    rows = tuple(dataclasses.replace(row, metric="dead_units") for row in about.rows)
    about = dataclasses.replace(about, rows=rows)
    records = values(chart(EXPERIMENT, Dots(metric="dead_units"), about))
    assert not any(record.get("f") for record in records)


def test_a_logarithmic_axis_has_geometric_means_and_bands_above_zero():
    specification = chart(EXPERIMENT, Dots(y_scale="log", arms=("4 none",)), published())
    (mean,) = [record for record in values(specification) if record.get("s", 0) is None]
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


def test_panels_part_their_axes_only_where_a_common_one_would_hide_a_panel():
    about = published()
    rows = tuple(
        dataclasses.replace(row, value=0.8 + row.value / 100) if row.arm.startswith("4") else row
        for row in about.rows
    )
    apart = chart(EXPERIMENT, FIGURES["panels"], dataclasses.replace(about, rows=rows))
    together = chart(EXPERIMENT, FIGURES["panels"], about)

    def domains(specification):
        return [panel["layer"][2]["encoding"]["y"]["scale"]["domain"] for panel in specification["concat"]]

    assert len({tuple(domain) for domain in domains(together)}) == 1
    first, second = domains(apart)
    assert first[0] > 0.8 and first[1] < 0.81 and second[0] < 0.6 < second[1]
    assert "each panel has an axis of its own, not from 0" in " ".join(apart["title"]["subtitle"])


def test_the_words_of_a_baseline_are_in_the_legend_where_no_curve_crosses_them():
    specification = chart(EXPERIMENT, FIGURES["factor"], published())
    assert "text" not in [layer["mark"]["type"] for layer in specification["layer"]]
    encoding = specification["layer"][2]["encoding"]
    assert encoding["color"]["scale"]["domain"][-1] == "chance"
    assert "chance</text>" in svg(specification)


@pytest.mark.parametrize(("baseline", "shown"), [(0.9, True), (9.0, False), (-3.0, False)])
def test_a_baseline_far_off_does_not_stretch_the_axis(baseline, shown):
    specification = chart(EXPERIMENT, Curves(baseline=baseline, baseline_label="known"), published())
    low, high = specification["layer"][2]["encoding"]["y"]["scale"]["domain"]
    assert (low <= baseline <= high) is shown and 0 <= low < high < 1
    assert ("rule" in [layer["mark"]["type"] for layer in specification["layer"]]) is shown


def test_of_many_epochs_those_count_that_tell_the_curves_apart():
    long = chart(EXPERIMENT, Curves(), published(epochs=20))
    rows = [record for record in values(long) if record["s"] is not None]
    low = long["layer"][2]["encoding"]["y"]["scale"]["domain"][0]
    assert min(record["y"] for record in rows) < low <= min(r["y"] for r in rows if r["x"] >= 11)
    assert f"(axis from {low:g})" in long["title"]["subtitle"][0]


@pytest.mark.parametrize(
    ("text", "lines"), [("a bc def", ["a bc", "def"]), ("abcdefg h", ["abcdefg", "h"]), ("", [""])]
)
def test_words_wrap(text, lines):
    assert wrapped(text, 4) == lines


def test_drawing_writes_both_files_and_needs_no_keras(tmp_path):
    import dataclasses
    import subprocess
    import sys

    experiment = dataclasses.replace(EXPERIMENT, figures=(Curves(), Table(name="proof", metrics=("speed",))))
    assert [path.name for path in draw(experiment, published(), tmp_path)] == ["toy.vl.json", "toy.svg"]
    code = "import sys, zoo.experiments.publishing.figures; assert not {'keras', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# Drawn whole takes half a minute. `depth` is where another version of the font, installed, was seen.
@pytest.mark.parametrize(
    "name",
    [
        name if name in ("form", "layout", "depth") else pytest.param(name, marks=pytest.mark.deep)
        for name in publication.names(STUDIES.names())
    ],
)
def test_the_figures_are_what_is_drawn_today(name, tmp_path):
    written = draw(STUDIES.lookup(name), publication.load(name), tmp_path)
    stale = [path.name for path in written if path.read_bytes() != (FOLDER / path.name).read_bytes()]
    assert stale == [], f"run scripts/reproduce.py figures {name}"


@pytest.mark.parametrize("before", [None, "/etc/fonts/fonts.conf"])
def test_the_fonts_of_the_machine_are_hidden_only_while_a_figure_is_drawn(before, monkeypatch):
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    if before:
        monkeypatch.setenv("FONTCONFIG_FILE", before)
    with pytest.raises(KeyError, match="on the way"), fonts.bundled_only():
        settings = ElementTree.parse(os.environ["FONTCONFIG_FILE"])
        (folder,) = [Path(found.text) for found in settings.iter("dir")]
        assert list(folder.glob("*.ttf")) == []
        raise KeyError("on the way")
    assert os.environ.get("FONTCONFIG_FILE") == before
    assert not folder.exists()


def test_a_metric_that_nobody_measured_is_refused():
    with pytest.raises(ValueError, match="draws 'speed', of which nothing is published"):
        chart(EXPERIMENT, Curves(metric="speed"), published())


@pytest.mark.parametrize(
    "figure, axis", [(Dots(baseline=0.5), "x"), (Curves(baseline=0.5), "y"), (Series(baseline=0.5), "y")]
)
def test_a_baseline_lies_across_the_axis_of_the_metric(figure, axis):
    rule = chart(EXPERIMENT, figure, published())["layer"][-1]
    assert {"x", "y"} & set(rule["encoding"]) == {axis}


def test_a_strip_is_a_square_for_each_place_of_a_net_with_its_mean_in_it():
    rows = [
        Observation(arm.label, seed, "points_lost", float(place), 10.0 * (place == 1) + i + seed)
        for i, arm in enumerate(EXPERIMENT.arms[:2])
        for seed in (0, 1, 2)
        for place in range(1, 5 + i)
    ]
    about = published().about
    strip = Strip(metric="points_lost", title="Each alone", y_title="points lost", x_title="place")
    spec = chart(EXPERIMENT, strip, Published(name="toy", about=about, rows=tuple(rows)))
    values = spec["data"]["values"]
    means = {(row["arm"], row["x"]): row["y"] for row in values if row["s"] is None}
    first, second = (arm.label for arm in EXPERIMENT.arms[:2])
    assert means == {
        **{(first, place): 1.0 + 10.0 * (place == 1) for place in range(1, 5)},
        **{(second, place): 2.0 + 10.0 * (place == 1) for place in range(1, 6)},
    }
    drawn = svg(spec)
    # A square and a number for each, the dearest in white on the darkest.
    assert (
        drawn.count(">11<") == drawn.count(">12<") == 1 and drawn.count(">1<") == 3 + 1
    )  # and the first place
    assert inks.LIGHT["act"] in drawn.replace("rgb(154, 52, 18)", inks.LIGHT["act"])
    assert spec["description"].endswith(
        "The number in each square is the mean of 3 seeds; the larger, the darker."
    )
    assert spec["title"]["subtitle"] == ["points lost"]
