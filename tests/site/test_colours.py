"""One colour and dash per meaning on the whole site, read from the figures that are committed."""

import functools
import json
import re
import sys
from collections import defaultdict

import pytest

from tests.experiments.test_inks import confused
from zoo.experiments.publishing.inks import INK, MARKS, Ink, ink, meaning
from zoo.site.place import DOCS

sys.path.insert(0, str(DOCS.parent / "scripts"))
import make_inks

FIGURES = sorted(path.name.removesuffix(".vl.json") for path in (DOCS / "figures").glob("*.vl.json"))
CHART = re.compile(r"^```chart\n(\S+)", re.M)
PHONE = 358  # the width of the text on a screen of 390 pixels
NOT_WRITTEN_BY_HAND = {"vega.js", "inks.js"}


@functools.cache
def specification(name):
    return json.loads((DOCS / "figures" / f"{name}.vl.json").read_text())


def layers(name):
    """All layers of a figure, with its panels and without."""
    whole = specification(name)
    for view in whole.get("concat") or [whole.get("spec", whole)]:
        yield from view.get("layer", [view])


def looks(name):
    """Name of each series -> colour and dash, as the figure has them; bars and dots are all solid."""
    found, dashes = {}, {}
    for layer in layers(name):
        encoding = layer["encoding"]
        for channel, into in (("color", found), ("strokeDash", dashes)):
            scale = encoding.get(channel, {}).get("scale", {})
            into.update(zip(scale.get("domain", ()), map(str, scale.get("range", ())), strict=True))
    return {
        one: Ink(colour, tuple(json.loads(dashes[one])) if dashes else ink(one).dash)
        for one, colour in found.items()
        if colour != INK  # that of baselines
    }


def test_figures_are_there():
    assert len(FIGURES) > 40 and sum(len(looks(name)) for name in FIGURES) > 150


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_takes_its_colours_from_the_table(name):
    assert looks(name) == {one: ink(one) for one in looks(name)}


@pytest.mark.parametrize("name", FIGURES)
def test_the_series_of_a_figure_are_told_apart_by_every_sight_and_on_paper(name):
    assert confused(looks(name)) == []


def test_a_meaning_has_one_colour_and_dash_on_the_whole_site():
    found = defaultdict(set)
    for name in FIGURES:
        for one, look in looks(name).items():
            found[meaning(one)].add(look)
    assert {one: shown for one, shown in found.items() if len(shown) > 1} == {}


def test_a_colour_has_one_meaning_on_a_page():
    wrong, pages = {}, 0
    for page in DOCS.rglob("*.md"):
        found = defaultdict(set)
        for name in CHART.findall(page.read_text()):
            for one, look in looks(name).items():
                found[look.colour].add(meaning(one))
        pages += bool(found)
        wrong |= {(page.name, colour): ones for colour, ones in found.items() if len(ones) > 1}
    assert wrong == {} and pages > 12


@pytest.mark.parametrize("path", make_inks.FILES, ids=lambda path: path.name)
def test_what_pages_read_is_the_table(path):
    assert path.read_text() == make_inks.FILES[path](), "run scripts/make_inks.py"


def test_no_page_script_has_colours_of_its_own():
    found = {}
    for path in sorted((DOCS / "javascripts").glob("*.js")):
        if path.name in NOT_WRITTEN_BY_HAND or path.name.endswith("-data.js"):
            continue
        own = re.findall(
            r"#[0-9a-f]{6}\b|#[0-9a-f]{3}\b|\[\d+, \d+, \d+(?:, 255)?\]|rgba?\(\d", path.read_text(), re.I
        )
        if own := [colour for colour in own if colour != INK]:
            found[path.name] = own
    assert found == {}


def test_the_style_sheets_leave_marks_to_the_table():
    text = "".join((DOCS / "stylesheets" / name).read_text() for name in ("zoo.css", "try.css"))
    assert not any(f"--zoo-{name}:" in text for name in MARKS)
    assert {name for name in MARKS if f"--zoo-{name})" in text} >= {
        "act",
        "act-box",
        "other",
        "plus",
        "minus",
    }
    assert not {colour for both in MARKS.values() for colour in both} & set(re.findall(r"#[0-9a-f]{6}", text))


def test_the_depth_slider_draws_its_nets_as_the_charts_do():
    data = (DOCS / "javascripts" / "depth-slider-data.js").read_text()
    nets = json.loads(data[data.index("{") : data.rindex("}") + 1])
    assert confused({net: ink(net) for net in nets}) == []
    table = (DOCS / "javascripts" / "inks.js").read_text()
    given = json.loads(table[table.index("{") : table.rindex("}") + 1])
    assert all(given[net] == [ink(net).colour, " ".join(map(str, ink(net).dash))] for net in nets)


# --- axes and words


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_below_nine_pixels_on_a_phone(name):
    text = (DOCS / "figures" / f"{name}.svg").read_text()
    width = float(re.search(r'width="([\d.]+)"', text)[1])
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)px"', text)]
    assert min(sizes) * min(1, PHONE / width) >= 9


def axes(name):
    """Channel, scale and axis of each measured axis of a figure."""
    for layer in layers(name):
        for channel in ("x", "y"):
            given = layer["encoding"].get(channel, {})
            if given.get("type") == "quantitative" and "axis" in given:
                yield channel, given["scale"], given["axis"]


@pytest.mark.parametrize("name", FIGURES)
def test_logarithmic_axes_are_labelled_at_decades_or_at_the_places_measured(name):
    places = {row["x"] for row in specification(name)["data"]["values"] if "x" in row}
    for channel, scale, axis in axes(name):
        if scale["type"] != "log":
            continue
        labelled = axis["values"]
        if known := re.match(r"indexof\((\[.*?\]), datum", axis.get("labelExpr", "")):
            labelled = json.loads(known[1])
        round_ones = {float(f"{lead}e{e}") for lead in (1, 2, 5) for e in range(-60, 60)}
        decades = [tick for tick in labelled if f"{tick:e}".startswith("1.000000e")]
        assert set(labelled) <= (places if channel == "x" and not known else round_ones)
        if channel == "y" and scale["domain"][1] / scale["domain"][0] > 100:
            assert decades == labelled


@pytest.mark.parametrize("name", FIGURES)
def test_an_axis_that_does_not_begin_at_zero_says_so(name):
    whole = specification(name)
    subtitle = whole["title"]["subtitle"]
    said = subtitle if isinstance(subtitle, str) else " ".join(subtitle)
    measured = "x" if said.startswith("→") else "y"
    lows = {
        scale["domain"][0]
        for channel, scale, _ in axes(name)
        if channel == measured and scale.get("type") == "linear"
    }
    if any(low > 0 for low in lows):
        assert "not from 0" in said if len(lows) > 1 else f"(axis from {lows.pop():g})" in said


@pytest.mark.parametrize("name", FIGURES)
def test_no_words_stand_where_curves_run(name):
    """Of the marks only rows of dots have words, in the part of the row that is empty."""
    whole = specification(name)
    width = whole.get("spec", whole).get("width")
    texts = [layer for layer in layers(name) if layer["mark"]["type"] == "text"]
    for layer in texts:
        side = int(re.search(r"datum\.a == (-?1)", json.dumps(layer))[1])
        low, high = layer["encoding"]["x"]["scale"]["domain"]
        for words in (row for row in whole["data"]["values"] if row.get("a") == side):
            row = [
                (r["y"] - low) / (high - low)
                for r in whole["data"]["values"]
                if (r["arm"], r.get("p")) == (words["arm"], words.get("p")) and "t" not in r and "o" not in r
            ]
            room = min(row, default=1) if side < 0 else 1 - max(row, default=0)
            assert room * width > 5.5 * len(words["t"]) + 8  # pixels from the edge, and of a letter


def test_every_chart_of_a_page_says_what_to_see():
    bare = []
    for page in DOCS.rglob("*.md"):
        bare += [(page.name, name) for name in re.findall(r"^```chart\n(\S+)\n```", page.read_text(), re.M)]
    assert bare == []
