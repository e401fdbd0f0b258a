"""What is committed for the site is what the code makes: drawings, tables, the bundle of the live charts."""

import json
import sys

import keras
import pytest

import zoo
from zoo.pretrained import manifest
from zoo.site import draw, from_catalog, from_graph
from zoo.site.place import DOCS

sys.path.insert(0, str(DOCS.parent / "scripts"))
import make_pictures
import make_try

shapes_alone = pytest.mark.usefixtures("shapes_alone")


@pytest.fixture(autouse=True)
def clean():
    yield
    keras.backend.clear_session()


def test_every_drawing_is_committed_and_no_other():
    # Those of the page "train" are several: one for each placement.
    interactive = {"spiral", *(f"train-{placement}" for placement in make_try.PLACEMENTS)}
    interactive |= {f"surgeon-{shipped.model}" for shipped in manifest()}
    known = {*from_graph.diagrams(), *make_pictures.PICTURES, *interactive}
    assert {path.stem for path in (DOCS / "diagrams").glob("*.svg")} == known


@pytest.mark.parametrize("name", sorted(from_graph.diagrams()))
@shapes_alone
def test_a_drawing_agrees_with_the_graph_built_today(name):
    committed = (DOCS / "diagrams" / f"{name}.svg").read_text()
    assert from_graph.draw_diagram(name) == committed, "run scripts/make_docs.py diagrams"


@shapes_alone
def test_the_drawn_order_is_the_order_of_execution():
    model = zoo.build("resnet20v2")
    drawn = from_graph.blocks(model, from_graph.named(model, "stage1_unit2_"), borders=False)
    labels = [block.label for block in drawn]
    assert labels == ["x", "BatchNorm", "ReLU", "conv 3×3, 16", "BatchNorm", "ReLU", "conv 3×3, 16", "+", "y"]
    addition = next(block for block in drawn if block.label == "+")
    assert set(addition.after) == {"x", drawn[6].name}


@shapes_alone
def test_a_box_says_which_activation_is_inside():
    model = zoo.build("convnet2", form="builtin", activation="gelu")
    (conv,) = (
        b for b in from_graph.blocks(model, {"stage1_conv1"}, borders=False) if b.name == "stage1_conv1"
    )
    assert conv.inside == "gelu"


def test_a_layer_without_a_label_is_an_error():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Lambda(lambda x: x, name="odd")(inputs))
    with pytest.raises(ValueError, match=r"no label for the layer class Lambda of 'odd'"):
        from_graph.blocks(model, {"odd"}, borders=False)


def test_a_drawing_names_and_describes_itself():
    port = draw.Block(name="x", label="x", kind="port")
    text = draw.svg([port, draw.Block(name="y", label="<y>", after=("x",))], "A & B", "from x to y")
    assert "<title>A &amp; B</title><desc>from x to y</desc>" in text
    assert "&lt;y&gt;" in text


def test_families_and_options_are_those_of_the_catalog():
    assert json.loads((DOCS / "data/options.json").read_text()) == from_catalog.options()


def test_the_zoo_table_lists_the_catalog():
    rows = json.loads((DOCS / "data/zoo_table.json").read_text())
    assert sorted(row["name"] for row in rows) == zoo.list_models(), "run scripts/make_docs.py table"


@pytest.mark.parametrize("name", ["convnet", "mlp", "plain20", "resnet50v2"])
@shapes_alone
def test_a_row_of_the_zoo_table_agrees_with_the_model_built_today(name):
    rows = json.loads((DOCS / "data/zoo_table.json").read_text())
    committed = next(row for row in rows if row["name"] == name)
    assert from_catalog.row(name) == committed


def test_the_count_of_foldable_norms_is_that_of_the_transform():
    row = from_catalog.row("resnet20v2")
    folded = zoo.transforms.fold_batchnorm(zoo.build("resnet20v2"))
    assert (
        (row["foldable"], row["norms"])
        == (len(folded.folded), len(folded.folded) + len(folded.kept))
        == (10, 19)
    )


def test_the_bundle_is_that_of_the_installed_vl_convert():
    import vl_convert

    committed = (DOCS / "javascripts/vega.js").read_text()
    assert committed == vl_convert.javascript_bundle(), "write vl_convert.javascript_bundle() to vega.js"
