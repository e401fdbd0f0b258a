"""A trimmed drawing looks as it did and weighs a fraction."""

import io
import re

import pytest

from zoo.site import trim
from zoo.site.place import DOCS

FIGURES = sorted((DOCS / "figures").glob("*.svg"))
#: One with facets and areas, one with error bars and points.
LOOKED_AT = [path for path in FIGURES if path.stem in ("why", "ordering-last")]


def body(marks):
    return trim.trim(f'<svg xmlns="http://www.w3.org/2000/svg"><g fill="none">{marks}</g></svg>')


def words(svg):
    return re.findall(r"<(?:text|tspan)[^>]*>([^<]+)</", svg)


@pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.stem)
def test_a_published_drawing_loses_bytes_and_no_word(path):
    before = path.read_text()
    after = trim.trim(before)
    assert words(after) == words(before)
    assert len(after) < 0.6 * len(before)


@pytest.mark.parametrize("path", LOOKED_AT, ids=lambda path: path.stem)
def test_a_browser_paints_the_same_picture(browser, path):
    from PIL import Image, ImageChops

    page = browser.new_page(viewport={"width": 1000, "height": 600})
    pictures = []
    for svg in (path.read_text(), trim.trim(path.read_text())):
        page.set_content(f"<body style='margin: 0; background: white'>{svg}</body>")
        pictures.append(Image.open(io.BytesIO(page.screenshot())).convert("L"))
    page.close()
    difference = ImageChops.difference(*pictures).histogram()
    painted = sum(pictures[0].histogram()[:250])
    # A tenth of a pixel changes the grey at the edge of a line a little, and no pixel from white to ink.
    assert painted > 5000
    assert sum(difference[96:]) < 0.002 * painted


def test_steps_do_not_add_up_their_rounding():
    points = [(0.04 * i, 0.26 * i) for i in range(1, 500)]
    path = "M0,0" + "".join(f"L{x:.3f},{y:.3f}" for x, y in points)
    x = y = 0.0
    steps = [float(n) for n in re.findall(r"-?[\d.]+", trim._relative(path))]
    for at, (wanted_x, wanted_y) in zip(range(2, len(steps), 2), points, strict=True):
        x, y = x + steps[at], y + steps[at + 1]
        assert abs(x - wanted_x) < 0.051 and abs(y - wanted_y) < 0.051


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("M1,2L3,4L5,1Z", "m1 2 2 2 2-3z"),
        ("M0,0h460v260h-460Z", "m0 0h460v260h-460z"),
        ("M10,0L0.5,0.04M20,5L20,6", "m10 0-9.5 0m19.5 5 0 1"),
        ("M1,1C2,2,3,3,4,4", "m1 1c1 1 2 2 3 3"),
        ("M2,0A2,2,0,1,1,-2,0", "m2 0a2 2 0 1 1-4 0"),
        ("M0,0Q1,1,2,2", "M0,0Q1,1,2,2"),
    ],
    ids=["lines", "box", "two strokes", "curve", "arc", "unknown command"],
)
def test_a_path_in_steps(path, short):
    assert trim._relative(path) == short


def test_what_is_not_painted_goes_and_what_clips_or_fades_stays():
    assert "path" not in body(
        '<path d="M0,0h9v9Z"/><path d="M0,0h9" stroke="red" display="none"/><g><g/></g>'
    )
    faded = '<g opacity="0.3"><path d="M0,0L9,9" stroke="red"/></g>'
    assert re.search(r'<g [^>]*opacity="0.3"[^>]*><path', body(faded))
    clipped = '<g clip-path="url(#a)"><g transform="translate(5,5)"><path d="M0,0L9,9" stroke="red"/></g></g>'
    # The move stays within what is clipped: outside, the clip would move as well.
    assert re.search(
        r'<g [^>]*clip-path="url\(#a\)"[^>]*><path[^>]* transform="translate\(5,5\)"', body(clipped)
    )


def test_moves_of_nested_groups_add_up():
    nested = '<g transform="translate(5,5)"><g transform="translate(1,2)"><path d="M0,0L9,9" stroke="red"/></g></g>'
    assert 'transform="translate(6,7)"' in body(nested)


def test_lines_of_a_grid_are_one_path_and_others_are_not_drawn_into_it():
    line = '<line transform="translate({},0)" x2="0" y2="9" stroke="{}"/>'
    shown = body(line.format(1, "red") + line.format(4, "red") + line.format(6, "blue"))
    assert (
        'd="m1 0 0 9m3-9 0 9"' in shown and '<line transform="translate(6,0)" y2="9" stroke="blue"/>' in shown
    )


def test_marks_cut_at_the_same_box_share_it():
    mark = '<g clip-path="url(#{0})"><path d="M0,0L9,{1}" stroke="red"/></g>'
    clips = "".join(
        f'<clipPath id="{name}"><rect width="{width}" height="9"/></clipPath>'
        for name, width in (("a", 5), ("b", 5), ("c", 7))
    )
    shown = body(mark.format("a", 1) + mark.format("b", 2) + mark.format("c", 3) + f"<defs>{clips}</defs>")
    assert re.findall(r'clip-path="url\(#(.)\)', shown) == ["a", "a", "c"]
    assert re.findall(r'clipPath id="(.)"', shown) == ["a", "c"]
