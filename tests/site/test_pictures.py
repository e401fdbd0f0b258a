"""The pictures drawn from tensors: as committed, true to what they show, legible on a phone."""

import re
import sys

import keras
import numpy as np
import pytest

from zoo.site import draw, from_convolution, from_functions, from_graph, from_maps, shapes
from zoo.site.place import DOCS

sys.path.insert(0, str(DOCS.parent / "scripts"))
import make_lab
import make_pictures

PHONE, IN_A_BOX = 358, 324  # the width of the text on a screen of 390 pixels, and of a thing to try
DRAWN = (
    "functions",
    "convolution",
    "convolution-stride",
    "convolution-padding",
    "convolution-channels",
    "maps",
    "spiral",
)


@pytest.mark.parametrize("name", make_pictures.PICTURES)
def test_a_picture_is_what_is_drawn_today(name):
    committed = (DOCS / "diagrams" / f"{name}.svg").read_text()
    assert make_pictures.PICTURES[name]() == committed, "run scripts/make_pictures.py"


@pytest.mark.parametrize("name", sorted(path.stem for path in (DOCS / "diagrams").glob("*.svg")))
def test_a_block_diagram_is_legible_on_a_phone_and_its_labels_fit_their_boxes(name):
    text = (DOCS / "diagrams" / f"{name}.svg").read_text()
    boxes = [
        (float(width), words)
        for width, words in re.findall(
            r'<rect class="zoo-d-box"[^>]* width="([\d.]+)" height="28"[^>]*/><text class="zoo-d-text"[^>]*>([^<]*)<',
            text,
        )
    ]
    # 6.4 pixels a letter: DejaVu Sans, the widest font that a reader is likely to have, at 12 pixels.
    assert [words for width, words in boxes if 6.4 * len(words) > width] == []
    if boxes:
        width = float(re.search(r'width="([\d.]+)"', text)[1])
        assert 12 * min(1, PHONE / width) >= 9


def test_boxes_are_as_wide_as_their_longest_label_and_narrow_where_three_stand_side_by_side():
    def drawn(label, branches):
        blocks = [draw.Block(name="x", label="x", kind="port")]
        blocks += [draw.Block(name=f"b{i}", label=label, after=("x",)) for i in range(branches)]
        after = tuple(f"b{i}" for i in range(branches))
        blocks.append(draw.Block(name="y", label="+", kind="point", after=after))
        return re.findall(r'<rect class="zoo-d-box"[^>]* width="([\d.]+)"', draw.svg(blocks, "t", "d"))

    assert set(drawn("conv", 1)) == {"156"} and set(drawn("conv", 3)) == {"108"}
    assert set(drawn("w" * 40, 1)) == {"270"}


@pytest.mark.parametrize("name", DRAWN)
def test_no_text_is_below_nine_pixels_on_a_phone(name):
    text = (DOCS / "diagrams" / f"{name}.svg").read_text()
    width = float(re.search(r'width="([\d.]+)"', text)[1])
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)"', text)]
    assert min(sizes) * min(1, (IN_A_BOX if name == "spiral" else PHONE) / width) >= 9


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pictures_keep_their_text_inside(visit, scheme, width):
    """No label is cut off at the edge of its picture, and on the page each is nine pixels high at least."""
    page = visit(
        "learn/what-a-convolution-is.html", viewport={"width": width, "height": 844}, color_scheme=scheme
    )
    wrong = page.evaluate("""() => [...document.querySelectorAll('.zoo-diagram svg')].flatMap((svg) => {
        const frame = svg.getBoundingClientRect(), scale = frame.width / svg.viewBox.baseVal.width;
        return [...svg.querySelectorAll('text')].filter((t) => {
            const box = t.getBoundingClientRect();
            return box.left < frame.left - 1 || box.right > frame.right + 1 || scale * t.getAttribute('font-size') < 9;
        }).map((t) => t.textContent);
    })""")
    assert wrong == []
    assert page.locator(".zoo-diagram svg").count() == 5


def test_text_that_would_be_too_small_is_refused():
    with pytest.raises(ValueError, match="size=9"):
        shapes.text(0, 0, "small", size=9)
    with pytest.raises(ValueError, match="width=900"):
        shapes.picture(900, 10, "wide", "", [])


@pytest.mark.parametrize(
    ("name", "z", "expected", "slope"),
    [
        ("relu", -2.0, 0, 0),
        ("relu", 2.0, 2, 1),
        ("leaky_relu", -2.0, -0.4, 0.2),
        ("prelu", -2.0, -0.5, 0.25),
        ("sigmoid", 0.0, 0.5, 0.25),
        ("tanh", 0.0, 0, 1),
        ("elu", -1.0, np.exp(-1) - 1, np.exp(-1)),
        ("softplus", 0.0, np.log(2), 0.5),
        ("none", -2.0, -2, 1),
    ],
)
def test_functions_and_slopes_are_right(name, z, expected, slope):
    at = np.array([z])
    assert from_functions.value(name, at)[0] == pytest.approx(expected, abs=1e-7)
    assert from_functions.slope(name, at)[0] == pytest.approx(slope, abs=1e-6)


def test_the_convolution_is_the_one_of_the_page():
    """The numbers drawn are those of the page's first code, and the sums are right."""
    page = (DOCS / "learn" / "what-a-convolution-is.md").read_text()
    names = {}
    exec(re.search(r"```python\n(.*?)```", page, re.S)[1], names)
    assert np.array_equal(names["image"], from_convolution.IMAGE)
    assert np.array_equal(names["kernel"], from_convolution.KERNEL)
    assert names["bias"] == from_convolution.BIAS
    picture = (DOCS / "diagrams" / "convolution.svg").read_text()
    for r in range(2):
        for c in range(2):
            value = np.sum(names["image"][r : r + 3, c : c + 3] * names["kernel"]) + names["bias"]
            assert f"+ bias 0.5 = {shapes.number(value)}<" in picture


@pytest.mark.parametrize(
    ("size", "options", "side"),
    [(5, {}, 3), (5, {"strides": 2}, 2), (4, {}, 2), (4, {"padding": "same"}, 4)],
)
def test_sides_are_those_of_the_arithmetic(size, options, side):
    assert from_convolution.side(size, **options) == side


def test_the_maps_are_cut_at_zero_and_nowhere_else():
    content = make_lab.read()
    model = make_lab.load("plain|conv_norm_act|max|relu", content)
    before, after = from_maps.before_and_after(model, make_lab.images(content)[make_pictures.IMAGE])
    assert np.array_equal(after, np.maximum(before, 0))
    assert (before < 0).mean() > 0.05
    picture = (DOCS / "diagrams" / "maps.svg").read_text()
    for c in range(from_maps.SHOWN):
        assert f"{100 * np.mean(after[:, :, c] == 0):.0f} % zeros" in picture
        # On one scale what stays is drawn the same before and after.
        largest = np.abs(before[:, :, c]).max()
        same = np.where(before > 0, before, 0)
        assert shapes.heat(0, 0, same[:, :, c], 4, largest=largest) == shapes.heat(
            0, 0, after[:, :, c], 4, largest=largest
        )


def test_a_hole_is_drawn_for_zero_and_one_piece_for_equal_neighbours():
    drawn = shapes.heat(0, 0, np.array([[1.0, 1.0, 0.0, -1.0]]), 10, largest=1)
    assert drawn.count("<path") == 2
    assert 'class="zoo-d-plus" fill-opacity="1" d="M0 0h20v10h-20z"' in drawn
    assert 'class="zoo-d-minus" fill-opacity="1" d="M30 0h10v10h-10z"' in drawn


# --- layouts, marked where they differ


def marked(name):
    kind = name.partition("-")[0]
    drawn, missing = from_graph.compare(
        from_graph._drawn(name), from_graph._drawn(f"{kind}-{from_graph.REFERENCE}")
    )
    return [block.label for block in drawn if block.marked], missing


@pytest.mark.parametrize(
    ("name", "labels", "missing"),
    [
        ("layout-he2016", [], []),
        ("layout-timm", [], []),
        ("stride-kerashub", ["conv 1×1, 32", "zero border, 1", "conv 3×3, 32, /2"], []),
        (
            "stride-keras",
            ["conv 1×1, 16", "zero border, 1", "conv 3×3, 16, /2", "every 2nd pixel", "conv 1×1, 64 + bias"],
            ["conv 1×1, 128, /2"],
        ),
    ],
)
def test_the_boxes_that_differ_are_marked(name, labels, missing):
    assert marked(name) == (labels, missing)
    keras.backend.clear_session()


def test_a_box_that_reads_another_is_marked_although_its_words_are_the_same():
    def chain(reads):
        return [
            draw.Block(name="x", label="x", kind="port"),
            draw.Block(name="a", label="conv 1×1, 8", after=("x",)),
            draw.Block(name="b", label="ReLU", kind="act", after=("a",)),
            draw.Block(name="c", label="conv 3×3, 8", after=(reads,)),
        ]

    drawn, missing = from_graph.compare(chain("a"), chain("b"))
    assert [block.name for block in drawn if block.marked] == ["c"] and missing == []


def test_a_marked_activation_keeps_its_own_class():
    port = draw.Block(name="x", label="x", kind="port")
    act = draw.Block(name="a", label="ReLU", kind="act", after=("x",), marked=True)
    assert '<g class="zoo-d-act zoo-d-other">' in draw.svg([port, act], "t", "d")
