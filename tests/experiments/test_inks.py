"""The table of colours: whole, without doubles, legible on light and dark pages and for every kind of sight."""

import itertools

import numpy as np
import pytest

from zoo.experiments.design.experiment import Chart, Dots, Strip
from zoo.experiments.publishing import inks
from zoo.experiments.publishing.figures.records import name_of
from zoo.experiments.publishing.inks import INK, MARKS, SAME, TABLE, Ink, ink, meaning
from zoo.placement import orderings
from zoo.spec import LAYOUTS
from zoo.studies import STUDIES
from zoo.studies.which import FUNCTIONS

COLOURS = sorted({look.colour for group in TABLE.values() for look in group.values()})
PAGES = ("#ffffff", "#1e2129")

# Machado, Oliveira, Fernandes 2009, doi 10.1109/TVCG.2009.113: severity 1.0, on linear RGB.
SIGHT = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# IEC 61966-2-1, from linear RGB to XYZ under D65.
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)
JUST_SEEN = 2.3  # distance in CIELAB that half of the observers see
APART = 11.0  # as few series have to be for every sight: five times as much
TOLD = 25.0  # as all series of a figure have to be for the usual one
FEW = 6


def linear(colour):
    c = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of linear RGB, white point D65."""
    t = TO_XYZ @ np.clip(rgb, 0, 1) / TO_XYZ.sum(1)
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one, other, sight="usual"):
    """Of two colours, as they are seen."""
    seen = [lab(SIGHT[sight] @ linear(colour)) for colour in (one, other)]
    return float(np.linalg.norm(seen[0] - seen[1]))


def confused(looks):
    """Pairs of names that a reader could take for each other, and why."""
    found = []
    for (a, one), (b, other) in itertools.combinations(looks.items(), 2):
        if one.dash == other.dash:
            found.append(f"{a} and {b} have one dash: on paper without colours they are the same")
        if distance(one.colour, other.colour) < TOLD:
            found.append(f"{a} and {b} differ by {distance(one.colour, other.colour):.1f} only")
        if len(looks) <= FEW:
            found += [
                f"{a} and {b} differ by {seen:.1f} only with {sight}"
                for sight in SIGHT
                if (seen := distance(one.colour, other.colour, sight)) < APART
            ]
    return found


def contrast(colour, page):
    light, dark = sorted((TO_XYZ[1] @ linear(c) for c in (colour, page)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_of_distance_is_right():
    # Known values: CIELAB of the primaries; red and green look alike with deuteranopia, blue and yellow do not.
    assert lab(linear("#ff0000")) == pytest.approx([53.24, 80.09, 67.20], abs=0.02)
    assert lab(linear("#0000ff")) == pytest.approx([32.30, 79.19, -107.86], abs=0.02)
    assert distance("#c00000", "#505000", "deuteranopia") < distance("#c00000", "#505000") / 3
    assert distance("#2040ff", "#c0a000", "deuteranopia") > 80
    assert all(matrix.sum(1) == pytest.approx(1, abs=1e-5) for matrix in SIGHT.values())  # grey stays grey


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("colour", [INK, *COLOURS])
def test_colours_stand_out_on_light_and_dark_pages(colour, page):
    assert contrast(colour, page) >= 3


@pytest.mark.parametrize("mark", [name for name in MARKS if not name.endswith("box")])
def test_marks_stand_out_on_their_page_and_in_their_box(mark):
    for colour, page, box in zip(MARKS[mark], PAGES, MARKS.get(f"{mark}-box", PAGES), strict=True):
        assert contrast(colour, page) >= 3 and contrast(colour, box) >= 3


def test_a_meaning_has_one_row():
    names = [name for group in TABLE.values() for name in group]
    assert len(names) == len(set(names)) == len(inks._INKS)
    assert not set(SAME) & set(names) and set(SAME.values()) <= set(names)


# What one figure may show at once; heads and losses are shown as two sets.
@pytest.mark.parametrize("group", [name for name in TABLE if name != "head and loss"])
def test_the_meanings_of_a_group_are_told_apart(group):
    assert confused(TABLE[group]) == []


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        ({"a": Ink("#2b83d6", (1, 0)), "b": Ink("#d9671f", (1, 0))}, "have one dash"),
        ({"a": Ink("#2b83d6", (1, 0)), "b": Ink("#2b80d0", (2, 2))}, "differ by"),
        # Grey-green and rose: far apart for most, one colour with deuteranopia.
        ({"a": Ink("#489648", (1, 0)), "b": Ink("#ba845a", (2, 2))}, "only with deuteranopia"),
    ],
)
def test_what_could_be_confused_is_found(looks, said):
    assert any(said in words for words in confused(looks))


def test_the_words_of_the_library_all_have_a_colour():
    words = [*orderings("plain"), *orderings("residual"), *LAYOUTS, *FUNCTIONS]
    assert [name for name in words if name not in inks._INKS] == []


def series(experiment):
    """Of each figure whose colour is a meaning: its name, and name -> colour and dash of what it shows."""
    for figure in experiment.figures:
        if not isinstance(figure, Chart) or (isinstance(figure, Dots) and not figure.colour):
            continue
        if isinstance(figure, Strip):  # its rows are named in words, its colour is the number
            continue
        asked = [*filter(None, (figure.colour, getattr(figure, "x", "")))]
        shown = [arm for arm in experiment.arms if not figure.arms or arm.label in figure.arms]
        names = [name_of(figure, arm) for arm in shown if all(factor in arm.factors for factor in asked)]
        yield figure.name, {name: ink(name) for name in names}


@pytest.mark.parametrize("name", STUDIES.names())
def test_every_series_of_every_study_has_a_colour_that_is_told_apart(name):
    """Before it is run: a figure that is drawn the day it is published is too late to find two alike."""
    found = {figure: confused(looks) for figure, looks in series(STUDIES.lookup(name))}
    assert {figure: pairs for figure, pairs in found.items() if pairs} == {}


@pytest.mark.parametrize("name", ["unheard_of", "", "Relu"])
def test_a_name_without_a_row_is_refused(name):
    with pytest.raises(ValueError, match=f"no colour for {name!r}: give it a row of TABLE, or of SAME"):
        meaning(name)
